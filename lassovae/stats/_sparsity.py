"""How concentrated values are: on few nodes (Gini index), or in known places of an image (localisation)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from lassovae._errors import InputError


def gini(values: ArrayLike) -> float:
    """Gini index of absolute values: 0 where all are equal, 1 - 1/n where a single one is not zero.

    Args:
        values: any shape, n entries, finite; signs are ignored.

    Returns:
        In [0, 1); NaN where all are zero.

    Raises:
        InputError: nothing is given, or NaN or Inf.

    Example:
        >>> gini([0.0, 0.0, 0.0, 2.0])
        0.75

    References:
        Hurley & Rickard 2009, Comparing measures of sparsity, IEEE Trans. Inf. Theory 55(10), equation for the Gini
        index: of sixteen measures the one with all six properties asked of sparsity.
    """
    size = np.sort(np.abs(np.asarray(values, dtype=np.float64)).ravel())
    if size.size == 0 or not np.isfinite(size).all():
        raise InputError("values must be finite, at least one: leave out what could not be fitted")
    total = size.sum()
    if total == 0:
        return float("nan")
    n = size.size
    return float((2 * np.arange(1, n + 1) - n - 1) @ size / (n * total))


def localisation(image: ArrayLike, places: ArrayLike) -> float:
    """Share of an image's absolute values that lies in known places.

    Args:
        image: (height, width), signed, without the mean frame.
        places: (height, width) booleans.

    Returns:
        In [0, 1]; the share of the frame that the places cover is chance. NaN for an image of zeros.

    Raises:
        InputError: shapes differ, places are not booleans, or NaN or Inf.
    """
    size, inside = np.abs(np.asarray(image, dtype=np.float64)), np.asarray(places)
    if size.shape != inside.shape or inside.dtype != bool:
        raise InputError(
            f"image has shape {size.shape}, places {inside.shape} ({inside.dtype}): give one boolean a pixel"
        )
    if not np.isfinite(size).all():
        raise InputError("image must be finite")
    total = size.sum()
    return float(size[inside].sum() / total) if total > 0 else float("nan")
