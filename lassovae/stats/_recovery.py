"""Against a known truth: do influence, coefficients, maps and latents find what was simulated."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from lassovae._errors import InputError
from lassovae.stats._cells import CellNodes, check_footprints


def auc(scores: ArrayLike, positives: ArrayLike) -> float:
    """Area under the ROC curve: the chance that a positive scores above a negative, ties counting half.

    Args:
        scores: any shape, finite.
        positives: booleans of the same shape.

    Returns:
        In [0, 1]; 0.5 is chance. NaN if there is no positive or no negative, where the area is not defined.

    Raises:
        InputError: shapes differ, positives are not booleans, or a score is not finite.

    Example:
        >>> auc([0.1, 0.4, 0.4, 0.9], [False, False, True, True])
        0.875
    """
    values = np.asarray(scores, dtype=np.float64).ravel()
    truth = np.asarray(positives)
    if truth.dtype != bool:
        raise InputError(f"positives has dtype {truth.dtype}: give booleans, one a score")
    if truth.shape != np.shape(scores):
        raise InputError(f"positives has shape {truth.shape}, scores {np.shape(scores)}: give one a score")
    if not np.isfinite(values).all():
        raise InputError("scores must be finite: leave out what could not be fitted")
    truth = truth.ravel()
    num_positive, num_negative = int(truth.sum()), int((~truth).sum())
    if num_positive == 0 or num_negative == 0:
        return float("nan")
    rank_sum = rankdata(values)[truth].sum()
    return float((rank_sum - num_positive * (num_positive + 1) / 2) / (num_positive * num_negative))


def check_coupling(coupling: ArrayLike, name: str, num_cells: int) -> NDArray[np.float64]:
    """(lags, targets, sources) with cells as nodes, the diagonal set to 0: a cell's own past is no edge."""
    values = np.array(coupling, dtype=np.float64)
    if values.ndim != 3 or values.shape[1:] != (num_cells, num_cells):
        raise InputError(
            f"{name} has shape {values.shape}: give (lags, targets, sources) of the {num_cells} cells"
        )
    cells = np.arange(num_cells)
    values[:, cells, cells] = 0.0
    return values


def driver_auc(influence: ArrayLike, nodes: CellNodes, drivers: ArrayLike) -> float:
    """Do driver cells have the greater influence, among the nodes that stand for cells.

    Args:
        influence: (nodes,), a run's or a mean over runs.
        nodes: of `cell_nodes`.
        drivers: (cells,) booleans.

    Returns:
        `auc` over the kept cells; NaN if all or none are drivers.

    Raises:
        InputError: shapes do not fit, or drivers are not booleans.
    """
    mask = np.asarray(drivers)
    if mask.dtype != bool or mask.shape != nodes.node.shape:
        raise InputError(
            f"drivers ({mask.dtype}, shape {mask.shape}) must be one boolean a cell, {nodes.node.shape}"
        )
    return auc(_at_cells(influence, nodes, "influence"), mask[nodes.kept])


def difference_auc(
    influence_a: ArrayLike,
    influence_b: ArrayLike,
    nodes: CellNodes,
    coupling_a: ArrayLike,
    coupling_b: ArrayLike,
) -> float:
    """Does influence differ most where the simulated outgoing coupling differs between two conditions.

    Args:
        influence_a: (nodes,) in the first condition.
        influence_b: (nodes,) in the second.
        nodes: of `cell_nodes`.
        coupling_a: (lags, targets, sources) of the cells in the first condition; the diagonal is ignored.
        coupling_b: the same of the second.

    Returns:
        `auc` of |influence_a - influence_b| over the kept cells; NaN if all or none differ.

    Raises:
        InputError: shapes do not fit.
    """
    cells = len(nodes.node)
    first = check_coupling(coupling_a, "coupling_a", cells)
    second = check_coupling(coupling_b, "coupling_b", cells)
    if first.shape != second.shape:
        raise InputError(
            f"coupling_a has {len(first)} lags, coupling_b {len(second)}: give the same lags for both"
        )
    differs = (first != second).any(axis=(0, 1))
    score = np.abs(
        _at_cells(influence_a, nodes, "influence_a") - _at_cells(influence_b, nodes, "influence_b")
    )
    return auc(score, differs[nodes.kept])


