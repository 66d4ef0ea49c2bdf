"""Progress for people: a bar on a terminal, one log line an epoch elsewhere."""

from __future__ import annotations

import logging
import sys
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from lassovae.training._mesh import is_first
from lassovae.training._objective import Measures

logger = logging.getLogger("lassovae")


class StepProgress:
    """Shows loss, R_var, non-zeros a target and the time left; a context manager."""

    def __init__(self, title: str, num_steps: int, done: int, show: bool):
        console = Console(stderr=True)
        self._visible = show and sys.stderr.isatty()  # not what FORCE_COLOR makes of a pipe
        self._title = title
        self._first = is_first()  # of several processes one speaks
        self._num_steps = num_steps
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[measures]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not self._visible,
        )
        self._task = self._progress.add_task(title, total=num_steps, completed=done, measures="compiling")

    def __enter__(self) -> StepProgress:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def advance(self, measures: Measures, step: int, last_of_epoch: bool) -> None:
        """Report one finished step."""
        text = (
            f"loss {float(measures.loss):.3g}  R_var {float(measures.relative_error):.3f}  "
            f"non-zeros {float(measures.nonzeros):.2f}"
        )
        self._progress.update(self._task, advance=1, measures=text)
        if last_of_epoch and self._first:
            logger.info("%s: step %d of %d, %s", self._title, step, self._num_steps, text)
