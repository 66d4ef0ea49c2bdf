"""How far the centres of two groups lie apart, in units of what scatter alone would put them apart.

Ranks (ANOSIM) and pooled scatter (PERMANOVA with unequal groups) also answer to groups of one centre and unequal
scatter: in simulations of eight blocks, with twice the scatter in one condition, ANOSIM rejected 62 % of true null
hypotheses. This statistic has each group's own scatter in its denominator, as Welch's t has.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from lassovae._errors import InputError


def averaging(units: Sequence[Hashable]) -> NDArray[np.float64]:
    """(units, runs) weights of the mean over the runs of each unit, units in order of appearance."""
    place = {unit: i for i, unit in enumerate(dict.fromkeys(units))}
    member = np.asarray([place[unit] for unit in units]) == np.arange(len(place))[:, None]
    weights: NDArray[np.float64] = member / member.sum(axis=1, keepdims=True)
    return weights


def centres(
    times: NDArray[np.float64] | None, units: Sequence[Hashable]
) -> Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]:
    """The statistic for runs of these units: of squared distances (runs, runs) and member (m, 2, runs) to (m,).

    What is exchanged is what scatters: runs of a unit (a block, or a run by itself) are first replaced by their mean,
    whose inner products are means of those of the runs (G = -D^2 / 2). With c the contrast of the groups' means of
    units, from which a linear dependence on time is taken out, c' G c is the squared distance of the adjusted centres,
    and sum_i c_i^2 W_g(i) / 2 what it would be by scatter alone, W_g the mean squared distance of two units of group g
    after the same adjustment (of the other group's, where g has one unit). Their ratio is Welch's t^2 where units are
    numbers.

    References:
        Anderson et al. 2017, Some solutions to the multivariate Behrens-Fisher problem for dissimilarity-based
        analyses; McArdle & Anderson 2001 (covariates in distances).
    """
    mean = averaging(units)
    first = mean.argmax(axis=1)  # a run of each unit
    number = len(mean)
    known = np.ones((number, 1)) if times is None else np.column_stack([np.ones(number), mean @ times])
    left = np.eye(number) - known @ np.linalg.pinv(known)

    def statistic(squares: NDArray[np.float64], member: NDArray[np.float64]) -> NDArray[np.float64]:
        of_group = member[:, :, first]
        gram = left @ (-0.5 * mean @ squares @ mean.T) @ left
        length = np.diag(gram)
        adjusted = length[:, None] + length - 2 * gram
        sizes = of_group.sum(axis=2)
        pairs = sizes * (sizes - 1)
        scatter = ((of_group @ adjusted) * of_group).sum(axis=2) / np.maximum(pairs, 1) / 2
        scatter = np.where(pairs > 0, scatter, scatter[:, ::-1])
        label = (of_group[:, 0] - of_group[:, 1]) / 2
        rest = label @ left
        norm = (rest * label).sum(axis=1)
        told = norm > 1e-9 * number  # labels that are a line in time cannot be told from drift
        contrast = rest / np.where(told, norm, 1.0)[:, None]
        apart = ((contrast @ gram) * contrast).sum(axis=1)
        by_scatter = ((np.square(contrast)[:, None, :] * of_group).sum(axis=2) * scatter).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(told, apart / by_scatter, 0.0)
        # two units without a third: scatter is not known, and no relabelling may look less extreme for that
        found: NDArray[np.float64] = np.nan_to_num(ratio, nan=np.inf, posinf=np.inf)
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
