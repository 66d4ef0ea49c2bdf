"""Raw movies without a header: suite2p's `.bin` beside its `ops.npy`, and others whose shape the caller gives."""

from __future__ import annotations

import math
import pickletools
import re
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from lassovae._errors import InputError
from lassovae.data._choice import Choice, chosen, positive, whole_number
from lassovae.data._contiguous import ContiguousRecording
from lassovae.data._files import require_file
from lassovae.data._recording import Recording

SUITE2P_DTYPE = np.dtype("<i2")
SETTINGS, MOVIE, SECOND_CHANNEL = "ops.npy", "data.bin", "data_chan2.bin"
LARGEST_SETTINGS = 1 << 28  # bytes; suite2p keeps a few mean images in it, a few megabytes
LONGEST_HEADER = 1 << 16
MOST_INSTRUCTIONS = 1_000_000  # of the pickle; suite2p's have some thousands, its arrays are one each
PLANE = re.compile("plane([0-9]{1,4})")
WANTED = ("Ly", "Lx", "nframes", "fs")
BOOKKEEPING = frozenset({"MEMOIZE", "BINPUT", "LONG_BINPUT", "PUT", "FRAME"})
TEXTS = frozenset(
    {"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE", "BINSTRING", "SHORT_BINSTRING"}
)
REFERENCES = frozenset({"GET", "BINGET", "LONG_BINGET"})
NUMBERS = frozenset({"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "BINFLOAT", "FLOAT"})


def read_numbers(path: Path) -> dict[str, float]:
    """Plain numbers in a pickled dictionary, by looking at its instructions and carrying out none of them.

    A number counts where its key stands right in front of it, as Python writes dictionaries. What is nested, computed
    or an array does not.

    Args:
        path: an `ops.npy` of suite2p.

    Returns:
        Those of Ly, Lx, nframes and fs that were found with one value only.

    Raises:
        InputError: the file is too large or not of this kind.
    """
    if require_file(path) > LARGEST_SETTINGS:
        raise InputError(f"{path}: too large for suite2p's settings; give shape=(height, width) instead")
    with path.open("rb") as file:
        try:
            header = file.readline(LONGEST_HEADER)  # NumPy's is one line
            if header[:6] != b"\x93NUMPY" or header[-1:] != b"\n":
                raise ValueError("no header")
            found = _numbers(_Bounded(file, path.stat().st_size))
        except (ValueError, IndexError, KeyError, OverflowError, EOFError) as error:
            raise InputError(
                f"{path}: not suite2p's settings, or damaged; copy it again or give shape=(height, width)"
            ) from error
    single = {key: values.pop() for key, values in found.items() if len(values) == 1}
    return {key: value for key, value in single.items() if math.isfinite(value)}


class _Bounded:
    """A file of which no more is read than it has, whatever an instruction asks for."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file, self._size = file, size
        self.tell, self.readline = file.tell, file.readline

    def read(self, count: int) -> bytes:
        """The next bytes, as many as there are."""
        return self._file.read(min(count, self._size - self._file.tell()))


def _numbers(file: Any) -> dict[str, set[float]]:
    """The values in front of which a key of `WANTED` stands.

    Raises:
        ValueError, IndexError, KeyError, OverflowError, EOFError: not a pickle, or an endless one.
    """
    found: dict[str, set[float]] = {}
    key, last = None, None  # the key that stands in front, and the text of the last instruction
    memory: dict[int, str] = {}  # texts that later instructions refer to by a number
    remembered = 0
    for number, (opcode, argument, _) in enumerate(pickletools.genops(file)):
        if number > MOST_INSTRUCTIONS:
            raise ValueError("too many instructions")
        if opcode.name in BOOKKEEPING:
            place = remembered if argument is None else int(argument)
            if opcode.name != "FRAME" and last is not None:
                memory[place] = last
            remembered += opcode.name == "MEMOIZE"
            continue
        if key is not None and opcode.name in NUMBERS:
            found.setdefault(key, set()).add(float(argument or 0))
        last = argument if opcode.name in TEXTS and argument in WANTED else None
        key = memory.get(int(argument or 0)) if opcode.name in REFERENCES else last
    return found


def _frame_shape(path: Path, given: Any) -> tuple[int, int]:
    try:
        height, width = given
    except (TypeError, ValueError):
        raise InputError(f"{path}: shape={given!r} must be (height, width)") from None
    sides = whole_number(str(path), "shape", height), whole_number(str(path), "shape", width)
    if min(sides) < 1:
        raise InputError(f"{path}: shape={given!r} must be two numbers of at least 1")
    return sides


def open_raw(path: Path, choice: Choice) -> Recording:
    """Open a file that is nothing but frames.

    Args:
        path: the file. Height, width, number of frames and frame rate come from `ops.npy` in the same folder, which is
            read without being unpickled, where `choice.shape` is None.
        choice: `shape` as (height, width); `dtype`, int16 if left out, suite2p's.

    Raises:
        InputError: the shape is unknown, or the file does not hold whole frames of it.
    """
    name = str(path)
    choice.refuse(name, "a file of raw frames", "channel", "plane", "dataset")
    size = require_file(path)
    try:
        dtype = np.dtype(SUITE2P_DTYPE if choice.dtype is None else choice.dtype)
    except TypeError:
        raise InputError(f"{name}: dtype={choice.dtype!r} is not a type of pixels, such as int16") from None
    if dtype.kind not in "uif":
        raise InputError(f"{name}: dtype={choice.dtype!r} must be integers or floats, such as int16")
    settings = path.with_name(SETTINGS)
    numbers = read_numbers(settings) if choice.shape is None and settings.is_file() else {}
    if choice.shape is not None:
        frame_shape = _frame_shape(path, choice.shape)
    elif {"Ly", "Lx"} <= numbers.keys():
        frame_shape = _frame_shape(settings, (int(numbers["Ly"]), int(numbers["Lx"])))
    else:
        where = (
            f"{SETTINGS} beside it does not say it as plain numbers"
            if settings.is_file()
            else "it has no header"
        )
        raise InputError(
            f"{name}: the size of a frame is unknown, {where}; give shape=(height, width) and dtype= (in "
            "Python alone), or put a plain ops.npy of suite2p beside it"
        )
    frame_bytes = frame_shape[0] * frame_shape[1] * dtype.itemsize
    num_frames, rest = divmod(size, frame_bytes)
    declared = int(numbers.get("nframes", num_frames))
    if num_frames < declared:
        raise InputError(
            f"{name}: the file is cut short: {num_frames} complete frames of {declared} declared in "
            f"{SETTINGS}; copy it again"
        )
    if rest or num_frames == 0:
        raise InputError(
            f"{name}: {size} bytes are not a whole number of frames of {frame_shape[0]} x {frame_shape[1]} {dtype} "
            f"({frame_bytes} bytes each): the file is cut short, or shape= or dtype= is another"
        )
    recording = ContiguousRecording(
        path, (num_frames, *frame_shape), dtype, 0, frame_rate_hz=positive(numbers.get("fs"))
    )
    recording.kind = "suite2p" if choice.shape is None else "raw"  # whose ops.npy says the shape
    return recording


def _planes(folder: Path) -> dict[int, Path]:
    """The folders of a suite2p result that hold a movie, by the number of the plane in their names.

    They are the folder itself, or those called plane0, plane1, ... in it. One of another name is plane 0.
    """
    named = PLANE.fullmatch(folder.resolve().name)
    if (folder / MOVIE).is_file() and (folder / SETTINGS).is_file():
        return {int(named[1]) if named else 0: folder}
    found = ((PLANE.fullmatch(place.name), place) for place in sorted(folder.glob("plane*")))
    return {int(named[1]): place for named, place in found if named and (place / MOVIE).is_file()}


def _chosen_plane(folder: Path, planes: dict[int, Path], given: int | None) -> Path:
    """The folder of the plane of this number, or of the only one.

    Raises:
        InputError: there are several and none was named, or there is none of this number.
    """
    numbers = sorted(planes)
    if numbers == list(range(len(numbers))):
        return planes[chosen(str(folder), "plane", len(planes), given)]
    there = ", ".join(map(str, numbers))
    if given is None:
        if len(planes) > 1:
            raise InputError(
                f"{folder}: holds {len(planes)} planes; choose one by plane= and its number: {there} (in a study: the "
                "column plane)"
            )
        return planes[numbers[0]]
    number = whole_number(str(folder), "plane", given)
    if number not in planes:
        raise InputError(f"{folder}: plane={number}, but the planes that are there have the numbers {there}")
    return planes[number]


def is_suite2p(folder: Path) -> bool:
    """Whether a folder holds the registered movie of suite2p."""
    return bool(_planes(folder))


def open_suite2p(folder: Path, choice: Choice) -> Recording:
    """Open the registered movie in a folder that suite2p made: `plane0`, or the one above with all planes.

    Args:
        folder: that holds `data.bin`, or folders plane0, plane1, ... that do.
        choice: `plane`, the number in the folder's name, where there are several; `channel` where there is
            `data_chan2.bin` too.

    Raises:
        InputError: as `open_raw`, or several planes or channels and none was chosen, or none of this number.
    """
    place = _chosen_plane(folder, _planes(folder), choice.plane)
    movies = [movie for movie in (place / MOVIE, place / SECOND_CHANNEL) if movie.is_file()]
    movie = movies[chosen(str(place), "channel", len(movies), choice.channel)]
    recording = open_raw(movie, replace(choice, plane=None, channel=None))
    recording.kind = "suite2p"
    return recording
