"""Lasso problems solved by the least-angle homotopy, differentiable in their data."""

from lassovae.lasso._optimality import duality_gap, kkt_violation, lam_max
from lassovae.lasso._solve import LassoSolution, solve_lasso, solve_lasso_designs

__all__ = [
    "LassoSolution",
    "duality_gap",
    "kkt_violation",
    "lam_max",
    "solve_lasso",
    "solve_lasso_designs",
]
