"""Figures of couplings: the network of each condition, swapped coefficients, and the path of the l1 strength."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lassovae import plots
from lassovae._errors import InputError
from lassovae.report._drawing import Drawing, Drawn, Missing, edge_columns
from lassovae.report._scene import Scene
from lassovae.report._shown import heading, model_title
from lassovae.var import LamPath, lam_path

TRIED = (8.0, 4.0, 2.0, 1.0, 0.5, 0.25)  # l1 strengths of the path, as multiples of the one used
ALWAYS = 4  # of these, from strong to weak; weaker ones only where they cost little
MOST_ROWS, FEWEST_ROWS = 3000, 300  # frames that the path is fitted to
MOST_DESIGN = 2e8  # rows x predictors x targets of a fit of the path
SIGNS = ("raises next frames of target", "lowers them")  # what a coefficient above or below zero does
MOST_WORK = 2e9  # the same, times non-zeros a target, after which no weaker strength is tried


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
            ax,
            matrix[None],
            model.latent_shape,
            model.mean_frame,
            title=name,
            letter=letter,
            signs=SIGNS,
            pixel_size_um=scene.pixel_size_um,
        )
    caption = (
        f"In each condition, by the {model_title(scene.best)}: the 30 strongest edges of those "
        "that a fit to all runs selected, measured by least squares in each block of runs. All edges: tables/edges.csv."
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
        right,
        coef,
        model.latent_shape,
        scene.prepared.mean_frame,
        title=title,
        letter="b",
        signs=SIGNS,
        pixel_size_um=scene.pixel_size_um,
    )
    caption = (
        f"{heading(scene.main)}. a, Δ_sr: how much more error is left when run s (row) is forecast "
        f"with the coefficients of run r (column) instead of its own. b, strongest couplings between nodes, "
        f"fitted to all runs of {condition} together."
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


def _some_runs(latents: Sequence[np.ndarray], order: int) -> list[np.ndarray]:
    """As many runs as a path is fitted to in reasonable time: the first, and those after it that still fit in."""
    nodes = latents[0][0].size
    most = min(max(MOST_DESIGN / (order * nodes**2), FEWEST_ROWS), MOST_ROWS)
    taken, rows = [latents[0]], len(latents[0])
    for z in latents[1:]:
        if rows + len(z) > most:
            break
        taken.append(z)
        rows += len(z)
    return taken


def path(scene: Scene) -> Drawn:
    """How many couplings survive along the l1 strength, and what frames held out say of it."""
    title = "Choice of the l1 strength"
    model, analysis = scene.results[scene.best]
    used, condition, order = analysis.condition_lam, analysis.conditions[0], model.config.order
    if not used > 0:
        return Missing("path", title, "The fits have no l1 penalty (λ = 0), so there is no path to walk.")
    latents = [analysis.latents[i] for i in analysis.runs_of(condition)]
    runs = _some_runs(latents, order)
    rows, of_all = (sum(len(z) - order for z in some) for some in (runs, latents))
    nodes = latents[0][0].size
    fewer = math.sqrt(rows / of_all)  # chance correlations fall with the root of the frames, and so must λ
    found: list[LamPath] = []
    for number, factor in enumerate(TRIED):
        dear = bool(found) and float(found[-1].nonzeros[0]) * rows * order * nodes**2 > MOST_WORK
        if number >= ALWAYS and dear:
            break
        try:
            found.append(lam_path(runs, order, [factor * used / fewer]))
        except InputError as reason:
            return Missing("path", title, f"The path was not walked: {reason}.")
    data = {
        name: np.concatenate([getattr(one, name) for one in found])
        for name in ("lams", "nonzeros", "held_out", "aic", "bic", "ebic")
    }
    data = {"lam": data["lams"] * fewer, "lam_as_fitted": data.pop("lams")} | data
    figure = plots.lam_path_figure(data["lam"], data["nonzeros"], data["held_out"], used=used)
    some = (
        f" It is fitted to {len(runs)} of the {len(latents)} runs, to save time, at strengths that are larger by the "
        "root of how many fewer frames these have; the axis has the strength for all frames."
    )
    caption = (
        f"The {model_title(scene.best)}'s fit to all runs of {condition} at several l1 strengths; the broken line is "
        f"the λ of conditions, {used:.3g}. The λ of single runs and windows, {analysis.lam:.3g}, is another. "
        "a, non-zero coefficients a target. b, relative error R_var of "
        "forecasting one half of every run with the coefficients of the other half. With half the frames, the "
        "lowest point should lie at about 1.4 times the line."
        f"{some if len(runs) < len(latents) else ''}"
    )
    return Drawing("lam_path", "path", title, caption, figure, {"lam_path": data})
