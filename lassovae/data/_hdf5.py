"""Movies in HDF5: one dataset of a file, read where it lies; nothing outside of the file is followed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from lassovae._errors import InputError
from lassovae.data._choice import Choice, choose_dataset, micrometres
from lassovae.data._files import require_file
from lassovae.data._hdf5_deflate import is_deflated, read_deflated, require_bounded
from lassovae.data._hdf5_file import follow, members, number_of, opened
from lassovae.data._hdf5_pixels import check_pixels
from lassovae.data._recording import Recording, check_movie
from lassovae.data._stretches import Stretches

SUFFIXES = (".h5", ".hdf5", ".hdf", ".he5")
RATE_ATTRIBUTES = ("frame_rate_hz", "frame_rate", "fps")


def _stretches(path: Path, dataset: h5py.Dataset) -> Stretches | None:
    """The frames that are compressed together; None where each is by itself, or nothing is compressed."""
    if dataset.chunks is None or dataset.id.get_create_plist().get_nfilters() == 0:
        return None
    found = Stretches(path, dataset.chunks[0], dataset.shape[:3], dataset.dtype)
    return found if found.pays else None


class Hdf5Recording(Recording):
    """A movie in a dataset of an HDF5 file. Opening reads headers; `rec[a:b]` reads the chunks of those frames.

    Where chunks hold many frames, those decoded last are kept, so that reading on does not decode them again.

    Args:
        path: the file.
        dataset: full name of the dataset within it.
        transposed: the stored axes are (time, width, height), as in NWB and of MATLAB.
        plane: index on a fourth stored axis; None where there are three.
        frame_rate_hz: frames per second, None where unknown.
        pixel_size_um: (height, width) in micrometres, None where unknown.

    Raises:
        InputError: no such dataset, not a movie, or its pixels are not all in this file.
    """

    kind = "HDF5"

    def __init__(
        self,
        path: Path,
        dataset: str,
        *,
        transposed: bool = False,
        plane: int | None = None,
        frame_rate_hz: float | None = None,
        pixel_size_um: tuple[float, float] | None = None,
    ) -> None:
        size = require_file(path)
        self._path, self._dataset, self._transposed, self._plane = path, dataset, transposed, plane
        self.name = f"{path} ({dataset})"
        with opened(path) as file:
            found = follow(path, file, dataset)
            if not isinstance(found, h5py.Dataset):
                raise InputError(f"{self.name}: no such dataset in the file")
            shape = tuple(found.shape or ())
            if plane is not None:
                shape = shape[:3]
            if transposed and len(shape) == 3:
                shape = (shape[0], shape[2], shape[1])
            check_movie(self.name, shape, found.dtype)
            check_pixels(path, found, size)
            self.dtype = found.dtype.newbyteorder("=")
            self._stretches = _stretches(path, found)
        self.shape = (int(shape[0]), int(shape[1]), int(shape[2]))
        self.frame_rate_hz = frame_rate_hz
        self.pixel_size_um = pixel_size_um

    def _stored(self, frames: range) -> np.ndarray:
        """Frames, the earliest first, with their axes as they are stored."""
        index: tuple[Any, ...] = (slice(frames.start, frames.stop, frames.step),)
        if self._plane is not None:
            index = (*index, slice(None), slice(None), self._plane)
        with opened(self._path) as file:
            dataset = follow(self._path, file, self._dataset)
            if is_deflated(dataset):
                return read_deflated(self._path, dataset, frames, self._plane)
            require_bounded(self._path, dataset, frames, self._plane)
            return np.asarray(dataset[index])

    def _read(self, frames: range) -> np.ndarray:
        ordered = frames if frames.step > 0 else frames[::-1]
        if self._stretches is None or ordered.step != 1:
            pixels = self._stored(ordered)
        else:
            pixels = self._stretches.read(ordered, self._stored)
        if self._transposed:
            pixels = pixels.transpose(0, 2, 1)
        if frames.step < 0:
            pixels = pixels[::-1]
        return np.ascontiguousarray(pixels, self.dtype)


def open_hdf5(path: Path, choice: Choice) -> Recording:
    """Open a dataset of an HDF5 file: the one named, or the only one of three axes.

    The frame rate comes from an attribute `frame_rate_hz`, `frame_rate` or `fps` of the dataset or the file, the pixel
    size in micrometres from `pixel_size_um`. What MATLAB wrote (version 7.3) as height x width x time is turned.

    Raises:
        InputError: damaged, cut short, no or several movies, pixels elsewhere, or a compression that cannot be read.
    """
    choice.refuse(str(path), "an HDF5 file", "channel", "plane", "shape", "dtype")
    require_file(path)
    with opened(path) as file:
        if choice.dataset is not None and isinstance(follow(path, file, choice.dataset), h5py.Dataset):
            key = "/" + choice.dataset.strip("/")
        else:
            things = members(path, file)
            movies = [name for name, thing in things if isinstance(thing, h5py.Dataset) and thing.ndim == 3]
            key = choose_dataset(str(path), movies, choice.dataset, "datasets of three axes")
        dataset = follow(path, file, key)
        rate = number_of(dataset, *RATE_ATTRIBUTES) or number_of(file, *RATE_ATTRIBUTES)
        side = number_of(dataset, "pixel_size_um") or number_of(file, "pixel_size_um")
        by_columns = "MATLAB_class" in dataset.attrs
    size = micrometres(side, side, "um")
    return Hdf5Recording(path, key, transposed=by_columns, frame_rate_hz=rate, pixel_size_um=size)
