"""Power and calibration: rates by the public tests on the same studies, levels, growth, designs that cannot, words."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform

from lassovae import InputError
from lassovae.stats import (
    Power,
    blocks_needed,
    calibration,
    condition_test,
    design_power,
    permutation_test,
    power_sentence,
    power_table,
    swap_test,
)
from lassovae.stats._power import SharedRelabellings


def design(num_blocks, each=5):
    blocks = np.repeat(np.arange(num_blocks), each).tolist()
    return [("F", "N")[b % 2] for b in blocks], blocks


def errors(rng, num_blocks=8, each=5, block_sd=0.5, effect=0.0):
    """Swap errors (rows: data) of runs whose dynamics are points."""
    labels, blocks = design(num_blocks, each)
    points = rng.standard_normal((len(labels), 5)) + block_sd * rng.standard_normal((num_blocks, 5))[blocks]
    points[:, 0] += effect * (np.asarray(labels) == "F")
    matrix = squareform(pdist(points, "sqeuclidean"))
    return matrix * (1 + 0.1 * rng.random(matrix.shape)) * ~np.eye(len(matrix), dtype=bool), labels, blocks


def test_shared_relabellings_give_the_pvalues_of_the_public_test(rng):
    """Where all relabellings are tried, to the last digit; where they are drawn, within Monte-Carlo error."""
    labels, blocks = design(6, 2)
    tests = SharedRelabellings.of(labels, blocks, 4000, rng)
    for _ in range(5):
        matrix = squareform(pdist(rng.standard_normal((12, 3))))
        found = tests.pvalues(np.square(matrix))
        by_hand = {"statistic": "centres", "times": range(12)}
        assert found["blocks"] == permutation_test(matrix, labels, blocks=blocks, **by_hand).pvalue
        assert found["anosim"] == permutation_test(matrix, labels, blocks=blocks).pvalue
        exact = permutation_test(matrix, labels, **by_hand)
        assert exact.exact
        assert found["runs"] == pytest.approx(exact.pvalue, abs=4 * np.sqrt(0.25 / 4000))


def test_without_an_effect_blocks_hold_the_level_and_runs_do_not():
    power = design_power(*design(8), effects=(0.0,), num_studies=400)
    assert power.smallest_pvalue == pytest.approx(1 / 35)
    low, high = power.interval("blocks")[0]
    assert low < 1 / 35 < high
    assert high < 0.06
    assert power.rates["runs"][0] > 0.2
    assert power.rates["rank_sum"][0] > 0.15
    # runs that are exchangeable, and tested as such: both permutations hold it
    free = design_power(design(8)[0], None, effects=(0.0,), num_studies=400)
    assert free.rates["blocks"][0] == pytest.approx(0.05, abs=0.035)
    assert free.rates["runs"][0] == pytest.approx(0.05, abs=0.035)


def test_power_grows_with_the_effect_and_with_blocks():
    eight, sixteen = (design_power(*design(n), effects=(0.5, 1.5, 4.0), num_studies=60) for n in (8, 16))
    assert (np.diff(eight.rates["blocks"]) > 0).all()
    assert eight.rates["blocks"][2] > 0.95
    assert sixteen.rates["blocks"][1] > eight.rates["blocks"][1] + 0.1
    assert 1.5 < eight.found_from(0.8) < 4.0
    assert eight.found_from(0.999999) is None or eight.rates["blocks"][2] == 1
    assert design_power(*design(8), effects=(4.0,), num_studies=20).found_from(0.5) == 4.0
    unsorted = Power(
        np.array([3.0, 0.0, 1.0, 2.0]), {"blocks": np.array([1.0, 0.03, 0.2, 0.9])}, 20, 0.05, 1 / 35, "sd"
    )
    assert unsorted.found_from(0.8) == pytest.approx(1 + 0.6 / 0.7)


def test_unequal_scatter_misleads_anosim_and_not_the_recommended_test():
    power = design_power(*design(8), effects=(0.0,), scatter=2.0, num_studies=300)
    low, high = power.interval("blocks")[0]
    assert low < 0.05
    assert high < 0.09
    assert power.rates["anosim"][0] > 0.3


def test_drift_takes_power_from_anosim_and_not_from_the_recommended_test():
    power = design_power(*design(8), effects=(0.0, 2.0), drift=3.0, num_studies=200)
    assert power.interval("blocks")[0, 1] < 0.09
    assert power.rates["blocks"][1] > power.rates["anosim"][1] + 0.1


def test_the_same_seed_gives_the_same_rates():
    one, same, other = (design_power(*design(8, 2), num_studies=30, seed=s) for s in (3, 3, 4))
    for test in ("blocks", "runs", "rank_sum"):
        np.testing.assert_array_equal(one.rates[test], same.rates[test])
    assert any((one.rates[test] != other.rates[test]).any() for test in one.rates)


def test_intervals_are_cloppers_and_pearsons():
    power = design_power(*design(8), effects=(0.0, 9.0), num_studies=50)
    (_, high), (low, top) = power.interval("blocks")
    assert top == 1
    assert low == pytest.approx(0.025 ** (1 / 50))  # 50 of 50
    assert 0 < high < 0.2


def test_blocks_needed():
    assert blocks_needed(6.0, num_studies=40) == 4  # the fewest that can reach 0.05
    few, many = blocks_needed(3.0, num_studies=60), blocks_needed(2.0, num_studies=60)
    assert 4 <= few <= many <= 7
    assert blocks_needed(0.2, num_studies=20, most=5) is None


def test_calibration_by_the_public_tests(rng):
    """Every relabelling of whole blocks, its tests and the paper's, one call at a time."""
    delta, labels, blocks = errors(rng, num_blocks=6, each=3)
    found = calibration(delta, labels, blocks, effects=(0.0, 1.0), num_permutations=2)
    assert found.num_studies == 20
    first = np.asarray(labels) == "F"
    apart, off = first[:, None] != first, ~np.eye(18, dtype=bool)
    clean = delta - apart * (delta[apart].mean() - delta[off & ~apart].mean())
    rejected = {test: np.zeros(2) for test in ("blocks", "anosim", "rank_sum")}
    for code in range(64):
        given = [("F", "N")[code >> b & 1] for b in blocks]
        if given.count("F") != 9:
            continue
        split = np.asarray(given) == "F"
        for at, effect in enumerate((0.0, 1.0)):
            here = clean + effect * clean[off].std() * (split[:, None] != split)
            here = here * off
            test = condition_test(here, given, blocks=blocks)
            rejected["blocks"][at] += test.place.pvalue <= 0.05
            rejected["anosim"][at] += test.anosim.pvalue <= 0.05
            rejected["rank_sum"][at] += swap_test(here, given, "F", "N").pvalue <= 0.05
    for test, counts in rejected.items():
        np.testing.assert_allclose(found.rates[test], counts / 20)


