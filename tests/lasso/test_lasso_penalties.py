"""Weights, the ridge term and positive coefficients: against scikit-learn, laws, and central differences."""

import jax
import jax.numpy as jnp
import lasso_references as ref
import numpy as np
import pytest
from scipy.optimize import nnls
from sklearn.linear_model import ElasticNet

from lassovae import Status
from lassovae._errors import InputError
from lassovae.lasso import solve_lasso

ROWS, PREDICTORS, TARGETS = 15, 24, 4
LAM = np.array([0.4, 0.1, 0.03, 0.005])


@pytest.fixture(scope="module")
def problem():
    return ref.gaussian(51, ROWS, PREDICTORS, TARGETS)


@pytest.fixture(scope="module")
def weights():
    return np.random.default_rng(52).uniform(0.3, 3.0, PREDICTORS)


def subgradient_violation(X, y, b, lam, weights=1.0, l2=0.0, positive=False):
    """The conditions of the optimum with all penalties, as a fraction of ||X'y||_inf."""
    n = len(y)
    c = X.T @ (y - X @ b) - n * l2 * b
    C = n * lam * np.broadcast_to(weights, b.shape)
    inactive = c - C if positive else np.abs(c) - C
    worst = np.where(b != 0, np.abs(c - C * np.sign(b)), np.maximum(inactive, 0)).max()
    return worst / np.abs(X.T @ y).max()


@pytest.mark.parametrize("l2", [0.01, 0.5])
@pytest.mark.parametrize("positive", [False, True])
def test_elastic_net_equals_scikit_learn(x64, problem, l2, positive):
    X, Y = problem
    solution = solve_lasso(X, Y, LAM, l2=l2, positive=positive)
    assert (np.asarray(solution.status) == 0).all()
    assert float(solution.gap.max()) < 1e-13
    for k in range(TARGETS):
        net = ElasticNet(
            alpha=LAM[k] + l2,
            l1_ratio=LAM[k] / (LAM[k] + l2),
            fit_intercept=False,
            positive=positive,
            tol=1e-14,
            max_iter=200_000,
        )
        expected = net.fit(X, Y[:, k]).coef_
        np.testing.assert_allclose(solution.coef[:, k], expected, rtol=0, atol=1e-8 * np.abs(expected).max())


def test_ridge_lets_more_predictors_in_than_rows(x64, problem):
    X, Y = problem
    b = np.asarray(solve_lasso(X, Y, 1e-5, l2=1e-3).coef)
    assert (b != 0).sum(axis=0).max() > ROWS
    assert max(subgradient_violation(X, Y[:, k], b[:, k], 1e-5, l2=1e-3) for k in range(TARGETS)) < 1e-12


def test_positive_least_squares(x64, problem):
    X, Y = problem[0][:, :8], problem[1]
    b = np.asarray(solve_lasso(X, Y, 0.0, positive=True).coef)
    assert (b >= 0).all()
    for k in range(TARGETS):
        np.testing.assert_allclose(b[:, k], nnls(X, Y[:, k])[0], rtol=0, atol=1e-10)
    nothing = solve_lasso(X, -np.abs(X[:, :1]) * np.sign(X[:, :1]), 0.1, positive=True)
    assert float(nothing.gap.max()) >= 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_are_a_scale_of_columns(problem, weights, dtype):
    X, Y, w, lam = (a.astype(dtype) for a in (*problem, weights, LAM))
    with ref.precision_of(dtype):
        weighted = solve_lasso(X, Y, lam, weights=w)
        scaled = np.asarray(solve_lasso((X / w).astype(dtype), Y, lam).coef) / w[:, None]
        tol = 1e-11 if dtype == np.float64 else 2e-4
        np.testing.assert_allclose(weighted.coef, scaled, rtol=0, atol=tol * np.abs(scaled).max())
        assert float(weighted.gap.max()) < (1e-13 if dtype == np.float64 else 2e-6)
        one = solve_lasso(X, Y, lam, weights=np.ones(PREDICTORS, dtype)).coef
        plain = solve_lasso(X, Y, lam).coef
        np.testing.assert_allclose(one, plain, rtol=0, atol=tol * np.abs(plain).max())


def test_infinite_weights_exclude(x64, problem, weights):
    X, Y = problem
    shut = weights.copy()
    shut[::3] = np.inf
    kept = np.flatnonzero(np.isfinite(shut))
    solution = solve_lasso(X, Y, LAM, weights=shut)
    assert not np.asarray(solution.coef)[::3].any()
    expected = solve_lasso(X[:, kept], Y, LAM, weights=weights[kept]).coef
    np.testing.assert_allclose(np.asarray(solution.coef)[kept], expected, rtol=0, atol=1e-11)
    gradient = jax.grad(lambda w: solve_lasso(X, Y, LAM, weights=w).coef.sum())(jnp.asarray(shut))
    assert np.isfinite(gradient).all()
    assert not np.asarray(gradient)[::3].any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_of_zero_are_free_of_the_penalty(problem, weights, dtype):
    """Equal to the lasso of what the free predictors leave, and their least squares on the rest (Frisch-Waugh)."""
    X, Y = problem
    w = weights.copy()
    w[[2, 7, 11]] = 0
    free, others = np.flatnonzero(w == 0), np.flatnonzero(w)
    basis = np.linalg.qr(X[:, free])[0]
    left_X = X[:, others] - basis @ (basis.T @ X[:, others])
    left_Y = Y - basis @ (basis.T @ Y)
    with ref.precision_of(dtype):
        solution = solve_lasso(*(a.astype(dtype) for a in (X, Y, LAM)), weights=w.astype(dtype))
        assert (np.asarray(solution.status) == 0).all()
        coef = np.asarray(solution.coef, float)
    tol = 1e-10 if dtype == np.float64 else 5e-4
    for k in range(TARGETS):
        b = ref.coordinate_descent(left_X / w[others], left_Y[:, k], LAM[k]) / w[others]
        np.testing.assert_allclose(coef[others, k], b, rtol=0, atol=tol)
        fit = np.linalg.lstsq(X[:, free], Y[:, k] - X[:, others] @ b, rcond=None)[0]
        np.testing.assert_allclose(coef[free, k], fit, rtol=0, atol=tol)
        # a large lam leaves the free ones alone
    with ref.precision_of(dtype):
        alone = np.asarray(solve_lasso(X.astype(dtype), Y.astype(dtype), 1e3, weights=w.astype(dtype)).coef)
    assert not alone[others].any()
    least = np.linalg.lstsq(X[:, free], Y, rcond=None)[0]
    np.testing.assert_allclose(alone[free], least, rtol=0, atol=tol)


