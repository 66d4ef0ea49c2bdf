"""Encode, decode and reconstruct as pure functions of their weights, whichever encoder is chosen."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from lassovae._config import BLOCK, POOLINGS, Config
from lassovae._errors import InputError
from lassovae.autoencoder._modules import Decoder, Encoder, apply, initial_variables
from lassovae.autoencoder._pooling import position_weights
from lassovae.autoencoder._soft_roi import decode_rois, encode_rois, footprints_of_nodes, initial_parameters

Positions = tuple[jax.Array, ...]  # one array a pooling, finest first; empty where nothing is pooled


class Weights(NamedTuple):
    """Everything learned, as nested dictionaries of arrays; empty dictionaries for block means.

    Attributes:
        params: {"encoder": ..., "decoder": ...}, trained by gradient.
        batch_stats: {"encoder": ..., "decoder": ...}, running means and variances of the batch norms; empty for
            soft regions of interest, which have none.
    """

    params: dict[str, Any]
    batch_stats: dict[str, Any]


def latent_shape(frame_shape: tuple[int, int]) -> tuple[int, int]:
    """(height, width) of the latent map of frames of this (height, width)."""
    return frame_shape[0] // BLOCK, frame_shape[1] // BLOCK


def initial_weights(config: Config, key: jax.Array, frame_shape: tuple[int, int]) -> Weights:
    """Random weights, from the key alone.

    Args:
        config: its encoder and channels are read.
        key: PRNG key.
        frame_shape: (height, width), divisible by 8.
    """
    if config.encoder == "block_mean":
        return Weights({}, {})
    if config.encoder == "soft_roi":
        return Weights(initial_parameters(latent_shape(frame_shape)), {})
    key_encoder, key_decoder = jax.random.split(key)
    frames = jnp.zeros((1, *frame_shape))
    encoder = initial_variables(Encoder(config.channels, config.precision), key_encoder, frames)
    levels = [(frame_shape[0] >> n, frame_shape[1] >> n) for n in range(1, POOLINGS + 1)]
    positions = tuple(jnp.zeros((1, *level, config.channels), jnp.int8) for level in levels)
    latents = jnp.zeros((1, *latent_shape(frame_shape)))
    decoder = initial_variables(Decoder(config.channels, config.precision), key_decoder, latents, positions)
    return Weights(
        {"encoder": encoder["params"], "decoder": decoder["params"]},
        {"encoder": encoder["batch_stats"], "decoder": decoder["batch_stats"]},
    )


def _variables(weights: Weights, part: str) -> dict[str, Any]:
    return {"params": weights.params[part], "batch_stats": weights.batch_stats[part]}


def _with_stats(weights: Weights, part: str, stats: dict[str, Any]) -> Weights:
    return weights._replace(batch_stats={**weights.batch_stats, part: stats})


def encode(
    config: Config, weights: Weights, frames: jax.Array, mean_frame: jax.Array, *, train: bool = False
) -> tuple[jax.Array, Positions, Weights]:
    """Latent maps of frames and where each pooling found its maximum.

    Args:
        config: its encoder, channels and skip are read.
        weights: from `initial_weights` or a training.
        frames: (time, height, width), intensities in [0, 1].
        mean_frame: (height, width), taken off first unless config.skip is False.
        train: normalise by the statistics of these frames and update the running ones.

    Returns:
        latents (time, height / 8, width / 8); positions; weights with updated batch statistics.

    Differentiation:
        In params and frames; the positions are integers and carry no gradient.
    """
    if config.encoder == "block_mean":
        time, height, width = frames.shape
        relative = (frames - mean_frame) / mean_frame
        blocks = relative.reshape(time, height // BLOCK, BLOCK, width // BLOCK, BLOCK)
        return blocks.mean(axis=(2, 4)), (), weights
    if config.encoder == "soft_roi":
        return encode_rois(weights.params["encoder"], frames, mean_frame), (), weights
    shown = frames - mean_frame if config.skip else frames
    module = Encoder(config.channels, config.precision)
    (latents, positions), stats = apply(module, _variables(weights, "encoder"), shown, train=train)
    return latents, positions, _with_stats(weights, "encoder", stats)


def decode(
    config: Config, weights: Weights, latents: jax.Array, positions: Positions, *, train: bool = False
) -> tuple[jax.Array, Weights]:
    """Residual frames f_dec(latents): what the skip connection multiplies the mean frame by, less one.

    Args:
        config: its encoder and channels are read.
        weights: as for `encode`.
        latents: (time, height, width).
        positions: of as many frames, or average weights without a time axis (`mean_positions`).
        train: as for `encode`.

    Returns:
        (time, 8 height, 8 width), dimensionless with the skip connection; weights with updated statistics.
    """
    if config.encoder == "block_mean":
        return jnp.repeat(jnp.repeat(latents, BLOCK, axis=1), BLOCK, axis=2), weights
    if config.encoder == "soft_roi":
        return decode_rois(weights.params["decoder"], latents), weights
    module = Decoder(config.channels, config.precision)
    residual, stats = apply(module, _variables(weights, "decoder"), latents, positions, train=train)
    return residual, _with_stats(weights, "decoder", stats)


def reconstruct(config: Config, residual: jax.Array, mean_frame: jax.Array) -> jax.Array:
    """Frames from the decoder's output: (residual + 1) * mean_frame, or the output itself without the skip.

    References:
        arXiv 2603.02899, equation of section 2.1.
    """
    return (residual + 1) * mean_frame if config.skip else residual


def mean_positions(positions: Positions) -> Positions:
    """Average over time of where each pooling found its maximum: weights (height, width, channels, 4) a level.

    A contribution map belongs to no frame, so its decoding uses the expected unpooling of a run.
    """
    return tuple(total / len(p) for total, p in zip(count_positions(positions), positions, strict=True))


def count_positions(positions: Positions, num_frames: int | jax.Array | None = None) -> Positions:
    """How often each pooling found its maximum where, over the first `num_frames` frames (None: all)."""

    def one(p: jax.Array) -> jax.Array:
        counts = jnp.ones(len(p)) if num_frames is None else (jnp.arange(len(p)) < num_frames)
        return jnp.tensordot(counts.astype(jnp.float32), position_weights(p), axes=1)

    return tuple(one(p) for p in positions)


def node_footprints(weights: Weights) -> jax.Array:
    """What each node of a soft_roi encoder claims of each pixel.

    Args:
        weights: of a model with config.encoder="soft_roi".

    Returns:
        (nodes, height, width), in [0, 1]; over nodes they sum to 1.

    Raises:
        InputError: another encoder, which has no such footprints.
    """
    if "share" not in weights.params.get("encoder", {}):
        raise InputError("only encoder='soft_roi' has footprints of its nodes")
    return footprints_of_nodes(weights.params["encoder"])
