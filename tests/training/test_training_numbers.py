"""What a training does where numbers are not finite, and what it says of VARs that are dead or interpolate."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from training_studies import (
    CONFIG,
    SHAPE,
    assert_same_model,
    make_study,
    window_of_step,
)

from lassovae._errors import TrainingError
from lassovae.autoencoder import encode
from lassovae.data import prepare
from lassovae.training import _epochs, _objective, _step, fit, load
from lassovae.training._batches import Batch
from lassovae.training._folder import read_rows
from lassovae.training._mesh import make_mesh, replicated
from lassovae.training._notes import SKIPS_IN_A_ROW, too_many_skipped, training_notes
from lassovae.training._step import initial_state, make_step, schedule

QUICK = CONFIG.replace(encoder="soft_roi", order=1, epochs=4)  # 32 steps, of a program that compiles fast


MARK = 2.0  # of a pixel: beyond [0, 1], so that no frame of a recording has it


def spoilt_encode(config, weights, frames, mean_frame, *, train):
    """The true encoder, but that latents of marked frames have no finite derivative: sqrt(0), as at a kink."""
    latents, *rest = encode(config, weights, frames, mean_frame, train=train)
    is_marked = frames.max() >= MARK
    kink = jnp.sqrt(jnp.where(is_marked, latents - jax.lax.stop_gradient(latents), 1))
    return jnp.where(is_marked, latents + kink, latents), *rest


def marked(batch):
    return batch._replace(frames=batch.frames.at[0, 0, 0, 0].set(MARK))


@pytest.fixture(scope="module", autouse=True)
def _spoilt():
    """Every step of this file is compiled with an encoder that can be spoilt, and found by no other file."""
    _step._compiled_step.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_objective, "encode", spoilt_encode)
        yield
    _step._compiled_step.cache_clear()


def test_a_step_whose_gradient_is_not_finite_changes_nothing_but_the_count(study):
    prepared = prepare(study, QUICK.preprocess)
    mesh = make_mesh(1)
    batch = replicated(mesh, Batch(prepared.frames[0][:12][None], np.ones(1, np.float32)))
    mean_frame, numbers = replicated(mesh, (prepared.mean_frame, schedule(QUICK, 24)))
    step = make_step(QUICK, mesh)

    def before():
        state = initial_state(QUICK, SHAPE)._replace(lam_factor=jnp.asarray(0.5))
        return replicated(mesh, jax.tree.map(jnp.copy, state))  # a step takes what it is given

    def changed(after):
        pairs = zip(jax.tree.leaves_with_path(before()), jax.tree.leaves(after), strict=True)
        return [jax.tree_util.keystr(path) for (path, a), b in pairs if not np.array_equal(a, b)]

    taken, measures, _ = step(before(), batch, mean_frame, numbers)
    assert int(measures.skipped) == 0
    assert len(changed(taken)) > 5
    after, measures, _ = step(before(), marked(batch), mean_frame, numbers)
    assert np.isfinite(float(measures.loss))
    assert int(measures.skipped) == 1
    assert changed(after) == [".step"]


def test_a_gradient_whose_square_overflows_is_skipped_too(study):
    """Adam's second moment would be Inf for good, and the weight would never move again, though all of it is finite."""
    state = initial_state(QUICK, SHAPE)
    grads = jax.tree.map(lambda p: jnp.full_like(p, 1e25), state.params)
    _, opt_state = _step.OPTIMISER.update(grads, state.opt_state, state.params)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(grads))
    after, skipped = _step.taken_if_finite(state, state._replace(opt_state=opt_state, step=jnp.asarray(1)))
    assert int(skipped) == 1
    assert jax.tree.all(jax.tree.map(np.array_equal, after.opt_state, state.opt_state))


def skipping(*steps, stop_before=None):
    """A make_step that meets marked frames at these steps (from 1), and raises KeyError instead of one."""

    def make(config, mesh):
        inner = make_step(config, mesh)

        def step(state, batch, *rest):
            number = int(state.step) + 1
            if number == stop_before:
                raise KeyError(number)
            return inner(state, marked(batch) if number in steps else batch, *rest)

        return step

    return make


@pytest.fixture(scope="module")
def with_skips(study, tmp_path_factory):
    """(model, folder) of a training in which the steps 3, 4 and 20 of 64 are skipped by the real step."""
    folder = tmp_path_factory.mktemp("skips") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_epochs, "make_step", skipping(3, 4, 20))
        model = fit(study, QUICK.replace(epochs=8), run_dir=folder, show_progress=False)
    return model, folder


def test_skipped_steps_are_counted_and_told(with_skips, study):
    model, folder = with_skips
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if row["skipped"] == 1] == [3, 4, 20]
    assert {row["skipped"] for row in rows} == {0, 1}
    note = next(note for note in model.notes if "skipped" in note)
    assert note.startswith(
        "3 of 64 training steps were skipped because their gradient was not finite: step 3 (run "
    )
    for step in (3, 4, 20):
        name, start = window_of_step(study, QUICK, step)
        assert f"step {step} (run {name}, frames {start} to {start + 11})" in note
    assert load(folder).notes == model.notes
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(model.weights))


