"""The figures of a comparison, drawn from its results."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure, SubFigure

from lassovae import plots
from lassovae._analysis import Analysis
from lassovae._evaluate import centred_forecasts
from lassovae._model import Model, decode_run
from lassovae._status import raise_if_failed
from lassovae.autoencoder import BLOCK, latent_shape, node_footprints
from lassovae.data import Prepared, Study
from lassovae.maps import contribution_map
from lassovae.var import fit_var

Results = Mapping[str, tuple[Model, Analysis]]
MAIN = "end_to_end"
NUM_TRACES = 4
RATE = 0.05  # false-discovery rate of what is called different


def _transient(prepared: Prepared, run: int, first: int) -> int:
    """The frame of a run at which something has been brightest for three frames: a transient that can be forecast."""
    frames = prepared.frames[run]
    height, width = latent_shape(prepared.mean_frame.shape)
    relative = frames / prepared.mean_frame - 1
    blocks = relative.reshape(len(frames), height, BLOCK, width, BLOCK).mean(axis=(2, 4))
    lasting = np.minimum(np.minimum(blocks[2:], blocks[1:-1]), blocks[:-2]).max(axis=(1, 2))
    return first + int(lasting[first - 2 :].argmax())


def _frame_of(
    model: Model, prepared: Prepared, run: int, shown: np.ndarray, first: int, frame: int, same_frame: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Residual and reconstruction of one frame."""
    for start, residual, image in decode_run(
        model, prepared.frames[run], shown, first, same_frame=same_frame
    ):
        if start <= frame < start + len(image):
            return residual[frame - start], image[frame - start]
    raise IndexError(f"frame {frame} of run {run} was not decoded")


def skip(results: Results, prepared: Prepared, run: int, frame: int) -> Figure | SubFigure:
    """The paper's Figure 2: latents and decoder output with and without the skip connection."""
    panels = {}
    for name in ("no_skip", "sequential"):
        model, analysis = results[name]
        z = analysis.latents[run]
        panels[name] = (z[frame], *_frame_of(model, prepared, run, z, 0, frame, True))
    return plots.skip_figure(
        panels["no_skip"][0],
        panels["sequential"][0],
        panels["no_skip"][1],
        panels["sequential"][1],
        prepared.frames[run][frame],
        panels["sequential"][2],
        frame_index=frame,
    )


def contribution(results: Results, study: Study) -> Figure | SubFigure:
    """The paper's Figure 3: contribution maps of both conditions and their difference."""
    names = [n for n in ("block_mean", "end_to_end", "recommended") if n in results]
    first, second = results[MAIN][1].conditions[:2]
    maps = {}
    for name in names:
        model, analysis = results[name]
        # the mean frame is in every map and would hide what the influences add to it
        rest = contribution_map(model, np.zeros(analysis.influences.shape[1]))
        # of the fits pooled over a condition: those to single runs find hardly a coupling (docs/findings.md)
        maps[name] = (analysis.pooled_maps[first] - rest, analysis.pooled_maps[second] - rest)
    footprints = None
    if study.truth is not None and study.truth.footprints.shape[1:] == results[MAIN][0].frame_shape:
        footprints = study.truth.footprints[study.truth.changed]
    return plots.contribution_figure(
        maps, conditions=(first, second), label="Ω − Ω(0)", footprints=footprints
    )


def differences(results: Results, name: str, study: Study) -> Figure | SubFigure | None:
    """Where conditions differ by one model; None where that could not be told."""
    model, analysis = results[name]
    found = analysis.differences
    if found is None or found.maps is None or found.network.edges is None:
        return None
    net, thresholded = found.network, found.thresholded(RATE)
    matrix = np.zeros(net.support.shape[1:])
    significant = found.network.edges.significant(RATE)
    at = (net.targets[significant], net.sources[significant])
    matrix[at] = found.network.edges.difference[significant]
    footprints = None
    if study.truth is not None and study.truth.footprints.shape[1:] == model.frame_shape:
        footprints = study.truth.footprints[study.truth.changed]
    return plots.differences_figure(
        found.maps.difference,
        found.maps.standard_error,
        np.zeros(model.frame_shape) if thresholded is None else thresholded,
        matrix,
        model.latent_shape,
        model.mean_frame,
        conditions=found.maps.groups,
        rate=RATE,
        footprints=footprints,
    )


