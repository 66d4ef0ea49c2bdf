"""Every figure of a report, drawn, and written beside its numbers."""

from __future__ import annotations

import logging
from pathlib import Path

from lassovae import plots
from lassovae._files import make_folder
from lassovae.report import _figures_maps as maps
from lassovae.report import _figures_models as models
from lassovae.report import _figures_network as network
from lassovae.report import _figures_time as time
from lassovae.report._drawing import Drawing, Drawn, csv_text
from lassovae.report._outdated import FIGURES, NUMBERS, remove_outdated
from lassovae.report._scene import Scene
from lassovae.training import write_text

logger = logging.getLogger("lassovae")

DRAWN = (
    maps.differences,
    maps.condition_maps,
    maps.contribution,
    maps.run_maps,
    maps.regions,
    network.networks,
    network.swaps,
    time.forecasts,
    time.movie,
    network.path,
    models.ablation,
    models.training,
    time.skip,
    models.truth,
)


def draw_all(scene: Scene, folder: Path) -> list[Drawn]:
    """Draw and save every figure that these results allow.

    Args:
        scene: results, and what they were made from.
        folder: for the PNG files; the numbers of each figure go to folder/data as CSV.

    Returns:
        What was drawn, and what could not be with the reason, in the order of the page.
    """
    make_folder(folder / "data")
    found: list[Drawn] = []
    for draw in DRAWN:
        drawn = draw(scene)
        if drawn is None:
            continue
        if isinstance(drawn, Drawing):
            plots.save(drawn.figure.get_figure(root=True), folder / f"{drawn.name}.png")
            for stem, columns in drawn.data.items():
                write_text(folder / "data" / f"{stem}.csv", csv_text(columns))
            logger.info("report: figure %s drawn", drawn.name)
        found.append(drawn)
    drawings = [drawn for drawn in found if isinstance(drawn, Drawing)]
    remove_outdated(folder, FIGURES, [drawn.name for drawn in drawings], ".png")
    numbers = [
        "viewer",
        *(stem for drawn in drawings for stem in drawn.data),
    ]  # the viewer is written afterwards
    remove_outdated(folder / "data", NUMBERS, numbers, ".csv")
    return found
