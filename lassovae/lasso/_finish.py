"""After the path: coefficients refined on their support, and the support itself checked and repaired.

Rounding on the way can leave a target with a support that is not quite optimal, in float32 a few per cent of the
targets at small lam. From there an active-set method goes on, which lowers the objective in every step and ends at
the optimum: walk from the coefficients towards the optimum on the support; if one of them meets zero on the way,
drop it there; otherwise let the predictor join that violates |c_j| <= C w_j most.

Reference: the idea of the repair is the feature-sign search of Lee, Battle, Raina and Ng (2007).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

from lassovae._status import Status
from lassovae.lasso._compensated import residual_of
from lassovae.lasso._events import first_place
from lassovae.lasso._pivot import pivot, renew_inverse, solve_active
from lassovae.lasso._state import (
    Problem,
    Walk,
    combine,
    correlate,
    correlate_active,
    is_active,
    pick,
    put_back,
)

REFINEMENTS = 3  # Newton steps on the support at the end of a path
TOGETHER = 32  # targets repaired at a time
SOUND = 100.0  # violation of the optimality conditions, in units of rounding, from which the status says so
DEPENDENT = 1e-4  # share of a column's square that the active ones must lack for it to join beside them


def _towards(problem: Problem, walk: Walk) -> jax.Array:
    """The optimal coefficients on the support, by one Newton step from the residual as it is."""
    ridge = problem.ridge[:, None, None]
    off = correlate_active(walk.active_rows, walk.residual) - ridge * walk.coef
    off -= walk.level[..., None] * walk.pull
    return walk.coef + solve_active(problem, walk, off)


def _flips(walk: Walk, coef: jax.Array) -> jax.Array:
    """Slots whose coefficient has the wrong sign."""
    return coef * jnp.sign(walk.pull) < 0


def _moved(walk: Walk, coef: jax.Array, lanes: jax.Array) -> Walk:
    """The chosen targets with other coefficients, and their residuals."""
    coef = jnp.where(lanes[..., None], coef, walk.coef)
    return walk._replace(coef=coef, residual=residual_of(walk.target, walk.active_rows, coef))


def _refined(problem: Problem, walk: Walk) -> Walk:
    """A Newton step on the support, unless a sign would flip."""
    to = _towards(problem, walk)
    safe = jnp.isfinite(to).all(axis=-1) & ~_flips(walk, to).any(axis=-1)
    return _moved(walk, to, safe)


def _violation(problem: Problem, walk: Walk, positive: bool) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Correlations; the most by which an inactive one passes its bound; its predictor."""
    corr = correlate(problem.columns, walk.residual)
    size = corr if positive else jnp.abs(corr)
    bound = walk.level[..., None] * jnp.where(jnp.isinf(problem.bar), 0, problem.bar)
    excess = jnp.where(jnp.isinf(problem.bar), -jnp.inf, size - bound)
    excess = jax.vmap(jax.vmap(lambda e, i: e.at[i].set(-jnp.inf)))(excess, walk.predictor)
    largest = excess.max(axis=-1)
    return corr, largest, first_place(excess >= largest[..., None])


def tolerance(problem: Problem, walk: Walk) -> jax.Array:
    """Excess of a correlation over its bound that is taken for rounding: (designs, targets)."""
    eps = jnp.finfo(walk.level.dtype).eps
    squares = jnp.square(problem.columns).sum(axis=-1).max(axis=-1)
    spread = eps * squares[:, None] * jnp.sqrt(jnp.square(walk.coef).sum(axis=-1))
    # float32 residuals are compensated, so that less than the rounding of a product is left; that of the coefficients
    # is a bound seldom reached; at the end of a path nothing is left to find in either
    product = (1 / 16 if eps > 1e-10 else 8) * walk.noise
    last = walk.level <= 256 * walk.noise
    return 8 * eps * walk.level + jnp.where(last, 8 * walk.noise + spread, product + spread / 256)


def _badness(problem: Problem, walk: Walk, positive: bool) -> jax.Array:
    """By how much the optimality conditions are violated, as a multiple of `tolerance`: (designs, targets)."""
    off = correlate_active(walk.active_rows, walk.residual) - problem.ridge[:, None, None] * walk.coef
    off = jnp.where(is_active(walk, problem), off - walk.level[..., None] * walk.pull, 0)
    _, excess, _ = _violation(problem, walk, positive)
    worst, unit = jnp.maximum(jnp.abs(off).max(axis=-1), excess), tolerance(problem, walk)
    worst = jnp.where(worst > 0, worst / jnp.where(unit > 0, unit, jnp.finfo(unit.dtype).tiny), worst)
    worst = jnp.where(_flips(walk, walk.coef).any(axis=-1), jnp.inf, worst)
    return jnp.where(jnp.isnan(worst), jnp.inf, worst)


