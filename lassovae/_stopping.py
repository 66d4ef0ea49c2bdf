"""How a training is stopped from outside: the first signal lets it save, the second ends it at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

from lassovae._errors import Stopped

SIGNALS = (signal.SIGINT, signal.SIGTERM)  # Ctrl-C; a scheduler that wants its machine back
STATUS = 128  # and the signal's number: what shells report of a process that a signal ended


class StopRequest:
    """A context within which SIGINT and SIGTERM ask for an end instead of making one.

    While `gently` is off there is nothing to save, and a signal raises Stopped where the program is. While it
    is on, the signal is kept in `asked`, for whoever saves first and then calls `stop`. A second signal ends the
    process at once, whatever it is doing; in an interactive session it raises KeyboardInterrupt, for there is more in
    that process than this training. Signals that the process ignores stay ignored; outside the main thread, where
    Python takes none, and in one of several processes, which must stop together (`preempted`), this does nothing.

    Attributes:
        asked: number of the signal that came, None while none did.
        gently: whether there is something to save.
        place: where the training is, for the message.
    """

    current: StopRequest | None = None  # of the process: only its main thread can have one
    watched = False  # whether somebody else ends the process on a second signal, sooner than Python is told

    def __init__(self, *, alone: bool = True) -> None:
        self.asked: int | None = None
        self.gently = False
        self.place = "before its first step"
        self._alone = alone
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopRequest:
        if self._alone and threading.current_thread() is threading.main_thread():
            taken = [s for s in SIGNALS if signal.getsignal(s) not in (signal.SIG_IGN, None)]
            self._before = {s: signal.signal(s, self._take) for s in taken}
            StopRequest.current = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if StopRequest.current is self:
            StopRequest.current = None

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Let a save come to its end, then stop if that was asked for meanwhile."""
        before, self.gently = self.gently, True
        try:
            yield
        finally:
            self.gently = before
        if self.asked is not None and not before:
            self.stop()

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self.asked is not None:
            if not StopRequest.watched:
                end_at_once(number)
            return
        self.asked = number
        if not self.gently:
            self.stop()

    def stop(self) -> None:
        """Raise what ends the training.

        Raises:
            Stopped: always.
        """
        number = self.asked or signal.SIGTERM
        raise Stopped(f"stopped by {signal.Signals(number).name} {self.place}", number)


def is_interactive() -> bool:
    """Whether somebody types into this process: a second Ctrl-C must not take their other work with it."""
    return hasattr(sys, "ps1") or "ipykernel" in sys.modules or bool(sys.flags.interactive)


def end_at_once(number: int) -> None:
    """End the process; what it was writing is not there, or is there whole."""
    if is_interactive():
        raise KeyboardInterrupt
    name = signal.Signals(number).name
    said = f"stopped by {name} at once: what was saved before is kept; repeat the command, a training with --resume"
    os.write(2, f"lassovae: error: {said}\n".encode())
    os._exit(STATUS + number)
