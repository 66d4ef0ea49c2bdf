"""Frames that are compressed many together: each stretch of them is decoded once, though it is read in parts."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

LARGEST_STRETCH = 1 << 28  # bytes of a decoded stretch that are kept; a longer one is read as it is asked for


class _Kept(NamedTuple):
    """A decoded stretch, of which movie and as its file was when, and the number of its first frame."""

    key: Hashable
    first: int
    pixels: np.ndarray


class _Last:
    """The last stretch that was decoded, of all recordings: what is read next goes on within it most often.

    It is replaced and never changed, in one assignment, so threads need no lock and a process that was forked finds it
    whole. One for all recordings, so that a study of many takes no more memory than one.
    """

    kept: _Kept | None = None


def forget_stretch() -> None:
    """Read what comes next from the files, which may have changed."""
    _Last.kept = None


@dataclass(frozen=True, eq=False)
class Stretches:
    """How the movie of one recording lies in its file; another recording of the same file has its own.

    Attributes:
        file: that says how, and may change.
        length: frames that are compressed together.
        shape: (time, ...) of the movie as it is stored.
        dtype: of its pixels.
    """

    file: Path
    length: int
    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def pays(self) -> bool:
        """Whether a stretch is of several frames and can be kept without taking too much memory."""
        frame_bytes = math.prod(self.shape[1:]) * self.dtype.itemsize
        return self.length > 1 and min(self.length, self.shape[0]) * frame_bytes <= LARGEST_STRETCH

    def read(self, frames: range, read: Callable[[range], np.ndarray]) -> np.ndarray:
        """Read successive frames, from the stretch that was decoded last as far as they lie in it.

        Args:
            frames: with a step of 1.
            read: decodes successive frames of the movie, (time, ...).

        Returns:
            (time, ...), the caller's own.
        """
        time = self.shape[0]
        if frames.start % self.length == 0 and (frames.stop % self.length == 0 or frames.stop == time):
            return read(frames)
        state = os.stat(self.file)
        key = (self, state.st_mtime_ns, state.st_size)
        out = np.empty((len(frames), *self.shape[1:]), self.dtype)
        for first in range(frames.start // self.length * self.length, frames.stop, self.length):
            stretch = range(first, min(first + self.length, time))
            start, stop = max(first, frames.start), min(stretch.stop, frames.stop)
            kept = _Last.kept
            if kept is not None and (kept.key, kept.first) == (key, first):
                pixels = kept.pixels
            else:
                if stop - start < len(stretch):
                    _Last.kept = None  # before the next one takes memory
                pixels = read(stretch)
                if stop - start < len(stretch):
                    _Last.kept = _Kept(key, first, pixels)
            out[start - frames.start : stop - frames.start] = pixels[start - first : stop - first]
        return out
