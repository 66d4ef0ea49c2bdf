"""AVI, MP4, MOV and Matroska in the codecs that movies come in."""

from __future__ import annotations

import multiprocessing
import random
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

import lassovae
from fuzzing.judge import Budget
from fuzzing.mutators import some_number
from fuzzing.target import Files, Target, files_below, look_at
from lassovae.data import open_recording

SMALL = np.random.default_rng(0).integers(0, 250, (6, 16, 16)).astype(np.uint8)
# Container, codec and layout of pixels.
WAYS = (
    ("avi", "rawvideo", "gray"),
    ("avi", "ffv1", "gray"),
    ("mkv", "ffv1", "gray16le"),
    ("avi", "mjpeg", "yuvj420p"),
    ("avi", "huffyuv", "rgb24"),
    ("avi", "utvideo", "gbrp"),
    ("mov", "png", "gray"),
    ("mp4", "mpeg4", "yuv420p"),
    ("mp4", "libx264", "yuv420p"),
    ("mov", "libx264", "gray"),
    ("mkv", "libx264", "yuv420p"),
)


def make_seeds(folder: Path) -> dict[str, Files]:
    """A small movie in every way, written by a process of its own.

    Threads of FFmpeg that began here would be waited for in the processes that are forked later, without an end.
    """
    writer = multiprocessing.get_context("fork").Process(target=_write_seeds, args=(folder,))
    writer.start()
    writer.join()
    if writer.exitcode:
        raise RuntimeError(f"FFmpeg wrote no movies: status {writer.exitcode}")
    return {place.name: files_below(place) for place in sorted(folder.iterdir())}


def _write_seeds(folder: Path) -> None:
    for suffix, codec, layout in WAYS:
        place = folder / f"{codec}_{suffix}_{layout}"
        place.mkdir()
        with av.open(place / f"movie.{suffix}", "w") as container:
            stream = container.add_stream(codec, rate=Fraction(7), options={"g": "3"})
            stream.height, stream.width, stream.pix_fmt = *SMALL.shape[1:], layout
            for frame in SMALL:
                grey = av.VideoFrame.from_ndarray(frame, format="gray")
                container.mux(stream.encode(grey.reformat(format=layout)))
            container.mux(stream.encode())


class _Counted(Budget):
    """What is asked for is noted, and nothing is limited."""

    def __init__(self, budget: Budget) -> None:
        super().__init__(0)
        self.budget = budget

    @contextmanager
    def asking(self, num_bytes: int) -> Iterator[None]:
        """Note it."""
        self.budget.asked = max(self.budget.asked, num_bytes)
        yield


def _of_ffmpeg(error: BaseException | None) -> bool:
    """Whether FFmpeg said that there is no memory, which it says of many claims before it asks for any."""
    while error is not None:
        if isinstance(error, av.error.MemoryError):
            return True
        error = error.__cause__ or error.__context__
    return False


def read(folder: Path, budget: Budget) -> None:
    """The movie, or its first colour; without a limit where FFmpeg may have met it: its peak is judged all the same."""
    try:
        _read(folder, budget)
        return
    except lassovae.InputError as error:
        if not _of_ffmpeg(error):
            raise
    resource.setrlimit(resource.RLIMIT_DATA, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    refused = False
    try:
        _read(folder, _Counted(budget))
    except lassovae.InputError:
        refused = True
    if refused:  # in words of its own: those of FFmpeg sound as if the limit had been met
        raise lassovae.InputError(f"{folder}: FFmpeg refuses it, though it is held to no limit")


def _read(folder: Path, budget: Budget) -> None:
    path = next(folder.iterdir(), folder / "movie.avi")
    try:
        recording = open_recording(path)
    except lassovae.InputError as error:
        if "channel=0" not in str(error):
            raise
        recording = open_recording(path, channel=0)
    look_at(recording, budget)


def change_number_near_a_name(rng: random.Random, name: str, content: bytes) -> bytes:
    """A number behind one of the four-letter names of which AVI and MP4 are made."""
    places = [at for at in range(len(content) - 12) if content[at : at + 4].isalnum()]
    if not places:
        return content
    at = rng.choice(places) + rng.choice((-4, 4, 8, 12, 16, 20, 24, 32, 36))
    width = rng.choice((2, 4, 4, 8))
    if not 0 <= at <= len(content) - width:
        return content
    number = some_number(rng, len(content), at) % (1 << (8 * width))
    return content[:at] + number.to_bytes(width, rng.choice(("little", "big"))) + content[at + width :]


TARGET = Target("video", make_seeds, read, (change_number_near_a_name,))
