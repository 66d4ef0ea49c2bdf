"""Chunks of HDF5 that are compressed by deflate (gzip), decoded here: each gives its pixels and not a byte more.

libhdf5 inflates a chunk for as long as bytes come out of it, a thousand from each, and takes what lies in memory behind
those that are missing for pixels. Several threads decode at the same time, too.
"""

from __future__ import annotations

import itertools
import math
import zlib
from pathlib import Path

import h5py
import numpy as np

from lassovae._errors import InputError

SHUFFLE, DEFLATE, CHECKSUM = h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_FLETCHER32
PIPELINES = {(*before, DEFLATE, *after) for before in ((), (SHUFFLE,)) for after in ((), (CHECKSUM,))}
BLOCK = 1 << 14  # words of a checksum that are summed at once


def filters_of(dataset: h5py.Dataset) -> tuple[int, ...]:
    """The numbers of the filters that a chunk went through when it was written, in order."""
    properties = dataset.id.get_create_plist()
    return tuple(properties.get_filter(position)[0] for position in range(properties.get_nfilters()))


def is_deflated(dataset: h5py.Dataset) -> bool:
    """Whether `read_deflated` reads a dataset."""
    return dataset.chunks is not None and filters_of(dataset) in PIPELINES


def _fletcher32(content: bytes) -> tuple[int, int]:
    """The two sums of HDF5's checksum, modulo 65535."""
    words = np.frombuffer(content + bytes(len(content) % 2), ">u2").astype(np.uint64)
    first = second = 0
    for start in range(0, len(words), BLOCK):
        block = words[start : start + BLOCK]
        second += first * len(block) + int((block * np.arange(len(block), 0, -1, dtype=np.uint64)).sum())
        first += int(block.sum())
    return first % 65535, second % 65535


def _inflated(content: bytes, size: int) -> bytes | None:
    """What was deflated; None where it is not of this size."""
    stream = zlib.decompressobj()
    try:
        whole = stream.decompress(content, size)
        more = stream.decompress(stream.unconsumed_tail, 1)
    except zlib.error:
        return None
    return whole if len(whole) == size and not more and stream.eof else None


def _decoded(
    content: bytes, filters: tuple[int, ...], skipped: int, size: int, item: int
) -> np.ndarray | None:
    """Bytes of the pixels of a chunk; None where it is damaged."""
    whole: bytes | None = content
    pixels = None
    for position in reversed(range(len(filters))):
        if skipped >> position & 1 or whole is None:
            continue
        if filters[position] == CHECKSUM:
            stored = int.from_bytes(whole[-4:], "little")
            whole = whole[:-4]
            sums = _fletcher32(whole)
            whole = whole if sums == ((stored & 0xFFFF) % 65535, (stored >> 16) % 65535) else None
        elif filters[position] == DEFLATE:
            whole = _inflated(whole, size)
        elif len(whole) == size:
            pixels = np.frombuffer(whole, np.uint8).reshape(item, -1).T.reshape(-1)
    if whole is None or len(whole) != size:
        return None
    return np.frombuffer(whole, np.uint8) if pixels is None else pixels


def read_deflated(path: Path, dataset: h5py.Dataset, frames: range, plane: int | None) -> np.ndarray:
    """Frames of a dataset for which `is_deflated`.

    Args:
        path: of the file, for messages.
        dataset: of axes (time, a, b[, plane]).
        frames: their numbers, upwards.
        plane: index on the fourth axis; None where there are three.

    Returns:
        (frames, a, b) of the dataset's own byte order.

    Raises:
        InputError: a chunk is damaged.
    """
    steps, shape, dtype, filters = dataset.chunks, dataset.shape, dataset.dtype, filters_of(dataset)
    size = math.prod(steps) * dtype.itemsize
    out = np.empty((len(frames), *shape[1:3]), dtype)
    numbers = np.asarray(frames)
    corners = [range(0, side, step) for side, step in zip(shape[1:3], steps[1:3], strict=True)]
    last: tuple[int, ...] = () if plane is None else (plane // steps[-1] * steps[-1],)
    for first in np.unique(numbers // steps[0] * steps[0]).tolist():
        wanted = np.flatnonzero(numbers // steps[0] * steps[0] == first)
        here = numbers[wanted] - first
        for row, column in itertools.product(*corners):
            skipped, content = dataset.id.read_direct_chunk((first, row, column, *last))
            pixels = _decoded(content, filters, skipped, size, dtype.itemsize)
            if pixels is None:
                raise InputError(
                    f"{path}: damaged, frames {frames.start} to {frames[-1]} of {dataset.name} cannot be decompressed; "
                    "copy or export it again"
                )
            block = pixels.view(dtype).reshape(steps)
            if plane is not None:
                block = block[..., plane - last[0]]
            rows, columns = min(steps[1], shape[1] - row), min(steps[2], shape[2] - column)
            if len(here) < steps[0]:
                block = block[here]
            place = slice(wanted[0], wanted[-1] + 1)
            out[place, row : row + rows, column : column + columns] = block[:, :rows, :columns]
    return out
