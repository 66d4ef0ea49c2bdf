"""Names as hostile as a table may hold, by the command line from the CSV to the report and the exports."""

import csv
import json
import unicodedata
import zipfile
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
import tifffile

from lassovae import InputError
from lassovae._cli import main
from lassovae._names import LONGEST_BYTES, fault, file_stem, member, unique
from lassovae.data import ArrayRecording, Run, Study, read_study, write_study

FORMULA = "=cmd|' /C calc'!A0"
LONG = "x" * 200
CONDITIONS = (
    *("<script>alert(1)</script>", "../../x", LONG, "naïve – 日本語 🧠", FORMULA, "שלום\u200f"),
    *("F", "F, one fit"),
)
FILES = (
    *("<b>bold</b", "=1+cmd|' calc'!A0", "a b", "naïve – 日本語 🧠", "y" * 200, "CON", ".hidden", "-rf"),
    *('"quoted, comma"', "con", "שלום\u200f", "$x_{", "{{ 7 * 7 }}", "%s %d {0}", "../../x", "x"),
)
NAMES = [
    *CONDITIONS,
    *FILES,
    "CON",
    ".hidden",
    "-rf",
    "a b",
    "..",
    ".",
    "a/b",
    "a\\b",
    "a%2Fb",
    "/etc/passwd",
]


