"""Slow and obvious vector autoregressions in float64 NumPy and scikit-learn; nothing here imports the library."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import Lasso

FRAMES, NODES, ORDER = 48, 4, 2  # one shape for most tests: the lasso compiles once a shape


def series(seed, frames=FRAMES, nodes=NODES):
    """A persistent series with different means and spreads a node, so that nothing is symmetric."""
    rng = np.random.default_rng(seed)
    z = np.zeros((frames, nodes))
    mix = 0.3 * rng.normal(size=(nodes, nodes)) / np.sqrt(nodes) + 0.4 * np.eye(nodes)
    for t in range(1, frames):
        z[t] = mix @ z[t - 1] + rng.normal(size=nodes)
    return (0.5 + rng.random(nodes)) * z + rng.normal(size=nodes)


def simulate(coef, frames, seed, noise=1.0):
    """z_t = sum_k A_k z_{t-k} + noise, coef (lags, targets, sources)."""
    rng = np.random.default_rng(seed)
    z = noise * rng.normal(size=(frames, coef.shape[1]))
    for t in range(len(coef), frames):
        for k in range(len(coef)):
            z[t] += coef[k] @ z[t - 1 - k]
    return z


def centred(z, valid=None):
    """The series less its mean over valid frames (the others zero), the mean, the spread over all valid entries."""
    valid = np.ones(len(z), bool) if valid is None else valid
    mean = z[valid].mean(axis=0)
    out = np.zeros(z.shape)
    out[valid] = z[valid] - mean
    return out, mean, z[valid].shape[0] and np.sqrt(np.mean(out[valid] ** 2))


def rows_of(z, order, valid=None):
    """Design and targets, one row a frame that is valid with all its lags; columns: lag 1 of all nodes, lag 2..."""
    valid = np.ones(len(z), bool) if valid is None else valid
    design, targets = [], []
    for t in range(order, len(z)):
        if all(valid[t - k] for k in range(order + 1)):
            design.append([z[t - k, j] for k in range(1, order + 1) for j in range(z.shape[1])])
            targets.append(z[t])
    return np.asarray(design), np.asarray(targets)


def lasso(X, y, alpha):
    """(1/(2 rows)) ||y - X b||^2 + alpha ||b||_1 by scikit-learn's coordinate descent."""
    return Lasso(alpha=alpha, fit_intercept=False, tol=1e-14, max_iter=200_000).fit(X, y).coef_


def fit_rows(X, Y, order, lam):
    """(lags, targets, sources): one lasso a target with alpha = lam * nodes."""
    nodes = Y.shape[1]
    coef = np.zeros((order, nodes, nodes))
    for i in range(nodes):
        b = lasso(X, Y[:, i], lam * nodes)
        for k in range(order):
            for j in range(nodes):
                coef[k, i, j] = b[k * nodes + j]
    return coef


def fit(z, order, lam, valid=None):
    """Coefficients, mean and scale of one series."""
    flat, mean, scale = centred(z, valid)
    X, Y = rows_of(flat / scale, order, valid)
    return fit_rows(X, Y, order, lam), mean, scale


def forecasts(coef, mean, z):
    """One-step forecasts of the frames order..time-1, entry by entry."""
    order, nodes, _ = coef.shape
    out = np.zeros((len(z) - order, nodes))
    for t in range(order, len(z)):
        for i in range(nodes):
            out[t - order, i] = mean[i]
            for k in range(order):
                for j in range(nodes):
                    out[t - order, i] += coef[k, i, j] * (z[t - 1 - k, j] - mean[j])
    return out


def relative_error(coef, mean, z):
    """Mean over frames of ||z_t - forecast_t||^2 / ||z_t||^2 on centred latents; zero frames left out."""
    ratios = []
    for actual, forecast in zip(z[len(coef) :], forecasts(coef, mean, z), strict=True):
        size = np.sum((actual - mean) ** 2)
        if size > 0:
            ratios.append(np.sum((actual - forecast) ** 2) / size)
    return np.mean(ratios)


def companion_radius(coef):
    """Largest modulus of the eigenvalues of the dense companion matrix."""
    order, nodes, _ = coef.shape
    matrix = np.zeros((order * nodes, order * nodes))
    for k in range(order):
        matrix[:nodes, k * nodes : (k + 1) * nodes] = coef[k]
    for k in range(1, order):
        matrix[k * nodes : (k + 1) * nodes, (k - 1) * nodes : k * nodes] = np.eye(nodes)
    return np.abs(np.linalg.eigvals(matrix)).max()
