"""Several windows a step: the mean of single gradients, the rule of batch norm, and one program a training."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from training_studies import CONFIG, SHAPE, make_study, movie

from lassovae import Config
from lassovae.data import prepare, windows
from lassovae.training import _step, fit
from lassovae.training._batches import batches, epoch_steps
from lassovae.training._mesh import make_mesh
from lassovae.training._objective import weighted_loss
from lassovae.training._step import initial_state

WINDOWS = 4


def moved_state():
    """Weights away from their start, where the decoder is silent and nothing reaches the encoder."""
    state = initial_state(CONFIG, SHAPE)
    rng = np.random.default_rng(2)
    params = jax.tree.map(
        lambda x: x + 0.2 * jnp.asarray(rng.standard_normal(x.shape), x.dtype), state.params
    )
    return state._replace(params=params)


@pytest.fixture(scope="module")
def some_windows(study):
    prepared = prepare(study, CONFIG.preprocess)
    frames = np.stack(
        [prepared.frames[r][s : s + CONFIG.window] for r, s in ((0, 0), (1, 12), (2, 0), (3, 12))]
    )
    return jnp.asarray(frames), jnp.asarray(prepared.mean_frame)


@partial(jax.jit, static_argnames="config")
def compiled_gradient(params, batch_stats, frames, weight, mean_frame, lam, config):
    loss = partial(weighted_loss, config=config)
    return jax.value_and_grad(loss, has_aux=True)(params, batch_stats, frames, weight, mean_frame, lam)


def gradient(state, frames, weight, mean_frame):
    """(gradients, statistics, measures of every window); one program for each number of windows."""
    lam = jnp.float32(CONFIG.lam)
    (_, (measures, stats)), grads = compiled_gradient(
        state.params, state.batch_stats, frames, weight, mean_frame, lam, config=CONFIG
    )
    return grads, stats, measures


def assert_close(one, other, rtol):
    """Relative to the largest entry of each array; those that are all rounding, to the largest of all."""
    size = max(float(jnp.abs(x).max()) for x in jax.tree.leaves(other))
    for (path, a), b in zip(jax.tree.leaves_with_path(one), jax.tree.leaves(other), strict=True):
        scale = max(float(jnp.abs(b).max()), 1e-2 * size)
        np.testing.assert_allclose(a, b, rtol=0, atol=rtol * scale, err_msg=jax.tree_util.keystr(path))


def test_a_batch_is_the_mean_of_its_windows(some_windows):
    frames, mean_frame = some_windows
    state = moved_state()
    weight = jnp.full(WINDOWS, 1 / WINDOWS)
    together = gradient(state, frames, weight, mean_frame)
    alone = [gradient(state, frames[i : i + 1], jnp.ones(1), mean_frame) for i in range(WINDOWS)]
    mean = jax.tree.map(lambda *parts: sum(parts) / WINDOWS, *[(g, s) for g, s, _ in alone])
    assert_close(together[:2], mean, 2e-5)
    measures = jax.tree.map(lambda *parts: jnp.concatenate(parts), *[m for _, _, m in alone])
    np.testing.assert_allclose(together[2].loss, measures.loss, rtol=1e-5)
    np.testing.assert_array_equal(together[2].nonzeros, measures.nonzeros)
    assert len(set(np.asarray(measures.loss).tolist())) == WINDOWS  # they are different windows


def test_a_step_of_windows_one_after_the_other_equals_one_of_all_at_once(some_windows, monkeypatch):
    monkeypatch.setattr(_step, "_windows_at_once", lambda windows: 1)
    frames, mean_frame = some_windows
    mesh = make_mesh(WINDOWS, 1)
    config = CONFIG.replace(windows_per_step=WINDOWS)
    state = moved_state()
    weight = jnp.asarray([0.5, 0.0, 0.25, 0.25])
    step = jax.jit(lambda *a: _step._step(*a, config=config, mesh=mesh))
    numbers = _step.schedule(config, 10)
    new, measures, lam = step(state, _step.Batch(frames, weight), mean_frame, numbers)
    grads, stats, each = gradient(state, frames, weight, mean_frame)
    assert float(lam) == pytest.approx(config.lam)
    # the window without weight leaves no trace
    assert_close(new.batch_stats, stats, 1e-5)
    assert float(measures.loss) == pytest.approx(float(weight @ each.loss), rel=1e-5)
    assert int(measures.failed) == int(each.failed[np.asarray([0, 2, 3])].sum())
    # Adam's first moment is a tenth of the gradient
    assert_close(10 * new.opt_state[0].mu, ravel_pytree(grads)[0], 2e-5)


def test_every_window_comes_once_an_epoch_and_the_last_batch_is_filled_without_weight():
    frames = [100 * run + np.arange(24 * 4, dtype=np.float32).reshape(24, 2, 2) for run in range(3)]
    places = windows([24] * 3, 8)
    steps = epoch_steps(len(places), 4, seed=3, epoch=1)
    assert [len(s) for s in steps] == [4, 4, 1]
    assert sorted(np.concatenate(steps)) == list(range(9))
    mesh = make_mesh(4, 1)
    for some, batch in batches(frames, places, steps, 8, 4, mesh):
        assert batch.frames.shape == (4, 8, 2, 2)
        expected = [frames[r][s : s + 8] for r, s in places[some]]
        np.testing.assert_array_equal(batch.frames[: len(some)], expected)
        np.testing.assert_allclose(
            batch.weight, np.where(np.arange(4) < len(some), 1 / len(some), 0), rtol=1e-7
        )


def test_windows_of_a_step_are_on_record(study):
    model = fit(study, CONFIG.replace(windows_per_step=3, epochs=2), show_progress=False)
    assert [row["step"] for row in model.history] == list(range(1, 7))
    assert [len(row["run"]) for row in model.history] == [3, 3, 2] * 2
    first = [(r, s) for row in model.history[:3] for r, s in zip(row["run"], row["start"], strict=True)]
    assert sorted(first) == [(name, start) for name in study.names for start in (0, 12)]


class Compilations:
    """Counts programs that XLA compiles while it is on."""

    def __init__(self):
        self.number = 0
        self._on = False
        jax.monitoring.register_event_duration_secs_listener(self._heard)

    def _heard(self, event, duration, **_):
        if self._on and event == "/jax/core/compile/backend_compile_duration":
            self.number += 1

    def of(self, call):
        self.number, self._on = 0, True
        try:
            call()
        finally:
            self._on = False
        return self.number


def test_a_training_compiles_one_step_and_another_of_the_same_shape_none():
    """Run lengths, last windows, epochs, strengths and rates are numbers to the program, not parts of it."""
    rng = np.random.default_rng(1)
    short = make_study(movies=[movie(rng, frames=n, shape=(24, 16)) for n in (24, 31, 24, 26)])
    longer = make_study(movies=[movie(rng, frames=n, shape=(24, 16)) for n in (36, 24, 55, 24)])
    config = CONFIG.replace(windows_per_step=3, channels=3)
    counter = Compilations()
    before = _step._compiled_step.cache_info().currsize
    first = counter.of(lambda: fit(short, config, show_progress=False))
    step = _step.make_step(config, make_mesh(3))
    assert _step._compiled_step.cache_info().currsize == before + 1
    assert step._cache_size() == 1
    assert (
        4 <= first <= 60
    )  # the step, initial weights, the finite check, encoding; the rest is JAX's small change
    changed = config.replace(
        lam=0.02, lam_warmup=0.3, learning_rate=1e-3, epochs=4, seed=5, condition_lam=0.001
    )
    assert counter.of(lambda: fit(longer, changed, show_progress=False)) == 0
    assert step._cache_size() == 1


def test_settings_that_shape_the_program_are_not_forgotten():
    plain = Config()
    changes = {
        "mode": "embedded", "encoder": "block_mean", "order": 3, "window": 32, "channels": 5, "windows_per_step": 2,
        "precision": "bfloat16", "skip": False, "unpooling": "same_frame", "forecast_weight": 0.5,
    }  # fmt: skip
    numbers = {"lam", "condition_lam", "prune", "lam_warmup", "learning_rate", "epochs", "seed", "preprocess"}
    assert {f.name for f in dataclasses.fields(Config)} == set(changes) | numbers
    for name, value in changes.items():
        assert plain.replace(**{name: value}).program() != plain.program(), name
    others = plain.replace(
        lam=0.5, condition_lam=0.1, prune=1.0, lam_warmup=0.2, learning_rate=1.0, epochs=7, seed=9
    )
    assert others.program() == plain.program()
    assert others.replace(channels=5).network() != plain.network() == plain.replace(mode="embedded").network()
