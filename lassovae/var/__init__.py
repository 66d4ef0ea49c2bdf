"""Sparse vector autoregressions: lagged design, fit, forecast."""

from lassovae.var._chance import chance_strength, edge_strengths, random_phases
from lassovae.var._choose import LamPath, information_criteria, lam_path, suggested_lam
from lassovae.var._design import centre
from lassovae.var._fit import VARFit, fit_series, fit_var
from lassovae.var._forecast import (
    forecast_centred,
    predict,
    relative_error,
    relative_error_centred,
    rollout,
    spectral_radius,
)
from lassovae.var._pooled import fit_pooled
from lassovae.var._prune import prune, t_values
from lassovae.var._refit import refit
from lassovae.var._runs import fit_runs
from lassovae.var._stability import selection_frequency

__all__ = [
    "LamPath",
    "VARFit",
    "centre",
    "chance_strength",
    "edge_strengths",
    "fit_pooled",
    "fit_runs",
    "fit_series",
    "fit_var",
    "forecast_centred",
    "information_criteria",
    "lam_path",
    "predict",
    "prune",
    "random_phases",
    "refit",
    "relative_error",
    "relative_error_centred",
    "rollout",
    "selection_frequency",
    "spectral_radius",
    "suggested_lam",
    "t_values",
]
