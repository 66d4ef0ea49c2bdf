"""What is said of a permutation test: significant, not, impossible, unequal scatter, dependent runs."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform

from lassovae import InputError
from lassovae.stats import (
    dispersion_sentence,
    dispersion_test,
    effect_sentence,
    effect_size,
    permutation_sentence,
    permutation_test,
)


def study(rng, num_blocks, shift=0.0, scatter=1.0, each=5):
    blocks = np.repeat(np.arange(num_blocks), each)
    first = blocks % 2 == 0
    points = (
        rng.standard_normal((len(blocks), 3)) * np.where(first, scatter, 1)[:, None] + shift * first[:, None]
    )
    return squareform(pdist(points)), list(np.where(first, "F", "N")), blocks


def test_significant(rng):
    matrix, labels, blocks = study(rng, 8, shift=5)
    text = permutation_sentence(permutation_test(matrix, labels, blocks=blocks))
    assert text == (
        "F and N differ in their dynamics (ANOSIM R 1.00, p = 0.0286, all 70 relabellings of whole blocks of runs)."
    )


def test_not_significant_is_no_proof_of_nothing(rng):
    matrix, labels, blocks = study(rng, 8)
    result = permutation_test(matrix, labels, blocks=blocks)
    assert result.pvalue > 0.05
    text = permutation_sentence(result)
    assert text.startswith("No difference of F and N in their dynamics was found (ANOSIM R ")
    assert "no evidence that there is none" in text
    assert "differ in" not in text


@pytest.mark.parametrize("shift", [0, 5])
def test_cannot_be_significant_whatever_the_data(rng, shift):
    matrix, labels, blocks = study(rng, 4, shift=shift)
    text = permutation_sentence(permutation_test(matrix, labels, blocks=blocks))
    assert "cannot be told by this design" in text
    assert "the smallest p-value that it can reach is 0.3333" in text
    assert "nothing could have been significant at 0.05" in text
    assert "was found" not in text


def test_single_runs_come_with_a_warning(rng):
    matrix, labels, blocks = study(rng, 8, shift=5)
    free = permutation_test(matrix, labels, num_permutations=99)
    text = permutation_sentence(free)
    assert "99 random relabellings of single runs" in text
    assert text.endswith("Give the blocks.")
    assert "Give the blocks" not in permutation_sentence(permutation_test(matrix, labels, blocks=blocks))


def test_unequal_scatter_is_told_where_it_could_fake_a_difference(rng):
    def sentence(num_blocks, **options):
        matrix, labels, blocks = study(rng, num_blocks, **options)
        return dispersion_sentence(
            permutation_test(matrix, labels, blocks=blocks), dispersion_test(matrix, labels, blocks=blocks)
        )

    assert sentence(8, shift=9) == ""
    both = sentence(8, shift=9, scatter=4)
    assert both.startswith("The groups also scatter differently (F = ")
    assert "may be of scatter alone" in both
    assert sentence(8) == ""  # nothing found, nothing to explain
    matrix, labels, blocks = study(rng, 8, shift=9)
    place = permutation_test(matrix, labels, blocks=blocks)
    small, of_small, its = study(rng, 4)
    assert "cannot tell" in dispersion_sentence(place, dispersion_test(small, of_small, blocks=its))


def test_an_effect_has_its_interval_and_few_units_their_caution(rng):
    matrix, labels, blocks = study(rng, 8, shift=2)
    effect = effect_size(matrix, labels, blocks=blocks, num_resamples=200)
    text = effect_sentence(effect)
    assert f"{effect.estimate:.3g} in units of the dissimilarity, 95% interval {effect.low:.3g} to" in text
    assert "From 4 units in the smaller group such an interval is too narrow" in text
    many = effect_sentence(effect_size(matrix, labels, statistic="anosim", num_resamples=200))
    assert "too narrow" not in many
    assert "units of the dissimilarity" not in many


def test_a_level_that_is_none_is_refused(rng):
    matrix, labels, blocks = study(rng, 4)
    result = permutation_test(matrix, labels, blocks=blocks)
    with pytest.raises(InputError, match=r"alpha=1\.5"):
        permutation_sentence(result, alpha=1.5)
    with pytest.raises(InputError, match="alpha=0"):
        dispersion_sentence(result, result, alpha=0)
