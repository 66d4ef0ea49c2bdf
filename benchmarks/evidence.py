"""What is found where the truth is known: simulated studies of many kinds, several encoders, several seeds.

    python benchmarks/evidence.py --out results/evidence                    about an hour on two cores
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
from _studies import ENCODERS, FOR_SLOW, JUDGED, KINDS, NOISES, PRUNE, SLOW, STUDY, TRIED

import lassovae

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


def main() -> None:
    """Compute what is missing, then the tables."""
    arguments = tyro.cli(Arguments, description=__doc__)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    tables: dict[str, list[Row]] = {}

    def cells(what: str, name: str, call: Callable[[int], Row]) -> list[Row]:
        made = []
        for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
            path = arguments.out / "cache" / SETTINGS / what / f"{name} {seed}.json"
            made.append(cached(path, lambda seed=seed: call(seed)))  # type: ignore[misc]
            print(f"{what}: {name}, seed {seed}", flush=True)
        return made

    if "truth" in arguments.only:
        tables |= {"truth": [], "against": []}
        gains: dict[tuple[str, str], dict[str, list[Row]]] = {}  # (encoder, fits) -> study -> a row a seed
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
                base = of_fits["block_mean", fits]
                differences = [{k: a[k] - b[k] for k in a} for a, b in zip(rows, base, strict=True)]
                if name != "block_mean":
                    tables["against"].append(summary(key, differences))
                    gains.setdefault((name, fits), {})[kind] = differences
        for (name, fits), of_kinds in gains.items():  # intervals over seeds of what all kinds say together
            for title, kinds in (("all four noise levels", NOISES), ("all kinds", tuple(KINDS))):
                if set(kinds) <= set(of_kinds):
                    key = {"study": title, "encoder": name, "fits": fits}
                    tables["against"].append(summary(key, averaged([of_kinds[k] for k in kinds])))
    both = ("block_mean", "soft_roi end_to_end")
    for what, compute, kinds, names in (
        ("unseen", unseen, JUDGED[:1], [n for n, config in ENCODERS.items() if config is not None]),
        ("choosing", chosen, JUDGED, both),
        ("orders", ordered, JUDGED[:1], both),
        ("assignment", assigned, JUDGED[:1], (*both, "convolutional end_to_end")),
        ("nulls", nothing, JUDGED[:1], both),
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
