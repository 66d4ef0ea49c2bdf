"""An analysis on disk, `analysis.json` and `analysis.npz`: what is damaged is never read as another analysis."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np

from fuzzing.judge import Budget
from fuzzing.reader_zarr import change_entry
from fuzzing.target import Files, Target, files_below
from lassovae import Analysis, load_analysis, save_analysis
from lassovae._records import RECORDS, _packed, read_origin

SOUND: set[str] = set()  # what the seeds say when they are read


def _made_up(kind: Any, rng: np.random.Generator) -> Any:
    """A value of a type."""
    if kind in RECORDS.values():
        hints = get_type_hints(kind)
        fields = (
            [f.name for f in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else kind._fields
        )
        return kind(**{name: _made_up(hints[name], rng) for name in fields})
    arguments = get_args(kind)
    if kind is np.ndarray or "ndarray" in str(kind) or "Array" in str(kind):
        return rng.standard_normal((2, 3))
    if get_origin(kind) is tuple:
        return tuple(
            _made_up(part, rng) for part in (arguments[:1] * 2 if arguments[-1] is ... else arguments)
        )
    if get_origin(kind) is dict:
        return {"F": _made_up(arguments[1], rng)}
    if type(None) in arguments:
        return _made_up(next(part for part in arguments if part is not type(None)), rng)
    if "Literal" in str(kind):
        return arguments[0] if isinstance(arguments[0], str) else _made_up(arguments[0], rng)
    return {str: "a λ", int: 7, float: 0.3, bool: True}[kind]


def _digest(analysis: Analysis) -> str:
    arrays: dict[str, np.ndarray] = {}
    text = json.dumps(_packed(analysis, "", arrays))
    parts = [f"{name}{a.dtype.str}{a.shape}".encode() + a.tobytes() for name, a in sorted(arrays.items())]
    return hashlib.sha256(text.encode() + b"".join(parts)).hexdigest()


def make_seeds(folder: Path) -> dict[str, Files]:
    """Two analyses of every kind of record."""
    for number in range(2):
        place = folder / str(number)
        save_analysis(_made_up(Analysis, np.random.default_rng(number)), place, origin={"study": "F and N"})
        SOUND.add(_digest(load_analysis(place)))
    return {place.name: files_below(place) for place in sorted(folder.iterdir())}


def read(folder: Path, budget: Budget) -> None:
    """The analysis is one of those that were saved, or none."""
    analysis = load_analysis(folder)
    assert _digest(analysis) in SOUND, "another analysis than was saved"
    read_origin(folder)


TARGET = Target("analysis", make_seeds, read, (change_entry,))
