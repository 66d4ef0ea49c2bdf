"""What a TIFF file holds, checked against its size before any pixel is read or any memory is taken."""

from __future__ import annotations

import itertools
import logging
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from lassovae._errors import InputError
from lassovae.data._files import require_file

LARGEST_EXPANSION = 10_000  # pixel bytes per stored byte; deflate reaches 1032, LZW 2731


@dataclass(frozen=True)
class Pages:
    """Place of the frames in a file.

    Attributes:
        shape: (time, height, width).
        dtype: of the pixels, byte order included where frames are contiguous.
        offset: byte of the first pixel where all frames lie uncompressed one behind the other, else None.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype
    offset: int | None


class _Listener(logging.Filter):
    """Keeps this thread's records of a logger and stops them; those of other threads pass."""

    def __init__(self) -> None:
        super().__init__()
        self.thread, self.errors = threading.get_ident(), 0

    def filter(self, record: logging.LogRecord) -> bool:
        if record.thread != self.thread:
            return True
        self.errors += record.levelno >= logging.ERROR
        return False


@contextmanager
def listening() -> Iterator[_Listener]:
    """Collect, instead of showing, what tifffile logs in this thread."""
    logger, listener = logging.getLogger("tifffile"), _Listener()
    logger.addFilter(listener)
    try:
        yield listener
    finally:
        logger.removeFilter(listener)


def _require_decoder(path: Path, page: Any) -> None:
    for registry, code in (
        (tifffile.TIFF.DECOMPRESSORS, page.compression),
        (tifffile.TIFF.UNPREDICTORS, page.predictor),
    ):
        try:
            registry[code]
        except (KeyError, ImportError):
            name = getattr(code, "name", code)
            raise InputError(
                f"{path}: compressed with {name}, which needs the package imagecodecs: pip install imagecodecs, or "
                "save the file uncompressed or with deflate"
            ) from None


def _declared_frames(tif: Any) -> int:
    """Frames that the description in the first page speaks of, 0 where it says nothing."""
    shaped = tif.shaped_metadata
    shape = shaped[0].get("shape", ()) if shaped else ()
    if len(shape) >= 3:
        return math.prod(int(n) for n in shape[:-2])
    return int((tif.imagej_metadata or {}).get("images", 0))


def _present_frames(tif: Any, size: int, declared: int) -> int:
    """Leading frames whose bytes lie within a file whose list of pages is broken."""
    first = tif.pages[0]
    if declared and first.compression == 1 and first.is_contiguous:  # such frames lie one behind the other
        return min(declared, max(0, size - first.dataoffsets[0]) // max(first.nbytes, 1))
    for index in itertools.count():
        try:
            page = tif.pages[index]
        except Exception:  # the list of pages ends, or in what is no page: the frames before it count
            break
        if not _within(page, size):
            break
    return index


def _movie_shape(path: Path, tif: Any, size: int, listener: _Listener) -> tuple[int, int, int]:
    """(time, height, width) as the header declares it."""
    declared = _declared_frames(tif)
    try:
        as_movie = len(tif.series) == 1 and len(tif.series[0].shape) == 3
    except tifffile.TiffFileError:
        raise _truncated(path, _present_frames(tif, size, declared), declared) from None
    if not as_movie and (listener.errors or (len(tif.pages) < declared and len(tif.series[0].shape) == 2)):
        raise _truncated(path, _present_frames(tif, size, declared), declared)
    if 1 < len(tif.series) == len(tif.pages) and len(tif.series[0].shape) == 2:
        height, width = tif.series[
            0
        ].shape  # frames appended one by one; that they are alike is checked page by page
        return len(tif.pages), int(height), int(width)
    if len(tif.series) != 1:
        shapes = ", ".join(str(series.shape) for series in tif.series[:4])
        raise InputError(
            f"{path}: holds {len(tif.series)} images of different kind ({shapes}); save the movie in a file of its own"
        )
    series = tif.series[0]
    shape, axes = tuple(int(n) for n in series.shape), series.axes
    if "S" in axes:
        raise InputError(
            f"{path}: colour frames, axes {axes} of shape {shape}; save one channel as a grey movie"
        )
    if len(shape) != 3:
        what = "a single frame" if len(shape) == 2 else f"{len(shape)} axes"
        raise InputError(
            f"{path}: {what}, axes {axes} of shape {shape}; a movie has (time, height, width): save one channel "
            "and one plane over time"
        )
    return shape


def _within(page: Any, size: int) -> bool:
    """Whether a page has data and all of it lies within the file."""
    return len(page.dataoffsets) > 0 and all(
        offset > 0 and count > 0 and offset + count <= size
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True)
    )


