"""Where the frames of a TIFF file lie, checked against the file's size before any pixel is read."""

from __future__ import annotations

import contextlib
import logging
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import tifffile

from lassovae._errors import InputError
from lassovae.data._recording import check_movie

COPY_AGAIN = "copy the file again from where it was recorded"
PALETTE = 3  # photometric interpretation: pixels index a table of colours
LZMA = 34925
# Largest ratio of pixels to stored bytes: deflate cannot exceed 1032, PackBits 64.
MAX_RATIO = {1: 1}
MAX_RATIO_LZMA = 10_000
MAX_RATIO_OTHER = 1_100
SPARE_BYTES = 4096  # a tiny frame may be stored in fewer bytes than the ratio tells
MAX_TAGS = 4096


@dataclass(frozen=True, eq=False)
class TiffLayout:
    """The frames of one TIFF file.

    Attributes:
        path: the file.
        keyframe: the first page; its `decode` serves every frame, since all are stored alike.
        offsets: (frames, segments), where each strip or tile begins, in bytes from the start of the file.
        byte_counts: (frames, segments), stored bytes of each.
    """

    path: Path
    keyframe: tifffile.TiffPage
    offsets: np.ndarray
    byte_counts: np.ndarray

    @property
    def num_frames(self) -> int:
        """Frames in the file."""
        return len(self.offsets)

    @property
    def frame_shape(self) -> tuple[int, int]:
        """(height, width), in pixels."""
        return self.keyframe.shape[0], self.keyframe.shape[1]

    @property
    def dtype(self) -> np.dtype:
        """Of the pixels, in the machine's byte order."""
        return np.dtype(self.keyframe.dtype).newbyteorder("=")

    def read_into(self, out: np.ndarray, frames: range) -> None:
        """Read frames into `out` (frames, height, width), from the pages of these frames alone.

        Raises:
            InputError: the file went away or changed, or a frame's stored bytes cannot be decoded.
        """
        frame = frames[0]
        try:
            with quiet_tifffile(), open(self.path, "rb") as file:
                for target, frame in zip(out, frames, strict=True):
                    self._read_frame(file, target, frame)
        except InputError:
            raise
        except Exception as exc:
            raise InputError(
                f"{self.path}: frame {frame} cannot be read ({_words(exc)}): {COPY_AGAIN}"
            ) from exc

    def _read_frame(self, file: BinaryIO, target: np.ndarray, frame: int) -> None:
        height, width = target.shape
        for index, (offset, count) in enumerate(
            zip(self.offsets[frame].tolist(), self.byte_counts[frame].tolist(), strict=True)
        ):
            file.seek(offset)
            data = file.read(count)
            if len(data) != count:
                raise InputError(f"{self.path}: the file ends within frame {frame}: {COPY_AGAIN}")
            pixels, (_, _, top, left, _), _ = self.keyframe.decode(data, index)
            if pixels is None:
                raise InputError(f"{self.path}: frame {frame} has no data: {COPY_AGAIN}")
            part = pixels[0, : height - top, : width - left, 0]
            target[top : top + part.shape[0], left : left + part.shape[1]] = part


def _words(exc: Exception) -> str:
    """What an exception says, on one line, no longer than a message can bear."""
    return " ".join(f"{type(exc).__name__}: {exc}".split())[:160]


@contextlib.contextmanager
def quiet_tifffile() -> Iterator[None]:
    """Keep tifffile from logging what this module reports as an error; the logger is left as it was."""

    def drop(record: logging.LogRecord) -> bool:
        return False

    logger = logging.getLogger("tifffile")
    logger.addFilter(drop)
    try:
        yield
    finally:
        logger.removeFilter(drop)


