"""The whole path of one target: every knot down to a given level, from a design or from its Gram matrix.

The notation is that of `_homotopy.py`. There speed counts, here the last digits of the knots: one target needs
so few products that nothing is carried along. After every event coefficients, correlations, direction and slopes
are computed anew from the data, which enter by two products only, G v = X'X v and X'y - G b. The inverse of
M = G_AA is carried by rank-one terms, and renewed when a solve shows that it needs it, but only as a
preconditioner: each solve is refined against G itself. Every knot is checked for optimality.

A *knot* is a level at which the active set changes. Events less than a rounding apart are one knot, so that
knots strictly decrease. All levels and coefficients here are in the units of the data given.

Axes: padded (predictors and at least one column of zeros), slots (active predictors in no order), rows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from lassovae._numerics import dot
from lassovae._status import Status
from lassovae.lasso._events import Event, next_event
from lassovae.lasso._path_data import Design, Gram
from lassovae.lasso._state import RUNNING, Problem, Walk

REFINEMENTS = 2  # of each solve: the error shrinks by ||I - H M|| with each
SAME = 8  # times the rounding of a correlation: levels closer than this are one knot
RENEWALS = 6  # of the inverse after an event, at most: they cost slots^3, everything else slots * padded
ROOM = 1024  # times that rounding: by how much a knot may miss optimality


class Trail(NamedTuple):
    """Where the target stands: the active set below the last event, and all that follows from it."""

    predictor: jax.Array  # (slots,) int32; an empty slot has the number of the last column, of zeros
    pull: jax.Array  # (slots,), penalty times sign, 0 when free
    joined_at: jax.Array  # (slots,), level
    coef: jax.Array  # (slots,)
    direction: jax.Array  # (slots,), M^-1 pull
    inverse: jax.Array  # (slots, slots), close to M^-1
    corr: jax.Array  # (padded,), X'y - G b
    slope: jax.Array  # (padded,), G d
    level: jax.Array  # (), C
    shut: jax.Array  # (padded,) bool, predictors that turned out to depend on this active set
    noise: jax.Array  # (), rounding of a correlation
    status: jax.Array  # () int32
    num_events: jax.Array  # () int32


class Turn(NamedTuple):
    """What an event changes, where and how fast; see `_path_rule.py` for eta and kappa."""

    coef: jax.Array  # (padded,), where the event happens
    eta: jax.Array  # (padded,)
    kappa: jax.Array  # ()
    sign: jax.Array  # (padded,), of the penalised predictors involved: the active ones and the joiner
    is_knot: jax.Array  # () bool, whether coef is optimal and the path ends or turns here


def spread(trail: Trail, values: jax.Array) -> jax.Array:
    """(slots,) -> (padded,)."""
    return jnp.zeros_like(trail.corr).at[trail.predictor].add(values)


def solve_active(data: Design | Gram, trail: Trail, rhs: jax.Array) -> jax.Array:
    """M^-1 rhs on the active slots, (slots,)."""
    x = dot("ij,j->i", trail.inverse, rhs)
    for _ in range(REFINEMENTS):
        miss = rhs - data.product(spread(trail, x))[trail.predictor]
        x += dot("ij,j->i", trail.inverse, miss)
    return x


def _empty(trail: Trail) -> int:
    """Predictor number of an empty slot."""
    return trail.corr.shape[0] - 1


def find_event(trail: Trail, bar: jax.Array, level_end: jax.Array, rank: int, positive: bool) -> Event:
    """The rules for ties are those of the batched homotopy, whose records have axes of designs and targets."""
    fields: dict[str, Any] = dict.fromkeys(Walk._fields)  # what the rules do not read stays None
    fields |= {k: v[None, None] for k, v in trail._asdict().items() if k in fields}
    walk = Walk(**fields | {"level_end": level_end[None, None]})
    bar = jnp.where(trail.shut, jnp.inf, bar)
    nothing, ones = jnp.zeros((1, bar.shape[0], 0), bar.dtype), jnp.ones((1, bar.shape[0]), bar.dtype)
    problem = Problem(nothing, ones, bar, jnp.zeros(1, bar.dtype))
    return jax.tree.map(lambda x: x[0, 0], next_event(problem, walk, rank, positive))


def start(data: Design | Gram, bar: jax.Array, num_slots: int, positive: bool, any_free: bool) -> Trail:
    """At the top of the path: free predictors (those with an infinite bar) are active, no other is."""
    corr = data.correlation(jnp.zeros_like(bar))
    slots, padded = jnp.zeros(num_slots, corr.dtype), corr.shape[0]
    trail = Trail(
        predictor=jnp.full(num_slots, padded - 1, jnp.int32),
        pull=slots,
        joined_at=slots,
        coef=slots,
        direction=slots,
        inverse=jnp.zeros((num_slots, num_slots), corr.dtype),
        corr=corr,
        slope=jnp.zeros_like(corr),
        level=jnp.full((), jnp.inf, corr.dtype),
        shut=jnp.zeros(padded, bool),
        noise=jnp.finfo(corr.dtype).eps * jnp.abs(corr).max(),
        status=jnp.asarray(RUNNING, jnp.int32),
        num_events=jnp.zeros((), jnp.int32),
    )
    if any_free:
        free = jnp.isinf(bar)
        order = jnp.argsort(~free, stable=True).astype(jnp.int32)
        no, here = jnp.asarray(False), jnp.zeros((), jnp.int32)
        zero = jnp.zeros((), corr.dtype)

        def join(k: jax.Array, trail: Trail) -> Trail:
            event = Event(zero, no, ~no, order[k], zero, no, here)
            return _change(data, trail, event)[0]

        trail = lax.fori_loop(0, free.sum(), join, trail)
        trail = trail._replace(coef=solve_active(data, trail, corr[trail.predictor]))
        trail = trail._replace(corr=data.correlation(spread(trail, trail.coef)))
    size = trail.corr if positive else jnp.abs(trail.corr)
    return trail._replace(level=jnp.maximum((size / bar).max(), 0))


def _tolerable(trail: Trail) -> jax.Array:
    """Error of M d from which the refinements of a solve still reach full precision."""
    return jnp.finfo(trail.pull.dtype).eps ** (1 / (1 + REFINEMENTS)) * jnp.abs(trail.pull).max()


def _renewed(data: Design | Gram, trail: Trail) -> Trail:
    """Newton-Schulz steps, H <- H (2 I - M H): each squares the error of the inverse.

    As many as it takes until the refinements of a solve reach full precision. No LAPACK, as in `_active.py`.
    """
    active = trail.predictor < _empty(trail)
    eye = active[:, None] * jnp.eye(active.shape[0], dtype=trail.coef.dtype)
    enough = _tolerable(trail)

    def rough(carry: tuple[jax.Array, jax.Array]) -> jax.Array:
        inverse, count = carry
        direction = dot("ij,j->i", inverse, trail.pull)
        miss = trail.pull - data.product(spread(trail, direction))[trail.predictor]
        return (jnp.abs(miss).max() > enough) & (count < RENEWALS)

    def renew(carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        inverse, count = carry
        miss = 2 * eye - dot("ij,jk->ik", data.block(trail.predictor), inverse)
        return dot("ij,jk->ik", inverse, miss), count + 1

    return trail._replace(inverse=lax.while_loop(rough, renew, (trail.inverse, jnp.zeros((), jnp.int32)))[0])


def _change(data: Design | Gram, trail: Trail, event: Event) -> tuple[Trail, jax.Array, jax.Array]:
    """The active set and its inverse after the event, with eta and kappa.

    Join of j: h = M^-1 G_Aj, eta = e_j - h, rho = eta'G eta, and H <- H + (h - e_j)(h - e_j)' / rho.
    Drop of slot i: h = M^-1 e_i = eta, and H <- H - h h' / h_i.
    """
    slots = jnp.arange(trail.pull.shape[0])
    column = data.product(jnp.zeros_like(trail.corr).at[event.joiner].set(1))
    dropped = slots == event.dropped
    h = solve_active(data, trail, jnp.where(event.joins, column[trail.predictor], dropped))
    h = jnp.where(event.joins | event.drops, h, 0)
    eta = spread(trail, jnp.where(event.joins, -h, h)).at[event.joiner].add(event.joins)
    pivot = jnp.where(event.joins, data.square(eta), -h[event.dropped])
    free = jnp.where(trail.predictor < _empty(trail), slots.shape[0], slots).min()
    rounding = jnp.maximum(jnp.finfo(pivot.dtype).eps * column[event.joiner], data.rounding_of_square(eta))
    joins = event.joins & (pivot > 16 * rounding) & (free < slots.shape[0])
    changes = joins | event.drops

    enters, leaves = joins & (slots == free), event.drops & dropped
    v = h - enters
    factor = jnp.where(changes, 1 / jnp.where(changes, pivot, 1), 0)
    inverse = jnp.where(leaves[:, None] | leaves, 0, trail.inverse + factor * v[:, None] * v)

    def renew(values: jax.Array, entered: jax.Array, empty: int = 0) -> jax.Array:
        return jnp.where(leaves, empty, jnp.where(enters, entered, values))

    join_rate = event.join_pull - trail.slope[event.joiner]
    kappa = jnp.where(event.joins, join_rate, trail.direction[event.dropped])
    changed = trail._replace(
        predictor=renew(trail.predictor, event.joiner, _empty(trail)).astype(jnp.int32),
        pull=renew(trail.pull, event.join_pull),
        joined_at=renew(trail.joined_at, trail.level),
        coef=renew(trail.coef, jnp.zeros_like(trail.level)),
        inverse=inverse,
        shut=(trail.shut & ~changes).at[event.joiner].max(event.joins & ~joins),
    )
    return changed, eta, kappa


def _refined(data: Design | Gram, trail: Trail) -> Trail:
    """Coefficients that satisfy G_A b = X_A'y - C p."""
    coef = trail.coef
    for _ in range(REFINEMENTS):
        off = data.correlation(spread(trail, coef))[trail.predictor] - trail.level * trail.pull
        coef += dot("ij,j->i", trail.inverse, off)
    return trail._replace(coef=coef)


