"""TIFF: files of many pages and folders of files of one, with changes of the tags of their pages."""

from __future__ import annotations

import random
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tifffile

import lassovae
from fuzzing.judge import Budget
from fuzzing.mutators import some_number
from fuzzing.target import Files, Target, files_below, look_at
from lassovae.data import open_recording

MOVIE, FOLDER = "movie.tif", "frames"
SMALL = np.arange(4 * 6 * 5, dtype=np.uint16).reshape(4, 6, 5) * 37
SAID_BY_SCANIMAGE = """SI.VERSION_MAJOR = 2020
SI.hChannels.channelSave = [1;2]
SI.hFastZ.enable = true
SI.hRoiManager.imagingFovUm = [-24 -24;24 -24;24 24;-24 24]
SI.hRoiManager.scanVolumeRate = 7.5
SI.hScan2D.logAverageFactor = 1
SI.hStackManager.enable = true
SI.hStackManager.framesPerSlice = 1
SI.hStackManager.numFramesPerVolume = 2
SI.hStackManager.numFramesPerVolumeWithFlyback = 3
SI.hStackManager.numSlices = 2
"""
KINDS = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
# Tags that say how pixels are stored, or that metadata are read from.
TAGS = (
    254,
    256,
    257,
    258,
    259,
    262,
    266,
    270,
    273,
    277,
    278,
    279,
    282,
    283,
    284,
    305,
    317,
    320,
    322,
    323,
    324,
    325,
)
TAGS += (330, 338, 339, 347, 530, 32997, 33628, 34361, 50838, 50839)


def _scanimage(path: Path) -> None:
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        for number in range(12):
            writer.write(
                SMALL[number % 4].astype(np.int16),
                photometric="minisblack",
                contiguous=False,
                metadata=None,
                software=SAID_BY_SCANIMAGE,
                description=f"frameNumbers = {number // 2 + 1}\n",
            )


def _one_header(path: Path) -> None:
    """As ImageJ writes what is larger than 4 GB: one page that says how many there are."""
    said = "ImageJ=1.54f\nimages=4\nframes=4\nunit=um\nfinterval=0.1\n"
    tifffile.imwrite(path, SMALL[0], byteorder=">", photometric="minisblack", description=said, metadata=None)
    with path.open("ab") as file:
        file.write(SMALL[1:].astype(">u2").tobytes())


def make_seeds(folder: Path) -> dict[str, Files]:
    """Valid files of every kind that the reader treats in its own way."""
    tall = np.tile(SMALL, (1, 4, 8))[:, :16, :32]
    plain = {"photometric": "minisblack"}
    ways = {
        "plain": (SMALL, plain),
        "float_big_endian": (SMALL.astype(np.float32), plain | {"byteorder": ">"}),
        "bigtiff": (SMALL, plain | {"bigtiff": True}),
        "bytes": (SMALL.astype(np.uint8), plain | {"metadata": None}),
        "strips": (SMALL, plain | {"rowsperstrip": 2, "metadata": None}),
        "tiled": (tall, plain | {"tile": (16, 16), "metadata": None}),
        "deflate": (SMALL, plain | {"compression": "zlib", "predictor": True}),
        "tiled_deflate": (tall, plain | {"compression": "zlib", "tile": (16, 16), "bigtiff": True}),
        "lzw": (SMALL, plain | {"compression": "lzw", "rowsperstrip": 3}),
        "packbits": (SMALL.astype(np.uint8), plain | {"compression": "packbits"}),
        "lzma": (SMALL, plain | {"compression": "lzma"}),
        "zstd": (SMALL, plain | {"compression": "zstd", "metadata": None}),
        "jpeg": (tall[:2].astype(np.uint8), plain | {"compression": "jpeg"}),
        "jpeg2000": (tall[:2], plain | {"compression": "jpeg2000"}),
        "imagej": (SMALL, {"imagej": True, "metadata": {"axes": "TYX", "finterval": 0.1, "unit": "um"}}),
        "imagej_hyper": (
            SMALL.reshape(2, 2, 1, 6, 5)[:, :, 0, None],
            {"imagej": True, "metadata": {"axes": "TZCYX"}},
        ),
        "ome": (SMALL, plain | {"ome": True, "metadata": {"axes": "TYX", "TimeIncrement": 0.1}}),
        "ome_deflate": (
            SMALL.reshape(2, 2, 6, 5),
            plain | {"ome": True, "compression": "zlib", "metadata": {"axes": "TCYX"}},
        ),
    }
    for name, (movie, options) in ways.items():
        (folder / name).mkdir()
        tifffile.imwrite(folder / name / MOVIE, movie, **options)
    with tifffile.TiffWriter(_made(folder / "appended") / MOVIE) as writer:
        for frame in SMALL:
            writer.write(frame, photometric="minisblack", contiguous=False)
    _scanimage(_made(folder / "scanimage") / MOVIE)
    _one_header(_made(folder / "one_header") / MOVIE)
    for name, compression in (("folder", None), ("folder_deflate", "zlib")):
        place = _made(folder / name / FOLDER)
        for number in range(3):
            tifffile.imwrite(
                place / f"{number}.tif", SMALL[number], compression=compression, metadata=None, **plain
            )
    return {place.name: files_below(place) for place in sorted(folder.iterdir())}


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def read(folder: Path, budget: Budget) -> None:
    """The file, or the folder of files; where it holds several channels or planes the first of them."""
    found = sorted(folder.iterdir())
    path = found[0] if found else folder / MOVIE
    try:
        recording = open_recording(path)
    except lassovae.InputError as error:
        if "choose one" not in str(error):
            raise
        recording = open_recording(path, channel=0, plane=0 if "plane" in str(error) else None)
    look_at(recording, budget)


