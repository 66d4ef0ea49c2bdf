"""Which windows make up which step, and their frames on the devices, one step ahead of the training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from lassovae.data import Frames, epoch_order
from lassovae.training._mesh import shared


class Batch(NamedTuple):
    """The windows of one step.

    Attributes:
        frames: (windows, window, height, width) float32, in [0, 1].
        weight: (windows,) float32, adds up to 1.
    """

    frames: jax.Array
    weight: jax.Array


def steps_an_epoch(num_windows: int, windows_per_step: int) -> int:
    """Number of steps that show every window once."""
    return -(-num_windows // windows_per_step)


def epoch_steps(num_windows: int, windows_per_step: int, seed: int, epoch: int) -> list[np.ndarray]:
    """Indices of the windows of every step of an epoch; the last step may have fewer."""
    order = epoch_order(num_windows, seed, epoch)
    return [order[i : i + windows_per_step] for i in range(0, len(order), windows_per_step)]


def batches(
    frames: Sequence[Frames],
    places: np.ndarray,
    steps: Sequence[np.ndarray],
    window: int,
    windows_per_step: int,
    mesh: Mesh,
) -> Iterator[tuple[np.ndarray, Batch]]:
    """(indices of the windows, their batch) of every step.

    All have one shape, so that one program serves a whole training: where windows are missing, the first of the
    step comes again with weight 0. The batch of the next step is on its way to the devices when one is given out.
    """

    def batch(some: np.ndarray) -> Batch:
        filled = np.concatenate([some, np.repeat(some[:1], windows_per_step - len(some))])
        weights = (np.arange(windows_per_step) < len(some)) / np.float32(len(some))

        def stack(indices: np.ndarray) -> np.ndarray:
            return np.stack([frames[r][s : s + window] for r, s in places[indices]])

        return Batch(
            shared(mesh, filled, stack),
            shared(mesh, weights, lambda part: np.asarray(part, np.float32)),
        )

    ahead: Batch | None = None
    for number, some in enumerate(steps):
        now = batch(some) if ahead is None else ahead
        ahead = batch(steps[number + 1]) if number + 1 < len(steps) else None
        yield some, now
