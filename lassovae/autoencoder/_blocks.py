"""2 x 2 blocks of a frame as matrix products: the 3 x 3 convolutions with one input or one output channel.

A block of four pixels and the ring around it is a patch of 4 x 4. What a convolution makes of a patch at the four
pixels of its block is a product with a matrix of 16 rows, and comes out block by block: as the pooling, or the
unpooling, on the other side of the convolution needs it.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax


def block_matrix(kernel: jax.Array) -> jax.Array:
    """(3, 3, channels) taps to (16, 4 * channels): patch pixel to pixel of the block and channel."""
    zero = jnp.zeros((), kernel.dtype)
    pads = [((r, 1 - r, 0), (s, 1 - s, 0), (0, 0, 0)) for r in (0, 1) for s in (0, 1)]
    return jnp.stack([lax.pad(kernel, zero, p) for p in pads], axis=2).reshape(16, -1)


def block_matrix_transposed(grads: jax.Array) -> jax.Array:
    """Gradient of the kernel from that of its block matrix."""
    corners = grads.reshape(4, 4, 2, 2, -1)
    return sum(corners[r : r + 3, s : s + 3, r, s] for r in (0, 1) for s in (0, 1))  # type: ignore[return-value]  # a sum of arrays


def patches(frames: jax.Array) -> jax.Array:
    """(time, height, width) to (time, height / 2, width / 2, 16): every block with its ring, zeros outside."""
    _, height, width = frames.shape
    padded = jnp.pad(frames, ((0, 0), (1, 1), (1, 1)))
    corners = [padded[:, a : a + height - 1 : 2, b : b + width - 1 : 2] for a in range(4) for b in range(4)]
    return jnp.stack(corners, axis=-1)


def _moved(x: jax.Array, by: int, axis: int) -> jax.Array:
    """x[i - by] at i along an axis, zeros from outside; by is 1 or -1."""
    pads = [(0, 0)] * x.ndim
    pads[axis] = (1, 0) if by > 0 else (0, 1)
    start = 0 if by > 0 else 1
    return lax.slice_in_dim(jnp.pad(x, pads), start, start + x.shape[axis], axis=axis)


def add_patches(parts: jax.Array) -> jax.Array:
    """The transpose of `patches`: every pixel is the sum of its places in the four patches that hold it."""
    time, height, width, _ = parts.shape
    p = parts.reshape(time, height, width, 4, 4)
    upper = p[:, :, :, 1] + _moved(p[:, :, :, 3], 1, 1)
    lower = p[:, :, :, 2] + _moved(p[:, :, :, 0], -1, 1)

    def columns(row: jax.Array) -> jax.Array:
        left, right = row[..., 1] + _moved(row[..., 3], 1, 2), row[..., 2] + _moved(row[..., 0], -1, 2)
        return jnp.stack([left, right], axis=-1).reshape(time, height, 2 * width)

    return jnp.stack([columns(upper), columns(lower)], axis=2).reshape(time, 2 * height, 2 * width)
