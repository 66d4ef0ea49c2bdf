"""A run folder: what is damaged in its checkpoint, settings or numbers is never loaded as another model."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import jax
import numpy as np

from fuzzing.judge import Budget
from fuzzing.reader_zarr import change_entry
from fuzzing.target import Files, Target, files_below
from lassovae import Model, load

FOLDER = Path(__file__).resolve().parents[2] / "tests" / "training" / "run_folders" / "format_3"
WARM_UP = 1 << 31  # bytes that JAX and Orbax may take when a process loads for the first time
SOUND: set[str] = set()  # what the seed says when it is read, once a process


def _digest(model: Model) -> str:
    leaves = jax.tree.leaves_with_path((model.weights, model.positions))
    parts = [jax.tree_util.keystr(path).encode() + np.asarray(leaf).tobytes() for path, leaf in leaves]
    said = (model.config.to_dict(), model.scale, model.offset, model.history, model.lam_factor, model.notes)
    return hashlib.sha256(
        b"".join([json.dumps(said).encode(), model.mean_frame.tobytes(), *parts])
    ).hexdigest()


def make_seeds(folder: Path) -> dict[str, Files]:
    """A finished training. It is not loaded here: processes are forked later, which JAX would not survive."""
    return {"format_3": files_below(FOLDER)}


def read(folder: Path, budget: Budget) -> None:
    """The model is the one that was trained, or none."""
    with budget.asking(0 if SOUND else WARM_UP):
        if not SOUND:
            SOUND.add(_digest(load(FOLDER)))
        assert _digest(load(folder)) in SOUND, "another model than was trained"


TARGET = Target("checkpoints", make_seeds, read, (change_entry,))
