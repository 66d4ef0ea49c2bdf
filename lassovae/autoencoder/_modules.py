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
from lassovae.autoencoder._convolutions import from_pooled
from lassovae.autoencoder._layers import Moments, leaky_relu, pooled, unpooled

MOMENTUM = 0.9  # of the running statistics; trainings have a few hundred steps
EPSILON = 1e-5  # added to variances


class Conv3x3(nn.Module):
    """Parameters of a 3 x 3 convolution; `_layers` convolves."""

    channels: int
    features: int

    @nn.compact
    def __call__(self) -> tuple[jax.Array, jax.Array]:
        """Kernel (3, 3, channels, features) and bias (features,)."""
        shape = (3, 3, self.channels, self.features)
        kernel = self.param("kernel", nn.initializers.lecun_normal(), shape)
        return kernel, self.param("bias", nn.initializers.zeros_init(), (self.features,))


class BatchNorm(nn.Module):
    """Batch norm of values whose moments are known, before or after a pooling."""

    features: int
    scale_init: nn.initializers.Initializer = nn.initializers.ones_init()

    def setup(self) -> None:
        shape = (self.features,)
        self.scale = self.param("scale", self.scale_init, shape)
        self.bias = self.param("bias", nn.initializers.zeros_init(), shape)
        self.mean = self.variable("batch_stats", "mean", jnp.zeros, shape)
        self.var = self.variable("batch_stats", "var", jnp.ones, shape)

    def sign(self) -> jax.Array:
        """(features,), -1 where this norm turns the order of values round."""
        return lax.stop_gradient(jnp.where(self.scale < 0, -1.0, 1.0))

    def __call__(self, x: jax.Array, moments: Moments, train: bool) -> jax.Array:
        """x normalised: in training by these moments, which also move the running ones."""
        mean, variance = moments if train else (self.mean.value, self.var.value)
        if train and not self.is_initializing():
            for running, new in ((self.mean, mean), (self.var, variance)):
                running.value = MOMENTUM * running.value + (1 - MOMENTUM) * new
        return (x - mean) * (self.scale * lax.rsqrt(variance + EPSILON)) + self.bias


class Encoder(nn.Module):
    """Frames to latent maps."""

    channels: int = 32
    precision: str = "float32"

    @nn.compact
    def __call__(self, frames: jax.Array, train: bool) -> tuple[jax.Array, tuple[jax.Array, ...]]:
        """(time, height, width) to latents (time, height / 8, width / 8) and positions, finest first."""
        x = frames[..., None]
        positions = []
        for _ in range(POOLINGS):
            norm = BatchNorm(self.channels)
            kernel, bias = Conv3x3(x.shape[-1], self.channels)()
            x, position, moments = pooled(x, kernel, bias, norm.sign(), self.precision)
            x = norm(x, moments, train)
            positions.append(position)
        return nn.Dense(1, precision=lax.Precision.HIGHEST, name="collapse")(x)[..., 0], tuple(positions)


class Decoder(nn.Module):
    """Latent maps to residual frames."""

    channels: int = 32
    precision: str = "float32"

    @nn.compact
    def __call__(self, latents: jax.Array, positions: Sequence[jax.Array], train: bool) -> jax.Array:
        """(time, height, width) latents and the encoder's positions to (time, 8 height, 8 width).

        The scale of the last batch norm starts at 0, so that training starts from the mean frame itself: the
        residual to be learned is a few percent of it, and a few hundred steps do not shrink a start at 1.
        """
        x = nn.Dense(self.channels, precision=lax.Precision.HIGHEST, name="expand")(latents[..., None])
        for level in reversed(range(POOLINGS)):
            last = level == 0
            features = 1 if last else self.channels
            kernel, bias = Conv3x3(self.channels, features)()
            # batch norm takes the bias off again; of its gradient rounding is left, and Adam makes whole steps of that
            bias = lax.stop_gradient(bias) if train else bias
            where = positions[level]
            if jnp.issubdtype(where.dtype, jnp.integer):
                x, moments = unpooled(x, where, kernel, bias, self.precision)
            else:  # an average over frames: a map is decoded, and no window is trained on
                x = from_pooled(x, where, kernel, self.precision) + bias
                moments = Moments(x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2)))
            # the last scale begins at 0, the reconstruction at the mean frame (docs/decisions/last_block.md)
            start = nn.initializers.zeros_init() if last else nn.initializers.ones_init()
            x = leaky_relu(BatchNorm(features, start)(x, moments, train))
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
