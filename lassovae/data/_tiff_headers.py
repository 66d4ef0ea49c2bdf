"""The headers of all pages of a TIFF file in one pass: where each page's pieces lie, if all pages are alike."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from lassovae.data._choice import LARGEST_EXPANSION

# Tags that decide how pixels are stored: widths, bits, compression, order, strips, planes, predictor, tiles, samples.
KIND = frozenset(
    {256, 257, 258, 259, 262, 266, 277, 278, 284, 317, 320, 322, 323, 330, 338, 339, 347, 32997, 32998}
)
PLACES, LENGTHS = frozenset({273, 324}), frozenset({279, 325})
# none, LZW, deflate (two numbers), PackBits, LZMA, Zstandard: pieces that are decoded by themselves
SIMPLE = frozenset({1, 5, 8, 32946, 32773, 34925, 50000})
INTEGERS = {3: "H", 4: "I", 16: "Q"}
BITS, COMPRESSION = 258, 259
MOST_TAGS = 1024


@dataclass(frozen=True)
class Pieces:
    """Where pages lie, whose headers say the same of their pixels.

    Attributes:
        offsets: (pages, pieces) byte of each strip or tile.
        counts: (pages, pieces) its bytes.
    """

    offsets: np.ndarray
    counts: np.ndarray


class _Headers(NamedTuple):
    """What pages say: byte order, the tags that decide how pixels are stored, and places and bytes of their pieces."""

    order: str
    kind: tuple[tuple[int, int, int, bytes], ...]
    offsets: list[list[int]]
    counts: list[list[int]]

    def like(self, other: _Headers | None) -> bool:
        """Whether a page is stored as another: then what holds of the one's pixels holds of the other's."""
        return other is not None and (self.order, self.kind) == (other.order, other.kind)

    @property
    def place(self) -> int | None:
        """Byte of the first pixel of the only page where its pieces lie one behind the other, else None."""
        ends = [offset + count for offset, count in zip(self.offsets[0], self.counts[0], strict=True)]
        return self.offsets[0][0] if ends[:-1] == self.offsets[0][1:] else None

    def holds(self, shape: tuple[int, int]) -> bool:
        """Whether the pieces of the only page can hold the pixels of a frame, (height, width)."""
        bits = next((entry[3][:2] for entry in self.kind if entry[0] == BITS), b"")
        frame_bytes = packed_bytes(shape, int.from_bytes(bits, "little" if self.order == "<" else "big") or 1)
        compression = next((entry for entry in self.kind if entry[0] == COMPRESSION), None)
        plain = (
            compression is None
            or int.from_bytes(compression[3][:2], "little" if self.order == "<" else "big") == 1
        )
        return sum(self.counts[0]) * (1 if plain else LARGEST_EXPANSION) >= frame_bytes


def packed_bytes(shape: tuple[int, int], bits: int) -> int:
    """Bytes of the pixels of a frame, (height, width), of so many bits each; every row begins with a byte."""
    return shape[0] * (-(-shape[1] * bits // 8))


class _Unusual(Exception):
    """Not for the quick way: tifffile shall look at every page."""


def _values(
    file: IO[bytes], order: str, big: bool, entry: tuple[int, int, int, bytes], size: int
) -> list[int]:
    """The numbers of a tag."""
    _, kind, count, inline = entry
    if kind not in INTEGERS:
        raise _Unusual
    layout = struct.Struct(order + INTEGERS[kind])
    num_bytes = count * layout.size
    if num_bytes <= len(inline):
        content = inline[:num_bytes]
    else:
        place = int(struct.unpack(order + ("Q" if big else "I"), inline)[0])
        if num_bytes > size or place + num_bytes > size:
            raise _Unusual
        file.seek(place)
        content = file.read(num_bytes)
    return [value for (value,) in layout.iter_unpack(content)]


def _walk(file: IO[bytes], order: str, big: bool, size: int, limit: int) -> _Headers:
    """What the headers of the first `limit` pages say."""
    number, entries, pointer = (
        (struct.Struct(order + "Q"), struct.Struct(order + "HHQ8s"), struct.Struct(order + "Q"))
        if big
        else (struct.Struct(order + "H"), struct.Struct(order + "HHI4s"), struct.Struct(order + "I"))
    )
    file.seek(8 if big else 4)
    place = int(pointer.unpack(file.read(pointer.size))[0])
    offsets: list[list[int]] = []
    counts: list[list[int]] = []
    first: list[Any] = []
    seen: set[int] = set()
    while place and len(offsets) < limit:
        if place in seen or place + number.size > size:
            raise _Unusual
        seen.add(place)
        file.seek(place)
        num_tags = int(number.unpack(file.read(number.size))[0])
        if num_tags > MOST_TAGS:
            raise _Unusual
        content = file.read(num_tags * entries.size + pointer.size)
        page = list(entries.iter_unpack(content[: num_tags * entries.size]))
        kind = [entry for entry in page if entry[0] in KIND]
        if offsets and kind != first:
            raise _Unusual
        first = kind
        of_page = [entry for entry in page if entry[0] in PLACES]
        lengths = [entry for entry in page if entry[0] in LENGTHS]
        if len(of_page) != 1 or len(lengths) != 1 or of_page[0][2] != lengths[0][2]:
            raise _Unusual
        offsets.append(_values(file, order, big, of_page[0], size))
        counts.append(_values(file, order, big, lengths[0], size))
        place = int(pointer.unpack(content[num_tags * entries.size :])[0])
    return _Headers(order, tuple(first), offsets, counts)


def header_of(path: Path) -> _Headers | None:
    """The header of a file of one page; None where it has more, is damaged, or does not hold all its pixels."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(4)
            order, version = ("<" if head[:2] == b"II" else ">"), head[2:].strip(b"\0")
            if head[:2] not in (b"II", b"MM") or version not in (b"*", b"+"):
                return None
            found = _walk(file, order, version == b"+", size, 2)
    except (_Unusual, struct.error, OSError):
        return None  # what is wrong is found by the slow way
    if len(found.offsets) != 1 or not found.offsets[0]:
        return None
    within = all(
        offset > 0 and count > 0 and offset + count <= size
        for offset, count in zip(found.offsets[0], found.counts[0], strict=True)
    )
    return found if within else None


