"""What is computed over seeds: cells kept on disk, means with their intervals."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

import lassovae

Row = dict[str, Any]


def name_of(*settings: Any) -> str:
    """A short name that changes with the settings and with the version of the library."""
    return hashlib.sha256(repr((settings, lassovae.__version__)).encode()).hexdigest()[:8]


def interval(values: Iterable[float]) -> tuple[float, float]:
    """Mean over seeds and half the width of its 95 % confidence interval, of those that are numbers."""
    known = np.asarray([v for v in values if np.isfinite(v)])
    if len(known) < 2:
        return float(known.mean()) if len(known) else float("nan"), float("nan")
    half = stats.t.ppf(0.975, len(known) - 1) * known.std(ddof=1) / np.sqrt(len(known))
    return float(known.mean()), float(half)


def cached(path: Path, compute: Callable[[], Row]) -> Row:
    """Read it, or compute and write it; a killed call leaves no half of a file."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        row = compute()
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps(row, indent=1))
        temporary.replace(path)
    return dict(json.loads(path.read_text()))


def averaged(of_kinds: list[list[Row]]) -> list[Row]:
    """Seed by seed, the mean over kinds of study."""
    return [
        {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
        for rows in zip(*of_kinds, strict=True)
    ]


def summary(key: Row, rows: list[Row]) -> Row:
    """Means with intervals over seeds; "seeds" counts those in which nothing is undefined that others define."""
    defined = [name for name in rows[0] if any(np.isfinite(r[name]) for r in rows)]
    made = dict(key) | {"seeds": sum(all(np.isfinite(r[name]) for name in defined) for r in rows)}
    for name in rows[0]:
        mean, half = interval(r[name] for r in rows)
        made |= {name: f"{mean:.4g}", f"{name} +-": f"{half:.2g}"}
    return made
