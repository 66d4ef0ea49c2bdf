"""examples/reproduction.py: from the tables of several seeds to one, against SciPy and by hand."""

import dataclasses
import importlib.util
import math
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import lassovae
from lassovae.report import write_tables
from lassovae.report._tables import COLUMNS
from lassovae.stats import Comparison, Recovery

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "reproduction.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("reproduction", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where its dataclass looks for its annotations
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def values_of(example, seed, mode, lam):
    """Different for every seed, mode and strength."""
    rng = np.random.default_rng([seed, example.MODES.index(mode), int(1000 * lam)])
    return {f"{name}_{kind}": float(rng.random()) for name in example.MEASURES for kind in ("mean", "sd")}


def tables_of(example, seed):
    ablation = [
        {"model": mode if lam == 0.01 else f"{mode}_lam{lam:g}", "lam": lam}
        | values_of(example, seed, mode, lam)
        for lam in (0.005, 0.01)
        for mode in example.MODES
    ]
    halves = {"model": "end_to_end", "lam": 0.01, "group_a": "F 1-2", "group_b": "N 1-2", "kind": "across"}
    truth = {"model": "end_to_end", "fits": "pooled, both", "lam": 0.0003} | dict.fromkeys(
        example.TRUTH, 0.25 * seed
    )
    return {
        "ablation": ablation,
        "group_tests": [halves | {"pvalue": (0.01, 0.2, 0.03)[seed], "significant": seed != 1}],
        "skip_connection": [
            {
                "model": "no_skip",
                "l_rec_mean": 1.0 + seed,
                "l_rec_sd": 9.0,
                "latent_snr_mean": 2.0,
                "latent_snr_sd": 1.0,
            }
        ],
        "truth_recovery": [truth | {"difference": math.nan if seed == 2 else 0.5}],
    }


@pytest.fixture(scope="module")
def summary(example, tmp_path_factory):
    folders = {}
    for seed in range(3):
        folders[seed] = tmp_path_factory.mktemp("seed")
        write_tables(tables_of(example, seed), folders[seed] / "tables")
    return example.summarise(folders)


def test_interval_is_students(example, rng):
    values = rng.normal(size=6)
    mean, half = example.interval([*values, math.nan])
    low, high = stats.t.interval(0.95, 5, loc=values.mean(), scale=stats.sem(values))
    np.testing.assert_allclose([mean - half, mean + half], [low, high], rtol=1e-12)
    assert example.interval([2.0])[0] == 2.0
    assert math.isnan(example.interval([2.0])[1])
    assert all(math.isnan(x) for x in example.interval([]))


def test_a_row_a_mode_and_strength_with_the_papers_numbers(example, summary):
    rows = summary["table_2"]
    assert [(r["mode"], r["lam"], r["seeds"]) for r in rows] == [
        (mode, lam, 3) for lam in (0.005, 0.01) for mode in example.MODES
    ]
    row = rows[5]
    mine = [values_of(example, seed, "end_to_end", 0.01) for seed in range(3)]
    assert row["r_var_held_out"] == pytest.approx(np.mean([m["r_var_held_out_mean"] for m in mine]))
    assert row["l_rec_ci"] == pytest.approx(
        stats.sem([m["l_rec_mean"] for m in mine]) * stats.t.ppf(0.975, 2)
    )
    assert row["l_rec_sd_over_runs"] == pytest.approx(np.mean([m["l_rec_sd"] for m in mine]))
    assert (row["paper_l_rec"], row["paper_r_var"]) == (pytest.approx(0.112e-3), 0.530)


def test_the_order_is_of_differences_within_a_seed(example, summary):
    rows = [
        r
        for r in summary["order"]
        if (r["lam"], r["first"], r["second"]) == (0.005, "end_to_end", "sequential")
    ]
    a, b = (
        np.array([values_of(example, seed, mode, 0.005)["r_var_window_mean"] for seed in range(3)])
        for mode in ("end_to_end", "sequential")
    )
    assert len(rows) == 1
    assert rows[0]["r_var_window"] == pytest.approx((a - b).mean())
    assert rows[0]["r_var_window_ci"] == pytest.approx(stats.sem(a - b) * stats.t.ppf(0.975, 2))


def test_the_other_tables(summary):
    (halves,) = summary["table_1"]
    assert (halves["seeds"], halves["significant"], halves["median_pvalue"]) == (3, 2, 0.03)
    (skip,) = summary["skip"]
    assert (skip["model"], skip["l_rec_mean"]) == ("no_skip", 2.0)
    (truth,) = summary["recovered"]
    assert truth["fits"] == "pooled, both"
    assert truth["seeds"] == 2  # with every number
    assert (truth["edges_a"], truth["difference"]) == (0.25, 0.5)  # a seed that has none is left out


def test_columns_are_those_of_the_reports_tables(example):
    assert set(example.MEASURES) <= set(COLUMNS.values())
    assert set(example.TRUTH) <= {field.name for field in dataclasses.fields(Recovery)}
    assert {field.name for field in dataclasses.fields(Comparison)} >= {
        "group_a",
        "group_b",
        "kind",
        "significant",
    }


def test_what_other_settings_made_is_not_taken_for_done(example, tmp_path, monkeypatch):
    wanted = lassovae.preset("smoke", seed=1)
    found = dict.fromkeys([tmp_path, *(tmp_path / "models" / name for name in wanted.models)])
    for name, config in wanted.models.items():
        found[tmp_path if name == "end_to_end" else tmp_path / "models" / name] = types.SimpleNamespace(
            config=config
        )
    monkeypatch.setattr(lassovae, "load", found.__getitem__)
    assert not example.is_done(tmp_path, wanted)
    (tmp_path / "report.html").touch()
    write_tables({"ablation": [{"model": name} for name in wanted.models]}, tmp_path / "tables")
    for name in wanted.models:
        (tmp_path / "models" / name).mkdir(parents=True)
    assert example.is_done(tmp_path, wanted)
    found[tmp_path].config = found[tmp_path].config.replace(prune=3.0)
    assert not example.is_done(tmp_path, wanted)
    found[tmp_path].config = wanted.models["end_to_end"]
    more = dataclasses.replace(wanted, models={**wanted.models, "another": wanted.models["sequential"]})
    assert not example.is_done(tmp_path, more)
    with pytest.raises(lassovae.InputError, match="made with other settings"):
        example.is_done(tmp_path, lassovae.preset("smoke", seed=2))


def test_the_papers_table_is_whole_and_the_presets_strengths_are_in_it(example):
    for name in ("quarter", "paper"):
        models = lassovae.preset(name, seed=3).models
        assert {config.lam for config in models.values()} == set(example.PAPER)
        assert {config.seed for config in models.values()} == {3}
        for lam, modes in example.PAPER.items():
            assert set(modes) == set(example.MODES)
            ours = {example.mode_of(name) for name, config in models.items() if config.lam == lam}
            assert ours >= set(example.MODES)
    sequential = [modes["sequential"][:2] for modes in example.PAPER.values()]
    assert len(set(sequential)) == 1  # lam does not enter the training of the sequential mode
