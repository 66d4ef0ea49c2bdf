"""Which images of a hyperstack are the frames of one channel and one plane."""

from __future__ import annotations

import math

import numpy as np

from lassovae._errors import InputError
from lassovae.data._choice import Choice, chosen

KINDS = {"C": "channel", "Z": "plane"}
MOST_CHANNELS = 7  # of an image in ImageJ that can be shown as a composite


def _require_time(name: str, axis: str, count: int, says_time: bool) -> None:
    """Refuse channels, or planes of a file that says that they are of one moment, as frames.

    Raises:
        InputError: the only axis beside height and width is not time.
    """
    if (axis == "C" and (says_time or count <= MOST_CHANNELS)) or (axis == "Z" and says_time):
        raise InputError(
            f"{name}: a single time point of {count} {KINDS[axis]}s; a movie has frames over time. If these are "
            f"frames, save it with time instead of {KINDS[axis]} as their axis (ImageJ: Image > Properties; tifffile: "
            'metadata={"axes": "TYX"})'
        )


def frames_of(
    name: str, axes: str, shape: tuple[int, ...], choice: Choice, *, says_time: bool = False
) -> np.ndarray:
    """Numbers of the images that are the frames, in the order of time.

    One axis beside height and width is time, also if it is called otherwise: ImageJ calls the frames of most movies
    slices, and what tifffile writes for ImageJ without being told of axes are channels, more than ImageJ itself can
    show. A few channels are no movie. With more axes one must be called T.

    Args:
        name: the file, for messages.
        axes: letters of the axes before height and width, slowest first: T time, C channel, Z plane.
        shape: their lengths.
        choice: which channel and plane.
        says_time: the file says how many time points it holds, so that what is called otherwise is not time.

    Returns:
        (time,) int64, counted in the order of the axes.

    Raises:
        InputError: no channel or plane was chosen of several, there is one time point only, or the axes do not say
            what is time.
    """
    kept = [(axis, count) for axis, count in zip(axes, shape, strict=True) if count > 1]
    letters = "".join(axis for axis, _ in kept)
    lengths = " x ".join(f"{count} {axis}" for axis, count in kept)
    if len(kept) == 1:
        _require_time(name, *kept[0], says_time)
        chosen(name, "channel", 1, choice.channel)
        chosen(name, "plane", 1, choice.plane)
        return np.arange(kept[0][1], dtype=np.int64)
    if letters.count("T") != 1 or not set(letters) <= {"T", "C", "Z"} or len(set(letters)) < len(letters):
        raise InputError(
            f"{name}: {len(kept) + 2} axes ({lengths}, then height and width) that do not say what is time, channel "
            "and plane; save it as an ImageJ hyperstack with frames (Image > Properties), or one channel and one plane"
        )
    counts = [count for _, count in kept]
    numbers = np.zeros(1, np.int64)
    for position, (axis, count) in enumerate(kept):
        step = math.prod(counts[position + 1 :])
        if axis == "T":
            numbers = numbers + np.arange(count) * step
        else:
            given = choice.channel if axis == "C" else choice.plane
            numbers = numbers + chosen(name, KINDS[axis], count, given) * step
    for axis, kind in KINDS.items():
        if axis not in letters:
            chosen(name, kind, 1, choice.channel if axis == "C" else choice.plane)
    return numbers
