"""NumPy's `.npy` files, with changes of the text of their headers."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import numpy as np

from fuzzing.judge import Budget
from fuzzing.mutators import some_number
from fuzzing.target import Files, Target, files_below, look_at
from lassovae.data import open_recording

SMALL = np.arange(5 * 6 * 4, dtype=np.int16).reshape(5, 6, 4) * 91
DESCRIPTIONS = (
    "'<u2'",
    "'>i2'",
    "'|u1'",
    "'<f8'",
    "'<f4'",
    "'|O'",
    "'<c16'",
    "'|V9'",
    "'<M8[s]'",
    "'<U4'",
    "'|S0'",
    "'<f2'",
)
DESCRIPTIONS += (
    "[('a', '<i2'), ('b', '|O')]",
    "'<i2,' * 9",
    "[('a', '<i2', (9999999, 9999999))]",
    "''",
    "None",
    "5",
    "'|b1'",
)
NUMBERS = (
    "0",
    "-1",
    "1",
    "2",
    "5.0",
    "True",
    "None",
    "1L",
    "0x10",
    "1_0",
    "9" * 20,
    "4294967296",
    "99999999",
    "9" * 5000,
)


def make_seeds(folder: Path) -> dict[str, Files]:
    """Valid arrays of every version of the format, order of bytes and of axes; and one of fields, one of objects."""
    fields = np.zeros((3, 4, 2), [("green", "<i2"), ("red", ">f4")])
    objects = np.array([{"Ly": 4}, "text"], dtype=object)
    arrays = {
        "int16": SMALL,
        "big_endian": SMALL.astype(">f4"),
        "fortran": np.asfortranarray(SMALL.astype(np.uint8)),
        "fortran_double": np.asfortranarray(SMALL.astype(np.float64)),
        "fields": fields,
        "objects": objects,
        "flat": SMALL[0],
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=True)
    for version in ((2, 0), (3, 0)):
        with (folder / f"version_{version[0]}.npy").open("wb") as file:
            np.lib.format.write_array(file, SMALL, version)
    return {
        path.stem: {"movie.npy": content}
        for path in sorted(folder.iterdir())
        for content in [path.read_bytes()]
    }


def read(folder: Path, budget: Budget) -> None:
    """The first file that is there."""
    look_at(open_recording(folder / next(iter(sorted(files_below(folder))))), budget)


def header_of(content: bytes) -> tuple[int, int]:
    """First byte of the text of a header, and one past its last."""
    width = 2 if content[6] == 1 else 4
    start = 8 + width
    return start, start + int.from_bytes(content[8:start], "little")


def with_header(content: bytes, text: bytes) -> bytes:
    """The array with another header, of a length that is right."""
    _, end = header_of(content)
    letter = "<H" if content[6] == 1 else "<I"
    return content[:8] + struct.pack(letter, len(text)) + text + content[end:]


def change_header(rng: random.Random, name: str, content: bytes) -> bytes:
    """Another type, order or shape."""
    start, end = header_of(content)
    text = content[start:end].decode("latin1")
    sides = [
        rng.choice((*NUMBERS, "3", "4", str(some_number(rng, len(content)))))
        for _ in range(rng.choice((0, 1, 2, 3, 3, 3, 4, 40)))
    ]
    shape = "(" + ", ".join(sides) + ("," if len(sides) == 1 else "") + ")"
    described, order = rng.choice(DESCRIPTIONS), rng.choice(("True", "False", "False", "1", "None"))
    if rng.random() < 0.5:
        described = "'<i2'"
    if rng.random() < 0.2:
        shape = rng.choice(
            ("[5, 6, 4]", "5", "{}", "__import__('os')", "(" * 300 + ")" * 300, "-" * 9000 + "1")
        )
    new = rng.choice(
        (
            *[f"{{'descr': {described}, 'fortran_order': {order}, 'shape': {shape}, }}"] * 4,
            f"{{'descr': {described}, 'fortran_order': False, 'shape': (5, 6, 4), }}",
            text.replace("'", rng.choice(("", '"', "\\", "'''"))),
            text[: rng.randrange(len(text) + 1)],
            text * rng.choice((2, 50)),
            " " * rng.choice((1, 9000, 30_000)) + text,
        )
    )
    return with_header(content, new.encode("latin1") + b"\n")


TARGET = Target("npy", make_seeds, read, (change_header,))
