"""The path of one target: every knot, against scikit-learn, exact counts, the optimality conditions and laws."""

import jax
import jax.numpy as jnp
import lasso_references as ref
import numpy as np
import pytest
from jax import lax
from scipy.optimize import nnls
from sklearn.datasets import load_diabetes
from sklearn.linear_model import lars_path

from lassovae import InputError, Status
from lassovae.lasso._path import LassoPath, lasso_path, lasso_path_gram, path_at

TALL, WIDE = (20, 8), (12, 20)  # few shapes: each is compiled anew


def problem(seed, shape):
    X, Y = ref.gaussian(seed, *shape, 1)
    return X, Y[:, 0]


def knots(path):
    """The knots without padding, after checking the padding."""
    count = int(path.num_knots)
    lams, coefs = np.asarray(path.lams), np.asarray(path.coefs)
    assert int(path.status) == Status.OK
    assert (np.diff(lams[:count]) < 0).all()
    assert (lams[count:] == lams[count - 1]).all()
    assert (coefs[count:] == coefs[count - 1]).all()
    return lams[:count], coefs[:count]


def worst_gap(X, y, lams, coefs):
    """Duality gap at the knots and half way between them: a knot left out, or one too many, shows there."""
    b = np.concatenate([coefs, (coefs[1:] + coefs[:-1]) / 2])
    at = np.concatenate([lams, (lams[1:] + lams[:-1]) / 2])
    return max(ref.relative_gap(X, y, b[i], at[i]) for i in range(len(at)) if at[i] > 0)


def expect_equal(found, lams, coefs, tol):
    assert len(found[0]) == len(lams)
    assert np.abs(found[0] - lams).max() <= tol * lams[0]
    assert np.abs(found[1] - coefs).max() <= tol * np.abs(coefs).max()


@pytest.mark.parametrize(("shape", "positive"), [(TALL, False), (WIDE, False), (TALL, True)])
def test_against_scikit_learn(x64, shape, positive):
    for seed in range(12):
        X, y = problem(seed, shape)
        lams, _, coefs = lars_path(X, y, method="lasso", positive=positive)
        found = knots(lasso_path(X, y, positive=positive))
        assert (np.diff(lams) < 0).all()
        if positive:
            # at its end scikit-learn's path is off, as its documentation says
            expect_equal(tuple(a[:-1] for a in found), lams[:-1], coefs.T[:-1], 1e-10)
            assert np.abs(found[1][-1] - nnls(X, y)[0]).max() <= 1e-12
            assert (found[1] >= 0).all()
        else:
            expect_equal(found, lams, coefs.T, 1e-10)
            assert worst_gap(X, y, *found) <= 1e-14


def test_diabetes(x64):
    data = load_diabetes()
    X, y = data.data, data.target - data.target.mean()
    lams, coefs = found = knots(lasso_path(X, y))
    assert np.abs(442 * lams[:3] - [949.43526, 889.31379, 452.89570]).max() <= 1e-5
    active = coefs != 0
    order = []
    for before, after in zip(active, [*active[1:-1], active[-1]], strict=False):
        order += [
            ("-" if was else "") + data.feature_names[i] for i, was in enumerate(before) if was != after[i]
        ]
    # the predictor that joins at a knot is non-zero at the next one, the one that drops is zero at its own
    assert order == ["bmi", "s5", "bp", "s3", "sex", "s6", "s1", "s4", "s2", "age", "-s3", "s3"]
    reference = lars_path(X, y, method="lasso")
    expect_equal(found, reference[0], reference[2].T, 1e-11)


@pytest.mark.parametrize("p", [1, 2, 3, 4, 5])
def test_as_many_knots_as_there_can_be(x64, p):
    """Mairal and Yu's design, with rows and columns of zeros for one shape: (3^p + 1)/2 knots, and no fewer."""
    X, y = np.zeros((5, 5)), np.zeros(5)
    X[:p, :p], y[:p] = ref.adversarial(p)
    lams, coefs = knots(lasso_path(X, y, max_knots=130))
    assert len(lams) == (3**p + 1) // 2
    assert max(ref.optimality_violation(X, y, b, lam) for lam, b in zip(lams, coefs, strict=True)) <= 1e-14
    from_gram = lasso_path_gram(X.T @ X, X.T @ y, 5, max_knots=130)
    assert np.abs(knots(from_gram)[0][:-1] / lams[:-1] - 1).max() <= 1e-10
    if p == 5:
        capped = lasso_path(X, y)
        assert int(capped.status) == Status.MAX_EVENTS
        assert int(capped.num_knots) == len(capped.lams) == 42
        assert (np.asarray(capped.lams) == lams[:42]).all()
        assert np.isnan(path_at(capped, lams[50])).all()


