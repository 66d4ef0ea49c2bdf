"""Max-pooling that remembers positions, and the unpooling that uses them.

A 2 x 2 block has positions 0..3 in reading order. Positions are either one integer a block (where the largest
value was: one frame) or four weights a block (how often it was there: an average over frames).

Maps are worked on as *blocks*: six axes, two of which tell row and column within a block. In a whole map seen so, with
no number moved, they are the axes `IN_MAP`; a product with a block matrix leaves them at `IN_BLOCKS`.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

IN_MAP = (2, 4)  # (time, height / 2, 2, width / 2, 2, channels)
IN_BLOCKS = (3, 4)  # (time, height / 2, width / 2, 2, 2, channels)


def as_blocks(x: jax.Array) -> jax.Array:
    """A map (time, height, width, channels) as blocks with the axes `IN_MAP`."""
    time, height, width, channels = x.shape
    return x.reshape(time, height // 2, 2, width // 2, 2, channels)


def as_map(blocks: jax.Array) -> jax.Array:
    """The inverse of `as_blocks`."""
    time, height, _, width, _, channels = blocks.shape
    return blocks.reshape(time, 2 * height, 2 * width, channels)


def _corners(blocks: jax.Array, axes: tuple[int, int]) -> list[jax.Array]:
    """The four pixels of all blocks, in reading order."""
    rows = [lax.index_in_dim(blocks, r, axes[0], keepdims=False) for r in (0, 1)]
    return [lax.index_in_dim(row, s, axes[1] - 1, keepdims=False) for row in rows for s in (0, 1)]


def pool_blocks(blocks: jax.Array, axes: tuple[int, int]) -> tuple[jax.Array, jax.Array]:
    """`max_pool` of blocks: three comparisons (an argmax is several times slower on CPU)."""
    a, b, c, d = _corners(blocks, axes)
    top, bottom = b > a, d > c
    upper, lower = jnp.where(top, b, a), jnp.where(bottom, d, c)
    below = lower > upper
    position = jnp.where(below, 2 + bottom.astype(jnp.int8), top.astype(jnp.int8))
    return jnp.where(below, lower, upper), position.astype(jnp.int8)


def pick_from_blocks(blocks: jax.Array, positions: jax.Array, axes: tuple[int, int]) -> jax.Array:
    """The pixel of each block that the integer positions name: the transpose of `unpool_blocks`."""
    a, b, c, d = _corners(blocks, axes)
    upper, lower = jnp.where(positions == 1, b, a), jnp.where(positions == 3, d, c)
    return jnp.where(positions >= 2, lower, upper)


def unpool_blocks(x: jax.Array, positions: jax.Array, axes: tuple[int, int]) -> jax.Array:
    """`max_unpool` to blocks: every pixel asks whether it is the one (putting corners together took half more)."""
    if jnp.issubdtype(positions.dtype, jnp.integer):
        numbers = jnp.arange(2, dtype=positions.dtype)
        rows, columns = (numbers.reshape([2 if n == axis else 1 for n in range(6)]) for axis in axes)
        chosen = jnp.expand_dims(positions, axes) == 2 * rows + columns
        return jnp.where(chosen, jnp.expand_dims(x, axes), 0)
    shares = positions.reshape(*positions.shape[:-1], 2, 2)  # (height, width, channels, 2, 2)
    return jnp.expand_dims(x, axes) * jnp.moveaxis(shares, (-2, -1), tuple(axis - 1 for axis in axes))


def max_pool(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """2 x 2 max-pooling with positions; the first of equal values wins.

    Args:
        x: (time, height, width, channels), height and width even.

    Returns:
        Pooled values and int8 positions, both (time, height / 2, width / 2, channels).

    Differentiation:
        The gradient goes to the position that won.
    """
    return pool_blocks(as_blocks(x), IN_MAP)


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
    return as_map(unpool_blocks(x, positions, IN_MAP))


def position_weights(position: jax.Array) -> jax.Array:
    """One-hot weights of integer positions: a last axis of four."""
    return (position[..., None] == jnp.arange(4, dtype=position.dtype)).astype(jnp.float32)
