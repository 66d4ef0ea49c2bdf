"""How far groups of runs lie apart, with an interval over blocks."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lassovae._errors import InputError
from lassovae._random import generator
from lassovae.stats._dissimilarity import StatisticName, check_dissimilarity, prepared
from lassovae.stats._permutation import Compared, compared

EFFECTS = ("anosim", "across_minus_within")


@dataclass(frozen=True, eq=False)
class EffectSize:
    """An effect and what resampling says of its precision.

    Attributes:
        estimate: of the study.
        low, high: ends of the percentile interval; NaN where no resample has two runs of a group.
        confidence: its nominal coverage.
        resamples: (m,) the effect in every resample in which it is defined.
        name: "anosim" (R, in [-1, 1]) or "across_minus_within" (units of the dissimilarity).
        num_units: smallest number of resampled units in a group.
    """

    estimate: float
    low: float
    high: float
    confidence: float
    resamples: NDArray[np.float64]
    name: StatisticName
    num_units: int


def _weighted(values: NDArray[np.float64], weight: NDArray[np.float64], codes: NDArray[np.intp]) -> float:
    """Across-minus-within of runs that count `weight` times; a run and its copy are no pair."""
    same = codes[:, None] == codes
    pairs = np.triu(np.outer(weight, weight), 1)
    within, across = pairs * same, pairs * ~same
    if not within.any():
        return float("nan")
    return float((across * values).sum() / across.sum() - (within * values).sum() / within.sum())


def _units(some: Compared, blocks: Sequence[Hashable] | None) -> NDArray[np.intp]:
    """(runs,) number of each run's unit: its block, or itself."""
    if blocks is None:
        return np.arange(len(some.kept))
    kept = [blocks[i] for i in some.kept]
    place = {block: i for i, block in enumerate(dict.fromkeys(kept))}
    return np.asarray([place[block] for block in kept], np.intp)


def effect_size(
    dissimilarity: ArrayLike,
    labels: Sequence[str],
    *,
    blocks: Sequence[Hashable] | None = None,
    groups: Sequence[str] | None = None,
    statistic: StatisticName = "across_minus_within",
    confidence: float = 0.95,
    num_resamples: int = 2000,
    seed: int = 0,
) -> EffectSize:
    """How far groups lie apart, with an interval from resampling whole blocks within each group.

    A bootstrap cannot know more than its units show: with fewer than about ten blocks a group the interval is too
    narrow, and its width rather than its ends should be read.

    Args:
        dissimilarity, labels, blocks, groups: as in `permutation_test`.
        statistic: "across_minus_within", or "anosim" (R; ranks are those of the study).
        confidence: nominal coverage of the interval, in (0, 1).
        num_resamples: at least 1.
        seed: of the resamples.

    Returns:
        EffectSize.

    Raises:
        InputError: as `permutation_test`, fewer than two blocks in a group, or an argument out of range.

    References:
        Efron & Tibshirani 1993, An Introduction to the Bootstrap (percentile intervals).
    """
    if statistic not in EFFECTS:
        raise InputError(f"statistic={statistic!r} has no interval; choose one of {', '.join(EFFECTS)}")
    if not 0 < confidence < 1:
        raise InputError(f"confidence={confidence} must lie between 0 and 1")
    if num_resamples < 1:
        raise InputError(f"num_resamples={num_resamples} must be at least 1")
    matrix = check_dissimilarity(dissimilarity)
    some = compared(matrix, labels, blocks, None, groups)
    _, values = prepared(matrix[np.ix_(some.kept, some.kept)], statistic)
    num_runs = len(values)
    if statistic == "anosim":
        values = values / (num_runs * (num_runs - 1) / 4)
    codes, unit = some.design.observed, _units(some, blocks)
    of_group = [np.unique(unit[codes == code]) for code in range(len(some.groups))]
    for group, units in zip(some.groups, of_group, strict=True):
        if len(units) < 2:
            raise InputError(f"group {group!r} has one block: an interval over blocks needs at least two")
    rng = generator(seed)
    found = np.empty(num_resamples)
    for i in range(num_resamples):
        drawn = np.concatenate([rng.choice(units, len(units)) for units in of_group])
        times = np.bincount(drawn, minlength=unit.max() + 1).astype(np.float64)
        found[i] = _weighted(values, times[unit], codes)
    found = found[np.isfinite(found)]
    ends = [(1 - confidence) / 2, (1 + confidence) / 2]
    low, high = np.quantile(found, ends) if len(found) else (np.nan, np.nan)  # one unit twice is no pair
    return EffectSize(
        estimate=_weighted(values, np.ones(num_runs), codes),
        low=float(low),
        high=float(high),
        confidence=confidence,
        resamples=found,
        name=statistic,
        num_units=min(map(len, of_group)),
    )
