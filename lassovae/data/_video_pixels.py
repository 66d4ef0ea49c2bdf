"""The stored values of a decoded video frame: the grey plane where there is one, else one colour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lassovae._errors import InputError

NEUTRAL = 1  # grey levels of 8 bits by which the colour of a grey video may differ from none


@dataclass(frozen=True)
class Pixels:
    """How to take the pixels out of the frames of one video.

    Attributes:
        layout: FFmpeg's name of the pixel format.
        dtype: of the pixels.
        is_colour: whether a channel must be chosen.
        chroma_bits: of the colour planes beside the grey one, which are to say that there is no colour; 0 where there
            are no such planes, or is colour.
    """

    layout: str
    dtype: np.dtype
    is_colour: bool
    chroma_bits: int = 0

    @property
    def may_have_colour(self) -> bool:
        """Whether another frame may have colour, though those that were looked at have none."""
        return self.chroma_bits > 0

    def read(self, name: str, number: int, frame: Any, channel: int | None) -> np.ndarray:
        """(height, width) stored values of a frame, or of one of its colours: 0 red, 1 green, 2 blue.

        Args:
            name: the file, for messages.
            number: of the frame, likewise.
            frame: of PyAV.
            channel: which colour, of a colour video.

        Raises:
            InputError: the frame is laid out otherwise than the first, or has colour and those looked at had none.
        """
        if frame.format.name != self.layout:
            raise InputError(
                f"{name}: frames of {self.layout} and {frame.format.name}; export the video again"
            )
        if self.may_have_colour and not _is_neutral(frame, self.dtype, self.chroma_bits):
            raise InputError(
                f"{name}: frame {number} has colour, though the frames that were looked at on opening have none; "
                "choose one colour by channel=0 to channel=2 (in a study: the column channel)"
            )
        if not self.is_colour:
            return plane(frame, 0, self.dtype)
        return np.asarray(frame.to_ndarray(format="rgb24"))[..., channel]


def plane(frame: Any, number: int, dtype: np.dtype) -> np.ndarray:
    """(rows, columns) values of a plane as they are stored, in the machine's byte order."""
    of_frame = frame.planes[number]
    stored = dtype.newbyteorder(">" if frame.format.is_big_endian else "<")
    rows = np.frombuffer(of_frame, np.uint8).reshape(-1, of_frame.line_size)[: of_frame.height]
    return rows[:, : of_frame.width * dtype.itemsize].copy().view(stored).astype(dtype, copy=False)


def _is_neutral(frame: Any, dtype: np.dtype, bits: int) -> bool:
    """Whether the colour planes of a frame say that it has none."""
    middle, tolerance = 1 << (bits - 1), NEUTRAL << max(0, bits - 8)
    planes = (plane(frame, number, dtype) for number in (1, 2))
    return all(values.min() >= middle - tolerance and values.max() <= middle + tolerance for values in planes)


def pixels_of(name: str, frame: Any) -> Pixels:
    """How to read a video, by one of its frames.

    Args:
        name: the file, for messages.
        frame: of PyAV.

    Raises:
        InputError: a layout of more than 16 bits a pixel, or of numbers that are looked up in a table of colours.
    """
    layout, components = frame.format.name, frame.format.components
    bits = max(component.bits for component in components)
    if bits > 16 or "f" in layout.removeprefix("gray")[:1]:
        raise InputError(
            f"{name}: pixels of {layout} cannot be read; export the video with 8 or 16 bits a pixel"
        )
    dtype = np.dtype(np.uint8 if bits <= 8 else np.uint16)
    if layout.startswith("gray"):
        return Pixels(layout, dtype, is_colour=False)
    if layout == "pal8":  # ImageJ writes grey movies so
        table = np.frombuffer(frame.planes[1], np.uint8)[:1024].reshape(256, 4)
        if not (table[:, :3] == np.arange(256)[:, None]).all():
            raise InputError(
                f"{name}: a video with a table of colours; export it as grey (Image > Type > 8-bit)"
            )
        return Pixels(layout, np.dtype(np.uint8), is_colour=False)
    if layout.startswith("yuv") and len(frame.planes) >= 3 and _is_neutral(frame, dtype, bits):
        return Pixels(layout, dtype, is_colour=False, chroma_bits=bits)
    return Pixels(layout, np.dtype(np.uint8), is_colour=True)
