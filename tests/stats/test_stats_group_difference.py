"""Group differences: t-tests from SciPy, a known prior, levels and false-discovery rates over many studies, laws."""

import numpy as np
import pytest
from scipy import stats

from lassovae import InputError
from lassovae.stats import block_bootstrap, group_difference
from lassovae.stats._moderated import moderated_t, prior_of_variances

BLOCKS = np.repeat(np.arange(8), 3)
LABELS = [("F", "N")[b % 2] for b in BLOCKS]


def blocked(rng, features, block_sd, shift=0.0, shifted=0):
    """Runs with what their block has in common, and a shift of the first features in F; variances differ."""
    size = np.sqrt(4 / rng.chisquare(4, features))
    values = (block_sd * rng.standard_normal((8, features)))[BLOCKS] + rng.standard_normal((24, features))
    values *= size
    values[np.asarray(LABELS) == "F", :shifted] += shift * size[:shifted]
    return values


@pytest.mark.parametrize(("degrees", "scale"), [(3.0, 0.5), (12.0, 2.0)])
def test_the_prior_of_variances_is_found(rng, degrees, scale):
    variances = scale * degrees / rng.chisquare(degrees, 40_000)
    observed = variances * rng.chisquare(6, 40_000) / 6
    found_degrees, found_scale = prior_of_variances(observed, 6)
    assert found_degrees == pytest.approx(degrees, rel=0.08)
    assert found_scale == pytest.approx(scale, rel=0.02)


def test_equal_variances_are_taken_for_one(rng):
    found_degrees, found_scale = prior_of_variances(1.7 * rng.chisquare(6, 2_000) / 6, 6)
    assert found_degrees > 60
    assert found_scale == pytest.approx(1.7, rel=0.05)
    steps = np.arange(3.0)[:, None]
    same = moderated_t(steps + np.arange(1.0, 5.0), steps + np.zeros(4))
    assert np.isfinite(same.pvalue).all()
    assert same.degrees == 16  # what four features of four degrees know together, and no more


def test_two_features_have_students_t(rng):
    first, second = rng.standard_normal((5, 2)), rng.standard_normal((4, 2))
    found, expected = moderated_t(first, second), stats.ttest_ind(first, second)
    np.testing.assert_allclose(found.pvalue, expected.pvalue, rtol=1e-12)


def test_moderated_t_by_its_formula(rng):
    """Smyth 2004, equations of sections 4 and 6.2, number by number."""
    first, second = rng.standard_normal((4, 50)) * 2 + 1, rng.standard_normal((4, 50))
    second *= np.sqrt(3 / rng.chisquare(3, 50))
    found = moderated_t(first, second)
    variance = (first.var(axis=0, ddof=1) + second.var(axis=0, ddof=1)) / 2
    prior_degrees, prior = prior_of_variances(variance, 6)
    for feature in range(50):
        posterior = (prior_degrees * prior + 6 * variance[feature]) / (prior_degrees + 6)
        t = (first[:, feature].mean() - second[:, feature].mean()) / np.sqrt(posterior / 2)
        assert found.pvalue[feature] == pytest.approx(2 * stats.t.sf(abs(t), prior_degrees + 6), rel=1e-9)


def test_qvalues_are_benjaminis_and_hochbergs(rng):
    found = group_difference(blocked(rng, 30, 0.5, 2.0, 4), LABELS, blocks=BLOCKS)
    order = np.argsort(found.pvalue)
    expected, smallest = np.empty(30), 1.0
    for rank in range(30, 0, -1):
        smallest = min(smallest, found.pvalue[order[rank - 1]] * 30 / rank)
        expected[order[rank - 1]] = smallest
    np.testing.assert_allclose(found.qvalue, expected, rtol=1e-12)
    assert (found.num_units, found.num_tested, found.groups) == ((4, 4), 30, ("F", "N"))


