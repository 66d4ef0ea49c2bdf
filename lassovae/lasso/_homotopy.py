"""The homotopy: follow the lasso's piecewise-linear path down to a given level, many targets at once.

Objective, for one target y and a design X with n rows:

    (1 / (2n)) ||y - X b||^2 + lam sum_j w_j |b_j| + (l2 / 2) ||b||^2

With the *level* C = n lam, b is optimal iff the correlations c = X'(y - X b) satisfy c_j - n l2 b_j = C w_j
sign(b_j) where b_j != 0 and |c_j| <= C w_j elsewhere. Between two events the active set A and its pulls
p_j = w_j sign(b_j) are constant and

    b_A(C) = M^-1 (X_A'y - C p),   M = X_A'X_A + n l2 I,

so lowering C by t moves b_A by t d with d = M^-1 p, and every correlation by -t a with a = X'(X_A d). What ends
a segment is in `_events.py`, how the active set then changes in `_pivot.py`.

Targets walk in groups, REFRESH events at a time: from a place on its path (the active set, coefficients,
direction and inverse) all else is computed anew, which takes the rounding of past events off; then come the events;
then the next group. So no step is made for targets that have arrived, what is kept of a target that waits is small,
and none of its numbers depends, to the last bit, on the others.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

from lassovae._status import Status
from lassovae.lasso._active import solve_active
from lassovae.lasso._events import next_event
from lassovae.lasso._finish import finish
from lassovae.lasso._groups import group_size, in_groups
from lassovae.lasso._pivot import pivot, refresh
from lassovae.lasso._places import at_top, leave, resume, start, widen
from lassovae.lasso._repair import repair
from lassovae.lasso._state import (
    CROWDED,
    RUNNING,
    Options,
    Place,
    Problem,
    Walk,
    combine,
    correlate,
    correlate_active,
    is_active,
)

STAGES = (16, 64, 256)  # active-set capacities tried in turn: the cost of an event grows with the capacity
FEW_TARGETS = 128  # of all designs together; more of them gain more by a first stage than its program costs
REFRESH = 12  # events that a group makes at a time


def _one_event(problem: Problem, walk: Walk, options: Options) -> Walk:
    """Advance every running target by one event, the others not at all."""
    num_active, room = is_active(walk, problem).sum(axis=-1), walk.pull.shape[-1]
    running = walk.status == RUNNING
    if room < options.max_active:
        crowded = running & (num_active >= room)
        running &= ~crowded
        walk = walk._replace(status=jnp.where(crowded, CROWDED, walk.status).astype(jnp.int32))
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


def _stretch(problem: Problem, place: Place, options: Options) -> Place:
    """Up to REFRESH events of every running target of a group."""

    def more(carry: tuple[Walk, jax.Array]) -> jax.Array:
        return (carry[0].status == RUNNING).any() & (carry[1] < REFRESH)

    def one(carry: tuple[Walk, jax.Array]) -> tuple[Walk, jax.Array]:
        return _one_event(problem, carry[0], options), carry[1] + 1

    walk = refresh(problem, resume(problem, place))
    return leave(place, lax.while_loop(more, one, (walk, jnp.asarray(0)))[0])


def stage_capacities(max_active: int, num_targets: int, staged: bool = True) -> tuple[int, ...]:
    """The slot counts walked in turn, each at least twice the one before, the last one enough for max_active.

    All are multiples of the first: the CPU's products then sum in the same order in every stage. Every stage is a
    program of its own, half of the time to compile; few targets with few slots are not worth it.
    """
    last = -(-max(max_active, 1) // STAGES[0]) * STAGES[0]
    if last <= STAGES[1] and (not staged or num_targets < FEW_TARGETS):
        return (last,)
    return (*(stage for stage in STAGES if 2 * stage <= last), last)


def _admit_free(problem: Problem, place: Place, free: jax.Array, options: Options) -> Place:
    """The predictors without a penalty enter first, and the path starts at their least-squares fit.

    One that depends on those before it stays out; so do all that come when the slots are full, with a status.
    """
    order = jnp.argsort(~free, stable=True)
    walk = resume(problem, place)
    nobody = jnp.zeros(walk.status.shape, bool)

    def admit(i: jax.Array, walk: Walk) -> Walk:
        has_room = is_active(walk, problem).sum(axis=-1) < options.max_active
        joiner = jnp.broadcast_to(order[i], walk.status.shape).astype(jnp.int32)
        no_pull, no_slot = jnp.zeros_like(walk.level), jnp.zeros_like(joiner)
        after = pivot(problem, walk, has_room, joiner, no_pull, nobody, no_slot, move_slopes=False)
        return after._replace(status=walk.status, level=walk.level)

    walk = lax.fori_loop(0, free.sum(), admit, walk)
    coef = solve_active(problem, walk, correlate_active(walk.active_rows, walk.target))
    residual = walk.target - combine(walk.active_rows, coef)
    corr = correlate(problem.columns, residual)
    place = leave(place, walk._replace(coef=coef, residual=residual))
    place = at_top(problem, place, corr, options.positive)
    # those that depend on others are not missed
    num_active = is_active(place, problem).sum(axis=-1)
    shut_out = (
        (num_active >= options.max_active) & (options.max_active < options.rank) & (free.sum() > num_active)
    )
    status = jnp.where(shut_out, Status.MAX_ACTIVE, place.status)
    return place._replace(status=status.astype(jnp.int32))


def _stages(problem: Problem, place: Place, capacities: tuple[int, ...], options: Options) -> Place:
    """Walk and finish all targets, those that need more slots with more of them; the inverses are let go."""
    size = group_size(*place.status.shape)
    place = in_groups(
        lambda part: _stretch(problem, part, options),
        place,
        chosen=lambda part: part.status == RUNNING,
        size=size,
        turn=lambda part: part.level_end / part.level,  # those with the longest way first
    )
    place = in_groups(
        lambda part: finish(problem, part, options.positive),
        place,
        chosen=lambda part: (part.status >= 0) & ~part.finished,
        size=size,
    )
    if len(capacities) == 1:
        return place._replace(inverse=None)

    def go_on(place: Place) -> Place:
        status = jnp.where(place.status == CROWDED, RUNNING, place.status).astype(jnp.int32)
        wide = widen(problem, place._replace(status=status), capacities[1])
        return _stages(problem, wide, capacities[1:], options)

    def end(place: Place) -> Place:
        return widen(problem, place._replace(inverse=None), capacities[-1])

    return lax.cond((place.status == CROWDED).any(), go_on, end, place)


def follow_path(
    problem: Problem,
    targets: jax.Array,
    level_end: jax.Array,
    options: Options,
    free: jax.Array | None = None,
) -> Place:
    """Walk every target from its largest level down to `level_end`.

    Args:
        problem: the problem.
        targets: (designs, targets, rows).
        level_end: C = rows * lam, (designs, targets), at least 0.
        options: caps and what the problem may hold.
        free: (padded,) bool, predictors without a penalty; None where there are none for certain.

    Returns:
        The end of every path, refined, checked and repaired, with a status of `lassovae.Status`.

    Complexity:
        An event costs a target 2 rows x predictors operations and some of slots x (rows + slots).
    """
    capacities = stage_capacities(options.max_active, level_end.size, options.staged)
    if free is not None:
        capacities = capacities[-1:]
    place = start(problem, targets, level_end, capacities[0], options.positive)
    if free is not None:
        place = _admit_free(problem, place, free, options)
    place = _stages(problem, place, capacities, options)
    # few slots are not worth a program of their own here
    return repair(problem, place, capacities[1:] or capacities, options)