def test_calibration_shows_what_correlated_pairs_do_to_the_papers_test(rng):
    rates = [calibration(*errors(rng, block_sd=1.0), effects=(0.0,), num_permutations=99) for _ in range(5)]
    assert all(rate.num_studies == 70 for rate in rates)
    assert all(rate.rates["blocks"][0] <= 0.05 for rate in rates)  # exact, study by study
    assert np.mean([rate.rates["rank_sum"][0] for rate in rates]) > 0.15


def test_an_effect_of_the_study_itself_is_taken_off(rng):
    delta, labels, blocks = errors(rng, effect=6.0)
    found = calibration(delta, labels, blocks, effects=(0.0, 3.0), num_permutations=49)
    assert found.rates["blocks"][0] <= 0.05
    assert found.rates["blocks"][1] > 0.9


def test_words():
    power = design_power(*design(8), effects=(0.0, 4.0), num_studies=50)
    text = power_sentence(power)
    assert text.startswith("The permutation of blocks finds an effect with a power of 80% from ")
    assert "standard deviations of runs within a block. Without any effect it rejects " in text
    assert power_sentence(design_power(*design(8), effects=(0.1,), num_studies=10)) == (
        "The permutation of blocks reaches a power of 80% at none of the effects tried (up to 0.1 standard deviations "
        "of runs within a block)."
    )
    with pytest.raises(InputError, match="wanted=80"):
        power_sentence(power, wanted=80)
    never = power_sentence(design_power(*design(4), num_studies=10))
    assert never.startswith(
        "The permutation of blocks cannot reach p = 0.05 with this design, so its power is 0."
    )
    lines = power_table(power).splitlines()
    assert len(lines) == 3
    assert lines[2].split()[:2] == ["4.00", f"{power.rates['blocks'][1]:.2f}"]
    assert lines[2].split()[-1] == f"{power.rates['rank_sum'][1]:.2f}"
    assert len({len(line) for line in lines}) == 1


LABELS, BLOCKS = design(4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_studies": 0}, "num_studies=0"),
        ({"alpha": 0.0}, r"alpha=0\.0"),
        ({"num_permutations": 0}, "num_permutations=0"),
        ({"block_sd": -1.0}, r"block_sd=-1\.0"),
        ({"scatter": np.nan}, "scatter=nan"),
        ({"drift": np.inf}, "drift=inf"),
        ({"effects": ()}, r"effects=\(\)"),
        ({"effects": (-1.0,)}, r"effects=\(-1\.0,\)"),
        ({"effects": 2}, "effects=2 must be a sequence"),
        ({"effects": "12"}, "effects='12' must be a sequence"),
        ({"effects": ("1",)}, "effects=.* must be a sequence"),
        ({"num_studies": 1}, "num_studies=1 must be at least 2"),
        ({"num_studies": "9"}, "num_studies='9' must be an integer"),
        ({"num_permutations": 9.5}, "num_permutations=9.5 must be an integer"),
        ({"block_sd": "wide"}, "block_sd='wide'"),
        ({"alpha": "0.05"}, "alpha=0.05 must lie"),
        ({"blocks": BLOCKS[1:]}, "blocks has 19 entries"),
        ({"blocks": [0] * 20}, "holds both"),
        ({"labels": ["F"] * 20}, "labels has 1 group"),
    ],
)
def test_bad_designs(changes, message):
    with pytest.raises(InputError, match=message):
        design_power(**{"labels": LABELS, "blocks": BLOCKS} | changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"power": 1.0}, r"power=1\.0"),
        ({"runs_per_block": 0}, "runs_per_block=0"),
        ({"most": 1}, "most=1"),
    ],
)
def test_bad_wishes(changes, message):
    with pytest.raises(InputError, match=message):
        blocks_needed(1.0, **changes)


def test_bad_errors(rng):
    delta, labels, blocks = errors(rng, num_blocks=4)
    with pytest.raises(InputError, match="labels has 19 entries"):
        calibration(delta, labels[1:], blocks[1:])
    with pytest.raises(InputError, match="delta is not finite"):
        calibration(delta + np.inf, labels, blocks)
    with pytest.raises(InputError, match=r"effects=\(nan,\)"):
        calibration(delta, labels, blocks, effects=(np.nan,))
