"""SIGTERM and SIGINT at random moments of a training and of its analysis, some of them twice.

A command that gets one signal must end with status 143 or 130 within seconds and no traceback; if steps had been
trained, the last of them must be in a checkpoint, and the same command with --resume must end as if nothing had been. A
second signal must end it at once. Moments are of these kinds:

    any       uniformly in the time that the training takes, the import of libraries included
    compile   between config.json and the first step, where nothing that was compiled before is at hand
    training  between the first step and the last
    analysis  uniformly in the time that the analysis takes

    python benchmarks/preemption.py --stops 40 --seed 0
"""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from _run_folders import (
    SMALL,
    VARIANTS,
    Command,
    Ended,
    Workshop,
    differences,
    everything,
    newest_checkpoint,
    rows_of,
)

KINDS = ("any", "compile", "training", "analysis")
SIGNALS = (signal.SIGTERM, signal.SIGINT)
TRAININGS = {
    "soft_roi": ("--encoder", "soft_roi", "--epochs", "24", *SMALL),
    "convolutional": VARIANTS["convolutional"],
}
AT_ONCE_S, SOON_S = 1.0, 10.0


@dataclass(frozen=True)
class Options:
    """Command line."""

    stops: int = 40
    seed: int = 0
    variants: tuple[str, ...] = tuple(TRAININGS)
    scratch: Path | None = None
    """Folder for all of it, kept; a temporary one by default."""


@dataclass
class Stop:
    """One command that was stopped.

    Attributes:
        kind: of the moment.
        number: of the signal.
        twice: whether a second one followed.
        ended: how it ended.
        waited_s: from the last signal to its end.
        rows: steps on record.
        saved: step of the newest checkpoint.
        hit: whether the command was still there.
    """

    kind: str
    number: int
    twice: bool
    ended: Ended
    waited_s: float
    rows: int
    saved: int
    hit: bool

    def wrong(self) -> list[str]:
        """What is not as it should be."""
        found = []
        if self.ended.status not in (128 + self.number, 0) or (self.ended.status == 0 and self.twice):
            found.append(f"status {self.ended.status}: {self.ended.err[-500:]!r}")
        if "Traceback" in self.ended.err:
            found.append(f"a traceback: {self.ended.err[-500:]!r}")
        if self.waited_s > (AT_ONCE_S if self.twice else SOON_S):
            found.append(f"{self.waited_s:.1f} s passed")
        if not self.twice and self.kind != "analysis" and self.saved != self.rows:
            found.append(f"{self.rows} steps were done, {self.saved} are saved")
        return found


def stopped(
    workshop: Workshop, place: Path, kind: str, seconds: dict[str, float], rng: np.random.Generator
) -> Stop:
    """Begin a command and stop it at a moment of this kind."""
    number, twice = int(rng.choice(SIGNALS)), bool(rng.random() < 1 / 3)
    if kind == "analysis":
        command = workshop.analyse(place)
        time.sleep(float(rng.uniform(0, seconds["analyse"])))
    elif kind == "any":
        command = workshop.fit(place)
        time.sleep(float(rng.uniform(0, seconds["fit"])))
    elif kind == "compile":
        command = workshop.fit(place, JAX_COMPILATION_CACHE_DIR=str(place / "cache"))
        wait(command, lambda: (place / "run" / "config.json").exists())
        time.sleep(float(rng.uniform(0, 1)))
    else:
        command = workshop.fit(place)
        wanted = int(rng.integers(1, seconds["steps"]))
        wait(command, lambda: rows_of(place / "run") >= wanted)
    hit = command.alive
    command.send(number)
    began = time.perf_counter()
    if twice:
        time.sleep(float(np.exp(rng.uniform(np.log(1e-4), np.log(3e-2)))))
        began = time.perf_counter()
        command.send(number)
    ended = command.finish(120)
    waited = time.perf_counter() - began
    folder = place / "run"
    return Stop(kind, number, twice, ended, waited, rows_of(folder), newest_checkpoint(folder), hit)


def wait(command: Command, until: Callable[[], bool]) -> None:
    """Until something is so, or the command has ended."""
    while command.alive and not until():
        time.sleep(0.001)


def stop_often(workshop: Workshop, stops: int, rng: np.random.Generator, name: str) -> int:
    """Stops of all kinds in turns; how many went wrong."""
    undisturbed = workshop.place("undisturbed")
    workshop.completed(undisturbed)
    again = workshop.place("again")
    fitted = workshop.fit(again).finish()
    trained = everything(again / "run")
    seconds = {"fit": fitted.seconds, "steps": rows_of(again / "run")}
    seconds["analyse"] = workshop.analyse(again).finish().seconds
    analysed = everything(again / "run")
    bad, hits, slowest = 0, 0, dict.fromkeys(((k, t) for k in KINDS for t in (False, True)), 0.0)
    for i in range(stops):
        kind, place = KINDS[i % len(KINDS)], workshop.place(f"{i:04}")
        if kind == "analysis":
            shutil.copytree(undisturbed / "run", place / "run")
        stop = stopped(workshop, place, kind, seconds, rng)
        wrong = stop.wrong()
        last = workshop.analyse(place) if kind == "analysis" else workshop.fit(place, "--resume")
        ended = last.finish()
        if ended.status or "Traceback" in ended.err:
            wrong.append(f"afterwards: {ended.status}, {ended.err[-400:]!r}")
        else:
            wrong += differences(everything(place / "run"), analysed if kind == "analysis" else trained)
        hits += stop.hit
        slowest[kind, stop.twice] = max(slowest[kind, stop.twice], stop.waited_s)
        print(
            f"{name} {i:3}: {kind}, {signal.Signals(stop.number).name}{' twice' if stop.twice else ''}: status "
            f"{stop.ended.status}{'' if stop.hit else ' before'} after {stop.waited_s:.2f} s, "
            f"{stop.rows} steps, {stop.saved} saved: {'; '.join(wrong[:4]) or 'as it should be'}",
            flush=True,
        )
        bad += bool(wrong)
        if not wrong:
            shutil.rmtree(place)
    print(f"{name}: {hits} of {stops} came in time, {bad} went wrong", flush=True)
    for (kind, twice), longest in slowest.items():
        print(f"{name}: {kind}{', second signal' if twice else ''}: at most {longest:.2f} s", flush=True)
    return bad


def main() -> int:
    """All variants; 1 if anything is wrong."""
    options = tyro.cli(Options, description=__doc__)
    scratch = Path(tempfile.mkdtemp()) if options.scratch is None else options.scratch.resolve()
    rng, each = np.random.default_rng(options.seed), -(-options.stops // len(options.variants))
    bad = 0
    for name in options.variants:
        with Workshop(scratch / name, TRAININGS[name]) as workshop:
            bad += stop_often(workshop, each, rng, name)
    print(f"{bad} stops went wrong")
    if options.scratch is None and not bad:
        shutil.rmtree(scratch)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
