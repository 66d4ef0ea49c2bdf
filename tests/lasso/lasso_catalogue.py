"""Degenerate lasso problems and their right answers, as data: the tests run it on the solver and on broken ones.

Few shapes on purpose: every new one is compiled anew, in each dtype, alone and inside a caller's jit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import lasso_references as ref
import numpy as np

# multiples of eps, with the condition number of the small designs below (at most a few hundred) to lose
TOLERANCE = {np.dtype(np.float32): 2e-4, np.dtype(np.float64): 1e-11}


class Case(NamedTuple):
    """One problem. `coef` is the answer where it is unique; `also` returns further complaints."""

    name: str
    X: np.ndarray
    y: np.ndarray
    lam: float
    coef: np.ndarray | None = None
    num_events: int | None = None
    also: Callable[[np.ndarray], list[str]] = lambda b: []


def _free_design(seed=0, rows=6, predictors=6):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, predictors)), rng.normal(size=rows)


def _one_of(first, second):
    """At most one of two equal (or opposite) columns is active."""

    def complaints(b):
        return ["both copies are active"] if b[first] != 0 and b[second] != 0 else []

    return complaints


def _same_value(X, y, reduced, lam):
    """Fit and objective are those of the problem without the superfluous columns."""
    best = ref.coordinate_descent(reduced, y, lam)

    def complaints(b, tol=1e-4):
        off = abs(ref.objective(X, y, b, lam) - ref.objective(reduced, y, best, lam))
        far = np.abs(X @ b - reduced @ best).max()
        found = [f"objective off by {off:.1e}"] if off > tol else []
        return found + ([f"fit off by {far:.1e}"] if far > 100 * tol else [])

    return complaints


def _active_at_most(count):
    def complaints(b):
        active = np.count_nonzero(b)
        return [f"{active} active, at most {count} are needed"] if active > count else []

    return complaints


def _zero(index):
    return lambda b: [] if b[index] == 0 else [f"coefficient {index} is {b[index]}, not 0"]


def _all_zero(b):
    return [] if (b == 0).all() else [f"coefficients {b} are not exactly 0"]


def _both(*checks):
    return lambda b: [complaint for check in checks for complaint in check(b)]


def catalogue() -> list[Case]:
    """The table of the design, all rows that need no path, no weights and no status other than OK."""
    X, y = _free_design()
    eye, zeros = np.eye(6), np.zeros(6)
    centred = X - X.mean(axis=0)
    largest = np.abs(X.T @ y).max() / 6
    cases = [
        Case("target of zeros", X, zeros, 0.0, zeros, 0, _all_zero),
        Case("target of zeros, lam > 0", X, zeros, 0.1, zeros, 0, _all_zero),
        Case("constant target after centring", centred, np.full(6, 0.25) - 0.25, 0.0, zeros, 0, _all_zero),
        Case(
            "constant target, centred with rounding",
            centred,
            np.full(6, 0.3) - np.full(6, 0.3).mean() + 1e-17,
            1e-3,
            zeros,
            0,
            _all_zero,
        ),
        Case("design of zeros", np.zeros((6, 6)), y, 0.1, zeros, 0, _all_zero),
        Case("design of zeros, lam = 0", np.zeros((6, 6)), y, 0.0, zeros, 0, _all_zero),
        Case("lam > lam_max", X, y, 1.01 * largest, zeros, 0, _all_zero),
        Case(
            "lam = lam_max, exact in binary", eye, np.array([3.0, 1, 0, -3, 2, 0]), 0.5, zeros, 0, _all_zero
        ),
        Case("lam = 0, full column rank", X, y, 0.0, np.linalg.solve(X, y)),
        Case(
            "all six tie",
            eye,
            np.array([1.0, -1, 1, 1, -1, -1]),
            0.1,
            0.4 * np.array([1.0, -1, 1, 1, -1, -1]),
        ),
        Case("ties, lam = 0", eye, np.array([3.0, 2, 2, -1, -1, 0]), 0.0, np.array([3.0, 2, 2, -1, -1, 0])),
        Case(
            "ties, orthogonal",
            eye,
            np.array([3.0, 2, 2, -1, -1, 0]),
            0.25,
            np.array([1.5, 0.5, 0.5, 0, 0, 0]),
        ),
        Case(
            "wide, discrete",
            np.array([[0.0, 0, 0, -1, 0], [0, -1, 0, 0, 0]]),
            np.array([-2.5, -2.5]),
            1e-3,
            np.array([0, 2.498, 0, 2.498, 0]),
            2,
        ),
        Case("one row", np.array([[1.0, 2, -4]]), np.array([2.0]), 1.0, np.array([0, 0, -7 / 16]), 1),
        Case("one row, lam = 0", np.array([[1.0, 2, -4]]), np.array([2.0]), 0.0, np.array([0, 0, -0.5]), 1),
    ]
    column = X[:, :1]
    for lam in (0.0, 0.05):
        b = np.sign(column.T @ y) * np.maximum(np.abs(column.T @ y) - 6 * lam, 0) / (column.T @ column)[0]
        cases.append(Case(f"one predictor, lam = {lam}", column, y, lam, b, 1))

    for lam in (0.1, 1e-3):
        gap = X.copy()
        gap[:, 3] = 0
        cases.append(
            Case(
                f"column of zeros, lam = {lam}",
                gap,
                y,
                lam,
                ref.coordinate_descent(gap, y, lam),
                None,
                _zero(3),
            )
        )
        for sign, word in ((1, "duplicated"), (-1, "negated")):
            twice = X.copy()
            twice[:, 4] = sign * twice[:, 1]
            check = _both(_one_of(1, 4), _same_value(twice, y, np.delete(twice, 4, axis=1), lam))
            cases.append(Case(f"{word} column, lam = {lam}", twice, y, lam, None, None, check))
        triple = X.copy()
        triple[:, 2] = triple[:, 0] + triple[:, 1]
        check = _active_at_most(5)
        cases.append(Case(f"collinear triple, lam = {lam}", triple, y, lam, None, None, check))

    gap = X.copy()
    gap[:, 3] = 0
    others = np.delete(np.arange(6), 3)
    b = np.zeros(6)
    b[others] = np.linalg.lstsq(gap[:, others], y, rcond=None)[0]
    cases.append(Case("column of zeros, lam = 0", gap, y, 0.0, b, None, _zero(3)))

    wide, short = _free_design(3, 2, 5)
    cases.append(
        Case(
            "least l1 interpolant",
            wide,
            short,
            0.0,
            ref.least_l1_interpolant(wide, short),
            None,
            _active_at_most(2),
        )
    )

    block, part = ref.adversarial(2)
    tripled, target = np.kron(np.eye(3), block), np.tile(part, 3)
    for lam, events in ((0.02, None), (0.0, 12)):
        b = (
            np.tile(np.linalg.solve(block, part), 3)
            if lam == 0
            else ref.coordinate_descent(tripled, target, lam)
        )
        cases.append(
            Case(f"three drops at once, then re-entry, lam = {lam}", tripled, target, lam, b, events)
        )

    for scale in (1e-5, 1e8):
        b = ref.coordinate_descent(X, y, 0.05)
        cases.append(Case(f"target times {scale:g}", X, y * scale, 0.05 * scale, b * scale))
        cases.append(Case(f"design times {scale:g}", X * scale, y, 0.05 * scale, b / scale))
        cases.append(Case(f"both times {scale:g}", X * scale, y * scale, 0.05 * scale * scale, b))
    return cases


def complaints(case: Case, solve, dtype) -> list[str]:
    """What is wrong with `solve` on this case in this dtype; empty if nothing is. Call within `precision_of`."""
    tol = TOLERANCE[np.dtype(dtype)]
    X, y = case.X.astype(dtype), case.y.astype(dtype)
    solution = solve(X, y, dtype(case.lam))
    b = np.asarray(solution.coef)
    found = []
    if b.dtype != dtype:
        found.append(f"dtype {b.dtype}")
    if not np.isfinite(b).all():
        return [*found, f"coefficients {b}"]
    if int(solution.status) != 0:
        found.append(f"status {int(solution.status)}")
    if not 0 <= float(solution.gap) <= tol:
        found.append(f"gap {float(solution.gap):.1e}")
    violation = ref.optimality_violation(X, y, b, dtype(case.lam))
    if violation > tol:
        found.append(f"optimality violated by {violation:.1e}")
    if case.coef is not None:
        off = np.abs(b - case.coef).max() / max(np.abs(case.coef).max(), np.finfo(float).tiny)
        if case.coef.any() and off > tol:
            found.append(f"coefficients off by {off:.1e}")
        if not case.coef.any() and b.any():
            found.append(f"coefficients {b} instead of zeros")
    if case.num_events is not None and int(solution.num_events) != case.num_events:
        found.append(f"{int(solution.num_events)} events instead of {case.num_events}")
    return found + case.also(b)
