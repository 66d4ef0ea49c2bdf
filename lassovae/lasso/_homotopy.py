"""The homotopy: follow the lasso's piecewise-linear path down to a given level, many targets at once.

Objective, for one target y and a design X with n rows:

    (1 / (2n)) ||y - X b||^2 + lam sum_j w_j |b_j| + (l2 / 2) ||b||^2

With the *level* C = n lam, b is optimal iff the correlations c = X'(y - X b) satisfy c_j - n l2 b_j = C w_j
sign(b_j) where b_j != 0 and |c_j| <= C w_j elsewhere. Between two events the active set A and its pulls
p_j = w_j sign(b_j) are constant and

    b_A(C) = M^-1 (X_A'y - C p),   M = X_A'X_A + n l2 I,

so lowering C by t moves b_A by t d with d = M^-1 p, and every correlation by -t a with a = X'(X_A d). What ends
a segment is in `_events.py`, how the active set then changes in `_pivot.py`.

All running targets make one event a pass, so that all have made as many. Targets that have finished are left
behind in halves: once half of a batch has arrived, the other half walks on alone. Rounding is taken off every
REFRESH events. None of this depends on the other targets: a target's numbers are the same, bit for bit,
whatever is beside it.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

from lassovae._status import Status
from lassovae.lasso._events import next_event
from lassovae.lasso._pivot import pivot, refresh, solve_active
from lassovae.lasso._state import (
    RUNNING,
    Options,
    Problem,
    Walk,
    at_top,
    combine,
    correlate,
    correlate_active,
    is_active,
    pick,
    put_back,
    start_walk,
    widen,
)

STAGES = (16, 64, 256)  # active-set capacities tried in turn: the cost of a pass grows with the capacity
REFRESH = 16  # events between two refreshes
FEWEST = 32  # a batch as small as this is not halved: a pass then costs its own bookkeeping


def _one_event(problem: Problem, walk: Walk, options: Options) -> Walk:
    """Advance every running target by one event, the others not at all."""
    running = walk.status == RUNNING
    num_active = is_active(walk, problem).sum(axis=-1)
    event = next_event(problem, walk, options.rank, options.positive, options.ridged)
    full = event.joins & (num_active >= options.max_active)
    exhausted = ~event.ends & (walk.num_events >= options.max_events)
    status = jnp.where(event.ends, Status.OK, RUNNING)
    status = jnp.where(full, Status.MAX_ACTIVE, status)
    status = jnp.where(exhausted, Status.MAX_EVENTS, status)
    # a capped target still walks to the knot it cannot pass: that is the last feasible point of its path
    step = jnp.where(running, event.step, 0)
    level = jnp.where(event.ends, walk.level_end, walk.level - step)
    walk = walk._replace(
        coef=walk.coef + step[..., None] * walk.direction,
        residual=walk.residual - step[..., None] * walk.fit_slope,
        corr=walk.corr - step[..., None] * walk.slope,
        level=jnp.where(running, level, walk.level),
        status=jnp.where(running, status, walk.status).astype(jnp.int32),
    )
    goes_on = running & ~event.ends & ~full & ~exhausted
    joins, drops = event.joins & goes_on, event.drops & goes_on
    walk = pivot(problem, walk, joins, event.joiner, event.join_pull, drops, event.dropped)
    return walk._replace(num_events=walk.num_events + (goes_on & (walk.status == RUNNING)))


def _walk_on(problem: Problem, walk: Walk, at_least: int, options: Options) -> Walk:
    """Events until fewer than `at_least` targets of every design run, or one needs more slots."""

    def stays(walk: Walk) -> jax.Array:
        running = walk.status == RUNNING
        num_active = is_active(walk, problem).sum(axis=-1)
        room = walk.pull.shape[-1]
        crowded = room < options.max_active and (running & (num_active >= room)).any()
        return (running.sum(axis=-1) >= at_least).any() & ~jnp.asarray(crowded)

    def due(walk: Walk) -> jax.Array:
        events = jnp.where(walk.status == RUNNING, walk.num_events, 0).max()
        return (events > 0) & (events % REFRESH == 0)

    def stretch(walk: Walk) -> Walk:
        walk = lax.cond(due(walk), lambda w: refresh(problem, w), lambda w: w, walk)

        def more(carry: tuple[Walk, jax.Array]) -> jax.Array:
            return carry[1] | (stays(carry[0]) & ~due(carry[0]))

        def one(carry: tuple[Walk, jax.Array]) -> tuple[Walk, jax.Array]:
            return _one_event(problem, carry[0], options), jnp.asarray(False)

        return lax.while_loop(more, one, (walk, jnp.asarray(True)))[0]

    return lax.while_loop(stays, stretch, walk)


def _walk_in_halves(problem: Problem, walk: Walk, options: Options) -> Walk:
    """`_walk_on` until nobody runs, each half of the targets that are left by itself."""
    num_targets = walk.status.shape[1]
    half = -(-num_targets // 2)
    if half < FEWEST:
        return _walk_on(problem, walk, 1, options)
    walk = _walk_on(problem, walk, half + 1, options)

    def others(walk: Walk) -> Walk:
        order = jnp.argsort(walk.status != RUNNING, axis=-1, stable=True)[:, :half]
        part = _walk_in_halves(problem, pick(walk, order), options)
        return put_back(walk, order, part)

    return lax.cond((walk.status == RUNNING).any(), others, lambda w: w, walk)


def stage_capacities(max_active: int) -> tuple[int, ...]:
    """The slot counts walked in turn, the last one enough for max_active.

    All are multiples of the first: the CPU's products then sum in the same order in every stage.
    """
    last = -(-max(max_active, 1) // STAGES[0]) * STAGES[0]
    return (*(stage for stage in STAGES if stage < last), last)


def _admit_free(problem: Problem, walk: Walk, free: jax.Array, rank: int, positive: bool) -> Walk:
    """The predictors without a penalty enter first, and the path starts at their least-squares fit.

    One that depends on those before it stays out; so do all that come when the slots are full, with a status.
    """
    order = jnp.argsort(~free, stable=True)
    everyone, nobody = jnp.ones(walk.status.shape, bool), jnp.zeros(walk.status.shape, bool)

    def admit(i: jax.Array, walk: Walk) -> Walk:
        has_room = everyone & (is_active(walk, problem).sum(axis=-1) < walk.pull.shape[-1])
        joiner = jnp.broadcast_to(order[i], walk.status.shape).astype(jnp.int32)
        no_pull, no_slot = jnp.zeros_like(walk.level), jnp.zeros_like(joiner)
        after = pivot(problem, walk, has_room, joiner, no_pull, nobody, no_slot, move_slopes=False)
        return after._replace(status=walk.status, level=walk.level)

    walk = lax.fori_loop(0, free.sum(), admit, walk)
    coef = solve_active(problem, walk, correlate_active(walk.active_rows, walk.target))
    residual = walk.target - combine(walk.active_rows, coef)
    corr = correlate(problem.columns, residual)
    walk = at_top(problem, walk._replace(coef=coef, residual=residual, corr=corr), positive)
    num_slots = walk.pull.shape[-1]
    shut_out = (num_slots < rank) & (free.sum() > num_slots)
    status = jnp.where(shut_out, Status.MAX_ACTIVE, walk.status)
    return walk._replace(status=status.astype(jnp.int32))


def follow_path(
    problem: Problem,
    targets: jax.Array,
    level_end: jax.Array,
    options: Options,
    free: jax.Array | None = None,
) -> Walk:
    """Walk every target from its largest level down to `level_end`.

    Args:
        problem: the problem.
        targets: (designs, targets, rows).
        level_end: C = rows * lam, (designs, targets), at least 0.
        options: caps and what the problem may hold.
        free: (padded,) bool, predictors without a penalty; None where there are none for certain.

    Returns:
        The last segment of every path with a status of `lassovae.Status`; coefficients are not yet refined.

    Complexity:
        A pass costs a product of targets x rows x predictors and some of targets x slots x (rows + slots); there
        are as many passes as the longest path has events, most of them over a part of the targets.
    """
    capacities = stage_capacities(options.max_active)
    first, *others = capacities if free is None else capacities[-1:]
    walk = start_walk(problem, targets, level_end, first, options.positive)
    if free is not None:
        walk = _admit_free(problem, walk, free, options.rank, options.positive)
    if others:
        # targets that need more room soon end the first stage for all: halving is left to the next
        walk = _walk_on(problem, walk, -(-targets.shape[1] // 2) + 1, options)
    else:
        walk = _walk_in_halves(problem, walk, options)
    for capacity in others:
        walk = widen(problem, walk, capacity)
        walk = lax.cond(
            (walk.status == RUNNING).any(),
            lambda w: _walk_in_halves(problem, w, options),
            lambda w: w,
            walk,
        )
    return walk
