"""How far the centres of two groups lie apart, in units of what scatter alone would put them apart.

Ranks (ANOSIM) and pooled scatter (PERMANOVA with unequal groups) also answer to groups of one centre and unequal
scatter: in simulations of eight blocks, with twice the scatter in one condition, ANOSIM rejected 65 % of true null
hypotheses. This statistic has each group's own scatter in its denominator, as Welch's t has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from lassovae._errors import InputError


def _without(covariates: NDArray[np.float64]) -> NDArray[np.float64]:
    """(runs, runs) projection onto what neither a constant nor the covariates (runs, k) explain."""
    known = np.column_stack([np.ones(len(covariates)), covariates])
    left: NDArray[np.float64] = np.eye(len(known)) - known @ np.linalg.pinv(known)
    return left


def centres(
    times: NDArray[np.float64] | None, num_runs: int
) -> Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]:
    """The statistic for runs at these times: of squared distances (runs, runs) and member (m, 2, runs) to (m,).

    With c the contrast of the groups' means, from which a linear dependence on time is taken out, c' G c is the squared
    distance of the adjusted centres (G = -D^2 / 2), and sum_i c_i^2 W_g(i) / 2 what it would be by scatter alone, W_g
    the mean squared distance of two runs of group g after the same adjustment. Their ratio is Welch's t^2 where runs
    are numbers.

    References:
        Anderson et al. 2017, Some solutions to the multivariate Behrens-Fisher problem for dissimilarity-based
        analyses; McArdle & Anderson 2001 (covariates in distances).
    """
    covariates = np.zeros((num_runs, 0)) if times is None else times[:, None]
    left = _without(covariates)

    def statistic(squares: NDArray[np.float64], member: NDArray[np.float64]) -> NDArray[np.float64]:
        gram = -0.5 * left @ squares @ left
        length = np.diag(gram)
        adjusted = length[:, None] + length - 2 * gram
        sizes = member.sum(axis=2)
        scatter = ((member @ adjusted) * member).sum(axis=2) / (sizes * (sizes - 1)) / 2
        label = (member[:, 0] - member[:, 1]) / 2
        rest = label @ left
        norm = (rest * label).sum(axis=1)
        told = norm > 1e-9 * num_runs  # labels that are a line in time cannot be told from drift
        contrast = rest / np.where(told, norm, 1.0)[:, None]
        apart = ((contrast @ gram) * contrast).sum(axis=1)
        by_scatter = ((np.square(contrast)[:, None, :] * member).sum(axis=2) * scatter).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(told, apart / by_scatter, 0.0)
        found: NDArray[np.float64] = np.nan_to_num(ratio, nan=0.0, posinf=np.inf)
        return found

    return statistic


def check_times(times: Sequence[float], num_runs: int) -> NDArray[np.float64]:
    """(runs,) finite and not all the same.

    Raises:
        InputError: they are not.
    """
    found = np.asarray(times, np.float64)
    if found.shape != (num_runs,):
        raise InputError(f"times has shape {found.shape} for {num_runs} runs: give one time a run")
    if not np.isfinite(found).all() or np.ptp(found) == 0:
        raise InputError("times must be finite and not all the same: leave them out where they are not known")
    return found
