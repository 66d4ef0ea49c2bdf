"""Slow and obvious NumPy lasso, problems with known answers, and broken copies of the solver.

Nothing here but `broken_copy` knows how the library solves the problem. All of it is float64 NumPy.
"""

from __future__ import annotations

import sys
import types
from pathlib import Path

import jax
import numpy as np

import lassovae.lasso

FLOAT32, FLOAT64 = np.float32, np.float64


def precision_of(dtype):
    """The context in which JAX keeps arrays of this dtype."""
    return jax.enable_x64(np.dtype(dtype) == np.float64)


def objective(X, y, b, lam):
    """(1/(2n)) ||y - X b||^2 + lam ||b||_1."""
    X, y, b = (np.asarray(a, float) for a in (X, y, b))
    return 0.5 * np.mean((y - X @ b) ** 2) + float(lam) * np.abs(b).sum()


def relative_gap(X, y, b, lam):
    """Primal minus dual objective at the rescaled residual, as a fraction of ||y||^2 / (2n)."""
    X, y, b = (np.asarray(a, float) for a in (X, y, b))
    n = len(y)
    r = y - X @ b
    steepest = np.abs(X.T @ r).max()
    theta = r * (min(1.0, n * float(lam) / steepest) if steepest > 0 else 1.0)
    dual = 0.5 * y @ y / n - 0.5 * (y - theta) @ (y - theta) / n
    return (objective(X, y, b, lam) - dual) / max(0.5 * y @ y / n, np.finfo(float).tiny)


def optimality_violation(X, y, b, lam):
    """Distance of the correlations from the subdifferential, as a fraction of ||X'y||_inf."""
    X, y, b = (np.asarray(a, float) for a in (X, y, b))
    c, C = X.T @ (y - X @ b), len(y) * float(lam)
    start = np.abs(X.T @ y).max()
    worst = 0.0
    for j in range(X.shape[1]):
        worst = max(worst, abs(c[j] - C * np.sign(b[j])) if b[j] != 0 else abs(c[j]) - C)
    return worst / start if start > 0 else worst


def coordinate_descent(X, y, lam, sweeps=200_000):
    """The lasso by cyclic coordinate descent, finished by an exact solve on the support it found.

    Every so often the support and signs are taken as final, the equations X_A'(y - X_A b) = C s are solved
    by a dense factorisation, and the answer is accepted only if it satisfies the optimality conditions.
    """
    X, y = np.asarray(X, float), np.asarray(y, float)
    C = len(y) * float(lam)
    squares = (X * X).sum(axis=0)
    gram, xty = X.T @ X, X.T @ y
    b = np.zeros(X.shape[1])
    c = xty.copy()  # X'(y - X b)
    live = np.flatnonzero(squares > 0)
    for sweep in range(1, sweeps + 1):
        for j in live:
            rho = c[j] + squares[j] * b[j]
            new = np.sign(rho) * max(abs(rho) - C, 0.0) / squares[j]
            if new != b[j]:
                c -= gram[:, j] * (new - b[j])
                b[j] = new
        if sweep % 20 == 0:
            A, s = np.flatnonzero(b), np.sign(b[b != 0])
            exact = np.zeros_like(b)
            exact[A] = np.linalg.lstsq(X[:, A], y - X[:, A] @ b[A], rcond=None)[0] + b[A]
            exact[A] -= C * np.linalg.pinv(gram[np.ix_(A, A)]) @ s
            if (exact[A] * s > 0).all() and optimality_violation(X, y, exact, lam) < 1e-12:
                return exact
    raise AssertionError("coordinate descent found no support that satisfies the optimality conditions")


def least_l1_interpolant(X, y):
    """min ||b||_1 subject to X b = y, by linear programming on b = u - v."""
    from scipy.optimize import linprog

    P = X.shape[1]
    answer = linprog(np.ones(2 * P), A_eq=np.hstack([X, -X]), b_eq=y, bounds=(0, None), method="highs")
    assert answer.status == 0
    return answer.x[:P] - answer.x[P:]


def adversarial(p):
    """Design and target whose path has (3^p + 1)/2 linear pieces, the zero one counted (Mairal & Yu 2012).

    Their recursion: X <- [[X, 2 a y], [0, a z]], y <- (y, z) with z != 0 and 0 < a < C / (2 y'y + z^2), where C is
    the last knot of the path so far, turns k pieces into 3k - 1. The new predictor joins when the others have
    walked their whole path, makes them walk it back, and then its mirror image: predictors drop, and join
    again with the other sign.
    """
    X, y = np.ones((1, 1)), np.ones(1)
    for _ in range(p - 1):
        # X is square and regular: on the last piece all are active, b = b(0) - C d, and it starts at a zero
        b = np.linalg.solve(X, y)
        d = np.linalg.solve(X, np.linalg.solve(X.T, np.sign(b)))
        last_knot = min(b[i] / d[i] for i in range(len(b)) if b[i] * d[i] > 0)
        a = 0.5 * last_knot / (2 * y @ y + 1)
        n = len(y)
        grown = np.zeros((n + 1, n + 1))
        grown[:n, :n], grown[:n, n], grown[n, n] = X, 2 * a * y, a
        X, y = grown, np.append(y, 1.0)
    return X, y


def gaussian(seed, rows, predictors, targets, active=4):
    """Gaussian design; targets with a few true coefficients and noise."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, predictors))
    b = np.zeros((predictors, targets))
    for k in range(targets):
        b[rng.choice(predictors, min(active, predictors), replace=False), k] = rng.normal(
            size=min(active, predictors)
        )
    return X, X @ b + 0.5 * rng.normal(size=(rows, targets))


def var_window(seed, frames=64, nodes=96, order=5):
    """Design and targets of a VAR window: a stable sparse VAR(1) with shared noise, centred and lagged."""
    rng = np.random.default_rng(seed)
    coupling = rng.normal(size=(nodes, nodes)) * (rng.random((nodes, nodes)) < 0.05)
    coupling *= 0.9 / np.abs(np.linalg.eigvals(coupling)).max()
    z = np.zeros((frames + 50, nodes))
    for t in range(1, len(z)):
        z[t] = coupling @ z[t - 1] + rng.normal(size=nodes) + 0.5 * rng.normal()
    z = z[50:] - z[50:].mean(axis=0)
    lagged = [z[order - 1 - k : frames - 1 - k] for k in range(order)]
    return np.concatenate(lagged, axis=1), z[order:]


# in the order of their imports
SOLVER = ("_active", "_events", "_pivot", "_check", "_finish", "_repair", "_homotopy", "_rule", "_solve")


def broken_copy(monkeypatch, **pairs):
    """A copy of the solver in whose source pieces have been replaced, each found exactly once.

    Args:
        monkeypatch: pytest's, which forgets the copies afterwards.
        pairs: for a file, as `pivot` for `_pivot.py`, a list of (text, replacement).
    """
    folder = Path(lassovae.lasso.__file__).parent
    for stem in SOLVER:
        source = (folder / f"{stem}.py").read_text(encoding="utf-8")
        for text, replacement in pairs.get(stem[1:], ()):
            assert source.count(text) == 1, f"{stem}.py holds {source.count(text)} times: {text}"
            source = source.replace(text, replacement)
        for other in SOLVER:
            source = source.replace(
                f"from lassovae.lasso.{other} import", f"from lassovae_broken{other} import"
            )
        module = types.ModuleType(f"lassovae_broken{stem}")
        monkeypatch.setitem(sys.modules, module.__name__, module)
        exec(compile(source, module.__name__, "exec"), module.__dict__)
    return module
