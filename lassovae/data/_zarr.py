"""Movies in Zarr, version 2 and 3, and in OME-Zarr: folders of chunks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lassovae._errors import InputError
from lassovae.data._choice import (
    MICROMETRES,
    Choice,
    choose_dataset,
    micrometres,
    missing_extra,
    one_line,
    positive,
)
from lassovae.data._hdf5 import RATE_ATTRIBUTES
from lassovae.data._recording import Recording, check_movie
from lassovae.data._stretches import Stretches
from lassovae.data._tiff_axes import frames_of
from lassovae.data._zarr_chunks import checked_store
from lassovae.data._zarr_metadata import METADATA_FILES, ArrayMetadata, check_chunks, find_arrays

SECONDS = {"second": 1.0, "millisecond": 1e-3, "microsecond": 1e-6, "minute": 60.0}


def is_zarr(path: Path) -> bool:
    """Whether a folder is a Zarr group or array."""
    return any((path / name).is_file() for name in METADATA_FILES)


class ZarrRecording(Recording):
    """A movie in an array of a Zarr folder; `rec[a:b]` reads the chunks of those frames.

    Args:
        array: what the folder says of it.
        leading: (time,) place of each frame on the axes before height and width, as numbers in their order, of an
            array whose chunks were checked; None for one of three axes.
        frame_rate_hz: frames per second, None where unknown.
        pixel_size_um: (height, width) in micrometres, None where unknown.

    Raises:
        InputError: the array is no movie, chunks are missing, or zarr is not installed or cannot open it.
    """

    kind = "Zarr"

    def __init__(
        self,
        array: ArrayMetadata,
        leading: np.ndarray | None = None,
        *,
        frame_rate_hz: float | None = None,
        pixel_size_um: tuple[float, float] | None = None,
    ) -> None:
        self.name = str(array.folder)
        shape = array.shape if leading is None else (len(leading), *array.shape[-2:])
        check_movie(self.name, shape, array.dtype)
        try:
            import zarr
        except ImportError:
            raise missing_extra(array.folder, "reading Zarr", "zarr") from None
        if leading is None:
            check_chunks(array)
        try:
            self._array: Any = zarr.open_array(checked_store(array), mode="r", zarr_format=array.zarr_format)
        except Exception as error:
            raise InputError(
                f"{self.name}: zarr cannot open it ({type(error).__name__}: {one_line(error)}); copy or export it again"
            ) from error
        places = np.stack(
            np.unravel_index(np.arange(shape[0]) if leading is None else leading, array.shape[:-2])
        )
        self._first = tuple(map(int, places[:, 0]))
        self._time = int(
            np.argmax(places[:, -1] - places[:, 0])
        )  # the only axis that changes; from 0 in steps of 1
        self.shape = (shape[0], shape[1], shape[2])
        self.dtype = array.dtype.newbyteorder("=")
        length = int(self._array.chunks[self._time])  # of a sharded array those within a shard
        stretches = Stretches(array.file, length, self.shape, self.dtype)
        self._stretches = stretches if array.compressed and stretches.pays else None
        self.frame_rate_hz, self.pixel_size_um = frame_rate_hz, pixel_size_um

    def _pixels(self, frames: range) -> np.ndarray:
        """Frames, the earliest first."""
        index: list[Any] = list(self._first)
        index[self._time] = slice(frames.start, frames.stop, frames.step)
        return np.asarray(self._array[tuple(index)])

    def _read(self, frames: range) -> np.ndarray:
        ordered = frames if frames.step > 0 else frames[::-1]
        try:
            if self._stretches is None or ordered.step != 1:
                pixels = self._pixels(ordered)
            else:
                pixels = self._stretches.read(ordered, self._pixels)
        except InputError:
            raise
        except Exception as error:
            raise InputError(
                f"{self.name}: frames {min(frames)} to {max(frames)} cannot be decoded ({type(error).__name__}); copy "
                "or export it again"
            ) from error
        if frames.step < 0:
            pixels = pixels[::-1]
        return np.require(pixels, self.dtype, ["C", "O", "W"])


def _number_of(attributes: dict[str, Any], *names: str) -> float | None:
    """The first of these attributes that is a finite number above 0."""
    found = (positive(attributes.get(name)) for name in names)
    return next((number for number in found if number is not None), None)


def _multiscale(attributes: dict[str, Any]) -> dict[str, Any] | None:
    """The first image of an OME-Zarr group, None where it is not one."""
    inner = attributes.get("ome", attributes)
    images = inner.get("multiscales") if isinstance(inner, dict) else None
    if not isinstance(images, list) or not images or not isinstance(images[0], dict):
        return None
    axes, datasets = images[0].get("axes"), images[0].get("datasets")
    if not isinstance(axes, list) or not isinstance(datasets, list) or not datasets:
        return None
    if not all(isinstance(each, dict) for each in [*axes, *datasets]):
        return None
    return images[0]


def _open_ome(
    path: Path, arrays: dict[str, ArrayMetadata], image: dict[str, Any], choice: Choice
) -> Recording:
    """The finest level of an OME-Zarr image."""
    level = image["datasets"][0]
    key = choose_dataset(str(path), arrays, str(level.get("path")), "arrays")
    axes = [(str(axis.get("name", "")).upper(), str(axis.get("unit", ""))) for axis in image["axes"]]
    letters = "".join(letter for letter, _ in axes)
    array = arrays[key]
    if len(letters) != len(array.shape) or len(axes) != len(letters) or letters[-2:] != "YX":
        raise InputError(
            f"{path}: axes {letters} for an array of shape {array.shape}; name the array by dataset="
        )
    check_chunks(array)  # before anything is made of as many numbers as the array says that it has frames
    leading = frames_of(str(path), letters[:-2], array.shape[:-2], choice, says_time="T" in letters)
    factors = [1.0] * len(axes)
    transforms = level.get("coordinateTransformations")
    for transform in transforms if isinstance(transforms, list) else ():
        scale = transform.get("scale") if isinstance(transform, dict) else None
        if isinstance(scale, list) and len(scale) == len(axes):
            factors = [positive(number) or 0.0 for number in scale]
    rate = None
    if "T" in letters:
        place = letters.index("T")
        duration = positive(factors[place] * SECONDS.get(axes[place][1], 0.0))
        rate = None if duration is None else positive(1 / duration)
    unit_y, unit_x = axes[-2][1], axes[-1][1]
    pixel_size = micrometres(
        factors[-2], factors[-1] * MICROMETRES.get(unit_x, 0) / MICROMETRES.get(unit_y, 1), unit_y
    )
    return ZarrRecording(array, leading, frame_rate_hz=rate, pixel_size_um=pixel_size)


def open_zarr(path: Path, choice: Choice) -> Recording:
    """Open an array of a Zarr folder: the one named, the finest of an OME-Zarr image, or the only one of three axes.

    The frame rate comes from an attribute `frame_rate_hz`, `frame_rate` or `fps` of the array or the folder, the pixel
    size in micrometres from `pixel_size_um`; or from what OME-Zarr says.

    Raises:
        InputError: damaged, chunks missing, no or several movies, a codec that is not read, or zarr is not installed.
    """
    choice.refuse(str(path), "a Zarr folder", "shape", "dtype")
    arrays, attributes = find_arrays(path)
    image = _multiscale(attributes)
    if image is not None and choice.dataset is None:
        return _open_ome(path, arrays, image, choice)
    choice.refuse(str(path), "a Zarr folder that is not OME-Zarr", "channel", "plane")
    if choice.dataset is None:
        movies = [name for name, array in arrays.items() if len(array.shape) == 3]
    else:
        movies = list(arrays)
    array = arrays[choose_dataset(str(path), movies, choice.dataset, "arrays of three axes")]
    rate = _number_of(array.attributes, *RATE_ATTRIBUTES) or _number_of(attributes, *RATE_ATTRIBUTES)
    side = _number_of(array.attributes, "pixel_size_um") or _number_of(attributes, "pixel_size_um")
    return ZarrRecording(array, frame_rate_hz=rate, pixel_size_um=micrometres(side, side, "um"))
