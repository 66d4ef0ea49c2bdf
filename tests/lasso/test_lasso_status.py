"""Caps, statuses and messages: what cannot be solved is said, and what is returned with a cap is still right."""

import jax
import lasso_references as ref
import numpy as np
import pytest

import lassovae
from lassovae import Status
from lassovae._errors import InputError, SolveError
from lassovae.lasso import duality_gap, kkt_violation, lam_max, solve_lasso, solve_lasso_designs

LAM = 0.02


@pytest.fixture(scope="module")
def wide():
    return ref.gaussian(21, 40, 80, 10)


@pytest.mark.parametrize(
    ("cap", "value", "status"),
    [
        ("max_active", 5, Status.MAX_ACTIVE),
        ("max_active", 20, Status.MAX_ACTIVE),
        ("max_events", 7, Status.MAX_EVENTS),
    ],
)
def test_a_capped_target_is_optimal_at_the_level_reached(x64, wide, cap, value, status):
    X, Y = wide
    solution = solve_lasso(X, Y, LAM, **{cap: value})
    np.testing.assert_array_equal(solution.status, status)
    reached, coef = np.asarray(solution.lam_reached), np.asarray(solution.coef)
    largest = np.abs(X.T @ Y).max(axis=0) / 40
    assert ((LAM < reached) & (reached < largest)).all()
    assert float(solution.gap.max()) < 1e-13
    assert float(kkt_violation(X, Y, coef, reached).max()) < 1e-13
    for k in range(10):
        assert ref.relative_gap(X, Y[:, k], coef[:, k], reached[k]) < 1e-13
    if cap == "max_active":
        np.testing.assert_array_equal((coef != 0).sum(axis=0), value)
    else:
        np.testing.assert_array_equal(solution.num_events, value)
    # it is a knot: an uncapped solve just above it agrees, one just below it has another active set
    above, below = solve_lasso(X, Y, reached * (1 + 1e-9)), solve_lasso(X, Y, reached * (1 - 1e-9))
    np.testing.assert_allclose(above.coef, coef, rtol=0, atol=1e-7 * np.abs(coef).max())
    assert (np.asarray(below.num_events) > np.asarray(solution.num_events)).all()
    np.testing.assert_array_equal(above.num_events, solution.num_events)


def test_caps_that_are_not_reached_change_nothing(x64, wide):
    X, Y = wide
    plain = solve_lasso(X, Y, 0.3)
    most = int((np.asarray(plain.coef) != 0).sum(axis=0).max())
    capped = solve_lasso(X, Y, 0.3, max_active=most + 1, max_events=int(plain.num_events.max()))
    np.testing.assert_array_equal(capped.status, 0)
    np.testing.assert_allclose(capped.coef, plain.coef, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(capped.lam_reached, 0.3)


def test_only_the_targets_that_reach_a_cap_are_marked(x64, wide):
    X, Y = wide
    lams = np.full(10, LAM)
    lams[3] = 1.0
    solution = solve_lasso(X, Y, lams, max_active=5)
    np.testing.assert_array_equal(solution.status, np.where(np.arange(10) == 3, Status.OK, Status.MAX_ACTIVE))
    assert solution.lam_reached[3] == 1.0


def test_raise_if_failed_counts_and_advises():
    X, Y = (a.astype(np.float32) for a in ref.gaussian(3, 6, 6, 4))
    lam = np.float32(1e-3)
    good = solve_lasso(X, Y, lam)
    assert lassovae.raise_if_failed(good) is good
    Y[0, 2] = np.nan
    with pytest.raises(SolveError, match=r"1 of 4 targets NON_FINITE \(first: 2\).*clean them"):
        lassovae.raise_if_failed(solve_lasso(X, Y, lam))
    with pytest.raises(
        SolveError, match=r"3 of 4 targets MAX_ACTIVE \(first: 0\).*raise max_active.*; 1 of 4"
    ):
        lassovae.raise_if_failed(solve_lasso(X, Y, lam, max_active=2))
    with pytest.raises(SolveError, match=r"1 of 1 targets MAX_EVENTS .*raise max_events .* or lam"):
        lassovae.raise_if_failed(solve_lasso(X, Y[:, 0], lam, max_events=2))


X_OK, Y_OK = np.ones((4, 3)), np.ones((4, 2))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.ones(4), Y_OK, 0.1), r"X \(4,\) must be \(rows, predictors\)"),
        ((np.ones((5, 3)), Y_OK, 0.1), r"X \(5, 3\) must be .*and Y \(4, 2\)"),
        ((X_OK, np.ones((4, 2, 2)), 0.1), r"Y \(4, 2, 2\) \(rows,\) or \(rows, targets\)"),
        ((np.ones((0, 3)), np.ones((0, 2)), 0.1), "empty"),
        ((np.ones((4, 0)), Y_OK, 0.1), "empty"),
        ((X_OK, Y_OK, np.ones(3)), r"lam \(3,\) must be a number or one a target, \(2,\)"),
        ((X_OK, np.ones(4), np.ones(1)), r"lam \(1,\) must be a number when Y is one target"),
        ((X_OK, Y_OK, -0.1), r"lam=-0\.1.* must be at least 0 and not NaN"),
        ((X_OK, Y_OK, np.array([0.1, -1.0])), "must be at least 0"),
        ((X_OK, Y_OK, np.nan), "not NaN"),
        (
            (np.array([[1.0, np.nan], [np.inf, 1.0]]), np.ones(2), 0.1),
            "holds 2 NaN or Inf of 4 entries: clean or mask",
        ),
    ],
)
def test_bad_arguments_are_refused_by_name(arguments, message):
    with pytest.raises(InputError, match=message):
        solve_lasso(*arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_active": 1.5}, r"max_active=1\.5 must be an int"),
        ({"max_events": "2"}, r"max_events='2' must be an int"),
        ({"max_events": 2**40}, r"max_events=1099511627776 must be .* below 2\^31"),
        ({"positive": "yes"}, "positive='yes' must be True or False"),
        ({"l2": None}, "l2 is not an array of numbers"),
        ({"weights": "uniform"}, "weights is not an array of numbers"),
    ],
)
def test_options_of_the_wrong_kind_are_refused_by_name(options, message):
    with pytest.raises(InputError, match=message):
        solve_lasso(X_OK, Y_OK, 0.1, **options)


