"""What is found where the truth is known: simulated studies of many kinds, several encoders, several seeds.

    python examples/evidence.py --out results/evidence                    about an hour on two cores
    python examples/evidence.py --only choosing nulls

Every cell of every table is computed once and kept in OUT/cache, so that a call that was stopped goes on. Tables, each
with 95 % intervals over seeds (Student's t), in OUT/tables:

    truth.csv       drivers, edges, difference of conditions, maps and predictability, a row a kind of study and encoder
    against.csv     the same less what block means find, paired by seed
    choosing.csv    the l1 strength that each criterion chooses, beside the one that finds most
    orders.csv      the same for the number of lags
    assignment.csv  the same truth, with each cell's node chosen by place or by what it follows
    nulls.csv       what is "found" where there is nothing: shuffled frames, random phases, no coupling

The baselines: "traces" are the true calcium traces, the ceiling; "pca" as many principal components as there are
nodes; "block_mean" local averages, which need no training.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tyro
from scipy import stats

import lassovae
from lassovae.maps import contribution_map, visual_gain
from lassovae.stats import following_nodes, influence, recovery
from lassovae.var import VARFit, fit_pooled, fit_runs, lam_path, predict, prune, suggested_lam

Row = dict[str, Any]
Latents = list[np.ndarray]
STUDY = {"num_runs": 8, "frames": 320, "frame_shape": (64, 96), "num_cells": 30, "block_size": 2}
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
    "strong neuropil": {"neuropil": 0.06},
}
SOFT = lassovae.Config(encoder="soft_roi", epochs=4)
ENCODERS: dict[str, lassovae.Config | None] = {
    "traces": None,
    "pca": None,
    "block_mean": SOFT.replace(encoder="block_mean"),
    "soft_roi sequential": SOFT.replace(mode="sequential"),
    "soft_roi embedded": SOFT.replace(mode="embedded"),
    "soft_roi end_to_end": SOFT,
    "convolutional sequential": lassovae.Config(mode="sequential", channels=16),
    "convolutional end_to_end": lassovae.Config(channels=16),
}
SLOW = ("pca", "convolutional sequential", "convolutional end_to_end")
FOR_SLOW = ("moderate noise",)  # the kinds of study that these are tried on
ORDER, LAM = SOFT.order, SOFT.lam
PRUNE = {"lasso": 0.0, "pruned": 2.0}  # name of the fits -> smallest t-value that is kept
JUDGED = (
    "moderate noise",
    "15 photons",
    "300 photons",
)  # kinds in the tables of the l1 strength and of nothing
CHOOSING = (*JUDGED, "half the frames", "twice the frames")
LAMS = tuple(float(lam) for lam in np.geomspace(1.6e-3, 2.5e-5, 7))  # each half the last


@dataclass
class Arguments:
    """Command line."""

    out: Path = Path("results/evidence")
    """Folder for the cache and the tables."""
    seeds: int = 5
    """Studies of every kind: seeds 0, 1, 2, ..."""
    only: list[Literal["truth", "choosing", "orders", "assignment", "nulls"]] = field(
        default_factory=lambda: ["truth", "choosing", "orders", "assignment", "nulls"]
    )
    """Which experiments."""


def encoded(name: str, study: lassovae.data.Study, seed: int) -> tuple[Latents, lassovae.Model | None]:
    """Latents (time, rows, columns) of every run, and the model where there is one."""
    config = ENCODERS[name]
    if name == "traces" and study.truth is not None:
        return [np.asarray(trace, np.float32)[:, None] for trace in study.truth.traces], None
    prepared = lassovae.data.prepare(study, SOFT.preprocess)
    if config is not None:
        model = lassovae.fit(study, config.replace(seed=seed), show_progress=False)
        return [lassovae.encode_run(model, frames)[0] for frames in prepared.frames], model
    relative = [(x / prepared.mean_frame - 1).reshape(len(x), -1) for x in prepared.frames]
    centred = np.concatenate([x - x.mean(axis=0) for x in relative]).astype(np.float64)
    num_nodes = prepared.mean_frame.size // 64
    power, vectors = np.linalg.eigh(centred @ centred.T)
    axes = vectors[:, ::-1][:, :num_nodes].T @ centred / np.sqrt(power[::-1][:num_nodes])[:, None]
    return [(x @ axes.T).astype(np.float32)[:, None] for x in relative], None


def held_out(latents: Latents, cell_nodes: np.ndarray) -> tuple[float, float]:
    """R_var of the last 40 % of each run under a fit to the rest: of all nodes together, and of cells' nodes each
    relative to its own variance, which no gain can change. Means over runs."""
    values = []
    for z in latents:
        cut = round(0.6 * len(z))
        fit = fit_runs([z[:cut]], ORDER, LAM)
        one = VARFit(*(np.asarray(part)[0] for part in fit))
        actual = z[cut:].reshape(len(z) - cut, -1) - np.asarray(one.mean)
        error = actual - (np.asarray(predict(one, z[cut - ORDER :])) - np.asarray(one.mean))
        each = np.square(error).sum(axis=0) / np.square(actual).sum(axis=0)
        values.append((np.square(error).sum() / np.square(actual).sum(), each[cell_nodes].mean()))
    whole, cells = np.mean(values, axis=0)
    return float(whole), float(cells)


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
        latents=None if by_place else latents,
        traces=None if by_place else truth.traces,
        maps=maps,
    )
    row = {k: float(v) for k, v in asdict(found).items()}
    row["drivers"] = (row["drivers_a"] + row["drivers_b"]) / 2
    row["edges"] = (row["edges_a"] + row["edges_b"]) / 2
    row["nonzeros"] = float(
        np.mean([(np.asarray(f.coef) != 0).sum() / rows / columns for f in fits.values()])
    )
    return row


def found(kind: str, name: str, seed: int) -> Row:
    """One cell of truth.csv."""
    study = lassovae.data.simulate_study(seed, **STUDY | KINDS[kind])
    latents, model = encoded(name, study, seed)
    nodes = following_nodes(latents, study.truth.traces)
    whole, cells = held_out(latents, nodes.node[nodes.kept])
    fits = pooled(latents, study)
    row: Row = {"r_var_held_out": whole, "r_var_cells": cells}
    for name, threshold in PRUNE.items():
        kept = {
            c: prune(
                fit, [z for z, label in zip(latents, study.labels, strict=True) if label == c], threshold
            )
            for c, fit in fits.items()
        }
        row |= {f"{name}: {key}": value for key, value in score(latents, study, kept, model).items()}
    return row


def chosen(kind: str, name: str, seed: int) -> Row:
    """One cell of choosing.csv: criteria see one condition's latents alone, the truth judges both conditions."""
    study = lassovae.data.simulate_study(seed, **STUDY | KINDS[kind])
    latents, _ = encoded(name, study, seed)
    path = lam_path([z for z, label in zip(latents, study.labels, strict=True) if label == "F"], ORDER, LAMS)
    scores = [score(latents, study, pooled(latents, study, lam)) for lam in path.lams.tolist()]
    ranking = np.asarray([(s["drivers"] + s["edges"] + s["difference"]) / 3 for s in scores])
    row: Row = {"best": float(path.lams[ranking.argmax()]), "best_score": float(ranking.max())}
    rows = sum(len(z) - ORDER for z in latents) // 2
    row["suggested"] = suggested_lam(rows, ORDER, latents[0][0].size)
    row["suggested_score"] = float(np.interp(-np.log(row["suggested"]), -np.log(path.lams), ranking))
    row["lam_max"] = strongest([z for z, label in zip(latents, study.labels, strict=True) if label == "F"])
    for criterion in ("held_out", "aic", "bic", "ebic"):
        at = int(np.flatnonzero(path.lams == path.best(criterion))[0])
        row |= {criterion: float(path.lams[at]), f"{criterion}_score": float(ranking[at])}
    return row | {f"curve_{lam:.2g}": float(r) for lam, r in zip(path.lams, ranking, strict=True)}


