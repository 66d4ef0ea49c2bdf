"""Swap errors and the rank-sum test against double loops, SciPy, known answers and laws."""

import numpy as np
import pytest
import scipy.sparse
from scipy.stats import mannwhitneyu

from lassovae._errors import InputError
from lassovae.stats import RankSumResult, _swap, excess_errors, forecast_errors, swap_errors, swap_test


def slow_errors(latents, coefs):
    """Every forecast written out, one entry at a time."""
    runs, order, nodes, _ = coefs.shape
    errors = np.zeros((runs, runs))
    for s in range(runs):
        z = np.asarray(latents[s], dtype=float).reshape(len(latents[s]), -1)
        z = z - z.mean(axis=0)
        for r in range(runs):
            total, count = 0.0, 0
            for t in range(order, len(z)):
                for target in range(nodes):
                    forecast = 0.0
                    for k in range(order):
                        for source in range(nodes):
                            forecast += coefs[r, k, target, source] * z[t - 1 - k, source]
                    total += (z[t, target] - forecast) ** 2
                    count += 1
            errors[s, r] = total / count
    return errors


@pytest.fixture
def study():
    rng = np.random.default_rng(3)
    latents = [rng.normal(size=(time, 2, 3)) + 4.0 for time in (11, 8, 14, 9)]
    return latents, rng.normal(size=(4, 3, 6, 6)) * 0.3


def test_errors_equal_the_double_loop(study):
    latents, coefs = study
    np.testing.assert_allclose(forecast_errors(latents, coefs), slow_errors(latents, coefs), rtol=1e-12)


def test_sparse_coefficients_have_the_errors_of_dense_ones(study, monkeypatch):
    latents, coefs = study
    coefs = np.where(np.random.default_rng(4).random(coefs.shape) < 0.03, coefs, 0)
    coefs[2] = 0  # a run without any
    monkeypatch.setattr(_swap, "DENSE_FROM", 1.0)
    sparse = forecast_errors(latents, coefs)
    monkeypatch.setattr(_swap, "DENSE_FROM", 0.0)
    np.testing.assert_allclose(sparse, forecast_errors(latents, coefs), rtol=1e-13)
    np.testing.assert_allclose(sparse, slow_errors(latents, coefs), rtol=1e-12)


def test_rows_can_be_asked_for_one_by_one(study):
    whole = forecast_errors(*study)
    np.testing.assert_array_equal(forecast_errors(*study, rows=[2, 0]), whole[[2, 0]])
    assert forecast_errors(*study, rows=[]).shape == (0, 4)
    for rows in ([0, 4], [0, -1], [0.5], [True, False, True, False], 2, "a", slice(0, 2), [[0, 1]]):
        with pytest.raises(InputError, match="list of indices of the 4 runs"):
            forecast_errors(*study, rows=rows)


def test_delta_is_the_error_less_the_own_error_of_the_row(study):
    errors, delta = forecast_errors(*study), swap_errors(*study)
    assert (np.diagonal(delta) == 0).all()
    for s in range(4):
        for r in range(4):
            assert delta[s, r] == errors[s, r] - errors[s, s]
    assert not np.allclose(
        delta, delta.T
    )  # rows are data, columns coefficients: the two must not be mixed up


def test_row_is_data_and_column_is_coefficients():
    rng = np.random.default_rng(0)
    latents = [rng.normal(size=(50, 2)), 10 * rng.normal(size=(50, 2))]
    errors = forecast_errors(latents, np.zeros((2, 1, 2, 2)))
    np.testing.assert_allclose(errors[0], np.repeat(errors[0, 0], 2))
    assert errors[1, 0] > 50 * errors[0, 0]


def test_the_right_coefficients_of_a_noiseless_series_have_no_error():
    a = np.array([[0.5, -0.8], [0.8, 0.5]])  # a rotation that shrinks: sums to no simple mean
    z = [np.array([1.0, 0.0])]
    for _ in range(6):
        z.append(a @ z[-1])
    z = np.concatenate([np.array(z), -np.array(z)])  # two mirrored stretches: the mean is exactly zero
    errors = forecast_errors([z[:7] - z[:7].mean(0)], (a[None, None]))
    centred = z[:7] - z[:7].mean(0)
    expected = ((centred[1:] - centred[:-1] @ a.T) ** 2).mean()
    np.testing.assert_allclose(errors, [[expected]])
    broken = ((centred[1:] - centred[:-1] @ a) ** 2).mean()
    assert abs(broken - expected) > 1e-3


