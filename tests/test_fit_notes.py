"""Fits that say nothing, or too much, and how exactly they were solved: told wherever an analysis is read."""

import csv
import logging
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

import lassovae
from lassovae import Config, SolveError, analyse, load_analysis, save_analysis
from lassovae._cli._findings import as_object, sentences
from lassovae._fit_notes import INTERPOLATES, RARELY, FitQuality, fit_notes, gap_sentence, quality
from lassovae._status import Status, raise_if_failed
from lassovae.data import ArrayRecording, Run, Study, prepare
from lassovae.report import write_report
from lassovae.var import fit_var

CONFIG = Config(encoder="block_mean", order=2, window=8, lam=0.02)


def noise_study(frames=12):
    """White noise of 6 nodes: with 2 lags 12 predictors."""
    rng = np.random.default_rng(3)
    movies = [rng.integers(500, 1500, (frames, 16, 24)).astype(np.uint16) for _ in range(4)]
    runs = [Run(f"run_{i}", ArrayRecording(m, name=f"run_{i}"), "FFNN"[i], i) for i, m in enumerate(movies)]
    return Study(tuple(runs), name="noise")


@pytest.fixture(scope="module")
def study():
    return noise_study()


@pytest.fixture(scope="module")
def model(study):
    return lassovae.fit(study, CONFIG, show_progress=False)


@pytest.fixture(scope="module")
def interpolating(model, study):
    return analyse(model, study, lam=0.0)


def test_quality_counts_what_the_fit_holds():
    z = np.random.default_rng(0).standard_normal((12, 6))
    fit = fit_var(z, 2, 0.0)
    rows = 10
    found = quality("run", "a", fit, rows, 0.0)
    nonzeros = (np.asarray(fit.coef) != 0).sum(axis=(0, 2))
    assert nonzeros.max() == rows  # which no lasso exceeds
    expected = FitQuality(
        "run", "a", 0.0, 1, rows, nonzeros.mean(), 0, 6, (nonzeros >= 9).sum(), fit.gap.max()
    )
    assert found == expected
    assert found.interpolating == 6
    none = quality("condition", "a", fit, rows, 0.0, kept=np.zeros_like(fit.coef))
    assert (none.dead, none.nonzeros) == (1, found.nonzeros)
    assert INTERPOLATES == 0.9


def fit_of(kind, name, **changes):
    return replace(FitQuality(kind, name, 0.01, 1, 100, 2.5, 0, 6, 0, 1e-7), **changes)


def test_a_sound_fit_needs_no_note_and_the_worst_gap_is_named():
    sound = [fit_of("run", "a"), fit_of("condition", "F", gap=3e-6), fit_of("windows", "a", num_targets=60)]
    assert fit_notes(sound) == ()
    assert gap_sentence(sound) == "Largest relative duality gap of 72 lassos: 3.0e-06 (condition F)."
    assert gap_sentence([]) == ""


def test_a_dead_run_is_named_and_windows_are_told_where_they_are_many():
    runs = [fit_of("run", "a"), fit_of("run", "b", dead=1)]
    assert fit_notes(runs) == (
        "1 of 2 fits to runs have no coefficient, and forecast the mean (run b): lower lam.",
    )
    windows = [fit_of("windows", "a", num_fits=100, dead=5), fit_of("windows", "b", num_fits=100, dead=5)]
    assert RARELY * 200 == 10
    assert fit_notes(windows) == ()
    (note,) = fit_notes([*windows, fit_of("windows", "c", dead=1)])
    assert note.startswith(
        "The fits to 11 of 201 windows have no coefficient, and forecast the mean (run a, b, c)"
    )
    (note,) = fit_notes([fit_of("condition", "N", dead=1)])
    assert note.endswith("(condition N): lower condition_lam, or prune less.")
    (note,) = fit_notes([fit_of("run", str(i), dead=1) for i in range(9)])
    assert "(run 0, 1, 2, 3, 4 and others)" in note


def test_interpolating_fits_are_told_in_analysis_report_tables_and_on_the_command_line(
    interpolating, model, study, tmp_path, caplog
):
    notes = interpolating.notes
    assert len(notes) == 2, notes
    assert notes[0].startswith(
        "24 of 24 targets of the fits to runs interpolate (run run_0, run_1, run_2, run_3)"
    )
    assert "as frames to forecast (10), which" in notes[0]
    assert notes[0].endswith("raise lam, or record longer runs.")
    assert notes[1].startswith("24 of 24 targets of the fits to windows interpolate (run run_0,")
    assert notes[1].endswith("raise lam, or take a longer window.")
    with caplog.at_level(logging.WARNING, logger="lassovae"):
        prepared = prepare(study, CONFIG.preprocess)
        analyse(model, study, lam=0.0, prepared=prepared)
    assert all(note in caplog.text for note in notes)
    page = write_report(tmp_path, {"only": (model, interpolating)}, study, prepared).read_text("utf-8")
    assert all(note in page for note in notes)
    rows = list(csv.DictReader((tmp_path / "tables" / "fits.csv").read_text("utf-8").splitlines()))
    assert [row["kind"] for row in rows] == ["condition"] * 2 + ["run", "windows"] * 4
    assert [int(row["interpolating"]) for row in rows if row["kind"] == "run"] == [6] * 4
    assert max(float(row["gap"]) for row in rows) == as_object(model, interpolating)["gap"]
    said = sentences(model, interpolating)
    assert [text for text in said if text.startswith("Note: ")] == [f"Note: {note}" for note in notes]
    assert gap_sentence(interpolating.fits) in said
    assert as_object(model, interpolating)["notes"] == list(notes)


def test_a_penalised_fit_to_the_same_noise_is_not_interpolating_and_a_strong_penalty_is_dead(model, study):
    sound = analyse(model, study, lam=0.06)
    assert sound.notes == ()
    dead = analyse(model, study, lam=5.0).notes
    assert dead[0].startswith("4 of 4 fits to runs have no coefficient")
    assert dead[1].startswith("The fits to 4 of 4 windows have no coefficient")


def test_a_saved_analysis_keeps_its_notes_and_one_of_an_older_version_has_none(interpolating, tmp_path):
    save_analysis(interpolating, tmp_path / "new")
    assert load_analysis(tmp_path / "new").notes == interpolating.notes
    assert replace(interpolating, fits=()).notes == ()


def test_a_failed_lasso_is_named_by_its_run():
    fit = fit_var(np.random.default_rng(0).standard_normal((20, 3)), 1, 0.01)
    status = jnp.zeros((2, 3), jnp.int32).at[1, 2].set(Status.ILL_CONDITIONED)
    with pytest.raises(
        SolveError, match=r"1 of 6 targets ILL_CONDITIONED \(first: run b, 2\): beyond working"
    ):
        raise_if_failed(fit._replace(status=status), ["run a", "run b"])
