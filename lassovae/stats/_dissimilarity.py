"""Dissimilarities of runs, and statistics of how far groups of runs lie apart."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from lassovae._errors import InputError
from lassovae.stats._centres import centres
from lassovae.stats._rank_sum import square_matrix

StatisticName = Literal["centres", "anosim", "permanova", "across_minus_within"]
Statistic = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]
ASYMMETRY = 1e-9  # of the largest entry: what rounding may leave


def swap_dissimilarity(delta: ArrayLike) -> NDArray[np.float64]:
    """Swap errors as a dissimilarity: the mean of both directions, lifted so that the closest pair is at 0.

    Shrunken coefficients can make a swap a gain, which is a negative "distance". What is added is the same for every
    pair, so ranks and differences between pairs stay (ANOSIM and across-minus-within do not change).

    Args:
        delta: (runs, runs) of `swap_errors`.

    Returns:
        (runs, runs) symmetric, not negative, 0 on the diagonal, in squared latent units.

    Raises:
        InputError: delta is not square or not finite (the rows are named).
    """
    matrix = square_matrix(delta, "delta")
    _require_finite(matrix, "delta")
    both = (matrix + matrix.T) / 2
    off = ~np.eye(len(both), dtype=bool)
    if off.any():
        both -= min(0.0, float(both[off].min()))
    np.fill_diagonal(both, 0.0)
    return both


def _require_finite(matrix: NDArray[np.float64], name: str) -> None:
    rows = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
    if len(rows):
        named = ", ".join(map(str, rows.tolist()))
        raise InputError(f"{name} is not finite in rows {named}: refit those runs or leave them out")


def check_dissimilarity(values: ArrayLike) -> NDArray[np.float64]:
    """(runs, runs) float64: finite, not negative, symmetric, 0 on the diagonal, not all the same.

    Raises:
        InputError: it is not; the message says where and what to do.
    """
    matrix = square_matrix(values, "dissimilarity")
    _require_finite(matrix, "dissimilarity")
    largest = float(np.abs(matrix).max(initial=0.0))
    row, column = np.unravel_index(np.argmin(matrix), matrix.shape)
    if matrix[row, column] < 0:
        raise InputError(
            f"dissimilarity[{row}, {column}]={matrix[row, column]:.3g} is negative: swap errors become dissimilarities "
            "by swap_dissimilarity"
        )
    row, column = np.unravel_index(np.argmax(np.abs(matrix - matrix.T)), matrix.shape)
    if abs(matrix[row, column] - matrix[column, row]) > ASYMMETRY * largest:
        raise InputError(
            f"dissimilarity is not symmetric: [{row}, {column}]={matrix[row, column]:.6g}, but [{column}, {row}]="
            f"{matrix[column, row]:.6g}: take the mean of both (swap_dissimilarity does)"
        )
    run = int(np.argmax(np.diagonal(matrix)))
    if matrix[run, run] > ASYMMETRY * largest:
        raise InputError(f"dissimilarity[{run}, {run}]={matrix[run, run]:.3g}: a run is at 0 from itself")
    if largest == 0:
        raise InputError("every dissimilarity is 0: the runs are all alike and there is nothing to test")
    return (matrix + matrix.T) / 2


def _sums_within(values: NDArray[np.float64], member: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums over the pairs of each group: symmetric values (runs, runs), member (m, groups, runs) -> (m, groups)."""
    sums: NDArray[np.float64] = ((member @ values) * member).sum(axis=2) / 2
    return sums


def _pairs(sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    pairs: NDArray[np.float64] = sizes * (sizes - 1) / 2
    return pairs


def across_minus_within(values: NDArray[np.float64], member: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over pairs of different groups less mean over pairs of the same group."""
    within = _sums_within(values, member).sum(axis=1)
    num_within = _pairs(member.sum(axis=2)).sum(axis=1)
    num_pairs = _pairs(np.asarray(float(len(values))))
    difference: NDArray[np.float64] = (values.sum() / 2 - within) / (num_pairs - num_within)
    difference -= within / num_within
    return difference


def anosim(ranks: NDArray[np.float64], member: NDArray[np.float64]) -> NDArray[np.float64]:
    """R of Clarke 1993: across-minus-within of ranks, over half the number of pairs; in [-1, 1]."""
    return across_minus_within(ranks, member) / (_pairs(np.asarray(float(len(ranks)))) / 2)


def permanova(squares: NDArray[np.float64], member: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pseudo-F of Anderson 2001."""
    sizes = member.sum(axis=2)
    within = (_sums_within(squares, member) / sizes).sum(axis=1)
    num_runs, num_groups = len(squares), member.shape[1]
    between = squares.sum() / 2 / num_runs - within
    with np.errstate(divide="ignore"):  # groups of identical runs lie infinitely far apart
        ratio: NDArray[np.float64] = (between / (num_groups - 1)) / (within / (num_runs - num_groups))
    return ratio


def prepared(
    dissimilarity: NDArray[np.float64],
    statistic: StatisticName,
    times: NDArray[np.float64] | None = None,
    units: Sequence[Hashable] | None = None,
) -> tuple[Statistic, NDArray[np.float64]]:
    """The function of a statistic, and the values that it sums: ranks, squares, or the dissimilarities."""
    if statistic == "centres":
        each = list(range(len(dissimilarity))) if units is None else units
        return centres(times, each), np.square(dissimilarity)
    if times is not None:
        raise InputError(f"statistic={statistic!r} knows no times: choose 'centres', or leave times out")
    if statistic == "permanova":
        return permanova, np.square(dissimilarity)
    if statistic == "across_minus_within":
        return across_minus_within, dissimilarity
    if statistic != "anosim":
        raise InputError(
            f"statistic={statistic!r} is not known; choose one of centres, anosim, permanova, across_minus_within"
        )
    pairs = np.triu_indices(len(dissimilarity), 1)
    ranks = np.zeros_like(dissimilarity)
    ranks[pairs] = rankdata(dissimilarity[pairs])
    return anosim, ranks + ranks.T
