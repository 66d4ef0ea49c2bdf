"""Figures of where in the image influences lie and differ."""

from __future__ import annotations

import numpy as np

from lassovae import plots
from lassovae.autoencoder import node_footprints
from lassovae.report._drawing import Drawing, Drawn, Missing, pixels
from lassovae.report._results import BEST, PAPERS
from lassovae.report._scene import Scene
from lassovae.report._shown import model_title
from lassovae.stats import is_descriptive

RATE = 0.05  # false-discovery rate of what is called different
MOST_MAPS = 48  # runs of which maps are drawn; all are in results.npz


def contribution(scene: Scene) -> Drawn:
    """The paper's Figure 3: contribution maps of both conditions and their difference."""
    title = "Contribution of each condition and their difference"
    conditions = scene.analysis.conditions
    if len(conditions) < 2:
        return Missing(
            "maps", title, f"The study has one condition, {conditions[0]}, and no difference to draw."
        )
    first, second = conditions[:2]
    names = [n for n in ("block_mean", PAPERS, BEST) if n in scene.results] or [scene.main]
    maps: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    data: dict[str, np.ndarray] = {}
    for name in names:
        analysis, rest = scene.results[name][1], scene.at_rest(name)
        # of the fits pooled over a condition: those to single runs find hardly a coupling (docs/findings.md)
        maps[name] = (analysis.pooled_maps[first] - rest, analysis.pooled_maps[second] - rest)
        data |= {f"{name} {c}": values for c, values in zip((first, second), maps[name], strict=True)}
    figure = plots.contribution_figure(
        maps,
        conditions=(first, second),
        label="Ω − Ω(0)",
        footprints=scene.changed,
        pixel_size_um=scene.pixel_size_um,
    )
    outlined = (
        ", with the cells whose outgoing coupling truly differs outlined."
        if scene.changed is not None
        else "."
    )
    caption = (
        "As the paper's Figure 3, but of one fit to all runs of a condition. Ω − Ω(0): brightness that outflow "
        "(influence on the next frames) adds to Ω(0), the decoded image of no outflow; ΔΩ: difference of conditions"
        + outlined
    )
    return Drawing("contribution_maps", "maps", title, caption, figure, {"contribution_maps": pixels(**data)})


def condition_maps(scene: Scene) -> Drawn:
    """Mean maps of conditions over the mean frame, with their errors over blocks."""
    title = "Contribution of each condition, and how well it is known"
    found = scene.results[scene.best][1].differences
    if found is None or not found.uncertainty:
        why = "Each condition needs two blocks of runs for a standard error; one has a single block."
        return Missing(
            "maps", title, why if found is not None else scene.results[scene.best][1].why_no_differences
        )
    rest = scene.at_rest(scene.best)
    maps = {c: (u.mean - rest, u.standard_error) for c, u in found.uncertainty.items()}
    figure = plots.condition_maps_figure(maps, scene.prepared.mean_frame)
    units = ", ".join(f"{u.num_units} of {c}" for c, u in found.uncertainty.items())
    caption = (
        f"By the {model_title(scene.best)}, fitted to each block of runs by itself ({units}). Left, mean contribution "
        "map over the grey mean frame: orange where influence adds brightness, blue where it takes some. Middle, its "
        "standard error by resampling whole blocks. Right, where it exceeds twice that: a guide to the eye, no test."
    )
    data = {
        f"{c} {what}": v for c, pair in maps.items() for what, v in zip(("mean", "se"), pair, strict=True)
    }
    return Drawing("condition_maps", "maps", title, caption, figure, {"condition_maps": pixels(**data)})


def run_maps(scene: Scene) -> Drawn:
    """A map of every run."""
    analysis = scene.results[scene.best][1]
    number = min(len(analysis.names), MOST_MAPS)
    maps = np.asarray(analysis.maps[:number]) - scene.at_rest(scene.best)
    names = [f"{n} ({c})" for n, c in zip(analysis.names[:number], analysis.labels, strict=False)]
    figure = plots.run_maps_figure(maps, names, scene.prepared.mean_frame)
    some = (
        f" The first {number} of {len(analysis.names)} runs; all are in results.npz."
        if number < len(analysis.names)
        else ""
    )
    caption = (
        f"Contribution map of each run by itself ({model_title(scene.best)}, λ = {analysis.lam:.3g}), all of one "
        f"scale, over the mean frame. Believe what returns from run to run, not one map.{some}"
    )
    data = pixels(**dict(zip(names, maps, strict=True))) if len(set(names)) == len(names) else {}
    return Drawing("run_maps", "maps", "Contribution of each run", caption, figure, {"run_maps": data})


def differences(scene: Scene) -> Drawn:
    """Where conditions differ by the best model."""
    title = "Where conditions differ"
    model, analysis = scene.results[scene.best]
    found = analysis.differences
    if found is None or found.maps is None or found.network.edges is None:
        why = analysis.why_no_differences or "That needs two conditions, each of at least two blocks of runs."
        return Missing("maps", title, why)
    net, thresholded, few = found.network, found.thresholded(RATE), is_descriptive(found.maps)
    kept = np.zeros(model.frame_shape) if thresholded is None else thresholded
    matrix = np.zeros(net.support.shape[1:])
    significant = found.network.edges.significant(RATE)
    matrix[net.targets[significant], net.sources[significant]] = found.network.edges.difference[significant]
    figure = plots.differences_figure(
        found.maps.difference,
        found.maps.standard_error,
        kept,
        matrix,
        model.latent_shape,
        model.mean_frame,
        conditions=found.maps.groups,
        rate=RATE,
        candidates=few,
        footprints=scene.changed,
        pixel_size_um=scene.pixel_size_um,
    )
    outlined = (
        "; cells whose outgoing coupling truly differs are outlined." if scene.changed is not None else "."
    )
    number = int((kept != 0).sum())
    what = (
        f"c, candidate pixels ({number}), too few blocks vouching for their false-discovery rate. d, candidate edges "
        if few
        else f"c, what of it is significant at a false-discovery rate over pixels of {RATE:g} ({number} pixels). d, "
        "edges whose coupling differs at that rate "
    )
    caption = (
        f"By the {model_title(scene.best)}. a, ΔΩ: difference of contribution maps of fits to blocks of runs. b, "
        f"its standard error, with blocks as units. {what}({int(significant.sum())}){outlined}"
    )
    data = pixels(
        difference=found.maps.difference,
        standard_error=found.maps.standard_error,
        qvalue=found.maps.qvalue,
        significant=kept,
    )
    return Drawing("differences", "maps", title, caption, figure, {"differences": data})


def regions(scene: Scene) -> Drawn | None:
    """What each node has learned to look at; None for encoders without such regions."""
    model = scene.results[scene.best][0]
    if model.config.encoder != "soft_roi":
        return None
    share = np.asarray(node_footprints(model.weights))
    figure = plots.regions_figure(scene.prepared.mean_frame, share, cells=scene.footprints)
    outlined = ", with the true cells outlined" if scene.footprints is not None else ""
    caption = f"The {model_title(scene.best)}'s soft regions of interest{outlined}: which node gets most of each pixel."
    data = pixels(mean_frame=scene.prepared.mean_frame, node=share.argmax(axis=0), share=share.max(axis=0))
    return Drawing("regions", "maps", "Regions of the nodes", caption, figure, {"regions": data})