def test_free_duplicates_and_too_many_free(x64, problem, weights):
    X, Y = problem
    twice, w = X.copy(), weights.copy()
    twice[:, 5] = -2 * twice[:, 4]
    w[[4, 5]] = 0
    solution = solve_lasso(twice, Y, LAM, weights=w)
    assert (np.asarray(solution.status) == 0).all()
    b = np.asarray(solution.coef)
    assert max(subgradient_violation(twice, Y[:, k], b[:, k], LAM[k], w) for k in range(TARGETS)) < 1e-12
    assert ((b[4] != 0) & (b[5] != 0)).sum() == 0
    # more free predictors than rows: an exact fit, with no more of them active than there are rows
    everything = solve_lasso(X, Y, LAM, weights=np.zeros(PREDICTORS))
    np.testing.assert_allclose(X @ np.asarray(everything.coef), Y, rtol=0, atol=1e-10)
    capped = solve_lasso(X, Y, LAM, weights=np.where(np.arange(PREDICTORS) < 3, 0.0, 1.0), max_active=2)
    assert (np.asarray(capped.status) == Status.MAX_ACTIVE).all()


def test_everything_together(x64, problem, weights):
    X, Y = problem
    w = weights.copy()
    w[9] = np.inf
    solution = solve_lasso(X, Y, LAM, weights=w, l2=0.02, positive=True)
    b = np.asarray(solution.coef)
    assert float(solution.gap.max()) < 1e-13
    for k in range(TARGETS):
        finite = np.where(np.isinf(w), 0, w)
        rest = np.delete(np.arange(PREDICTORS), 9)
        worst = subgradient_violation(X[:, rest], Y[:, k], b[rest, k], LAM[k], finite[rest], 0.02, True)
        assert worst < 1e-12
        assert b[9, k] == 0
        assert (b[:, k] >= 0).all()


@pytest.mark.parametrize("positive", [False, True])
def test_gradients_in_weights_and_ridge(x64, rng, problem, weights, positive):
    X, Y = problem
    w = weights.copy()
    w[3] = 1.0 if positive else 0.0
    G = rng.normal(size=(PREDICTORS, TARGETS))

    @jax.jit
    def loss(X, Y, lam, w, l2):
        return (G * solve_lasso(X, Y, lam, weights=w, l2=l2, positive=positive).coef).sum()

    data = [jnp.asarray(a, float) for a in (X, Y, LAM, w, 0.02)]
    gradients = jax.jit(jax.grad(loss, argnums=(0, 1, 2, 3, 4)))(*data)
    h = 1e-6
    for argument, gradient in enumerate(gradients):
        way = rng.normal(size=data[argument].shape)
        if argument == 3:
            way = np.where(w == 0, 0, way)
        at = []
        for times in (-2, -1, 1, 2):
            moved = list(data)
            moved[argument] = moved[argument] + times * h * way
            at.append(float(loss(*moved)))
        slope = (at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * h)
        np.testing.assert_allclose((gradient * way).sum(), slope, rtol=1e-6, err_msg=str(argument))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": np.ones(3)}, r"weights \(3,\) must be one a predictor, \(24,\)"),
        ({"weights": -np.ones(PREDICTORS)}, r"weights=-1\.0 must be at least 0"),
        ({"weights": np.full(PREDICTORS, np.nan)}, "weights=nan must be at least 0"),
        ({"weights": np.zeros(PREDICTORS), "positive": True}, "weights may not be 0"),
        ({"l2": -1.0}, r"l2=-1\.0 must be at least 0"),
        ({"l2": np.inf}, "l2=inf must be finite"),
        ({"l2": np.ones(2)}, r"l2 \(2,\) must be a number"),
    ],
)
def test_bad_penalties_are_refused_by_name(problem, arguments, message):
    with pytest.raises(InputError, match=message):
        solve_lasso(*problem, 0.1, **arguments)


def test_bad_penalties_are_a_status_under_tracing(problem):
    X, Y = (a.astype(np.float32) for a in problem)
    traced = jax.jit(lambda w, l2: solve_lasso(X, Y, 0.1, weights=w, l2=l2))
    for w, l2 in ((-np.ones(PREDICTORS), 0.0), (np.ones(PREDICTORS), np.nan)):
        solution = traced(w.astype(np.float32), np.float32(l2))
        assert (np.asarray(solution.status) == Status.BAD_ARGUMENT).all()
        assert np.isnan(solution.coef).all()
