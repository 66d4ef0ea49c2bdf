import numpy as np
import pytest
import tifffile

from lassovae import InputError
from lassovae.data import ArrayRecording, Run, Study, read_study, simulate_study, write_study


def a_run(name, condition="F", block=0, frames=20, shape=(8, 8)):
    return Run(name, ArrayRecording(np.ones((frames, *shape), np.uint8), name=name), condition, block)


def a_study(**changes):
    return Study((a_run("a"), a_run("b"), a_run("c", "N", 1), a_run("d", "N", 1, **changes)))


def test_views_of_a_study():
    study = a_study(frames=30)
    assert (len(study), study.names, study.labels) == (4, ("a", "b", "c", "d"), ("F", "F", "N", "N"))
    assert (study.conditions, study.blocks, study.lengths) == (("F", "N"), (0, 0, 1, 1), (20, 20, 20, 30))
    assert (study.frame_shape, study.select("N")) == ((8, 8), (2, 3))
    assert [run.name for run in study] == list(study.names)
    study.check(order=5, window=16, conditions=("N", "F"))


@pytest.mark.parametrize(
    ("study", "options", "message"),
    [
        (a_study(shape=(8, 16)), {}, r"run d: frames of \(8, 16\) pixels, but run a has \(8, 8\)"),
        (a_study(frames=15), {}, r"shorter than 16 frames, which order=5 and window=16 need: d \(15\)"),
        (a_study(frames=19), {"order": 18}, r"shorter than 20 frames.*d \(19\)"),
        (Study((a_run("a"), a_run("b"), a_run("c", "N"))), {}, "condition 'N' has 1 of the 2 runs"),
        (a_study(), {"conditions": ("F", "dark")}, "no run has condition 'dark'; the study has 'F', 'N'"),
    ],
)
def test_a_study_that_cannot_be_compared(study, options, message):
    with pytest.raises(InputError, match=message):
        study.check(**({"order": 5, "window": 16} | options))


def test_one_run_a_condition_is_enough_where_nothing_is_compared():
    Study((a_run("a"), a_run("c", "N"))).check(order=5, window=16, conditions_min_runs=1)


def test_run_names_differ_and_there_is_a_run():
    with pytest.raises(InputError, match="run names must differ, a occurs"):
        Study((a_run("a"), a_run("a")))
    with pytest.raises(InputError, match="at least one run"):
        Study(())


@pytest.fixture
def folder(tmp_path, rng):
    for name in ("r1", "r2", "r3"):
        movie = rng.integers(0, 99, (9, 8, 8)).astype(np.uint16)
        tifffile.imwrite(tmp_path / f"{name}.tif", movie, photometric="minisblack")
    return tmp_path


def study_csv(folder, text, encoding="utf-8"):
    (folder / "study.csv").write_bytes(text.encode(encoding))
    return folder / "study.csv"


def test_reading_a_table(folder):
    text = (
        'recording,condition,block,frame_rate_hz\r\nr1.tif,"dark, rearing",4,30\r\n\r\nr2.tif,lumière,4,\r\n'
    )
    study = read_study(study_csv(folder, text, "utf-8-sig"))
    assert (study.names, study.labels, study.blocks) == (("r1", "r2"), ("dark, rearing", "lumière"), (4, 4))
    assert [run.recording.frame_rate_hz for run in study] == [30.0, None]
    assert study.name == folder.name
    assert study.truth is None


def test_blocks_are_stretches_of_a_condition_where_none_are_given(folder):
    study = read_study(study_csv(folder, "recording,condition\nr1.tif,F\nr2.tif,N\nr3.tif,F\n"))
    assert study.blocks == (0, 1, 2)


def test_equal_file_names_in_two_folders_are_told_apart(folder):
    (folder / "day2").mkdir()
    (folder / "r1.tif").rename(folder / "day2" / "r2.tif")
    study = read_study(study_csv(folder, "recording,condition\nr2.tif,F\nday2/r2.tif,F\n"))
    assert study.names == ("r2.tif", "day2/r2.tif")


