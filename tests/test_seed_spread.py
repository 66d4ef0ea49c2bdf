"""seed_spread: the trainings and analyses that a user would run by hand; no spread where a seed changes nothing."""

import numpy as np
import pytest

from lassovae import Config, InputError, analyse, fit, seed_spread
from lassovae.data import Study, simulate_study

BLOCK_MEANS = Config(encoder="block_mean", order=1, window=16, lam=0.02)
TRAINED = BLOCK_MEANS.replace(encoder="soft_roi", epochs=1, learning_rate=0.01)


@pytest.fixture(scope="module")
def study():
    return simulate_study(4, num_runs=8, frames=40, frame_shape=(32, 48), num_cells=6, block_size=2)


def test_a_seed_changes_nothing_where_nothing_is_trained(study):
    spread = seed_spread(study, BLOCK_MEANS, (3, 7), show_progress=False)
    assert spread.seeds == (3, 7)
    assert spread.standard_deviation.max() == 0
    np.testing.assert_allclose(spread.correlation, 1)
    assert spread.pvalues[0] == spread.pvalues[1]


def test_each_seed_is_what_a_user_would_get(study):
    spread = seed_spread(study, TRAINED, (0, 1, 2), rate=0.5, show_progress=False)
    alone = analyse(fit(study, TRAINED.replace(seed=1), show_progress=False), study)
    np.testing.assert_array_equal(spread.differences[1], alone.differences.maps.difference)
    assert spread.pvalues[1] == alone.condition_test.place.pvalue
    assert spread.held_out[1] == pytest.approx(alone.errors.held_out.mean())
    np.testing.assert_allclose(spread.mean, spread.differences.mean(axis=0))
    np.testing.assert_allclose(spread.standard_deviation, spread.differences.std(axis=0, ddof=1))
    assert spread.standard_deviation.max() > 0
    flat = spread.differences.reshape(3, -1)
    assert spread.correlation[0, 2] == pytest.approx(np.corrcoef(flat[0], flat[2])[0, 1])
    assert set(np.unique(spread.found.round(6))) <= {0, 0.333333, 0.666667, 1}


@pytest.mark.parametrize(
    ("seeds", "rate", "runs", "message"),
    [
        ((1,), 0.05, 8, r"seeds=\(1,\) must be at least two"),
        ((1, 1), 0.05, 8, "all different"),
        ((0, 1), 0.0, 8, r"rate=0\.0"),
        ((0, 1), 0.05, 4, "condition 'F' has one block"),
    ],
)
def test_refusals_come_before_any_training(study, seeds, rate, runs, message):
    with pytest.raises(InputError, match=message):
        seed_spread(Study(study.runs[:runs]), TRAINED, seeds, rate=rate)
