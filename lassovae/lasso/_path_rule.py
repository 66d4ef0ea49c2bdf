"""All knots of one path, and their reverse-mode derivative.

At a knot let A be the active set of the segment just walked, p its pulls (p_j = w_j s_j), d = M^-1 p,
r = y - X b, and write u for what moves the optimality conditions at a fixed level C,

    u = dX'r + X'(dy - dX b) - C s dw                   (in Gram terms: dX'y - dG b - C s dw),

so that db_A = M^-1 u_A - d dC. The level of the knot follows from what happens there:

    join of j, x_j'r = C w_j s_j:   eta = e_j - h on A, h = M^-1 X_A'x_j,   kappa = w_j s_j - x_j'X_A d
    drop of i, b_i = 0:             eta = M^-1 e_i on A,                    kappa = d_i

and in both dC = eta'u / kappa. The first knot is a join with A empty (or the free predictors); at the end of the
path C is given. With cotangents g of b and c of C, the knot's share of the derivative is therefore v'u with

    v = M^-1 g_A + ((c - g'd) / kappa) eta,

and the rows of V being the v's of all knots, those of B and R their b's and r's,

    dy = X V'1        dX = R'V - (X V')B        dw = -sum_knots C s v        dX'y = V'1        dG = -V'B:

two matrix products. Where events tie, the first one counts.

The inverses are not kept: the reverse pass walks the path again, event by event from a log, so that the order of
tied events cannot differ. It keeps V, knots x predictors, and takes as long as the walk itself.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax import lax

from lassovae._numerics import dot
from lassovae._status import Status
from lassovae.lasso._events import Event
from lassovae.lasso._path_data import Design, Gram
from lassovae.lasso._path_walk import SAME, Trail, advance, find_event, solve_active, spread, start
from lassovae.lasso._state import RUNNING

Data = TypeVar("Data", Design, Gram)


class PathOptions(NamedTuple):
    """What is static."""

    max_knots: int
    rank: int  # number of active predictors at which no other can join
    positive: bool
    any_free: bool


class Log(NamedTuple):
    """Every event, in order: (events, ...)."""

    event: Event
    level: jax.Array
    knot: jax.Array  # int32, number of the knot that it makes; max_knots if it makes none


class Knots(NamedTuple):
    """The path; rows from `num_knots` on are zero."""

    levels: jax.Array  # (knots,)
    coefs: jax.Array  # (knots, padded)
    status: jax.Array  # () int32
    num_knots: jax.Array  # () int32


def _follow(
    data: Data, bar: jax.Array, level_end: jax.Array, options: PathOptions
) -> tuple[Knots, Log, jax.Array]:
    """Walk down and write the knots and the log; also the number of events in the log."""
    max_knots, rank, positive, any_free = options
    max_events = 4 * max_knots + 8 * rank  # zero-length steps make no knots, and must end nevertheless
    trail = start(data, bar, rank, positive, any_free)
    level_end = jnp.asarray(level_end, trail.level.dtype)
    trail = trail._replace(level=jnp.maximum(trail.level, level_end))

    def one(carry: tuple[Trail, Knots, Log]) -> tuple[Trail, Knots, Log]:
        trail, knots, log = carry
        event = find_event(trail, bar, level_end, rank, positive)
        level = jnp.where(event.ends, level_end, trail.level - event.step)
        last = jnp.where(knots.num_knots > 0, knots.levels[knots.num_knots - 1], jnp.inf)
        fresh = level < last - SAME * trail.noise
        full = (fresh & (knots.num_knots >= max_knots)) | (trail.num_events >= max_events)
        place_of_event = trail.num_events
        trail, turn = advance(data, bar, trail, event, level, positive)
        status = jnp.where(full, Status.MAX_EVENTS, trail.status).astype(jnp.int32)
        written = fresh & ~full & turn.is_knot
        place = jnp.where(written, knots.num_knots, max_knots)
        knots = Knots(
            levels=knots.levels.at[place].set(level, mode="drop"),
            coefs=knots.coefs.at[place].set(turn.coef, mode="drop"),
            status=status,
            num_knots=knots.num_knots + written,
        )
        entry = Log(event, level, place)
        log = jax.tree.map(lambda all_, new: all_.at[place_of_event].set(new, mode="drop"), log, entry)
        return trail._replace(status=status), knots, log

    knots = Knots(
        levels=jnp.zeros(max_knots, trail.level.dtype),
        coefs=jnp.zeros((max_knots, bar.shape[0]), trail.level.dtype),
        status=jnp.asarray(RUNNING, jnp.int32),
        num_knots=jnp.zeros((), jnp.int32),
    )
    shapes = jax.eval_shape(lambda: find_event(trail, bar, level_end, rank, positive))
    entry = Log(shapes, trail.level, knots.num_knots)
    log = jax.tree.map(lambda x: jnp.zeros((max_events, *x.shape), x.dtype), entry)
    trail, knots, log = lax.while_loop(lambda carry: carry[0].status == RUNNING, one, (trail, knots, log))
    return knots, log, jnp.minimum(trail.num_events, max_events)


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def follow(data: Data, bar: jax.Array, level_end: jax.Array, options: PathOptions) -> Knots:
    """The path of one target.

    Args:
        data: a design or a Gram matrix, with columns of zeros after the predictors.
        bar: (padded,), weights of the penalty; inf for a predictor without, 1 where the column is zero.
        level_end: (), C = rows * lam at which the path ends.
        options: static.

    Returns:
        Knots; differentiable in data, bar and level_end.
    """
    return _follow(data, bar, level_end, options)[0]


def _forward(data, bar, level_end, options):
    knots, log, num_events = _follow(data, bar, level_end, options)
    return knots, (data, bar, level_end, knots, log, num_events)


def _backward(options, saved, cotangents):
    data, bar, level_end, knots, log, num_events = saved
    by_level, by_coef = cotangents.levels, cotangents.coefs
    trail = start(data, bar, options.rank, options.positive, options.any_free)
    trail = trail._replace(level=jnp.maximum(trail.level, level_end))

    def one(carry):
        trail, V, by_bar, by_end = carry
        event, level, knot = jax.tree.map(lambda x: x[trail.num_events], log)
        after, turn = advance(data, bar, trail, event, level, options.positive)
        g = by_coef.at[knot].get(mode="fill", fill_value=0)[trail.predictor]
        along = by_level.at[knot].get(mode="fill", fill_value=0) - dot("i,i->", g, trail.direction)
        v = spread(trail, solve_active(data, trail, g))
        v += jnp.where(event.ends, 0, along / turn.kappa) * turn.eta
        V = V.at[knot].set(v, mode="drop")
        by_end += jnp.where(event.ends & (knot < options.max_knots), along, 0)
        return after, V, by_bar - level * turn.sign * v, by_end

    zero = (jnp.zeros_like(knots.coefs), jnp.zeros_like(bar), jnp.zeros_like(level_end))
    _, V, by_bar, by_end = lax.while_loop(lambda carry: carry[0].num_events < num_events, one, (trail, *zero))
    return data.pull_back(V, knots.coefs), by_bar, by_end


follow.defvjp(_forward, _backward)
