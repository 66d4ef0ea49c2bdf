"""Open a recording by the kind of file that it is."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

from lassovae._errors import InputError
from lassovae.data import _hdf5, _nwb, _tiff, _vendor, _video
from lassovae.data._choice import Choice
from lassovae.data._files import kind_of, require_file
from lassovae.data._numpy_files import open_npy, open_npz
from lassovae.data._recording import Recording, check_frame_rate, check_pixel_size
from lassovae.data._suite2p import is_suite2p, open_raw, open_suite2p
from lassovae.data._tiff import TiffFolderRecording, TiffRecording
from lassovae.data._zarr import is_zarr, open_zarr

RAW_SUFFIXES = (".bin", ".raw", ".dat")
SUPPORTED = (
    f"TIFF, BigTIFF, ImageJ, OME and ScanImage ({', '.join(_tiff.SUFFIXES)}), folders of one-frame TIFF files, HDF5 "
    f"({', '.join(_hdf5.SUFFIXES)}), NWB (.nwb), NumPy (.npy, .npz), suite2p "
    f"and other raw frames ({', '.join(RAW_SUFFIXES)}), Zarr folders (lassovae[zarr]), video "
    f"({', '.join(_video.SUFFIXES)}; lassovae[video]), Scanbox, "
    f"Femtonics and Inscopix ({', '.join(_vendor.SUFFIXES)}) and Bruker folders (lassovae[vendor])"
)


def _open_folder(path: Path, choice: Choice) -> Recording:
    if is_suite2p(path):
        return open_suite2p(path, choice)
    if is_zarr(path):
        return open_zarr(path, choice)
    if _vendor.is_bruker(path):
        return _vendor.open_vendor(path, choice)
    choice.refuse(
        str(path), "a folder of one-frame TIFF files", "channel", "plane", "dataset", "shape", "dtype"
    )
    return TiffFolderRecording(path)


def _open_file(path: Path, choice: Choice) -> Recording:
    """Open a file by its first bytes, or by its suffix where these say nothing."""
    require_file(path)  # what is no file, such as a pipe, may never end
    suffix, kind = path.suffix.lower(), kind_of(path)
    if suffix in RAW_SUFFIXES and choice.shape is not None:
        return open_raw(path, choice)  # raw pixels may begin like anything
    if suffix in _vendor.SUFFIXES:
        return _vendor.open_vendor(path, choice)
    if kind == "hdf5" or (kind is None and suffix in (*_hdf5.SUFFIXES, ".nwb")):
        return _nwb.open_nwb(path, choice) if _nwb.is_nwb(path) else _hdf5.open_hdf5(path, choice)
    if kind == "npy" or (kind is None and suffix == ".npy"):
        return open_npy(path, choice)
    if kind == "zip" or (kind is None and suffix == ".npz"):
        return open_npz(path, choice)
    if kind == "tiff" or (kind is None and suffix in _tiff.SUFFIXES):
        choice.refuse(str(path), "a TIFF file", "dataset", "shape", "dtype")
        return TiffRecording(path, channel=choice.channel, plane=choice.plane)
    if kind == "video" or (kind is None and suffix in _video.SUFFIXES):
        return _video.open_video(path, choice)
    if suffix in RAW_SUFFIXES:
        return open_raw(path, choice)
    raise InputError(f"{path}: files of kind {suffix!r} cannot be read; supported are {SUPPORTED}")


def open_recording(
    path: str | os.PathLike[str],
    *,
    frame_rate_hz: float | None = None,
    pixel_size_um: float | tuple[float, float] | None = None,
    channel: int | None = None,
    plane: int | None = None,
    dataset: str | None = None,
    shape: tuple[int, int] | None = None,
    dtype: Any = None,
) -> Recording:
    """Open a movie; its frames are read when asked for.

    The kind of file is told by its first bytes, and by its suffix where these say nothing.

    Args:
        path: a file; or a folder of Zarr or suite2p, or of one-frame TIFF files, taken in natural order.
        frame_rate_hz: frames per second, above 0, instead of what the file says; None takes that, if there is any.
        pixel_size_um: (height, width) of a pixel in micrometres, or one number, likewise.
        channel: which of several channels, from 0; of a colour video 0 is red, 1 green, 2 blue.
        plane: which of several imaging planes, from 0.
        dataset: which array or series of a file that holds several, by its name.
        shape: (height, width) of a frame, for raw files that do not say it.
        dtype: of the pixels of raw files; int16 if left out, suite2p's.

    Returns:
        A Recording: `shape` is (time, height, width), `rec[a:b]` reads those frames alone.

    Raises:
        InputError: nothing there, a kind that is not supported, a file that is damaged, cut short or not a movie, one
            that holds several movies where none was chosen, or a package that is needed and missing.
    """
    target = Path(path)
    rate, pixels = check_frame_rate(str(path), frame_rate_hz), check_pixel_size(str(path), pixel_size_um)
    choice = Choice(channel, plane, dataset, shape, dtype)
    try:
        recording = _open_folder(target, choice) if target.is_dir() else _open_file(target, choice)
    except OSError as error:  # a name that is too long, a folder that may not be entered, a disk that fails
        raise InputError(
            f"{path}: cannot be opened: {error.strerror or error}; check the path and its permissions"
        ) from error
    recording.source = str(target)
    recording.opened = recording.stamp()
    recording.again = partial(
        open_recording,
        path,
        frame_rate_hz=frame_rate_hz,
        pixel_size_um=pixel_size_um,
        channel=channel,
        plane=plane,
        dataset=dataset,
        shape=shape,
        dtype=dtype,
    )
    if rate is not None:
        recording.frame_rate_hz = rate
    if pixels is not None:
        recording.pixel_size_um = pixels
    return recording
