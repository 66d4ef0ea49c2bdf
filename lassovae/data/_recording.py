"""A recording: a movie of one field of view whose frames are read when asked for, never before."""

from __future__ import annotations

import hashlib
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from lassovae._errors import InputError

ZARR_FILES = (".zarray", ".zgroup", ".zattrs", ".zmetadata")  # hidden, and yet not idle


def check_movie(name: str, shape: tuple[int, ...], dtype: np.dtype) -> None:
    """Refuse what is not a movie of real numbers with at least one pixel.

    Args:
        name: the file or array, for the message.
        shape: its axes.
        dtype: of its pixels.

    Raises:
        InputError: not three axes, an empty axis, or pixels that are not real numbers.
    """
    if len(shape) != 3:
        hint = "; a single frame needs a time axis" if len(shape) == 2 else "; keep one channel and one plane"
        raise InputError(f"{name}: a movie has axes (time, height, width), this has shape {shape}{hint}")
    if min(shape) < 1:
        raise InputError(f"{name}: shape {shape} (time, height, width) has an empty axis: no pixel to read")
    if dtype.kind not in "uif":
        raise InputError(f"{name}: pixels of type {dtype} are not real numbers; store integers or floats")


def check_frame_rate(name: str, frame_rate_hz: float | None) -> float | None:
    """Return the frame rate as a float or None.

    Raises:
        InputError: it is not a finite number above 0.
    """
    if frame_rate_hz is None:
        return None
    try:
        rate = float(frame_rate_hz)
    except (TypeError, ValueError):
        rate = math.nan
    if not (math.isfinite(rate) and rate > 0):
        raise InputError(
            f"{name}: frame_rate_hz={frame_rate_hz!r} must be a finite number above 0, or left out"
        )
    return rate


def check_pixel_size(
    name: str, pixel_size_um: float | tuple[float, float] | None
) -> tuple[float, float] | None:
    """Return (height, width) of a pixel in micrometres, or None.

    Args:
        name: the file or array, for the message.
        pixel_size_um: (height, width), or one number for square pixels.

    Raises:
        InputError: it is neither one nor two finite numbers above 0.
    """
    if pixel_size_um is None:
        return None
    try:
        sizes = tuple(float(side) for side in np.ravel(np.asarray(pixel_size_um, float)))
    except (TypeError, ValueError):
        sizes = ()
    if len(sizes) not in (1, 2) or not all(math.isfinite(side) and side > 0 for side in sizes):
        raise InputError(
            f"{name}: pixel_size_um={pixel_size_um!r} must be one finite number above 0, or (height, width), or left "
            "out"
        )
    return sizes[0], sizes[-1]


