"""Least squares on selected sources: what a lasso selected, without its shrinkage, and how well it is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jax.typing import ArrayLike
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from lassovae._errors import InputError
from lassovae.var._design import regression_pieces

FEWEST_ROWS = 2048  # of the regression at a time
SINGULAR = 1e-5  # smallest over largest pivot: beyond a condition number of about 1e10 rounding would show


def _inverse(gram: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverse of a Gram matrix, by its Cholesky factor; where it is nearly singular the pseudo-inverse, much dearer."""
    inverse: NDArray[np.float64]
    try:
        factor = np.linalg.cholesky(gram)
        pivots = np.diag(factor)
        singular = pivots.min() < SINGULAR * pivots.max()
    except np.linalg.LinAlgError:
        singular = True
    if singular:
        inverse = np.asarray(np.linalg.pinv(gram, hermitian=True), np.float64)
    else:
        half = solve_triangular(factor, np.eye(len(gram)), lower=True)
        inverse = half.T @ half
    return inverse


def refit(
    list_of_latents: Sequence[ArrayLike], support: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """One VAR by least squares for several runs together, each target on its selected sources only.

    Each run is centred by itself. Where the same runs made the selection, coefficients look larger and surer than
    they are; a difference between groups of runs does not, if the selection did not know the groups.

    Args:
        list_of_latents: runs, (time, nodes) or (time, height, width).
        support: (lags, targets, sources), true or not 0 where there is a coefficient.

    Returns:
        Coefficients and their standard errors (of least squares, rows taken for independent), both (lags, targets,
        sources) float64, 0 off the support. NumPy, not differentiable.

    Raises:
        InputError: other nodes, a run too short, or a target with as many coefficients as rows.
    """
    chosen = np.asarray(support)
    if chosen.ndim != 3 or chosen.shape[1] != chosen.shape[2]:
        raise InputError(
            f"coef has shape {chosen.shape}: give one fit (lags, targets, sources), as fit_pooled does"
        )
    order, num_nodes, _ = chosen.shape
    runs = [np.asarray(z).reshape(len(np.asarray(z)), -1) for z in list_of_latents]
    if not runs or any(z.shape[1] != num_nodes for z in runs):
        raise InputError(
            f"list_of_latents must hold runs of the fit's {num_nodes} nodes, those it was fitted to"
        )
    predictors = order * num_nodes
    gram, cross = np.zeros((predictors, predictors)), np.zeros((predictors, num_nodes))
    power, num_rows = np.zeros(num_nodes), 0
    means = [z.mean(axis=0, dtype=np.float64) for z in runs]
    for design, targets in regression_pieces(runs, means, order, max(predictors, FEWEST_ROWS)):
        gram += design.T @ design
        cross += design.T @ targets
        power += np.square(targets).sum(axis=0)
        num_rows += len(design)
    selected = np.moveaxis(chosen != 0, 0, 1).reshape(num_nodes, -1)
    coef, error = np.zeros(selected.shape), np.zeros(selected.shape)
    for target, row in enumerate(selected):
        at = np.flatnonzero(row)
        if len(at) == 0:
            continue
        if len(at) >= num_rows:
            raise InputError(
                f"target {target} has {len(at)} coefficients, and {num_rows} rows: raise the l1 strength "
                "(condition_lam, or lam of network), or join blocks"
            )
        inverse = _inverse(gram[np.ix_(at, at)])
        coef[target, at] = inverse @ cross[at, target]
        residual = max(power[target] - cross[at, target] @ coef[target, at], 0.0) / (num_rows - len(at))
        error[target, at] = np.sqrt(residual * np.diag(inverse).clip(min=0))
    shape = (num_nodes, order, num_nodes)
    return np.moveaxis(coef.reshape(shape), 1, 0), np.moveaxis(error.reshape(shape), 1, 0)
