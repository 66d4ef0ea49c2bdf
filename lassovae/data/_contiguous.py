"""Frames that lie uncompressed in a file, read by as few calls as there are stretches of them."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np

from lassovae._errors import InputError
from lassovae.data._recording import Recording, check_movie


def _stretches(offsets: np.ndarray, frame_bytes: int) -> list[tuple[int, int]]:
    """(first, one past last) positions of stretches of frames that follow each other in the file."""
    breaks = np.flatnonzero(np.diff(offsets) != frame_bytes) + 1
    return list(itertools.pairwise([0, *breaks.tolist(), len(offsets)]))


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
    if not dtype.isnative:
        out = out.byteswap(inplace=True).view(dtype.newbyteorder("="))
    return np.ascontiguousarray(out[::-1]) if backwards else out


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

    def _read(self, frames: range) -> np.ndarray:
        frame_bytes = self.shape[1] * self.shape[2] * self._stored.itemsize
        offsets = self._offset + np.asarray(frames, np.int64) * frame_bytes
        return read_frames(self._path, offsets, self.frame_shape, self._stored)
