"""What is said of many differences at once: some, none, nothing to test, few units."""

import numpy as np
import pytest

from lassovae import InputError
from lassovae.stats import difference_sentence, group_difference

LABELS = ["F"] * 5 + ["N"] * 5


def test_some(rng):
    values = rng.standard_normal((10, 40))
    values[:5, [3, 7]] += 8
    assert difference_sentence(group_difference(values, LABELS), "edges") == (
        "F and N differ in 2 of 40 edges of the network at a false-discovery rate of 0.05 (5 against 5 units); on "
        "average at most 5% of those named are false, but any single one may be. The others are not shown to be the "
        "same."
    )


def test_none(rng):
    values = np.tile(rng.standard_normal((5, 6)), (2, 1))
    text = difference_sentence(group_difference(values, LABELS), "nodes", rate=0.1)
    assert text.startswith(
        "No difference of F and N in single nodes by their outflow was found at a false-discovery"
    )
    assert "rate of 0.1 (5 against 5 units, 6 tested)" in text
    assert "That is no evidence that there is none" in text
    assert "cannot be checked" not in text


def test_nothing_varies():
    text = difference_sentence(group_difference(np.ones((10, 6)), LABELS), "pixels")
    assert (
        text
        == "There were no pixels of the contribution maps to compare between F and N: none of them varies."
    )


def test_few_units(rng):
    found = group_difference(rng.standard_normal((6, 9)), ["F", "F", "N", "N", "N", "N"])
    assert "With 2 units in a group this rests on what cannot be checked" in difference_sentence(
        found, "lags"
    )


def test_unequal_numbers_of_units_and_small_rates(rng):
    values = rng.standard_normal((12, 40))
    values[:5, 3] += 30
    text = difference_sentence(group_difference(values, ["F"] * 5 + ["N"] * 7), "nodes", rate=0.004)
    assert "at most 0.4% of those named are false" in text
    assert "The numbers of units differ" in text


def test_a_rate_out_of_range(rng):
    with pytest.raises(InputError, match="rate=0"):
        difference_sentence(group_difference(rng.standard_normal((10, 6)), LABELS), "edges", rate=0)
