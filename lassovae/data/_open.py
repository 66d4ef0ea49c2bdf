"""Open a recording by the kind of file that it is."""

from __future__ import annotations

import os
from pathlib import Path

from lassovae._errors import InputError
from lassovae.data._recording import Recording
from lassovae.data._tiff import SUFFIXES, TiffFolderRecording, TiffRecording

SUPPORTED = (
    f"TIFF and BigTIFF files of many pages ({', '.join(SUFFIXES)}) and folders of one-frame TIFF files"
)


def open_recording(path: str | os.PathLike[str], *, frame_rate_hz: float | None = None) -> Recording:
    """Open a movie; its frames are read when asked for.

    Args:
        path: a multi-page TIFF or BigTIFF file, or a folder of one-frame TIFF files, taken in natural order.
        frame_rate_hz: frames per second, above 0; None where unknown.

    Returns:
        A Recording: `shape` is (time, height, width), `rec[a:b]` reads those frames alone.

    Raises:
        InputError: nothing there, a kind that is not supported, or a file that is damaged or not a movie.
    """
    target = Path(path)
    if target.is_dir():
        return TiffFolderRecording(path, frame_rate_hz=frame_rate_hz)
    if target.suffix.lower() in SUFFIXES:
        return TiffRecording(path, frame_rate_hz=frame_rate_hz)
    if not target.exists():
        raise InputError(f"{path}: no such file or folder; check the path")
    raise InputError(f"{path}: files of kind {target.suffix!r} cannot be read; supported are {SUPPORTED}")
