"""What is said of many differences at once: some, none, nothing to test, few units."""

import numpy as np
import pytest

from lassovae import InputError
from lassovae.stats import difference_caution, difference_sentence, group_difference, is_descriptive

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
    assert "descriptive" not in text
    assert difference_caution(group_difference(values, LABELS), ["F", "N"] * 5) == ""


def test_nothing_varies():
    text = difference_sentence(group_difference(np.ones((10, 6)), LABELS), "pixels")
    assert (
        text
        == "There were no pixels of the contribution maps to compare between F and N: none of them varies."
    )


@pytest.mark.parametrize("units", [2, 3, 4])
def test_few_units_make_candidates_and_one_caution_for_all_of_them(rng, units):
    labels = ["F", "N"] * units
    values = rng.standard_normal((2 * units, 40))
    values[::2, [3, 7]] += 60
    found = group_difference(values, labels)
    text, caution = difference_sentence(found, "pixels"), difference_caution(found, labels)
    number = int(found.significant(0.05).sum())
    assert number > 0
    assert is_descriptive(found) == (units < 4)
    if units < 4:
        assert text == (
            f"{number} of 40 pixels of the contribution maps are candidates for a difference of F and N ({units} "
            f"against {units} units; descriptive, at a nominal false-discovery rate of 0.05)."
        )
        assert caution.startswith(f"With {units} blocks in the smaller group these are candidates")
        assert "not to be reported as significant" in caution
    else:
        assert text.startswith(f"F and N differ in {number} of 40 pixels")
        assert caution == ""
    none = difference_sentence(
        group_difference(np.tile(values[:1], (2 * units, 1)) + rng.random((2 * units, 40)), labels), "edges"
    )
    assert ("differ in" in none) is False
    assert ("descriptive" in none) == (units < 4)


def test_groups_that_follow_each_other_in_time(rng):
    found = group_difference(rng.standard_normal((10, 6)), LABELS)
    assert "may be drift" in difference_caution(found, LABELS)
    assert "may be drift" in difference_caution(found, ["other", *LABELS, "other"])
    assert difference_caution(found, [*LABELS[2:8], "F"]) == difference_caution(found) == ""


def test_unequal_numbers_of_units_and_small_rates(rng):
    values = rng.standard_normal((12, 40))
    values[:5, 3] += 30
    text = difference_sentence(group_difference(values, ["F"] * 5 + ["N"] * 7), "nodes", rate=0.004)
    assert "at most 0.4% of those named are false" in text
    assert difference_caution(group_difference(values, ["F"] * 5 + ["N"] * 7)).startswith(
        "The numbers of units differ"
    )


def test_a_rate_out_of_range(rng):
    with pytest.raises(InputError, match="rate=0"):
        difference_sentence(group_difference(rng.standard_normal((10, 6)), LABELS), "edges", rate=0)
