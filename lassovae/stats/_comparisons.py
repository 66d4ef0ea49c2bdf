"""The table of group comparisons: halves of each condition against each other and across conditions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lassovae._errors import InputError
from lassovae.stats._rank_sum import check_labels, group_members, square_matrix
from lassovae.stats._swap import swap_test

Kind = Literal["within condition", "across conditions"]


@dataclass(frozen=True)
class Comparison:
    """One row of the table.

    Attributes:
        group_a: condition and numbers of its runs, counted from 1 in order of recording: "F 1-10".
        group_b: the other group.
        pvalue: of `swap_test`, uncorrected; like that one, not valid as a p-value.
        pvalue_bonferroni: corrected over the comparisons of the table.
        pvalue_holm: corrected over the same, uniformly at least as powerful.
        significant: pvalue_bonferroni <= alpha, as the paper marks its table.
        num_across: ordered pairs across the two groups.
        num_within: ordered pairs within the two groups.
        kind: "within condition" (a difference is not expected) or "across conditions".
    """

    group_a: str
    group_b: str
    pvalue: float
    pvalue_bonferroni: float
    pvalue_holm: float
    significant: bool
    num_across: int
    num_within: int
    kind: Kind


def group_comparisons(
    delta: ArrayLike, labels: Sequence[str], conditions: tuple[str, str] = ("F", "N"), *, alpha: float = 0.05
) -> tuple[Comparison, ...]:
    """The six comparisons of Table 1: halves of the same condition, then halves of different ones.

    Each condition's runs, in the order given (the order of recording), fall into a first and a second half;
    of an odd number the first half has one more. The six are F1-F2, N1-N2, F1-N1, F2-N2, F1-N2 and F2-N1.

    Args:
        delta: (runs, runs) of `swap_errors`, rows and columns in order of recording.
        labels: the condition of each run; runs of other conditions are left out.
        conditions: the two conditions compared.
        alpha: level of `significant`, in (0, 1).

    Returns:
        Six Comparison in the order above.

    Raises:
        InputError: fewer than four runs of a condition, alpha out of range, or as `swap_test`.

    References:
        Table 1 of arXiv 2603.02899 (alpha 0.05, Bonferroni over the six).
    """
    if not 0 < alpha < 1:
        raise InputError(f"alpha={alpha} must lie between 0 and 1")
    matrix = square_matrix(delta, "delta")
    names = check_labels(labels, len(matrix))
    first, second = conditions
    if first == second:
        raise InputError(f"conditions names {first!r} twice: name two different conditions")

    halved = [""] * len(names)  # runs of no half keep a name that no half has
    halves: dict[str, tuple[str, str]] = {}
    for condition in conditions:
        members = group_members(names, condition, at_least=1)
        if len(members) < 4:
            raise InputError(
                f"condition {condition!r} has {len(members)} runs: its halves need at least 4 runs together"
            )
        cut = (len(members) + 1) // 2
        halves[condition] = (f"{condition} 1-{cut}", f"{condition} {cut + 1}-{len(members)}")
        for position, run in enumerate(members):
            halved[run] = halves[condition][position >= cut]

    (a1, a2), (b1, b2) = halves[first], halves[second]
    pairs: list[tuple[str, str, Kind]] = [
        (a1, a2, "within condition"),
        (b1, b2, "within condition"),
        (a1, b1, "across conditions"),
        (a2, b2, "across conditions"),
        (a1, b2, "across conditions"),
        (a2, b1, "across conditions"),
    ]
    tests = [swap_test(matrix, halved, one, other) for one, other, _ in pairs]
    raw = [test.pvalue for test in tests]
    rows = zip(pairs, tests, bonferroni(raw), holm(raw), strict=True)
    return tuple(
        Comparison(
            group_a=one,
            group_b=other,
            pvalue=test.pvalue,
            pvalue_bonferroni=float(corrected),
            pvalue_holm=float(stepped),
            significant=bool(corrected <= alpha),
            num_across=test.num_across,
            num_within=test.num_within,
            kind=kind,
        )
        for (one, other, kind), test, corrected, stepped in rows
    )


def bonferroni(pvalues: ArrayLike) -> NDArray[np.float64]:
    """Bonferroni-corrected p-values: min(1, m p) over m comparisons.

    Args:
        pvalues: (comparisons,) in [0, 1].

    Returns:
        (comparisons,) corrected, in the same order.

    Raises:
        InputError: a value is not in [0, 1], or the array is not a vector.
    """
    p = _checked(pvalues)
    return np.minimum(1.0, p.size * p)


def holm(pvalues: ArrayLike) -> NDArray[np.float64]:
    """Holm's step-down p-values: the i-th smallest of m times m - i + 1, made non-decreasing.

    Args:
        pvalues: (comparisons,) in [0, 1].

    Returns:
        (comparisons,) corrected, in the same order; never above `bonferroni`.

    Raises:
        InputError: a value is not in [0, 1], or the array is not a vector.

    References:
        Holm 1979, Scandinavian Journal of Statistics 6, 65-70.
    """
    p = _checked(pvalues)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(1.0, stepped)
    return corrected


def _checked(pvalues: ArrayLike) -> NDArray[np.float64]:
    p = np.asarray(pvalues, dtype=np.float64)
    if p.ndim != 1:
        raise InputError(f"pvalues has shape {p.shape}: give one p-value a comparison, in a vector")
    for i, value in enumerate(p):
        if math.isnan(value) or not 0 <= value <= 1:
            raise InputError(f"pvalues[{i}]={value} must lie in [0, 1]: leave out comparisons that failed")
    return p
