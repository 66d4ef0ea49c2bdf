"""Lasso problems solved by the least-angle homotopy, differentiable in their data."""
