"""Trainings that stop: what is kept, what goes on, and what is refused."""

import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from training_studies import (
    CONFIG,
    assert_same_model,
    contents,
    make_study,
    movies_of,
    stopped,
    stopping_at,
    window_of_step,
)

from lassovae._errors import InputError, TrainingError
from lassovae._sealed import write_sealed
from lassovae.training import _epochs, fit, load
from lassovae.training._step import make_step


def no_step(config, num_steps):
    return stopping_at(1, AssertionError("a step was trained"))(config, num_steps)


# 4: before the first checkpoint; 9: right after it; 13: within an epoch, lines to be dropped; 22: in the last epoch
@pytest.mark.parametrize("step_number", [4, 9, 13, 22])
def test_a_resumed_training_equals_one_never_interrupted(step_number, study, finished, tmp_path, monkeypatch):
    stopped(study, tmp_path / "run", step_number, monkeypatch)
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert len(lines) == step_number - 1
    model = fit(study, CONFIG, run_dir=tmp_path / "run", resume=True, show_progress=False)
    assert_same_model(model, finished[0])
    assert_same_model(load(tmp_path / "run"), finished[0])
    for name in ("metrics.jsonl", "config.json"):
        assert (tmp_path / "run" / name).read_text() == (finished[1] / name).read_text()


def test_settings_that_only_the_analysis_reads_may_change(study, finished, tmp_path, monkeypatch):
    """Also those of a folder from before there was `prune`, whose condition_lam was a number by default."""
    folder = tmp_path / "run"
    shutil.copytree(finished[1], folder)
    old = json.loads((folder / "config.json").read_text())
    del old["config"]["prune"]
    old["config"]["condition_lam"] = 0.0003
    write_sealed(folder / "config.json", old)
    monkeypatch.setattr(_epochs, "make_step", no_step)
    changed = CONFIG.replace(prune=1.0)
    model = fit(study, changed, run_dir=folder, resume=True, show_progress=False)
    assert model.config == load(folder).config == changed
    for a, b in zip(jax.tree.leaves(model.weights), jax.tree.leaves(finished[0].weights), strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(InputError, match=r"config\.lam"):
        fit(study, changed.replace(lam=0.5), run_dir=folder, resume=True, show_progress=False)


def test_a_line_cut_short_by_a_kill_is_written_again(study, finished, tmp_path, monkeypatch):
    stopped(study, tmp_path / "run", 13, monkeypatch)
    log = tmp_path / "run" / "metrics.jsonl"
    log.write_text(log.read_text()[:-40])
    fit(study, CONFIG, run_dir=tmp_path / "run", resume=True, show_progress=False)
    assert log.read_text() == (finished[1] / "metrics.jsonl").read_text()


def test_resuming_a_finished_training_trains_nothing(study, finished, tmp_path, monkeypatch):
    shutil.copytree(finished[1], tmp_path / "run")
    before = contents(tmp_path / "run")
    monkeypatch.setattr(_epochs, "make_step", no_step)
    again = fit(study, CONFIG, run_dir=tmp_path / "run", resume=True, show_progress=False)
    assert_same_model(again, finished[0])
    assert contents(tmp_path / "run") == before


def test_resume_without_a_run_starts_one(study, finished, tmp_path):
    model = fit(study, CONFIG, run_dir=tmp_path / "run", resume=True, show_progress=False)
    assert_same_model(model, finished[0])


def test_resume_needs_a_folder(study):
    with pytest.raises(InputError, match="resume=True needs run_dir"):
        fit(study, CONFIG, resume=True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lam": 0.02}, r"its config\.lam is 0\.01, now 0\.02"),
        ({"seed": 4}, r"its config\.seed is 0, now 4"),
        ({"epochs": 4}, r"its config\.epochs is 3, now 4"),
    ],
)
def test_resume_with_another_setting_names_it(change, words, study, finished, tmp_path):
    shutil.copytree(finished[1], tmp_path / "run")
    before = contents(tmp_path / "run")
    with pytest.raises(InputError, match=f"cannot be resumed: {words}"):
        fit(study, CONFIG.replace(**change), run_dir=tmp_path / "run", resume=True)
    assert contents(tmp_path / "run") == before


def test_resume_on_changed_pixels_names_the_run(study, finished, tmp_path):
    shutil.copytree(finished[1], tmp_path / "run")
    before = contents(tmp_path / "run")
    movies = movies_of(study)
    movies[2] = movies[2].copy()
    movies[2][3, 4, 5] -= 1
    with pytest.raises(InputError, match="the pixels of run run_2 have changed"):
        fit(make_study(movies=movies), CONFIG, run_dir=tmp_path / "run", resume=True)
    assert contents(tmp_path / "run") == before


def test_resume_on_other_runs_is_refused(study, finished, tmp_path):
    shutil.copytree(finished[1], tmp_path / "run")
    movies = movies_of(study)
    longer = [*movies, movies[0]]
    with pytest.raises(
        InputError, match="cannot be resumed: its run 5 is none, now run_4 of 24 frames; give the study"
    ):
        fit(make_study(("F", "F", "N", "N", "N"), longer), CONFIG, run_dir=tmp_path / "run", resume=True)


def test_resume_in_a_folder_of_a_version_with_more_settings_is_refused(study, finished, tmp_path):
    shutil.copytree(finished[1], tmp_path / "run")
    found = json.loads((tmp_path / "run" / "config.json").read_text())
    found["config"]["setting_of_the_future"] = 1
    write_sealed(tmp_path / "run" / "config.json", found)
    with pytest.raises(InputError, match="setting_of_the_future"):
        fit(study, CONFIG, run_dir=tmp_path / "run", resume=True)


