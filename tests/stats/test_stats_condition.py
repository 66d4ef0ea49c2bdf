"""The recommended test: Welch's t of numbers, regression with time, what misleads others and not it, its refusals."""

import numpy as np
import pytest
import scipy.stats
from scipy.spatial.distance import pdist, squareform

from lassovae import InputError
from lassovae.stats import condition_test, effect_size, permutation_test, swap_dissimilarity
from lassovae.stats._centres import centres

BLOCKS = np.repeat(np.arange(8), 3).tolist()
LABELS = [("F", "N")[b % 2] for b in BLOCKS]


def member_of(labels):
    return np.stack([np.asarray(labels) == group for group in ("F", "N")])[None].astype(float)


@pytest.mark.parametrize("labels", ["FFFNNN", "FNFNNNNNF", "NNNNNFF"])
def test_of_numbers_it_is_welchs_t(rng, labels):
    values = rng.standard_normal(len(labels)) * 3
    squares = np.square(values[:, None] - values)
    first, second = (values[np.asarray(list(labels)) == group] for group in "FN")
    expected = scipy.stats.ttest_ind(first, second, equal_var=False).statistic ** 2
    assert centres(None, range(len(labels)))(squares, member_of(list(labels)))[0] == pytest.approx(
        expected, rel=1e-10
    )


def test_with_time_it_is_the_coefficient_of_a_regression(rng):
    """The label's coefficient beside a line in time, over its standard error with each group's own variance."""
    times = np.sort(rng.random(24))
    points = rng.standard_normal((24, 3)) + 5 * times[:, None]
    label = (np.asarray(LABELS) == "F") - 0.5
    design = np.column_stack([label, np.ones(24), times])
    coefficient = np.linalg.lstsq(design, points)[0][0]
    contrast = np.linalg.pinv(design)[0]
    flat = points - design[:, 1:] @ np.linalg.lstsq(design[:, 1:], points)[0]
    by_scatter = 0.0
    for group in (0.5, -0.5):
        own = flat[label == group]
        by_scatter += (contrast[label == group] ** 2).sum() * own.var(axis=0, ddof=1).sum()
    squares = squareform(pdist(points, "sqeuclidean"))
    found = centres(times, range(24))(squares, member_of(LABELS))[0]
    assert found == pytest.approx((coefficient**2).sum() / by_scatter, rel=1e-9)


def test_a_line_in_time_changes_nothing(rng):
    points = rng.standard_normal((24, 4))
    drifting = points + 30 * np.arange(24)[:, None] * rng.standard_normal(4)
    results = [
        permutation_test(squareform(pdist(x)), LABELS, blocks=BLOCKS, statistic="centres", times=range(24))
        for x in (points, drifting)
    ]
    np.testing.assert_allclose(results[0].null, results[1].null, rtol=1e-6)
    assert results[0].without_drift
    assert (results[0].num_relabellings, results[0].smallest_pvalue) == (70, pytest.approx(2 / 70))


def test_blocks_are_what_scatters(rng):
    """Means of blocks, one a block: the statistic of runs that are these means, however many runs a block has."""
    units = np.repeat(np.arange(6), [1, 4, 2, 3, 2, 5])
    labels = [("F", "N")[u % 2] for u in units]
    points, times = rng.standard_normal((17, 3)), rng.random(17)
    means = np.stack([points[units == u].mean(axis=0) for u in range(6)])
    when = np.array([times[units == u].mean() for u in range(6)])
    squares, of_means = (squareform(pdist(x, "sqeuclidean")) for x in (points, means))
    for t, t_means in ((None, None), (times, when)):
        found = centres(t, units.tolist())(squares, member_of(labels))[0]
        assert found == pytest.approx(
            centres(t_means, range(6))(of_means, member_of(list("FNFNFN")))[0], rel=1e-9
        )


def test_one_block_against_many_is_not_significant_by_itself(rng):
    """Relabellings in which a group has one run are no less extreme for that."""
    labels, blocks = ["F"] * 3 + ["N"] * 22, [0] * 3 + list(range(1, 23))
    found = [
        condition_test(squareform(pdist(rng.standard_normal((25, 3)), "sqeuclidean")), labels, blocks=blocks)
        for _ in range(20)
    ]
    assert np.mean([f.place.pvalue <= 0.05 for f in found]) <= 0.2
    two = permutation_test(
        squareform(pdist(rng.standard_normal((4, 2)))), "FFNN", blocks=[0, 0, 1, 1], statistic="centres"
    )
    assert two.pvalue == 1


def test_drift_is_taken_out_by_time_and_not_by_the_order_of_the_list(rng):
    squares = squareform(pdist(rng.standard_normal((24, 3)) + np.arange(24)[:, None] / 8, "sqeuclidean"))
    in_order = condition_test(squares, LABELS, blocks=BLOCKS)
    order = sorted(range(24), key=lambda i: LABELS[i])  # the study file sorted by condition
    listed = condition_test(
        squares[np.ix_(order, order)],
        [LABELS[i] for i in order],
        blocks=[BLOCKS[i] for i in order],
        times=order,
    )
    assert listed.place.without_drift
    assert listed.place.pvalue == in_order.place.pvalue
    assert listed.place.statistic == pytest.approx(in_order.place.statistic)
    alternating = condition_test(
        squares, LABELS, blocks=BLOCKS, times=[(label == "N") + i / 100 for i, label in enumerate(LABELS)]
    )
    assert not alternating.place.without_drift  # all of F before all of N


