"""Solves with M = X_A'X_A + ridge, the Gram matrix of the active columns, and its inverse."""

from __future__ import annotations

from typing import TypeVar

import jax
import jax.numpy as jnp
from jax import lax

from lassovae._numerics import dot
from lassovae.lasso._state import (
    Problem,
    Support,
    Walk,
    apply_inverse,
    combine,
    correlate_active,
    is_active,
)

Supported = TypeVar("Supported", Support, Walk)


def _gram(problem: Problem, walk: Support | Walk) -> jax.Array:
    """M on the active slots, zero elsewhere: (designs, targets, slots, slots)."""
    gram = dot("dkin,dkjn->dkij", walk.active_rows, walk.active_rows)
    return gram + problem.ridge[:, None, None, None] * _identity(problem, walk)


def _identity(problem: Problem, walk: Support | Walk) -> jax.Array:
    """1 on the diagonal of the active slots: (designs, targets, slots, slots)."""
    active = is_active(walk, problem)
    return active[..., None] * jnp.eye(active.shape[-1], dtype=walk.inverse.dtype)


def invert(problem: Problem, walk: Supported) -> Supported:
    """The inverse of M computed anew, by sweeping one slot after the other.

    Sweeping slot k of a, with r its row, p = r_k and u = r - e_k, is a <- a - u u' / p, but for a 2 that it leaves on
    the diagonal, where nothing reads it. Columns are scaled to unit length: then p <= 1, and no digits cancel in u.

    Reference: Goodnight (1979), The American Statistician 33.
    """
    gram = _gram(problem, walk)
    size = gram.shape[-1]
    square = jnp.diagonal(gram, axis1=-2, axis2=-1)
    scale = jnp.where(square > 0, lax.rsqrt(jnp.where(square > 0, square, 1)), 0)
    scales = scale[..., :, None] * scale[..., None, :]
    eye = jnp.eye(size, dtype=gram.dtype)

    def turn(row: jax.Array, k: jax.Array | int) -> tuple[jax.Array, jax.Array]:
        p = lax.dynamic_index_in_dim(row, k, axis=2)
        u = row - (jnp.arange(size) == k)
        return u, u / jnp.where(p == 0, 1, p)

    def sweep(
        k: jax.Array, carry: tuple[jax.Array, jax.Array, jax.Array]
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        # u and u / p of the next slot are made beside the pass over a, which otherwise makes them anew for each entry
        a, u, v = carry
        after = jnp.minimum(k + 1, size - 1)
        row = lax.dynamic_index_in_dim(a, after, axis=2, keepdims=False)
        row -= lax.dynamic_index_in_dim(v, after, axis=2) * u
        next_u, next_v = turn(row, after)
        return a - v[..., :, None] * u[..., None, :], next_u, next_v

    # 1 where there is no column: it stays by itself
    a = jnp.where(eye == 1, 1, gram * scales)
    first_u, first_v = turn(a[..., 0, :], 0)
    # sweeping an empty slot changes nothing, and most are empty where paths are short
    used = jnp.where(square > 0, jnp.arange(1, size + 1), 0).max()
    swept, _, _ = lax.fori_loop(0, used, sweep, (a, first_u, first_v))
    return walk._replace(inverse=(2 * eye - swept) * scales)


def gram_product(problem: Problem, walk: Support | Walk, slot_values: jax.Array) -> jax.Array:
    """M v: (designs, targets, slots)."""
    product = correlate_active(walk.active_rows, combine(walk.active_rows, slot_values))
    return product + problem.ridge[:, None, None] * slot_values


def solve_active(problem: Problem, walk: Support | Walk, rhs: jax.Array, refinements: int = 2) -> jax.Array:
    """M^-1 rhs on the active slots, zero elsewhere: (designs, targets, slots).

    `inverse` carries the rounding of all its rank-one terms; each refinement multiplies the error by
    ||I - H M||. No LAPACK: the batched kernels of JAX's CPU runtime (seen with jaxlib 0.10.2) deadlock when two
    of them run at once on a two-thread pool, and a library cannot know what else its caller's program runs.
    """
    rhs = jnp.where(is_active(walk, problem), rhs, 0)
    x = apply_inverse(walk.inverse, rhs)
    if not refinements:
        return x

    def refine(_: int, x: jax.Array) -> jax.Array:
        return x + apply_inverse(walk.inverse, rhs - gram_product(problem, walk, x))

    return lax.fori_loop(0, refinements, refine, x)
