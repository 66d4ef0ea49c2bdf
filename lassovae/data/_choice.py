"""What a caller says about a file that holds more than one movie, and what files say of themselves."""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lassovae._errors import InputError

DEFLATE = 1032  # pixel bytes that can come out of a stored byte: 258 of two bits
LARGEST_EXPANSION = 50_000  # pixel bytes per stored byte; deflate reaches 1032, LZW 2731, Zstandard 32 768
MICROMETRES = {
    "m": 1e6,
    "meter": 1e6,
    "meters": 1e6,
    "metre": 1e6,
    "metres": 1e6,
    "cm": 1e4,
    "mm": 1e3,
    "millimeter": 1e3,
    "millimeters": 1e3,
    "millimetres": 1e3,
    "millimetre": 1e3,
    "um": 1.0,
    "µm": 1.0,
    "μm": 1.0,
    "\\u00b5m": 1.0,
    "micron": 1.0,
    "microns": 1.0,
    "micrometer": 1.0,
    "micrometers": 1.0,
    "micrometres": 1.0,
    "micrometre": 1.0,
    "nm": 1e-3,
    "nanometer": 1e-3,
    "nanometers": 1e-3,
    "nanometres": 1e-3,
    "nanometre": 1e-3,
    "inch": 25_400.0,
}


@dataclass(frozen=True)
class Choice:
    """The keyword arguments of `open_recording` that choose within a file.

    Attributes:
        channel, plane: numbers from 0; None where the file has but one.
        dataset: name of an array or series in the file.
        shape: (height, width) of a frame, for files that do not say it.
        dtype: of the pixels, likewise.
    """

    channel: int | None = None
    plane: int | None = None
    dataset: str | None = None
    shape: tuple[int, int] | None = None
    dtype: Any = None

    def refuse(self, name: str, kind: str, *unused: str) -> None:
        """Refuse arguments that mean nothing for this kind of file.

        Raises:
            InputError: one of `unused` was given.
        """
        given = [field for field in unused if getattr(self, field) is not None]
        if given:
            raise InputError(
                f"{name}: {given[0]}={getattr(self, given[0])!r} means nothing for {kind}; leave it out"
            )


def whole_number(name: str, argument: str, value: Any) -> int:
    """`value` as an int.

    Raises:
        InputError: it is not an integer.
    """
    try:
        return operator.index(value)
    except TypeError:
        raise InputError(f"{name}: {argument}={value!r} must be an integer") from None


def chosen(name: str, kind: str, count: int, given: int | None) -> int:
    """Which of `count` channels or planes to read, from 0.

    Args:
        name: the file, for the message.
        kind: "channel" or "plane", the name of the argument and of the column in a study's CSV.
        count: how many the file holds.
        given: what the caller said.

    Raises:
        InputError: there are several and none was named, or there is none of this number.
    """
    if given is None:
        if count == 1:
            return 0
        raise InputError(
            f"{name}: holds {count} {kind}s; choose one by {kind}=0 to {kind}={count - 1} "
            f"(in a study: the column {kind})"
        )
    index = whole_number(name, kind, given)
    if not 0 <= index < count:
        there = f"one {kind}, number 0" if count == 1 else f"{count} {kind}s, numbers 0 to {count - 1}"
        raise InputError(f"{name}: {kind}={index}, but the file holds {there}")
    return index


def choose_dataset(name: str, candidates: Iterable[str], given: str | None, what: str) -> str:
    """The name of the array or series to read: the one given, or the only one there is.

    Args:
        name: the file, for the message.
        candidates: those that could be a movie.
        given: what the caller said, possibly without the leading slash.
        what: what a candidate is, in the plural.

    Raises:
        InputError: there is none, there are several, or none of that name.
    """
    names = sorted(candidates)
    listed = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    if given is not None:
        for candidate in names:
            if candidate.strip("/") == given.strip("/"):
                return candidate
        there = f"it holds {listed}" if names else f"it holds no {what}"
        raise InputError(f"{name}: dataset={given!r} is none of the {what}; {there}")
    if not names:
        raise InputError(
            f"{name}: holds no {what}; check that this is the file of the movie, or name an array by dataset="
        )
    if len(names) > 1:
        raise InputError(
            f"{name}: holds {len(names)} {what}: {listed}; choose one by dataset= (in a study: the column dataset)"
        )
    return names[0]


def positive(value: Any) -> float | None:
    """A finite number above 0 from a file's metadata, alone or as the only one of an array; None for anything else."""
    try:
        array = np.asarray(value)
        number = float(array.reshape(-1)[0]) if array.size == 1 else math.nan
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number > 0 else None


def micrometres(height: Any, width: Any, unit: Any) -> tuple[float, float] | None:
    """(height, width) of a pixel in micrometres, None where a number or the unit is unknown."""
    factor = MICROMETRES.get(str(unit).strip().lower())
    tall, wide = positive(height), positive(width)
    if factor is None or tall is None or wide is None:
        return None
    return tall * factor, wide * factor


def require_expansion(
    name: str, pixel_bytes: int, stored_bytes: int, compressed: bool, largest: int = LARGEST_EXPANSION
) -> None:
    """Refuse a header that claims more pixels than its file can hold, before memory is taken for them.

    Args:
        name: the file, for the message.
        pixel_bytes: that are claimed.
        stored_bytes: that the file has for them.
        compressed: whether they are.
        largest: pixel bytes that may come out of a stored byte, where it is known better.

    Raises:
        InputError: `pixel_bytes` cannot come out of `stored_bytes`.
    """
    if pixel_bytes > stored_bytes * (largest if compressed else 1):
        raise InputError(
            f"{name}: {stored_bytes} bytes are stored for {pixel_bytes} bytes of pixels; the file is cut short or its "
            "header is damaged: copy or export it again"
        )


def one_line(what: object, most: int = 200) -> str:
    """What another library says, or a value of a file, as one line of at most `most` characters."""
    return " ".join(str(what).split())[:most]


def missing_extra(name: str | os.PathLike[str], what: str, extra: str) -> InputError:
    """The error for a package that is not installed."""
    return InputError(f'{name}: {what} needs an optional package: pip install "lassovae[{extra}]"')
