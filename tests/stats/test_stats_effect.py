"""Effect sizes: equal to the tests' statistics, resampled by blocks, covering what they should."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform

from lassovae import InputError
from lassovae.stats import effect_size, permutation_test


def distances(points):
    return squareform(pdist(points))


@pytest.mark.parametrize("name", ["anosim", "across_minus_within"])
def test_estimates_are_the_tests_statistics(rng, name):
    labels = list("FFNNNFMMFNM")
    matrix = distances(rng.standard_normal((11, 3)))
    for groups in (None, ("F", "N")):
        found = effect_size(matrix, labels, groups=groups, statistic=name, num_resamples=10)
        test = permutation_test(matrix, labels, groups=groups, statistic=name, num_permutations=1)
        assert found.estimate == pytest.approx(test.statistic, rel=1e-12)


def test_resamples_are_studies_of_whole_blocks(rng):
    """Every resample is one of the studies that two blocks a group, drawn with replacement, can make."""
    blocks = [0, 0, 1, 1, 2, 2, 3, 3]
    labels = [("F", "N")[b % 2] for b in blocks]
    matrix = distances(rng.standard_normal((8, 2)))
    possible = []
    for f in ((0, 0), (0, 2), (2, 2)):
        for n in ((1, 1), (1, 3), (3, 3)):
            runs = [run for block in (*f, *n) for run in range(8) if blocks[run] == block]
            pairs = [(i, j) for k, i in enumerate(runs) for j in runs[:k] if i != j]
            across = [matrix[i, j] for i, j in pairs if labels[i] != labels[j]]
            within = [matrix[i, j] for i, j in pairs if labels[i] == labels[j]]
            possible.append(np.mean(across) - np.mean(within))
    found = effect_size(matrix, labels, blocks=blocks, num_resamples=400)
    assert found.num_units == 2
    assert np.abs(found.resamples[:, None] - possible).min(axis=1).max() < 1e-12
    assert len(np.unique(found.resamples.round(9))) == len(np.unique(np.round(possible, 9)))
    assert found.low == pytest.approx(np.quantile(found.resamples, 0.025))
    assert found.high == pytest.approx(np.quantile(found.resamples, 0.975))


def test_intervals_cover_and_single_runs_pretend_to_more_than_blocks_know():
    """Many studies with a block effect and a known difference of means (in one dimension, of many runs)."""
    rng = np.random.default_rng(4)
    blocks = np.repeat(np.arange(24), 4)
    labels = np.where(blocks % 2, "N", "F")
    shift = 1.0 * (labels == "F")

    def study(size):
        return (
            shift[:, None] * 1.5 + rng.standard_normal((24, 2))[blocks] * size + rng.standard_normal((96, 2))
        )

    truth = np.mean([effect_size(distances(study(1.0)), labels, num_resamples=1).estimate for _ in range(60)])
    inside = {"blocks": 0, "runs": 0}
    for _ in range(60):
        matrix = distances(study(1.0))
        for unit, by in (("blocks", blocks), ("runs", None)):
            found = effect_size(matrix, labels, blocks=by, num_resamples=60)
            inside[unit] += found.low <= truth <= found.high
    assert inside["blocks"] >= 48  # 80 % at least, of a nominal 95 % from 12 units a group
    assert inside["runs"] < inside["blocks"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"statistic": "permanova"}, "has no interval"),
        ({"confidence": 1.0}, "between 0 and 1"),
        ({"num_resamples": 0}, "at least 1"),
        ({"blocks": [0, 0, 1, 2]}, "'F' has one block"),
    ],
)
def test_what_is_refused(rng, options, message):
    with pytest.raises(InputError, match=message):
        effect_size(distances(rng.standard_normal((4, 2))), list("FFNN"), **options)


def test_resamples_without_a_pair_are_left_out_and_none_gives_no_interval(rng):
    matrix = distances(rng.standard_normal((4, 2)))
    found = [effect_size(matrix, list("FFNN"), num_resamples=1, seed=seed) for seed in range(40)]
    empty = [effect for effect in found if not len(effect.resamples)]
    assert 0 < len(empty) < 40  # each group drew one of its two runs twice
    assert all(np.isnan([effect.low, effect.high]).all() and np.isfinite(effect.estimate) for effect in empty)
    assert all(effect.low <= effect.high for effect in found if len(effect.resamples))
