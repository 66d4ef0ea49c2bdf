"""Vendors' formats through roiextractors: a file as Scanbox writes it, its own extractors, and none installed."""

from __future__ import annotations

import sys

import h5py
import movie_writers as write
import numpy as np
import pytest
import scipy.io
from roiextractors import extractorlist

from lassovae import InputError
from lassovae.data import ArrayRecording, ExtractorRecording, content_hash, open_recording

SHAPE = (14, 24, 32)


@pytest.fixture
def movie(rng):
    return rng.integers(0, 4000, SHAPE).astype(np.uint16)


def scanbox(path, movie):
    """As Scanbox writes: values upside down, one channel, and a `.mat` beside it."""
    stored = np.iinfo(np.uint16).max - movie
    stored.astype("<u2").tofile(path)
    info = {
        "channels": 2,
        "scanmode": 1,
        "recordsPerBuffer": movie.shape[1],
        "sz": [movie.shape[1], movie.shape[2]],
        "resfreq": 7920,
        "config": {"lines": 528},
        "bytesPerBuffer": 2 * movie[0].nbytes,
        "max_idx": len(movie) - 1,
        "nplanes": 1,
        "otparam": np.zeros(0),
        "volscan": 0,
    }
    scipy.io.savemat(path.with_suffix(".mat"), {"info": info})
    return path


def test_scanbox(tmp_path, movie):
    recording = open_recording(scanbox(tmp_path / "m.sbx", movie))
    assert (recording.shape, recording.dtype, recording.frame_rate_hz) == (SHAPE, np.uint16, 15.0)
    for index in (slice(None), slice(3, 7), slice(12, 2, -3), slice(9, 4, -1), -1):
        np.testing.assert_array_equal(recording[index], movie[index])
    assert content_hash(recording) == content_hash(ArrayRecording(movie))


def test_scanbox_cut_short_or_alone(tmp_path, movie):
    path = scanbox(tmp_path / "m.sbx", movie)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(InputError, match=r"m\.sbx: the file is cut short: 13 complete frames"):
        open_recording(path)
    path.with_suffix(".mat").unlink()
    with pytest.raises(InputError, match=r"m\.sbx: roiextractors cannot open it"):
        open_recording(path)


@pytest.fixture
def tiff(tmp_path, movie):
    return write.tiff(tmp_path / "m.tif", movie)


def test_an_extractor_of_roiextractors(tiff, movie):
    made = extractorlist.TiffImagingExtractor(tiff, sampling_frequency=12.5)
    recording = ExtractorRecording(made, name="mine")
    assert (recording.shape, recording.dtype, recording.frame_rate_hz) == (SHAPE, np.uint16, 12.5)
    np.testing.assert_array_equal(recording[2:9:3], movie[2:9:3])
    with pytest.raises(InputError, match="mine: plane=1, but the file holds one plane"):
        ExtractorRecording(made, name="mine", plane=1)


def test_reading_asks_for_those_frames_only(tiff):
    asked = []

    class Counting(extractorlist.TiffImagingExtractor):
        def get_series(self, start_sample=None, end_sample=None):
            asked.append((start_sample, end_sample))
            return super().get_series(start_sample, end_sample)

    recording = ExtractorRecording(Counting(tiff, sampling_frequency=12.5), name="mine")
    assert asked == [(0, 1)]
    recording[4:6]
    recording[9]
    assert asked[1:] == [(4, 6), (9, 10)]


def test_planes(movie):
    class Volumes:
        def get_series(self, start_sample, end_sample):
            return np.stack([movie, movie + 1, movie + 2], -1)[start_sample:end_sample]

        def get_num_samples(self):
            return len(movie)

        def get_sampling_frequency(self):
            return 4.0

    with pytest.raises(InputError, match="mine: holds 3 planes; choose one by plane=0 to plane=2"):
        ExtractorRecording(Volumes(), name="mine")
    np.testing.assert_array_equal(ExtractorRecording(Volumes(), name="mine", plane=2)[3:5], movie[3:5] + 2)


def test_no_femtonics_file(tmp_path):
    with h5py.File(tmp_path / "m.mesc", "w") as file:
        file.create_group("MSession_0")
    with pytest.raises(InputError, match=r"m\.mesc: "):
        open_recording(tmp_path / "m.mesc")


@pytest.mark.parametrize("name", ["m.sbx", "m.mesc", "m.isxd"])
def test_roiextractors_not_installed(tmp_path, monkeypatch, name):
    (tmp_path / name).write_bytes(b"1" * 64)
    monkeypatch.setitem(sys.modules, "roiextractors", None)
    with pytest.raises(InputError, match=rf'{name}.*pip install "lassovae\[vendor\]"'):
        open_recording(tmp_path / name)


def test_a_bruker_folder_is_not_read_as_one_movie_of_all_channels(tmp_path, monkeypatch, movie):
    folder = write.tiff_folder(tmp_path / "scan", movie)
    for file in folder.glob("*.tif"):
        file.rename(file.with_suffix(".ome.tif"))
    assert open_recording(folder).shape == SHAPE
    (folder / "scan.xml").write_text('<?xml version="1.0"?>\n<PVScan version="5.6">\n</PVScan>\n')
    with pytest.raises(InputError, match="scan: roiextractors cannot open it"):
        open_recording(folder)
    monkeypatch.setitem(sys.modules, "roiextractors", None)
    with pytest.raises(InputError, match=r'scan.*pip install "lassovae\[vendor\]"'):
        open_recording(folder)
