"""Files written whole or not at all, whatever happens on the way."""

from __future__ import annotations

import errno
import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lassovae._errors import InputError

LOCK = ".lock"  # of a folder that is being written
CANNOT_TELL = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)  # a file system that lacks an operation
LEFTOVER = re.compile(r"\..*\.\d+\.partial(\.[^.]*)?")  # the places of `replacing`
STEM = 50  # characters of a name that its place keeps: file systems allow 255 bytes, and a character may take four


def on_disk(place: Path) -> None:
    """Wait until a file, or all that is in a folder, is on the disk: a name must not survive its content."""
    parts = [place, *place.rglob("*")] if place.is_dir() else [place]
    for part in parts:
        if part.is_dir():
            name_on_disk(part)
        else:
            with part.open("rb+") as opened:
                os.fsync(opened.fileno())


def name_on_disk(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, where the system can: Windows opens no folder, and some file
    systems bring none to the disk."""
    if os.name == "nt":
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    except OSError as error:
        if error.errno not in CANNOT_TELL:
            raise
    finally:
        os.close(opened)


def remove(place: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if place.is_dir():
        shutil.rmtree(place, ignore_errors=True)
    else:
        place.unlink(missing_ok=True)


@contextmanager
def replacing(path: Path, *, folder: bool = False) -> Iterator[Path]:
    """A place beside `path` to write to, which takes its name when all is written, and goes if that fails.

    Readers see what was there before or the whole of what is new; the folder above must be there.

    Args:
        path: a file, which may be there already, or a folder that is not.
        folder: make a folder of the place.

    Yields:
        The place; its suffix is that of the path.

    Raises:
        InputError: the system refuses to write (a full disk, no permission, no folder).
    """
    writer = f"{os.getpid()}.{threading.get_ident()}"
    place = path.with_name(f".{path.stem[:STEM]}.{writer}.partial{path.suffix}")
    try:
        if folder:
            place.mkdir()
        yield place
        on_disk(place)
        os.replace(place, path)
        name_on_disk(path.parent)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written: {error.strerror or error}; check the folder and the disk's room"
        ) from error
    finally:
        with suppress(OSError):  # of a disk that fails: what is raised above says so
            remove(place)


def remove_leftovers(folder: Path) -> None:
    """Remove what a process that was killed had begun to write; for the owner of the folder alone.

    Folders below that have a lock of their own are left to their owners, who may be writing.
    """
    for here, below, names in os.walk(folder):
        for name in [*below, *names]:
            if LEFTOVER.fullmatch(name):
                remove(Path(here, name))
        below[:] = [name for name in below if not Path(here, name, LOCK).exists()]


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, where they are not there.

    Raises:
        InputError: the system refuses.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{folder} cannot be made ({error.strerror or error}): choose another output folder"
        ) from error


def write_text(path: Path, text: str) -> None:
    """Write a file of UTF-8 whole; lines end as they do in the text.

    Raises:
        InputError: as `replacing`.
    """
    with replacing(path) as place:
        place.write_text(text, encoding="utf-8", newline="")
