"""Frame rate and size of a pixel, as ImageJ, OME and ScanImage write them into TIFF files."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import numpy as np

from lassovae._errors import InputError
from lassovae.data._choice import Choice, chosen, micrometres, positive

logger = logging.getLogger("lassovae")

SECONDS = {"s": 1.0, "sec": 1.0, "ms": 1e-3, "µs": 1e-6, "us": 1e-6, "min": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Scale:
    """What a file says of its scales.

    Attributes:
        frame_rate_hz: frames per second of one channel and plane, None where unknown.
        pixel_size_um: (height, width) in micrometres, None where unknown.
    """

    frame_rate_hz: float | None = None
    pixel_size_um: tuple[float, float] | None = None


def _inverse(value: Any) -> float | None:
    number = positive(value)
    return None if number is None else positive(1 / number)


def of_imagej(tif: Any) -> Scale:
    """Scales of an ImageJ file: seconds between frames, and pixels per unit."""
    described = tif.imagej_metadata or {}
    rate = _inverse(described.get("finterval")) or positive(described.get("fps"))
    page = tif.pages[0]
    sides = []
    for code in (283, 282):  # YResolution, XResolution: pixels per unit, a fraction
        tag = page.tags.get(code)
        value = tag.value if tag is not None else (0, 1)
        fraction = isinstance(value, tuple) and len(value) == 2 and value[0]
        sides.append(value[1] / value[0] if fraction else None)
    return Scale(rate, micrometres(sides[0], sides[1], described.get("unit", "")))


def _ome_pixels(tif: Any) -> ElementTree.Element | None:
    """What an OME-TIFF file says of its first image."""
    try:
        root = ElementTree.fromstring(tif.ome_metadata or "")
    except ElementTree.ParseError:
        return None  # tifffile has read what it could of it, and scales are no reason to refuse a movie
    return next((element for element in root.iter() if element.tag.rsplit("}", 1)[-1] == "Pixels"), None)


def images_of_ome(tif: Any) -> int:
    """Images that an OME-TIFF file, or the set of files that it belongs to, declares; 0 where it does not say."""
    pixels = _ome_pixels(tif)
    sizes = [positive(pixels.get(f"Size{axis}")) for axis in "TCZ"] if pixels is not None else []
    return int(np.prod([size or 0 for size in sizes])) if sizes else 0


def of_ome(tif: Any) -> Scale:
    """Scales of an OME-TIFF file: TimeIncrement, PhysicalSizeX and PhysicalSizeY of its first image."""
    pixels = _ome_pixels(tif)
    if pixels is None:
        return Scale()
    unit = SECONDS.get(pixels.get("TimeIncrementUnit", "s"))
    increment = positive(pixels.get("TimeIncrement"))
    rate = _inverse(increment * unit) if increment is not None and unit is not None else None
    unit_y, unit_x = pixels.get("PhysicalSizeYUnit", "µm"), pixels.get("PhysicalSizeXUnit", "µm")
    tall = micrometres(pixels.get("PhysicalSizeY"), 1, unit_y)
    wide = micrometres(1, pixels.get("PhysicalSizeX"), unit_x)
    return Scale(rate, (tall[0], wide[1]) if tall and wide else None)


def _settings(page: Any) -> dict[str, str]:
    """Lines `name = value` of ScanImage, from the tags that hold them in its versions."""

    def lines() -> Iterator[str]:
        for text in (page.description, page.software):
            yield from str(text).replace("\r", "\n").split("\n")

    found = {}
    for line in lines():
        name, sign, value = line.partition("=")
        if sign:
            found[name.strip().removeprefix("scanimage.")] = value.strip()
    return found


class ScanImage:
    """How ScanImage laid its images one behind the other: channels fastest, then slices, then volumes.

    Args:
        name: the file, for messages.
        page: its first.
    """

    def __init__(self, name: str, page: Any) -> None:
        self.name, self._said = name, _settings(page)
        self.shape = tuple(page.shape)
        self.channels = max(
            len(self._numbers("SI.hChannels.channelSave", "SI4.channelsSave", "SI5.channelsSave")), 1
        )
        if "state.acq.numberOfChannelsSave" in self._said:
            self.channels = self._count("state.acq.numberOfChannelsSave")
        volumes = self._true("SI.hStackManager.enable", "SI.hFastZ.enable", "SI4.fastZEnable")
        slices = ("SI.hStackManager.actualNumSlices", "SI.hStackManager.numSlices", "SI4.stackNumSlices")
        self.slices = self._count(*slices) if volumes else 1
        self.frames_a_slice = self._count("SI.hStackManager.framesPerSlice") if self.slices > 1 else 1
        self.averaged = self._count("SI.hScan2D.logAverageFactor")
        if self.frames_a_slice > 1:
            self.frames_a_slice = max(1, self.frames_a_slice // self.averaged)
        self.flyback = 0
        if self.slices > 1:
            whole = self._numbers("SI.hStackManager.numFramesPerVolumeWithFlyback")
            without = self._numbers("SI.hStackManager.numFramesPerVolume")
            discarded = self._numbers("SI.hFastZ.numDiscardFlybackFrames", "SI4.fastZNumDiscardFrames")
            if whole and without:
                self.flyback = max(0, int(whole[0]) - int(without[0]))
            elif discarded and self._true("SI.hFastZ.discardFlybackFrames", "SI4.fastZDiscardFlybackFrames"):
                self.flyback = max(0, int(discarded[0]))

    def _numbers(self, *names: str) -> list[float]:
        """The finite numbers of the first of these settings that is there."""
        for name in names:
            if name in self._said:
                found = re.findall(r"-?\d+\.?\d*(?:[eE][+-]?\d+)?", self._said[name])
                return [value for value in map(float, found) if np.isfinite(value)]
        return []

    def _count(self, *names: str) -> int:
        numbers = self._numbers(*names)
        return max(1, min(int(numbers[0]), 1 << 31)) if numbers else 1

    def _true(self, *names: str) -> bool:
        return any(self._said.get(name, "").rstrip(";").lower() in ("true", "1") for name in names)

    def frames_of(self, images: int, choice: Choice) -> np.ndarray:
        """(time,) numbers of the images that are the frames of one channel and plane.

        Args:
            images: that the file holds.
            choice: which channel and plane.

        Raises:
            InputError: none was chosen of several, or the file begins within a volume or holds no whole one.
        """
        channel = chosen(self.name, "channel", self.channels, choice.channel)
        plane = chosen(self.name, "plane", self.slices, choice.plane)
        frames_a_volume = self.slices * self.frames_a_slice + self.flyback
        before = self._numbers("frameNumbers", "frameNumberAcquisition")
        if self.slices > 1 and before and (int(before[0]) - 1) % frames_a_volume:
            raise InputError(
                f"{self.name}: begins within a volume, at frame {int(before[0])} of {frames_a_volume} a volume; "
                "put the files of the acquisition together, or log whole volumes in a file"
            )
        volumes = images // (frames_a_volume * self.channels)
        if volumes == 0:
            raise InputError(
                f"{self.name}: {images} images, but a volume has {frames_a_volume * self.channels} ({self.slices} "
                f"planes of {self.channels} channels); the acquisition was broken off"
            )
        rest = images - volumes * frames_a_volume * self.channels
        if rest:
            logger.warning("%s: %d images of a volume that is not whole are left out.", self.name, rest)
        volume = np.arange(volumes)[:, None] * frames_a_volume
        frame = plane * self.frames_a_slice + np.arange(self.frames_a_slice)
        return (volume + frame).ravel() * self.channels + channel

    def scale(self) -> Scale:
        """Frames of one plane per second, and the size of a pixel where the field of view is known."""
        if self.slices > 1 and self.frames_a_slice == 1:
            rate = self._numbers("SI.hRoiManager.scanVolumeRate", "SI4.scanVolumeRate")
        else:
            rate = self._numbers("SI.hRoiManager.scanFrameRate", "SI4.scanFrameRate", "state.acq.frameRate")
        corners = self._numbers("SI.hRoiManager.imagingFovUm")
        pixel_size = None
        if len(corners) == 8:
            x, y = np.ptp(corners[0::2]), np.ptp(corners[1::2])
            pixel_size = micrometres(y / self.shape[0], x / self.shape[1], "um")
        return Scale(positive(rate[0] / self.averaged) if rate else None, pixel_size)
