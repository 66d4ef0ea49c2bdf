"""The solver's coefficients as a differentiable function of design, targets, level, weights and ridge.

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

from lassovae._numerics import dot
from lassovae._status import Status
from lassovae.lasso._active import invert, solve_active
from lassovae.lasso._groups import group_size, in_groups
from lassovae.lasso._homotopy import follow_path, stage_capacities
from lassovae.lasso._state import (
    Options,
    Place,
    Problem,
    Support,
    combine,
    gather,
    make_problem,
    num_active_slots,
    spread,
)

TOGETHER = 32  # targets whose Gram matrices are inverted at a time


@partial(jax.custom_vjp, nondiff_argnums=(5,))
def coef_on_path(
    X: jax.Array, Y: jax.Array, level: jax.Array, weights: jax.Array, ridge: jax.Array, options: Options
) -> tuple[jax.Array, Place]:
    """Coefficients (designs, targets, predictors) at the levels given, and the ends of the paths."""
    problem, free = make_problem(X, weights, ridge)
    place = follow_path(problem, jnp.swapaxes(Y, 1, 2), level, options, free if options.free else None)
    return spread(place.coef, place.predictor, X.shape[2]), place


class _Pulled(NamedTuple):
    """Cotangents pulled back through M^-1."""

    predictor: jax.Array  # (designs, targets, slots) int32
    cotangent: jax.Array  # (designs, targets, slots), g on the active set
    v: jax.Array  # (designs, targets, slots), M^-1 g
    moved: jax.Array  # (designs, targets, rows), X_A v
    num_used: jax.Array  # (designs, targets) int32, slots up to the last active predictor
    todo: jax.Array  # (designs, targets) bool


def _pull(problem: Problem, pulled: _Pulled, num_slots: int) -> _Pulled:
    """A group of targets whose active predictors are in the first `num_slots` slots."""
    predictor, cotangent = pulled.predictor[..., :num_slots], pulled.cotangent[..., :num_slots]
    rows = gather(problem.columns, predictor)
    empty = jnp.zeros((*predictor.shape, num_slots), rows.dtype)
    support = invert(problem, Support(predictor, rows, empty))
    v = solve_active(problem, support, cotangent)
    mine, extra = pulled.todo[..., None], pulled.v.shape[-1] - num_slots
    wide = jnp.pad(v, ((0, 0), (0, 0), (0, extra)))
    return pulled._replace(
        v=jnp.where(mine, wide, pulled.v),
        moved=jnp.where(mine, combine(rows, v), pulled.moved),
        todo=jnp.zeros_like(pulled.todo),
    )


def _coef_fwd(X, Y, level, weights, ridge, options):
    coef, place = coef_on_path(X, Y, level, weights, ridge, options)
    return (coef, place), (X, weights, ridge, coef, place)


def _coef_bwd(options, saved, cotangents):
    X, weights, ridge, coef, place = saved
    problem, _ = make_problem(X, weights, ridge)
    cotangent = cotangents[0]  # the places themselves are not differentiable: their cotangent is not read
    on_slots = jax.vmap(jax.vmap(lambda g, i: g.at[i].get(mode="fill", fill_value=0)))
    g = on_slots(cotangent, place.predictor)
    num_used = num_active_slots(problem, place)
    nobody = jnp.zeros(num_used.shape, bool)
    pulled = _Pulled(place.predictor, g, jnp.zeros_like(g), jnp.zeros_like(place.residual), num_used, nobody)
    fewer = 0
    for capacity in stage_capacities(g.shape[-1], num_used.size, options.staged):
        pulled = in_groups(
            partial(_pull, problem, num_slots=capacity),
            pulled._replace(todo=(num_used > fewer) & (num_used <= capacity)),
            chosen=lambda part: part.todo,
            turn=lambda part: (
                part.num_used
            ),  # the slots of a group that are swept are those of its largest set
            size=min(TOGETHER, group_size(*nobody.shape)),
        )
        fewer = capacity
    v = pulled.v
    V = spread(v, place.predictor, X.shape[2])
    grad_X = dot("dkn,dkp->dnp", place.residual, V) - dot("dkn,dkp->dnp", pulled.moved, coef)
    capped = (place.status == Status.MAX_ACTIVE) | (place.status == Status.MAX_EVENTS)
    grad_level = jnp.where(capped, 0, -(place.pull * v).sum(axis=-1))
    by_weight = -place.level[..., None] * jnp.sign(place.pull) * v
    grad_weights = spread(by_weight, place.predictor, X.shape[2]).sum(axis=(0, 1))
    grad_ridge = -(place.coef * v).sum(axis=(1, 2))
    return grad_X, jnp.swapaxes(pulled.moved, 1, 2), grad_level, grad_weights, grad_ridge


coef_on_path.defvjp(_coef_fwd, _coef_bwd)
