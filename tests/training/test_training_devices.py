"""The same training on 1, 2 and 8 devices and on two processes: the same weights, and checkpoints that move.

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


def started(out, devices, epochs, *where):
    arguments = [str(a) for a in (out, devices, epochs, *where)]
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
    """Weights after one step and after all."""
    return [dict(np.load(f"{out}-{name}.npz")) for name in ("first", "last")]


def trained(out, devices):
    ended(started(out, devices, STEPS))
    return weights(out)


def trained_by_two(out, devices):
    port = free_port()
    ended(*(started(out, devices, STEPS, port, process, 2) for process in (0, 1)))
    return weights(out)


# Centring takes off what these add to the latents: their gradient is rounding, and measured by Adam's steps.
MOVED_BY_ROUNDING = (".params['encoder']['collapse']['bias']", ".params['encoder']['BatchNorm_2']['bias']")


def distance(one, other):
    """Largest difference of any weight, relative to the largest of its array."""
    assert one.keys() == other.keys()
    assert len(one) > 20
    assert set(MOVED_BY_ROUNDING) < set(one)
    found = []
    for name in one:
        size = np.abs(other[name]).max()
        if name in MOVED_BY_ROUNDING:
            size = STEPS * EIGHT.learning_rate
        found.append(np.abs(one[name] - other[name]).max() / (size or 1))
    return max(found)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Weights after 1 and after all steps, on one device."""
    first, last = trained(tmp_path_factory.mktemp("alone") / "run", 1)
    assert distance(first, last) > 0.01  # the training goes somewhere
    return first, last


def assert_same(trained, alone):
    assert distance(trained[0], alone[0]) <= 1e-5
    assert distance(trained[1], alone[1]) <= 1e-4


@pytest.mark.parametrize("devices", [2, 8])
def test_several_devices_train_the_same_weights(devices, alone, tmp_path):
    assert_same(trained(tmp_path / "run", devices), alone)


def test_two_processes_train_the_same_weights_and_one_goes_on_from_their_checkpoint(alone, tmp_path):
    run = tmp_path / "run"
    assert_same(trained_by_two(run, 2), alone)  # of two devices each
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
    leaves = jax.tree.leaves_with_path(ended_here.weights)
    values = {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}
    assert distance(values, alone[1]) <= 1e-4


def test_two_processes_of_one_device_each_train_and_leave_a_checkpoint(alone, tmp_path):
    run = tmp_path / "run"
    port = free_port()
    ended(*(started(run, 1, 2, port, process, 2) for process in (0, 1)))
    assert distance(weights(run)[0], alone[0]) <= 1e-5
    assert len(load(run).history) == 2


def test_processes_with_different_settings_are_told_which_before_anything_is_written(tmp_path):
    port = free_port()
    jobs = [started(tmp_path / "run", 1, epochs, port, process, 2) for process, epochs in ((0, 2), (1, 3))]
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
