"""HDF5 of the oldest and the newest format: datasets in one piece, in chunks, compressed, and compact."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from fuzzing.judge import Budget
from fuzzing.mutators import some_number
from fuzzing.target import Files, Target, files_below, look_at
from lassovae.data import open_recording

FILE = "movie.h5"
SMALL = np.random.default_rng(0).integers(0, 4000, (6, 6, 5)).astype(np.uint16)
SIGNATURES = (
    b"TREE",
    b"SNOD",
    b"HEAP",
    b"GCOL",
    b"OHDR",
    b"OCHK",
    b"BTHD",
    b"BTLF",
    b"FRHP",
    b"EAHD",
    b"FAHD",
)
WAYS: dict[str, dict[str, Any]] = {
    "one_piece": {},
    "chunks": {"chunks": (1, 6, 5)},
    "one_chunk": {"chunks": (6, 6, 5), "compression": "gzip"},
    "gzip": {"chunks": (2, 6, 5), "compression": "gzip", "shuffle": True, "fletcher32": True},
    "grows": {"chunks": (2, 6, 5), "maxshape": (None, 6, 5), "compression": "gzip"},
    "grows_every_way": {"chunks": (2, 3, 5), "maxshape": (None, None, 5), "compression": "lzf"},
    "lzf": {"data": SMALL % 4, "chunks": (3, 6, 5), "compression": "lzf", "fletcher32": True},
}


def _compact(file: h5py.File) -> h5py.Dataset:
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_layout(h5py.h5d.COMPACT)
    space = h5py.h5s.create_simple(SMALL.shape)
    h5py.h5d.create(file.id, b"movie", h5py.h5t.STD_U16LE, space, properties)
    file["movie"][...] = SMALL
    return file["movie"]


def make_seeds(folder: Path) -> dict[str, Files]:
    """A small movie in every way and format, with words, numbers, links and other datasets beside it."""
    for bounds in ("earliest", "latest"):
        for name in (*WAYS, "compact"):
            place = folder / f"{bounds}_{name}"
            place.mkdir()
            userblock = 512 if name == "chunks" else 0
            with h5py.File(place / FILE, "w", libver=bounds, userblock_size=userblock) as file:
                dataset = (
                    _compact(file)
                    if name == "compact"
                    else file.create_dataset("movie", **{"data": SMALL} | WAYS[name])
                )
                dataset.attrs["frame_rate_hz"] = 7.5
                file.attrs["pixel_size_um"], file.attrs["note"] = 1.5, "a word"
                file["deep/trace"], file["link"] = np.arange(6.0), h5py.SoftLink("/movie")
                for number in range(10 if name == "chunks" else 0):
                    file.create_group(f"group {number}")
    return {place.name: files_below(place) for place in sorted(folder.iterdir())}


def read(folder: Path, budget: Budget) -> None:
    """The movie."""
    look_at(open_recording(next(folder.iterdir(), folder / FILE)), budget)


def change_structure(rng: random.Random, name: str, content: bytes) -> bytes:
    """Another number behind one of the signatures of which the file is made."""
    places = [at for signature in SIGNATURES for at in _all(content, signature)]
    if not places:
        return content
    at = rng.choice(places) + 4 + rng.randrange(96)
    width = rng.choice((1, 2, 4, 8))
    number = some_number(rng, len(content), at)
    if rng.random() < 0.4:
        number = int.from_bytes(content[at : at + width], "little") + rng.choice((-8, -1, 1, 2, 8, 16, 256))
    new = (number % (1 << (8 * width))).to_bytes(width, "little")
    return content[:at] + new + content[at + width :]


def _all(content: bytes, part: bytes) -> list[int]:
    found, at = [], content.find(part)
    while at >= 0:
        found.append(at)
        at = content.find(part, at + 1)
    return found


TARGET = Target("hdf5", make_seeds, read, (change_structure,))
