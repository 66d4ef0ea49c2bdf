"""Pruning: Student's t from SciPy's and NumPy's least squares, known truth, laws, and what cannot be pruned."""

import numpy as np
import pytest
from scipy.stats import linregress
from test_var_choose import ORDER, simulated

from lassovae import InputError
from lassovae.var import fit_pooled, fit_runs, prune, t_values


def test_t_of_one_predictor_is_that_of_a_line():
    z = simulated(3, num_runs=1, nodes=2)[0][:, :1]
    fit = fit_pooled([z], 1, 0.01)
    centred = z[:, 0] - z.mean()
    line = linregress(centred[:-1], centred[1:])
    # SciPy's line has an intercept of its own: one more degree of freedom, and a mean over slightly other frames
    assert t_values(fit, [z])[0, 0, 0] == pytest.approx(line.slope / line.stderr, rel=0.02)


def test_t_is_that_of_least_squares_on_the_support():
    runs = simulated(4)
    fit = fit_pooled(runs, ORDER, 0.004)
    values = t_values(fit, runs)
    coef = np.asarray(fit.coef)
    assert ((values != 0) == (coef != 0)).all()
    for target in range(6):
        at = np.argwhere(coef[:, target] != 0)
        columns, actual = [], []
        for z in runs:
            centred = z - z.mean(axis=0)
            columns.append(
                np.stack([centred[ORDER - 1 - lag : len(z) - 1 - lag, s] for lag, s in at], axis=1)
            )
            actual.append(centred[ORDER:, target])
        x, y = np.concatenate(columns), np.concatenate(actual)
        solution, squares, *_ = np.linalg.lstsq(x, y, rcond=None)
        error = np.sqrt(squares[0] / (len(y) - len(at)) * np.diag(np.linalg.inv(x.T @ x)))
        np.testing.assert_allclose(values[at[:, 0], target, at[:, 1]], solution / error, rtol=1e-6)


def test_pruning_keeps_the_coupling_and_drops_most_chance():
    kept, before, after = 0, 0, 0
    for seed in range(5):
        runs = simulated(seed, frames=300)
        fit = fit_pooled(runs, ORDER, 0.004)
        cut = prune(fit, runs, 3.0)
        linked, pruned = ((np.asarray(f.coef) != 0).any(axis=0) for f in (fit, cut))
        kept += pruned[1, 0]
        assert np.diag(pruned).all()
        assert (linked | ~pruned).all()  # nothing new
        before += linked.sum() - 7
        after += pruned.sum() - 7
    assert kept == 5
    assert after < before / 4


def test_what_is_kept_is_not_changed_and_zero_keeps_all():
    runs = simulated(5)
    fit = fit_pooled(runs, ORDER, 0.004)
    cut = prune(fit, runs, 2.0)
    stays = np.asarray(cut.coef) != 0
    np.testing.assert_array_equal(np.asarray(cut.coef)[stays], np.asarray(fit.coef)[stays])
    assert prune(fit, runs, 0.0) is fit
    other = [50 * z + 3 for z in runs]
    np.testing.assert_allclose(t_values(fit, other), t_values(fit, runs), rtol=1e-6)  # units do not matter


def test_what_cannot_be_pruned_is_refused():
    runs = simulated(6)
    fit = fit_pooled(runs, ORDER, 0.01)
    with pytest.raises(InputError, match="coef has shape"):
        prune(fit_runs(runs, ORDER, 0.01), runs)
    with pytest.raises(InputError, match="6 nodes"):
        prune(fit, [z[:, :4] for z in runs])
    for bad in (-1.0, np.nan):
        with pytest.raises(InputError, match="threshold="):
            prune(fit, runs, bad)
    with pytest.raises(InputError, match="raise the l1 strength"):
        prune(fit._replace(coef=np.ones((ORDER, 6, 6))), [runs[0][:10]])
