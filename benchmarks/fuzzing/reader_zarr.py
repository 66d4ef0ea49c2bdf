"""Zarr folders: versions 2 and 3, groups, OME-Zarr and shards, in several codecs."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import zarr
from zarr.codecs import Crc32cCodec, GzipCodec, ZstdCodec

import lassovae
from fuzzing.judge import Budget
from fuzzing.mutators import some_number
from fuzzing.target import Files, Target, files_below, look_at
from lassovae.data import open_recording

STORE = "movie.zarr"
SMALL = np.random.default_rng(0).integers(0, 4000, (6, 6, 5)).astype(np.uint16)
NAMES = (
    "..",
    "../..",
    "/etc",
    "0",
    "/",
    ".",
    "c",
    "pickle",
    "numcodecs.pickle",
    "gzip",
    "zstd",
    "blosc",
    "bytes",
    "vlen-utf8",
)
TYPES = (
    "uint8",
    "float64",
    "<u2",
    ">f4",
    "|O",
    "<U9",
    "object",
    "complex64",
    "bool",
    "|V9",
    "<M8[ns]",
    "string",
)
VALUES = (
    None,
    True,
    -1,
    0,
    1,
    1.5,
    2**31,
    2**63,
    10**12,
    10**30,
    "",
    "NaN",
    [],
    {},
    [0],
    [-1, 2, 3],
    "x" * 2000,
)


def make_seeds(folder: Path) -> dict[str, Files]:
    """Stores of every kind that the reader treats in its own way."""
    ways: dict[str, dict[str, Any]] = {
        "v2": {"zarr_format": 2, "chunks": (4, 6, 5)},
        "v2_plain": {"zarr_format": 2, "chunks": (2, 3, 5), "compressors": None},
        "v2_slashes": {
            "zarr_format": 2,
            "chunks": (3, 6, 5),
            "chunk_key_encoding": {"name": "v2", "separator": "/"},
        },
        "v3": {"chunks": (4, 6, 5)},
        "v3_gzip": {"chunks": (4, 6, 5), "compressors": GzipCodec()},
        "v2_filtered": {"zarr_format": 2, "chunks": (4, 6, 5), "filters": [numcodecs.Delta("<u2")]},
        "v3_checksum": {"chunks": (4, 6, 5), "compressors": (GzipCodec(), Crc32cCodec())},
        "v3_plain": {"chunks": (6, 6, 5), "compressors": None},
        "v3_shards": {"chunks": (1, 6, 5), "shards": (3, 6, 5), "compressors": ZstdCodec()},
    }
    for name, options in ways.items():
        place = folder / name / STORE
        attributes = {"fps": 7.5, "pixel_size_um": 1.5}
        zarr.create_array(place, data=SMALL, attributes=attributes, **options)
    for name, zarr_format in (("group_v2", 2), ("group_v3", 3)):
        group = zarr.open_group(folder / name / STORE, mode="w", zarr_format=zarr_format)
        group.create_array("deep/movie", data=SMALL, chunks=(6, 6, 5))
        group.create_array("times", data=np.arange(6.0))
    image = {
        "axes": [
            {"name": "t", "unit": "second"},
            {"name": "c"},
            {"name": "y", "unit": "micrometer"},
            {"name": "x"},
        ],
        "datasets": [
            {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [0.1, 1, 2.0, 2.0]}]}
        ],
    }
    group = zarr.open_group(folder / "ome" / STORE, mode="w")
    group.attrs["ome"] = {"multiscales": [image]}
    group.create_array("0", data=SMALL.reshape(3, 2, 6, 5), chunks=(1, 2, 6, 5))
    return {place.name: files_below(place) for place in sorted(folder.iterdir())}


def read(folder: Path, budget: Budget) -> None:
    """The store; of several channels the first."""
    try:
        recording = open_recording(folder / STORE)
    except lassovae.InputError as error:
        if "channel=0" not in str(error):
            raise
        recording = open_recording(folder / STORE, channel=0)
    look_at(recording, budget)


def change_entry(rng: random.Random, name: str, content: bytes) -> bytes:
    """Another value of one entry of a JSON file, however deep, another key, or one entry less or more."""
    whole = json.loads(content)
    place = whole
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            break
        key = rng.choice(keys)
        if isinstance(place[key], (dict, list)) and place[key] and rng.random() < 0.8:
            place = place[key]
            continue
        what = rng.randrange(8)
        if what == 0:
            del place[key]
        elif what == 1 and isinstance(place, dict):
            place[rng.choice(NAMES)] = place.pop(key)
        elif what == 2:
            place[key] = rng.choice(TYPES)
        elif what == 3:
            place[key] = rng.choice(NAMES)
        elif what == 4:
            place[key] = [place[key]] * rng.choice((0, 2, 9, 2000))
        elif what == 5:
            place[key] = rng.choice(VALUES)
        else:
            place[key] = some_number(rng, len(content))
        break
    return json.dumps(whole).encode()


TARGET = Target("zarr", make_seeds, read, (change_entry,))
