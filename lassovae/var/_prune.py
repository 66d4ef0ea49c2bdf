"""A thresholded lasso: of what l1 has selected, keep the coefficients that least squares finds significant."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from numpy.typing import NDArray

from lassovae._errors import InputError
from lassovae.var._fit import VARFit
from lassovae.var._refit import refit


def t_values(fit: VARFit, list_of_latents: Sequence[ArrayLike]) -> NDArray[np.float64]:
    """Student's t of every selected coefficient in the least-squares fit on its target's selected sources.

    The selection has seen the same data, so that these are larger than t distributions promise: they rank, but they
    are no p-values.

    Args:
        fit: of `fit_pooled` (or of a single run), without a runs axis.
        list_of_latents: the runs it was fitted to, (time, nodes) or (time, height, width).

    Returns:
        (lags, targets, sources) float64, 0 where a coefficient is 0.

    Raises:
        InputError: the fit has a runs axis, other nodes, or a target with as many coefficients as rows.
    """
    least_squares, error = refit(list_of_latents, fit.coef)
    values = least_squares / np.where(error > 0, error, np.inf)
    values[(error == 0) & (least_squares != 0)] = np.inf  # an exact law has no error
    return values


def prune(fit: VARFit, list_of_latents: Sequence[ArrayLike], threshold: float = 1.0) -> VARFit:
    """Set coefficients to 0 whose `t_values` are small; the others stay as the lasso shrank them.

    At a strength weak enough not to lose couplings a lasso keeps many chance coefficients too. Pruned, the influence
    of nodes is less a sum of chance (docs/decisions/pruning.md). A threshold of 1 is where leaving a coefficient out
    raises the adjusted R^2.

    Args:
        fit: of `fit_pooled`.
        list_of_latents: the runs it was fitted to.
        threshold: in standard errors; 0 keeps all.

    Returns:
        VARFit, all but its coefficients as it was.

    Raises:
        InputError: as `t_values`, or a threshold that is negative or NaN.
    """
    if not threshold >= 0:
        raise InputError(f"threshold={threshold} must be at least 0")
    if threshold == 0:
        return fit
    kept = np.abs(t_values(fit, list_of_latents)) >= threshold
    return fit._replace(coef=jnp.where(kept, fit.coef, 0))
