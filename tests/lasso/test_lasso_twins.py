"""Copies of the solver with one thing broken: the checks that the other tests rely on catch each of them.

A broken walk is partly healed by the repair at its end, which is what the repair is for; so the walk is judged by
its events and by the knots at which a cap stops it, and the repair by a walk that leaves it something to do.
"""

import jax
import lasso_references as ref
import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.linear_model import lars_path
from test_lasso_gradients import broken_identities

# what is broken: file, text and its replacement
WALKS = {
    "no drop steps": (
        "events",
        "drop = jnp.where(any_stuck, 0, to_zero.min(axis=-1))",
        "drop = jnp.where(any_stuck, 0, jnp.inf)",
    ),
    "steps 0.1 % short": (
        "homotopy",
        "step = jnp.where(running, event.step, 0)",
        "step = 0.999 * jnp.where(running, event.step, 0)",
    ),
    "no zero-length drops": (
        "events",
        "stuck = inward & at_zero",
        "stuck = jnp.zeros_like(inward)",
    ),
    "joins in the wrong order": (
        "events",
        "latest = blocks.min(axis=-1) + 8 * walk.noise",
        "latest = 2 * blocks.min(axis=-1) + 8 * walk.noise",
    ),
    "dependent columns may join": (
        "events",
        "(rate > tol * bar) & (gap + noise < end * rate)",
        "(rate > -tol * bar) & (gap < jnp.inf)",
    ),
    "inverse not brought along on a drop": (
        "pivot",
        "jnp.where(joins, pivot_join, 1), -1 / jnp.where(drops, pivot_drop, 1))",
        "jnp.where(joins, pivot_join, 1), 0 / jnp.where(drops, pivot_drop, 1))",
    ),
}
RULES = {
    "sign of the second term of dX": (', place.residual, V) - dot("', ', place.residual, V) + dot("'),
    "the second term of dX left out": (' - dot("dkn,dkp->dnp", pulled.moved, coef)', ""),
    "sign of dlam": ("-(place.pull * v).sum(axis=-1)", "(place.pull * v).sum(axis=-1)"),
    "sign of dy": (
        "return grad_X, jnp.swapaxes(pulled.moved, 1, 2)",
        "return grad_X, -jnp.swapaxes(pulled.moved, 1, 2)",
    ),
    "M^-1 left out": ("solve_active(problem, support, cotangent)", "cotangent"),
}


@pytest.fixture(autouse=True)
def programs_of_twins_are_let_go():
    """No two tests share a program here, and each holds many."""
    yield
    jax.clear_caches()


def diabetes_failures(solver):
    """Events to the end, and just before and after a knot, against scikit-learn (which is right on these data)."""
    data = load_diabetes()
    X, y = data.data, data.target - data.target.mean()
    knots = lars_path(X, y, method="lasso")[0]
    lams = np.array([0.0, knots[10] * (1 - 1e-6), knots[10] * (1 + 1e-6), knots[5] * (1 + 1e-6)])
    events = np.asarray(solver.solve_lasso(X, np.stack([y] * 4, axis=1), lams).num_events)
    return [] if events.tolist() == [12, 11, 10, 5] else [f"{events} events at {lams}"]


def duplicate_failures(solver):
    """How many of 100 targets have another number of events when every column is there twice."""
    X, Y = ref.gaussian(37, 15, 10, 100)
    designs = np.stack([np.hstack([X, 0 * X]), np.hstack([X, -X[:, ::-1]])])
    alone, twice = solver.solve_lasso_designs(designs, np.stack([Y, Y]), 1e-3).num_events
    return int((np.asarray(alone) != np.asarray(twice)).sum())


