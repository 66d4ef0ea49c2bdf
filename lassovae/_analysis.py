"""analyse: from a trained model and a study to errors, tests between conditions, and maps."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from lassovae._config import Config
from lassovae._differences import Differences, differences
from lassovae._errors import InputError
from lassovae._evaluate import Errors, WindowFits, evaluate, one_run
from lassovae._fit_notes import FitQuality, fit_notes, gap_sentence, quality
from lassovae._memory import plan_memory
from lassovae._model import Model, encode_run, prepare_for
from lassovae._sharing import shared_by_processes, wait_for_all
from lassovae._status import raise_if_failed
from lassovae.data import Prepared, Study, Truth, frame_shape_after
from lassovae.maps import contribution_map, visual_gain
from lassovae.stats import (
    Comparison,
    ConditionTest,
    RankSumResult,
    Recovery,
    condition_test,
    design_sentence,
    excess_errors,
    following_nodes,
    forecast_errors,
    group_comparisons,
    influence,
    influence_test,
    recovery,
)
from lassovae.var import VARFit, fit_pooled, fit_runs, prune, suggested_lam

logger = logging.getLogger("lassovae")

UNEQUAL = 1.25  # times as many frames in one condition as in another: worth a warning


@dataclass(frozen=True, eq=False)
class Analysis:
    """What a study says about its conditions. Arrays are NumPy; runs are in the order of the study.

    Attributes:
        names, labels, blocks: of the runs.
        conditions: the labels, in order of first appearance.
        latents: one (time, latent height, latent width) a run.
        fit: VARFit of each whole run, with a runs axis.
        pooled: VARFit of all runs of a condition together, at `condition_lam`, pruned if config.prune says so.
        errors: reconstruction and forecast errors a run.
        delta: (runs, runs) swap errors; row = data, column = coefficients.
        influences: (runs, nodes) outflow.
        comparisons: the paper's six comparisons of halves of two conditions; None where they cannot be made.
        influence_result: rank-sum test on distances of influences; None likewise.
        why_not: why not, or an empty string.
        condition_test: permutation of whole blocks on the swap errors of the first two conditions, the test whose
            p-value holds; None where it cannot be made.
        why_no_test: why not, or an empty string.
        design: one sentence on what p-value this design could reach if blocks of runs are the units.
        gain: common gain of all maps.
        maps: (runs, height, width) contribution maps.
        condition_maps: condition -> (height, width), mean over its runs.
        difference: (height, width), first condition minus second; None with one condition.
        recovery: per-run fits averaged, scored against a simulation's truth; None for real recordings.
        recovery_pooled: the fits pooled over the runs of a condition, scored likewise.
        pooled_maps: condition -> (height, width), contribution map of its pooled fit; one gain for all of these.
        condition_lam: l1 strength of the pooled fits.
        differences: edges, nodes and pixels in which conditions differ, blocks as units; None where that cannot be
            made.
        why_no_differences: why not, or an empty string.
        lam: l1 strength of the fits to runs and windows.
        fits: how far the fits to conditions, runs and windows can be trusted; empty in what older versions saved.
    """

    names: tuple[str, ...]
    labels: tuple[str, ...]
    blocks: tuple[int, ...]
    conditions: tuple[str, ...]
    latents: tuple[np.ndarray, ...]
    fit: VARFit
    pooled: dict[str, VARFit]
    errors: Errors
    delta: np.ndarray
    influences: np.ndarray
    comparisons: tuple[Comparison, ...] | None
    influence_result: RankSumResult | None
    why_not: str
    condition_test: ConditionTest | None
    why_no_test: str
    design: str
    gain: float
    maps: np.ndarray
    condition_maps: dict[str, np.ndarray]
    difference: np.ndarray | None
    recovery: Recovery | None
    recovery_pooled: Recovery | None
    pooled_maps: dict[str, np.ndarray]
    condition_lam: float
    differences: Differences | None
    why_no_differences: str
    lam: float
    fits: tuple[FitQuality, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences a user must read, about fits that are dead or interpolate."""
        return fit_notes(self.fits)

    def runs_of(self, condition: str) -> tuple[int, ...]:
        """Indices of the runs of a condition."""
        return tuple(i for i, label in enumerate(self.labels) if label == condition)


def _as_numpy(fit: VARFit, names: Sequence[str]) -> VARFit:
    """The fit, of one thing or of several of these names, if all its lassos were solved."""
    found: VARFit = jax.device_get(fit)
    raise_if_failed(found._replace(status=jnp.atleast_2d(found.status)), names)
    return found


