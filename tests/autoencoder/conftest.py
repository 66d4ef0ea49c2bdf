"""One small network for all tests of this folder: its shapes compile once."""

import autoencoder_references as ref
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lassovae.autoencoder import Weights


@pytest.fixture(scope="session")
def fresh():
    return ref.new_weights(jax.random.key(1))


@pytest.fixture(scope="session")
def shaken(fresh):
    """Weights as after a training: no parameter at a neutral 0 or 1, statistics of data."""
    return Weights(ref.shaken(fresh.params, 2), ref.shaken_stats(fresh.batch_stats, 3))


@pytest.fixture(scope="session")
def frames():
    """White noise: the maximum of every block moves from frame to frame."""
    return jnp.asarray(np.random.default_rng(4).random((ref.FRAMES, *ref.SHAPE)), jnp.float32)


@pytest.fixture(scope="session")
def mean_frame():
    return jnp.asarray(0.2 + np.random.default_rng(5).random(ref.SHAPE), jnp.float32)
