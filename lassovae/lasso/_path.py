"""lasso_path: every knot of the lasso of one target, differentiable; path_at: the solution anywhere between."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from lassovae._errors import InputError
from lassovae.lasso._arguments import (
    as_real,
    as_weights,
    cap,
    check_finite,
    check_flag,
    check_not_negative,
    common_dtype,
    is_known,
)
from lassovae.lasso._path_rule import PathOptions
from lassovae.lasso._path_units import LassoPath, path_of_design, path_of_gram


def _as_lam_min(lam_min: ArrayLike, dtype: jnp.dtype) -> jax.Array:
    end = as_real("lam_min", lam_min, dtype)
    if end.ndim > 0:
        raise InputError(f"lam_min {end.shape} must be a number")
    check_not_negative("lam_min", lam_min)
    return end


def _num_knots(max_knots: int | None, rank: int) -> int:
    return cap("max_knots", max_knots, 8 * rank + 2, "8 min(rows, predictors) + 2")


def lasso_path(
    X: ArrayLike,
    y: ArrayLike,
    *,
    lam_min: ArrayLike = 0.0,
    weights: ArrayLike | None = None,
    positive: bool = False,
    max_knots: int | None = None,
) -> LassoPath:
    """All solutions of the lasso of one target, from lam_max down to lam_min, by the least-angle homotopy.

    The minimiser of (1/(2 rows)) ||y - X b||^2 + lam sum_j weights_j |b_j| is piecewise linear in lam; the path
    is returned as its knots, where a predictor joins or drops. Events at the same lam are one knot. See
    `path_at` for the solutions in between, `solve_lasso` for many targets at one lam.

    Args:
        X: (rows, predictors), finite.
        y: (rows,).
        lam_min: (), at least 0, where the path ends. From lam_max on, the path is one knot, at lam_min.
        weights: (predictors,), at least 0; inf excludes a predictor, 0 leaves it free: it is active from the
            start, and the first knot is where the first other joins. None: all 1.
        positive: coefficients may not be negative; static. Not together with weights of 0.
        max_knots: length of the result, static. None: 8 min(rows, predictors) + 2, which has sufficed for all
            data but constructed ones; the true maximum is (3^predictors + 1)/2.

    Returns:
        LassoPath in the wider dtype of X and y, at least float32 (integers and half precision become float32).

    Raises:
        InputError: shapes that do not fit; in eager calls also NaN or Inf in X, lam_min < 0 or NaN, and weights
            that are negative, NaN, or 0 with positive=True.

    Status:
        OK; MAX_EVENTS: more knots than max_knots, the first ones are returned, raise max_knots or lam_min;
        ILL_CONDITIONED: rounding kept the path from being followed further, the knots so far, each of them
        checked for optimality, are returned, use float64 or raise lam_min; NON_FINITE: y
        holds NaN or Inf; BAD_ARGUMENT: what an eager call raises, found under tracing.

    Differentiation:
        Reverse mode of `lams` and `coefs` in X, y, weights (those of 0 and inf are held) and lam_min. Knots
        move smoothly with the data until two of them meet; there, and where events tie, the derivative is that of
        the segment just walked and its first event. Forward mode is not defined.

    Complexity:
        An event costs a dozen products with X and X', some of them also min(rows, predictors)^3. The gradient
        walks the path once more and keeps another knots x predictors numbers; no inverse is stored.

    Example:
        >>> import numpy as np
        >>> path = lasso_path(np.eye(2), np.array([3.0, -1.0]))
        >>> print(path.lams[: int(path.num_knots)], path_at(path, 0.5))
        [1.5 0.5 0. ] [2. 0.]

    References:
        Osborne, Presnell and Turlach (2000); Efron et al. (2004), Annals of Statistics 32; the number of knots:
        Mairal and Yu (2012), ICML.
    """
    X, y = as_real("X", X), as_real("y", y)
    if X.ndim != 2 or y.shape != X.shape[:1] or 0 in X.shape:
        raise InputError(
            f"X {X.shape} must be (rows, predictors) and y {y.shape} (rows,), neither of them empty"
        )
    dtype = common_dtype(X, y)
    end = _as_lam_min(lam_min, dtype)
    check_finite("the design X", X)
    check_flag("positive", positive)
    penalty, free = as_weights(weights, X.shape[1], dtype, positive)
    rank = min(X.shape)
    options = PathOptions(_num_knots(max_knots, rank), rank, positive, free)
    return path_of_design(X.astype(dtype), y.astype(dtype), end, penalty, options)


def lasso_path_gram(
    gram: ArrayLike,
    xty: ArrayLike,
    num_rows: ArrayLike,
    *,
    lam_min: ArrayLike = 0.0,
    positive: bool = False,
    max_knots: int | None = None,
) -> LassoPath:
    """`lasso_path` from X'X and X'y alone, for designs with far more rows than predictors.

    Rounding errors grow with the square of the condition number of X: where X is at hand and small, `lasso_path`
    gives more digits. The path of the elastic net is that of X'X + rows l2 I.

    Args:
        gram: (predictors, predictors), X'X; its symmetric part is used.
        xty: (predictors,), X'y.
        num_rows: (), rows of X, by which lam is defined; it need not bound the rank.
        lam_min, positive: as in `lasso_path`.
        max_knots: length of the result, static. None: 8 predictors + 2.

    Returns:
        LassoPath.

    Raises:
        InputError: as `lasso_path`, for gram in place of X; num_rows not above 0.

    Status:
        As in `lasso_path`; NON_FINITE for xty.

    Differentiation:
        Reverse mode in gram, xty, num_rows and lam_min. As a function of the symmetric part of gram, it has a
        symmetric gradient.

    Complexity:
        An event costs a dozen products with gram.

    Example:
        >>> import numpy as np
        >>> path = lasso_path_gram(np.eye(2), np.array([3.0, -1.0]), 2)
        >>> print(path.lams[: int(path.num_knots)])
        [1.5 0.5 0. ]
    """
    gram, xty = as_real("gram", gram), as_real("xty", xty)
    if xty.ndim != 1 or gram.shape != xty.shape * 2 or 0 in xty.shape:
        raise InputError(
            f"gram {gram.shape} must be (predictors, predictors) and xty {xty.shape} (predictors,)"
        )
    dtype = common_dtype(gram, xty)
    end, rows = _as_lam_min(lam_min, dtype), as_real("num_rows", num_rows, dtype)
    check_finite("gram", gram)
    check_flag("positive", positive)
    if rows.ndim > 0 or (is_known(num_rows) and not 0 < np.asarray(num_rows) < np.inf):
        raise InputError(f"num_rows={num_rows} must be a finite number above 0")
    rank = xty.shape[0]
    options = PathOptions(_num_knots(max_knots, rank), rank, positive, False)
    return path_of_gram(gram.astype(dtype), xty.astype(dtype), rows, end, options)


@jax.jit
def path_at(path: LassoPath, lam: ArrayLike) -> jax.Array:
    """The lasso solution at any lam of a path, by linear interpolation between its knots.

    Args:
        path: of `lasso_path` or `lasso_path_gram`.
        lam: of any shape.

    Returns:
        The shape of lam, then (predictors,). Above lam_max the solution at lam_max (0, but for free predictors);
        NaN below the last knot, where the path is not known, and for lam NaN.

    Differentiation:
        In path and lam; at a knot, with respect to lam, that of the segment above it.

    Example:
        >>> import numpy as np
        >>> path = lasso_path(np.eye(2), np.array([3.0, -1.0]))
        >>> print(path_at(path, np.array([1.0, 2.0])))
        [[1. 0.]
         [0. 0.]]
    """
    lam = jnp.asarray(lam, path.lams.dtype)
    below = (path.lams > lam[..., None]).sum(axis=-1)  # the first knot at or below lam
    known = (below < path.lams.shape[0]) & ~jnp.isnan(lam) & (path.num_knots > 0)
    right = jnp.minimum(below, path.lams.shape[0] - 1)
    left = jnp.maximum(right - 1, 0)
    between = (right > 0) & known
    length = jnp.where(between, path.lams[left] - path.lams[right], 1)
    t = jnp.where(between, path.lams[left] - lam, 1) / jnp.where(length > 0, length, 1)
    coef = (1 - t)[..., None] * path.coefs[left] + t[..., None] * path.coefs[right]
    return jnp.where(known[..., None], coef, jnp.nan)