def test_scaling_latents_scales_errors_by_its_square(study):
    latents, coefs = study
    scaled = forecast_errors([7.0 * z for z in latents], coefs)
    np.testing.assert_allclose(scaled, 49.0 * forecast_errors(latents, coefs), rtol=1e-12)


def test_an_offset_of_the_latents_does_not_matter(study):
    latents, coefs = study
    moved = forecast_errors([z + 100.0 for z in latents], coefs)
    np.testing.assert_allclose(moved, forecast_errors(latents, coefs), rtol=1e-9)


def test_permuting_runs_permutes_rows_and_columns(study):
    latents, coefs = study
    order = np.array([2, 0, 3, 1])
    permuted = swap_errors([latents[i] for i in order], coefs[order])
    np.testing.assert_allclose(permuted, swap_errors(latents, coefs)[np.ix_(order, order)], atol=1e-13)


def test_sparse_coefficients_are_taken_as_such_and_mark_their_column_too(study):
    latents, coefs = study
    sparse = np.zeros_like(coefs)
    sparse[:, 0, 2, 3] = 0.5
    assert [scipy.sparse.issparse(_swap._operator(c[0])) for c in (sparse, coefs)] == [True, False]
    sparse[1, 0, 2, 3] = np.nan
    errors = forecast_errors(latents, sparse)
    assert np.isnan(errors[:, 1]).all()
    assert np.isfinite(np.delete(errors, 1, axis=1)).all()


def test_excess_errors_need_every_row(study):
    errors = forecast_errors(*study)
    np.testing.assert_array_equal(excess_errors(errors), swap_errors(*study))
    with pytest.raises(InputError, match=r"shape \(2, 4\): give \(runs, runs\)"):
        excess_errors(errors[:2])


def test_a_run_that_could_not_be_fitted_marks_its_column_only(study):
    latents, coefs = study
    coefs[1, 0, 0, 0] = np.nan
    errors = forecast_errors(latents, coefs)
    assert np.isnan(errors[:, 1]).all()
    assert np.isfinite(np.delete(errors, 1, axis=1)).all()
    with pytest.raises(InputError, match=r"delta is not finite in rows 0, 1, 2, 3 at columns"):
        swap_test(swap_errors(latents, coefs), list("FFNN"), "F", "N")


def test_inputs_are_left_alone(study):
    latents, coefs = study
    copies = [z.copy() for z in latents], coefs.copy()
    swap_errors(latents, coefs)
    for z, copy in zip(latents, copies[0], strict=True):
        np.testing.assert_array_equal(z, copy)
    np.testing.assert_array_equal(coefs, copies[1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda z, c: (z, c[0]), "coefs has shape"),
        (lambda z, c: (z, c[:, :, :4]), "coefs has shape"),
        (lambda z, c: (z, c[:, :0]), "coefs has shape"),
        (lambda z, c: (z[:3], c), "latents has 3 runs, coefs has 4"),
        (lambda z, c: ([*z[:3], z[3][:3]], c), r"latents\[3\] has 3 frames"),
        (lambda z, c: ([*z[:3], z[3][:, :1]], c), r"latents\[3\] has shape"),
        (lambda z, c: ([*z[:3], z[3] * np.nan], c), r"latents\[3\] is not finite"),
    ],
)
def test_bad_input_is_named(study, change, message):
    with pytest.raises(InputError, match=message):
        swap_errors(*change(*study))


def slow_pairs(delta, labels, a, b):
    across, within = [], []
    for s in range(len(labels)):
        for r in range(len(labels)):
            if s != r and labels[s] in (a, b) and labels[r] in (a, b):
                (within if labels[s] == labels[r] else across).append(delta[s, r])
    return across, within


def test_swap_test_is_scipy_on_hand_sorted_pairs():
    rng = np.random.default_rng(5)
    delta = rng.normal(size=(9, 9))
    labels = list("FNFXNFNFX")
    across, within = slow_pairs(delta, labels, "F", "N")
    expected = mannwhitneyu(across, within, alternative="greater")
    result = swap_test(delta, labels, "F", "N")
    assert result == RankSumResult(expected.statistic, expected.pvalue, len(across), len(within), "F", "N")
    assert (result.num_across, result.num_within) == (2 * 4 * 3, 4 * 3 + 3 * 2)


