"""From the pixels of a whole study to intensities in [0, 1]."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lassovae._config import Preprocess
from lassovae._errors import InputError
from lassovae.data._movie import FloatOut, Frames, chunked

SAMPLED_PIXELS = 20_000_000  # of a study, evenly spread, where the percentile cannot be counted


@dataclass(frozen=True)
class Scaled(FloatOut):
    """clip((pixel - offset) / scale, 0, 1).

    Attributes:
        scale, offset: in stored units; scale is above 0.
    """

    scale: float
    offset: float

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
        counts: how often each value from `first` on occurs, where all runs hold integers of at most 16 bits; else None.
        first: the smallest value that the type can hold.
        sample: pixels evenly spread over the run, where values cannot be counted; else empty.
        brightness: (time,) mean of every frame.
    """

    lowest: float
    highest: float
    counts: np.ndarray | None
    first: int
    sample: np.ndarray
    brightness: np.ndarray


def _countable(movie: Frames) -> bool:
    return movie.dtype.kind in "ui" and movie.dtype.itemsize <= 2


def survey_all(movies: Sequence[Frames]) -> list[Survey]:
    """Go once over every run, in chunks."""
    if all(_countable(movie) for movie in movies):
        return [_survey(movie, 0) for movie in movies]
    stride = max(1, math.ceil(sum(math.prod(movie.shape) for movie in movies) / SAMPLED_PIXELS))
    width = movies[0].shape[2]
    while math.gcd(stride, width) > 1:  # else it would meet the same columns again and again
        stride += 1
    return [_survey(movie, stride) for movie in movies]


def _survey(movie: Frames, stride: int) -> Survey:
    """Count values where stride is 0, else keep every stride-th pixel."""
    first = int(np.iinfo(movie.dtype).min) if stride == 0 else 0
    counts = np.zeros(2 ** (8 * movie.dtype.itemsize), np.int64) if stride == 0 else None
    num_pixels = math.prod(movie.shape)
    sample = np.empty(-(-num_pixels // stride) if stride else 0, movie.dtype)
    lowest, highest, brightness = math.inf, -math.inf, []
    seen = 0
    for part in chunked(movie):
        chunk = movie[part]
        lowest, highest = min(lowest, float(chunk.min())), max(highest, float(chunk.max()))
        brightness.append(chunk.mean(axis=(1, 2), dtype=np.float64))
        values = chunk.ravel()
        if counts is None:
            some = values[-seen % stride :: stride]
            start = -(-seen // stride)
            sample[start : start + len(some)] = some
            seen += len(values)
        else:
            counts += np.bincount(
                values if first == 0 else values.astype(np.int32) - first, minlength=len(counts)
            )
    return Survey(lowest, highest, counts, first, sample, np.concatenate(brightness))


def _percentiles(surveys: Sequence[Survey], wanted: Sequence[float]) -> tuple[float, ...]:
    """As `np.percentile` of all pixels: exact where values were counted or all of them kept, else of the sample."""
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
    sample = np.concatenate([found.sample for found in surveys])
    return tuple(float(value) for value in np.percentile(sample, wanted, overwrite_input=True))


def dark_level(surveys: Sequence[Survey], pre: Preprocess) -> float:
    """The study's offset: its smallest pixel, or low percentile, where that is negative, else 0."""
    if pre.scaling == "max":
        return min(0.0, min(found.lowest for found in surveys))
    return min(0.0, *_percentiles(surveys, [100 - pre.percentile]))


def study_scale(surveys: Sequence[Survey], pre: Preprocess) -> tuple[float, float]:
    """One (scale, offset) for all runs.

    Raises:
        InputError: the percentile is no brighter than the dark.
    """
    if pre.scaling == "max":
        offset = dark_level(surveys, pre)
        return max(found.highest for found in surveys) - offset, offset
    low, top = _percentiles(surveys, [100 - pre.percentile, pre.percentile])
    offset = min(0.0, low)
    if top <= offset:
        raise InputError(
            f"percentile={pre.percentile} of the pixels is {top:g}, their smallest value: nearly all pixels are "
            "dark; use a higher percentile, scaling='max', or crop to the imaged area"
        )
    return top - offset, offset
