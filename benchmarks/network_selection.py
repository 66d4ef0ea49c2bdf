"""How strictly `lassovae.network` should select its edges: what docs/decisions/differences.md shows.

    python benchmarks/network_selection.py --out results/statistics        about five minutes on one core

Block means of simulated movies whose conditions differ, at several l1 strengths (times the suggested one) and
t-values. The seeds are not those of statistics_movies.py. OUT/tables/selection.csv: edges that are tested, the share of
changed drivers whose node is found at a false-discovery rate of 0.05, and the share of false ones among those found.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from _seeds import Row, summary
from statistics_movies import CONFIGS, LEVEL, STUDY, blocks_touched, found_of

import lassovae
from lassovae.var import suggested_lam

STRENGTHS = (0.5, 1.0, 2.0, 4.0)
THRESHOLDS = (1.0, 2.0, 3.0)


@dataclass
class Arguments:
    """Command line."""

    out: Path = Path("results/statistics")
    """Folder for the table."""
    seeds: int = 20
    """Studies."""
    first_seed: int = 200
    """The first of their seeds."""


def tried(seed: int) -> dict[tuple[float, float], Row]:
    """What each selection finds in one study."""
    study = lassovae.data.simulate_study(seed, **STUDY)
    config = CONFIGS["block_mean"]
    model = lassovae.fit(study, config, show_progress=False)
    prepared = lassovae.data.prepare(study, config.preprocess)
    latents = [lassovae.encode_run(model, frames)[0] for frames in prepared.frames]
    truth = study.truth
    first, second = (truth.coupling[c] * ~np.eye(truth.num_cells, dtype=bool) for c in truth.conditions[:2])
    differs = (first != second).any(axis=0)
    changed, followers = differs.any(axis=0), differs.any(axis=1)
    own = [
        blocks_touched(truth.footprints, np.arange(truth.num_cells) == cell).ravel()
        for cell in np.flatnonzero(changed)
    ]
    true = blocks_touched(truth.footprints, changed | followers).ravel()
    suggested = suggested_lam(sum(len(z) - config.order for z in latents), config.order, latents[0][0].size)
    made = {}
    for strength in STRENGTHS:
        for threshold in THRESHOLDS:
            net = lassovae.network(
                latents,
                study.labels,
                config.order,
                blocks=study.blocks,
                lam=strength * suggested,
                threshold=threshold,
                num_splits=0,
            )
            sources = np.zeros(true.size, bool)
            sources[net.sources[net.edges.significant(LEVEL)]] = True
            row: Row = {"candidates": len(net.sources)}
            for name, significant in (("nodes", net.nodes.significant(LEVEL)), ("edges", sources)):
                row |= {f"{name} {k}": v for k, v in found_of(significant, true, own).items()}
            made[strength, threshold] = row
    return made


def main() -> None:
    """The table."""
    arguments = tyro.cli(Arguments, description=__doc__)
    studies = []
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
        studies.append(tried(seed))
        print(f"seed {seed}", flush=True)
    table = [
        summary(
            {"strength": strength, "threshold": threshold}, [study[strength, threshold] for study in studies]
        )
        for strength, threshold in studies[0]
    ]
    lassovae.report.write_tables({"selection": table}, arguments.out / "tables")
    print(f"Table in {arguments.out / 'tables'}")


if __name__ == "__main__":
    main()
