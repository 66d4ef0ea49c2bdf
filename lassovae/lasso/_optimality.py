"""How far coefficients are from optimal: the duality gap, the optimality conditions, and the largest useful lam.

With r = y - X b, c = X'r and C = n lam (n rows), the point theta = alpha r with alpha = min(1, C / max_j |c_j|)
is feasible for the dual of the lasso, and the difference of primal and dual objectives at (b, theta) is

    gap = (1/n) [ (1 - alpha)^2 ||r||^2 / 2 + sum_j (C |b_j| - alpha b_j c_j) ],

a sum of non-negative terms: nothing cancels, so a gap far below the objective's own rounding is still resolved.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from lassovae._errors import InputError
from lassovae._numerics import dot
from lassovae.lasso._arguments import as_design, as_real, check_not_negative, common_dtype
from lassovae.lasso._state import Problem, correlate, make_problem


def _problem(X: ArrayLike, Y: ArrayLike) -> tuple[jax.Array, jax.Array, bool]:
    """Design, targets as (rows, targets), and whether there was one target only; float32 for integers."""
    X, Y = as_design("X", X, "Y", Y)
    dtype = common_dtype(X, Y)
    return X.astype(dtype), (Y[:, None] if Y.ndim == 1 else Y).astype(dtype), Y.ndim == 1


def _solution(
    X: jax.Array, Y: jax.Array, vector: bool, coef: ArrayLike, lam: ArrayLike
) -> tuple[jax.Array, jax.Array]:
    """Coefficients (predictors, targets), and levels (targets,)."""
    b, strength = as_real("coef", coef, X.dtype), as_real("lam", lam, X.dtype)
    expected = X.shape[1:] if vector else (X.shape[1], Y.shape[1])
    if b.shape != expected:
        raise InputError(f"coef {b.shape} must be one a predictor and target of X and Y, {expected}")
    if strength.shape not in ((), (1,), Y.shape[1:]):
        raise InputError(f"lam {strength.shape} must be a number or one a target, {Y.shape[1:]}")
    check_not_negative("lam", lam)
    return b.reshape(X.shape[1], -1), jnp.broadcast_to(strength * X.shape[0], Y.shape[1:])


def _unweighted(X: jax.Array) -> tuple[Problem, jax.Array]:
    return make_problem(X[None], jnp.ones(X.shape[1], X.dtype), jnp.zeros(1, X.dtype))


def lam_max(X: ArrayLike, Y: ArrayLike) -> jax.Array:
    """Smallest lam at which every coefficient is zero: max_j |x_j'y| / rows.

    With weights it is max_j |x_j'y| / (rows weights_j), with positive=True without the absolute value.

    Args:
        X: (rows, predictors).
        Y: (rows,) or (rows, targets).

    Returns:
        () or (targets,).

    Raises:
        InputError: shapes that do not fit.

    Differentiation:
        In X and Y; at ties the gradient is shared among the maximisers.

    Example:
        >>> import numpy as np
        >>> print(float(lam_max(np.eye(2), np.array([3.0, -1.0]))))
        1.5
    """
    X, Y, vector = _problem(X, Y)
    # by the product that the solver takes, so that lam = lam_max is not below it by rounding
    problem, _ = _unweighted(X)
    largest = jnp.abs(correlate(problem.columns, Y.T[None])[0]).max(axis=-1) / X.shape[0]
    return largest[0] if vector else largest


def gap_from_parts(
    residual_square: jax.Array,
    corr_max: jax.Array,
    corr_own: jax.Array,
    coef_corr: jax.Array,
    coef_abs: jax.Array,
    level: jax.Array,
    level_start: jax.Array,
) -> jax.Array:
    """Rows times the duality gap, from sums over one target's rows and predictors.

    At lam = 0 the only feasible multiple of r is 0 unless X'r vanishes; there, and at levels below the rounding of
    those at the start, correlations within rounding of zero (relative to those at b = 0) count as zero. `corr_own`
    is their maximum with every column as long as the longest, so that those of a small column are not lost beside a
    large one's.
    """
    rounding = jnp.finfo(residual_square.dtype).eps * level_start
    solved = (level <= 4 * rounding) & (corr_own <= 1e3 * rounding)
    alpha = jnp.where((corr_max <= level) | solved, 1.0, level / jnp.where(corr_max > 0, corr_max, 1.0))
    slack = level * coef_abs - jnp.where(solved, 0.0, alpha * coef_corr)
    return 0.5 * (1 - alpha) ** 2 * residual_square + jnp.maximum(slack, 0)


def duality_gap(X: ArrayLike, Y: ArrayLike, coef: ArrayLike, lam: ArrayLike) -> jax.Array:
    """Duality gap of the lasso relative to the objective at zero coefficients, ||y||^2 / (2 rows).

    An upper bound on how far the objective at `coef` is above the optimum; 0 only at an optimum. For the lasso
    without weights, ridge or sign constraint; with them, see `LassoSolution.gap`.

    Args:
        X: (rows, predictors).
        Y: (rows,) or (rows, targets).
        coef: (predictors,) or (predictors, targets).
        lam: () or (targets,).

    Returns:
        () or (targets,), at least 0; 0 where y = 0 and coef = 0.

    Raises:
        InputError: shapes that do not fit; lam < 0 or NaN.

    Differentiation:
        Not meant to be differentiated.

    Example:
        >>> import numpy as np
        >>> X, y = np.eye(2), np.array([3.0, -1.0])
        >>> print(float(duality_gap(X, y, np.array([2.0, 0.0]), 0.5)))
        0.0
    """
    X, Y, vector = _problem(X, Y)
    b, level = _solution(X, Y, vector, coef, lam)
    problem, _ = _unweighted(X)
    residual = Y - dot("np,pk->nk", X, b)
    corr = dot("np,nk->pk", X, residual)
    level_start = jnp.abs(dot("np,nk->pk", X, Y)).max(axis=0)
    scaled = gap_from_parts(
        jnp.square(residual).sum(axis=0),
        jnp.abs(corr).max(axis=0),
        (jnp.abs(corr) * problem.own_unit[0, : X.shape[1], None]).max(axis=0),
        (b * corr).sum(axis=0),
        jnp.abs(b).sum(axis=0),
        level,
        level_start,
    )
    gap = relative_to_zero(scaled, jnp.square(Y).sum(axis=0))
    return gap[0] if vector else gap


def relative_to_zero(scaled_gap: jax.Array, target_square: jax.Array) -> jax.Array:
    """Divide by ||y||^2 / 2; a target that is zero has nothing to explain and keeps its absolute gap."""
    return scaled_gap / jnp.where(target_square > 0, 0.5 * target_square, 1.0)


def kkt_violation(X: ArrayLike, Y: ArrayLike, coef: ArrayLike, lam: ArrayLike) -> jax.Array:
    """Largest violation of the optimality conditions, relative to lam_max of the target.

    max_j of |c_j - C sign(b_j)| where b_j != 0 and max(|c_j| - C, 0) elsewhere, with c = X'(y - X b),
    C = rows * lam.

    Args:
        X: (rows, predictors).
        Y: (rows,) or (rows, targets).
        coef: (predictors,) or (predictors, targets).
        lam: () or (targets,).

    Returns:
        () or (targets,), at least 0; absolute where y is orthogonal to every predictor.

    Raises:
        InputError: shapes that do not fit; lam < 0 or NaN.

    Differentiation:
        Not meant to be differentiated.

    Example:
        >>> import numpy as np
        >>> print(float(kkt_violation(np.eye(2), np.array([3.0, -1.0]), np.array([2.0, 0.0]), 0.5)))
        0.0
    """
    X, Y, vector = _problem(X, Y)
    b, level = _solution(X, Y, vector, coef, lam)
    corr = dot("np,nk->pk", X, Y - dot("np,pk->nk", X, b))
    off = jnp.where(b != 0, jnp.abs(corr - level * jnp.sign(b)), jnp.maximum(jnp.abs(corr) - level, 0))
    start = jnp.abs(dot("np,nk->pk", X, Y)).max(axis=0)
    worst = off.max(axis=0) / jnp.where(start > 0, start, 1.0)
    return worst[0] if vector else worst
