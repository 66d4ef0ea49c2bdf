"""Level and power of the tests between conditions, on simulated swap errors: what docs/statistics_validation.md shows.

    python benchmarks/statistics_matrices.py --out results/statistics        a few minutes on one core

In OUT/tables:

    level.csv   share of studies without an effect in which each test rejects at 0.05: runs that are exchangeable, a
                block effect, unequal scatter, slow drift, unequal groups
    power.csv   the same with an effect, by the number of blocks
    mid_p.csv   eight blocks: three ways to come nearer to 5 % than a p-value in steps of 1/35 can
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from scipy.spatial.distance import pdist, squareform

import lassovae
from lassovae.stats import Power, condition_test, design_power

EACH = 5  # runs a block
KINDS = {
    "runs exchangeable": {"block_sd": 0.0},
    "block effect 0.5": {},
    "block effect 0.5, scatter 1.5 times": {"scatter": 1.5},
    "block effect 0.5, scatter 2 times": {"scatter": 2.0},
    "block effect 0.5, drift of 1": {"drift": 1.0},
    "block effect 0.5, drift of 3": {"drift": 3.0},
    "block effect 0.5, scatter 2 times, drift of 3": {"scatter": 2.0, "drift": 3.0},
}
DESIGNS = {"8 blocks": "FN" * 4, "12 blocks": "FN" * 6, "4 of F, 6 of N": "NFNNFNFNFN"}
EFFECTS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0)


@dataclass
class Arguments:
    """Command line."""

    out: Path = Path("results/statistics")
    """Folder for the tables."""
    studies: int = 1000
    """Simulated for each number."""


def runs_of(order: str) -> tuple[list[str], list[int]]:
    """Labels and blocks of runs whose blocks have these labels."""
    return [label for label in order for _ in range(EACH)], np.repeat(np.arange(len(order)), EACH).tolist()


def row_of(key: dict[str, object], power: Power, at: int) -> dict[str, object]:
    """Rates of all tests with half the width of their 95 % intervals (Clopper and Pearson)."""
    row = dict(key) | {"seeds": power.num_studies}
    for test, rates in power.rates.items():
        low, high = power.interval(test)[at]
        row |= {test: f"{rates[at]:.4f}", f"{test} +-": f"{(high - low) / 2:.4f}"}
    return row


def mid_p(studies: int) -> list[dict[str, object]]:
    """Eight blocks, a block effect, nothing else: how often other uses of the same 70 relabellings reject.

    A statistic that treats both conditions alike has pairs of equal values, so that p comes in steps of 2/70. A p-value
    in the middle of its tie, one that breaks the tie by which condition scatters more, and the next larger level are
    three ways around it.
    """
    labels, blocks = runs_of(DESIGNS["8 blocks"])
    rng = np.random.default_rng(0)
    rejected = {"p, in steps of 1/35": 0, "mid-p": 0, "ties broken by scatter": 0, "p <= 2/35": 0}
    for _ in range(studies):
        points = rng.standard_normal((40, 5)) + 0.5 * rng.standard_normal((8, 5))[blocks]
        squares = squareform(pdist(points, "sqeuclidean"))
        p = condition_test(squares, labels, blocks=blocks).place.pvalue
        wider = np.asarray(labels) == "F"
        inner = [squares[np.ix_(part, part)].sum() for part in (wider, ~wider)]
        rejected["p, in steps of 1/35"] += p <= 0.05
        rejected["mid-p"] += p - 1 / 70 <= 0.05
        rejected["ties broken by scatter"] += p - (inner[0] > inner[1]) / 70 <= 0.05
        rejected["p <= 2/35"] += p <= 2 / 35 + 1e-9
    return [
        {"rule": rule, "seeds": studies, "rejected": f"{n / studies:.4f}"} for rule, n in rejected.items()
    ]


def main() -> None:
    """All tables."""
    arguments = tyro.cli(Arguments, description=__doc__)
    level, power = [], []
    for name, order in DESIGNS.items():
        labels, blocks = runs_of(order)
        for kind, settings in KINDS.items():
            found = design_power(labels, blocks, effects=(0.0,), num_studies=arguments.studies, **settings)
            level.append(row_of({"design": name, "null": kind}, found, 0))
            print(level[-1], flush=True)
    for count in (4, 5, 6, 8):
        found = design_power(*runs_of("FN" * count), effects=EFFECTS, num_studies=arguments.studies // 2)
        power += [
            row_of({"blocks a condition": count, "effect": effect}, found, at)
            for at, effect in enumerate(EFFECTS)
        ]
        print(power[-1], flush=True)
    tables = {"level": level, "power": power, "mid_p": mid_p(arguments.studies)}
    lassovae.report.write_tables(tables, arguments.out / "tables")
    print(f"Tables in {arguments.out / 'tables'}")


if __name__ == "__main__":
    main()
