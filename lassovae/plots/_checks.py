"""Shapes of what is drawn: one message that names the argument."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lassovae._errors import InputError


def as_array(values: ArrayLike, ndim: int, name: str, axes: str) -> NDArray[np.float64]:
    """A float64 array of `ndim` axes with something in it."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != ndim or 0 in array.shape:
        raise InputError(f"{name} has shape {array.shape}: give {axes}")
    return array


def as_image(values: ArrayLike, name: str, shape: tuple[int, ...] | None = None) -> NDArray[np.float64]:
    """A (height, width) image, of a given shape if one is asked for."""
    array = as_array(values, 2, name, "(height, width)")
    if shape is not None and array.shape != shape:
        raise InputError(f"{name} has shape {array.shape}, its neighbours {shape}: give images of one shape")
    return array


def as_coef(values: ArrayLike, name: str, nodes: int | None = None) -> NDArray[np.float64]:
    """(lags, targets, sources) coefficients with as many targets as sources."""
    array = as_array(values, 3, name, "(lags, targets, sources)")
    if array.shape[1] != array.shape[2] or nodes not in (None, array.shape[1]):
        wanted = "targets = sources" if nodes is None else f"{nodes} targets and sources"
        raise InputError(f"{name} has shape {array.shape}: give (lags, targets, sources) with {wanted}")
    return array


def robust_limits(*images: NDArray[np.float64], percent: float = 0.5) -> tuple[float, float]:
    """Limits that leave out `percent` of the pixels at either end, shared by all images; never empty."""
    values = np.concatenate([image[np.isfinite(image)].ravel() for image in images])
    if values.size == 0:
        return 0.0, 1.0
    low, high = np.percentile(values, [percent, 100 - percent])
    if high <= low:
        low, high = float(values.min()), float(values.max())
    return (float(low), float(high)) if high > low else (float(low) - 0.5, float(low) + 0.5)


def symmetric_limit(*images: NDArray[np.float64], percent: float = 0.2) -> float:
    """The limit L of a range -L to L that leaves out `percent` of the pixels; never zero."""
    values = np.abs(np.concatenate([image[np.isfinite(image)].ravel() for image in images]))
    if values.size == 0:
        return 1.0
    limit = float(np.percentile(values, 100 - percent)) or float(values.max())
    return limit or 1.0
