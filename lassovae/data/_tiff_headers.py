"""The headers of all pages of a TIFF file in one pass: where each page's pieces lie, if all pages are alike."""

from __future__ import annotations

import struct
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from lassovae._errors import InputError
from lassovae.data._tiff_bounds import check_piece, largest_expansion, packed_bytes

# Tags that decide how pixels are stored: widths, bits, compression, order, strips, planes, predictor, tiles, samples.
KIND = frozenset(
    {256, 257, 258, 259, 262, 266, 277, 278, 284, 317, 320, 322, 323, 330, 338, 339, 347, 32997, 32998}
)
PLACES, LENGTHS = frozenset({273, 324}), frozenset({279, 325})
# none, LZW, deflate (two numbers), PackBits, LZMA, Zstandard: pieces that are decoded by themselves
SIMPLE = frozenset({1, 5, 8, 32946, 32773, 34925, 50000})
INTEGERS = {3: "H", 4: "I", 16: "Q"}
BITS, COMPRESSION = 258, 259
MOST_TAGS = 4096


@dataclass(frozen=True)
class Pieces:
    """Where pages lie, whose headers say the same of their pixels.

    Attributes:
        offsets: (pages, pieces) byte of each strip or tile.
        counts: (pages, pieces) its bytes.
    """

    offsets: np.ndarray
    counts: np.ndarray

    def hold(self, frame_bytes: int, piece_bytes: int, compression: int, size: int) -> bool:
        """Whether the file has room for what the headers claim.

        Args:
            frame_bytes: of the pixels of a frame.
            piece_bytes: of the pixels of a whole strip or tile, which may reach beyond the frame.
            compression: number of TIFF.
            size: bytes of the file. All pieces lie within it, those of a page beside each other.
        """
        offsets, counts, largest = self.offsets, self.counts, largest_expansion(compression)
        if (
            not len(offsets)
            or not ((offsets > 0) & (counts > 0) & (offsets <= size) & (counts <= size)).all()
        ):
            return False
        stored = counts.sum(axis=1)
        enough = (stored * largest >= frame_bytes) & (counts.max(axis=1) * largest >= piece_bytes)
        return bool(((offsets + counts <= size).all() and (stored <= size).all()) and enough.all())

    def in_one_piece(self) -> bool:
        """Whether the pieces of each page lie one behind the other."""
        return bool((self.offsets[:, :-1] + self.counts[:, :-1] == self.offsets[:, 1:]).all())


class Survey(NamedTuple):
    """What the headers of a file say.

    Attributes:
        order: of the bytes, "<" or ">".
        kind: the tags of the first page that decide how pixels are stored.
        num_pages: whose headers can be read.
        whole: the list of pages ends as it should.
        damage: why it must not be followed any further, empty where it may.
        pieces: of the leading pages that are stored as the first one is.
    """

    order: str
    kind: tuple[tuple[int, int, int, bytes], ...]
    num_pages: int
    whole: bool
    damage: str
    pieces: Pieces

    @property
    def num_alike(self) -> int:
        """Leading pages that are stored as the first one is."""
        return len(self.pieces.offsets)

    def like(self, other: Survey) -> bool:
        """Whether a page is stored as another: then what holds of the one's pixels holds of the other's."""
        return (self.order, self.kind) == (other.order, other.kind)

    def _tag(self, code: int) -> int:
        """The first number of a tag of 16 bits, 1 where there is none."""
        content = next((entry[3][:2] for entry in self.kind if entry[0] == code), b"")
        return int.from_bytes(content, "little" if self.order == "<" else "big") or 1

    def holds(self, shape: tuple[int, int], size: int) -> bool:
        """Whether the pieces of the pages lie within the file and can hold frames (height, width)."""
        return self.pieces.hold(packed_bytes(shape, self._tag(BITS)), 0, self._tag(COMPRESSION), size)

    @property
    def place(self) -> int | None:
        """Byte of the first pixel of the first page where its pieces lie one behind the other, else None."""
        return int(self.pieces.offsets[0, 0]) if self.pieces.in_one_piece() else None


def damaged(path: Path, what: str) -> InputError:
    """The error for headers that lead astray."""
    return InputError(f"{path}: the TIFF header is damaged: {what}; export or copy the file again")


class _Form(NamedTuple):
    """How numbers stand in the headers of a file: byte order, and layouts of a count of tags, a tag and a place."""

    order: str
    number: struct.Struct
    entry: struct.Struct
    pointer: struct.Struct
    first: int  # byte of the place of the first page


def _form(head: bytes) -> _Form | None:
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or head[2:4].strip(b"\0") not in (b"*", b"+"):
        return None
    number, entry, pointer, first = ("Q", "HHQ8s", "Q", 8) if b"+" in head[2:4] else ("H", "HHI4s", "I", 4)
    return _Form(
        order,
        struct.Struct(order + number),
        struct.Struct(order + entry),
        struct.Struct(order + pointer),
        first,
    )