def tied_failures(solver):
    """How many of 2000 tied problems are not optimal at the knot where a cap stops them, or end in a bad status."""
    rng = np.random.default_rng(0)
    X = rng.integers(-1, 2, size=(250, 5, 6)).astype(float)
    Y = rng.integers(-3, 4, size=(250, 5, 8)).astype(float)
    wrong = 0
    for cap in (4, 40):
        solution = solver.solve_lasso_designs(X, Y, 1e-3, max_events=cap)
        coef, lam = np.asarray(solution.coef), np.asarray(solution.lam_reached)
        status = np.asarray(solution.status)
        wrong += int((status > 1).sum()) + (int((status > 0).sum()) if cap == 40 else 0)
        wrong += sum(
            not ref.optimality_violation(X[d], Y[d, :, k], coef[d, :, k], lam[d, k]) <= 1e-9
            for d in range(250)
            for k in range(8)
        )
    return wrong


def test_the_unbroken_copy_passes(x64, monkeypatch):
    copy = ref.broken_copy(monkeypatch)
    assert diabetes_failures(copy) == []
    assert duplicate_failures(copy) == 0
    assert tied_failures(copy) == 0


@pytest.mark.parametrize("twin", WALKS)
def test_a_broken_walk_is_caught(x64, monkeypatch, twin):
    file, text, replacement = WALKS[twin]
    copy = ref.broken_copy(monkeypatch, **{file: [(text, replacement)]})
    if twin in ("no zero-length drops", "inverse not brought along on a drop"):
        assert tied_failures(copy)
    elif twin == "dependent columns may join":
        assert duplicate_failures(copy)
    else:
        assert diabetes_failures(copy)


FEW_JOINS = ("events", "active.sum(axis=-1) < rank", "active.sum(axis=-1) < 3")
REPAIRS = {
    "joins": ("(largest > tolerance(problem, walk))", "(largest > jnp.inf)"),
    "drops": ("drops = todo & jnp.isfinite(smallest)", "drops = todo & False"),
}


@pytest.mark.parametrize("broken", [None, *REPAIRS])
def test_the_repair_heals_a_broken_walk(x64, monkeypatch, broken):
    """Walks that never drop or seldom join end at a wrong support; a repair that lacks a move does not mend them."""
    healed = []
    for file, *pair in (WALKS["no drop steps"], FEW_JOINS):
        repair = [REPAIRS[broken]] if broken else []
        copy = ref.broken_copy(monkeypatch, **{file: [tuple(pair)], "repair": repair})
        X, Y = ref.gaussian(38, 12, 20, 20)
        solution = copy.solve_lasso(X, Y, 1e-3)
        worst = max(ref.relative_gap(X, Y[:, k], solution.coef[:, k], 1e-3) for k in range(20))
        healed.append(bool(worst < 1e-12 and not np.asarray(solution.status).any()))
    assert all(healed) == (broken is None)


@pytest.mark.parametrize("broken", [False, True])
def test_a_repair_must_exchange_predictors(monkeypatch, broken):
    """Beside as many active predictors as rows no other can join: in float32 a wrong one has to be exchanged."""
    no_swaps = ("swaps &= jnp.isfinite(stride)", "swaps &= jnp.isnan(stride)")
    copy = ref.broken_copy(monkeypatch, repair=[no_swaps] if broken else [])
    X, Y = (a.astype(np.float32) for a in ref.var_window(3, nodes=192))
    lam = 1e-3 * np.abs(X.T @ Y).max(axis=0) / len(X)
    solution = copy.solve_lasso(X, Y, lam)
    assert bool(np.asarray(solution.status).any() or (solution.gap > 2e-6).any()) == broken


@pytest.mark.parametrize("twin", [None, *RULES])
def test_a_broken_reverse_rule_breaks_an_identity(x64, monkeypatch, rng, twin):
    copy = ref.broken_copy(monkeypatch, rule=[RULES[twin]] if twin else [])
    X, Y = ref.gaussian(39, 12, 20, 2)
    found = broken_identities(
        jax.jit(copy.solve_lasso), X, Y, np.array([0.05, 0.1]), rng.normal(size=(20, 2))
    )
    assert bool(found) == (twin is not None)
