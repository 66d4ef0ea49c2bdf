"""How a command ends when it is told to: in time, whatever it is doing, and with a status that says why."""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from lassovae._errors import Stopped
from lassovae._stopping import SIGNALS, StopRequest, end_at_once

PATIENCE_S = 3.0  # for what has nothing to save, and hears of a signal only after a long call


@contextmanager
def ends_in_time() -> Iterator[None]:
    """Let SIGTERM end a command as Ctrl-C does, and see to it that either does.

    Python hears of a signal between two of its own operations, and compiling a program is a single one. So a thread
    hears of it, too: a first signal has three seconds to be heeded, or as long as a training takes to save; the second
    one none. Nothing is left half written by that: files take their names when they are whole.
    """
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or os.name == "nt":  # there signals come to no other thread, and pipes wake nobody
        yield
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    watcher = threading.Thread(target=_watch, args=(reader,), name="signals", daemon=True)
    before = signal.getsignal(signal.SIGTERM)
    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGTERM, _stop)
    woken = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    watcher.start()
    StopRequest.watched = True
    try:
        yield
    finally:
        StopRequest.watched = False
        signal.set_wakeup_fd(woken)
        if before is not signal.SIG_IGN:
            signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)
        os.close(writer)  # the watcher reads the end
        watcher.join()


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped(f"stopped by {signal.Signals(number).name}", number)


def _watch(reader: int) -> None:
    """End the process on a second signal, and on a first one that nobody heeds; until the pipe is closed."""
    asked = 0
    while True:
        training = StopRequest.current
        saving = training is not None and training.gently
        patience = None if not asked else 0.1 if saving else PATIENCE_S
        ready, _, _ = select.select([reader], [], [], patience)
        if not ready:
            if not saving:
                end_at_once(asked)
            continue
        signals = os.read(reader, 1)
        if not signals:
            os.close(reader)
            return
        if signals[0] in SIGNALS:
            if asked:
                end_at_once(signals[0])
            asked = signals[0]
