"""Supports that are not quite optimal, brought to the optimum by an active-set method.

Rounding on the way can leave a target with a wrong support, in float32 a seventh of the targets at lam_max/1000.
From there the repair goes on: walk from the coefficients towards the optimum on the support; if one of them meets
zero on the way, drop it there; otherwise let the predictor join that violates |c_j| <= C w_j most, or, where the
active columns all but span it, take the place of one of them. In exact arithmetic the objective falls with every
step; what is kept is the end, if it is better than the beginning.

Reference: the idea is the feature-sign search of Lee, Battle, Raina and Ng (2007).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

from lassovae.lasso._active import invert, solve_active
from lassovae.lasso._check import (
    badness_of,
    certified,
    correlated,
    excess_of,
    has_wrong_sign,
    moved,
    tolerance,
    towards,
    with_slope,
)
from lassovae.lasso._events import first_place
from lassovae.lasso._groups import in_groups, where_chosen
from lassovae.lasso._places import leave, narrow, resume, widen
from lassovae.lasso._state import (
    Options,
    Place,
    Problem,
    Walk,
    combine,
    correlate_active,
    empty_slot,
    gather,
    is_active,
    num_active_slots,
)

TOGETHER = 16  # targets repaired at a time
ROOM = 8  # slots beyond those occupied that a target is given
DEPENDENT = 1e-4  # share of a column's square that the active ones must lack for it to join beside them


def _repair_step(problem: Problem, walk: Walk, todo: jax.Array, options: Options) -> tuple[Walk, jax.Array]:
    """One step of the active-set method for the chosen targets; returns who needs more."""
    # by rank-one terms alone it would not last: in float32 a single exchange among n predictors of n rows spoils it
    walk = invert(problem, walk)
    to = towards(problem, walk, refinements=2)
    flips = has_wrong_sign(walk, to) & todo[..., None]
    way = to - walk.coef
    share = jnp.where(flips, jnp.clip(-walk.coef / jnp.where(flips, way, 1), 0, 1), jnp.inf)
    smallest = share.min(axis=-1)
    drops = todo & jnp.isfinite(smallest)
    walk = moved(walk, walk.coef + jnp.where(drops, smallest, 1)[..., None] * way, todo)
    dropped = first_place(share <= smallest[..., None])

    walk = correlated(problem, walk)
    excess = excess_of(problem, walk, options.positive)
    largest = excess.max(axis=-1)
    worst = first_place(excess >= largest[..., None])
    joins = todo & ~drops & (largest > tolerance(problem, walk))
    sign = jnp.sign(jnp.take_along_axis(walk.corr, worst[..., None], axis=-1)[..., 0])

    # a column that the active ones span takes the place of one of them: the fit stays, the penalty falls
    joining = gather(problem.columns, worst)
    h = solve_active(problem, walk, correlate_active(walk.active_rows, joining))
    apart = jnp.square(joining - combine(walk.active_rows, h)).sum(axis=-1)
    apart += problem.ridge[:, None] * (1 + jnp.square(h).sum(axis=-1))
    swaps = joins & ~(apart > DEPENDENT * jnp.square(joining).sum(axis=-1))
    falls = swaps[..., None] & (walk.pull != 0) & (walk.coef * h * sign[..., None] > 0)
    room = jnp.where(falls, jnp.abs(walk.coef / jnp.where(falls, h, 1)), jnp.inf)
    stride = room.min(axis=-1)
    swaps &= jnp.isfinite(stride)
    joins &= ~swaps
    new_coef = jnp.where(swaps, stride, 0) * sign
    coef = walk.coef - new_coef[..., None] * h

    active = is_active(walk, problem)
    slot = jnp.where(
        drops, dropped, jnp.where(swaps, first_place(room <= stride[..., None]), first_place(~active))
    )
    joins &= active.sum(axis=-1) < min(options.max_active, active.shape[-1])
    here = (drops | joins | swaps)[..., None] & (jnp.arange(active.shape[-1]) == slot[..., None])
    entering = jnp.where(drops, empty_slot(problem), worst)
    pull = jnp.where(drops, 0, problem.bar[worst] * sign)
    walk = walk._replace(
        predictor=jnp.where(here, entering[..., None], walk.predictor).astype(jnp.int32),
        pull=jnp.where(here, pull[..., None], walk.pull),
        coef=jnp.where(here, new_coef[..., None], coef),
        active_rows=jnp.where(
            here[..., None], gather(problem.columns, entering)[..., None, :], walk.active_rows
        ),
    )
    everyone = jnp.ones_like(todo)
    return moved(walk, walk.coef, everyone), drops | joins | swaps


def _repair_some(problem: Problem, place: Place, options: Options) -> Place:
    """Suspect targets after as many steps as it takes, where that brought them closer to the optimum."""
    max_steps = 4 * place.pull.shape[-1]

    def more(carry: tuple[Walk, jax.Array, jax.Array]) -> jax.Array:
        return carry[1].any() & (carry[2] < max_steps)

    def step(carry: tuple[Walk, jax.Array, jax.Array]) -> tuple[Walk, jax.Array, jax.Array]:
        walk, todo = _repair_step(problem, carry[0], carry[1], options)
        return walk, todo, carry[2] + 1

    before = correlated(problem, resume(problem, place))
    walk, _, _ = lax.while_loop(more, step, (before, place.suspect, jnp.asarray(0)))
    walk = with_slope(problem, correlated(problem, invert(problem, walk)))
    was, _ = badness_of(problem, before, options.positive)
    now, _ = badness_of(problem, walk, options.positive)
    better = place.suspect & (now < was)
    place = place._replace(suspect=jnp.zeros_like(place.suspect))
    repaired = certified(problem, leave(place, walk), walk, now, options.positive)
    return where_chosen(better, repaired, place)


def repair(problem: Problem, place: Place, capacities: tuple[int, ...], options: Options) -> Place:
    """Bring the supports that `finish` found wanting to the optimum: seldom many, and so a few at a time.

    Args:
        problem: the problem.
        place: finished places; those repaired are certified anew.
        capacities: slot counts, rising, the last one that of the places: a step costs slots^3, so that targets with
            few active predictors are worked on in few slots.
        options: caps and what the problem may hold.
    """
    todo, fewer = place.suspect, 0
    for num_slots in capacities:
        # with room for some to join
        num_used = num_active_slots(problem, place) + ROOM
        last = num_slots == capacities[-1]
        mine = todo & (num_used > fewer) & (last | (num_used <= num_slots))

        def some(part: Place, num_slots: int = num_slots) -> Place:
            few = _repair_some(problem, narrow(part, num_slots), options)
            # the others of the group may occupy slots that this has cut off
            return where_chosen(part.suspect, widen(problem, few, part.pull.shape[-1]), part)

        place = in_groups(some, place._replace(suspect=mine), chosen=lambda part: part.suspect, size=TOGETHER)
        todo, fewer = todo & ~mine, num_slots
    return place
