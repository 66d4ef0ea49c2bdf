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
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import tifffile
import tyro
from _run_folders import FRAMES, ROOT, SMALL, Command, Ended, Workshop, differences, everything, rows_of

LONG = ("--encoder", "soft_roi", "--epochs", "24", *SMALL)  # so many epochs that it can be met in the middle
MEGABYTE = 2**20
ONE_YEAR_S = 365 * 86400


class Skipped(Exception):
    """A case that this machine cannot show."""


@dataclass(frozen=True)
class Options:
    """Command line."""

    only: tuple[str, ...] = ()
    """Beginnings of the names of cases; all by default."""
    rooms: int = 10
    """How many sizes of a full disk are tried on the training, and on the analysis."""
    scratch: Path | None = None
    """Folder for all of it, kept; a temporary one by default."""


@dataclass(frozen=True)
class Bench:
    """Where cases are tried, and what they are compared with."""

    workshop: Workshop
    trained: dict[str, str]
    analysed: dict[str, str]
    finished: Path
    rooms: int

    def place(self, name: str) -> Path:
        """An empty folder for a case."""
        place = self.workshop.place(name)
        shutil.rmtree(place)
        return self.workshop.place(name)

    def caught(self, place: Path, *options: str, rows: int = 100, **more: object) -> Command:
        """A training that has been halted after so many steps."""
        command = self.workshop.fit(place, *options, **more)
        while command.alive and rows_of(place / "run") < rows:
            time.sleep(0.002)
        command.send(signal.SIGSTOP)
        if not command.alive:
            raise RuntimeError(f"it ended before it could be halted: {command.finish()}")
        return command

    def recovers(self, place: Path, plain: bool = False) -> list[str]:
        """What is wrong when the same command goes on after the fault."""
        ended = self.workshop.fit(place, "--resume", plain=plain).finish()
        if ended.status or "Traceback" in ended.err:
            return [f"--resume ended with {ended.status}: {ended.err[-600:]!r}"]
        return [f"after --resume: {name}" for name in differences(everything(place / "run"), self.trained)]


def let_go(command: Command) -> Ended:
    """Let a halted command go on to its end."""
    command.send(signal.SIGCONT)
    return command.finish()


def said(ended: Ended) -> str:
    """The first error, for the record."""
    return f"[{ended.status}] {ended.errors[0][:230]}" if ended.errors else f"[{ended.status}] no error"


def wrong_end(ended: Ended, *words: str) -> list[str]:
    """What is not one clear error that holds these words."""
    text = " ".join(ended.errors)
    missing = [f"the error does not say {word!r}: {text[:300]}" for word in words if word not in text]
    return ([ended.one_error()] if ended.one_error() else []) + missing


