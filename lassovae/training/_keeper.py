"""When a training is saved and when it stops; what a step has measured goes to disk at once."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jax

from lassovae._errors import TrainingError
from lassovae._sharing import by_first, preempted
from lassovae._stopping import StopRequest
from lassovae.training._folder import metrics_text
from lassovae.training._run import RunFolder
from lassovae.training._step import TrainState

SAVE_EVERY_S = 600.0  # what a killed training of long epochs loses at most


class Keeper:
    """Saves at the end of every epoch, every ten minutes within one, and before a stop that was asked for.

    Args:
        run: where to; None keeps nothing.
        stop: what was asked for.
        tree_of: makes of a state what a checkpoint holds.
        history: rows of all steps so far.
    """

    def __init__(
        self,
        run: RunFolder | None,
        stop: StopRequest,
        tree_of: Callable[[TrainState], Any],
        history: Sequence[dict[str, Any]],
    ):
        self._run, self._stop, self._tree_of = run, stop, tree_of
        self._saved_at, self._log = time.monotonic(), -1
        self._failed: TrainingError | None = None
        self._metrics = hashlib.sha256(metrics_text(history).encode())  # grows with them

    @contextmanager
    def writing(self, done: int) -> Iterator[None]:
        """While steps are made: keep metrics.jsonl open.

        Args:
            done: steps that were done, and saved, before.
        """
        if self._run is None:
            self._stop.place = "; nothing is kept of a training without run_dir"
        elif done:
            self._stop.place = _saved(done)
        if self._run is not None and jax.process_index() == 0:
            self._log = os.open(self._run.metrics, os.O_WRONLY | os.O_APPEND)
        try:
            yield
        finally:
            self._stop.gently = False
            if self._log >= 0:
                os.close(self._log)

    def wrote(self, row: dict[str, Any]) -> None:
        """Write down the numbers of a step.

        Raises:
            TrainingError: they cannot be written; in one of several processes at the next `save`.
        """
        text = metrics_text([row]).encode()
        self._metrics.update(text)
        if self._log < 0:
            return
        try:
            while text:
                text = text[os.write(self._log, text) :]
        except OSError as error:
            self._failed = TrainingError(
                f"{self._run and self._run.metrics}: step {row['step']} cannot be written down ({error.strerror}): "
                "make room, and go on from the last checkpoint (resume=True, --resume)"
            )
            os.close(self._log)
            self._log = -1
            if jax.process_count() == 1:
                raise self._failed from error

    def _see_numbers(self) -> None:
        """Numbers that could not be written down are told where all processes meet."""
        if self._failed is not None:
            raise self._failed

    def wants(self, step: int) -> bool:
        """Whether to save within an epoch, after this step; every process asks at every step.

        Several processes save together, and no clock of theirs could tell them when: they save between epochs, and
        where a scheduler stops them.
        """
        if jax.process_count() > 1:
            if preempted(step) and self._stop.asked is None:
                self._stop.asked = int(signal.SIGTERM)
            return self._stop.asked is not None
        self._stop.gently = self._run is not None
        if self._run is None:
            return False
        return self._stop.asked is not None or time.monotonic() - self._saved_at > SAVE_EVERY_S

    def save(self, state: TrainState, step: int, loss: float | None) -> None:
        """Save the state after a step, and stop if that was asked for.

        Args:
            state: after the step.
            step: how many were done.
            loss: mean over the epoch that ends here; None within one.

        Raises:
            Stopped: saved, and asked to stop.
            InputError, TrainingError: as `RunFolder.save`.
        """
        if self._run is None:
            if self._stop.asked is not None:
                self._stop.stop()
            return
        by_first(self._see_numbers)
        self._run.save(str(step), step, self._tree_of(state), self._metrics.hexdigest(), loss=loss)
        self._saved_at = time.monotonic()
        self._stop.place = _saved(step)
        self._stop.gently = False
        if self._stop.asked is not None:
            self._stop.stop()


def _saved(step: int) -> str:
    return f"at step {step}, which is saved: go on with resume=True (the same command with --resume)"
