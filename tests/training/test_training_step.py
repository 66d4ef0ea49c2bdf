"""The schedule of lam and the guard, as closed forms."""

import jax.numpy as jnp
import numpy as np
import pytest
from training_studies import CONFIG

from lassovae.training._step import SMALLEST_LAM_FACTOR, guarded, schedule, scheduled_lam


def lams(config, num_steps):
    numbers = schedule(config, num_steps)
    return np.array([float(scheduled_lam(numbers, jnp.asarray(step))) for step in range(num_steps)])


def test_lam_rises_linearly_from_a_tenth_and_stays():
    got = lams(CONFIG.replace(lam=0.02, lam_warmup=0.25), 40)
    expected = 0.02 * np.interp(np.arange(40), [0, 10], [0.1, 1.0])
    np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_without_warm_up_every_step_has_the_full_lam():
    np.testing.assert_allclose(lams(CONFIG.replace(lam=0.02, lam_warmup=0.0), 5), 0.02, rtol=1e-6)


def test_the_guard_is_exactly_one_while_the_var_lives():
    assert float(guarded(jnp.ones(()), jnp.asarray(0.01))) == 1.0


def test_the_guard_halves_down_to_its_floor_and_restores_in_time():
    factor, dead = jnp.ones(()), []
    for _ in range(9):
        factor = guarded(factor, jnp.zeros(()))
        dead.append(float(factor))
    assert dead == [max(0.5**n, SMALLEST_LAM_FACTOR) for n in range(1, 10)]
    alive = []
    for _ in range(100):
        factor = guarded(factor, jnp.asarray(0.5))
        alive.append(float(factor))
    assert alive[0] == pytest.approx(1.05 * SMALLEST_LAM_FACTOR)
    assert np.all(np.diff(alive) >= 0)
    assert alive[-1] == 1.0
    needed = int(np.ceil(np.log(1 / SMALLEST_LAM_FACTOR) / np.log(1.05)))
    assert alive[needed - 3] < 1.0 <= alive[needed + 1]
