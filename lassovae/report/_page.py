"""One self-contained HTML page of a comparison: what was asked, what was found, with its limits."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from lassovae._analysis import Analysis
from lassovae._model import Model
from lassovae.report._tables import Row, ablation
from lassovae.stats import (
    PAIRS_NOT_INDEPENDENT,
    comparison_sentence,
    format_pvalue,
    order_sentence,
    rank_sum_sentence,
)
from lassovae.training import write_text

Results = Mapping[str, tuple[Model, Analysis]]

MODEL_NAMES = {"end_to_end": "end-to-end model", "recommended": "recommended model"}

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 20%, transparent); }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .82rem; }
th, td { text-align: right; padding: .25rem .5rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
figure { margin: 1.5rem 0; } figure img { max-width: 100%; background: #fff; }
figcaption, .small { font-size: .85rem; opacity: .85; }
.note { border-left: 4px solid #d55e00; padding-left: .8rem; }
</style></head><body>
<h1>{{ title }}</h1>
<p>{{ asked }}</p>
{% for text in notes %}<p class="note">{{ text }}</p>{% endfor %}
<h2>What was found</h2>
<ul>{% for text in found %}<li>{{ text }}</li>{% endfor %}</ul>
{% for name, table in tables.items() %}
<h2>{{ table.title }}</h2><p class="small">{{ table.text }} Values: tables/{{ name }}.csv.</p>
<div class="scroll"><table>
<thead><tr>{% for column in table.columns %}<th scope="col">{{ column }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in table.rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>{% endfor %}</tbody>
</table></div>
{% endfor %}
<h2>Figures</h2>
{% for image in images %}<figure><img alt="{{ image.caption }}" src="data:image/png;base64,{{ image.data }}">
<figcaption>{{ image.caption }}</figcaption></figure>{% endfor %}
<h2>How it was made</h2>
<p class="small">{{ made }}</p>
</body></html>
"""

