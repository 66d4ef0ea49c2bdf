"""From a series to its regression: centring, scale, lagged design, and which rows count.

Axes here: runs, time, nodes. Column lag * nodes + source of the design holds the source `lag + 1` frames ago.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from numpy.typing import NDArray

from lassovae._errors import InputError


class Series(NamedTuple):
    """A series made ready for regression; masked frames are zero.

    Attributes:
        centred: (runs, time, nodes), each node minus its own mean over the valid frames of the run.
        mean: (runs, nodes), what was taken off.
        scale: (runs,), standard deviation over all valid entries of the centred run.
        valid: (runs, time) bool.
    """

    centred: jax.Array
    mean: jax.Array
    scale: jax.Array
    valid: jax.Array


def flatten_nodes(latents: ArrayLike) -> jax.Array:
    """(time, ...) to (time, nodes), row-major over the latent map."""
    latents = jnp.asarray(latents)
    if latents.ndim < 2:
        raise InputError(f"latents {latents.shape} must be (time, nodes) or (time, height, width)")
    return latents.reshape(latents.shape[0], -1)


def check_length(num_frames: int, order: int, name: str = "latents") -> None:
    """Refuse a series that leaves fewer than two rows to fit."""
    if isinstance(order, bool) or not isinstance(order, (int, np.integer)) or order < 1:
        raise InputError(f"order={order} must be an integer of at least 1")
    if num_frames < order + 2:
        raise InputError(
            f"{name} has {num_frames} frames; a fit of order {order} needs at least {order + 2}: "
            "record longer or lower the order"
        )


def centre(latents: jax.Array, valid: jax.Array, center: bool = True) -> Series:
    """Take off each node's mean over the valid frames and measure the remaining spread.

    Centring is the regression's intercept profiled out. Without it a constant offset, which an encoder's
    biases give every node, is forecast almost perfectly and the coefficients mean nothing (docs/decisions/centring.md).

    Args:
        latents: (runs, time, nodes).
        valid: (runs, time) bool.
        center: False leaves the offset in.
    """
    weight = valid[..., None].astype(latents.dtype)
    count = jnp.maximum(weight.sum(axis=1), 1)
    mean = jnp.where(valid[..., None], latents, 0).sum(axis=1) / count
    mean = mean if center else jnp.zeros_like(mean)
    centred = jnp.where(valid[..., None], latents - mean[:, None], 0)
    entries = count[:, 0] * latents.shape[2]
    variance = jnp.square(centred).sum(axis=(1, 2)) / entries
    # a static series: what centring leaves of it is rounding, and would be "forecast" perfectly
    power = jnp.where(valid[..., None], jnp.square(latents), 0).sum(axis=(1, 2)) / entries
    positive = ~(variance <= (8 * jnp.finfo(latents.dtype).eps) ** 2 * power)  # NaN stays NaN
    centred = jnp.where(positive[:, None, None], centred, 0)
    scale = jnp.where(positive, jnp.sqrt(jnp.where(positive, variance, 1)), 0)  # sqrt has no gradient at 0
    return Series(centred, mean, scale, valid)


def lagged(centred: jax.Array, order: int) -> jax.Array:
    """Design of every frame from `order` on: (runs, time, nodes) -> (runs, time - order, order * nodes)."""
    time = centred.shape[1]
    return jnp.concatenate([centred[:, order - k : time - k] for k in range(1, order + 1)], axis=2)


def valid_rows(valid: jax.Array, order: int) -> jax.Array:
    """A row counts if its own frame and all its lags are valid: (runs, time) -> (runs, time - order)."""
    time = valid.shape[1]
    rows = valid[:, order:]
    for k in range(1, order + 1):
        rows = rows & valid[:, order - k : time - k]
    return rows


def regression_pieces(
    runs: Sequence[NDArray], means: Sequence[NDArray], order: int, rows: int
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """`regression` in pieces of at most so many rows: the whole of a long run would not fit into memory."""
    for z, mean in zip(runs, means, strict=True):
        for start in range(0, len(z) - order, rows):
            part = np.asarray(z[start : start + rows + order], np.float64)
            yield regression([part], [mean], order)


def regression(
    runs: Sequence[NDArray[np.float64]], means: Sequence[NDArray[np.float64]], order: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lagged design (rows, lags * nodes) and targets (rows, nodes) of runs with given means."""
    centred = [z - mean for z, mean in zip(runs, means, strict=True)]
    design = [
        np.concatenate([z[order - 1 - k : len(z) - 1 - k] for k in range(order)], axis=1) for z in centred
    ]
    return np.concatenate(design), np.concatenate([z[order:] for z in centred])
