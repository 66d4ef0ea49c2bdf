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

# statuses that never leave this package: a target still above its level, and one that waits there for more slots
RUNNING, CROWDED = -1, -2
BLOCK = 64  # predictors are padded with columns of zeros to a multiple of this: see `_events.first_join`


class Options(NamedTuple):
    """What is static in a solve."""

    max_active: int
    max_events: int
    rank: int  # active predictors that no path exceeds
    positive: bool = False  # coefficients may not be negative
    free: bool = False  # some weights may be zero
    ridged: bool = False  # l2 may be other than zero
    staged: bool = True  # few slots first, where that is faster


class Problem(NamedTuple):
    """What stays the same along the path.

    Attributes:
        columns: (designs, padded, rows), the transposed design, then at least one column of zeros.
        own_unit: (designs, padded), the norm of the largest column over that of each; 1 for columns of zeros. So
            much smaller is the rounding of a correlation.
        bar: (padded,) correlation a unit of level at which each predictor joins: the weight of its |b_j|; inf
            where it is free (and active from the start), 1 where it is excluded or padding.
        ridge: (designs,), rows * l2.
    """

    columns: jax.Array
    own_unit: jax.Array
    bar: jax.Array
    ridge: jax.Array


class Place(NamedTuple):
    """Where each target stands, as it is kept while others walk: the segment of its path at its level C."""

    target: jax.Array  # (designs, targets, rows), y
    predictor: jax.Array  # (designs, targets, slots) int32
    pull: jax.Array  # (designs, targets, slots), correlation a unit of level: penalty times sign, 0 when free
    joined_at: jax.Array  # (designs, targets, slots), level at which the predictor joined
    coef: jax.Array  # (designs, targets, slots), b on the active set
    direction: jax.Array  # (designs, targets, slots), d, its growth a unit of falling level
    inverse: jax.Array | None  # (designs, targets, slots, slots), near M^-1; None after the walk
    residual: jax.Array  # (designs, targets, rows), y - X b
    top: jax.Array  # (designs, targets), C of the first join
    level: jax.Array  # (designs, targets), C
    level_end: jax.Array  # (designs, targets), C at which the path is to end
    noise: jax.Array  # (designs, targets), rounding error of a correlation
    status: jax.Array  # (designs, targets) int32
    num_events: jax.Array  # (designs, targets) int32
    finished: jax.Array  # (designs, targets) bool, whether the end of the path has been refined and checked
    suspect: jax.Array  # (designs, targets) bool, whether that check asks for a repair
    gap: jax.Array  # (designs, targets), duality gap relative to ||y||^2 / 2
    kink_margin: jax.Array  # (designs, targets), relative change of C that the active set survives


class Support(NamedTuple):
    """The active columns and the inverse of their Gram matrix: what a solve with it needs."""

    predictor: jax.Array
    active_rows: jax.Array
    inverse: jax.Array


class Walk(NamedTuple):
    """A place, and what follows from it and the design: what an event changes."""

    target: jax.Array
    predictor: jax.Array
    pull: jax.Array
    joined_at: jax.Array
    coef: jax.Array
    direction: jax.Array
    inverse: jax.Array
    residual: jax.Array
    top: jax.Array
    level: jax.Array
    level_end: jax.Array
    noise: jax.Array
    status: jax.Array
    num_events: jax.Array
    active_rows: jax.Array  # (designs, targets, slots, rows), columns of the design
    fit_slope: jax.Array  # (designs, targets, rows), X d
    corr: jax.Array  # (designs, targets, padded), X'(y - X b)
    slope: jax.Array  # (designs, targets, padded), X'X d


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


def is_active(walk: Place | Support | Walk, problem: Problem) -> jax.Array:
    """(designs, targets, slots) bool, slots that hold a predictor."""
    return walk.predictor < problem.columns.shape[1] - 1


def num_active_slots(problem: Problem, place: Place) -> jax.Array:
    """How many slots there are up to the last one that is occupied: (designs, targets)."""
    return jnp.where(is_active(place, problem), jnp.arange(1, place.pull.shape[-1] + 1), 0).max(axis=-1)


def num_padding(num_predictors: int) -> int:
    """Columns of zeros to add: at least one, up to a multiple of BLOCK."""
    return BLOCK - num_predictors % BLOCK


def make_problem(X: jax.Array, weights: jax.Array, ridge: jax.Array) -> tuple[Problem, jax.Array]:
    """Columns padded to blocks, excluded ones zeroed; and which predictors are free, (padded,) bool.

    Args:
        X: (designs, rows, predictors).
        weights: (predictors,), at least 0; inf excludes.
        ridge: (designs,).
    """
    num_predictors = X.shape[2]
    extra = num_padding(num_predictors)
    excluded = jnp.isinf(weights)
    columns = jnp.swapaxes(jnp.where(excluded, 0, X), 1, 2)
    columns = jnp.pad(columns, ((0, 0), (0, extra), (0, 0)))
    free = jnp.pad(weights == 0, (0, extra))
    bar = jnp.pad(jnp.where(excluded, 1, weights), (0, extra), constant_values=1)
    norm = jnp.sqrt(jnp.square(columns).sum(axis=-1))
    largest = norm.max(axis=-1, keepdims=True)
    own_unit = jnp.where(norm > 0, largest / jnp.where(norm > 0, norm, 1), 1)
    return Problem(columns, own_unit, jnp.where(free, jnp.inf, bar), ridge), free


def empty_slot(problem: Problem) -> int:
    """Predictor number of an empty slot: the last column, of zeros."""
    return problem.columns.shape[1] - 1


def gather(columns: jax.Array, index: jax.Array) -> jax.Array:
    """Columns of (designs, padded, rows) at (designs, ...) predictors: (designs, ..., rows)."""
    return jax.vmap(lambda c, i: c[i])(columns, index)


def spread(values: jax.Array, index: jax.Array, num_predictors: int) -> jax.Array:
    """Slot values to predictors: (designs, targets, slots) -> (designs, targets, predictors)."""

    def one(v: jax.Array, i: jax.Array) -> jax.Array:
        return jnp.zeros(num_predictors, v.dtype).at[i].add(v, mode="drop")

    return jax.vmap(jax.vmap(one))(values, index)
