"""Student's t of many features of few units: each variance borrows from those of all the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

SMALLEST = 1e-5  # of the median variance
MOST_DEGREES = 1e6  # a prior surer than that is as good as certain


@dataclass(frozen=True, eq=False)
class Moderated:
    """Differences of two groups of units, feature by feature.

    Attributes:
        difference: (features,) mean of the first group less that of the second.
        standard_error: (features,) by the moderated variance.
        degrees: of freedom of the t distribution: the units' and the prior's.
        pvalue: (features,) two-sided.
    """

    difference: NDArray[np.float64]
    standard_error: NDArray[np.float64]
    degrees: float
    pvalue: NDArray[np.float64]


def prior_of_variances(variances: NDArray[np.float64], degrees: int) -> tuple[float, float]:
    """Degrees of freedom and scale of the scaled inverse chi-squared prior of variances with `degrees` each.

    By the mean and the variance of their logarithms. No degrees of freedom where there are too few to tell, infinitely
    many where they vary no more than chance makes them.

    References:
        Smyth 2004, Linear models and empirical Bayes methods, section 6.2.
    """
    known = variances[variances > 0]
    if len(known) < 3:
        return 0.0, 0.0
    known = np.maximum(
        known, SMALLEST * np.median(known)
    )  # one feature that hardly varies would decide it all
    half = degrees / 2
    logs = np.log(known) - special.digamma(half) + np.log(half)
    excess = logs.var(ddof=1) - special.polygamma(1, half)
    if excess <= special.polygamma(1, MOST_DEGREES / 2):
        return float("inf"), float(np.exp(logs.mean()))
    prior_half = optimize.brentq(lambda x: special.polygamma(1, x) - excess, 1e-6, MOST_DEGREES / 2)
    scale = np.exp(logs.mean() + special.digamma(prior_half) - np.log(prior_half))
    return 2 * float(prior_half), float(scale)


def moderated_t(first: NDArray[np.float64], second: NDArray[np.float64]) -> Moderated:
    """Compare two groups of units (units, features), of which not all have one unit.

    Four blocks a condition leave six degrees of freedom: some of many features have a small variance by luck and look
    significant, others a large one and are missed. The variance is therefore the mean of the feature's own and of
    what features have in common, weighted by how sure each is.

    References:
        Smyth 2004, Linear models and empirical Bayes methods for assessing differential expression.
    """
    sizes = len(first), len(second)
    degrees = sum(sizes) - 2
    squares = sum(np.square(part - part.mean(axis=0)).sum(axis=0) for part in (first, second))
    variance = np.asarray(squares, np.float64) / degrees
    prior_degrees, prior = prior_of_variances(variance, degrees)
    if np.isinf(prior_degrees):
        moderated = np.full_like(variance, prior)
    else:
        moderated = (prior_degrees * prior + degrees * variance) / (prior_degrees + degrees)
    difference: NDArray[np.float64] = first.mean(axis=0) - second.mean(axis=0)
    error = np.sqrt(moderated * (1 / sizes[0] + 1 / sizes[1]))
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(
            error > 0, difference / error, 0.0
        )  # no scatter at all and no prior: nothing can be said
    # all variances together know no more than they have degrees of freedom
    total = min(prior_degrees + degrees, degrees * max(1, int((variance > 0).sum())))
    return Moderated(difference, error, total, 2 * stats.t.sf(np.abs(t), total))
