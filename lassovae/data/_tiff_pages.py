"""What a TIFF file holds, checked against its size before any pixel is read or any memory is taken."""

from __future__ import annotations

import itertools
import logging
import math
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from lassovae._errors import InputError
from lassovae.data._choice import LARGEST_EXPANSION, Choice, one_line
from lassovae.data._files import require_file
from lassovae.data._tiff_axes import frames_of
from lassovae.data._tiff_decoders import bits_of, require_decoder
from lassovae.data._tiff_headers import Pieces, find_pieces, packed_bytes
from lassovae.data._tiff_metadata import Scale, ScanImage, images_of_ome, of_imagej, of_ome

OFFSETS_HOLD = 1 << 31  # bytes of a classic TIFF of ScanImage up to which its list of pages can be believed


@dataclass(frozen=True)
class Pages:
    """Place of the frames in a file.

    Attributes:
        shape: (time, height, width).
        dtype: of the stored pixels, byte order included.
        numbers: (time,) page of each frame.
        offsets: (time,) byte of the first pixel of each, None where frames are compressed or in pieces.
        pieces: where the strips or tiles of each frame lie, None where tifffile must look at every page.
        scale: frame rate and pixel size as far as the file says them.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype
    numbers: np.ndarray
    offsets: np.ndarray | None
    pieces: Pieces | None
    scale: Scale


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


def _images(path: Path, tif: Any, size: int, listener: _Listener) -> tuple[str, tuple[int, ...]]:
    """Axes and shape of all images as the header declares them, height and width last."""
    declared = _declared_frames(tif)
    try:
        as_movie = len(tif.series) == 1 and len(tif.series[0].shape) >= 3
    except (tifffile.TiffFileError, struct.error):
        raise _truncated(path, _present_frames(tif, size, declared), declared) from None
    if not as_movie and (listener.errors or (len(tif.pages) < declared and len(tif.series[0].shape) == 2)):
        raise _truncated(path, _present_frames(tif, size, declared), declared)
    if 1 < len(tif.series) == len(tif.pages) and len(tif.series[0].shape) == 2:
        height, width = tif.series[0].shape
        return "TYX", (len(tif.pages), int(height), int(width))  # appended one by one; compared page by page
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
    if len(shape) < 3 or math.prod(shape[:-2]) < 2 or axes[-2:] != "YX":
        what = "a single frame" if axes[-2:] == "YX" else "no movie"
        raise InputError(
            f"{path}: {what}, axes {axes} of shape {shape}; a movie has (time, height, width): save one channel "
            "and one plane over time"
        )
    return axes, shape


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
    expected = packed_bytes(shape, bits_of(page))
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


def _hold(pieces: Pieces, first: Any, size: int, frame_bytes: int) -> bool:
    """Whether all pieces lie within the file and can hold the pixels of their frames."""
    offsets, counts = pieces.offsets, pieces.counts
    if not bool(((offsets > 0) & (counts > 0) & (offsets <= size) & (offsets + counts <= size)).all()):
        return False
    largest = LARGEST_EXPANSION if first.compression != 1 else 1
    return bool((counts.sum(axis=1) * largest >= frame_bytes).all())


def _of_a_set(path: Path) -> InputError:
    return InputError(
        f"{path}: frames are missing from this OME-TIFF: it was cut short, or they lie in other files of a set; copy "
        "it again, or save the movie as one file"
    )


def _in_one_piece(page: Any) -> bool:
    """Whether the pixels of a page lie uncompressed one behind the other."""
    first = page.keyframe
    if first.compression != 1 or first.predictor != 1 or first.fillorder != 1 or not first.is_contiguous:
        return False
    places = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    return all(start + count == after for (start, count), (after, _) in itertools.pairwise(places))


def _check_pages(
    path: Path, tif: Any, wanted: list[int], kind: tuple[Any, ...], size: int
) -> tuple[int, list[int]]:
    """Frames before the first one that is cut off, and the place of each page that lies in one piece."""
    shape, dtype = kind
    complete, whole = 0, True
    places: list[int] = []
    for index in wanted:
        try:
            page = tif.pages[index]
        except (
            tifffile.TiffFileError,
            IndexError,
            struct.error,
        ):  # the header of this page lies beyond the end
            break
        whole = whole and _complete(path, page, shape, dtype, size)
        complete += whole
        if whole and _in_one_piece(page):
            places.append(page.dataoffsets[0])
    return complete, places


def _page_numbers(path: Path, tif: Any, images: int) -> list[int]:
    """Page of every image of a file; OME says it for each."""
    if not tif.is_ome or len(tif.series) != 1 or len(tif.series[0].pages) != images:
        return list(range(images))
    pages = list(tif.series[0].pages)
    if any(page is None or not isinstance(page.index, int) for page in pages):
        raise _of_a_set(path)
    return [page.index for page in pages]


def _inspect(path: Path, tif: Any, size: int, listener: _Listener, choice: Choice) -> Pages:
    first = tif.pages[0]
    scan_image = ScanImage(str(path), first) if tif.is_scanimage and len(first.shape) == 2 else None
    axes, shape = "TYX", (len(tif.pages), *first.shape)
    if scan_image is None:
        axes, shape = _images(path, tif, size, listener)
        if tif.is_ome and math.prod(shape[:-2]) < images_of_ome(tif):
            raise _of_a_set(path)
    dtype = np.dtype(first.dtype)
    if dtype.kind not in "uif":
        raise InputError(f"{path}: pixels of type {dtype} are not real numbers; store integers or floats")
    require_decoder(path, first)
    images, frame_shape = math.prod(shape[:-2]), (shape[-2], shape[-1])
    if scan_image is not None:
        numbers, scale = scan_image.frames_of(images, choice), scan_image.scale()
    else:
        numbers = frames_of(str(path), axes[:-2], shape[:-2], choice, says_time=bool(tif.is_ome))
        scale = of_imagej(tif) if tif.is_imagej else of_ome(tif) if tif.is_ome else Scale()
    movie = (len(numbers), *frame_shape)
    if len(numbers) < 2:
        raise InputError(f"{path}: a single frame of this channel and plane; a movie needs at least two")
    stored = dtype.newbyteorder(tif.byteorder)
    frame_bytes = math.prod(frame_shape) * dtype.itemsize
    in_one_piece = 0  # frames whose pixels are there even if their page headers are not
    series = tif.series[0] if scan_image is None else None
    if (
        series is not None
        and first.compression == 1
        and series.dataoffset is not None
        and len(tif.series) == 1
    ):
        complete = max(0, size - series.dataoffset) // frame_bytes
        if complete < images:
            raise _truncated(path, complete, images)
        if listener.errors == 0:
            return Pages(movie, stored, numbers, series.dataoffset + numbers * frame_bytes, None, scale)
        in_one_piece = images
    wanted = _page_numbers(path, tif, images)
    pieces = find_pieces(path, tif, size, images) if max(wanted) < images and not listener.errors else None
    if pieces is not None and _hold(
        pieces, first, size, packed_bytes((shape[-2], shape[-1]), bits_of(first))
    ):
        order = np.asarray(wanted)[numbers]
        offsets, counts = pieces.offsets[order], pieces.counts[order]
        if _in_one_piece(first) and bool((offsets[:, :-1] + counts[:, :-1] == offsets[:, 1:]).all()):
            return Pages(movie, stored, order, offsets[:, 0], None, scale)
        return Pages(movie, stored, order, None, Pieces(offsets, counts), scale)
    complete, places = _check_pages(path, tif, wanted, (frame_shape, dtype), size)
    if complete < images:
        raise _truncated(path, max(complete, in_one_piece if listener.errors else 0), images)
    if listener.errors:
        raise _truncated(path, complete, 0)
    offsets = np.asarray(places, np.int64)[numbers] if len(places) == images else None
    return Pages(movie, stored, np.asarray(wanted)[numbers], offsets, None, scale)


def inspect_movie(path: Path, choice: Choice) -> Pages:
    """Read the headers of a movie.

    Args:
        path: a multi-page TIFF or BigTIFF file.
        choice: which channel and plane, where it holds several.

    Returns:
        The place of its frames, all of which lie within the file.

    Raises:
        InputError: missing, empty, not a TIFF, not a movie, cut short, damaged, or a missing decoder.
    """
    size = require_file(path)
    with listening() as listener, opened(path) as tif:
        return _guarded(path, lambda: _inspect(path, tif, size, listener, choice))


def inspect_frame(path: Path) -> tuple[tuple[int, int], np.dtype, int | None]:
    """Read the header of a one-frame file.

    Returns:
        (height, width), dtype with its byte order, and the byte of the first pixel where they lie in one piece.

    Raises:
        InputError: missing, empty, not a TIFF, not one grey frame, cut short, damaged, or a missing decoder.
    """
    size = require_file(path)

    def inspect(tif: Any, listener: _Listener) -> tuple[tuple[int, int], np.dtype, int | None]:
        page, num_pages = tif.pages[0], len(tif.pages)
        if num_pages != 1 or len(page.shape) != 2:
            raise InputError(
                f"{path}: {num_pages} pages of shape {tuple(page.shape)}; each file of a folder holds one grey frame: "
                "open a multi-page file by its own path"
            )
        shape, dtype = (int(page.shape[0]), int(page.shape[1])), np.dtype(page.dtype)
        if dtype.kind not in "uif":
            raise InputError(f"{path}: pixels of type {dtype} are not real numbers; store integers or floats")
        require_decoder(path, page)
        if not _complete(path, page, shape, dtype, size) or listener.errors:
            raise _truncated(path, 0, 1)
        place = int(page.dataoffsets[0]) if _in_one_piece(page) else None
        return shape, dtype.newbyteorder(tif.byteorder), place

    with listening() as listener, opened(path) as tif:
        return _guarded(path, lambda: inspect(tif, listener))


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The file as tifffile sees it, or an InputError where it sees none."""
    try:
        tif = tifffile.TiffFile(path, _multifile=False)  # no other file of an OME set is opened
    except OSError as error:
        raise InputError(f"{path}: cannot be opened: {error.strerror or error}") from error
    except Exception as error:
        raise InputError(
            f"{path}: not a TIFF file, or its header is damaged; export or copy it again"
        ) from error
    try:
        if len(tif.pages) and tif.is_scanimage and not tif.is_bigtiff and tif.filehandle.size < OFFSETS_HOLD:
            tif.filehandle.seek(4)  # where the place of the first header stands
            tif.pages = tifffile.TiffPages(tif)  # the headers, instead of a guess that all are equally long
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
            f"{path}: the TIFF header is damaged ({type(error).__name__}: {one_line(error)}); export or copy it again"
        ) from error
