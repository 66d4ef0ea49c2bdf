"""Figures of couplings: the network of each condition, swapped coefficients, and the path of the l1 strength."""

from __future__ import annotations

import numpy as np

from lassovae import plots
from lassovae._errors import InputError
from lassovae.report._drawing import Drawing, Drawn, Missing, edge_columns
from lassovae.report._scene import Scene
from lassovae.report._shown import heading, model_title
from lassovae.var import lam_path

TRIED = 2.0 ** np.arange(3, -3, -1)  # l1 strengths of the path, as multiples of the one used
MOST_ROWS = 3000  # frames that the path is fitted to: what it costs grows with them


def networks(scene: Scene) -> Drawn:
    """The edges in each of the first two conditions."""
    title = "Network of influences"
    model, analysis = scene.results[scene.best]
    if analysis.differences is None:
        return Missing("network", title, analysis.why_no_differences)
    net = analysis.differences.network
    shown = net.conditions[:2]
    height, width = model.frame_shape
    figure = plots.new_figure(7.2, (3.45 if len(shown) > 1 else 4.6) * height / width + 0.55)
    axes = figure.subplots(1, len(shown), squeeze=False)[0]
    strengths = {}
    for ax, condition, letter in zip(axes, shown, "ab", strict=False):
        matrix = np.zeros(net.support.shape[1:])
        strengths[f"strength {condition}"] = matrix[net.targets, net.sources] = net.strength(condition)
        name = f"Edges in {plots.short_name(condition, 14)}"
        plots.influence_network(
            ax, matrix[None], model.latent_shape, model.mean_frame, title=name, letter=letter
        )
    caption = (
        f"The network in each condition, by the {model_title(scene.best)}: the 30 strongest edges of those "
        "that a fit to all runs selected, measured by least squares in each block of runs. All edges, with sign, "
        "lag, stability and error: tables/edges.csv."
    )
    data = edge_columns(net.targets, net.sources, model.latent_shape[1], **strengths)
    return Drawing("networks", "network", title, caption, figure, {"networks": data})


def swaps(scene: Scene) -> Drawn:
    """What coefficients of one run cost on another, and the couplings of the first condition."""
    model, analysis = scene.model, scene.analysis
    figure = plots.new_figure(7.2, 3.2)
    left, right = figure.subplots(1, 2)
    plots.swap_matrix(left, analysis.delta, analysis.labels, title="Swap errors", letter="a")
    condition = analysis.conditions[0]
    coef = np.asarray(analysis.pooled[condition].coef)
    title = f"Strongest couplings, {plots.short_name(condition, 14)}"
    plots.influence_network(
        right, coef, model.latent_shape, scene.prepared.mean_frame, title=title, letter="b"
    )
    caption = (
        f"{heading(scene.main)}. a, what forecasting one run (row) with the coefficients of another "
        f"(column) costs. b, strongest couplings between nodes, fitted to all runs of {condition} together."
    )
    rows, columns = np.indices(analysis.delta.shape)
    names = np.asarray(analysis.names)
    swapped = {
        "data_of": names[rows.ravel()],
        "coefficients_of": names[columns.ravel()],
        "swap_error": analysis.delta.ravel(),
    }
    total = np.abs(coef).sum(axis=0)
    np.fill_diagonal(total, 0.0)
    targets, sources = np.nonzero(total)
    couplings = edge_columns(
        targets,
        sources,
        model.latent_shape[1],
        absolute_sum=total[targets, sources],
        sum=coef.sum(axis=0)[targets, sources],
    )
    data = {"swap_errors": swapped, "couplings": couplings}
    return Drawing("swap_and_network", "network", "Coefficients of one run on another", caption, figure, data)


def path(scene: Scene) -> Drawn:
    """How many couplings survive along the l1 strength, and what frames held out say of it."""
    title = "Choice of the l1 strength"
    model, analysis = scene.results[scene.best]
    used, condition = analysis.condition_lam, analysis.conditions[0]
    if not used > 0:
        return Missing("path", title, "The fits have no l1 penalty (λ = 0), so there is no path to walk.")
    runs: list[np.ndarray] = []
    rows = 0
    for index in analysis.runs_of(condition):
        if runs and rows + len(analysis.latents[index]) > MOST_ROWS:
            break
        runs.append(analysis.latents[index])
        rows += len(runs[-1])
    try:
        found = lam_path(runs, model.config.order, (used * TRIED).tolist())
    except InputError as reason:
        return Missing("path", title, f"The path was not walked: {reason}.")
    figure = plots.lam_path_figure(found.lams, found.nonzeros, found.held_out, used=used)
    caption = (
        f"The {model_title(scene.best)}'s fit to {len(runs)} of {len(analysis.runs_of(condition))} runs of {condition} "
        f"at several l1 strengths; the broken line is the one used for each condition, λ = {used:.3g}. a, non-zero "
        "coefficients a target. b, relative error of forecasting one half of every run with the coefficients of the "
        "other half: 0 is a perfect forecast, 1 is none. Fits to half the frames want about 1.4 times the strength."
    )
    data = {name: getattr(found, name) for name in ("lams", "nonzeros", "held_out", "aic", "bic", "ebic")}
    return Drawing("lam_path", "path", title, caption, figure, {"lam_path": data})