def test_the_level_holds_with_blocks_and_not_without(rng):
    """Under a block effect each test rejects a true null at its level; with runs as units far more often."""
    rates = {"blocks": [], "runs": []}
    for _ in range(40):
        values = blocked(rng, 100, 1.0)
        rates["blocks"].append((group_difference(values, LABELS, blocks=BLOCKS).pvalue <= 0.05).mean())
        rates["runs"].append((group_difference(values, LABELS).pvalue <= 0.05).mean())
    assert 0.035 < np.mean(rates["blocks"]) < 0.065
    assert np.mean(rates["runs"]) > 0.15


def test_the_false_discovery_rate_holds_and_borrowing_finds_more(rng):
    false, found, plain = [], [], []
    for _ in range(60):
        values = blocked(rng, 100, 0.5, 2.2, 10)
        here = group_difference(values, LABELS, blocks=BLOCKS)
        hits = here.significant(0.1)
        false.append(hits[10:].sum() / max(1, hits.sum()))
        found.append(hits[:10].mean())
        means = values.reshape(8, 3, -1).mean(axis=1)
        alone = stats.false_discovery_control(stats.ttest_ind(means[::2], means[1::2]).pvalue)
        plain.append((alone[:10] <= 0.1).mean())
    assert np.mean(false) < 0.1 + 3 * np.std(false) / np.sqrt(60)
    assert np.mean(found) > np.mean(plain) + 0.1


def test_order_names_and_shape_do_not_matter(rng):
    values = blocked(rng, 12, 0.5, 2.0, 3)
    found = group_difference(values, LABELS, blocks=BLOCKS, groups=("F", "N"))
    turned = group_difference(values, LABELS, blocks=BLOCKS, groups=("N", "F"))
    np.testing.assert_allclose(turned.difference, -found.difference)
    np.testing.assert_allclose(turned.qvalue, found.qvalue)
    order = rng.permutation(24)
    shuffled = group_difference(
        values[order],
        [LABELS[i] for i in order],
        blocks=[f"day {BLOCKS[i]}" for i in order],
        groups=("F", "N"),
    )
    np.testing.assert_allclose(shuffled.pvalue, found.pvalue, rtol=1e-9)
    scaled = group_difference(7 * values.reshape(24, 3, 4), LABELS, blocks=BLOCKS)
    np.testing.assert_allclose(scaled.qvalue, found.qvalue.reshape(3, 4), rtol=1e-9)
    np.testing.assert_allclose(scaled.standard_error, 7 * found.standard_error.reshape(3, 4), rtol=1e-9)


def test_constants_do_not_disturb_the_rest(rng):
    """Not even where the mean of a different number of copies is another one in the last digit."""
    values = blocked(rng, 30, 0.5, 3.0, 5)[:-1]  # the last block has two runs
    constant = np.full((23, 40), 0.1) * (1 + 1e-8 * rng.standard_normal((23, 40)))
    alone = group_difference(values, LABELS[:-1], blocks=BLOCKS[:-1])
    both = group_difference(np.concatenate([values, constant], axis=1), LABELS[:-1], blocks=BLOCKS[:-1])
    assert both.num_tested == 30
    np.testing.assert_allclose(both.qvalue[:30], alone.qvalue)
    nearly = np.concatenate([values, 1e-4 * rng.standard_normal((23, 1))], axis=1)  # varies, hardly
    found = group_difference(nearly, LABELS[:-1], blocks=BLOCKS[:-1])
    assert found.significant(0.05)[:5].sum() >= alone.significant(0.05)[:5].sum() - 1


def test_units_without_any_scatter_say_nothing():
    found = group_difference([[0.0], [0.0], [1.0], [1.0]], list("FFNN"))
    assert (found.pvalue[0], found.difference[0]) == (1.0, -1.0)


