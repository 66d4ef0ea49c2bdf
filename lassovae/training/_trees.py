"""Between a training's state, what its checkpoints hold, and the model that comes of it."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from lassovae._config import Config
from lassovae._model import Model, encode_run
from lassovae.autoencoder import BLOCK, Positions, Weights
from lassovae.data import Prepared
from lassovae.training._mesh import local
from lassovae.training._notes import training_notes
from lassovae.training._step import TrainState


def unknown_positions(config: Config, frame_shape: tuple[int, int]) -> Positions:
    """Before a training has ended: every position as likely as the others."""
    if config.encoder != "convolutional":
        return ()
    height, width = frame_shape
    side = [2, 4, BLOCK]
    return tuple(jnp.full((height // s, width // s, config.channels, 4), 0.25) for s in side)


def tree_of(state: Any, prepared: Prepared, positions: Positions) -> dict[str, Any]:
    """What a checkpoint holds.

    Args:
        state: a TrainState, or a part of one as a dictionary.
        prepared: whose mean frame and scale the model needs.
        positions: pooling positions, `unknown_positions` while it trains.
    """
    return held(state, prepared.mean_frame, prepared.scale, prepared.offset, positions)


def held(
    state: Any, mean_frame: np.ndarray, scale: float, offset: float, positions: Positions
) -> dict[str, Any]:
    """The same from its parts."""
    return {
        "state": state,
        "mean_frame": np.asarray(mean_frame, np.float32),
        "scale": np.asarray(scale, np.float64),
        "offset": np.asarray(offset, np.float64),
        "positions": positions,
    }


def model_of(state: TrainState, config: Config, prepared: Prepared, history: list[dict[str, Any]]) -> Model:
    """The model of a state, with its pooling positions averaged over all frames of all runs."""
    rows = tuple(history[: int(state.step)])
    model = Model(
        config=config,
        weights=local(Weights(state.params, state.batch_stats)),
        mean_frame=prepared.mean_frame,
        scale=prepared.scale,
        offset=prepared.offset,
        positions=(),
        history=rows,
        lam_factor=float(state.lam_factor),
        notes=training_notes(rows, config),
        reference=prepared.reference,
        bad_pixels=prepared.bad_pixels,
    )
    positions = () if config.encoder == "block_mean" else _mean_positions(model, prepared)
    return Model(**{**vars(model), "positions": positions})


def _mean_positions(model: Model, prepared: Prepared) -> Positions:
    frames = sum(len(run) for run in prepared.frames)
    total: Positions = ()
    for run in prepared.frames:
        share = tuple(p * (len(run) / frames) for p in encode_run(model, run)[1])
        total = tuple(a + b for a, b in zip(total, share, strict=True)) if total else share
    return total