def _qualities(
    study: Study, config: Config, latents: Sequence[np.ndarray], fit: VARFit, windows: WindowFits, lam: float
) -> list[FitQuality]:
    """Of the fits to runs, and to the windows of each."""
    found = []
    for i, name in enumerate(study.names):
        found.append(quality("run", name, one_run(fit, i), len(latents[i]) - config.order, lam))
        own = VARFit(*(np.asarray(field)[windows.owner == i] for field in windows.fit))
        found.append(quality("windows", name, own, config.window - config.order, lam))
    return found


def _compared(study: Study) -> tuple[list[str], list[int]]:
    """Labels and blocks of the runs of the first two conditions, those that are compared."""
    runs = [run for run in study.runs if run.condition in study.conditions[:2]]
    return [run.condition for run in runs], [run.block for run in runs]


def _design(study: Study) -> str:
    """What the design can show; a study without two groups of blocks has no permutation test to speak of."""
    try:
        return design_sentence(*_compared(study))
    except InputError as error:
        return f"No permutation test of whole blocks is possible: {str(error).rstrip('.')}."


def _condition_test(study: Study, delta: np.ndarray) -> tuple[ConditionTest | None, str]:
    """The test between the first two conditions, or why there is none."""
    if len(study.conditions) < 2:
        return None, "a test needs two conditions; this study has one"
    try:
        return condition_test(delta, study.labels, blocks=study.blocks, groups=study.conditions[:2]), ""
    except InputError as error:
        return None, str(error)


def _differences(model: Model, study: Study, latents: Sequence[np.ndarray]) -> tuple[Differences | None, str]:
    """Where conditions differ, or why that cannot be told."""
    try:
        return differences(model, latents, study.labels, blocks=study.blocks), ""
    except InputError as error:
        return None, str(error)


def _rows(config: Config, groups: dict[str, list[int]], latents: Sequence[np.ndarray]) -> dict[str, int]:
    """Frames that the pooled fit of each condition forecasts."""
    return {c: sum(len(latents[i]) - config.order for i in runs) for c, runs in groups.items()}


def _condition_lam(config: Config, groups: dict[str, list[int]], latents: Sequence[np.ndarray]) -> float:
    """The l1 strength of the pooled fits: one for all conditions, or they could not be compared."""
    if config.condition_lam is not None:
        return config.condition_lam
    rows = np.mean(list(_rows(config, groups, latents).values()))
    return suggested_lam(round(float(rows)), config.order, latents[0][0].size)


def _score(
    truth: Truth,
    conditions: Sequence[str],
    coefs: dict[str, np.ndarray],
    model: Model,
    latents: Sequence[np.ndarray],
    maps: dict[str, np.ndarray],
) -> Recovery:
    first, second = conditions[:2]
    rest = contribution_map(model, np.zeros(coefs[first].shape[-1]))  # the mean frame is no finding
    return recovery(
        coefs[first],
        coefs[second],
        latent_shape=model.latent_shape,
        footprints=truth.footprints,
        coupling_a=truth.coupling[first],
        coupling_b=truth.coupling[second],
        difference_map=maps[first] - maps[second],
        latents=latents,
        traces=truth.traces,
        nodes=following_nodes(latents, truth.traces),
        maps=(maps[first] - rest, maps[second] - rest),
    )


