"""Forecasts, their error, rollouts and stability against loops and dense eigenvalues."""

import jax.numpy as jnp
import numpy as np
import pytest
import var_references as ref

from lassovae.var import VARFit, predict, relative_error, rollout, spectral_radius


def handmade(seed, order, nodes, size=0.3):
    """A fit that no lasso made: dense random coefficients, a mean, and a scale that forecasts must not use twice."""
    rng = np.random.default_rng(seed)
    coef = size * rng.normal(size=(order, nodes, nodes)) / np.sqrt(order * nodes)
    none = jnp.zeros(nodes)
    return VARFit(jnp.asarray(coef), jnp.asarray(3 * rng.normal(size=nodes)), jnp.asarray(7.0), none, none)


@pytest.mark.parametrize("order", [1, 3])
def test_predict_equals_a_loop_over_every_entry(x64, order):
    fit, z = handmade(41, order, 3, size=1.0), ref.series(42, 12, 3)
    expected = ref.forecasts(np.asarray(fit.coef), np.asarray(fit.mean), z)
    np.testing.assert_allclose(predict(fit, z), expected, rtol=0, atol=1e-13)
    twin = ref.forecasts(np.asarray(fit.coef).swapaxes(1, 2), np.asarray(fit.mean), z)
    assert np.abs(twin - expected).max() > 0.1
    np.testing.assert_array_equal(predict(fit, z.reshape(12, 3, 1)), predict(fit, z))


def test_relative_error_equals_the_formula_and_leaves_zero_frames_out(x64):
    fit, z = handmade(43, 2, 3), ref.series(44, 12, 3)
    z[[5, 9]] = fit.mean  # nothing there to forecast: 0 / 0 in the formula
    expected = ref.relative_error(np.asarray(fit.coef), np.asarray(fit.mean), z)
    np.testing.assert_allclose(relative_error(fit, z), expected, rtol=1e-13)
    assert 0 < expected < 10


def test_relative_error_of_a_perfect_and_of_an_empty_model(x64):
    fit = handmade(45, 1, 3)
    z = [np.ones(3)]
    for _ in range(8):
        z.append(np.asarray(fit.coef[0]) @ z[-1])
    np.testing.assert_allclose(relative_error(fit, np.array(z) + fit.mean), 0, atol=1e-12)
    empty = fit._replace(coef=0 * fit.coef)
    np.testing.assert_allclose(relative_error(empty, ref.series(46, 12, 3)), 1, rtol=1e-14)
    static = jnp.tile(fit.mean, (6, 1))  # nothing there to forecast is not a perfect forecast
    np.testing.assert_array_equal(relative_error(fit, static), 1)
    assert np.isnan(relative_error(fit, static.at[4, 1].set(jnp.nan)))


def test_rollout_equals_a_loop_and_starts_with_the_forecast(x64):
    fit, z = handmade(47, 3, 3, size=1.0), ref.series(48, 9, 3)
    frames = list(z)
    for _ in range(6):
        last = np.zeros((4, 3))
        last[:3] = frames[-3:]  # the fourth, unknown frame is forecast from these
        frames.append(ref.forecasts(np.asarray(fit.coef), np.asarray(fit.mean), last)[0])
    np.testing.assert_allclose(rollout(fit, z, 6), np.array(frames[9:]), rtol=0, atol=1e-12)
    np.testing.assert_allclose(rollout(fit, z[:-1], 1)[0], predict(fit, z)[-1], rtol=0, atol=1e-13)
    np.testing.assert_array_equal(rollout(fit, z.reshape(9, 1, 3), 2), rollout(fit, z, 2))


def test_rollout_of_a_stable_model_ends_at_the_mean_and_of_an_unstable_one_leaves(x64):
    fit, z = handmade(49, 2, 3), ref.series(50, 4, 3)
    radius = spectral_radius(fit.coef)
    assert radius < 0.7
    np.testing.assert_allclose(rollout(fit, z, 120)[-1], fit.mean, rtol=0, atol=1e-12)
    grown = fit._replace(coef=jnp.asarray([1.1 * np.eye(3), np.zeros((3, 3))]))
    assert np.abs(rollout(grown, z, 120)[-1]).max() > 1e3


@pytest.mark.parametrize(
    ("order", "nodes"), [(1, 1), (1, 6), (2, 40), (5, 40), (1, 210), (2, 110), (5, 45)], ids=str
)
def test_spectral_radius_equals_dense_eigenvalues(order, nodes):
    """Up to 200 companion rows and beyond, where another algorithm takes over."""
    for seed in range(3):
        rng = np.random.default_rng(51 + seed)
        coef = rng.normal(size=(order, nodes, nodes)) * (
            rng.random((order, nodes, nodes)) < max(0.1, 2 / nodes)
        )
        np.testing.assert_allclose(spectral_radius(coef), ref.companion_radius(coef), rtol=1e-7)


@pytest.mark.parametrize("seed", [1, 31])
def test_spectral_radius_where_the_largest_eigenvalues_are_close(seed):
    rng = np.random.default_rng(seed)
    nodes = int(rng.integers(41, 60))
    shape = (5, nodes, nodes)
    entries = rng.normal(size=shape)
    coef = entries * (rng.random(shape) < rng.choice([0.005, 0.02, 0.05])) * rng.choice([0.1, 0.3])
    np.testing.assert_allclose(spectral_radius(coef), ref.companion_radius(coef), rtol=1e-6)


@pytest.mark.parametrize("nodes", [5, 250])
def test_spectral_radius_of_a_chain_is_zero(nodes):
    """Each node drives the next and nothing returns: the companion is triangular with a zero diagonal."""
    coef = 0.9 * np.diag(np.ones(nodes - 1), -1)[None]
    assert ref.companion_radius(coef) == 0
    assert spectral_radius(coef) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("shape", [(1, 3, 3), (5, 60, 60)])
def test_spectral_radius_of_an_empty_network_is_zero(shape):
    assert spectral_radius(np.zeros(shape)) == 0


def test_spectral_radius_of_known_models():
    assert spectral_radius(np.array([[[0.5]], [[0.24]]])) == pytest.approx(0.8)  # x^2 = 0.5 x + 0.24
    lag_five = np.zeros((5, 50, 50))
    lag_five[4] = 0.9 * np.eye(50)
    assert spectral_radius(lag_five) == pytest.approx(0.9**0.2)