def networks(results: Results, name: str) -> Figure | SubFigure | None:
    """The edges of a model in each of the first two conditions; None where there is no network."""
    model, analysis = results[name]
    if analysis.differences is None:
        return None
    net = analysis.differences.network
    figure = plots.new_figure(7.2, 3.2)
    axes = figure.subplots(1, 2, squeeze=False)[0]
    for ax, condition, letter in zip(axes, net.conditions[:2], "ab", strict=False):
        matrix = np.zeros(net.support.shape[1:])
        matrix[net.targets, net.sources] = net.strength(condition)
        title = f"Edges in {condition}"
        plots.influence_network(
            ax, matrix[None], model.latent_shape, model.mean_frame, title=title, letter=letter
        )
    if len(net.conditions) == 1:
        figure.delaxes(axes[1])
    return figure


def forecasts(
    results: Results, prepared: Prepared, run: int, frame: int, sweep: tuple[float, ...], rate: float | None
) -> Figure | SubFigure:
    """The paper's Figure 4: forecasts and reconstructions of the main model for several l1 strengths."""
    model, analysis = results[MAIN]
    order = model.config.order
    z = analysis.latents[run]
    shown = {lam: centred_forecasts(raise_if_failed(fit_var(z, order, lam)), z) for lam in sweep}
    flat = z.reshape(len(z), -1)
    flat = flat - flat.mean(axis=0)
    busiest = np.argsort(flat.std(axis=0))[::-1][:NUM_TRACES]
    images = {
        lam: _frame_of(model, prepared, run, shown[lam], order, frame, False)[1]
        for lam in (min(sweep), max(sweep))
    }
    return plots.forecast_figure(
        flat,
        {lam: values.reshape(len(values), -1) for lam, values in shown.items()},
        [int(node) for node in busiest],
        prepared.frames[run][frame],
        images,
        frame_index=frame,
        frame_rate_hz=rate,
    )


