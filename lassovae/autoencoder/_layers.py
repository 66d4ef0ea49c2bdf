"""The two layers that both networks are made of, each with its reverse rule, worked in chunks of frames.

    pooled       convolution, leaky ReLU, and of each 2 x 2 block the value that is largest after batch norm
    unpooled     values put back where they came from, and a convolution

Both also give mean and variance of all that the batch norm beside them sees. Batch norm itself is an affine map a
channel, so it can come after the pooling, on a quarter of the pixels: it keeps the order within a block where its
scale is positive and turns it round where it is negative. Full-resolution maps with many channels therefore
exist a chunk at a time only, forwards and backwards.

Reverse rules: with N values a channel, a pull g_m on the mean and g_v on the variance add to the pull on
a value x the amount g_m / N + 2 g_v (x - mean) / N; pooling hands a pull to the place it came from.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from lassovae.autoencoder._chunks import chunk_size, in_chunks
from lassovae.autoencoder._convolutions import (
    axes_to_blocks,
    from_pooled,
    from_pooled_transposed,
    to_blocks,
    to_blocks_transposed,
)
from lassovae.autoencoder._pooling import IN_MAP, pool_blocks, unpool_blocks

SLOPE = 0.01  # of the leaky ReLU below zero


class Moments(NamedTuple):
    """Mean and variance (channels,) over the frames of a window and their pixels."""

    mean: jax.Array
    variance: jax.Array


def leaky_relu(x: jax.Array) -> jax.Array:
    """x above zero, a hundredth of it below."""
    return jnp.where(x >= 0, x, SLOPE * x)


class _Part(NamedTuple):
    """Mean of a chunk and the sum of squares about it, (channels,) each."""

    mean: jax.Array
    squares: jax.Array


def _chunk_moments(x: jax.Array, exists: jax.Array) -> _Part:
    """Of one chunk (frames, ..., channels)."""
    exists = exists.reshape(exists.shape[:1] + (1,) * (x.ndim - 1)) if exists.ndim else exists
    axes = tuple(range(x.ndim - 1))
    count = jnp.broadcast_to(exists, (*x.shape[:-1], 1)).sum()
    mean = (exists * x).sum(axis=axes) / count
    return _Part(mean, (exists * jnp.square(x - mean)).sum(axis=axes))


def _all_moments(chunks: _Part, frames: jax.Array, pixels: int) -> Moments:
    """Put the moments of chunks together; `frames` of each, of so many pixels."""
    counts = (frames * pixels)[:, None].astype(chunks.mean.dtype)
    total = counts.sum()
    mean = (counts * chunks.mean).sum(axis=0) / total
    spread = chunks.squares.sum(axis=0) + (counts * jnp.square(chunks.mean - mean)).sum(axis=0)
    return Moments(mean, spread / total)


def _pull_of_moments(moments: Moments, pulls: Moments, count: int) -> tuple[jax.Array, jax.Array]:
    """(constant, slope) of the pull on a value that its part in the moments gives it."""
    slope = 2 * pulls.variance / count
    return pulls.mean / count - slope * moments.mean, slope


def _values_a_frame(x: jax.Array, kernel: jax.Array, larger: int) -> int:
    return x.shape[1] * x.shape[2] * larger * max(kernel.shape[2:])


@partial(jax.custom_vjp, nondiff_argnums=(4,))
def pooled(
    x: jax.Array, kernel: jax.Array, bias: jax.Array, sign: jax.Array, precision: str
) -> tuple[jax.Array, jax.Array, Moments]:
    """Pool leaky_relu(convolution of x + bias) by what a batch norm with scales of this sign makes largest.

    Args:
        x: (time, height, width, channels).
        kernel: (3, 3, channels, features).
        bias: (features,).
        sign: (features,), 1 or -1, of the scale of the batch norm that follows.
        precision: of products, see `_convolutions`; static.

    Returns:
        Values and int8 positions (time, height / 2, width / 2, features); moments before the pooling.

    Differentiation:
        Reverse mode in x, kernel and bias, through the values and the moments.
    """
    return _pooled_forward(x, kernel, bias, sign, precision)[0]


def _rectified(x: jax.Array, kernel: jax.Array, bias: jax.Array, precision: str) -> jax.Array:
    return leaky_relu(to_blocks(x, kernel, precision) + bias)


def _is_kept(kernel: jax.Array) -> bool:
    """Is the rectified map kept for the reverse pass? From one channel it is cheaper to make again."""
    return axes_to_blocks(kernel) == IN_MAP


def _pooled_forward(
    x: jax.Array, kernel: jax.Array, bias: jax.Array, sign: jax.Array, precision: str
) -> tuple[Any, Any]:
    def work(exists: jax.Array, part: jax.Array) -> tuple[Any, Any, Any]:
        rectified = _rectified(part, kernel, bias, precision)
        values, positions = pool_blocks(sign * rectified, axes_to_blocks(kernel))
        kept = (rectified,) if _is_kept(kernel) else ()
        return (), (sign * values, positions, kept), _chunk_moments(rectified, exists)

    size = chunk_size(len(x), _values_a_frame(x, kernel, 1))
    _, (values, positions, kept), notes, frames = in_chunks(work, size, x)
    moments = _all_moments(notes, frames, x.shape[1] * x.shape[2])
    return (values, positions, moments), (x, kernel, bias, positions, moments, kept)


def _pooled_reverse(precision: str, residuals: Any, pulls: Any) -> tuple[Any, ...]:
    x, kernel, bias, positions, moments, kept = residuals
    constant, slope = _pull_of_moments(moments, pulls[2], x[..., 0].size)

    def work(exists: jax.Array, part: jax.Array, where: jax.Array, pull: jax.Array, *kept: jax.Array) -> Any:
        rectified = kept[0] if kept else _rectified(part, kernel, bias, precision)
        exists = exists[..., None, None] if exists.ndim else exists
        grads = constant + slope * rectified + unpool_blocks(pull, where, axes_to_blocks(kernel))
        grads = exists * jnp.where(rectified >= 0, grads, SLOPE * grads)
        of_x, of_kernel = to_blocks_transposed(part, kernel, grads, precision)
        return (of_kernel, grads.sum(axis=(0, 1, 2, 3, 4))), of_x, ()

    size = chunk_size(len(x), _values_a_frame(x, kernel, 1))
    (of_kernel, of_bias), of_x, _, _ = in_chunks(work, size, x, positions, pulls[0], *kept)
    return of_x, of_kernel, of_bias, None


pooled.defvjp(_pooled_forward, _pooled_reverse)


@partial(jax.custom_vjp, nondiff_argnums=(4,))
def unpooled(
    x: jax.Array, positions: jax.Array, kernel: jax.Array, bias: jax.Array, precision: str
) -> tuple[jax.Array, Moments]:
    """Convolution + bias of the map that holds each value of x at its position and zeros elsewhere.

    Args:
        x: (time, height, width, channels).
        positions: int8, of the shape of x.
        kernel: (3, 3, channels, features).
        bias: (features,).
        precision: as in `pooled`.

    Returns:
        (time, 2 height, 2 width, features) and its moments.

    Differentiation:
        Reverse mode in x, kernel and bias, through both results.
    """
    return _unpooled_forward(x, positions, kernel, bias, precision)[0]


def _unpooled_forward(
    x: jax.Array, positions: jax.Array, kernel: jax.Array, bias: jax.Array, precision: str
) -> tuple[Any, Any]:
    def work(exists: jax.Array, part: jax.Array, where: jax.Array) -> tuple[Any, Any, Any]:
        out = from_pooled(part, where, kernel, precision) + bias
        return (), out, _chunk_moments(out, exists)

    size = chunk_size(len(x), _values_a_frame(x, kernel, 4))
    _, out, notes, frames = in_chunks(work, size, x, positions)
    moments = _all_moments(notes, frames, out.shape[1] * out.shape[2])
    return (out, moments), (x, positions, kernel, out, moments)


def _unpooled_reverse(precision: str, residuals: Any, pulls: Any) -> tuple[Any, ...]:
    x, positions, kernel, out, moments = residuals
    constant, slope = _pull_of_moments(moments, pulls[1], out[..., 0].size)

    def work(exists: jax.Array, part: jax.Array, where: jax.Array, value: jax.Array, pull: jax.Array) -> Any:
        grads = exists * (pull + constant + slope * value)
        of_x, of_kernel = from_pooled_transposed(part, where, kernel, grads, precision)
        return (of_kernel, grads.sum(axis=(0, 1, 2))), of_x, ()

    size = chunk_size(len(x), _values_a_frame(x, kernel, 4))
    (of_kernel, of_bias), of_x, _, _ = in_chunks(work, size, x, positions, out, pulls[0])
    return of_x, None, of_kernel, of_bias


unpooled.defvjp(_unpooled_forward, _unpooled_reverse)
