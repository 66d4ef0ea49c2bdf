"""Disks that are full or may not be written to: small tmpfs mounts and read-only bind mounts, for faults.py."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from _fault_bench import LONG, Bench, Skipped, said, wrong_end
from _run_folders import Ended, differences, everything

MEGABYTE = 2**20


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
