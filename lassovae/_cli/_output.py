"""What commands say and where: results to the standard output, the rest to a terminal and to a run's log file."""

from __future__ import annotations

import json as json_format
import logging
import math
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tyro.conf import FlagCreatePairsOff

logger = logging.getLogger("lassovae")
LOG = "log.txt"


@dataclass(frozen=True, kw_only=True)
class Output:
    """Options of every command."""

    json: FlagCreatePairsOff[bool] = False
    """Print one JSON object instead of sentences."""
    verbose: FlagCreatePairsOff[bool] = False
    """Say what happens on the way although the standard error is no terminal."""


@dataclass(frozen=True)
class Finding:
    """Something to mend: what it is about, what is wrong, and what to do."""

    about: str
    text: str
    remedy: str


class _RunLog(logging.Handler):
    """Lines with their time in a run folder's log.txt; those that come before the folder does wait for it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(logging.INFO)
        self._folder, self._waiting = folder, [""]

    def emit(self, record: logging.LogRecord) -> None:
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        self._waiting.append(f"{stamp}  {record.levelname.lower():<7}  {record.getMessage()}\n")
        self.write()

    def write(self) -> None:
        if (
            self._folder / "config.json"
        ).is_file():  # no run folder yet: a file in it would make it one in use
            try:
                with (self._folder / LOG).open("a", encoding="utf-8") as file:
                    file.write("".join(self._waiting))
            except OSError:  # a full disk stops what is worth more than the log, and is told there
                return
            self._waiting = []


@contextmanager
def logged_to(folder: Path, command: str) -> Iterator[None]:
    """Keep what the library says in folder/log.txt, and how the command ended; makes no folder by itself."""
    handler = _RunLog(folder)
    logger.addHandler(handler)
    _only_to(handler, logging.INFO, f"lassovae {command}")
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        _only_to(handler, logging.ERROR, one_line(error) or "interrupted")
        raise
    else:
        _only_to(handler, logging.INFO, "done")
    finally:
        logger.removeHandler(handler)


def _only_to(handler: logging.Handler, level: int, text: str) -> None:
    """The terminal hears of it in its own way."""
    handler.emit(logging.LogRecord("lassovae", level, "", 0, text, None, None))


@contextmanager
def speaking(verbose: bool) -> Iterator[None]:
    """Let the library speak on the standard error: all of it on a terminal or if asked for, else warnings alone."""
    handler = logging.StreamHandler()  # of now: whoever replaced sys.stderr wants it there
    handler.setFormatter(logging.Formatter("%(message)s"))
    handler.setLevel(logging.INFO if verbose or sys.stderr.isatty() else logging.WARNING)
    before, passed_on = logger.level, logger.propagate
    logger.propagate = False  # some libraries give the root a handler of their own
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
        logger.propagate = passed_on


def one_line(error: BaseException | str) -> str:
    """An error's message without line breaks."""
    return " ".join(str(error).split())


def _plain(value: Any) -> Any:
    """A value in JSON's own types; what is not finite is null."""
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):  # NumPy's
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def print_json(values: dict[str, Any]) -> None:
    """One object, in one line, on the standard output."""
    sys.stdout.write(json_format.dumps(_plain(values), allow_nan=False) + "\n")


def print_lines(*lines: str) -> None:
    """Lines on the standard output; empty ones are left out."""
    sys.stdout.write("".join(f"{line}\n" for line in lines if line))


def shown(path: Path) -> str:
    """A path as a shell takes it."""
    return shlex.quote(str(path))
