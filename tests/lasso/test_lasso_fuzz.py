"""Ten thousand small problems that nobody would pose: nothing hangs, every status is true."""

import lasso_references as ref
import numpy as np
import pytest

from lassovae import Status
from lassovae.lasso import solve_lasso_designs

DESIGNS, ROWS, PREDICTORS, TARGETS = 1250, 5, 7, 8  # 10 000 targets


def problems(seed, dtype):
    """Designs and targets with huge, tiny, NaN, infinite, constant and duplicate entries, each in its share."""
    rng = np.random.default_rng(seed)
    with np.errstate(over="ignore", under="ignore"):
        X = rng.normal(size=(DESIGNS, ROWS, PREDICTORS))
        Y = rng.normal(size=(DESIGNS, ROWS, TARGETS))
        kind = rng.integers(0, 8, size=DESIGNS)
        far = 18 if dtype == np.float32 else 150  # beyond it the coefficients, or lam, overflow
        X[kind == 1] *= 10.0 ** rng.uniform(-far, far, size=((kind == 1).sum(), 1, 1))
        X[kind == 2] *= 10.0 ** rng.uniform(-4, 4, size=((kind == 2).sum(), 1, PREDICTORS))
        X[kind == 3, :, 4:] = X[kind == 3, :, :3] * rng.choice([-1.0, 1.0], size=((kind == 3).sum(), 1, 3))
        X[kind == 4] = rng.integers(-1, 2, size=((kind == 4).sum(), ROWS, PREDICTORS))
        X[kind == 5] = X[kind == 5, :, :1] + 1e-5 * X[kind == 5]
        X[kind == 6, :, 2] = 0
        X[kind == 6, :, 3] = 1
        what = rng.integers(0, 6, size=(DESIGNS, TARGETS))
        size = np.where(what == 1, 10.0 ** rng.uniform(-far, far, size=what.shape), 1)
        Y = Y * size[:, None, :]
        Y = np.where((what == 2)[:, None, :], rng.integers(-2, 3, size=Y.shape), Y)
        Y = np.where((what == 3)[:, None, :], 1.0, Y)
        spoil = (what == 4)[:, None, :] & (rng.random(Y.shape) < 0.3)
        Y = np.where(spoil, rng.choice([np.nan, np.inf, -np.inf], size=Y.shape), Y)
        lam = np.where(
            rng.random((DESIGNS, TARGETS)) < 0.2, 0, 10.0 ** rng.uniform(-6, 1, (DESIGNS, TARGETS))
        )
        X, Y = X.astype(dtype), Y.astype(dtype)
        return X, Y, lam, kind


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ten_thousand_strange_problems(dtype):
    X, Y, ratio, kind = problems(5, dtype)
    finite = np.isfinite(Y).all(axis=1)
    with np.errstate(all="ignore"):
        largest = np.abs(np.einsum("dnp,dnk->dpk", X.astype(np.longdouble), Y)).max(axis=1) / ROWS
        lam = np.where(finite & np.isfinite(largest), ratio * largest, 1)
        lam = np.minimum(lam, np.finfo(dtype).max / 1e4).astype(dtype)
    with ref.precision_of(dtype):
        solution = solve_lasso_designs(X, Y, lam)
        status, coef, gap = (np.asarray(a) for a in (solution.status, solution.coef, solution.gap))
    np.testing.assert_array_equal(status == Status.NON_FINITE, ~finite)
    assert np.isnan(coef).all(axis=1)[~finite].all()
    assert set(np.unique(status)) <= {Status.OK, Status.ILL_CONDITIONED, Status.NON_FINITE}
    good = status == Status.OK
    assert np.isfinite(coef.swapaxes(1, 2)[good]).all()
    # kind 5, columns equal to five digits, squares to a condition number of 1e12, and columns of eight orders of
    # magnitude (kind 2) are beyond single precision: what cannot be solved says so
    beyond = (5,) if dtype == np.float64 else (2, 5)
    posed = ~np.isin(kind, beyond)[:, None] & finite
    assert (good & posed).sum() >= posed.sum() - 2
    assert (gap[good & (lam > 0)] <= np.finfo(dtype).eps ** (1 / 3)).all()
    if dtype == np.float64:
        # columns of eight orders of magnitude (kind 2): the exact solution, rounded, has a gap of up to 2e-9
        bound = np.where(kind == 2, 1e-8, 1e-9)[:, None]
        assert (gap <= bound)[good & posed].all()
        assert (good & finite).sum() >= 0.99 * finite.sum()
    else:
        # so is lam far below lam_max
        single = good & posed & (ratio >= 1e-3)
        assert (gap[single] <= 2e-5).all()
        assert np.median(gap[single]) <= 1e-6
