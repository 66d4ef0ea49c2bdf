"""The ablation: errors of every run under every way of combining autoencoder and VAR."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import ArrayLike, NDArray

from lassovae._errors import InputError
from lassovae.plots._checks import as_array
from lassovae.plots._style import PAGE_INCHES, mode_color, mode_name, panel_title, styled, use_figure


@styled
def run_points(
    ax: Axes,
    values: Mapping[str, ArrayLike],
    *,
    label: str,
    unit: str = "",
    reference: tuple[float, str] | None = None,
) -> Axes:
    """A column of points a mode, one point a run, with the mean as a bar; thin lines join the same run.

    Args:
        ax: where to draw.
        values: mode -> (runs,); runs are joined where neighbouring modes have equally many.
        label: quantity, on the axis.
        unit: its unit; very small or large values are drawn in a power of ten of it.
        reference: (value, name) of a dashed line, such as the error of the mean frame alone.

    Returns:
        ax.

    Raises:
        InputError: no mode, or values that are not a vector.
    """
    if not values:
        raise InputError("values is empty: give at least one mode")
    columns = [as_array(v, 1, f"values[{name!r}]", "(runs,)") for name, v in values.items()]
    exponent = _exponent(max(float(np.abs(column).max()) for column in columns))
    columns = [np.asarray(column / 10.0**exponent, dtype=np.float64) for column in columns]
    places = [x + _spread(column) for x, column in enumerate(columns)]
    for left, right in itertools.pairwise(zip(places, columns, strict=True)):
        if left[1].size == right[1].size:
            pair = np.stack([left, right])  # (mode, place or value, runs)
            ax.plot(pair[:, 0], pair[:, 1], color="0.8", linewidth=0.4, zorder=1)
    for x, (name, place, column) in enumerate(zip(values, places, columns, strict=True)):
        ax.scatter(place, column, s=7, color=mode_color(name, x), alpha=0.8, linewidths=0, zorder=2)
        ax.plot([x - 0.25, x + 0.25], [column.mean()] * 2, color="black", linewidth=1.4, zorder=3)
    if reference is not None:
        height, name = reference[0] / 10.0**exponent, reference[1]
        ax.axhline(height, color="0.4", linewidth=0.8, linestyle="--", zorder=0)
        ax.annotate(
            name,
            (1, height),
            xycoords=("axes fraction", "data"),
            xytext=(0, 2),
            textcoords="offset points",
            ha="right",
            va="bottom",
            color="0.3",
            fontsize=6.5,
        )
    names = [mode_name(name) for name in values]
    crowded = sum(map(len, names)) > 40 or len(names) > 5  # of half a page's width: their names would touch
    ax.set_xticks(
        range(len(columns)), names, rotation=30 if crowded else 0, ha="right" if crowded else "center"
    )
    ax.set_xlim(-0.5, len(columns) - 0.5)
    ax.set_ylim(bottom=0)
    power = f"$10^{{{exponent}}}$" if exponent else ""
    scaled = " ".join(part for part in (power, unit) if part)
    ax.set_ylabel(f"{label} ({scaled})" if scaled else label)
    return ax


@styled
def ablation_figure(
    reconstruction_errors: Mapping[str, ArrayLike],
    relative_errors: Mapping[str, ArrayLike],
    *,
    mean_frame_error: float | None = None,
    figure: Figure | SubFigure | None = None,
) -> Figure | SubFigure:
    """Reconstruction error and relative forecast error of every run, by mode.

    Args:
        reconstruction_errors: mode -> (runs,) L_rec, in squared intensity.
        relative_errors: mode -> (runs,) R_var, without unit; 1 is a forecast of zero.
        mean_frame_error: L_rec of the mean frame alone, drawn as a line to beat.
        figure: where to draw; None: a new figure of page width.

    Returns:
        The figure with two axes.

    Raises:
        InputError: as `run_points`, or the two name different modes.
    """
    if list(reconstruction_errors) != list(relative_errors):
        raise InputError(
            "reconstruction_errors and relative_errors name different modes: give the same, in order"
        )
    figure = use_figure(figure, PAGE_INCHES, 2.3)
    left, right = figure.subplots(1, 2)
    reference = None if mean_frame_error is None else (mean_frame_error, "mean frame alone")
    run_points(left, reconstruction_errors, label=r"$L_\mathrm{rec}$", unit="intensity²", reference=reference)
    run_points(right, relative_errors, label=r"$R_\mathrm{var}$", reference=(1.0, "forecast of zero"))
    panel_title(left, "Reconstruction error", "a")
    panel_title(right, "Relative forecast error", "b")
    return figure


def _exponent(largest: float) -> int:
    """The power of ten taken out of an axis: none for values that are easily read."""
    if not np.isfinite(largest) or largest == 0 or 1e-2 <= largest < 1e4:
        return 0
    return int(np.floor(np.log10(largest)))


def _spread(column: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sideways places of points: by rank along the golden ratio, so neighbours in value lie apart, always alike."""
    rank = np.argsort(np.argsort(column, kind="stable"), kind="stable")
    places = 0.24 * ((rank * 0.6180339887) % 1.0 - 0.5)
    return np.asarray(places, dtype=np.float64)
