"""The paper's tables on simulated studies of its shape, over several seeds, beside the paper's numbers.

    python examples/reproduction.py --out results/reproduction                          quarter size: 40 runs, 96 x 64
    python examples/reproduction.py --preset paper --seeds 3

Every seed draws a study and trains every model of the preset on it (lassovae.compare, whose folder with figures and
page lies in OUT/PRESET/seed_<n>). A seed that is done is not computed again, so a call that was stopped goes on.
A target's penalty is lam times the number of nodes: at quarter size, with 96 instead of 384 nodes, the same lam is a
four times weaker penalty, so that the paper's numbers beside it are to be read with care. OUT/PRESET/tables:

    table_2.csv   L_rec and R_var of each mode and strength; mean, mean sd over runs, 95 % interval over seeds
    order.csv     differences of modes and of the recommended model, paired by seed, with their intervals: which order
                  holds, and how surely
    table_1.csv   the six comparisons of halves: how many seeds call them significant
    skip.csv      L_rec and latent signal to noise with and without the skip connection
    recovered.csv what the paper could not measure: drivers, edges and difference found, with intervals over seeds
"""

from __future__ import annotations

import csv
import logging
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tyro
from scipy import stats

import lassovae

Row = dict[str, Any]
MODES = ("sequential", "embedded", "end_to_end")
PAIRS = (  # of models, whose difference is taken seed by seed
    ("embedded", "sequential"),
    ("end_to_end", "sequential"),
    ("end_to_end", "embedded"),
    ("recommended", "sequential"),
    ("recommended", "end_to_end"),
)
# arXiv 2603.02899, Table 2: lam -> mode -> (L_rec x 1000, sd over runs, R_var, sd over runs)
PAPER = {
    0.005: {
        "sequential": (0.087, 0.030, 0.472, 0.040),
        "embedded": (0.101, 0.035, 0.421, 0.054),
        "end_to_end": (0.103, 0.038, 0.398, 0.068),
    },
    0.01: {
        "sequential": (0.087, 0.030, 0.682, 0.063),
        "embedded": (0.106, 0.037, 0.611, 0.074),
        "end_to_end": (0.112, 0.042, 0.530, 0.081),
    },
    0.02: {
        "sequential": (0.087, 0.030, 0.853, 0.061),
        "embedded": (0.113, 0.040, 0.791, 0.086),
        "end_to_end": (0.118, 0.045, 0.699, 0.072),
    },
}
MEASURES = ("l_rec", "l_rec_forecast", "r_var_window", "r_var_run", "r_var_held_out", "nonzeros")
TRUTH = (
    "drivers_a",
    "drivers_b",
    "difference",
    "edges_a",
    "edges_b",
    "driver_map",
    "changed_map",
    "difference_map",
    "localisation",
    "gini",
    "node_cell_correlation",
)


@dataclass
class Arguments:
    """Command line."""

    out: Path = Path("results/reproduction")
    """Folder for all seeds and their tables."""
    preset: Literal["smoke", "quick", "quarter", "paper"] = "quarter"
    """Size of the studies; the paper's own takes hours a seed on a laptop."""
    seeds: int = 5
    """Studies to simulate: seeds 0, 1, 2, ..."""


def interval(values: Iterable[float]) -> tuple[float, float]:
    """Mean over seeds and half the width of its 95 % confidence interval (Student's t), of those that are finite."""
    found = np.asarray([v for v in values if math.isfinite(v)])
    if len(found) == 0:
        return math.nan, math.nan
    if len(found) == 1:
        return float(found[0]), math.nan
    half = stats.t.ppf(0.975, len(found) - 1) * found.std(ddof=1) / math.sqrt(len(found))
    return float(found.mean()), float(half)


def read(folder: Path, name: str) -> list[Row]:
    """A table of one seed, numbers parsed."""

    def parsed(text: str) -> Any:
        try:
            return float(text)
        except ValueError:
            return text

    with open(folder / "tables" / f"{name}.csv", encoding="utf-8", newline="") as file:
        return [{key: parsed(value) for key, value in row.items()} for row in csv.DictReader(file)]


def mode_of(name: str) -> str:
    """Models of other strengths than the preset's are called <mode>_lam<strength>."""
    return name.split("_lam")[0]