def test_ties_are_one_knot(x64):
    y = np.array([1.0, -1, 1, 1, -1, -1])
    lams, coefs = knots(lasso_path(np.eye(6), y))
    expect_equal((lams, coefs), np.array([1 / 6, 0]), np.stack([np.zeros(6), y]), 1e-15)
    rng = np.random.default_rng(0)
    for _ in range(300):
        X = rng.integers(-1, 2, size=(6, 6)).astype(float)
        X[:, 5] = X[:, 0] * rng.choice([-1, 1])  # and a copy
        y = rng.integers(-3, 4, size=6).astype(float)
        lams, coefs = knots(lasso_path(X, y))
        if y.any() and len(lams) > 1:
            assert worst_gap(X, y, lams, coefs) <= 1e-13
            assert ref.optimality_violation(X, y, coefs[-1], 0) <= 1e-13


def test_between_the_knots(x64, rng):
    X, y = problem(20, WIDE)
    path = lasso_path(X, y, lam_min=0.02)
    lams, coefs = knots(path)
    assert lams[-1] == 0.02
    some = rng.uniform(0.02, lams[0], size=5)
    for lam, b in zip(some, np.asarray(path_at(path, some)), strict=True):
        assert np.abs(b - ref.coordinate_descent(X, y, lam)).max() <= 1e-11
        assert (b == np.asarray(path_at(path, lam))).all()
    assert (np.asarray(path_at(path, lams)) == coefs).all()
    assert not np.asarray(path_at(path, [lams[0], 2 * lams[0], np.inf])).any()
    assert np.isnan(path_at(path, np.array([0.019, np.nan]))).all()
    slope = jax.jacobian(lambda lam: path_at(path, lam))(lams[3] - 1e-3 * (lams[3] - lams[4]))
    assert np.abs(slope - (coefs[3] - coefs[4]) / (lams[3] - lams[4])).max() <= 1e-10
    assert not np.asarray(jax.jacobian(lambda lam: path_at(path, lam))(2 * lams[0])).any()


def test_weights_scale_columns_exclude_and_free(x64, rng):
    X, y = problem(21, TALL)
    w = rng.uniform(0.3, 3, size=8)
    lams, coefs = knots(lasso_path(X, y, weights=w))
    expect_equal((lams, coefs), *(lambda a, b: (a, b / w))(*knots(lasso_path(X / w, y))), 1e-12)
    w[2] = np.inf
    assert not np.asarray(lasso_path(X, y, weights=w).coefs)[:, 2].any()
    removed = np.where(np.arange(8) == 2, 0, X)
    expect_equal(
        knots(lasso_path(X, y, weights=w)), *knots(lasso_path(removed, y, weights=np.minimum(w, 9))), 1e-14
    )
    # a free predictor takes its projection out of everything else, and its copy stays out
    copied = X.copy()
    copied[:, 6] = -2 * copied[:, 5]
    w[[5, 6]] = 0
    lams, coefs = knots(lasso_path(copied, y, weights=w))
    x = X[:, 5]
    rest = X - np.outer(x, x @ X) / (x @ x)
    rest[:, [2, 5, 6]] = 0
    other = knots(lasso_path(rest, y - x * (x @ y) / (x @ x), weights=np.where(w == 0, 1, np.minimum(w, 9))))
    keep = [0, 1, 3, 4, 7]
    expect_equal((lams, coefs[:, keep]), other[0], other[1][:, keep], 1e-12)
    own = (x @ y - coefs[:, keep] @ (X[:, keep].T @ x)) / (x @ x)
    assert np.abs(coefs[:, 5] - own).max() <= 1e-12
    assert not coefs[:, 6].any()


def test_order_sign_and_scale_of_predictors_and_target(x64, rng):
    X, y = problem(22, WIDE)
    lams, coefs = knots(lasso_path(X, y))
    order, sign = rng.permutation(20), rng.choice([-1, 1], size=20)
    turn = np.linalg.qr(rng.normal(size=(12, 12)))[0]
    expect_equal(knots(lasso_path(X[:, order] * sign, y)), lams, coefs[:, order] * sign, 1e-12)
    expect_equal(knots(lasso_path(turn @ X, turn @ y)), lams, coefs, 1e-12)
    expect_equal(knots(lasso_path(X * 2.0**30, y)), lams * 2.0**30, coefs / 2.0**30, 0)
    expect_equal(knots(lasso_path(X, y * 1e-9)), lams * 1e-9, coefs * 1e-9, 1e-13)
    found = knots(lasso_path_gram(1e-6 * X.T @ X, 1e-6 * X.T @ y, 1.2e-5))
    expect_equal(found, lams, coefs, 1e-10)


