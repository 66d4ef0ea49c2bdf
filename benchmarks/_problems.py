"""What the benchmarks solve, and what they compare with: data, strengths, duality gaps and central differences.

All of it is float64 NumPy, except that the central differences call the library's forward solver.
"""

from __future__ import annotations

import jax
import numpy as np

from lassovae.lasso import solve_lasso

STEP = 1e-6  # of the central differences, relative to data of unit variance and to lam
forward = jax.jit(solve_lasso)


def factor_problem(rng: np.random.Generator, rows: int, predictors: int, targets: int):
    """A design whose columns share a factor, and targets with five true coefficients each."""
    X = rng.normal(size=(rows, predictors)) + 0.5 * rng.normal(size=(rows, 1))
    B = np.zeros((predictors, targets))
    for k in range(targets):
        B[rng.choice(predictors, min(5, predictors), replace=False), k] = rng.normal(size=min(5, predictors))
    return X, X @ B + rng.normal(size=(rows, targets))


def var_problem(rng: np.random.Generator, frames: int, nodes: int, order: int):
    """Lagged design and targets of a simulated VAR(1): a sparse stable coupling, noise that all nodes share in
    part, series centred over the window. (frames - order, order nodes) and (frames - order, nodes).
    """
    coupling = np.where(rng.random((nodes, nodes)) < 0.05, rng.normal(size=(nodes, nodes)), 0)
    radius = np.abs(np.linalg.eigvals(coupling)).max()
    coupling *= 0.9 / radius if radius > 0.1 else 1.0  # few nodes: next to no loops, stable as it is
    burn_in, state, series = 50, np.zeros(nodes), []
    for _ in range(burn_in + frames):
        state = coupling @ state + rng.normal(size=nodes) + 0.5 * rng.normal()
        series.append(state)
    window = np.array(series[burn_in:])
    window -= window.mean(axis=0)
    lags = [window[order - lag : frames - lag] for lag in range(1, order + 1)]
    return np.concatenate(lags, axis=1), window[order:]


def largest_lam(X: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """Strength at which every coefficient of a target vanishes, (targets,)."""
    return np.abs(X.T @ Y).max(axis=0) / len(X)


def relative_gap(X: np.ndarray, Y: np.ndarray, B: np.ndarray, lam: float | np.ndarray) -> np.ndarray:
    """Duality gap over ||y||^2 / (2 n) of every target, at theta = r min(1, C / max |X'r|), C = n lam.

    Written as a sum of non-negative terms, so that it does not end at the objective's rounding:
    n gap = (1 - alpha)^2 ||r||^2 / 2 + sum_j (C |b_j| - alpha b_j c_j), with c = X'r.
    """
    R = Y - X @ B
    corr = X.T @ R
    C = len(X) * np.asarray(lam)
    steepest = np.abs(corr).max(axis=0)
    alpha = np.minimum(1, C / np.where(steepest > 0, steepest, 1))
    slack = np.maximum((C * np.abs(B) - alpha * B * corr).sum(axis=0), 0)
    return (0.5 * (1 - alpha) ** 2 * (R * R).sum(axis=0) + slack) / (0.5 * (Y * Y).sum(axis=0))


def central_difference(data, argument: int, direction, G, step: float = STEP) -> np.ndarray:
    """Slope of sum_p G coef of every target along a direction of one argument, by the four-point rule."""
    at = []
    for times in (-2, -1, 1, 2):
        moved = list(data)
        moved[argument] = moved[argument] + times * step * direction
        at.append((G * np.asarray(forward(*moved).coef)).sum(axis=0))
    return (at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * step)


class Slopes:
    """Expected slopes of sum(G coef) in float64, to hold any gradient against.

    In targets and strengths along one random direction a target, in the design, which all targets share, along
    four. Targets closer to a kink than the differences reach are left out: `far` says which remain.

    Args:
        rng: of the directions.
        X, Y, lam: float64 data; lam one a target.
        G: cotangent of the coefficients; zeroed (in `self.G`) for the targets left out.
    """

    def __init__(self, rng: np.random.Generator, X, Y, lam, G) -> None:
        with jax.enable_x64(True):
            self.far = np.asarray(forward(X, Y, lam).kink_margin) > 50 * STEP
            self.G = G * self.far
            self.of_design = [rng.normal(size=X.shape) for _ in range(4)]
            self.of_targets, self.of_lam = rng.normal(size=Y.shape), lam * rng.normal(size=lam.shape)
            data = (X, Y, lam)
            self.expected = [
                np.array([central_difference(data, 0, way, self.G).sum() for way in self.of_design]),
                central_difference(data, 1, self.of_targets, self.G)[self.far],
                central_difference(data, 2, self.of_lam, self.G)[self.far],
            ]

    def errors(self, grad_X, grad_Y, grad_lam) -> np.ndarray:
        """Errors of a gradient, relative to its slope and at least to the typical one: a single one may vanish."""
        grad_X, grad_Y, grad_lam = (np.asarray(a, np.float64) for a in (grad_X, grad_Y, grad_lam))
        found = [
            np.array([(grad_X * way).sum() for way in self.of_design]),
            (grad_Y * self.of_targets).sum(axis=0)[self.far],
            (grad_lam * self.of_lam)[self.far],
        ]
        return np.concatenate(
            [
                np.abs(got - want) / np.maximum(np.abs(want), np.median(np.abs(want)))
                for got, want in zip(found, self.expected, strict=True)
            ]
        )