def draw_all(
    results: Results, study: Study, prepared: Prepared, sweep: tuple[float, ...], folder: Path
) -> dict[str, str]:
    """Draw and save every figure that these results allow.

    Args:
        results: name -> (model, analysis), with at least "end_to_end".
        study, prepared: what they were made from.
        sweep: l1 strengths of the forecast figure.
        folder: for the PNG files.

    Returns:
        File name -> caption.
    """
    folder.mkdir(parents=True, exist_ok=True)
    captions: dict[str, str] = {}

    def keep(figure: Figure | SubFigure, name: str, caption: str) -> None:
        plots.save(figure.get_figure(root=True), folder / name)
        captions[name] = caption

    model, analysis = results[MAIN]
    order, run = model.config.order, 0
    frame = _transient(prepared, run, max(order, 2))
    rate = study.runs[run].recording.frame_rate_hz
    when = f"run {analysis.names[run]}, frame {frame}"
    truth = study.truth
    whole_frames = truth is not None and truth.footprints.shape[1:] == model.frame_shape
    if truth is not None and whole_frames and len(truth.conditions) > 1:
        first, second = truth.conditions[:2]
        figure = plots.truth_figure(
            prepared.mean_frame,
            truth.footprints,
            truth.drivers[first],
            truth.coupling[first],
            truth.coupling[second],
            truth.traces[run],
            conditions=(first, second),
            frame_rate_hz=rate,
        )
        keep(figure, "truth.png", "The simulation: cells, who drives whom in each condition, true calcium.")
    if {"no_skip", "sequential"} <= set(results):
        text = f"The skip connection ({when}), as the paper's Figure 2: latents and decoder output without and with it."
        keep(skip(results, prepared, run, frame), "skip_connection.png", text)
    if len(analysis.conditions) > 1:
        text = (
            "Contribution maps, as the paper's Figure 3 but of one fit to all runs of a condition: where its outflow "
            "comes from (less the map of no outflow, which is the mean frame), and the difference of conditions"
        )
        outlined = ", with the cells whose outgoing coupling truly differs outlined." if whole_frames else "."
        keep(contribution(results, study), "contribution_maps.png", text + outlined)
    finder = "recommended" if "recommended" in results else MAIN
    figure_of_differences = differences(results, finder, study)
    if figure_of_differences is not None:
        text = (
            f"Where conditions differ, by the {finder.replace('_', ' ')} model. a, difference of contribution maps of "
            "fits to single blocks of runs. b, its standard error, with blocks as units. c, what of it is significant "
            "with a false-discovery rate over pixels of 0.05. d, edges whose coupling differs at that rate"
        )
        outlined = "; cells whose outgoing coupling truly differs are outlined." if whole_frames else "."
        keep(figure_of_differences, "differences.png", text + outlined)
    figure_of_networks = networks(results, finder)
    if figure_of_networks is not None:
        text = (
            f"The network in each condition, by the {finder.replace('_', ' ')} model: the 30 strongest edges of those "
            "that a fit to all runs selected, measured by least squares in each block of runs. All edges, with sign, "
            "lag, stability and error: tables/edges.csv."
        )
        keep(figure_of_networks, "networks.png", text)
    if "recommended" in results and results["recommended"][0].config.encoder == "soft_roi":
        figure = plots.regions_figure(
            prepared.mean_frame,
            np.asarray(node_footprints(results["recommended"][0].weights)),
            cells=truth.footprints if truth is not None and whole_frames else None,
        )
        outlined = ", with the true cells outlined" if whole_frames else ""
        text = (
            f"The recommended model's soft regions of interest{outlined}: which node gets most of each pixel."
        )
        keep(figure, "regions.png", text)
    text = (
        f"Forecasts of the {NUM_TRACES} busiest nodes and reconstructions ({when}), as the paper's Figure 4; the VAR "
        "is refitted on the latents of the end-to-end model for every l1 strength."
    )
    keep(forecasts(results, prepared, run, frame, sweep, rate), "forecasts.png", text)
    shown = {n: r for n, r in results.items() if n != "no_skip"}
    figure = plots.ablation_figure(
        {n: a.errors.reconstruction for n, (_, a) in shown.items()},
        {n: a.errors.window for n, (_, a) in shown.items()},
        mean_frame_error=float(analysis.errors.mean_frame.mean()),
    )
    text = "Reconstruction error and R_var of window fits, one point a run, the bar their mean (the paper's Table 2)."
    keep(figure, "ablation.png", text)
    curves = {
        n: {key: [row[key] for row in m.history] for key in ("step", "loss", "relative_error", "nonzeros")}
        for n, (m, _) in results.items()
        if m.history
    }
    if curves:
        text = "Training: loss, R_var and non-zero coefficients a target of each step."
        keep(plots.training_curves(curves), "training.png", text)
    figure = plots.new_figure(7.2, 3.2)
    left, right = figure.subplots(1, 2)
    plots.swap_matrix(left, analysis.delta, analysis.labels, title="Swap errors", letter="a")
    fit = analysis.pooled[analysis.conditions[0]]
    title = f"Strongest couplings, {analysis.conditions[0]}"
    plots.influence_network(right, fit.coef, model.latent_shape, prepared.mean_frame, title=title, letter="b")
    text = (
        "End-to-end model. a, what forecasting one run (row) with the coefficients of another (column) costs. "
        f"b, strongest couplings between nodes, fitted to all runs of {analysis.conditions[0]} together."
    )
    keep(figure, "swap_and_network.png", text)
    shown_forecast = centred_forecasts(
        raise_if_failed(fit_var(analysis.latents[run], order, model.config.lam)), analysis.latents[run]
    )
    picked = [
        f
        for f in (frame - 4, frame - 2, frame, frame + 2, frame + 6)
        if order <= f < len(prepared.frames[run])
    ]
    images = [_frame_of(model, prepared, run, shown_forecast, order, f, False)[1] for f in picked]
    figure = plots.movie_strip(
        np.stack([prepared.frames[run][f] for f in picked]),
        np.stack(images),
        frame_indices=picked,
        frame_rate_hz=rate,
    )
    keep(
        figure,
        "movie.png",
        f"Frames around a transient (run {analysis.names[run]}), forecast and what is left.",
    )
    return captions
