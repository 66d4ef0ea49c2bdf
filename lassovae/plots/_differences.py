"""Where conditions differ: the difference of contribution maps, its error, what of it is significant, and edges."""

from __future__ import annotations

from matplotlib.figure import Figure, SubFigure
from numpy.typing import ArrayLike

from lassovae.plots._checks import as_image, symmetric_limit
from lassovae.plots._image import draw_outlines, image
from lassovae.plots._network import influence_network
from lassovae.plots._style import PAGE_INCHES, SEQUENTIAL_MAP, styled, use_figure


@styled
def differences_figure(
    difference: ArrayLike,
    standard_error: ArrayLike,
    thresholded: ArrayLike,
    edges: ArrayLike,
    latent_shape: tuple[int, int],
    mean_frame: ArrayLike,
    *,
    conditions: tuple[str, str] = ("F", "N"),
    rate: float = 0.05,
    footprints: ArrayLike | None = None,
    pixel_size_um: float | None = None,
    figure: Figure | SubFigure | None = None,
) -> Figure | SubFigure:
    """Four panels: the difference map, its standard error, the thresholded map, and the edges that differ.

    Args:
        difference: (height, width), map of the first condition less that of the second.
        standard_error: (height, width), of it.
        thresholded: (height, width), the difference where it is significant, 0 elsewhere.
        edges: (targets, sources), difference of couplings where it is significant, 0 elsewhere.
        latent_shape: (latent_height, latent_width).
        mean_frame: (height, width).
        conditions: names of the two.
        rate: false-discovery rate of the thresholds, for the titles.
        footprints: (cells, height, width) of a known truth; outlined at half of their peak on the maps.
        pixel_size_um: side of a pixel in micrometres; draws a scale bar on the network.
        figure: where to draw; None: a new figure of page width.

    Returns:
        The figure; its axes start with the four panels.

    Raises:
        InputError: shapes do not fit.
    """
    first = as_image(difference, "difference")
    error = as_image(standard_error, "standard_error", first.shape)
    kept = as_image(thresholded, "thresholded", first.shape)
    panel = (PAGE_INCHES - 2.0) / 2
    figure = use_figure(figure, PAGE_INCHES, 2 * (panel * first.shape[0] / first.shape[1] + 0.42))
    axes = figure.subplots(2, 2)
    limit = symmetric_limit(first)
    named = f"{conditions[0]} − {conditions[1]}"
    label = "ΔΩ (intensity)"
    for ax, values, title, letter in (
        (axes[0, 0], first, f"{named}, mean over blocks", "a"),
        (axes[1, 0], kept, f"{named}, false-discovery rate {rate:g}", "c"),
    ):
        image(
            ax,
            values,
            title=title,
            letter=letter,
            limits=(-limit, limit),
            symmetric=True,
            colorbar_label=label,
        )
        if footprints is not None:
            draw_outlines(ax, footprints, first.shape, color="black", width=0.5)
    image(
        axes[0, 1],
        error,
        title="Standard error over blocks",
        letter="b",
        limits=(0.0, max(float(error.max()), 1e-12)),
        cmap=SEQUENTIAL_MAP,
        colorbar_label=label,
    )
    matrix = as_image(edges, "edges")
    influence_network(
        axes[1, 1],
        matrix[None],
        latent_shape,
        mean_frame,
        num_edges=60,
        signs=(f"more positive in {conditions[0]}", f"in {conditions[1]}"),
        title=f"Edges that differ ({int((matrix != 0).sum())})",
        letter="d",
        pixel_size_um=pixel_size_um,
    )
    return figure
