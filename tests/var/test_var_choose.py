"""Choosing the l1 strength without the truth: criteria by hand, held-out halves by hand, known truth, laws."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from lassovae import InputError
from lassovae.var import fit_pooled, fit_var, information_criteria, lam_path, suggested_lam
from lassovae.var._design import lagged

ORDER = 2
LAMS = (0.1, 0.02, 0.004)


def simulated(seed, num_runs=3, frames=120, nodes=6, coupling=0.5):
    """Runs (time, nodes) of node 1 following node 0, every node its own past."""
    rng = np.random.default_rng(seed)
    runs = []
    for _ in range(num_runs):
        z = rng.normal(size=(frames + 20, nodes))
        for t in range(1, len(z)):
            z[t] += 0.5 * z[t - 1]
            z[t, 1] += coupling * z[t - 1, 0]
        runs.append(z[20:])
    return runs


def residuals(coef, runs, means):
    """By loops over frames and lags."""
    rows, actual = [], []
    for z, mean in zip(runs, means, strict=True):
        centred = z - mean
        for t in range(ORDER, len(z)):
            shown = sum(coef[k] @ centred[t - 1 - k] for k in range(ORDER))
            rows.append(centred[t] - shown)
            actual.append(centred[t])
    return np.array(rows), np.array(actual)


def test_criteria_are_those_of_gaussian_regressions(rng):
    """-2 log-likelihood at its maximum, from SciPy's density, up to a constant that no model changes."""
    n, num_predictors = 50, 9
    degrees = np.array([3, 0])
    error = rng.normal(size=(n, 2)) * [0.5, 2.0]
    variance = np.square(error).mean(axis=0)
    minus_twice = -2 * norm.logpdf(error, scale=np.sqrt(variance)).sum() - 2 * n * (math.log(2 * math.pi) + 1)
    aic, bic, ebic = information_criteria(variance, degrees, n, num_predictors)
    assert aic == pytest.approx(minus_twice + 2 * 3)
    assert bic == pytest.approx(minus_twice + math.log(n) * 3)
    assert ebic == pytest.approx(bic + 2 * math.log(math.comb(9, 3)))


def test_every_strength_is_judged_as_by_hand():
    runs = simulated(0)
    path = lam_path(runs, ORDER, LAMS[::-1])
    np.testing.assert_array_equal(path.lams, LAMS)  # from strong to weak, however given
    for i, lam in enumerate(LAMS):
        fit = fit_pooled(runs, ORDER, lam)
        coef = np.asarray(fit.coef, np.float64)
        error, _ = residuals(coef, runs, [z.mean(axis=0) for z in runs])
        degrees = (coef != 0).sum(axis=(0, 2))
        by_hand = information_criteria(np.square(error).mean(axis=0), degrees, len(error), ORDER * 6)
        assert path.nonzeros[i] == degrees.mean()
        np.testing.assert_allclose((path.aic[i], path.bic[i], path.ebic[i]), by_hand, rtol=1e-9)
        halves = [[z[:60] for z in runs], [z[60:] for z in runs]]
        total, power = 0.0, 0.0
        for seen, unseen in (halves, halves[::-1]):
            half = np.asarray(fit_pooled(seen, ORDER, lam).coef, np.float64)
            error, actual = residuals(half, unseen, [z.mean(axis=0) for z in seen])
            total, power = total + np.square(error).sum(), power + np.square(actual).sum()
        assert path.held_out[i] == pytest.approx(total / power, rel=1e-9)


def test_the_best_of_each_criterion(caplog):
    path = lam_path(simulated(0), ORDER, LAMS)._replace(
        held_out=np.array([3.0, 1.0, 2.0]), ebic=np.array([0.0, 1.0, 2.0])
    )
    assert path.best() == path.best("held_out") == 0.02
    assert caplog.messages == []
    assert path.best("ebic") == 0.1
    assert caplog.messages == ["ebic is lowest at the edge, lam=0.1: try stronger ones"]
    with pytest.raises(InputError, match="criterion='truth' is not known"):
        path.best("truth")


@pytest.mark.parametrize("seed", range(3))
def test_extended_bic_keeps_the_edges_and_next_to_nothing_else(seed):
    runs = simulated(seed, frames=400)
    path = lam_path(runs, ORDER, np.geomspace(0.1, 1e-3, 9))
    linked = (np.asarray(fit_pooled(runs, ORDER, path.best("ebic")).coef) != 0).any(axis=0)
    assert linked[1, 0]
    assert np.diag(linked).all()
    assert linked.sum() <= 7 + 6  # of 36; the seven true ones and few others
    assert path.best("aic") <= path.best("bic") <= path.best("ebic")


def test_without_strengths_they_are_around_the_suggested_one():
    runs = simulated(1)
    suggested = suggested_lam(3 * (120 - ORDER), ORDER, 6)
    path = lam_path(runs, ORDER)
    assert path.lams[0] == pytest.approx(16 * suggested)
    assert path.lams[-1] == pytest.approx(suggested / 4)
    assert np.isclose(path.lams, suggested).any()


def test_units_and_the_order_of_runs_do_not_matter():
    runs = simulated(1)
    path = lam_path(runs, ORDER, LAMS)
    other = lam_path([1000 * z + 7 for z in runs[::-1]], ORDER, LAMS)
    np.testing.assert_array_equal(other.nonzeros, path.nonzeros)
    np.testing.assert_allclose(other.held_out, path.held_out, rtol=1e-6)
    np.testing.assert_allclose(np.diff(other.bic), np.diff(path.bic), rtol=1e-6)


def test_the_gradient_of_the_held_out_error_in_lam_points_the_way():
    """The fit is differentiable in lam: descending a held-out error needs no grid."""
    with jax.enable_x64(True):
        z = jnp.asarray(simulated(2, num_runs=1, frames=200)[0])

        def held_out(log_lam):
            fit = fit_var(z[:120], ORDER, jnp.exp(log_lam))
            rest = z[120:] - fit.mean
            design = lagged(rest[None], ORDER)[0]
            matrix = jnp.swapaxes(fit.coef, 0, 1).reshape(6, -1)
            error = rest[ORDER:] - design @ matrix.T
            return jnp.square(error).sum() / jnp.square(rest[ORDER:]).sum()

        for log_lam in (-2.0, -4.0, -6.0):
            step = 1e-5
            difference = (held_out(log_lam + step) - held_out(log_lam - step)) / (2 * step)
            assert float(jax.grad(held_out)(log_lam)) == pytest.approx(float(difference), rel=1e-4, abs=1e-7)
        assert jax.grad(held_out)(-2.0) > 0  # too strong


def test_the_suggestion_follows_rows_and_nodes():
    assert suggested_lam(1260, 5, 96) == pytest.approx(0.25 * math.sqrt(math.log(480) / 1260) / 96)
    assert suggested_lam(4 * 1260, 5, 96) == pytest.approx(suggested_lam(1260, 5, 96) / 2)
    with pytest.raises(InputError, match="num_rows=0"):
        suggested_lam(0, 5, 96)


def test_what_cannot_be_chosen_from_is_refused():
    runs = simulated(0, num_runs=1, frames=7)
    with pytest.raises(InputError, match="half of run 0 has 3 frames"):
        lam_path(runs, ORDER)
    for bad in ((), (0.1, 0.0), (0.1, math.nan)):
        with pytest.raises(InputError, match="lams="):
            lam_path(simulated(0), ORDER, bad)
