"""One figure of the report: the drawing, its words, and the numbers that it shows."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.figure import Figure, SubFigure

Columns = Mapping[str, Any]  # column -> values, all of one length


@dataclass(frozen=True, eq=False)
class Drawing:
    """A figure before it is written.

    Attributes:
        name: of the file, without suffix.
        section: part of the page that it belongs to.
        title: a few words.
        caption: what is seen, in sentences.
        figure: drawn.
        data: name of a CSV file, without suffix -> its columns.
        alt: what somebody who cannot see it is told; the caption, if there is none.
    """

    name: str
    section: str
    title: str
    caption: str
    figure: Figure | SubFigure
    data: Mapping[str, Columns] = field(default_factory=dict)
    alt: str = ""


@dataclass(frozen=True)
class Missing:
    """A figure that these results do not allow.

    Attributes:
        section: part of the page where it would have been.
        title: of the figure.
        why: one sentence.
    """

    section: str
    title: str
    why: str


Drawn = Drawing | Missing


def pixels(**images: np.ndarray) -> dict[str, np.ndarray]:
    """Columns of images of one shape, a row a pixel: where it is, then the value of each image there."""
    first = next(iter(images.values()))
    rows, columns = np.indices(np.shape(first))
    found = {"pixel_row": rows.ravel(), "pixel_column": columns.ravel()}
    return found | {name: np.asarray(values).ravel() for name, values in images.items()}


def edge_columns(
    targets: np.ndarray, sources: np.ndarray, width: int, **values: np.ndarray
) -> dict[str, np.ndarray]:
    """Columns of edges: places of source and target on the latent map of this width, then the values."""
    places = {
        "source_row": sources // width,
        "source_column": sources % width,
        "target_row": targets // width,
        "target_column": targets % width,
    }
    return {name: np.asarray(column) for name, column in (places | values).items()}


def _text(value: Any) -> str:
    if isinstance(value, float | np.floating):
        return "" if np.isnan(value) else f"{value:.6g}"
    return str(value)


def csv_text(columns: Columns) -> str:
    """Columns as CSV with six digits; what is not a number is left empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    values: list[Sequence[Any]] = [np.asarray(column).tolist() for column in columns.values()]
    writer.writerows([_text(value) for value in row] for row in zip(*values, strict=True))
    return text.getvalue()
