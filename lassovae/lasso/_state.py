"""The records of the homotopy: the problem, and where each target stands on its path.

Axes: designs, targets, and slots, predictors or rows. Slots hold the active predictors in no particular order.
An empty slot has the predictor number of a column of zeros, and zeros elsewhere, so that it adds nothing to any
product.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from lassovae._numerics import dot
from lassovae._status import Status

RUNNING = -1  # a target still above its level; never leaves this package
BLOCK = 64  # predictors are padded with columns of zeros to a multiple of this: see `_events.first_join`


class Options(NamedTuple):
    """What is static in a solve."""

    max_active: int
    max_events: int
    rank: int  # active predictors that no path exceeds
    positive: bool = False  # coefficients may not be negative
    weighted: bool = False  # weights were given: some may be zero
    ridged: bool = False  # l2 may be other than zero


class Problem(NamedTuple):
    """What stays the same along the path.

    Attributes:
        columns: (designs, padded, rows), the transposed design, then at least one column of zeros.
        bar: (padded,) correlation a unit of level at which each predictor joins: the weight of its |b_j|; inf
            where it is free (and active from the start), 1 where its column is zero.
        ridge: (designs,), rows * l2.
    """

    columns: jax.Array
    bar: jax.Array
    ridge: jax.Array


class Walk(NamedTuple):
    """Where each target stands: the segment of its path that it has reached, at its level C."""

    target: jax.Array  # (designs, targets, rows), y
    predictor: jax.Array  # (designs, targets, slots) int32
    pull: jax.Array  # (designs, targets, slots), correlation a unit of level: penalty times sign, 0 when free
    joined_at: jax.Array  # (designs, targets, slots), level at which the predictor joined
    coef: jax.Array  # (designs, targets, slots), b on the active set
    direction: jax.Array  # (designs, targets, slots), d, its growth a unit of falling level
    active_rows: jax.Array  # (designs, targets, slots, rows), columns of the design
    inverse: jax.Array  # (designs, targets, slots, slots), an approximation of M^-1
    residual: jax.Array  # (designs, targets, rows), y - X b
    fit_slope: jax.Array  # (designs, targets, rows), X d
    corr: jax.Array  # (designs, targets, padded), X'(y - X b)
    slope: jax.Array  # (designs, targets, padded), X'X d
    level: jax.Array  # (designs, targets), C
    level_end: jax.Array  # (designs, targets), C at which the path is to end
    noise: jax.Array  # (designs, targets), rounding error of a correlation
    status: jax.Array  # (designs, targets) int32
    num_events: jax.Array  # (designs, targets) int32


def combine(active_rows: jax.Array, slot_values: jax.Array) -> jax.Array:
    """X_A v: (designs, targets, slots, rows), (designs, targets, slots) -> (designs, targets, rows)."""
    return dot("dkmn,dkm->dkn", active_rows, slot_values)


def correlate_active(active_rows: jax.Array, row_values: jax.Array) -> jax.Array:
    """X_A'v: (designs, targets, slots, rows), (designs, targets, rows) -> (designs, targets, slots)."""
    return dot("dkmn,dkn->dkm", active_rows, row_values)


def correlate(columns: jax.Array, row_values: jax.Array) -> jax.Array:
    """X'v: (designs, predictors, rows), (designs, targets, rows) -> (designs, targets, predictors).

    In this layout the CPU's product gives a target the same bits whatever other targets are beside it.
    """
    return dot("dkn,dpn->dkp", row_values, columns)


def apply_inverse(inverse: jax.Array, slot_values: jax.Array) -> jax.Array:
    """H v for the symmetric H: as this product, not a masked sum, which XLA's CPU compiler runs 4 times slower."""
    return dot("dkij,dki->dkj", inverse, slot_values)


def at_active(values: jax.Array, predictor: jax.Array) -> jax.Array:
    """Entries of (designs, targets, padded) at the predictors of (designs, targets, slots)."""
    return jnp.take_along_axis(values, predictor, axis=-1)


def is_active(walk: Walk, problem: Problem) -> jax.Array:
    """(designs, targets, slots) bool, slots that hold a predictor."""
    return walk.predictor < problem.columns.shape[1] - 1


