"""What a TIFF file holds, checked against its size before any pixel is read or any memory is taken."""

from __future__ import annotations

import itertools
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from lassovae._errors import InputError
from lassovae.data._choice import Choice, one_line
from lassovae.data._files import require_file
from lassovae.data._tiff_axes import frames_of
from lassovae.data._tiff_bounds import bits_of, largest_expansion, packed_bytes, piece_shape
from lassovae.data._tiff_decoders import require_decoder
from lassovae.data._tiff_file import Listener, believed, listening, opened
from lassovae.data._tiff_headers import SIMPLE, Pieces, Survey, damaged, survey
from lassovae.data._tiff_metadata import Scale, ScanImage, images_of_ome, of_imagej, of_ome

SILENT = frozenset(
    {"multipage", "frame", "virtual", "volumetric"}
)  # what tifffile says of files without metadata


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


def _images(path: Path, tif: Any, size: int, listener: Listener) -> tuple[str, tuple[int, ...]]:
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
    """Whether a page has all its pieces and they lie within the file."""
    pieces = 1 if page.is_contiguous else math.prod(page.chunked)
    return len(page.dataoffsets) >= pieces and all(
        offset > 0 and count > 0 and offset + count <= size
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True)
    )


def _complete(path: Path, page: Any, shape: tuple[int, int], dtype: np.dtype, size: int) -> bool:
    """Whether all bytes of a frame lie within the file; one of another kind, or that claims too much, is refused."""
    if tuple(page.shape) != shape or page.dtype != dtype:
        raise InputError(
            f"{path}: page {page.index} is {tuple(page.shape)} {page.dtype}, the first is {shape} {dtype}; "
            "save frames of one size and type"
        )
    if not _within(page, size):
        return False
    stored, expected = sum(page.databytecounts), packed_bytes(shape, bits_of(page))
    largest = largest_expansion(page.compression)
    piece, largest_piece = packed_bytes(piece_shape(page), bits_of(page)), max(page.databytecounts)
    if (
        expected > stored * largest
        or (piece > largest_piece * largest and page.compression != 1)
        or stored > size
    ):
        raise InputError(
            f"{path}: page {page.index} stores {stored} bytes for {expected} bytes of pixels; the header is "
            "damaged: export or copy the file again"
        )
    return True


def _truncated(path: Path, complete: int, declared: int) -> InputError:
    total = str(declared) if declared else "an unknown number"
    return InputError(
        f"{path}: the file is cut short: {complete} complete frames of {total} declared; copy or export it again"
    )


def _of_a_set(path: Path) -> InputError:
    return InputError(
        f"{path}: frames are missing from this OME-TIFF: it was cut short, or they lie in other files of a set; copy "
        "it again, or save the movie as one file"
    )


def _plain(first: Any) -> bool:
    """Whether the pixels of a page are stored as they are, row by row."""
    return bool(
        first.compression == 1 and first.predictor == 1 and first.fillorder == 1 and first.is_contiguous
    )


def _in_one_piece(page: Any) -> bool:
    """Whether the pixels of a page lie uncompressed one behind the other."""
    if not _plain(page.keyframe):
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
    if not tif.pages[0].is_ome or len(tif.series) != 1 or len(tif.series[0].pages) != images:
        return list(range(images))
    pages = list(tif.series[0].pages)
    if any(page is None or not isinstance(page.index, int) for page in pages):
        raise _of_a_set(path)
    return [page.index for page in pages]


