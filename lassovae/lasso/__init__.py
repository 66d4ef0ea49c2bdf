"""Lasso problems solved by the least-angle homotopy, differentiable in their data."""

from lassovae.lasso._optimality import duality_gap, kkt_violation, lam_max
from lassovae.lasso._path import LassoPath, lasso_path, lasso_path_gram, path_at
from lassovae.lasso._solve import LassoSolution, solve_lasso, solve_lasso_designs

__all__ = [
    "LassoPath",
    "LassoSolution",
    "duality_gap",
    "kkt_violation",
    "lam_max",
    "lasso_path",
    "lasso_path_gram",
    "path_at",
    "solve_lasso",
    "solve_lasso_designs",
]
