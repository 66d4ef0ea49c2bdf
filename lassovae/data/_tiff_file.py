"""A TIFF file as tifffile sees it: opened without following the list of its pages, and heard without being shown."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tifffile

from lassovae._errors import InputError

OFFSETS_HOLD = 1 << 31  # bytes of a classic TIFF of ScanImage up to which its list of pages can be believed


class Listener(logging.Filter):
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
def listening() -> Iterator[Listener]:
    """Collect, instead of showing, what tifffile logs in this thread."""
    logger, listener = logging.getLogger("tifffile"), Listener()
    logger.addFilter(listener)
    try:
        yield listener
    finally:
        logger.removeFilter(listener)


def believed(tif: Any, size: int) -> bool:
    """Whether the places of the pages are to be believed: ScanImage wrote wrong ones where they grow beyond 32 bits."""
    return bool(tif.is_bigtiff or size < OFFSETS_HOLD)


def _tiff_file(path: Path) -> Any:
    """The file as tifffile sees it, the list of its pages not followed, and guessed where it is known to be wrong."""
    kinds = dict.fromkeys(("is_lsm", "is_ndpi", "is_scanimage"), False)
    tif: Any = tifffile.TiffFile(path, _multifile=False, **kinds)  # type: ignore[arg-type]  # flags of any name
    try:  # no other file of an OME set is opened
        first = tif.pages[0]
        guessed = first.is_scanimage and not believed(tif, tif.filehandle.size)  # that pages are equally long
        kinds |= {"is_lsm": first.is_lsm, "is_scanimage": guessed}
        if not any(kinds.values()):
            return tif
    except BaseException:
        tif.close()
        raise
    tif.close()
    return tifffile.TiffFile(path, _multifile=False, **kinds)  # type: ignore[arg-type]  # likewise


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The file as tifffile sees it, or an InputError where it sees none."""
    try:
        tif = _tiff_file(path)
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
