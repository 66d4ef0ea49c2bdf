"""solve_lasso: the lasso of many targets at given strengths, with a derivative and a certificate."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from lassovae._errors import InputError
from lassovae._numerics import power_of_two
from lassovae._status import Status
from lassovae.lasso._arguments import (
    as_design,
    as_real,
    as_weights,
    cap,
    check_finite,
    check_flag,
    check_not_negative,
    common_dtype,
    is_known,
)
from lassovae.lasso._rule import coef_on_path
from lassovae.lasso._state import Options


class LassoSolution(NamedTuple):
    """Coefficients of every target and how far they can be trusted.

    Attributes:
        coef: (predictors,) or (predictors, targets); NaN where the status is NON_FINITE or BAD_ARGUMENT.
        status: () or (targets,) int32, members of `lassovae.Status`.
        gap: () or (targets,), duality gap relative to ||y||^2 / (2 rows), at `lam_reached`.
        lam_reached: () or (targets,), lam itself, or the larger one at which a cap stopped the path.
        num_events: () or (targets,) int32, joins and drops on the way.
        kink_margin: () or (targets,), the relative change of lam, up or down, that the active set survives:
            small values mean that the gradient is about to change.
    """

    coef: jax.Array
    status: jax.Array
    gap: jax.Array
    lam_reached: jax.Array
    num_events: jax.Array
    kink_margin: jax.Array


@partial(jax.jit, static_argnames=("options",))
def _solve_designs(
    X: jax.Array, Y: jax.Array, lam: jax.Array, weights: jax.Array, l2: jax.Array, *, options: Options
) -> LassoSolution:
    """Everything on arrays: X (designs, rows, predictors), Y (designs, rows, targets), lam (designs, targets)."""
    num_rows = X.shape[1]
    bad_design = ~jnp.isfinite(X).all(axis=(1, 2))[:, None] | ~(weights >= 0).all()
    bad_design |= ~(l2 >= 0) | jnp.isinf(l2)
    bad_argument = bad_design | jnp.isnan(lam) | (lam < 0)
    bad_target = ~jnp.isfinite(Y).all(axis=1)
    X = jnp.where(bad_design[..., None], 0, X)
    Y = jnp.where(bad_target[:, None, :], 0, Y)
    if options.positive:
        bad_argument |= (weights == 0).any()
    weights = jnp.where(weights >= 0, weights, 1)

    # multiplied one after the other: products of scales under- and overflow where the data themselves do not, and
    # two divisions in turn XLA makes into one by such a product
    scale_x, scale_y = power_of_two(X, (1, 2)), power_of_two(Y, (1,))
    scale_w = power_of_two(jnp.where(jnp.isinf(weights), 0, weights))
    per_x, per_y, per_w = 1 / scale_x, 1 / scale_y, 1 / scale_w
    huge = jnp.sqrt(jnp.finfo(X.dtype).max)  # above any scaled lam_max, and finite
    level = jnp.where(bad_argument, jnp.inf, lam) * per_x[:, 0] * per_y[:, 0] * scale_w * num_rows
    ridge = jnp.where(l2 >= 0, l2, 0) * per_x[:, 0, 0] * per_x[:, 0, 0] * num_rows
    level, ridge = jnp.minimum(level, huge), jnp.minimum(ridge, huge)
    coef, place = coef_on_path(X * per_x, Y * per_y, level, weights * per_w, ridge, options)
    coef = jnp.swapaxes(coef, 1, 2) * scale_y * per_x
    place = jax.lax.stop_gradient(place)

    overflows = (place.status == Status.OK) & ~jnp.isfinite(coef).all(axis=1)
    status = jnp.where(overflows, Status.ILL_CONDITIONED, place.status)
    status = jnp.where(bad_target, Status.NON_FINITE, status)
    status = jnp.where(bad_argument, Status.BAD_ARGUMENT, status).astype(jnp.int32)
    unusable = bad_target | bad_argument
    capped = (place.status == Status.MAX_ACTIVE) | (place.status == Status.MAX_EVENTS)
    reached = jnp.where(capped, place.level / num_rows * per_w * scale_x[:, 0] * scale_y[:, 0], lam)

    def or_nan(x: jax.Array) -> jax.Array:
        return jnp.where(unusable, jnp.nan, x)

    return LassoSolution(
        coef=jnp.where(unusable[:, None, :], jnp.nan, coef),
        status=status,
        gap=or_nan(place.gap),
        lam_reached=or_nan(jax.lax.stop_gradient(reached)),
        num_events=place.num_events,
        kink_margin=or_nan(place.kink_margin),
    )


def solve_lasso_designs(
    X: ArrayLike,
    Y: ArrayLike,
    lam: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    l2: ArrayLike = 0.0,
    positive: bool = False,
    max_active: int | None = None,
    max_events: int | None = None,
    staged: bool = True,
) -> LassoSolution:
    """`solve_lasso` for several designs of one shape in one batched call.

    Args:
        X: (designs, rows, predictors). Rows of zeros in X and Y are padding: they add nothing to the objective
            but count as rows, so multiply lam and l2 by true rows / rows.
        Y: (designs, rows, targets).
        lam: broadcastable to (designs, targets).
        weights, l2, positive, max_active, max_events: as in `solve_lasso`, shared by the designs.
        staged: False walks with all slots from the start where there are no more than 64: the program compiles
            in two thirds of the time, and takes 1 to 1.6 times as long. The same solutions, up to rounding.

    Returns:
        LassoSolution with a leading designs axis: coef (designs, predictors, targets), rest (designs, targets).

    Raises, Status, Differentiation, Complexity:
        As in `solve_lasso`.
    """
    X, Y = as_real("X", X), as_real("Y", Y)
    if X.ndim != 3 or Y.ndim != 3 or X.shape[:2] != Y.shape[:2] or 0 in X.shape + Y.shape:
        raise InputError(
            f"X {X.shape} must be (designs, rows, predictors) and Y {Y.shape} (designs, rows, targets), "
            "none of them empty"
        )
    dtype = common_dtype(X, Y)
    strength, ridge = as_real("lam", lam, dtype), as_real("l2", l2, dtype)
    shape = (Y.shape[0], Y.shape[2])
    if strength.ndim > 2 or any(
        s not in (1, t) for s, t in zip(strength.shape[::-1], shape[::-1], strict=False)
    ):
        raise InputError(f"lam {strength.shape} must be a number or one a target, {shape[1:]}")
    num_predictors = X.shape[2]
    penalty, free = as_weights(weights, num_predictors, dtype, positive)
    if ridge.ndim:
        raise InputError(f"l2 {ridge.shape} must be a number")
    check_not_negative("lam", lam)
    check_not_negative("l2", l2)
    if is_known(l2) and not np.isfinite(np.asarray(l2)):
        raise InputError(f"l2={l2} must be finite")
    check_finite("the design X", X)
    check_flag("positive", positive)
    no_ridge = is_known(l2) and float(np.asarray(l2)) == 0
    rank = min(X.shape[1:]) if no_ridge else num_predictors
    options = Options(
        max_active=min(cap("max_active", max_active, rank, "the largest that can be needed"), rank),
        max_events=cap("max_events", max_events, 8 * rank, "the largest that can be needed"),
        rank=rank,
        positive=positive,
        free=free,
        ridged=not no_ridge,
        staged=staged,
    )
    return _solve_designs(
        X.astype(dtype), Y.astype(dtype), jnp.broadcast_to(strength, shape), penalty, ridge, options=options
    )


def solve_lasso(
    X: ArrayLike,
    Y: ArrayLike,
    lam: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    l2: ArrayLike = 0.0,
    positive: bool = False,
    max_active: int | None = None,
    max_events: int | None = None,
) -> LassoSolution:
    """Lasso coefficients of one or many targets that share a design, by the least-angle homotopy.

    Minimises (1/(2 rows)) ||y - X b||^2 + lam sum_j weights_j |b_j| + (l2/2) ||b||^2 for each target y: the
    objective of scikit-learn. The solution is exact up to rounding; nothing is iterated to a tolerance.

    Args:
        X: (rows, predictors), finite.
        Y: (rows,) or (rows, targets).
        lam: () or (targets,), at least 0; 0 asks for the end of the path, the least-squares solution or, with
            more predictors than rows, an interpolant of least l1 norm.
        weights: (predictors,) of the penalty, at least 0: 0 leaves a predictor free of it, inf excludes it.
        l2: () strength of the ridge term, at least 0 (the elastic net).
        positive: coefficients must not be negative; static; not with weights of 0.
        max_active: cap on the number of non-zero coefficients of a target, static. None: min(rows, predictors),
            which no path exceeds, or all predictors with l2. Memory grows with its square.
        max_events: cap on joins and drops of a target, static. None: 8 times the largest active set.

    Returns:
        LassoSolution in the wider dtype of X and Y, at least float32 (integers and half precision become float32).

    Raises:
        InputError: shapes that do not fit; in eager calls also lam, l2 or weights < 0 or NaN, and NaN or Inf in X.

    Status:
        OK; MAX_ACTIVE, MAX_EVENTS: a cap stopped the path, the solution at `lam_reached` is returned, raise the
        cap or lam; ILL_CONDITIONED: the active columns are dependent to working precision, or the gap is above the
        cube root of its rounding: use float64, centre the data or raise lam; NON_FINITE: this target holds NaN or
        Inf and is returned as NaN, the others are untouched;
        BAD_ARGUMENT: what an eager call raises, found under tracing.

    Differentiation:
        Reverse mode in X, Y, lam, weights and l2, for `coef` only; the other fields carry no gradient. The
        coefficients are piecewise smooth: at a kink, where a predictor is about to join or drop, the derivative
        is that of the segment just walked. For lam >= lam_max it is exactly 0. Where a cap stopped the path,
        `lam_reached` is held constant; so are weights of 0 and inf. Forward mode is not defined, and
        refused by JAX with a TypeError.

    Complexity:
        2 rows predictors operations an event and target, and some of active x (rows + active); memory of targets x
        (predictors + max_active^2). The gradient costs two matrix products of rows x predictors x targets and an
        inverse of active^3 a target; what it keeps, a few numbers a coefficient, does not grow with the events.

    Example:
        >>> import numpy as np
        >>> solution = solve_lasso(np.eye(2), np.array([3.0, -1.0]), 0.5)
        >>> print(solution.coef)
        [2. 0.]

    References:
        Osborne, Presnell and Turlach (2000); Efron et al. (2004), Annals of Statistics 32. The rule for ties
        and for dependent columns is described in `lassovae/lasso/_events.py`.
    """
    X, Y = as_design("X", X, "Y", Y)
    vector = Y.ndim == 1
    if vector and jnp.ndim(lam) > 0:
        raise InputError(f"lam {jnp.shape(lam)} must be a number when Y is one target")
    solution = solve_lasso_designs(
        X[None],
        Y[None, :, None] if vector else Y[None],
        lam,
        weights=weights,
        l2=l2,
        positive=positive,
        max_active=max_active,
        max_events=max_events,
    )
    solution = jax.tree.map(lambda x: x[0], solution)
    return jax.tree.map(lambda x: x[..., 0], solution) if vector else solution
