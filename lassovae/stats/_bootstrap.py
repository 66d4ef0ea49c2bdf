"""How well a mean over runs is known: whole blocks of runs, resampled."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lassovae._errors import InputError
from lassovae._random import generator
from lassovae.stats._group_difference import unit_means

FEATURES_AT_A_TIME = 4096


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """A mean over runs with its error.

    Attributes:
        mean: of the shape of a run's values.
        standard_error: likewise.
        low, high: ends of the percentile interval.
        num_units: blocks (or runs) that were resampled.
    """

    mean: NDArray[np.float64]
    standard_error: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    num_units: int


def block_bootstrap(
    values: ArrayLike,
    labels: Sequence[str],
    *,
    blocks: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
    num_resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Uncertainty]:
    """Means of coefficients, influences or maps over the runs of each group, with errors from resampling blocks.

    Runs recorded together are no independent witnesses: blocks are drawn with replacement, and all their runs with
    them. Deviations are widened by sqrt(n / (n - 1)) of the n blocks, without which few blocks understate the error.

    Args:
        values: (runs, ...).
        labels: the group of each run.
        blocks: the block of each run; None: every run is a unit. All blocks weigh the same.
        confidence: nominal coverage of the interval, in (0, 1); with few blocks it is less.
        num_resamples: at least 1.
        seed: of the resamples.

    Returns:
        Group -> Uncertainty.

    Raises:
        InputError: shapes do not fit, NaN, a block that mixes labels, fewer than two units in a group, or an argument
            out of range.

    References:
        Efron & Tibshirani 1993, An Introduction to the Bootstrap; Davison & Hinkley 1997, section 2.3 (few units).
    """
    if not 0 < confidence < 1:
        raise InputError(f"confidence={confidence} must lie between 0 and 1")
    if num_resamples < 1:
        raise InputError(f"num_resamples={num_resamples} must be at least 1")
    means, names = unit_means(values, labels, blocks)
    rng = generator(seed)
    found = {}
    for group in dict.fromkeys(names):
        part = means[[name == group for name in names]]
        count = len(part)
        if count < 2:
            unit = "run" if blocks is None else "block"
            raise InputError(f"group {group!r} has one {unit}: there is nothing to resample")
        weights = rng.multinomial(count, np.full(count, 1 / count), num_resamples) / count
        flat = part.reshape(count, -1)
        centre = flat.mean(axis=0)
        error, low, high = (np.empty_like(centre) for _ in range(3))
        for start in range(0, flat.shape[1], FEATURES_AT_A_TIME):
            span = slice(start, start + FEATURES_AT_A_TIME)
            deviations = weights @ (flat[:, span] - centre[span]) * np.sqrt(count / (count - 1))
            error[span] = np.sqrt(np.square(deviations).mean(axis=0))
            ends = np.quantile(deviations, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
            low[span], high[span] = centre[span] + ends
        shape = means.shape[1:]
        found[group] = Uncertainty(
            centre.reshape(shape), error.reshape(shape), low.reshape(shape), high.reshape(shape), count
        )
    return found
