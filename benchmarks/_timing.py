"""What the benchmarks share: options, timing, tables on standard output, CSV files.

Imported as a module, it sorts before `import jax`, and so the choice of the device comes in time.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import _device
import jax
import numpy as np

MARKERS = "osD^vPX*"
PAUSE_S = 0.2
LINES = ("-", "--", ":", "-.")


def parser(doc: str, *, repeats: int = 3) -> argparse.ArgumentParser:
    """A command line with the options that every benchmark has."""
    made = argparse.ArgumentParser(
        description=doc.split("\n", 1)[0], parents=[_device.option], allow_abbrev=False
    )
    made.add_argument("--repeats", type=int, default=repeats, help="timed calls; the median is reported")
    made.add_argument("--seed", type=int, default=0, help="of the simulated data")
    made.add_argument("--out", type=Path, help="folder for a CSV and a PNG; without it, only the table")
    return made


def size(text: str) -> tuple[int, int, int]:
    """Three numbers, rows,predictors,targets."""
    try:
        rows, predictors, targets = (int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not rows,predictors,targets") from None
    if min(rows, predictors, targets) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: every number must be at least 1")
    return rows, predictors, targets


def machine(device: str) -> str:
    """JAX's version, device and cores in words.

    Raises:
        SystemExit: the device asked for is not the one JAX found.
    """
    found = jax.devices()[0]
    if (found.platform == "cpu") != (device == "cpu"):
        raise SystemExit(
            f"--device {device}, but JAX found {found.platform}: "
            "install the extra lassovae[gpu], or unset JAX_PLATFORMS, or choose the other --device"
        )
    name = platform.processor() or platform.machine() if device == "cpu" else found.device_kind
    return f"jax {jax.__version__}, {found.platform} ({name}), {os.cpu_count()} cores, numpy {np.__version__}"


def once(call: Callable[[], object]) -> float:
    """Seconds of one call, its results waited for."""
    start = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - start


def seconds(call: Callable[[], object], repeats: int) -> float:
    """Median time of a call that has already been compiled."""
    return float(np.median([once(call) for _ in range(repeats)]))


def interleaved(calls: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, np.ndarray]:
    """Seconds of every call, (repeats,) each: in each repeat all are called once, so that a slow minute of the
    machine falls on all of them.

    Before each is a pause and a call that does not count. The threads of a pool go on spinning for a while after
    their work, and would take the cores from the next solver's own (SPAMS took twice as long right after JAX as
    alone); after the pause, threads share a core until the kernel has spread them again (the first call took up to
    twice as long as the second). Calls of more than a second feel neither, and are made once.
    """
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            time.sleep(PAUSE_S)
            first = once(call)
            taken[name].append(first if first > 1 else once(call))
    return {name: np.array(times) for name, times in taken.items()}


def compiled_in(function: Callable, *data) -> tuple[Callable, float]:
    """The compiled program of a jitted function for such data, and the seconds that took."""
    start = time.perf_counter()
    program = function.lower(*data).compile()
    return program, time.perf_counter() - start


def temporary_bytes(program) -> float:
    """What a compiled program allocates beside its arguments and results; NaN where XLA does not say."""
    analysis = program.memory_analysis()
    return float("nan") if analysis is None else float(analysis.temp_size_in_bytes)


def mebibytes(count: float) -> str:
    """Bytes as a short number of MiB."""
    return f"{count / 2**20:.3g}"


def milliseconds(time_s: float) -> str:
    """Seconds as a short number of milliseconds."""
    return f"{1e3 * time_s:.4g}"


def table(rows: Sequence[NamedTuple], columns: Mapping[str, tuple[str, Callable[[object], str]]]) -> str:
    """Rows as aligned text: `columns` gives every field shown a title and a format."""
    cells = [[title for title, _ in columns.values()]]
    cells += [[show(getattr(row, field)) for field, (_, show) in columns.items()] for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    return "\n".join("  ".join(c.rjust(w) for c, w in zip(line, widths, strict=True)) for line in cells)


def write_json(path: Path, told: Mapping[str, object]) -> None:
    """JSON that a diff can show: lists of records with one a line; NaN, which JSON has not, becomes null."""

    def plain(value: object) -> object:
        if isinstance(value, tuple) and hasattr(value, "_asdict"):
            return {key: plain(entry) for key, entry in value._asdict().items()}
        return None if isinstance(value, float) and math.isnan(value) else value

    parts = []
    for key, value in told.items():
        text = json.dumps(plain(value), allow_nan=False) if not isinstance(value, list) else "[]"
        if isinstance(value, list) and value:
            lines = ",\n".join(f"  {json.dumps(plain(entry), allow_nan=False)}" for entry in value)
            text = f"[\n{lines}\n ]"
        parts.append(f" {json.dumps(key)}: {text}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")


def write_csv(path: Path, rows: Sequence[NamedTuple]) -> None:
    """All fields of all rows, unrounded."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(rows[0]._fields)
        writer.writerows(rows)


def ratio_axis(ax, ratios: Sequence[float]) -> None:
    """A logarithmic axis of strengths, each marked in plain numbers; weak ones, with more events, to the right."""
    ax.set_xscale("log")
    ax.invert_xaxis()
    ticks = sorted(set(ratios))
    ax.set_xticks(ticks, [f"{ratio:g}" for ratio in ticks])
    ax.set_xticks([], minor=True)
    ax.tick_params(axis="x", labelrotation=45)  # 0.002 and 0.001 do not fit side by side
    ax.set_xlabel(r"$\lambda\,/\,\lambda_{\max}$")
