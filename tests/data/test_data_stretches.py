"""Chunks of many frames, read a few at a time: each is decoded once, and what is kept is never stale or shared."""

from __future__ import annotations

import copy
import os
from concurrent.futures import ThreadPoolExecutor

import h5py
import movie_writers as write
import numpy as np
import pytest
import zarr

from lassovae.data import _hdf5, _stretches, open_recording

SHAPE = (100, 24, 32)
LENGTH = 30  # frames of a chunk


@pytest.fixture
def movie(rng):
    return rng.integers(1, 4000, SHAPE).astype(np.uint16)


def hdf5(folder, movie):
    options = {"chunks": (LENGTH, 8, 32), "compression": "gzip"}
    return write.hdf5(folder / "m.h5", movie=(movie, options))


def zarr_3(folder, movie):
    return write.zarr_array(folder / "m.zarr", movie, 3, chunks=(LENGTH, 8, 32))


def nwb(folder, movie):
    path = write.nwb(folder / "m.nwb", movie=movie)
    with h5py.File(path, "a") as file:
        series = file["acquisition/movie"]
        turned = series["data"][:]
        attributes = dict(series["data"].attrs)
        del series["data"]
        series.create_dataset("data", data=turned, chunks=(LENGTH, 8, 8), compression="gzip")
        series["data"].attrs.update(attributes)
    return path


WRITERS = pytest.mark.parametrize("writer", [hdf5, zarr_3, nwb], ids=lambda writer: writer.__name__)


@pytest.fixture
def decoded(monkeypatch):
    """First frames of the stretches of chunks that were asked for, of h5py, zarr and gzip, once for each time."""
    found = []
    inflate = _hdf5.read_deflated

    def read_deflated(path, dataset, frames, plane):
        found.extend(sorted({frame // LENGTH for frame in frames}))
        return inflate(path, dataset, frames, plane)

    monkeypatch.setattr(_hdf5, "read_deflated", read_deflated)
    for kind in (h5py.Dataset, zarr.Array):
        original = kind.__getitem__

        def read(self, index, *more, original=original):
            if getattr(self, "ndim", 0) == 3 and self.shape[0] == SHAPE[0]:
                frames = range(SHAPE[0])[index[0] if isinstance(index, tuple) else index]
                found.extend(sorted({frame // LENGTH for frame in frames}))
            return original(self, index, *more)

        monkeypatch.setattr(kind, "__getitem__", read)
    return found


@WRITERS
@pytest.mark.parametrize("frames_at_a_time", [1, 7, 16, 50, 60, 100])
def test_reading_on_decodes_every_chunk_once(tmp_path, movie, writer, frames_at_a_time, decoded):
    recording = open_recording(writer(tmp_path, movie))
    decoded.clear()
    read = np.concatenate(list(recording.chunks(frames_at_a_time)))
    np.testing.assert_array_equal(read, movie)
    assert decoded == [0, 1, 2, 3]


@WRITERS
def test_windows_anywhere_are_right_and_the_callers_own(tmp_path, movie, rng, writer):
    recording = open_recording(writer(tmp_path, movie))
    for start, count in zip(rng.integers(0, 100, 60), rng.integers(1, 70, 60), strict=True):
        window = recording[start : start + count]
        np.testing.assert_array_equal(window, movie[start : start + count])
        window[...] = 0
    np.testing.assert_array_equal(recording[70:5:-1], movie[70:5:-1])
    np.testing.assert_array_equal(recording[8:70:9], movie[8:70:9])


@WRITERS
def test_threads_that_read_several_recordings(tmp_path, movie, writer):
    movies = [movie, movie + 1, movie[::-1] + 2]
    recordings = []
    for number, each in enumerate(movies):
        (tmp_path / str(number)).mkdir()
        recordings.append(open_recording(writer(tmp_path / str(number), np.ascontiguousarray(each))))

    def differs(seed):
        draw = np.random.default_rng(seed)
        for _ in range(20):
            which, start = draw.integers(3), draw.integers(90)
            if not (recordings[which][start : start + 9] == movies[which][start : start + 9]).all():
                return True
        return False

    with ThreadPoolExecutor(4) as pool:
        assert not any(pool.map(differs, range(8)))


def test_a_file_that_is_written_anew_is_read_anew(tmp_path, movie):
    path = hdf5(tmp_path, movie)
    recording = open_recording(path)
    np.testing.assert_array_equal(recording[3:5], movie[3:5])
    hdf5(tmp_path, movie + 1)
    os.utime(path, ns=(1, 1))
    np.testing.assert_array_equal(recording[3:5], movie[3:5] + 1)


def test_what_is_kept_is_one_stretch_of_bounded_size(tmp_path, movie, monkeypatch):
    recording = open_recording(hdf5(tmp_path, movie))
    recording[3:5]
    assert _stretches._Last.kept.pixels.nbytes == LENGTH * 24 * 32 * 2
    np.testing.assert_array_equal(copy.deepcopy(recording)[33:40], movie[33:40])
    assert _stretches._Last.kept.first == LENGTH
    monkeypatch.setattr(_stretches, "LARGEST_STRETCH", LENGTH * 24 * 32 * 2 - 1)
    before = _stretches._Last.kept
    np.testing.assert_array_equal(open_recording(tmp_path / "m.h5")[3:5], movie[3:5])
    assert _stretches._Last.kept is before
