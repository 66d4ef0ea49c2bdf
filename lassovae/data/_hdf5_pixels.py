"""Whether the pixels of an HDF5 dataset are in its file, and can be decoded safely: proved before any is read."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import h5py

from lassovae._errors import InputError
from lassovae.data._choice import LARGEST_EXPANSION, require_expansion
from lassovae.data._hdf5_deflate import (
    CHECKSUM,
    CHECKSUM_BYTES,
    DEFLATE,
    LZF,
    PIPELINES,
    SHUFFLE,
    filters_of,
    is_plain,
)

# Pixel bytes that can come out of a stored byte: deflate's longest match is 258 bytes in 2 bits, LZF's 264 in 3 bytes.
EXPANSIONS = {DEFLATE: 1032, LZF: 88, SHUFFLE: 1, CHECKSUM: 1}
OWN = {
    DEFLATE: "gzip",
    SHUFFLE: "shuffle",
    CHECKSUM: "fletcher32",
    h5py.h5z.FILTER_SZIP: "szip",
    h5py.h5z.FILTER_NBIT: "n-bit",
    h5py.h5z.FILTER_SCALEOFFSET: "scale-offset",
    LZF: "lzf",
}
# Szip, n-bit and scale-offset libhdf5 decodes by what they say of themselves, beyond the end of a chunk cut short.
READ = PIPELINES | {(*a, *b, *c) for a in ((), (SHUFFLE,)) for b in ((), (LZF,)) for c in ((), (CHECKSUM,))}


def _check_order(name: str, filters: tuple[int, ...]) -> None:
    """Refuse filters that may be honest, but of which nobody knows before how much comes out of them."""
    own = tuple(code for code in filters if code in OWN)
    if own not in READ or (DEFLATE in own and own != filters):
        shown = ", then ".join(OWN.get(code, f"filter {code}") for code in filters)
        raise InputError(
            f"{name}: compressed in a way that is not supported ({shown}); repack it with gzip (h5repack -f GZIP=4)"
        )


def _check_filters(name: str, dataset: h5py.Dataset) -> int:
    """The most pixel bytes of a stored byte; refuses what this HDF5 cannot undo, or would undo without looking.

    libhdf5 takes the settings of its own filters from the file and works by them, though they do not fit the dataset:
    then it reads and writes beyond its memory.
    """
    properties = dataset.id.get_create_plist()
    count, expansion = properties.get_nfilters(), 1
    chunk_pixels = math.prod(dataset.chunks or ())
    for position in range(count):
        code, _, _, label = properties.get_filter(position)
        if not h5py.h5z.filter_avail(code):
            shown = label.decode(errors="replace") or f"filter {code}"
            raise InputError(
                f"{name}: compressed with {shown}, which this HDF5 cannot read; repack it with gzip "
                "(h5repack -f GZIP=4)"
            )
    _check_order(name, filters_of(dataset))
    for position in range(count):
        code, _, settings, _ = properties.get_filter(position)
        expansion *= EXPANSIONS.get(code, LARGEST_EXPANSION)
        item = dataset.dtype.itemsize
        honest = {
            SHUFFLE: settings[:1] == (item,),
            LZF: settings[2:3] == (chunk_pixels * item,),
        }
        if not honest.get(code, True):
            raise InputError(
                f"{name}: the settings of a compression (HDF5 filter {code}) do not fit its pixels; the file is "
                "damaged: copy it again, or repack it with gzip (h5repack -f GZIP=4)"
            )
    return min(expansion, LARGEST_EXPANSION)


def _check_chunks(name: str, dataset: h5py.Dataset, size: int, expansion: int) -> None:
    """Refuse chunks that are missing, lie beyond the end of the file, or claim more than they can hold."""
    chunk_bytes = math.prod(dataset.chunks) * dataset.dtype.itemsize
    steps = dataset.chunks
    grid = [-(-side // step) for side, step in zip(dataset.shape, steps, strict=True)]
    expected = math.prod(grid)
    if expected > size:  # each takes a byte at least
        raise _incomplete(name, expected, expected)
    shrinking = _shrinking(dataset)
    there, largest, smallest = bytearray(expected), 0, chunk_bytes

    def visit(info: Any) -> None:
        nonlocal largest, smallest
        place = [at // step for at, step in zip(info.chunk_offset, steps, strict=True)]
        if info.byte_offset is None or info.byte_offset + info.size > size:
            return
        if all(0 <= at < most for at, most in zip(place, grid, strict=True)):
            there[sum(at * math.prod(grid[axis + 1 :]) for axis, at in enumerate(place))] = 1
        largest = max(largest, info.size)
        as_it_is = info.filter_mask & shrinking == shrinking
        smallest = min(smallest, info.size if as_it_is else info.size - CHECKSUM_BYTES + chunk_bytes)

    dataset.id.chunk_iter(visit)
    if missing := expected - sum(there):
        raise _incomplete(name, missing, expected)
    if smallest < chunk_bytes:
        raise InputError(f"{name}: a chunk holds less than its pixels; the file is damaged: copy it again")
    require_expansion(name, chunk_bytes, largest, shrinking > 0, expansion)


def _shrinking(dataset: h5py.Dataset) -> int:
    """Which filters change the size of a chunk, as the bits by which a chunk says that it was not compressed."""
    return sum(
        1 << position for position, code in enumerate(filters_of(dataset)) if code not in (SHUFFLE, CHECKSUM)
    )


def _incomplete(name: str, missing: int, expected: int) -> InputError:
    return InputError(
        f"{name}: {missing} of {expected} chunks were never written or are cut off; the recording was broken off: "
        "copy it again, or save the frames that are there"
    )


def _check_type(name: str, dataset: h5py.Dataset) -> None:
    """Refuse pixels that are no numbers, or numbers whose bits lie elsewhere than their bytes."""
    if dataset.dtype.kind not in "uif" or dataset.shape is None:
        raise InputError(
            f"{name}: pixels of type {dataset.dtype} are not real numbers; store integers or floats"
        )
    stored, bits = dataset.id.get_type(), 8 * dataset.dtype.itemsize
    plain = is_plain(dataset)
    if not plain and isinstance(stored, h5py.h5t.TypeIntegerID):  # libhdf5 knows where their bits are
        plain = stored.get_size() * 8 == bits and stored.get_offset() + stored.get_precision() <= bits
    if not plain:
        raise InputError(
            f"{name}: pixels of an unusual type of number; store integers or floats of 8 to 64 bits"
        )


def check_pixels(path: Path, dataset: h5py.Dataset, size: int) -> None:
    """Prove that the pixels of a dataset are in this file, before any is read.

    Args:
        path: the file.
        dataset: the movie.
        size: bytes of the file.

    Raises:
        InputError: they lie in other files, were never written, are cut off, or cannot be decompressed.
    """
    name = f"{path} ({dataset.name})"
    if dataset.external or dataset.is_virtual:
        raise InputError(f"{name}: its pixels lie in other files, which are not followed; open those files")
    _check_type(name, dataset)
    expansion = _check_filters(name, dataset)
    num_bytes = math.prod(dataset.shape) * dataset.dtype.itemsize
    if dataset.chunks is None:
        stored = dataset.id.get_storage_size()
        if min(stored, size) < num_bytes:
            raise InputError(
                f"{name}: {min(stored, size)} of {num_bytes} bytes of pixels were ever written; the recording was "
                "broken off: copy it again"
            )
    elif num_bytes:
        _check_chunks(name, dataset, size, expansion)