def test_under_transformations_and_in_float32():
    X, Y = ref.gaussian(23, *WIDE, 3)
    Y = Y.T
    with jax.enable_x64(True):
        exact = [lasso_path(X, y) for y in Y]
    X, Y = X.astype(np.float32), Y.astype(np.float32)
    mapped = jax.jit(jax.vmap(lasso_path, in_axes=(None, 0)))(X, Y)
    scanned = lax.scan(lambda _, y: (None, lasso_path(X, y)), None, Y)[1]
    for i in range(3):
        lams, coefs = knots(exact[i])
        assert mapped.lams.dtype == mapped.coefs.dtype == np.float32
        for paths in (mapped, scanned):
            expect_equal(knots(LassoPath(*(field[i] for field in paths))), lams, coefs, 2e-5)
    at = jax.vmap(path_at, in_axes=(0, None))(mapped, np.float32(0.1))
    with jax.enable_x64(True):
        assert np.abs(at - np.stack([path_at(path, 0.1) for path in exact])).max() <= 1e-4


def test_nothing_to_walk(x64):
    X, y = problem(24, TALL)
    top = lasso_path(X, y).lams[0]
    for target, lam_min in ((0 * y, 0.0), (y, 2 * top), (y, top), (0 * y, 1.0)):
        lams, coefs = knots(lasso_path(X, target, lam_min=lam_min))
        assert (lams == lam_min).all()
        assert coefs.shape == (1, 8)
        assert not coefs.any()
    lams, coefs = knots(lasso_path(np.zeros(TALL), y))
    assert lams.tolist() == [0]
    assert not coefs.any()


def test_what_cannot_be_solved_has_a_status(x64):
    X, y = problem(25, WIDE)
    gram, xty = X.T @ X, X.T @ y
    bad_X, bad_y, bad_xty = X.copy(), y.copy(), xty.copy()
    bad_X[1, 2] = bad_y[3] = bad_xty[0] = np.inf

    def failed(path, status):
        assert int(path.status) == status
        assert int(path.num_knots) == 0
        assert np.isnan(path.lams).all()
        assert np.isnan(path.coefs).all()
        assert np.isnan(path_at(path, 0.1)).all()

    jitted = jax.jit(lambda X, y, lam_min: lasso_path(X, y, lam_min=lam_min))
    failed(lasso_path(X, bad_y), Status.NON_FINITE)
    failed(lasso_path_gram(gram, bad_xty, 12), Status.NON_FINITE)
    failed(jitted(bad_X, y, 0.0), Status.BAD_ARGUMENT)
    failed(jitted(X, y, -1.0), Status.BAD_ARGUMENT)
    failed(jitted(X, y, np.nan), Status.BAD_ARGUMENT)
    # not a Gram matrix: the second column would be dependent, and more
    indefinite = lasso_path_gram(np.ones((20, 20)) - np.eye(20), xty, 12)
    assert int(indefinite.status) == Status.ILL_CONDITIONED
    for arguments, options in (
        ((bad_X, y), {}),
        ((X, y[:-1]), {}),
        ((X, y[:, None]), {}),
        ((X, y), {"lam_min": -1.0}),
        ((X, y), {"lam_min": np.nan}),
        ((X, y), {"lam_min": np.zeros(2)}),
        ((X, y), {"weights": np.ones(7)}),
        ((X, y), {"weights": -np.ones(20)}),
        ((X, y), {"weights": np.zeros(20), "positive": True}),
        ((X, y), {"max_knots": 0}),
    ):
        with pytest.raises(InputError):
            lasso_path(*arguments, **options)
    for arguments in (
        (gram[:7], xty, 12),
        (gram * np.nan, xty, 12),
        (gram, xty, 0),
        (gram, xty[:, None], 12),
    ):
        with pytest.raises(InputError):
            lasso_path_gram(*arguments)


def test_integers_and_one_predictor():
    path = lasso_path(np.array([[1], [2], [-4]]), np.array([2, 0, -1]))
    lams, coefs = knots(path)
    assert lams.dtype == np.float32
    np.testing.assert_allclose(lams, [2, 0], atol=1e-6)
    np.testing.assert_allclose(coefs, [[0], [6 / 21]], atol=1e-6)
    assert jnp.ndim(path_at(path, 1)) == 1
