"""Zarr: damaged metadata, codecs that would run code, missing chunks, OME-Zarr, and no zarr installed."""

from __future__ import annotations

import json
import sys

import movie_writers as write
import numpy as np
import pytest
import zarr

from lassovae import InputError
from lassovae.data import open_recording


@pytest.fixture
def movie(rng):
    return rng.integers(1, 4000, (12, 24, 32)).astype(np.uint16)


def metadata_file(path, zarr_format):
    return path / "movie" / (".zarray" if zarr_format == 2 else "zarr.json")


def patch(path, zarr_format, **changes):
    """Overwrite entries of the array's metadata; a key `a__b` means b within a."""
    file = metadata_file(path, zarr_format)
    content = json.loads(file.read_text())
    for key, value in changes.items():
        *outer, last = key.split("__")
        place = content
        for step in outer:
            place = place[step]
        place[last] = value
    file.write_text(json.dumps(content))


CHUNKS = "chunk_grid__configuration__chunk_shape"


@pytest.mark.parametrize(
    ("zarr_format", "changes", "words"),
    [
        (2, {"shape": [-12, 24, 32]}, r"shape \[-12, 24, 32\] is not a list of lengths"),
        (3, {"shape": [-12, 24, 32]}, r"shape \[-12, 24, 32\] is not a list of lengths"),
        (2, {"shape": [12, 24, "32"]}, "is not a list of lengths"),
        (2, {"shape": [12, 24, 2**40]}, "chunks are missing"),
        (3, {"shape": [10**9, 24, 32]}, "chunks are missing"),
        (
            2,
            {"shape": [12, 10**7, 10**7], "chunks": [12, 10**7, 10**7]},
            "chunks are missing|bytes are stored for",
        ),
        (3, {CHUNKS: [0, 24, 32]}, "damaged"),
        (2, {"chunks": [7, 16]}, "damaged"),
        (2, {"dimension_separator": "/../../"}, "separator '/../../'"),
        (3, {"chunk_key_encoding__configuration": {"separator": "../"}}, "separator '../'"),
        (3, {"chunk_key_encoding__name": "../../x"}, "name of chunks"),
        (2, {"filters": [{"id": "pickle", "protocol": 5}]}, "stored by the codec 'pickle'"),
        (2, {"compressor": {"id": "json2"}}, "stored by the codec 'json2'"),
        (3, {"codecs": [{"name": "numcodecs.pickle", "configuration": {}}]}, "the codec 'numcodecs.pickle'"),
        (2, {"dtype": "|O"}, "are not real numbers"),
        (3, {"data_type": "complex64"}, "are not real numbers"),
        (2, {"dtype": [["a", "<u2"]]}, "are not real numbers"),
        (2, {"dtype": "<u8"}, "bytes are stored for|cannot be decoded"),
        (3, {"chunk_grid": 3}, "no grid of chunks"),
    ],
)
def test_damaged_or_hostile_metadata(tmp_path, movie, zarr_format, changes, words):
    path = write.zarr_array(tmp_path / "m.zarr", movie, zarr_format)
    patch(path, zarr_format, **changes)
    with pytest.raises(InputError, match=words) as caught:
        open_recording(path, dataset="movie")[:2]
    assert "m.zarr" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100_000])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_metadata_that_are_no_json(tmp_path, movie, content, zarr_format):
    path = write.zarr_array(tmp_path / "m.zarr", movie, zarr_format)
    metadata_file(path, zarr_format).write_bytes(content)
    with pytest.raises(InputError, match=r"m\.zarr.*damaged Zarr metadata"):
        open_recording(path)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_missing_chunk(tmp_path, movie, zarr_format):
    path = write.zarr_array(tmp_path / "m.zarr", movie, zarr_format)
    chunk = "1.1.0" if zarr_format == 2 else "c/1/1/0"
    (path / "movie" / chunk).unlink()
    with pytest.raises(InputError, match="1 of 4 chunks are missing; copy it again"):
        open_recording(path)