def test_units_and_names_do_not_matter(rng):
    squares = squareform(pdist(rng.standard_normal((24, 4)), "sqeuclidean"))
    found = condition_test(squares, LABELS, blocks=BLOCKS)
    scaled = condition_test(
        1e-5 * squares, [f"x{label}" for label in LABELS], blocks=[f"d{b}" for b in BLOCKS]
    )
    assert scaled.place.statistic == pytest.approx(found.place.statistic)
    assert scaled.place.pvalue == found.place.pvalue
    swapped = condition_test(squares, [{"F": "N", "N": "F"}[label] for label in LABELS], blocks=BLOCKS)
    assert swapped.place.statistic == pytest.approx(found.place.statistic)
    lifted = condition_test(squares + 3 * ~np.eye(24, dtype=bool), LABELS, blocks=BLOCKS)
    assert lifted.anosim.pvalue == found.anosim.pvalue  # ranks stay


def test_what_it_holds(rng):
    delta = squareform(pdist(rng.standard_normal((24, 4)), "sqeuclidean")) * (1 + 0.1 * rng.random((24, 24)))
    np.fill_diagonal(delta, 0)
    found = condition_test(delta, LABELS, blocks=BLOCKS)
    squares = swap_dissimilarity(delta)
    for name, result in (("centres", found.place), ("anosim", found.anosim)):
        times = range(24) if name == "centres" else None
        alone = permutation_test(np.sqrt(squares), LABELS, blocks=BLOCKS, statistic=name, times=times)
        assert (result.statistic, result.pvalue, result.name) == (alone.statistic, alone.pvalue, name)
    assert found.effect.estimate == effect_size(squares, LABELS, blocks=BLOCKS).estimate
    assert "linear drift taken out" in found.sentences()[0]


def test_conditions_in_one_stretch_each_keep_their_drift(rng):
    """Taking it out would take out the conditions."""
    delta = squareform(pdist(rng.standard_normal((24, 2)), "sqeuclidean"))
    labels = ["early"] * 12 + ["late"] * 12
    found = condition_test(delta, labels, blocks=BLOCKS)
    assert not found.place.without_drift
    assert "drift" not in found.sentences()[0]
    assert found.sentences()[-1].startswith(
        "All runs of one condition were recorded before all runs of the next"
    )
    # asked for all the same: labels that are a line in time have nothing left that could be told from drift
    two = permutation_test(np.sqrt(delta[:4, :4]), list("FFNN"), statistic="centres", times=[0, 0, 1, 1])
    assert two.statistic == 0
    assert two.pvalue == 1


def test_unequal_scatter_is_told_of_and_not_taken_for_a_difference(rng):
    spread = np.where(np.asarray(LABELS) == "F", 6.0, 1.0)[:, None]
    points = spread * rng.standard_normal((24, 6))
    points[np.asarray(LABELS) == "F"] -= points[np.asarray(LABELS) == "F"].mean(axis=0)
    points[np.asarray(LABELS) == "N"] -= points[np.asarray(LABELS) == "N"].mean(axis=0)
    found = condition_test(squareform(pdist(points, "sqeuclidean")), LABELS, blocks=BLOCKS)
    assert found.anosim.pvalue <= 0.05 < found.place.pvalue
    assert found.scatter.pvalue <= 0.05
    points[:, 0] += 40 * (np.asarray(LABELS) == "N")
    apart = condition_test(squareform(pdist(points, "sqeuclidean")), LABELS, blocks=BLOCKS).sentences()
    assert apart[0].startswith("F and N differ in their dynamics (studentised squared distance of centres ")
    assert apart[1].startswith("They also scatter differently (F = ")
    assert "of their centres" in apart[1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": ["F", "N", "M"] * 8, "blocks": None}, "compares two groups, not 3: name two in groups"),
        ({"times": [0.0] * 24}, "times must be finite and not all the same"),
        ({"times": range(23)}, r"times has shape \(23,\) for 24 runs"),
        ({"times": [np.nan] * 24}, "times must be finite"),
    ],
)
def test_refusals(rng, changes, message):
    delta = squareform(pdist(rng.standard_normal((24, 2)), "sqeuclidean"))
    with pytest.raises(InputError, match=message):
        condition_test(**{"delta": delta, "labels": LABELS, "blocks": BLOCKS} | changes)


def test_times_belong_to_centres(rng):
    with pytest.raises(InputError, match="'anosim' knows no times"):
        permutation_test(squareform(pdist(rng.standard_normal((24, 2)))), LABELS, times=range(24))