def make_problem(X: jax.Array, weights: jax.Array, ridge: jax.Array) -> tuple[Problem, jax.Array]:
    """Columns padded to blocks, excluded ones zeroed; and which predictors are free, (padded,) bool.

    Args:
        X: (designs, rows, predictors).
        weights: (predictors,), at least 0; inf excludes.
        ridge: (designs,).
    """
    num_predictors = X.shape[2]
    extra = BLOCK - num_predictors % BLOCK
    excluded = jnp.isinf(weights)
    columns = jnp.swapaxes(jnp.where(excluded, 0, X), 1, 2)
    columns = jnp.pad(columns, ((0, 0), (0, extra), (0, 0)))
    free = jnp.pad(weights == 0, (0, extra))
    bar = jnp.pad(jnp.where(excluded, 1, weights), (0, extra), constant_values=1)
    return Problem(columns, jnp.where(free, jnp.inf, bar), ridge), free


def empty_slot(problem: Problem) -> int:
    """Predictor number of an empty slot: the last column, of zeros."""
    return problem.columns.shape[1] - 1


def start_walk(
    problem: Problem, target: jax.Array, level_end: jax.Array, num_slots: int, positive: bool
) -> Walk:
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
    slots = jnp.zeros((*shape, num_slots), target.dtype)
    walk = Walk(
        target=target,
        predictor=jnp.full((*shape, num_slots), empty_slot(problem), jnp.int32),
        pull=slots,
        joined_at=slots,
        coef=slots,
        direction=slots,
        active_rows=jnp.zeros((*shape, num_slots, target.shape[-1]), target.dtype),
        inverse=jnp.zeros((*shape, num_slots, num_slots), target.dtype),
        residual=target,
        fit_slope=jnp.zeros_like(target),
        corr=corr,
        slope=jnp.zeros_like(corr),
        level=jnp.zeros(shape, target.dtype),
        level_end=level_end,
        noise=_rounding(jnp.abs(corr).max(axis=-1), level_end),
        status=jnp.full(shape, RUNNING, jnp.int32),
        num_events=jnp.zeros(shape, jnp.int32),
    )
    return at_top(problem, walk, positive)


def _rounding(start: jax.Array, level_end: jax.Array) -> jax.Array:
    """What a correlation may be off by; correlations are differences of products as large as those at the start.

    A path that ends at the rounding itself is given more room: there every correlation meets the level.
    """
    eps = jnp.finfo(start.dtype).eps
    return jnp.where(level_end > 256 * eps * start, 1, 32) * eps * start


def at_top(problem: Problem, walk: Walk, positive: bool) -> Walk:
    """Set the level to that of the first join; targets that end above it have nothing to walk."""
    size = walk.corr if positive else jnp.abs(walk.corr)
    top = jnp.maximum((size / problem.bar).max(axis=-1), 0)
    # lam_max, given as lam, must be no less than itself: rows * (C / rows) is C but for its last bits
    done = top * (1 - 8 * jnp.finfo(top.dtype).eps) <= walk.level_end
    return walk._replace(
        level=jnp.where(done, walk.level_end, top),
        status=jnp.where(done, Status.OK, RUNNING).astype(jnp.int32),
    )


def widen(problem: Problem, walk: Walk, num_slots: int) -> Walk:
    """The same walk with more empty slots."""
    extra = num_slots - walk.pull.shape[-1]

    def pad(x: jax.Array, axes: tuple[int, ...], value: float = 0) -> jax.Array:
        widths = [(0, extra if axis in axes else 0) for axis in range(x.ndim)]
        return jnp.pad(x, widths, constant_values=value)

    return walk._replace(
        predictor=pad(walk.predictor, (2,), empty_slot(problem)),
        pull=pad(walk.pull, (2,)),
        joined_at=pad(walk.joined_at, (2,)),
        coef=pad(walk.coef, (2,)),
        direction=pad(walk.direction, (2,)),
        active_rows=pad(walk.active_rows, (2,)),
        inverse=pad(walk.inverse, (2, 3)),
    )


def pick(walk: Walk, order: jax.Array) -> Walk:
    """The targets of (designs, fewer) numbers."""
    return jax.tree.map(lambda x: jax.vmap(lambda v, i: v[i])(x, order), walk)


def put_back(walk: Walk, order: jax.Array, part: Walk) -> Walk:
    """Undo `pick`."""
    return jax.tree.map(lambda x, y: jax.vmap(lambda v, i, w: v.at[i].set(w))(x, order, y), walk, part)
