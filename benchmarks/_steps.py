"""What a training step is timed and checked on: a simulated movie, weights away from their start, our steps.

The only file of the benchmarks that knows how the library's training calls its parts.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np

from lassovae import Config
from lassovae._config import Preprocess
from lassovae._numerics import quicker
from lassovae.autoencoder import Weights, decode, encode, initial_weights, reconstruct
from lassovae.data import prepare, simulate_study
from lassovae.training._batches import Batch
from lassovae.training._objective import weighted_loss
from lassovae.training._step import TrainState, device_gradient

RUN_FRAMES = 320  # the mean frame is that of a run, not of the window
PIXELS_A_CELL = 205  # as in the simulator's default study


def film(text: str) -> tuple[int, int, int]:
    """Three numbers, frames,height,width."""
    try:
        frames, height, width = (int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not frames,height,width") from None
    if frames < 8 or min(height, width) < 32 or height % 8 or width % 8:
        raise argparse.ArgumentTypeError(f"{text!r}: at least 8,32,32, height and width multiples of 8")
    return frames, height, width


def movie(seed: int, window: int, frame_shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Frames (window, height, width) of one simulated run and the run's mean frame."""
    cells = frame_shape[0] * frame_shape[1] // PIXELS_A_CELL
    study = simulate_study(
        seed, num_runs=1, frames=max(RUN_FRAMES, window), frame_shape=frame_shape, num_cells=cells
    )
    prepared = prepare(study, Preprocess())
    return prepared.frames[0][:window], prepared.mean_frame


def moved_weights(config: Config, seed: int, frame_shape: tuple[int, int]) -> Weights:
    """Initial weights with every bias and scale moved: at the start the last scale is 0, and with it the
    gradient of all that comes before it.
    """
    start = initial_weights(config, jax.random.key(seed), frame_shape)
    rng = np.random.default_rng(seed)

    def move(path, value):
        value = np.asarray(value)
        if path[-1].key == "kernel":
            return value
        return (value + 0.05 + 0.02 * rng.normal(size=value.shape)).astype(value.dtype)

    return start._replace(params=jax.tree_util.tree_map_with_path(move, start.params))


@cache
def autoencoder_step(config: Config) -> Callable:
    """Jitted (params, batch_stats, frames, mean_frame) to ((loss, new statistics), gradients) without a VAR."""

    def loss(params, batch_stats, frames, mean_frame):
        weights = Weights(params, batch_stats)
        latents, positions, weights = encode(config, weights, frames, mean_frame, train=True)
        residual, weights = decode(config, weights, latents, positions, train=True)
        error = jnp.square(frames - reconstruct(config, residual, mean_frame)).mean()
        return error, weights.batch_stats

    return jax.jit(jax.value_and_grad(loss, has_aux=True), compiler_options=quicker())


@cache
def batch_step(config: Config) -> Callable:
    """Jitted (params, batch_stats, frames, weight, mean_frame, lam) to (((loss, (measures, statistics)), gradients)
    of several windows, as a device of the training computes them.
    """

    def gradients(params, batch_stats, frames, weight, mean_frame, lam):
        state = TrainState(params, batch_stats, None, jnp.int32(0), jnp.float32(1))
        grads, stats, measures = device_gradient(config, state, Batch(frames, weight), mean_frame, lam)
        return (measures.loss.sum(), (measures, stats)), grads

    return jax.jit(gradients, compiler_options=quicker())


@cache
def whole_step(config: Config) -> Callable:
    """Jitted (params, batch_stats, frames, mean_frame, lam) to ((loss, (measures, statistics)), gradients)."""

    def loss(params, batch_stats, frames, mean_frame, lam):
        one = jnp.ones(1, frames.dtype)
        total, (measures, stats) = weighted_loss(
            params, batch_stats, frames[None], one, mean_frame, lam, config=config
        )
        return total, (jax.tree.map(lambda x: x[0], measures), stats)

    return jax.jit(jax.value_and_grad(loss, has_aux=True), compiler_options=quicker())
