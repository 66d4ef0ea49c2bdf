"""Forecasts and reconstructions along the strength of the penalty: the paper's Figure 4."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import ArrayLike, NDArray

from lassovae._errors import InputError
from lassovae.plots._checks import as_image, robust_limits
from lassovae.plots._image import image
from lassovae.plots._style import PAGE_INCHES, panel_title, styled, use_figure


@styled
def forecast_traces(
    ax: Axes,
    latents: ArrayLike,
    forecasts: Mapping[float, ArrayLike],
    nodes: Sequence[int],
    *,
    frame_rate_hz: float | None = None,
    mark_frame: int | None = None,
) -> Axes:
    """Latents of chosen nodes in black, one above the other, with their forecasts in colours.

    Args:
        ax: where to draw.
        latents: (time, nodes) or (time, latent_height, latent_width). Centre them as the forecasts were.
        forecasts: lam -> (time - order, nodes or grid), forecasts of the last frames of `latents`.
        nodes: indices of the nodes drawn, row-major; the first at the top.
        frame_rate_hz: time in seconds instead of frames.
        mark_frame: a frame marked by a dotted line.

    Returns:
        ax.

    Raises:
        InputError: shapes do not fit, a node out of range, or no nodes or forecasts.
    """
    z = _flat(latents, "latents", None)
    chosen = [int(node) for node in nodes]
    if not chosen or not forecasts:
        raise InputError("nodes and forecasts must not be empty: choose at least one of each")
    if min(chosen) < 0 or max(chosen) >= z.shape[1]:
        raise InputError(f"nodes {chosen} out of range: choose from 0 to {z.shape[1] - 1}")
    rate = 1.0 if frame_rate_hz is None else frame_rate_hz
    if not rate > 0:
        raise InputError(f"frame_rate_hz={frame_rate_hz} must be positive: frames in a second")
    time = np.arange(len(z)) / rate
    span = float(np.ptp(z[:, chosen], axis=0).max()) or 1.0
    offsets = -1.1 * span * np.arange(len(chosen))
    baseline = z[:, chosen].mean(axis=0)

    ax.plot(time, z[:, chosen] - baseline + offsets, color="black", linewidth=0.7)
    lams = sorted(forecasts)
    # the dark end of the map would pass for the black latents, the bright end would not show on white
    colors = mpl.colormaps["plasma"](np.linspace(0.2, 0.8, len(lams))) if len(lams) > 1 else ["#0072B2"]
    for lam, color in zip(lams, colors, strict=True):
        forecast = _flat(forecasts[lam], f"forecasts[{lam}]", z.shape[1])
        if len(forecast) > len(z):
            raise InputError(
                f"forecasts[{lam}] has {len(forecast)} frames, latents {len(z)}: use the same run"
            )
        ax.plot(
            time[len(z) - len(forecast) :],
            forecast[:, chosen] - baseline + offsets,
            color=color,
            linewidth=0.8,
        )
    handles = [ax.plot([], [], color="black", label="latent")[0]]
    handles += [
        ax.plot([], [], color=c, label=f"λ = {lam:g}")[0] for lam, c in zip(lams, colors, strict=True)
    ]
    ax.legend(
        handles=handles, loc="lower right", bbox_to_anchor=(1, 1), ncols=len(handles), borderaxespad=0.2
    )
    if mark_frame is not None:
        ax.axvline(mark_frame / rate, color="0.45", linewidth=0.7, linestyle=":")
    ax.set_yticks(offsets, [f"node {node}" for node in chosen])
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.set_xlim(0, time[-1] if len(time) > 1 else 1)
    ax.set_xlabel("time (frames)" if frame_rate_hz is None else "time (s)")
    return ax


@styled
def forecast_figure(
    latents: ArrayLike,
    forecasts: Mapping[float, ArrayLike],
    nodes: Sequence[int],
    frame: ArrayLike,
    reconstructions: Mapping[float, ArrayLike],
    *,
    frame_index: int,
    frame_rate_hz: float | None = None,
    pixel_size_um: float | None = None,
    figure: Figure | SubFigure | None = None,
) -> Figure | SubFigure:
    """Traces with forecasts above; input and reconstructions at the smallest and the largest lam below.

    Args:
        latents: (time, nodes) or (time, latent_height, latent_width), centred as the forecasts were.
        forecasts: lam -> (time - order, nodes or grid).
        nodes: indices of the nodes drawn.
        frame: (height, width), the input at `frame_index`.
        reconstructions: lam -> (height, width) at `frame_index`; the smallest and the largest lam are shown.
        frame_index: the frame of the images, marked in the traces.
        frame_rate_hz: time in seconds instead of frames.
        pixel_size_um: side of a pixel in micrometres; draws a scale bar.
        figure: where to draw; None: a new figure of page width.

    Returns:
        The figure; its axes are the traces, the input, and the reconstructions.

    Raises:
        InputError: as `forecast_traces`, fewer than two reconstructions, or images of different shapes.
    """
    pixels = as_image(frame, "frame")
    if len(reconstructions) < 2:
        raise InputError(f"reconstructions has {len(reconstructions)} lam: give the smallest and the largest")
    ends = (min(reconstructions), max(reconstructions))
    rebuilt = [as_image(reconstructions[lam], f"reconstructions[{lam}]", pixels.shape) for lam in ends]

    below = (PAGE_INCHES / 3 - 0.3) * pixels.shape[0] / pixels.shape[1] + 0.3
    above = 0.45 * len(list(nodes)) + 0.8
    figure = use_figure(figure, PAGE_INCHES, above + below)
    grid = figure.add_gridspec(2, 3, height_ratios=[above, below])
    traces = figure.add_subplot(grid[0, :])
    forecast_traces(traces, latents, forecasts, nodes, frame_rate_hz=frame_rate_hz, mark_frame=frame_index)
    panel_title(traces, "Latents and forecasts", "a")
    limits = robust_limits(pixels, *rebuilt)
    panels = [
        (pixels, f"Input, frame {frame_index}", "b", pixel_size_um),
        (rebuilt[0], f"Reconstruction, λ = {ends[0]:g}", "c", None),
        (rebuilt[1], f"Reconstruction, λ = {ends[1]:g}", "d", None),
    ]
    for column, (values, title, letter, size) in enumerate(panels):
        image(
            figure.add_subplot(grid[1, column]),
            values,
            title=title,
            letter=letter,
            limits=limits,
            pixel_size_um=size,
            colorbar_label="intensity" if column == 2 else None,
        )
    return figure


def _flat(values: ArrayLike, name: str, nodes: int | None) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim not in (2, 3) or array.size == 0:
        raise InputError(f"{name} has shape {array.shape}: give (time, nodes) or (time, height, width)")
    array = array.reshape(len(array), -1)
    if nodes is not None and array.shape[1] != nodes:
        raise InputError(f"{name} has {array.shape[1]} nodes, latents {nodes}: use the same model")
    return array
