"""Real faults under a training and its analysis: one clear error each, and nothing lost once they are mended.

Disks are small tmpfs mounts and read-only bind mounts, where the user may mount; rights are tried without root's right
to ignore them; recordings are changed in the middle of a training, which waits meanwhile (SIGSTOP). After each fault
the command must have ended with status 1 or 2 and exactly one line `lassovae: error:`, and when the fault is taken away
the same command with --resume must end in the folder of a run that nothing disturbed, bit for bit.

    python benchmarks/faults.py                       # all
    python benchmarks/faults.py --only full two       # cases whose names begin so
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import tifffile
import tyro
from _fault_bench import LONG, Bench, Skipped, let_go, make_bench, said, wrong_end
from _fault_disks import (
    full_disk_analysis,
    full_disk_report,
    full_disk_training,
    full_of_files,
    read_only_folder,
)
from _run_folders import FRAMES, ROOT, Workshop, differences, everything, rows_of

ONE_YEAR_S = 365 * 86400


@dataclass(frozen=True)
class Options:
    """Command line."""

    only: tuple[str, ...] = ()
    """Beginnings of the names of cases; all by default."""
    rooms: int = 10
    """How many sizes of a full disk are tried on the training, and on the analysis."""
    scratch: Path | None = None
    """Folder for all of it, kept; a temporary one by default."""


def no_rights(bench: Bench, note: Callable[[str], None]) -> list[str]:
    """Folders that may not be written to: to begin with, and from the middle of a training on."""
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        raise Skipped("root ignores rights, and setpriv is not there to prevent it")
    place = bench.place("rights")
    place.chmod(0o555)
    ended = bench.workshop.fit(place, plain=True).finish()
    note(f"to begin: {said(ended)}")
    wrong = wrong_end(ended, str(place), "Permission denied")
    place.chmod(0o755)
    command = bench.caught(place, plain=True)
    folders = [place / "run", place / "run" / "checkpoints"]
    for folder in folders:
        folder.chmod(0o555)
    ended = let_go(command)
    note(f"in the middle: {said(ended)}")
    wrong += wrong_end(ended, str(place))
    for folder in folders:
        folder.chmod(0o755)
    return wrong + bench.recovers(place, plain=True)


def folder_deleted(bench: Bench, note: Callable[[str], None]) -> list[str]:
    """The run folder, or its checkpoints alone, are deleted under a training."""
    wrong = []
    for name in ("run", "run/checkpoints"):
        place = bench.place("deleted")
        command = bench.caught(place)
        shutil.rmtree(place / name)
        ended = let_go(command)
        note(f"{name}: {said(ended)}")
        wrong += wrong_end(ended, str(place / "run"))
        if name == "run" and (place / "run").exists():
            wrong.append(f"something is there again: {sorted(os.listdir(place / 'run'))}")
        if name == "run":
            wrong += bench.recovers(place)
        else:
            wrong += _is_refused(bench, place)
    return wrong


def _is_refused(bench: Bench, place: Path) -> list[str]:
    """Whether a training whose checkpoints are gone is not begun anew over what is left of it."""
    kept = [place / "run" / name for name in ("config.json", "metrics.jsonl", "provenance.json")]
    before = [file.read_bytes() for file in kept]
    ended = bench.workshop.fit(place, "--resume").finish()
    wrong = wrong_end(ended, "no checkpoint is complete")
    if ended.status != 2 or [file.read_bytes() for file in kept] != before:
        wrong.append(f"--resume ended with {ended.status}, or what was left is not as it was")
    return wrong


def clock_set_back(bench: Bench, note: Callable[[str], None]) -> list[str]:
    """A year, in the middle of a training, which is then killed, or not; and times of files that make no sense."""
    wrong = []
    for kill in (False, True):
        place = bench.place("clock")
        paths = os.pathsep.join([str(ROOT / "benchmarks" / "_sabotage"), str(ROOT)])
        when = place / "back"
        settings = {"LASSOVAE_BACK_S": str(ONE_YEAR_S), "LASSOVAE_BACK_WHEN": str(when), "PYTHONPATH": paths}
        command = bench.caught(place, **settings)
        when.touch()
        command.send(signal.SIGCONT)
        while kill and command.alive and rows_of(place / "run") < 250:
            time.sleep(0.002)
        if kill:
            command.send(signal.SIGKILL)
        ended = command.finish()
        note(f"killed: {kill}, status {ended.status}")
        if ended.status != (128 + signal.SIGKILL if kill else 0):
            wrong.append(f"status {ended.status}: {ended.err[-600:]!r}")
        for i, path in enumerate(sorted((place / "run").rglob("*"))):
            os.utime(path, (i * 1e6 % 977, 4e9 - i * 1e6 % 991))
        wrong += bench.recovers(place)
    return wrong


def recording_changed(bench: Bench, note: Callable[[str], None]) -> list[str]:
    """A recording is changed, cut short or deleted under a training, its frames held in memory or not."""
    from lassovae import Config, Preprocess
    from lassovae._memory import plan_memory
    from lassovae.data import read_study

    config = Config(
        encoder="soft_roi", order=1, window=8, epochs=24, lam=0.01, preprocess=Preprocess(bad_pixels="fill")
    )
    just_less = (plan_memory(read_study(bench.workshop.study), config, 1000).peak - 1000) / 1e9

    def pixels(path: Path) -> None:
        frame = tifffile.imread(path)[FRAMES // 2]
        place = path.read_bytes().index(frame.tobytes())
        with path.open("r+b") as file:
            file.seek(place)
            file.write((frame + 1).tobytes())

    def replaced(path: Path) -> None:
        other = path.with_name("other")
        shutil.copyfile(path, other)
        pixels(other)
        other.replace(path)

    changes: dict[str, Callable[[Path], None]] = {
        "pixels": pixels,
        "replaced": replaced,
        "cut short": lambda path: os.truncate(path, path.stat().st_size // 2),
        "emptied": lambda path: os.truncate(path, 0),
        "deleted": lambda path: path.unlink(),
    }
    wrong = []
    for held, options in ((True, ()), (False, ("--max-memory-gb", f"{just_less:.7f}"))):
        for name, change in changes.items():
            place = bench.place("changed")
            recording = bench.workshop.study.parent / "run_2.tif"
            kept = recording.read_bytes()
            command = bench.caught(place, *options)
            change(recording)
            ended = let_go(command)
            recording.write_bytes(kept)
            about = f"{name}, frames {'held' if held else 'read anew'}"
            note(f"{about}: {said(ended)}")
            faults = wrong_end(ended, "run_2") + bench.recovers(place)
            wrong += [f"{about}: {fault}" for fault in faults]
    return wrong


def two_writers(bench: Bench, note: Callable[[str], None]) -> list[str]:
    """A second training or an analysis of a folder that is being trained; two that begin at once."""
    place = bench.place("writers")
    first = bench.caught(place)
    wrong = []
    for second in (
        bench.workshop.fit(place, "--resume"),
        bench.workshop.fit(place),
        bench.workshop.analyse(place),
    ):
        ended = second.finish()
        note(f"{second.arguments[0]}: {said(ended)}")
        wrong += wrong_end(ended) + ([] if ended.status == 2 else [f"status {ended.status} of the second"])
    ended = let_go(first)
    wrong += [f"the first: {ended.err[-400:]!r}"] if ended.status else []
    wrong += differences(everything(place / "run"), bench.trained)
    for number in range(4):
        place = bench.place("writers")
        both = [bench.workshop.fit(place, "--resume") for _ in range(2)]
        time.sleep(0.05 * number)
        ends = [command.finish() for command in both]
        statuses = sorted(ended.status for ended in ends)
        note(f"at once: {statuses}")
        # the second may come when the first has finished: then it has nothing to do
        wrong += [] if statuses in ([0, 2], [0, 0]) else [f"at once: {statuses}"]
        wrong += [fault for ended in ends if ended.status for fault in wrong_end(ended)]
        wrong += differences(everything(place / "run"), bench.trained)
    return wrong


CASES = (
    full_disk_training,
    full_disk_analysis,
    full_disk_report,
    full_of_files,
    read_only_folder,
    no_rights,
    folder_deleted,
    clock_set_back,
    recording_changed,
    two_writers,
)


def main() -> int:
    """All cases; 1 if anything is wrong."""
    options = tyro.cli(Options, description=__doc__)
    scratch = Path(tempfile.mkdtemp()) if options.scratch is None else options.scratch.resolve()
    bad = 0
    with Workshop(scratch, LONG) as workshop:
        bench = make_bench(workshop, options.rooms)
        for case in CASES:
            if options.only and not case.__name__.startswith(options.only):
                continue
            try:
                wrong = case(bench, lambda text, name=case.__name__: print(f"  {name}: {text}", flush=True))
            except Skipped as reason:
                print(f"{case.__name__}: skipped, {reason}", flush=True)
                continue
            bad += bool(wrong)
            print(f"{case.__name__}: {'as it should be' if not wrong else 'WRONG'}", flush=True)
            for fault in wrong:
                print(f"    {fault}", flush=True)
    if options.scratch is None:
        shutil.rmtree(scratch)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
