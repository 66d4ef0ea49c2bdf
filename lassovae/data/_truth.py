"""What a simulation knows: where its cells are, how they are coupled, and what their calcium did."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


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