@pytest.mark.parametrize("option", [{"max_active": 2}, {"max_events": 2}, {"positive": True}])
def test_a_static_option_under_jit_says_how_to_give_it(option):
    with pytest.raises(InputError, match=r"functools\.partial or name it in static_argnames"):
        jax.jit(solve_lasso)(X_OK, Y_OK, 0.1, **option)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: solve_lasso(X_OK * 1j, Y_OK, 0.1), "X is complex"),
        (lambda: solve_lasso(X_OK, Y_OK, "0.1"), "lam is not an array of numbers"),
        (lambda: lam_max(X_OK, Y_OK[:3]), r"X \(4, 3\) .* Y \(3, 2\)"),
        (lambda: lam_max(X_OK[0], Y_OK), r"X \(3,\)"),
        (lambda: lam_max(np.ones((0, 3)), np.ones(0)), "empty"),
        (lambda: duality_gap(X_OK, Y_OK, np.ones((2, 2)), 0.1), r"coef \(2, 2\) must be .* \(3, 2\)"),
        (lambda: duality_gap(X_OK, Y_OK, np.ones(3), 0.1), r"coef \(3,\) must be .* \(3, 2\)"),
        (lambda: duality_gap(X_OK, Y_OK, np.ones((3, 2)), -0.1), "lam=-0.1 must be at least 0"),
        (lambda: kkt_violation(X_OK, Y_OK, np.ones((3, 2)), np.ones(3)), r"lam \(3,\) must be"),
    ],
)
def test_bad_arguments_of_every_function_are_refused_by_name(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_lists_are_arrays():
    assert float(lam_max([[1, 2], [3, 4]], [1, 2])) == 5
    assert float(kkt_violation([[1, 0], [0, 1]], [3, -1], [2, 0], 0.5)) == 0


@pytest.mark.parametrize("cap", ["max_active", "max_events"])
def test_caps_below_one_are_refused(cap):
    with pytest.raises(InputError, match=f"{cap}=0 must be at least 1"):
        solve_lasso(X_OK, Y_OK, 0.1, **{cap: 0})


def test_designs_of_wrong_shape_are_refused():
    with pytest.raises(InputError, match=r"\(designs, rows, predictors\).*\(designs, rows, targets\)"):
        solve_lasso_designs(X_OK, Y_OK, 0.1)
    with pytest.raises(InputError, match=r"lam \(3, 1\)"):
        solve_lasso_designs(X_OK[None], Y_OK[None], np.ones((3, 1)))


@pytest.mark.parametrize("broken", ["lam < 0", "lam NaN", "X NaN", "X Inf"])
def test_under_tracing_a_bad_argument_is_a_status_and_nan(broken):
    X, Y = (a.astype(np.float32) for a in ref.gaussian(3, 6, 6, 4))
    lam = np.full(4, 0.1, np.float32)
    if broken.startswith("lam"):
        lam[2] = -0.1 if broken == "lam < 0" else np.nan
        bad = np.arange(4) == 2
    else:
        X[1, 1] = np.nan if broken == "X NaN" else np.inf
        bad = np.full(4, True)
    solution = jax.jit(solve_lasso)(X, Y, lam)
    np.testing.assert_array_equal(solution.status, np.where(bad, Status.BAD_ARGUMENT, Status.OK))
    for field in (solution.coef, solution.gap, solution.lam_reached, solution.kink_margin):
        np.testing.assert_array_equal(np.isnan(field), np.broadcast_to(bad, field.shape))


def test_nearly_dependent_columns_end_optimal_or_with_a_status():
    """In float32, columns that differ by a few eps: either the gap is small, or the status says why not."""
    rng = np.random.default_rng(4)
    X = rng.normal(size=(100, 6, 6)).astype(np.float32)
    scale = np.float32(10.0) ** rng.uniform(-8, -3, size=(100, 1, 2)).astype(np.float32)
    X[:, :, 4:] = X[:, :, :2] + scale * rng.normal(size=(100, 6, 2)).astype(np.float32)
    Y = rng.normal(size=(100, 6, 4)).astype(np.float32)
    solution = solve_lasso_designs(X, Y, np.float32(1e-3))
    status = np.asarray(solution.status)
    assert np.isin(status, [Status.OK, Status.ILL_CONDITIONED, Status.MAX_EVENTS]).all()
    coef, reached = np.asarray(solution.coef), np.asarray(solution.lam_reached)
    assert np.isfinite(coef).all()
    gaps = [
        ref.relative_gap(X[d], Y[d, :, k], coef[d, :, k], reached[d, k])
        for d, k in np.argwhere(status == Status.OK)
    ]
    assert len(gaps) > 200
    # eps 1.2e-7 over the smallest 1 - g a_j at which a predictor may join, 1e-5, is 1e-2: the loss of correlations
    # near dependence; it enters the gap with C b relative to y'y / 2, here 1e-2 and less
    assert max(gaps) <= 1e-4
