"""How much memory the pixels of a TIFF page may take, by what the file stores for them; known before any is decoded."""

from __future__ import annotations

import lzma
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import tifffile

from lassovae.data import _choice

NONE, LZW, DEFLATE, OLD_DEFLATE, PACKBITS, LZMA = 1, 5, 8, 32946, 32773, 34925
# Pixel bytes that can come out of a stored byte. LZW: at most 4096 of a code of 12 bits. PackBits: 128 of two bytes.
EXPANSIONS = {NONE: 1, LZW: 2731, DEFLATE: _choice.DEFLATE, OLD_DEFLATE: _choice.DEFLATE, PACKBITS: 64}
LZMA_MEMORY = 66 << 20  # bytes that its decoder may take: what the strongest preset needs
# Compressions whose pieces say by themselves how large they are, whatever their page says.
JPEG, JPEG_2000 = frozenset({6, 7, 33007, 34892}), frozenset({33003, 33004, 33005, 34712})
STARTS_OF_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
LEAST_TILE = 14  # bytes of a tile of JPEG 2000 that holds nothing


class TooLarge(ValueError):
    """A piece of a page that is larger than its page says."""


def largest_expansion(compression: int) -> int:
    """Pixel bytes that may be claimed for a stored byte."""
    return EXPANSIONS.get(compression, _choice.LARGEST_EXPANSION)


def piece_shape(page: Any) -> tuple[int, int]:
    """(height, width) of a whole strip or tile of a page."""
    first = page.keyframe
    if first.is_tiled:
        return int(first.tilelength), int(first.tilewidth)
    return min(int(first.rowsperstrip) or int(first.imagelength), int(first.imagelength)), int(
        first.imagewidth
    )


def packed_bytes(shape: tuple[int, int], bits: int) -> int:
    """Bytes of pixels (height, width) of so many bits each; every row begins with a byte."""
    return shape[0] * (-(-shape[1] * bits // 8))


def bits_of(page: Any) -> int:
    """Stored bits of a pixel; those of the first colour, where there are several."""
    bits = page.bitspersample
    return int(bits[0] if isinstance(bits, tuple) else bits)


def _jpeg_shape(content: bytes) -> tuple[int, int] | None:
    """(height, width) that a JPEG image says of itself."""
    place = 2
    while place + 9 <= len(content) and content[place] == 0xFF:
        marker = content[place + 1]
        if marker in STARTS_OF_FRAMES:
            height, width = struct.unpack_from(">HH", content, place + 5)
            return height, width
        place += 1 if marker == 0xFF else 2 + int(struct.unpack_from(">H", content, place + 2)[0])
    return None


def _codestreams(content: bytes) -> Iterator[bytes]:
    """The images in a file of JPEG 2000, or the only one, without a file around it."""
    if content[:2] == b"\xff\x4f":
        yield content
        return
    place = 0
    while place + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, place)
        start = place + 8
        if length == 1 and start + 8 <= len(content):
            length, start = struct.unpack_from(">Q", content, start)[0], start + 8
        end = place + length if length else len(content)
        if end <= start - (kind != b"jp2c"):
            return
        if kind == b"jp2c":
            yield content[start:end]
        place = end


def _jpeg_2000_shape(content: bytes) -> tuple[int, int] | None:
    """(height, width) that an image of JPEG 2000 says of itself; None where it claims more tiles than it can hold."""
    shapes = set()
    for stream in _codestreams(content):
        if len(stream) < 42 or stream[2:4] != b"\xff\x51":
            return None
        right, bottom, left, top, wide, tall, first, upper = struct.unpack_from(">8I", stream, 8)
        if min(wide, tall) == 0:
            return None
        tiles = -(-(right - first) // wide) * -(-(bottom - upper) // tall)
        if tiles > max(1, len(stream) // LEAST_TILE):
            return None
        shapes.add((bottom - top, right - left))
    return shapes.pop() if len(shapes) == 1 else None


def _unbounded(compression: int) -> bool:
    """Whether tifffile decodes by itself, where imagecodecs, which is told how much may come out, is not installed."""
    return str(getattr(tifffile.TIFF.DECOMPRESSORS[compression], "__module__", "")).startswith("tifffile")


def check_piece(page: Any, content: bytes) -> None:
    """Refuse a strip or tile that decoding would make larger than its page says, where the decoder would not notice.

    Args:
        page: that it belongs to, or one like it.
        content: the stored bytes.

    Raises:
        TooLarge: it is larger.
        Exception: of the decoder, where it is damaged.
    """
    compression, shape = int(page.compression), piece_shape(page)
    if compression in JPEG or compression in JPEG_2000:
        said = _jpeg_shape(content) if compression in JPEG else _jpeg_2000_shape(content)
        if said is None or said[0] > shape[0] or said[1] > shape[1]:
            raise TooLarge(f"a piece of {said} pixels where the page says {shape}")
        return
    most = packed_bytes(shape, bits_of(page))
    decoder: Any
    if compression == LZMA:
        decoder = lzma.LZMADecompressor(memlimit=LZMA_MEMORY)
        if not _unbounded(compression):
            most = 0
    elif compression in (DEFLATE, OLD_DEFLATE) and _unbounded(compression):
        decoder = zlib.decompressobj()
    else:
        return
    if len(decoder.decompress(content, most + 1)) > max(most, 1):
        raise TooLarge(f"a piece of more than the {most} bytes that the page says")
