"""Movies in NumPy's files: one array in `.npy`, several in `.npz`. What is pickled in them is never loaded."""

from __future__ import annotations

import re
import struct
import threading
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np

from lassovae._errors import InputError
from lassovae.data._choice import DEFLATE, Choice, choose_dataset, one_line, require_expansion
from lassovae.data._contiguous import ColumnMajorRecording, ContiguousRecording, in_order, native
from lassovae.data._files import require_file
from lassovae.data._recording import Recording, check_movie

LOCAL_HEADER = struct.Struct(
    "<4s5H3I2H"
)  # of a member of a zip file: signature ... lengths of name and extra
SKIP_BYTES = 1 << 22
MAGIC, VERSIONS = b"\x93NUMPY", (b"\1\0", b"\2\0", b"\3\0")
LONGEST_HEADER = 10_000  # bytes; NumPy's is a line, and longer ones it reads no more than these
GAP = r"\s{0,9}"
DESCRIBED = re.compile(
    rf"""['"]descr['"]{GAP}:{GAP}['"]([<>=|]?[a-zA-Z]\d{{0,9}}(?:\[\w+\])?)['"]{GAP}[,}}]"""
)
ORDER = re.compile(rf"""['"]fortran_order['"]{GAP}:{GAP}(True|False){GAP}[,}}]""")
SIDE = rf"{GAP}-?\d{{1,18}}L?{GAP}"
SHAPE = re.compile(rf"""['"]shape['"]{GAP}:{GAP}\(((?:{SIDE},)*(?:{SIDE})?){GAP}\){GAP}[,}}]""")
FIELDS = np.dtype("V1")


def _damaged(name: str) -> InputError:
    return InputError(
        f"{name}: not an array in NumPy's format, or its header is damaged; save it again by numpy.save"
    )