def ordered(kind: str, name: str, seed: int) -> Row:
    """One cell of orders.csv: the simulation's couplings have two lags, and calcium decays over four to six frames."""
    study = lassovae.data.simulate_study(seed, **STUDY | KINDS[kind])
    latents, _ = encoded(name, study, seed)
    of_first = [z for z, label in zip(latents, study.labels, strict=True) if label == "F"]
    row: Row = {}
    for order in (1, 2, 3, 5, 8):
        lam = suggested_lam(sum(len(z) - order for z in of_first), order, latents[0][0].size)
        found = score(latents, study, pooled(latents, study, lam, order))
        row[f"held out, p = {order}"] = float(lam_path(of_first, order, [lam]).held_out[0])
        row[f"found, p = {order}"] = (found["drivers"] + found["edges"] + found["difference"]) / 3
    return row


def assigned(kind: str, name: str, seed: int) -> Row:
    """One cell of assignment.csv."""
    study = lassovae.data.simulate_study(seed, **STUDY | KINDS[kind])
    latents, _ = encoded(name, study, seed)
    fits = pooled(latents, study)
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


def random_phases(latents: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Every node with its own power spectrum, hence autocorrelation, and phases of its own: coupling is gone."""
    z = latents.reshape(len(latents), -1)
    spectrum = np.fft.rfft(z - z.mean(axis=0), axis=0)
    phase = np.exp(2j * np.pi * rng.random(spectrum.shape))
    phase[0] = 1
    if len(z) % 2 == 0:
        phase[-1] = 1  # the highest frequency is real
    return np.fft.irfft(spectrum * phase, n=len(z), axis=0).reshape(latents.shape).astype(np.float32)


def strengths(latents: Latents, study: lassovae.data.Study) -> np.ndarray:
    """(targets, sources) of the first condition's pruned fit: sums over lags, a node's own past left out."""
    of_first = [z for z, label in zip(latents, study.labels, strict=True) if label == "F"]
    coef = np.asarray(prune(pooled(latents, study)["F"], of_first, PRUNE["pruned"]).coef)
    return np.abs(coef).sum(axis=0) * ~np.eye(coef.shape[-1], dtype=bool)


def nothing(kind: str, name: str, seed: int) -> Row:
    """One cell of nulls.csv: edges a node from other nodes, and a cell's node from other cells' nodes.

    In the fits of runs; in the pruned fit of a condition; and in that those that are stronger than the strongest of a
    copy with random phases. Every one of them is false but for study "as it is".
    """
    rng = np.random.default_rng(seed)
    row: Row = {}
    for null, coupling in (
        ("as it is", 2.0),
        ("shuffled", 2.0),
        ("random phases", 2.0),
        ("no coupling", 0.0),
    ):
        study = lassovae.data.simulate_study(seed, **STUDY | KINDS[kind] | {"coupling": coupling})
        latents, _ = encoded(name, study, seed)
        nodes = following_nodes(latents, study.truth.traces)
        at = nodes.node[nodes.kept]
        if null == "shuffled":
            latents = [z[rng.permutation(len(z))] for z in latents]
        if null == "random phases":
            latents = [random_phases(z, rng) for z in latents]
        of_runs = (np.asarray(fit_runs(latents, ORDER, LAM).coef) != 0).any(axis=1)
        of_runs &= ~np.eye(of_runs.shape[-1], dtype=bool)
        together = strengths(latents, study)
        by_chance = strengths([random_phases(z, rng) for z in latents], study).max()
        for where, linked in (
            ("runs", of_runs),
            ("condition", together[None] > 0),
            ("condition above chance", together[None] > by_chance),
        ):
            row[f"{null}, {where}"] = float(linked.sum() / linked.shape[0] / linked.shape[1])
            row[f"{null}, {where}, cells"] = float(linked[:, at][:, :, at].sum() / len(linked) / len(at))
        row[f"{null}, held out"] = held_out(latents, at)[0]
    return row


def interval(values: Iterable[float]) -> tuple[float, float]:
    """Mean over seeds and half the width of its 95 % confidence interval, of those that are numbers."""
    known = np.asarray([v for v in values if np.isfinite(v)])
    if len(known) < 2:
        return float(known.mean()) if len(known) else float("nan"), float("nan")
    half = stats.t.ppf(0.975, len(known) - 1) * known.std(ddof=1) / np.sqrt(len(known))
    return float(known.mean()), float(half)


def cached(path: Path, compute: Callable[[], Row]) -> Row:
    """Read it, or compute and write it."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        row = compute()
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps(row, indent=1))
        temporary.replace(path)
    return dict(json.loads(path.read_text()))


