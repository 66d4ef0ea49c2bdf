"""Compressed chunks of HDF5, each of which gives its pixels and not a byte more; those of deflate (gzip) decoded here.

libhdf5 inflates a chunk for as long as bytes come out of it, a thousand from each, and takes what lies in memory behind
those that are missing for pixels, in chunks of LZF as well. Several threads decode at the same time, too. What is left
to libhdf5, because it is LZF or numbers have fewer bits than their bytes, is gone through here first.
"""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from lassovae._errors import InputError

SHUFFLE, DEFLATE, CHECKSUM = h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_FLETCHER32
LZF = h5py.h5z.FILTER_LZF
CHECKSUM_BYTES = 4
# Filters in the order of writing, of which everything is known that comes out of them.
PIPELINES = {(*before, *tail) for before in ((), (SHUFFLE,)) for tail in (
    (DEFLATE,), (DEFLATE, CHECKSUM), (CHECKSUM, DEFLATE)
)}  # fmt: skip
BLOCK = 1 << 14  # words of a checksum that are summed at once


def filters_of(dataset: h5py.Dataset) -> tuple[int, ...]:
    """The numbers of the filters that a chunk went through when it was written, in order."""
    properties = dataset.id.get_create_plist()
    return tuple(properties.get_filter(position)[0] for position in range(properties.get_nfilters()))


def is_plain(dataset: h5py.Dataset) -> bool:
    """Whether the stored numbers are those of NumPy, of either byte order: all bits of their bytes, in their places."""
    return bool(dataset.id.get_type().equal(h5py.h5t.py_create(dataset.dtype)))


def is_deflated(dataset: h5py.Dataset) -> bool:
    """Whether `read_deflated` reads a dataset."""
    return dataset.chunks is not None and filters_of(dataset) in PIPELINES and is_plain(dataset)


def _fletcher32(content: bytes) -> tuple[int, int]:
    """The two sums of HDF5's checksum, modulo 65535."""
    words = np.frombuffer(content + bytes(len(content) % 2), ">u2").astype(np.uint64)
    first = second = 0
    for start in range(0, len(words), BLOCK):
        block = words[start : start + BLOCK]
        second += first * len(block) + int((block * np.arange(len(block), 0, -1, dtype=np.uint64)).sum())
        first += int(block.sum())
    return first % 65535, second % 65535


def _inflated(content: bytes, most: int) -> bytes | None:
    """What was deflated; None where it is damaged or more than this."""
    stream = zlib.decompressobj()
    try:
        whole = stream.decompress(content, most)
        more = stream.decompress(stream.unconsumed_tail, 1)
    except zlib.error:
        return None
    return whole if not more and stream.eof else None


def _decoded(content: bytes, filters: tuple[int, ...], skipped: int, size: int, item: int) -> bytes | None:
    """Bytes of the pixels of a chunk; None where it is damaged."""
    done = [code for position, code in enumerate(filters) if not skipped >> position & 1]
    whole = content
    for position in reversed(range(len(done))):
        if done[position] == CHECKSUM:
            stored = int.from_bytes(whole[-CHECKSUM_BYTES:], "little")
            whole = whole[:-CHECKSUM_BYTES]
            if _fletcher32(whole) != ((stored & 0xFFFF) % 65535, (stored >> 16) % 65535):
                return None
        elif done[position] == DEFLATE:
            inflated = _inflated(whole, size + CHECKSUM_BYTES * done[:position].count(CHECKSUM))
            if inflated is None:
                return None
            whole = inflated
        elif done[position] == SHUFFLE:
            count = len(whole) // item * item
            pixels = np.frombuffer(whole, np.uint8, count).reshape(item, -1).T
            whole = pixels.tobytes() + whole[count:]
    return whole if len(whole) == size else None