class _Layout(NamedTuple):
    """Byte order, bytes of a count of tags, of a tag and of an offset, and the struct letter of an offset."""

    order: str
    count: str
    tag: int
    offset: str

    def pointer(self, content: bytes, place: int) -> int:
        """The offset that stands at a place."""
        return int(struct.unpack_from(self.order + self.offset, content, place)[0])


def _layout(content: bytes) -> _Layout | None:
    order = {b"II": "<", b"MM": ">"}.get(content[:2])
    if order is None or len(content) < 16:
        return None
    big = struct.unpack_from(order + "H", content, 2)[0] == 43
    return _Layout(order, "Q", 20, "Q") if big else _Layout(order, "H", 12, "I")


def _pages(content: bytes, layout: _Layout) -> list[tuple[int, int, int]]:
    """Place of the tags of every page, how many they are, and the place of the offset of the next page."""
    pages: list[tuple[int, int, int]] = []
    try:
        place = layout.pointer(content, 8 if layout.offset == "Q" else 4)
        while place and len(pages) < 16:
            count = int(struct.unpack_from(layout.order + layout.count, content, place)[0])
            first = place + struct.calcsize(layout.count)
            after = first + count * layout.tag
            place = layout.pointer(content, after)
            pages.append((first, count, after))
    except struct.error:
        return pages
    return pages


def _some_tag(rng: random.Random, content: bytes) -> tuple[_Layout | None, int]:
    """How a file is laid out and the place of one of its tags; None where it has no page."""
    layout = _layout(content)
    pages = _pages(content, layout) if layout else []
    if not layout or not pages:
        return None, 0
    first, count, _ = rng.choice(pages)
    return layout, first + layout.tag * rng.randrange(max(1, count))


def change_tag(rng: random.Random, name: str, content: bytes) -> bytes:
    """Another number, type, count or value of one tag."""
    layout, place = _some_tag(rng, content)
    if layout is None:
        return content
    out = bytearray(content)
    width = struct.calcsize(layout.offset)
    number = some_number(rng, len(content), place) % (1 << (8 * width))
    what, where, value = rng.choice(
        (
            ("H", 0, rng.choice(TAGS)),
            ("H", 2, rng.choice((*KINDS, 0, 99))),
            (layout.offset, 4, number),
            (layout.offset, 4 + width, number),
            (layout.offset, 4 + width, number),
            ("H", 4 + width, rng.choice((1, 2, 5, 7, 8, 16, 32, 34925, 50000, number % 65_536))),
        )
    )
    if place + layout.tag > len(out):
        return content
    struct.pack_into(layout.order + what, out, place + where, value)
    return bytes(out)


def change_value(rng: random.Random, name: str, content: bytes) -> bytes:
    """Another number among those that a tag points at, such as the place of a strip."""
    layout, place = _some_tag(rng, content)
    if layout is None:
        return content
    if place + layout.tag > len(content):
        return content
    kind = struct.unpack_from(layout.order + "H", content, place + 2)[0]
    target = layout.pointer(content, place + layout.tag - struct.calcsize(layout.offset))
    size = KINDS.get(kind, 1)
    if not 0 < target < len(content) - size:
        return content
    number = some_number(rng, len(content), target) % (1 << (8 * size))
    new = number.to_bytes(size, "little" if layout.order == "<" else "big")
    return content[:target] + new + content[target + size :]


def relink(rng: random.Random, name: str, content: bytes) -> bytes:
    """Another next page: one that came before, the page itself, or a place that is none."""
    layout = _layout(content)
    pages = _pages(content, layout) if layout else []
    if not layout or not pages:
        return content
    width = struct.calcsize(layout.offset)
    place = rng.choice((*(after for _, _, after in pages), 8 if width == 8 else 4))
    starts = [first - struct.calcsize(layout.count) for first, _, _ in pages]
    value = rng.choice((rng.choice(starts), rng.choice(starts), some_number(rng, len(content), place)))
    out = bytearray(content)
    struct.pack_into(layout.order + layout.offset, out, place, value % (1 << (8 * width)))
    return bytes(out)


def change_text(rng: random.Random, name: str, content: bytes) -> bytes:
    """Another number in what ImageJ, OME, ScanImage or tifffile wrote as text."""
    digits = [place for place in range(len(content)) if content[place : place + 1].isdigit()]
    if not digits:
        return content
    place = rng.choice(digits)
    text = rng.choice(("0", "-1", "1e400", "nan", "9" * 30, "1e9", "4294967296", "x", "", "2.5"))
    new = text.encode()
    return content[:place] + new + content[place + (len(new) if rng.random() < 0.8 else 1) :]


TARGET = Target("tiff", make_seeds, read, (change_tag, change_tag, change_value, relink, change_text))
