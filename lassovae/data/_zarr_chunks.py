"""The chunks of a Zarr array on their way to its codecs: what they say of their size must be what the array says.

Codecs take the size of what comes out from what goes in, or go on for as long as bytes come out.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from lassovae._errors import InputError
from lassovae.data._zarr_metadata import ArrayMetadata

INFLATE = {"gzip": 31, "zlib": 15}  # codec -> how zlib is told of its header
NONE = (1 << 64) - 1  # place of a chunk that a shard does not have
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


def _size_said(codec: str, content: bytes) -> int | None:
    """Bytes that come out of a chunk, as it says itself; None where it does not."""
    if codec == "blosc":
        return int(struct.unpack_from("<I", content, 4)[0])
    if codec == "lz4":
        return int(struct.unpack_from("<I", content)[0])
    return _zstd_says(content) if codec == "zstd" and content[:4] == ZSTD_MAGIC else None


def _zstd_says(content: bytes) -> int | None:
    """The size that Zstandard's only frame says; None where it says none, or more follows that may say none."""
    descriptor = content[4]
    single, dictionary = descriptor >> 5 & 1, (0, 1, 2, 4)[descriptor & 3]
    width = (single, 2, 4, 8)[descriptor >> 6]
    place = 5 + (1 - single) + dictionary
    number = int.from_bytes(content[place : place + width], "little") + (256 if width == 2 else 0)
    place, last = place + width, 0
    while not last and place < len(content):
        header = int.from_bytes(content[place : place + 3], "little")
        last, repeated = header & 1, header >> 1 & 3 == 1
        place += 3 + (1 if repeated else header >> 3)
    alone = last and place + 4 * (descriptor >> 2 & 1) == len(content)
    return number if width and alone else None


def _holds(content: bytes, size: int) -> bool:
    """Whether just so many bytes come out of Zstandard's frames, found without room for more."""
    import numcodecs

    try:
        numcodecs.Zstd().decode(content, np.empty(size, np.uint8))
    except (RuntimeError, ValueError):
        return False
    return True


def checked_store(array: ArrayMetadata) -> Any:
    """A store of zarr for the folder of an array, whose chunks are read as they are, or refused by an InputError."""
    from zarr.storage import LocalStore

    class CheckedStore(LocalStore):
        async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Any:
            chunks.require_there(key, byte_range)
            return chunks.checked(key, await super().get(key, prototype, byte_range), byte_range)

        def get_sync(self, key: str, *arguments: Any, byte_range: Any = None, **options: Any) -> Any:
            chunks.require_there(key, byte_range)
            found = super().get_sync(key, *arguments, byte_range=byte_range, **options)
            return chunks.checked(key, found, byte_range)

        async def get_partial_values(self, prototype: Any, key_ranges: Iterable[Any]) -> Any:
            asked = list(key_ranges)
            for key, place in asked:
                chunks.require_there(key, place)
            found = await super().get_partial_values(prototype, asked)
            return [chunks.checked(key, part, place) for (key, place), part in zip(asked, found, strict=True)]

    chunks = _Chunks(array)
    return CheckedStore(array.folder, read_only=True)


class _Chunks:
    """The chunks of an array."""

    def __init__(self, array: ArrayMetadata) -> None:
        self._of = array

    def require_there(self, key: str, byte_range: Any) -> None:
        """Refuse a part that ends behind its file: LocalStore would take memory for all of it.

        Raises:
            InputError: it does.
        """
        path, end = self._of.folder / key, getattr(byte_range, "end", 0)
        if end and path.is_file() and end > path.stat().st_size:
            raise self._damaged(key)

    def checked(self, key: str, buffer: Any, byte_range: Any) -> Any:
        """What was read of a file: zarr's buffer, or one of the same pixels.

        Raises:
            InputError: it says another size than it should have.
        """
        array, name = self._of, Path(key).name
        if name.startswith(".z") or name == "zarr.json":
            return buffer
        if buffer is None:  # it was there when the array was opened; zarr would make up its pixels
            raise InputError(
                f"{self._of.folder}: chunk {key} is gone since it was opened; copy or export it again"
            )
        if not array.codec:
            return buffer
        content = buffer.to_bytes()
        if array.inner is None:
            new = self._one(key, content, math.prod(array.chunks))
            return buffer if new is content else type(buffer).from_bytes(new)
        pixels = math.prod(array.inner)
        if byte_range is None:
            for start, size in self._pieces(key, content, math.prod(array.chunks) // pixels):
                self._one(key, content[start : start + size], pixels)
        elif not hasattr(byte_range, "suffix") and (byte_range.start > 0 or not array.index_first):
            # the places of chunks are asked for by the first bytes, or the last; zarr may ask for several at once
            for start, size in self._within(key, byte_range.start, len(content)):
                self._one(key, content[start : start + size], pixels)
        return buffer

    def _pieces(self, key: str, content: bytes, count: int) -> list[tuple[int, int]]:
        """Place and size of the chunks in a shard; those that it says it does not have are blank (fill_value)."""
        size = 16 * count + self._of.index_tail
        index = content[:size] if self._of.index_first else content[-size:]
        if len(index) < size:
            raise self._damaged(key)
        pieces = [piece for piece in struct.iter_unpack("<QQ", index[: 16 * count]) if piece != (NONE, NONE)]
        if any(start + length > len(content) for start, length in pieces):
            raise self._damaged(key)
        return pieces

    def _within(self, key: str, first: int, length: int) -> list[tuple[int, int]]:
        """Place and size of the chunks in a part of a shard, from the part's first byte on."""
        count = math.prod(self._of.chunks) // math.prod(self._of.inner or (1,))
        size = 16 * count + self._of.index_tail
        with (self._of.folder / key).open("rb") as file:
            if not self._of.index_first:
                file.seek(max(0, file.seek(0, 2) - size))
            index = file.read(size)
        if len(index) < size:
            raise self._damaged(key)
        pieces = [
            (start - first, stored)
            for start, stored in struct.iter_unpack("<QQ", index[: 16 * count])
            if first <= start and start + stored <= first + length
        ]
        if not pieces:
            raise self._damaged(key)
        return pieces

    def _one(self, key: str, content: bytes, pixels: int) -> bytes:
        """A chunk; one that is inflated comes back packed without compression, so that it is inflated but once."""
        size, codec, whole_chunk = pixels * self._of.dtype.itemsize, self._of.codec, content
        content = content[: len(content) - self._of.tail]
        try:
            said = _size_said(codec, content)
            if codec == "blosc" and struct.unpack_from("<I", content, 12)[0] > len(content):
                raise self._damaged(key)
            if codec in INFLATE:
                stream = zlib.decompressobj(INFLATE[codec])
                whole = stream.decompress(content, size + 1)
                said = len(whole)
        except (struct.error, zlib.error, IndexError) as error:
            raise self._damaged(key) from error
        if codec == "zstd" and said is None:  # numcodecs would take room without an end
            said = size if _holds(content, size) else 0
        if said is not None and said != size:
            raise self._damaged(key)
        if codec not in INFLATE or self._of.inner is not None or self._of.tail:
            return whole_chunk
        packed = zlib.compressobj(0, wbits=INFLATE[codec])
        return packed.compress(whole) + packed.flush()

    def _damaged(self, key: str) -> InputError:
        return InputError(
            f"{self._of.folder}: chunk {key} cannot be decoded: it is cut short or damaged, and holds other pixels "
            "than it should; copy or export it again"
        )
