"""A few frames of a run: input, reconstruction and what is left."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure, SubFigure
from numpy.typing import ArrayLike

from lassovae._errors import InputError
from lassovae.plots._checks import as_array, robust_limits, symmetric_limit
from lassovae.plots._image import color_bar, image, scale_bar
from lassovae.plots._style import PAGE_INCHES, styled, use_figure


@styled
def movie_strip(
    frames: ArrayLike,
    reconstructions: ArrayLike,
    *,
    frame_indices: Sequence[int] | None = None,
    frame_rate_hz: float | None = None,
    pixel_size_um: float | None = None,
    figure: Figure | SubFigure | None = None,
) -> Figure | SubFigure:
    """Three rows, a column a frame: input, reconstruction, residual.

    Input and reconstruction share one contrast, all residuals another, symmetric about zero.

    Args:
        frames: (shown, height, width), the frames to show, intensities in [0, 1].
        reconstructions: (shown, height, width) of the same frames.
        frame_indices: (shown,) their places in the run, for the titles.
        frame_rate_hz: titles in seconds instead of frames.
        pixel_size_um: side of a pixel in micrometres; draws a scale bar.
        figure: where to draw; None: a new figure of page width.

    Returns:
        The figure; its axes start with the three rows.

    Raises:
        InputError: shapes or numbers of frames differ.
    """
    shown = as_array(frames, 3, "frames", "(shown, height, width)")
    rebuilt = as_array(reconstructions, 3, "reconstructions", "(shown, height, width)")
    if shown.shape != rebuilt.shape:
        raise InputError(
            f"reconstructions has shape {rebuilt.shape}, frames {shown.shape}: give the same frames"
        )
    if frame_indices is not None and len(frame_indices) != len(shown):
        raise InputError(
            f"frame_indices has {len(frame_indices)} entries for {len(shown)} frames: give one a frame"
        )
    number, height, width = shown.shape
    panel = (PAGE_INCHES - 1.2) / number
    figure = use_figure(figure, PAGE_INCHES, 3 * (panel * height / width + 0.06) + 0.25)
    axes = figure.subplots(3, number, squeeze=False)
    residual = shown - rebuilt
    limits, limit = robust_limits(shown, rebuilt), symmetric_limit(residual)
    for column in range(number):
        title = ""
        if frame_indices is not None:
            index = frame_indices[column]
            title = f"frame {index}" if frame_rate_hz is None else f"{index / frame_rate_hz:.1f} s"
        image(axes[0, column], shown[column], title=title, limits=limits)
        image(axes[1, column], rebuilt[column], limits=limits)
        image(axes[2, column], residual[column], limits=(-limit, limit), symmetric=True)
    for row, name in zip(axes, ("input", "reconstruction", "residual"), strict=True):
        row[0].set_ylabel(name)
        color_bar(row[-1].images[0], row[-1], "intensity")
    if pixel_size_um is not None:
        scale_bar(axes[0, 0], width, pixel_size_um)
    return figure
