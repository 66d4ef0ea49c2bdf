"""Steps that mend pixels: scan lines that do not meet, pixels that say nothing, brightness that fades."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lassovae.data._movie import FloatOut, SameShape


@dataclass(frozen=True)
class AlignedLines(SameShape):
    """Every other line moved sideways, against the lag of a mirror that scans both ways.

    Attributes:
        by: whole pixels to the right by which odd lines are moved; what enters at an edge repeats it.
    """

    by: int

    def apply(self, chunk: np.ndarray, first: int) -> np.ndarray:
        """Move the odd lines."""
        if self.by == 0:
            return chunk
        moved = chunk.copy()
        columns = np.clip(np.arange(chunk.shape[2]) - self.by, 0, chunk.shape[2] - 1)
        moved[:, 1::2] = chunk[:, 1::2][:, :, columns]
        return moved

    def undo(self, chunk: np.ndarray, first: int) -> np.ndarray:
        """Move them back; what had left the frame is not known."""
        whole = chunk.astype(np.result_type(chunk.dtype, np.float32))
        columns = np.arange(chunk.shape[2]) + self.by
        known = (columns >= 0) & (columns < chunk.shape[2])
        lines = np.where(known, whole[:, 1::2][:, :, np.clip(columns, 0, chunk.shape[2] - 1)], np.nan)
        whole[:, 1::2] = lines
        return whole

    def says(self) -> str:
        """By how much."""
        return f"odd lines moved by {self.by} pixels to the right" if self.by else ""


@dataclass(frozen=True, eq=False)
class FilledPixels(SameShape):
    """Pixels that say nothing, each given the value of the nearest one that does.

    Attributes:
        bad: (height, width) bool; at least one pixel is good.
        why: what is wrong with them, for the report.
    """

    bad: NDArray[np.bool_]
    why: str

    def apply(self, chunk: np.ndarray, first: int) -> np.ndarray:
        """Fill."""
        if not self.bad.any():
            return chunk
        nearest = ndimage.distance_transform_edt(self.bad, return_distances=False, return_indices=True)
        rows, columns = (index[self.bad] for index in nearest)
        filled = chunk.copy()
        filled[:, self.bad] = chunk[:, rows, columns]
        return filled

    def undo(self, chunk: np.ndarray, first: int) -> np.ndarray:
        """Nothing is known of these pixels."""
        whole = chunk.astype(np.result_type(chunk.dtype, np.float32))
        whole[:, self.bad] = np.nan
        return whole

    def says(self) -> str:
        """How many, and why."""
        count = int(self.bad.sum())
        return f"{count} of {self.bad.size} pixels filled from their neighbours: {self.why}" if count else ""


@dataclass(frozen=True, eq=False)
class Unbleached(FloatOut):
    """Brightness above the detector's offset divided by its slow course, so that the first frame stays as it is.

    Attributes:
        course: (time,) brightness of every frame by a smooth law, over that of the first.
        offset: stored value of a dark pixel.
    """

    course: NDArray[np.float64]
    offset: float

    def _of(self, chunk: np.ndarray, first: int) -> np.ndarray:
        return self.course[first : first + len(chunk), None, None]

    def apply(self, chunk: np.ndarray, first: int) -> np.ndarray:
        """Divide."""
        return ((chunk - self.offset) / self._of(chunk, first) + self.offset).astype(np.float32)

    def undo(self, chunk: np.ndarray, first: int) -> np.ndarray:
        """Multiply."""
        return (chunk - self.offset) * self._of(chunk, first) + self.offset

    def says(self) -> str:
        """How much had faded."""
        lost = 1 - float(self.course[-1])
        word = "lost" if lost >= 0 else "gained"
        return f"brightness, which had {word} {abs(lost):.0%} by the last frame, made even"


@dataclass(frozen=True, eq=False)
class Moved(FloatOut):
    """Every frame moved by its own shift, by linear interpolation: no pixel leaves the range of the pixels.

    Attributes:
        shifts: (time, 2) pixels down and right.
    """

    shifts: NDArray[np.float64]

    def apply(self, chunk: np.ndarray, first: int) -> np.ndarray:
        """Move; what enters at an edge repeats it."""
        still = np.empty(chunk.shape, np.float32)
        for frame, by, out in zip(chunk, self.shifts[first:], still, strict=False):
            ndimage.shift(frame.astype(np.float32), by, output=out, order=1, mode="nearest")
        return still

    def undo(self, chunk: np.ndarray, first: int) -> np.ndarray:
        """Move back; what has left the frame is not known."""
        back = np.empty(chunk.shape, np.float32)
        for frame, by, out in zip(chunk, self.shifts[first:], back, strict=False):
            ndimage.shift(frame.astype(np.float32), -by, output=out, order=1, cval=np.nan)
        return back

    def says(self) -> str:
        """How far."""
        far = np.abs(self.shifts).max(axis=0)
        beyond = int((np.abs(self.shifts).max(axis=1) > 1).sum())
        return (
            f"frames moved by up to {far[0]:.1f} pixels down or up, {far[1]:.1f} sideways; {beyond} of "
            f"{len(self.shifts)} by more than one pixel"
        )
