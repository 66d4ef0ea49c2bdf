"""Predictors enter and leave the active set: its inverse Gram matrix and all that depends on it, brought along.

With M = X_A'X_A + ridge and H = M^-1, let predictor j join: h = H X_A'x_j, q = x_j - X_A h the part of x_j that
the active columns lack, and rho = q'q + ridge (1 + h'h) the pivot. Then, e_j being the new slot,

    H <- H + (h - e_j)(h - e_j)' / rho,        d <- d - (h - e_j) f,   X d <- X d + q f,   f = (p_j - x_j'X d) / rho.

Let slot i leave: h = H e_i, q = -X_A h, and

    H <- H - h h' / h_i,                       d <- d - h f,           X d <- X d + q f,   f = d_i / h_i.

Both are one rank-one term, and one product X'q moves all slopes.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

from lassovae._numerics import dot
from lassovae._status import Status
from lassovae.lasso._active import gram_product, solve_active
from lassovae.lasso._state import (
    RUNNING,
    Problem,
    Walk,
    apply_inverse,
    combine,
    correlate,
    correlate_active,
    empty_slot,
    gather,
    is_active,
)

CLOSE = 1e-3  # share of a column's square that is its own, below which its projection is refined


def pivot(
    problem: Problem,
    walk: Walk,
    joins: jax.Array,
    joiner: jax.Array,
    join_pull: jax.Array,
    drops: jax.Array,
    dropped: jax.Array,
    move_slopes: bool = True,
) -> Walk:
    """One predictor joins, or one slot is emptied, for each of the chosen targets; the others stay as they are.

    A column that depends on the active ones to working precision is not let in, and the target's path ends.

    Args:
        problem: the problem.
        walk: where the targets stand.
        joins, drops: (designs, targets) bool, at most one of them true.
        joiner: (designs, targets) int32 predictors.
        join_pull: (designs, targets), penalty times sign of the joiner.
        dropped: (designs, targets) int32 slots.
        move_slopes: whether `slope` is brought along, at the cost of a product with the design.
    """
    rows, inverse = walk.active_rows, walk.inverse
    slots = jnp.arange(walk.pull.shape[-1])
    ridge = problem.ridge[:, None]
    joining = gather(problem.columns, joiner)
    own = jnp.take_along_axis(inverse, dropped[..., None, None], axis=-2)[..., 0, :]
    on_active = apply_inverse(inverse, correlate_active(rows, joining))
    h = jnp.where(joins[..., None], on_active, own)
    h = jnp.where(drops[..., None] | joins[..., None], h, 0)
    q = jnp.where(joins[..., None], joining, 0) - combine(rows, h)
    norm = jnp.square(joining).sum(axis=-1) + ridge

    def size(q: jax.Array, h: jax.Array) -> jax.Array:
        return jnp.square(q).sum(axis=-1) + ridge * (1 + jnp.square(h).sum(axis=-1))

    def refined(q: jax.Array, h: jax.Array) -> tuple[jax.Array, jax.Array]:
        for _ in range(2):
            more = apply_inverse(inverse, correlate_active(rows, q) - ridge[..., None] * h)
            h = h + jnp.where(close[..., None], more, 0)
            q = jnp.where(close[..., None], joining - combine(rows, h), q)
        return q, h

    # little of the column is its own: what rounding has left of the others in it would count as such
    close = joins & ~(size(q, h) > CLOSE * norm)
    q, h = lax.cond(close.any(), refined, lambda q, h: (q, h), q, h)
    pivot_join = size(q, h)
    dependent = joins & ~(pivot_join > 16 * jnp.finfo(norm.dtype).eps * norm)
    joins &= ~dependent

    def at_slot(values: jax.Array) -> jax.Array:
        return jnp.take_along_axis(values, dropped[..., None], axis=-1)[..., 0]

    pivot_drop = at_slot(own)
    free = jnp.where(is_active(walk, problem), slots.shape[0], slots).min(axis=-1)
    enters = joins[..., None] & (slots == free[..., None])
    leaves = drops[..., None] & (slots == dropped[..., None])
    slope_join = dot("dkn,dkn->dk", joining, walk.fit_slope)
    by_join = (join_pull - slope_join) / jnp.where(joins, pivot_join, 1)
    by_drop = at_slot(walk.direction) / jnp.where(drops, pivot_drop, 1)
    f = jnp.where(joins, by_join, jnp.where(drops, by_drop, 0))
    v = h - enters
    factor = jnp.where(joins, 1 / jnp.where(joins, pivot_join, 1), -1 / jnp.where(drops, pivot_drop, 1))
    factor = jnp.where(joins | drops, factor, 0)
    cleared = leaves[..., :, None] | leaves[..., None, :]

    def renew(values: jax.Array, entered: jax.Array, empty: float = 0) -> jax.Array:
        return jnp.where(leaves, empty, jnp.where(enters, entered[..., None], values))

    # written after all reads: otherwise XLA keeps a copy of the rows
    rows, q = lax.optimization_barrier((rows, q))
    level = walk.level
    walk = walk._replace(
        predictor=renew(walk.predictor, joiner, empty_slot(problem)).astype(jnp.int32),
        pull=renew(walk.pull, join_pull),
        joined_at=renew(walk.joined_at, level),
        coef=renew(walk.coef, jnp.zeros_like(level)),
        direction=jnp.where(leaves, 0, walk.direction - f[..., None] * v),
        active_rows=jnp.where(enters[..., None], joining[..., None, :], rows),
        inverse=jnp.where(cleared, 0, inverse + (factor[..., None] * v)[..., :, None] * v[..., None, :]),
        fit_slope=walk.fit_slope + f[..., None] * q,
        # its path goes no further; from here the repair at the end of the path takes over
        level=jnp.where(dependent, walk.level_end, level),
        status=jnp.where(dependent, Status.OK, walk.status).astype(jnp.int32),
    )
    if move_slopes:
        walk = walk._replace(slope=walk.slope + f[..., None] * correlate(problem.columns, q))
    return walk


def refresh(problem: Problem, walk: Walk) -> Walk:
    """Take the rounding of past events off: a Newton step on coefficients and direction, then all anew.

    Targets that have arrived stay as they are, however long others run.
    """
    rows, ridge = walk.active_rows, problem.ridge[:, None, None]
    residual = walk.target - combine(rows, walk.coef)
    off = correlate_active(rows, residual) - ridge * walk.coef - walk.level[..., None] * walk.pull
    coef = walk.coef + solve_active(problem, walk, off, refinements=0)
    direction = walk.direction + solve_active(
        problem, walk, walk.pull - gram_product(problem, walk, walk.direction), refinements=0
    )
    residual, fit_slope = walk.target - combine(rows, coef), combine(rows, direction)
    both = correlate(problem.columns, jnp.concatenate([residual, fit_slope], axis=1))
    corr, slope = jnp.split(both, 2, axis=1)
    running = (walk.status == RUNNING)[..., None]
    renewed = {
        "coef": coef,
        "direction": direction,
        "residual": residual,
        "fit_slope": fit_slope,
        "corr": corr,
        "slope": slope,
    }
    return walk._replace(**{name: jnp.where(running, x, getattr(walk, name)) for name, x in renewed.items()})
