"""The methods paragraph: what was done, with the settings of this run, ready to be pasted into a manuscript."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from importlib.metadata import version

from lassovae._analysis import Analysis
from lassovae._config import BLOCK, Config, Preprocess
from lassovae._model import Model
from lassovae.data import Prepared, Study
from lassovae.report._citations import Bibliography
from lassovae.stats import format_pvalue

RATE = 0.05
SPOKEN = {  # settings of the preprocessing that have a clause of their own
    "crop",
    "downscale",
    "downscale_method",
    "registration",
    "scaling",
    "percentile",
    "mean_frame_floor",
    "crop_at",
    "bin_frames",
    "bad_pixels",
    "scan_lines",
    "bleaching",
}
EXCHANGED = {"free": "single runs", "whole": "whole blocks of runs", "within": "runs within their block"}


@dataclass(frozen=True)
class Methods:
    """Text for a manuscript.

    Attributes:
        paragraphs: plain text, with numbers of references in square brackets.
        references: in the order of these numbers.
        bibtex: the same as the content of a .bib file.
    """

    paragraphs: tuple[str, ...]
    references: tuple[str, ...]
    bibtex: str

    def text(self) -> str:
        """Paragraphs and references, as they are copied."""
        listed = "\n".join(f"[{i}] {work}" for i, work in enumerate(self.references, 1))
        return "\n\n".join([*self.paragraphs, f"References\n{listed}"])


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _data(study: Study, cited: Bibliography) -> str:
    groups = []
    for condition in study.conditions:
        runs = [run for run in study.runs if run.condition == condition]
        blocks = len({run.block for run in runs})
        groups.append(f"{len(runs)} of {condition} in {blocks} {'block' if blocks == 1 else 'blocks'}")
    short, long = min(study.lengths), max(study.lengths)
    length = f"{short} frames" if short == long else f"{short} to {long} frames"
    rates = {run.recording.frame_rate_hz for run in study.runs}
    rate = next(iter(rates)) if len(rates) == 1 else None
    speed = "" if rate is None else f" at {rate:g} frames per second"
    count = f"{len(study)} {'run' if len(study) == 1 else 'runs'}"
    return (
        f"{count} ({_listed(groups)}; {length} each{speed}; {study.frame_shape[0]} x {study.frame_shape[1]} pixels) "
        f"were analysed with lassovae {version('lassovae')}, an independent implementation of the method of "
        f"{cited.cite('kabus2026')} in JAX {version('jax')} {cited.cite('jax2018')}."
    )


def _preprocessing(pre: Preprocess, prepared: Prepared, cited: Bibliography) -> str:
    done = []
    if pre.bad_pixels != "keep":
        done.append("freed of blank, dead and saturated pixels, which took the value of the nearest good one")
    if pre.scan_lines != "keep":
        done.append("corrected for a shift of every other scan line")
    if pre.crop is not None:
        where = (
            "the central"
            if pre.crop_at is None
            else f"from row {pre.crop_at[0]}, column {pre.crop_at[1]} on to"
        )
        done.append(f"cropped to {where} {pre.crop[0]} x {pre.crop[1]} pixels")
    if pre.downscale > 1:
        how = "averaging blocks" if pre.downscale_method == "mean" else "keeping one pixel of each block"
        done.append(f"reduced {pre.downscale}-fold along each side by {how}")
    if pre.registration != "none":
        done.append(
            f"moved rigidly onto the mean frame of the study by cross-correlation {cited.cite('guizar2008')}"
        )
    if pre.bin_frames > 1:
        done.append(f"averaged in time, {pre.bin_frames} successive frames into one")
    if pre.bleaching != "keep":
        done.append("divided by the slow course of each run's brightness")
    top = "largest pixel" if pre.scaling == "max" else f"{pre.percentile:g}th percentile of all pixels"
    clipped = "" if pre.scaling == "max" else ", values outside being clipped"
    done.append(
        f"scaled to between 0 and 1 by the {top} of the study (offset {prepared.offset:g}, scale "
        f"{prepared.scale:g}{clipped})"
    )
    text = f"Frames were {_listed(done)}."
    if pre.mean_frame_floor > 0:
        text += f" The mean frame was bounded below at {pre.mean_frame_floor:g}."
    plain = Preprocess()
    more = [
        f"{f.name} = {getattr(pre, f.name)}"
        for f in dataclasses.fields(pre)
        if f.name not in SPOKEN and getattr(pre, f.name) != getattr(plain, f.name)
    ]
    return text + (f" Further settings of the preprocessing: {', '.join(more)}." if more else "")


def _encoder(model: Model, cited: Bibliography) -> str:
    config = model.config
    height, width = model.latent_shape
    grid = f"{height * width} nodes on a grid of {height} x {width}"
    if config.encoder == "block_mean":
        return (
            f"Activity was summarised without training: the latents are {grid}, each the mean relative deviation from "
            f"the mean frame over {BLOCK} x {BLOCK} pixels."
        )
    if config.encoder == "soft_roi":
        what = (
            f"a linear encoder of soft regions of interest with {grid}, each the relative change of intensity of the "
            "pixels that it has learned to claim, decoded by learned gains"
        )
    else:
        skip = "a skip connection of the mean frame" if config.skip else "no skip connection"
        what = f"a convolutional autoencoder with {config.channels} channels, {skip} and {grid}"
    mode = {
        "sequential": "to reconstruct each frame from its own latents; the autoregression was fitted afterwards",
        "embedded": (
            "to reconstruct frames from one-step forecasts of an autoregression that was fitted anew to the latents of "
            "every window, its coefficients held constant in the gradient"
        ),
        "end_to_end": (
            "to reconstruct frames from one-step forecasts of an autoregression that was fitted anew to the latents of "
            "every window, with the gradient passing through the fit"
        ),
    }[config.mode]
    extra = (
        f", with the relative error of the forecast added to the loss at weight {config.forecast_weight:g}"
        if config.forecast_weight > 0
        else ""
    )
    each = "" if config.windows_per_step == 1 else f", {config.windows_per_step} windows a step"
    steps = f"{config.epochs} {'epoch' if config.epochs == 1 else 'epochs'}"
    return (
        f"The model is {what}. It was trained {mode}{extra}, for {steps} of windows of {config.window} frames{each} "
        f"with Adam (learning rate {config.learning_rate:g}) {cited.cite('kingma2015')} and seed {config.seed}. "
        "Labels of conditions did not enter the training."
    )


def _autoregression(config: Config, analysis: Analysis, cited: Bibliography) -> str:
    how = (
        f"{config.condition_lam:g} as set"
        if config.condition_lam is not None
        else f"{analysis.condition_lam:.3g} from the shape of the regression {cited.cite('bickel2009')}"
    )
    pruned = (
        f", coefficients of which with a t-value below {config.prune:g} were set to 0"
        if config.prune > 0
        else ""
    )
    return (
        f"Vector autoregressions of order {config.order} were fitted to the latents by the lasso "
        f"{cited.cite('tibshirani1996')}, solved by least angle regression {cited.cite('efron2004')}: one to each run "
        f"(λ = {analysis.lam:g}, on the loss averaged over nodes) and one to all runs of each condition together "
        f"(λ = {how}{pruned}). Contribution maps decode the outflow of every node, the sum of its absolute "
        "coefficients on the other nodes, into the image."
    )


def _tests(analysis: Analysis, cited: Bibliography) -> str:
    test = analysis.condition_test
    if test is None:
        return f"No test between conditions was made: {analysis.why_no_test}."
    place = test.place
    ways = (
        f"all {place.num_relabellings} distinct relabellings"
        if place.exact
        else f"{len(place.null)} random relabellings {cited.cite('phipson2010')}"
    )
    drift = ", after a linear drift over the order of recording was taken out" if place.without_drift else ""
    effect = (
        ""
        if test.effect is None
        else (
            f" The interval of the effect is a {test.effect.confidence:.0%} percentile interval over resampled blocks "
            f"{cited.cite('efron1993')}."
        )
    )
    return (
        f"To compare {' and '.join(place.groups)}, every run was forecast with the coefficients of every other; the "
        "excess error over its own was taken for a squared distance. The studentised squared distance of the "
        f"conditions' centres {cited.cite('anderson2017')} was tested by exchanging {EXCHANGED[place.exchange]} "
        f"({ways}{drift}); the smallest p-value that this design can reach is {format_pvalue(place.smallest_pvalue)}. "
        f"ANOSIM {cited.cite('clarke1993')} and a test of equal dispersion {cited.cite('anderson2006')} accompany "
        f"it.{effect}"
    )


def _where(analysis: Analysis, cited: Bibliography) -> str:
    found = analysis.differences
    if found is None:
        return ""
    net = found.network
    text = (
        "Edges of the network were selected by one fit to all runs that does not know their conditions (λ = "
        f"{net.lam:.3g}, t-value of at least {net.threshold:g}) and measured by least squares in each block of runs."
    )
    if net.stability is not None:
        text += (
            " The stability of an edge is the share of random halves of the recordings in which it is selected "
            f"{cited.cite('meinshausen2010')}."
        )
    if net.edges is not None:
        text += (
            " Differences of edges, of the nodes' outflow and of pixels of the contribution maps were tested by "
            f"moderated t-tests with blocks as units {cited.cite('smyth2004')}, holding the false-discovery rate at "
            f"{RATE:g} over each kind {cited.cite('benjamini1995')}."
        )
    if found.uncertainty:
        text += f" Standard errors of maps are from resampled blocks {cited.cite('efron1993')}."
    return text


def methods(model: Model, analysis: Analysis, study: Study, prepared: Prepared) -> Methods:
    """What was done to get these results of one model, in the past tense, with what is to be cited.

    Args:
        model, analysis: the one that the report speaks for.
        study, prepared: what they were made from.
    """
    cited = Bibliography()
    parts = [
        f"{_data(study, cited)} {_preprocessing(model.config.preprocess, prepared, cited)}",
        f"{_encoder(model, cited)} {_autoregression(model.config, analysis, cited)}",
        f"{_tests(analysis, cited)} {_where(analysis, cited)}".strip(),
    ]
    return Methods(tuple(parts), tuple(cited.references()), cited.bibtex())