def test_what_never_varies_is_not_tested(rng):
    values = blocked(rng, 6, 0.5)
    values[:, 2] = 0.0
    found = group_difference(values, LABELS, blocks=BLOCKS)
    assert (found.num_tested, found.pvalue[2], found.qvalue[2], found.standard_error[2]) == (5, 1, 1, 0)
    rest = group_difference(np.delete(values, 2, axis=1), LABELS, blocks=BLOCKS)
    np.testing.assert_allclose(np.delete(found.qvalue, 2), rest.qvalue)
    nothing = group_difference(np.ones((24, 2)), LABELS, blocks=BLOCKS)
    assert (nothing.num_tested, nothing.significant(0.05).any()) == (0, False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": LABELS[1:]}, "row for each of the 23 labels"),
        ({"values": np.zeros(24)}, r"of one feature a run give values\[:, None\]"),
        ({"values": np.full((24, 2), np.nan)}, "values of runs 0, 1, 2"),
        ({"blocks": BLOCKS[1:]}, "blocks has 23 entries"),
        ({"blocks": np.zeros(24, int)}, "holds both 'F' and 'N'"),
        ({"groups": ("F", "F")}, "two different labels"),
        ({"groups": ("F", "X")}, "group 'X' is not among the labels"),
        ({"labels": ["F"] * 24}, "two different labels"),
        ({"labels": ["F"] * 3 + ["N"] * 21}, "group 'F' has one block"),
    ],
)
def test_bad_arguments(rng, changes, message):
    arguments = {"values": rng.standard_normal((24, 2)), "labels": LABELS, "blocks": BLOCKS} | changes
    if "labels" in changes and changes["labels"] == ["F"] * 24:
        arguments["blocks"] = None
    with pytest.raises(InputError, match=message):
        group_difference(**arguments)


def test_a_rate_out_of_range(rng):
    with pytest.raises(InputError, match=r"rate=1\.5"):
        group_difference(blocked(rng, 3, 0.5), LABELS, blocks=BLOCKS).significant(1.5)


def test_bootstrap_errors_are_those_of_block_means(rng):
    values = blocked(rng, 5, 1.0).reshape(24, 5, 1)
    found = block_bootstrap(values, LABELS, blocks=BLOCKS, num_resamples=20_000)
    assert list(found) == ["F", "N"]
    for group, uncertainty in found.items():
        means = np.stack([values[BLOCKS == b].mean(axis=0) for b in range(8) if ("F", "N")[b % 2] == group])
        np.testing.assert_allclose(uncertainty.mean, means.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(uncertainty.standard_error, means.std(axis=0, ddof=1) / 2, rtol=0.03)
        assert uncertainty.num_units == 4
        assert ((uncertainty.low < uncertainty.mean) & (uncertainty.mean < uncertainty.high)).all()


def test_intervals_cover_with_blocks_and_not_with_runs(rng):
    blocks = np.repeat(np.arange(24), 4)
    labels = ["F"] * 96
    covered = {"blocks": [], "runs": []}
    for _ in range(60):
        values = rng.standard_normal((24, 10))[blocks] + rng.standard_normal((96, 10))
        for units, how in ((blocks, "blocks"), (None, "runs")):
            found = block_bootstrap(values, labels, blocks=units, num_resamples=200)["F"]
            covered[how].append(((found.low < 0) & (found.high > 0)).mean())
    assert 0.90 < np.mean(covered["blocks"]) < 0.98
    # of the variance (1 + 1/4) / 24 runs see 2 / 96: 2 Phi(1.96 sqrt(0.4)) - 1 = 0.785
    assert np.mean(covered["runs"]) == pytest.approx(0.785, abs=0.04)


def test_many_features_are_resampled_alike(rng):
    """Features are taken some at a time: the pieces may not show."""
    values = np.repeat(rng.standard_normal((24, 1)), 9_000, axis=1)
    found = block_bootstrap(values, LABELS, blocks=BLOCKS, num_resamples=50)["F"]
    assert np.ptp(found.standard_error) == pytest.approx(0, abs=1e-12)
    assert np.ptp(found.low) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"confidence": 1.0}, "confidence=1.0"),
        ({"num_resamples": 0}, "num_resamples=0"),
        ({"labels": ["F"] * 3 + ["N"] * 21}, "group 'F' has one block"),
    ],
)
def test_bad_bootstraps(rng, changes, message):
    arguments = {"values": rng.standard_normal((24, 2)), "labels": LABELS, "blocks": BLOCKS} | changes
    with pytest.raises(InputError, match=message):
        block_bootstrap(**arguments)
