"""Max-pooling that remembers positions, and the unpooling that uses them.

A 2 x 2 block has positions 0..3 in reading order. Positions are either one integer a block (where the largest
value was: one frame) or four weights a block (how often it was there: an average over frames).

A map taken *apart* is four corners, arrays (time, height / 2, width / 2, channels) of the pixels at one position of
all blocks: what pools or unpools need not gather, and what computes them need not put them together.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

Corners = Sequence[jax.Array]


def apart(x: jax.Array) -> Corners:
    """A map (time, height, width, channels) as four corners."""
    return [x[:, r::2, s::2] for r in (0, 1) for s in (0, 1)]


def together(corners: Corners) -> jax.Array:
    """The inverse of `apart`."""
    time, height, width, channels = corners[0].shape
    rows = [lax.concatenate([corners[k][:, :, :, None], corners[k + 1][:, :, :, None]], 3) for k in (0, 2)]
    rows = [row.reshape(time, height, 1, 2 * width, channels) for row in rows]
    return lax.concatenate(rows, 2).reshape(time, 2 * height, 2 * width, channels)


def pool_corners(corners: Corners) -> tuple[jax.Array, jax.Array]:
    """`max_pool` of a map taken apart: three comparisons (an argmax is several times slower on CPU)."""
    a, b, c, d = corners
    top, bottom = b > a, d > c
    upper, lower = jnp.where(top, b, a), jnp.where(bottom, d, c)
    below = lower > upper
    position = jnp.where(below, 2 + bottom.astype(jnp.int8), top.astype(jnp.int8))
    return jnp.where(below, lower, upper), position.astype(jnp.int8)


def unpool_corners(x: jax.Array, positions: jax.Array) -> Corners:
    """`max_unpool`, left apart."""
    if jnp.issubdtype(positions.dtype, jnp.integer):
        return [jnp.where(positions == k, x, 0) for k in range(4)]
    return [x * positions[..., k] for k in range(4)]


def max_pool(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """2 x 2 max-pooling with positions; the first of equal values wins.

    Args:
        x: (time, height, width, channels), height and width even.

    Returns:
        Pooled values and int8 positions, both (time, height / 2, width / 2, channels).

    Differentiation:
        The gradient goes to the position that won.
    """
    return pool_corners(apart(x))


def max_unpool(x: jax.Array, positions: jax.Array) -> jax.Array:
    """Put each value back where it came from, zeros elsewhere; with weights, its expectation over frames.

    Args:
        x: (time, height, width, channels).
        positions: int8 (time, height, width, channels), or weights (height, width, channels, 4) that add to 1.

    Returns:
        (time, 2 height, 2 width, channels).

    Differentiation:
        In x and in weights.
    """
    if not jnp.issubdtype(positions.dtype, jnp.integer):
        return together(unpool_corners(x, positions))
    # every pixel asks whether it is the one: a quarter faster on CPU than putting four corners together
    time, height, width, channels = x.shape
    place = jnp.arange(4, dtype=positions.dtype).reshape(2, 1, 2, 1)
    chosen = positions[:, :, None, :, None] == place
    return jnp.where(chosen, x[:, :, None, :, None], 0).reshape(time, 2 * height, 2 * width, channels)


def position_weights(position: jax.Array) -> jax.Array:
    """One-hot weights of integer positions: a last axis of four."""
    return (position[..., None] == jnp.arange(4, dtype=position.dtype)).astype(jnp.float32)