def read_layout(path: Path) -> TiffLayout:
    """Find the frames of a TIFF file from its headers.

    Args:
        path: a classic TIFF or BigTIFF, of one or more pages.

    Returns:
        The layout; every byte that it names lies within the file.

    Raises:
        InputError: missing, empty, not a TIFF, cut short, damaged, colour, more than three axes, frames that
            differ, or a compression that cannot be read here.
    """
    if path.is_dir():
        raise InputError(f"{path}: is a folder, not a TIFF file; name a file")
    if not path.exists():
        raise InputError(f"{path}: no such file; check the path")
    try:
        size = path.stat().st_size
        if size == 0:
            raise InputError(f"{path}: the file is empty (0 bytes): {COPY_AGAIN}")
        with path.open("rb") as file:
            if file.read(4) not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
                raise InputError(f"{path}: not a TIFF file, whatever its name says; export it as TIFF")
        with quiet_tifffile(), tifffile.TiffFile(path) as tif:
            return _layout(path, tif, size)
    except InputError:
        raise
    except Exception as exc:
        raise InputError(f"{path}: not a readable TIFF file ({_words(exc)}): {COPY_AGAIN}") from exc


def _count_pages(tif: tifffile.TiffFile, size: int) -> tuple[int, bool]:
    """Follow the chain of page headers: how many are whole, and whether the chain ends as it should."""
    form, file = tif.tiff, tif.filehandle
    seen: set[int] = set()
    offset = tif.pages.first.offset
    while offset:
        if offset in seen or offset >= size:
            return len(seen), False
        file.seek(offset)
        head = file.read(form.tagnosize)
        if len(head) < form.tagnosize:
            return len(seen), False
        (num_tags,) = struct.unpack(form.tagnoformat, head)
        if not 0 < num_tags <= MAX_TAGS:
            return len(seen), False
        rest = file.read(num_tags * form.tagsize + form.offsetsize)
        if len(rest) < num_tags * form.tagsize + form.offsetsize:
            return len(seen), False
        seen.add(offset)
        (offset,) = struct.unpack(form.offsetformat, rest[-form.offsetsize :])
    return len(seen), True


def _cut(path: Path, complete: int, declared: int | None) -> InputError:
    of = (
        f"{complete} of the {declared} declared frames are"
        if declared
        else f"only the first {complete} frames are"
    )
    return InputError(f"{path}: the file is cut short, {of} complete: {COPY_AGAIN}")


def _declared(path: Path, tif: tifffile.TiffFile) -> int:
    """Frames that the file's descriptions promise, over all its series."""
    declared = 0
    for series in tif.series:
        leading = [n for n in series.shape[:-2] if n != 1] if series.axes.endswith("YX") else [1, 1]
        if len(leading) > 1:
            raise InputError(
                f"{path}: axes {series.axes} of shape {series.shape}, but a movie has (time, height, width): keep one "
                "channel and one plane"
            )
        declared += math.prod(leading)
    return max(declared, _declared_by_imagej(tif))


def _declared_by_imagej(tif: tifffile.TiffFile) -> int:
    """ImageJ's own count, which tifffile sets aside where it does not fit the file's size."""
    meta = tif.imagej_metadata if tif.is_imagej else None
    counts = [(meta or {}).get(name, 1) for name in ("frames", "slices", "channels")]
    return math.prod(n for n in counts if isinstance(n, int) and n > 0)


def _check_page(path: Path, page: tifffile.TiffPage) -> None:
    """Refuse a first page that is not a plane of real numbers that can be decoded here."""
    if page.samplesperpixel != 1 or page.photometric == PALETTE:
        raise InputError(
            f"{path}: colour frames ({page.samplesperpixel} samples a pixel, shape {page.shape}); a movie has one "
            "intensity a pixel: keep one channel and save it as greyscale"
        )
    if len(page.shape) != 2:
        raise InputError(f"{path}: pages of shape {page.shape} are not planes: keep one plane of each frame")
    name = getattr(page.compression, "name", str(page.compression))
    if page.compression != 1 and page.compression not in tifffile.TIFF.DECOMPRESSORS:
        raise InputError(
            f"{path}: {name} compression needs a package that is not installed: pip install imagecodecs, or save the "
            "file without compression or with deflate"
        )
    if page.dtype is None or page.bitspersample not in (8, 16, 32, 64):
        raise InputError(
            f"{path}: pixels of {page.bitspersample} bits cannot be read; save them as 8, 16 or 32 bits"
        )
    if page.predictor != 1 and page.predictor not in tifffile.TIFF.UNPREDICTORS:
        raise InputError(
            f"{path}: predictor {page.predictor} of {name} compression needs a package that is not installed: "
            "pip install imagecodecs, or save the file without compression"
        )