def files_below(folder):
    return {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """(folder above all, folder of the study, what there was before) of a study that went through every command."""
    above = tmp_path_factory.mktemp("above")
    here = above / "a" / "b"
    here.mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows = [["recording", "condition", "block"]]
    for number in range(2 * len(CONDITIONS)):
        name = f"{FILES[number]}.tif" if number < len(FILES) else f"z{number}.tif"
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(here / name, rng.integers(500, 1500, (20, 16, 24)).astype(np.uint16))
        rows.append([name, CONDITIONS[number // 2], number // 2])
    with open(here / "study.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    before = files_below(above)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        settings = ["--model", "block_mean", "--window", "8", "--order", "1"]
        assert main(["check", "study.csv", *settings]) == 0
        assert main(["fit", "study.csv", "--out", "run", *settings]) == 0
        assert main(["analyse", "run", "--export", "nwb", "tiff", "csv"]) == 0
        assert main(["report", "run"]) == 0
    return above, here, before


def test_nothing_is_written_outside_of_the_run_folder(place):
    above, _, before = place
    after = files_below(above)
    assert {name: after.get(name) for name in before} == before
    assert {str(Path(name).parts[:3]) for name in set(after) - set(before)} == {str(("a", "b", "run"))}


def test_tables_hold_the_very_names(place):
    _, here, _ = place
    study = read_study(here / "study.csv")
    assert set(study.conditions) == set(CONDITIONS)
    pairs = set(zip(study.names, study.labels, strict=True))
    checked = 0
    for path in [*(here / "run" / "tables").glob("*.csv"), *(here / "run" / "exports" / "csv").glob("*.csv")]:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert all(None not in row and None not in row.values() for row in rows), path
        for row in rows:
            if {"run", "condition"} <= set(row):
                assert (row["run"], row["condition"]) in pairs
                checked += 1
            elif "condition" in row:
                assert row["condition"] in CONDITIONS
            for column in ("group_a", "group_b"):
                assert row.get(column, CONDITIONS[0]).split(" half")[0] in CONDITIONS, (path, row[column])
    assert checked > 3 * len(study)


def test_archives_unpack_to_nothing_outside_and_no_array_is_lost(place, tmp_path):
    _, here, _ = place
    study = read_study(here / "study.csv")
    with zipfile.ZipFile(here / "run" / "results.npz") as archive:
        stems = [name.removesuffix(".npy") for name in archive.namelist()]
        for stem in stems:
            parts = stem.split("/")
            assert len(parts) in (2, 3), stem
            assert not {"", ".", ".."} & set(parts), stem
            assert "\\" not in stem
    kept = [unquote(stem.split("/")[2]) for stem in stems if "/latents/" in stem]
    assert kept == list(study.names)
    for what in ("pooled_coef", "condition_map"):
        assert [unquote(s.split("/")[2]) for s in stems if f"/{what}/" in s] == list(CONDITIONS)


def test_every_map_is_exported_under_a_label_of_its_own(place):
    import pynwb

    _, here, _ = place
    study = read_study(here / "study.csv")
    number = len(study) + 2 * len(CONDITIONS) + 1
    with tifffile.TiffFile(here / "run" / "exports" / "maps.tif") as file:
        labels = file.imagej_metadata["Labels"]
        assert file.asarray().shape == (number, 16, 24)
    assert len(labels) == len(set(labels)) == number
    assert all(
        f"run {name} ({label})" in labels for name, label in zip(study.names, study.labels, strict=True)
    )
    assert {"condition F, one fit", "condition F, one fit (2)", "condition F, one fit, one fit"} < set(labels)
    with pynwb.NWBHDF5IO(here / "run" / "exports" / "results.nwb", "r") as io:
        module = io.read().processing["lassovae"]
        assert len(module["maps"].images) == number
        assert list(module["runs"]["run"][:]) == list(study.names)
        assert list(module["conditions"]["condition"][:]) == list(CONDITIONS)


def test_the_page_and_the_log_say_every_name_and_run_none(place):
    _, here, _ = place
    page = (here / "run" / "report.html").read_text(encoding="utf-8")
    assert page.count("<script") == 2  # its own
    assert "<b>" not in page
    log = (here / "run" / "log.txt").read_text(encoding="utf-8")
    assert all(unicodedata.category(sign) != "Cc" for sign in log.replace("\n", ""))
    saved = json.loads((here / "run" / "config.json").read_text(encoding="utf-8"))
    assert [run["name"] for run in saved["runs"]] == list(read_study(here / "study.csv").names)


def test_file_names_are_harmless_and_differ_whatever_the_case():
    taken = []
    for name in [*NAMES, *NAMES, "日" * 200, "日" * 201, "Com1", "lpt9.x"]:
        stem = file_stem(name, taken)
        taken.append(stem)
        assert Path(f"{stem}.tif").name == f"{stem}.tif"
        assert stem[0] not in ".-"
        assert len(stem.encode()) <= LONGEST_BYTES + 4
        assert stem.split(".")[0].lower() not in ("con", "com1", "lpt9")
    assert len({stem.lower() for stem in taken}) == len(taken)
    assert file_stem("run_00") == "run_00"


def test_names_in_archives_are_no_paths_and_can_be_read_back():
    found = [member(name) for name in NAMES]
    assert [unquote(name) for name in found] == NAMES
    assert all("/" not in name and "\\" not in name and not name.startswith(".") for name in found)
    assert member("run_00.x") == "run_00.x"
    assert unique(["a", "a", "a (2)", "b"]) == ["a", "a (2)", "a (2) (2)", "b"]


def study_called(name="r", condition="F"):
    movie = np.random.default_rng(0).integers(0, 99, (4, 16, 16)).astype(np.uint8)
    return Study((Run(name, ArrayRecording(movie, name="r"), condition, 0),))


@pytest.mark.parametrize(
    "name", ["", "  ", "a\nb", "a\rb", "a\tb", "a\0b", "\x1b[2J", "a\u202eb", "\u2066a", "\ud800"]
)
def test_names_that_cannot_be_seen_are_refused_by_one_error(name, tmp_path):
    for what in ("name", "condition"):
        with pytest.raises(InputError, match=rf"study: the {what} .* of a run .*; rename it"):
            study_called(**{what: name})
    if name.strip() and name not in ("\ud800", "a\0b"):  # of which no table can be written
        for column in range(2):
            cells = ["r.tif", "F"]
            cells[column] = name
            with open(tmp_path / "study.csv", "w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([["recording", "condition"], cells])
            with pytest.raises(
                InputError,
                match=r"study\.csv row \d: the (recording|condition) .*which cannot be seen; rename",
            ):
                read_study(tmp_path / "study.csv")


@pytest.mark.parametrize("name", [name for name in NAMES if name.strip() == name])
def test_every_other_name_goes_to_a_folder_and_back(name, tmp_path):
    assert fault(name) == ""
    study = read_study(write_study(study_called(name, name), tmp_path / "made"))
    assert study.labels == (name,)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["made"]
    assert len(list((tmp_path / "made").iterdir())) == 2
