"""What is found where the truth is known: simulated studies of many kinds, several encoders, several seeds.

    python benchmarks/evidence.py --out results/evidence                    about two hours on one core
    python benchmarks/evidence.py --only choosing nulls

Every cell of every table is computed once and kept in OUT/cache, under a name that changes with the settings (not with
the code), so that a call that was stopped goes on. Tables with 95 % intervals over seeds (Student's t), in OUT/tables:

    truth.csv       drivers, edges, difference of conditions, maps and predictability, a row a kind of study and encoder
    against.csv     the same less what block means find with the same kind of fits, paired by seed; and means over kinds
    unseen.csv      forecasts of frames that neither the encoder nor the VAR was trained on
    choosing.csv    the l1 strength that each criterion chooses, beside the one that finds most
    orders.csv      the same for the number of lags
    assignment.csv  the same truth, with each cell's node chosen by place or by what it follows
    nulls.csv       what is "found" where there is nothing: shuffled frames, random phases, no coupling

The baselines: "traces" are the true calcium traces, the ceiling; "pca" as many principal components as there are
nodes; "block_mean" local averages, which need no training.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import tyro
from _cells import assigned, chosen, found, nothing, ordered, unseen
from _seeds import Row, averaged, cached, name_of, summary
from _studies import (
    ENCODERS,
    FOR_SLOW,
    JUDGED,
    KINDS,
    MORE_SEEDS,
    NOISES,
    PRUNE,
    SLOW,
    STUDY,
    TRIED,
    UNSETTLED,
)

import lassovae

BOTH = ("block_mean", "soft_roi end_to_end")  # the baseline and the recommended settings
Cells = Callable[
    [str, str, Callable[[int], Row], int], list[Row]
]  # experiment, name, of a seed, times as many seeds
SETTINGS = name_of(STUDY, KINDS, ENCODERS, PRUNE, list(TRIED))


@dataclass
class Arguments:
    """Command line."""

    out: Path = Path("results/evidence")
    """Folder for the cache and the tables."""
    seeds: int = 5
    """Studies of every kind."""
    first_seed: int = 100
    """The first of their seeds. Settings were developed on seeds 0 to 4, which must not judge them."""
    only: list[Literal["truth", "unseen", "choosing", "orders", "assignment", "nulls"]] = field(
        default_factory=lambda: ["truth", "unseen", "choosing", "orders", "assignment", "nulls"]
    )
    """Which experiments."""


def of_one(rows: list[Row], fits: str) -> list[Row]:
    """What cells of truth.csv say of one way to fit, beside what does not depend on it."""
    return [
        {k.removeprefix(f"{fits}: "): v for k, v in row.items() if ":" not in k or k.startswith(f"{fits}: ")}
        for row in rows
    ]


def less(rows: list[Row], base: list[Row]) -> list[Row]:
    """Differences, paired by seed."""
    return [{k: a[k] - b[k] for k in a} for a, b in zip(rows, base, strict=True)]


def truth(cells: Cells) -> dict[str, list[Row]]:
    """truth.csv and against.csv."""
    tables: dict[str, list[Row]] = {"truth": [], "against": []}
    gains: dict[tuple[str, str], dict[str, list[Row]]] = {}  # (encoder, fits) -> study -> a row a seed

    def cells_of(kind: str, name: str, times: int = 1) -> list[Row]:
        return cells("truth", f"{kind}, {name}", lambda seed: found(kind, name, seed), times)

    for kind in KINDS:
        names = [name for name in ENCODERS if kind in FOR_SLOW or name not in SLOW]
        of_kind = {name: cells_of(kind, name) for name in names}
        of_fits = {(name, fits): of_one(rows, fits) for name, rows in of_kind.items() for fits in PRUNE}
        for (name, fits), rows in of_fits.items():
            key = {"study": kind, "encoder": name, "fits": fits}
            tables["truth"].append(summary(key, rows))
            if name != BOTH[0]:
                gains.setdefault((name, fits), {})[kind] = less(rows, of_fits[BOTH[0], fits])
                tables["against"].append(summary(key, gains[name, fits][kind]))
    for (name, fits), of_kinds in gains.items():  # intervals over seeds of what all kinds say together
        for title, kinds in (("all four noise levels", NOISES), ("all kinds", tuple(KINDS))):
            if set(kinds) <= set(of_kinds):
                key = {"study": title, "encoder": name, "fits": fits}
                tables["against"].append(summary(key, averaged([of_kinds[k] for k in kinds])))
    for kind in (k for k in UNSETTLED if k in KINDS):
        base, ours = (cells_of(kind, name, MORE_SEEDS) for name in BOTH)
        for fits in PRUNE:
            key = {"study": f"{kind}, more seeds", "encoder": BOTH[1], "fits": fits}
            tables["against"].append(summary(key, less(of_one(ours, fits), of_one(base, fits))))
    return tables


def main() -> None:
    """Compute what is missing, then the tables."""
    arguments = tyro.cli(Arguments, description=__doc__)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")

    def cells(what: str, name: str, call: Callable[[int], Row], times: int) -> list[Row]:
        made = []
        for seed in range(arguments.first_seed, arguments.first_seed + times * arguments.seeds):
            path = arguments.out / "cache" / SETTINGS / what / f"{name} {seed}.json"
            made.append(cached(path, lambda seed=seed: call(seed)))  # type: ignore[misc]
            print(f"{what}: {name}, seed {seed}", flush=True)
        return made

    tables = truth(cells) if "truth" in arguments.only else {}
    for what, compute, kinds, names in (
        ("unseen", unseen, JUDGED[:1], [n for n, config in ENCODERS.items() if config is not None]),
        ("choosing", chosen, JUDGED, BOTH),
        ("orders", ordered, JUDGED[:1], BOTH),
        ("assignment", assigned, JUDGED[:1], (*BOTH, "convolutional end_to_end")),
        ("nulls", nothing, JUDGED[:1], BOTH),
    ):
        if what in arguments.only:
            tables[what] = [
                summary(
                    {"study": kind, "encoder": name},
                    cells(what, f"{kind}, {name}", lambda seed, k=kind, n=name, f=compute: f(k, n, seed), 1),
                )
                for kind in kinds
                for name in names
            ]
    lassovae.report.write_tables(tables, arguments.out / "tables")
    print(f"Tables in {arguments.out / 'tables'}")


if __name__ == "__main__":
    main()
