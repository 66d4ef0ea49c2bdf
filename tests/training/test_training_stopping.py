"""Signals: a training saves the step it is at, ends with an error of its own, and goes on to the same bits."""

import signal

import numpy as np
import pytest
from training_studies import CONFIG, assert_same_model, signalling_at, stopping_at

from lassovae import Stopped
from lassovae.training import _epochs, _keeper, fit, load
from lassovae.training._saved import names_by_step, read_saved

BOTH = (signal.SIGTERM, signal.SIGINT)


def stopped(study, folder, step_number, number, monkeypatch, config=CONFIG):
    """Leave in `folder` a training that got a signal at a step; the error that it ended with."""
    with monkeypatch.context() as patch:
        patch.setattr(_epochs, "make_step", signalling_at(step_number, number))
        with pytest.raises(Stopped) as ended:
            fit(study, config, run_dir=folder, show_progress=False)
    return ended.value


# of epochs of 8 steps: within the first, the last of one, within the last, the very last
@pytest.mark.parametrize(
    ("step_number", "number"), [(3, BOTH[0]), (8, BOTH[1]), (21, BOTH[1]), (24, BOTH[0])]
)
def test_the_step_under_way_is_saved_and_the_end_is_that_of_no_stop(
    step_number, number, study, finished, tmp_path, monkeypatch
):
    folder = tmp_path / "run"
    handlers = [signal.getsignal(n) for n in BOTH]
    error = stopped(study, folder, step_number, number, monkeypatch)
    assert error.signum == number
    assert str(error).startswith(
        f"stopped by {number.name} at step {step_number}, which is saved: go on with resume"
    )
    assert [signal.getsignal(n) for n in BOTH] == handlers
    newest = names_by_step(folder / "checkpoints")[0]
    assert int(newest) == step_number
    assert (read_saved(folder / "checkpoints", newest).loss is None) == bool(step_number % 8)
    model = fit(study, CONFIG, run_dir=folder, resume=True, show_progress=False)
    assert_same_model(model, finished[0])
    assert_same_model(load(folder), finished[0])
    assert (folder / "metrics.jsonl").read_bytes() == (finished[1] / "metrics.jsonl").read_bytes()
    names = {p.name for p in folder.iterdir()}
    assert names == {p.name for p in finished[1].iterdir()}


def test_a_training_without_a_folder_ends_where_it_is(study, monkeypatch):
    monkeypatch.setattr(_epochs, "make_step", signalling_at(3, signal.SIGINT))
    with pytest.raises(Stopped, match="nothing is kept of a training without run_dir"):
        fit(study, CONFIG, show_progress=False)


def test_before_the_first_step_there_is_nothing_to_save(study, tmp_path, monkeypatch):
    error = stopped(study, tmp_path / "run", 1, signal.SIGTERM, monkeypatch)
    assert str(error) == "stopped by SIGTERM before its first step"
    assert names_by_step(tmp_path / "run" / "checkpoints") == []


def test_a_signal_that_the_process_ignores_stays_ignored(study, finished, tmp_path, monkeypatch):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        monkeypatch.setattr(_epochs, "make_step", signalling_at(3, signal.SIGINT))
        model = fit(study, CONFIG, run_dir=tmp_path / "run", show_progress=False)
    finally:
        signal.signal(signal.SIGINT, before)
    assert_same_model(model, finished[0])


def test_long_epochs_are_saved_by_the_clock_too_and_a_clock_set_back_changes_nothing(
    study, finished, tmp_path, monkeypatch
):
    monkeypatch.setattr(_keeper, "SAVE_EVERY_S", 0.0)
    clock = iter(np.arange(10**6, 0, -1.0))
    monkeypatch.setattr("time.time", lambda: next(clock))
    with monkeypatch.context() as patch:
        patch.setattr(_epochs, "make_step", stopping_at(14, RuntimeError("power cut")))
        with pytest.raises(RuntimeError, match="power cut"):
            fit(study, CONFIG, run_dir=tmp_path / "run", show_progress=False)
    names = names_by_step(tmp_path / "run" / "checkpoints")
    assert names == ["13", "12", "8"]  # the newest two, and the best epoch's
    model = fit(study, CONFIG, run_dir=tmp_path / "run", resume=True, show_progress=False)
    assert_same_model(model, finished[0])
