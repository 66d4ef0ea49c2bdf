"""Studies on disk: the CSV's errors by row, the round trip, and the real recordings."""

from __future__ import annotations

import movie_writers as write
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
    stack = np.arange(3 * 2 * 8 * 8, dtype="u2").reshape(3, 2, 8, 8)
    write.imagej(tmp_path / "stack.tif", stack, axes="TCYX")
    write.hdf5(tmp_path / "many.h5", a=stack[:, 0], b=stack[:, 1])
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
        ("recording,condition,pixel_size_um\na.tif,F,-1\n", r"row 2.*pixel_size_um"),
        ("recording,condition,pixel_size_um\na.tif,F,small\n", r"row 2.*pixel_size_um"),
        ("recording,condition,channel\na.tif,F,green\n", r"row 2: channel='green' is not a number from 0"),
        ("recording,condition,plane\na.tif,F,-1\n", r"row 2: plane='-1' is not a number from 0"),
        ("recording,condition,plane\na.tif,F,1\n", r"row 2.*a\.tif: plane=1, but the file holds one plane"),
        ("recording,condition,dataset\na.tif,F,x\n", r"row 2.*dataset='x' means nothing for a TIFF"),
        ("recording,condition\nstack.tif,F\n", r"row 2.*stack\.tif: holds 2 channels; .*the column channel"),
        (
            "recording,condition,channel\nstack.tif,F,0\nstack.tif,N,0\n",
            r"row 3.*already the recording of row 2",
        ),
        (
            "recording,condition\nmany.h5,F\n",
            r"row 2.*many\.h5: holds 2 datasets.*/a, /b; .*the column dataset",
        ),
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


def test_blanks_around_a_cell_are_its_own_only_in_the_name_of_a_file(folder):
    first = sorted(folder.glob("*.tif"))[0]
    (folder / " blank .tif").write_bytes(first.read_bytes())
    study = read(folder, f'recording, condition\n" blank .tif", F\n {first.name} ,N \n')
    assert study.names == (" blank ", first.stem)
    assert study.conditions == ("F", "N")


def test_channels_datasets_and_pixel_sizes(folder):
    stack = np.arange(3 * 2 * 8 * 8, dtype="u2").reshape(3, 2, 8, 8)
    study = read(
        folder,
        "recording,condition,channel,dataset,pixel_size_um,frame_rate_hz\n"
        "stack.tif,F,0,,,\nstack.tif,N,1,,0.5,4\nmany.h5,F,,a,,\nmany.h5,N,,b,2,\na.tif,N,,,,\n",
    )
    assert study.names == ("stack channel 0", "stack channel 1", "many dataset a", "many dataset b", "a")
    for run, channel in zip(study, (0, 1, 0, 1), strict=False):
        np.testing.assert_array_equal(run.recording[:], stack[:, channel])
    assert study.runs[0].recording.pixel_size_um == pytest.approx(write.PIXEL)
    assert [run.recording.pixel_size_um for run in study][1:] == [(0.5, 0.5), None, (2.0, 2.0), None]
    assert study.runs[0].recording.frame_rate_hz == pytest.approx(write.RATE)
    assert study.runs[1].recording.frame_rate_hz == 4.0


def test_a_square_pixel_survives_the_round_trip(tmp_path):
    array = np.ones((3, 8, 8), "u2")
    runs = (
        Run("a", ArrayRecording(array, pixel_size_um=0.7), "F", 0),
        Run("b", ArrayRecording(array, pixel_size_um=(1, 2)), "N", 1),
    )
    back = read_study(write_study(Study(runs), tmp_path))
    assert [run.recording.pixel_size_um for run in back] == [(0.7, 0.7), None]


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
