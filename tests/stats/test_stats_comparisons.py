"""The table of comparisons and its corrections."""

import numpy as np
import pytest
from scipy.stats import false_discovery_control

from lassovae._errors import InputError
from lassovae.stats import bonferroni, group_comparisons, holm, swap_test


def slow_holm(p):
    """The step-down procedure at many levels: the corrected value is where rejection begins."""
    corrected = np.ones(len(p))
    for alpha in np.linspace(1, 0, 20001):
        remaining = sorted(range(len(p)), key=lambda i: p[i])
        for step, i in enumerate(remaining):
            if p[i] > alpha / (len(p) - step):
                break
            corrected[i] = alpha
    return corrected


def test_holm_is_the_step_down_procedure():
    for seed in range(5):
        p = np.random.default_rng(seed).random(6) ** 3
        np.testing.assert_allclose(holm(p), slow_holm(p), atol=1e-4)


def test_known_corrections():
    p = [0.01, 0.04, 0.03, 0.005]
    np.testing.assert_allclose(bonferroni(p), [0.04, 0.16, 0.12, 0.02])
    np.testing.assert_allclose(holm(p), [0.03, 0.06, 0.06, 0.02])


def test_corrections_keep_order_and_lie_above_one_another():
    p = np.random.default_rng(1).random(9)
    assert (holm(p) >= p).all()
    assert (bonferroni(p) >= holm(p)).all()
    assert (bonferroni(p) <= 1).all()
    assert (holm(p) >= false_discovery_control(p) - 1e-15).all()
    order = np.random.default_rng(2).permutation(9)
    np.testing.assert_array_equal(holm(p[order]), holm(p)[order])


@pytest.mark.parametrize("p", [[0.1, np.nan], [1.2], [-0.1], 0.3])
def test_bad_pvalues_are_named(p):
    with pytest.raises(InputError, match="pvalues"):
        holm(p)
    with pytest.raises(InputError, match="pvalues"):
        bonferroni(p)


def paper_like():
    """40 runs in alternating blocks of five, coefficients that differ between the conditions."""
    rng = np.random.default_rng(4)
    labels = [c for _ in range(4) for c in "FFFFFNNNNN"]
    position = rng.normal(size=(40, 3)) + 2.0 * (np.array(labels) == "N")[:, None]
    delta = ((position[:, None] - position[None]) ** 2).sum(axis=2)
    return delta, labels


def test_table_one_has_its_six_rows_in_order():
    table = group_comparisons(*paper_like())
    assert [(row.group_a, row.group_b) for row in table] == [
        ("F 1-10", "F 11-20"),
        ("N 1-10", "N 11-20"),
        ("F 1-10", "N 1-10"),
        ("F 11-20", "N 11-20"),
        ("F 1-10", "N 11-20"),
        ("F 11-20", "N 1-10"),
    ]
    assert [row.kind for row in table] == ["within condition"] * 2 + ["across conditions"] * 4
    assert [row.significant for row in table] == [False] * 2 + [True] * 4
    assert all((row.num_across, row.num_within) == (200, 180) for row in table)
    raw = [row.pvalue for row in table]
    np.testing.assert_allclose([row.pvalue_bonferroni for row in table], bonferroni(raw))
    np.testing.assert_allclose([row.pvalue_holm for row in table], holm(raw))


def test_halves_are_taken_in_order_of_recording():
    delta, labels = paper_like()
    runs_f = [i for i, label in enumerate(labels) if label == "F"]
    own = ["" for _ in labels]
    for position, run in enumerate(runs_f):
        own[run] = "early" if position < 10 else "late"
    assert group_comparisons(delta, labels)[0].pvalue == swap_test(delta, own, "early", "late").pvalue


def test_an_odd_number_gives_the_first_half_one_more_and_other_conditions_stay_out():
    rng = np.random.default_rng(6)
    delta = rng.random((12, 12))
    labels = ["a", "b", "x", "a", "b", "x", "a", "b", "a", "b", "a", "x"]
    delta[[2, 5, 11]] = np.nan
    table = group_comparisons(delta, labels, ("a", "b"))
    assert (table[0].group_a, table[0].group_b) == ("a 1-3", "a 4-5")
    assert (table[1].group_a, table[1].group_b) == ("b 1-2", "b 3-4")


def test_alpha_sets_significance():
    strict = group_comparisons(*paper_like(), alpha=1e-12)
    assert not any(row.significant for row in strict[:2])
    assert sum(row.significant for row in strict) < 6


@pytest.mark.parametrize(
    ("labels", "conditions", "message"),
    [
        ("FFFNNNNN", ("F", "N"), "'F' has 3 runs: .* at least 4 runs"),
        ("FFFFNNNN", ("F", "F"), "names 'F' twice"),
        ("FFFFNNNN", ("F", "M"), "choose from 'F', 'N'"),
        ("FFFFNNN", ("F", "N"), "labels has 7 entries"),
    ],
)
def test_bad_tables_are_named(labels, conditions, message):
    with pytest.raises(InputError, match=message):
        group_comparisons(np.zeros((8, 8)), list(labels), conditions)


def test_bad_alpha_is_named():
    with pytest.raises(InputError, match="alpha"):
        group_comparisons(np.zeros((8, 8)), list("FFFFNNNN"), alpha=5)
