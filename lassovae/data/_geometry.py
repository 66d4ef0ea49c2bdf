"""Steps that change the shape of a movie: crop, spatial and temporal binning."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lassovae._config import POOLINGS, Preprocess
from lassovae._errors import InputError
from lassovae.data._movie import FloatOut, SameShape


def corner(shape: tuple[int, int], pre: Preprocess) -> tuple[int, int]:
    """(row, column) of the upper left pixel of the crop.

    Raises:
        InputError: the crop does not lie within the frame.
    """
    height, width = pre.crop or shape
    if height > shape[0] or width > shape[1]:
        raise InputError(f"crop={pre.crop} is larger than the frames, {shape} pixels: choose a smaller crop")
    if pre.crop_at is None:
        height, width = height // pre.downscale * pre.downscale, width // pre.downscale * pre.downscale
        return (shape[0] - height) // 2, (shape[1] - width) // 2
    top, left = pre.crop_at
    if top + height > shape[0] or left + width > shape[1]:
        raise InputError(
            f"crop={pre.crop} at crop_at={pre.crop_at} leaves the frames, {shape} pixels: move it or make it smaller"
        )
    return top, left


def frame_shape_after(shape: tuple[int, int], pre: Preprocess) -> tuple[int, int]:
    """(height, width) of a frame after crop and downscale.

    Args:
        shape: (height, width) in stored pixels.
        pre: crop and downscale are read.

    Raises:
        InputError: the crop does not lie within the frame, or the result cannot be halved POOLINGS times.
    """
    corner(shape, pre)
    height, width = pre.crop or shape
    after = (height // pre.downscale, width // pre.downscale)
    side = 2**POOLINGS
    if after[0] % side or after[1] % side or 0 in after:
        unit = side * pre.downscale
        nearest = [
            min(max(round(size / unit), 1), whole // unit) * unit
            for size, whole in zip((height, width), shape, strict=True)
        ]
        remedy = f"use crop=({nearest[0]}, {nearest[1]})" if all(nearest) else "use a smaller downscale"
        raise InputError(
            f"frames of {height} x {width} pixels at downscale={pre.downscale} give {after[0]} x {after[1]}; "
            f"{POOLINGS} poolings need multiples of {side}: {remedy}"
        )
    return after


@dataclass(frozen=True)
class Resized(SameShape):
    """Crop, and one pixel for each block of pixels.

    Pixels of more than four bytes come out as float32, which all that follows works in.

    Attributes:
        shape: (height, width) of the frames that come in.
        top, left: of the crop.
        height, width: of the crop, multiples of the factor.
        factor: pixels of a block along one side.
        method: "nearest" keeps one pixel of each block, the one at its centre (the later of two); "mean" averages all,
            in float32.
    """

    shape: tuple[int, int]
    top: int
    left: int
    height: int
    width: int
    factor: int
    method: str

    @classmethod
    def of(cls, shape: tuple[int, int], pre: Preprocess) -> Resized:
        """As the settings say for frames of this shape."""
        height, width = pre.crop or shape
        factor = pre.downscale
        whole = height // factor * factor, width // factor * factor
        return cls(shape, *corner(shape, pre), *whole, factor, pre.downscale_method)

    def shape_after(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Height and width in blocks."""
        return self.height // self.factor, self.width // self.factor

    def dtype_after(self, dtype: np.dtype) -> np.dtype:
        """The stored type where it is an integer of at most 4 bytes and nothing is averaged, else float32."""
        averaged = self.factor > 1 and self.method == "mean"
        small = dtype.kind != "f" and dtype.itemsize <= 4
        return dtype if small and not averaged else np.dtype(np.float32)

    def apply(self, chunk: np.ndarray, first: int) -> np.ndarray:
        """Crop and shrink."""
        part = chunk[:, self.top : self.top + self.height, self.left : self.left + self.width]
        factor, dtype = self.factor, self.dtype_after(chunk.dtype)
        if factor > 1 and self.method == "nearest":
            part = part[:, factor // 2 :: factor, factor // 2 :: factor]
        elif factor > 1:
            part = _block_means(part, factor)
        with np.errstate(
            over="ignore", invalid="ignore"
        ):  # what overflows float32 is found by who asks for it
            return part.astype(dtype, copy=False)

    def undo(self, chunk: np.ndarray, first: int) -> np.ndarray:
        """Every pixel of a block has its value; outside the crop nothing is known."""
        whole = np.full((len(chunk), *self.shape), np.nan, np.result_type(chunk.dtype, np.float32))
        blocks = chunk.repeat(self.factor, axis=1).repeat(self.factor, axis=2)
        whole[:, self.top : self.top + self.height, self.left : self.left + self.width] = blocks
        return whole

    def says(self) -> str:
        """What was cut away and averaged."""
        said = []
        if (self.height, self.width) != self.shape:
            lost = f"{self.shape[0]} x {self.shape[1]} pixels to {self.height} x {self.width}"
            said.append(f"cropped from {lost}, from row {self.top} and column {self.left} on")
        if self.factor > 1:
            how = {"mean": "averaged", "nearest": "one pixel kept of each block"}[self.method]
            said.append(f"blocks of {self.factor} x {self.factor} pixels made one ({how})")
        return "; ".join(said)


def _block_means(part: np.ndarray, factor: int) -> np.ndarray:
    """Mean of every block in float32, added up row by row and column by column: many times as fast as `mean` here."""
    # sums of so many pixels stay below 2**24, which float32 holds exactly
    exact = part.dtype.kind in "ui" and part.dtype.itemsize <= 2 and factor <= 16
    kind = np.float32 if exact else np.float64
    rows = part[:, ::factor].astype(kind)
    for row in range(1, factor):
        np.add(rows, part[:, row::factor], out=rows)
    total = rows[:, :, ::factor].copy()
    for column in range(1, factor):
        np.add(total, rows[:, :, column::factor], out=total)
    np.divide(total, factor * factor, out=total)
    with np.errstate(over="ignore", invalid="ignore"):
        return total.astype(np.float32, copy=False)


@dataclass(frozen=True)
class BinnedFrames(FloatOut):
    """Means of so many successive frames; what is left at the end of a run is left out.

    Attributes:
        number: frames that become one.
    """

    number: int

    @property
    def frames_each(self) -> int:
        """So many."""
        return self.number

    def apply(self, chunk: np.ndarray, first: int) -> np.ndarray:
        """Average."""
        groups = chunk.reshape(-1, self.number, *chunk.shape[1:])
        total = groups[:, 0].astype(np.float64)
        for i in range(1, self.number):
            total += groups[:, i]
        return (total / self.number).astype(np.float32)

    def undo(self, chunk: np.ndarray, first: int) -> np.ndarray:
        """Each frame as often as frames went into it."""
        return chunk.repeat(self.number, axis=0)

    def says(self) -> str:
        """How many frames are one."""
        return f"{self.number} successive frames averaged into one"
