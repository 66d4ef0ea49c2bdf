"""benchmarks/evidence.py runs, keeps what it has computed, and says what the library says."""

import csv
import importlib
import math
import sys
from pathlib import Path

import numpy as np
import pytest

import lassovae
from lassovae.stats import following_nodes

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
TINY = {"num_runs": 4, "frames": 120, "frame_shape": (32, 48), "num_cells": 6, "block_size": 1}


@pytest.fixture
def evidence(monkeypatch, tmp_path):
    """The script on studies of four runs, with encoders that need no training; main() with arguments."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    ours = ("evidence", "_cells", "_studies", "_seeds")
    module, cells, studies, _ = [importlib.import_module(name) for name in ours]
    encoders = {name: studies.ENCODERS[name] for name in ("pca", "block_mean")}
    for part in (module, cells, studies):
        for name, value in (("STUDY", TINY), ("ENCODERS", encoders), ("KINDS", {"moderate noise": {}})):
            if hasattr(part, name):
                monkeypatch.setattr(part, name, value)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["evidence.py", "--out", str(tmp_path), "--seeds", "2", *arguments])
        module.main()
        return {
            path.stem: list(csv.DictReader(path.read_text().splitlines()))
            for path in (tmp_path / "tables").glob("*.csv")
        }

    yield call
    for name in ours:
        del sys.modules[name]


def test_truth_of_a_tiny_study(evidence, tmp_path):
    tables = evidence("--only", "truth")
    rows = {(row["encoder"], row["fits"]): row for row in tables["truth"]}
    assert set(rows) == {(e, f) for e in ("pca", "block_mean") for f in ("lasso", "pruned")}
    blocks, correlations = lassovae.Config.recommended().replace(encoder="block_mean"), []
    for seed in (100, 101):  # what a user of the library would do, on the fresh seeds
        study = lassovae.data.simulate_study(seed, **TINY)
        model = lassovae.fit(study, blocks, show_progress=False)
        frames = lassovae.data.prepare(study, blocks.preprocess).frames
        latents = [lassovae.encode_run(model, x)[0] for x in frames]
        nodes = following_nodes(latents, study.truth.traces).node
        for z, trace in zip(latents, study.truth.traces, strict=True):
            z = z.reshape(len(z), -1)
            each = [abs(np.corrcoef(z[:, node], trace[:, cell])[0, 1]) for cell, node in enumerate(nodes)]
            correlations.append(np.median(each))
    said = float(rows["block_mean", "lasso"]["node_cell_correlation"])
    assert said == pytest.approx(np.mean(correlations), abs=1e-4)
    row, every = (r for r in tables["against"] if r["fits"] == "pruned")
    assert (row["study"], every["study"]) == ("moderate noise", "all kinds")
    assert {k: v for k, v in row.items() if k != "study"} == {k: v for k, v in every.items() if k != "study"}
    apart = float(rows["pca", "pruned"]["drivers"]) - float(rows["block_mean", "pruned"]["drivers"])
    assert float(row["drivers"]) == pytest.approx(apart, abs=2e-3)
    cached = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.json")}
    assert len(cached) == 4
    assert evidence("--only", "truth") == tables
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.json")} == cached


def test_intervals_and_means_over_kinds(evidence):
    seeds = importlib.import_module("_seeds")
    mean, half = seeds.interval([1.0, 2.0, 4.0, math.nan])
    assert (mean, half) == pytest.approx(
        (7 / 3, 4.302652729911275 * np.std([1, 2, 4], ddof=1) / math.sqrt(3))
    )
    kinds = [[{"x": 1.0}, {"x": 2.0}], [{"x": 3.0}, {"x": 6.0}]]
    assert seeds.averaged(kinds) == [{"x": 2.0}, {"x": 4.0}]
