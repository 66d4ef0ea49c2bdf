"""The cells of evidence.py's tables: one kind of study, one encoder, one seed."""

from __future__ import annotations

import dataclasses

import numpy as np
from _studies import (
    ENCODERS,
    KINDS,
    LAM,
    ORDER,
    PRUNE,
    REGISTERED,
    SOFT,
    STUDY,
    SURROGATES,
    TRIED,
    Latents,
    Row,
    encoded,
    first_part,
    held_out,
    in_random_order,
    pruned,
    ranking,
    score,
)

import lassovae
from lassovae.stats import following_nodes
from lassovae.var import edge_strengths, fit_runs, lam_path, random_phases, suggested_lam


def unseen(kind: str, name: str, seed: int) -> Row:
    """One cell of unseen.csv: what neither the encoder nor the VAR has seen."""
    study = lassovae.data.simulate_study(seed, **STUDY | KINDS[kind])
    model = lassovae.fit(first_part(study), ENCODERS[name].replace(seed=seed), show_progress=False)
    prepared = lassovae.data.prepare(
        study, SOFT.preprocess, scale=model.scale, offset=model.offset, mean_frame=model.mean_frame
    )
    latents = [lassovae.encode_run(model, frames)[0] for frames in prepared.frames]
    nodes = following_nodes(latents, study.truth.traces)
    whole, cells = held_out(latents, nodes.node[nodes.kept])
    return {"r_var_held_out": whole, "r_var_cells": cells}


def found(kind: str, name: str, seed: int) -> Row:
    """One cell of truth.csv."""
    study = lassovae.data.simulate_study(seed, **STUDY | KINDS[kind])
    pre = dataclasses.replace(SOFT.preprocess, registration="rigid" if kind == REGISTERED else "none")
    latents, model = encoded(name, study, seed, pre)
    nodes = following_nodes(latents, study.truth.traces)
    row: Row = {"r_var_held_out": held_out(latents, nodes.node[nodes.kept])[0]}
    for fits, threshold in PRUNE.items():
        kept = pruned(latents, study, None, threshold)
        row |= {f"{fits}: {key}": value for key, value in score(latents, study, kept, model).items()}
    return row


def chosen(kind: str, name: str, seed: int) -> Row:
    """One cell of choosing.csv: criteria see one condition's latents alone, the truth judges both conditions.

    The best strength is the weakest of those that find within 0.001 of the most.
    """
    study = lassovae.data.simulate_study(seed, **STUDY | KINDS[kind])
    latents, _ = encoded(name, study, seed)
    of_first = [z for z, label in zip(latents, study.labels, strict=True) if label == "F"]
    suggested = suggested_lam(sum(len(z) - ORDER for z in of_first), ORDER, latents[0][0].size)
    path = lam_path(of_first, ORDER, list(suggested * TRIED))
    scores = np.asarray(
        [
            ranking(score(latents, study, pruned(latents, study, lam, SOFT.prune)))
            for lam in path.lams.tolist()
        ]
    )
    best = np.flatnonzero(scores >= np.nanmax(scores) - 0.001)[-1]
    row: Row = {"best / suggested": float(path.lams[best] / suggested), "best score": float(scores[best])}
    row["lam_max / suggested"] = strongest(of_first) / suggested
    for criterion in ("suggested", "held_out", "aic", "bic", "ebic"):
        lam = suggested if criterion == "suggested" else path.best(criterion)
        at = int(np.argmin(np.abs(np.log(path.lams / lam))))
        row[f"{criterion}, octaves from best"] = float(np.log2(lam / path.lams[best]))
        row[f"{criterion}, within a factor 2"] = float(abs(np.log2(lam / path.lams[best])) < 1.01)
        row[f"{criterion}, score"] = float(scores[at])
    return row | {
        f"score at {t:g} x suggested": float(x) for t, x in zip(sorted(TRIED)[::-1], scores, strict=True)
    }


