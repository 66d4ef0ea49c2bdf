"""A few short clips of frames, forecasts and residuals, as 8-bit sheets that a page can hold."""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass
from typing import Any

import imageio.v3 as iio
import matplotlib as mpl
import numpy as np

from lassovae.plots import robust_limits, symmetric_limit
from lassovae.report._drawing import Columns
from lassovae.report._frames import brightest_frame, decoded
from lassovae.report._scene import Scene

MOST_RUNS = 3
MOST_FRAMES = 60  # of a clip
FEW_FRAMES = 40  # of a clip; for fewer there is one clip less
MOST_PIXELS = 2_400_000  # of all frames together, of each of the three kinds: a page of some megabytes
LONGEST_SIDE = 192  # pixels of a frame as it is shown
COLUMNS = 10  # frames side by side on a sheet
BEFORE = 1 / 3  # share of a clip that comes before its transient


@dataclass(frozen=True, eq=False)
class Viewer:
    """Clips for the page.

    Attributes:
        clips: plain values for the page's script: shapes, scales, and the sheets as data URIs.
        words: what is shown, of which frames, at which scales.
        data: columns of a CSV file: how large the residual of every frame is.
    """

    clips: dict[str, Any]
    words: str
    data: Columns


def _runs(scene: Scene) -> list[int]:
    """The first run of each of the first conditions, then others in order."""
    analysis = scene.results[scene.best][1]
    first = [analysis.runs_of(c)[0] for c in analysis.conditions]
    others = [i for i in range(len(analysis.names)) if i not in first]
    return [*first, *others][:MOST_RUNS]


def _smaller(images: np.ndarray, factor: int) -> np.ndarray:
    """Means over blocks of pixels; rows and columns that fill no block are left out."""
    count, height, width = images.shape
    cut = images[:, : height // factor * factor, : width // factor * factor]
    return cut.reshape(count, height // factor, factor, width // factor, factor).mean(axis=(2, 4))


def _sheet(images: np.ndarray) -> str:
    """Frames (count, height, width) of bytes on one PNG, row by row, as a data URI."""
    count, height, width = images.shape
    rows = math.ceil(count / COLUMNS)
    sheet = np.zeros((rows * height, COLUMNS * width), np.uint8)
    for i, image in enumerate(images):
        top, left = i // COLUMNS * height, i % COLUMNS * width
        sheet[top : top + height, left : left + width] = image
    data = iio.imwrite("<bytes>", sheet, extension=".png")
    return "data:image/png;base64," + base64.b64encode(data).decode("ascii")


def grey_levels(images: np.ndarray, low: float, high: float) -> np.ndarray:
    """Bytes from 0 at `low` and below to 255 at `high` and above."""
    return np.clip(np.rint((images - low) / (high - low) * 255), 0, 255).astype(np.uint8)


def signed_levels(images: np.ndarray, limit: float) -> np.ndarray:
    """Bytes from 1 at -limit over 128 at zero to 255 at limit."""
    return np.asarray(np.clip(np.rint(images / limit * 127), -127, 127) + 128).astype(np.uint8)


def _colours() -> list[int]:
    """Red, green and blue of each of the 256 levels of a residual, one after the other."""
    places = np.clip((np.arange(256) - 128) / 254 + 0.5, 0, 1)
    return [int(v) for v in mpl.colormaps["RdBu_r"](places, bytes=True)[:, :3].ravel()]


def viewer(scene: Scene) -> Viewer:
    """Frames around a transient of a few runs, what the best model forecast of them, and what is left."""
    model, analysis = scene.results[scene.best]
    order, (height, width) = model.config.order, model.frame_shape
    factor = math.ceil(max(height, width) / LONGEST_SIDE)
    size = (height // factor, width // factor)
    runs = _runs(scene)
    while len(runs) > 1 and MOST_PIXELS // (size[0] * size[1] * len(runs)) < FEW_FRAMES:
        runs.pop()
    length = min(MOST_FRAMES, max(1, MOST_PIXELS // (size[0] * size[1] * len(runs))))
    parts = []
    for run in runs:
        frames = scene.prepared.frames[run]
        peak = brightest_frame(frames, scene.prepared.mean_frame, max(order, 2))
        start = max(order, min(peak - int(BEFORE * length), len(frames) - length))
        stop = min(start + length, len(frames))
        images = decoded(model, frames, scene.forecasts(scene.best, run), order, start, stop)[1]
        original = _smaller(np.asarray(frames[start:stop], np.float64), factor)
        parts.append((run, start, original, _smaller(images.astype(np.float64), factor)))
    low, high = robust_limits(*(x for _, _, a, b in parts for x in (a, b)))
    limit = symmetric_limit(*(a - b for _, _, a, b in parts))
    clips = []
    data: dict[str, list[Any]] = {
        name: [] for name in ("run", "frame", "mean", "forecast_mean", "residual_rms")
    }
    for run, start, original, forecast in parts:
        name, rate = analysis.names[run], scene.rate_of(run)
        residual = original - forecast
        clips.append(
            {
                "name": f"{name} ({analysis.labels[run]})",
                "first": start,
                "count": len(original),
                "rate": rate,
                "original": _sheet(grey_levels(original, low, high)),
                "forecast": _sheet(grey_levels(forecast, low, high)),
                "residual": _sheet(signed_levels(residual, limit)),
            }
        )
        data["run"] += [name] * len(original)
        data["frame"] += range(start, start + len(original))
        data["mean"] += original.mean(axis=(1, 2)).tolist()
        data["forecast_mean"] += forecast.mean(axis=(1, 2)).tolist()
        data["residual_rms"] += np.sqrt(np.square(residual).mean(axis=(1, 2))).tolist()
    listed = "; ".join(
        f"{analysis.names[run]}, frames {start} to {start + len(a) - 1}" for run, start, a, _ in parts
    )
    smaller = (
        "" if factor == 1 else f" Frames are shown {factor} times smaller on each side, as means of pixels."
    )
    words = (
        f"Shown are frames around the strongest transient of each of these runs: {listed}. Original and reconstruction "
        f"share one grey scale, black at {low:.3g} and white at {high:.3g} of the scaled intensity; the residual, "
        "original less reconstruction, is red where the frame was brighter than forecast and blue where it was "
        f"darker, full colour at {limit:.2g}. The reconstruction is decoded from the one-step forecast.{smaller}"
    )
    values = {"width": size[1], "height": size[0], "columns": COLUMNS, "colours": _colours(), "clips": clips}
    return Viewer(values, words, data)
