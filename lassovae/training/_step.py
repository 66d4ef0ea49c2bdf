"""One jitted step: loss, gradient, Adam, batch statistics, and the guard against a dead VAR."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from lassovae._config import Config
from lassovae.autoencoder import initial_weights
from lassovae.training._objective import Measures, window_loss

SMALLEST_LAM_FACTOR = (
    1 / 64
)  # the guard's last resort: from here on a VAR without coefficients is told, not cured


class TrainState(NamedTuple):
    """Everything a training needs to go on, besides the configuration and the recordings.

    Attributes:
        params, batch_stats: of `lassovae.autoencoder.Weights`.
        opt_state: of Adam.
        step: () int32, steps done.
        lam_factor: () in (0, 1], by what the guard has multiplied lam.
    """

    params: dict[str, Any]
    batch_stats: dict[str, Any]
    opt_state: Any
    step: jax.Array
    lam_factor: jax.Array


def optimiser(config: Config) -> optax.GradientTransformation:
    """Adam, as in the paper."""
    return optax.adam(config.learning_rate)


def initial_state(config: Config, frame_shape: tuple[int, int]) -> TrainState:
    """State before the first step, from config.seed alone."""
    weights = initial_weights(config, jax.random.key(config.seed), frame_shape)
    return TrainState(
        params=weights.params,
        batch_stats=weights.batch_stats,
        opt_state=optimiser(config).init(weights.params),
        step=jnp.zeros((), jnp.int32),
        lam_factor=jnp.ones(()),
    )


def scheduled_lam(config: Config, step: jax.Array, num_steps: int) -> jax.Array:
    """lam of a step: a linear rise from a tenth over the first config.lam_warmup of the training."""
    warmup = config.lam_warmup * num_steps
    if warmup == 0:
        return jnp.asarray(config.lam, jnp.float32)
    return config.lam * jnp.clip(0.1 + 0.9 * step / warmup, 0.1, 1.0)


def guarded(lam_factor: jax.Array, nonzeros: jax.Array) -> jax.Array:
    """Next factor on lam: halved after a step whose VAR had no coefficient, slowly restored afterwards.

    A VAR without coefficients passes no gradient to the encoder and would stay dead for good. While it lives
    the factor is 1 and the guard changes nothing.
    """
    lowered = jnp.maximum(lam_factor / 2, SMALLEST_LAM_FACTOR)
    return jnp.where(nonzeros > 0, jnp.minimum(lam_factor * 1.05, 1.0), lowered)


@lru_cache(maxsize=16)
def make_step(
    config: Config, num_steps: int
) -> Callable[[TrainState, jax.Array, jax.Array], tuple[TrainState, Measures, jax.Array]]:
    """The compiled step of a training of num_steps; compiled once for equal arguments.

    Returns:
        (state, frames (window, height, width), mean_frame) -> (next state, measures, lam used). The state given
        is donated: it must not be used again.
    """
    update = optimiser(config).update

    @partial(jax.jit, donate_argnums=0)
    def step(
        state: TrainState, frames: jax.Array, mean_frame: jax.Array
    ) -> tuple[TrainState, Measures, jax.Array]:
        lam = scheduled_lam(config, state.step, num_steps) * state.lam_factor
        gradient = jax.grad(partial(window_loss, config=config), has_aux=True)
        grads, (measures, batch_stats) = gradient(state.params, state.batch_stats, frames, mean_frame, lam)
        updates, opt_state = update(grads, state.opt_state, state.params)
        factor = state.lam_factor
        if config.mode != "sequential":
            factor = guarded(factor, measures.nonzeros)
        new = TrainState(
            optax.apply_updates(state.params, updates), batch_stats, opt_state, state.step + 1, factor
        )
        return new, measures, lam

    return step
