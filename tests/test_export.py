"""Exports, read back by the libraries of their formats; nothing is overwritten, nothing is left half written."""

from __future__ import annotations

import csv
import sys
from dataclasses import fields
from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pynwb
import pytest
import tifffile

import lassovae
from lassovae import Analysis, Config, InputError, export_csv, export_nwb, export_tiff
from lassovae.data import ArrayRecording, Run, Study
from lassovae.var import VARFit

SHAPE, GRID, FRAMES = (32, 48), (4, 6), 48
LABELS, BLOCKS = ("F", "F", "N", "N"), (0, 0, 1, 1)
RATES = (10.0, 10.0, 7.5, None)


@pytest.fixture(scope="module")
def study():
    frames = np.ones((FRAMES, *SHAPE), np.uint16)
    runs = [
        Run(f"run_{n}", ArrayRecording(frames, frame_rate_hz=rate, pixel_size_um=2.5), label, block)
        for n, (rate, label, block) in enumerate(zip(RATES, LABELS, BLOCKS, strict=True))
    ]
    return Study(tuple(runs), name="mouse 3/day 1")


@pytest.fixture(scope="module")
def model():
    """Of a model, an export wants the settings."""
    return SimpleNamespace(config=Config(encoder="block_mean", order=2, window=16, lam=0.01))


