"""NumPy's `.npz` files, with changes within the members of the zip file."""

from __future__ import annotations

import io
import random
import zipfile
from pathlib import Path

import numpy as np

import lassovae
from fuzzing import mutators, reader_npy
from fuzzing.judge import Budget
from fuzzing.target import Files, Target, files_below, look_at
from lassovae.data import open_recording

SMALL = reader_npy.SMALL


def make_seeds(folder: Path) -> dict[str, Files]:
    """Stored and compressed, of one and of several arrays."""
    np.savez(folder / "stored.npz", movie=SMALL)
    np.savez_compressed(folder / "compressed.npz", movie=SMALL.astype(">f4"))
    np.savez_compressed(folder / "even.npz", movie=np.zeros((9, 32, 32), np.uint16))
    np.savez(folder / "several.npz", movie=SMALL, times=np.arange(5.0))
    np.savez_compressed(folder / "two.npz", green=SMALL, red=SMALL)
    np.savez(folder / "objects.npz", movie=SMALL, notes=np.array([None, {}], dtype=object))
    return {path.stem: {"movie.npz": path.read_bytes()} for path in sorted(folder.iterdir())}


def read(folder: Path, budget: Budget) -> None:
    """The movie, or the first of several."""
    path = folder / next(iter(sorted(files_below(folder))))
    try:
        recording = open_recording(path)
    except lassovae.InputError as error:
        if "choose one" not in str(error):
            raise
        recording = open_recording(path, dataset="green")
    look_at(recording, budget)


def change_member(rng: random.Random, name: str, content: bytes) -> bytes:
    """A zip file that is whole, one member of which holds a damaged array, or says that it is of another size."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        for info in old.infolist()[:8]:
            member = old.read(info)
            if rng.random() < 0.7:
                damage = rng.choice((reader_npy.change_header, reader_npy.change_header, _general))
                member = damage(rng, name, member)
            kept = rng.choice(
                (
                    info.filename,
                    info.filename,
                    info.filename,
                    "../movie.npy",
                    "/movie.npy",
                    "a\0b.npy",
                    "x" * 300 + ".npy",
                    "folder/",
                )
            )
            way = rng.choice(
                (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA)
            )
            new.writestr(kept, member, way)
    return out.getvalue()


def _general(rng: random.Random, name: str, content: bytes) -> bytes:
    return rng.choice(mutators.GENERAL)(rng, content, content)


def change_directory(rng: random.Random, name: str, content: bytes) -> bytes:
    """Another number in the directory at the end, or in the header in front of a member."""
    signature = rng.choice((b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06"))
    place = content.find(signature)
    if place < 0:
        return content
    field = place + rng.choice((4, 6, 8, 10, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38, 42))
    width = rng.choice((2, 4))
    number = mutators.some_number(rng, len(content), place) % (1 << (8 * width))
    return content[:field] + number.to_bytes(width, "little") + content[field + width :]


def bomb(rng: random.Random, name: str, content: bytes) -> bytes:
    """Far more zeros than the header of the array, or that of the zip file, speaks of."""
    many = rng.choice((10_000, 100_000, 1_000_000))
    out = io.BytesIO()
    header = io.BytesIO()
    shape = rng.choice(
        ((5, 6, 4), (10, many // 20, 1), (1000, 1000, 1000), (2, 10**6, 10**6), (many // 8, 2, 2))
    )
    np.lib.format.write_array_header_1_0(header, {"descr": "<i2", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("movie.npy", header.getvalue() + bytes(many))
    packed = bytearray(out.getvalue())
    if rng.random() < 0.5:  # the sizes that the zip file speaks of
        small = rng.choice((0, 100, many // 2, 2**32 - 1)).to_bytes(4, "little")
        for place in (22, packed.rfind(b"PK\x01\x02") + 24):
            packed[place : place + 4] = small
    return bytes(packed)


TARGET = Target(
    "npz", make_seeds, read, (change_member, change_member, change_directory, change_directory, bomb)
)
