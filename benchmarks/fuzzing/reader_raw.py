"""Raw frames and suite2p's folders, with changes of the settings that lie pickled beside them."""

from __future__ import annotations

import io
import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np

import lassovae
from fuzzing.judge import Budget
from fuzzing.mutators import some_number
from fuzzing.reader_npy import SMALL
from fuzzing.target import Files, Target, look_at
from lassovae.data import open_recording

SETTINGS: dict[str, Any] = {
    "look_one_level_down": False,
    "fs": 7.5,
    "nplanes": 1,
    "Ly": 6,
    "Lx": 4,
    "nframes": 5,
}
VALUES = (
    0,
    -1,
    1,
    4,
    1e300,
    float("nan"),
    float("inf"),
    2**40,
    2**70,
    -0.5,
    True,
    None,
    "4",
    [4],
    b"4",
    10**400,
    4.5,
)


def _settings(values: dict[str, Any], protocol: int = 4) -> bytes:
    out = io.BytesIO()
    np.save(out, np.zeros((), object), allow_pickle=True)
    header = out.getvalue().split(b"\n")[0] + b"\n"
    array = np.empty((), object)
    array[()] = values
    return header + pickle.dumps(array, protocol)


def make_seeds(folder: Path) -> dict[str, Files]:
    """A folder of suite2p by every protocol of its settings, of several planes and channels, and raw frames alone."""
    pixels = SMALL.tobytes()
    seeds = {
        f"protocol_{number}": {"data.bin": pixels, "ops.npy": _settings(SETTINGS, number)}
        for number in range(6)
    }
    nested = SETTINGS | {"meanImg": SMALL.mean(0), "nested": {"Ly": 3}, "fs": np.float64(7.5)}
    seeds["nested"] = {"data.bin": pixels, "ops.npy": _settings(nested)}
    seeds["channels"] = {"data.bin": pixels, "data_chan2.bin": pixels, "ops.npy": _settings(SETTINGS)}
    seeds["planes"] = {
        f"plane{number}/{name}": content
        for number in range(2)
        for name, content in (("data.bin", pixels), ("ops.npy", _settings(SETTINGS)))
    }
    seeds["alone"] = {"movie.raw": pixels}
    return seeds


def read(folder: Path, budget: Budget) -> None:
    """The folder as suite2p's; its first file of frames by their shape where there is no other way."""
    raw = folder / "movie.raw"
    if raw.exists():
        recording = open_recording(raw, shape=(6, 4), dtype="int16")
    else:
        try:
            recording = open_recording(folder)
        except lassovae.InputError as error:
            if "choose one" not in str(error):
                raise
            which = "plane" if "planes" in str(error) else "channel"
            recording = open_recording(folder, **{which: 0})  # type: ignore[arg-type]  # either is an integer
    look_at(recording, budget)


def change_settings(rng: random.Random, name: str, content: bytes) -> bytes:
    """Other values, pickled as they should be."""
    if not name.endswith("ops.npy"):
        return content
    values = dict(SETTINGS)
    for _ in range(rng.randint(1, 3)):
        key = rng.choice((*SETTINGS, "Ly", "Lx", "nframes"))
        values[key] = rng.choice(
            (*VALUES, some_number(rng, len(content)), float(some_number(rng, len(content))))
        )
    if rng.random() < 0.1:
        values["deep"] = []
        for _ in range(rng.choice((10, 300))):
            values["deep"] = [values["deep"]]
    return _settings(values, rng.randrange(6))


def change_instruction(rng: random.Random, name: str, content: bytes) -> bytes:
    """Another instruction of the pickle: such as one that calls something, or that asks for 2^31 bytes."""
    if not name.endswith("ops.npy"):
        return content
    place = rng.randrange(content.find(b"\n") + 1, len(content))
    calls = b"cos\nsystem\n(S'echo found'\ntR."
    sizes = (
        b"\x8e" + b"\xff" * 8,
        b"B\xff\xff\xff\x7f",
        b"X\xff\xff\xff\xff",
        b"r\xff\xff\xff\x7f",
        b"\x8b\xff\xff\xff\x7f",
    )
    new = rng.choice(
        (calls, *sizes, bytes([rng.randrange(256)]), b"I" + b"9" * 5000 + b"\n", b"(" * 100, b"F1e999\n")
    )
    return content[:place] + new + content[place + rng.choice((0, len(new))) :]


TARGET = Target("raw", make_seeds, read, (change_settings, change_instruction))
