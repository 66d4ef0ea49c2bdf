"""The truth of a simulation, `truth.npz`, beside a study."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fuzzing.judge import Budget
from fuzzing.target import Files, Target, files_below
from lassovae.data._truth import Truth, load_truth, save_truth

FILE = "truth.npz"


def make_seeds(folder: Path) -> dict[str, Files]:
    """A truth of few cells, compressed as it is written and as others would write it."""
    rng = np.random.default_rng(0)
    cells, conditions = 3, ("F", "N ü")
    truth = Truth(
        positions=rng.random((cells, 2)),
        footprints=rng.random((cells, 6, 5)),
        drivers={c: rng.random(cells) > 0.5 for c in conditions},
        coupling={c: rng.random((2, cells, cells)) for c in conditions},
        decays=rng.random(cells),
        traces=tuple(rng.random((7, cells)) for _ in range(2)),
        baseline=rng.random((6, 5)),
        coupled=np.ones(cells, bool),
        changed=np.zeros(cells, bool),
        conditions=conditions,
    )
    for name in ("compressed", "plain"):
        (folder / name).mkdir()
    save_truth(truth, ("one", "two"), folder / "compressed" / FILE)
    with np.load(folder / "compressed" / FILE) as stored:
        np.savez(folder / "plain" / FILE, **{name: stored[name] for name in stored.files})
    return {place.name: files_below(place) for place in sorted(folder.iterdir())}


def read(folder: Path, budget: Budget) -> None:
    """The truth, and what is asked of it."""
    truth, names = load_truth(folder / FILE)
    assert len(names) == len(truth.traces)
    for condition in truth.conditions:
        assert truth.edges(condition).shape == (truth.num_cells, truth.num_cells)


TARGET = Target("truth", make_seeds, read)
