"""From the pixels of a whole study to intensities in [0, 1]."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lassovae._config import Preprocess
from lassovae._errors import InputError
from lassovae.data._movie import Frames, chunked

SAMPLED_FRAMES = 2000  # of a study, evenly spread, where the percentile cannot be counted


@dataclass(frozen=True)
class Scaled:
    """clip((pixel - offset) / scale, 0, 1).

    Attributes:
        scale, offset: in stored units; scale is above 0.
    """

    scale: float
    offset: float
    frames_each: int = 1

    def shape_after(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Unchanged."""
        return shape

    def dtype_after(self, dtype: np.dtype) -> np.dtype:
        """float32."""
        return np.dtype(np.float32)

    def apply(self, chunk: np.ndarray, first: int) -> np.ndarray:
        """Scale and clip."""
        scaled = chunk.astype(np.float64 if chunk.dtype.itemsize > 2 else np.float32)
        np.subtract(scaled, self.offset, out=scaled)
        np.divide(scaled, self.scale, out=scaled)
        return np.clip(scaled, 0, 1, out=scaled).astype(np.float32, copy=False)

    def undo(self, chunk: np.ndarray, first: int) -> np.ndarray:
        """Stored units; what was clipped stays at the limit."""
        return chunk * np.float64(self.scale) + self.offset

    def says(self) -> str:
        """The law."""
        return f"(pixel - {self.offset:g}) / {self.scale:g}, clipped to [0, 1]"


@dataclass(frozen=True, eq=False)
class Survey:
    """What one pass over a run tells.

    Attributes:
        lowest, highest: pixel.
        counts: how often each value from `first` on occurs, for integers of at most 16 bits; else None.
        first: the smallest value that the type can hold.
        brightness: (time,) mean of every frame.
    """

    lowest: float
    highest: float
    counts: np.ndarray | None
    first: int
    brightness: np.ndarray


def survey(movie: Frames) -> Survey:
    """Go once over a run, in chunks."""
    small = movie.dtype.kind in "ui" and movie.dtype.itemsize <= 2
    first = int(np.iinfo(movie.dtype).min) if small else 0
    counts = np.zeros(2 ** (8 * movie.dtype.itemsize), np.int64) if small else None
    lowest, highest, brightness = math.inf, -math.inf, []
    for part in chunked(movie):
        chunk = movie[part]
        lowest, highest = min(lowest, float(chunk.min())), max(highest, float(chunk.max()))
        brightness.append(chunk.mean(axis=(1, 2), dtype=np.float64))
        if counts is not None:
            values = chunk.ravel() if first == 0 else chunk.astype(np.int32).ravel() - first
            counts += np.bincount(values, minlength=len(counts))
    return Survey(lowest, highest, counts, first, np.concatenate(brightness))


def _percentiles(
    movies: Sequence[Frames], surveys: Sequence[Survey], wanted: Sequence[float]
) -> tuple[float, ...]:
    """As `np.percentile` of all pixels: exact where values were counted, else of frames evenly spread."""
    if all(found.counts is not None for found in surveys):
        first = min(found.first for found in surveys)
        length = max(found.first + len(found.counts) for found in surveys if found.counts is not None) - first
        counts = np.zeros(length, np.int64)
        for found in surveys:
            if found.counts is not None:
                counts[found.first - first :][: len(found.counts)] += found.counts
        below = np.cumsum(counts)

        def counted(percentile: float) -> float:
            # between two order statistics, as in np.percentile
            position = percentile / 100 * (int(below[-1]) - 1)
            floor, ceiling = np.searchsorted(
                below, [math.floor(position), math.ceil(position)], side="right"
            ).tolist()
            return float(first + floor + (position - math.floor(position)) * (ceiling - floor))

        return tuple(counted(percentile) for percentile in wanted)
    step = max(1, math.ceil(sum(len(movie) for movie in movies) / SAMPLED_FRAMES))
    sample = np.concatenate([movie[::step].ravel() for movie in movies])
    return tuple(float(value) for value in np.percentile(sample, wanted))


def dark_level(movies: Sequence[Frames], surveys: Sequence[Survey], pre: Preprocess) -> float:
    """The study's offset: its smallest pixel, or low percentile, where that is negative, else 0."""
    if pre.scaling == "max":
        return min(0.0, min(found.lowest for found in surveys))
    return min(0.0, *_percentiles(movies, surveys, [100 - pre.percentile]))


def study_scale(movies: Sequence[Frames], surveys: Sequence[Survey], pre: Preprocess) -> tuple[float, float]:
    """One (scale, offset) for all runs.

    Raises:
        InputError: the percentile is no brighter than the dark.
    """
    if pre.scaling == "max":
        offset = dark_level(movies, surveys, pre)
        return max(found.highest for found in surveys) - offset, offset
    low, top = _percentiles(movies, surveys, [100 - pre.percentile, pre.percentile])
    offset = min(0.0, low)
    if top <= offset:
        raise InputError(
            f"percentile={pre.percentile} of the pixels is {top:g}, their smallest value: nearly all pixels are "
            "dark; use a higher percentile, scaling='max', or crop to the imaged area"
        )
    return top - offset, offset
