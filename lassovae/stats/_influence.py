"""Influence: how strongly one node acts on the others, and whether that differs between groups of runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import pdist, squareform

from lassovae._errors import InputError
from lassovae.stats._rank_sum import RankSumResult, rank_sum_of_pairs


def influence(coef: ArrayLike, kind: Literal["outflow", "inflow"] = "outflow") -> NDArray[np.float64]:
    """Summed absolute coupling of each node with all others, itself left out.

    Outflow: c_j = sum_k sum_{l != j} |A_k[l, j]|, all that leaves source j. Inflow: c_j = sum_k sum_{l != j}
    |A_k[j, l]|, all that reaches target j. The paper names its sum outflow but writes a_{jl} with j first;
    with rows as targets, as in its own forecast equation, that formula is the inflow. The words win here: the
    default is the outflow, and kind="inflow" is the formula as printed.

    Args:
        coef: (lags, targets, sources), or (runs, lags, targets, sources).
        kind: "outflow" or "inflow".

    Returns:
        (nodes,) or (runs, nodes) float64, not negative, without unit.

    Raises:
        InputError: coef of another shape, or an unknown kind.

    Example:
        >>> import numpy as np
        >>> influence(np.array([[[0.9, 0.0], [-0.4, 0.8]]]))  # node 0 drives node 1
        array([0.4, 0. ])

    References:
        Section 2.4 of arXiv 2603.02899; deviates in the order of the indices, as told above.
    """
    strength = np.abs(np.asarray(coef, dtype=np.float64))
    if strength.ndim not in (3, 4) or strength.shape[-1] != strength.shape[-2]:
        raise InputError(
            f"coef has shape {strength.shape}: give ([runs,] lags, targets, sources), targets = sources"
        )
    if kind not in ("outflow", "inflow"):
        raise InputError(f"kind={kind!r} is not known: choose 'outflow' or 'inflow'")
    total = strength.sum(axis=-3)
    nodes = np.arange(total.shape[-1])
    total[..., nodes, nodes] = 0.0  # set, not subtracted: a large autocorrelation would leave rounding behind
    result: NDArray[np.float64] = total.sum(axis=-2 if kind == "outflow" else -1)
    return result


def influence_distances(influences: ArrayLike) -> NDArray[np.float64]:
    """Squared Euclidean distance between the influence vectors of every two runs.

    d_sr = ||c^(s) - c^(r)||^2.

    Args:
        influences: (runs, nodes) of `influence`.

    Returns:
        (runs, runs) float64, symmetric, with a diagonal of exactly 0.

    Raises:
        InputError: influences is not a matrix.

    References:
        Section 2.4 of arXiv 2603.02899.
    """
    vectors = np.asarray(influences, dtype=np.float64)
    if vectors.ndim != 2:
        raise InputError(
            f"influences has shape {vectors.shape}: give (runs, nodes), one influence vector a run"
        )
    distances: NDArray[np.float64] = squareform(pdist(vectors, "sqeuclidean"))
    return distances


def influence_test(influences: ArrayLike, labels: Sequence[str], group_a: str, group_b: str) -> RankSumResult:
    """The paper's test on influence vectors: are they farther apart across groups than within them.

    One-sided Wilcoxon rank-sum test of d_sr over unordered pairs, each counted once because the distance is
    symmetric. **Its p-value is not a valid one**, as that of `swap_test`: pairs that share a run are not
    independent. It describes; it does not hold its level.

    Args:
        influences: (runs, nodes) of `influence`.
        labels: the group of each run.
        group_a: label of the first group; the two may be exchanged.
        group_b: label of the second group.

    Returns:
        RankSumResult over num_across = a * b and num_within = a (a - 1) / 2 + b (b - 1) / 2 pairs.

    Raises:
        InputError: as `swap_test`.

    References:
        Section 2.4 of arXiv 2603.02899.
    """
    distances = influence_distances(influences)
    return rank_sum_of_pairs(distances, labels, group_a, group_b, name="influences", ordered=False)
