"""Vendors' formats, read by roiextractors: Scanbox, Femtonics, Inscopix, Bruker, and whatever else it can open."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from lassovae._errors import InputError
from lassovae.data._choice import Choice, chosen, missing_extra, one_line, positive
from lassovae.data._recording import Recording, check_movie

KINDS = {".sbx": "Scanbox", ".mesc": "Femtonics", ".isxd": "Inscopix"}
SUFFIXES = tuple(KINDS)
BRUKER_HEAD = 4096  # bytes of its XML in which it names itself


class ExtractorRecording(Recording):
    """Any imaging extractor of roiextractors as a recording; `rec[a:b]` asks it for those frames.

    Args:
        extractor: an `ImagingExtractor`. Its first frame is read, for the size and the type of pixels.
        name: what messages call it.
        plane: which of several imaging planes, from 0.

    Raises:
        InputError: it gives no movie, several planes and none chosen, or fails.
    """

    kind = "roiextractors"

    def __init__(self, extractor: Any, *, name: str, plane: int | None = None) -> None:
        self.name, self._extractor = name, extractor
        self._plane: int | None = None
        first = self._series(0, 1)
        if first.ndim == 4:
            self._plane = chosen(name, "plane", first.shape[3], plane)
        else:
            chosen(name, "plane", 1, plane)
        time = int(self._asked(extractor.get_num_samples))
        shape = (time, *first.shape[1:3])
        check_movie(name, shape, first.dtype)
        self.shape = (shape[0], shape[1], shape[2])
        self.dtype = first.dtype.newbyteorder("=")
        self.frame_rate_hz = positive(self._asked(extractor.get_sampling_frequency))

    def _asked(self, question: Callable[..., Any], *arguments: int) -> Any:
        try:
            return question(*arguments)
        except Exception as error:
            raise InputError(
                f"{self.name}: roiextractors cannot read it ({type(error).__name__}: {one_line(error)}); copy or "
                "export it again"
            ) from error

    def _series(self, start: int, stop: int) -> np.ndarray:
        pixels = np.asarray(self._asked(self._extractor.get_series, start, stop))
        if pixels.ndim not in (3, 4) or len(pixels) != stop - start:
            raise InputError(
                f"{self.name}: roiextractors gives pixels of shape {pixels.shape} for {stop - start} frames"
            )
        return pixels if self._plane is None else pixels[..., self._plane]

    def _read(self, frames: range) -> np.ndarray:
        if abs(frames.step) == 1:
            pixels = self._series(min(frames), max(frames) + 1)[:: frames.step]
        else:
            pixels = np.concatenate([self._series(frame, frame + 1) for frame in frames])
        if pixels.shape[1:] != self.frame_shape:
            raise InputError(f"{self.name}: frames of {pixels.shape[1:]}, the first is {self.frame_shape}")
        return np.array(pixels, self.dtype, order="C")


def is_bruker(folder: Path) -> bool:
    """Whether a folder holds a scan of Bruker's Prairie View: its XML, and OME-TIFF files."""
    described = folder / f"{folder.name}.xml"
    if not described.is_file() or next(folder.glob("*.ome.tif"), None) is None:
        return False
    with described.open("rb") as file:
        return b"<PVScan" in file.read(BRUKER_HEAD)


def _femtonics(path: Path, choice: Choice, kinds: Any) -> Any:
    """The session and unit that `dataset="MSession_0/MUnit_1"` names, or the only ones; the channel by its number."""
    extractor = kinds.FemtonicsImagingExtractor
    sessions = extractor.get_available_sessions(path)
    session, _, unit = (choice.dataset or "").strip("/").partition("/")
    session = session or (sessions[0] if len(sessions) == 1 else "")
    units = extractor.get_available_munits(path, session) if session in sessions else []
    unit = unit or (units[0] if len(units) == 1 else "")
    if unit not in units:
        listed = [f"{s}/{u}" for s in sessions for u in extractor.get_available_munits(path, s)]
        raise InputError(
            f"{path}: choose one of its {len(listed)} recordings by dataset=: {', '.join(listed[:12])} (in a study: "
            "the column dataset)"
        )
    names = extractor.get_available_channels(path, session, unit)
    channel = names[chosen(str(path), "channel", len(names), choice.channel)]
    return extractor(path, session_name=session, munit_name=unit, channel_name=channel)


def _extractor(path: Path, choice: Choice, kinds: Any) -> Any:
    name = str(path)
    if path.is_dir():
        choice.refuse(name, "a Bruker folder, where dataset= names the channel,", "channel")
        return kinds.BrukerTiffImagingExtractor(path, channel_name=choice.dataset)
    if path.suffix.lower() == ".mesc":
        return _femtonics(path, choice, kinds)
    choice.refuse(name, f"a {path.suffix} file", "channel", "dataset")
    return (kinds.SbxImagingExtractor if path.suffix.lower() == ".sbx" else kinds.InscopixImagingExtractor)(
        path
    )


def open_vendor(path: str | os.PathLike[str], choice: Choice) -> Recording:
    """Open a vendor's file or folder.

    Args:
        path: `.sbx` (beside its `.mat`), `.mesc`, `.isxd` (which needs Inscopix's package isx too), or a Bruker folder.
        choice: `channel` and `plane`; `dataset` names a Femtonics unit or a Bruker channel.

    Raises:
        InputError: roiextractors is not installed, or cannot read it.
    """
    choice.refuse(str(path), "a vendor's format", "shape", "dtype")
    try:
        from roiextractors import extractorlist
    except ImportError:
        raise missing_extra(path, "reading this vendor's format", "vendor") from None
    try:
        extractor = _extractor(Path(path), choice, extractorlist)
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"{path}: roiextractors cannot open it ({type(error).__name__}: {one_line(error)}); check that all files "
            "of the recording are there"
        ) from error
    recording = ExtractorRecording(extractor, name=str(path), plane=choice.plane)
    recording.kind = KINDS.get(Path(path).suffix.lower(), "Bruker")
    frame_bytes = math.prod(recording.frame_shape) * recording.dtype.itemsize
    if Path(path).suffix.lower() == ".sbx" and Path(path).stat().st_size % frame_bytes:
        whole = Path(path).stat().st_size // frame_bytes
        raise InputError(f"{path}: the file is cut short: {whole} complete frames and a part; copy it again")
    return recording
