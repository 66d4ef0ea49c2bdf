"""Studies on disk: the CSV's errors by row, the round trip, and the real recordings."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from lassovae._errors import InputError
from lassovae.data import ArrayRecording, Run, Study, content_hash, read_study, simulate_study, write_study


@pytest.fixture
def folder(tmp_path):
    for name in ("a.tif", "b.tif", "sub/a.tif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        tifffile.imwrite(tmp_path / name, np.ones((3, 8, 8), "u2"), photometric="minisblack")
    return tmp_path


def read(folder, text):
    (folder / "study.csv").write_text(text, encoding="utf-8")
    return read_study(folder / "study.csv")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("recording,block\na.tif,0\n", r"row 1.*condition"),
        ("recording,condition,mouse\na.tif,F,1\n", r"row 1.*mouse"),
        ("recording,condition\na.tif,F\nb.tif,\n", r"row 3.*condition.*empty"),
        ("recording,condition\na.tif,F\nc.tif,F\n", r"row 3.*c\.tif"),
        ("recording,condition\na.tif,F\nsub/../a.tif,N\n", r"row 3.*row 2"),
        ("recording,condition,block\na.tif,F,x\n", r"row 2.*'x'.*integer"),
        ("recording,condition,frame_rate_hz\na.tif,F,-3\n", r"row 2.*frame_rate_hz"),
        ("recording,condition,frame_rate_hz\na.tif,F,fast\n", r"row 2.*frame_rate_hz"),
        ("recording,condition\n", "no rows"),
        ("", "column|empty"),
        ("recording,condition\na.tif,F,extra\n", "row 2"),
    ],
)
def test_errors_name_the_row(folder, text, words):
    with pytest.raises(InputError, match=words) as caught:
        read(folder, text)
    assert "study.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_csv_that_is_none(folder):
    (folder / "latin.csv").write_bytes("recording,condition\na.tif,früh\n".encode("latin-1"))
    with pytest.raises(InputError, match="UTF-8"):
        read_study(folder / "latin.csv")
    for path in (folder, folder / "gone.csv"):
        with pytest.raises(InputError):
            read_study(path)


def test_names_blocks_and_rates(folder):
    study = read(folder, "recording,condition\na.tif,F\nb.tif,F\nsub/a.tif,N\n")
    assert study.blocks == (0, 0, 1)
    assert len(set(study.names)) == 3
    assert study.name == folder.name
    study = read(folder, "recording,condition,block,frame_rate_hz\na.tif,F,4,7.5\nb.tif,N,2,\n")
    assert study.blocks == (4, 2)
    assert [run.recording.frame_rate_hz for run in study] == [7.5, None]


def test_round_trip_is_exact_and_overwrites_nothing(tmp_path):
    study = simulate_study(3, num_runs=3, frames=(20, 30), frame_shape=(32, 40), num_cells=4, block_size=2)
    path = write_study(study, tmp_path / "out")
    back = read_study(path)
    assert (back.names, back.labels, back.blocks) == (study.names, study.labels, study.blocks)
    for ours, theirs in zip(study, back, strict=True):
        np.testing.assert_array_equal(ours.recording[:], theirs.recording[:])
        assert content_hash(ours.recording) == content_hash(theirs.recording)
        assert ours.recording.frame_rate_hz == theirs.recording.frame_rate_hz
    before = {p.name: p.read_bytes() for p in path.parent.iterdir()}
    with pytest.raises(InputError, match="overwritten"):
        write_study(study, tmp_path / "out")
    assert before == {p.name: p.read_bytes() for p in path.parent.iterdir()}


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_dtype_survives(tmp_path, dtype):
    array = np.arange(3 * 8 * 8).reshape(3, 8, 8).astype(dtype)
    back = read_study(write_study(Study((Run("a", ArrayRecording(array), "F", 0),)), tmp_path))
    assert back.runs[0].recording.dtype == array.dtype
    np.testing.assert_array_equal(back.runs[0].recording[:], array)


def test_real_recordings(recordings):
    study = read_study(recordings / "fmi_2p" / "study.csv")
    assert [run.recording.shape for run in study] == [(200, 144, 192)] * 8
    assert {run.recording.dtype for run in study} == {np.dtype("uint16")}
    assert study.labels == ("early",) * 4 + ("late",) * 4
    assert study.blocks == (0, 0, 1, 1, 2, 2, 3, 3)
    reference = tifffile.imread(recordings / "fmi_2p" / "run_03.tif")
    np.testing.assert_array_equal(study.runs[3].recording[90:110], reference[90:110])