# right after the first skip, between two in a row, with skips before the checkpoint it goes on from, at the last one
@pytest.mark.parametrize("step_number", [4, 13, 20, 21])
def test_resuming_over_a_skipped_step_is_exact(step_number, with_skips, study, tmp_path, monkeypatch):
    config, folder = QUICK.replace(epochs=8), tmp_path / "run"
    monkeypatch.setattr(_epochs, "make_step", skipping(3, 4, 20, stop_before=step_number))
    with pytest.raises(KeyError):
        fit(study, config, run_dir=folder, show_progress=False)
    monkeypatch.setattr(_epochs, "make_step", skipping(3, 4, 20))
    resumed = fit(study, config, run_dir=folder, resume=True, show_progress=False)
    assert_same_model(resumed, with_skips[0])
    assert (folder / "metrics.jsonl").read_bytes() == (with_skips[1] / "metrics.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("steps", "stops_at", "words"),
    [
        ((9, 10, 11), 11, "the training skipped 3 steps in a row"),
        ((2, 9, 17), 17, "the training skipped 3 of its 32 steps"),
    ],
)
def test_too_many_skipped_steps_stop_with_step_run_and_window(
    steps, stops_at, words, study, tmp_path, monkeypatch
):
    monkeypatch.setattr(_epochs, "make_step", skipping(*steps))
    name, start = window_of_step(study, QUICK, stops_at)
    where = rf"at step {stops_at} \(epoch \d\), run {name}, frames {start} to {start + 11}"
    message = rf"the gradient is not finite {where} \({words}\): lower learning_rate, or look at these frames"
    with pytest.raises(TrainingError, match=message):
        fit(study, QUICK, run_dir=tmp_path / "run", show_progress=False)
    rows = read_rows(tmp_path / "run" / "metrics.jsonl", 99)
    assert [row["step"] for row in rows] == list(range(1, stops_at))


def rows_of(*skips):
    return [{"skipped": int(i in skips)} for i in range(1, 100)]


def test_when_a_training_gives_up_by_the_numbers():
    assert SKIPS_IN_A_ROW == 3
    assert too_many_skipped(rows_of(98, 99), 1, 1000) == "the training skipped 3 steps in a row"
    assert too_many_skipped(rows_of(97, 98), 1, 1000) == ""
    assert too_many_skipped(rows_of(97, 98, 99), 0, 1000) == ""  # the step itself was taken
    assert too_many_skipped(rows_of(1, 3), 1, 59) == "the training skipped 3 of its 59 steps"
    assert too_many_skipped(rows_of(1, 3), 1, 60) == ""
    assert too_many_skipped(rows_of(1), 1, 10) == ""
    assert too_many_skipped([{}] * 5, 1, 10) == ""  # of a version that did not count them


def test_rows_of_a_version_without_the_count_still_load(finished):
    model = finished[0]
    assert {row["skipped"] for row in model.history} == {0}
    older = [{k: v for k, v in row.items() if k != "skipped"} for row in model.history]
    assert training_notes(older, CONFIG) == model.notes == ()


def noise_study():
    rng = np.random.default_rng(0)
    movies = [rng.integers(500, 1500, (24, *SHAPE)).astype(np.uint16) for _ in range(4)]
    return make_study(movies=movies)


@pytest.mark.parametrize(("lam", "told"), [(0.0, True), (0.06, False)])
def test_an_interpolating_var_is_told(lam, told):
    """White noise without a penalty: 6 nodes x 2 lags reproduce the 6 frames of a window of 8 that can be forecast."""
    config = QUICK.replace(order=2, window=8, lam=lam, epochs=1)
    model = fit(noise_study(), config, show_progress=False)
    said = [note for note in model.notes if "interpolated" in note]
    assert bool(said) == told, [row["nonzeros"] for row in model.history]
    if told:
        assert "interpolated in 12 of 12 training steps" in said[0]
        assert "a window has frames to forecast (6)" in said[0]
        assert "raise lam, or take a longer window" in said[0]


ON_TWO_DEVICES = """
import jax, numpy as np
from training_studies import SHAPE, make_study
import test_training_numbers as here
from lassovae.data import prepare
from lassovae.training import _objective
from lassovae.training._batches import Batch
from lassovae.training._mesh import make_mesh, replicated, shared
from lassovae.training._step import initial_state, make_step, schedule
_objective.encode = here.spoilt_encode
config = here.QUICK.replace(windows_per_step=2)
prepared = prepare(make_study(), config.preprocess)
mesh = make_mesh(2)
assert mesh.size == 2
frames = np.stack([run[:12] for run in prepared.frames[:2]])
frames[1, 0, 0, 0] = here.MARK  # what the second device alone works on
sent = [shared(mesh, x, lambda part: part) for x in (frames, np.full(2, 0.5, np.float32))]
mean_frame, numbers = replicated(mesh, (prepared.mean_frame, schedule(config, 24)))
before = jax.device_get(initial_state(config, SHAPE))
after, measures, _ = make_step(config, mesh)(replicated(mesh, before), Batch(*sent), mean_frame, numbers)
assert int(measures.skipped) == 1
for old, new in zip(jax.tree.leaves(before._replace(step=1)), jax.tree.leaves(after), strict=True):
    assert len(new.addressable_shards) == 2
    assert all(np.array_equal(old, shard.data) for shard in new.addressable_shards)
"""


def test_a_gradient_that_one_device_spoils_is_skipped_by_all():
    flags = [f for f in os.environ.get("XLA_FLAGS", "").split() if "device_count" not in f]
    here = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    added = {
        "XLA_FLAGS": " ".join(flags),
        "JAX_NUM_CPU_DEVICES": "2",
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": here,
    }
    done = subprocess.run(
        [sys.executable, "-c", ON_TWO_DEVICES],
        env=os.environ | added,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
