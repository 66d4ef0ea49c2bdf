"""solve_lasso: the lasso of many targets at given strengths, differentiable in design, targets, strength and weights.

Reverse rule. On the last segment of the path the solution is b_A = M^-1 (X_A'y - C p) with M = X_A'X_A + n l2 I,
C = n lam, and the active set A and signs s constant, pulls p_j = w_j s_j. So the derivative at fixed lam depends on
that segment alone: the path is continuous and its earlier segments telescope. With g the cotangent of b,
v_A = M^-1 g_A, v = 0 off A, and r = y - X b:

    dy    = X v                          d b = M^-1 X_A' dy
    dC    = -p'v_A                       d b = -M^-1 p dC
    dw_j  = -C s_j v_j                   d b = -M^-1 C s dw
    dl2   = -n b'v                       d b = -M^-1 b n dl2
    dX    = r v' - (X v) b'              from  dM b + M db = dX_A'y:  M db = dX_A' r - X_A' dX_A b

Over targets the last one is R V' - (X V) B': two matrix products, whatever the number of events.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from lassovae._errors import InputError
from lassovae._numerics import dot
from lassovae._status import Status
from lassovae.lasso._finish import finish
from lassovae.lasso._homotopy import follow_path
from lassovae.lasso._optimality import gap_from_parts, relative_to_zero
from lassovae.lasso._pivot import solve_active
from lassovae.lasso._state import Options, Walk, combine, correlate, make_problem


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


def _spread(values: jax.Array, index: jax.Array, num_predictors: int) -> jax.Array:
    """Slot values to predictors: (designs, targets, slots) -> (designs, targets, predictors)."""

    def one(v: jax.Array, i: jax.Array) -> jax.Array:
        return jnp.zeros(num_predictors, v.dtype).at[i].add(v, mode="drop")

    return jax.vmap(jax.vmap(one))(values, index)


@partial(jax.custom_vjp, nondiff_argnums=(5,))
def _coef_on_path(
    X: jax.Array, Y: jax.Array, level: jax.Array, weights: jax.Array, ridge: jax.Array, options: Options
) -> tuple[jax.Array, Walk]:
    """Coefficients (designs, targets, predictors) at the levels given, and the ends of the walks."""
    problem, free = make_problem(X, weights, ridge)
    walk = follow_path(
        problem,
        jnp.swapaxes(Y, 1, 2),
        level,
        options,
        free if options.weighted else None,
    )
    walk = finish(problem, walk, 4 * options.max_active, options.positive)
    return _spread(walk.coef, walk.predictor, X.shape[2]), walk


def _coef_fwd(X, Y, level, weights, ridge, options):
    coef, walk = _coef_on_path(X, Y, level, weights, ridge, options)
    # what the reverse rule does not read need not be kept
    nothing = jnp.zeros(0, coef.dtype)
    kept = walk._replace(corr=nothing, slope=nothing, fit_slope=nothing, direction=nothing, joined_at=nothing)
    return (coef, walk), (X, weights, ridge, coef, kept)


def _coef_bwd(options, residuals, cotangents):
    X, weights, ridge, coef, walk = residuals
    problem, _ = make_problem(X, weights, ridge)
    cotangent = cotangents[0]  # the walk itself is not differentiable: its cotangent is not read
    slots = jax.vmap(jax.vmap(lambda g, i: g.at[i].get(mode="fill", fill_value=0)))
    v = solve_active(problem, walk, slots(cotangent, walk.predictor))
    moved = combine(walk.active_rows, v)
    V = _spread(v, walk.predictor, X.shape[2])
    grad_X = dot("dkn,dkp->dnp", walk.residual, V) - dot("dkn,dkp->dnp", moved, coef)
    at_lam = walk.status == Status.OK
    grad_level = jnp.where(at_lam, -(walk.pull * v).sum(axis=-1), 0)
    by_weight = -walk.level[..., None] * jnp.sign(walk.pull) * v
    grad_weights = _spread(by_weight, walk.predictor, X.shape[2]).sum(axis=(0, 1))
    grad_ridge = -(walk.coef * v).sum(axis=(1, 2))
    return grad_X, jnp.swapaxes(moved, 1, 2), grad_level, grad_weights, grad_ridge


_coef_on_path.defvjp(_coef_fwd, _coef_bwd)


def _certificate(
    X: jax.Array, weights: jax.Array, ridge: jax.Array, walk: Walk, positive: bool
) -> tuple[jax.Array, jax.Array]:
    """Relative duality gap and kink margin of every target, (designs, targets)."""
    problem, _ = make_problem(X, weights, ridge)
    start = correlate(problem.columns, walk.target)
    size = (lambda c: c) if positive else jnp.abs
    top = jnp.maximum((size(start) / problem.bar).max(axis=-1), 0)
    level = jnp.minimum(walk.level, top)
    shrunk = problem.ridge[:, None, None] * _spread(walk.coef, walk.predictor, walk.corr.shape[-1])
    corr = walk.corr - shrunk
    coef_corr = jnp.take_along_axis(corr, walk.predictor, axis=-1)
    scaled = gap_from_parts(
        jnp.square(walk.residual).sum(axis=-1) + problem.ridge[:, None] * jnp.square(walk.coef).sum(axis=-1),
        (size(corr) / problem.bar).max(axis=-1),
        (walk.coef * coef_corr).sum(axis=-1),
        (walk.coef * walk.pull).sum(axis=-1),
        level,
        top,
    )
    gap = relative_to_zero(scaled, jnp.square(walk.target).sum(axis=-1))

    # inactive predictors: how far below the level, at the speed with which they can meet it; active ones: the
    # change of the level that zeroes them
    direction = solve_active(problem, walk, walk.pull)
    slope = correlate(problem.columns, combine(walk.active_rows, direction))
    inactive = jax.vmap(jax.vmap(lambda c, i: c.at[i].set(0, mode="drop")))(walk.corr, walk.predictor)
    safe_level = jnp.where(walk.level > 0, walk.level, 1)
    bar = jnp.where(jnp.isinf(problem.bar), 1, problem.bar)
    slack = (safe_level[..., None] * bar - size(inactive)) / (bar + jnp.abs(slope))
    penalised = (walk.pull != 0) & (direction != 0)
    travel = jnp.where(penalised, jnp.abs(walk.coef / jnp.where(penalised, direction, 1)), jnp.inf)
    margin = jnp.minimum(slack.min(axis=-1), travel.min(axis=-1)) / safe_level
    return gap, jnp.where(walk.level > 0, jnp.maximum(margin, 0), 0)


def _power_of_two(x: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    """A power of two near max|x| over `axes` (kept), 1 where x is zero: scaling by it is exact."""
    largest = jax.lax.stop_gradient(jnp.abs(x).max(axis=axes, keepdims=True))
    _, exponent = jnp.frexp(jnp.where(largest > 0, largest, 1))
    return jnp.ldexp(jnp.ones_like(largest), exponent)


@partial(jax.jit, static_argnames=("options",))
def _solve_designs(
    X: jax.Array, Y: jax.Array, lam: jax.Array, weights: jax.Array, l2: jax.Array, *, options: Options
) -> LassoSolution:
    """Everything on arrays: X (designs, rows, predictors), Y (designs, rows, targets), lam (designs, targets)."""
    num_rows = X.shape[1]
    bad_design = ~jnp.isfinite(X).all(axis=(1, 2))[:, None] | ~(weights >= 0).all() | ~(l2 >= 0)
    bad_argument = bad_design | jnp.isnan(lam) | (lam < 0)
    bad_target = ~jnp.isfinite(Y).all(axis=1)
    X = jnp.where(bad_design[..., None], 0, X)
    Y = jnp.where(bad_target[:, None, :], 0, Y)
    if options.positive:
        bad_argument |= (weights == 0).any()
    weights = jnp.where(weights >= 0, weights, 1)

    scale_x, scale_y = _power_of_two(X, (1, 2)), _power_of_two(Y, (1,))
    level = num_rows * jnp.where(bad_argument, jnp.inf, lam) / (scale_x[:, 0] * scale_y[:, 0])
    # far above any scaled lam_max, and finite
    level = jnp.minimum(level, jnp.sqrt(jnp.finfo(level.dtype).max))
    ridge = jnp.where(l2 >= 0, l2, 0) * num_rows / jnp.square(scale_x[:, 0, 0])
    coef, walk = _coef_on_path(X / scale_x, Y / scale_y, level, weights, ridge, options)
    coef = jnp.swapaxes(coef, 1, 2) * (scale_y / scale_x)
    walk = jax.lax.stop_gradient(walk)
    gap, margin = _certificate(*jax.lax.stop_gradient((X / scale_x, weights, ridge)), walk, options.positive)

    overflows = (walk.status == Status.OK) & ~jnp.isfinite(coef).all(axis=1)
    status = jnp.where(overflows, Status.ILL_CONDITIONED, walk.status)
    status = jnp.where(bad_target, Status.NON_FINITE, status)
    status = jnp.where(bad_argument, Status.BAD_ARGUMENT, status).astype(jnp.int32)
    unusable = bad_target | bad_argument
    reached = jnp.where(walk.status == Status.OK, lam, walk.level * (scale_x * scale_y)[:, 0] / num_rows)

    def or_nan(x: jax.Array) -> jax.Array:
        return jnp.where(unusable, jnp.nan, x)

    return LassoSolution(
        coef=jnp.where(unusable[:, None, :], jnp.nan, coef),
        status=status,
        gap=or_nan(gap),
        lam_reached=or_nan(jax.lax.stop_gradient(reached)),
        num_events=walk.num_events,
        kink_margin=or_nan(margin),
    )


def _check_values(X: jax.Array, lam: jax.Array, weights: jax.Array, l2: jax.Array) -> None:
    """Reject what cannot be solved; under tracing values are unknown and become a status instead."""
    for name, value in (("lam", lam), ("l2", l2), ("weights", weights)):
        if not isinstance(value, jax.core.Tracer) and not (np.asarray(value) >= 0).all():
            bad = np.asarray(value)[~(np.asarray(value) >= 0)].ravel()[0]
            raise InputError(f"{name}={bad} must be at least 0 and not NaN")
    if not isinstance(l2, jax.core.Tracer) and not np.isfinite(np.asarray(l2)):
        raise InputError(f"l2={l2} must be finite")
    if not isinstance(X, jax.core.Tracer) and not np.isfinite(np.asarray(X)).all():
        count = int((~np.isfinite(np.asarray(X))).sum())
        raise InputError(
            f"the design X holds {count} NaN or Inf of {X.size} entries: clean or mask them first"
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
) -> LassoSolution:
    """`solve_lasso` for several designs of one shape in one batched call.

    Args:
        X: (designs, rows, predictors). Rows of zeros in X and Y are padding: they add nothing to the objective
            but count as rows, so multiply lam and l2 by true rows / rows.
        Y: (designs, rows, targets).
        lam: broadcastable to (designs, targets).
        weights, l2, positive, max_active, max_events: as in `solve_lasso`, shared by the designs.

    Returns:
        LassoSolution with a leading designs axis: coef (designs, predictors, targets), rest (designs, targets).

    Raises, Status, Differentiation, Complexity:
        As in `solve_lasso`.
    """
    X, Y = jnp.asarray(X), jnp.asarray(Y)
    if X.ndim != 3 or Y.ndim != 3 or X.shape[:2] != Y.shape[:2] or 0 in X.shape + Y.shape:
        raise InputError(
            f"X {X.shape} must be (designs, rows, predictors) and Y {Y.shape} (designs, rows, targets), "
            "none of them empty"
        )
    dtype = jnp.promote_types(jnp.promote_types(X.dtype, Y.dtype), jnp.float32)
    lam, ridge = jnp.asarray(lam, dtype), jnp.asarray(l2, dtype)
    shape = (Y.shape[0], Y.shape[2])
    if lam.ndim > 2 or any(s not in (1, t) for s, t in zip(lam.shape[::-1], shape[::-1], strict=False)):
        raise InputError(f"lam {lam.shape} must be a number or one a target, {shape[1:]}")
    num_predictors = X.shape[2]
    penalty = jnp.ones(num_predictors, dtype) if weights is None else jnp.asarray(weights, dtype)
    if penalty.shape != (num_predictors,):
        raise InputError(f"weights {penalty.shape} must be one a predictor, {(num_predictors,)}")
    if ridge.ndim:
        raise InputError(f"l2 {ridge.shape} must be a number")
    _check_values(X, lam, penalty, ridge)
    free = (
        weights is not None and not isinstance(penalty, jax.core.Tracer) and (np.asarray(penalty) == 0).any()
    )
    if positive and free:
        raise InputError(
            "positive=True bounds every coefficient, so weights may not be 0: give a small weight"
        )
    for name, value in (("max_active", max_active), ("max_events", max_events)):
        if value is not None and value < 1:
            raise InputError(f"{name}={value} must be at least 1, or None for the largest that can be needed")
    # of what the caller gave: under jit every jnp array is traced, a constant too
    no_ridge = not isinstance(l2, jax.core.Tracer) and float(np.asarray(l2)) == 0
    rank = min(X.shape[1:]) if no_ridge else num_predictors
    options = Options(
        max_active=rank if max_active is None else min(max_active, rank),
        max_events=8 * rank if max_events is None else max_events,
        rank=rank,
        positive=positive,
        weighted=weights is not None,
        ridged=not no_ridge,
    )
    return _solve_designs(
        X.astype(dtype), Y.astype(dtype), jnp.broadcast_to(lam, shape), penalty, ridge, options=options
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
        LassoSolution in the dtype of the input (integers become float32).

    Raises:
        InputError: shapes that do not fit; in eager calls also lam, l2 or weights < 0 or NaN, and NaN or Inf in X.

    Status:
        OK; MAX_ACTIVE, MAX_EVENTS: a cap stopped the path, the solution at `lam_reached` is returned, raise the
        cap or lam; ILL_CONDITIONED: the active columns are dependent to working precision, use float64 or raise
        lam; NON_FINITE: this target holds NaN or Inf and is returned as NaN, the others are untouched;
        BAD_ARGUMENT: what an eager call raises, found under tracing.

    Differentiation:
        Reverse mode in X, Y, lam, weights and l2, for `coef` only; the other fields carry no gradient. The
        coefficients are piecewise smooth: at a kink, where a predictor is about to join or drop, the derivative
        is that of the segment just walked. For lam >= lam_max it is exactly 0. Where a cap stopped the path,
        `lam_reached` is held constant. Forward mode is not defined, and refused by JAX with a TypeError.

    Complexity:
        As many passes as the longest path has events, each 2 rows predictors targets operations for the targets
        still running; the gradient costs two matrix products of rows x predictors x targets, and its memory,
        targets x max_active x (rows + max_active), does not grow with the number of events.

    Example:
        >>> import numpy as np
        >>> solution = solve_lasso(np.eye(2), np.array([3.0, -1.0]), 0.5)
        >>> print(solution.coef)
        [2. 0.]

    References:
        Osborne, Presnell and Turlach (2000); Efron et al. (2004), Annals of Statistics 32. The rule for ties
        and for dependent columns is described in `lassovae/lasso/_events.py`.
    """
    X, Y = jnp.asarray(X), jnp.asarray(Y)
    if X.ndim != 2 or Y.ndim not in (1, 2) or X.shape[0] != Y.shape[0]:
        raise InputError(f"X {X.shape} must be (rows, predictors) and Y {Y.shape} (rows,) or (rows, targets)")
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
