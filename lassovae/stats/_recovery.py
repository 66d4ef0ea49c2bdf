"""Against a known truth: do influence, coefficients, maps and latents find what was simulated."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from lassovae._errors import InputError
from lassovae.stats._cells import CellNodes, check_footprints

Measure = Callable[[ArrayLike, ArrayLike], float]


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


def average_precision(scores: ArrayLike, positives: ArrayLike) -> float:
    """Area under the precision-recall curve, by steps: the mean precision at which the positives are reached.

    Where positives are rare, it tells apart detectors whose `auc` is the same. Equal scores are taken in together.

    Args, Returns, Raises:
        As `auc`, but chance is the share of positives.

    Example:
        >>> average_precision([0.1, 0.4, 0.5, 0.9], [False, True, False, True])
        0.8333333333333333
    """
    if np.isnan(auc(scores, positives)):  # checks the arguments, too
        return float("nan")
    values, truth = np.asarray(scores, dtype=np.float64).ravel(), np.asarray(positives).ravel()
    order = np.argsort(-values, kind="stable")
    values, truth = values[order], truth[order]
    last = np.append(values[1:] != values[:-1], True)  # of each group of equal scores
    hits = np.cumsum(truth)[last]
    taken = np.flatnonzero(last) + 1
    return float((np.diff(hits, prepend=0) * hits / taken).sum() / truth.sum())


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


def driver_auc(influence: ArrayLike, nodes: CellNodes, drivers: ArrayLike, measure: Measure = auc) -> float:
    """Do driver cells have the greater influence, among the nodes that stand for cells.

    Args:
        influence: (nodes,), a run's or a mean over runs.
        nodes: of `cell_nodes` or `following_nodes`.
        drivers: (cells,) booleans.
        measure: `auc` or `average_precision`.

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
    return measure(_at_cells(influence, nodes, "influence"), mask[nodes.kept])


def difference_auc(
    influence_a: ArrayLike,
    influence_b: ArrayLike,
    nodes: CellNodes,
    coupling_a: ArrayLike,
    coupling_b: ArrayLike,
    measure: Measure = auc,
) -> float:
    """Does influence differ most where the simulated outgoing coupling differs between two conditions.

    Args:
        influence_a: (nodes,) in the first condition.
        influence_b: (nodes,) in the second.
        nodes: of `cell_nodes` or `following_nodes`.
        coupling_a: (lags, targets, sources) of the cells in the first condition; the diagonal is ignored.
        coupling_b: the same of the second.
        measure: `auc` or `average_precision`.

    Returns:
        `auc` of |influence_a - influence_b| over the kept cells; NaN if all or none differ.

    Raises:
        InputError: shapes do not fit.
    """
    differs = differing(coupling_a, coupling_b)
    if differs.shape != nodes.node.shape:
        raise InputError(
            f"coupling_a has {differs.size} cells, nodes {nodes.node.size}: give those of one study"
        )
    score = np.abs(
        _at_cells(influence_a, nodes, "influence_a") - _at_cells(influence_b, nodes, "influence_b")
    )
    return measure(score, differs[nodes.kept])


def edge_auc(strength: ArrayLike, nodes: CellNodes, coupling: ArrayLike, measure: Measure = auc) -> float:
    """Are simulated couplings the strongest edges, over ordered pairs of distinct cell nodes.

    Args:
        strength: (targets, sources) over nodes: sum_k |A_k|; or (lags, targets, sources), summed here.
        nodes: of `cell_nodes` or `following_nodes`.
        coupling: (lags, targets, sources) of the cells; not zero at any lag = an edge. The diagonal is
            ignored.
        measure: `auc` or `average_precision`.

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
    return measure(score[np.ix_(at, at)][distinct], edges[np.ix_(nodes.kept, nodes.kept)][distinct])


def difference_map_auc(
    difference_map: ArrayLike, footprints: ArrayLike, coupling_a: ArrayLike, coupling_b: ArrayLike
) -> float:
    """Is the absolute difference map largest on the pixels of coupled cells, rather than anywhere else.

    Most other pixels show no cell: this rewards knowing where cells are. `cell_map_auc` does not.

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
    return auc(np.abs(difference), pixels_of(weights, coupled))


def differing(coupling_a: ArrayLike, coupling_b: ArrayLike) -> NDArray[np.bool_]:
    """(cells,) whose outgoing coupling, (lags, targets, sources), differs between two conditions."""
    first = check_coupling(coupling_a, "coupling_a", np.shape(coupling_a)[-1])
    second = check_coupling(coupling_b, "coupling_b", first.shape[-1])
    if first.shape != second.shape:
        raise InputError(
            f"coupling_a has {len(first)} lags, coupling_b {len(second)}: give the same lags for both"
        )
    changed: NDArray[np.bool_] = (first != second).any(axis=(0, 1))
    return changed


def cell_map_auc(image: ArrayLike, footprints: ArrayLike, chosen: ArrayLike) -> float:
    """Does an image show the chosen cells, among all cells.

    Only pixels of cells count, those above half of a footprint's own peak; a pixel of a chosen cell and of another
    one is the chosen one's. So an image gains nothing by showing where cells are.

    Args:
        image: (height, width), signed, without the mean frame; its absolute values are scored.
        footprints: (cells, height, width), not negative.
        chosen: (cells,) booleans.

    Returns:
        `auc` over the pixels of cells; NaN if all or none are chosen.

    Raises:
        InputError: shapes do not fit.
    """
    weights, values, mask = check_footprints(footprints), np.asarray(image, np.float64), np.asarray(chosen)
    if values.shape != weights.shape[1:] or mask.shape != weights.shape[:1] or mask.dtype != bool:
        raise InputError(
            f"image {values.shape}, footprints {weights.shape} and chosen {mask.shape} ({mask.dtype}) do not fit: "
            "give (height, width), (cells, height, width) and one boolean a cell"
        )
    at_cells = pixels_of(weights, np.ones(len(weights), dtype=bool))
    return auc(np.abs(values)[at_cells], pixels_of(weights, mask)[at_cells])


def pixels_of(footprints: NDArray[np.float64], cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(height, width) where the footprint (cells, height, width) of a chosen cell is above half of its own peak."""
    bright = footprints > 0.5 * footprints.max(axis=(1, 2), keepdims=True)
    chosen: NDArray[np.bool_] = bright[cells].any(axis=0)
    return chosen


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
        nodes: of `cell_nodes` or `following_nodes`.

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
