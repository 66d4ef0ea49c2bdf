"""NaN and Inf in recordings of floats: found before anything is computed, and told with what to do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lassovae._config import POOLINGS, Preprocess
from lassovae._errors import InputError
from lassovae.data._geometry import Resized
from lassovae.data._movie import chunked
from lassovae.data._study import Run

NAMED = 5  # frames that are named
MOSTLY = 0.5  # share of a row or a column from which on it is a border
WORTH = 0.5  # share of the frame that a crop must leave to be proposed
OTHERWISE = "repair them or cut these frames out"


def require_finite(run: Run, pre: Preprocess) -> None:
    """Refuse NaN and Inf in a recording of floats, and what float32 cannot hold.

    What is cropped away is not looked at, but where bad pixels or scan lines are told from whole frames.

    Args:
        run: of the study.
        pre: settings.

    Raises:
        InputError: naming the run, its frames, and what to do.
    """
    if run.recording.dtype.kind != "f":
        return
    crop = Resized.of(run.recording.frame_shape, pre)
    top, left, height, width = crop.top, crop.left, crop.height, crop.width
    whole = pre.bad_pixels == "fill" or pre.scan_lines == "align"
    if whole:
        top, left, (height, width) = 0, 0, run.recording.frame_shape
    stored, counts = False, []
    seen = np.zeros((height, width), bool)
    for part in chunked(run.recording):
        chunk = run.recording[part][:, top : top + height, left : left + width]
        with np.errstate(over="ignore"):
            bad = ~np.isfinite(chunk.astype(np.float32))
        stored |= not np.isfinite(chunk[bad]).all()
        counts.append(bad.sum(axis=(1, 2)))
        seen |= bad.any(axis=0)
    count = np.concatenate(counts)
    frames = np.flatnonzero(count)
    if len(frames):
        file = "" if run.recording.name == run.name else f" ({run.recording.name})"
        what = "that are NaN or Inf" if stored else "beyond the range of float32"
        raise InputError(
            f"run {run.name}{file}: {int(count.sum())} pixels {what}, in {len(frames)} of {len(count)} frames "
            f"({first_of(frames)}): {OTHERWISE if whole else remedy(seen, pre, (top, left))}"
        )


def first_of(frames: NDArray[np.int_]) -> str:
    """The first few numbers."""
    return ", ".join(map(str, frames[:NAMED])) + (", ..." if len(frames) > NAMED else "")


def remedy(bad: NDArray[np.bool_], pre: Preprocess, at: tuple[int, int] = (0, 0)) -> str:
    """What to do about pixels that are not finite: a crop, where they lie at the borders.

    Args:
        bad: (height, width), whether a pixel is not finite in any frame.
        pre: settings.
        at: row and column of its first pixel in stored frames.
    """
    (top, bottom), (left, right) = (_longest(bad.mean(axis=axis) < MOSTLY) for axis in (1, 0))
    unit = 2**POOLINGS * pre.downscale
    height, width = (bottom - top) // unit * unit, (right - left) // unit * unit
    if bad[top:bottom, left:right].any() or height * width < WORTH * bad.size:
        return OTHERWISE
    top, left = at[0] + top + (bottom - top - height) // 2, at[1] + left + (right - left - width) // 2
    return f"crop them off (crop=({height}, {width}), crop_at=({top}, {left})), {OTHERWISE}"


def _longest(good: NDArray[np.bool_]) -> tuple[int, int]:
    """Start and stop of the longest stretch."""
    ends = np.flatnonzero(np.diff(np.concatenate([[False], good, [False]])))
    stretches = [(int(start), int(stop)) for start, stop in ends.reshape(-1, 2)]
    return max(stretches, key=lambda s: s[1] - s[0], default=(0, 0))
