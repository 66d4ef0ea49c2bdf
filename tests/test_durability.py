"""Trainings that are killed, stopped, disturbed and damaged, as processes of their own: short versions of
benchmarks/kills.py, faults.py, preemption.py and flips.py."""

import importlib
import json
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from lassovae._cli import main

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def scripts():
    """Modules of benchmarks/ by name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        before = set(sys.modules)
        yield importlib.import_module
        for name in set(sys.modules) - before:
            if str(BENCHMARKS) in str(getattr(sys.modules[name], "__file__", "")):
                del sys.modules[name]


@pytest.fixture(scope="module")
def folders(scripts):
    return scripts("_run_folders")


@pytest.fixture(scope="module")
def workshop(folders, tmp_path_factory):
    options = folders.VARIANTS["soft_roi"]
    with folders.Workshop(tmp_path_factory.mktemp("workshop"), options) as workshop:
        yield workshop


def went_on(workshop, place, *options):
    """The same command in this process: quicker than one that imports everything anew."""
    return main(["fit", str(workshop.study), "--out", str(place / "run"), *workshop.options, *options])


@pytest.fixture(scope="module")
def undisturbed(workshop, folders):
    """Run folder of a training that nothing disturbed."""
    place = workshop.place("undisturbed")
    assert went_on(workshop, place) == 0
    return place / "run"


def assert_same_run(folders, folder, undisturbed):
    assert folders.differences(folders.everything(folder), folders.everything(undisturbed)) == []


def after_rows(folders, workshop, place, rows, *options):
    """A training that is halted after so many steps."""
    command = workshop.fit(place, *options)
    while command.alive and folders.rows_of(place / "run") < rows:
        time.sleep(0.001)
    command.send(signal.SIGSTOP)
    assert command.alive, command.finish()
    return command


def test_a_training_killed_three_times_ends_as_one_never_killed(workshop, folders, scripts, undisturbed):
    kills = scripts("kills")
    place = workshop.place("killed")
    folder = place / "run"
    # before config.json; then while the files of the third checkpoint or so are written
    for operation, options in ((2, ()), (70, ("--resume",))):
        spoilt = kills.sabotaged(LASSOVAE_WATCHED=str(folder), LASSOVAE_KILL_AT=str(operation))
        ended = workshop.fit(place, *options, **spoilt).finish()
        assert ended.status == 128 + signal.SIGKILL, ended
        assert (folder / "config.json").exists() == (operation > 2)
    kept = folders.newest_checkpoint(folder)
    assert kept >= 16
    command = after_rows(folders, workshop, place, kept + 20, "--resume")
    command.send(signal.SIGKILL)
    command.finish()
    assert folders.newest_checkpoint(folder) > kept
    assert went_on(workshop, place, "--resume") == 0
    assert_same_run(folders, folder, undisturbed)


def test_a_training_that_is_asked_to_stop_saves_its_step(workshop, folders, undisturbed):
    place = workshop.place("asked")
    command = after_rows(folders, workshop, place, 20)
    command.send(signal.SIGTERM)
    command.send(signal.SIGCONT)
    ended = command.finish()
    assert (ended.status, ended.errors and "SIGTERM" in ended.errors[0]) == (143, True), ended.err
    assert folders.newest_checkpoint(place / "run") == folders.rows_of(place / "run") >= 20
    assert went_on(workshop, place, "--resume") == 0
    assert_same_run(folders, place / "run", undisturbed)


def test_one_writer_a_folder_and_two_signals_end_it_at_once(workshop, folders, undisturbed, capsys):
    place = workshop.place("twice")
    command = after_rows(folders, workshop, place, 24)
    assert went_on(workshop, place, "--resume") == 2
    assert f"is being written by process {command.pid} of" in capsys.readouterr().err
    for number in (
        signal.SIGTERM,
        signal.SIGINT,
        signal.SIGCONT,
    ):  # the first two wait for the halted process
        command.send(number)
    ended = command.finish()
    assert (ended.status in (130, 143), "at once" in ended.err) == (True, True), ended
    assert folders.newest_checkpoint(place / "run") % 16 == 0  # nothing was saved but epochs
    assert went_on(workshop, place, "--resume") == 0
    assert_same_run(folders, place / "run", undisturbed)


def test_a_full_disk_is_one_error_and_loses_nothing(workshop, folders, scripts, undisturbed):
    disks = scripts("_fault_disks")
    place = workshop.place("full")
    try:
        with disks.full_but(place, 450_000) as filler:
            ended = workshop.fit(place).finish()
            assert ended.one_error() == ""
            assert str(place) in ended.errors[0]
            kept = folders.newest_checkpoint(place / "run")
            assert 0 < kept < folders.newest_checkpoint(undisturbed)
            filler.unlink()
            assert went_on(workshop, place, "--resume") == 0
            assert_same_run(folders, place / "run", undisturbed)
    except disks.Skipped as reason:
        pytest.skip(f"no small disk can be had here: {reason}")


def test_damage_to_any_file_is_told_or_harmless(scripts, undisturbed):
    flips = scripts("flips")
    rng = np.random.default_rng(3)
    every = list(flips.damages(undisturbed, 4, rng))
    chosen = [every[i] for i in rng.choice(len(every), 80, replace=False)]
    metrics = undisturbed / "metrics.jsonl"
    first = json.loads(metrics.read_text().splitlines()[0])
    changed = metrics.read_text().replace(json.dumps(first), json.dumps(first | {"loss": 1.0}), 1)
    chosen.append(flips.Damage(metrics, "another loss", changed.encode()))
    outcomes, wrong = flips.read_damaged(undisturbed, chosen)
    assert wrong == []
    assert min(outcomes["load: told"], outcomes["load: harmless"]) > 10
