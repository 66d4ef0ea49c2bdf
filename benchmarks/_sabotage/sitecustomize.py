"""Python imports this before anything else where this folder is on PYTHONPATH: it spoils a process from within.

By variables of the environment:

    LASSOVAE_WATCHED   a folder: operations on files in it are counted (open to write, rename, remove, mkdir, rmdir)
    LASSOVAE_KILL_AT   number of the operation, from 1, instead of which the process dies by SIGKILL
    LASSOVAE_COUNT     file that is told at the end how many there were
    LASSOVAE_BACK_S    seconds by which the clock goes back when the file LASSOVAE_BACK_WHEN exists
"""

import os
import signal
import sys
import time

CHANGES = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate")
watched = os.environ.get("LASSOVAE_WATCHED", "")
kill_at = int(os.environ.get("LASSOVAE_KILL_AT", "0"))
count_file = os.environ.get("LASSOVAE_COUNT", "")
back_s = float(os.environ.get("LASSOVAE_BACK_S", "0"))
back_when = os.environ.get("LASSOVAE_BACK_WHEN", "")
counted = 0


def count(event: str, arguments: tuple) -> None:
    """Of an audit hook: called before the operation."""
    global counted
    if event not in CHANGES or not isinstance(arguments[0], (str, os.PathLike)):
        return
    if not os.path.abspath(os.fspath(arguments[0])).startswith(watched):
        return
    if event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR):
        return
    counted += 1
    if counted == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)
    if count_file:
        with open(count_file, "w") as file:
            file.write(str(counted))


if watched:
    sys.addaudithook(count)
if back_s:
    right, right_ns = time.time, time.time_ns
    time.time = lambda: right() - back_s * os.path.exists(back_when)
    time.time_ns = lambda: right_ns() - int(back_s * 1e9) * os.path.exists(back_when)
