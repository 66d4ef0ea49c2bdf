"""Contribution maps of two conditions and their difference: the paper's Figure 3."""

from __future__ import annotations

from collections.abc import Mapping
from string import ascii_lowercase

from matplotlib.figure import Figure, SubFigure
from numpy.typing import ArrayLike

from lassovae._errors import InputError
from lassovae.plots._checks import as_image, robust_limits
from lassovae.plots._image import color_bar, draw_outlines, image, scale_bar
from lassovae.plots._style import PAGE_INCHES, SEQUENTIAL_MAP, mode_name, short_name, styled, use_figure


@styled
def contribution_figure(
    maps: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    conditions: tuple[str, str] = ("F", "N"),
    label: str = "Ω (intensity)",
    footprints: ArrayLike | None = None,
    pixel_size_um: float | None = None,
    figure: Figure | SubFigure | None = None,
) -> Figure | SubFigure:
    """One row a model: the map of either condition and their difference.

    The two conditions of a row share their limits; a difference has limits symmetric about zero.

    Args:
        maps: model name -> (map of the first condition, map of the second), each (height, width).
        conditions: names of the two.
        label: of the maps' colour bars.
        footprints: (cells, height, width) of a known truth; outlined at half of their peak on the difference.
        pixel_size_um: side of a pixel in micrometres; draws a scale bar on the first map.
        figure: where to draw; None: a new figure of page width.

    Returns:
        The figure; its axes start with three a row.

    Raises:
        InputError: no maps, or maps of different shapes.
    """
    if not maps:
        raise InputError("maps is empty: give at least one model's pair of maps")
    pairs = {name: (as_image(a, f"maps[{name!r}][0]"), b) for name, (a, b) in maps.items()}
    shape = next(iter(pairs.values()))[0].shape
    panel = (PAGE_INCHES - 1.5) / 3
    named = [short_name(condition, 12) for condition in conditions]
    figure = use_figure(figure, PAGE_INCHES, len(pairs) * (panel * shape[0] / shape[1] + 0.32))
    axes = figure.subplots(len(pairs), 3, squeeze=False)
    letters = iter(ascii_lowercase * len(pairs))
    for row, (name, (first, other)) in zip(axes, pairs.items(), strict=True):
        first = as_image(first, f"maps[{name!r}][0]", shape)
        second = as_image(other, f"maps[{name!r}][1]", shape)
        limits = robust_limits(first, second)
        for ax, condition, values in zip(row[:2], named, (first, second), strict=True):
            title = f"{mode_name(name)}, {condition}"
            image(ax, values, title=title, letter=next(letters), limits=limits, cmap=SEQUENTIAL_MAP)
        color_bar(row[1].images[0], row[1], label)
        image(
            row[2],
            first - second,
            title=f"{mode_name(name)}, {named[0]} − {named[1]}",
            letter=next(letters),
            symmetric=True,
            colorbar_label="ΔΩ (intensity)",
        )
        if footprints is not None:
            draw_outlines(row[2], footprints, shape, color="black", width=0.5)
    if pixel_size_um is not None:
        scale_bar(axes[0, 0], shape[1], pixel_size_um)
    return figure