def analyse(
    model: Model,
    study: Study,
    *,
    lam: float | None = None,
    prepared: Prepared | None = None,
    max_memory_gb: float | None = None,
) -> Analysis:
    """Fit every run, test whether dynamics differ between conditions, and map where.

    Several processes (`start_processes`) share the fits to runs and windows and the swap errors: each of them must
    call this, with the same study, and gets all of it. What else there is, every process does by itself.

    Args:
        model: from `fit` or `load`.
        study: the training study or another of the same field of view; its frames are treated as the training's were.
        lam: l1 strength of the fits to runs and windows; None takes the model's.
        prepared: the study's frames where `prepare` has already made them for this model.
        max_memory_gb: as in `fit`.

    Returns:
        Analysis. The tests compare the first two conditions, in order of appearance.

    Raises:
        InputError: frames of another size than the model's, or a study `fit` would refuse.
        SolveError: a lasso failed.

    References:
        arXiv 2603.02899, sections 2.3, 2.4 and 3.3 to 3.5.
    """
    config = model.config
    study.check(order=config.order, window=config.window, bin_frames=config.preprocess.bin_frames)
    lam = config.lam if lam is None else lam
    if not lam >= 0:
        raise InputError(f"lam={lam} must be at least 0")
    if frame_shape_after(study.frame_shape, config.preprocess) != model.frame_shape:
        raise InputError(
            f"frames of the study are {frame_shape_after(study.frame_shape, config.preprocess)} after "
            f"preprocessing, the model's {model.frame_shape}: analyse recordings of the size it was trained on"
        )
    wait_for_all("analysis begun")  # while nobody is far ahead: the first meeting may not take long
    if prepared is None:
        memory = plan_memory(study, config, max_memory_gb)
        logger.info("%s", memory.sentence())
        prepared = prepare_for(model, study, hold=memory.holds_frames)
    latents = tuple(encode_run(model, frames)[0] for frames in prepared.frames)
    fit = _as_numpy(
        shared_by_processes(lambda part: fit_runs(part, config.order, lam), latents),
        [f"run {name}" for name in study.names],
    )
    logger.info("analyse: %d runs encoded and fitted one by one", len(latents))
    conditions = study.conditions
    groups = {c: [i for i, label in enumerate(study.labels) if label == c] for c in conditions}
    condition_lam = _condition_lam(config, groups, latents)
    rows = _rows(config, groups, latents)
    if max(rows.values()) > UNEQUAL * min(rows.values()):
        logger.warning(
            "Conditions differ in length (%s frames): their pooled fits, and maps of these, differ by that alone, since"
            " fewer frames let more chance coefficients in.",
            ", ".join(f"{c} {count}" for c, count in rows.items()),
        )
    pooled: dict[str, VARFit] = {}
    fits = []
    for c, runs in groups.items():
        of_condition = [latents[i] for i in runs]
        fitted = _as_numpy(fit_pooled(of_condition, config.order, condition_lam), [f"condition {c}"])
        pooled[c] = jax.device_get(prune(fitted, of_condition, config.prune))
        fits.append(quality("condition", c, fitted, rows[c], condition_lam, np.asarray(pooled[c].coef)))
    logger.info("analyse: all runs of a condition fitted together")
    every_run = range(len(latents))
    delta = excess_errors(
        shared_by_processes(lambda part: forecast_errors(latents, fit.coef, part), every_run)
    )
    influences = influence(fit.coef)
    gain = visual_gain(influences, float(np.mean(fit.scale)))
    maps = np.stack([contribution_map(model, c, gain) for c in influences])
    outflows = {c: influence(pooled[c].coef) for c in conditions}
    pooled_gain = visual_gain(
        np.stack(list(outflows.values())), float(np.mean([f.scale for f in pooled.values()]))
    )
    pooled_maps = {c: contribution_map(model, outflow, pooled_gain) for c, outflow in outflows.items()}
    condition_maps = {c: maps[runs].mean(axis=0) for c, runs in groups.items()}
    difference = None
    comparisons = None
    influence_result = None
    why_not = "a comparison needs two conditions; this study has one"
    if len(conditions) > 1:
        difference = condition_maps[conditions[0]] - condition_maps[conditions[1]]
        influence_result = influence_test(influences, study.labels, *conditions[:2])
        try:
            comparisons = group_comparisons(delta, study.labels, (conditions[0], conditions[1]))
            why_not = ""
        except InputError as error:
            why_not = str(error)
    of_conditions, why_no_test = _condition_test(study, delta)
    logger.info("analyse: conditions compared; next their network, which takes longest")
    where, why_nowhere = _differences(model, study, latents)
    logger.info("analyse: network measured; next the errors of forecasts")
    if len(conditions) > 2:
        why_not = f"Only {conditions[0]} and {conditions[1]} are compared, the first two conditions. {why_not}".strip()
    scored = None
    scored_pooled = None
    pre = config.preprocess
    as_stored = pre.crop is None and pre.downscale == 1 and pre.bin_frames == 1
    truth = study.truth
    known = (
        truth is not None and set(conditions[:2]) <= set(truth.coupling) and len(truth.traces) == len(study)
    )
    if truth is not None and known and difference is not None and as_stored:
        per_run = {c: np.asarray(fit.coef)[runs] for c, runs in groups.items()}
        together = {c: np.asarray(pooled[c].coef) for c in conditions}
        scored = _score(truth, conditions, per_run, model, latents, condition_maps)
        scored_pooled = _score(truth, conditions, together, model, latents, pooled_maps)
    errors, of_windows = evaluate(model, prepared.frames, latents, fit, lam)
    fits += _qualities(study, config, latents, fit, of_windows, lam)
    for note in fit_notes(fits):
        logger.warning("%s", note)
    logger.info("analyse: %s", gap_sentence(fits))
    return Analysis(
        names=study.names,
        labels=study.labels,
        blocks=study.blocks,
        conditions=conditions,
        latents=latents,
        fit=fit,
        pooled=pooled,
        errors=errors,
        delta=delta,
        influences=influences,
        comparisons=comparisons,
        influence_result=influence_result,
        why_not=why_not,
        condition_test=of_conditions,
        why_no_test=why_no_test,
        design=_design(study),
        gain=gain,
        maps=maps,
        condition_maps=condition_maps,
        difference=difference,
        recovery=scored,
        recovery_pooled=scored_pooled,
        pooled_maps=pooled_maps,
        condition_lam=condition_lam,
        differences=where,
        why_no_differences=why_nowhere,
        lam=float(lam),
        fits=tuple(fits),
    )