def summary(key: Row, rows: list[Row]) -> Row:
    """Means with intervals over seeds."""
    made = dict(key) | {"seeds": len(rows)}
    for name in rows[0]:
        mean, half = interval(r[name] for r in rows)
        made |= {name: f"{mean:.4g}", f"{name} +-": f"{half:.2g}"}
    return made


def main() -> None:
    """Compute what is missing, then the tables."""
    arguments = tyro.cli(Arguments, description=__doc__)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    tables: dict[str, list[Row]] = {}

    def cells(what: str, name: str, call: Callable[[int], Row]) -> list[Row]:
        made = []
        for seed in range(arguments.seeds):
            path = arguments.out / "cache" / what / f"{name} {seed}.json"
            made.append(cached(path, lambda seed=seed: call(seed)))  # type: ignore[misc]
            print(f"{what}: {name}, seed {seed}", flush=True)
        return made

    if "truth" in arguments.only:
        tables |= {"truth": [], "against": []}
        for kind in KINDS:
            of_kind = {
                name: cells("truth", f"{kind}, {name}", lambda seed, k=kind, n=name: found(k, n, seed))
                for name in ENCODERS
                if kind in FOR_SLOW or name not in SLOW
            }
            of_fits = {
                (name, fits): [
                    {key.removeprefix(f"{fits}: "): value for key, value in row.items()}
                    for row in (
                        {k: v for k, v in r.items() if ":" not in k or k.startswith(fits)} for r in rows
                    )
                ]
                for name, rows in of_kind.items()
                for fits in PRUNE
            }
            for (name, fits), rows in of_fits.items():
                key = {"study": kind, "encoder": name, "fits": fits}
                tables["truth"].append(summary(key, rows))
                base = of_fits["block_mean", "lasso"]
                differences = [{k: a[k] - b[k] for k in a} for a, b in zip(rows, base, strict=True)]
                if (name, fits) != ("block_mean", "lasso"):
                    tables["against"].append(summary(key, differences))
    both = ("block_mean", "soft_roi end_to_end")
    for what, compute, kinds, names in (
        ("choosing", chosen, CHOOSING, both),
        ("orders", ordered, JUDGED[:1], both),
        ("assignment", assigned, JUDGED[:1], (*both, "convolutional end_to_end")),
        ("nulls", nothing, JUDGED, both),
    ):
        if what in arguments.only:
            tables[what] = [
                summary(
                    {"study": kind, "encoder": name},
                    cells(what, f"{kind}, {name}", lambda seed, k=kind, n=name, f=compute: f(k, n, seed)),
                )
                for kind in kinds
                for name in names
            ]
    lassovae.report.write_tables(tables, arguments.out / "tables")
    print(f"Tables in {arguments.out / 'tables'}")


if __name__ == "__main__":
    main()
