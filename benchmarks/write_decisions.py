"""Write the tables of docs/*.md and docs/decisions/*.md from docs/evidence/*.csv, means and 95 % intervals over seeds.

    python benchmarks/evidence.py --out results/evidence && cp results/evidence/tables/*.csv docs/evidence/
    python benchmarks/decisions.py --out results/decisions --recordings study.csv
    cp results/decisions/tables/*.csv docs/evidence/
    python examples/reproduction.py && cp results/reproduction/quarter/tables/*.csv docs/evidence/
    python benchmarks/statistics_matrices.py && python benchmarks/statistics_movies.py
    python benchmarks/network_selection.py && cp results/statistics/tables/*.csv docs/evidence/
    python benchmarks/held_out_pair.py && cp results/pair/tables/*.csv docs/evidence/
    python benchmarks/write_decisions.py

A table stands between `<!-- NAME -->` and `<!-- end of NAME -->`; `tests/test_tables.py` holds that it is up to date.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EVIDENCE = ROOT / "docs" / "evidence"
PAGES = ("findings", "reproduction", "statistics_validation")  # in docs itself
Row = Mapping[str, str]
NAMES = {
    "drivers": "drivers",
    "edges": "edges",
    "difference": "F − N",
    "driver_map": "map of drivers",
    "changed_map": "map of F − N",
    "difference_map": "map of F − N, all pixels",
    "localisation": "localised",
    "gini": "Gini",
    "node_cell_correlation": "node–cell r",
    "r_var_window": "R_var window",
    "r_var_run": "run",
    "r_var_held_out": "held out",
    "r_var_cells": "held out, cells",
    "l_rec": "L_rec / mean frame's",
    "nonzeros": "non-zeros",
    "alive": "alive",
    "r_var": "R_var",
    "shuffled": "shuffled",
}


@dataclass(frozen=True)
class Table:
    """What to show of a file.

    Attributes:
        file: stem of the CSV.
        keys: columns that name a row.
        values: columns with a mean, beside which "<name> +-" or "<name>_ci" may hold its interval.
        where: rows to show.
        names: column -> heading, where NAMES has none.
        times: column -> factor.
    """

    file: str
    keys: tuple[str, ...]
    values: tuple[str, ...]
    where: Callable[[Row], bool] = lambda row: True
    names: Mapping[str, str] = field(default_factory=dict)
    times: Mapping[str, float] = field(default_factory=dict)


def _recommended(row: Row) -> bool:
    return (row["encoder"], row["fits"]) == ("soft_roi end_to_end", "pruned")


FOUND = ("drivers", "edges", "difference")
TRAINED = (
    "r_var_window",
    "r_var_run",
    "r_var_held_out",
    "l_rec",
    "nonzeros",
    "node_cell_correlation",
    "alive",
)
CRITERIA = ("suggested", "held_out", "aic", "bic", "ebic")
TESTS = {
    "blocks": "recommended",
    "anosim": "ANOSIM of blocks",
    "runs": "single runs",
    "rank_sum": "the paper's",
}
NULLS = ("as it is", "shuffled", "random phases", "no coupling")


def _of_nulls(where: str) -> Table:
    values = tuple(f"{null}, {where}" for null in NULLS)
    return Table("nulls", ("study", "encoder"), values, names=dict(zip(values, NULLS, strict=True)))


TABLES = {
    "moderate": Table(
        "truth",
        ("encoder", "fits"),
        (
            *FOUND,
            "driver_map",
            "changed_map",
            "localisation",
            "gini",
            "node_cell_correlation",
            "r_var_held_out",
        ),
        lambda row: row["study"] == "moderate noise",
    ),
    "kinds": Table(
        "truth",
        ("study", "encoder", "fits"),
        (*FOUND, "driver_map", "r_var_held_out"),
        lambda row: _recommended(row) or (row["encoder"], row["fits"]) == ("block_mean", "lasso"),
    ),
    "against": Table(
        "against", ("study",), (*FOUND, "driver_map", "changed_map", "r_var_held_out"), _recommended
    ),
    "motion": Table(
        "truth",
        ("study", "encoder"),
        (*FOUND, "driver_map", "node_cell_correlation", "r_var_held_out"),
        lambda row: (
            row["fits"] == "pruned" and row["study"].startswith("motion") and row["encoder"] != "traces"
        ),
    ),
    "pruned": Table(
        "truth",
        ("study", "fits"),
        (*FOUND, "nonzeros"),
        lambda row: row["encoder"] == "soft_roi end_to_end",
    ),
    "choosing": Table(
        "choosing",
        ("study", "encoder"),
        ("best / suggested", *(f"{c}, octaves from best" for c in CRITERIA)),
        names={f"{c}, octaves from best": c.replace("_", " ") for c in CRITERIA},
    ),
    "within": Table(
        "choosing",
        ("study", "encoder"),
        tuple(f"{c}, within a factor 2" for c in CRITERIA),
        names={f"{c}, within a factor 2": c.replace("_", " ") for c in CRITERIA},
    ),
    "scores": Table(
        "choosing",
        ("study", "encoder"),
        ("best score", *(f"{c}, score" for c in CRITERIA)),
        names={"best score": "best"} | {f"{c}, score": c.replace("_", " ") for c in CRITERIA},
    ),
    "strengths": Table(
        "choosing",
        ("study", "encoder"),
        tuple(f"score at {2.0**k:g} x suggested" for k in range(4, -3, -1)),
        names={f"score at {2.0**k:g} x suggested": f"{2.0**k:g} ×" for k in range(4, -3, -1)},
    ),
    "orders": Table(
        "orders",
        ("encoder",),
        tuple(f"{what}, p = {order}" for what in ("held out", "found") for order in (1, 2, 5, 8)),
    ),
    "unseen": Table("unseen", ("encoder",), ("r_var_held_out", "r_var_cells")),
    "assignment": Table(
        "assignment",
        ("encoder",),
        tuple(f"{what}, {how}" for what in FOUND for how in ("by place", "by what it follows")),
    ),
    "nulls_runs": _of_nulls("runs"),
    "nulls_condition": _of_nulls("condition"),
    "nulls": _of_nulls("condition above chance"),
    "nulls_held_out": _of_nulls("held out"),
    "steps": Table("steps", ("variant",), TRAINED[:-1]),
    "window": Table("window", ("variant",), TRAINED[:-1]),
    "centring": Table("centring", ("variant",), TRAINED),
    "last_block": Table("last_block", ("variant",), TRAINED),
    "dead_var": Table("dead_var", ("variant",), TRAINED),
    "unpooling": Table(
        "unpooling",
        ("variant",),
        tuple(f"l_rec of {what}, {when}" for what in ("forecast", "nothing") for when in ("before", "same")),
    ),
    "lam_scale": Table("lam_scale", ("variant",), ("nonzeros", "r_var")),
    "scaling": Table("scaling", ("variant",), ("nonzeros", "r_var_held_out", "shuffled")),
    "table_2": Table(
        "table_2",
        ("lam", "mode"),
        (
            "l_rec",
            "paper_l_rec",
            "l_rec_forecast",
            "r_var_window",
            "paper_r_var",
            "r_var_run",
            "r_var_held_out",
            "nonzeros",
        ),
        names={
            "l_rec": "1000 L_rec",
            "paper_l_rec": "paper",
            "l_rec_forecast": "of forecast",
            "paper_r_var": "paper",
        },
        times={"l_rec": 1000, "paper_l_rec": 1000, "l_rec_forecast": 1000},
    ),
    "order": Table(
        "order",
        ("lam", "first", "second"),
        ("l_rec", "l_rec_forecast", "r_var_window", "r_var_run", "r_var_held_out"),
        names={"l_rec": "1000 L_rec", "l_rec_forecast": "of forecast"},
        times={"l_rec": 1000, "l_rec_forecast": 1000},
    ),
    "pair": Table(
        "pair",
        ("lam",),
        (
            "sequential window",
            "sequential held out",
            "recommended window",
            "recommended held out",
            "held out, difference",
        ),
    ),
    "table_1": Table(
        "table_1",
        ("model", "kind", "group_a", "group_b"),
        ("significant", "median_pvalue"),
        lambda row: float(row["lam"]) == 0.01,
        names={"median_pvalue": "median p"},
    ),
    "skip": Table(
        "skip",
        ("model",),
        ("l_rec_mean", "latent_snr_mean"),
        names={"l_rec_mean": "1000 L_rec", "latent_snr_mean": "latent signal to noise"},
        times={"l_rec_mean": 1000},
    ),
    "level": Table("level", ("design", "null"), tuple(TESTS), names=TESTS),
    "power": Table("power", ("blocks a condition", "effect"), tuple(TESTS), names=TESTS),
    "mid_p": Table("mid_p", ("rule",), ("rejected",)),
    "movies": Table(
        "movies",
        ("encoder", "contrast"),
        tuple(f"{test} rejects" for test in TESTS),
        names={f"{test} rejects": name for test, name in TESTS.items()},
    ),
    "movies_found": Table(
        "movies",
        ("encoder", "contrast"),
        tuple(
            f"{what} {k}" for what in ("nodes", "edges", "pixels") for k in ("any", "found", "all", "false")
        ),
        lambda row: float(row["contrast"]) > 0,
    ),
    "movies_false": Table(
        "movies",
        ("encoder",),
        tuple(f"{what} any" for what in ("nodes", "edges", "pixels")),
        lambda row: float(row["contrast"]) == 0,
    ),
    "selection": Table(
        "selection",
        ("strength", "threshold"),
        ("candidates", *(f"{what} {k}" for what in ("nodes", "edges") for k in ("found", "false"))),
    ),
    "recovered": Table(
        "recovered",
        ("model", "fits"),
        (
            "drivers_a",
            "drivers_b",
            "difference",
            "edges_a",
            "edges_b",
            "driver_map",
            "changed_map",
            "localisation",
            "gini",
            "node_cell_correlation",
        ),
        names={"drivers_a": "drivers F", "drivers_b": "N", "edges_a": "edges F", "edges_b": "N"},
    ),
}


def _cell(row: Row, name: str, times: float) -> str:
    value = times * float(row[name])
    width = times * float(row.get(f"{name} +-", row.get(f"{name}_ci", "nan")))
    if math.isnan(value):
        return "–"
    if not {f"{name} +-", f"{name}_ci"} & set(row) and value.is_integer():
        return str(int(value))  # a count
    digits = 2 if abs(value) > 1 else 3
    if 0 < abs(value) < 0.01 and not width >= 0.001:
        return f"{value:.1e}" + ("" if math.isnan(width) else f" ± {width:.0e}")
    return f"{value:.{digits}f}" + ("" if math.isnan(width) else f" ± {width:.{digits}f}")


def made(table: Table) -> list[str]:
    """Lines of a table in Markdown."""
    with open(EVIDENCE / f"{table.file}.csv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if table.where(row)]
    heads = [
        *table.keys,
        *(table.names.get(v, NAMES.get(v, v.replace("l_rec", "L_rec"))) for v in table.values),
    ]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for row in rows:
        cells = [row[k].replace("_", " ") for k in table.keys]
        cells += [_cell(row, v, table.times.get(v, 1)) for v in table.values]
        lines.append("| " + " | ".join(cells) + " |")
    seeds = sorted({row["seeds"] for row in rows})
    number = "1 seed" if seeds == ["1"] else f"{' or '.join(seeds)} seeds"
    return [*lines, "", f"*{number}; from docs/evidence/{table.file}.csv.*"]


def with_tables(text: str) -> str:
    """The text with every table that it has a place for."""
    for name, table in TABLES.items():
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        if begin in text:
            before, rest = text.split(begin)
            after = rest.split(end)[1]
            text = "\n".join([before + begin, "", *made(table), "", end]) + after
    return text


def files() -> list[Path]:
    """Pages that may hold tables."""
    return sorted((ROOT / "docs" / "decisions").glob("*.md")) + [
        ROOT / "docs" / f"{name}.md" for name in PAGES
    ]


def main() -> None:
    """Rewrite the pages."""
    for path in files():
        path.write_text(with_tables(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
