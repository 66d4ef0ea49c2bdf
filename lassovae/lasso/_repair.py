"""Supports that are not quite optimal, brought to the optimum by an active-set method.

Rounding on the way can leave a target with a wrong support, in float32 a few per cent of the targets at small lam.
From there the repair goes on, which lowers the objective in every step and ends at the optimum: walk from the
coefficients towards the optimum on the support; if one of them meets zero on the way, drop it there; otherwise let
the predictor join that violates |c_j| <= C w_j most.

Reference: the idea is the feature-sign search of Lee, Battle, Raina and Ng (2007).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

from lassovae._status import Status
from lassovae.lasso._active import invert, solve_active
from lassovae.lasso._check import (
    SOUND,
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
from lassovae.lasso._places import leave, resume
from lassovae.lasso._state import (
    Place,
    Problem,
    Walk,
    combine,
    correlate_active,
    empty_slot,
    gather,
    is_active,
)

TOGETHER = 16  # targets repaired at a time
DEPENDENT = 1e-4  # share of a column's square that the active ones must lack for it to join beside them


def _repair_step(problem: Problem, walk: Walk, todo: jax.Array, positive: bool) -> tuple[Walk, jax.Array]:
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
    excess = excess_of(problem, walk, positive)
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
    falls = swaps[..., None] & (walk.coef * h * sign[..., None] > 0)
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
    joins &= ~active.all(axis=-1)
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


def _repair_some(problem: Problem, place: Place, max_steps: int, positive: bool) -> Place:
    """Suspect targets after as many steps as it takes, where that brought them closer to the optimum."""

    def more(carry: tuple[Walk, jax.Array, jax.Array]) -> jax.Array:
        return carry[1].any() & (carry[2] < max_steps)

    def step(carry: tuple[Walk, jax.Array, jax.Array]) -> tuple[Walk, jax.Array, jax.Array]:
        walk, todo = _repair_step(problem, carry[0], carry[1], positive)
        return walk, todo, carry[2] + 1

    before = correlated(problem, resume(problem, place))
    walk, _, _ = lax.while_loop(more, step, (before, place.suspect, jnp.asarray(0)))
    walk = with_slope(problem, correlated(problem, invert(problem, walk)))
    was, _ = badness_of(problem, before, positive)
    now, _ = badness_of(problem, walk, positive)
    status = jnp.where(jnp.minimum(was, now) < SOUND, Status.OK, Status.ILL_CONDITIONED)
    repaired = certified(problem, leave(place, walk), walk, positive)
    place = where_chosen(place.suspect & (now < was), repaired, place)
    status = jnp.where(place.suspect, status, place.status).astype(jnp.int32)
    return place._replace(status=status, suspect=jnp.zeros_like(place.suspect))


def repair(problem: Problem, place: Place, max_steps: int, positive: bool) -> Place:
    """Bring the supports that `finish` found wanting to the optimum: seldom many, and so a few at a time.

    Args:
        problem: the problem.
        place: finished places; those repaired are certified anew.
        max_steps: cap on the steps of a repair.
        positive: coefficients may not be negative.
    """
    return in_groups(
        lambda part: _repair_some(problem, part, max_steps, positive),
        place,
        chosen=lambda part: part.suspect,
        sizes=(TOGETHER,),
    )
