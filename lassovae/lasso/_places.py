"""Places on the path: at its start, picked up for a walk, and left again."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from lassovae._status import Status
from lassovae.lasso._state import RUNNING, Place, Problem, Walk, correlate, empty_slot, gather


def start(problem: Problem, target: jax.Array, level_end: jax.Array, num_slots: int, positive: bool) -> Place:
    """Every target at the top of its path, with no active predictor.

    Args:
        problem: the problem.
        target: (designs, targets, rows).
        level_end: (designs, targets).
        num_slots: of the arrays of the active set.
        positive: whether negative correlations count.
    """
    corr = correlate(problem.columns, target)
    shape = target.shape[:2]
    slots, zero, no = (
        jnp.zeros((*shape, num_slots), target.dtype),
        jnp.zeros_like(level_end),
        jnp.zeros(shape, bool),
    )
    place = Place(
        target=target,
        predictor=jnp.full((*shape, num_slots), empty_slot(problem), jnp.int32),
        pull=slots,
        joined_at=slots,
        coef=slots,
        direction=slots,
        inverse=jnp.zeros((*shape, num_slots, num_slots), target.dtype),
        residual=target,
        top=zero,
        level=zero,
        level_end=level_end,
        noise=_rounding(jnp.abs(corr).max(axis=-1), level_end),
        status=jnp.full(shape, RUNNING, jnp.int32),
        num_events=jnp.zeros(shape, jnp.int32),
        finished=no,
        suspect=no,
        gap=zero,
        kink_margin=zero,
    )
    return at_top(problem, place, corr, positive)


def _rounding(start: jax.Array, level_end: jax.Array) -> jax.Array:
    """What a correlation may be off by; correlations are differences of products as large as those at the start.

    A path that ends at the rounding itself is given more room: there every correlation meets the level.
    """
    eps = jnp.finfo(start.dtype).eps
    return jnp.where(level_end > 256 * eps * start, 1, 32) * eps * start


def at_top(problem: Problem, place: Place, corr: jax.Array, positive: bool) -> Place:
    """Set the level to that of the first join; targets that end above it have nothing to walk."""
    size = corr if positive else jnp.abs(corr)
    top = jnp.maximum((size / problem.bar).max(axis=-1), 0)
    # lam_max, given as lam, must be no less than itself: rows * (C / rows) is C but for its last bits
    done = top * (1 - 8 * jnp.finfo(top.dtype).eps) <= place.level_end
    return place._replace(
        top=top,
        level=jnp.where(done, place.level_end, top),
        status=jnp.where(done, Status.OK, RUNNING).astype(jnp.int32),
    )


def resume(problem: Problem, place: Place) -> Walk:
    """The places with the columns of their active sets; what else an event changes is still to be computed."""
    kept = {name: value for name, value in place._asdict().items() if name in Walk._fields}
    shape, slots = place.target.shape[:2], place.predictor.shape[-1]
    nothing = jnp.zeros((*shape, problem.columns.shape[1]), place.target.dtype)
    if place.inverse is None:
        kept["inverse"] = jnp.zeros((*shape, slots, slots), place.target.dtype)
    return Walk(
        **kept,
        active_rows=gather(problem.columns, place.predictor),
        fit_slope=jnp.zeros_like(place.target),
        corr=nothing,
        slope=nothing,
    )


def leave(place: Place, walk: Walk) -> Place:
    """Undo `resume`: the place that the walk has come to."""
    kept = {name: value for name, value in walk._asdict().items() if name in Place._fields}
    return place._replace(**kept | ({"inverse": None} if place.inverse is None else {}))


def widen(problem: Problem, place: Place, num_slots: int) -> Place:
    """The same places with more empty slots."""
    extra = num_slots - place.pull.shape[-1]

    def pad(x: jax.Array, num_axes: int = 1, value: int = 0) -> jax.Array:
        widths = [(0, 0)] * (x.ndim - num_axes) + [(0, extra)] * num_axes
        return jnp.pad(x, widths, constant_values=value)

    return place._replace(
        predictor=pad(place.predictor, value=empty_slot(problem)),
        pull=pad(place.pull),
        joined_at=pad(place.joined_at),
        coef=pad(place.coef),
        direction=pad(place.direction),
        inverse=None if place.inverse is None else pad(place.inverse, 2),
    )


def narrow(place: Place, num_slots: int) -> Place:
    """The same places with fewer slots, the last of which are empty; without inverses."""
    return place._replace(
        predictor=place.predictor[..., :num_slots],
        pull=place.pull[..., :num_slots],
        joined_at=place.joined_at[..., :num_slots],
        coef=place.coef[..., :num_slots],
        direction=place.direction[..., :num_slots],
        inverse=None,
    )
