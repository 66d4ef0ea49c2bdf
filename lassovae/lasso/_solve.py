"""solve_lasso: the lasso of many targets at given strengths, differentiable in design, targets and strength.

Reverse rule. On the last segment of the path the solution is b_A = M^-1 (X_A'y - C s) with M = X_A'X_A,
C = n lam, and the active set A and signs s constant, so the derivative at fixed lam depends on that segment
alone: the path is continuous and its earlier segments telescope. With g the cotangent of b, v_A = M^-1 g_A,
v = 0 off A, and r = y - X b:

    dy    = X v                          d b = M^-1 X_A' dy
    dC    = -s'v_A                       d b = -M^-1 s dC
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
from lassovae.lasso._homotopy import (
    Segment,
    active_rows,
    follow_path,
    occupied_only,
    solve_active,
    stage_capacities,
)
from lassovae.lasso._optimality import gap_from_parts, relative_to_zero


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


def _transposed(X: jax.Array) -> jax.Array:
    """(designs, rows, predictors) -> (designs, predictors + 1, rows), the last row zero for empty slots."""
    return jnp.pad(jnp.swapaxes(X, 1, 2), ((0, 0), (0, 1), (0, 0)))


def _spread(values: jax.Array, index: jax.Array, num_predictors: int) -> jax.Array:
    """Slot values to predictors: (designs, targets, slots) -> (designs, targets, predictors)."""

    def one(v: jax.Array, i: jax.Array) -> jax.Array:
        return jnp.zeros(num_predictors, v.dtype).at[i].add(v, mode="drop")

    return jax.vmap(jax.vmap(one))(values, index)


@partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def _coef_on_path(
    X: jax.Array, Y: jax.Array, level: jax.Array, max_active: int, max_events: int
) -> tuple[jax.Array, Segment]:
    """Coefficients (designs, targets, predictors) at the levels given, and the last segments."""
    segment = follow_path(_transposed(X), jnp.swapaxes(Y, 1, 2), level, max_active, max_events)
    return _spread(segment.coef, segment.predictor, X.shape[2]), segment


def _coef_fwd(X, Y, level, max_active, max_events):
    coef, segment = _coef_on_path(X, Y, level, max_active, max_events)
    return (coef, segment), (X, Y, segment)


def _coef_bwd(max_active, max_events, residuals, cotangents):
    X, Y, segment = residuals
    cotangent = cotangents[0]  # the segment itself is not differentiable: its cotangent is not read
    columns = _transposed(X)
    slots = jax.vmap(jax.vmap(lambda g, i: g.at[i].get(mode="fill", fill_value=0)))
    g = jnp.where(segment.sign != 0, slots(cotangent, segment.predictor), 0)
    v = occupied_only(
        segment._replace(coef=g), stage_capacities(g.shape[-1]), lambda cut: solve_active(cut, cut.coef)
    )
    rows = active_rows(columns, segment.predictor)
    residual = jnp.swapaxes(Y, 1, 2) - dot("dkmn,dkm->dkn", rows, segment.coef)
    moved = dot("dkmn,dkm->dkn", rows, v)
    V = _spread(v, segment.predictor, X.shape[2])
    B = _spread(segment.coef, segment.predictor, X.shape[2])
    grad_X = dot("dkn,dkp->dnp", residual, V) - dot("dkn,dkp->dnp", moved, B)
    at_lam = segment.status == Status.OK
    grad_level = jnp.where(at_lam, -(segment.sign * v).sum(axis=-1), 0)
    return grad_X, jnp.swapaxes(moved, 1, 2), grad_level


_coef_on_path.defvjp(_coef_fwd, _coef_bwd)


def _certificate(X: jax.Array, Y: jax.Array, segment: Segment) -> tuple[jax.Array, jax.Array]:
    """Relative duality gap and kink margin of every target, (designs, targets)."""
    columns, targets = _transposed(X), jnp.swapaxes(Y, 1, 2)
    rows = active_rows(columns, segment.predictor)
    residual = targets - dot("dkmn,dkm->dkn", rows, segment.coef)
    corr = dot("dpn,dkn->dkp", columns[:, :-1], residual)
    start = jnp.abs(dot("dpn,dkn->dkp", columns[:, :-1], targets)).max(axis=-1)
    level = jnp.minimum(segment.level, start)
    corr_active = dot("dkmn,dkn->dkm", rows, residual)
    scaled = gap_from_parts(
        jnp.square(residual).sum(axis=-1),
        jnp.abs(corr).max(axis=-1),
        (segment.coef * corr_active).sum(axis=-1),
        jnp.abs(segment.coef).sum(axis=-1),
        level,
        start,
    )
    gap = relative_to_zero(scaled, jnp.square(targets).sum(axis=-1))

    # inactive predictors: how far below the level, at the speed with which they can meet it; active ones: the
    # change of the level that zeroes them
    direction = occupied_only(
        segment, stage_capacities(rows.shape[2]), lambda cut: solve_active(cut, cut.sign)
    )
    slope = dot("dpn,dkn->dkp", columns[:, :-1], dot("dkmn,dkm->dkn", rows, direction))
    taken = jax.vmap(jax.vmap(lambda c, i: c.at[i].set(0, mode="drop")))(corr, segment.predictor)
    safe_level = jnp.where(segment.level > 0, segment.level, 1)
    slack = ((safe_level[..., None] - jnp.abs(taken)) / (1 + jnp.abs(slope))).min(axis=-1) / safe_level
    margin = jnp.minimum(slack, segment.travel / safe_level)
    return gap, jnp.where(segment.level > 0, jnp.maximum(margin, 0), 0)


def _power_of_two(x: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    """A power of two near max|x| over `axes` (kept), 1 where x is zero: scaling by it is exact."""
    largest = jax.lax.stop_gradient(jnp.abs(x).max(axis=axes, keepdims=True))
    _, exponent = jnp.frexp(jnp.where(largest > 0, largest, 1))
    return jnp.ldexp(jnp.ones_like(largest), exponent)


@partial(jax.jit, static_argnames=("max_active", "max_events"))
def _solve_designs(
    X: jax.Array, Y: jax.Array, lam: jax.Array, *, max_active: int, max_events: int
) -> LassoSolution:
    """Everything on arrays: X (designs, rows, predictors), Y (designs, rows, targets), lam (designs, targets)."""
    num_rows = X.shape[1]
    bad_design = ~jnp.isfinite(X).all(axis=(1, 2))[:, None]
    bad_argument = bad_design | jnp.isnan(lam) | (lam < 0)
    bad_target = ~jnp.isfinite(Y).all(axis=1)
    X = jnp.where(bad_design[..., None], 0, X)
    Y = jnp.where(bad_target[:, None, :], 0, Y)

    scale_x, scale_y = _power_of_two(X, (1, 2)), _power_of_two(Y, (1,))
    level = num_rows * jnp.where(bad_argument, jnp.inf, lam) / (scale_x[:, 0] * scale_y[:, 0])
    level = jnp.minimum(
        level, jnp.sqrt(jnp.finfo(level.dtype).max)
    )  # far above any scaled lam_max, and finite
    Xs, Ys = X / scale_x, Y / scale_y
    coef, segment = _coef_on_path(Xs, Ys, level, max_active, max_events)
    coef = jnp.swapaxes(coef, 1, 2) * (scale_y / scale_x)
    segment = jax.lax.stop_gradient(segment)
    gap, margin = _certificate(*jax.lax.stop_gradient((Xs, Ys)), segment)

    status = jnp.where(bad_target, Status.NON_FINITE, segment.status)
    status = jnp.where(bad_argument, Status.BAD_ARGUMENT, status).astype(jnp.int32)
    unusable = bad_target | bad_argument
    reached = jnp.where(
        segment.status == Status.OK, lam, segment.level * (scale_x * scale_y)[:, 0] / num_rows
    )

    def or_nan(x: jax.Array) -> jax.Array:
        return jnp.where(unusable, jnp.nan, x)

    return LassoSolution(
        coef=jnp.where(unusable[:, None, :], jnp.nan, coef),
        status=status,
        gap=or_nan(gap),
        lam_reached=or_nan(jax.lax.stop_gradient(reached)),
        num_events=segment.num_events,
        kink_margin=or_nan(margin),
    )


def _check_values(X: jax.Array, lam: jax.Array) -> None:
    """Reject what cannot be solved; under tracing values are unknown and become a status instead."""
    if not isinstance(lam, jax.core.Tracer) and not (np.asarray(lam) >= 0).all():
        raise InputError(f"lam={np.asarray(lam)} must be at least 0 and not NaN")
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
    max_active: int | None = None,
    max_events: int | None = None,
) -> LassoSolution:
    """`solve_lasso` for several designs of one shape in one batched call.

    Args:
        X: (designs, rows, predictors). Rows of zeros in X and Y are padding: they add nothing to the objective
            but count as rows, so multiply lam by true rows / rows.
        Y: (designs, rows, targets).
        lam: broadcastable to (designs, targets).
        max_active, max_events: as in `solve_lasso`.

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
    lam = jnp.asarray(lam, dtype)
    shape = (Y.shape[0], Y.shape[2])
    if lam.ndim > 2 or any(s not in (1, t) for s, t in zip(lam.shape[::-1], shape[::-1], strict=False)):
        raise InputError(f"lam {lam.shape} must be a number or one a target, {shape[1:]}")
    _check_values(X, lam)
    rank = min(X.shape[1], X.shape[2])
    for name, value in (("max_active", max_active), ("max_events", max_events)):
        if value is not None and value < 1:
            raise InputError(f"{name}={value} must be at least 1, or None for the largest that can be needed")
    return _solve_designs(
        X.astype(dtype),
        Y.astype(dtype),
        jnp.broadcast_to(lam, shape),
        max_active=rank if max_active is None else min(max_active, rank),
        max_events=8 * rank if max_events is None else max_events,
    )


