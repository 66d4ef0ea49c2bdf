"""Do groups of runs differ: a permutation test whose units are blocks of runs."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lassovae._errors import InputError
from lassovae._random import generator
from lassovae.stats._centres import check_times
from lassovae.stats._dissimilarity import Statistic, StatisticName, check_dissimilarity, prepared
from lassovae.stats._rank_sum import check_labels, group_members
from lassovae.stats._relabelling import Exchange, Relabellings, relabellings

TestName = StatisticName | Literal["dispersion"]

MOST_ENUMERATED = 100_000
AT_A_TIME = 1024  # relabellings evaluated together
ROUNDING = (
    1e-12  # of the largest statistic: relabellings that split the runs alike are summed in another order
)


@dataclass(frozen=True, eq=False)
class PermutationResult:
    """What a permutation test found.

    Attributes:
        statistic: of the study.
        pvalue: share of relabellings whose statistic is at least the study's; never 0.
        null: (m,) the statistic of every relabelling (the study's own among them), or of those drawn (without it).
        num_relabellings: different relabellings that the design allows.
        exact: all of them were evaluated, not a sample.
        smallest_pvalue: the smallest that this design and this number of relabellings can reach.
        name: "centres", "anosim", "permanova", "across_minus_within" or "dispersion".
        exchange: "free" (single runs), "whole" (whole blocks) or "within" (runs of a block).
        groups: labels, in order of appearance.
        num_units: runs or, where whole blocks are exchanged, blocks.
        without_drift: a linear dependence on time was taken out.
    """

    statistic: float
    pvalue: float
    null: NDArray[np.float64]
    num_relabellings: int
    exact: bool
    smallest_pvalue: float
    name: TestName
    exchange: Exchange
    groups: tuple[str, ...]
    num_units: int
    without_drift: bool = False


def pvalue_among(observed: float, null: NDArray[np.float64], exact: bool) -> float:
    """Share of relabellings whose statistic is at least the study's; the study counts beside those that were drawn."""
    size = np.abs(null[np.isfinite(null)]).max(initial=0.0)
    at_least = null >= observed - ROUNDING * size
    more = 0 if exact else 1  # the study itself is among all relabellings
    return float((at_least.sum() + more) / (len(null) + more))


def _evaluated(
    statistic: Statistic, values: NDArray[np.float64], codes: NDArray[np.intp], num_groups: int
) -> NDArray[np.float64]:
    """The statistic of every row of codes (m, runs)."""
    found = []
    for start in range(0, len(codes), AT_A_TIME):
        part = codes[start : start + AT_A_TIME]
        member = (part[:, None, :] == np.arange(num_groups)[:, None]).astype(np.float64)
        found.append(statistic(values, member))
    return np.concatenate(found)


@dataclass(frozen=True, eq=False)
class Compared:
    """The runs that are compared, and how they may be relabelled.

    Attributes:
        kept: indices of the runs.
        design: their relabellings.
        groups: labels by code.
    """

    kept: NDArray[np.intp]
    design: Relabellings
    groups: tuple[str, ...]


def compared(
    matrix: NDArray[np.float64],
    labels: Sequence[str],
    blocks: Sequence[Hashable] | None,
    exchange: Exchange | None,
    groups: Sequence[str] | None,
) -> Compared:
    """Which runs of a checked dissimilarity belong to the groups, and their relabellings.

    Raises:
        InputError: lengths differ, a group unknown or of one run, or what `relabellings` refuses.
    """
    names = [str(label) for label in check_labels(labels, len(matrix))]
    wanted = list(dict.fromkeys(names if groups is None else [str(group) for group in groups]))
    if blocks is not None and len(blocks) != len(names):
        raise InputError(f"blocks has {len(blocks)} entries for {len(names)} labels: give one block a run")
    kept = np.sort(np.concatenate([group_members(names, group) for group in wanted]))
    design, found = relabellings(
        [names[i] for i in kept], None if blocks is None else [blocks[i] for i in kept], exchange
    )
    return Compared(kept, design, found)


def tested(
    statistic: Statistic,
    values: NDArray[np.float64],
    some: Compared,
    name: TestName,
    num_permutations: int,
    seed: int,
    without_drift: bool,
) -> PermutationResult:
    """The statistic of the study among those of its relabellings.

    Raises:
        InputError: num_permutations is below 1.
    """
    if num_permutations < 1:
        raise InputError(f"num_permutations={num_permutations} must be at least 1")
    design, num_groups = some.design, len(some.groups)
    observed = float(_evaluated(statistic, values, design.observed[None], num_groups)[0])
    exact = design.number <= MOST_ENUMERATED
    rng = generator(seed)
    codes = design.every() if exact else design.drawn(num_permutations, rng)
    null = _evaluated(statistic, values, codes, num_groups)
    smallest = design.num_equivalent / design.number
    return PermutationResult(
        statistic=observed,
        pvalue=pvalue_among(observed, null, exact),
        null=null,
        num_relabellings=design.number,
        exact=exact,
        smallest_pvalue=smallest if exact else max(smallest, 1 / (num_permutations + 1)),
        name=name,
        exchange=design.exchange,
        groups=some.groups,
        num_units=sum(map(len, design.decks)),
        without_drift=without_drift,
    )


def permutation_test(
    dissimilarity: ArrayLike,
    labels: Sequence[str],
    *,
    blocks: Sequence[Hashable] | None = None,
    exchange: Exchange | None = None,
    groups: Sequence[str] | None = None,
    statistic: StatisticName = "anosim",
    times: Sequence[float] | None = None,
    num_permutations: int = 9999,
    seed: int = 0,
) -> PermutationResult:
    """Do groups of runs lie further apart than relabelled groups would?

    Runs recorded together share what has nothing to do with their condition. If whole blocks carry a condition, only
    whole blocks are exchangeable under the null hypothesis; exchanging single runs rejects a true one far too often.

    Args:
        dissimilarity: (runs, runs) symmetric, not negative, 0 on the diagonal: `swap_dissimilarity(delta)`,
            `influence_distances`, or any other.
        labels: the group of each run.
        blocks: the block of each run; None: every run is exchangeable by itself.
        exchange: "whole" blocks (the default where blocks are given), runs "within" their block, or "free".
        groups: the labels to compare, runs of others are left out; None: all.
        statistic: "centres" (of two groups, studentised as Welch's t, on squares: the one that unequal scatter does not
            mislead), "anosim" (R, on ranks), "permanova" (pseudo-F, on squares) or "across_minus_within" (of means).
        times: of each run, in any unit; "centres" takes a linear dependence on it out of the dissimilarities. Slow
            drift otherwise hides a difference of alternating blocks.
        num_permutations: relabellings drawn where there are more than 100 000; fewer are all evaluated.
        seed: of the relabellings drawn.

    Returns:
        PermutationResult. Its `smallest_pvalue` says whether the design could have reached significance at all.

    Raises:
        InputError: a dissimilarity that is none, a group unknown or of one run, a block that mixes labels, an argument
            out of range.

    References:
        Anderson et al. 2017 (centres); Clarke 1993 (ANOSIM); Anderson 2001 (PERMANOVA); Winkler et al. 2014
        (exchangeability blocks); Phipson & Smyth 2010 (why a p-value is never 0).

    Example:
        >>> apart = [[0, 1, 5, 5], [1, 0, 5, 5], [5, 5, 0, 1], [5, 5, 1, 0]]
        >>> result = permutation_test(apart, ["F", "F", "N", "N"])
        >>> print(result.statistic, round(result.pvalue, 3), result.num_relabellings)
        1.0 0.333 6
    """
    matrix = check_dissimilarity(dissimilarity)
    some = compared(matrix, labels, blocks, exchange, groups)
    if statistic == "centres" and len(some.groups) != 2:
        raise InputError(
            f"statistic='centres' compares two groups, not {len(some.groups)}: name two in groups"
        )
    when = None if times is None else check_times(times, len(matrix))[some.kept]
    units = some.design.card_of_run.tolist()  # a whole block is one card, a run by itself another
    compute, values = prepared(matrix[np.ix_(some.kept, some.kept)], statistic, when, units)
    return tested(compute, values, some, statistic, num_permutations, seed, when is not None)
