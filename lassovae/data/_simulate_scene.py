"""A simulated field of view: cells with soft somatic footprints on a textured background with vessels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from lassovae._errors import InputError

BORDER_PX = 6.0  # cells' centres stay this far from the border of the frame
SEPARATION_PX = (
    9.5  # between the centres of any two cells: their bodies just touch, and they rarely share 8x8 pixels
)
VIGNETTE = 0.35  # fraction of the light that is lost towards the corners
VESSEL_DEPTH = 0.6  # fraction of the light that a vessel's axis absorbs
CELL_CONTRAST = 0.7  # resting brightness of a cell above its surroundings
PLACEMENT_TRIALS = 20


@dataclass(frozen=True, eq=False)
class Scene:
    """What does not move.

    Attributes:
        positions: (cells, 2), row and column in pixels.
        footprints: (cells, height, width), peak 1.
        baseline: (height, width), resting light, mean 1.
    """

    positions: np.ndarray
    footprints: np.ndarray
    baseline: np.ndarray


def smooth_field(rng: np.random.Generator, shape: tuple[int, int], sigma_px: float) -> np.ndarray:
    """A random field (height, width) with mean 0, standard deviation 1 and features of about `sigma_px` pixels."""
    pad = int(np.ceil(3 * sigma_px))
    noise = rng.standard_normal((shape[0] + 2 * pad, shape[1] + 2 * pad))
    field = ndimage.gaussian_filter(noise, sigma_px, mode="wrap")
    field = field[pad : pad + shape[0], pad : pad + shape[1]] / field.std()
    return field - field.mean()


def _vessels(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Transmission (height, width) in (0, 1] of vessels that wander across the frame."""
    height, width = shape
    length = int(2 * np.hypot(height, width))
    transmission = np.ones(shape)
    for _ in range(max(1, round(height * width / 4000))):
        heading = rng.uniform(0, 2 * np.pi)
        start = np.array([rng.uniform(0, height), rng.uniform(0, width)])
        turns = np.cumsum(rng.normal(0, 0.06, (2, length)), axis=1)
        axis_free = np.ones(shape, bool)
        for side, turn in zip((0.0, np.pi), turns, strict=True):  # both ways from a point inside the frame
            steps = np.stack([np.sin(heading + side + turn), np.cos(heading + side + turn)])
            row, column = np.rint(start[:, None] + np.cumsum(steps, axis=1)).astype(int)
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            axis_free[row[inside], column[inside]] = False
        if axis_free.all():
            continue
        distance = ndimage.distance_transform_edt(axis_free)
        radius = rng.uniform(1.2, 2.8)
        transmission *= 1 - VESSEL_DEPTH * np.exp(-((distance / radius) ** 2))
    return np.maximum(transmission, 1 - VESSEL_DEPTH)


def _place(
    rng: np.random.Generator, shape: tuple[int, int], num_cells: int, free: np.ndarray, separation_px: float
) -> np.ndarray:
    """Positions (cells, 2), uniform over the free pixels subject to the separation."""
    rows, columns = np.indices(shape, dtype=float)
    inside = (
        np.minimum.reduce([rows, columns, shape[0] - 1 - rows, shape[1] - 1 - columns]) >= BORDER_PX + 0.5
    )
    best = 0
    for trial in range(PLACEMENT_TRIALS):
        open_pixels = inside & free if trial < PLACEMENT_TRIALS // 2 else inside.copy()
        positions = np.empty((0, 2))
        while len(positions) < num_cells:
            choices = np.flatnonzero(open_pixels)
            if not len(choices):
                break
            position = np.array(np.unravel_index(rng.choice(choices), shape)) + rng.uniform(-0.5, 0.5, 2)
            positions = np.vstack([positions, position])
            # Centres move by up to half a pixel on each axis from the pixel they are drawn in.
            open_pixels &= np.hypot(rows - position[0], columns - position[1]) >= separation_px + 0.71
        if len(positions) == num_cells:
            return positions
        best = max(best, len(positions))
    raise InputError(
        f"num_cells={num_cells} do not fit into frame_shape={shape} at {separation_px} pixels from each other; "
        f"at most about {best} do: use fewer cells or larger frames"
    )


def _footprint(rng: np.random.Generator, shape: tuple[int, int], position: np.ndarray) -> np.ndarray:
    """A soft-edged ellipse (height, width) with a dimmer nucleus, peak 1, exactly 0 far from the cell."""
    radius = rng.uniform(3.5, 4.5)
    stretch = np.exp(rng.uniform(-0.13, 0.13))
    angle = rng.uniform(0, np.pi)
    nucleus = rng.uniform(0.0, 0.45)
    rows, columns = np.indices(shape, dtype=float)
    dy, dx = rows - position[0], columns - position[1]
    along, across = np.cos(angle) * dx + np.sin(angle) * dy, np.cos(angle) * dy - np.sin(angle) * dx
    distance = np.hypot(along / stretch, across * stretch)
    with np.errstate(over="ignore"):  # far away: 1 over infinity is the 0 that is meant
        body = 1 / (1 + np.exp((distance - radius) / 0.45))
    ring = body * (1 - nucleus * np.exp(-0.5 * (distance / (0.42 * radius)) ** 2))
    ring *= 1 + 0.08 * smooth_field(rng, shape, 1.0)
    ring[distance > radius + 3] = 0
    return np.maximum(ring, 0) / ring.max()


def make_scene(
    rng: np.random.Generator, shape: tuple[int, int], num_cells: int, separation_px: float = SEPARATION_PX
) -> Scene:
    """Draw a field of view.

    Args:
        rng: consumed.
        shape: (height, width) in pixels.
        num_cells: cells to place.
        separation_px: between the centres of any two of them.

    Returns:
        A Scene; its baseline is positive everywhere.

    Raises:
        InputError: the cells do not fit.
    """
    transmission = _vessels(rng, shape)
    positions = _place(rng, shape, num_cells, transmission > 0.75, separation_px)
    footprints = np.stack([_footprint(rng, shape, position) for position in positions])
    rows, columns = np.meshgrid(np.linspace(-1, 1, shape[0]), np.linspace(-1, 1, shape[1]), indexing="ij")
    vignette = 1 - VIGNETTE * (rows**2 + columns**2) / 2
    texture = np.exp(0.13 * smooth_field(rng, shape, 1.0) + 0.15 * smooth_field(rng, shape, 5.0))
    brightness = CELL_CONTRAST * rng.uniform(0.5, 1.5, num_cells)
    baseline = vignette * transmission * texture * (1 + np.einsum("c,chw->hw", brightness, footprints))
    return Scene(positions, footprints, baseline / baseline.mean())
