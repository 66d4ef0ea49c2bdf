"""NumPy's files and raw frames: what is pickled is never loaded, what a header claims is not believed."""

from __future__ import annotations

import os
import zipfile

import movie_writers as write
import numpy as np
import pytest

from lassovae import InputError
from lassovae.data import open_recording

SHAPE = (12, 24, 32)


@pytest.fixture
def movie(rng):
    return rng.integers(0, 4000, SHAPE).astype(np.uint16)


class Trap:
    """Unpickling this makes a folder."""

    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return os.mkdir, (str(self.place),)


def test_pickled_objects_are_not_loaded(tmp_path, movie):
    trap = np.empty(1, object)
    trap[0] = Trap(tmp_path / "sprung")
    np.save(tmp_path / "m.npy", trap, allow_pickle=True)
    with pytest.raises(InputError, match=r"m\.npy: holds pickled Python objects, which are never loaded"):
        open_recording(tmp_path / "m.npy")
    np.savez(tmp_path / "m.npz", movie=movie, trap=trap)
    np.testing.assert_array_equal(open_recording(tmp_path / "m.npz")[2:4], movie[2:4])
    folder = write.suite2p(tmp_path / "s2p", movie, trap=Trap(tmp_path / "sprung"))
    np.testing.assert_array_equal(open_recording(folder)[:], movie)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (
            "{'descr': '<u2', 'fortran_order': False, 'shape': (10**9, 24, 32), }",
            "not an array in NumPy's format",
        ),
        (
            "{'descr': '<u2', 'fortran_order': False, 'shape': (1000000000, 24, 32), }",
            "cut short: 12 complete frames",
        ),
        ("{'descr': '<u2', 'fortran_order': False, 'shape': (-12, 24, 32), }", "damaged|empty axis"),
        ("{'descr': '<u2', 'fortran_order': False, 'shape': (12, 24), }", "a single frame needs a time axis"),
        ("{'descr': '<c8', 'fortran_order': False, 'shape': (12, 24, 32), }", "are not real numbers"),
        ("{'descr': '<u2'", "not an array in NumPy's format"),
        ("(" * 200, "not an array in NumPy's format"),
    ],
)
@pytest.mark.parametrize("kind", ["npy", "npz"])
def test_headers_that_lie(tmp_path, movie, header, words, kind):
    text = header.encode().ljust(117) + b"\n"
    content = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + movie.tobytes()
    path = tmp_path / f"m.{kind}"
    if kind == "npy":
        path.write_bytes(content)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("movie.npy", content)
        words += "|bytes of pixels for shape|no arrays of three axes"
    with pytest.raises(InputError, match=words) as caught:
        open_recording(path)
    assert path.name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_several_arrays_of_an_npz(tmp_path, movie):
    np.savez(tmp_path / "m.npz", a=movie, b=movie[:5], c=np.zeros(3))
    with pytest.raises(InputError, match="2 arrays of three axes: a, b; choose one by dataset="):
        open_recording(tmp_path / "m.npz")
    assert open_recording(tmp_path / "m.npz", dataset="b").num_frames == 5
    with pytest.raises(InputError, match="dataset='d' is none"):
        open_recording(tmp_path / "m.npz", dataset="d")


