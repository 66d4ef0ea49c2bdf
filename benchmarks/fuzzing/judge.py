"""One file: read under a bound of memory, and what came of it."""

from __future__ import annotations

import logging
import os
import re
import resource
import shutil
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import lassovae

OVERHEAD = 100_000_000  # bytes that a reader may take beside twice the size of the file
LONGEST_MESSAGE = 10_000
REFUSED = re.compile("MEM_ERROR|[Oo]ut of memory|[Cc]annot allocate|allocation failed|[Uu]nable to allocate")
PAGE = os.sysconf("SC_PAGE_SIZE")


class Outcome(NamedTuple):
    """What came of a file.

    Attributes:
        kind: "read", "rejected" by the library's own error, or "finding".
        what: the message; of a finding where it was raised too.
    """

    kind: str
    what: str = ""


class Budget:
    """What may be allocated while a file is read: twice its size, 100 MB, and the frames that are asked for.

    The kernel refuses private writable memory beyond it (RLIMIT_DATA), whether it is touched or not, so that an array
    that a header claims is refused even where it would stay unused. Files mapped to be read do not count.
    """

    def __init__(self, size: int) -> None:
        self.allowed = 2 * size + OVERHEAD
        self.asked = 0  # the most at once

    @contextmanager
    def asking(self, num_bytes: int) -> Iterator[None]:
        """Room for frames that are asked for."""
        self.asked = max(self.asked, num_bytes)
        before, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (before + num_bytes, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_DATA, (before, hard))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the process to the budget."""
        unlimited = resource.getrlimit(resource.RLIMIT_DATA)
        with open("/proc/self/statm") as file:
            in_use = int(file.read().split()[5]) * PAGE
        resource.setrlimit(resource.RLIMIT_DATA, (in_use + self.allowed, unlimited[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_DATA, unlimited)


class _Refusals(logging.Handler):
    """Notes what libraries log of memory that they were refused, and let nobody know otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = ""

    def emit(self, record: logging.LogRecord) -> None:
        if "MemoryError" in (text := record.getMessage()):
            self.seen = text


REFUSALS = _Refusals()


def listen() -> None:
    """Take what libraries log, once a process, instead of showing it."""
    logging.getLogger().handlers[:] = [REFUSALS]
    for name in ("tifffile", "lassovae"):
        logging.getLogger(name).handlers[:] = []
    logging.lastResort = None


def _peak() -> int:
    with open("/proc/self/status") as file:
        return int(next(line for line in file if line.startswith("VmHWM")).split()[1]) * 1024


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _of_memory(error: BaseException) -> bool:
    """Whether memory was refused: some libraries say so by an error of their own."""
    return isinstance(error, MemoryError) or REFUSED.search(str(error)) is not None


def _place(error: BaseException) -> str:
    """Type of an error and the innermost lines of the library and of all that led to it."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "lassovae" in frame.filename]
    told = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in (*own[-1:], *frames[-1:])]
    return " > ".join(dict.fromkeys([type(error).__name__, *told]))


def _judged(read: Callable[[Path, Budget], None], folder: Path, budget: Budget) -> Outcome:
    try:
        with budget.held():
            read(folder, budget)
    except BaseException as error:
        refused = next((link for link in _chain(error) if _of_memory(link)), None)
        if refused is not None:
            return Outcome("finding", f"too much memory: {_place(refused)}: {refused}")
        if not isinstance(error, lassovae.InputError):
            return Outcome("finding", f"{_place(error)}: {error}")
        text = str(error)
        if len(text) > LONGEST_MESSAGE or not text.replace("\n", "").isprintable():
            return Outcome("finding", f"a message that is too long or not printable: {text[:200]!r}")
        return Outcome("rejected", text)
    return Outcome("read")


def judge(read: Callable[[Path, Budget], None], folder: Path, size: int) -> Outcome:
    """Read what lies in a folder and judge it.

    Args:
        read: of a Target.
        folder: that holds the files.
        size: their bytes.

    Returns:
        "finding" for every other error than the library's own, for memory beyond the budget, even where it was
        refused and the reader went on or made it a clear error, and for a message that no terminal should be given.
    """
    REFUSALS.seen = ""
    budget = Budget(size)
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
    before = _peak()
    outcome = _judged(read, folder, budget)
    grown, most = _peak() - before, budget.allowed + budget.asked
    if REFUSALS.seen:
        return Outcome("finding", f"too much memory, and nobody was told: {REFUSALS.seen[:200]}")
    if grown > most:
        return Outcome("finding", f"too much memory: {grown} bytes resident, {most} allowed")
    return outcome


def emptied(folder: Path) -> Path:
    """A folder with nothing in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
