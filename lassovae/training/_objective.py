"""The loss of one window in each of the three modes.

    sequential   the decoder sees z_t; the VAR is fitted to tell how predictable z is, and teaches nothing
    embedded     the decoder sees the forecast; the coefficients are constants of the gradient
    end_to_end   the decoder sees the forecast; the gradient flows through the fit as well

The VAR is fitted from scratch on the window itself in every forward pass, on centred latents, and the decoder
sees the centred forecast: nothing static can pass through the latents.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from lassovae._config import Config
from lassovae.autoencoder import Positions, Weights, decode, encode, reconstruct
from lassovae.var import centre, fit_series, forecast_centred, relative_error_centred


class Measures(NamedTuple):
    """What one step did, each a number.

    Attributes:
        loss: what was minimised.
        reconstruction: mean squared error over frames and pixels, in squared units of intensity in [0, 1].
        relative_error: R_var of the window's own fit.
        nonzeros: mean number of non-zero coefficients a target.
        gap: largest relative duality gap of the window's lassos.
        failed: targets whose lasso did not end with Status.OK.
    """

    loss: jax.Array
    reconstruction: jax.Array
    relative_error: jax.Array
    nonzeros: jax.Array
    gap: jax.Array
    failed: jax.Array


def positions_for_forecast(config: Config, positions: Positions) -> Positions:
    """Pooling positions that decode the forecasts of the frames order..time-1.

    The forecast of frame t uses those of frame t - 1, the last one seen; those of frame t itself would let it
    into its own prediction (config.unpooling="same_frame", kept for comparison).
    """
    if config.unpooling == "same_frame":
        return tuple(p[config.order :] for p in positions)
    return tuple(p[config.order - 1 : -1] for p in positions)


def window_loss(
    params: dict[str, Any],
    batch_stats: dict[str, Any],
    frames: jax.Array,
    mean_frame: jax.Array,
    lam: jax.Array,
    *,
    config: Config,
) -> tuple[jax.Array, tuple[Measures, dict[str, Any]]]:
    """Loss of one window; also its measures and the updated batch statistics.

    Args:
        params, batch_stats: of `Weights`.
        frames: (window, height, width), in [0, 1].
        mean_frame: (height, width).
        lam: () l1 strength of this step.
        config: mode, order, unpooling and forecast_weight are read; static.

    Differentiation:
        Reverse mode in params.

    References:
        arXiv 2603.02899, section 2.1 (loss) and Table 2 (modes).
    """
    order = config.order
    latents, positions, weights = encode(config, Weights(params, batch_stats), frames, mean_frame, train=True)
    nodes = latents.reshape(latents.shape[0], -1)
    fitted = lax.stop_gradient(nodes) if config.mode == "sequential" else nodes
    series = centre(fitted[None], jnp.ones((1, len(fitted)), bool))
    fit = fit_series(series, order, lam)
    coef = fit.coef[0] if config.mode == "end_to_end" else lax.stop_gradient(fit.coef[0])
    forecast = forecast_centred(coef, series.centred[0])
    relative_error = relative_error_centred(series.centred[0], forecast, order)

    if config.mode == "sequential":
        residual, weights = decode(config, weights, latents, positions, train=True)
        actual = frames
    else:
        shown = forecast.reshape(-1, *latents.shape[1:])
        residual, weights = decode(
            config, weights, shown, positions_for_forecast(config, positions), train=True
        )
        actual = frames[order:]
    reconstruction = jnp.square(actual - reconstruct(config, residual, mean_frame)).mean()
    loss = reconstruction + config.forecast_weight * relative_error
    measures = Measures(
        loss=loss,
        reconstruction=reconstruction,
        relative_error=relative_error,
        nonzeros=(fit.coef[0] != 0).sum(axis=(0, 2)).mean(),
        gap=fit.gap.max(),
        failed=(fit.status != 0).sum(),
    )
    return loss, (lax.stop_gradient(measures), weights.batch_stats)
