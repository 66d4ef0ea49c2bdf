"""From stored pixels to frames in [0, 1] and their mean frame."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lassovae._config import POOLINGS, Preprocess
from lassovae._errors import InputError
from lassovae.data._recording import Recording
from lassovae.data._study import Study

FRAMES_AT_A_TIME = 64
SAMPLED_FRAMES = 2000  # of a study, evenly spread: enough for a percentile, bounded for any study


@dataclass(frozen=True, eq=False)
class Prepared:
    """A study ready for the model.

    Attributes:
        frames: one float32 array (time, height, width) a run, in [0, 1].
        mean_frame: (height, width) float32, mean over runs of each run's mean over time.
        scale, offset: frames are (pixel - offset) / scale, clipped to [0, 1].
        names: of the runs.
    """

    frames: tuple[np.ndarray, ...]
    mean_frame: np.ndarray
    scale: float
    offset: float
    names: tuple[str, ...]


def frame_shape_after(shape: tuple[int, int], pre: Preprocess) -> tuple[int, int]:
    """(height, width) of a frame after crop and downscale.

    Args:
        shape: (height, width) in stored pixels.
        pre: crop and downscale are read.

    Raises:
        InputError: the crop is larger than the frame, or the result cannot be halved POOLINGS times.
    """
    height, width = pre.crop or shape
    if height > shape[0] or width > shape[1]:
        raise InputError(f"crop={pre.crop} is larger than the frames, {shape} pixels: choose a smaller crop")
    after = (height // pre.downscale, width // pre.downscale)
    side = 2**POOLINGS
    if after[0] % side or after[1] % side or 0 in after:
        unit = side * pre.downscale
        works = (shape[0] // unit * unit, shape[1] // unit * unit)
        remedy = f"use crop={works}" if 0 not in works else "use a smaller downscale"
        raise InputError(
            f"frames of {height} x {width} pixels at downscale={pre.downscale} give {after[0]} x {after[1]}; "
            f"{POOLINGS} poolings need multiples of {side}: {remedy}"
        )
    return after


def resize(chunk: np.ndarray, pre: Preprocess) -> np.ndarray:
    """Centre crop and downscale: (time, height, width) stored pixels to (time, height', width').

    "nearest" keeps the dtype and one pixel of each block, the one at its centre (the later of two); "mean"
    returns float32.
    """
    height, width = pre.crop or chunk.shape[1:]
    factor = pre.downscale
    height, width = height // factor * factor, width // factor * factor
    top, left = (chunk.shape[1] - height) // 2, (chunk.shape[2] - width) // 2
    part = chunk[:, top : top + height, left : left + width]
    if factor == 1:
        return part
    if pre.downscale_method == "nearest":
        return part[:, factor // 2 :: factor, factor // 2 :: factor]
    blocks = part.reshape(len(part), height // factor, factor, width // factor, factor)
    return blocks.mean(axis=(2, 4), dtype=np.float32)


def _check_finite(name: str, movie: np.ndarray, start: int) -> None:
    bad = ~np.isfinite(movie)
    if bad.any():
        frames = start + np.flatnonzero(bad.any(axis=(1, 2)))
        shown = ", ".join(str(f) for f in frames[:5]) + (", ..." if len(frames) > 5 else "")
        raise InputError(
            f"run {name}: {int(bad.sum())} NaN or Inf pixels, in {len(frames)} frames ({shown}) of those read "
            "so far: repair them or cut these frames out"
        )


def _read(recording: Recording, name: str, pre: Preprocess) -> np.ndarray:
    """A whole run, cropped and downscaled, in its stored dtype or float32."""
    parts = []
    for i, chunk in enumerate(recording.chunks(FRAMES_AT_A_TIME)):
        if np.issubdtype(chunk.dtype, np.floating):
            _check_finite(name, chunk, i * FRAMES_AT_A_TIME)
        part = resize(chunk, pre)
        parts.append(part.astype(np.float32) if part.dtype.itemsize > 4 else part.copy())
    run = np.concatenate(parts)
    if run.min() == run.max():
        raise InputError(
            f"run {name}: every pixel of every frame is {run.flat[0]}; a constant movie has no dynamics: "
            "check the export or leave the run out"
        )
    return run


def _study_scale(runs: list[np.ndarray], pre: Preprocess) -> tuple[float, float]:
    """One (scale, offset) for all runs."""
    offset = min(0.0, float(min(run.min() for run in runs)))
    if pre.scaling == "max":
        return float(max(run.max() for run in runs)) - offset, offset
    step = max(1, math.ceil(sum(len(run) for run in runs) / SAMPLED_FRAMES))
    sample = np.concatenate([run[::step].ravel() for run in runs])
    top = float(np.percentile(sample, pre.percentile))
    if top <= offset:
        raise InputError(
            f"percentile={pre.percentile} of the pixels is {top:g}, their smallest value: nearly all pixels are "
            "dark; use a higher percentile, scaling='max', or crop to the imaged area"
        )
    return top - offset, offset


def prepare(
    study: Study, pre: Preprocess, *, scale: float | None = None, offset: float | None = None
) -> Prepared:
    """Read, crop, downscale and scale every run of a study.

    Args:
        study: runs of one frame size.
        pre: settings.
        scale, offset: those of a trained model, to treat new recordings as its own were; None measures them
            on this study, one pair for all runs so that runs stay comparable.

    Returns:
        Prepared, held in memory as float32: 4 bytes x frames x height x width after downscaling.

    Raises:
        InputError: sizes that do not fit, NaN or Inf pixels, a constant movie, dark pixels in the mean frame.
    """
    frame_shape_after(study.frame_shape, pre)
    runs = [_read(run.recording, run.name, pre) for run in study.runs]
    if scale is None or offset is None:
        scale, offset = _study_scale(runs, pre)
    for i, run in enumerate(runs):
        scaled = (run.astype(np.float32) - np.float32(offset)) / np.float32(scale)
        runs[i] = np.clip(
            scaled, 0, 1, out=scaled
        )  # frees the stored run: the peak is one run above the result
    means = [run.mean(axis=0, dtype=np.float64) for run in runs]
    mean_frame = np.mean(means, axis=0)
    dark = int((mean_frame <= 0).sum())
    if dark and pre.mean_frame_floor == 0:
        raise InputError(
            f"{study.name}: {dark} of {mean_frame.size} pixels are zero in every frame, and the skip connection "
            "multiplies by the mean frame: set mean_frame_floor=0.01, or crop to the imaged area"
        )
    mean_frame = np.maximum(mean_frame, pre.mean_frame_floor)
    return Prepared(tuple(runs), mean_frame.astype(np.float32), scale, offset, study.names)
