"""Frames that lie uncompressed in a file, read by as few calls as there are stretches of them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lassovae._errors import InputError
from lassovae.data._recording import Recording, check_movie

LONG_PIXEL = (
    1 << 14
)  # bytes of all frames of a pixel, from which on those between the frames that are read are skipped
BLOCK_BYTES = 1 << 22


def _stretches(offsets: np.ndarray, frame_bytes: int) -> list[tuple[int, int]]:
    """(first, one past last) positions of stretches of frames that follow each other in the file."""
    breaks = np.flatnonzero(np.diff(offsets) != frame_bytes) + 1
    return list(itertools.pairwise([0, *breaks.tolist(), len(offsets)]))


def native(pixels: np.ndarray) -> np.ndarray:
    """Pixels in the machine's byte order, changed in place."""
    if pixels.dtype.isnative:
        return pixels
    return pixels.byteswap(inplace=True).view(pixels.dtype.newbyteorder("="))


def in_order(forwards: np.ndarray, frames: range) -> np.ndarray:
    """Frames that were read forwards, in the order in which they were asked for."""
    return forwards if frames.step > 0 else np.ascontiguousarray(forwards[::-1])


def read_frames(path: Path, offsets: np.ndarray, frame_shape: tuple[int, int], dtype: np.dtype) -> np.ndarray:
    """Read frames from their places in a file.

    Args:
        path: the file.
        offsets: (frames,) int64, byte of the first pixel of each.
        frame_shape: (height, width).
        dtype: of the stored pixels, with their byte order.

    Returns:
        (frames, height, width), in the machine's byte order.

    Raises:
        InputError: the file cannot be read, or ends before the frames do.
    """
    backwards = len(offsets) > 1 and offsets[1] < offsets[0]
    places = offsets[::-1] if backwards else offsets
    out = np.empty((len(places), *frame_shape), dtype)
    frame_bytes = frame_shape[0] * frame_shape[1] * dtype.itemsize
    try:
        with path.open("rb", buffering=0) as file:
            for first, last in _stretches(places, frame_bytes):
                file.seek(int(places[first]))
                view = out[first:last].view(np.uint8).reshape(-1).data
                while len(view):  # one call gives at most 2 GiB
                    count = file.readinto(view)
                    if not count:
                        raise InputError(
                            f"{path}: the file ends within the frames that are read; it was cut after it was "
                            "opened: copy it again"
                        )
                    view = view[count:]
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}; check the disk") from error
    return np.ascontiguousarray(native(out)[::-1]) if backwards else native(out)


class ContiguousRecording(Recording):
    """A movie whose frames lie uncompressed one behind the other in a file.

    Args:
        path: the file.
        shape: (time, height, width); that it is a movie is checked, and that it ends within the file.
        dtype: of the stored pixels, with their byte order.
        offset: byte of the first pixel.
        name: what messages call it; the path if left out.
        frame_rate_hz: frames per second, None where unknown.

    Raises:
        InputError: not a movie of real numbers, or the file ends before the last frame does.
    """

    kind = "raw"

    def __init__(
        self,
        path: Path,
        shape: tuple[int, ...],
        dtype: np.dtype,
        offset: int,
        *,
        name: str | None = None,
        frame_rate_hz: float | None = None,
    ) -> None:
        self._path = path
        self.name = str(path) if name is None else name
        check_movie(self.name, shape, dtype)
        time, height, width = (int(side) for side in shape)
        present = max(0, path.stat().st_size - offset) // (height * width * dtype.itemsize)
        if present < time:
            raise InputError(
                f"{self.name}: the file is cut short: {present} complete frames of {time} declared; copy or "
                "export it again"
            )
        self.shape = (time, height, width)
        self.dtype = dtype.newbyteorder("=")
        self.frame_rate_hz = frame_rate_hz
        self._stored, self._offset = dtype, offset

    def _files(self) -> Sequence[Path]:
        return [self._path]

    def _read(self, frames: range) -> np.ndarray:
        frame_bytes = self.shape[1] * self.shape[2] * self._stored.itemsize
        offsets = self._offset + np.asarray(frames, np.int64) * frame_bytes
        return read_frames(self._path, offsets, self.frame_shape, self._stored)


class ColumnMajorRecording(Recording):
    """A movie whose pixels lie in Fortran order: all frames of the first pixel, then all of the one below it.

    Args:
        path: the file.
        shape: (time, height, width), checked as for frames one behind the other.
        dtype: of the stored pixels, with their byte order.
        offset: byte of the first pixel.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: np.dtype, offset: int) -> None:
        whole = ContiguousRecording(path, shape, dtype, offset)  # refuses what is no movie or cut short
        self.name, self.shape, self.dtype, self.frame_rate_hz = whole.name, whole.shape, whole.dtype, None
        self._path, self._stored, self._offset = path, dtype, offset

    def _read(self, frames: range) -> np.ndarray:
        time, height, width = self.shape
        forwards = frames if frames.step > 0 else frames[::-1]
        out = np.empty((len(frames), height, width), self._stored)
        # Of a short pixel all frames are read and those dropped that nobody wants, which is faster than to skip them.
        short = time * self._stored.itemsize <= LONG_PIXEL
        first, last = (0, time) if short else (forwards[0], forwards[-1] + 1)
        rows = max(1, BLOCK_BYTES // (time * self._stored.itemsize)) if short else 1
        pixels = np.empty((min(rows, height), last - first), self._stored)
        wanted = slice(forwards[0] - first, forwards[-1] - first + 1, forwards.step)
        with self._path.open("rb", buffering=0) as file:
            for column in range(width):
                for row in range(0, height, rows):
                    block = pixels[: height - row]
                    place = ((column * height + row) * time + first) * self._stored.itemsize
                    file.seek(self._offset + place)
                    if file.readinto(block.data) < block.nbytes:
                        raise InputError(f"{self.name}: the file was cut after it was opened; copy it again")
                    out[:, row : row + len(block), column] = block[:, wanted].T
        return in_order(native(out), frames)
