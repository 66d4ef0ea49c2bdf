"""The example: a whole run, and its errors, one line each, exit status 1, no traceback."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "calcium_fandn.py"


def run(folder, *arguments):
    return subprocess.run(
        [sys.executable, str(EXAMPLE), *arguments], cwd=folder, capture_output=True, text=True, timeout=120
    )


def assert_one_line(done, *words):
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    for word in words:
        assert word in lines[0]


# The smoke preset's main model alone: `make smoke` runs all of them.
ONE_MODEL = """
import dataclasses, runpy, sys
import lassovae
whole = lassovae.preset
def preset(*arguments):
    found = whole(*arguments)
    return dataclasses.replace(found, models={"end_to_end": found.models["end_to_end"]})
lassovae.preset = preset
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_a_whole_run(tmp_path):
    command = [sys.executable, "-c", ONE_MODEL, str(EXAMPLE), "--preset", "smoke", "--out", "out"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "begin with out/report.html" in done.stdout
    assert {"report.html", "results.npz", "tables", "figures", "checkpoints", "metrics.jsonl"} <= {
        p.name for p in (tmp_path / "out").iterdir()
    }


def test_a_study_that_does_not_exist(tmp_path):
    done = run(tmp_path, "--study", "nowhere.csv", "--out", "out")
    assert_one_line(done, "nowhere.csv")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["config.json", "thesis.txt"])
def test_an_output_folder_that_is_in_use(name, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("{}")
    done = run(tmp_path, "--preset", "smoke", "--out", "out")
    assert_one_line(done, "out", "choose another output folder")
    assert [p.name for p in (tmp_path / "out").iterdir()] == [name]
    assert (tmp_path / "out" / name).read_text() == "{}"