def _inspect(path: Path, tif: Any, size: int, headers: Survey, listener: Listener, choice: Choice) -> Pages:
    first = tif.pages[0]
    scan_image = ScanImage(str(path), first) if first.is_scanimage and len(first.shape) == 2 else None
    axes, shape = "TYX", (headers.num_pages, *first.shape)
    if scan_image is not None and not believed(tif, size):
        shape = (len(tif.pages), *first.shape)
    silent = len(first.shape) == 2 and headers.num_pages > 1 and not first.flags - SILENT
    if scan_image is None and not silent:
        axes, shape = _images(path, tif, size, listener)
        if first.is_ome and math.prod(shape[:-2]) < images_of_ome(tif):
            raise _of_a_set(path)
    dtype = np.dtype(first.dtype)
    if dtype.kind not in "uif":
        raise InputError(f"{path}: pixels of type {dtype} are not real numbers; store integers or floats")
    require_decoder(path, first)
    images, frame_shape = math.prod(shape[:-2]), (shape[-2], shape[-1])
    if scan_image is not None:
        numbers, scale = scan_image.frames_of(images, choice), scan_image.scale()
    else:
        numbers = frames_of(str(path), axes[:-2], shape[:-2], choice, says_time=bool(first.is_ome))
        scale = of_imagej(tif) if first.is_imagej else of_ome(tif) if first.is_ome else Scale()
    movie = (len(numbers), *frame_shape)
    if len(numbers) < 2:
        raise InputError(f"{path}: a single frame of this channel and plane; a movie needs at least two")
    stored = dtype.newbyteorder(tif.byteorder)
    frame_bytes = math.prod(frame_shape) * dtype.itemsize
    in_one_piece = 0  # frames whose pixels are there even if their page headers are not
    series = tif.series[0] if scan_image is None and not silent else None
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
    frame_bytes = packed_bytes(frame_shape, bits_of(first))
    if max(wanted) < headers.num_alike and not listener.errors and first.compression in SIMPLE:
        pieces = headers.pieces
        of_a_piece = packed_bytes(piece_shape(first), bits_of(first))
        as_many = pieces.offsets.shape[1] == len(first.dataoffsets) >= math.prod(first.chunked)
        if as_many and pieces.hold(frame_bytes, of_a_piece, first.compression, size):
            order = np.asarray(wanted)[numbers]
            found = Pieces(pieces.offsets[order], pieces.counts[order])
            if _plain(first) and found.in_one_piece():
                return Pages(movie, stored, order, found.offsets[:, 0], None, scale)
            return Pages(movie, stored, order, None, found, scale)
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
    headers = _surveyed(path, size)
    with listening() as listener, opened(path) as tif:
        listener.errors += not headers.whole
        return _guarded(path, lambda: _inspect(path, tif, size, headers, listener, choice))


def inspect_frame(path: Path) -> tuple[tuple[int, int], np.dtype, int | None]:
    """Read the header of a one-frame file.

    Returns:
        (height, width), dtype with its byte order, and the byte of the first pixel where they lie in one piece.

    Raises:
        InputError: missing, empty, not a TIFF, not one grey frame, cut short, damaged, or a missing decoder.
    """
    size = require_file(path)
    headers = _surveyed(path, size, 2)

    def inspect(tif: Any, listener: Listener) -> tuple[tuple[int, int], np.dtype, int | None]:
        page, single = tif.pages[0], headers.num_pages == 1
        if not single or len(page.shape) != 2:
            raise InputError(
                f"{path}: {'a page' if single else '2 pages or more'} of shape {tuple(page.shape)}; each file of a "
                "folder holds one grey frame: open a multi-page file by its own path"
            )
        shape, dtype = (int(page.shape[0]), int(page.shape[1])), np.dtype(page.dtype)
        if dtype.kind not in "uif":
            raise InputError(f"{path}: pixels of type {dtype} are not real numbers; store integers or floats")
        require_decoder(path, page)
        if not _complete(path, page, shape, dtype, size) or listener.errors or not headers.whole:
            raise _truncated(path, 0, 1)
        place = int(page.dataoffsets[0]) if _in_one_piece(page) else None
        return shape, dtype.newbyteorder(tif.byteorder), place

    with listening() as listener, opened(path) as tif:
        return _guarded(path, lambda: inspect(tif, listener))


def _surveyed(path: Path, size: int, most: int | None = None) -> Survey:
    """What the headers say of all pages, or of so many, before tifffile follows them.

    Raises:
        InputError: not a TIFF file, unreadable, or headers that lead nowhere or claim more than the file holds.
    """
    try:
        headers = survey(path, size, most)
    except OSError as error:
        raise InputError(f"{path}: cannot be opened: {error.strerror or error}") from error
    if headers is None:
        raise InputError(f"{path}: not a TIFF file, or its header is damaged; export or copy it again")
    if headers.damage:
        with listening(), opened(path) as tif:
            if believed(tif, size) or not tif.pages[0].is_scanimage:
                raise damaged(path, headers.damage)
    return headers


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
