"""Checkpoints: damage is told and never believed, the one before serves, the best is kept, changes are refused."""

import json
import logging
import os
import shutil

import numpy as np
import pytest
import tifffile
from training_studies import CONFIG, LABELS, assert_same_model, contents, movie, numbers, stopped

from lassovae import InputError, TrainingError
from lassovae._sealed import read_sealed, write_sealed
from lassovae.data import Run, Study, open_recording, prepare
from lassovae.training import _keeper, fit, load
from lassovae.training._saved import names_by_step, read_saved


def flip(path, place=None):
    """Turn one bit of a file over."""
    data = bytearray(path.read_bytes())
    place = len(data) // 2 if place is None else place
    data[place] ^= 1
    path.write_bytes(data)


def largest(folder):
    return max((p for p in folder.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)


def test_every_file_of_a_checkpoint_is_in_its_manifest(finished):
    checkpoints = finished[1] / "checkpoints"
    saved = read_saved(checkpoints, "final")
    assert saved.step == 24
    there = {p.relative_to(checkpoints).as_posix() for p in (checkpoints / "final").rglob("*") if p.is_file()}
    assert set(saved.files) == there


def test_load_refuses_a_damaged_file_by_its_name(finished, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(finished[1], folder)
    damaged = largest(folder / "checkpoints" / "final")
    flip(damaged)
    with pytest.raises(InputError, match=rf"{damaged} is damaged .*: restore it or train again"):
        load(folder)
    damaged.unlink()
    with pytest.raises(InputError, match=rf"{damaged} cannot be read .* belongs to the checkpoint final"):
        load(folder)


def test_a_resume_goes_on_from_the_one_before_where_the_newest_is_damaged(
    study, finished, tmp_path, monkeypatch, caplog
):
    folder = tmp_path / "run"
    stopped(study, folder, 20, monkeypatch)
    assert names_by_step(folder / "checkpoints") == ["16", "8"]
    damaged = largest(folder / "checkpoints" / "16")
    flip(damaged)
    with caplog.at_level(logging.WARNING, logger="lassovae"):
        model = fit(study, CONFIG, run_dir=folder, resume=True, show_progress=False)
    assert f"{damaged} is damaged" in caplog.text
    assert "Going on from the checkpoint of step 8 instead" in caplog.text
    assert_same_model(model, finished[0])
    assert_same_model(load(folder), finished[0])


def test_where_none_is_good_nothing_is_begun_anew(study, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    stopped(study, folder, 12, monkeypatch)
    flip(folder / "checkpoints" / "8.json")
    before = contents(folder)
    with pytest.raises(InputError, match=r"8\.json is"):
        fit(study, CONFIG, run_dir=folder, resume=True, show_progress=False)
    assert contents(folder).items() >= {k: v for k, v in before.items() if "checkpoints" in k}.items()


def test_files_of_two_runs_are_not_mixed(study, finished, tmp_path):
    fit(study, CONFIG.replace(seed=5), run_dir=tmp_path / "other", show_progress=False)
    shutil.copytree(finished[1], tmp_path / "run")
    shutil.copy(tmp_path / "other" / "config.json", tmp_path / "run")
    with pytest.raises(InputError, match=r"final\.json belongs to another run than .*config\.json"):
        load(tmp_path / "run")


def test_a_resume_mends_what_is_damaged_of_a_finished_training(study, finished, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(finished[1], folder)
    for name in ("final", "best"):
        flip(largest(folder / "checkpoints" / name))
    assert_same_model(fit(study, CONFIG, run_dir=folder, resume=True, show_progress=False), finished[0])
    assert_same_model(load(folder), finished[0])
    assert load(folder, checkpoint="best").history == load(finished[1], checkpoint="best").history


def test_what_a_kill_left_half_written_is_no_checkpoint(study, finished, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    stopped(study, folder, 20, monkeypatch)
    checkpoints = folder / "checkpoints"
    (checkpoints / "16.json").unlink()  # written last
    shutil.copytree(checkpoints / "8", checkpoints / "19.orbax-checkpoint-tmp-1")
    model = fit(study, CONFIG, run_dir=folder, resume=True, show_progress=False)
    assert_same_model(model, finished[0])
    names = {p.name for p in checkpoints.iterdir()}
    assert names == {p.name for p in (finished[1] / "checkpoints").iterdir()}


def test_the_best_epoch_is_kept_though_later_ones_are_worse(study, tmp_path):
    config = CONFIG.replace(epochs=5, learning_rate=0.3, seed=3)
    folder = tmp_path / "run"
    model = fit(study, config, run_dir=folder, show_progress=False)
    losses = np.mean(np.reshape([row["loss"] for row in model.history], (5, 8)), axis=1)
    best = int(np.argmin(losses))
    assert best < 2, "the test needs a best epoch that is not among the newest two"
    kept = load(folder, checkpoint="best")
    alone = fit(study, config.replace(epochs=best + 1), show_progress=False)
    assert kept.history == alone.history == model.history[: 8 * (best + 1)]
    for name, array in numbers(alone).items():
        np.testing.assert_array_equal(numbers(kept)[name], array, err_msg=name)
    assert_same_model(load(folder), model)


def test_the_best_is_the_last_where_no_other_was_better(study, tmp_path):
    model = fit(study, CONFIG.replace(epochs=2), run_dir=tmp_path / "run", show_progress=False)
    losses = np.mean(np.reshape([row["loss"] for row in model.history], (2, 8)), axis=1)
    assert losses[1] < losses[0]
    assert_same_model(load(tmp_path / "run", checkpoint="best"), model)
    with pytest.raises(InputError, match="checkpoint='first' is not known; choose one of final, best"):
        load(tmp_path / "run", checkpoint="first")


def test_damaged_numbers_of_steps_are_told(finished, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(finished[1], folder)
    log = folder / "metrics.jsonl"
    log.write_text(log.read_text().replace('"loss": 0.', '"loss": 1.', 1))
    with pytest.raises(InputError, match=r"metrics\.jsonl is damaged: its lines up to step 24"):
        load(folder)


def test_another_version_or_device_is_told_and_written_down(study, finished, tmp_path, monkeypatch, caplog):
    folder = tmp_path / "run"
    stopped(study, folder, 12, monkeypatch)
    began = read_sealed(folder / "provenance.json")
    older = began | {"versions": began["versions"] | {"jax": "0.0.1"}}
    write_sealed(folder / "provenance.json", older)
    with caplog.at_level(logging.WARNING, logger="lassovae"):
        fit(study, CONFIG, run_dir=folder, resume=True, show_progress=False)
    assert f"goes on with another versions.jax ({began['versions']['jax']}, before 0.0.1)" in caplog.text
    now = read_sealed(folder / "provenance.json")
    assert [entry["versions"] for entry in now["resumed"]] == [began["versions"]]
    assert {key: now[key] for key in older} == older


def test_a_damaged_provenance_is_not_taken_for_changed_pixels(study, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    stopped(study, folder, 12, monkeypatch)
    path = folder / "provenance.json"
    digest = json.loads(path.read_text())["inputs"][0]["sha256"]
    path.write_text(path.read_text().replace(digest, digest[::-1]))
    with pytest.raises(InputError, match=r"provenance\.json is damaged"):
        fit(study, CONFIG, run_dir=folder, resume=True, show_progress=False)


@pytest.fixture
def on_disk(tmp_path):
    """A study of TIFF files."""
    rng = np.random.default_rng(7)
    runs = []
    for i, label in enumerate(LABELS):
        tifffile.imwrite(tmp_path / f"{i}.tif", movie(rng), photometric="minisblack")
        runs.append(Run(f"run_{i}", open_recording(tmp_path / f"{i}.tif"), label, i))
    return Study(tuple(runs), name="tiny")


def during(action, step_number, monkeypatch):
    """Do something to the files once the numbers of a step were written down."""
    wrote = _keeper.Keeper.wrote

    def then(keeper, row):
        wrote(keeper, row)
        if row["step"] == step_number:
            action()

    monkeypatch.setattr(_keeper.Keeper, "wrote", then)


@pytest.mark.parametrize("hold", [True, False])
def test_a_recording_that_changes_during_a_training_stops_it(hold, on_disk, finished, tmp_path, monkeypatch):
    path, folder = tmp_path / "2.tif", tmp_path / "run"
    original = path.read_bytes()
    prepared = prepare(on_disk, CONFIG.preprocess, hold=hold)

    def change():
        movie = tifffile.imread(path)
        movie[3, 4, 5] += 1
        tifffile.imwrite(path, movie, photometric="minisblack")

    with monkeypatch.context() as patch:
        during(change, 11, patch)
        with pytest.raises(InputError, match=r"2\.tif: the pixels of run run_2 changed during the training"):
            fit(on_disk, CONFIG, run_dir=folder, show_progress=False, prepared=prepared)
    assert names_by_step(folder / "checkpoints") == ["8"]
    path.write_bytes(original)
    model = fit(on_disk, CONFIG, run_dir=folder, resume=True, show_progress=False)
    assert_same_model(model, finished[0])


def test_a_recording_that_is_only_touched_does_not(on_disk, finished, tmp_path, monkeypatch):
    during(lambda: os.utime(tmp_path / "2.tif", (1, 1)), 11, monkeypatch)
    model = fit(on_disk, CONFIG, run_dir=tmp_path / "run", show_progress=False)
    assert_same_model(model, finished[0])


def test_a_folder_that_is_taken_away_during_a_training_stops_it(study, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    during(lambda: folder.rename(tmp_path / "moved"), 11, monkeypatch)
    with pytest.raises(TrainingError, match=r"run was removed, moved or replaced during the training"):
        fit(study, CONFIG, run_dir=folder, show_progress=False)
    assert not folder.exists()
    assert names_by_step(tmp_path / "moved" / "checkpoints") == ["8"]
