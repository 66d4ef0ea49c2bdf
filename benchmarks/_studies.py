"""The simulated studies, encoders and fits that evidence.py judges."""

from __future__ import annotations

import dataclasses
from dataclasses import asdict

import numpy as np
from _seeds import Row

import lassovae
from lassovae.maps import contribution_map, visual_gain
from lassovae.stats import following_nodes, influence, recovery
from lassovae.var import VARFit, fit_pooled, fit_runs, predict, prune, suggested_lam

Latents = list[np.ndarray]
STUDY = {"num_runs": 8, "frames": 320, "frame_shape": (64, 96), "num_cells": 30, "block_size": 2}
REGISTERED = "motion, registered"  # the kind of study whose frames are moved back before anything else
KINDS: dict[str, Row] = {  # what differs from the simulation's defaults
    "moderate noise": {},
    "15 photons": {"photons": 15.0},
    "30 photons": {"photons": 30.0},
    "300 photons": {"photons": 300.0},
    "half the coupling": {"coupling": 1.0},
    "half the frames": {"frames": 160},
    "twice the frames": {"frames": 640},
    "15 cells": {"num_cells": 15},
    "overlapping cells": {"num_cells": 45, "separation_px": 6.0},
    "motion of 1 pixel": {"motion_px": 1.0},
    REGISTERED: {"motion_px": 1.0},
    "strong neuropil": {"neuropil": 0.06},
}
NOISES = ("15 photons", "30 photons", "moderate noise", "300 photons")
SOFT = lassovae.Config.recommended()
ENCODERS: dict[str, lassovae.Config | None] = {
    "traces": None,
    "pca": None,
    "block_mean": SOFT.replace(encoder="block_mean"),
    "soft_roi untrained": SOFT.replace(learning_rate=0.0, epochs=1),
    "soft_roi sequential": SOFT.replace(mode="sequential"),
    "soft_roi embedded": SOFT.replace(mode="embedded"),
    "soft_roi end_to_end": SOFT,
    "soft_roi end_to_end + forecast term": SOFT.replace(forecast_weight=3e-4),
    "convolutional sequential": lassovae.Config(mode="sequential", channels=16),
    "convolutional end_to_end": lassovae.Config(channels=16),
}
SLOW = ("pca", "convolutional sequential", "convolutional end_to_end")
FOR_SLOW = ("moderate noise",)  # the kinds of study that these are tried on
ORDER, LAM = SOFT.order, SOFT.lam
PRUNE = {"lasso": 0.0, "pruned": SOFT.prune}  # name of the fits -> smallest t-value that is kept
UNIT_PENALTY = 0.2  # of a target whose variance is 1, as a share of it
SURROGATES = 5  # copies with random phases whose strongest edge is what chance can do
UNSETTLED = (
    "overlapping cells",
    "half the coupling",
)  # kinds on which five seeds cannot tell block means and ours apart
MORE_SEEDS = 4  # times as many there
JUDGED = ("moderate noise", "15 photons")  # kinds in the tables of the l1 strength and of nothing
TRIED = 2.0 ** np.arange(4, -3, -1)  # strengths, as multiples of the suggested one


def encoded(
    name: str, study: lassovae.data.Study, seed: int, pre: lassovae.Preprocess = SOFT.preprocess
) -> tuple[Latents, lassovae.Model | None]:
    """Latents (time, rows, columns) of every run, and the model where there is one."""
    config = ENCODERS[name]
    if name == "traces" and study.truth is not None:
        return [np.asarray(trace, np.float32)[:, None] for trace in study.truth.traces], None
    prepared = lassovae.data.prepare(study, pre)
    if config is not None:
        model = lassovae.fit(study, config.replace(seed=seed, preprocess=pre), show_progress=False)
        return [lassovae.encode_run(model, frames)[0] for frames in prepared.frames], model
    relative = [(x / prepared.mean_frame - 1).reshape(len(x), -1) for x in prepared.frames]
    centred = np.concatenate([x - x.mean(axis=0) for x in relative]).astype(np.float64)
    num_nodes = prepared.mean_frame.size // 64
    power, vectors = np.linalg.eigh(centred @ centred.T)
    axes = vectors[:, ::-1][:, :num_nodes].T @ centred / np.sqrt(power[::-1][:num_nodes])[:, None]
    return [(x @ axes.T).astype(np.float32)[:, None] for x in relative], None


