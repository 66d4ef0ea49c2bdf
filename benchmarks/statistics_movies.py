"""Level and power of the whole pipeline: from simulated movies to tests, networks and thresholded maps.

    python benchmarks/statistics_movies.py --out results/statistics        about an hour and a half on one core

Every study is filmed, a model is trained on it, and everything that `lassovae.analyse` tests is asked: in studies
whose conditions are alike (what is found is false), half different, and different. Blocks of runs have couplings of
their own strength in all of them. Cells are kept in OUT/cache, so that a call that was stopped goes on; in OUT/tables:

    movies.csv   share of studies in which each test rejects at 0.05, and with conditions that differ, the share of
                 changed drivers whose node and whose pixels are found at a false-discovery rate of 0.05, the share
                 of false ones among those found, and the share of studies in which every changed driver is found
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import tyro
from _seeds import Row, cached, name_of

import lassovae
from lassovae.autoencoder import BLOCK
from lassovae.stats import permutation_test, swap_dissimilarity, swap_test

STUDY = {
    "num_runs": 16,
    "frames": 400,
    "frame_shape": (48, 64),
    "num_cells": 14,
    "block_size": 2,
    "block_effect": 0.3,
}
CONTRASTS = (0.0, 1.0, 0.5)
CONFIGS = {
    "recommended": lassovae.Config.recommended(),
    "block_mean": lassovae.Config.recommended().replace(encoder="block_mean"),
}
LEVEL = 0.05


@dataclass
class Arguments:
    """Command line."""

    out: Path = Path("results/statistics")
    """Folder for the cache and the table."""
    seeds: int = 40
    """Studies of each kind."""
    first_seed: int = 1000
    """The first of their seeds; the method was developed on others."""
    encoders: list[Literal["recommended", "block_mean"]] = field(
        default_factory=lambda: ["recommended", "block_mean"]
    )
    """Which models."""


def blocks_touched(footprints: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """(latent height, latent width) bool: nodes whose pixels hold a part of these cells, above half of their peak."""
    _, height, width = footprints.shape
    seen = (footprints > 0.5 * footprints.max(axis=(1, 2), keepdims=True))[cells].any(axis=0)
    return seen.reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK).any(axis=(1, 3))


def found_of(significant: np.ndarray, true: np.ndarray, drivers: list[np.ndarray]) -> Row:
    """Share of drivers of which something is significant, all of them or not, share of false ones among significant."""
    hit = [bool(significant[at].any()) for at in drivers]
    false = float((significant & ~true).sum() / max(1, significant.sum()))
    return {
        "found": float(np.mean(hit)),
        "all": float(all(hit)),
        "false": false,
        "any": float(significant.any()),
    }


def judged(encoder: str, contrast: float, seed: int) -> Row:
    """One study: what every test says, and what is true of what is found."""
    study = lassovae.data.simulate_study(seed, **STUDY, contrast=contrast)
    model = lassovae.fit(study, CONFIGS[encoder].replace(seed=seed), show_progress=False)
    analysis = lassovae.analyse(model, study)
    apart, runs = np.sqrt(swap_dissimilarity(analysis.delta)), range(len(study))
    labels, truth = list(study.labels), study.truth
    row: Row = {
        "blocks": analysis.condition_test.place.pvalue,
        "anosim": analysis.condition_test.anosim.pvalue,
        "scatter": analysis.condition_test.scatter.pvalue,
        "runs": permutation_test(
            apart, labels, statistic="centres", times=runs, num_permutations=999, seed=seed
        ).pvalue,
        "rank_sum": swap_test(analysis.delta, labels, "F", "N").pvalue,
    }
    first, second = (truth.coupling[c] * ~np.eye(truth.num_cells, dtype=bool) for c in truth.conditions[:2])
    differs = (first != second).any(axis=0)
    changed, followers = differs.any(axis=0), differs.any(axis=1)
    own = [
        blocks_touched(truth.footprints, np.arange(truth.num_cells) == cell)
        for cell in np.flatnonzero(changed)
    ]
    true = blocks_touched(truth.footprints, changed | followers)
    net = analysis.differences.network
    nodes = net.nodes.significant(LEVEL).reshape(model.latent_shape)
    by_edge = np.zeros(nodes.size, bool)
    by_edge[net.sources[net.edges.significant(LEVEL)]] = True
    pixels = analysis.differences.maps.significant(LEVEL)
    grow = np.ones((BLOCK, BLOCK), bool)
    for name, significant, scale in (
        ("nodes", nodes, None),
        ("edges", by_edge.reshape(nodes.shape), None),
        ("pixels", pixels, grow),
    ):
        whole = [x if scale is None else np.kron(x, scale) for x in (true, *own)]
        if changed.any():
            row |= {f"{name} {k}": v for k, v in found_of(significant, whole[0], whole[1:]).items()}
        else:
            row[f"{name} any"] = float(significant.any())
    return row


def main() -> None:
    """Compute what is missing, then the table."""
    arguments = tyro.cli(Arguments, description=__doc__)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    settings = name_of(STUDY, CONFIGS)
    table = []
    for encoder in arguments.encoders:
        for contrast in CONTRASTS:
            rows = []
            for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
                path = arguments.out / "cache" / settings / f"{encoder} {contrast} {seed}.json"
                rows.append(cached(path, lambda e=encoder, c=contrast, s=seed: judged(e, c, s)))  # type: ignore[misc]
                print(f"{encoder}, contrast {contrast}, seed {seed}", flush=True)
            made: Row = {"encoder": encoder, "contrast": contrast, "seeds": len(rows)}
            for test in ("blocks", "anosim", "runs", "rank_sum", "scatter"):
                made[f"{test} rejects"] = f"{np.mean([r[test] <= LEVEL for r in rows]):.3f}"
            for what in ("nodes", "edges", "pixels"):
                for measure in ("any", "found", "all", "false"):
                    values = [r[f"{what} {measure}"] for r in rows if f"{what} {measure}" in r]
                    made[f"{what} {measure}"] = f"{np.mean(values):.3f}" if values else "nan"
            table.append(made)
    lassovae.report.write_tables({"movies": table}, arguments.out / "tables")
    print(f"Table in {arguments.out / 'tables'}")


if __name__ == "__main__":
    main()