@pytest.fixture(scope="module")
def analysis(study):
    """Numbers of the shapes and types that `analyse` gives: exports compute nothing."""
    rng = np.random.default_rng(5)
    nodes = GRID[0] * GRID[1]

    def numbers(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    def fitted(*runs):
        coef = numbers(*runs, 2, nodes, nodes) * (rng.random((*runs, 2, nodes, nodes)) < 0.1)
        zeros = np.zeros((*runs, nodes))
        return VARFit(
            coef.astype(np.float32), numbers(*runs, nodes), numbers(*runs), zeros.astype(np.int32), zeros
        )

    maps = numbers(4, *SHAPE)
    of_conditions = {"F": maps[:2].mean(axis=0), "N": maps[2:].mean(axis=0)}
    known = {
        "names": study.names,
        "labels": study.labels,
        "blocks": study.blocks,
        "conditions": study.conditions,
        "latents": tuple(numbers(FRAMES, *GRID) for _ in study),
        "fit": fitted(4),
        "pooled": {"F": fitted(), "N": fitted()},
        "errors": SimpleNamespace(held_out=rng.random(4)),
        "influences": rng.random((4, nodes)),
        "gain": 0.1 + 0.2,
        "maps": maps,
        "condition_maps": of_conditions,
        "difference": of_conditions["F"] - of_conditions["N"],
        "pooled_maps": {"F": numbers(*SHAPE), "N": numbers(*SHAPE)},
        "condition_lam": 0.02,
    }
    return Analysis(**({field.name: None for field in fields(Analysis)} | known))


def test_csv_gives_the_same_numbers_back(tmp_path, analysis):
    folder = export_csv(tmp_path / "deep" / "tables", analysis)
    tables = {}
    for file in folder.iterdir():
        with file.open(newline="", encoding="utf-8") as handle:
            tables[file.name] = list(csv.DictReader(handle))
    assert sorted(tables) == [
        "coefficients.csv",
        "condition_coefficients.csv",
        "influences.csv",
        "latents.csv",
    ]
    nodes = analysis.latents[0][0].size
    for number, name in enumerate(analysis.names):
        rows = [row for row in tables["latents.csv"] if row["run"] == name]
        assert [row["condition"] for row in rows] == [analysis.labels[number]] * FRAMES
        values = np.array(
            [[row[f"node_{node}"] for node in range(nodes)] for row in rows], analysis.latents[0].dtype
        )
        np.testing.assert_array_equal(values, analysis.latents[number].reshape(FRAMES, nodes))
        coef = np.zeros_like(analysis.fit.coef[number])
        for row in tables["coefficients.csv"]:
            if row["run"] == name:
                coef[int(row["lag"]) - 1, int(row["target"]), int(row["source"])] = row["coefficient"]
        np.testing.assert_array_equal(coef, analysis.fit.coef[number])
        of_run = [row for row in tables["influences.csv"] if row["run"] == name]
        np.testing.assert_array_equal([float(row["outflow"]) for row in of_run], analysis.influences[number])
        assert [(row["row"], row["column"]) for row in of_run][:8][-2:] == [("1", "0"), ("1", "1")]
    for condition, pooled in analysis.pooled.items():
        rows = [row for row in tables["condition_coefficients.csv"] if row["condition"] == condition]
        assert len(rows) == np.count_nonzero(pooled.coef)


def test_a_stack_of_maps(tmp_path, analysis):
    path = export_tiff(tmp_path / "maps.tif", analysis, pixel_size_um=(2.0, 1.5))
    with tifffile.TiffFile(path) as tif:
        stack, described = tif.asarray(), tif.imagej_metadata
        resolution = [tif.pages[0].tags[code].value for code in (283, 282)]
    assert stack.dtype == np.float32
    assert described["unit"] == "um"
    assert [value[1] / value[0] for value in resolution] == pytest.approx([2.0, 1.5])
    first, second = analysis.conditions
    by_label = dict(zip(described["Labels"], stack, strict=True))
    assert len(by_label) == 4 + 2 + 2 + 1
    expected = {
        f"run {analysis.names[2]} ({analysis.labels[2]})": analysis.maps[2],
        f"condition {first}": analysis.condition_maps[first],
        f"condition {second}, one fit": analysis.pooled_maps[second],
        f"difference {first} minus {second}": analysis.difference,
    }
    for label, image in expected.items():
        np.testing.assert_array_equal(by_label[label], image.astype(np.float32))


def test_nwb_is_valid_and_holds_what_was_found(tmp_path, model, analysis, study):
    start = datetime(2026, 3, 8, 9, 30, tzinfo=UTC)
    path = export_nwb(tmp_path / "results.nwb", model, analysis, study, session_start_time=start)
    assert not pynwb.validate(path=str(path))
    with pynwb.NWBHDF5IO(path, "r") as io:
        file = io.read()
        module = file.processing["lassovae"]
        assert file.session_start_time == start
        assert lassovae.__version__ in module.description
        series = sorted(name for name in module.data_interfaces if name.startswith("latents_"))
        rates = []
        for number, name in enumerate(series):
            assert analysis.names[number] in name
            latents = analysis.latents[number]
            np.testing.assert_array_equal(module[name].data[:], latents.reshape(len(latents), -1))
            rates.append(module[name].rate)
        assert rates == [10.0, 10.0, 7.5, 1.0]
        assert "does not say its frame rate" in module[series[3]].comments
        runs = module["runs"]
        assert tuple(runs["run"][:]) == analysis.names
        np.testing.assert_array_equal(runs["coefficients"][:], analysis.fit.coef)
        conditions = module["conditions"]
        assert tuple(conditions["condition"][:]) == analysis.conditions
        np.testing.assert_array_equal(
            conditions["coefficients"][1], analysis.pooled[analysis.conditions[1]].coef
        )
        maps = module["maps"]
        assert len(maps.images) == 9
        image = next(image for name, image in maps.images.items() if "difference" in name)
        np.testing.assert_array_equal(image.data[:].T, analysis.difference.astype(np.float32))
        assert image.resolution == pytest.approx(1e4 / 2.5)


def test_nwb_without_a_start_time_says_so(tmp_path, model, analysis, study):
    path = export_nwb(tmp_path / "results.nwb", model, analysis, study)
    with pynwb.NWBHDF5IO(path, "r") as io:
        assert "start time is that of the export" in io.read().session_description


def exports(model, analysis, study):
    return {
        "results.nwb": lambda path: export_nwb(path, model, analysis, study),
        "maps.tif": lambda path: export_tiff(path, analysis),
        "tables": lambda path: export_csv(path, analysis),
    }


@pytest.mark.parametrize("name", ["results.nwb", "maps.tif", "tables"])
def test_nothing_is_overwritten_and_nothing_left_half_written(
    tmp_path, model, analysis, study, name, monkeypatch
):
    write = exports(model, analysis, study)[name]
    (tmp_path / name).write_text("mine")
    with pytest.raises(InputError, match=f"{name}: exists and is not overwritten"):
        write(tmp_path / name)
    assert (tmp_path / name).read_text() == "mine"
    (tmp_path / name).unlink()

    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lassovae._export.tifffile.imwrite", full)
    monkeypatch.setattr("lassovae._export.csv.writer", full)
    monkeypatch.setattr("pynwb.NWBHDF5IO.write", full)
    with pytest.raises(InputError, match=f"{name}: cannot be written: No space left on device"):
        write(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_wrong_names_and_studies(tmp_path, model, analysis, study):
    with pytest.raises(InputError, match=r"end its name in \.tif"):
        export_tiff(tmp_path / "maps.png", analysis)
    with pytest.raises(InputError, match=r"end the name in \.nwb"):
        export_nwb(tmp_path / "maps.h5", model, analysis, study)
    with pytest.raises(InputError, match="pass the study that was analysed"):
        export_nwb(tmp_path / "r.nwb", model, analysis, Study(study.runs[:2]))
    with pytest.raises(InputError, match="pixel_size_um=-1"):
        export_tiff(tmp_path / "maps.tif", analysis, pixel_size_um=-1)


def test_pynwb_not_installed(tmp_path, model, analysis, study, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynwb", None)
    with pytest.raises(InputError, match=r'r\.nwb.*pip install "lassovae\[nwb\]"'):
        export_nwb(tmp_path / "r.nwb", model, analysis, study)
