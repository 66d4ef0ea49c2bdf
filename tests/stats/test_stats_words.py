"""Designs counted by enumeration, and the sentences."""

from itertools import permutations

import numpy as np
import pytest

from lassovae._errors import InputError
from lassovae.stats import (
    block_design,
    comparison_sentence,
    design_sentence,
    format_pvalue,
    group_comparisons,
    rank_sum_sentence,
    smallest_pvalue,
    swap_test,
)


def alternating(num_blocks, runs=5):
    blocks = np.repeat(np.arange(num_blocks), runs)
    return ["FN"[b % 2] for b in blocks], blocks.tolist()


@pytest.mark.parametrize(("num_blocks", "expected"), [(2, 1.0), (4, 1 / 3), (6, 0.1), (8, 1 / 35)])
def test_alternating_blocks_reach_the_known_values(num_blocks, expected):
    assert smallest_pvalue(*alternating(num_blocks)) == pytest.approx(expected)


@pytest.mark.parametrize("labels", ["FN", "FFNN", "FNN", "FFFNN", "FFNNXX", "FNXX", "FNXXX"])
def test_counts_equal_an_enumeration(labels):
    relabellings = set(permutations(labels))

    def split(relabelling):
        return frozenset(frozenset(i for i, x in enumerate(relabelling) if x == g) for g in set(relabelling))

    same = sum(split(r) == split(tuple(labels)) for r in relabellings)
    design = block_design(list(labels))
    assert (design.num_relabellings, design.num_equivalent) == (len(relabellings), same)
    assert design.smallest_pvalue == pytest.approx(same / len(relabellings))


def test_names_of_labels_and_blocks_and_order_of_runs_do_not_matter():
    labels, blocks = alternating(6)
    order = np.random.default_rng(0).permutation(len(labels))
    renamed = smallest_pvalue(
        [{"F": "x", "N": "y"}[labels[i]] for i in order], [f"b{blocks[i]}" for i in order]
    )
    assert renamed == smallest_pvalue(labels, blocks)


def test_a_huge_design_does_not_overflow():
    assert 0 < smallest_pvalue(["F", "N"] * 400) < 1e-200


def test_sentences_say_whether_significance_can_be_reached():
    short = design_sentence(*alternating(4))
    assert "p = 0.3333" in short
    assert "cannot be reached" in short
    assert "4 blocks each would suffice" in short
    assert "4 exchangeable blocks (2 of F and 2 of N) can be relabelled in 6 ways" in short
    enough = design_sentence(*alternating(8))
    assert enough.endswith("significance at 0.05 can be reached.")
    assert "cannot be reached" in design_sentence(*alternating(8), alpha=0.01)
    for text in (short, enough):
        assert text.count(". ") == 0  # one sentence


def test_free_relabelling_counts_runs():
    assert "8 exchangeable runs" in design_sentence(list("FNFNFNFN"))


def test_bad_designs_are_named():
    with pytest.raises(InputError, match=r"blocks\[1\]='a' holds both 'F' and 'N'"):
        smallest_pvalue(list("FN"), ["a", "a"])
    with pytest.raises(InputError, match="at least two different"):
        smallest_pvalue(list("FF"))
    with pytest.raises(InputError, match="blocks has 1 entries"):
        smallest_pvalue(list("FN"), [0])
    with pytest.raises(InputError, match="alpha"):
        design_sentence(list("FN"), alpha=0)


def test_results_in_words():
    rng = np.random.default_rng(1)
    labels = list("FFFFNNNN")
    far = np.array(labels)[:, None] != np.array(labels)
    delta = rng.random((8, 8)) + 5 * far
    text = rank_sum_sentence(swap_test(delta, labels, "F", "N"))
    assert "chance of 1.00" in text
    assert "not" in text
    assert "independent" in text
    table = group_comparisons(delta, labels)
    assert "F 1-2 and F 3-4 (within condition) show no significant difference" in comparison_sentence(
        table[0]
    )
    assert "F 1-2 and N 1-2 (across conditions) differ by" in comparison_sentence(table[2])


def test_pvalue_format():
    assert format_pvalue(0.17811) == "0.1781"
    assert format_pvalue(1.0) == "1.0000"
    assert format_pvalue(2.34e-7) == "2.3e-07"
