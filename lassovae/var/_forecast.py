"""What a fitted VAR says: one-step forecasts, their relative error, free-running rollouts, stability."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse
import scipy.sparse.csgraph
from jax.typing import ArrayLike

from lassovae._errors import InputError
from lassovae._numerics import dot
from lassovae.var._design import check_length, flatten_nodes, lagged
from lassovae.var._fit import VARFit


def _nodes_of(fit: VARFit, latents: ArrayLike) -> jax.Array:
    """Latents as (time, nodes), of as many nodes as the fit has sources."""
    flat = flatten_nodes(latents)
    if flat.shape[1] != fit.coef.shape[-1]:
        raise InputError(
            f"latents have {flat.shape[1]} nodes, the fit {fit.coef.shape[-1]}: use latents of the same model"
        )
    return flat


def forecast_centred(coef: jax.Array, centred: jax.Array) -> jax.Array:
    """sum_k A_k z_{t-k} for every frame with enough past: (time, nodes) -> (time - order, nodes).

    Args:
        coef: (lags, targets, sources).
        centred: (time, nodes), mean taken off.
    """
    order, num_targets, _ = coef.shape
    flat = jnp.swapaxes(coef, 1, 2).reshape(-1, num_targets)
    return dot("tp,pk->tk", lagged(centred[None], order)[0], flat)


def predict(fit: VARFit, latents: ArrayLike) -> jax.Array:
    """One-step forecasts of the frames order..time-1, in units of the latents, `fit.mean` included.

    Args:
        fit: of one run.
        latents: (time, nodes) or (time, height, width).

    Returns:
        (time - order, nodes).

    Differentiation:
        In everything.
    """
    flat = _nodes_of(fit, latents)
    check_length(flat.shape[0], fit.coef.shape[0])
    return forecast_centred(fit.coef, flat - fit.mean) + fit.mean


def relative_error_centred(centred: jax.Array, forecast: jax.Array, order: int) -> jax.Array:
    """Mean over frames of ||z_t - forecast_t||^2 / ||z_t||^2; frames with z_t = 0 say nothing and are left out.

    1 where no frame is left: a static series has nothing that was forecast. NaN stays NaN.
    """
    actual = centred[order:]
    size = jnp.square(actual).sum(axis=1)
    error = jnp.square(actual - forecast).sum(axis=1)
    counts = ~(size == 0)  # NaN counts, and shows
    mean = jnp.where(counts, error / jnp.where(counts, size, 1), 0).sum() / jnp.maximum(counts.sum(), 1)
    return jnp.where(counts.any(), mean, 1.0)


def relative_error(fit: VARFit, latents: ArrayLike) -> jax.Array:
    """R_var of the paper on centred latents: 0 is a perfect forecast, 1 no better than the mean.

    Args:
        fit: of one run.
        latents: (time, nodes) or (time, height, width); the run itself (in-sample) or another.

    Returns:
        () mean over frames order..time-1 of ||z_t - forecast_t||^2 / ||z_t||^2 with `fit.mean` taken off both.

    Differentiation:
        In everything.

    References:
        arXiv 2603.02899, section 3.5; there without centring, which a constant offset would make meaningless.
    """
    flat = _nodes_of(fit, latents)
    check_length(flat.shape[0], fit.coef.shape[0])
    centred = flat - fit.mean
    return relative_error_centred(centred, forecast_centred(fit.coef, centred), fit.coef.shape[0])


def rollout(fit: VARFit, history: ArrayLike, num_steps: int) -> jax.Array:
    """Free-running continuation: every forecast becomes the past of the next.

    Args:
        fit: of one run.
        history: (at least order, nodes) or (.., height, width), the frames before, oldest first.
        num_steps: frames to add.

    Returns:
        (num_steps, nodes), in units of the latents.
    """
    order = fit.coef.shape[0]
    flat = _nodes_of(fit, history)
    if flat.shape[0] < order:
        raise InputError(f"history has {flat.shape[0]} frames; a rollout of order {order} needs {order}")

    def step(past: jax.Array, _: None) -> tuple[jax.Array, jax.Array]:
        new = dot("kij,kj->i", fit.coef, past)  # past: lag 1 first
        return jnp.concatenate([new[None], past[:-1]]), new

    past = (flat[-order:] - fit.mean)[::-1]
    _, frames = jax.lax.scan(step, past, None, length=num_steps)
    return frames + fit.mean


def spectral_radius(coef: ArrayLike) -> float:
    """Largest modulus of the eigenvalues of the companion matrix: below 1 the VAR is stable.

    Args:
        coef: (lags, targets, sources).

    Returns:
        At least 0; 0 for an empty network.

    Complexity:
        Dense eigenvalues of each strongly connected component of the network, exact where a network has no
        loops at all. (Sparse Arnoldi iteration was tried: it settles on a smaller eigenvalue where several are
        close, and fails on defective matrices, which networks without loops are.)

    Example:
        >>> spectral_radius(np.array([[[0.5]]]))
        0.5
    """
    coef = np.asarray(coef, np.float64)
    if coef.ndim != 3 or coef.shape[1] != coef.shape[2]:
        raise InputError(
            f"coef {coef.shape} must be (lags, targets, sources) with as many targets as sources"
        )
    if not np.isfinite(coef).all():
        raise InputError("coef holds NaN or Inf: fit again, or see the fit's status")
    order, nodes, _ = coef.shape
    size = order * nodes
    blocks = [scipy.sparse.csr_array(np.concatenate(list(coef), axis=1))]
    if order > 1:
        blocks.append(scipy.sparse.eye_array(size - nodes, size, format="csr"))
    companion = scipy.sparse.vstack(blocks).tocsr()
    _, component = scipy.sparse.csgraph.connected_components(companion, connection="strong")
    radius = 0.0
    for label in range(component.max() + 1):
        members = np.flatnonzero(component == label)
        block = companion[members][:, members].toarray()
        radius = max(radius, float(np.abs(np.linalg.eigvals(block)).max()))
    return radius
