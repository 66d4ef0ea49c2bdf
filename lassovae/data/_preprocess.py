"""From stored pixels to frames in [0, 1] and their mean frame."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass

import numpy as np

from lassovae._config import POOLINGS, Preprocess
from lassovae._errors import InputError
from lassovae.data._recording import Recording
from lassovae.data._registration import register
from lassovae.data._study import Study

logger = logging.getLogger("lassovae")

FRAMES_AT_A_TIME = 64
SAMPLED_FRAMES = 2000  # of a study, evenly spread, where the percentile cannot be counted


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
        nearest = [
            min(max(round(size / unit), 1), whole // unit) * unit
            for size, whole in zip((height, width), shape, strict=True)
        ]
        remedy = f"use crop=({nearest[0]}, {nearest[1]})" if all(nearest) else "use a smaller downscale"
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


def _count_bad(chunk: np.ndarray) -> np.ndarray:
    """(time,) pixels of each frame that are NaN or Inf."""
    if chunk.dtype.kind != "f":
        return np.zeros(len(chunk), np.int64)
    return np.asarray((~np.isfinite(chunk)).sum(axis=(1, 2)))


def _read(recording: Recording, name: str, pre: Preprocess) -> np.ndarray:
    """A whole run, cropped and downscaled, in its stored dtype or float32."""
    first = resize(recording[:1], pre)
    dtype = first.dtype if first.dtype.itemsize <= 4 and first.dtype.kind != "f" else np.dtype(np.float32)
    run, bad = np.empty((len(recording), *first.shape[1:]), dtype), []
    for start in range(0, len(recording), FRAMES_AT_A_TIME):
        chunk = recording[start : start + FRAMES_AT_A_TIME]
        bad.append(_count_bad(chunk))
        part = resize(chunk, pre)
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows float32 is found below
            run[start : start + len(chunk)] = part
    _require_finite(name, np.concatenate(bad))
    _require_finite(name, _count_bad(run), " beyond the range of float32")
    return run


def _require_finite(name: str, bad: np.ndarray, what: str = " that are NaN or Inf") -> None:
    frames = np.flatnonzero(bad)
    if len(frames):
        shown = ", ".join(map(str, frames[:5])) + (", ..." if len(frames) > 5 else "")
        raise InputError(
            f"run {name}: {int(bad.sum())} pixels{what}, in {len(frames)} of {len(bad)} frames ({shown}): "
            "repair them or cut these frames out"
        )


def _require_change(runs: list[np.ndarray], names: tuple[str, ...]) -> None:
    constant = [name for name, run in zip(names, runs, strict=True) if run.min() == run.max()]
    if constant:
        raise InputError(
            f"run {', '.join(constant)}: every pixel of every frame is the same; a constant movie has no dynamics: "
            "check the export or leave the run out"
        )


def _percentile(runs: list[np.ndarray], percentile: float) -> float:
    """Exact for integers of at most 16 bits, by counting; else of frames evenly spread over the study."""
    if all(run.dtype.kind in "ui" and run.dtype.itemsize <= 2 for run in runs):
        low = min(int(run.min()) for run in runs)
        high = max(int(run.max()) for run in runs)
        counts = np.zeros(high - low + 1, np.int64)
        for run in runs:
            for start in range(0, len(run), FRAMES_AT_A_TIME):
                values = run[start : start + FRAMES_AT_A_TIME].astype(np.int64).ravel() - low
                counts += np.bincount(values, minlength=len(counts))
        below = np.cumsum(counts)
        position = (
            percentile / 100 * (int(below[-1]) - 1)
        )  # between two order statistics, as in np.percentile
        floor, ceiling = np.searchsorted(below, [math.floor(position), math.ceil(position)], side="right")
        return float(low + floor + (position - math.floor(position)) * (ceiling - floor))
    step = max(1, math.ceil(sum(len(run) for run in runs) / SAMPLED_FRAMES))
    return float(np.percentile(np.concatenate([run[::step].ravel() for run in runs]), percentile))


def _study_scale(runs: list[np.ndarray], pre: Preprocess) -> tuple[float, float]:
    """One (scale, offset) for all runs."""
    lowest = float(min(run.min() for run in runs))
    offset = min(0.0, lowest if pre.scaling == "max" else _percentile(runs, 100 - pre.percentile))
    if pre.scaling == "max":
        return float(max(run.max() for run in runs)) - offset, offset
    top = _percentile(runs, pre.percentile)
    if top <= offset:
        raise InputError(
            f"percentile={pre.percentile} of the pixels is {top:g}, their smallest value: nearly all pixels are "
            "dark; use a higher percentile, scaling='max', or crop to the imaged area"
        )
    return top - offset, offset


def prepare(
    study: Study,
    pre: Preprocess,
    *,
    scale: float | None = None,
    offset: float | None = None,
    mean_frame: np.ndarray | None = None,
) -> Prepared:
    """Read, crop, downscale, register and scale every run of a study.

    Frames are clip((pixel - offset) / scale, 0, 1): offset is the study's smallest pixel where that is negative,
    else 0, and scale its largest pixel, or percentile, above the offset.

    Args:
        study: runs of one frame size.
        pre: settings.
        scale, offset: those of a trained model, to treat new recordings as its own were; None measures them
            on this study, one pair for all runs so that runs stay comparable.
        mean_frame: (height, width) after preprocessing, of a trained model, onto which frames are registered if
            they are; None measures it on this study.

    Returns:
        Prepared, held in memory as float32: 4 bytes x frames x height x width after downscaling.

    Raises:
        InputError: sizes that do not fit, NaN or Inf pixels, a constant movie, dark pixels in the mean frame.
    """
    after = frame_shape_after(study.frame_shape, pre)
    if scale is not None and not (math.isfinite(scale) and scale > 0):
        raise InputError(f"scale={scale} must be a finite number above 0, that of a trained model")
    if offset is not None and not math.isfinite(offset):
        raise InputError(f"offset={offset} must be a finite number, that of a trained model")
    if mean_frame is not None and np.shape(mean_frame) != after:
        raise InputError(
            f"mean_frame has shape {np.shape(mean_frame)}, but frames have {after} after preprocessing: use "
            "recordings of the model's frame size"
        )
    runs = [_read(run.recording, run.name, pre) for run in study.runs]
    _require_change(runs, study.names)
    if pre.registration == "rigid":
        runs, shifts = register(runs, mean_frame)
        for name, by in zip(study.names, shifts, strict=True):
            far = np.abs(by).max(axis=0)
            logger.info("run %s: frames moved by up to %.1f pixels down or up, %.1f sideways", name, *far)
    measured = _study_scale(runs, pre) if scale is None or offset is None else (scale, offset)
    scale, offset = measured[0] if scale is None else scale, measured[1] if offset is None else offset
    for i, run in enumerate(runs):  # replaces the stored run: the peak is one run above the result
        scaled = run.astype(np.float64 if run.dtype.itemsize > 2 else np.float32)
        np.subtract(scaled, offset, out=scaled)
        np.divide(scaled, scale, out=scaled)
        runs[i] = np.clip(scaled, 0, 1, out=scaled).astype(np.float32, copy=False)
    if mean_frame is None:
        mean = np.mean([run.mean(axis=0, dtype=np.float64) for run in runs], axis=0)
    else:
        mean = np.asarray(mean_frame, np.float64)
    dark = int((mean <= 0).sum())
    if dark and pre.mean_frame_floor == 0:
        raise InputError(
            f"{study.name}: {dark} of {mean.size} pixels are zero in every frame, and the skip connection "
            "multiplies by the mean frame: set mean_frame_floor=0.01, or crop to the imaged area"
        )
    mean = np.maximum(mean, pre.mean_frame_floor)
    return Prepared(tuple(runs), mean.astype(np.float32), scale, offset, study.names)