def _header(name: str, file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """(shape, Fortran order, dtype) of an array in NumPy's format; the file is left at its first pixel.

    The header is text like `{'descr': '<i2', 'fortran_order': False, 'shape': (5, 6, 4), }`. It is read as such, no
    longer than NumPy makes it, and never evaluated. An array of fields has the dtype of bytes without a meaning.

    Raises:
        InputError: not this format, damaged, or an array of Python objects.
    """
    start = file.read(len(MAGIC) + 2)
    if start[: len(MAGIC)] != MAGIC or start[len(MAGIC) :] not in VERSIONS:
        raise _damaged(name)
    width = 2 if start[len(MAGIC)] == 1 else 4
    length = int.from_bytes(file.read(width), "little")
    text = file.read(min(length, LONGEST_HEADER)).decode("latin1")
    described, order, sides = (pattern.findall(text) for pattern in (DESCRIBED, ORDER, SHAPE))
    if len(text) != length or (len(order), len(sides)) != (1, 1) or len(described) > 1:
        raise _damaged(name)
    try:
        dtype = np.dtype(described[0]) if described else FIELDS
    except (TypeError, ValueError, OverflowError):
        raise _damaged(name) from None
    if dtype.hasobject:
        raise InputError(
            f"{name}: holds pickled Python objects, which are never loaded; save the movie as an array of numbers"
        )
    shape = tuple(int(side.strip().rstrip("L")) for side in sides[0].split(",") if side.strip())
    if min(shape, default=1) < 0:
        raise InputError(f"{name}: the header is damaged: shape {shape}; save it again by numpy.save")
    return shape, order[0] == "True", dtype


def open_npy(path: Path, choice: Choice) -> Recording:
    """Open a `.npy` file.

    Raises:
        InputError: not one, damaged, cut short, pickled, or not a movie.
    """
    choice.refuse(str(path), "a .npy file", "channel", "plane", "dataset", "shape", "dtype")
    require_file(path)
    with path.open("rb") as file:
        shape, fortran, dtype = _header(str(path), file)
        offset = file.tell()
    kind = ColumnMajorRecording if fortran and len(shape) > 1 else ContiguousRecording
    recording: Recording = kind(path, shape, dtype, offset)
    recording.kind = "NumPy"
    return recording


class CompressedMember(Recording):
    """A movie in a compressed member of a `.npz` file.

    Frames in front of those asked for are decompressed and dropped, so read it forwards; reading on from where the last
    call ended costs nothing extra.
    """

    kind = "NumPy"

    def __init__(self, path: Path, member: str, shape: tuple[int, ...], dtype: np.dtype, offset: int) -> None:
        self._path, self._member, self._stored, self._offset = path, member, dtype, offset
        self.name = f"{path} ({member})"
        check_movie(self.name, shape, dtype)
        self.shape = (shape[0], shape[1], shape[2])
        self.dtype = dtype.newbyteorder("=")
        self.frame_rate_hz = None
        self._lock = threading.Lock()
        self._archive: zipfile.ZipFile | None = None
        self._stream: IO[bytes] | None = None

    def _at(self, position: int) -> IO[bytes]:
        """The stream of decompressed bytes, at a position of it."""
        if self._stream is None or self._stream.tell() > position:
            self.close()
            self._archive = zipfile.ZipFile(self._path)
            self._stream = self._archive.open(self._member)
        while (missing := position - self._stream.tell()) > 0:
            if not self._stream.read(min(missing, SKIP_BYTES)):
                raise InputError(f"{self.name}: the member ends before its frames do; save the file again")
        return self._stream

    def close(self) -> None:
        """Let go of the file; it is opened again when frames are read."""
        for handle in (self._stream, self._archive):
            if handle is not None:
                handle.close()
        self._stream = self._archive = None

    def _read(self, frames: range) -> np.ndarray:
        forwards = frames if frames.step > 0 else frames[::-1]
        out = np.empty((len(frames), *self.frame_shape), self._stored)
        frame_bytes = out[0].nbytes
        try:
            with self._lock:
                for target, frame in zip(out, forwards, strict=True):
                    view = memoryview(target).cast("B")
                    stream = self._at(self._offset + frame * frame_bytes)
                    while len(view):
                        data = stream.read(min(len(view), SKIP_BYTES))
                        if not data:
                            raise InputError(
                                f"{self.name}: the member ends within frame {frame}; save it again"
                            )
                        view[: len(data)] = data
                        view = view[len(data) :]
        except (OSError, zipfile.BadZipFile, zlib.error, EOFError, KeyError) as error:
            self.close()
            raise InputError(
                f"{self.name}: cannot be decompressed ({type(error).__name__}: {one_line(error)}); copy or save "
                "it again"
            ) from error
        return in_order(native(out), frames)


def _members(path: Path, archive: zipfile.ZipFile, size: int) -> dict[str, tuple[Any, Any, int]]:
    """Name -> (member, header of its array, byte of the first pixel within it) of every array in the file."""
    found = {}
    for info in archive.infolist():
        if not info.filename.endswith(".npy"):
            continue
        name = f"{path} ({info.filename})"
        if info.flag_bits & 1:
            raise InputError(f"{name}: encrypted; save it without a password")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise InputError(f"{name}: compressed by an unusual method; save it by numpy.savez")
        if info.header_offset + info.compress_size > size:
            raise InputError(f"{name}: lies beyond the end of the file, which is cut short; copy it again")
        require_expansion(
            name, info.file_size, info.compress_size, info.compress_type != zipfile.ZIP_STORED, DEFLATE
        )
        with archive.open(info) as stream:
            try:
                header = _header(name, stream)
            except InputError as error:
                if "pickled" in str(error):  # an array of objects beside the movie is no candidate
                    continue
                raise
            offset = stream.tell()
        found[info.filename.removesuffix(".npy")] = (info, header, offset)
    return found


def _place(path: Path, info: zipfile.ZipInfo) -> int:
    """Byte of a stored member's first byte."""
    with path.open("rb") as file:
        file.seek(info.header_offset)
        fields = LOCAL_HEADER.unpack(file.read(LOCAL_HEADER.size))
    return info.header_offset + LOCAL_HEADER.size + int(fields[-2]) + int(fields[-1])


def open_npz(path: Path, choice: Choice) -> Recording:
    """Open one array of a `.npz` file: the one named by `dataset`, or the only one of three axes.

    An array that `numpy.savez` stored is read like a `.npy` file; one of `numpy.savez_compressed` is decompressed from
    its start.

    Raises:
        InputError: not one, damaged, cut short, no or several movies, or not a movie.
    """
    choice.refuse(str(path), "a .npz file", "channel", "plane", "shape", "dtype")
    size = require_file(path)
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = _members(path, archive, size)
    except InputError:
        raise
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, ValueError) as error:
        raise InputError(
            f"{path}: not a whole .npz file ({one_line(error)}); it is cut short or damaged: copy or save it again"
        ) from error
    if choice.dataset is None:
        movies = [name for name, (_, header, _) in arrays.items() if len(header[0]) == 3]
    else:
        movies = list(arrays)
    key = choose_dataset(str(path), movies, choice.dataset, "arrays of three axes")
    info, (shape, fortran, dtype), offset = arrays[key]
    label = f"{path} ({info.filename})"
    check_movie(label, shape, dtype)
    declared = int(np.prod([int(side) for side in shape], dtype=object)) * dtype.itemsize
    if info.file_size < offset + declared:
        raise InputError(
            f"{label}: {info.file_size - offset} bytes of pixels for shape {shape}; it is damaged: save it again"
        )
    if fortran:
        raise InputError(
            f"{label}: stored in Fortran order, which cannot be read frame by frame; save numpy.ascontiguousarray of it"
        )
    if info.compress_type == zipfile.ZIP_STORED:
        recording = ContiguousRecording(path, shape, dtype, _place(path, info) + offset, name=label)
        recording.kind = "NumPy"
        return recording
    return CompressedMember(path, info.filename, shape, dtype, offset)
