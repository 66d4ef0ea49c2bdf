"""Sparse vector autoregressions: lagged design, fit, forecast."""
