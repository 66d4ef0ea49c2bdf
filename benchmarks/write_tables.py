"""Write the tables of docs/performance.md and README.md from docs/benchmarks/*.json.

    python benchmarks/training_step.py --out docs/benchmarks
    python benchmarks/training_scaling.py --repeats 20 --out docs/benchmarks
    python benchmarks/write_tables.py

A table stands between `<!-- NAME -->` and `<!-- end of NAME -->`; `tests/test_tables.py` holds that it is up to date.
"""

from __future__ import annotations

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILES = (ROOT / "README.md", ROOT / "docs" / "performance.md")


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 1 else f"{1e3 * value:.0f} ms"


def training_step(told: dict) -> list[str]:
    """One window's loss and gradient, beside PyTorch."""
    lines = [
        "| step | λ | non-zeros | time | over PyTorch | over the autoencoder's |",
        "|---|---|---|---|---|---|",
    ]
    first = told["rows"][0]
    for row in told["rows"]:
        if row["height"] != first["height"] and row["who"] == "ours" and row["step"] == "autoencoder":
            lines.append(f"| *{row['frames']} frames of {row['height']} × {row['width']}* | | | | | |")
        cells = [f"{row['step'].replace('_', ' ')}, {row['who'].replace('_', ' ')}"]
        cells.append("" if row["lam"] is None else f"{row['lam']:g}")
        cells.append("" if row["nonzeros"] is None else f"{row['nonzeros']:.2f}")
        cells.append(_seconds(row["fastest_s"]))
        cells += ["" if row[k] is None else f"{row[k]:.2f}" for k in ("over_torch", "over_autoencoder")]
        lines.append("| " + " | ".join(cells) + " |")
    size = f"{first['frames']} frames of {first['height']} × {first['width']}, {first['channels']} channels"
    return [*lines, "", f"*{size}; fastest calls, in turns; {told['machine']}.*"]


def training_step_short(told: dict) -> list[str]:
    """The same without what only developers ask: ours end to end, and the best of PyTorch's, at full size."""
    first = told["rows"][0]
    peers = [row for row in told["rows"] if row["step"] == "autoencoder" and row["who"] != "ours"]
    best = min((row for row in peers if row["height"] == first["height"]), key=lambda row: row["fastest_s"])
    ours = [
        row
        for row in told["rows"]
        if row["who"] == "ours" and row["height"] == first["height"] and row["step"] == "end_to_end"
    ]
    return training_step(told | {"rows": [first, best, *ours]})


def training_scaling(told: dict) -> list[str]:
    """How cost grows with each size."""
    names = {
        "frames": "frames of a window (autoencoder's step)",
        "pixels": "pixels (autoencoder's step)",
        "windows": "windows a step (whole step)",
        "nodes": "nodes (VAR of one window, 12 events of every target)",
        "runs": "runs (`fit_runs`, 435 frames, 384 nodes)",
    }
    lines = [
        "| varied | over | exponent | a doubling, fitted | the largest single doubling | memory, likewise |",
        "|---|---|---|---|---|---|",
    ]
    for row in told["growth"]:
        sizes = [r["size"] for r in told["rows"] if r["varied"] == row["varied"]]
        memory = "one run at a time" if row["memory_at_most"] is None else f"{row['memory_at_most']:.2f}"
        cells = [names[row["varied"]], f"{min(sizes)} to {max(sizes)}", f"{row['exponent']:.2f}"]
        cells += [f"{row['doubled']:.2f}", f"{row['at_most']:.2f}", memory]
        lines.append("| " + " | ".join(cells) + " |")
    return [*lines, "", f"*Fastest calls, in turns; {told['machine']}.*"]


TABLES = {
    "training_step": training_step,
    "training_step_short": training_step_short,
    "training_scaling": training_scaling,
}
FILE_OF = {"training_step_short": "training_step"}


def with_tables(text: str) -> str:
    """The text with every table that it has a place for."""
    for name, write in TABLES.items():
        start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        if start in text:
            told = json.loads(
                (ROOT / "docs" / "benchmarks" / f"{FILE_OF.get(name, name)}_cpu.json").read_text(
                    encoding="utf-8"
                )
            )
            before, rest = text.split(start)
            _, after = rest.split(end)
            text = "\n".join([before + start, "", *write(told), "", end]) + after
    return text


def main() -> None:
    """Rewrite the files."""
    for path in FILES:
        path.write_text(with_tables(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
