"""Damage to every file of a finished run folder: is it told, or harmless, and never a silently different model?

Each file in turn gets single bits flipped (every bit of short files, random ones of others), is cut short, lengthened,
emptied, deleted, and replaced by files of the same run's other checkpoints and of another run. What reads the folder
(`lassovae.load`, also of the best epoch, `lassovae.load_analysis`, and what the commands ask of it) must then raise
`InputError`, or return all that it returned before, bit for bit, its configuration and history included.

Then trainings that were stopped, and finished ones, go on with a damaged checkpoint: they must end as if it had been
whole.

    python benchmarks/flips.py --bits 300 --resumes 30 --seed 0
"""

from __future__ import annotations

import json
import logging
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from _run_folders import VARIANTS, Workshop, differences, digest, everything, model_of, newest_checkpoint

import lassovae

SHORT = 64  # bytes; every bit of a file no longer than that is flipped


@dataclass(frozen=True)
class Options:
    """Command line."""

    bits: int = 300
    """How many of a longer file's bits are flipped, one at a time."""
    resumes: int = 30
    """How many damaged checkpoints a training goes on with."""
    seed: int = 0
    variants: tuple[str, ...] = tuple(VARIANTS)
    scratch: Path | None = None
    """Folder for all of it, kept; a temporary one by default."""


@dataclass(frozen=True)
class Damage:
    """To one file: what it holds afterwards, None where it is deleted."""

    path: Path
    kind: str
    content: bytes | None


