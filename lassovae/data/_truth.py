"""What a simulation knows: where its cells are, how they are coupled, and what their calcium did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from lassovae._errors import InputError

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
        InputError: there is such a file, or as many names as traces there are not.
    """
    if len(names) != len(truth.traces):
        raise InputError(f"{len(names)} names for {len(truth.traces)} runs: give each run's")
    arrays = {name: getattr(truth, name) for name in _PLAIN}
    arrays |= {"names": np.asarray(names), "conditions": np.asarray(truth.conditions)}
    for field in _BY_CONDITION:
        arrays |= {f"{field}/{i}": getattr(truth, field)[c] for i, c in enumerate(truth.conditions)}
    arrays |= {f"traces/{i}": trace for i, trace in enumerate(truth.traces)}
    try:
        with Path(path).open("xb") as file:
            np.savez_compressed(file, **arrays)
    except FileExistsError:
        raise InputError(
            f"{path}: exists and is not overwritten; choose another folder or remove it"
        ) from None


def load_truth(path: str | PathLike[str]) -> tuple[Truth, tuple[str, ...]]:
    """Read what `save_truth` wrote: the truth, and the names of its runs.

    Raises:
        InputError: no such file, or not one of these.
    """
    try:
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as stored:
            conditions = tuple(str(c) for c in stored["conditions"])
            fields: dict[str, Any] = {
                field: {c: stored[f"{field}/{i}"] for i, c in enumerate(conditions)}
                for field in _BY_CONDITION
            }
            names = tuple(str(name) for name in stored["names"])
            traces = tuple(stored[f"traces/{i}"] for i in range(len(names)))
            fields |= {name: stored[name] for name in _PLAIN}
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the spelling") from None
    except (OSError, KeyError, ValueError, TypeError, AttributeError, BadZipFile) as error:
        raise InputError(
            f"{path}: not the truth of a simulation ({error}); remove it, or simulate again"
        ) from error
    return Truth(**fields, traces=traces, conditions=conditions), names