def edge_auc(strength: ArrayLike, nodes: CellNodes, coupling: ArrayLike) -> float:
    """Are simulated couplings the strongest edges, over ordered pairs of distinct cell nodes.

    Args:
        strength: (targets, sources) over nodes: sum_k |A_k|; or (lags, targets, sources), summed here.
        nodes: of `cell_nodes`.
        coupling: (lags, targets, sources) of the cells; not zero at any lag = an edge. The diagonal is
            ignored.

    Returns:
        `auc` over the kept cells' ordered pairs; NaN if all or none are edges.

    Raises:
        InputError: shapes do not fit.
    """
    score = np.abs(np.asarray(strength, dtype=np.float64))
    if score.ndim == 3:
        score = score.sum(axis=0)
    if score.ndim != 2 or score.shape[0] != score.shape[1] or score.shape[0] <= nodes.node.max():
        raise InputError(
            f"strength has shape {np.shape(strength)}: give ([lags,] targets, sources) over all nodes"
        )
    edges = (check_coupling(coupling, "coupling", len(nodes.node)) != 0).any(axis=0)
    at = nodes.node[nodes.kept]
    distinct = ~np.eye(len(at), dtype=bool)
    return auc(score[np.ix_(at, at)][distinct], edges[np.ix_(nodes.kept, nodes.kept)][distinct])


def difference_map_auc(
    difference_map: ArrayLike, footprints: ArrayLike, coupling_a: ArrayLike, coupling_b: ArrayLike
) -> float:
    """Is the absolute difference map largest on the pixels of coupled cells.

    Positive pixels: the union of the footprints, above half of their own peak, of the cells that send or
    receive a coupling in either condition.

    Args:
        difference_map: (height, width), signed.
        footprints: (cells, height, width), not negative.
        coupling_a: (lags, targets, sources) of the cells in the first condition; the diagonal is ignored.
        coupling_b: the same of the second.

    Returns:
        `auc` over pixels; NaN if no cell is coupled.

    Raises:
        InputError: shapes do not fit.
    """
    weights = check_footprints(footprints)
    difference = np.asarray(difference_map, dtype=np.float64)
    if difference.shape != weights.shape[1:]:
        raise InputError(
            f"difference_map has shape {difference.shape}, footprints {weights.shape[1:]}: use one frame"
        )
    coupled = np.zeros(len(weights), dtype=bool)
    for name, coupling in (("coupling_a", coupling_a), ("coupling_b", coupling_b)):
        edges = (check_coupling(coupling, name, len(weights)) != 0).any(axis=0)
        coupled |= edges.any(axis=0) | edges.any(axis=1)
    bright = weights > 0.5 * weights.max(axis=(1, 2), keepdims=True)
    return auc(np.abs(difference), bright[coupled].any(axis=0))


def node_cell_correlation(
    latents: Sequence[ArrayLike], traces: Sequence[ArrayLike], nodes: CellNodes
) -> float:
    """How faithfully nodes follow the cells they stand for.

    In each run the median over kept cells of the absolute Pearson correlation between the latent of the
    cell's node and the cell's true trace, then the mean over runs. A node that is constant in a run counts 0:
    it says nothing of its cell. A cell silent for a whole run has no correlation and is left out of that run.

    Args:
        latents: one a run, (time, nodes) or (time, latent_height, latent_width).
        traces: one a run, (time, cells), of the same times.
        nodes: of `cell_nodes`.

    Returns:
        In [0, 1]; NaN if every kept cell is silent in some run.

    Raises:
        InputError: numbers of runs, times, nodes or cells do not fit.
    """
    if len(latents) != len(traces) or len(latents) == 0:
        raise InputError(
            f"latents has {len(latents)} runs, traces {len(traces)}: give both for the same runs"
        )
    medians = []
    for s, (run, trace) in enumerate(zip(latents, traces, strict=True)):
        z, truth = np.asarray(run, dtype=np.float64), np.asarray(trace, dtype=np.float64)
        z = z.reshape(len(z), -1)
        if truth.shape != (len(z), len(nodes.node)) or z.shape[1] <= nodes.node.max():
            raise InputError(
                f"run {s}: latents {np.shape(run)} and traces {truth.shape} do not fit: give (time, nodes) "
                f"and (time, {len(nodes.node)} cells) of the same frames"
            )
        z, truth = z[:, nodes.node[nodes.kept]], truth[:, nodes.kept]
        active = np.ptp(truth, axis=0) > 0
        z, truth = z[:, active], truth[:, active]
        dead = np.ptp(z, axis=0) == 0
        z, truth = z - z.mean(axis=0), truth - truth.mean(axis=0)
        scale = np.linalg.norm(z, axis=0) * np.linalg.norm(truth, axis=0)
        correlation = np.where(dead, 0.0, np.abs((z * truth).sum(axis=0)) / np.where(dead, 1.0, scale))
        medians.append(float(np.median(correlation)) if active.any() else float("nan"))
    return float(np.mean(medians))


def _at_cells(influence: ArrayLike, nodes: CellNodes, name: str) -> NDArray[np.float64]:
    values = np.asarray(influence, dtype=np.float64)
    if values.ndim != 1 or values.size <= nodes.node.max():
        raise InputError(f"{name} has shape {values.shape}: give (nodes,), the mean over runs for several")
    return values[nodes.node[nodes.kept]]
