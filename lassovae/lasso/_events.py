"""Which event ends the segment that a target walks: a join, a drop, or the end of the path.

With c and a the correlations and their slopes, predictor j may join with sign g at the step t where
g (c_j - t a_j) meets (C - t) w_j. Steps of length zero are allowed; that is what makes ties safe:

* j may join with sign g only if w_j - g a_j > tol w_j. In exact arithmetic this excludes the columns that depend
  on the active ones, their duplicates, and the predictor that has just been dropped.
* an active b_i = 0 whose direction points against its sign is dropped at once, the most negative one first.
* among equal join steps the largest rate w_j - g a_j wins; on ties the end comes before a drop, a drop before a
  join.

References: Osborne, Presnell and Turlach (2000); Efron, Hastie, Johnstone and Tibshirani (2004).
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from lassovae.lasso._state import BLOCK, Problem, Walk, at_active, is_active


class Event(NamedTuple):
    """What each target does next; all (designs, targets)."""

    step: jax.Array  # by how much the level falls
    ends: jax.Array  # bool
    joins: jax.Array  # bool
    joiner: jax.Array  # int32 predictor
    join_pull: jax.Array  # penalty times sign of the joiner
    drops: jax.Array  # bool
    dropped: jax.Array  # int32 slot


def join_tolerance(dtype: jnp.dtype) -> float:
    """Smallest rate, relative to the penalty, at which a predictor may join: a multiple of its rounding."""
    return 1e-9 if dtype == jnp.float64 else 1e-5


def first_place(mask: jax.Array) -> jax.Array:
    """Position of the first true entry on the last axis, the last position if there is none.

    By a minimum of floats: XLA's CPU compiler runs argmax and argmin one element at a time.
    """
    size = mask.shape[-1]
    place = jnp.where(mask, jnp.arange(size, dtype=jnp.float32), size - 1.0)
    return place.min(axis=-1).astype(jnp.int32)


def _place_of_min(values: jax.Array) -> jax.Array:
    """argmin over the last axis."""
    return first_place(values <= values.min(axis=-1, keepdims=True))


def _candidates(
    corr: jax.Array,
    slope: jax.Array,
    bar: jax.Array,
    level: jax.Array,
    end: jax.Array,
    tol: jax.Array,
    noise: jax.Array,
    positive: bool,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Step (inf where none before the end), rate and sign of each predictor; all broadcast to (..., predictors).

    Of the two signs the one that may meet first is that of c - C a: cross-multiplied, (C w - c)/(w - a) is the
    smaller of the two quotients iff c > C a.
    """
    up = jnp.full(corr.shape, True) if positive else corr >= level * slope
    rate = bar - jnp.where(up, slope, -slope)
    gap = jnp.maximum(level * bar - jnp.where(up, corr, -corr), 0)
    # multiplied out: near-dependent columns have a tiny rate, and their step is all rounding error
    allowed = (rate > tol * bar) & (gap + noise < end * rate)
    return jnp.where(allowed, gap / rate, jnp.inf), rate, jnp.where(up, 1.0, -1.0)


def _place_of_largest_rate(step: jax.Array, rate: jax.Array, latest: jax.Array) -> jax.Array:
    """Position on the last axis of the largest rate among the steps up to `latest`, the first of equal ones."""
    key = jnp.where(step <= latest[..., None], rate, -jnp.inf)
    return first_place(key >= key.max(axis=-1, keepdims=True))


