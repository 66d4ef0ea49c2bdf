"""The simulation studies behind docs/statistics_validation.md run, and their tables say what the library says."""

import csv
import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

import lassovae
from lassovae.stats import design_power

SMALL = lassovae.Config(encoder="block_mean", order=1, window=16, lam=0.02)  # compiled in seconds
BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
TINY = {"num_runs": 8, "frames": 40, "frame_shape": (32, 48), "num_cells": 6, "block_size": 2}


@pytest.fixture
def script(monkeypatch, tmp_path):
    """A script by name, and its tables after main() with arguments."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    before = set(sys.modules)

    def load(name):
        module = importlib.import_module(name)

        def call(*arguments):
            monkeypatch.setattr(sys, "argv", [f"{name}.py", "--out", str(tmp_path), *arguments])
            module.main()
            return {
                path.stem: list(csv.DictReader(path.read_text().splitlines()))
                for path in (tmp_path / "tables").glob("*.csv")
            }

        return module, call

    yield load
    for name in set(sys.modules) - before:
        if str(BENCHMARKS) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def test_matrices(script):
    module, call = script("statistics_matrices")
    tables = call("--studies", "4")
    assert set(tables) == {"level", "power", "mid_p"}
    assert len(tables["level"]) == len(module.KINDS) * len(module.DESIGNS)
    labels, blocks = module.runs_of("NFNNFNFNFN")
    assert (labels[:6], blocks[:6], len(labels)) == (["N"] * 5 + ["F"], [0] * 5 + [1], 50)
    alone = design_power(labels, blocks, effects=(0.0,), scatter=2.0, num_studies=4)
    row = next(
        r
        for r in tables["level"]
        if (r["design"], r["null"]) == ("4 of F, 6 of N", "block effect 0.5, scatter 2 times")
    )
    assert {test: float(row[test]) for test in alone.rates} == {t: v[0] for t, v in alone.rates.items()}
    rates = {row["rule"]: float(row["rejected"]) for row in tables["mid_p"]}
    assert (
        rates["p, in steps of 1/35"]
        <= rates["ties broken by scatter"]
        <= rates["mid-p"]
        == rates["p <= 2/35"]
    )


def test_movies(script, monkeypatch):
    module, call = script("statistics_movies")
    monkeypatch.setattr(module, "STUDY", TINY)
    monkeypatch.setattr(module, "CONTRASTS", (0.0, 1.0))
    monkeypatch.setattr(module, "CONFIGS", {"block_mean": SMALL})
    tables = call("--seeds", "2", "--encoders", "block_mean")
    rows = {float(row["contrast"]): row for row in tables["movies"]}
    assert set(rows) == {0.0, 1.0}
    assert rows[0.0]["nodes found"] == "nan"  # nothing is there to be found
    study = lassovae.data.simulate_study(1001, **TINY, contrast=1.0)
    model = lassovae.fit(study, SMALL.replace(seed=1001), show_progress=False)
    analysis = lassovae.analyse(model, study)
    row = module.judged("block_mean", 1.0, 1001)
    assert row["blocks"] == analysis.condition_test.place.pvalue
    assert row["anosim"] == analysis.condition_test.anosim.pvalue
    assert row["nodes any"] == float((analysis.differences.network.nodes.qvalue <= 0.05).any())
    assert 0 <= row["pixels false"] <= 1


def test_what_is_found_is_judged_by_hand(script):
    module, _ = script("statistics_movies")
    significant = np.array([[True, False], [True, True]])
    true = np.array([[True, True], [False, True]])
    drivers = [np.array([[True, False], [False, False]]), np.array([[False, True], [False, False]])]
    assert module.found_of(significant, true, drivers) == {
        "found": 0.5,
        "all": 0.0,
        "false": 1 / 3,
        "any": 1.0,
    }
    nothing = module.found_of(np.zeros((2, 2), bool), true, drivers)
    assert nothing == {"found": 0.0, "all": 0.0, "false": 0.0, "any": 0.0}
    footprints = np.zeros((2, 16, 16))
    footprints[0, 3:9, 3:5], footprints[1, 12, 12] = 1.0, 2.0
    footprints[1, 0, 12] = 0.9  # less than half of the peak
    both = module.blocks_touched(footprints, np.array([True, True]))
    np.testing.assert_array_equal(both, [[True, False], [True, True]])


def test_selection(script, monkeypatch):
    module, call = script("network_selection")
    monkeypatch.setattr(module, "STUDY", TINY)
    monkeypatch.setattr(module, "STRENGTHS", (1.0, 4.0))
    monkeypatch.setattr(module, "CONFIGS", {"block_mean": SMALL})
    rows = call("--seeds", "1")["selection"]
    assert [(row["strength"], row["threshold"]) for row in rows] == [
        (s, t) for s in ("1.0", "4.0") for t in ("1.0", "2.0", "3.0")
    ]
    candidates = np.array([float(row["candidates"]) for row in rows]).reshape(2, 3)
    assert (np.diff(candidates, axis=1) <= 0).all()  # the stricter, the fewer
    assert (candidates[0] > candidates[1]).all()
