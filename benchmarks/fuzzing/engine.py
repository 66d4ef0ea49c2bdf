"""Many files: read in forked processes, so that one that ends a process or does not end is noted and left behind."""

from __future__ import annotations

import hashlib
import mmap
import os
import select
import signal
import sys
import threading
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from fuzzing.judge import Outcome, emptied, judge, listen
from fuzzing.target import Files, Target, files_below, mutated, write_files

LONGEST_WALL_S = 60.0  # that a file may take at all, on a machine that has other things to do
POLL_S = 0.1
KEPT_OF_A_KIND = 3  # findings alike that are saved
NUMBER, SINCE, READ, REJECTED, FINDINGS, SLOWEST, WHICH = range(7)  # places of what a process tells
PIPE_HOLDS = 1 << 15  # bytes, without a reader
TICKS = os.sysconf("SC_CLK_TCK")


class Work(NamedTuple):
    """What is to be read.

    Attributes:
        target: the reader.
        seeds: valid files.
        seed: of the randomness.
        first, last: numbers of the damaged files, the last excluded.
        stride: processes that share them.
        folder: to write them to, in memory.
        findings: where those that are findings are kept.
        longest_s: of the processor's time that a file may take.
    """

    target: Target
    seeds: Mapping[str, Files]
    seed: int
    first: int
    last: int
    stride: int
    folder: Path
    findings: Path
    longest_s: float = 5.0


def _keep(work: Work, number: int, files: Files, what: str) -> None:
    """Save a finding, unless there are some like it."""
    kind = hashlib.sha256(what.split(": ")[0].encode()).hexdigest()[:8]
    name = f"{work.target.name}-{kind}"
    work.findings.mkdir(parents=True, exist_ok=True)
    with (work.findings / f"{name}.txt").open("a") as log:
        log.write(f"--seed {work.seed} --first {number} --files 1\t{what!r}\n")
    if len(list(work.findings.glob(f"{name}-*"))) < KEPT_OF_A_KIND:
        write_files(files, emptied(work.findings / f"{name}-{work.seed}-{number}"))


def _process(work: Work, worker: int, start: int, told: memoryview) -> None:
    """Read every `stride`-th file from `start`, and tell of each."""
    warnings.simplefilter("ignore")
    threading.stack_size(1 << 20)  # a stack counts as memory as soon as a thread has it
    listen()
    folder = work.folder / str(worker) / "of" / "files"  # so that a path above it stays among ours
    for number in range(start, work.last, work.stride):
        files = mutated(work.target, work.seeds, work.seed, number)
        size = write_files(files, emptied(folder))
        told[SINCE], told[NUMBER] = time.monotonic_ns(), number
        outcome = judge(work.target.read, folder, size)
        took = time.monotonic_ns() - told[SINCE]
        if took > told[SLOWEST]:
            told[SLOWEST], told[WHICH] = took, number
        told[SINCE] = 0
        told[{"read": READ, "rejected": REJECTED, "finding": FINDINGS}[outcome.kind]] += 1
        if outcome.kind == "finding":
            _keep(work, number, files, outcome.what)


def _forked(work: Work, worker: int, start: int, told: memoryview) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        _process(work, worker, start, told)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _cpu_s(process: int) -> float:
    """Seconds of the processor that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class _Watched:
    """A process that reads files, and what is known of it."""

    def __init__(self, work: Work, worker: int) -> None:
        self.work, self.worker = work, worker
        self.told = memoryview(mmap.mmap(-1, 64)).cast("q")
        self.number, self.cpu_s = -1, 0.0  # of the file that was read when last looked at
        self.process = _forked(work, worker, work.first + worker, self.told)

    def _lost(self, what: str) -> bool:
        """Note the file that was being read, and go on behind it; False where none is left."""
        number = int(self.told[NUMBER])
        self.told[FINDINGS] += 1
        self.told[SINCE] = 0
        work = self.work
        _keep(work, number, mutated(work.target, work.seeds, work.seed, number), what)
        if number + work.stride >= work.last:
            return False
        self.process = _forked(work, self.worker, number + work.stride, self.told)
        return True

    def goes_on(self) -> bool:
        """Look after the process; False when all its files are read."""
        ended, status = os.waitpid(self.process, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            if code == 1 or (code and not self.told[SINCE]):
                raise RuntimeError(f"the harness itself failed near file {self.told[NUMBER]}")
            return code != 0 and self._lost(f"the process died: {code}")
        since, number = int(self.told[SINCE]), int(self.told[NUMBER])
        cpu_s = _cpu_s(self.process)
        if number != self.number or not since:
            self.number, self.cpu_s = number, cpu_s
        wall_s = (time.monotonic_ns() - since) / 1e9 if since else 0.0
        if cpu_s - self.cpu_s > self.work.longest_s or wall_s > LONGEST_WALL_S:
            os.kill(self.process, signal.SIGKILL)
            os.waitpid(self.process, 0)
            return self._lost(f"does not end: {wall_s:.0f} s")
        return True


def run(work: Work) -> dict[str, Any]:
    """Read all files; how many were read, rejected and findings, and how long it took."""
    began = time.monotonic()
    watched = [_Watched(work, worker) for worker in range(min(work.stride, work.last - work.first))]
    going = list(watched)
    try:
        while going := [process for process in going if process.goes_on()]:
            time.sleep(POLL_S)
    finally:
        for process in going:  # none is left, unless something went wrong
            with suppress(ProcessLookupError):
                os.kill(process.process, signal.SIGKILL)
    seconds = time.monotonic() - began
    total = Counter[int]()
    for process in watched:
        total.update({place: int(process.told[place]) for place in (READ, REJECTED, FINDINGS)})
    files = work.last - work.first
    slowest, which = max((int(process.told[SLOWEST]), int(process.told[WHICH])) for process in watched)
    return {
        "reader": work.target.name,
        "seed": work.seed,
        "files": files,
        "read": total[READ],
        "rejected": total[REJECTED],
        "findings": total[FINDINGS],
        "files_per_s": round(files / seconds, 1),
        "slowest_s": round(slowest / 1e9, 3),
        "slowest": which,
    }


def replay(target: Target, place: Path, folder: Path) -> Outcome:
    """Read a file, or all files of a folder, as they are, in a process that may die or be ended.

    Args:
        target: the reader.
        place: a file, put where the reader looks for its first one; or a folder of files by their names.
        folder: to copy them to.
    """
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        warnings.simplefilter("ignore")
        listen()
        outcome = judge(target.read, folder, write_files(files_below(place), emptied(folder)))
        os.write(send, "\n".join(outcome).encode()[:PIPE_HOLDS])
        os._exit(0)
    os.close(send)
    with open(receive, "rb") as pipe:
        ready, _, _ = select.select([pipe], [], [], LONGEST_WALL_S)
        if not ready:
            os.kill(child, signal.SIGKILL)
        kind, _, what = pipe.read().decode(errors="replace").partition("\n")
    _, status = os.waitpid(child, 0)
    if not kind:
        return Outcome("finding", f"does not end, or the process died: {os.waitstatus_to_exitcode(status)}")
    return Outcome(kind, what)