def first_join(
    problem: Problem,
    walk: Walk,
    end: jax.Array,
    tol: jax.Array,
    positive: bool,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Step, predictor and pull of the next join; the step is inf where no join comes before the end.

    One pass over all predictors finds the smallest step of each block of them; which predictor it was is then
    looked up in that block alone, or, where blocks tie, in a second pass over all.
    """
    level, until, lowest, noise = (x[..., None] for x in (walk.level, end, tol, walk.noise))

    def candidates(
        corr: jax.Array, slope: jax.Array, bar: jax.Array
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        return _candidates(corr, slope, bar, level, until, lowest, noise, positive)

    def at(where: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        return candidates(at_active(walk.corr, where), at_active(walk.slope, where), problem.bar[where])

    step, _, _ = candidates(walk.corr, walk.slope, problem.bar)
    blocks = step.reshape(*step.shape[:-1], -1, BLOCK).min(axis=-1)
    latest = blocks.min(axis=-1) + 8 * walk.noise
    tied = (blocks <= latest[..., None]) & jnp.isfinite(blocks)

    def in_block() -> jax.Array:
        start = BLOCK * first_place(tied)
        step, rate, _ = at(start[..., None] + jnp.arange(BLOCK, dtype=jnp.int32))
        return start + _place_of_largest_rate(step, rate, latest)

    def in_all() -> jax.Array:
        step, rate, _ = candidates(walk.corr, walk.slope, problem.bar)
        return _place_of_largest_rate(step, rate, latest)

    several = (tied.sum(axis=-1) > 1).any()
    chosen = in_all() if blocks.shape[-1] == 1 else lax.cond(several, in_all, in_block)
    step, _, sign = at(chosen[..., None])
    pull = problem.bar[chosen] * sign[..., 0]
    return step[..., 0], chosen, pull.astype(walk.corr.dtype)


def next_event(problem: Problem, walk: Walk, rank: int, positive: bool, ridged: bool = False) -> Event:
    """What ends the segment of every target, whether or not it is still running.

    Args:
        problem: the problem.
        walk: where the targets stand.
        rank: number of active predictors at which no other can join.
        positive: coefficients may not be negative.
        ridged: whether the ridge may be other than zero.
    """
    active = is_active(walk, problem)
    coef, direction, level = walk.coef, walk.direction, walk.level
    sign = jnp.sign(walk.pull)
    end = level - walk.level_end

    # by how much the active slopes miss p, others may be off as well
    ridge = problem.ridge[:, None, None]
    off_slope = at_active(walk.slope, walk.predictor) - (walk.pull - ridge * direction)
    worst_slope = jnp.where(active, jnp.abs(off_slope), 0).max(axis=-1)
    tol = jnp.maximum(join_tolerance(coef.dtype), 4 * worst_slope)

    if ridged:
        # elsewhere the active ones meet the level at no rate and cannot join again
        clear = jax.vmap(jax.vmap(lambda x, i: x.at[i].set(0)))
        corr, slope = clear(walk.corr, walk.predictor), clear(walk.slope, walk.predictor)
        walk = walk._replace(corr=corr, slope=slope)
    join, joiner, join_pull = first_join(problem, walk, end, tol, positive)
    join = jnp.where(active.sum(axis=-1) < rank, join, jnp.inf)

    # zero is where no step has been made since the predictor joined: its coefficient carries rounding
    at_zero = active & (walk.joined_at == level[..., None])
    inward = active & (sign * direction < 0)
    falls = inward & ~at_zero
    to_zero = jnp.where(falls, jnp.maximum(-coef / jnp.where(falls, direction, 1), 0), jnp.inf)
    stuck = inward & at_zero
    any_stuck = stuck.any(axis=-1)
    most_negative = _place_of_min(jnp.where(stuck, sign * direction, jnp.inf))
    drop = jnp.where(any_stuck, 0, to_zero.min(axis=-1))
    dropped = jnp.where(any_stuck, most_negative, _place_of_min(to_zero))

    ends = ~any_stuck & (end <= drop) & (end <= join)
    drops = ~ends & (drop <= join)
    return Event(
        step=jnp.where(ends, end, jnp.where(drops, drop, join)),
        ends=ends,
        joins=~ends & ~drops,
        joiner=joiner,
        join_pull=join_pull,
        drops=drops,
        dropped=dropped,
    )
