"""Ways to damage bytes, whatever they mean."""

from __future__ import annotations

import random
from collections.abc import Callable

# A source of randomness, the content, and the content of another valid file.
Mutator = Callable[[random.Random, bytes, bytes], bytes]
NUMBERS = (0, 1, 2, 3, 4, 7, 8, 16, 64, 127, 128, 255, 256, 1000, 4096, 65_535, 65_536, 10**6, 10**9, 10**12)
EDGES = (2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**40, 2**63 - 1, 2**63, 2**64 - 1)
MOST_BYTES = 1 << 18  # that a file may grow to


def some_number(rng: random.Random, size: int, place: int = 0) -> int:
    """A number that tends to be handled wrongly, in a file of `size` bytes at byte `place`."""
    near = (size, size - 1, size + 1, size // 2, place, place + 4, -1, -2, -size)
    return rng.choice(rng.choice((NUMBERS, EDGES, near)))


def flip_bits(rng: random.Random, content: bytes, other: bytes) -> bytes:
    """One to eight bits the other way."""
    out = bytearray(content)
    for _ in range(rng.randint(1, 8)):
        if out:
            out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


def set_byte(rng: random.Random, content: bytes, other: bytes) -> bytes:
    """One byte, most often of the first part where headers lie."""
    out = bytearray(content)
    if out:
        out[rng.randrange(max(1, len(out) // rng.choice((1, 1, 4, 16))))] = rng.choice(
            (0, 1, 127, 128, 255, rng.randrange(256))
        )
    return bytes(out)


def set_number(rng: random.Random, content: bytes, other: bytes) -> bytes:
    """An integer of 1, 2, 4 or 8 bytes of either order."""
    width = rng.choice((1, 2, 4, 8))
    if len(content) < width:
        return content
    place = rng.randrange(len(content) - width + 1)
    if rng.random() < 0.5:
        place -= place % width
    number = some_number(rng, len(content), place) % (1 << (8 * width))
    return content[:place] + number.to_bytes(width, rng.choice(("little", "big"))) + content[place + width :]


def truncate(rng: random.Random, content: bytes, other: bytes) -> bytes:
    """The beginning alone; seldom nothing."""
    return content[: rng.randrange(len(content) + 1)]


def _block(rng: random.Random, size: int) -> tuple[int, int]:
    start = rng.randrange(size + 1)
    return start, min(size, start + rng.choice((1, 2, 4, 8, 16, 64, 256, 1024)))


def delete_block(rng: random.Random, content: bytes, other: bytes) -> bytes:
    """Without a block, all behind it moved."""
    start, end = _block(rng, len(content))
    return content[:start] + content[end:]


def duplicate_block(rng: random.Random, content: bytes, other: bytes) -> bytes:
    """A block several times."""
    start, end = _block(rng, len(content))
    times = rng.choice((2, 2, 3, 10, 100))
    return content[:start] + content[start:end] * times + content[end : MOST_BYTES - (end - start) * times]


def swap_blocks(rng: random.Random, content: bytes, other: bytes) -> bytes:
    """Two blocks in each other's place."""
    (a, b), (c, d) = sorted((_block(rng, len(content)), _block(rng, len(content))))
    c = max(b, c)
    d = max(c, d)
    return content[:a] + content[c:d] + content[b:c] + content[a:b] + content[d:]


def fill_block(rng: random.Random, content: bytes, other: bytes) -> bytes:
    """A block of one value, of noise, or of the other file's."""
    start, end = _block(rng, len(content))
    size = end - start
    kind = rng.randrange(3)
    if kind == 0:
        new = bytes([rng.choice((0, 255, 32, 65))]) * size
    elif kind == 1:
        new = rng.randbytes(size)
    else:
        place = rng.randrange(len(other) + 1)
        new = other[place : place + size]
    return content[:start] + new + content[end:]


def splice(rng: random.Random, content: bytes, other: bytes) -> bytes:
    """The beginning of one file and the end of another."""
    return content[: rng.randrange(len(content) + 1)] + other[rng.randrange(len(other) + 1) :]


GENERAL: tuple[Mutator, ...] = (
    flip_bits,
    flip_bits,
    set_byte,
    set_byte,
    set_number,
    set_number,
    set_number,
    truncate,
    delete_block,
    duplicate_block,
    swap_blocks,
    fill_block,
    splice,
)
