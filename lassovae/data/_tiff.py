"""Movies in TIFF: one file of many pages, or a folder of one-frame files."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from lassovae._errors import InputError
from lassovae.data._choice import Choice
from lassovae.data._contiguous import read_frames
from lassovae.data._recording import Recording, check_frame_rate
from lassovae.data._tiff_bounds import check_piece
from lassovae.data._tiff_file import listening, opened
from lassovae.data._tiff_headers import Pieces, decode_pieces, header_of, read_pieces
from lassovae.data._tiff_pages import inspect_frame, inspect_movie

SUFFIXES = (".tif", ".tiff")
FRAMES_AT_A_TIME, BYTES_AT_A_TIME = (
    32,
    1 << 25,
)  # compressed, that are held while they are decoded: no more than both
MOST_WORKERS = 8


class TiffRecording(Recording):
    """A movie in one TIFF or BigTIFF file: plain, of ImageJ (also over 4 GB), OME or ScanImage.

    Opening reads the headers and proves that every frame's bytes lie within the file; frames are read when indexed.
    Frame rate and pixel size come from the metadata of ImageJ, OME and ScanImage.

    Args:
        path: the file.
        frame_rate_hz: frames per second, above 0; None takes what the file says.
        channel: which of several channels, from 0.
        plane: which of several imaging planes, from 0.

    Raises:
        InputError: missing, empty, not a TIFF, cut short, one frame only, colour, several channels or planes and none
            chosen, or a compression that cannot be read here.
    """

    kind = "TIFF"

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        frame_rate_hz: float | None = None,
        channel: int | None = None,
        plane: int | None = None,
    ) -> None:
        self._path = Path(path)
        self.name = str(path)
        self._pages = inspect_movie(self._path, Choice(channel=channel, plane=plane))
        self.shape = self._pages.shape
        self.dtype = self._pages.dtype.newbyteorder("=")
        rate = check_frame_rate(self.name, frame_rate_hz)
        self.frame_rate_hz = self._pages.scale.frame_rate_hz if rate is None else rate
        self.pixel_size_um = self._pages.scale.pixel_size_um

    def _read(self, frames: range) -> np.ndarray:
        if self._pages.offsets is not None:
            places = self._pages.offsets[np.asarray(frames)]
            return read_frames(self._path, places, self.frame_shape, self._pages.dtype)
        out = np.empty((len(frames), *self.frame_shape), self.dtype)
        if self._pages.pieces is not None:
            self._decode(frames, out, self._pages.pieces)
            return out
        with listening(), opened(self._path) as tif:
            for target, frame in zip(out, frames, strict=True):
                page = int(self._pages.numbers[frame])
                target[...] = _decoded(self.name, frame, tif, page, self.frame_shape)
        return out

    def _decode(self, frames: range, out: np.ndarray, pieces: Pieces) -> None:
        """Fill `out` with compressed frames whose places are known."""
        workers = min(MOST_WORKERS, os.cpu_count() or 1, len(frames))
        with (
            listening(),
            opened(self._path) as tif,
            self._path.open("rb") as file,
            ThreadPoolExecutor(workers) as pool,
        ):
            page = tif.pages[0]
            for start, end in _parts(pieces.counts.sum(axis=1)[np.asarray(frames)]):
                part = frames[start:end]
                frame = part[0]
                try:
                    stored = []
                    for frame in part:
                        stored.append(read_pieces(file, pieces.offsets[frame], pieces.counts[frame]))
                    targets = out[start:end]
                    decoded = pool.map(decode_pieces, itertools.repeat(page), stored, targets)
                    for frame in part:  # noqa: B007  # an error names it
                        next(decoded)
                except Exception as error:
                    raise _cannot_decode(self.name, frame, error) from error


def _parts(stored: np.ndarray) -> Iterator[tuple[int, int]]:
    """(first, one past last) of frames that are held at once, by the bytes that each has in the file."""
    start = 0
    while start < len(stored):
        total = np.cumsum(stored[start : start + FRAMES_AT_A_TIME])
        end = start + max(1, int(np.searchsorted(total, BYTES_AT_A_TIME, "right")))
        yield start, end
        start = end


def _cannot_decode(name: str, frame: int, error: Exception) -> InputError:
    return InputError(
        f"{name}: frame {frame} cannot be decoded ({type(error).__name__}); copy or export the file again"
    )


def _decoded(name: str, frame: int, tif: Any, number: int, shape: tuple[int, int]) -> np.ndarray:
    try:
        page = tif.pages[number]
        if page.compression != 1:
            for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
                tif.filehandle.seek(offset)
                check_piece(page, tif.filehandle.read(count))
        return np.asarray(page.asarray()).reshape(shape)
    except Exception as error:
        raise _cannot_decode(name, frame, error) from error


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

    kind = "folder of TIFF"

    def _files(self) -> Sequence[Path]:
        return self.files

    def __init__(self, path: str | os.PathLike[str], *, frame_rate_hz: float | None = None) -> None:
        folder = Path(path)
        self.name = str(path)
        if not folder.is_dir():
            raise InputError(f"{self.name}: no such folder; check the path")
        found = [p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")]
        self.files = tuple(sorted(found, key=lambda p: natural_key(p.name)))
        if not self.files:
            raise InputError(f"{self.name}: no .tif or .tiff file in this folder; check the path")
        shape, dtype, place = inspect_frame(self.files[0])
        self._stored = [(dtype, place)]  # of each file: dtype with its byte order, byte of the first pixel
        model = header_of(self.files[0])
        for file in self.files[1:]:
            header = header_of(file) if model is not None else None
            if (
                header is not None
                and model is not None
                and header.like(model)
                and header.holds(shape, file.stat().st_size)
            ):
                self._stored.append((dtype, header.place if place is not None else None))
                continue
            size, pixels, of_file = inspect_frame(file)
            self._stored.append((pixels, of_file))
            if size != shape or pixels.newbyteorder("=") != dtype.newbyteorder("="):
                raise InputError(
                    f"{file}: a frame of {size} {pixels.newbyteorder('=')}, but {self.files[0].name} has {shape} "
                    f"{dtype.newbyteorder('=')}: move the odd file elsewhere or export it again"
                )
        if len(self.files) < 2:
            raise InputError(f"{self.name}: a single frame; a movie needs at least two files")
        self.shape = (len(self.files), *shape)
        self.dtype = dtype.newbyteorder("=")
        self.frame_rate_hz = check_frame_rate(self.name, frame_rate_hz)

    def _read(self, frames: range) -> np.ndarray:
        out = np.empty((len(frames), *self.frame_shape), self.dtype)
        for target, frame in zip(out, frames, strict=True):
            dtype, place = self._stored[frame]
            if place is not None:
                target[...] = read_frames(self.files[frame], np.array([place]), self.frame_shape, dtype)[0]
                continue
            with listening(), opened(self.files[frame]) as tif:
                target[...] = _decoded(str(self.files[frame]), 0, tif, 0, self.frame_shape)
        return out
