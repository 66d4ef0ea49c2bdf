"""Tiny studies and settings that the tests of training share, and what they compare."""

import signal
from pathlib import Path

import jax
import numpy as np
import pytest

from lassovae._config import Config
from lassovae.data import ArrayRecording, Run, Study, epoch_order, windows
from lassovae.training import _epochs, fit
from lassovae.training._step import make_step

SHAPE = (16, 24)
FRAMES = 24
MODES = ("sequential", "embedded", "end_to_end")
CONFIG = Config(order=2, window=12, epochs=3, channels=4, lam=0.01, learning_rate=0.01)
LABELS = ("F", "F", "N", "N")


def movie(rng, frames=FRAMES, shape=SHAPE):
    """Blobs that brighten one after another on an uneven background: there is something to forecast."""
    rows, columns = np.indices(shape)
    background = 1000 + 200 * np.sin(rows / 5) + 100 * np.cos(columns / 7)
    signal = np.zeros((frames, 2))
    for t in range(1, frames):
        signal[t, 0] = 0.7 * signal[t - 1, 0] + rng.exponential(0.3)
        signal[t, 1] = 0.5 * signal[t - 1, 1] + 0.6 * signal[t - 1, 0]
    centres = ((4, 5), (11, 18))
    blobs = [np.exp(-((rows - r) ** 2 + (columns - c) ** 2) / 12) for r, c in centres]
    light = background * (1 + 0.3 * np.tensordot(signal, blobs, axes=1))
    return np.rint(light + 10 * rng.standard_normal(light.shape)).astype(np.uint16)


def make_study(labels=LABELS, movies=None):
    rng = np.random.default_rng(7)
    movies = [movie(rng) for _ in labels] if movies is None else movies
    runs = [
        Run(f"run_{i}", ArrayRecording(m, name=f"run_{i}"), label, i)
        for i, (m, label) in enumerate(zip(movies, labels, strict=True))
    ]
    return Study(tuple(runs), name="tiny")


def movies_of(study):
    return [run.recording[:] for run in study]


def stopping_at(step_number, error):
    """A make_step whose step raises instead of doing the given step (counted over its own calls, from 1)."""

    def make(config, mesh):
        inner, calls = make_step(config, mesh), [0]

        def step(*arguments):
            calls[0] += 1
            if calls[0] == step_number:
                raise error
            return inner(*arguments)

        return step

    return make


class PowerCut(Exception):
    """What stops a training in tests."""


def stopped(study, folder, step_number, monkeypatch, config=CONFIG):
    """Leave in `folder` a training that stopped instead of doing a step (from 1)."""
    with monkeypatch.context() as patch:
        patch.setattr(_epochs, "make_step", stopping_at(step_number, PowerCut()))
        with pytest.raises(PowerCut):
            fit(study, config, run_dir=folder, show_progress=False)


def signalling_at(step_number, number):
    """A make_step whose process gets a signal while the given step is made (counted over its own calls, from 1)."""

    def make(config, mesh):
        inner, calls = make_step(config, mesh), [0]

        def step(*arguments):
            calls[0] += 1
            if calls[0] == step_number:
                signal.raise_signal(number)
            return inner(*arguments)

        return step

    return make


def window_of_step(study, config, step_number):
    """Name of the run and first frame of the window of a step (from 1), from the public functions of data."""
    places = windows(study.lengths, config.window)
    epoch, position = divmod(step_number - 1, len(places))
    run, start = places[epoch_order(len(places), config.seed, epoch)[position]]
    return study.names[run], int(start)


def contents(folder: Path):
    """Every file below a folder with its bytes, and every folder."""
    return {
        str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))
    }


def numbers(model):
    """Everything a training decided, as arrays by name."""
    leaves = jax.tree.leaves_with_path((model.weights, model.positions))
    values = {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}
    return values | {"mean_frame": model.mean_frame, "lam_factor": np.asarray(model.lam_factor)}


def assert_same_model(one, other):
    a, b = numbers(one), numbers(other)
    assert a.keys() == b.keys()
    assert len(a) > 3 or one.config.encoder == "block_mean"
    different = [
        name for name in a if a[name].tobytes() != b[name].tobytes() or a[name].dtype != b[name].dtype
    ]
    assert different == []
    assert (one.scale, one.offset, one.notes) == (other.scale, other.offset, other.notes)
    assert one.history == other.history
