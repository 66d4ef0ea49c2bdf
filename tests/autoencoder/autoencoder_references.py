"""Slow pooling, an independent twin of the networks in plain Flax, and the shapes that all tests share."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from lassovae import Config
from lassovae.autoencoder import decode, encode, initial_weights

SHAPE, CHANNELS, FRAMES = (16, 24), 4, 8
CONFIG = Config(channels=CHANNELS, order=2)
encode = jax.jit(encode, static_argnames=("config", "train"))  # of the library; compiled once a shape
decode = jax.jit(decode, static_argnames=("config", "train"))
new_weights = jax.jit(lambda key: initial_weights(CONFIG, key, SHAPE))


def same_trees(a, b):
    return all(np.array_equal(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


def pool_loop(x):
    """2 x 2 max-pooling and reading-order positions, block by block; the first of equal values wins."""
    time, height, width, channels = x.shape
    values = np.zeros((time, height // 2, width // 2, channels), x.dtype)
    positions = np.zeros(values.shape, int)
    for t, i, j, c in np.ndindex(values.shape):
        block = x[t, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2, c].reshape(4)
        positions[t, i, j, c] = int(np.argmax(block))
        values[t, i, j, c] = block[positions[t, i, j, c]]
    return values, positions


def unpool_loop(x, positions):
    """Each value at its position of an otherwise empty block."""
    time, height, width, channels = x.shape
    out = np.zeros((time, 2 * height, 2 * width, channels), x.dtype)
    for t, i, j, c in np.ndindex(x.shape):
        k = positions[t, i, j, c]
        out[t, 2 * i + k // 2, 2 * j + k % 2, c] = x[t, i, j, c]
    return out


def flax_pool(x):
    return nn.max_pool(x, (2, 2), strides=(2, 2))


def unpool_like(before, x):
    """Unpooling without positions: the transpose of pooling `before` puts x where the maxima were."""
    return jax.vjp(flax_pool, before)[1](x)[0]


class TwinEncoder(nn.Module):
    """The encoder of the paper from Flax's own layers; also returns what went into each pooling."""

    channels: int

    @nn.compact
    def __call__(self, frames, train):
        x, before = frames[..., None], []
        for n in range(3):
            x = nn.Conv(self.channels, (3, 3), padding="SAME", name=f"Conv3x3_{n}")(x)
            x = nn.leaky_relu(x, negative_slope=0.01)
            x = nn.BatchNorm(use_running_average=not train, momentum=0.9, name=f"BatchNorm_{n}")(x)
            before.append(x)
            x = flax_pool(x)
        return nn.Conv(1, (1, 1), name="collapse")(x)[..., 0], before


class TwinDecoder(nn.Module):
    """The decoder of the paper from Flax's own layers; `before` is what went into the encoder's poolings."""

    channels: int

    @nn.compact
    def __call__(self, latents, before, train):
        x = nn.Conv(self.channels, (1, 1), name="expand")(latents[..., None])
        for n in range(3):
            x = unpool_like(before[2 - n], x)
            x = nn.Conv(1 if n == 2 else self.channels, (3, 3), padding="SAME", name=f"Conv3x3_{n}")(x)
            x = nn.BatchNorm(use_running_average=not train, momentum=0.9, name=f"BatchNorm_{n}")(x)
            x = nn.leaky_relu(x, negative_slope=0.01)
        return x[..., 0]


def twin_params(params):
    """The library's parameters with 1 x 1 convolutions spelled as such."""
    return {
        name: {**layer, "kernel": layer["kernel"][None, None]} if name in ("collapse", "expand") else layer
        for name, layer in params.items()
    }


def shaken(tree, seed, size=0.3):
    """Every parameter moved at random, so that none is at a neutral 0 or 1."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda x: jnp.asarray(x + size * rng.normal(size=x.shape), x.dtype), tree)


def shaken_stats(tree, seed):
    """Running means and variances of a network that has seen data; variances stay positive."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda x: jnp.asarray(0.5 + rng.random(x.shape), x.dtype), tree)
