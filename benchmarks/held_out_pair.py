"""The recommended model against the sequential one at the strongest penalty, on more studies than reproduction.py has.

    python benchmarks/held_out_pair.py --out results/pair --seeds 5 6 7 8        about ten minutes a seed on one core

On the five studies of reproduction.py the interval of the paired difference of held-out R_var at lam = 0.02 ended near
0. These are four more, decided on before any of them was looked at. OUT/tables/pair.csv: both, and their difference
with its 95 % interval over seeds; OUT/seed_<n>.json keeps each.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from _seeds import Row, cached, summary

import lassovae
from lassovae._evaluate import evaluate
from lassovae.var import fit_runs

LAM = 0.02


@dataclass
class Arguments:
    """Command line."""

    out: Path = Path("results/pair")
    """Folder for the results of each seed and the table."""
    seeds: tuple[int, ...] = (5, 6, 7, 8)
    """Studies."""


def judged(seed: int) -> Row:
    """Held-out R_var and R_var of windows of both models on one study."""
    preset = lassovae.preset("quarter", seed=seed)
    study = lassovae.data.simulate_study(seed, **preset.simulation)
    row: Row = {}
    for name in ("sequential", "recommended"):
        config = preset.models[name].replace(lam=LAM)
        model = lassovae.fit(study, config, show_progress=False)
        prepared = lassovae.data.prepare(study, config.preprocess)
        latents = [lassovae.encode_run(model, frames)[0] for frames in prepared.frames]
        fit = lassovae.raise_if_failed(fit_runs(latents, config.order, LAM))
        errors, _ = evaluate(model, prepared.frames, latents, fit, LAM)
        row |= {
            f"{name} held out": float(np.nanmean(errors.held_out)),
            f"{name} window": float(errors.window.mean()),
        }
    row["held out, difference"] = row["recommended held out"] - row["sequential held out"]
    return row


def main() -> None:
    """Compute what is missing, then the table."""
    arguments = tyro.cli(Arguments, description=__doc__)
    rows = []
    for seed in arguments.seeds:
        rows.append(cached(arguments.out / f"seed_{seed}.json", lambda s=seed: judged(s)))  # type: ignore[misc]
        print(f"seed {seed}: {rows[-1]}", flush=True)
    lassovae.report.write_tables({"pair": [summary({"lam": LAM}, rows)]}, arguments.out / "tables")


if __name__ == "__main__":
    main()
