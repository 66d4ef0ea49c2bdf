"""The encoder and decoder networks; the only file that imports flax.

Layers as in arXiv 2603.02899, section 2.1: three blocks of 3 x 3 convolution, leaky ReLU, batch norm and 2 x 2
max-pooling, then a 1 x 1 convolution to one channel; the decoder mirrors them. Batch norm averages over the
frames of a window and their pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from lassovae._config import POOLINGS
from lassovae.autoencoder._pooling import max_pool, max_unpool

MOMENTUM = 0.9  # of the running statistics; trainings have a few hundred steps


def _shifts(x: jax.Array) -> list[jax.Array]:
    """The nine neighbours of every pixel in reading order, zeros beyond the border."""
    _, height, width, _ = x.shape
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return [padded[:, i : i + height, j : j + width] for i in range(3) for j in range(3)]


class Conv3x3(nn.Module):
    """3 x 3 convolution with zero padding and bias, (time, height, width, channels) in and out.

    With one input or one output channel it is written as shifted products: XLA's CPU convolution runs at a
    tenth of the machine there (64 x 64 x 96 frames: gradient 0.24 s as convolution, 0.08 s so).
    """

    features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        channels = x.shape[-1]
        kernel = self.param("kernel", nn.initializers.lecun_normal(), (3, 3, channels, self.features))
        bias = self.param("bias", nn.initializers.zeros_init(), (self.features,))
        if channels == 1:
            taps = kernel.reshape(9, self.features)
            out = sum(shift * tap for shift, tap in zip(_shifts(x), taps, strict=True))
        elif self.features == 1:
            spread = jnp.einsum("thwc,cn->thwn", x, kernel.reshape(9, channels).T)
            out = sum(shift[..., n : n + 1] for n, shift in enumerate(_shifts(spread)))
        else:
            dims = ("NHWC", "HWIO", "NHWC")
            out = lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=dims)
        return out + bias


class Encoder(nn.Module):
    """Frames to latent maps."""

    channels: int = 32

    @nn.compact
    def __call__(self, frames: jax.Array, train: bool) -> tuple[jax.Array, tuple[jax.Array, ...]]:
        """(time, height, width) to latents (time, height / 8, width / 8) and positions, finest first."""
        x = frames[..., None]
        positions = []
        for _ in range(POOLINGS):
            x = nn.leaky_relu(Conv3x3(self.channels)(x))
            x = nn.BatchNorm(use_running_average=not train, momentum=MOMENTUM)(x)
            x, position = max_pool(x)
            positions.append(position)
        return nn.Dense(1, name="collapse")(x)[..., 0], tuple(positions)


class Decoder(nn.Module):
    """Latent maps to residual frames."""

    channels: int = 32

    @nn.compact
    def __call__(self, latents: jax.Array, positions: Sequence[jax.Array], train: bool) -> jax.Array:
        """(time, height, width) latents and the encoder's positions to (time, 8 height, 8 width).

        The scale of the last batch norm starts at 0, so that training starts from the mean frame itself: the
        residual to be learned is a few percent of it, and a few hundred steps do not shrink a start at 1.
        """
        x = nn.Dense(self.channels, name="expand")(latents[..., None])
        for level in reversed(range(POOLINGS)):
            last = level == 0
            x = max_unpool(x, positions[level])
            x = Conv3x3(1 if last else self.channels)(x)
            start = nn.initializers.zeros_init() if last else nn.initializers.ones_init()
            x = nn.BatchNorm(use_running_average=not train, momentum=MOMENTUM, scale_init=start)(x)
            x = nn.leaky_relu(x)
        return x[..., 0]


def initial_variables(module: nn.Module, key: jax.Array, *inputs: Any) -> dict[str, Any]:
    """Parameters and batch statistics of a module, as plain nested dictionaries."""
    variables = module.init(key, *inputs, train=False)
    return {"params": variables["params"], "batch_stats": variables["batch_stats"]}


def apply(
    module: nn.Module, variables: dict[str, Any], *inputs: Any, train: bool
) -> tuple[Any, dict[str, Any]]:
    """Outputs and the batch statistics after the call (unchanged outside training)."""
    if not train:
        return module.apply(variables, *inputs, train=False), variables["batch_stats"]
    outputs, updates = module.apply(variables, *inputs, train=True, mutable=["batch_stats"])
    return outputs, updates["batch_stats"]