# table -> (title, explanation, {heading: column})
SHOWN: dict[str, tuple[str, str, dict[str, str]]] = {
    "ablation": (
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
        "Do the conditions differ? Permutation of blocks of runs",
        "Distance of the conditions' centres, whose p-value is the answer; beside it ANOSIM R, which unequal scatter "
        "misleads, and the F ratio of how the conditions scatter. A p-value is the share of relabellings that look as "
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
    "group_tests": (
        "Swap tests between groups of runs (the paper's Table 1)",
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
        "Influence of nodes, one condition against the other",
        "The paper's rank-sum test on distances between influence vectors. " + PAIRS_NOT_INDEPENDENT,
        {"model": "model", "λ": "lam", "group": "group_a", "against": "group_b", "p": "pvalue"},
    ),
    "skip_connection": (
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


def _cell(column: str, value: Any) -> str:
    if "pvalue" in column:
        return format_pvalue(value)
    if isinstance(value, float):
        if math.isnan(value):
            return "–"  # not defined, as an area under a curve of which all are positives
        if column == "lam":
            return f"{value:.3g}"
        return f"{value * 1e3:.3f}" if column in THOUSANDTHS else f"{value:.3f}"
    return str(value).replace("_", " ") if column == "model" else str(value)


def _readable(tables: Mapping[str, list[Row]]) -> dict[str, dict[str, Any]]:
    shown = {}
    for name, (title, text, columns) in SHOWN.items():
        if name in tables:
            rows = [[_cell(c, row[c]) for c in columns.values()] for row in tables[name]]
            shown[name] = {"title": title, "text": text, "columns": list(columns), "rows": rows}
    return shown


def summary(results: Results) -> str:
    """The main table as plain text: one line a model."""
    table = _readable({"ablation": ablation(results)})["ablation"]
    rows = [table["columns"], *table["rows"]]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(w) if i == 0 else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join([table["title"] + ", L_rec x 1000", *lines])


def _forecasts(title: str, analysis: Analysis) -> str:
    errors = analysis.errors
    return (
        f"{title} forecasts its latents with in-sample R_var {errors.window.mean():.2f} in windows and "
        f"{errors.run.mean():.2f} in whole runs, {np.nanmean(errors.held_out):.2f} on the held-out last part of the "
        f"runs; on frames in random order {errors.shuffled_window.mean():.2f} and {errors.shuffled_run.mean():.2f}. "
        f"Each target has {errors.nonzeros.mean():.2f} non-zero coefficients on average. "
        f"Decoding its forecasts gives {errors.forecast_reconstruction.mean() / errors.mean_frame.mean():.0%} of the "
        f"reconstruction error of the mean frame alone, {errors.mean_frame.mean():.2e}, most of which may be shot "
        "noise (in sample: the coefficients were fitted to the same frames)."
    )


def _where(title: str, analysis: Analysis) -> list[str]:
    """Edges, nodes and pixels in which conditions differ, by one model."""
    found = analysis.differences
    if found is None or found.maps is None:
        return []
    return [f"Where, by the {title}: {text}" for text in found.sentences()]


def _found(results: Results, main: str) -> list[str]:
    analysis = results[main][1]
    sentences = [_forecasts("The end-to-end model", analysis)]
    if "recommended" in results:
        title = "The recommended model, soft regions of interest trained end to end,"
        sentences.append(_forecasts(title, results["recommended"][1]))
    told = f"by the {MODEL_NAMES.get(main, main)}"
    for name in (n for n in ("recommended", main) if n in results):
        test = results[name][1].condition_test
        title = MODEL_NAMES.get(name, name)
        if test is not None:
            sentences.append(" ".join([f"Do conditions differ, by the {title}?", *test.sentences()]))
        sentences += _where(title, results[name][1])
    sentences += [f"The paper's test, {told}: {comparison_sentence(c)}" for c in analysis.comparisons or ()]
    if analysis.influence_result is not None:
        sentences.append(rank_sum_sentence(analysis.influence_result))
    return sentences


def write_page(
    path: Path,
    results: Results,
    tables: Mapping[str, list[Row]],
    captions: Mapping[str, str],
    figures: Path,
    *,
    study_name: str,
    main: str,
) -> None:
    """Write the report.

    Args:
        path: of the HTML file; needs no other file and no network to be read.
        results: name -> (model, analysis).
        tables: from `all_tables`.
        captions: file name -> caption, from `draw_all`.
        figures: folder of the files.
        study_name: for the title.
        main: name of the model whose tests are told in words.
    """
    model, analysis = results[main]
    counts = {c: len(analysis.runs_of(c)) for c in analysis.conditions}
    runs = " and ".join(f"{n} of {c}" for c, n in counts.items())
    asked = (
        f"Do the dynamics of {' and '.join(analysis.conditions)} differ, and where in the image? "
        f"{len(analysis.names)} runs ({runs}), frames of {model.frame_shape[0]} x {model.frame_shape[1]} pixels, "
        f"{model.latent_shape[0] * model.latent_shape[1]} nodes, VAR of order {model.config.order}."
    )
    compared = [label for label in analysis.labels if label in analysis.conditions[:2]]
    notes = [analysis.design, order_sentence(compared), analysis.why_not]
    if analysis.why_no_differences:
        notes.append(f"Where conditions differ was not tested: {analysis.why_no_differences}")
    if analysis.why_no_test and not analysis.design.startswith("No permutation test"):
        notes.append(f"No permutation test: {analysis.why_no_test}")
    notes += [f"{name}: {note}" for name, (m, _) in results.items() for note in m.notes]
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    images = [
        {"caption": text, "data": base64.b64encode((figures / name).read_bytes()).decode("ascii")}
        for name, text in captions.items()
    ]
    html = environment.from_string(PAGE).render(
        title=f"lassovae: {study_name}",
        asked=asked,
        notes=[note for note in notes if note],
        found=_found(results, main),
        tables=_readable(tables),
        images=images,
        made=(
            "Method: arXiv 2603.02899. Settings in config.json, versions, device, seeds and hashes of the inputs in "
            "provenance.json, latents, coefficients, influence and maps in results.npz."
        ),
    )
    write_text(path, html)
