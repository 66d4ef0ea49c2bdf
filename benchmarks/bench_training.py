"""Steps under pytest-benchmark: `pytest benchmarks/bench_training.py --benchmark-json=FILE`.

What is timed has been compiled before; that it is right is asserted before it is timed (`_agreement.py`). The same
steps in turns, with ratios, are `training_step.py`: prefer it for numbers, since turns share the machine's bad minutes.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import pytest
from _steps import autoencoder_step, moved_weights, movie, whole_step

from lassovae import Config
from lassovae.var import fit_runs

SIZE = (64, 96, 64)
CONFIG = Config()


@pytest.fixture(scope="module")
def data():
    frames, mean_frame = movie(0, SIZE[0], SIZE[1:])
    return frames, mean_frame, moved_weights(CONFIG, 0, SIZE[1:])


def arguments(data):
    frames, mean_frame, weights = data
    return jax.tree.map(jnp.asarray, (*weights, frames, mean_frame))


def ready(benchmark, call):
    """Time a call whose first run is not counted."""
    jax.block_until_ready(call())
    benchmark.pedantic(lambda: jax.block_until_ready(call()), rounds=5, iterations=1)


def test_autoencoder(benchmark, data):
    ready(benchmark, partial(autoencoder_step(CONFIG), *arguments(data)))


@pytest.mark.parametrize("layout", ["nchw", "channels_last"])
def test_torch_autoencoder(benchmark, data, layout):
    pytest.importorskip("torch")
    from _agreement import Case, no_further
    from _torch_twin import Twin, gradient_step

    frames, mean_frame, weights = data
    no_further([Case(CONFIG, weights, frames, mean_frame, None, "cpu")])
    twin = Twin(weights, layout, "cpu")
    ready(benchmark, partial(gradient_step(twin, False), twin.frames(frames), twin.frames(mean_frame)))


@pytest.mark.parametrize("mode", ["sequential", "embedded", "end_to_end"])
@pytest.mark.parametrize("lam", [0.001, 0.01])
def test_whole_step(benchmark, data, mode, lam):
    step = whole_step(CONFIG.replace(mode=mode))
    (_, (measures, _)), _ = step(*arguments(data), jnp.float32(lam))
    assert int(measures.failed) == 0
    benchmark.extra_info["nonzeros"] = float(measures.nonzeros)
    ready(benchmark, partial(step, *arguments(data), jnp.float32(lam)))


@pytest.mark.parametrize("runs", [4, 8])
def test_fit_runs(benchmark, runs):
    latents = [jax.random.normal(jax.random.key(n), (200, 96)) for n in range(runs)]
    fit = fit_runs(latents, 5, 0.002)
    assert not fit.status.any()
    assert float(fit.gap.max()) < 1e-5
    ready(benchmark, partial(fit_runs, latents, 5, 0.002))
