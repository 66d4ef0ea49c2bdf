"""The same training on 1, 2 and 8 devices and on two processes: the same weights, and checkpoints that move.

A sum over devices rounds otherwise than one in a row. The convolutional network is smooth only between the zeros of
its ReLUs, the ties of its pools and the knots of its lassos: where a rounding crosses one, the gradient of a window
jumps by up to some hundredths, on one device as on eight (docs/numbers.md). So each of its steps is compared from one
and the same state. Soft regions have the knots alone, and are compared at the end of whole trainings.

Every job is a process of its own, since the number of devices is chosen when JAX starts.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from training_studies import CONFIG, make_study

from lassovae import InputError, load
from lassovae.training import fit
from lassovae.training._mesh import make_mesh

HERE = Path(__file__).parent
STEPS = 20  # of 8 windows: all the windows of the study
EIGHT = CONFIG.replace(windows_per_step=8, epochs=STEPS, learning_rate=1e-3)  # as in devices_job.py


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def started(out, devices, *where, encoder="convolutional", epochs=STEPS):
    arguments = [str(a) for a in (out, encoder, devices, epochs, *where)]
    flags = os.environ.get("XLA_FLAGS", "").split()
    kept = " ".join(flag for flag in flags if "device_count" not in flag)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("JAX_NUM")} | {"XLA_FLAGS": kept}
    return subprocess.Popen(
        [sys.executable, HERE / "devices_job.py", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ended(*jobs):
    for job in jobs:
        text, _ = job.communicate(timeout=300)
        assert job.returncode == 0, text[-3000:]


def weights(out):
    """Weights after every step."""
    found = {}
    for key, values in np.load(f"{out}-weights.npz").items():
        step, name = key.split(" ", 1)
        found.setdefault(int(step), {})[name] = values
    return found


def trained(out, devices, *where, **options):
    ended(started(out, devices, *where, **options))
    return weights(out)


def trained_by_two(out, devices, states="-", **options):
    port = free_port()
    ended(*(started(out, devices, states, port, process, 2, **options) for process in (0, 1)))
    return weights(out)


# Centring takes off what these add to the latents: their gradient is rounding, and measured by Adam's steps.
MOVED_BY_ROUNDING = (
    "['params']['encoder']['collapse']['bias']",
    "['params']['encoder']['BatchNorm_2']['bias']",
)


def distance(one, other):
    """Largest difference of any weight, relative to the largest of its array."""
    assert one.keys() == other.keys()
    found = []
    for name in one:
        size = np.abs(other[name]).max()
        if name in MOVED_BY_ROUNDING:
            size = STEPS * EIGHT.learning_rate
        found.append(np.abs(one[name] - other[name]).max() / (size or 1))
    return max(found)


@pytest.fixture(scope="module")
def convolutional(tmp_path_factory):
    """(folder of the states before, weights after every step) on one device."""
    out = tmp_path_factory.mktemp("convolutional") / "run"
    found = trained(out, 1)
    assert sorted(found) == list(range(1, STEPS + 1))
    assert len(found[1]) > 20
    assert set(MOVED_BY_ROUNDING) < set(found[1])
    assert distance(found[1], found[STEPS]) > 0.01  # the training goes somewhere
    return f"{out}-states", found


@pytest.fixture(scope="module")
def soft_roi(tmp_path_factory):
    """Weights after every step, on one device."""
    found = trained(tmp_path_factory.mktemp("soft_roi") / "run", 1, encoder="soft_roi")
    assert distance(found[1], found[STEPS]) > 0.01
    return found


def assert_every_step_is(found, expected):
    assert found.keys() == expected.keys()
    far = {step: distance(found[step], expected[step]) for step in found}
    assert max(far.values()) <= 1e-5, far


@pytest.mark.parametrize("devices", [2, 8])
def test_several_devices_take_the_same_steps(devices, convolutional, tmp_path):
    states, expected = convolutional
    assert_every_step_is(trained(tmp_path / "run", devices, states), expected)


@pytest.mark.parametrize("devices", [2, 8])
def test_several_devices_train_the_same_weights(devices, soft_roi, tmp_path):
    found = trained(tmp_path / "run", devices, encoder="soft_roi")
    assert distance(found[1], soft_roi[1]) <= 1e-5
    assert distance(found[STEPS], soft_roi[STEPS]) <= 1e-4


def test_two_processes_train_the_same_weights(soft_roi, tmp_path):
    found = trained_by_two(tmp_path / "run", 2, encoder="soft_roi")  # of two devices each
    assert distance(found[STEPS], soft_roi[STEPS]) <= 1e-4


def test_two_processes_take_the_same_steps_and_one_goes_on_from_their_checkpoint(convolutional, tmp_path):
    run = tmp_path / "run"
    states, expected = convolutional
    assert_every_step_is(trained_by_two(run, 2, states), expected)
    model = load(run)
    assert len(model.history) == STEPS
    lines = (run / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == list(range(1, STEPS + 1))  # one process writes
    # two began, one ends
    steps = sorted(int(p.name) for p in (run / "checkpoints").iterdir() if p.name.isdigit())
    assert steps[-2:] == [STEPS - 1, STEPS]
    for name in (str(STEPS), "final"):
        shutil.rmtree(run / "checkpoints" / name)
        (run / "checkpoints" / f"{name}.json").unlink()
    with pytest.raises(InputError, match=f"unfinished training .step {STEPS - 1} of {STEPS}"):
        load(run)
    ended_here = fit(make_study(), EIGHT, run_dir=run, resume=True, show_progress=False)
    leaves = jax.tree.leaves_with_path(ended_here.weights._asdict())
    values = {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}
    assert distance(values, expected[STEPS]) <= 1e-4


def test_two_processes_of_one_device_each_train_and_leave_a_checkpoint(convolutional, tmp_path):
    run = tmp_path / "run"
    found = trained_by_two(run, 1, epochs=2)
    assert distance(found[1], convolutional[1][1]) <= 1e-5
    assert len(load(run).history) == 2


def test_processes_with_different_settings_are_told_which_before_anything_is_written(tmp_path):
    port = free_port()
    jobs = [
        started(tmp_path / "run", 1, "-", port, process, 2, epochs=epochs)
        for process, epochs in ((0, 2), (1, 3))
    ]
    for job in jobs:
        text, _ = job.communicate(timeout=300)
        assert job.returncode == 1
        assert "the processes disagree: config.epochs is 2 in process 0 and 3 in process 1" in text
    assert list(tmp_path.iterdir()) == []


def test_as_many_devices_work_as_divide_the_windows():
    code = "from lassovae.training import make_mesh; print(*(make_mesh(n).size for n in (1, 2, 3, 6, 8)))"
    environment = os.environ | {"JAX_NUM_CPU_DEVICES": "4", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout.split() == ["1", "2", "3", "3", "4"], done.stderr


def test_devices_that_cannot_share_a_step_are_refused_before_anything_is_written(tmp_path):
    study = make_study()
    with pytest.raises(InputError, match=r"devices=\d+: JAX has \d"):
        make_mesh(8, len(jax.devices()) + 1)
    for devices in (0, -1, True):
        with pytest.raises(InputError, match="devices="):
            fit(study, CONFIG, run_dir=tmp_path / "run", devices=devices)
    assert not (tmp_path / "run").exists()