def ordered(kind: str, name: str, seed: int) -> Row:
    """One cell of orders.csv: the simulation's couplings have two lags, and calcium decays over four to six frames."""
    study = lassovae.data.simulate_study(seed, **STUDY | KINDS[kind])
    latents, _ = encoded(name, study, seed)
    of_first = [z for z, label in zip(latents, study.labels, strict=True) if label == "F"]
    row: Row = {}
    for order in (1, 2, 5, 8):
        lam = suggested_lam(sum(len(z) - order for z in of_first), order, latents[0][0].size)
        found = score(latents, study, pruned(latents, study, lam, SOFT.prune, order))
        row[f"held out, p = {order}"] = float(lam_path(of_first, order, [lam]).held_out[0])
        row[f"found, p = {order}"] = ranking(found)
    return row


def assigned(kind: str, name: str, seed: int) -> Row:
    """One cell of assignment.csv."""
    study = lassovae.data.simulate_study(seed, **STUDY | KINDS[kind])
    latents, _ = encoded(name, study, seed)
    fits = pruned(latents, study, None, SOFT.prune)
    return {
        f"{key}, {how}": value
        for how, by_place in (("by place", True), ("by what it follows", False))
        for key, value in score(latents, study, fits, by_place=by_place).items()
        if key in ("drivers", "edges", "difference")
    }


def strongest(latents: Latents) -> float:
    """The smallest strength at which a pooled fit has no coefficient."""
    centred = [z.reshape(len(z), -1) - z.reshape(len(z), -1).mean(axis=0) for z in latents]
    power = np.mean(np.concatenate(centred).astype(np.float64) ** 2)
    rows = sum(len(z) - ORDER for z in centred)
    each = [
        np.abs(sum(z[ORDER - k : len(z) - k].T @ z[ORDER:] for z in centred)).max()
        for k in range(1, ORDER + 1)
    ]
    return float(max(each) / rows / power / centred[0].shape[1])


def strengths(latents: Latents, study: lassovae.data.Study) -> np.ndarray:
    """(targets, sources) of the first condition's pruned fit."""
    return edge_strengths(pruned(latents, study, None, SOFT.prune)["F"].coef)


def copy_of(latents: Latents, rng: np.random.Generator) -> Latents:
    """Latents without couplings."""
    return [random_phases(z, rng).astype(np.float32) for z in latents]


def nothing(kind: str, name: str, seed: int) -> Row:
    """One cell of nulls.csv: edges a cell's node has from other cells' nodes.

    In the fits of runs; in the pruned fit of a condition; and in that those that are stronger than the strongest of
    five copies with random phases. Every one of them is false but for study "as it is". The encoder is trained on
    what is judged: on movies in random order, or of cells that ignore each other.
    """
    rng = np.random.default_rng(seed)
    row: Row = {}
    for null in ("as it is", "shuffled", "random phases", "no coupling"):
        coupling = {"coupling": 0.0} if null == "no coupling" else {}
        study = lassovae.data.simulate_study(seed, **STUDY | KINDS[kind] | coupling)
        if null == "shuffled":
            study = in_random_order(study, rng)
        latents, _ = encoded(name, study, seed)
        nodes = following_nodes(latents, study.truth.traces)
        at = nodes.node[nodes.kept]
        if null == "random phases":
            latents = copy_of(latents, rng)
        of_runs = (np.asarray(fit_runs(latents, ORDER, LAM).coef) != 0).any(axis=1)
        of_runs &= ~np.eye(of_runs.shape[-1], dtype=bool)
        together = strengths(latents, study)
        by_chance = max(strengths(copy_of(latents, rng), study).max() for _ in range(SURROGATES))
        for where, linked in (
            ("runs", of_runs),
            ("condition", together[None] > 0),
            ("condition above chance", together[None] > by_chance),
        ):
            row[f"{null}, {where}"] = float(linked[:, at][:, :, at].sum() / len(linked) / len(at))
        row[f"{null}, held out"] = held_out(latents, at)[0]
    return row