def grouped(rows: list[Row], key: Callable[[Row], Any]) -> dict[Any, list[Row]]:
    """Rows by key, in order of appearance."""
    found: dict[Any, list[Row]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return found


def complete(rows: list[Row], measures: Sequence[str]) -> int:
    """Rows in which every measure is a number; an interval may rest on more of them."""
    return sum(all(math.isfinite(row[measure]) for measure in measures) for row in rows)


def table_2(rows: list[Row]) -> list[Row]:
    """Rows of all seeds' ablation.csv to one row a mode and strength; "seeds" counts those with every number."""
    made = []
    for (mode, lam), part in grouped(rows, lambda r: (mode_of(r["model"]), r["lam"])).items():
        row: Row = {"mode": mode, "lam": lam, "seeds": complete(part, [f"{m}_mean" for m in MEASURES])}
        for measure in MEASURES:
            row[measure], row[f"{measure}_ci"] = interval(r[f"{measure}_mean"] for r in part)
            row[f"{measure}_sd_over_runs"] = float(np.mean([r[f"{measure}_sd"] for r in part]))
        paper = PAPER.get(lam, {}).get(mode, (math.nan,) * 4)
        row |= {"paper_l_rec": paper[0] / 1000, "paper_r_var": paper[2]}
        made.append(row)
    return made


def order(rows: list[Row]) -> list[Row]:
    """Differences of modes at one strength, paired by seed: below 0 the first is the lower one."""
    made = []
    for lam, part in grouped(rows, lambda r: r["lam"]).items():
        by_model = {
            model: {r["seed"]: r for r in of_model}
            for model, of_model in grouped(part, lambda r: mode_of(r["model"])).items()
        }
        for first, second in PAIRS:
            if first not in by_model or second not in by_model:
                continue
            both = [s for s in by_model[first] if s in by_model[second]]
            pairs = [
                {m: by_model[first][s][f"{m}_mean"] - by_model[second][s][f"{m}_mean"] for m in MEASURES}
                for s in both
            ]
            row: Row = {"lam": lam, "first": first, "second": second, "seeds": complete(pairs, MEASURES)}
            for measure in MEASURES:
                row[measure], row[f"{measure}_ci"] = interval(pair[measure] for pair in pairs)
            made.append(row)
    return made


def table_1(rows: list[Row]) -> list[Row]:
    """How often each of the six comparisons is significant after Bonferroni's correction."""
    key = ("model", "lam", "group_a", "group_b", "kind")
    return [
        dict(zip(key, names, strict=True))
        | {
            "seeds": len(part),
            "significant": sum(r["significant"] == "True" for r in part),
            "median_pvalue": float(np.median([r["pvalue"] for r in part])),
        }
        for names, part in grouped(rows, lambda r: tuple(r[k] for k in key)).items()
    ]


def averaged(rows: list[Row], key: tuple[str, ...], measures: Sequence[str]) -> list[Row]:
    """Means over seeds with intervals."""
    made = []
    for names, part in grouped(rows, lambda r: tuple(r[k] for k in key)).items():
        row = dict(zip(key, names, strict=True)) | {"seeds": complete(part, measures)}
        for measure in measures:
            row[measure], row[f"{measure}_ci"] = interval(r[measure] for r in part)
        made.append(row)
    return made


def summarise(folders: dict[int, Path]) -> dict[str, list[Row]]:
    """Tables over seeds from the tables of every seed."""

    def of_all(name: str) -> list[Row]:
        return [row | {"seed": seed} for seed, folder in folders.items() for row in read(folder, name)]

    ablation = of_all("ablation")
    return {
        "table_2": table_2(ablation),
        "order": order(ablation),
        "table_1": table_1(of_all("group_tests")),
        "skip": averaged(of_all("skip_connection"), ("model",), ("l_rec_mean", "latent_snr_mean")),
        "recovered": averaged(of_all("truth_recovery"), ("model", "fits"), TRUTH),
    }


def is_done(folder: Path, preset: lassovae.Preset) -> bool:
    """Is the comparison in this folder complete?

    Raises:
        InputError: it was made with other settings than the preset's.
    """
    if not (folder / "report.html").exists():  # the last thing that `compare` writes
        return False
    if not set(preset.models) <= {row["model"] for row in read(folder, "ablation")}:
        return False  # made before the preset had all of them
    for name, config in preset.models.items():
        where = folder if name == "end_to_end" else folder / "models" / name
        if not where.exists():
            continue  # `compare` trains models that differ only in what their training does not see once
        there = lassovae.load(where).config
        if there.replace(condition_lam=None, prune=0.0) != config.replace(condition_lam=None, prune=0.0):
            raise lassovae.InputError(f"{where} was made with other settings: choose another --out")
        if there != config:
            return False  # trained alike, to be analysed otherwise
    return True


def told(row: Row, measure: str, times: float = 1) -> str:
    """A mean over seeds in words, with its interval if there is one."""
    half = row[f"{measure}_ci"]
    return f"{times * row[measure]:.3f}" + ("" if math.isnan(half) else f" +- {times * half:.3f}")


def of_paper(row: Row) -> str:
    """The paper's L_rec and R_var, where it has this mode and strength."""
    if math.isnan(row["paper_r_var"]):
        return ""
    return f" (paper: L_rec x 1000 {1000 * row['paper_l_rec']:.3f}, R_var {row['paper_r_var']:.3f})"


def main() -> None:
    """Compute what is missing, then the tables."""
    arguments = tyro.cli(Arguments, description=__doc__)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("lassovae").setLevel(logging.INFO)
    if arguments.seeds < 1:
        sys.exit(f"error: --seeds {arguments.seeds}: at least 1")
    folders = {}
    out = arguments.out / arguments.preset
    try:
        for seed in range(arguments.seeds):
            folder = folders[seed] = out / f"seed_{seed}"
            preset = lassovae.preset(arguments.preset, seed=seed)
            if not is_done(folder, preset):
                study = lassovae.data.simulate_study(seed, **preset.simulation)
                lassovae.compare(study, preset, folder, resume=True)
    except (lassovae.InputError, lassovae.SolveError, lassovae.TrainingError) as error:
        sys.exit(f"error: {error}")
    tables = summarise(folders)
    lassovae.report.write_tables({k: v for k, v in tables.items() if v}, out / "tables")
    for row in tables["table_2"]:
        print(
            f"{row['mode']:>12} lam {row['lam']:g}: L_rec x 1000 {told(row, 'l_rec', 1000)}, "
            f"R_var {told(row, 'r_var_window')}{of_paper(row)}, held out {told(row, 'r_var_held_out')}"
        )
    print(f"Tables in {out / 'tables'}")


if __name__ == "__main__":
    main()
