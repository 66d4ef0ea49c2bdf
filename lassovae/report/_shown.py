"""Tables as a person reads them: which columns, under which headings, with how many digits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lassovae.report._tables import Row, ablation
from lassovae.report._types import Results
from lassovae.stats import PAIRS_NOT_INDEPENDENT, format_pvalue

MODEL_TITLES = {"end_to_end": "end-to-end model", "block_mean": "block-mean model", "model": "model"}

# table -> (part of the page, title, explanation, {heading: column})
SHOWN: dict[str, tuple[str, str, str, dict[str, str]]] = {
    "ablation": (
        "models",
        "Reconstruction and forecast (the paper's Table 2)",
        "Means over runs. L_rec: mean squared error of frames in [0, 1], times 1000; from the forecast except for "
        "the sequential model, which decodes the frame's own latents. R_var: 0 is a perfect forecast, 1 none; fits "
        "to windows, to whole runs, judged on the last 40 % of a run, and to shuffled copies.",
        {
            "model": "model",
            "λ": "lam",
            "L_rec": "l_rec_mean",
            "L_rec of forecast": "l_rec_forecast_mean",
            "mean frame": "l_rec_mean_frame_mean",
            "R_var window": "r_var_window_mean",
            "run": "r_var_run_mean",
            "held out": "r_var_held_out_mean",
            "window, shuffled": "r_var_shuffled_window_mean",
            "run, shuffled": "r_var_shuffled_run_mean",
            "non-zeros": "nonzeros_mean",
        },
    ),
    "truth_recovery": (
        "models",
        "How much of the truth was found",
        "Areas under the ROC curve (0.5 is chance): drivers by outflow, cells whose outgoing coupling differs by the "
        "difference of outflow, edges, drivers among the pixels of cells by the contribution maps, pixels of changed "
        "cells among all by the difference map; then the median correlation of nodes with the cells they follow.",
        {
            "model": "model",
            "fits": "fits",
            "λ": "lam",
            "drivers, 1st": "drivers_a",
            "drivers, 2nd": "drivers_b",
            "difference": "difference",
            "edges, 1st": "edges_a",
            "edges, 2nd": "edges_b",
            "map of drivers": "driver_map",
            "difference map": "difference_map",
            "Gini": "gini",
            "node-cell r": "node_cell_correlation",
        },
    ),
    "permutation_tests": (
        "tests",
        "Do the conditions differ? Permutation of blocks of runs",
        "centres: how far apart the conditions' average coefficients lie, against the scatter of runs; its p-value is "
        "the answer. ANOSIM R: unequal scatter misleads it. dispersion: F ratio of how the conditions scatter. "
        "A p-value is the share of relabellings that look as "
        "different; a design cannot reach less than the smallest.",
        {
            "model": "model",
            "λ": "lam",
            "group": "group_a",
            "against": "group_b",
            "test": "test",
            "statistic": "statistic",
            "p": "pvalue",
            "smallest p": "smallest_pvalue",
            "relabellings": "num_relabellings",
            "units": "num_units",
        },
    ),
    "effect_sizes": (
        "tests",
        "How far the conditions lie apart",
        "Excess swap errors of runs across conditions less those within, with an interval over resampled blocks; zero "
        "is no difference. From few blocks the interval is too narrow.",
        {
            "model": "model",
            "λ": "lam",
            "group": "group_a",
            "against": "group_b",
            "estimate": "estimate",
            "low": "low",
            "high": "high",
            "confidence": "confidence",
            "units": "num_units",
        },
    ),
    "group_tests": (
        "tests",
        "Swap tests between groups of runs (the paper's Table 1), for comparison",
        PAIRS_NOT_INDEPENDENT,
        {
            "model": "model",
            "λ": "lam",
            "group": "group_a",
            "against": "group_b",
            "p": "pvalue",
            "Bonferroni": "pvalue_bonferroni",
            "Holm": "pvalue_holm",
        },
    ),
    "comparisons": (
        "tests",
        "Influence of nodes, one condition against the other",
        "The paper's rank-sum test on distances between influence vectors, as descriptive as the table above.",
        {"model": "model", "λ": "lam", "group": "group_a", "against": "group_b", "p": "pvalue"},
    ),
    "skip_connection": (
        "models",
        "The skip connection",
        "L_rec of the sequential model, times 1000, after the same number of steps: without the skip connection "
        "most of them go into learning the static image.",
        {
            "model": "model",
            "L_rec": "l_rec_mean",
            "sd": "l_rec_sd",
            "latent signal / noise": "latent_snr_mean",
        },
    ),
}

THOUSANDTHS = ("l_rec_mean", "l_rec_sd", "l_rec_forecast_mean", "l_rec_mean_frame_mean")


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        text: as it is read.
        key: what the column is sorted by: a number at full precision, or the text.
    """

    text: str
    key: str


