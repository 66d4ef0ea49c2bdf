"""Stability selection: how often a coefficient is selected when half of the recording is left out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jax.typing import ArrayLike
from numpy.typing import NDArray

from lassovae._errors import InputError
from lassovae._random import generator
from lassovae._status import raise_if_failed
from lassovae.var._pooled import fit_pooled
from lassovae.var._prune import prune

PIECE_FRAMES = 64


def _pieces(list_of_latents: Sequence[ArrayLike], frames: int) -> list[NDArray[np.float32]]:
    """Consecutive pieces of about `frames` frames of every run, less the run's mean; a short run is one piece."""
    made: list[NDArray[np.float32]] = []
    for z in list_of_latents:
        run = np.asarray(z)
        centred = run - run.mean(axis=0, dtype=np.float64).astype(run.dtype)
        made += np.array_split(centred, max(1, len(run) // frames))
    return made


def selection_frequency(
    list_of_latents: Sequence[ArrayLike],
    order: int,
    lam: float,
    *,
    threshold: float = 0.0,
    num_splits: int = 10,
    piece_frames: int = PIECE_FRAMES,
    seed: int = 0,
) -> NDArray[np.float64]:
    """The share of halves of the recordings in which a pooled fit has each coefficient.

    Runs are cut into pieces, and the pieces split into two random halves, num_splits times. What chance selects in
    one half it seldom selects in another; a coupling is selected in nearly all.

    Args:
        list_of_latents: runs that are fitted together, as in `fit_pooled`.
        order: number of lags.
        lam: l1 strength of the fits, which have half of the rows.
        threshold: of `prune`, applied to every fit.
        num_splits: at least 1; 2 * num_splits fits are made.
        piece_frames: length of the pieces; much longer than a transient, much shorter than all runs together.
        seed: of the splits.

    Returns:
        (lags, targets, sources) float64 in [0, 1]. NumPy, not differentiable.

    Raises:
        InputError: num_splits below 1, pieces too short to fit, fewer than two of them, or as `fit_pooled`.
        SolveError: a lasso failed.

    References:
        Meinshausen & Buehlmann 2010, Stability selection; Shah & Samworth 2013 (complementary halves).
    """
    if num_splits < 1:
        raise InputError(f"num_splits={num_splits} must be at least 1")
    if piece_frames < order + 2:
        raise InputError(
            f"piece_frames={piece_frames} must be at least {order + 2}: a fit of order {order} needs them"
        )
    pieces = _pieces(list_of_latents, piece_frames)
    if len(pieces) < 2:
        raise InputError(
            f"the runs hold {len(pieces)} piece of {piece_frames} frames, and two halves need two: lower piece_frames"
        )
    rng = generator(seed)
    selected = []
    for _ in range(num_splits):
        shuffled = rng.permutation(len(pieces))
        for half in (shuffled[: len(pieces) // 2], shuffled[len(pieces) // 2 :]):
            part = [pieces[i] for i in half]
            fit = prune(raise_if_failed(fit_pooled(part, order, lam)), part, threshold)
            selected.append(np.asarray(fit.coef) != 0)
    return np.mean(selected, axis=0)