def test_blank_chunks_that_are_stored(tmp_path):
    blank = np.full((64, 256, 256), 9, np.uint16)
    blank[:8] = np.random.default_rng(0).integers(0, 4000, (8, 256, 256))
    group = zarr.open_group(tmp_path / "m.zarr", mode="w")
    group.create_array("movie", data=blank, chunks=(32, 256, 256))
    assert (open_recording(tmp_path / "m.zarr")[30:] == 9).all()


def test_several_arrays(tmp_path, movie):
    path = write.zarr_array(tmp_path / "m.zarr", movie, 3)
    zarr.open_group(path, mode="a").create_array("deep/other", data=movie[:5])
    with pytest.raises(
        InputError, match=r"2 arrays of three axes: /deep/other, /movie; choose one by dataset="
    ):
        open_recording(path)
    assert open_recording(path, dataset="deep/other").num_frames == 5
    assert open_recording(path / "deep" / "other").num_frames == 5
    with pytest.raises(InputError, match="dataset='mvie' is none of the arrays"):
        open_recording(path, dataset="mvie")
    with pytest.raises(InputError, match=r"dataset='\.\./m\.zarr/movie' is none"):
        open_recording(path, dataset="../m.zarr/movie")


def test_no_array_of_three_axes(tmp_path):
    zarr.open_group(tmp_path / "m.zarr", mode="w").create_array("trace", data=np.zeros(9))
    with pytest.raises(InputError, match="holds no arrays of three axes"):
        open_recording(tmp_path / "m.zarr")


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_ome_zarr(tmp_path, rng, zarr_format):
    stack = rng.integers(1, 4000, (6, 2, 3, 24, 32)).astype(np.uint16)
    group = zarr.open_group(tmp_path / "m.ome.zarr", mode="w", zarr_format=zarr_format)
    group.create_array("0", data=stack, chunks=(2, 1, 1, 24, 32))
    group.create_array("1", data=stack[..., ::2, ::2])
    names = [("t", "millisecond"), ("c", None), ("z", "micrometer"), ("y", "micrometer"), ("x", "nanometer")]
    axes = [{"name": name} | ({"unit": unit} if unit else {}) for name, unit in names]
    scale = {"type": "scale", "scale": [125.0, 1, 5, 2.0, 1500.0]}
    image = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": [scale]}, {"path": "1"}]}
    multiscales = {"multiscales": [image]}
    group.attrs.update(multiscales if zarr_format == 2 else {"ome": multiscales})
    with pytest.raises(InputError, match="holds 2 channels; choose one by channel=0 to channel=1"):
        open_recording(tmp_path / "m.ome.zarr", plane=1)
    recording = open_recording(tmp_path / "m.ome.zarr", channel=1, plane=2)
    np.testing.assert_array_equal(recording[4:1:-1], stack[4:1:-1, 1, 2])
    assert recording.shape == (6, 24, 32)
    assert recording.frame_rate_hz == pytest.approx(8.0)
    assert recording.pixel_size_um == pytest.approx((2.0, 1.5))


@pytest.mark.parametrize(("axis", "kind"), [("c", "channels"), ("z", "planes")])
def test_one_time_point_of_ome_zarr_is_no_movie(tmp_path, movie, axis, kind):
    group = zarr.open_group(tmp_path / "m.zarr", mode="w")
    group.create_array("0", data=movie[None, :3])
    axes = [{"name": name} for name in ("t", axis, "y", "x")]
    group.attrs.update({"ome": {"multiscales": [{"axes": axes, "datasets": [{"path": "0"}]}]}})
    with pytest.raises(InputError, match=rf"m\.zarr: a single time point of 3 {kind}; a movie has frames"):
        open_recording(tmp_path / "m.zarr")


def test_zarr_not_installed(tmp_path, movie, monkeypatch):
    path = write.zarr_array(tmp_path / "m.zarr", movie, 3)
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(InputError, match=r'm\.zarr.*pip install "lassovae\[zarr\]"'):
        open_recording(path)
