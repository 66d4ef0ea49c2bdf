"""What the skip connection does to the latents: the paper's Figure 2."""

from __future__ import annotations

from matplotlib.figure import Figure, SubFigure
from numpy.typing import ArrayLike

from lassovae.plots._checks import as_image, robust_limits
from lassovae.plots._image import image, latent_map
from lassovae.plots._style import PAGE_INCHES, styled, use_figure


@styled
def skip_figure(
    latent_without: ArrayLike,
    latent_with: ArrayLike,
    decoded_without: ArrayLike,
    decoded_with: ArrayLike,
    frame: ArrayLike,
    reconstruction: ArrayLike,
    *,
    frame_index: int | None = None,
    pixel_size_um: float | None = None,
    figure: Figure | SubFigure | None = None,
) -> Figure | SubFigure:
    """Latents, decoder output, input and reconstruction of one frame, without and with the skip connection.

    Upper row without it (a, b) and the input (c); lower row with it (d, e) and the reconstruction (f). The
    input and the reconstruction share their contrast. Latents and decoder outputs have their own, because the
    two models have different units; each has its colour bar.

    Args:
        latent_without: (latent_height, latent_width), model without skip connection.
        latent_with: the same, with it.
        decoded_without: (height, width) decoder output without skip connection: the whole image.
        decoded_with: the same, with it: the relative change of the mean frame.
        frame: (height, width), intensities in [0, 1].
        reconstruction: (height, width) of the model with skip connection.
        frame_index: named in the title of the input.
        pixel_size_um: side of a pixel in micrometres; draws a scale bar on the input.
        figure: where to draw; None: a new figure of page width.

    Returns:
        The figure; its first six axes are a to f.

    Raises:
        InputError: images of different shapes.
    """
    pixels = as_image(frame, "frame")
    rebuilt = as_image(reconstruction, "reconstruction", pixels.shape)
    whole = as_image(decoded_without, "decoded_without", pixels.shape)
    change = as_image(decoded_with, "decoded_with", pixels.shape)
    shape = as_image(latent_without, "latent_without").shape
    as_image(latent_with, "latent_with", shape)

    width = PAGE_INCHES
    panel = width / 3 - 0.65  # what the colour bars leave
    figure = use_figure(figure, width, 2 * (panel * pixels.shape[0] / pixels.shape[1] + 0.3))
    axes = figure.subplots(2, 3)
    shared = robust_limits(pixels, rebuilt)
    when = "" if frame_index is None else f", frame {frame_index}"
    latent_map(axes[0, 0], latent_without, title="Latent, no skip", letter="a", colorbar_label="z")
    image(axes[0, 1], whole, title="Decoder output, no skip", letter="b", colorbar_label="output")
    image(
        axes[0, 2],
        pixels,
        title=f"Input{when}",
        letter="c",
        limits=shared,
        pixel_size_um=pixel_size_um,
        colorbar_label="intensity",
    )
    latent_map(axes[1, 0], latent_with, title="Latent, skip", letter="d", colorbar_label="z")
    image(
        axes[1, 1],
        change,
        title="Decoder output, skip",
        letter="e",
        symmetric=True,
        colorbar_label="relative change",
    )
    image(
        axes[1, 2],
        rebuilt,
        title="Reconstruction, skip",
        letter="f",
        limits=shared,
        colorbar_label="intensity",
    )
    return figure