def _stored(
    dataset: h5py.Dataset, frames: range, plane: int | None
) -> Iterator[tuple[tuple[int, ...], int, bytes]]:
    """Place of the chunks that hold these frames, the filters each did not go through, and what is stored of it."""
    steps = dataset.chunks
    corners = [range(0, side, step) for side, step in zip(dataset.shape[1:3], steps[1:3], strict=True)]
    last: tuple[int, ...] = () if plane is None else (plane // steps[-1] * steps[-1],)
    for first in np.unique(np.asarray(frames) // steps[0] * steps[0]).tolist():
        for row, column in itertools.product(*corners):
            place = (first, row, column, *last)
            yield place, *dataset.id.read_direct_chunk(place)


def _chunks(
    path: Path, dataset: h5py.Dataset, frames: range, plane: int | None
) -> Iterator[tuple[tuple[int, ...], bytes]]:
    """Place and content of the chunks that hold these frames, one after the other.

    Raises:
        InputError: a chunk is damaged.
    """
    item, filters = dataset.dtype.itemsize, filters_of(dataset)
    size = math.prod(dataset.chunks) * item
    for place, skipped, content in _stored(dataset, frames, plane):
        decoded = _decoded(content, filters, skipped, size, item)
        if decoded is None:
            raise _damaged(path, dataset, frames)
        yield place, decoded


def _damaged(path: Path, dataset: h5py.Dataset, frames: range) -> InputError:
    return InputError(
        f"{path}: damaged, frames {frames.start} to {frames[-1]} of {dataset.name} cannot be decompressed; "
        "copy or export it again"
    )


def lzf_size(content: bytes) -> int:
    """Bytes that come out of a chunk of LZF.

    Its tokens are up to 32 bytes as they are, or a place and a length to copy from what came out before.

    Raises:
        IndexError: it is cut short.
    """
    place, size, end = 0, 0, len(content)
    while place < end:
        token = content[place]
        if token < 32:
            size += token + 1
            place += token + 2
        else:
            length = token >> 5
            if length == 7:
                place += 1
                length += content[place]
            size += length + 2
            place += 2
    if place > end:
        raise IndexError("its last token goes on")
    return size


def _require_lzf(path: Path, dataset: h5py.Dataset, frames: range, plane: int | None) -> None:
    """Refuse chunks of LZF of which other bytes come out than they should hold."""
    filters, size = filters_of(dataset), math.prod(dataset.chunks) * dataset.dtype.itemsize
    for _, skipped, content in _stored(dataset, frames, plane):
        done = {code for position, code in enumerate(filters) if not skipped >> position & 1}
        try:
            whole = (
                LZF not in done
                or lzf_size(content[:-CHECKSUM_BYTES] if CHECKSUM in done else content) == size
            )
        except IndexError:
            whole = False
        if not whole:
            raise _damaged(path, dataset, frames)


def require_bounded(path: Path, dataset: h5py.Dataset, frames: range, plane: int | None) -> None:
    """Refuse chunks of which libhdf5 would make more bytes, or other pixels, than they hold, before it decodes them.

    Args:
        path, dataset, frames, plane: as of `read_deflated`, for any dataset.

    Raises:
        InputError: a chunk is damaged.
    """
    filters = set(filters_of(dataset))
    if DEFLATE in filters:
        for _ in _chunks(path, dataset, frames, plane):
            pass
    if LZF in filters and filters <= {SHUFFLE, LZF, CHECKSUM}:  # nobody here knows what others make of it
        _require_lzf(path, dataset, frames, plane)


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
    steps, shape, dtype = dataset.chunks, dataset.shape, dataset.dtype
    out = np.empty((len(frames), *shape[1:3]), dtype)
    numbers = np.asarray(frames)
    for (first, row, column, *last), content in _chunks(path, dataset, frames, plane):
        wanted = np.flatnonzero(numbers // steps[0] * steps[0] == first)
        block = np.frombuffer(content, dtype).reshape(steps)
        if plane is not None:
            block = block[..., plane - last[0]]
        rows, columns = min(steps[1], shape[1] - row), min(steps[2], shape[2] - column)
        if len(wanted) < steps[0]:
            block = block[numbers[wanted] - first]
        place = slice(wanted[0], wanted[-1] + 1)
        out[place, row : row + rows, column : column + columns] = block[:, :rows, :columns]
    return out