def test_a_folder_that_holds_a_run_or_anything_else_is_left_alone(study, finished, tmp_path):
    before = contents(finished[1])
    refused = r"already holds a run: choose another output folder, or go on with it .resume=True, --resume"
    with pytest.raises(InputError, match=refused):
        fit(study, CONFIG, run_dir=finished[1])
    assert contents(finished[1]) == before
    foreign = tmp_path / "thesis"
    foreign.mkdir()
    (foreign / "chapter.txt").write_text("precious")
    for resume in (False, True):
        with pytest.raises(InputError, match="thesis exists and is not an empty folder"):
            fit(study, CONFIG, run_dir=foreign, resume=resume)
    with pytest.raises(InputError, match="not an empty folder"):
        fit(study, CONFIG, run_dir=foreign / "chapter.txt")
    assert contents(foreign) == {"chapter.txt": b"precious"}


def spoilt(step_number, spoil):
    """A make_step whose step returns spoilt results at a step counted over its own calls, from 1."""

    def make(config, mesh):
        inner, calls = make_step(config, mesh), [0]

        def step(*arguments):
            calls[0] += 1
            results = inner(*arguments)
            return spoil(*results) if calls[0] == step_number else results

        return step

    return make


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_stops_with_step_run_and_window(
    value, study, finished, tmp_path, monkeypatch
):
    def spoil(state, measures, lam):
        return state, measures._replace(loss=jnp.asarray(value)), lam

    with monkeypatch.context() as patch:
        patch.setattr(_epochs, "make_step", spoilt(14, spoil))
        name, start = window_of_step(study, CONFIG, 14)
        words = rf"loss is {value} at step 14 \(epoch 2\), run {name}, frames {start} to {start + 11}: lower"
        with pytest.raises(TrainingError, match=words):
            fit(study, CONFIG, run_dir=tmp_path / "run", show_progress=False)
    with pytest.raises(InputError, match=r"unfinished training \(step 8 of 24\)"):
        load(tmp_path / "run")
    model = fit(study, CONFIG, run_dir=tmp_path / "run", resume=True, show_progress=False)
    assert_same_model(model, finished[0])


@pytest.mark.parametrize("step_number", [8, 24])
def test_weights_that_are_not_finite_are_never_saved_nor_returned(
    step_number, study, finished, tmp_path, monkeypatch
):
    # a gradient can be NaN where the loss is finite: step 8 is the last before a checkpoint, 24 the last of all
    def spoil(state, measures, lam):
        params = {**state.params, "encoder": _all_nan(state.params["encoder"])}
        return state._replace(params=params), measures, lam

    with monkeypatch.context() as patch:
        patch.setattr(_epochs, "make_step", spoilt(step_number, spoil))
        with pytest.raises(TrainingError, match=f"at step {step_number} "):
            fit(study, CONFIG, run_dir=tmp_path / "run", show_progress=False)
    model = fit(study, CONFIG, run_dir=tmp_path / "run", resume=True, show_progress=False)
    assert_same_model(model, finished[0])


def _all_nan(tree):
    return {k: _all_nan(v) if isinstance(v, dict) else v * jnp.nan for k, v in tree.items()}


def broken(folder, what):
    """Damage a copy of a finished run."""
    config = folder / "config.json"
    found = json.loads(config.read_text())
    if what == "empty folder":
        shutil.rmtree(folder)
        folder.mkdir()
    elif what == "missing folder":
        shutil.rmtree(folder)
    elif what == "cut short":
        config.write_text(config.read_text()[:50])
    elif what == "not text":
        config.write_bytes(b"\xff\xfe\x00\x01")
    elif what == "a list":
        config.write_text("[]")
    elif what == "newer format":
        config.write_text(json.dumps(found | {"format_version": 99}))
    elif what == "by hand":
        config.write_text(config.read_text().replace('"lam": 0.01', '"lam": 0.02'))
    elif what == "no settings":
        config.write_text(json.dumps({"format_version": 2}))
    elif what == "unknown setting":
        write_sealed(config, found | {"config": found["config"] | {"colour": "red"}})
    elif what == "another encoder":
        write_sealed(config, found | {"config": found["config"] | {"encoder": "block_mean"}})
    elif what == "no checkpoints":
        shutil.rmtree(folder / "checkpoints")
    elif what == "more epochs":
        write_sealed(config, found | {"config": found["config"] | {"epochs": 9}})


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("missing folder", r"config\.json is missing: .* is not a run folder of lassovae"),
        ("empty folder", r"config\.json is missing: .* is not a run folder of lassovae"),
        ("cut short", r"config\.json is not valid JSON .* restore it or train again"),
        ("not text", r"config\.json is not valid JSON .* restore it or train again"),
        pytest.param(
            "a list",
            r"config\.json",
        ),
        ("newer format", r"format_version 99; this version of lassovae reads 1, 2, 3"),
        pytest.param(
            "no settings",
            r"config\.json",
        ),
        ("by hand", r"config\.json is damaged, or was changed by hand: it does not match its checksum"),
        ("unknown setting", r"unknown settings colour"),
        ("another encoder", r"does not hold this model: .* was it written with another configuration"),
        pytest.param(
            "no checkpoints",
            r"holds no checkpoint",
        ),
        (
            "more epochs",
            r"unfinished training \(step 24 of 72\): finish it by the call that began it, with resume=True",
        ),
    ],
)
def test_what_cannot_be_loaded_is_told_in_one_error_and_left_alone(what, words, finished, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(finished[1], folder)
    broken(folder, what)
    before = contents(tmp_path)
    with pytest.raises(InputError, match=words):
        load(folder)
    assert contents(tmp_path) == before