@dataclass(frozen=True)
class Table:
    """A table of the page.

    Attributes:
        name: of the CSV file, without suffix.
        section: part of the page.
        title, text: above it.
        columns: headings.
        numeric: which of them are sorted as numbers.
        rows: cells.
    """

    name: str
    section: str
    title: str
    text: str
    columns: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: tuple[tuple[Cell, ...], ...]


def model_title(name: str) -> str:
    """A model in the middle of a sentence, after "the"."""
    return MODEL_TITLES.get(name, f"{name.replace('_', ' ')} model")


def heading(name: str) -> str:
    """A model at the beginning of a line."""
    title = model_title(name)
    return title[0].upper() + title[1:]


def cell(column: str, value: Any) -> Cell:
    """A value as it is read in this column."""
    key = "" if isinstance(value, float) and math.isnan(value) else str(value)
    if isinstance(value, float):
        if math.isnan(value):
            return Cell("–", key)  # not defined, as an area under a curve of which all are positives
        if "pvalue" in column or "qvalue" in column:
            return Cell(format_pvalue(value), key)
        if column == "lam":
            return Cell(f"{value:.3g}", key)
        if column in ("estimate", "low", "high", "gap"):
            return Cell(f"{value:.2e}", key)
        return Cell(f"{value * 1e3:.3f}" if column in THOUSANDTHS else f"{value:.3f}", key)
    return Cell(str(value).replace("_", " ") if column == "model" else str(value), key)


def table(
    name: str, section: str, title: str, text: str, columns: Mapping[str, str], rows: list[Row]
) -> Table:
    """Chosen columns of rows.

    Args:
        name, section, title, text: as in `Table`.
        columns: heading -> key of the rows.
        rows: at least one.
    """
    numeric = tuple(isinstance(rows[0][key], int | float) for key in columns.values())
    cells = tuple(tuple(cell(key, row[key]) for key in columns.values()) for row in rows)
    return Table(name, section, title, text, tuple(columns), numeric, cells)


def _counted(name: str, rows: list[Row]) -> str:
    """How many of the paper's comparisons are called different; empty for other tables."""
    if name != "group_tests":
        return ""
    return (
        f"{sum(bool(row['significant']) for row in rows)} of {len(rows)} remain significant by Bonferroni. "
    )


def readable(tables: Mapping[str, list[Row]]) -> list[Table]:
    """Those of `all_tables` that the page shows, in its order."""
    return [
        table(name, section, title, _counted(name, tables[name]) + text, columns, tables[name])
        for name, (section, title, text, columns) in SHOWN.items()
        if name in tables
    ]


def runs_table(rows: list[Row]) -> Table:
    """One row a run of one model, of rows of `ablation_runs`."""
    columns = {
        "run": "run",
        "condition": "condition",
        "L_rec of forecast": "l_rec_forecast",
        "mean frame": "l_rec_mean_frame",
        "R_var window": "r_var_window",
        "run fit": "r_var_run",
        "held out": "r_var_held_out",
        "non-zeros": "nonzeros",
    }
    thousandths = [
        row | {key: 1e3 * row[key] for key in ("l_rec_forecast", "l_rec_mean_frame")} for row in rows
    ]
    text = "Errors as in the table of models. Look at a run that stands apart before believing a difference."
    return table("ablation_runs", "runs", "Every run", text, columns, thousandths)


def fits_table(rows: list[Row]) -> Table:
    """One row a fit of one model, of rows of `fits`."""
    columns = {
        "fitted to": "kind",
        "name": "name",
        "λ": "lam",
        "fits": "num_fits",
        "frames": "rows",
        "non-zeros": "nonzeros",
        "dead": "dead",
        "targets": "num_targets",
        "interpolating": "interpolating",
        "duality gap": "gap",
    }
    text = (
        "frames: that one fit forecasts. non-zeros: coefficients a target, as the lasso left them. dead: fits without "
        "any coefficient. interpolating: targets with at least 0.9 non-zeros a frame, which reproduce noise as well as "
        "couplings. duality gap: the largest of the lassos; by so much, as a share of its value without "
        "coefficients, the objective can be above its minimum."
    )
    return table("fits", "runs", "How far the fits can be trusted", text, columns, rows)


def summary(results: Results) -> str:
    """The main table as plain text: one line a model."""
    found = readable({"ablation": ablation(results)})[0]
    rows = [list(found.columns), *([c.text for c in row] for row in found.rows)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(
            text.ljust(w) if i == 0 else text.rjust(w)
            for i, (text, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join([found.title + ", L_rec x 1000", *lines])