def _complete(path: Path, page: Any, shape: tuple[int, int], dtype: np.dtype, size: int) -> bool:
    """Whether all bytes of a frame lie within the file; a frame of another kind is refused."""
    if tuple(page.shape) != shape or page.dtype != dtype:
        raise InputError(
            f"{path}: page {page.index} is {tuple(page.shape)} {page.dtype}, the first is {shape} {dtype}; "
            "save frames of one size and type"
        )
    stored, bounded = sum(page.databytecounts), _within(page, size)
    expected = shape[0] * shape[1] * dtype.itemsize
    if bounded and expected > stored * (LARGEST_EXPANSION if page.compression != 1 else 1):
        raise InputError(
            f"{path}: page {page.index} stores {stored} bytes for {expected} bytes of pixels; the header is "
            "damaged: export or copy the file again"
        )
    return bounded


def _truncated(path: Path, complete: int, declared: int) -> InputError:
    total = str(declared) if declared else "an unknown number"
    return InputError(
        f"{path}: the file is cut short: {complete} complete frames of {total} declared; copy or export it again"
    )


def _inspect(path: Path, tif: Any, size: int, listener: _Listener) -> Pages:
    first = tif.pages[0]
    shape = _movie_shape(path, tif, size, listener)
    series = tif.series[0]
    dtype = np.dtype(series.dtype)
    if dtype.kind not in "uif":
        raise InputError(f"{path}: pixels of type {dtype} are not real numbers; store integers or floats")
    _require_decoder(path, first)
    frame_bytes = shape[1] * shape[2] * dtype.itemsize
    in_one_piece = 0  # frames whose pixels are there even if their page headers are not
    if first.compression == 1 and series.dataoffset is not None and len(tif.series) == 1:
        complete = max(0, size - series.dataoffset) // frame_bytes
        if complete < shape[0]:
            raise _truncated(path, complete, shape[0])
        if listener.errors == 0:
            return Pages(shape, dtype.newbyteorder(tif.byteorder), series.dataoffset)
        in_one_piece = shape[0]
    complete, whole = 0, True
    for index in range(min(len(tif.pages), shape[0])):
        try:
            page = tif.pages[index]
        except tifffile.TiffFileError:  # the header of this page lies beyond the end
            raise _truncated(path, max(complete, in_one_piece), shape[0]) from None
        whole = whole and _complete(path, page, shape[1:], dtype, size)
        complete += whole
    if complete < shape[0]:
        raise _truncated(path, complete, shape[0])
    if listener.errors:
        raise _truncated(path, complete, 0)
    return Pages(shape, dtype, None)


def inspect_movie(path: Path) -> Pages:
    """Read the headers of a movie.

    Args:
        path: a multi-page TIFF or BigTIFF file.

    Returns:
        The place of its frames, all of which lie within the file.

    Raises:
        InputError: missing, empty, not a TIFF, not a movie, cut short, damaged, or a missing decoder.
    """
    size = require_file(path)
    with listening() as listener, opened(path) as tif:
        return _guarded(path, lambda: _inspect(path, tif, size, listener))


def inspect_frame(path: Path) -> tuple[tuple[int, int], np.dtype]:
    """Read the header of a one-frame file: (height, width) and dtype.

    Raises:
        InputError: missing, empty, not a TIFF, not one grey frame, cut short, damaged, or a missing decoder.
    """
    size = require_file(path)

    def inspect(tif: Any, listener: _Listener) -> tuple[tuple[int, int], np.dtype]:
        page, num_pages = tif.pages[0], len(tif.pages)
        if num_pages != 1 or len(page.shape) != 2:
            raise InputError(
                f"{path}: {num_pages} pages of shape {tuple(page.shape)}; each file of a folder holds one grey frame: "
                "open a multi-page file by its own path"
            )
        shape, dtype = (int(page.shape[0]), int(page.shape[1])), np.dtype(page.dtype)
        if dtype.kind not in "uif":
            raise InputError(f"{path}: pixels of type {dtype} are not real numbers; store integers or floats")
        _require_decoder(path, page)
        if not _complete(path, page, shape, dtype, size) or listener.errors:
            raise _truncated(path, 0, 1)
        return shape, dtype

    with listening() as listener, opened(path) as tif:
        return _guarded(path, lambda: inspect(tif, listener))


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The file as tifffile sees it, or an InputError where it sees none."""
    try:
        tif = tifffile.TiffFile(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be opened: {error.strerror or error}") from error
    except Exception as error:
        raise InputError(
            f"{path}: not a TIFF file, or its header is damaged; export or copy it again"
        ) from error
    try:
        yield tif
    finally:
        tif.close()


def _guarded(path: Path, work: Any) -> Any:
    """Run `work`; a header that makes tifffile stumble becomes one clear error."""
    try:
        return work()
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"{path}: the TIFF header is damaged ({type(error).__name__}: {error}); export or copy it again"
        ) from error
