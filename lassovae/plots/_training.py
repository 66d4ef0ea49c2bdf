"""How a training went: quantities by step, a line a model."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure, SubFigure
from numpy.typing import ArrayLike, NDArray

from lassovae._errors import InputError
from lassovae.plots._checks import as_array
from lassovae.plots._style import PAGE_INCHES, mode_color, mode_name, panel_title, styled, use_figure

QUANTITIES = {
    "loss": "loss",
    "relative_error": r"$R_\mathrm{var}$ (window)",
    "nonzeros": "nonzeros a target",
}


@styled
def training_curves(
    curves: Mapping[str, Mapping[str, ArrayLike]],
    *,
    quantities: Mapping[str, str] | None = None,
    smoothing: int = 15,
    log: tuple[str, ...] = ("loss",),
    figure: Figure | SubFigure | None = None,
) -> Figure | SubFigure:
    """One panel a quantity: what every step gave as a thin line, its running mean as a thick one.

    Args:
        curves: model name -> {"step": (steps,), and any of the quantities: (steps,)}.
        quantities: key -> axis label with unit; None: "loss", "relative_error" and "nonzeros". Every model
            may lack some; a quantity that none has is left out.
        smoothing: steps in the running mean; at the ends it has fewer. 1 draws the raw line alone.
        log: quantities on a logarithmic axis, if they are all positive.
        figure: where to draw; None: a new figure of page width.

    Returns:
        The figure, an axes a quantity.

    Raises:
        InputError: no model, no "step", none of the quantities, or lengths that differ.
    """
    labels = dict(QUANTITIES if quantities is None else quantities)
    shown = [key for key in labels if any(key in curve for curve in curves.values())]
    if not shown:
        raise InputError(f"curves hold none of {', '.join(labels)}: name theirs in quantities")
    if smoothing < 1:
        raise InputError(f"smoothing={smoothing} must be an integer of at least 1")
    figure = use_figure(figure, PAGE_INCHES, 2.0)
    axes = figure.subplots(1, len(shown), squeeze=False)[0]
    for letter, ax, key in zip("abcdefghijklmnopqrstuvwxyz", axes, shown, strict=False):
        positive = True
        for index, (name, curve) in enumerate(curves.items()):
            if "step" not in curve:
                raise InputError(f"curves[{name!r}] has no 'step': give the step of every value")
            if key not in curve:
                continue
            steps = as_array(curve["step"], 1, f"curves[{name!r}]['step']", "(steps,)")
            values = as_array(curve[key], 1, f"curves[{name!r}][{key!r}]", "(steps,)")
            if steps.shape != values.shape:
                raise InputError(
                    f"curves[{name!r}][{key!r}] has {values.size} values for {steps.size} steps: give one a step"
                )
            positive &= bool((values[np.isfinite(values)] > 0).all())
            color = mode_color(name, index)
            if smoothing > 1:
                ax.plot(steps, values, color=color, linewidth=0.4, alpha=0.35)
            ax.plot(steps, running_mean(values, smoothing), color=color, linewidth=1.2, label=mode_name(name))
        if key in log and positive:
            ax.set_yscale("log")
        else:
            ax.set_ylim(bottom=min(0.0, ax.get_ylim()[0]))
        ax.set_xlabel("step")
        ax.set_ylabel(labels[key])
        panel_title(ax, "", letter)
    handles, names = axes[0].get_legend_handles_labels()
    if len(curves) > 1:
        figure.legend(handles, names, loc="outside upper center", ncols=len(handles))
    return figure


def running_mean(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Centred mean over `width` values, over fewer at the ends; what is not finite is left out."""
    finite = np.isfinite(values)
    kernel = np.ones(min(width, values.size))
    total = np.convolve(np.where(finite, values, 0.0), kernel, mode="same")
    count = np.convolve(finite.astype(float), kernel, mode="same")
    result: NDArray[np.float64] = np.where(count > 0.5, total / np.maximum(count, 1.0), np.nan)
    return result
