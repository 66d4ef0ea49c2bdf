"""The losses of windows in each of the three modes.

    sequential   the decoder sees z_t; the VAR is fitted to tell how predictable z is, and teaches nothing
    embedded     the decoder sees the forecast; the coefficients are constants of the gradient
    end_to_end   the decoder sees the forecast; the gradient flows through the fit as well

The VAR is fitted from scratch on the window itself in every forward pass, on centred latents, and the decoder
sees the centred forecast: nothing static can pass through the latents.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from lassovae._config import Config
from lassovae._numerics import dot
from lassovae.autoencoder import Positions, Weights, decode, encode, reconstruct
from lassovae.var import centre, fit_series, forecast_centred, relative_error_centred


class Measures(NamedTuple):
    """What one step did to one window, or to all its windows together: means over them, but for the last three.

    Attributes:
        loss: what was minimised.
        reconstruction: mean squared error over frames and pixels, in squared units of intensity in [0, 1].
        relative_error: R_var of the window's own fit.
        nonzeros: mean number of non-zero coefficients a target.
        gap: largest relative duality gap of the lassos.
        failed: lassos that did not end with Status.OK, summed over windows.
        skipped: 1 where the step was not taken, because its gradient or its statistics are not finite, else 0; a
            window by itself skips nothing.
    """

    loss: jax.Array
    reconstruction: jax.Array
    relative_error: jax.Array
    nonzeros: jax.Array
    gap: jax.Array
    failed: jax.Array
    skipped: jax.Array


def positions_for_forecast(config: Config, positions: Positions) -> Positions:
    """Pooling positions that decode the forecasts of the frames order..time-1.

    The forecast of frame t uses those of frame t - 1, the last one seen; those of frame t itself would let it
    into its own prediction (config.unpooling="same_frame", kept for comparison).
    """
    if config.unpooling == "same_frame":
        return tuple(p[config.order :] for p in positions)
    return tuple(p[config.order - 1 : -1] for p in positions)


def _each(function: Callable[..., Any], *arrays: Any) -> Any:
    """Apply a function of one window to every window of a batch."""
    if len(jax.tree.leaves(arrays)[0]) == 1:  # without the axis, the CPU's products are the faster ones
        alone = function(*jax.tree.map(lambda x: x[0], arrays))
        return jax.tree.map(lambda x: x[None], alone)
    return jax.vmap(function)(*arrays)


def window_losses(
    params: dict[str, Any],
    batch_stats: dict[str, Any],
    frames: jax.Array,
    mean_frame: jax.Array,
    lam: jax.Array,
    *,
    config: Config,
) -> tuple[Measures, dict[str, Any]]:
    """Losses of several windows, each by itself; the lassos of all of them are walked together.

    Args:
        params, batch_stats: of `Weights`.
        frames: (windows, window, height, width), in [0, 1].
        mean_frame: (height, width).
        lam: () l1 strength of this step.
        config: mode, order, unpooling, forecast_weight and what the networks read; static.

    Returns:
        Measures with an axis of windows; batch statistics likewise, each moved by its own window.

    Differentiation:
        Reverse mode of `loss` in params.

    References:
        arXiv 2603.02899, section 2.1 (loss) and Table 2 (modes).
    """
    order = config.order
    given = Weights(params, batch_stats)

    def encoded(x: jax.Array) -> tuple[jax.Array, Positions, dict[str, Any]]:
        latents, positions, weights = encode(config, given, x, mean_frame, train=True)
        return latents, positions, weights.batch_stats

    def decoded(z: jax.Array, positions: Positions, actual: jax.Array) -> tuple[jax.Array, dict[str, Any]]:
        residual, weights = decode(config, given, z, positions, train=True)
        error = jnp.square(actual - reconstruct(config, residual, mean_frame)).mean()
        return error, weights.batch_stats

    latents, positions, stats = _each(encoded, frames)
    nodes = latents.reshape(*latents.shape[:2], -1)
    fitted = lax.stop_gradient(nodes) if config.mode == "sequential" else nodes
    series = centre(fitted, jnp.ones(nodes.shape[:2], bool))
    # a step is mostly convolutions: what matters more of the fit than its last milliseconds is how long it compiles
    fit = fit_series(series, order, lam, staged=False)
    coef = fit.coef if config.mode == "end_to_end" else lax.stop_gradient(fit.coef)
    forecast = _each(forecast_centred, coef, series.centred)
    relative_error = _each(
        lambda actual, shown: relative_error_centred(actual, shown, order), series.centred, forecast
    )
    if config.mode == "sequential":
        reconstruction, decoder = _each(decoded, latents, positions, frames)
    else:
        shown = forecast.reshape(*forecast.shape[:2], *latents.shape[2:])
        where = _each(lambda p: positions_for_forecast(config, p), positions) if positions else ()
        reconstruction, decoder = _each(decoded, shown, where, frames[:, order:])
    if stats:  # block means have none
        stats = {**stats, "decoder": decoder["decoder"]}
    measures = Measures(
        loss=reconstruction + config.forecast_weight * relative_error,
        reconstruction=reconstruction,
        relative_error=relative_error,
        nonzeros=(fit.coef != 0).sum(axis=(1, 3)).mean(axis=1),
        gap=fit.gap.max(axis=1),
        failed=(fit.status != 0).sum(axis=1),
        skipped=jnp.zeros(len(frames), jnp.int32),
    )
    return measures, stats


def weighted_loss(
    params: dict[str, Any],
    batch_stats: dict[str, Any],
    frames: jax.Array,
    weight: jax.Array,
    mean_frame: jax.Array,
    lam: jax.Array,
    *,
    config: Config,
) -> tuple[jax.Array, tuple[Measures, dict[str, Any]]]:
    """Weighted sum of `window_losses`, what a step's gradient is taken of.

    Args:
        weight: (windows,), share of each window in the step; 0 for one that only fills the batch.
        params, batch_stats, frames, mean_frame, lam, config: as in `window_losses`.

    Returns:
        () loss; measures of the windows, without gradient; weighted sum of the batch statistics.
    """
    measures, stats = window_losses(params, batch_stats, frames, mean_frame, lam, config=config)
    stats = jax.tree.map(lambda x: dot("w,w...->...", weight.astype(x.dtype), x), stats)
    return dot("w,w->", weight, measures.loss), lax.stop_gradient((measures, stats))
