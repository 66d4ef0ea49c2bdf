"""A thresholded lasso: of what l1 has selected, keep the coefficients that least squares finds significant."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from numpy.typing import NDArray

from lassovae._errors import InputError
from lassovae.var._design import regression
from lassovae.var._fit import VARFit


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
    coef = np.asarray(fit.coef)
    if coef.ndim != 3:
        raise InputError(
            f"coef has shape {coef.shape}: give one fit (lags, targets, sources), as fit_pooled does"
        )
    order, num_nodes, _ = coef.shape
    runs = [np.asarray(z, np.float64).reshape(len(np.asarray(z)), -1) for z in list_of_latents]
    if not runs or any(z.shape[1] != num_nodes for z in runs):
        raise InputError(
            f"list_of_latents must hold runs of the fit's {num_nodes} nodes, those it was fitted to"
        )
    design, targets = regression(runs, [z.mean(axis=0) for z in runs], order)
    gram, cross = design.T @ design, design.T @ targets
    power = np.square(targets).sum(axis=0)
    support = np.moveaxis(coef, 0, 1).reshape(num_nodes, -1) != 0
    values = np.zeros(support.shape)
    for target, selected in enumerate(support):
        at = np.flatnonzero(selected)
        if len(at) == 0:
            continue
        if len(at) >= len(design):
            raise InputError(
                f"target {target} has {len(at)} coefficients, and {len(design)} rows: raise condition_lam"
            )
        inverse = np.linalg.pinv(gram[np.ix_(at, at)], hermitian=True)
        least_squares = inverse @ cross[at, target]
        residual = max(power[target] - cross[at, target] @ least_squares, 0.0) / (len(design) - len(at))
        error = np.sqrt(residual * np.diag(inverse).clip(min=0))
        values[target, at] = least_squares / np.where(error > 0, error, np.inf)
        values[target, at[(error == 0) & (least_squares != 0)]] = np.inf  # an exact law has no error
    return np.moveaxis(values.reshape(num_nodes, order, -1), 1, 0)


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
