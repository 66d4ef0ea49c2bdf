"""Degenerate problems have their right answers, in each dtype, alone and inside a caller's jit."""

import jax
import lasso_references as ref
import numpy as np
import pytest
from lasso_catalogue import catalogue, complaints
from sklearn.datasets import load_diabetes
from sklearn.linear_model import lars_path

from lassovae.lasso import lam_max, solve_lasso

CASES = catalogue()
JITTED = jax.jit(solve_lasso, static_argnames=("max_active", "max_events"))
CALLS = {"eager": solve_lasso, "jitted": JITTED}
NAMES = ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_degenerate_problem_has_its_right_answer(case, dtype, call):
    with ref.precision_of(dtype):
        assert complaints(case, CALLS[call], dtype) == []


@pytest.mark.parametrize("pieces", [3, 5])
def test_adversarial_design_has_every_piece(x64, pieces):
    X, y = ref.adversarial(pieces)
    solution = solve_lasso(X, y, 0.0, max_events=200)
    # the zero piece and one more after each event
    assert int(solution.num_events) + 1 == (3**pieces + 1) // 2
    np.testing.assert_allclose(solution.coef, np.linalg.solve(X, y), rtol=1e-9)


@pytest.fixture(scope="module")
def diabetes():
    data = load_diabetes()
    X, y = data.data, data.target
    return X, y - y.mean()


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_diabetes_least_squares_takes_twelve_events(diabetes, dtype, call):
    X, y = diabetes
    with ref.precision_of(dtype):
        solution = CALLS[call](X.astype(dtype), y.astype(dtype), 0.0)
        assert int(solution.status) == 0
        assert int(solution.num_events) == 12
        expected = np.linalg.lstsq(X, y, rcond=None)[0]
        # condition number of X'X is 470
        tol = 1e-10 if dtype == np.float64 else 470 * 8 * np.finfo(np.float32).eps
        np.testing.assert_allclose(solution.coef, expected, atol=tol * np.abs(expected).max(), rtol=0)


def test_diabetes_events_come_in_their_order(x64, diabetes):
    """Between two knots the support is what the published order says, and the count of events its place."""
    X, y = diabetes
    order = ["bmi", "s5", "bp", "s3", "sex", "s6", "s1", "s4", "s2", "age", "-s3", "s3"]
    knots = lars_path(X, y, method="lasso")[0]  # scikit-learn: right on this design
    assert len(knots) == 13
    between = (knots[:-1] + knots[1:]) / 2
    solution = solve_lasso(X, np.tile(y[:, None], len(between)), between)
    np.testing.assert_array_equal(solution.num_events, np.arange(1, 13))
    support = set()
    for k, event in enumerate(order):
        support ^= {event.removeprefix("-")}
        assert {NAMES[j] for j in np.flatnonzero(solution.coef[:, k])} == support
    assert support == set(NAMES)


def test_diabetes_first_knots(x64, diabetes):
    X, y = diabetes
    rows = len(y)
    first = [float(lam_max(X, y)) * rows]
    for events in (1, 2):
        solution = solve_lasso(X, y, 0.0, max_events=events)
        assert int(solution.status) == 1
        assert int(solution.num_events) == events
        first.append(float(solution.lam_reached) * rows)
    np.testing.assert_allclose(first, [949.43526, 889.31379, 452.89570], rtol=0, atol=5e-6)


def test_equality_with_lam_max_gives_exact_zeros():
    """Although rows * (largest / rows) may round to less than the largest correlation, as with 7 rows."""
    X, Y = ref.gaussian(5, 7, 6, 200)
    largest = np.abs(X.T @ Y).max(axis=0)
    assert (largest / 7 * 7 < largest).any()
    for dtype in (np.float32, np.float64):
        with ref.precision_of(dtype):
            x, y = X.astype(dtype), Y.astype(dtype)
            solution = solve_lasso(x, y, lam_max(x, y))
            assert not np.asarray(solution.coef).any()
            assert not np.asarray(solution.num_events).any()