def _values(file: IO[bytes], form: _Form, entry: tuple[int, int, int, bytes], size: int) -> array[int]:
    """The numbers of a tag; none where they are of an unusual type or not there."""
    _, kind, count, inline = entry
    if kind not in INTEGERS:
        return array("Q")
    num_bytes = count * struct.calcsize(INTEGERS[kind])
    if num_bytes <= len(inline):
        return array("Q", struct.unpack(f"{form.order}{count}{INTEGERS[kind]}", inline[:num_bytes]))
    place = int(form.pointer.unpack(inline)[0])
    if place + num_bytes > size:
        return array("Q")
    file.seek(place)
    stored = np.frombuffer(file.read(num_bytes), form.order + INTEGERS[kind])
    return array("Q", stored.astype(np.uint64).tobytes())


class _Loop:
    """Tells whether a list of places comes back to one of them, without keeping them: Brent's way."""

    def __init__(self) -> None:
        self._mark, self._steps, self._limit = -1, 0, 1

    def closes(self, place: int) -> bool:
        if place == self._mark:
            return True
        self._steps += 1
        if self._steps == self._limit:
            self._mark, self._steps, self._limit = place, 0, 2 * self._limit
        return False


def survey(path: Path, size: int, most: int | None = None) -> Survey | None:
    """Go through the headers of all pages, once, before any other library does.

    Memory is bounded by the size of the file: what is kept of a page is 16 bytes for each of its pieces, and pages
    that speak of more pieces than the file has bytes are refused.

    Args:
        path: the file.
        size: its bytes.
        most: pages to go through, None for all.

    Returns:
        What they say, as far as they can be followed; None if it does not begin like a TIFF file.

    Raises:
        OSError: the file cannot be read.
    """
    offsets, counts = array("Q"), array("Q")
    kind: list[tuple[int, int, int, bytes]] = []
    pages = alike = per_page = 0
    loop, ended, damage = _Loop(), False, ""
    with path.open("rb") as file:
        form = _form(file.read(4))
        if form is None:
            return None
        file.seek(form.first)
        following = file.read(form.pointer.size)
        while len(following) == form.pointer.size and (most is None or pages < most):
            place = int(form.pointer.unpack(following)[0])
            if place == 0:
                ended = True
                break
            if loop.closes(place):
                damage = "its list of pages runs in a circle"
                break
            if place >= size:
                break
            file.seek(place)
            start = file.read(form.number.size)
            if len(start) < form.number.size or (num_tags := form.number.unpack(start)[0]) > MOST_TAGS:
                break
            content = file.read(num_tags * form.entry.size)
            following = file.read(form.pointer.size)
            if len(following) < form.pointer.size:
                break
            page = list(form.entry.iter_unpack(content))
            if sum([entry[2] for entry in page]) > size:
                damage = f"page {pages} speaks of more values than the file has bytes"
                break
            pages += 1
            if alike < pages - 1:
                continue
            of_kind = [entry for entry in page if entry[0] in KIND]
            places = [entry for entry in page if entry[0] in PLACES]
            lengths = [entry for entry in page if entry[0] in LENGTHS]
            if (pages > 1 and of_kind != kind) or len(places) != 1 or len(lengths) != 1:
                continue
            of_page, lengths_of_page = (
                _values(file, form, places[0], size),
                _values(file, form, lengths[0], size),
            )
            if (
                not of_page
                or len(of_page) != len(lengths_of_page)
                or len(of_page) != (per_page or len(of_page))
            ):
                continue
            kind, per_page, alike = of_kind, len(of_page), pages
            offsets.extend(of_page)
            counts.extend(lengths_of_page)
            if len(offsets) > size:
                damage = "its pages have more pieces than the file has bytes"
                break
    shape = alike, per_page
    # What lies beyond every file becomes negative, and is refused as such.
    found = [np.frombuffer(values, np.int64).reshape(shape) for values in (offsets, counts)]
    pieces = Pieces(*found)
    return Survey(form.order, tuple(kind), pages, ended or pages == most, damage, pieces)


def header_of(path: Path) -> Survey | None:
    """The header of a file of one page; None where it has more, is damaged, or does not say where its pixels lie."""
    try:
        found = survey(path, path.stat().st_size, 2)
    except OSError:
        return None  # what is wrong is found by the slow way
    if found is None or found.damage or not found.whole or (found.num_pages, found.num_alike) != (1, 1):
        return None
    return found


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
        check_piece(page, content)
        piece, (_, _, row, column, _), shape = page.decode(content, number)
        if piece is None:
            raise EOFError("a piece is missing")
        target = out[row : row + shape[1], column : column + shape[2]]
        target[...] = piece[0, : target.shape[0], : target.shape[1], 0]
