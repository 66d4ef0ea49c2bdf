"""Units do not matter, up to the ends of the exponent range; free predictors and caps at their edges."""

import jax
import jax.numpy as jnp
import lasso_references as ref
import numpy as np
import pytest

from lassovae import Status
from lassovae.lasso import duality_gap, lasso_path, path_at, solve_lasso

SOLVE = jax.jit(solve_lasso, static_argnames=("max_active", "positive"))


@pytest.mark.parametrize(("x_exponent", "y_exponent"), [(-66, 0), (-56, -56), (60, 60), (63, -40), (-60, 60)])
def test_powers_of_two_at_the_ends_of_float32(x_exponent, y_exponent):
    X, Y = (a.astype(np.float32) for a in ref.gaussian(71, 20, 40, 6))
    lam = np.float32(0.01)
    expected = SOLVE(X, Y, lam)
    found = SOLVE(np.ldexp(X, x_exponent), np.ldexp(Y, y_exponent), np.ldexp(lam, x_exponent + y_exponent))
    np.testing.assert_array_equal(found.status, Status.OK)
    np.testing.assert_array_equal(found.num_events, expected.num_events)
    np.testing.assert_array_equal(np.ldexp(found.coef, x_exponent - y_exponent), expected.coef)
    np.testing.assert_array_equal(found.gap, expected.gap)


def test_the_end_of_the_path_of_tiny_data():
    X, Y = (a.astype(np.float32) for a in ref.gaussian(72, 20, 40, 6))
    found = SOLVE(np.ldexp(X, -60), np.ldexp(Y, -60), 0.0)
    np.testing.assert_array_equal(found.status, Status.OK)
    np.testing.assert_array_equal(found.coef, SOLVE(X, Y, 0.0).coef)


