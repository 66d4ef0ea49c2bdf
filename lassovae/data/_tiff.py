"""Movies in TIFF: one file of many pages, or a folder of one-frame files."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from lassovae._errors import InputError
from lassovae.data._recording import Recording, check_frame_rate, check_movie
from lassovae.data._tiff_layout import read_layout

SUFFIXES = (".tif", ".tiff")


class TiffRecording(Recording):
    """A movie in one TIFF or BigTIFF file, one page a frame.

    Opening reads the headers and proves that every frame's bytes lie within the file; frames are read when indexed.

    Args:
        path: the file.
        frame_rate_hz: frames per second, above 0; None where unknown.

    Raises:
        InputError: missing, empty, not a TIFF, cut short, one frame only, colour, more than three axes, or a
            compression that cannot be read here.
    """

    def __init__(self, path: str | os.PathLike[str], *, frame_rate_hz: float | None = None) -> None:
        self._layout = read_layout(Path(path))
        self.name = str(path)
        if self._layout.num_frames < 2:
            raise InputError(
                f"{self.name}: holds a single frame; a movie needs at least two: if each file holds one frame, open "
                "their folder instead"
            )
        self.shape = (self._layout.num_frames, *self._layout.frame_shape)
        self.dtype = self._layout.dtype
        check_movie(self.name, self.shape, self.dtype)
        self.frame_rate_hz = check_frame_rate(self.name, frame_rate_hz)

    def _read(self, frames: range) -> np.ndarray:
        out = np.empty((len(frames), *self.frame_shape), self.dtype)
        self._layout.read_into(out, frames)
        return out


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key that reads digits as numbers: img_2 before img_10.

    Example:
        >>> sorted(["img_10.tif", "img_2.tif"], key=natural_key)
        ['img_2.tif', 'img_10.tif']
    """
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return (*((0, int(p), p) if p[0] in "0123456789" else (1, 0, p.lower()) for p in parts), (0, 0, name))


class TiffFolderRecording(Recording):
    """A movie in a folder of one-frame TIFF files, in the natural order of their names.

    Args:
        path: the folder. Hidden files and other suffixes than .tif and .tiff are left out.
        frame_rate_hz: frames per second, above 0; None where unknown.

    Raises:
        InputError: no such folder, fewer than two TIFF files in it, a file of more than one frame, or a file that is
            damaged or differs from the others in size or type.
    """

    def __init__(self, path: str | os.PathLike[str], *, frame_rate_hz: float | None = None) -> None:
        folder = Path(path)
        self.name = str(path)
        if not folder.is_dir():
            raise InputError(f"{self.name}: no such folder; check the path")
        found = [p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")]
        self.files = tuple(sorted(found, key=lambda p: natural_key(p.name)))
        if not self.files:
            raise InputError(f"{self.name}: the folder holds no TIFF file (.tif, .tiff); check the path")
        first = read_layout(self.files[0])
        for file in self.files:
            layout = read_layout(file)
            if layout.num_frames != 1:
                raise InputError(
                    f"{file}: holds {layout.num_frames} frames, but in a folder each file is one frame: open the file "
                    "itself, or list each file as a run of a study"
                )
            if (layout.frame_shape, layout.dtype) != (first.frame_shape, first.dtype):
                raise InputError(
                    f"{file}: frame of {layout.frame_shape} pixels of {layout.dtype}, but {self.files[0].name} has "
                    f"{first.frame_shape} of {first.dtype}: move the odd file elsewhere or export it again"
                )
        if len(self.files) < 2:
            raise InputError(f"{self.name}: holds a single frame; a movie needs at least two files")
        self.shape = (len(self.files), *first.frame_shape)
        self.dtype = first.dtype
        check_movie(self.name, self.shape, self.dtype)
        self.frame_rate_hz = check_frame_rate(self.name, frame_rate_hz)

    def _read(self, frames: range) -> np.ndarray:
        out = np.empty((len(frames), *self.frame_shape), self.dtype)
        for target, frame in zip(out, frames, strict=True):
            layout = read_layout(self.files[frame])
            found = (layout.num_frames, layout.frame_shape, layout.dtype)
            if found != (1, self.frame_shape, self.dtype):
                raise InputError(
                    f"{layout.path}: the file has changed since the folder was opened: open it again"
                )
            layout.read_into(target[None], range(1))
        return out