def find_pieces(path: Path, tif: Any, size: int, num_pages: int) -> Pieces | None:
    """Where the pieces of all pages lie.

    Args:
        path: the file.
        tif: the same, opened by tifffile, for its first page.
        size: bytes of the file.
        num_pages: that it should have at least.

    Returns:
        None where the headers are damaged, pages differ or are compressed in a way that needs more than their bytes:
        then every page must be looked at by itself.
    """
    first = tif.pages[0]
    if first.compression not in SIMPLE or len(first.shape) != 2 or len(first.dataoffsets) == 0:
        return None
    try:
        with path.open("rb") as file:
            found = _walk(file, tif.byteorder, tif.is_bigtiff, size, num_pages)
    except (_Unusual, struct.error, OSError):
        return None  # what is wrong is found by the slow way
    pieces = len(first.dataoffsets)
    if len(found.offsets) < num_pages or any(len(of_page) != pieces for of_page in found.offsets):
        return None
    try:
        return Pieces(np.array(found.offsets, np.int64), np.array(found.counts, np.int64))
    except OverflowError:
        return None


def read_pieces(file: IO[bytes], offsets: np.ndarray, counts: np.ndarray) -> list[bytes]:
    """The stored bytes of the pieces of a page.

    Raises:
        EOFError: the file ends within one.
    """
    found = []
    for offset, count in zip(offsets.tolist(), counts.tolist(), strict=True):
        file.seek(offset)
        found.append(file.read(count))
        if len(found[-1]) < count:
            raise EOFError("the file ends within the frame")
    return found


def decode_pieces(page: Any, pieces: list[bytes], out: np.ndarray) -> None:
    """Decode a page.

    Args:
        page: tifffile's first page of the file, to which this one is alike.
        pieces: stored bytes of each of its strips or tiles.
        out: (height, width), filled.

    Raises:
        Exception: of the decoder, where a piece is damaged.
    """
    for number, content in enumerate(pieces):
        piece, (_, _, row, column, _), shape = page.decode(content, number)
        if piece is None:
            raise EOFError("a piece is missing")
        target = out[row : row + shape[1], column : column + shape[2]]
        target[...] = piece[0, : target.shape[0], : target.shape[1], 0]
