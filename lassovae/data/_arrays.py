"""The arrays of an NPZ file that the library wrote, read within the bounds of the file; nothing in it is unpickled."""

from __future__ import annotations

import math
import zipfile
import zlib
from pathlib import Path

import numpy as np

from lassovae._errors import InputError
from lassovae.data._choice import one_line
from lassovae.data._files import require_file
from lassovae.data._numpy_files import _members


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """Every array of an NPZ file by its name; each is whole, as its checksum says.

    Raises:
        InputError: no such file, no archive, or an array that is damaged or claims more than the file holds.
    """
    size, arrays = require_file(path), {}
    try:
        with zipfile.ZipFile(path) as archive:
            for name, (info, (shape, fortran, dtype), offset) in _members(path, archive, size).items():
                if info.file_size != offset + math.prod(shape) * dtype.itemsize:
                    raise InputError(f"{path}: {name} has another size than its header says")
                array = np.empty(shape, dtype, "F" if fortran else "C")
                with archive.open(info) as stream:
                    stream.read(offset)
                    flat = (
                        array.reshape(-1, order="A").view(np.uint8)
                        if array.size and dtype.itemsize
                        else array
                    )
                    flat[...] = np.frombuffer(stream.read(), np.uint8).reshape(flat.shape)
                arrays[name] = array
            if strange := sorted({name.removesuffix(".npy") for name in archive.namelist()} - set(arrays)):
                raise InputError(
                    f"{path}: {strange[0]} is no array, or holds pickled objects, which are never loaded"
                )
    except (
        OSError,
        ValueError,
        EOFError,
        LookupError,
        RuntimeError,
        zlib.error,
        zipfile.BadZipFile,
    ) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path}: not an NPZ file, or damaged ({type(error).__name__}: {one_line(error)})"
        ) from error
    return arrays
