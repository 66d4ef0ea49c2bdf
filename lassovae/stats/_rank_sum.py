"""The rank-sum test of pairs across two groups against pairs within them, and the checks it rests on."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu

from lassovae._errors import InputError


@dataclass(frozen=True)
class RankSumResult:
    """What a rank-sum test over pairs of runs found.

    Attributes:
        statistic: Mann-Whitney U of the pairs across, between 0 and num_across * num_within.
        pvalue: one-sided, for "across is stochastically greater than within"; it takes the pairs for
            independent, which they are not.
        num_across: pairs with one run in each group.
        num_within: pairs with both runs in the same group, both groups together.
        group_a: label of the first group.
        group_b: label of the second group.
    """

    statistic: float
    pvalue: float
    num_across: int
    num_within: int
    group_a: str
    group_b: str

    @property
    def superiority(self) -> float:
        """Chance that a pair across exceeds a pair within (ties count half); 0.5 is no difference."""
        return self.statistic / (self.num_across * self.num_within)


def square_matrix(values: object, name: str) -> NDArray[np.float64]:
    """A (runs, runs) float64 array, or an InputError that names the argument."""
    matrix = np.asarray(values, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise InputError(
            f"{name} has shape {matrix.shape}: give a square matrix, one row and one column a run"
        )
    return matrix


def _missing(value: object) -> bool:
    """None, or what a gap in a table of numbers is read as."""
    return value is None or (isinstance(value, (float, np.floating)) and bool(np.isnan(value)))


def check_labels(labels: Sequence[str], num_runs: int) -> list[str]:
    """The labels as a list, one for each of `num_runs` runs."""
    names = list(labels)
    if len(names) != num_runs:
        raise InputError(f"labels has {len(names)} entries for {num_runs} runs: give one label a run")
    for run, name in enumerate(names):
        if _missing(name):
            raise InputError(
                f"labels[{run}]={name!r} is missing: give every run a label, or leave the run out"
            )
    return names


def check_blocks(blocks: Sequence[Hashable] | None, num_runs: int) -> list[Hashable]:
    """The blocks as a list; without any, every run is one by itself."""
    if blocks is None:
        return list(range(num_runs))
    units = list(blocks)
    if len(units) != num_runs:
        raise InputError(f"blocks has {len(units)} entries for {num_runs} labels: give one block a run")
    for run, unit in enumerate(units):
        if _missing(unit) or not isinstance(unit, Hashable):
            raise InputError(f"blocks[{run}]={unit!r} is no block: give every run a number or a name")
    return units


def group_members(labels: Sequence[str], group: str, *, at_least: int = 2) -> NDArray[np.intp]:
    """Indices of the runs labelled `group`, in the order of the runs."""
    members = np.array([i for i, label in enumerate(labels) if label == group], dtype=np.intp)
    if members.size == 0:
        known = ", ".join(repr(str(label)) for label in dict.fromkeys(labels))
        raise InputError(f"group {group!r} is not among the labels: choose from {known}")
    if members.size < at_least:
        raise InputError(
            f"group {group!r} has {members.size} run: a test needs at least {at_least} in each group"
        )
    return members


def rank_sum_of_pairs(
    matrix: NDArray[np.float64],
    labels: Sequence[str],
    group_a: str,
    group_b: str,
    *,
    name: str,
    ordered: bool,
) -> RankSumResult:
    """One-sided rank-sum test of the across pairs of `matrix` against the within pairs.

    Args:
        matrix: (runs, runs) dissimilarities; the diagonal is never used.
        labels: one a run.
        group_a: label of the first group.
        group_b: label of the second group.
        name: what the caller calls `matrix`, for messages.
        ordered: count (s, r) and (r, s) as two pairs (an asymmetric matrix) or as one.

    Returns:
        RankSumResult.

    Raises:
        InputError: the groups are the same, unknown or have fewer than two runs; a pair used is not finite.
    """
    names = check_labels(labels, len(matrix))
    if group_a == group_b:
        raise InputError(f"group_a and group_b are both {group_a!r}: name two different groups")
    a, b = group_members(names, group_a), group_members(names, group_b)

    side = np.zeros(len(matrix), dtype=np.int8)
    side[a], side[b] = 1, 2
    rows, columns = (
        np.nonzero(~np.eye(len(matrix), dtype=bool)) if ordered else np.triu_indices(len(matrix), 1)
    )
    used = (side[rows] > 0) & (side[columns] > 0)
    rows, columns = rows[used], columns[used]
    values = matrix[rows, columns]

    bad = ~np.isfinite(values)
    if bad.any():
        where = ", ".join(str(row) for row in np.unique(rows[bad]))
        across = ", ".join(str(column) for column in np.unique(columns[bad]))
        raise InputError(
            f"{name} is not finite in rows {where} at columns {across}: refit those runs or leave them out"
        )
    is_across = side[rows] != side[columns]
    test = mannwhitneyu(values[is_across], values[~is_across], alternative="greater")
    return RankSumResult(
        statistic=float(test.statistic),
        pvalue=float(test.pvalue),
        num_across=int(is_across.sum()),
        num_within=int((~is_across).sum()),
        group_a=group_a,
        group_b=group_b,
    )
