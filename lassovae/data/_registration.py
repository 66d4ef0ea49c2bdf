"""Rigid motion correction: by how much every frame must be moved back onto one reference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.signal.windows import tukey
from skimage.registration import phase_cross_correlation

from lassovae.data._corrections import Moved
from lassovae.data._movie import Frames, Treated, chunked, mean_of

SUBPIXELS = 10  # shifts are found to a tenth of a pixel: finer ones change no node
TAPERED = (
    0.5  # of each side: where tissue enters and leaves, a circular correlation sees an edge that holds still
)
PASSES = 2  # the first reference is blurred by the motion


def frame_shifts(reference: np.ndarray, movie: Frames) -> NDArray[np.float64]:
    """(time, 2) pixels down and right that bring each frame onto the reference (height, width)."""
    height, width = reference.shape
    window = np.outer(tukey(height, TAPERED), tukey(width, TAPERED))
    image = _tapered(reference, window)
    frames = (_tapered(frame, window) for part in chunked(movie) for frame in movie[part])
    return np.stack([_shift(image, frame) for frame in frames])


def _tapered(frame: np.ndarray, window: NDArray[np.float64]) -> NDArray[np.float64]:
    """A frame without its mean, faded out towards its edges."""
    tapered: NDArray[np.float64] = (frame - frame.mean(dtype=np.float64)) * window
    return tapered


def _shift(image: NDArray[np.float64], frame: NDArray[np.float64]) -> NDArray[np.float64]:
    """(2,) pixels down and right; a frame without any change, such as one in the dark, stays where it is."""
    if not frame.any():
        return np.zeros(2)
    # normalised to phases alone, shot noise would weigh as much as the image
    found = phase_cross_correlation(image, frame, upsample_factor=SUBPIXELS, normalization=None)
    return np.asarray(found[0])


def register(
    movies: Sequence[Frames], reference: np.ndarray | None = None
) -> tuple[np.ndarray, tuple[NDArray[np.float64], ...]]:
    """The shift that correlates every frame best with the reference.

    Shifts are found by the peak of the cross-correlation of tapered frames; `Moved` applies them.

    Args:
        movies: (time, height, width) each, of one frame size, finite.
        reference: (height, width) in any units, that of a trained model; None takes the mean over runs of their mean
            frames, and a second time that of the frames so moved.

    Returns:
        The reference, onto which other recordings are moved alike; and for each run (time, 2) pixels down and right.

    Complexity:
        On one core 10 to 20 ms a frame of 192 x 128 pixels, both passes together.

    References:
        Guizar-Sicairos, Thurman & Fienup 2008, Efficient subpixel image registration algorithms (as in scikit-image).
    """
    if reference is not None:
        return reference, tuple(frame_shifts(reference, movie) for movie in movies)
    still: Sequence[Frames] = movies
    shifts: tuple[NDArray[np.float64], ...] = ()
    for _ in range(PASSES):
        onto: np.ndarray = np.mean([mean_of(movie) for movie in still], axis=0)
        shifts = tuple(frame_shifts(onto, movie) for movie in movies)
        still = [Treated(m, [Moved(by)], name="moved") for m, by in zip(movies, shifts, strict=True)]
    return onto, shifts
