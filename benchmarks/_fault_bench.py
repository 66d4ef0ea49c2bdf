"""Where faults.py tries its cases, what they are compared with, and what counts as one clear error."""

from __future__ import annotations

import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from _run_folders import SMALL, Command, Ended, Workshop, differences, everything, rows_of

LONG = ("--encoder", "soft_roi", "--epochs", "24", *SMALL)  # so many epochs that it can be met in the middle


class Skipped(Exception):
    """A case that this machine cannot show."""


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
