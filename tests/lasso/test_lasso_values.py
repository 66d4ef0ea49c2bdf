"""Values against coordinate descent, scikit-learn, linear programming and the duality gap."""

import jax
import lasso_references as ref
import numpy as np
import pytest
from sklearn.linear_model import Lasso

from lassovae.lasso import duality_gap, kkt_violation, lam_max, solve_lasso, solve_lasso_designs

RATIOS = (0.7, 0.3, 0.1, 0.03, 0.01)


@pytest.mark.parametrize(("rows", "predictors"), [(40, 12), (40, 80)], ids=["tall", "wide"])
def test_equals_coordinate_descent(x64, rows, predictors):
    X, Y = ref.gaussian(rows + predictors, rows, predictors, 10)
    largest = np.abs(X.T @ Y).max(axis=0) / rows
    for ratio in RATIOS:
        solution = solve_lasso(X, Y, ratio * largest)
        assert (np.asarray(solution.status) == 0).all()
        for k in range(Y.shape[1]):
            lam = ratio * largest[k]
            b = ref.coordinate_descent(X, Y[:, k], lam)
            np.testing.assert_array_equal(solution.coef[:, k] != 0, b != 0)
            np.testing.assert_allclose(solution.coef[:, k], b, rtol=0, atol=1e-10 * np.abs(b).max())
            value = ref.objective(X, Y[:, k], solution.coef[:, k], lam)
            assert abs(value / ref.objective(X, Y[:, k], b, lam) - 1) < 1e-12


def test_equals_scikit_learn(x64):
    X, Y = ref.gaussian(7, 40, 12, 10)
    for lam in (0.5, 0.05):
        solution = solve_lasso(X, Y, lam)
        for k in range(Y.shape[1]):
            b = Lasso(alpha=lam, fit_intercept=False, tol=1e-14, max_iter=100_000).fit(X, Y[:, k]).coef_
            np.testing.assert_allclose(solution.coef[:, k], b, rtol=0, atol=1e-9 * np.abs(b).max())


def test_end_of_a_wide_path_is_the_least_l1_interpolant(x64):
    X, Y = ref.gaussian(8, 40, 80, 10)
    solution = solve_lasso(X, Y, 0.0)
    assert (np.asarray(solution.status) == 0).all()
    np.testing.assert_allclose(X @ np.asarray(solution.coef), Y, rtol=0, atol=1e-11 * np.abs(Y).max())
    for k in range(3):
        b = ref.least_l1_interpolant(X, Y[:, k])
        np.testing.assert_allclose(solution.coef[:, k], b, rtol=0, atol=1e-7 * np.abs(b).max())


