"""Least squares on a support, and how often halves of a recording select it: NumPy, known truth, laws, errors."""

import numpy as np
import pytest
from test_var_choose import ORDER, simulated

from lassovae import InputError
from lassovae.var import fit_pooled, refit, selection_frequency


def test_refit_is_least_squares_on_the_support(rng):
    runs = simulated(7)
    support = rng.random((ORDER, 6, 6)) < 0.4
    coef, error = refit(runs, support)
    assert ((coef != 0) == support).all()
    assert ((error > 0) == support).all()
    for target in range(6):
        at = np.argwhere(support[:, target])
        centred = [z - z.mean(axis=0) for z in runs]
        x = np.concatenate(
            [np.stack([z[ORDER - 1 - k : len(z) - 1 - k, s] for k, s in at], axis=1) for z in centred]
        )
        y = np.concatenate([z[ORDER:, target] for z in centred])
        np.testing.assert_allclose(coef[at[:, 0], target, at[:, 1]], np.linalg.lstsq(x, y)[0], rtol=1e-8)


def test_nodes_that_are_copies_share_a_coefficient(rng):
    """A Gram matrix without an inverse: least squares of smallest norm, as NumPy's; and nearly so."""
    for noise in (0.0, 1e-9):
        runs = [z.copy() for z in simulated(3)]
        for z in runs:
            z[:, 3] = z[:, 2] + noise * rng.standard_normal(len(z))
        support = np.zeros((1, 6, 6), bool)
        support[0, 1, [0, 2, 3]] = True
        coef, _ = refit(runs, support)
        centred = [z - z.mean(axis=0) for z in runs]
        x = np.concatenate([z[:-1][:, [0, 2, 3]] for z in centred])
        y = np.concatenate([z[1:, 1] for z in centred])
        expected = np.linalg.lstsq(x, y, rcond=1e-6)[0]
        np.testing.assert_allclose(coef[0, 1, [0, 2, 3]], expected, rtol=1e-5, atol=1e-8)
        assert expected[1] == pytest.approx(expected[2], rel=1e-5)


def test_refit_does_not_shrink():
    """The lasso's coefficient of the coupling is too small, that of least squares is right within its error."""
    runs = simulated(0, num_runs=6, frames=2000)
    fit = fit_pooled(runs, 1, 0.02)
    coef, error = refit(runs, fit.coef)
    assert fit.coef[0, 1, 0] < 0.45
    assert abs(coef[0, 1, 0] - 0.5) < 3 * error[0, 1, 0]
    assert error[0, 1, 0] < 0.02


def test_errors_cover():
    """Errors of least squares are those of the spread over simulations."""
    support = np.zeros((1, 6, 6), bool)
    support[0, 1, :2] = support[0, np.arange(6), np.arange(6)] = True
    found = [refit(simulated(seed, num_runs=1, frames=400), support) for seed in range(60)]
    spread = np.std([coef[0, 1, 0] for coef, _ in found], ddof=1)
    assert np.mean([error[0, 1, 0] for _, error in found]) == pytest.approx(spread, rel=0.2)


def test_what_is_refused():
    runs = simulated(1)
    with pytest.raises(InputError, match="6 nodes"):
        refit([z[:, :5] for z in runs], np.ones((1, 6, 6)))
    with pytest.raises(InputError, match="give one fit"):
        refit(runs, np.ones((6, 6)))
    with pytest.raises(InputError, match="target 0 has 24 coefficients, and 16 rows"):
        refit([runs[0][:20]], np.ones((4, 6, 6)))


def test_halves_select_couplings_and_seldom_chance():
    runs = simulated(2, num_runs=4, frames=300)
    often = selection_frequency(runs, ORDER, 0.01, threshold=2.0, num_splits=8)
    assert often.shape == (ORDER, 6, 6)
    assert often[0, 1, 0] == 1
    assert (often[0, np.arange(6), np.arange(6)] == 1).all()
    chance = often.sum(axis=0)[~(np.eye(6, dtype=bool) | (np.arange(36).reshape(6, 6) == 6))]
    assert chance.mean() < 0.3
    assert set(np.unique(often * 16).tolist()) <= set(range(17))  # of 16 halves
    assert not set(np.unique(often[0] + often[1])) <= {0.0, 1.0}


def test_splits_are_seeded_and_whole_runs_are_their_pieces():
    runs = simulated(3, num_runs=4, frames=100)
    first, again, other = (selection_frequency(runs, 1, 0.02, num_splits=2, seed=s) for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    # two runs no longer than a piece: the halves are the runs themselves
    halves = selection_frequency(runs[:2], 1, 0.02, num_splits=1, piece_frames=100)
    alone = [np.asarray(fit_pooled([z], 1, 0.02).coef) != 0 for z in runs[:2]]
    np.testing.assert_array_equal(halves, np.mean(alone, axis=0))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_splits": 0}, "num_splits=0"),
        ({"piece_frames": 2}, "piece_frames=2 must be at least 3"),
        ({"piece_frames": 1000}, "1 piece of 1000 frames"),
    ],
)
def test_bad_splits(changes, message):
    with pytest.raises(InputError, match=message):
        selection_frequency(simulated(0, num_runs=1), 1, 0.02, **changes)
