"""Single images: frames, maps, latents, with scale bar and colour bar."""

from __future__ import annotations

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.image import AxesImage
from numpy.typing import ArrayLike, NDArray

from lassovae._errors import InputError
from lassovae.plots._checks import as_array, as_image, robust_limits, symmetric_limit
from lassovae.plots._style import DIVERGING_MAP, IMAGE_MAP, panel_title, styled


@styled
def image(
    ax: Axes,
    frame: ArrayLike,
    *,
    title: str = "",
    letter: str | None = None,
    limits: tuple[float, float] | None = None,
    cmap: str = IMAGE_MAP,
    symmetric: bool = False,
    pixel_size_um: float | None = None,
    colorbar_label: str | None = None,
) -> Axes:
    """One image with square pixels and no ticks.

    Args:
        ax: where to draw.
        frame: (height, width).
        title: at the left above the image.
        letter: panel letter before the title.
        limits: darkest and brightest value; None: the 0.5th and 99.5th percentile.
        cmap: matplotlib's name of the map.
        symmetric: limits -L to L and, unless `cmap` is given, a diverging map; for differences.
        pixel_size_um: side of a pixel in micrometres; draws a scale bar.
        colorbar_label: quantity and unit; draws a colour bar.

    Returns:
        ax; its image is ax.images[0].

    Raises:
        InputError: frame is not (height, width), or pixel_size_um is not positive.
    """
    pixels = as_image(frame, "frame")
    if symmetric:
        limit = symmetric_limit(pixels) if limits is None else max(map(abs, limits))
        limits, cmap = (-limit, limit), DIVERGING_MAP if cmap == IMAGE_MAP else cmap
    low, high = robust_limits(pixels) if limits is None else limits
    drawn = ax.imshow(pixels, cmap=cmap, vmin=low, vmax=high, aspect="equal", interpolation="nearest")
    _frame_only(ax)
    panel_title(ax, title, letter)
    if pixel_size_um is not None:
        scale_bar(ax, pixels.shape[1], pixel_size_um, dark=symmetric)
    if colorbar_label is not None:
        color_bar(drawn, ax, colorbar_label)
    return ax


@styled
def latent_map(
    ax: Axes,
    latent: ArrayLike,
    *,
    title: str = "",
    letter: str | None = None,
    limits: tuple[float, float] | None = None,
    colorbar_label: str | None = None,
) -> Axes:
    """One latent frame, a square a node, on a diverging map centred at zero.

    Args:
        ax: where to draw.
        latent: (latent_height, latent_width).
        title: at the left above the map.
        letter: panel letter before the title.
        limits: the larger absolute value is used on both sides; None: from the data.
        colorbar_label: quantity and unit; draws a colour bar.

    Returns:
        ax; its image is ax.images[0].

    Raises:
        InputError: latent is not (latent_height, latent_width).
    """
    return image(
        ax,
        as_image(latent, "latent"),
        title=title,
        letter=letter,
        limits=limits,
        symmetric=True,
        colorbar_label=colorbar_label,
    )


def color_bar(drawn: AxesImage, ax: Axes, label: str, *, extend: str = "neither") -> Colorbar:
    """A slim colour bar exactly as high as the image of `ax`, at its right, with few ticks."""
    bar = ax.figure.colorbar(drawn, cax=ax.inset_axes((1.03, 0.0, 0.045, 1.0)), extend=extend)
    bar.set_label(label)
    bar.ax.locator_params(axis="y", nbins=4)
    bar.outline.set_linewidth(0.4)
    bar.ax.yaxis.get_offset_text().set_horizontalalignment("left")
    return bar


def scale_bar(ax: Axes, width_pixels: int, pixel_size_um: float, *, dark: bool = False) -> None:
    """A bar of a round length, at most a quarter of the width, at the lower right; `dark` on light images."""
    if not (np.isfinite(pixel_size_um) and pixel_size_um > 0):
        raise InputError(
            f"pixel_size_um={pixel_size_um} must be positive: the side of a pixel in micrometres"
        )
    wanted = 0.25 * width_pixels * pixel_size_um
    power = 10.0 ** np.floor(np.log10(wanted))
    length_um = max(step for step in (1.0, 2.0, 5.0) if step * power <= wanted) * power
    length = length_um / pixel_size_um
    bottom = ax.get_ylim()[0]
    height = abs(np.diff(ax.get_ylim())[0])
    right, level = width_pixels * 0.96 - 0.5, bottom - 0.06 * height
    color, halo = ("black", "white") if dark else ("white", "black")

    def edge(width: float) -> list[patheffects.AbstractPathEffect]:
        return [patheffects.withStroke(linewidth=width, foreground=halo)]

    ax.plot([right - length, right], [level, level], color=color, linewidth=1.6, path_effects=edge(2.6))
    ax.text(
        right,
        level - 0.03 * height,
        f"{length_um:g} µm",
        color=color,
        ha="right",
        va="bottom",
        fontsize=6,
        path_effects=edge(1.4),
    )


def draw_outlines(
    ax: Axes, footprints: ArrayLike, shape: tuple[int, ...], *, color: str = "white", width: float = 0.6
) -> NDArray[np.float64]:
    """Outline each footprint at half of its own peak."""
    cells = as_array(footprints, 3, "footprints", "(cells, height, width)")
    if cells.shape[1:] != shape:
        raise InputError(
            f"footprints have frames of {cells.shape[1:]}, the image {shape}: use one frame size"
        )
    for cell in cells:
        peak = cell.max()
        if peak > 0 and (cell < 0.5 * peak).any():
            ax.contour(cell, levels=[0.5 * peak], colors=[color], linewidths=width)
    return cells


def _frame_only(ax: Axes) -> None:
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)
