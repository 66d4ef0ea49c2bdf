"""Movies in NWB: a two-photon series of the file, read by h5py alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from lassovae._errors import InputError
from lassovae.data._choice import Choice, choose_dataset, chosen, micrometres, positive
from lassovae.data._files import require_file
from lassovae.data._hdf5 import Hdf5Recording, open_hdf5
from lassovae.data._hdf5_file import follow, members, number_of, opened, word_of
from lassovae.data._hdf5_pixels import check_pixels
from lassovae.data._recording import Recording

SERIES = ("TwoPhotonSeries", "OnePhotonSeries")


def is_nwb(path: Path) -> bool:
    """Whether an HDF5 file says that it is NWB."""
    with opened(path) as file:
        return "nwb_version" in file.attrs


def _series(path: Path, file: h5py.File) -> list[str]:
    things = members(path, file)
    return [name for name, thing in things if word_of(path, thing, "neurodata_type") in SERIES]


def _full_name(name: str, found: list[str], given: str | None) -> str | None:
    """What the caller calls a series, with its groups where only its own name was given.

    Raises:
        InputError: several series are called so.
    """
    if given is None or "/" in given.strip("/") or given in found:
        return given
    same = sorted(series for series in found if series.rsplit("/", 1)[1] == given.strip("/"))
    if len(same) > 1:
        raise InputError(
            f"{name}: dataset={given!r} is the name of {len(same)} TwoPhotonSeries; choose one by its full name: "
            f"{', '.join(same)}"
        )
    return same[0] if same else given


def _numbers(path: Path, thing: Any, most: int | None, *places: int) -> list[float] | None:
    """Some numbers of a dataset of one axis, or of the only number; None where it holds no plain numbers in this file.

    Args:
        path: the file.
        thing: found in it.
        most: numbers that it may hold; None for any.
        places: of the numbers; all where there are none.
    """
    if (
        not isinstance(thing, h5py.Dataset)
        or thing.ndim > 1
        or not thing.size
        or thing.size > (most or thing.size)
    ):
        return None
    try:
        check_pixels(path, thing, path.stat().st_size)
    except InputError:
        return None
    if not places or thing.ndim == 0:
        return [float(number) for number in np.ravel(thing[()])]
    return [float(thing[place]) for place in places]


def _rate(path: Path, file: h5py.File, series: str) -> float | None:
    """Frames per second: what the series says, or its time stamps, or its imaging plane."""
    start = follow(path, file, f"{series}/starting_time")
    if isinstance(start, h5py.Dataset) and (rate := number_of(start, "rate")) is not None:
        return rate
    stamps = follow(path, file, f"{series}/timestamps")
    ends = _numbers(path, stamps, None, 0, -1)
    if ends is not None and len(ends) == 2 and (duration := positive(ends[1] - ends[0])) is not None:
        return positive((len(stamps) - 1) / duration)
    rates = _numbers(path, follow(path, file, f"{series}/imaging_plane/imaging_rate"), 1)
    return positive(rates)


def _pixel_size(
    path: Path, file: h5py.File, series: str, shape: tuple[int, ...]
) -> tuple[float, float] | None:
    """(height, width) in micrometres, from the grid spacing of the imaging plane or the field of view."""
    spacing = follow(path, file, f"{series}/imaging_plane/grid_spacing")
    numbers = _numbers(path, spacing, 3)
    if numbers is not None and len(numbers) > 1:
        return micrometres(numbers[1], numbers[0], word_of(path, spacing, "unit") or "meters")
    numbers = _numbers(path, follow(path, file, f"{series}/field_of_view"), 3)
    if numbers is not None and len(numbers) > 1:
        return micrometres(numbers[1] / shape[2], numbers[0] / shape[1], "m")
    return None


def open_nwb(path: Path, choice: Choice) -> Recording:
    """Open a two-photon (or one-photon) series of an NWB file.

    NWB stores (time, width, height[, depth]); frames come out as (height, width). Some files were written with rows
    first: name the array itself, as in `dataset="/acquisition/TwoPhotonSeries/data"`, to read it as it lies.

    Args:
        path: the file.
        choice: `dataset` names one of several series; `plane` one of several depths.

    Raises:
        InputError: no or several series, pixels in other files, damaged, or cut short.
    """
    name = str(path)
    choice.refuse(name, "an NWB file", "channel", "shape", "dtype")
    require_file(path)
    with opened(path) as file:
        if choice.dataset is not None and isinstance(follow(path, file, choice.dataset), h5py.Dataset):
            recording = open_hdf5(path, choice)
            recording.kind = "NWB"
            return recording
        found = _series(path, file)
        series = choose_dataset(name, found, _full_name(name, found, choice.dataset), "TwoPhotonSeries")
        data = follow(path, file, f"{series}/data")
        if follow(path, file, f"{series}/external_file") is not None:
            raise InputError(f"{name}: the frames of {series} lie in other files; open those files instead")
        if not isinstance(data, h5py.Dataset):
            raise InputError(f"{name}: {series} has no data; the file is damaged: export it again")
        shape = tuple(data.shape or ())
        if len(shape) == 4:
            plane: int | None = chosen(f"{name} ({series})", "plane", shape[3], choice.plane)
        else:
            plane = None
            chosen(f"{name} ({series})", "plane", 1, choice.plane)
        rate = _rate(path, file, series)
        pixel_size = _pixel_size(path, file, series, shape) if len(shape) >= 3 and min(shape) > 0 else None
    recording = Hdf5Recording(
        path, f"{series}/data", transposed=True, plane=plane, frame_rate_hz=rate, pixel_size_um=pixel_size
    )
    recording.kind = "NWB"
    return recording
