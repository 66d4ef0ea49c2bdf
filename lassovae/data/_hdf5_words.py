"""Words in HDF5 attributes, read from the bytes of the file: libhdf5 does not end where its heap of words is damaged.

Words of no fixed length lie in a heap of the file ("GCOL"), which libhdf5 walks through for as long as it takes: an
object without a size in it, and the process hangs. Nothing here is longer than a bound. Only what lies in the header of
an object is found, as up to eight attributes do.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import BinaryIO

from lassovae.data._files import HDF5_MAGIC, HDF5_USER_BLOCKS

LONGEST = 1 << 16  # bytes of a part of a header
MOST_PARTS = 64  # of a header
LARGEST_HEAP = 1 << 24  # bytes of a heap that are looked through
CONTINUED, ATTRIBUTE, GROUP = 0x10, 0x0C, 0x11
NO_MORE = (1, (1 << 64) - 1)  # free parts of a heap of names
WORD_TYPE = 0x19  # version 1, class 9: of variable length


def _at(file: BinaryIO, place: int, size: int) -> bytes:
    file.seek(place)
    return file.read(size)


def _old_messages(content: bytes) -> Iterator[tuple[int, bytes]]:
    place = 0
    while place + 8 <= len(content):
        kind, size = struct.unpack_from("<HH", content, place)
        yield kind, content[place + 8 : place + 8 + size]
        place += 8 + size


def _new_messages(content: bytes, numbered: bool) -> Iterator[tuple[int, bytes]]:
    head = 6 if numbered else 4
    place = 0
    while place + head <= len(content):
        kind, size = struct.unpack_from("<BH", content, place)
        yield kind, content[place + head : place + head + size]
        place += head + size


def _messages(file: BinaryIO, base: int, address: int) -> Iterator[tuple[int, bytes]]:
    """Kind and content of the messages in the header of an object."""
    head = _at(file, base + address, 32)
    new = head[:4] == b"OHDR"
    if new:
        flags = head[5]
        first = 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
        width = 1 << (flags & 3)
        parts = [(address + first + width, int.from_bytes(head[first : first + width], "little"))]
    else:
        flags, parts = 0, [(address + 16, *struct.unpack_from("<I", head, 8))]
    end, seen = os.fstat(file.fileno()).st_size, set[int]()
    while parts and len(seen) < MOST_PARTS:
        place, size = parts.pop(0)
        if place in seen or base + place + size > end:
            raise ValueError("the header of an object leads around, or beyond the end of the file")
        seen.add(place)
        content = _at(file, base + place, min(size, LONGEST))
        if new:
            inner = content[4:-4] if content[:4] == b"OCHK" else content
            messages = _new_messages(inner, bool(flags & 4))
        else:
            messages = _old_messages(content)
        for kind, message in messages:
            if kind == CONTINUED:
                parts.append(struct.unpack_from("<QQ", message))
            yield kind, message


def check_root(file: BinaryIO) -> None:
    """`check_object` of the root group; what is no HDF5 file passes, which libhdf5 says itself."""
    for base in (0, *HDF5_USER_BLOCKS):
        head = _at(file, base, 96)
        if head[:8] == HDF5_MAGIC and len(head) == 96:
            place = {0: 64, 1: 68}.get(head[8], 36)
            check_object(file, base, int(struct.unpack_from("<Q", head, place)[0]))
            return


def check_object(file: BinaryIO, base: int, address: int) -> None:
    """Refuse a header or a heap of names that claims more than the file holds, or leads around: libhdf5 takes memory.

    Raises:
        ValueError: it does, or is cut off.
    """
    try:
        for kind, message in _messages(file, base, address):
            if kind == GROUP:
                _check_free_parts(file, base, struct.unpack_from("<Q", message, 8)[0])
    except (struct.error, IndexError, OverflowError, OSError) as error:
        raise ValueError("the header of an object is damaged") from error


def _check_free_parts(file: BinaryIO, base: int, heap: int) -> None:
    head = _at(file, base + heap, 32)
    if head[:4] != b"HEAP":
        return  # libhdf5 says so itself
    size, place, data = struct.unpack_from("<QQQ", head, 8)
    if base + data + size > os.fstat(file.fileno()).st_size:
        raise ValueError("a heap of names lies beyond the end of the file")
    seen = set[int]()
    while place not in NO_MORE:
        if place in seen or place + 16 > size:
            raise ValueError("a heap of names leads around")
        seen.add(place)
        place = int(struct.unpack("<Q", _at(file, base + data + place, 8))[0])


def _value(message: bytes, name: str) -> tuple[int, int, int] | None:
    """Length, heap and number of the word in an attribute of this name."""
    version, sizes = message[0], struct.unpack_from("<HHH", message, 2)
    place = 9 if version == 3 else 8
    of_name, of_type, of_space = (-(-size // 8) * 8 for size in sizes) if version == 1 else sizes
    found = message[place : place + sizes[0]].rstrip(b"\0")
    stored = message[place + of_name : place + of_name + 1]
    if found != name.encode() or stored != bytes([WORD_TYPE]):
        return None
    length, heap, number = struct.unpack_from("<IQI", message, place + of_name + of_type + of_space)
    return length, heap, number


def _in_heap(file: BinaryIO, place: int, number: int) -> bytes | None:
    """An object of a heap by its number."""
    head = _at(file, place, 16)
    if head[:4] != b"GCOL":
        return None
    content = _at(file, place, min(int.from_bytes(head[8:16], "little"), LARGEST_HEAP))
    place = 16
    while place + 16 <= len(content):
        found, _, size = struct.unpack_from("<HH4xQ", content, place)
        if found == number:
            return content[place + 16 : place + 16 + size]
        if found == 0:  # the rest is free
            return None
        place += 16 + -(-size // 8) * 8
    return None


def stored_word(file: BinaryIO, base: int, address: int, name: str, longest: int) -> str | None:
    """A word of variable length in an attribute; None where there is none, or its place is damaged.

    Args:
        file: open for reading.
        base: byte at which addresses of the file count from 0.
        address: of the object's header.
        name: of the attribute.
        longest: bytes that the word may have.
    """
    try:
        for kind, message in _messages(file, base, address):
            if kind == ATTRIBUTE and (value := _value(message, name)) is not None:
                length, heap, number = value
                word = _in_heap(file, base + heap, number) if length <= longest else None
                return None if word is None else word[:length].rstrip(b"\0").decode(errors="replace")
    except (struct.error, ValueError, IndexError, OSError, OverflowError):
        return None
    return None
