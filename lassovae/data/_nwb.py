"""Movies in NWB: a two-photon series of the file, read by h5py alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from lassovae._errors import InputError
from lassovae.data._choice import Choice, choose_dataset, chosen, micrometres, positive
from lassovae.data._files import require_file
from lassovae.data._hdf5 import Hdf5Recording, follow, number_of, open_hdf5, opened
from lassovae.data._recording import Recording

SERIES = ("TwoPhotonSeries", "OnePhotonSeries")


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def is_nwb(path: Path) -> bool:
    """Whether an HDF5 file says that it is NWB."""
    with opened(path) as file:
        return "nwb_version" in file.attrs


def _series(file: h5py.File) -> list[str]:
    found = []

    def visit(name: str, thing: Any) -> None:
        if isinstance(thing, h5py.Group) and _text(thing.attrs.get("neurodata_type", "")) in SERIES:
            found.append("/" + name)

    file.visititems(visit)
    return found


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


def _rate(path: Path, file: h5py.File, series: str) -> float | None:
    """Frames per second: what the series says, or its time stamps, or its imaging plane."""
    start = follow(path, file, f"{series}/starting_time")
    if isinstance(start, h5py.Dataset) and (rate := number_of(start.attrs, "rate")) is not None:
        return rate
    stamps = follow(path, file, f"{series}/timestamps")
    if isinstance(stamps, h5py.Dataset) and stamps.ndim == 1 and len(stamps) > 1 and not stamps.external:
        duration = positive(float(stamps[-1]) - float(stamps[0]))
        if duration is not None:
            return positive((len(stamps) - 1) / duration)
    rate = follow(path, file, f"{series}/imaging_plane/imaging_rate")
    return positive(rate[()]) if isinstance(rate, h5py.Dataset) and rate.size == 1 else None


def _numbers(thing: Any) -> list[float] | None:
    """The two or three numbers of a small dataset."""
    if not isinstance(thing, h5py.Dataset) or thing.external or thing.shape not in ((2,), (3,)):
        return None
    return [float(number) for number in np.asarray(thing[()], float)]


def _pixel_size(
    path: Path, file: h5py.File, series: str, shape: tuple[int, ...]
) -> tuple[float, float] | None:
    """(height, width) in micrometres, from the grid spacing of the imaging plane or the field of view."""
    spacing = follow(path, file, f"{series}/imaging_plane/grid_spacing")
    numbers = _numbers(spacing)
    if numbers is not None:
        return micrometres(numbers[1], numbers[0], _text(spacing.attrs.get("unit", "meters")))
    numbers = _numbers(follow(path, file, f"{series}/field_of_view"))
    if numbers is not None:
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
        found = _series(file)
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
