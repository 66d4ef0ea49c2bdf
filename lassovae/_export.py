"""Results in formats of others: tidy CSV, a TIFF stack of maps for napari and ImageJ, and NWB."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from lassovae._errors import InputError
from lassovae._files import make_folder, replacing
from lassovae._names import unique

if TYPE_CHECKING:
    from lassovae._analysis import Analysis

LATENTS, INFLUENCES = "latents.csv", "influences.csv"
COEFFICIENTS, CONDITION_COEFFICIENTS = "coefficients.csv", "condition_coefficients.csv"


@contextmanager
def written_whole(target: Path, *, folder: bool = False) -> Iterator[Path]:
    """A place beside `target` to write to, which takes its name when all is written, and goes if that fails.

    Args:
        target: a file or folder that is not there yet.
        folder: make a folder of the place.

    Yields:
        The place; its suffix is that of the target.

    Raises:
        InputError: the target exists, or its folder cannot be written to.
    """
    if target.exists():
        raise InputError(f"{target}: exists and is not overwritten; choose another name or remove it")
    make_folder(target.parent)
    with replacing(target, folder=folder) as place:
        yield place


def _digits(values: np.ndarray) -> str:
    """A format that gives every number of this type back exactly."""
    return ".9g" if values.dtype.itemsize <= 4 else ".17g"


def _table(path: Path, columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(columns)
        writer.writerows(rows)


def _runs(analysis: Analysis) -> list[tuple[str, str, int]]:
    """Name, condition and block of every run."""
    return list(zip(analysis.names, analysis.labels, analysis.blocks, strict=True))


def _nonzero(coef: np.ndarray, *first: Any) -> Iterator[list[Any]]:
    """Rows of the non-zero entries of (lags, targets, sources), lags counted from 1."""
    shown = _digits(coef)
    for lag, target, source in zip(*np.nonzero(coef), strict=True):
        yield [*first, lag + 1, target, source, format(coef[lag, target, source], shown)]


def export_csv(folder: str | os.PathLike[str], analysis: Analysis) -> Path:
    """Write latents, coefficients and influences as CSV, one observation a row.

    * latents.csv: run, condition, block, frame (from 0), then a column for every node, node_0 at the upper left and on
      along the rows of the latent grid.
    * coefficients.csv: run, condition, block, lag (from 1), target, source, coefficient; those that are not zero.
    * condition_coefficients.csv: the same of the fit to all runs of each condition.
    * influences.csv: run, condition, block, node, its row and column on the latent grid, outflow.

    Numbers have as many digits as give the same bits back.

    Args:
        folder: to be made; one of this name must not be there.
        analysis: from `analyse`.

    Returns:
        The folder. It appears when all files are written.

    Raises:
        InputError: the folder exists, or cannot be written to.
    """
    target = Path(folder)
    runs, grid = _runs(analysis), analysis.latents[0].shape[1:]
    nodes = int(np.prod(grid))

    def latents() -> Iterator[list[Any]]:
        for run, values in zip(runs, analysis.latents, strict=True):
            flat = np.asarray(values).reshape(len(values), nodes)
            shown = _digits(flat)
            for frame, row in enumerate(flat):
                yield [*run, frame, *(format(value, shown) for value in row)]

    def influences() -> Iterator[list[Any]]:
        for run, values in zip(runs, analysis.influences, strict=True):
            shown = _digits(values)
            for node, value in enumerate(values):
                yield [*run, node, *divmod(node, grid[1]), format(value, shown)]

    def coefficients() -> Iterator[list[Any]]:
        for run, coef in zip(runs, np.asarray(analysis.fit.coef), strict=True):
            yield from _nonzero(coef, *run)

    def pooled() -> Iterator[list[Any]]:
        for condition, fit in analysis.pooled.items():
            yield from _nonzero(np.asarray(fit.coef), condition)

    of_run, edge = ["run", "condition", "block"], ["lag", "target", "source", "coefficient"]
    with written_whole(target, folder=True) as place:
        _table(place / LATENTS, [*of_run, "frame", *(f"node_{node}" for node in range(nodes))], latents())
        _table(place / COEFFICIENTS, [*of_run, *edge], coefficients())
        _table(place / CONDITION_COEFFICIENTS, ["condition", *edge], pooled())
        _table(place / INFLUENCES, [*of_run, "node", "row", "column", "outflow"], influences())
    return target


def labelled_maps(analysis: Analysis) -> dict[str, np.ndarray]:
    """Every map of an analysis by what it shows, each (height, width): runs, conditions, pooled fits, difference."""
    maps = [
        (f"run {name} ({label})", image)
        for (name, label, _), image in zip(_runs(analysis), analysis.maps, strict=True)
    ]
    maps += [(f"condition {condition}", image) for condition, image in analysis.condition_maps.items()]
    maps += [(f"condition {condition}, one fit", image) for condition, image in analysis.pooled_maps.items()]
    if analysis.difference is not None:
        first, second = analysis.conditions[:2]
        maps.append((f"difference {first} minus {second}", analysis.difference))
    labels = unique(label for label, _ in maps)  # a condition may be called "F, one fit"
    return dict(zip(labels, (image for _, image in maps), strict=True))


def export_tiff(
    path: str | os.PathLike[str],
    analysis: Analysis,
    *,
    pixel_size_um: float | tuple[float, float] | None = None,
) -> Path:
    """Write all maps as one stack of float32 images with labels, which napari and ImageJ open.

    Args:
        path: a `.tif` file to be made.
        analysis: from `analyse`.
        pixel_size_um: (height, width) in micrometres of a pixel of the maps, or one number. Maps have the pixels of the
            preprocessed frames: that of the recording times `config.preprocess.downscale`.

    Returns:
        The path. The file appears when it is whole.

    Raises:
        InputError: the file exists, is not called .tif or .tiff, or cannot be written.
    """
    from lassovae.data._recording import check_pixel_size

    target = Path(path)
    if target.suffix.lower() not in (".tif", ".tiff"):
        raise InputError(f"{target}: a stack of maps is a TIFF file; end its name in .tif")
    size = check_pixel_size(str(target), pixel_size_um)
    maps = labelled_maps(analysis)
    metadata: dict[str, Any] = {"axes": "ZYX", "Labels": list(maps), "mode": "grayscale"}
    resolution: dict[str, Any] = {}
    if size is not None:
        metadata["unit"] = "um"
        resolution["resolution"] = (1 / size[1], 1 / size[0])
    with written_whole(target) as place:
        stack = np.stack(list(maps.values())).astype(np.float32)
        tifffile.imwrite(place, stack, imagej=True, metadata=metadata, **resolution)
    return target
