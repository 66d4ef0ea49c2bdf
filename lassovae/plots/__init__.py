"""Figures from arrays, without a GUI backend.

Panels (`image`, `latent_map`, `forecast_traces`, `run_points`, `swap_matrix`, `influence_network`) take an
Axes first and return it. Whole figures take `figure=`, a Figure or SubFigure to draw into, make one if there
is none, and return it; `save` writes it.
"""

from lassovae.plots._ablation import ablation_figure, run_points
from lassovae.plots._checks import robust_limits, symmetric_limit
from lassovae.plots._contribution import contribution_figure
from lassovae.plots._differences import differences_figure
from lassovae.plots._forecast import forecast_figure, forecast_traces
from lassovae.plots._image import image, latent_map
from lassovae.plots._lam_path import lam_path_figure
from lassovae.plots._maps import condition_maps_figure, overlay, run_maps_figure
from lassovae.plots._movie import movie_strip
from lassovae.plots._network import influence_network
from lassovae.plots._regions import regions_figure
from lassovae.plots._skip import skip_figure
from lassovae.plots._style import COLORS, MODE_COLORS, new_figure, save, short_name, style
from lassovae.plots._swap import swap_matrix
from lassovae.plots._training import training_curves
from lassovae.plots._truth import truth_figure

__all__ = [
    "COLORS",
    "MODE_COLORS",
    "ablation_figure",
    "condition_maps_figure",
    "contribution_figure",
    "differences_figure",
    "forecast_figure",
    "forecast_traces",
    "image",
    "influence_network",
    "lam_path_figure",
    "latent_map",
    "movie_strip",
    "new_figure",
    "overlay",
    "regions_figure",
    "robust_limits",
    "run_maps_figure",
    "run_points",
    "save",
    "short_name",
    "skip_figure",
    "style",
    "swap_matrix",
    "symmetric_limit",
    "training_curves",
    "truth_figure",
]
