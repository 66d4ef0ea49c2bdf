"""A trained model: everything needed to encode new recordings and to decode maps, as one record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lassovae._config import Config
from lassovae._errors import InputError
from lassovae.autoencoder import (
    Positions,
    Weights,
    count_positions,
    decode,
    encode,
    latent_shape,
    reconstruct,
)
from lassovae.data import Frames, Prepared, Study, prepare

CHUNK = 64  # frames encoded or decoded at a time: one compiled shape, bounded memory


@dataclass(frozen=True, eq=False)
class Model:
    """What `fit` returns and `load` reads back.

    Attributes:
        config: the settings it was trained with.
        weights: of encoder and decoder; empty for block means.
        mean_frame: (height, width) float32, the static component, in [0, 1].
        scale, offset: stored pixels become (pixel - offset) / scale.
        positions: average pooling positions over the training runs, for decoding maps (`mean_positions`).
        history: one dictionary a step: step, epoch, run, start, loss, reconstruction, relative_error, nonzeros,
            gap, failed, skipped, lam. With several windows a step, run and start are lists and the measures those of
            `Measures`; a number that is not finite is None.
        lam_factor: by what the guard against a dead VAR multiplied lam in the last step; 1 if it never acted.
        notes: sentences a user must read, about this training.
        reference, bad_pixels: as in `Prepared`: what frames were registered onto, and which pixels were filled.
    """

    config: Config
    weights: Weights
    mean_frame: np.ndarray
    scale: float
    offset: float
    positions: Positions
    history: tuple[dict[str, Any], ...] = ()
    lam_factor: float = 1.0
    notes: tuple[str, ...] = ()
    reference: np.ndarray | None = None
    bad_pixels: np.ndarray | None = None

    @property
    def frame_shape(self) -> tuple[int, int]:
        """(height, width) of a preprocessed frame."""
        height, width = self.mean_frame.shape
        return height, width

    @property
    def latent_shape(self) -> tuple[int, int]:
        """(height, width) of a latent map; their product is the number of nodes."""
        return latent_shape(self.frame_shape)


def prepare_for(model: Model, study: Study, *, hold: bool = True) -> Prepared:
    """Treat a study's frames as those of the model's training were: `prepare` with all that was measured there.

    Raises:
        InputError: as `prepare`.
    """
    return prepare(
        study,
        model.config.preprocess,
        scale=model.scale,
        offset=model.offset,
        mean_frame=model.mean_frame,
        reference=model.reference,
        bad=model.bad_pixels,
        hold=hold,
    )


@partial(jax.jit, static_argnames="config")
def _encode(
    config: Config, weights: Weights, frames: jax.Array, mean_frame: jax.Array
) -> tuple[jax.Array, Positions]:
    latents, positions, _ = encode(config, weights, frames, mean_frame)
    return latents, positions


@partial(jax.jit, static_argnames="config")
def _decode(
    config: Config, weights: Weights, latents: jax.Array, positions: Positions, mean_frame: jax.Array
) -> tuple[jax.Array, jax.Array]:
    residual, _ = decode(config, weights, latents, positions)
    return residual, reconstruct(config, residual, mean_frame)


_count_positions = jax.jit(count_positions)  # one program for all numbers of frames


def _padded(x: np.ndarray, length: int) -> np.ndarray:
    return np.concatenate([x, np.repeat(x[-1:], length - len(x), axis=0)]) if len(x) < length else x


def encode_run(model: Model, frames: Frames) -> tuple[np.ndarray, Positions]:
    """Latent maps of a preprocessed run and its average pooling positions.

    Args:
        model: trained, evaluated with its running batch statistics.
        frames: (time, height, width), in [0, 1]: an array, or what is read by slices, as `prepare` gives it.

    Returns:
        latents (time, latent height, latent width) float32; positions as in `mean_positions`.
    """
    parts: list[np.ndarray] = []
    totals: list[np.ndarray] = []
    for start in range(0, len(frames), CHUNK):
        count = min(CHUNK, len(frames) - start)
        chunk = _padded(frames[start : start + CHUNK], CHUNK)
        latents, positions = _encode(
            model.config.network(), model.weights, jnp.asarray(chunk), model.mean_frame
        )
        parts.append(np.asarray(latents)[:count])
        sums = [np.asarray(p) for p in _count_positions(positions, count)]
        totals = [total + more for total, more in zip(totals, sums, strict=True)] if totals else sums
    return np.concatenate(parts), tuple(jnp.asarray(total / len(frames)) for total in totals)


def decode_run(
    model: Model, frames: Frames, latents: np.ndarray, first: int, *, same_frame: bool
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Residuals and reconstructions of the frames first, first + 1, ... from given latents, chunk by chunk.

    Args:
        model: trained.
        frames: (time, height, width), the run in [0, 1], read by slices; gives the pooling positions.
        latents: (time - first, latent height, latent width), to be decoded: centred forecasts, or z_t itself.
        first: index of the frame that latents[0] stands for.
        same_frame: use the pooling positions of the frame itself instead of the one before.

    Yields:
        (index of the first frame, residuals, reconstructions), both (chunk, height, width).
    """
    shift = 0 if same_frame else 1
    if first < shift:
        raise InputError("first=0: the first frame has none before it; start at 1, or use same_frame=True")
    for start in range(first, len(frames), CHUNK):
        stop = min(start + CHUNK, len(frames))
        positions: Positions = ()
        if model.config.encoder == "convolutional":  # the others pool nothing
            shown = _padded(frames[start - shift : stop - shift], CHUNK)
            _, positions = _encode(
                model.config.network(), model.weights, jnp.asarray(shown), model.mean_frame
            )
        z = _padded(latents[start - first : stop - first], CHUNK)
        residual, frame = _decode(
            model.config.network(), model.weights, jnp.asarray(z), positions, model.mean_frame
        )
        yield start, np.asarray(residual)[: stop - start], np.asarray(frame)[: stop - start]
