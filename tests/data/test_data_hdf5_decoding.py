"""HDF5 of numbers that have few bits or a checksum before gzip: read as libhdf5 does, within bounds."""

from __future__ import annotations

import zlib

import h5py
import numpy as np
import pytest

from lassovae import InputError
from lassovae.data import open_recording

SHAPE = (4, 6, 5)


@pytest.fixture
def movie(rng):
    return rng.integers(1, 4000, SHAPE).astype(np.uint16)


def of_type(path, kind, pixels, *, checksum_first=False):
    """A dataset of numbers of this type, by gzip in chunks of one frame."""
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((1, *SHAPE[1:]))
    if checksum_first:
        properties.set_fletcher32()
    properties.set_deflate(4)
    with h5py.File(path, "w") as file:
        dataset = h5py.h5d.create(file.id, b"movie", kind, h5py.h5s.create_simple(SHAPE), properties)
        dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, np.ascontiguousarray(pixels))
    return path


@pytest.mark.parametrize("base", [h5py.h5t.STD_I16LE, h5py.h5t.STD_I16BE, h5py.h5t.STD_U16LE])
@pytest.mark.parametrize(("bits", "offset"), [(12, 0), (12, 3), (9, 7), (16, 0)])
def test_numbers_of_fewer_bits_than_their_bytes(tmp_path, base, bits, offset):
    """Of twelve bits, -8 is stored as 4088."""
    kind = base.copy()
    kind.set_precision(bits)
    kind.set_offset(offset)
    pixels = np.arange(120, dtype=np.int16).reshape(SHAPE) - (60 if kind.get_sign() else 0)
    path = of_type(tmp_path / "m.h5", kind, pixels.astype("i2" if kind.get_sign() else "u2"))
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["movie"][:], pixels)
    np.testing.assert_array_equal(open_recording(path)[:], pixels)
    np.testing.assert_array_equal(open_recording(path)[3:0:-2], pixels[3:0:-2])
    with h5py.File(path, "a") as file:
        file["movie"].id.write_direct_chunk((2, 0, 0), zlib.compress(bytes(1 << 20)))
    with pytest.raises(InputError, match="cannot be decompressed"):
        open_recording(path)[2]


@pytest.mark.parametrize("kind", ["<f2", ">f4", ">f8", "<i8", ">u4"])
def test_a_checksum_before_gzip(tmp_path, movie, kind):
    pixels = movie.astype(kind)
    path = of_type(tmp_path / "m.h5", h5py.h5t.py_create(np.dtype(kind)), pixels, checksum_first=True)
    np.testing.assert_array_equal(open_recording(path)[:], pixels)
    with h5py.File(path, "a") as file:
        content = bytearray(zlib.decompress(file["movie"].id.read_direct_chunk((1, 0, 0))[1]))
        content[5] ^= 1
        file["movie"].id.write_direct_chunk((1, 0, 0), zlib.compress(bytes(content)))
    with pytest.raises(InputError, match="cannot be decompressed"):
        open_recording(path)[:]


def test_numbers_that_stand_for_names(tmp_path, movie):
    kinds = (h5py.h5t.py_create(h5py.enum_dtype({"dark": 0}, "u2"), logical=True), h5py.h5t.STD_B16LE)
    for kind in kinds:
        with h5py.File(tmp_path / "m.h5", "w") as file:
            h5py.h5d.create(file.id, b"movie", kind, h5py.h5s.create_simple(SHAPE))
        with pytest.raises(InputError, match=r"m\.h5 .*unusual type of number"):
            open_recording(tmp_path / "m.h5")
