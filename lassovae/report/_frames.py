"""Frames of a run for figures: a few at a time, since a run may be larger than memory."""

from __future__ import annotations

import numpy as np

from lassovae._model import Model, decode_run
from lassovae.autoencoder import BLOCK, latent_shape
from lassovae.data import Frames

CHUNK = 64  # frames read at a time


def brightest_frame(frames: Frames, mean_frame: np.ndarray, first: int) -> int:
    """The frame at which something has been brightest for three frames: a transient that can be forecast.

    Args:
        frames: (time, height, width), read in slices.
        mean_frame: (height, width), above 0.
        first: frames before it are not looked at; at least 2.
    """
    height, width = latent_shape((mean_frame.shape[0], mean_frame.shape[1]))
    best, at = -np.inf, first
    for start in range(first, len(frames), CHUNK):
        relative = np.asarray(frames[start - 2 : start + CHUNK], np.float32) / mean_frame - 1
        blocks = relative.reshape(len(relative), height, BLOCK, width, BLOCK).mean(axis=(2, 4))
        lasting = np.minimum(np.minimum(blocks[2:], blocks[1:-1]), blocks[:-2]).max(axis=(1, 2))
        if lasting.size and lasting.max() > best:
            best, at = float(lasting.max()), start + int(lasting.argmax())
    return at


def decoded(
    model: Model,
    frames: Frames,
    shown: np.ndarray,
    first: int,
    start: int,
    stop: int,
    *,
    same_frame: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Residuals and reconstructions of the frames start to stop - 1, (stop - start, height, width) each.

    Args:
        model: trained.
        frames: (time, height, width), of which only these and the one before are read.
        shown: (time - first, latent height, latent width), decoded in their places.
        first: frame that shown[0] stands for.
        start, stop: in [first, time].
        same_frame: as in `decode_run`.
    """
    before = 0 if same_frame else 1
    part = np.asarray(frames[start - before : stop], np.float32)
    parts = list(decode_run(model, part, shown[start - first : stop - first], before, same_frame=same_frame))
    return np.concatenate([residual for _, residual, _ in parts]), np.concatenate(
        [image for _, _, image in parts]
    )
