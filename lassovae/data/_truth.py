"""What a simulation knows: where its cells are, how they are coupled, and what their calcium did."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from lassovae._errors import InputError
from lassovae._files import replacing
from lassovae.data._arrays import load_arrays
from lassovae.data._choice import one_line

_PLAIN = ("positions", "footprints", "decays", "baseline", "coupled", "changed")
_BY_CONDITION = ("drivers", "coupling")


@dataclass(frozen=True, eq=False)
class Truth:
    """Ground truth of a simulated study.

    Attributes:
        positions: (cells, 2), row and column of each cell's centre, in pixels.
        footprints: (cells, height, width), each with peak 1.
        drivers: condition -> (cells,) bool, cells with a coupling to another cell.
        coupling: condition -> (lags, targets, sources), the VAR of the calcium; the diagonal of lag 1 holds the decays.
        decays: (cells,), fraction of its calcium that a cell keeps from one frame to the next.
        traces: one (time, cells) a run, the calcium in units of dF/F at the cell's centre.
        baseline: (height, width), resting intensity above the offset, in stored units.
        coupled: (cells,) bool, cells that drive or follow in any condition.
        changed: (cells,) bool, cells whose outgoing coupling differs between conditions.
        conditions: in order of first use.
    """

    positions: np.ndarray
    footprints: np.ndarray
    drivers: dict[str, np.ndarray]
    coupling: dict[str, np.ndarray]
    decays: np.ndarray
    traces: tuple[np.ndarray, ...]
    baseline: np.ndarray
    coupled: np.ndarray
    changed: np.ndarray
    conditions: tuple[str, ...]

    @property
    def num_cells(self) -> int:
        """Cells in the field of view."""
        return len(self.positions)

    def edges(self, condition: str) -> np.ndarray:
        """(targets, sources) bool: which cells drive which others, self-coupling left out."""
        linked = (self.coupling[condition] != 0).any(axis=0)
        np.fill_diagonal(linked, False)
        return linked


def save_truth(truth: Truth, names: Sequence[str], path: str | PathLike[str]) -> None:
    """Write a simulation's truth as one NPZ file.

    Args:
        truth: of a simulated study.
        names: of its runs, in order, so that each trace finds its recording again.
        path: must not exist.

    Raises:
        InputError: there is such a file, it cannot be written, or as many names as traces there are not.
    """
    if len(names) != len(truth.traces):
        raise InputError(f"{len(names)} names for {len(truth.traces)} runs: give each run's")
    arrays = {name: getattr(truth, name) for name in _PLAIN}
    arrays |= {"names": np.asarray(names), "conditions": np.asarray(truth.conditions)}
    for field in _BY_CONDITION:
        arrays |= {f"{field}/{i}": getattr(truth, field)[c] for i, c in enumerate(truth.conditions)}
    arrays |= {f"traces/{i}": trace for i, trace in enumerate(truth.traces)}
    if os.path.lexists(path):
        raise InputError(f"{path}: exists and is not overwritten; choose another folder or remove it")
    with replacing(Path(path)) as place, place.open("wb") as file:
        np.savez_compressed(file, **arrays)


def load_truth(path: str | PathLike[str]) -> tuple[Truth, tuple[str, ...]]:
    """Read what `save_truth` wrote: the truth, and the names of its runs.

    Raises:
        InputError: no such file, or not one of these.
    """
    try:
        stored = load_arrays(Path(path))
        conditions = tuple(str(c) for c in stored["conditions"])
        names = tuple(str(name) for name in stored["names"])
        fields: dict[str, Any] = {
            field: {c: stored[f"{field}/{i}"] for i, c in enumerate(conditions)} for field in _BY_CONDITION
        }
        fields |= {name: stored[name] for name in _PLAIN}
        traces = tuple(stored[f"traces/{i}"] for i in range(len(names)))
        truth = Truth(**fields, traces=traces, conditions=conditions)
        _check(truth)
    except (InputError, KeyError, ValueError, TypeError) as error:
        if not Path(path).exists():
            raise
        raise InputError(
            f"{path}: not the truth of a simulation ({one_line(error)}); remove it, or simulate again"
        ) from error
    return truth, names


def _check(truth: Truth) -> None:
    """Refuse arrays that are not those of one simulation.

    Raises:
        ValueError: one has another shape or type than the others ask for.
    """
    cells, (height, width) = len(truth.positions), truth.baseline.shape
    shapes: dict[str, tuple[Any, tuple[int, ...]]] = {
        "positions": (truth.positions, (cells, 2)),
        "footprints": (truth.footprints, (cells, height, width)),
        "decays": (truth.decays, (cells,)),
        "coupled": (truth.coupled, (cells,)),
        "changed": (truth.changed, (cells,)),
    }
    shapes |= {f"drivers of {c}": (drivers, (cells,)) for c, drivers in truth.drivers.items()}
    shapes |= {f"coupling of {c}": (a, (len(a), cells, cells)) for c, a in truth.coupling.items()}
    shapes |= {f"trace {i}": (trace, (len(trace), cells)) for i, trace in enumerate(truth.traces)}
    for name, (array, shape) in shapes.items():
        kinds = "b" if name.startswith(("co", "ch", "dr")) and not name.startswith("coupling") else "fiu"
        if array.shape != shape or array.dtype.kind not in kinds:
            raise ValueError(f"{name} of shape {array.shape} and type {array.dtype}")
