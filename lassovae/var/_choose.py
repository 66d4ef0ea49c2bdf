"""Choosing the l1 strength and the order from the recordings alone: information criteria and held-out time."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from jax.typing import ArrayLike
from numpy.typing import NDArray

from lassovae._errors import InputError
from lassovae._status import raise_if_failed
from lassovae.var._design import check_length, regression
from lassovae.var._fit import VARFit
from lassovae.var._pooled import fit_pooled

logger = logging.getLogger("lassovae")

TRIED = 2.0 ** np.arange(4, -2.5, -0.5)  # strengths tried, as multiples of the suggested one
Criterion = Literal["held_out", "aic", "bic", "ebic"]


class LamPath(NamedTuple):
    """Fits along the l1 strength and what judges them, every array (strengths,), from strong to weak.

    Attributes:
        lams: l1 strengths.
        nonzeros: mean number of non-zero coefficients a target, the degrees of freedom of a lasso fit.
        aic, bic, ebic: Akaike's, the Bayesian and the extended Bayesian information criterion (its gamma 1), summed
            over targets, each a Gaussian regression with a variance of its own; lower is better.
        held_out: R_var of each half of every run forecast by the other halves' fit; lower is better.
        order: number of lags.
    """

    lams: NDArray[np.float64]
    nonzeros: NDArray[np.float64]
    aic: NDArray[np.float64]
    bic: NDArray[np.float64]
    ebic: NDArray[np.float64]
    held_out: NDArray[np.float64]
    order: int

    def best(self, criterion: Criterion = "held_out") -> float:
        """The strength at which a criterion is lowest; at an edge of those tried, the log says so.

        Raises:
            InputError: no such criterion.
        """
        if criterion not in ("held_out", "aic", "bic", "ebic"):
            raise InputError(f"criterion={criterion!r} is not known; choose one of held_out, aic, bic, ebic")
        at = int(np.argmin(getattr(self, criterion)))
        if at in (0, len(self.lams) - 1) and len(self.lams) > 1:
            more = "stronger" if at == 0 else "weaker"
            logger.warning("%s is lowest at the edge, lam=%.3g: try %s ones", criterion, self.lams[at], more)
        return float(self.lams[at])


def suggested_lam(num_rows: int, order: int, num_nodes: int) -> float:
    """A strength for ranking couplings by size, from the shape of the regression alone.

    The lasso of a target needs sqrt(log(predictors) / rows) times its noise; a quarter of that root served best in
    simulations of 15 and 70 photons a pixel (docs/decisions/choosing_lam.md). `lam_path` looks at the recordings.

    Args:
        num_rows: frames that are forecast, of all runs fitted together.
        order: number of lags.
        num_nodes: nodes.

    Returns:
        l1 strength as `fit_var` and `fit_pooled` take it: on the loss averaged over all nodes.

    Raises:
        InputError: an argument below 1.

    References:
        Bickel, Ritov & Tsybakov 2009, Simultaneous analysis of Lasso and Dantzig selector, for the root.
    """
    if min(num_rows, order, num_nodes) < 1:
        raise InputError(f"num_rows={num_rows}, order={order} and num_nodes={num_nodes} must be at least 1")
    return 0.25 * math.sqrt(math.log(max(order * num_nodes, 2)) / num_rows) / num_nodes


def _matrix(fit: VARFit) -> NDArray[np.float64]:
    """(lags, targets, sources) as (targets, lags * sources)."""
    coef = np.asarray(fit.coef, np.float64)
    return np.moveaxis(coef, 0, 1).reshape(coef.shape[1], -1)


def information_criteria(
    residual_variance: ArrayLike, degrees: ArrayLike, num_rows: int, num_predictors: int
) -> tuple[float, float, float]:
    """AIC, BIC and extended BIC (gamma 1), summed over independent Gaussian regressions.

    n log(s^2) + penalty, where the penalty of df coefficients is 2 df; log(n) df; log(n) df + 2 log C(P, df).

    Args:
        residual_variance: (targets,) mean squared residual of each.
        degrees: (targets,) non-zero coefficients of each (Zou, Hastie & Tibshirani 2007: unbiased for a lasso).
        num_rows: n.
        num_predictors: P.

    References:
        Chen & Chen 2008, Extended Bayesian information criteria for model selection with large model spaces.
    """
    variance, df = np.asarray(residual_variance, np.float64), np.asarray(degrees)
    tiny = np.finfo(np.float64).tiny
    fit = num_rows * np.log(np.maximum(variance, tiny)).sum()
    choices = sum(
        math.lgamma(num_predictors + 1) - math.lgamma(d + 1) - math.lgamma(num_predictors - d + 1)
        for d in df.tolist()
    )
    bic = fit + math.log(num_rows) * df.sum()
    return float(fit + 2 * df.sum()), float(bic), float(bic + 2 * choices)


def _held_out(runs: Sequence[NDArray[np.float64]], order: int, lam: float) -> float:
    """R_var of each half of the runs, in time, under the fit to the other halves."""
    error = power = 0.0
    for first in (True, False):
        seen = [z[: len(z) // 2] if first else z[len(z) // 2 :] for z in runs]
        unseen = [z[len(z) // 2 :] if first else z[: len(z) // 2] for z in runs]
        matrix = _matrix(raise_if_failed(fit_pooled(seen, order, lam)))
        design, targets = regression(unseen, [z.mean(axis=0) for z in seen], order)
        error += float(np.square(targets - design @ matrix.T).sum())
        power += float(np.square(targets).sum())
    return error / power if power > 0 else 1.0


def lam_path(
    list_of_latents: Sequence[ArrayLike], order: int, lams: Sequence[float] | None = None
) -> LamPath:
    """Fit runs together at several l1 strengths and judge each without knowing the truth.

    For `Config.condition_lam`: give the runs of one condition; the strength found serves the others, and all must
    share it to be compared. What the criteria find in simulations: docs/decisions/choosing_lam.md. The held-out error
    is of fits to half the rows, which want about a root of two more strength than fits to all of them.

    Args:
        list_of_latents: runs of (time, nodes) or (time, height, width).
        order: number of lags.
        lams: strengths to try, in any order; None: from 16 times to a quarter of `suggested_lam`.

    Returns:
        LamPath, from strong to weak.

    Raises:
        InputError: no strength, one that is not positive, or runs that `fit_pooled` refuses; runs of fewer than
            2 (order + 2) frames, which cannot be halved.
        SolveError: a lasso failed.
    """
    runs = [np.asarray(z, np.float64).reshape(len(np.asarray(z)), -1) for z in list_of_latents]
    for index, z in enumerate(runs):
        check_length(len(z) // 2, order, f"half of run {index}")
    tried = suggested_lam(sum(len(z) - order for z in runs), order, runs[0].shape[1]) * TRIED if runs else ()
    strengths = np.sort(np.asarray(tried if lams is None else lams, np.float64).ravel())[::-1]
    if strengths.size == 0 or not (np.isfinite(strengths).all() and strengths[-1] > 0):
        raise InputError(f"lams={lams} must hold finite numbers above 0, at least one")
    rows: list[list[float]] = []
    for lam in strengths.tolist():
        fit = raise_if_failed(fit_pooled(list_of_latents, order, lam))
        matrix = _matrix(fit)
        design, targets = regression(runs, [z.mean(axis=0) for z in runs], order)
        degrees = (matrix != 0).sum(axis=1)
        variance = np.square(targets - design @ matrix.T).mean(axis=0)
        criteria = information_criteria(variance, degrees, len(targets), design.shape[1])
        rows.append([float(degrees.mean()), *criteria, _held_out(runs, order, lam)])
    nonzeros, aic, bic, ebic, held_out = np.asarray(rows).T
    return LamPath(strengths, nonzeros, aic, bic, ebic, held_out, order)
