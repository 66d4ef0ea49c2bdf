"""Max-pooling that remembers positions, and the unpooling that uses them.

A 2 x 2 block has positions 0..3 in reading order. Positions are either one integer a block (where the largest
value was: one frame) or four weights a block (how often it was there: an average over frames).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax


def max_pool(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """2 x 2 max-pooling with positions; the first of equal values wins.

    Four strided slices compared: an argmax over a gathered axis is several times slower on CPU.

    Args:
        x: (time, height, width, channels), height and width even.

    Returns:
        Pooled values and int8 positions, both (time, height / 2, width / 2, channels).

    Differentiation:
        The gradient goes to the position that won.
    """
    a, b = x[:, 0::2, 0::2], x[:, 0::2, 1::2]
    c, d = x[:, 1::2, 0::2], x[:, 1::2, 1::2]
    top, bottom = b > a, d > c
    upper, lower = jnp.where(top, b, a), jnp.where(bottom, d, c)
    below = lower > upper
    position = jnp.where(below, 2 + bottom.astype(jnp.int8), top.astype(jnp.int8))
    return jnp.where(below, lower, upper), position.astype(jnp.int8)


def position_weights(position: jax.Array) -> jax.Array:
    """One-hot weights of integer positions: a last axis of four."""
    return (position[..., None] == jnp.arange(4, dtype=position.dtype)).astype(jnp.float32)


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
    if jnp.issubdtype(positions.dtype, jnp.integer):
        corners = [jnp.where(positions == k, x, 0) for k in range(4)]
    else:
        corners = [x * positions[..., k] for k in range(4)]
    time, height, width, channels = x.shape
    rows = [lax.concatenate([corners[k][:, :, :, None], corners[k + 1][:, :, :, None]], 3) for k in (0, 2)]
    rows = [row.reshape(time, height, 1, 2 * width, channels) for row in rows]
    return lax.concatenate(rows, 2).reshape(time, 2 * height, 2 * width, channels)
