"""The permutation engine against scikit-bio, SciPy and enumeration by hand; what it refuses; what it can reach."""

import itertools

import numpy as np
import pytest
import scipy.stats
from scipy.spatial.distance import pdist, squareform

from lassovae import InputError
from lassovae.stats import permutation_test, smallest_pvalue, swap_dissimilarity

STATISTICS = ("anosim", "permanova", "across_minus_within")


def distances(rng, labels, shift=0.6):
    points = rng.standard_normal((len(labels), 3)) + shift * (np.asarray(labels) == "F")[:, None]
    return squareform(pdist(points))


def by_hand(matrix, labels, name):
    """Statistics from their definitions, pair by pair."""
    pairs = list(itertools.combinations(range(len(labels)), 2))
    values = np.asarray([matrix[i, j] for i, j in pairs])
    across = np.asarray([labels[i] != labels[j] for i, j in pairs])
    if name == "anosim":
        ranks = scipy.stats.rankdata(values)
        return (ranks[across].mean() - ranks[~across].mean()) / (len(pairs) / 2)
    if name == "across_minus_within":
        return values[across].mean() - values[~across].mean()
    groups, num_runs = sorted(set(labels)), len(labels)
    within = sum(
        sum(matrix[i, j] ** 2 for i, j in pairs if labels[i] == labels[j] == g) / list(labels).count(g)
        for g in groups
    )
    total = (values**2).sum() / num_runs
    return ((total - within) / (len(groups) - 1)) / (within / (num_runs - len(groups)))


@pytest.mark.parametrize("name", STATISTICS)
def test_statistics_are_those_of_the_definitions(rng, name):
    labels = list("FFNNNFMMFNM")
    matrix = np.round(distances(rng, labels), 1)  # ties
    found = permutation_test(matrix, labels, statistic=name, num_permutations=1)
    assert found.statistic == pytest.approx(by_hand(matrix, labels, name), rel=1e-12)


@pytest.mark.parametrize("name", ["anosim", "permanova"])
def test_free_relabelling_is_scikit_bios(rng, skbio_distance, name):
    """The same generator draws the same relabellings, and the p-values are equal."""
    labels = ["F"] * 12 + ["N"] * 9
    matrix = distances(rng, labels, shift=0.3)
    ours = permutation_test(matrix, labels, statistic=name, num_permutations=999, seed=5)
    theirs = getattr(skbio_distance, name)(
        skbio_distance.DistanceMatrix(matrix), labels, permutations=999, seed=5
    )
    assert not ours.exact
    assert ours.statistic == pytest.approx(theirs["test statistic"], rel=1e-12)
    assert ours.pvalue == pytest.approx(theirs["p-value"], rel=1e-12)


