"""The strongest couplings between nodes, drawn where the nodes lie."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch
from numpy.typing import ArrayLike

from lassovae._errors import InputError
from lassovae.plots._checks import as_coef, as_image, robust_limits
from lassovae.plots._image import image
from lassovae.plots._style import COLORS, styled


@styled
def influence_network(
    ax: Axes,
    coef: ArrayLike,
    latent_shape: tuple[int, int],
    mean_frame: ArrayLike,
    *,
    num_edges: int = 30,
    signs: tuple[str, str] = ("positive", "negative"),
    title: str = "",
    letter: str | None = None,
    pixel_size_um: float | None = None,
) -> Axes:
    """The strongest edges as arrows from source to target over the mean frame.

    The strength of an edge is sum_k |A_k[target, source]|, its colour the sign of sum_k A_k[target, source];
    the width grows with the strength. A node lies at the centre of its pixels.

    Args:
        ax: where to draw.
        coef: (lags, targets, sources), one run's or a mean over runs.
        latent_shape: (latent_height, latent_width).
        mean_frame: (height, width).
        num_edges: how many edges at most; those of strength 0 and a node's own past are never drawn.
        signs: names of the two colours in the legend.
        title: at the left above the image.
        letter: panel letter before the title.
        pixel_size_um: side of a pixel in micrometres; draws a scale bar.

    Returns:
        ax; arrows are FancyArrowPatch among ax.patches, strongest last.

    Raises:
        InputError: coef does not fit latent_shape, or num_edges is less than 1.
    """
    pixels = as_image(mean_frame, "mean_frame")
    rows, columns = latent_shape
    values = as_coef(coef, "coef", rows * columns)
    if num_edges < 1:
        raise InputError(f"num_edges={num_edges} must be an integer of at least 1")
    strength = np.abs(values).sum(axis=0)
    np.fill_diagonal(strength, 0.0)
    sign = np.sign(values.sum(axis=0))
    strongest = np.argsort(strength, axis=None, kind="stable")[::-1][:num_edges]
    targets, sources = np.unravel_index(strongest, strength.shape)

    low, high = robust_limits(pixels)
    dim = (low, low + 1.8 * (high - low))  # arrows must stand out from bright cells
    image(ax, pixels, title=title, letter=letter, limits=dim, pixel_size_um=pixel_size_um)
    height, width = pixels.shape
    x = (np.arange(rows * columns) % columns + 0.5) * width / columns - 0.5
    y = (np.arange(rows * columns) // columns + 0.5) * height / rows - 0.5
    peak = float(strength.max()) or 1.0
    used: set[int] = set()
    for target, source in reversed(list(zip(targets, sources, strict=True))):
        weight = float(strength[target, source]) / peak
        if weight == 0:
            continue
        used.update((int(target), int(source)))
        color = COLORS["orange"] if sign[target, source] >= 0 else COLORS["sky"]
        arrow = FancyArrowPatch(
            (x[source], y[source]),
            (x[target], y[target]),
            connectionstyle="arc3,rad=0.18",  # curved, so that an edge and its return do not coincide
            arrowstyle="-|>",
            mutation_scale=4 + 4 * weight,
            linewidth=0.4 + 1.6 * weight,
            color=color,
            alpha=0.45 + 0.55 * weight,
            shrinkA=2,
            shrinkB=2,
        )
        ax.add_patch(arrow)
    nodes = sorted(used)
    ax.scatter(x[nodes], y[nodes], s=5, color="white", edgecolors="black", linewidths=0.4, zorder=3)
    handles = [
        Line2D([], [], color=COLORS["orange"], label=signs[0]),
        Line2D([], [], color=COLORS["sky"], label=signs[1]),
    ]
    ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(0, 0), ncols=2, borderaxespad=0.3)
    return ax
