"""All measures of recovery of a simulated study in one record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lassovae._errors import InputError
from lassovae.stats._cells import CellNodes, cell_nodes, check_footprints
from lassovae.stats._influence import influence
from lassovae.stats._recovery import (
    Measure,
    auc,
    average_precision,
    cell_map_auc,
    difference_auc,
    difference_map_auc,
    differing,
    driver_auc,
    edge_auc,
    node_cell_correlation,
    pixels_of,
)
from lassovae.stats._sparsity import gini, localisation


@dataclass(frozen=True)
class Recovery:
    """How much of a known truth was found; 0.5 is chance for every AUC, NaN = not defined or not given.

    Attributes:
        drivers_a: AUC of drivers (cells that drive another one) among cell nodes by outflow, first condition.
        drivers_b: the same, second condition.
        difference: AUC of |outflow_a - outflow_b| for cells whose outgoing coupling differs.
        edges_a: AUC of sum_k |A_k| over ordered pairs of cell nodes, first condition.
        edges_b: the same, second condition.
        difference_map: AUC over all pixels of the absolute difference map for those of coupled cells, which rewards
            knowing where cells are; NaN if no map was given.
        node_cell_correlation: median over cells, mean over runs; NaN if no latents and traces were given.
        num_cells: cells scored.
        num_dropped: cells left out because another cell has their node.
        drivers_ap: average precision of drivers by outflow, mean of the two conditions.
        edges_ap: the same of edges.
        difference_ap: average precision of `difference`.
        driver_map: `cell_map_auc` of the conditions' maps, without the mean frame, for their drivers, mean of the
            two; NaN if no maps were given.
        changed_map: `cell_map_auc` of the difference map for cells whose outgoing coupling differs; NaN likewise.
        localisation: share of the absolute difference map on the footprints of those cells; NaN likewise.
        gini: Gini index of the outflow over nodes, mean of the two conditions.
    """

    drivers_a: float
    drivers_b: float
    difference: float
    edges_a: float
    edges_b: float
    difference_map: float
    node_cell_correlation: float
    num_cells: int
    num_dropped: int
    drivers_ap: float
    edges_ap: float
    difference_ap: float
    driver_map: float
    changed_map: float
    localisation: float
    gini: float


def recovery(
    coefs_a: ArrayLike,
    coefs_b: ArrayLike,
    *,
    latent_shape: tuple[int, int],
    footprints: ArrayLike,
    coupling_a: ArrayLike,
    coupling_b: ArrayLike,
    difference_map: ArrayLike | None = None,
    latents: Sequence[ArrayLike] | None = None,
    traces: Sequence[ArrayLike] | None = None,
    maps: tuple[ArrayLike, ArrayLike] | None = None,
    nodes: CellNodes | None = None,
) -> Recovery:
    """Score fitted coefficients of two conditions against the simulated truth.

    With a runs axis, influence and |A_k| are averaged over runs after taking absolute values, so that
    couplings of changing sign do not cancel.

    Args:
        coefs_a: ([runs,] lags, targets, sources) over nodes, first condition.
        coefs_b: the same, second condition.
        latent_shape: (latent_height, latent_width).
        footprints: (cells, height, width), not negative.
        coupling_a: (lags, targets, sources) over cells, first condition; the diagonal is ignored.
        coupling_b: the same, second condition.
        difference_map: (height, width), or None.
        latents: one a run, (time, nodes) or (time, latent_height, latent_width), or None.
        traces: one a run, (time, cells), or None.
        maps: (height, width) of both conditions, contribution less the map of no influence; or None.
        nodes: which node stands for which cell: of `following_nodes` for encoders that put cells where they like, as
            `analyse` does; None: `cell_nodes`, those that hold the footprints.

    Returns:
        Recovery.

    Raises:
        InputError: shapes do not fit, or only one of latents and traces is given.
    """
    if (latents is None) != (traces is None):
        raise InputError("latents and traces belong together: give both or neither")
    if nodes is None:
        nodes = cell_nodes(footprints, latent_shape)
    correlation = float("nan")
    if latents is not None and traces is not None:
        correlation = node_cell_correlation(latents, traces, nodes)
    num_nodes = latent_shape[0] * latent_shape[1]
    outflow_a, strength_a = _summary(coefs_a, "coefs_a", num_nodes)
    outflow_b, strength_b = _summary(coefs_b, "coefs_b", num_nodes)
    drivers_a, drivers_b = _drives(coupling_a), _drives(coupling_b)

    def found(measure: Measure) -> list[float]:
        return [
            driver_auc(outflow_a, nodes, drivers_a, measure),
            driver_auc(outflow_b, nodes, drivers_b, measure),
            difference_auc(outflow_a, outflow_b, nodes, coupling_a, coupling_b, measure),
            edge_auc(strength_a, nodes, coupling_a, measure),
            edge_auc(strength_b, nodes, coupling_b, measure),
        ]

    area, precision = found(auc), found(average_precision)
    weights = check_footprints(footprints)
    missing = float("nan")
    driver_map = localised = difference_map_area = changed_map = missing
    if maps is not None:
        both = zip(maps, (drivers_a, drivers_b), strict=True)
        driver_map = float(np.mean([cell_map_auc(image, weights, drivers) for image, drivers in both]))
    if difference_map is not None:
        difference_map_area = difference_map_auc(difference_map, footprints, coupling_a, coupling_b)
        changed = differing(coupling_a, coupling_b)
        changed_map = cell_map_auc(difference_map, weights, changed)
        localised = localisation(difference_map, pixels_of(weights, changed))
    return Recovery(
        drivers_a=area[0],
        drivers_b=area[1],
        difference=area[2],
        edges_a=area[3],
        edges_b=area[4],
        difference_map=difference_map_area,
        node_cell_correlation=correlation,
        num_cells=int(nodes.kept.sum()),
        num_dropped=nodes.num_dropped,
        drivers_ap=(precision[0] + precision[1]) / 2,
        edges_ap=(precision[3] + precision[4]) / 2,
        difference_ap=precision[2],
        driver_map=driver_map,
        changed_map=changed_map,
        localisation=localised,
        gini=(gini(outflow_a) + gini(outflow_b)) / 2,
    )


def _drives(coupling: ArrayLike) -> NDArray[np.bool_]:
    """Cells with a coupling to another cell: (lags, targets, sources) -> (sources,) bool."""
    linked = (np.asarray(coupling) != 0).any(axis=0)
    np.fill_diagonal(linked, False)
    return linked.any(axis=0)


def _summary(coefs: ArrayLike, name: str, num_nodes: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Outflow (nodes,) and edge strength (targets, sources), averaged over runs if there is such an axis."""
    values = np.asarray(coefs)
    if values.ndim not in (3, 4) or values.shape[-2:] != (num_nodes, num_nodes):
        raise InputError(f"{name} has shape {values.shape}: give ([runs,] lags, {num_nodes}, {num_nodes})")
    values = values.reshape(-1, *values.shape[-3:])
    strength: NDArray[np.float64] = np.abs(values).sum(axis=1).mean(axis=0, dtype=np.float64)
    return influence(values).mean(axis=0), strength
