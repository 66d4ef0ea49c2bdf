"""3 x 3 convolutions between whole maps and their 2 x 2 blocks, and their transposes.

Next to every convolution stands a pooling or an unpooling, which works on blocks (`_pooling`). From or to one
channel the convolution is a product with a block matrix (`_blocks`): XLA's own runs at a tenth of a CPU there.

Precision: "float32" asks for all bits on every device, "tensorfloat32" lets an accelerator round the factors of
products to 10 bits, "bfloat16" rounds them to 8 everywhere; sums are always float32.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

from lassovae.autoencoder._blocks import add_patches, block_matrix, block_matrix_transposed, patches
from lassovae.autoencoder._pooling import (
    IN_BLOCKS,
    IN_MAP,
    as_blocks,
    as_map,
    max_unpool,
    pick_from_blocks,
    unpool_blocks,
)


def _factors(precision: str, *factors: jax.Array) -> tuple[list[jax.Array], lax.Precision]:
    if precision == "bfloat16":
        return [x.astype(jnp.bfloat16) for x in factors], lax.Precision.DEFAULT
    return list(factors), lax.Precision.HIGHEST if precision == "float32" else lax.Precision.DEFAULT


def _dot(a: jax.Array, b: jax.Array, axes: tuple[Sequence[int], Sequence[int]], precision: str) -> jax.Array:
    kind = jnp.result_type(a, b)
    (a, b), rounding = _factors(precision, a, b)
    return lax.dot_general(a, b, (axes, ((), ())), precision=rounding, preferred_element_type=kind)


def convolve(x: jax.Array, kernel: jax.Array, precision: str) -> jax.Array:
    """(time, height, width, channels) with zeros beyond the border; kernel (3, 3, channels, features)."""
    kind = jnp.result_type(x, kernel)
    (x, kernel), rounding = _factors(precision, x, kernel)
    dims = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(
        x, kernel, (1, 1), "SAME", dimension_numbers=dims, precision=rounding, preferred_element_type=kind
    )


def _input_gradient(kernel: jax.Array, grads: jax.Array, precision: str) -> jax.Array:
    return convolve(grads, jnp.swapaxes(kernel[::-1, ::-1], 2, 3), precision)


def _kernel_gradient(x: jax.Array, grads: jax.Array, precision: str) -> jax.Array:
    """Gradient of `convolve` in its kernel.

    On CPU as three products: with its ring of zeros a map is one long list of pixels, and a neighbour is a pixel
    further on in it (192 x 128 x 64 frames: 52 ms a layer, XLA's own 139 ms).
    """
    if jax.default_backend() != "cpu":
        kind = jnp.result_type(x, grads)
        (x, grads), rounding = _factors(precision, x, grads)
        # frames are summed over as channels are in `convolve`; the pulls are the kernel, as large as the map
        return lax.conv_general_dilated(
            x,
            grads,
            (1, 1),
            ((1, 1), (1, 1)),
            dimension_numbers=("CHWN", "IHWO", "HWNC"),
            precision=rounding,
            preferred_element_type=kind,
        )
    ring = ((0, 0), (1, 1), (1, 1), (0, 0))
    row = x.shape[2] + 2
    pixels, pulls = (jnp.pad(a, ring).reshape(-1, a.shape[-1]) for a in (x, grads))
    away = row + 1  # the furthest neighbour
    pulls = pulls[away : len(pulls) - away]
    triples = jnp.concatenate([pixels[j : j + len(pixels) - 2] for j in range(3)], axis=1)
    rows = [_dot(pulls, triples[i * row : i * row + len(pulls)], ((0,), (0,)), precision) for i in range(3)]
    return jnp.moveaxis(jnp.stack(rows).reshape(3, -1, 3, x.shape[-1]), 1, 3)


def axes_to_blocks(kernel: jax.Array) -> tuple[int, int]:
    """Where `to_blocks` has the axes within a block, for this kernel."""
    return IN_BLOCKS if kernel.shape[2] == 1 else IN_MAP


def axes_from_pooled(kernel: jax.Array) -> tuple[int, int]:
    """Where `from_pooled` has them."""
    return IN_BLOCKS if kernel.shape[3] == 1 else IN_MAP


def to_blocks(x: jax.Array, kernel: jax.Array, precision: str) -> jax.Array:
    """Blocks, with the axes `axes_to_blocks`, of the convolution of x."""
    if axes_to_blocks(kernel) == IN_MAP:
        return as_blocks(convolve(x, kernel, precision))
    flat = _dot(patches(x[..., 0]), block_matrix(kernel[:, :, 0]), ((3,), (0,)), precision)
    return flat.reshape(*flat.shape[:3], 2, 2, -1)


def to_blocks_transposed(
    x: jax.Array, kernel: jax.Array, grads: jax.Array, precision: str
) -> tuple[jax.Array, jax.Array]:
    """Gradients of `to_blocks` in x and kernel."""
    if axes_to_blocks(kernel) == IN_MAP:
        whole = as_map(grads)
        return _input_gradient(kernel, whole, precision), _kernel_gradient(x, whole, precision)
    flat = grads.reshape(*grads.shape[:3], -1)
    rows = _dot(patches(x[..., 0]), flat, ((0, 1, 2), (0, 1, 2)), precision)
    of_x = add_patches(_dot(flat, block_matrix(kernel[:, :, 0]), ((3,), (1,)), precision))
    return of_x[..., None], block_matrix_transposed(rows)[:, :, None]


def _flipped(kernel: jax.Array) -> jax.Array:
    """(3, 3, channels, 1) as the taps of the transposed convolution, from one channel to many."""
    return kernel[::-1, ::-1, :, 0]


def from_pooled(x: jax.Array, positions: jax.Array, kernel: jax.Array, precision: str) -> jax.Array:
    """Convolution of the map that holds x at these positions, integers or weights (`max_unpool`)."""
    if axes_from_pooled(kernel) == IN_MAP:
        return convolve(max_unpool(x, positions), kernel, precision)
    flat = unpool_blocks(x, positions, IN_BLOCKS).reshape(*x.shape[:3], -1)
    return add_patches(_dot(flat, block_matrix(_flipped(kernel)), ((3,), (1,)), precision))[..., None]


def from_pooled_transposed(
    x: jax.Array, positions: jax.Array, kernel: jax.Array, grads: jax.Array, precision: str
) -> tuple[jax.Array, jax.Array]:
    """Gradients of `from_pooled` in x and kernel; integer positions."""
    axes = axes_from_pooled(kernel)
    if axes == IN_MAP:
        blocks = as_blocks(_input_gradient(kernel, grads, precision))
        of_kernel = _kernel_gradient(max_unpool(x, positions), grads, precision)
    else:
        pulls = patches(grads[..., 0])
        flat = _dot(pulls, block_matrix(_flipped(kernel)), ((3,), (0,)), precision)
        blocks = flat.reshape(*flat.shape[:3], 2, 2, -1)
        held = unpool_blocks(x, positions, axes).reshape(flat.shape)
        rows = _dot(pulls, held, ((0, 1, 2), (0, 1, 2)), precision)
        of_kernel = block_matrix_transposed(rows)[::-1, ::-1, :, None]
    return pick_from_blocks(blocks, positions, axes), of_kernel
