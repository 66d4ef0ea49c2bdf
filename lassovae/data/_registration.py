"""Rigid motion correction: every frame moved back onto one reference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.signal.windows import tukey
from skimage.registration import phase_cross_correlation

SUBPIXELS = 10  # shifts are found to a tenth of a pixel: finer ones change no node
TAPERED = (
    0.5  # of each side: where tissue enters and leaves, a circular correlation sees an edge that holds still
)
PASSES = 2  # the first reference is blurred by the motion


def frame_shifts(reference: np.ndarray, run: np.ndarray) -> NDArray[np.float64]:
    """(time, 2) pixels down and right that bring each frame onto the reference."""
    height, width = reference.shape
    window = np.outer(tukey(height, TAPERED), tukey(width, TAPERED))
    image = (reference - reference.mean()) * window
    return np.stack(
        [
            # normalised to phases alone, shot noise would weigh as much as the image
            phase_cross_correlation(
                image, (frame - frame.mean()) * window, upsample_factor=SUBPIXELS, normalization=None
            )[0]
            for frame in run
        ]
    )


def _moved(run: np.ndarray, shifts: NDArray[np.float64]) -> NDArray[np.float32]:
    still = np.empty(run.shape, np.float32)
    for frame, by, out in zip(run, shifts, still, strict=True):
        ndimage.shift(frame.astype(np.float32), by, output=out, order=1, mode="nearest")
    return still


def register(
    runs: Sequence[np.ndarray], reference: np.ndarray | None = None
) -> tuple[list[NDArray[np.float32]], list[NDArray[np.float64]]]:
    """Move every frame by the shift that correlates it best with the reference.

    Shifts are found by the peak of the cross-correlation of tapered frames, and applied by linear interpolation, which
    never leaves the range of the pixels; what enters at an edge repeats it.

    Args:
        runs: (time, height, width) each, of one frame size, finite.
        reference: (height, width) in any units, that of a trained model; None takes the mean over runs of their mean
            frames, and a second time that of the frames so moved.

    Returns:
        The runs in float32, and for each of them (time, 2) pixels down and right by which its frames were moved.

    Complexity:
        On one core 10 to 20 ms a frame of 192 x 128 pixels, both passes together.

    References:
        Guizar-Sicairos, Thurman & Fienup 2008, Efficient subpixel image registration algorithms (as in scikit-image).
    """
    still: Sequence[np.ndarray] = runs
    for _ in range(PASSES if reference is None else 1):
        onto = reference
        if onto is None:
            onto = np.mean([run.mean(axis=0, dtype=np.float64) for run in still], axis=0)
        shifts = [frame_shifts(onto, run) for run in runs]
        still = [_moved(run, by) for run, by in zip(runs, shifts, strict=True)]
    return list(still), shifts
