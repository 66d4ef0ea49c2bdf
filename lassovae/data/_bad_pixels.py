"""Which pixels of a study say nothing: lines without an image, dead pixels, pixels at the ceiling."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from lassovae._errors import InputError
from lassovae.data._quality import blank_rows, dead_pixels, saturated

OFTEN_SATURATED = 0.01  # share of frames at the ceiling beyond which a pixel's course cannot be trusted


def bad_pixels(samples: Iterable[np.ndarray]) -> tuple[NDArray[np.bool_], str]:
    """Pixels that are bad in any run of a study.

    Args:
        samples: of each run (frames, height, width), spread over it, as stored; looked at one after the other.

    Returns:
        (height, width) bool, and how many are bad for which reason.

    Raises:
        InputError: no pixel is good.
    """
    reasons: dict[str, NDArray[np.bool_]] = {}
    for frames in samples:
        blank = blank_rows(frames)
        found = {
            "in blank lines": blank.rows[:, None] | blank.columns[None, :],
            "dead": dead_pixels(frames),
            "saturated": saturated(frames).share > OFTEN_SATURATED,
        }
        reasons = {name: mask | reasons.get(name, False) for name, mask in found.items()}
    bad: NDArray[np.bool_] = np.logical_or.reduce(list(reasons.values()))
    if bad.all():
        raise InputError(
            "every pixel is blank, dead or saturated: check the export, or use bad_pixels='keep'"
        )
    return bad, ", ".join(f"{int(mask.sum())} {name}" for name, mask in reasons.items() if mask.any())
