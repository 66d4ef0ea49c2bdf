"""Contribution maps: a vector of influences, one a node, decoded into the image.

    Omega = (f_dec(gain * unvec(c)) + 1) * mean_frame

The decoder needs pooling positions, and a map belongs to no frame: it is given how often each position held the
maximum over the training runs, so that every value is spread over its block as the frames spread it.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from lassovae._errors import InputError
from lassovae._model import Model
from lassovae.autoencoder import decode, reconstruct

PEAK_IN_STANDARD_DEVIATIONS = 3.0


def visual_gain(influences: ArrayLike, latent_scale: float) -> float:
    """Gain at which the largest influence of several runs looks like a latent of three standard deviations.

    The decoder is not linear: it was trained on latents of about one standard deviation, and maps to be
    compared need one gain. Three is the size of a clear transient.

    Args:
        influences: (..., nodes), of all runs to be compared.
        latent_scale: standard deviation of the latents.

    Returns:
        A factor from influences (no unit) to latents; 1 where there is no influence at all.

    Raises:
        InputError: NaN or Inf.
    """
    if not np.isfinite(influences).all() or not np.isfinite(latent_scale):
        raise InputError("influences and latent_scale must be finite: look at the status of the fits")
    largest = float(np.max(np.asarray(influences), initial=0))
    return PEAK_IN_STANDARD_DEVIATIONS * float(latent_scale) / largest if largest > 0 else 1.0


def contribution_map(model: Model, influence: ArrayLike, gain: float = 1.0) -> np.ndarray:
    """Image of where the influences act.

    Args:
        model: trained.
        influence: (nodes,), for example `lassovae.stats.influence(coef)`.
        gain: factor on it before decoding; use one for all maps to be compared (`visual_gain`).

    Returns:
        (height, width) intensity like a frame's. Its difference from the map of zero influence, or between two
        conditions, is what to read; the mean frame itself shows where nothing acts.

    Raises:
        InputError: influence of another length, or not finite.

    References:
        arXiv 2603.02899, section 2.4. The unpooling is this library's choice; see `docs/method.md`.
    """
    c = np.asarray(influence, np.float32)
    height, width = model.latent_shape
    if c.shape != (height * width,):
        raise InputError(f"influence {c.shape} must have one value a node, {(height * width,)}")
    if not np.isfinite(c).all() or not np.isfinite(gain):
        raise InputError("influence and gain must be finite: look at the status of the fit they come from")
    latents = jnp.asarray(gain * c).reshape(1, height, width)
    residual, _ = decode(model.config, model.weights, latents, model.positions)
    return np.asarray(reconstruct(model.config, residual, jnp.asarray(model.mean_frame))[0])
