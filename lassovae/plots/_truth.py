"""What was simulated: cells, drivers, couplings of both conditions, traces."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import ArrayLike

from lassovae._errors import InputError
from lassovae.plots._checks import as_array, as_coef, as_image
from lassovae.plots._image import color_bar, draw_outlines, image
from lassovae.plots._style import (
    COLORS,
    DIVERGING_MAP,
    PAGE_INCHES,
    panel_title,
    short_name,
    styled,
    use_figure,
)


@styled
def truth_figure(
    mean_frame: ArrayLike,
    footprints: ArrayLike,
    drivers: ArrayLike,
    coupling_a: ArrayLike,
    coupling_b: ArrayLike,
    traces: ArrayLike,
    *,
    conditions: tuple[str, str] = ("F", "N"),
    frame_rate_hz: float | None = None,
    pixel_size_um: float | None = None,
    num_traces: int = 6,
    figure: Figure | SubFigure | None = None,
) -> Figure | SubFigure:
    """The mean frame with its cells, drivers marked; couplings of both conditions; traces of some cells.

    Args:
        mean_frame: (height, width).
        footprints: (cells, height, width).
        drivers: (cells,) booleans.
        coupling_a: (lags, targets, sources) of the cells, first condition; summed over lags, without a cell's
            own past.
        coupling_b: the same, second condition.
        traces: (time, cells) of one run.
        conditions: names of the two.
        frame_rate_hz: time in seconds instead of frames.
        pixel_size_um: side of a pixel in micrometres; draws a scale bar.
        num_traces: cells whose traces are drawn, drivers first.
        figure: where to draw; None: a new figure of page width.

    Returns:
        The figure; its first four axes are the cells, the two couplings and the traces.

    Raises:
        InputError: shapes do not fit.
    """
    pixels = as_image(mean_frame, "mean_frame")
    cells = as_array(footprints, 3, "footprints", "(cells, height, width)")
    mask = np.asarray(drivers)
    if mask.dtype != bool or mask.shape != (len(cells),):
        raise InputError(
            f"drivers ({mask.dtype}, shape {mask.shape}) must be one boolean for each of {len(cells)}"
        )
    values = as_array(traces, 2, "traces", "(time, cells)")
    if values.shape[1] != len(cells):
        raise InputError(f"traces has {values.shape[1]} cells, footprints {len(cells)}: give the same cells")
    couplings = []
    for name, coupling in (("coupling_a", coupling_a), ("coupling_b", coupling_b)):
        total = as_coef(coupling, name, len(cells)).sum(axis=0)
        np.fill_diagonal(total, 0.0)
        couplings.append(total)

    figure = use_figure(figure, PAGE_INCHES, 4.0)
    grid = figure.add_gridspec(2, 3, width_ratios=[1.3, 1, 1], height_ratios=[1.25, 1])
    ax = figure.add_subplot(grid[0, 0])
    image(ax, pixels, title="Mean frame, cells and drivers", letter="a", pixel_size_um=pixel_size_um)
    if (~mask).any():
        draw_outlines(ax, cells[~mask], pixels.shape, color=COLORS["sky"], width=0.7)
    if mask.any():
        draw_outlines(ax, cells[mask], pixels.shape, color=COLORS["orange"], width=1.2)
    limit = max(float(np.abs(total).max()) for total in couplings) or 1.0
    panels = [figure.add_subplot(grid[0, 1 + i]) for i in range(2)]
    for panel, total, condition, letter in zip(panels, couplings, conditions, "bc", strict=True):
        panel.imshow(total, cmap=DIVERGING_MAP, vmin=-limit, vmax=limit)
        panel.set_xlabel("source cell")
        panel.set_ylabel("target cell")
        for spine in panel.spines.values():
            spine.set_visible(True)
        panel_title(panel, f"True coupling, {short_name(condition, 12)}", letter)
    color_bar(panels[1].images[0], panels[1], "coupling, sum over lags")
    _draw_traces(figure.add_subplot(grid[1, :]), values, mask, num_traces, frame_rate_hz)
    return figure


def _draw_traces(ax: Axes, values: np.ndarray, drivers: np.ndarray, number: int, rate: float | None) -> None:
    chosen = np.concatenate([np.flatnonzero(drivers)[: (number + 1) // 2], np.flatnonzero(~drivers)])[:number]
    time = np.arange(len(values)) / (1.0 if rate is None else rate)
    span = float(np.ptp(values[:, chosen], axis=0).max()) or 1.0
    offsets = -1.0 * span * np.arange(len(chosen))
    for cell, offset in zip(chosen, offsets, strict=True):
        color = COLORS["orange"] if drivers[cell] else COLORS["blue"]
        ax.plot(time, values[:, cell] - values[:, cell].min() + offset, color=color, linewidth=0.7)
    ax.set_yticks(offsets, [f"cell {cell}{' (driver)' if drivers[cell] else ''}" for cell in chosen])
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.set_xlim(0, time[-1] if len(time) > 1 else 1)
    ax.set_xlabel("time (frames)" if rate is None else "time (s)")
    panel_title(ax, "True activity of some cells", "d")