@pytest.mark.parametrize("exponent", [-66, 60])
def test_paths_of_tiny_and_huge_data(exponent):
    X, Y = (a.astype(np.float32) for a in ref.gaussian(73, 12, 8, 1))
    y = Y[:, 0]
    expected = lasso_path(X, y)
    found = lasso_path(np.ldexp(X, exponent), np.ldexp(y, exponent // 2))
    assert int(found.num_knots) == int(expected.num_knots) > 5
    np.testing.assert_array_equal(np.ldexp(found.coefs, exponent - exponent // 2), expected.coefs)


@pytest.mark.parametrize("exponent", [-20, 13, 20])
def test_weights_and_lam_have_a_common_unit(exponent, rng):
    X, Y = (a.astype(np.float32) for a in ref.gaussian(74, 20, 40, 8))
    weights = rng.uniform(0.5, 2, 40).astype(np.float32)
    lam = np.float32(1e-3)
    expected = SOLVE(X, Y, lam, weights=weights)
    found = SOLVE(X, Y, np.ldexp(lam, -exponent), weights=np.ldexp(weights, exponent))
    for name in ("coef", "status", "gap", "num_events", "kink_margin"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)


def test_a_free_intercept_of_uncentred_data_stays(rng):
    """What single precision can do with such data it does, and where it cannot it says so."""
    X, Y = ref.gaussian(75, 30, 40, 64)
    for mean in (100.0, 300.0):
        with_one = np.hstack([np.ones((30, 1)), X + mean]).astype(np.float32)
        y = (Y + mean).astype(np.float32)
        weights = np.r_[0.0, np.ones(40)].astype(np.float32)
        centred = y - y.mean(axis=0)
        lam = 1e-3 * np.abs(X.T @ centred).max(axis=0) / 30
        found = SOLVE(with_one, y, lam.astype(np.float32), weights=weights)
        status, gap = np.asarray(found.status), np.asarray(found.gap)
        assert (np.asarray(found.coef)[0] != 0).all()
        assert (gap[status == Status.OK] < 5e-3).all()
        assert set(np.unique(status)) <= {Status.OK, Status.ILL_CONDITIONED}


def test_free_predictors_count_against_max_active(x64, rng):
    X, Y = ref.gaussian(76, 20, 10, 3)
    weights = np.r_[np.zeros(3), np.ones(7)]
    found = SOLVE(X, Y, 1e3, weights=weights, max_active=1)
    assert ((np.asarray(found.coef) != 0).sum(axis=0) <= 1).all()
    np.testing.assert_array_equal(found.status, Status.MAX_ACTIVE)
    # forty free columns of rank five: five are enough, and none is missed
    low_rank = rng.normal(size=(20, 5)) @ rng.normal(size=(5, 40))
    found = SOLVE(np.hstack([low_rank, X]), Y, 0.01, weights=np.r_[np.zeros(40), np.ones(10)], max_active=16)
    np.testing.assert_array_equal(found.status, Status.OK)


def test_an_infinite_ridge_is_a_bad_argument_under_tracing():
    X, Y = ref.gaussian(77, 10, 5, 2)
    found = jax.jit(lambda l2: solve_lasso(X, Y, 0.1, l2=l2))(jnp.inf)
    np.testing.assert_array_equal(found.status, Status.BAD_ARGUMENT)
    assert np.isnan(found.coef).all()


@pytest.mark.parametrize("scale", [1e4, 1e6, 1e9])
def test_a_small_column_is_not_lost_beside_a_large_one(scale, rng):
    """In single precision the rounding of the large column's correlations is above all that the small one has."""
    small, large = rng.normal(size=(2, 50))
    X = np.stack([large * scale, small], axis=1).astype(np.float32)
    y = (small + 1.5 * large + 0.01 * rng.normal(size=50)).astype(np.float32)
    expected = np.linalg.lstsq(X.astype(float) / [scale, 1], y.astype(float), rcond=None)[0]
    found = SOLVE(X, y, 0.0)
    assert int(found.status) == Status.OK
    np.testing.assert_allclose(found.coef * np.array([scale, 1]), expected, rtol=1e-5)
    without = np.array([expected[0] / scale, 0], np.float32)
    assert float(duality_gap(X, y, without, 0.0)) > 0.1
    path = lasso_path(X, y)
    end = np.asarray(path_at(path, 0.0)) * [scale, 1]
    if int(path.status) == Status.OK:
        np.testing.assert_allclose(end, expected, rtol=1e-4)
    else:
        assert np.isnan(end).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_least_squares_of_columns_in_mixed_units(dtype, rng):
    far = np.array([-3, 0, 4, 0, -3, 3]) if dtype == np.float32 else np.array([-15, 0, 15, 0, -30, 8])
    units = 10.0**far
    X = (rng.normal(size=(10, 6)) * units).astype(dtype)
    y = rng.normal(size=10).astype(dtype)
    expected = np.linalg.lstsq(X.astype(float) / units, y.astype(float), rcond=None)[0]
    with ref.precision_of(dtype):
        found = SOLVE(X, y, dtype(0))
        assert int(found.status) == Status.OK
        tol = 1e-4 if dtype == np.float32 else 1e-10
        np.testing.assert_allclose(found.coef * units, expected, rtol=tol, atol=tol)


def test_a_target_that_is_not_solved_has_a_finite_gradient_still(rng):
    """It is not to be relied on, but one such target must not spoil a training."""
    X = (rng.normal(size=(50, 2)) * [1e6, 1]).astype(np.float32)
    y = (X @ [1e-6, 1]).astype(np.float32)

    @jax.jit
    def gradients(X, y, lam):
        def total(*data):
            found = solve_lasso(*data)
            return found.coef.sum(), found.status

        return jax.grad(total, argnums=(0, 1, 2), has_aux=True)(X, y, lam)

    found, status = gradients(X, y, np.float32(0.01))
    assert int(status) == Status.ILL_CONDITIONED
    assert all(np.isfinite(gradient).all() for gradient in found)


def test_a_lam_below_rounding_is_that_of_zero():
    X, Y = (a.astype(np.float32) for a in ref.gaussian(78, 10, 6, 4))
    expected = SOLVE(X, Y, np.float32(0))
    for lam in (1e-30, 1e-8):
        found = SOLVE(X, Y, np.float32(lam))
        np.testing.assert_array_equal(found.status, Status.OK)
        np.testing.assert_allclose(found.coef, expected.coef, atol=1e-6)
        assert (np.asarray(found.gap) < 1e-6).all()