def _layout(path: Path, tif: tifffile.TiffFile, size: int) -> TiffLayout:
    num_pages, intact = _count_pages(tif, size)
    if not num_pages:
        raise InputError(f"{path}: not one page header is complete: {COPY_AGAIN}")
    key = tif.pages.first
    _check_page(path, key)
    check_movie(str(path), (1, *key.shape), np.dtype(key.dtype))
    num_segments = math.prod(key.chunked)
    frame_bytes = math.prod(key.shape) * np.dtype(key.dtype).itemsize
    declared = _declared(path, tif) if intact or tif.is_shaped or tif.is_imagej else None
    virtual = num_pages == 1 and (declared or 1) > 1 and key.compression == 1 and key.is_contiguous
    if virtual and declared:
        start = key.dataoffsets[0]
        whole = max(0, size - start) // frame_bytes
        if whole < declared:
            raise _cut(path, whole, declared)
        offsets = start + frame_bytes * np.arange(declared, dtype=np.int64)[:, None]
        return TiffLayout(path, key, offsets, np.full_like(offsets, frame_bytes))
    offsets, counts = _segments(path, tif, num_pages, num_segments)
    whole_frames = ((offsets > 0) & (counts > 0) & (offsets + counts <= size)).all(axis=1)
    complete = len(whole_frames) if whole_frames.all() else int(np.argmin(whole_frames))
    expected = max(declared or 0, num_pages)
    if not intact or complete < expected:
        raise _cut(path, complete, expected if declared or intact else None)
    ratio = MAX_RATIO_LZMA if key.compression == LZMA else MAX_RATIO.get(key.compression, MAX_RATIO_OTHER)
    few = np.flatnonzero(counts.sum(axis=1) * ratio + (SPARE_BYTES if ratio > 1 else 0) < frame_bytes)
    if len(few):
        raise InputError(
            f"{path}: frame {few[0]} claims {key.shape[0]} x {key.shape[1]} pixels but holds only "
            f"{counts[few[0]].sum()} bytes; the header is damaged: {COPY_AGAIN}"
        )
    return TiffLayout(path, key, offsets, counts)


def _segments(
    path: Path, tif: tifffile.TiffFile, num_pages: int, num_segments: int
) -> tuple[np.ndarray, np.ndarray]:
    """Offsets and byte counts (frames, segments) of pages that must all be stored alike."""
    key = tif.pages.first
    offsets, counts = [], []
    for index in range(num_pages):
        try:
            page = tif.pages[index] if index else key
        except Exception:
            break  # a header whose values lie beyond the end: the frames so far are the complete ones
        if not isinstance(page, tifffile.TiffPage):
            page = page.aspage()
        if page.shape != key.shape or page.dtype != key.dtype:
            raise InputError(
                f"{path}: frame {index} has {page.shape} pixels of {page.dtype}, frame 0 has {key.shape} of "
                f"{key.dtype}: save frames of one size and type, or leave the odd one out"
            )
        if page.hash != key.hash:
            raise InputError(
                f"{path}: frame {index} is stored in another way than frame 0 (compression, strips or tiles): save "
                "the movie again in one way"
            )
        if min(len(page.dataoffsets), len(page.databytecounts)) < num_segments:
            raise InputError(
                f"{path}: frame {index} names too few strips; the header is damaged: {COPY_AGAIN}"
            )
        offsets.append(page.dataoffsets[:num_segments])
        counts.append(page.databytecounts[:num_segments])
    shape = (-1, num_segments)
    as_table = [np.asarray(table, np.uint64).reshape(shape).astype(np.int64) for table in (offsets, counts)]
    return as_table[0], as_table[1]
