"""What a path holds, before any reader looks at it: its size, its kind by its first bytes."""

from __future__ import annotations

from pathlib import Path

from lassovae._errors import InputError

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
HDF5_USER_BLOCKS = (512, 1024, 2048, 4096)  # where the signature may lie instead of at the start


def require_file(path: Path) -> int:
    """Size of a file in bytes.

    Raises:
        InputError: it is missing, not a file, or empty.
    """
    try:
        if not path.exists():
            raise InputError(
                f"{path}: no such file or folder; check the spelling and the folder it is relative to"
            )
        if not path.is_file():
            raise InputError(f"{path}: not a file")
        size = path.stat().st_size
    except OSError as error:
        raise InputError(
            f"{path}: cannot be opened: {error.strerror or error}; check the path and its permissions"
        ) from error
    if size == 0:
        raise InputError(f"{path}: the file is empty (0 bytes); export or copy it again")
    return size


def kind_of(path: Path) -> str | None:
    """Kind of a file by its first bytes: tiff, hdf5, npy, zip, video, or None where they are not known.

    Raises:
        InputError: the file cannot be opened.
    """
    try:
        with path.open("rb") as file:
            head = file.read(4096 + len(HDF5_MAGIC))
    except OSError as error:
        raise InputError(
            f"{path}: cannot be opened: {error.strerror or error}; check its permissions"
        ) from error
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "tiff"
    if any(head[start : start + 8] == HDF5_MAGIC for start in (0, *HDF5_USER_BLOCKS)):
        return "hdf5"
    if head[:6] == b"\x93NUMPY":
        return "npy"
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return "zip"
    matroska, riff, iso = head[:4] == b"\x1aE\xdf\xa3", head[:4] == b"RIFF", head[4:8] == b"ftyp"
    if matroska or iso or (riff and head[8:12] == b"AVI "):
        return "video"
    return None
