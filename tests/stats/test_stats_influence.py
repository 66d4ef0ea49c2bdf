"""Influence vectors, their distances and the test on them."""

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from lassovae._errors import InputError
from lassovae.stats import influence, influence_distances, influence_test

ASYMMETRIC = np.array(
    [
        [[0.9, 0.0, 0.2], [-0.4, 0.8, 0.0], [0.1, 0.0, 0.7]],
        [[0.5, 0.3, 0.0], [0.0, 0.0, 0.0], [-0.2, 0.0, 0.0]],
    ]
)


def slow_outflow(coef):
    lags, nodes, _ = coef.shape
    result = np.zeros(nodes)
    for j in range(nodes):
        for k in range(lags):
            for l in range(nodes):
                if l != j:
                    result[j] += abs(coef[k, l, j])
    return result


def test_outflow_sums_over_targets():
    np.testing.assert_allclose(influence(ASYMMETRIC), [0.7, 0.3, 0.2])
    np.testing.assert_allclose(influence(ASYMMETRIC), slow_outflow(ASYMMETRIC))


def test_inflow_sums_over_sources():
    np.testing.assert_allclose(influence(ASYMMETRIC, kind="inflow"), [0.5, 0.4, 0.3])


def test_outflow_is_the_inflow_of_the_transpose_and_not_its_own():
    transposed = ASYMMETRIC.transpose(0, 2, 1)
    np.testing.assert_allclose(influence(ASYMMETRIC), influence(transposed, "inflow"))
    assert not np.allclose(influence(ASYMMETRIC), influence(transposed))  # the broken twin would pass here


def test_runs_axis_is_the_stack_of_runs():
    coefs = np.random.default_rng(0).normal(size=(5, 2, 4, 4))
    for kind in ("outflow", "inflow"):
        np.testing.assert_array_equal(influence(coefs, kind), np.stack([influence(c, kind) for c in coefs]))


def test_autocorrelation_leaves_nothing_behind():
    coef = np.full((3, 2, 2), 0.1)
    coef[:, [0, 1], [0, 1]] = 1e17
    np.testing.assert_allclose(influence(coef), [0.3, 0.3])
    assert (influence(np.eye(4)[None] * 0.7) == 0).all()


def test_both_kinds_have_the_same_total():
    coef = np.random.default_rng(1).normal(size=(3, 6, 6))
    np.testing.assert_allclose(influence(coef).sum(), influence(coef, "inflow").sum())


def test_distances_equal_the_double_loop():
    vectors = np.random.default_rng(2).random((6, 5))
    slow = np.array([[((a - b) ** 2).sum() for b in vectors] for a in vectors])
    distances = influence_distances(vectors)
    np.testing.assert_allclose(distances, slow, rtol=1e-12)
    assert (np.diagonal(distances) == 0).all()
    np.testing.assert_array_equal(distances, distances.T)


def test_influence_test_counts_each_pair_once():
    vectors, labels = np.random.default_rng(3).random((8, 5)), list("FNFNFXFN")
    across, within = [], []
    for s in range(8):
        for r in range(s + 1, 8):
            if "X" not in (labels[s], labels[r]):
                distance = ((vectors[s] - vectors[r]) ** 2).sum()
                (within if labels[s] == labels[r] else across).append(distance)
    expected = mannwhitneyu(across, within, alternative="greater")
    result = influence_test(vectors, labels, "F", "N")
    assert (result.num_across, result.num_within) == (len(across), len(within)) == (12, 9)
    assert (result.statistic, result.pvalue) == pytest.approx((expected.statistic, expected.pvalue))


@pytest.mark.parametrize("shape", [(3, 3), (2, 3, 4), (1, 1, 1, 2, 2)])
def test_bad_coefficients_are_named(shape):
    with pytest.raises(InputError, match="coef has shape"):
        influence(np.zeros(shape))


def test_other_bad_input_is_named():
    with pytest.raises(InputError, match="choose 'outflow' or 'inflow'"):
        influence(np.zeros((1, 2, 2)), kind="netflow")
    with pytest.raises(InputError, match="influences has shape"):
        influence_distances(np.zeros(3))
    bad = np.random.default_rng(4).random((4, 3))
    bad[2, 0] = np.nan
    with pytest.raises(InputError, match="influences is not finite"):
        influence_test(bad, list("FFNN"), "F", "N")
