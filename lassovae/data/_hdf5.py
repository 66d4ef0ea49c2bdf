"""Movies in HDF5: one dataset of a file, read where it lies; nothing outside of the file is followed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from lassovae._errors import InputError
from lassovae.data._choice import Choice, choose_dataset, micrometres, one_line, positive, require_expansion
from lassovae.data._files import require_file
from lassovae.data._recording import Recording, check_movie
from lassovae.data._stretches import Stretches

SUFFIXES = (".h5", ".hdf5", ".hdf", ".he5")
RATE_ATTRIBUTES = ("frame_rate_hz", "frame_rate", "fps")
MOST_LINKS = 16  # soft links that lead to a dataset
FAILURES = (OSError, RuntimeError, ValueError, KeyError, TypeError, UnicodeError, OverflowError, MemoryError)


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """The file, or an InputError where HDF5 cannot open it or stumbles over it."""
    try:
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except InputError:
        raise
    except FAILURES as error:
        reason = "cut short" if "truncated" in str(error) else "damaged or no HDF5 file"
        raise InputError(
            f"{path}: {reason} ({type(error).__name__}: {one_line(error)}); copy or export it again"
        ) from error


def follow(path: Path, file: h5py.File, name: str) -> Any:
    """The group or dataset of a name, by links within the file alone; None where there is none.

    Raises:
        InputError: a link leads out of the file, or soft links lead around.
    """
    waiting, here, links = [part for part in name.split("/") if part], file["/"], 0
    while waiting:
        part = waiting.pop(0)
        if not isinstance(here, h5py.Group) or part not in here.keys():  # `in` follows links
            return None
        link = here.get(part, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            raise InputError(
                f"{path}: {name} is a link to another file ({link.filename}), which is not followed; open that file"
            )
        if not isinstance(link, h5py.SoftLink):
            here = here[part]
            continue
        links += 1
        if links > MOST_LINKS:
            raise InputError(f"{path}: the links to {name} lead around; name the dataset that they point to")
        if link.path.startswith("/"):
            here = file["/"]
        waiting = [step for step in link.path.split("/") if step and step != "."] + waiting
    return here


def _list(file: h5py.File) -> dict[str, h5py.Dataset]:
    """Every dataset that the file itself holds, by its name; links are not followed."""
    found = {}

    def visit(name: str, thing: Any) -> None:
        if isinstance(thing, h5py.Dataset):
            found["/" + name] = thing

    file.visititems(visit)
    return found


def _require_filters(name: str, dataset: h5py.Dataset) -> None:
    """Refuse a compression that this HDF5 cannot undo."""
    filters = dataset.id.get_create_plist()
    for position in range(filters.get_nfilters()):
        code, _, _, label = filters.get_filter(position)
        if not h5py.h5z.filter_avail(code):
            shown = label.decode(errors="replace") or f"filter {code}"
            raise InputError(
                f"{name}: compressed with {shown}, which this HDF5 cannot read; repack it with gzip "
                "(h5repack -f GZIP=4)"
            )


def _check_chunks(name: str, dataset: h5py.Dataset, size: int) -> None:
    """Refuse chunks that are missing, lie beyond the end of the file, or claim more than they can hold."""
    chunk_bytes = math.prod(dataset.chunks) * dataset.dtype.itemsize
    expected = math.prod(-(-side // step) for side, step in zip(dataset.shape, dataset.chunks, strict=True))
    compressed = dataset.id.get_create_plist().get_nfilters() > 0
    state = {"present": 0, "beyond": 0, "largest": 0}

    def visit(info: Any) -> None:
        state["present"] += 1
        state["beyond"] += info.byte_offset is None or info.byte_offset + info.size > size
        state["largest"] = max(state["largest"], info.size)

    dataset.id.chunk_iter(visit)
    missing = expected - state["present"] + state["beyond"]
    if missing > 0:
        raise InputError(
            f"{name}: {missing} of {expected} chunks were never written or are cut off; the recording was broken off: "
            "copy it again, or save the frames that are there"
        )
    require_expansion(name, chunk_bytes, state["largest"], compressed)


def check_dataset(path: Path, dataset: h5py.Dataset, size: int) -> None:
    """Prove that the pixels of a dataset are in this file, before any is read.

    Args:
        path: the file.
        dataset: the movie.
        size: bytes of the file.

    Raises:
        InputError: they lie in other files, were never written, are cut off, or cannot be decompressed.
    """
    name = f"{path} ({dataset.name})"
    if dataset.external or dataset.is_virtual:
        raise InputError(f"{name}: its pixels lie in other files, which are not followed; open those files")
    if dataset.dtype.kind not in "uif" or dataset.shape is None:
        raise InputError(
            f"{name}: pixels of type {dataset.dtype} are not real numbers; store integers or floats"
        )
    _require_filters(name, dataset)
    num_bytes = math.prod(dataset.shape) * dataset.dtype.itemsize
    if dataset.chunks is None:
        stored = dataset.id.get_storage_size()
        if min(stored, size) < num_bytes:
            raise InputError(
                f"{name}: {min(stored, size)} of {num_bytes} bytes of pixels were ever written; the recording was "
                "broken off: copy it again"
            )
    elif num_bytes:
        _check_chunks(name, dataset, size)


def _stretches(path: Path, dataset: h5py.Dataset, plane: int | None) -> Stretches | None:
    """The frames that are compressed together; None where each is by itself, or nothing is compressed."""
    if dataset.chunks is None or dataset.id.get_create_plist().get_nfilters() == 0:
        return None
    found = Stretches(path, (dataset.name, plane), dataset.chunks[0], dataset.shape[:3], dataset.dtype)
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
            check_dataset(path, found, size)
            self.dtype = found.dtype.newbyteorder("=")
            self._stretches = _stretches(path, found, plane)
        self.shape = (int(shape[0]), int(shape[1]), int(shape[2]))
        self.frame_rate_hz = frame_rate_hz
        self.pixel_size_um = pixel_size_um

    def _stored(self, frames: range) -> np.ndarray:
        """Frames, the earliest first, with their axes as they are stored."""
        index: tuple[Any, ...] = (slice(frames.start, frames.stop, frames.step),)
        if self._plane is not None:
            index = (*index, slice(None), slice(None), self._plane)
        with opened(self._path) as file:
            return np.asarray(follow(self._path, file, self._dataset)[index])

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


def number_of(attributes: Any, *names: str) -> float | None:
    """The first of these attributes that is a finite number above 0."""
    for name in names:
        if name in attributes and (value := positive(attributes[name])) is not None:
            return value
    return None


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
            datasets = _list(file)
            movies = [name for name, dataset in datasets.items() if len(dataset.shape or ()) == 3]
            key = choose_dataset(str(path), movies, choice.dataset, "datasets of three axes")
        attributes, of_file = follow(path, file, key).attrs, file.attrs
        rate = number_of(attributes, *RATE_ATTRIBUTES) or number_of(of_file, *RATE_ATTRIBUTES)
        side = number_of(attributes, "pixel_size_um") or number_of(of_file, "pixel_size_um")
        by_columns = "MATLAB_class" in attributes
    size = micrometres(side, side, "um")
    return Hdf5Recording(path, key, transposed=by_columns, frame_rate_hz=rate, pixel_size_um=size)