class Recording(ABC):
    """A movie (time, height, width) that can be indexed by frame.

    `rec[a:b]` reads frames a to b - 1 only and returns (time, height, width); `rec[i]` returns (height, width);
    negative indices and steps work as in NumPy. The arrays are the caller's own.

    Attributes:
        kind: what sort of file it is, in a word for people, such as TIFF or NWB.
        name: the path, or what the caller called an array; used in messages.
        shape: (time, height, width).
        dtype: of the pixels as stored.
        frame_rate_hz: frames per second, None where unknown.
        pixel_size_um: (height, width) of a pixel in micrometres, None where unknown.
        source: the file or folder that was opened; None for an array in memory.
        opened: its stamp when its headers were read, which say where the pixels are; None where nobody took it.
        again: opens it once more, as it was opened.
    """

    kind: str = "recording"
    source: str | None = None
    opened: str | None = None
    again: Callable[[], Recording] | None = None
    name: str
    shape: tuple[int, int, int]
    dtype: np.dtype
    frame_rate_hz: float | None
    pixel_size_um: tuple[float, float] | None = None

    @abstractmethod
    def _read(self, frames: range) -> np.ndarray:
        """Read the given frames, all within the recording, at least one, as (time, height, width)."""

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def num_frames(self) -> int:
        """Frames in the recording."""
        return self.shape[0]

    @property
    def frame_shape(self) -> tuple[int, int]:
        """(height, width) of a frame, in pixels."""
        return self.shape[1], self.shape[2]

    def __getitem__(self, index: int | slice) -> np.ndarray:
        if isinstance(index, slice):
            frames = range(*index.indices(self.num_frames))
            if not frames:
                return np.empty((0, *self.frame_shape), self.dtype)
            return self._checked(frames)
        try:
            frame = index.__index__()
        except AttributeError:
            raise InputError(f"{self.name}: index frames by an integer or a slice, not {index!r}") from None
        if not -self.num_frames <= frame < self.num_frames:
            raise IndexError(f"{self.name}: frame {frame} of a recording of {self.num_frames} frames")
        frame %= self.num_frames
        return self._checked(range(frame, frame + 1))[0]

    def _checked(self, frames: range) -> np.ndarray:
        try:
            return self._read(frames)
        except OSError as error:
            raise InputError(
                f"{self.name}: cannot be read: {error.strerror or error}; see that it is there, and check the disk"
            ) from error

    def chunks(self, frames_per_chunk: int) -> Iterator[np.ndarray]:
        """Yield the movie in order, at most `frames_per_chunk` frames at a time."""
        for start in range(0, self.num_frames, frames_per_chunk):
            yield self[start : start + frames_per_chunk]

    def stamp(self) -> str:
        """Sizes and times of change of the recording's files, in short; empty for an array in memory.

        Another stamp may come from a copy with the same pixels: it says when to read again, and no more. What is
        missing is part of the stamp and no error.
        """
        places = self._files()
        digest = hashlib.sha256()
        for place in places:
            try:
                state = os.stat(place)
                known = f"{state.st_size} {state.st_mtime_ns} {state.st_ctime_ns}"
            except OSError as error:
                known = type(error).__name__
            digest.update(f"{place}\0{known}\0".encode(errors="surrogateescape"))
        return digest.hexdigest() if places else ""

    def _files(self) -> Sequence[str | Path]:
        """The files whose change may change the pixels; of a folder all that are not hidden."""
        if self.source is None or not os.path.isdir(self.source):
            return [] if self.source is None else [self.source]
        found: list[str] = []
        for folder, _, names in os.walk(self.source):
            found += [os.path.join(folder, name) for name in names if name[0] != "." or name in ZARR_FILES]
        return sorted(found)

    def __repr__(self) -> str:
        rate = "" if self.frame_rate_hz is None else f", frame_rate_hz={self.frame_rate_hz:g}"
        return f"{type(self).__name__}({self.name!r}, shape={self.shape}, dtype={self.dtype}{rate})"


class ArrayRecording(Recording):
    """A movie already in memory.

    Args:
        array: (time, height, width), real numbers. Kept as it is, not copied.
        name: what messages call it.
        frame_rate_hz: frames per second, above 0; None where unknown.
        pixel_size_um: (height, width) of a pixel in micrometres, one number for square ones; None where unknown.

    Raises:
        InputError: the array is not a movie of real numbers, or the frame rate or pixel size is not above 0.
    """

    kind = "array"

    def __init__(
        self,
        array: ArrayLike,
        *,
        name: str = "array",
        frame_rate_hz: float | None = None,
        pixel_size_um: float | tuple[float, float] | None = None,
    ) -> None:
        self._array = np.asarray(array)
        check_movie(name, self._array.shape, self._array.dtype)
        time, height, width = self._array.shape
        self.name = name
        self.shape = (time, height, width)
        self.dtype = self._array.dtype
        self.frame_rate_hz = check_frame_rate(name, frame_rate_hz)
        self.pixel_size_um = check_pixel_size(name, pixel_size_um)

    def _read(self, frames: range) -> np.ndarray:
        return self._array[np.asarray(frames)]

    def _files(self) -> Sequence[str | Path]:
        """Of an array in memory none; of one that is mapped from a file, that file."""
        array: object = self._array
        while isinstance(array, np.ndarray):
            if isinstance(array, np.memmap) and array.filename is not None:
                return [os.fspath(array.filename)]
            array = array.base
        return super()._files()
