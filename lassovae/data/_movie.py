"""A movie on its way to the model: frames made from a recording, one step after the other, when asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from lassovae.data._recording import Recording

FRAMES_AT_A_TIME = 64


class Frames(Protocol):
    """Frames by number: an array (time, height, width), a recording, or what is made of one when asked for."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(time, height, width)."""

    @property
    def dtype(self) -> np.dtype:
        """Of the pixels."""

    def __len__(self) -> int:
        """Number of frames."""

    def __getitem__(self, index: int | slice, /) -> np.ndarray:
        """(height, width) of one frame, (frames, height, width) of several."""


class Step(Protocol):
    """What is done to the frames of one run; knows how to undo it, as far as it can be undone."""

    @property
    def frames_each(self) -> int:
        """How many frames that come in make one that goes out."""

    def shape_after(self, shape: tuple[int, int]) -> tuple[int, int]:
        """(height, width) of what comes out of frames of this shape."""

    def dtype_after(self, dtype: np.dtype) -> np.dtype:
        """Of what comes out of pixels of this type."""

    def apply(self, chunk: np.ndarray, first: int) -> np.ndarray:
        """Treat (frames * frames_each, height, width), the first of which would be number `first` of what comes out."""

    def undo(self, chunk: np.ndarray, first: int) -> np.ndarray:
        """Back to what came in, as float32 or float64: NaN where nothing is known any more."""

    def says(self) -> str:
        """One sentence on what it does to this run, or an empty string where it leaves every pixel as it was."""


class SameShape:
    """What a step has that leaves number, size and type of frames as they are; others say otherwise."""

    @property
    def frames_each(self) -> int:
        """One."""
        return 1

    def shape_after(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Unchanged."""
        return shape

    def dtype_after(self, dtype: np.dtype) -> np.dtype:
        """Unchanged."""
        return dtype


class FloatOut(SameShape):
    """The same for a step whose frames come out as float32."""

    def dtype_after(self, dtype: np.dtype) -> np.dtype:
        """float32."""
        return np.dtype(np.float32)


class Treated(Recording):
    """A recording after some steps; treated anew at every reading, never kept.

    Args:
        source: the recording, or frames that are as good.
        steps: in the order in which they are applied.
        name: of the run.
        frame_rate_hz: of the source.

    Attributes:
        recording: the source.
    """

    def __init__(
        self, source: Frames, steps: Sequence[Step], *, name: str, frame_rate_hz: float | None = None
    ) -> None:
        time, shape, dtype = len(source), (source.shape[1], source.shape[2]), np.dtype(source.dtype)
        for step in steps:
            shape, dtype = step.shape_after(shape), step.dtype_after(dtype)
            time = time // step.frames_each
        self._source, self._steps = source, tuple(steps)
        self.recording = source
        # of each step: how many of its frames become one of the last step's
        self._joined = [math.prod(s.frames_each for s in steps[i + 1 :]) for i in range(len(steps))]
        self._each = math.prod(step.frames_each for step in steps)
        self.name, self.kind = name, getattr(source, "kind", "array")
        self.shape = (time, *shape)
        self.dtype = dtype
        self.frame_rate_hz = None if frame_rate_hz is None else frame_rate_hz / self._each

    def _read(self, frames: range) -> np.ndarray:
        if abs(frames.step) != 1:  # not what the library does; a window or a chunk is one stretch
            return np.concatenate([self._read(range(frame, frame + 1)) for frame in frames])
        first, stop = min(frames), max(frames) + 1
        chunk = self._source[first * self._each : stop * self._each]
        for step, joined in zip(self._steps, self._joined, strict=True):
            chunk = step.apply(chunk, first * joined)
        return chunk[:: frames.step]

    def undo(self, frames: np.ndarray, first: int = 0) -> np.ndarray:
        """Take (frames, height, width) back through all steps, the last one first.

        Args:
            frames: as this movie's, or what is to be shown over them.
            first: the number of its first frame in this movie.

        Returns:
            (frames of the source, its height, its width) float, in the source's units; NaN where nothing is known.
        """
        for step, joined in zip(reversed(self._steps), reversed(self._joined), strict=True):
            frames = step.undo(frames, first * joined)
        return frames


def chunked(movie: Frames, frames_at_a_time: int = FRAMES_AT_A_TIME) -> list[slice]:
    """The stretches in which a movie is gone through; the same whether it is held or read anew."""
    return [slice(start, start + frames_at_a_time) for start in range(0, len(movie), frames_at_a_time)]


def held(movie: Frames) -> np.ndarray:
    """The whole movie in memory."""
    array = np.empty(movie.shape, movie.dtype)
    for part in chunked(movie):
        array[part] = movie[part]
    return array


def mean_of(movie: Frames) -> np.ndarray:
    """(height, width) float64, mean over time."""
    total = np.zeros(movie.shape[1:])
    for part in chunked(movie):
        total += movie[part].sum(axis=0, dtype=np.float64)
    mean: np.ndarray = total / len(movie)
    return mean
