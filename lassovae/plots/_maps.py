"""Contribution maps over the mean frame: of every run, and of conditions with their standard errors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgba
from matplotlib.figure import Figure, SubFigure
from numpy.typing import ArrayLike, NDArray

from lassovae._errors import InputError
from lassovae.plots._checks import as_array, as_image, robust_limits, symmetric_limit
from lassovae.plots._image import color_bar, image
from lassovae.plots._style import COLORS, PAGE_INCHES, SEQUENTIAL_MAP, short_name, styled, use_figure

MOST_COLUMNS = 6
ERRORS = 2.0  # standard errors that a value must exceed to stay in the third column

# Clear at zero, where the mean frame shows through; the ends are those of the network's arrows.
OVERLAY_MAP = LinearSegmentedColormap.from_list(
    "overlay",
    [
        (0.0, to_rgba(COLORS["sky"], 1.0)),
        (0.5, to_rgba(COLORS["sky"], 0.0)),
        (0.5, to_rgba(COLORS["orange"], 0.0)),
        (1.0, to_rgba(COLORS["orange"], 1.0)),
    ],
)


@styled
def overlay(
    ax: Axes,
    values: ArrayLike,
    mean_frame: ArrayLike,
    *,
    limit: float | None = None,
    title: str = "",
    letter: str | None = None,
    colorbar_label: str | None = None,
) -> Axes:
    """A map in colours over the mean frame in grey: orange above zero, blue below, clear at zero.

    Args:
        ax: where to draw.
        values: (height, width).
        mean_frame: (height, width).
        limit: size of value that covers the mean frame; None: exceeded by one pixel in five hundred.
        title: at the left above the image.
        letter: panel letter before the title.
        colorbar_label: quantity and unit; draws a colour bar.

    Returns:
        ax; its images are the mean frame and the map.

    Raises:
        InputError: shapes do not fit.
    """
    below = as_image(mean_frame, "mean_frame")
    above = as_image(values, "values", below.shape)
    low, high = robust_limits(below)
    dim = (low, low + 1.8 * (high - low))  # colours must stand out from bright cells
    image(ax, below, title=title, letter=letter, limits=dim)
    size = symmetric_limit(above) if limit is None else limit
    drawn = ax.imshow(above, cmap=OVERLAY_MAP, vmin=-size, vmax=size, aspect="equal", interpolation="nearest")
    if colorbar_label is not None:
        bar = color_bar(drawn, ax, colorbar_label)
        bar.ax.set_facecolor("0.25")  # as of a mean frame: the middle of the bar is clear
    return ax


@styled
def run_maps_figure(
    maps: ArrayLike,
    names: Sequence[str],
    mean_frame: ArrayLike,
    *,
    label: str = "Ω − Ω(0)",
    figure: Figure | SubFigure | None = None,
) -> Figure | SubFigure:
    """One small map a run, all of one scale, over the mean frame.

    Args:
        maps: (runs, height, width), less the map of no influence.
        names: of the runs, for the titles.
        mean_frame: (height, width).
        label: quantity, at the colour bar.
        figure: where to draw; None: a new figure of page width.

    Returns:
        The figure; its axes begin with one a run, in order.

    Raises:
        InputError: shapes or numbers do not fit.
    """
    values = as_array(maps, 3, "maps", "(runs, height, width)")
    if len(names) != len(values):
        raise InputError(f"names has {len(names)} entries for {len(values)} maps: give one a map")
    height, width = values.shape[1:]
    columns = min(MOST_COLUMNS, max(2, math.ceil(math.sqrt(len(values)))))
    rows = math.ceil(len(values) / columns)
    panel = (PAGE_INCHES - 0.7) / columns
    figure = use_figure(figure, PAGE_INCHES, rows * (panel * height / width + 0.22) + 0.1)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    limit = symmetric_limit(values)
    longest = max(8, 60 // columns)
    bars = {min(len(values), columns) - 1}  # at the right end of the first row
    for i, (ax, name) in enumerate(zip(axes, names, strict=False)):
        bar = label if i in bars else None
        overlay(ax, values[i], mean_frame, limit=limit, title=short_name(name, longest), colorbar_label=bar)
    for ax in axes[len(values) :]:
        figure.delaxes(ax)
    return figure


@styled
def condition_maps_figure(
    maps: Mapping[str, tuple[ArrayLike, ArrayLike]],
    mean_frame: ArrayLike,
    *,
    label: str = "Ω − Ω(0)",
    figure: Figure | SubFigure | None = None,
) -> Figure | SubFigure:
    """A row a condition: its mean map, the standard error, and what of the map is larger than twice its error.

    Args:
        maps: condition -> (mean map less the map of no influence, its standard error), each (height, width).
        mean_frame: (height, width), below the first and the last column.
        label: quantity, at the colour bars.
        figure: where to draw; None: a new figure of page width.

    Returns:
        The figure; its axes start with three a row.

    Raises:
        InputError: no maps, or shapes that do not fit.
    """
    if not maps:
        raise InputError("maps is empty: give at least one condition")
    below = as_image(mean_frame, "mean_frame")
    pairs: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]] = {
        name: (
            as_image(mean, f"maps[{name!r}][0]", below.shape),
            as_image(error, f"maps[{name!r}][1]", below.shape),
        )
        for name, (mean, error) in maps.items()
    }
    panel = (PAGE_INCHES - 2.1) / 3
    figure = use_figure(figure, PAGE_INCHES, len(pairs) * (panel * below.shape[0] / below.shape[1] + 0.35))
    axes = figure.subplots(len(pairs), 3, squeeze=False)
    limit = symmetric_limit(*(mean for mean, _ in pairs.values()))
    largest = max(*(float(error.max()) for _, error in pairs.values()), 1e-12)
    letters = iter("abcdefghijklmnopqrstuvwxyz" * len(pairs))
    for row, (name, (mean, error)) in zip(axes, pairs.items(), strict=True):
        short = short_name(name, 12)
        overlay(row[0], mean, below, limit=limit, title=short, letter=next(letters), colorbar_label=label)
        image(
            row[1],
            error,
            title=f"{short}, standard error",
            letter=next(letters),
            limits=(0.0, largest),
            cmap=SEQUENTIAL_MAP,
            colorbar_label=label,
        )
        sure = np.where(np.abs(mean) > ERRORS * error, mean, 0.0)
        title = f"{short}, beyond {ERRORS:g} errors"
        overlay(row[2], sure, below, limit=limit, title=title, letter=next(letters), colorbar_label=label)
    return figure
