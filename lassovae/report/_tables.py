"""Tables of a comparison, as rows of plain values, and their files."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from lassovae._errors import InputError
from lassovae._files import make_folder
from lassovae._names import unique
from lassovae.report._types import Results
from lassovae.stats import GroupDifference
from lassovae.training import write_text

Row = dict[str, Any]

# field of `Errors` -> column
COLUMNS = {
    "reconstruction": "l_rec",
    "forecast_reconstruction": "l_rec_forecast",
    "mean_frame": "l_rec_mean_frame",
    "window": "r_var_window",
    "run": "r_var_run",
    "held_out": "r_var_held_out",
    "shuffled_window": "r_var_shuffled_window",
    "shuffled_run": "r_var_shuffled_run",
    "nonzeros": "nonzeros",
}


def _mean_sd(values: np.ndarray) -> tuple[float, float]:
    """Over the runs that have a value: one too short to hold frames out has none."""
    values = values[np.isfinite(values)]
    if len(values) == 0:
        return float("nan"), float("nan")
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def ablation(results: Results) -> list[Row]:
    """The paper's Table 2 and what it leaves out: one row a model, mean and standard deviation over runs."""
    rows = []
    for name, (_, analysis) in results.items():
        row: Row = {"model": name, "lam": analysis.lam}
        for key, values in vars(analysis.errors).items():
            row[f"{COLUMNS[key]}_mean"], row[f"{COLUMNS[key]}_sd"] = _mean_sd(values)
        rows.append(row)
    return rows


def ablation_runs(results: Results) -> list[Row]:
    """The same for every run."""
    return [
        {"model": name, "lam": analysis.lam, "run": run, "condition": label}
        | {COLUMNS[key]: float(values[i]) for key, values in vars(analysis.errors).items()}
        for name, (_, analysis) in results.items()
        for i, (run, label) in enumerate(zip(analysis.names, analysis.labels, strict=True))
    ]


def group_tests(results: Results) -> list[Row]:
    """The paper's Table 1 for every model: six comparisons of halves, corrected for six."""
    return [
        {"model": name, "lam": analysis.lam} | asdict(comparison)
        for name, (_, analysis) in results.items()
        for comparison in analysis.comparisons or ()
    ]


def permutation_tests(results: Results) -> list[Row]:
    """The tests whose units are blocks of runs, with what the design could have reached."""
    rows: list[Row] = []
    for name, (_, analysis) in results.items():
        found = analysis.condition_test
        if found is None:
            continue
        rows += [
            {
                "model": name,
                "lam": analysis.lam,
                "group_a": test.groups[0],
                "group_b": test.groups[1],
                "test": test.name,
                "statistic": test.statistic,
                "pvalue": test.pvalue,
                "smallest_pvalue": test.smallest_pvalue,
                "num_relabellings": test.num_relabellings,
                "exact": test.exact,
                "exchange": test.exchange,
                "without_drift": test.without_drift,
                "num_units": test.num_units,
            }
            for test in (found.place, found.anosim, found.scatter)
        ]
    return rows


def effect_sizes(results: Results) -> list[Row]:
    """How far the conditions lie apart, with intervals over blocks of runs."""
    rows: list[Row] = []
    for name, (_, analysis) in results.items():
        found = analysis.condition_test
        if found is not None and found.effect is not None:
            a, b = found.place.groups
            row: Row = {"model": name, "lam": analysis.lam, "group_a": a, "group_b": b}
            row |= {"effect": found.effect.name, "estimate": found.effect.estimate}
            row |= {"low": found.effect.low, "high": found.effect.high}
            row |= {"confidence": found.effect.confidence, "num_units": found.effect.num_units}
            rows.append(row)
    return rows


def influence_tests(results: Results) -> list[Row]:
    """The paper's test on influence vectors, all runs of one condition against all of the other."""
    return [
        {"model": name, "lam": analysis.lam} | asdict(analysis.influence_result)
        for name, (model, analysis) in results.items()
        if analysis.influence_result is not None
    ]


def _compared(found: GroupDifference | None, index: int) -> Row:
    """The columns on whether a feature differs between conditions; none where nothing was compared."""
    if found is None:
        return {}
    return {
        "difference": float(found.difference[index]),
        "difference_se": float(found.standard_error[index]),
        "pvalue": float(found.pvalue[index]),
        "qvalue": float(found.qvalue[index]),
    }


