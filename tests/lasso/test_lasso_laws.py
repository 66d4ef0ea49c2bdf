"""What must not matter does not: order, signs, scale and rotation, batches, padding, and broken neighbours."""

import jax
import jax.numpy as jnp
import lasso_references as ref
import numpy as np
import pytest

from lassovae.lasso import solve_lasso, solve_lasso_designs
from lassovae.lasso._homotopy import FEW_TARGETS

ROWS, PREDICTORS = 72, 100  # more than 64 active may be needed: slots come in stages
LAM = 0.02  # more than 16 active: the targets of the wide problem pass through two stages
SAME = {"rtol": 0, "atol": 1e-11}
jitted = jax.jit(solve_lasso)


@pytest.fixture(scope="module")
def wide():
    X, Y = ref.gaussian(21, ROWS, PREDICTORS, 10)
    with jax.enable_x64(True):
        coef = np.asarray(solve_lasso(X, Y, LAM).coef)
    active = (coef != 0).sum(axis=0)
    assert active.min() > 16, "the problem does not leave the first stage"
    return X, Y, coef


def test_order_of_predictors(x64, wide, rng):
    X, Y, coef = wide
    order = rng.permutation(PREDICTORS)
    np.testing.assert_allclose(solve_lasso(X[:, order], Y, LAM).coef, coef[order], **SAME)


def test_order_of_targets_and_rows(x64, wide, rng):
    X, Y, coef = wide
    rows, targets = rng.permutation(ROWS), rng.permutation(10)
    np.testing.assert_allclose(solve_lasso(X[rows], Y[rows][:, targets], LAM).coef, coef[:, targets], **SAME)


def test_signs_of_predictors_and_targets(x64, wide, rng):
    X, Y, coef = wide
    of_x, of_y = rng.choice([-1.0, 1.0], size=PREDICTORS), rng.choice([-1.0, 1.0], size=10)
    solution = solve_lasso(X * of_x, Y * of_y, LAM)
    np.testing.assert_allclose(solution.coef, coef * of_x[:, None] * of_y, **SAME)


def test_rotation_of_rows(x64, wide, rng):
    X, Y, coef = wide
    Q = np.linalg.qr(rng.normal(size=(ROWS, ROWS)))[0]
    np.testing.assert_allclose(solve_lasso(Q @ X, Q @ Y, LAM).coef, coef, **SAME)


@pytest.mark.parametrize("of_x", [1e-5, 1e8])
@pytest.mark.parametrize("of_y", [1e-5, 1e8])
def test_scale_of_the_data(x64, wide, of_x, of_y):
    X, Y, coef = wide
    solution = solve_lasso(X * of_x, Y * of_y, LAM * of_x * of_y)
    np.testing.assert_allclose(np.asarray(solution.coef) * of_x / of_y, coef, **SAME)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_powers_of_two_scale_exactly(wide, dtype):
    X, Y = wide[0].astype(dtype), wide[1].astype(dtype)
    of_x, of_y = dtype(2.0**-18), dtype(2.0**21)
    with ref.precision_of(dtype):
        plain = solve_lasso(X, Y, dtype(LAM))
        scaled = solve_lasso(X * of_x, Y * of_y, dtype(LAM) * of_x * of_y)
    np.testing.assert_array_equal(np.asarray(scaled.coef), np.asarray(plain.coef) * (of_y / of_x))
    np.testing.assert_array_equal(scaled.num_events, plain.num_events)
    np.testing.assert_array_equal(scaled.gap, plain.gap)


def test_batch_equals_loop_over_targets(x64, wide):
    X, Y, coef = wide
    solution = solve_lasso(X, Y, LAM)
    for k in range(10):
        alone = solve_lasso(X, Y[:, k], LAM)
        np.testing.assert_allclose(alone.coef, coef[:, k], **SAME)
        assert alone.status.shape == alone.gap.shape == alone.kink_margin.shape == ()
        assert int(alone.num_events) == int(solution.num_events[k])
        np.testing.assert_allclose(alone.kink_margin, solution.kink_margin[k], rtol=1e-6, atol=1e-12)


def test_strength_may_differ_between_targets(x64, wide):
    X, Y, _ = wide
    lams = np.geomspace(1.0, 1e-3, 10)
    together = np.asarray(solve_lasso(X, Y, lams).coef)
    for k, lam in enumerate(lams):
        np.testing.assert_allclose(solve_lasso(X, Y, lam).coef[:, k], together[:, k], **SAME)


def test_designs_equal_loop_over_designs(x64, rng):
    X, Y = rng.normal(size=(3, 40, 80)), rng.normal(size=(3, 40, 10))
    lams = np.array([0.3, 0.02, 0.1])[:, None]
    together = solve_lasso_designs(X, Y, lams)
    assert together.coef.shape == (3, 80, 10)
    assert together.status.shape == (3, 10)
    for d in range(3):
        alone = solve_lasso(X[d], Y[d], lams[d, 0])
        np.testing.assert_allclose(together.coef[d], alone.coef, **SAME)
        np.testing.assert_array_equal(together.num_events[d], alone.num_events)


