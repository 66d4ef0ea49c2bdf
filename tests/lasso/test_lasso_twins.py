"""Copies of the solver with one thing broken: the checks that the other tests rely on catch each of them."""

import jax
import lasso_references as ref
import numpy as np
import pytest
from lasso_catalogue import catalogue, complaints
from test_lasso_gradients import broken_identities

from lassovae.lasso import solve_lasso

STEP = "step = jnp.where(ends, end, jnp.where(drops_now, drop, join))"
MOVE = "coef + step[..., None] * direction, segment.coef)"
# what is broken: text and its replacement in _homotopy.py
LOOPS = {
    "no drop steps": (
        "drop = jnp.where(any_stuck, 0, drops.min(axis=-1))",
        "drop = jnp.where(any_stuck, 0, jnp.inf)",
    ),
    "no zero-length drops": ("stuck = inward & at_zero", "stuck = jnp.zeros_like(inward)"),
    "joins in the wrong order": ("smallest = step.min(axis=-1)", "smallest = 2 * step.min(axis=-1)"),
}
RULES = {
    "sign of the second term of dX": (', residual, V) - dot("', ', residual, V) + dot("'),
    "the second term of dX left out": (' - dot("dkn,dkp->dnp", moved, B)', ""),
    "sign of dlam": ("-(segment.sign * v).sum(axis=-1)", "(segment.sign * v).sum(axis=-1)"),
    "sign of dy": ("return grad_X, jnp.swapaxes(moved, 1, 2)", "return grad_X, -jnp.swapaxes(moved, 1, 2)"),
    "M^-1 left out": ("lambda cut: solve_active(cut, cut.coef)", "lambda cut: cut.coef"),
}


def value_failures(solver):
    """How many of 2000 tied problems the solver gets wrong: the check of the tests of values."""
    rng = np.random.default_rng(0)
    X = rng.integers(-1, 2, size=(250, 5, 6)).astype(float)
    Y = rng.integers(-3, 4, size=(250, 5, 8)).astype(float)
    solution = solver.solve_lasso_designs(X, Y, 1e-3)
    coef, status = np.asarray(solution.coef), np.asarray(solution.status)
    return sum(
        not (status[d, k] == 0 and ref.relative_gap(X[d], Y[d, :, k], coef[d, :, k], 1e-3) <= 1e-9)
        for d in range(250)
        for k in range(8)
    )


def catalogue_failures(solver):
    cases = [case for case in catalogue() if case.X.shape == (6, 6)]
    return [case.name for case in cases if complaints(case, solver.solve_lasso, np.float64)]


def test_the_unbroken_copy_passes(x64, monkeypatch):
    copy = ref.broken_copy(monkeypatch)
    assert value_failures(copy) == 0
    assert catalogue_failures(copy) == []


@pytest.mark.parametrize("twin", LOOPS)
def test_a_broken_loop_gives_wrong_values(x64, monkeypatch, twin):
    copy = ref.broken_copy(monkeypatch, homotopy=[LOOPS[twin]])
    assert value_failures(copy) > 0
    # ties in {-1, 0, 1} are what needs the zero-length drops: no problem of the catalogue does
    assert bool(catalogue_failures(copy)) == (twin != "no zero-length drops")


@pytest.mark.parametrize("which", ["coefficients", "coefficients and level"])
def test_steps_a_thousandth_too_short_move_the_knots(x64, monkeypatch, which):
    """The end of a path is refined, which hides them; the knots of capped paths show them."""
    text = MOVE if which == "coefficients" else STEP
    broken = text.replace("step[", "0.999 * step[") if which == "coefficients" else STEP + " * 0.999"
    copy = ref.broken_copy(monkeypatch, homotopy=[(text, broken)])
    X, Y = ref.gaussian(38, 12, 20, 2)
    capped, right = copy.solve_lasso(X, Y, 0.0, max_events=4), ref_solution(X, Y)
    reached = np.asarray(capped.lam_reached)
    gaps = [ref.relative_gap(X, Y[:, k], capped.coef[:, k], reached[k]) for k in range(2)]
    knots_off = np.abs(reached / np.asarray(right.lam_reached) - 1).max()
    assert max(gaps) > 1e-9 if which == "coefficients" else knots_off > 1e-6


def ref_solution(X, Y):
    solution = solve_lasso(X, Y, 0.0, max_events=4)
    gaps = [ref.relative_gap(X, Y[:, k], solution.coef[:, k], solution.lam_reached[k]) for k in range(2)]
    assert max(gaps) < 1e-13
    return solution


@pytest.mark.parametrize("twin", [None, *RULES])
def test_a_broken_reverse_rule_breaks_an_identity(x64, monkeypatch, rng, twin):
    copy = ref.broken_copy(monkeypatch, solve=[RULES[twin]] if twin else [])
    X, Y = ref.gaussian(39, 12, 20, 2)
    found = broken_identities(
        jax.jit(copy.solve_lasso), X, Y, np.array([0.05, 0.1]), rng.normal(size=(20, 2))
    )
    assert bool(found) == (twin is not None)