def damages(folder: Path, bits: int, rng: np.random.Generator, other: Path | None = None) -> Iterator[Damage]:
    """Damages to the files of a run folder, one after another; the files themselves are left alone.

    Args:
        folder: of the run.
        bits: how many single bits of a file longer than SHORT are flipped.
        rng: draws them.
        other: run folder whose files take the place of those of the same name.
    """
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    whole = {path: path.read_bytes() for path in files}
    for path, content in whole.items():
        total = 8 * len(content)
        chosen = range(total) if len(content) <= SHORT else rng.choice(total, min(bits, total), replace=False)
        for bit in chosen:
            flipped = bytearray(content)
            flipped[bit // 8] ^= 1 << bit % 8
            yield Damage(path, "bit", bytes(flipped))
        for kind, length in (("emptied", 0), ("half", len(content) // 2), ("cut by 1", len(content) - 1)):
            if 0 <= length < len(content):
                yield Damage(path, kind, content[:length])
        yield Damage(path, "longer", content + b"\0")
        yield Damage(path, "zeros", bytes(len(content)))
        yield Damage(path, "deleted", None)
        for twin, theirs in whole.items():
            if twin != path and (twin.name == path.name or _same_kind(twin, path)) and theirs != content:
                yield Damage(path, "swapped", theirs)
        if other is not None and (other / path.relative_to(folder)).is_file():
            yield Damage(path, "of another run", (other / path.relative_to(folder)).read_bytes())


def _same_kind(one: Path, other: Path) -> bool:
    """Manifests of two checkpoints; chunks of arrays, whose names are random."""
    return one.parent.name == other.parent.name == "checkpoints" or (
        one.parent.name == other.parent.name == "d" and one.parent.parent.name == other.parent.parent.name
    )


def as_commands_see(folder: Path) -> dict[str, str]:
    """What `lassovae analyse` and `report` ask of a run folder beside its model."""
    from lassovae._cli._study import differing_runs, find_study, open_study, rates_unlike_training, remembered
    from lassovae._records import read_origin

    table = find_study(folder, None, "analyse")
    found = {"study": str(table), "remembered": str(remembered(folder).get("model"))}
    found["rates"] = rates_unlike_training(folder, open_study(table))
    found["differing"] = str(differing_runs(folder, [{"run": "run_0", "sha256": "0"}]))
    return found | {"origin": str(sorted(read_origin(folder)))}


def best_of(folder: Path) -> dict[str, str]:
    """The model of the best epoch."""
    return model_of(folder, "best")


def saved_analysis(folder: Path) -> dict[str, str]:
    """What `lassovae.load_analysis` reads."""
    from lassovae._records import _packed

    arrays: dict[str, np.ndarray] = {}
    tree = _packed(lassovae.load_analysis(folder), "analysis", arrays)
    return {"tree": json.dumps(tree), **{name: digest(array) for name, array in arrays.items()}}


READERS: dict[str, Callable[[Path], dict[str, str]]] = {
    "load": model_of,
    "load best": best_of,
    "load_analysis": saved_analysis,
}


def read_damaged(folder: Path, all_damages: Iterable[Damage]) -> tuple[Counter[str], list[str]]:
    """Read the folder after every damage, which is then mended: outcomes by kind of damage, and what is wrong."""
    readers = READERS if (folder / "analysis.json").exists() else {"load": model_of, "load best": best_of}
    wanted = {name: read(folder) for name, read in readers.items()}
    outcomes: Counter[str] = Counter()
    wrong = []
    for damage in all_damages:
        whole = damage.path.read_bytes()
        where = f"{damage.path.relative_to(folder)}, {damage.kind}"
        if damage.content is None:
            damage.path.unlink()
        else:
            damage.path.write_bytes(damage.content)
        for name, read in [*readers.items(), ("commands", as_commands_see)]:
            if name == "load_analysis" and "analysis" not in damage.path.name:
                continue
            if name == "commands" and damage.path.name not in (
                "study.json",
                "provenance.json",
                "analysis.json",
            ):
                continue
            try:
                found = read(folder)
            except lassovae.InputError as error:
                outcomes[f"{name}: told"] += 1
                if "\n" in str(error):
                    wrong.append(f"{where}: {name} says more than a line: {str(error)[:200]!r}")
            except Exception as error:
                wrong.append(f"{where}: {name} raises {type(error).__name__}: {str(error)[:160]}")
            else:
                if name == "commands" or not (parts := differences(found, wanted[name])):
                    outcomes[f"{name}: harmless"] += 1
                else:
                    wrong.append(f"{where}: {name} returns another {', '.join(parts[:4])}")
        damage.path.write_bytes(whole)
    return outcomes, wrong


def go_on_damaged(
    workshop: Workshop, finished: Path, number: int, rng: np.random.Generator
) -> tuple[Counter[str], list[str]]:
    """Trainings with a damaged newest checkpoint go on: how they did, and what is wrong.

    Args:
        workshop: of the training.
        finished: run folder that nothing disturbed, not analysed.
        number: of trainings; every other one had come to its end.
        rng: draws a bit of a file of the newest checkpoint.
    """
    outcomes: Counter[str] = Counter()
    wrong = []
    wanted = everything(finished)
    stopped = workshop.place("stopped")
    command = workshop.fit(stopped)
    steps = max(int(path.stem) for path in (finished / "checkpoints").glob("*.json") if path.stem.isdigit())
    while command.alive and newest_checkpoint(stopped / "run") < steps // 2:
        time.sleep(0.002)
    command.send(9)
    command.finish()
    for i in range(number):
        origin, place = (stopped / "run", finished)[i % 2], workshop.place(f"resumed_{i}")
        shutil.copytree(origin, place / "run")
        newest = str(newest_checkpoint(origin)) if i % 2 == 0 else "final"
        inside = [p for p in sorted((place / "run" / "checkpoints").rglob("*")) if p.is_file()]
        inside = [p for p in inside if newest in p.relative_to(place).parts or p.name == f"{newest}.json"]
        path = inside[rng.integers(len(inside))]
        content = bytearray(path.read_bytes())
        if not content:
            continue
        bit = int(rng.integers(8 * len(content)))
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        where = f"{path.relative_to(place)}, bit {bit}"
        ended = workshop.fit(place, "--resume").finish()
        if ended.status or "Traceback" in ended.err:
            wrong.append(f"{where}: --resume ended with {ended.status}: {ended.err[-500:]!r}")
            continue
        outcomes["resumed with a warning" if ended.err else "resumed silently"] += 1
        try:
            parts = differences(everything(place / "run"), wanted)
            wrong += [f"{where}: after --resume another {', '.join(parts[:4])}"] if parts else []
        except lassovae.InputError as error:
            wrong.append(f"{where}: after --resume it cannot be loaded: {error}")
        shutil.rmtree(place)
    return outcomes, wrong


def flip_often(workshop: Workshop, options: Options, rng: np.random.Generator, name: str) -> int:
    """All of it on one kind of training; how much is wrong."""
    trained, place, other = (workshop.place(kind) for kind in ("trained", "flipped", "other"))
    workshop.fit(trained).finish()
    workshop.completed(place)
    Workshop(workshop.scratch, (*workshop.options, "--seed", "7")).completed(other)
    folder, began = place / "run", time.perf_counter()
    outcomes, wrong = read_damaged(folder, damages(folder, options.bits, rng, other / "run"))
    print(f"{name}: {dict(outcomes)} in {time.perf_counter() - began:.0f} s, {len(wrong)} wrong", flush=True)
    more, also = go_on_damaged(workshop, trained / "run", options.resumes, rng)
    print(f"{name}: {dict(more)}, {len(also)} wrong", flush=True)
    for fault in (*wrong[:40], *also):
        print(f"    {fault}", flush=True)
    return len(wrong) + len(also)


def main() -> int:
    """All variants; 1 if anything is wrong."""
    options = tyro.cli(Options, description=__doc__)
    logging.getLogger("lassovae").setLevel(logging.ERROR)
    scratch = Path(tempfile.mkdtemp()) if options.scratch is None else options.scratch.resolve()
    rng = np.random.default_rng(options.seed)
    bad = 0
    for name in options.variants:
        with Workshop(scratch / name, VARIANTS[name]) as workshop:
            bad += flip_often(workshop, options, rng, name)
    if options.scratch is None:
        shutil.rmtree(scratch)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