def advance(
    data: Design | Gram, bar: jax.Array, trail: Trail, event: Event, level: jax.Array, positive: bool
) -> tuple[Trail, Turn]:
    """Walk to the event at `level`, and past it."""
    trail = trail._replace(coef=trail.coef + event.step * trail.direction, level=level)
    trail = _refined(data, trail)
    # zero are the dropped, those that have just joined, and, where drops tie, what rounding left of the others
    zero = (trail.joined_at == level) | (trail.pull * trail.coef < 0)
    zero |= event.drops & (jnp.arange(zero.shape[0]) == event.dropped)
    coef = jnp.where(zero, 0, trail.coef)
    knot = spread(trail, coef)
    corr = data.correlation(knot)
    off = jnp.abs(corr[trail.predictor] - level * trail.pull).max()
    excess = (corr if positive else jnp.abs(corr)) - level * jnp.where(jnp.isinf(bar), 0, bar)
    # correlations are differences of products as large as these, and as those at the start of the path
    sizes = data.sizes()
    terms = dot("i,i->", sizes[trail.predictor], jnp.abs(coef)) * sizes.max()
    noise = jnp.maximum(trail.noise, jnp.finfo(corr.dtype).eps * terms)
    # at the end, where the level has no rounding of its own, a small column is held to the rounding of its own
    # correlations: that of a larger one would let it be missed
    share = jnp.where(event.ends, sizes / jnp.maximum(sizes.max(), jnp.finfo(sizes.dtype).tiny), 1)
    missed = jnp.where(share > 0, excess / jnp.where(share > 0, share, 1), 0).max()
    sound = jnp.maximum(off, missed) <= ROOM * noise

    after, eta, kappa = _change(data, trail, event)
    sign = spread(trail, jnp.sign(trail.pull))
    sign = sign.at[event.joiner].add(jnp.where(event.joins, jnp.sign(event.join_pull), 0))

    # once more: the level is rounded, so that a dropped coefficient was not quite zero
    after = _refined(data, _renewed(data, after))
    direction = solve_active(data, after, after.pull)
    corr = data.correlation(spread(after, after.coef))
    slope = data.product(spread(after, direction))

    # a direction that is wrong leads to no knot
    allowed = _tolerable(after)
    off = jnp.abs(slope[after.predictor] - after.pull).max()
    status = jnp.where(off <= allowed, after.status, Status.ILL_CONDITIONED)
    status = jnp.where(event.ends, Status.OK, status)
    after = after._replace(
        direction=direction,
        corr=corr,
        slope=slope,
        noise=noise,
        status=jnp.where(sound, status, Status.ILL_CONDITIONED).astype(jnp.int32),
        num_events=after.num_events + 1,
    )
    is_knot = sound & ~(event.joins & after.shut[event.joiner])
    return after, Turn(knot, eta, jnp.where(event.ends, 1, kappa), sign, is_knot)