def test_exact_enumeration_is_scipys(rng):
    labels = np.asarray(list("FFFFNNNNN"))
    matrix = distances(rng, labels)

    def statistic(left, right):
        order = np.concatenate([left, right])
        return by_hand(matrix[np.ix_(order, order)], ["F"] * len(left) + ["N"] * len(right), "anosim")

    members = np.flatnonzero(labels == "F"), np.flatnonzero(labels == "N")
    theirs = scipy.stats.permutation_test(
        members, statistic, n_resamples=np.inf, alternative="greater", vectorized=False
    )
    ours = permutation_test(matrix, labels)
    assert ours.exact
    assert ours.num_relabellings == len(ours.null) == 126
    assert ours.pvalue == pytest.approx(theirs.pvalue, rel=1e-12)
    np.testing.assert_allclose(np.sort(ours.null), np.sort(theirs.null_distribution), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", STATISTICS)
def test_whole_blocks_by_hand(rng, name):
    """Three and two blocks of unequal size: ten ways to give them their labels."""
    blocks = [0, 0, 1, 2, 2, 2, 3, 3, 4, 4]
    labels = ["F", "F", "N", "F", "F", "F", "N", "N", "F", "F"]
    matrix = distances(rng, labels)
    ways = []
    for chosen in itertools.combinations(range(5), 2):
        relabelled = ["N" if block in chosen else "F" for block in blocks]
        ways.append(by_hand(matrix, relabelled, name))
    found = permutation_test(matrix, labels, blocks=blocks, statistic=name)
    assert (found.exchange, found.num_units, found.num_relabellings) == ("whole", 5, 10)
    np.testing.assert_allclose(np.sort(found.null), np.sort(ways), rtol=1e-12)
    assert found.pvalue == pytest.approx(np.mean(np.asarray(ways) >= found.statistic - 1e-12))


def test_within_blocks_by_hand(rng):
    blocks, labels = [0, 0, 0, 1, 1, 1], ["F", "N", "N", "F", "F", "N"]
    matrix = distances(rng, labels)
    ways = [
        by_hand(matrix, ["F" if run in (i, *pair) else "N" for run in range(6)], "permanova")
        for i in range(3)
        for pair in itertools.combinations(range(3, 6), 2)
    ]
    found = permutation_test(matrix, labels, blocks=blocks, exchange="within", statistic="permanova")
    assert found.num_relabellings == 9
    np.testing.assert_allclose(np.sort(found.null), np.sort(ways), rtol=1e-12)
    free = permutation_test(matrix, labels, blocks=blocks, exchange="free", statistic="permanova")
    assert free.num_relabellings == 20


@pytest.mark.parametrize(("num_blocks", "smallest"), [(2, 1.0), (4, 1 / 3), (6, 0.1), (8, 1 / 35)])
def test_the_smallest_p_of_alternating_blocks_is_reached(num_blocks, smallest):
    blocks = np.repeat(np.arange(num_blocks), 5)
    labels = np.where(blocks % 2, "N", "F")
    apart = 1.0 * (labels[:, None] != labels) + 0.01 * (1 - np.eye(len(labels)))
    found = permutation_test(apart, labels, blocks=blocks)
    assert found.statistic == pytest.approx(1)
    assert found.pvalue == found.smallest_pvalue == pytest.approx(smallest)
    assert found.smallest_pvalue == smallest_pvalue(labels, blocks)


def test_ways_that_tie_are_counted_whatever_their_rounding(rng):
    """Exchanging the names of groups of one size ties; with unequal sizes it does not."""
    labels = ["F"] * 4 + ["N"] * 4
    found = permutation_test(distances(rng, labels, shift=9), labels)
    assert found.pvalue == found.smallest_pvalue == pytest.approx(2 / 70)
    three = ["F"] * 2 + ["N"] * 2 + ["M"] * 2
    assert permutation_test(distances(rng, three), three).smallest_pvalue == pytest.approx(6 / 90)
    odd = ["F"] * 3 + ["N"] * 4
    assert permutation_test(distances(rng, odd), odd).smallest_pvalue == pytest.approx(1 / 35)


def test_a_drawn_p_is_never_zero_and_the_seed_decides_it(rng):
    labels = ["F"] * 20 + ["N"] * 20
    matrix = distances(rng, labels, shift=50)
    found = permutation_test(matrix, labels, num_permutations=99, seed=1)
    assert found.pvalue == found.smallest_pvalue == pytest.approx(0.01)
    again = permutation_test(matrix, labels, num_permutations=99, seed=1)
    np.testing.assert_array_equal(found.null, again.null)
    assert not np.array_equal(found.null, permutation_test(matrix, labels, num_permutations=99, seed=2).null)


def test_runs_of_other_groups_do_not_count(rng):
    labels = list("FNFNFNMMM")
    matrix = distances(rng, labels)
    some = permutation_test(matrix, labels, groups=("F", "N"))
    alone = permutation_test(matrix[:6, :6], labels[:6])
    assert (some.statistic, some.pvalue) == (alone.statistic, alone.pvalue)
    assert some.statistic != permutation_test(matrix, labels).statistic


def test_ranks_do_not_care_for_a_monotone_change_and_order_of_runs_for_nothing(rng):
    labels = list("FNFNFNFN")
    matrix = distances(rng, labels)
    plain = permutation_test(matrix, labels)
    assert permutation_test(matrix**3, labels).statistic == pytest.approx(plain.statistic)
    order = rng.permutation(8)
    moved = permutation_test(matrix[np.ix_(order, order)], [labels[i] for i in order])
    assert (moved.statistic, moved.pvalue) == pytest.approx((plain.statistic, plain.pvalue))


def test_swap_errors_become_a_dissimilarity(rng):
    delta = rng.standard_normal((6, 6))
    np.fill_diagonal(delta, 0)
    found = swap_dissimilarity(delta)
    np.testing.assert_array_equal(found, found.T)
    assert found.min() == 0
    assert not np.diagonal(found).any()
    i, j = np.triu_indices(6, 1)
    raw = (delta + delta.T)[i, j] / 2
    np.testing.assert_allclose(found[i, j], raw - raw.min(), rtol=0, atol=1e-15)
    kept = swap_dissimilarity(np.abs(delta))  # nothing to lift
    np.testing.assert_array_equal(kept, (np.abs(delta) + np.abs(delta).T) / 2)


def bad(change):
    matrix = squareform(np.arange(1.0, 7.0))
    change(matrix)
    return matrix


def put(i, j, value, both=True):
    def change(matrix):
        matrix[i, j] = value
        if both:
            matrix[j, i] = value

    return change


@pytest.mark.parametrize(
    ("matrix", "labels", "options", "message"),
    [
        (bad(put(0, 2, np.nan)), "FFNN", {}, r"not finite in rows 0, 2"),
        (bad(put(1, 3, -0.5)), "FFNN", {}, r"\[1, 3\]=-0.5 is negative: .*swap_dissimilarity"),
        (bad(put(1, 3, 9.0, both=False)), "FFNN", {}, r"not symmetric: \[1, 3\]=9, but \[3, 1\]=5"),
        (bad(put(2, 2, 1.0)), "FFNN", {}, r"\[2, 2\]=1: a run is at 0 from itself"),
        (np.zeros((4, 4)), "FFNN", {}, "every dissimilarity is 0"),
        (np.zeros((4, 3)), "FFNN", {}, r"shape \(4, 3\)"),
        (bad(put(0, 1, 1.0)), "FFN", {}, "labels has 3 entries for 4 runs"),
        (bad(put(0, 1, 1.0)), "FFFN", {}, "group 'N' has 1 run"),
        (bad(put(0, 1, 1.0)), "FFFF", {}, "at least two different labels"),
        (bad(put(0, 1, 1.0)), "FFNN", {"groups": ("F", "M")}, "'M' is not among the labels"),
        (bad(put(0, 1, 1.0)), "FFNN", {"groups": ("F", "F")}, "at least two different labels"),
        (bad(put(0, 1, 1.0)), "FFNN", {"blocks": [0, 1, 1, 2]}, r"blocks\[2\]=1 holds both 'F' and 'N'"),
        (bad(put(0, 1, 1.0)), "FFNN", {"blocks": [0, 1]}, "blocks has 2 entries for 4 labels"),
        (bad(put(0, 1, 1.0)), "FFNN", {"exchange": "whole"}, "needs blocks"),
        (bad(put(0, 1, 1.0)), "FFNN", {"exchange": "some"}, "choose one of free, whole, within"),
        (bad(put(0, 1, 1.0)), "FFNN", {"blocks": [0, np.nan, 1, 1]}, r"blocks\[1\]=nan is no block"),
        (bad(put(0, 1, 1.0)), "FFNN", {"blocks": [0, [1], 1, 1]}, r"blocks\[1\]=\[1\] is no block"),
        (bad(put(0, 1, 1.0)), ["F", "F", None, "N"], {}, r"labels\[2\]=None is missing"),
        (bad(put(0, 1, 1.0)), "FFNN", {"seed": -1}, "seed=-1 must be an integer of at least 0"),
        (bad(put(0, 1, 1.0)), "FFNN", {"statistic": "t"}, "choose one of centres, anosim"),
        (bad(put(0, 1, 1.0)), "FFNN", {"num_permutations": 0}, "must be at least 1"),
    ],
)
def test_what_is_refused(matrix, labels, options, message):
    with pytest.raises(InputError, match=message):
        permutation_test(matrix, list(labels), **options)