def discrete(kind, seed, count=250, targets=8):
    """Designs full of ties: entries in {-1, 0, 1} or {-1, 1}, or Gaussian ones with repeated columns."""
    rng = np.random.default_rng(seed)
    shape = (count, 5, 6)
    if kind == "ternary":
        X = rng.integers(-1, 2, size=shape).astype(float)
    elif kind == "signs":
        X = rng.choice([-1.0, 1.0], size=shape)
    else:
        X = rng.normal(size=shape)
        X[:, :, 3:] = X[:, :, :3] * rng.choice([-1.0, 1.0], size=(count, 1, 3))
    # half of the targets tie as well
    Y = rng.normal(size=(count, 5, targets))
    Y[..., ::2] = rng.integers(-3, 4, size=(count, 5, (targets + 1) // 2))
    return X, Y


@pytest.mark.parametrize("lam", [0.1, 1e-3, 0.0])
@pytest.mark.parametrize("kind", ["ternary", "signs", "duplicated"])
def test_2000_of_2000_tied_problems_are_solved(x64, kind, lam):
    X, Y = discrete(kind, 11)
    solution = solve_lasso_designs(X, Y, lam)
    assert solution.status.shape == (250, 8)
    assert int((np.asarray(solution.status) == 0).sum()) == 2000
    worst, most, deepest = 0.0, 0, 0.0
    for x, ys, bs in zip(X, Y, np.asarray(solution.coef), strict=True):
        rank = np.linalg.matrix_rank(x)
        for y, b in zip(ys.T, bs.T, strict=True):
            if lam > 0:
                worst = max(worst, ref.relative_gap(x, y, b, lam))
            worst = max(worst, ref.optimality_violation(x, y, b, lam))
            most = max(most, np.count_nonzero(b) - rank)
            deepest = max(deepest, np.count_nonzero(b))
    assert worst <= 1e-9
    assert most <= 0, "more active predictors than the rank of the design"
    assert deepest >= 3, "the problems are too easy to test anything"


def test_tied_problems_at_lam_zero_have_least_l1_norm(x64):
    """At lam = 0 optimality is only X'r = 0; which of the least-squares solutions is the path's to answer."""
    X, Y = discrete("ternary", 12, count=40)
    solution = np.asarray(solve_lasso_designs(X, Y, 0.0).coef)
    for x, ys, bs in zip(X[:40], Y[:40], solution, strict=True):
        fit = np.linalg.lstsq(x, ys[:, 1], rcond=None)[0]
        if not x.any():
            continue
        left, values, _ = np.linalg.svd(x)
        basis = left[:, : (values > 1e-9).sum()]
        b = ref.least_l1_interpolant(basis.T @ x, basis.T @ x @ fit)
        assert abs(np.abs(bs[:, 1]).sum() - np.abs(b).sum()) < 1e-8 * max(1, np.abs(b).sum())


@pytest.mark.parametrize("ratio", [0.5, 0.1, 0.02, 0.005, 0.001])
def test_float32_var_window(ratio, as_for_users):
    """Two windows of the paper's rows, with fewer nodes, in single precision: gap, and support as in float64."""
    solve = jax.jit(solve_lasso, compiler_options=as_for_users)
    same = []
    for seed in (1, 2):
        X, Y = (a.astype(np.float32) for a in ref.var_window(seed))
        assert X.shape == (59, 480)
        assert Y.shape == (59, 96)
        lam = np.float32(ratio) * np.asarray(lam_max(X, Y))
        solution = solve(X, Y, lam)
        assert solution.coef.dtype == np.float32
        assert (np.asarray(solution.status) == 0).all()
        gaps = [ref.relative_gap(X, Y[:, k], solution.coef[:, k], lam[k]) for k in range(Y.shape[1])]
        assert max(gaps) <= 2e-6
        assert float(solution.gap.max()) <= 2e-6
        with jax.enable_x64(True):
            exact = np.asarray(solve_lasso(X.astype(float), Y.astype(float), lam.astype(float)).coef)
        same.append(((np.asarray(solution.coef) != 0) == (exact != 0)).all(axis=0))
    assert np.mean(same) >= 0.99


def test_certificates_equal_their_definitions(x64, rng):
    """At points that are not optimal: random coefficients, some of them zero."""
    X, Y = ref.gaussian(9, 40, 12, 10)
    B = rng.normal(size=(12, 10)) * (rng.random((12, 10)) < 0.5)
    lam = rng.uniform(0.01, 1.0, size=10)
    gaps, violations, largest = duality_gap(X, Y, B, lam), kkt_violation(X, Y, B, lam), lam_max(X, Y)
    for k in range(10):
        y, b = Y[:, k], B[:, k]
        np.testing.assert_allclose(gaps[k], ref.relative_gap(X, y, b, lam[k]), rtol=1e-12)
        np.testing.assert_allclose(violations[k], ref.optimality_violation(X, y, b, lam[k]), rtol=1e-12)
        np.testing.assert_allclose(largest[k], np.abs(X.T @ y).max() / 40, rtol=1e-14)
        np.testing.assert_allclose(duality_gap(X, y, b, lam[k]), gaps[k], rtol=1e-12)
        np.testing.assert_allclose(kkt_violation(X, y, b, lam[k]), violations[k], rtol=1e-12)
        best = ref.objective(X, y, ref.coordinate_descent(X, y, lam[k]), lam[k])
        above = (ref.objective(X, y, b, lam[k]) - best) / (0.5 * np.mean(y**2))
        assert float(gaps[k]) >= above > 0


def test_reported_gap_is_that_of_the_solution(x64):
    X, Y = ref.gaussian(10, 40, 80, 10)
    solution = solve_lasso(X, Y, 0.05)
    assert float(solution.gap.max()) < 1e-13
    assert max(ref.relative_gap(X, Y[:, k], solution.coef[:, k], 0.05) for k in range(10)) < 1e-13
    assert float(kkt_violation(X, Y, solution.coef, 0.05).max()) < 1e-13


def test_kink_margin_is_a_distance_that_the_active_set_survives(x64):
    """Lower and raise lam by 0.45 of the margin: same support and signs; the margin is not always tiny."""
    X, Y = ref.gaussian(13, 40, 80, 10)
    here = solve_lasso(X, Y, 0.1)
    margin = np.asarray(here.kink_margin)
    assert np.median(margin) > 1e-3
    for factor in (1 - 0.9 * margin / 2, 1 + 0.9 * margin / 2):
        there = solve_lasso(X, Y, 0.1 * factor)
        np.testing.assert_array_equal(np.sign(there.coef), np.sign(here.coef))