def test_both_directions_of_a_pair_count():
    delta = np.arange(16.0).reshape(4, 4)
    labels = list("FFNN")
    assert swap_test(delta, labels, "F", "N").statistic == sum(
        a > b for a in slow_pairs(delta, labels, "F", "N")[0] for b in slow_pairs(delta, labels, "F", "N")[1]
    )


def test_a_clear_difference_has_the_smallest_exact_p():
    labels = list("FFNN")
    delta = (
        np.where(np.array(labels)[:, None] == np.array(labels), 0.0, 10.0) + np.arange(16).reshape(4, 4) / 100
    )
    result = swap_test(delta, labels, "F", "N")
    assert result.pvalue == pytest.approx(1 / 495)  # one of C(12, 4) orders puts all 8 across pairs on top
    assert result.superiority == 1.0
    assert swap_test(-delta, labels, "F", "N").pvalue > 0.99  # one-sided


def test_group_order_label_names_and_run_order_do_not_matter():
    rng = np.random.default_rng(8)
    delta, labels = rng.normal(size=(7, 7)), list("FNNFFNF")
    result = swap_test(delta, labels, "F", "N")
    assert swap_test(delta, labels, "N", "F").pvalue == result.pvalue
    renamed = swap_test(delta, ["old" if x == "F" else "new" for x in labels], "old", "new")
    assert (renamed.statistic, renamed.pvalue) == (result.statistic, result.pvalue)
    order = rng.permutation(7)
    shuffled = swap_test(delta[np.ix_(order, order)], [labels[i] for i in order], "F", "N")
    assert (shuffled.statistic, shuffled.pvalue) == (result.statistic, result.pvalue)


def test_other_groups_and_the_diagonal_are_not_looked_at():
    rng = np.random.default_rng(9)
    delta = rng.normal(size=(6, 6))
    delta[4] = np.nan
    delta[:, 4] = np.nan
    np.fill_diagonal(delta, np.nan)
    assert np.isfinite(swap_test(delta, list("FFNNXX"), "F", "N").pvalue)


def test_no_difference_at_all_is_no_evidence():
    assert swap_test(np.zeros((6, 6)), list("FFFNNN"), "F", "N").pvalue >= 0.5


@pytest.mark.parametrize(
    ("delta", "labels", "groups", "message"),
    [
        (np.zeros((4, 3)), "FFNN", "FN", "delta has shape"),
        (np.zeros((4, 4)), "FFN", "FN", "labels has 3 entries for 4 runs"),
        (np.zeros((4, 4)), "FFNN", "FX", "group 'X' is not among the labels: choose from 'F', 'N'"),
        (np.zeros((4, 4)), "FFNN", "FF", "both 'F'"),
        (np.zeros((4, 4)), "FFFN", "FN", "group 'N' has 1 run"),
        (np.diag([np.nan, 1, 1], 1), "FFNN", "FN", "rows 0 at columns 1"),
    ],
)
def test_bad_tests_are_named(delta, labels, groups, message):
    with pytest.raises(InputError, match=message):
        swap_test(delta, list(labels), *groups)


def test_rejections_under_an_exchangeable_null_are_rare():
    """Runs differ at random, without groups: the pooled test rejects no more than about its level."""
    rng = np.random.default_rng(21)
    labels = list("FN" * 5)
    rejections = 0
    for _ in range(200):
        position = rng.normal(size=(10, 4))
        delta = ((position[:, None] - position[None]) ** 2).sum(axis=2) + 0.1 * rng.random((10, 10))
        rejections += swap_test(delta, labels, "F", "N").pvalue <= 0.05
    assert rejections <= 20


def test_rejections_under_a_true_difference_are_frequent():
    rng = np.random.default_rng(22)
    shift = np.array([0.0, 3.0] * 5)[:, None]
    rejections = 0
    for _ in range(20):
        position = rng.normal(size=(10, 4)) + shift
        rejections += (
            swap_test(((position[:, None] - position[None]) ** 2).sum(2), "FN" * 5, "F", "N").pvalue < 0.05
        )
    assert rejections >= 19
