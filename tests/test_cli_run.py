"""From nothing to a report by the commands alone, as a new user types them, on the smallest study that goes through."""

import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import tifffile
from test_records import assert_same

import lassovae
from lassovae import InputError
from lassovae._cli import main
from lassovae._cli._study import contents, differing_runs, open_study
from lassovae.data import read_study, simulate_study
from lassovae.data._truth import load_truth, save_truth
from lassovae.training import _keeper

SIZE = [
    "--num-runs",
    "4",
    "--frames",
    "40",
    "--frame-shape",
    "32",
    "32",
    "--num-cells",
    "4",
    "--block-size",
    "1",
]


def said(capsys):
    """The lines on the standard output; nothing may be on the standard error of who looks at a pipe."""
    out, err = capsys.readouterr()
    assert err == ""
    return out.splitlines()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A simulated study in demo/, trained and analysed in run/, all of it by the command line."""
    place = tmp_path_factory.mktemp("user")
    before = Path.cwd()
    os.chdir(place)
    try:
        assert main(["simulate", "--out", "demo", "--preset", "smoke", "--seed", "5", *SIZE]) == 0
        fit = [
            "fit",
            "demo/study.csv",
            "--out",
            "run",
            "--preset",
            "smoke",
            "--model",
            "block_mean",
            "--window",
            "16",
        ]
        assert main(fit) == 0
        assert main(["analyse", "run"]) == 0
    finally:
        os.chdir(before)
    return place


@pytest.fixture
def there(folder, monkeypatch):
    monkeypatch.chdir(folder)
    return folder


def test_simulate_writes_what_the_library_simulates(there, tmp_path, capsys):
    wanted = simulate_study(5, num_runs=4, frames=40, frame_shape=(32, 32), num_cells=4, block_size=1)
    study = open_study(Path("demo/study.csv"))
    for run, same in zip(study, wanted, strict=True):
        np.testing.assert_array_equal(run.recording[:], same.recording[:])
        assert (run.condition, run.block) == (same.condition, same.block)
        assert run.recording.frame_rate_hz == 10
    assert_same(wanted.truth, study.truth)
    assert (
        main(
            [
                "simulate",
                "--out",
                str(tmp_path / "new"),
                "--preset",
                "smoke",
                *SIZE,
                "--frames",
                "20",
                "30",
                "--json",
            ]
        )
        == 0
    )
    (line,) = said(capsys)
    found = json.loads(line)
    assert found["study"] == str(tmp_path / "new" / "study.csv")
    assert all(20 <= n <= 30 for n in found["frames"])


def test_simulate_never_overwrites(there, capsys):
    files = {p: p.read_bytes() for p in Path("demo").iterdir()}
    assert main(["simulate", "--out", "demo", *SIZE]) == 2
    assert (
        "demo already holds a simulation (truth.npz): choose another output folder" in capsys.readouterr().err
    )
    Path("demo/truth.npz").rename("kept.npz")
    assert main(["simulate", "--out", "demo", *SIZE]) == 2
    assert "is not overwritten" in capsys.readouterr().err
    Path("kept.npz").rename("demo/truth.npz")
    assert files == {p: p.read_bytes() for p in Path("demo").iterdir()}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ["--frames", "1", "2", "3"],
            "--frames takes one number, or the shortest and the longest run, not 3",
        ),
        (["--contrast", "2"], "contrast=2.0 must lie in [0, 1]"),
        (["--num-cells", "500"], "use fewer cells or larger frames"),
        (["--conditions", "F", "F"], "all different"),
        (["--seed", "-1"], "seed=-1"),
    ],
)
def test_simulate_refuses_in_one_line(options, words, tmp_path, capsys):
    assert main(["simulate", "--out", str(tmp_path / "x"), *SIZE, *options]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert words in err
    assert not (tmp_path / "x").exists()


def test_the_saved_analysis_is_the_librarys(there):
    study = open_study(Path("demo/study.csv"))
    again = lassovae.analyse(lassovae.load("run"), study)
    assert_same(again, lassovae.load_analysis("run"))
    assert again.recovery_pooled is not None  # truth.npz was found


def test_the_run_folder_has_everything(there):
    assert {p.name for p in Path("run").iterdir()} >= {
        *("config.json", "provenance.json", "study.json", "log.txt"),
        *("analysis.json", "analysis.npz", "results.npz", "tables"),
    }
    log = Path("run/log.txt").read_text().splitlines()
    assert [line[19:].split(maxsplit=1)[1] for line in log if "lassovae " in line][:2] == [
        "lassovae fit demo/study.csv --out run --preset smoke --model block_mean --window 16",
        "lassovae analyse run",
    ]
    assert any("The recordings are those of the training." in line for line in log)


def test_analyse_prints_findings_or_one_object(there, capsys):
    assert main(["analyse", "run"]) == 0
    lines = said(capsys)
    analysis = lassovae.load_analysis("run")
    assert lines[0].startswith("Do the conditions differ? ")
    assert analysis.design in lines
    assert any(line.startswith("Of the simulation's truth") for line in lines)
    assert lines[-1] == "Next: lassovae report run"
    assert main(["analyse", "run", "--json"]) == 0
    (line,) = said(capsys)
    found = json.loads(line)
    assert found["pvalue"] == analysis.condition_test.place.pvalue
    assert found["recovery"]["edges_a"] == pytest.approx(analysis.recovery_pooled.edges_a, nan_ok=True)
    assert (found["runs_unlike_training"], found["conditions"]) == ([], {"F": 2, "N": 2})


@pytest.fixture
def drawn(monkeypatch):
    """What the command hands to the report, which draws nothing: that takes long, and has tests of its own."""
    calls = []
    monkeypatch.setattr("lassovae._cli._room.write_report", lambda *call: calls.append(call))
    return calls


def test_report_writes_the_page_of_the_saved_analysis(there, capsys):
    assert main(["report", "run"]) == 0
    assert said(capsys) == ["Report in run/report.html: open it in a browser."]
    page = Path("run/report.html").read_text()
    assert "block_mean" in page or "block mean" in page
    assert lassovae.load_analysis("run").design.split(" can be")[0] in page


def test_report_takes_the_analysis_or_makes_it(there, drawn, tmp_path, capsys):
    assert main(["report", "run"]) == 0
    assert said(capsys) == ["Report in run/report.html: open it in a browser."]
    folder, results, study, inputs = drawn.pop()
    assert folder == Path("run")
    assert_same(results["block_mean"][1], lassovae.load_analysis("run"))
    assert study.names == results["block_mean"][1].names
    assert inputs == contents(study)
    Path("run/analysis.json").unlink()
    assert main(["report", "run", "--json"]) == 0
    (line,) = said(capsys)
    assert json.loads(line) == {"report": "run/report.html", "analysed_first": "There is no analysis yet"}
    tree = json.loads(Path("run/analysis.json").read_text())
    tree["origin"]["model"] = "another"
    Path("run/analysis.json").write_text(json.dumps(tree))
    assert main(["report", "run"]) == 0
    assert said(capsys)[0] == "The analysis there is of another training: analysed first."
    relabelled = tmp_path / "study.csv"
    rows = Path("demo/study.csv").read_text().replace("run_", f"{there}/demo/run_").splitlines()
    relabelled.write_text(
        "\n".join([*rows[:3], rows[4], rows[3]])
    )  # their order says which was recorded first
    assert main(["report", "run", str(relabelled)]) == 0
    assert said(capsys)[0].startswith("The analysis there is of other recordings, conditions or blocks: ")
    assert main(["report", "run", "--again"]) == 0
    assert said(capsys)[0] == "Asked to analyse again: analysed first."
    assert drawn[-1][2].labels == read_study(relabelled).labels  # still of the study that was analysed last
    assert main(["report", "run", "demo/study.csv"]) == 0
    assert said(capsys)[0].startswith("The analysis there is of other recordings, conditions or blocks: ")


def test_exports_are_planned_before_anything_is_computed(there, tmp_path, capsys, monkeypatch):
    shutil.copytree("run", tmp_path / "run")
    table = ["analyse", str(tmp_path / "run"), "demo/study.csv", "--export"]
    assert main([*table, "nwb", "tiff", "csv", "--json"]) == 0
    found = json.loads(said(capsys)[0])["exports"]
    assert {kind: Path(path).name for kind, path in found.items()} == {
        "nwb": "results.nwb",
        "tiff": "maps.tif",
        "csv": "csv",
    }
    analysis = lassovae.load_analysis("run")
    maps = tifffile.imread(found["tiff"])
    np.testing.assert_allclose(maps[: len(analysis.maps)], analysis.maps, rtol=1e-6)
    assert main([*table, "tiff"]) == 2
    assert "maps.tif: exists and is not overwritten" in capsys.readouterr().err
    monkeypatch.setattr("lassovae._cli._exports.find_spec", lambda name: None)
    shutil.rmtree(tmp_path / "run" / "exports")
    assert main([*table, "nwb"]) == 2
    assert "pip install 'lassovae[nwb]'" in capsys.readouterr().err


def test_a_study_that_moved_with_its_run_is_found(there, drawn, tmp_path, capsys):
    for name in ("demo", "run"):
        shutil.copytree(name, tmp_path / "new" / name)
    old = (tmp_path / "new" / "run" / "study.json").read_text()
    (tmp_path / "new" / "run" / "study.json").write_text(old.replace(str(there), "/nowhere"))
    assert main(["report", str(tmp_path / "new" / "run")]) == 0


def test_a_study_that_is_gone(there, tmp_path, capsys):
    shutil.copytree("run", tmp_path / "run")
    (tmp_path / "run" / "study.json").write_text(
        json.dumps({"format_version": 1, "csv": "/nowhere/study.csv", "csv_from_here": "x.csv"})
    )
    (tmp_path / "run" / "analysis.json").unlink()  # which knows its study, too
    for command in ("analyse", "report"):
        assert main([command, str(tmp_path / "run")]) == 2
        expected = f"name it: lassovae {command} {tmp_path / 'run'} STUDY.csv\n"
        assert capsys.readouterr().err.endswith(expected)
    (tmp_path / "run" / "study.json").unlink()
    assert main(["analyse", str(tmp_path / "run")]) == 2
    assert "does not say where its study is, as when it was trained in Python" in capsys.readouterr().err
    (tmp_path / "run" / "study.json").write_text("{")
    assert main(["analyse", str(tmp_path / "run")]) == 2
    assert "study.json is not valid JSON" in capsys.readouterr().err


def test_other_recordings_are_told_from_those_of_the_training(there, tmp_path, capsys):
    for name in ("demo", "run"):
        shutil.copytree(name, tmp_path / name)
    file = tmp_path / "demo" / "run_02.tif"
    pixels = tifffile.imread(file)
    pixels[7, 3, 2] += 1
    tifffile.imwrite(file, pixels, photometric="minisblack", metadata={"axes": "TYX"})
    assert main(["analyse", str(tmp_path / "run")]) == 2
    line = capsys.readouterr().err
    assert "the pixels of run run_02 are not those that" in line
    assert "log.txt" not in line
    assert (tmp_path / "run" / "log.txt").read_text().splitlines()[-1].count("run_02") == 1
    assert main(["analyse", str(tmp_path / "run"), str(tmp_path / "demo" / "study.csv"), "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["runs_unlike_training"] == ["run_02"]
    assert "did not see these pixels of run run_02" in err


@pytest.mark.parametrize("command", ["analyse", "report"])
def test_folders_that_are_no_runs(command, tmp_path, capsys):
    assert main([command, str(tmp_path / "nothing")]) == 2
    assert "no such folder; give the folder that lassovae fit --out made" in capsys.readouterr().err
    assert main([command, str(tmp_path)]) == 2
    assert "not a run folder: it has no config.json" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def other(there, tmp_path):
    """A copy of the run, and a CSV of the same recordings but for one pixel, told to be of 30 frames a second."""
    for name in ("demo", "run"):
        shutil.copytree(name, tmp_path / name)
    table = tmp_path / "demo" / "study.csv"
    pixels = tifffile.imread(tmp_path / "demo" / "run_02.tif")
    pixels[7, 3, 2] += 1
    tifffile.imwrite(
        tmp_path / "demo" / "later.tif", pixels, photometric="minisblack", metadata={"axes": "TYX"}
    )
    later = table.with_name("later.csv")
    later.write_text(table.read_text().replace("run_02.tif", "later.tif").replace(",10.0", ",30.0"))
    return tmp_path / "run", table, later


def test_the_report_is_of_the_study_and_the_strength_that_were_analysed(other, drawn, capsys):
    run, table, later = other
    assert main(["analyse", str(run), str(later), "--lam", "0.05"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"Next: lassovae report {run} {later}"
    saved = lassovae.load_analysis(run)
    for command in (["report", str(run)], ["report", str(run), str(later)], ["report", str(run), "--again"]):
        assert main(command) == 0
        _, results, study, inputs = drawn.pop()
        assert "later" in study.names
        assert inputs == contents(study)
        assert results["block_mean"][1].lam == 0.05
        assert_same(saved, lassovae.load_analysis(run))
    capsys.readouterr()
    assert main(["analyse", str(run), str(table)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"Next: lassovae report {run}"
    assert main(["analyse", str(run), str(later)]) == 0
    later.unlink()
    assert main(["report", str(run)]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert f"is no longer at {later}; name it: lassovae report {run} STUDY.csv" in line


def test_another_frame_rate_is_warned_of(other, capsys):
    run, table, later = other
    assert main(["analyse", str(run), str(table)]) == 0
    assert capsys.readouterr().err == ""
    assert main(["analyse", str(run), str(later)]) == 0
    said = capsys.readouterr().err
    assert "Recordings of 30 frames a second are analysed with a model that was trained at 10: " in said
    old = json.loads((run / "study.json").read_text())
    for entry in old["runs"]:
        del entry["frame_rate_hz"]  # as before rates were kept
    (run / "study.json").write_text(json.dumps(old))
    assert main(["analyse", str(run), str(later)]) == 0
    assert "frames a second" not in capsys.readouterr().err


def test_a_refused_resume_leaves_the_run_as_it_was(other, drawn, capsys):
    run, table, later = other
    renamed = later.with_name("renamed.csv")  # runs of the same names and lengths, so that only pixels differ
    (later.parent / "new").mkdir()
    (later.parent / "later.tif").rename(later.parent / "new" / "run_02.tif")
    renamed.write_text(table.read_text().replace("run_02.tif", "new/run_02.tif"))
    before = (run / "study.json").read_bytes()
    fit = ["--out", str(run), "--preset", "smoke", "--model", "block_mean", "--window", "16", "--resume"]
    assert main(["fit", str(renamed), *fit]) == 2
    assert "cannot be resumed: the pixels of run run_02 have changed" in capsys.readouterr().err
    assert (run / "study.json").read_bytes() == before
    assert main(["report", str(run)]) == 0
    assert main(["fit", str(table), *fit]) == 0


def test_truth_survives_a_study_with_fewer_runs_and_is_refused_by_another(there, tmp_path, caplog):
    shutil.copytree("demo", tmp_path / "demo")
    table = tmp_path / "demo" / "study.csv"
    header, *rows = table.read_text().splitlines()
    table.write_text("\n".join([header, rows[2], rows[0]]))
    fewer, whole = open_study(table), open_study(Path("demo/study.csv"))
    assert_same(fewer.truth.traces, (whole.truth.traces[2], whole.truth.traces[0]))
    (tmp_path / "demo" / "run_00.tif").rename(tmp_path / "demo" / "mine.tif")
    table.write_text("\n".join([header, rows[2], rows[0].replace("run_00", "mine")]))
    assert open_study(table).truth is None
    assert "mine is not in it" in caplog.text
    (tmp_path / "demo" / "truth.npz").write_text("no")
    with pytest.raises(InputError, match=r"truth\.npz: not the truth of a simulation"):
        open_study(table)


def test_truth_is_not_overwritten(tmp_path):
    truth = simulate_study(1, num_runs=2, frames=4, frame_shape=(32, 32), num_cells=3).truth
    save_truth(truth, ["a", "b"], tmp_path / "truth.npz")
    back, names = load_truth(tmp_path / "truth.npz")
    assert names == ("a", "b")
    assert_same(truth, back)
    with pytest.raises(InputError, match="not overwritten"):
        save_truth(truth, ["a", "b"], tmp_path / "truth.npz")
    with pytest.raises(InputError, match="1 names for 2 runs"):
        save_truth(truth, ["a"], tmp_path / "other.npz")
    with pytest.raises(InputError, match="no such file"):
        load_truth(tmp_path / "other.npz")


def test_verbose_speaks_where_nobody_looks(there, drawn, capsys):
    for verbose, spoken in (([], ""), (["--verbose"], "Taking the analysis that is saved there.\n")):
        assert main(["report", "run", *verbose]) == 0
        out, err = capsys.readouterr()
        assert out.endswith("open it in a browser.\n")
        assert err == spoken


def test_read_study_needs_no_truth(there):
    assert read_study("demo/study.csv").truth is None


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_a_training_with_its_status_and_the_way_on(
    number, status, there, tmp_path, capsys, monkeypatch
):
    command = ["fit", "demo/study.csv", "--out", str(tmp_path / "run"), "--preset", "smoke", "--window", "16"]
    command += ["--model", "sequential", "--channels", "4"]
    done = _keeper.Keeper.wrote

    def signalled(keeper, row):
        done(keeper, row)
        if row["step"] == 2:  # the third is under way; the fourth is the next at whose end it asks
            signal.raise_signal(number)

    with monkeypatch.context() as patch:
        patch.setattr(_keeper.Keeper, "wrote", signalled)
        assert main(command) == status
    out, err = capsys.readouterr()
    said = f"stopped by {number.name} at step 4, which is saved: go on with resume=True"
    said += " (the same command with --resume)"
    assert (out, err) == ("", f"lassovae: error: {said}\n")
    assert (tmp_path / "run" / "log.txt").read_text().endswith(f"{said}\n")
    monkeypatch.chdir(there)
    assert main([*command, "--resume"]) == 0
    capsys.readouterr()
    assert main([*command[:4], "--resume", "--verbose"]) == 0  # with the settings of the folder
    assert "Going on with the settings in" in capsys.readouterr().err
    assert main([*command[:4], "--resume", "--window", "20"]) == 2
    assert "repeat the options of the first call" in capsys.readouterr().err
    assert main(command) == 2
    assert "go on with it (resume=True, --resume)" in capsys.readouterr().err
    assert json.loads((tmp_path / "run" / "study.json").read_text())["model"] == "sequential"


def test_recordings_that_changed_places_are_not_those_of_the_training(tmp_path):
    inputs = [{"run": name, "sha256": pixels} for name, pixels in (("a", "1"), ("b", "2"))]
    (tmp_path / "provenance.json").write_text(json.dumps({"inputs": inputs}))
    for found, expected in (
        ({"a": "1", "b": "2"}, []),
        ({"b": "2", "a": "1"}, []),
        ({"a": "2", "b": "1"}, ["a", "b"]),
        ({"a": "1", "renamed": "2"}, []),
        ({"a": "1", "new": "3"}, ["new"]),
    ):
        entries = [{"run": name, "sha256": pixels} for name, pixels in found.items()]
        assert differing_runs(tmp_path, entries) == expected