@contextmanager
def mounted(*arguments: str, at: Path) -> Iterator[None]:
    """A mount; taken off afterwards."""
    if os.geteuid() != 0:
        raise Skipped("only root may mount")
    done = subprocess.run(["mount", *arguments, str(at)], capture_output=True, text=True)
    if done.returncode:
        raise Skipped(f"mount: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(at)], check=True)


@contextmanager
def full_but(place: Path, room: int, filled: bool = True) -> Iterator[Path]:
    """A disk of its own at `place` with so many bytes of room; a file that takes the rest, to be removed."""
    with mounted("-t", "tmpfs", "-o", f"size={8 * MEGABYTE}", "tmpfs", at=place):
        filler = place / "filler"
        if filled:
            fill(place, room)
        yield filler


def fill(place: Path, room: int) -> None:
    """Leave so many bytes free on the disk of this folder."""
    free = os.statvfs(place).f_bavail * os.statvfs(place).f_frsize
    with (place / "filler").open("wb") as file:
        for _ in range(max(0, free - room) // 4096):
            file.write(bytes(4096))


def rooms(bench: Bench, most: int) -> list[int]:
    """Sizes of what is left of a disk, whole pages, from nothing on."""
    return sorted({most * i // bench.rooms // 4096 * 4096 for i in range(bench.rooms)})


def full_disk_training(bench: Bench, note: Callable[[str], None]) -> list[str]:
    """The disk is full at different moments of a training."""
    wrong = []
    for room in rooms(bench, 450_000):
        place = bench.place("full")
        with full_but(place, room) as filler:
            ended = bench.workshop.fit(place).finish()
            if ended.status == 0:
                note(f"{room} bytes were enough")
                break
            note(f"{room} bytes: {said(ended)}")
            filler.unlink()
            faults = wrong_end(ended, str(place), "No space left") + bench.recovers(place)
            wrong += [f"{room} bytes: {fault}" for fault in faults]
    return wrong


def full_disk_analysis(bench: Bench, note: Callable[[str], None]) -> list[str]:
    """The same of the analysis."""
    return _full_later(bench, note, "analyse", [r - r % 4096 for r in rooms(bench, 250_000)])


def full_disk_report(bench: Bench, note: Callable[[str], None]) -> list[str]:
    """The same of the report."""
    return _full_later(bench, note, "report", [0, 8192, 65536, 300 * 1024])


def _full_later(bench: Bench, note: Callable[[str], None], command: str, sizes: list[int]) -> list[str]:
    wrong = []
    for room in sizes:
        place = bench.place("full")
        with full_but(place, room, filled=False) as filler:
            shutil.copytree(bench.finished, place / "run")
            if command == "report":
                analysed = bench.workshop.analyse(place).finish()
                wrong += [analysed.err] if analysed.status else []
            before = everything(place / "run")
            fill(place, room)

            def call(place: Path = place) -> Ended:
                return bench.workshop.begin((command, str(place / "run"))).finish()

            ended = call()
            if ended.status == 0:
                note(f"{room} bytes were enough")
                break
            note(f"{room} bytes: {said(ended)}")
            faults = wrong_end(ended, str(place), "No space left")
            filler.unlink()
            again = call()
            faults += [f"afterwards: {again.err[-400:]}"] if again.status else []
            if command == "analyse":
                faults += differences(everything(place / "run"), bench.analysed)
            else:
                faults += [part for part in before if part not in everything(place / "run")]
            wrong += [f"{room} bytes: {fault}" for fault in faults]
    return wrong


def full_of_files(bench: Bench, note: Callable[[str], None]) -> list[str]:
    """No room for one more file name (inodes), at different moments of a training."""
    wrong = []
    for number in (3, 5, 8, 14, 26, 40):
        place = bench.place("inodes")
        with mounted("-t", "tmpfs", "-o", f"size=8m,nr_inodes={number}", "tmpfs", at=place):
            ended = bench.workshop.fit(place).finish()
            note(f"{number} files: {said(ended)}")
            wrong += [f"{number} files: {fault}" for fault in wrong_end(ended, str(place))]
            subprocess.run(["mount", "-o", "remount,nr_inodes=10000", str(place)], check=True)
            wrong += [f"{number} files: {fault}" for fault in bench.recovers(place)]
    return wrong


def read_only_folder(bench: Bench, note: Callable[[str], None]) -> list[str]:
    """Nothing may be written: to a new run, to one that would go on, to an analysis; reading goes on."""
    place = bench.place("readonly")
    shutil.copytree(bench.finished, place / "run")
    wrong = []
    with mounted("--bind", str(place), at=place):
        subprocess.run(["mount", "-o", "remount,bind,ro", str(place)], check=True)
        new = bench.workshop.begin(("fit", str(bench.workshop.study), "--out", str(place / "new"), *LONG))
        for command in (new, bench.workshop.fit(place, "--resume"), bench.workshop.analyse(place)):
            ended = command.finish()
            note(f"{command.arguments[0]}: {said(ended)}")
            wrong += wrong_end(ended, str(place), "Read-only")
        wrong += [f"read: {name}" for name in differences(everything(place / "run"), bench.trained)]
    return wrong + bench.recovers(place)


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
        wrong += bench.recovers(place)
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


def make_bench(workshop: Workshop, rooms: int) -> Bench:
    """The undisturbed run."""
    place = workshop.place("undisturbed")
    if not (place / "run").exists():
        workshop.completed(place)
    analysed = everything(place / "run")
    finished = workshop.place("finished") / "run"
    if not finished.exists():
        workshop.fit(finished.parent).finish()
    return Bench(workshop, everything(finished), analysed, finished, rooms)


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