HEAD = "recording,condition,block,frame_rate_hz\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "row 1: no column recording and condition"),
        ("recording,group\nr1.tif,F\n", "row 1: no column condition"),
        ("recording;condition\nr1.tif;F\n", "separate columns by commas, not ';'"),
        ("recording,condition,blok\nr1.tif,F,0\n", "unknown column 'blok'; known are recording"),
        ("recording,condition,condition\nr1.tif,F,F\n", "a column occurs twice"),
        (HEAD, "a header and no rows"),
        (HEAD + "r1.tif,F,0,\nr2.tif,,0,\n", "row 3: the cell under condition is empty"),
        (HEAD + ",F,0,\n", "row 2: the cell under recording is empty"),
        (HEAD + "r1.tif,F,,\n", "row 2: the cell under block is empty"),
        (HEAD + "r1.tif,F,one,\n", "row 2: block='one' is not an integer"),
        (HEAD + "r1.tif,F,0,fast\n", "row 2: frame_rate_hz='fast' must be a finite number above 0"),
        (HEAD + "r1.tif,F,0,-3\n", "row 2: frame_rate_hz='-3' must be"),
        (HEAD + "r1.tif,F,0\n", "row 2: 3 cells under 4 columns"),
        (HEAD + "r1.tif,F,0,\nr9.tif,F,0,\n", r"row 3: .*r9\.tif: no such file"),
        (
            HEAD + "r1.tif,F,0,\nr2.tif,F,0,\n./r1.tif,F,0,\n",
            r"row 4: \./r1\.tif is already the recording of row 2",
        ),
        (HEAD + "study.csv,F,0,\n", r"row 2: .*kind '\.csv' cannot be read"),
        (HEAD + 'r1.tif,"F,0,\n', "not a CSV row"),
        ("II*\0\0\0", "binary data"),
    ],
)
def test_tables_with_an_error(folder, text, message):
    with pytest.raises(InputError, match=message) as caught:
        read_study(study_csv(folder, text))
    assert "study.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_tables_in_another_encoding(folder):
    with pytest.raises(InputError, match="not UTF-8 text"):
        read_study(study_csv(folder, "recording,condition\nr1.tif,lumière\n", "latin-1"))


def test_tables_that_are_not_there(folder):
    with pytest.raises(InputError, match=r"none\.csv: no such CSV file"):
        read_study(folder / "none.csv")
    with pytest.raises(InputError, match="pass the CSV in it"):
        read_study(folder)


def test_round_trip(tmp_path):
    study = simulate_study(
        3,
        num_runs=3,
        frames=(20, 40),
        frame_shape=(32, 32),
        num_cells=4,
        block_size=1,
        conditions=("a,b", 'say "N"'),
    )
    path = write_study(study, tmp_path / "new" / "study")
    again = read_study(path)
    assert (again.names, again.labels, again.blocks) == (study.names, study.labels, study.blocks)
    for old, new in zip(study, again, strict=True):
        assert new.recording.dtype == np.uint16
        assert new.recording.frame_rate_hz == old.recording.frame_rate_hz
        np.testing.assert_array_equal(new.recording[:], old.recording[:])


def test_nothing_is_overwritten(tmp_path):
    study = a_study()
    write_study(study, tmp_path)
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(InputError, match=r"study\.csv: exists and is not overwritten"):
        write_study(study, tmp_path)
    (tmp_path / "study.csv").unlink()
    with pytest.raises(InputError, match=r"a\.tif: exists and is not overwritten"):
        write_study(study, tmp_path)
    assert all(file.read_bytes() == content for file, content in before.items() if file.name != "study.csv")


def test_names_that_are_no_file_names(tmp_path):
    study = Study((a_run("day 1/run:1"), a_run("day 1/run?1"), a_run("../x", "N"), a_run("X", "N")))
    again = read_study(write_study(study, tmp_path / "out"))
    assert len(set(again.names)) == 4
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]


@pytest.mark.parametrize("condition", ["", "  ", " F"])
def test_conditions_that_a_table_would_change(tmp_path, condition):
    with pytest.raises(InputError, match="blank"):
        write_study(Study((a_run("a", condition),)), tmp_path)


def test_real_studies(recordings):
    study = read_study(recordings / "fmi_2p" / "study.csv")
    assert (study.conditions, study.lengths, study.frame_shape) == (("early", "late"), (200,) * 8, (144, 192))
    study.check(order=5, window=64)
    study = read_study(recordings / "thunder_mouse_2p_64px" / "study.csv")
    assert (study.blocks, study.frame_shape) == ((0, 1, 2, 3), (64, 64))