def test_a_bomb_in_a_zip(tmp_path):
    """3 MB that claim to be a thousand times as much are read frame by frame, and 50 000 times is refused."""
    with zipfile.ZipFile(tmp_path / "m.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("movie.npy", b"\x93NUMPY")
    content = bytearray((tmp_path / "m.npz").read_bytes())
    place = content.rindex(b"PK\x01\x02")
    content[place + 24 : place + 28] = (2**32 - 2).to_bytes(4, "little")  # the size when decompressed
    (tmp_path / "m.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"bytes are stored for 4294967294 bytes of pixels"):
        open_recording(tmp_path / "m.npz")


def test_reading_a_compressed_npz_backwards_and_on(tmp_path, movie):
    np.savez_compressed(tmp_path / "m.npz", movie)
    recording = open_recording(tmp_path / "m.npz")
    for index in (slice(6, 8), slice(8, 11), slice(2, 4), slice(11, 0, -5), 0):
        np.testing.assert_array_equal(recording[index], movie[index])


def test_raw_frames_of_a_given_shape(tmp_path, movie):
    movie.tofile(tmp_path / "m.raw")
    recording = open_recording(tmp_path / "m.raw", shape=(24, 32), dtype="uint16")
    assert (recording.shape, recording.dtype) == (SHAPE, np.uint16)
    np.testing.assert_array_equal(recording[3:7], movie[3:7])
    for options, words in [
        ({}, r"size of a frame is unknown, it has no header; give shape=\(height, width\)"),
        ({"shape": (24, 33)}, "not a whole number of frames of 24 x 33 int16"),
        ({"shape": (24, 0)}, "two numbers of at least 1"),
        ({"shape": 24}, r"shape=24 must be \(height, width\)"),
        ({"shape": (24, 1.5)}, "must be an integer"),
        ({"shape": (24, 32), "dtype": "pixels"}, "dtype='pixels' is not a type of pixels"),
        ({"shape": (24, 32), "dtype": "O"}, "must be integers or floats"),
        ({"shape": (10**9, 10**9)}, "not a whole number of frames"),
    ]:
        with pytest.raises(InputError, match=words):
            open_recording(tmp_path / "m.raw", **options)


def test_suite2p_folders_and_files(tmp_path, movie):
    folder = write.suite2p(tmp_path / "plane0", movie)
    for path in (folder, folder / "data.bin"):
        recording = open_recording(path)
        assert (recording.shape, recording.dtype, recording.frame_rate_hz) == (SHAPE, np.int16, write.RATE)
    assert open_recording(folder / "data.bin", shape=(48, 16)).frame_shape == (48, 16)


def test_planes_and_channels_of_suite2p(tmp_path, movie):
    (tmp_path / "suite2p").mkdir()
    for plane in range(11):
        folder = write.suite2p(tmp_path / "suite2p" / f"plane{plane}", movie + plane)
    (folder / "data_chan2.bin").write_bytes(np.full(SHAPE, 7, np.int16).tobytes())
    with pytest.raises(InputError, match="suite2p: holds 11 planes; choose one by plane=0 to plane=10"):
        open_recording(tmp_path / "suite2p")
    np.testing.assert_array_equal(open_recording(tmp_path / "suite2p", plane=9)[4], movie[4] + 9)
    with pytest.raises(InputError, match="plane10: holds 2 channels"):
        open_recording(folder)
    np.testing.assert_array_equal(open_recording(folder, channel=0)[4], movie[4] + 10)
    assert (open_recording(tmp_path / "suite2p", plane=10, channel=1)[:] == 7).all()


def test_a_plane_of_suite2p_is_called_by_the_number_of_its_folder(tmp_path, movie):
    folder = tmp_path / "suite2p"
    folder.mkdir()
    for plane in (2, 10, 1):
        write.suite2p(folder / f"plane{plane}", movie + plane)
    for plane in (1, 2, 10):
        np.testing.assert_array_equal(open_recording(folder, plane=plane)[4], movie[4] + plane)
    with pytest.raises(InputError, match=r"suite2p: holds 3 planes; .*plane= and its number: 1, 2, 10"):
        open_recording(folder)
    with pytest.raises(InputError, match="plane=0, but the planes that are there have the numbers 1, 2, 10"):
        open_recording(folder, plane=0)
    np.testing.assert_array_equal(open_recording(folder / "plane2", plane=2)[4], movie[4] + 2)
    np.testing.assert_array_equal(open_recording(folder / "plane2")[4], movie[4] + 2)
    with pytest.raises(InputError, match="plane=0, but the planes that are there have the numbers 2"):
        open_recording(folder / "plane2", plane=0)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"nframes": 13}, r"cut short: 12 complete frames of 13 declared in ops\.npy"),
        ({"Ly": 23}, "not a whole number of frames"),
        ({"Ly": None}, r"unknown, ops\.npy beside it does not say it as plain numbers; give shape="),
        ({"Ly": np.int64(24)}, "does not say it as plain numbers"),
        ({"nested": {"Ly": 12}}, "does not say it as plain numbers"),  # which of the two is not guessed
        ({"Ly": -24}, "at least 1"),
        ({"Ly": 10**400}, "does not say it as plain numbers|not suite2p's settings"),
        ({"Ly": float("inf")}, "does not say it as plain numbers"),
    ],
)
def test_settings_of_suite2p_that_do_not_fit(tmp_path, movie, settings, words):
    with pytest.raises(InputError, match=words):
        open_recording(write.suite2p(tmp_path / "s2p", movie, **settings))


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_settings_of_every_age(tmp_path, movie, protocol):
    import pickle

    folder = write.suite2p(tmp_path / "s2p", movie)
    whole = (folder / "ops.npy").read_bytes()
    start = whole.index(b"\n") + 1
    settings = np.load(folder / "ops.npy", allow_pickle=True)
    (folder / "ops.npy").write_bytes(whole[:start] + pickle.dumps(settings, protocol))
    recording = open_recording(folder)
    assert (recording.shape, recording.frame_rate_hz) == (SHAPE, write.RATE)


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\n", b"\x93NUMPY\n\x80\x04garbage", b"hello\nworld"])
def test_settings_that_are_none(tmp_path, movie, content):
    folder = write.suite2p(tmp_path / "s2p", movie)
    (folder / "ops.npy").write_bytes(content)
    with pytest.raises(InputError, match=r"ops\.npy"):
        open_recording(folder)


def test_a_file_that_is_cut_after_it_was_opened(tmp_path, movie):
    for order in "CF":
        path = tmp_path / f"{order}.npy"
        np.save(path, np.asarray(movie, order=order))
        recording = open_recording(path)
        path.write_bytes(path.read_bytes()[:-20])
        with pytest.raises(InputError, match="cut after it was opened"):
            recording[-1]
