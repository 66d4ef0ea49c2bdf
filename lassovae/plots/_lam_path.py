"""What becomes of the couplings as the penalty grows: how many survive, and how well they forecast."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure, SubFigure
from numpy.typing import ArrayLike

from lassovae._errors import InputError
from lassovae.plots._checks import as_array
from lassovae.plots._style import COLORS, PAGE_INCHES, panel_title, styled, use_figure


@styled
def lam_path_figure(
    lams: ArrayLike,
    nonzeros: ArrayLike,
    held_out: ArrayLike,
    *,
    used: float,
    figure: Figure | SubFigure | None = None,
) -> Figure | SubFigure:
    """Couplings a target and held-out error against the l1 strength, with the strength that was used.

    Args:
        lams: (strengths,), positive.
        nonzeros: (strengths,) mean number of non-zero coefficients a target.
        held_out: (strengths,) R_var of frames that the fit has not seen; without unit.
        used: the strength of the fits that the report shows.
        figure: where to draw; None: a new figure of page width.

    Returns:
        The figure with two axes.

    Raises:
        InputError: lengths differ, or a strength is not positive.
    """
    strengths = as_array(lams, 1, "lams", "(strengths,)")
    count = as_array(nonzeros, 1, "nonzeros", "(strengths,)")
    error = as_array(held_out, 1, "held_out", "(strengths,)")
    if not strengths.shape == count.shape == error.shape:
        raise InputError(
            f"lams, nonzeros and held_out have {strengths.size}, {count.size} and {error.size} entries: give as many"
        )
    if not (strengths > 0).all() or not used > 0:
        raise InputError("lams and used must be above 0, as strengths on a logarithmic axis are")
    figure = use_figure(figure, PAGE_INCHES, 2.2)
    left, right = figure.subplots(1, 2)
    for ax, values, color in ((left, count, COLORS["blue"]), (right, error, COLORS["vermillion"])):
        ax.axvline(used, color="0.4", linewidth=0.8, linestyle="--", zorder=0)
        ax.plot(strengths, values, color=color, marker="o", markersize=3)
        ax.set_xscale("log")
        ax.set_xticks(strengths, [f"{value:.2g}" for value in strengths])
        ax.set_xticks([], minor=True)
        ax.set_xlabel("l1 strength λ (stronger to the right)")
    left.set_ylim(bottom=0)
    left.set_ylabel("non-zeros a target")
    left.annotate(
        "used",
        (used, 1),
        xycoords=("data", "axes fraction"),
        xytext=(3, -2),
        textcoords="offset points",
        va="top",
        color="0.3",
        fontsize=6.5,
    )
    best = int(np.argmin(error))
    right.scatter(
        strengths[best], error[best], s=40, facecolors="none", edgecolors="black", linewidths=0.8, zorder=3
    )
    right.annotate(
        "lowest",
        (strengths[best], error[best]),
        xytext=(0, 7),
        textcoords="offset points",
        ha="center",
        color="0.3",
        fontsize=6.5,
    )
    right.set_ylabel(r"held-out $R_\mathrm{var}$")
    right.margins(y=0.2)
    panel_title(left, "Couplings that survive", "a")
    panel_title(right, "Error on frames held out", "b")
    return figure
