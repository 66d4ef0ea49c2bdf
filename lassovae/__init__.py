"""Sparse dynamics of calcium-imaging movies: an autoencoder trained through a differentiable lasso VAR."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lassovae import autoencoder, data, lasso, maps, plots, report, stats, training, var
    from lassovae._analysis import Analysis, analyse
    from lassovae._config import Config, Preprocess
    from lassovae._differences import Differences, differences
    from lassovae._errors import InputError, SolveError, Stopped, TrainingError
    from lassovae._export import export_csv, export_tiff
    from lassovae._export_nwb import export_nwb
    from lassovae._model import Model, encode_run
    from lassovae._network import Network, network
    from lassovae._presets import Preset, preset, suggested_preprocess
    from lassovae._processes import describe_devices, require_device, start_processes
    from lassovae._records import load_analysis, save_analysis
    from lassovae._seed_spread import SeedSpread, seed_spread
    from lassovae._status import Status, raise_if_failed
    from lassovae.report import compare
    from lassovae.training import fit, load

__version__ = "0.1.0"

# public name -> module; imported at first use, so that a user of the lasso does not wait for the plots
_HOMES = {
    "Analysis": "_analysis",
    "Config": "_config",
    "Differences": "_differences",
    "InputError": "_errors",
    "Model": "_model",
    "Network": "_network",
    "Preprocess": "_config",
    "Preset": "_presets",
    "SeedSpread": "_seed_spread",
    "SolveError": "_errors",
    "Status": "_status",
    "Stopped": "_errors",
    "TrainingError": "_errors",
    "analyse": "_analysis",
    "compare": "report",
    "describe_devices": "_processes",
    "differences": "_differences",
    "encode_run": "_model",
    "export_csv": "_export",
    "export_nwb": "_export_nwb",
    "export_tiff": "_export",
    "fit": "training",
    "load": "training",
    "load_analysis": "_records",
    "network": "_network",
    "preset": "_presets",
    "raise_if_failed": "_status",
    "require_device": "_processes",
    "save_analysis": "_records",
    "seed_spread": "_seed_spread",
    "start_processes": "_processes",
    "suggested_preprocess": "_presets",
}
_PACKAGES = ("autoencoder", "data", "lasso", "maps", "plots", "report", "stats", "training", "var")

__all__ = [
    "Analysis",
    "Config",
    "Differences",
    "InputError",
    "Model",
    "Network",
    "Preprocess",
    "Preset",
    "SeedSpread",
    "SolveError",
    "Status",
    "Stopped",
    "TrainingError",
    "__version__",
    "analyse",
    "autoencoder",
    "compare",
    "data",
    "describe_devices",
    "differences",
    "encode_run",
    "export_csv",
    "export_nwb",
    "export_tiff",
    "fit",
    "lasso",
    "load",
    "load_analysis",
    "maps",
    "network",
    "plots",
    "preset",
    "raise_if_failed",
    "report",
    "require_device",
    "save_analysis",
    "seed_spread",
    "start_processes",
    "stats",
    "suggested_preprocess",
    "training",
    "var",
]


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return import_module(f"lassovae.{name}")
    if name in _HOMES:
        return getattr(import_module(f"lassovae.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'lassovae' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