def _repair_step(problem: Problem, walk: Walk, todo: jax.Array, positive: bool) -> tuple[Walk, jax.Array]:
    """One step of the active-set method for the chosen targets; returns who needs more."""
    walk = renew_inverse(problem, walk)
    to = _towards(problem, walk)
    flips = _flips(walk, to) & todo[..., None]
    way = to - walk.coef
    share = jnp.where(flips, jnp.clip(-walk.coef / jnp.where(flips, way, 1), 0, 1), jnp.inf)
    smallest = share.min(axis=-1)
    drops = todo & jnp.isfinite(smallest)
    walk = _moved(walk, walk.coef + jnp.where(drops, smallest, 1)[..., None] * way, todo)
    dropped = first_place(share <= smallest[..., None])

    corr, excess, worst = _violation(problem, walk, positive)
    joins = todo & ~drops & (excess > tolerance(problem, walk))
    sign = jnp.sign(jnp.take_along_axis(corr, worst[..., None], axis=-1)[..., 0])

    # a column that the active ones span takes the place of one of them: the fit stays, the penalty falls
    joining = jax.vmap(lambda c, i: c[i])(problem.columns, worst)
    h = solve_active(problem, walk, correlate_active(walk.active_rows, joining))
    apart = jnp.square(joining - combine(walk.active_rows, h)).sum(axis=-1)
    apart += problem.ridge[:, None] * (1 + jnp.square(h).sum(axis=-1))
    swaps = joins & ~(apart > DEPENDENT * jnp.square(joining).sum(axis=-1))
    falls = swaps[..., None] & (walk.coef * h * sign[..., None] > 0)
    room = jnp.where(falls, jnp.abs(walk.coef / jnp.where(falls, h, 1)), jnp.inf)
    stride = room.min(axis=-1)
    swaps &= jnp.isfinite(stride)
    new_coef = jnp.where(swaps, stride, 0) * sign
    walk = walk._replace(coef=walk.coef - new_coef[..., None] * h)
    dropped = jnp.where(swaps, first_place(room <= stride[..., None]), dropped)

    nobody, pull = jnp.zeros_like(swaps), problem.bar[worst] * sign
    walk = pivot(problem, walk, joins & ~swaps, worst, pull, drops | swaps, dropped, move_slopes=False)
    walk = pivot(problem, walk, swaps, worst, pull, nobody, dropped, move_slopes=False)
    newest = swaps[..., None] & (walk.predictor == worst[..., None])
    coef = jnp.where(newest, new_coef[..., None], walk.coef)
    walk = walk._replace(coef=coef, residual=residual_of(walk.target, walk.active_rows, coef))
    return walk, drops | joins


def _repair(problem: Problem, walk: Walk, todo: jax.Array, max_steps: int, positive: bool) -> Walk:
    """Repair the chosen targets, some at a time."""

    def to_end(walk: Walk, todo: jax.Array) -> Walk:
        def more(carry: tuple[Walk, jax.Array, jax.Array]) -> jax.Array:
            return carry[1].any() & (carry[2] < max_steps)

        def step(carry: tuple[Walk, jax.Array, jax.Array]) -> tuple[Walk, jax.Array, jax.Array]:
            walk, todo = _repair_step(problem, carry[0], carry[1], positive)
            return walk, todo, carry[2] + 1

        return lax.while_loop(more, step, (walk, todo, jnp.asarray(0)))[0]

    if todo.shape[1] <= TOGETHER:
        return to_end(walk, todo)

    def some(carry: tuple[Walk, jax.Array]) -> tuple[Walk, jax.Array]:
        walk, todo = carry
        order = jnp.argsort(~todo, axis=-1, stable=True)[:, :TOGETHER]
        part = to_end(pick(walk, order), jnp.take_along_axis(todo, order, axis=-1))
        seen = jax.vmap(lambda t, i: t.at[i].set(False))(todo, order)
        return put_back(walk, order, part), seen

    return lax.while_loop(lambda carry: carry[1].any(), some, (walk, todo))[0]


def finish(problem: Problem, walk: Walk, max_steps: int, positive: bool) -> Walk:
    """Refined coefficients, a support that meets the optimality conditions, and exact residuals.

    Targets that a cap has stopped are refined at the level that they have reached.

    Args:
        problem: the problem.
        walk: at the end of its paths.
        max_steps: cap on the steps of a repair.
        positive: coefficients may not be negative.
    """
    arrived = walk.status == Status.OK
    walk = renew_inverse(problem, walk)
    walk = _moved(walk, walk.coef, arrived)
    walk = lax.fori_loop(0, REFINEMENTS, lambda _, w: _refined(problem, w), walk)
    _, excess, _ = _violation(problem, walk, positive)
    flips = _flips(walk, _towards(problem, walk)).any(axis=-1)
    todo = arrived & (flips | (excess > tolerance(problem, walk)))
    repaired = _repair(problem, walk, todo, max_steps, positive)
    before, after = _badness(problem, walk, positive), _badness(problem, repaired, positive)
    better = todo & (after < before)

    def chosen(new: jax.Array, old: jax.Array) -> jax.Array:
        return jnp.where(better.reshape(*better.shape, *(1,) * (new.ndim - 2)), new, old)

    walk = jax.tree.map(chosen, repaired, walk)
    # at the knot where a cap stops a target, what joins or drops there is zero but for its rounding
    at_zero = _flips(walk, walk.coef) & ~arrived[..., None]
    walk = walk._replace(coef=jnp.where(at_zero, 0, walk.coef))
    unsound = arrived & ~(jnp.minimum(before, after) < SOUND)
    return walk._replace(
        corr=correlate(problem.columns, walk.residual),
        status=jnp.where(unsound, Status.ILL_CONDITIONED, walk.status).astype(jnp.int32),
    )
