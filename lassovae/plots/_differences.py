"""Where conditions differ: the difference of contribution maps, its error, what of it is significant, and edges."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import ArrayLike

from lassovae.plots._checks import as_image, symmetric_limit
from lassovae.plots._image import draw_outlines, image
from lassovae.plots._network import influence_network
from lassovae.plots._style import PAGE_INCHES, SEQUENTIAL_MAP, short_name, styled, use_figure


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
    candidates: bool = False,
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
        candidates: the titles say so instead, as where too few units vouch for that rate.
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
    a, b = (short_name(condition, 12) for condition in conditions)
    named = f"{a} − {b}"
    label = "ΔΩ (intensity)"
    kind = "candidates" if candidates else f"false-discovery rate {rate:g}"
    number = int((as_image(edges, "edges") != 0).sum())
    for ax, values, title, letter in (
        (axes[0, 0], first, f"{named}, mean over blocks", "a"),
        (axes[1, 0], kept, f"{named}, {kind}", "c"),
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
    if not kept.any():
        _say(axes[1, 0], "no candidate pixel" if candidates else "no pixel is significant")
    matrix = as_image(edges, "edges")
    influence_network(
        axes[1, 1],
        matrix[None],
        latent_shape,
        mean_frame,
        num_edges=60,
        signs=(f"more positive in {a}", f"more positive in {b}"),
        title=f"Candidate edges ({number})" if candidates else f"Edges that differ ({number})",
        letter="d",
        pixel_size_um=pixel_size_um,
    )
    if not matrix.any():
        _say(axes[1, 1], "no candidate edge" if candidates else "no edge is significant")
        axes[1, 1].get_legend().remove()  # of signs that no arrow has
    return figure


def _say(ax: Axes, words: str) -> None:
    """Words in the middle of a panel that would else look as if its drawing had failed."""
    ax.text(
        0.5,
        0.5,
        words,
        transform=ax.transAxes,
        ha="center",
        va="center",
        fontsize=8,
        bbox={"facecolor": "white", "edgecolor": "0.6", "linewidth": 0.5, "boxstyle": "round,pad=0.5"},
    )
