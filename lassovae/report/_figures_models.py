"""Figures that compare models, and the truth of a simulation."""

from __future__ import annotations

import numpy as np

from lassovae import plots
from lassovae.report._drawing import Columns, Drawing, Drawn, Missing
from lassovae.report._scene import Scene

CURVES = ("step", "loss", "relative_error", "nonzeros")


def truth(scene: Scene) -> Drawn | None:
    """The simulation: cells, couplings, calcium; None for real recordings."""
    known = scene.study.truth
    if known is None or scene.footprints is None or len(known.conditions) < 2:
        return None
    first, second = known.conditions[:2]
    figure = plots.truth_figure(
        scene.prepared.mean_frame,
        known.footprints,
        known.drivers[first],
        known.coupling[first],
        known.coupling[second],
        known.traces[scene.run],
        conditions=(first, second),
        frame_rate_hz=scene.study.runs[scene.run].recording.frame_rate_hz,
    )
    caption = "The simulation: cells, who drives whom in each condition, true calcium."
    traces = known.traces[scene.run]
    calcium = {"frame": np.arange(len(traces))} | {f"cell {i}": traces[:, i] for i in range(traces.shape[1])}
    totals = {c: known.coupling[c].sum(axis=0) for c in (first, second)}
    targets, sources = np.nonzero(np.abs(totals[first]) + np.abs(totals[second]))
    coupled: dict[str, np.ndarray] = {"source_cell": sources, "target_cell": targets}
    coupled |= {f"coupling {c}": total[targets, sources] for c, total in totals.items()}
    data = {"truth_calcium": calcium, "truth_coupling": coupled}
    return Drawing("truth", "models", "What was simulated", caption, figure, data)


def ablation(scene: Scene) -> Drawn:
    """Errors of every run by every model."""
    shown = {n: r for n, r in scene.results.items() if n != "no_skip" or len(scene.results) == 1}
    figure = plots.ablation_figure(
        {n: a.errors.reconstruction for n, (_, a) in shown.items()},
        {n: a.errors.window for n, (_, a) in shown.items()},
        mean_frame_error=float(scene.analysis.errors.mean_frame.mean()),
    )
    paper = " (the paper's Table 2)" if len(shown) > 1 else ""
    caption = (
        "Squared error of reconstruction, and R_var, the relative error of forecasts one frame ahead (0 perfect, 1 no "
        f"better than the mean) in windows; one point a run, the bar their mean{paper}."
    )
    data: Columns = {
        "model": [n for n, (_, a) in shown.items() for _ in a.names],
        "run": [run for _, a in shown.values() for run in a.names],
        "l_rec": np.concatenate([a.errors.reconstruction for _, a in shown.values()]),
        "r_var_window": np.concatenate([a.errors.window for _, a in shown.values()]),
    }
    return Drawing("ablation", "models", "Errors of every run", caption, figure, {"ablation_points": data})


def training(scene: Scene) -> Drawn:
    """Loss, relative error and non-zeros by step."""
    title = "Training curves"
    trained = {n: m.history for n, (m, _) in scene.results.items() if m.history}
    if not trained:
        return Missing("models", title, "Nothing was trained: block means have no weights to learn.")
    curves = {
        n: {key: [np.nan if row[key] is None else row[key] for row in history] for key in CURVES}
        for n, history in trained.items()
    }
    caption = "Loss, relative error R_var and non-zero coefficients a target of each step."
    data: Columns = {"model": [n for n, history in trained.items() for _ in history]} | {
        key: [value for curve in curves.values() for value in curve[key]] for key in CURVES
    }
    return Drawing("training", "models", title, caption, plots.training_curves(curves), {"training": data})
