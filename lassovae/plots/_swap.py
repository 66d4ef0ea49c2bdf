"""The matrix of swapped coefficients as a heat map."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from lassovae._errors import InputError
from lassovae.plots._checks import as_array
from lassovae.plots._image import color_bar
from lassovae.plots._style import panel_title, short_name, styled

MOST_SIGNS = 40  # of the names below the matrix, which side by side would run into each other


@styled
def swap_matrix(
    ax: Axes,
    delta: ArrayLike,
    labels: Sequence[str],
    *,
    title: str = "",
    letter: str | None = None,
    group: bool = True,
    colorbar_label: str = r"$\Delta_{sr}$ (latent units²)",
) -> Axes:
    """Delta_sr with rows = data, columns = coefficients, and lines between the groups.

    The diagonal, zero by definition, is left blank. The scale ends at the 98th percentile, so that one run
    that fits nowhere does not hide the rest; the colour bar then ends in an arrow.

    Args:
        ax: where to draw.
        delta: (runs, runs) of `lassovae.stats.swap_errors`.
        labels: the condition of each run.
        title: at the left above the matrix.
        letter: panel letter before the title.
        group: put the runs of a condition together, in order of recording; False keeps the order given, with
            a line wherever the condition changes.
        colorbar_label: quantity and unit.

    Returns:
        ax; its image is ax.images[0].

    Raises:
        InputError: delta is not square, or labels do not fit.
    """
    matrix = as_array(delta, 2, "delta", "(runs, runs)")
    names = [str(label) for label in labels]
    if matrix.shape[0] != matrix.shape[1]:
        raise InputError(
            f"delta has shape {matrix.shape}: give a square matrix, one row and one column a run"
        )
    if len(names) != len(matrix):
        raise InputError(f"labels has {len(names)} entries for {len(matrix)} runs: give one label a run")
    if group:
        rank = {label: position for position, label in enumerate(dict.fromkeys(names))}
        order = sorted(range(len(names)), key=lambda run: rank[names[run]])
        matrix, names = matrix[np.ix_(order, order)], [names[run] for run in order]

    shown = np.ma.masked_array(matrix, mask=np.eye(len(matrix), dtype=bool) | ~np.isfinite(matrix))
    values = shown.compressed()
    high = float(np.percentile(values, 98)) if values.size else 1.0
    low = min(0.0, float(values.min())) if values.size else 0.0
    above = bool(values.size and values.max() > high)
    drawn = ax.imshow(shown, cmap="viridis", vmin=low, vmax=high if high > low else low + 1.0)
    starts = [0, *(i for i in range(1, len(names)) if names[i] != names[i - 1]), len(names)]
    for edge in starts[1:-1]:
        ax.axhline(edge - 0.5, color="white", linewidth=1.0)
        ax.axvline(edge - 0.5, color="white", linewidth=1.0)
    centres = [(a + b - 1) / 2 for a, b in itertools.pairwise(starts)]
    groups = [short_name(names[a], 14) for a in starts[:-1]]
    crowded = sum(len(name) for name in groups) > MOST_SIGNS
    ax.set_xticks(centres, groups, rotation=90 if crowded else 0)
    ax.set_yticks(centres, groups)
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.set_xlabel("coefficients of run $r$")
    ax.set_ylabel("data of run $s$")
    ax.set_facecolor("0.85")  # shows through where nothing is drawn
    panel_title(ax, title, letter)
    color_bar(drawn, ax, colorbar_label, extend="max" if above else "neither")
    return ax
