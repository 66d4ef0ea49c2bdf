"""Soft regions of interest: which pixels each node has claimed."""

from __future__ import annotations

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure, SubFigure
from numpy.typing import ArrayLike, NDArray

from lassovae._errors import InputError
from lassovae.plots._checks import as_array, as_image
from lassovae.plots._image import draw_outlines, image
from lassovae.plots._style import COLORS, PAGE_INCHES, SEQUENTIAL_MAP, styled, use_figure


def _borders(owner: NDArray[np.intp]) -> list[list[tuple[float, float]]]:
    """Sides of pixels (height, width) between which the owner changes, as lines ((x, y), (x, y))."""
    down, right = np.argwhere(owner[1:] != owner[:-1]), np.argwhere(owner[:, 1:] != owner[:, :-1])
    level = [[(x - 0.5, y + 0.5), (x + 0.5, y + 0.5)] for y, x in down.tolist()]
    upright = [[(x + 0.5, y - 0.5), (x + 0.5, y + 0.5)] for y, x in right.tolist()]
    return level + upright


@styled
def regions_figure(
    mean_frame: ArrayLike,
    node_footprints: ArrayLike,
    *,
    cells: ArrayLike | None = None,
    pixel_size_um: float | None = None,
    figure: Figure | SubFigure | None = None,
) -> Figure | SubFigure:
    """Where one node's region ends and the next begins, and how decided that is.

    Args:
        mean_frame: (height, width).
        node_footprints: (nodes, height, width) of `lassovae.autoencoder.node_footprints`, in [0, 1].
        cells: (cells, height, width) footprints to outline, for example true ones.
        pixel_size_um: side of a pixel in micrometres; draws a scale bar.
        figure: where to draw; None: a new figure of page width.

    Returns:
        The figure; its first two axes are the regions on the mean frame and the largest share of each pixel.

    Raises:
        InputError: shapes do not fit.
    """
    pixels = as_image(mean_frame, "mean_frame")
    share = as_array(node_footprints, 3, "node_footprints", "(nodes, height, width)")
    if share.shape[1:] != pixels.shape:
        raise InputError(f"node_footprints has shape {share.shape}, mean_frame {pixels.shape}: use one frame")
    figure = use_figure(figure, PAGE_INCHES, 2.6)
    left, right = figure.subplots(1, 2)
    image(left, pixels, title="Regions on the mean frame", letter="a", pixel_size_um=pixel_size_um)
    image(
        right,
        share.max(axis=0),
        title="Share of the node that claims most",
        letter="b",
        limits=(0.25, 1.0),
        cmap=SEQUENTIAL_MAP,
        colorbar_label="share of the pixel",
    )
    left.add_collection(LineCollection(_borders(share.argmax(axis=0)), colors=COLORS["sky"], linewidths=0.5))
    for ax in (left, right):
        if cells is not None:
            draw_outlines(ax, cells, pixels.shape, color=COLORS["orange"], width=0.8)
    return figure