def edges(results: Results) -> list[Row]:
    """Every selected edge of every model: where, how strong in each condition, how stable, and whether that differs.

    A node's place is its row and column on the latent map; the strength is the sum over lags, the lag in frames that
    of the largest coefficient.
    """
    rows: list[Row] = []
    for name, (model, analysis) in results.items():
        if analysis.differences is None:
            continue
        net = analysis.differences.network
        columns = model.latent_shape[1]
        sizes = np.sum([np.abs(net.coef[c]) for c in net.conditions], axis=0)[:, net.targets, net.sources]
        strengths = [x for c in net.conditions for x in (net.strength(c), net.strength_error(c))]
        heads = unique(head for c in net.conditions for head in (f"strength_{c}", f"strength_{c}_se"))
        for i, (source, target) in enumerate(zip(net.sources.tolist(), net.targets.tolist(), strict=True)):
            row: Row = {"model": name, "source_row": source // columns, "source_column": source % columns}
            row |= {"target_row": target // columns, "target_column": target % columns}
            row["lag"] = int(sizes[:, i].argmax()) + 1
            row["stability"] = "" if net.stability is None else float(net.stability[:, target, source].max())
            row |= {head: float(values[i]) for head, values in zip(heads, strengths, strict=True)}
            rows.append(row | _compared(net.edges, i))
    return rows


def nodes(results: Results) -> list[Row]:
    """Outflow of every node of every model in each condition, and whether it differs."""
    rows: list[Row] = []
    for name, (model, analysis) in results.items():
        if analysis.differences is None:
            continue
        net = analysis.differences.network
        columns = model.latent_shape[1]
        means = {
            c: net.influences[[label == c for label in net.unit_labels]].mean(axis=0) for c in net.conditions
        }
        for node in range(net.influences.shape[1]):
            row: Row = {"model": name, "row": node // columns, "column": node % columns}
            row |= {f"outflow_{c}": float(values[node]) for c, values in means.items()}
            rows.append(row | _compared(net.nodes, node))
    return rows


def truth_recovery(results: Results) -> list[Row]:
    """How much of a simulation's truth each model found, from fits to runs and to whole conditions."""
    rows: list[Row] = []
    for name, (_, analysis) in results.items():
        if analysis.recovery is None or analysis.recovery_pooled is None:
            continue
        settings = {"each run, averaged": (analysis.lam, analysis.recovery)}
        settings["pooled over a condition"] = (analysis.condition_lam, analysis.recovery_pooled)
        for fits, (lam, found) in settings.items():
            rows.append({"model": name, "fits": fits, "lam": lam} | asdict(found))
    return rows


def fits(results: Results) -> list[Row]:
    """How far each model's fits to conditions, runs and windows can be trusted."""
    return [{"model": name} | asdict(fit) for name, (_, analysis) in results.items() for fit in analysis.fits]


def latent_snr(latents: np.ndarray) -> float:
    """Signal to noise of one run's latents (time, ...): the median over nodes that are not constant.

    Noise is what changes from frame to frame, half the mean square of the differences of successive frames; signal
    is the rest of the variance over time. For slow calcium under shot noise that is the usual estimate.
    """
    z = latents.reshape(len(latents), -1).astype(np.float64)
    noise = np.square(np.diff(z, axis=0)).mean(axis=0) / 2
    moving = noise > 0
    if not moving.any():
        return float("nan")
    return float(np.median(np.maximum(z.var(axis=0)[moving] / noise[moving] - 1, 0)))


def skip_connection(results: Results) -> list[Row]:
    """Reconstruction error and latent signal to noise of the sequential model with and without the skip connection."""
    rows = []
    for name in ("sequential", "no_skip"):
        if name in results:
            analysis = results[name][1]
            row: Row = {"model": name}
            for key, values in (
                ("l_rec", analysis.errors.reconstruction),
                ("latent_snr", np.asarray([latent_snr(z) for z in analysis.latents])),
            ):
                row[f"{key}_mean"], row[f"{key}_sd"] = _mean_sd(values)
            rows.append(row)
    return rows


def all_tables(results: Results) -> dict[str, list[Row]]:
    """File stem -> rows, empty ones left out."""
    tables = {
        "ablation": ablation(results),
        "ablation_runs": ablation_runs(results),
        "permutation_tests": permutation_tests(results),
        "effect_sizes": effect_sizes(results),
        "group_tests": group_tests(results),
        "comparisons": influence_tests(results),
        "edges": edges(results),
        "nodes": nodes(results),
        "truth_recovery": truth_recovery(results),
        "skip_connection": skip_connection(results),
        "fits": fits(results),
    }
    return {stem: rows for stem, rows in tables.items() if rows}


def write_tables(tables: Mapping[str, list[Row]], folder: Path) -> None:
    """Write every table as folder/<stem>.csv, of which a reader sees the old one or the new one whole.

    Args:
        tables: file stem -> rows, at least one, all with the same keys.
        folder: made if it is not there.

    Raises:
        InputError: a table without rows, or the system refuses to write.
    """
    empty = [stem for stem, rows in tables.items() if not rows]
    if empty:
        raise InputError(f"tables without rows cannot be written: {', '.join(empty)}; leave them out")
    make_folder(folder)
    for stem, rows in tables.items():
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text(folder / f"{stem}.csv", text.getvalue())
