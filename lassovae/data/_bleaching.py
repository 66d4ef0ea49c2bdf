"""The slow course of a run's brightness, told from its transients."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

SHORTEST, LONGEST = 0.05, 10.0  # time constants of the decay, over the length of the run
TRANSIENT = 2.0  # robust standard deviations above the course that count no more than linearly


def brightness_course(brightness: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fit a decay to a level, the law of fluorophores that bleach while others are safe: 1 - d + d exp(-t / tau).

    The loss is the square for small deviations and linear for large ones, so that transients do not lift it.

    Args:
        brightness: (time,) mean of every frame above the detector's offset, in any unit.

    Returns:
        (time,) the fitted brightness over that of the first frame: 1 at first, everywhere positive. All 1 where the
        brightness is not positive or fewer than 8 frames are given.
    """
    count, level = len(brightness), float(np.median(brightness))
    if count < 8 or not level > 0:
        return np.ones(count)
    t = np.linspace(0, 1, count)
    relative = brightness / level
    noise = 1.4826 * float(np.median(np.abs(np.diff(relative)))) / np.sqrt(2)

    def course(parameters: NDArray[np.float64]) -> NDArray[np.float64]:
        height, depth, log_tau = parameters
        decayed: NDArray[np.float64] = height * (1 - depth + depth * np.exp(-t / np.exp(log_tau)))
        return decayed

    found = optimize.least_squares(
        lambda parameters: course(parameters) - relative,
        x0=[1.0, 0.05, 0.0],
        bounds=([1e-3, -1.0, np.log(SHORTEST)], [10.0, 0.95, np.log(LONGEST)]),
        loss="soft_l1",
        f_scale=max(TRANSIENT * noise, 1e-6),
    )
    fitted = course(found.x)
    return np.maximum(fitted / fitted[0], 1e-3)