def test_vmap_equals_loop(x64, rng):
    X, Y = rng.normal(size=(3, 40, 80)), rng.normal(size=(3, 40))
    lams = np.array([0.3, 0.02, 0.1])
    together = jax.vmap(solve_lasso)(X, Y, lams)
    for d in range(3):
        alone = solve_lasso(X[d], Y[d], lams[d])
        np.testing.assert_allclose(together.coef[d], alone.coef, **SAME)
        assert int(together.num_events[d]) == int(alone.num_events)


def test_stages_change_nothing_but_the_time(x64, rng):
    """As many targets as walk in stages, at a strength where most outgrow the first of them."""
    X, Y = rng.normal(size=(1, 40, 60)), rng.normal(size=(1, 40, FEW_TARGETS))
    staged, whole = (solve_lasso_designs(X, Y, LAM, staged=staged) for staged in (True, False))
    assert np.median((staged.coef != 0).sum(axis=1)) > 16
    np.testing.assert_allclose(staged.coef, whole.coef, **SAME)
    np.testing.assert_array_equal(staged.status, whole.status)
    few = solve_lasso_designs(X, Y[..., :5], LAM)  # these walk in one
    np.testing.assert_allclose(few.coef, staged.coef[..., :5], **SAME)


def test_rows_of_zeros_are_padding(x64, wide):
    X, Y, coef = wide
    padded = solve_lasso(np.pad(X, ((0, 24), (0, 0))), np.pad(Y, ((0, 24), (0, 0))), LAM * ROWS / (ROWS + 24))
    np.testing.assert_allclose(padded.coef, coef, **SAME)
    assert (np.asarray(padded.status) == 0).all()


def test_jit_equals_eager(x64, wide):
    X, Y, coef = wide
    np.testing.assert_allclose(jitted(X, Y, LAM).coef, coef, **SAME)


def test_numpy_lists_and_integers_are_taken():
    solution = solve_lasso([[1, 0], [0, 1]], [3, -1], 0.5)
    assert solution.coef.dtype == jnp.float32
    np.testing.assert_array_equal(solution.coef, [2.0, 0.0])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_broken_target_leaves_the_others_bit_identical(wide, dtype, value):
    X, Y = wide[0].astype(dtype), wide[1].astype(dtype)
    broken = Y.copy()
    broken[17, 4] = value
    others = np.delete(np.arange(10), 4)
    with ref.precision_of(dtype):
        plain, solution = solve_lasso(X, Y, dtype(LAM)), solve_lasso(X, broken, dtype(LAM))
    assert int(solution.status[4]) == 4
    for field in ("coef", "gap", "lam_reached", "kink_margin"):
        got, expected = np.asarray(getattr(solution, field)), np.asarray(getattr(plain, field))
        assert np.isnan(got[..., 4]).all()
        np.testing.assert_array_equal(got[..., others], expected[..., others])
    np.testing.assert_array_equal(np.asarray(solution.status)[others], 0)
    np.testing.assert_array_equal(solution.num_events[others], plain.num_events[others])


@pytest.mark.parametrize("num_broken", [1, 100])
def test_broken_targets_leave_many_others_bit_identical(num_broken):
    """Enough targets for several groups, so that who is in a group with whom changes."""
    X, Y = (a.astype(np.float32) for a in ref.gaussian(40, 40, 120, 130))
    broken = Y.copy()
    broken[17, ::-1][:num_broken] = np.nan
    left = ~np.isnan(broken).any(axis=0)
    assert (~left).sum() == num_broken
    lam = 1e-3 * np.abs(X.T @ Y).max(axis=0) / 40
    plain, solution = (solve_lasso(X, y, lam) for y in (Y, broken))
    for field in ("coef", "gap", "lam_reached", "kink_margin", "status", "num_events"):
        got, expected = (np.asarray(getattr(s, field))[..., left] for s in (solution, plain))
        np.testing.assert_array_equal(got, expected, err_msg=field)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_target_does_not_see_how_long_others_run(wide, dtype):
    """Two targets keep their lam; the others stop at once, or walk their whole path through every stage."""
    X, Y = wide[0].astype(dtype), wide[1].astype(dtype)
    short, long = np.full(10, 1e3, dtype), np.zeros(10, dtype)
    short[:2] = long[:2] = [0.3, LAM]
    with ref.precision_of(dtype):
        brief, full = solve_lasso(X, Y, short), solve_lasso(X, Y, long)
    assert (np.asarray(full.coef[:, 2:]) != 0).sum(axis=0).max() > 32
    np.testing.assert_array_equal(brief.coef[:, :2], full.coef[:, :2])
