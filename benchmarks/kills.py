"""`kill -9` at random moments of a training or of its analysis, then the same command again: is all as it would be?

Two runs that nothing disturbed come first; they must agree, and the second says how long things take. Then come
trials, each in a fresh folder: a training is killed two to five times, or the analysis of a finished training two or
three times, at moments of these kinds:

    any         uniformly in the time that the training takes, its imports included
    start       around the making of the run folder, before config.json
    checkpoint  after a change among the files in checkpoints/, and microseconds to milliseconds more
    write       instead of an operation on a file (open, rename, remove, mkdir) that Python was about to do there
    analysis    uniformly in the time that the analysis takes
    results     instead of such an operation of the analysis

After every kill, what is there must be refused by `lassovae.load` or be the final model. In the end, with --resume for
a training, the model, its history, tables and arrays and the names of all files must be those of the undisturbed run,
bit for bit, and no training may have begun before the newest complete checkpoint that the kill left.

    python benchmarks/kills.py --kills 50 --seed 0
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from _run_folders import (
    VARIANTS,
    Command,
    Workshop,
    analysis_of,
    differences,
    everything,
    model_of,
    newest_checkpoint,
)

import lassovae

OF_TRAINING, OF_ANALYSIS = ("any", "start", "checkpoint", "write"), ("analysis", "results")
SABOTAGE = Path(__file__).resolve().parent / "_sabotage"
LONGEST_DELAY_S, SHORTEST_DELAY_S = 3e-2, 1e-5


@dataclass(frozen=True)
class Options:
    """Command line."""

    kills: int = 50
    """At least so many, shared by the variants."""
    seed: int = 0
    variants: tuple[str, ...] = tuple(VARIANTS)
    """Which trainings."""
    scratch: Path | None = None
    """Folder for all of it, kept; a temporary one by default."""


@dataclass
class Reference:
    """What an undisturbed run holds, how many seconds its commands take, and how many operations on files.

    Attributes:
        trained: run folder that was not analysed.
        holds: name of a part -> digest, of what each command has left.
        seconds, operations: of each command.
    """

    trained: Path
    holds: dict[str, dict[str, str]]
    seconds: dict[str, float]
    operations: dict[str, int]


def reference_of(workshop: Workshop) -> Reference:
    """Run it twice."""
    once, again = (workshop.place(name) for name in ("once", "again"))
    workshop.completed(once)
    counts = {"LASSOVAE_COUNT": str(again / "count"), "LASSOVAE_WATCHED": str(again / "run")}
    trained = workshop.place("trained") / "run"
    seconds, operations, holds = {}, {}, {}
    for kind, begin in (("fit", workshop.fit), ("analyse", workshop.analyse)):
        ended = begin(again, **sabotaged(**counts)).finish()
        seconds[kind], holds[kind] = ended.seconds, everything(again / "run")
        operations[kind] = int((again / "count").read_text())
        if kind == "fit":
            shutil.copytree(again / "run", trained)
    if wrong := differences(holds["analyse"], everything(once / "run")):
        raise SystemExit(f"two undisturbed runs differ in {', '.join(wrong[:5])}: nothing can be told")
    return Reference(trained, holds, seconds, operations)


def sabotaged(**settings: str) -> dict[str, str]:
    """Environment in which _sabotage/sitecustomize.py is imported first."""
    paths = [str(SABOTAGE), str(SABOTAGE.parents[1]), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return {"PYTHONPATH": os.pathsep.join(filter(None, paths)), **settings}


def state_of(folder: Path) -> set[tuple[str, int]]:
    """Names and sizes below a folder, as far as they can be read while they change."""
    found = set()
    for above, _, names in os.walk(folder):
        found.add((above, 0))
        for name in names:
            try:
                found.add((name, os.stat(os.path.join(above, name)).st_size))
            except OSError:
                continue
    return found


def await_changes(command: Command, folder: Path, number: int) -> None:
    """Until so many changes below a folder have been seen, or the command has ended."""
    last = state_of(folder)
    while number and command.alive:
        now = state_of(folder)
        number -= now != last
        last = now


def pause(command: Command, seconds: float) -> None:
    """Sleep for a moment, or until the command has ended."""
    until = time.perf_counter() + seconds
    while command.alive and (left := until - time.perf_counter()) > 0:
        time.sleep(min(left, 0.01))


def killed(
    workshop: Workshop, place: Path, kind: str, first: bool, reference: Reference, rng: np.random.Generator
) -> tuple[bool, str]:
    """Begin a command and kill it at a moment of this kind; whether it was still there, and what had been done."""
    name = "analyse" if kind in OF_ANALYSIS else "fit"
    more: dict[str, str] = {}
    if kind in ("write", "results"):
        number = rng.integers(1, reference.operations[name] + 1)
        more = sabotaged(LASSOVAE_KILL_AT=str(number), LASSOVAE_WATCHED=str(place / "run"))
    options = () if first or name == "analyse" else ("--resume",)
    command = workshop.analyse(place, **more) if name == "analyse" else workshop.fit(place, *options, **more)
    if kind == "checkpoint":
        await_changes(command, place / "run" / "checkpoints", int(rng.integers(1, 60)))
    elif kind == "start":
        await_changes(command, place / "run", int(rng.integers(0, 4)))
    if kind in ("checkpoint", "start"):
        pause(command, float(np.exp(rng.uniform(np.log(SHORTEST_DELAY_S), np.log(LONGEST_DELAY_S)))))
    elif kind in ("any", "analysis"):
        pause(command, float(rng.uniform(0, reference.seconds[name])))
    if not more:
        command.send(signal.SIGKILL)
    ended = command.finish()
    partial = [path.name for path in (place / "run").rglob("*") if re.search("partial|tmp", path.name)]
    step = newest_checkpoint(place / "run")
    return ended.status == 128 + signal.SIGKILL, f"{kind} at {ended.seconds:.2f} s, checkpoint {step}" + (
        f", {len(partial)} unfinished" if partial else ""
    )


def misread(folder: Path, reference: Reference) -> list[str]:
    """What a reader would now take for the final model, or for its analysis, and is not."""
    wrong = []
    for name, read in (("model", model_of), ("analysis", analysis_of)):
        try:
            if name == "analysis":
                lassovae.load_analysis(folder)
            found = {f"{name} {key}": value for key, value in read(folder).items()}
        except lassovae.InputError:
            continue
        except FileNotFoundError:  # the analysis is whole, its tables not yet written
            continue
        wanted = {key: value for key, value in reference.holds["analyse"].items() if key.startswith(name)}
        wrong += [f"{part} could be read and is another" for part in differences(found, wanted)]
    return wrong


def begun_at(folder: Path, per_epoch: int) -> float:
    """First step that the last training of a folder can have begun after, by its log: one line an epoch."""
    calls = (folder / "log.txt").read_text(encoding="utf-8").split("  lassovae fit ")
    steps = [int(step) for step in re.findall(r"step (\d+) of", calls[-1])]
    return steps[0] - per_epoch if steps else np.inf


def trial(
    workshop: Workshop, place: Path, kinds: list[str], reference: Reference, rng: np.random.Generator
) -> tuple[Counter[str], list[str], list[str]]:
    """Kill, go on, compare: the kills that hit, what was done, what is wrong."""
    folder, hits, said, wrong = place / "run", Counter(), [], []
    newest = steps = newest_checkpoint(reference.trained)
    per_epoch = steps // int(workshop.options[workshop.options.index("--epochs") + 1])
    analysed = kinds[0] in OF_ANALYSIS
    if analysed:
        shutil.copytree(reference.trained, folder)
    else:
        newest = 0
    for i, kind in enumerate(kinds):
        hit, text = killed(workshop, place, kind, i == 0, reference, rng)
        hits[kind] += hit
        said.append(text if hit else f"{kind}: ended before")
        wrong += misread(folder, reference)
        if newest_checkpoint(folder) < newest:
            wrong.append(f"checkpoint {newest} was there, and is not: {newest_checkpoint(folder)}")
        newest = newest_checkpoint(folder)
    ended = (workshop.analyse(place) if analysed else workshop.fit(place, "--resume")).finish()
    if ended.status or "Traceback" in ended.err:
        wrong.append(f"the last call ended with {ended.status}: {ended.err[-400:]!r}")
        return hits, said, wrong
    if not analysed and begun_at(folder, per_epoch) + per_epoch <= newest:
        wrong.append(f"checkpoint {newest} was there, and training began before it")
    return (
        hits,
        said,
        wrong + differences(everything(folder), reference.holds["analyse" if analysed else "fit"]),
    )


def kill_often(
    workshop: Workshop, kills: int, rng: np.random.Generator, name: str
) -> tuple[Counter[str], int]:
    """Trials until so many kills have hit: by kind, and how many trials went wrong."""
    reference = reference_of(workshop)
    print(f"{name}: {reference.seconds} seconds, {reference.operations} operations on files", flush=True)
    total, bad, number = Counter(), 0, 0
    while total.total() < kills:
        place = workshop.place(f"{number:04}")
        of, numbers = (OF_ANALYSIS, (2, 4)) if number % 3 == 2 else (OF_TRAINING, (2, 6))
        kinds = rng.choice(of, rng.integers(*numbers))
        hits, said, wrong = trial(workshop, place, [str(kind) for kind in kinds], reference, rng)
        total += hits
        bad += bool(wrong)
        verdict = f"DIFFERENT ({place}): {'; '.join(wrong[:6])}" if wrong else "the same"
        print(f"{name} {number:3}: {' | '.join(said)}: {verdict}", flush=True)
        if not wrong:
            shutil.rmtree(place)
        number += 1
    print(
        f"{name}: {total.total()} kills in {number} trials ({dict(total)}), {bad} trials differed", flush=True
    )
    return total, bad


def main() -> int:
    """All variants; 1 if anything differed."""
    options = tyro.cli(Options, description=__doc__)
    rng = np.random.default_rng(options.seed)
    scratch = Path(tempfile.mkdtemp()) if options.scratch is None else options.scratch.resolve()
    bad, each = 0, -(-options.kills // len(options.variants))
    for name in options.variants:
        with Workshop(scratch / name, VARIANTS[name]) as workshop:
            bad += kill_often(workshop, each, rng, name)[1]
    if options.scratch is None and not bad:
        shutil.rmtree(scratch)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