def held_out(latents: Latents, cell_nodes: np.ndarray) -> tuple[float, float]:
    """R_var of the last 40 % of each run under a fit to the rest, means over runs.

    Of all nodes together; and of the nodes of cells, each scaled to a standard deviation of 1 before the fit and
    judged relative to its own variance, which no gain of the encoder can change.
    """
    values = []
    for z in latents:
        cut = round(0.6 * len(z))
        flat = z.reshape(len(z), -1)
        spread = flat[:cut].std(axis=0)
        each = flat / np.where(spread > 0, spread, 1)
        errors = []
        for series, lam in ((flat, LAM), (each, UNIT_PENALTY / flat.shape[1])):
            one = VARFit(*(np.asarray(part)[0] for part in fit_runs([series[:cut]], ORDER, lam)))
            mean = np.asarray(one.mean)
            error = series[cut:] - np.asarray(predict(one, series[cut - ORDER :]))
            errors.append((np.square(error).sum(axis=0), np.square(series[cut:] - mean).sum(axis=0)))
        (whole, power), (own, variance) = errors
        moving = cell_nodes[variance[cell_nodes] > 0]
        values.append((whole.sum() / power.sum(), (own[moving] / variance[moving]).mean()))
    whole, cells = np.mean(values, axis=0)
    return float(whole), float(cells)


def first_part(study: lassovae.data.Study) -> lassovae.data.Study:
    """The first 60 % of every run, to train an encoder that has not seen the rest."""
    runs = [
        dataclasses.replace(
            run,
            recording=lassovae.data.ArrayRecording(
                run.recording[: round(0.6 * len(run.recording))], name=run.name
            ),
        )
        for run in study
    ]
    return lassovae.data.Study(tuple(runs), name=study.name)


def pooled(
    latents: Latents, study: lassovae.data.Study, lam: float | None = None, order: int = ORDER
) -> dict[str, VARFit]:
    """One fit a condition, of one strength: by default the suggested one."""
    runs = {
        c: [z for z, label in zip(latents, study.labels, strict=True) if label == c] for c in study.conditions
    }
    if lam is None:
        rows = sum(len(z) - ORDER for z in latents) // len(runs)
        lam = suggested_lam(rows, ORDER, latents[0][0].size)
    return {c: lassovae.raise_if_failed(fit_pooled(of_c, order, lam)) for c, of_c in runs.items()}


def pruned(
    latents: Latents, study: lassovae.data.Study, lam: float | None, threshold: float, order: int = ORDER
) -> dict[str, VARFit]:
    """The pooled fits, pruned."""
    return {
        c: prune(fit, [z for z, label in zip(latents, study.labels, strict=True) if label == c], threshold)
        for c, fit in pooled(latents, study, lam, order).items()
    }


def score(
    latents: Latents,
    study: lassovae.data.Study,
    fits: dict[str, VARFit],
    model: lassovae.Model | None = None,
    by_place: bool = False,
) -> Row:
    """`lassovae.stats.recovery` of the fits pooled over each condition; with a model, of its maps as well.

    With by_place, a cell's node is the one that holds most of its footprint, and not the one that follows it.
    """
    truth = study.truth
    if truth is None:
        raise ValueError("only a simulated study can be scored")
    maps = None
    if model is not None:
        outflow = {c: influence(fit.coef) for c, fit in fits.items()}
        scale = float(np.mean([fit.scale for fit in fits.values()]))
        gain = visual_gain(np.stack(list(outflow.values())), scale)
        rest = contribution_map(model, np.zeros(len(outflow["F"])))
        maps = (
            contribution_map(model, outflow["F"], gain) - rest,
            contribution_map(model, outflow["N"], gain) - rest,
        )
    rows, columns = latents[0].shape[1:]
    found = recovery(
        fits["F"].coef,
        fits["N"].coef,
        latent_shape=(rows, columns),
        footprints=truth.footprints,
        coupling_a=truth.coupling["F"],
        coupling_b=truth.coupling["N"],
        difference_map=None if maps is None else maps[0] - maps[1],
        latents=latents,
        traces=truth.traces,
        maps=maps,
        nodes=None if by_place else following_nodes(latents, truth.traces),
    )
    row = {k: float(v) for k, v in asdict(found).items()}
    row["drivers"] = (row["drivers_a"] + row["drivers_b"]) / 2
    row["edges"] = (row["edges_a"] + row["edges_b"]) / 2
    row["nonzeros"] = float(
        np.mean([(np.asarray(f.coef) != 0).sum() / rows / columns for f in fits.values()])
    )
    return row


def ranking(row: Row) -> float:
    """How well drivers, edges and the difference are ranked: the mean of the three areas."""
    return (row["drivers"] + row["edges"] + row["difference"]) / 3


def in_random_order(study: lassovae.data.Study, rng: np.random.Generator) -> lassovae.data.Study:
    """The recordings themselves with their frames in random order, and the truth's traces with them."""
    runs, traces = [], []
    for run, trace in zip(study, study.truth.traces, strict=True):
        order = rng.permutation(len(trace))
        recording = lassovae.data.ArrayRecording(run.recording[:][order], name=run.name)
        runs.append(dataclasses.replace(run, recording=recording))
        traces.append(trace[order])
    truth = dataclasses.replace(study.truth, traces=tuple(traces))
    return lassovae.data.Study(tuple(runs), truth=truth, name=study.name)
