"""Non-overlapping windows of runs, and the order in which an epoch visits them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lassovae._errors import InputError


def windows(lengths: Sequence[int], window: int) -> np.ndarray:
    """Place of every window: run after run, from frame 0 on, without overlap; what is left of a run is not used.

    Args:
        lengths: frames of each run.
        window: frames of a window, at least 1.

    Returns:
        (windows, 2) integers: run, first frame.

    Raises:
        InputError: window is below 1.

    Example:
        >>> windows([130, 64], 64).tolist()
        [[0, 0], [0, 64], [1, 0]]
    """
    if window < 1:
        raise InputError(f"window={window} must be an integer of at least 1 frame")
    places = [(run, start) for run, n in enumerate(lengths) for start in range(0, n - window + 1, window)]
    return np.asarray(places, np.int64).reshape(-1, 2)


def num_windows(lengths: Sequence[int], window: int) -> int:
    """Number of windows that `windows` returns."""
    return len(windows(lengths, window))


def epoch_order(num_windows: int, seed: int, epoch: int) -> np.ndarray:
    """A permutation of the windows that depends on its arguments alone, so that a resumed epoch is the same.

    Args:
        num_windows: number of windows.
        seed: of the training.
        epoch: from 0.

    Returns:
        (windows,) integers.
    """
    return np.random.default_rng([seed, epoch]).permutation(num_windows)
