"""From the cells of a simulated study to the nodes of a latent grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from lassovae._errors import InputError


@dataclass(frozen=True)
class CellNodes:
    """Which node stands for which cell.

    Attributes:
        node: (cells,) index of the cell's node, row-major in the latent grid: the one that holds most of its
            footprint (`cell_nodes`), or the one that follows its calcium best (`following_nodes`).
        claim: (cells,) how much of the cell it is, in [0, 1]: the part of the footprint's mass that lies in that
            node, or the absolute correlation with its calcium.
        kept: (cells,) False for a cell without a node of its own: another one has more mass there, there are fewer
            nodes than cells, or it is silent.
        num_dropped: how many cells are not kept; scores leave them out.
    """

    node: NDArray[np.intp]
    claim: NDArray[np.float64]
    kept: NDArray[np.bool_]
    num_dropped: int


def check_footprints(footprints: ArrayLike) -> NDArray[np.float64]:
    """(cells, height, width) float64, not negative, each with some mass."""
    weights = np.asarray(footprints, dtype=np.float64)
    if weights.ndim != 3:
        raise InputError(f"footprints has shape {weights.shape}: give (cells, height, width)")
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise InputError("footprints must be finite and not negative: give each cell's weights on the pixels")
    empty = np.flatnonzero(weights.sum(axis=(1, 2)) == 0)
    if empty.size:
        raise InputError(f"footprints of cells {', '.join(map(str, empty))} are empty: leave those cells out")
    return weights


def node_of_cell(footprints: ArrayLike, latent_shape: tuple[int, int]) -> NDArray[np.intp]:
    """The node that holds most of each cell's footprint.

    A node of the grid covers (height / latent_height) x (width / latent_width) pixels.

    Args:
        footprints: (cells, height, width), not negative.
        latent_shape: (latent_height, latent_width) of the latents.

    Returns:
        (cells,) node indices, row-major; of two equally filled nodes the first.

    Raises:
        InputError: a footprint is empty or negative, or the frame is no whole multiple of the grid.
    """
    return _mass_in_nodes(footprints, latent_shape).argmax(axis=1)


def cell_nodes(footprints: ArrayLike, latent_shape: tuple[int, int]) -> CellNodes:
    """One node for each cell, and no node for two cells.

    Where two cells have the same node, the one with more mass there keeps it and the other is dropped: a node
    that mixes two cells has one influence, and scoring it twice would count it for and against itself.

    Args:
        footprints: (cells, height, width), not negative. Masses are compared in the footprints' own units, so
            a brighter or larger cell wins; scale each to sum 1 beforehand if that is not wanted.
        latent_shape: (latent_height, latent_width) of the latents.

    Returns:
        CellNodes.

    Raises:
        InputError: as `node_of_cell`.
    """
    mass = _mass_in_nodes(footprints, latent_shape)
    node = mass.argmax(axis=1)
    held = mass[np.arange(len(node)), node]
    return _one_cell_a_node(node, held, held / mass.sum(axis=1))


def following_nodes(latents: Sequence[ArrayLike], traces: Sequence[ArrayLike]) -> CellNodes:
    """The node that follows each cell's calcium best, and no node for two cells.

    An encoder is free in where it puts a cell: soft regions of interest let one of the nodes around a cell claim all
    of it, and that need not be the one with most of the footprint in its block. Asking for the latter gives trained
    encoders an area under the ROC curve of edges of 0.6 to 0.8 where it is 1.00.

    Args:
        latents: one a run, (time, nodes) or (time, latent_height, latent_width).
        traces: one a run, (time, cells), of the same times.

    Returns:
        CellNodes; nodes are given to cells so that the sum of absolute correlations, over all runs together, each
        centred by itself, is the largest possible with no node for two cells. A cell that is silent in all runs is
        not kept.

    Raises:
        InputError: numbers of runs or times do not fit.
    """
    if len(latents) != len(traces) or len(latents) == 0:
        raise InputError(
            f"latents has {len(latents)} runs, traces {len(traces)}: give both for the same runs"
        )
    nodes, cells = [], []
    for s, (run, trace) in enumerate(zip(latents, traces, strict=True)):
        z, truth = np.asarray(run, dtype=np.float64), np.asarray(trace, dtype=np.float64)
        if len(z) != len(truth):
            raise InputError(f"run {s}: latents have {len(z)} frames, traces {len(truth)}")
        z = z.reshape(len(z), -1)
        nodes.append(z - z.mean(axis=0))
        cells.append(truth - truth.mean(axis=0))
    z, truth = np.concatenate(nodes), np.concatenate(cells)
    size, norm = np.linalg.norm(truth, axis=0), np.linalg.norm(z, axis=0)
    follows = np.abs(truth.T @ z) / np.outer(np.where(size > 0, size, 1), np.where(norm > 0, norm, 1))
    cell, node = linear_sum_assignment(follows, maximize=True)  # fewer nodes than cells: some cells have none
    best = follows.argmax(axis=1)
    best[cell] = node
    kept = np.zeros(len(size), dtype=bool)
    kept[cell] = True
    kept &= size > 0
    claim = np.minimum(follows[np.arange(len(size)), best], 1.0)
    return CellNodes(node=best, claim=claim, kept=kept, num_dropped=int((~kept).sum()))


def _one_cell_a_node(
    node: NDArray[np.intp], held: NDArray[np.float64], claim: NDArray[np.float64]
) -> CellNodes:
    """Of the cells that share a node, only the one that holds it most is kept."""
    kept = np.zeros(len(node), dtype=bool)
    for index in np.unique(node):
        rivals = np.flatnonzero(node == index)
        kept[rivals[held[rivals].argmax()]] = True
    return CellNodes(node=node, claim=claim, kept=kept, num_dropped=int((~kept).sum()))


def _mass_in_nodes(footprints: ArrayLike, latent_shape: tuple[int, int]) -> NDArray[np.float64]:
    """(cells, nodes): footprint summed over the pixels of each node."""
    weights = check_footprints(footprints)
    cells, height, width = weights.shape
    rows, columns = latent_shape
    if rows < 1 or columns < 1 or height % rows or width % columns:
        raise InputError(
            f"latent_shape={tuple(latent_shape)} does not divide frames of {height} x {width} pixels: "
            "give the latent grid of these frames"
        )
    blocks = weights.reshape(cells, rows, height // rows, columns, width // columns)
    mass: NDArray[np.float64] = blocks.sum(axis=(2, 4)).reshape(cells, rows * columns)
    return mass
