"""Random numbers from a seed that a user gave."""

from __future__ import annotations

import numpy as np

from lassovae._errors import InputError


def generator(seed: int) -> np.random.Generator:
    """A generator of this seed.

    Raises:
        InputError: it is not an integer of at least 0.
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise InputError(f"seed={seed!r} must be an integer of at least 0")
    return np.random.default_rng(int(seed))