def solve_lasso(
    X: ArrayLike,
    Y: ArrayLike,
    lam: ArrayLike,
    *,
    max_active: int | None = None,
    max_events: int | None = None,
) -> LassoSolution:
    """Lasso coefficients of one or many targets that share a design, by the least-angle homotopy.

    Minimises (1/(2 rows)) ||y - X b||^2 + lam ||b||_1 for each target y: the objective of scikit-learn. The
    solution is exact up to rounding; nothing is iterated to a tolerance.

    Args:
        X: (rows, predictors), finite.
        Y: (rows,) or (rows, targets).
        lam: () or (targets,), at least 0; 0 asks for the end of the path, the least-squares solution or, with
            more predictors than rows, an interpolant of least l1 norm.
        max_active: cap on the number of non-zero coefficients of a target, static. None: min(rows, predictors),
            which no path exceeds. Memory grows with its square.
        max_events: cap on joins and drops of a target, static. None: 8 min(rows, predictors).

    Returns:
        LassoSolution in the dtype of the input (integers become float32).

    Raises:
        InputError: shapes that do not fit; in eager calls also lam < 0 or NaN, and NaN or Inf in X.

    Status:
        OK; MAX_ACTIVE, MAX_EVENTS: a cap stopped the path, the solution at `lam_reached` is returned, raise the
        cap or lam; ILL_CONDITIONED: the active columns are dependent to working precision, use float64 or raise
        lam; NON_FINITE: this target holds NaN or Inf and is returned as NaN, the others are untouched;
        BAD_ARGUMENT: what an eager call raises, found under tracing.

    Differentiation:
        Reverse mode in X, Y and lam, for `coef` only; the other fields carry no gradient. The coefficients are
        piecewise smooth: at a kink, where a predictor is about to join or drop, the derivative is that of the
        segment just walked. For lam >= lam_max it is exactly 0. Where a cap stopped the path, `lam_reached` is
        held constant. Forward mode is not defined.

    Complexity:
        As many passes as the longest path has events, each 4 rows predictors targets operations; the gradient
        costs two matrix products of rows x predictors x targets.

    Example:
        >>> import numpy as np
        >>> solution = solve_lasso(np.eye(2), np.array([3.0, -1.0]), 0.5)
        >>> print(solution.coef)
        [2. 0.]

    References:
        Osborne, Presnell and Turlach (2000); Efron et al. (2004), Annals of Statistics 32. The rule for ties
        and for dependent columns is described in `lassovae/lasso/_homotopy.py`.
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
        max_active=max_active,
        max_events=max_events,
    )
    solution = jax.tree.map(lambda x: x[0], solution)
    return jax.tree.map(lambda x: x[..., 0], solution) if vector else solution
