"""One writer a run folder: a lock that names its owner, and that a dead owner does not keep."""

from __future__ import annotations

import getpass
import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from lassovae._errors import InputError
from lassovae._files import LOCK, make_folder, remove_leftovers, write_text

OWNER = ".owner.json"
OURS = (LOCK, OWNER)  # a folder that holds no more than these is empty


@dataclass(frozen=True)
class Lock:
    """A folder that this process alone writes to.

    Attributes:
        folder: the folder.
        owner: what its file says of the owner.
    """

    folder: Path
    owner: str

    def is_kept(self) -> bool:
        """Whether the folder is still the one that was locked; not where it was removed, moved or replaced."""
        try:
            return (self.folder / OWNER).read_text(encoding="utf-8") == self.owner
        except (OSError, UnicodeDecodeError):
            return False


# by folder, process (a fork is another one) and thread: who holds a lock may ask for it again
_HELD: dict[tuple[str, int, int], Lock] = {}


def _owner(doing: str) -> dict[str, Any]:
    user = "unknown"
    with suppress(ImportError, KeyError, OSError):  # a container's user may have no name
        user = getpass.getuser()
    since = datetime.now(UTC).isoformat(timespec="seconds")
    return {"host": socket.gethostname(), "pid": os.getpid(), "user": user, "doing": doing, "since": since}


def _named(folder: Path) -> str:
    """The owner of a folder in words, as far as it is known."""
    try:
        owner = json.loads((folder / OWNER).read_text(encoding="utf-8"))
        who = f"process {owner['pid']} of {owner['user']} on {owner['host']}"
        return f"{who} ({owner['doing']}, since {owner['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


@contextmanager
def owned(folder: Path, doing: str) -> Iterator[Lock]:
    """Hold the lock of a folder; what a killed owner had half written is removed first.

    A folder that is not there is made, and removed again if nothing came into it. The operating system gives the lock
    of a process that has died to the next one that asks. On storage without locks filelock falls back on a file that
    names host and process, with the same effect on one machine; after a death on another machine the message below
    says which file to remove. Whoever holds the lock may take it again within.

    Args:
        folder: to be written to.
        doing: the owner's work, for the message to others.

    Raises:
        InputError: another process, or another thread of this one, owns the folder; names it. Or the folder cannot be
            made or written to.
    """
    me = (os.path.realpath(folder), os.getpid(), threading.get_ident())
    if me in _HELD:
        yield _HELD[me]
        return
    folder = folder.absolute()  # whatever the working folder will be
    new = [place for place in (folder, *folder.parents) if not os.path.exists(place)]
    make_folder(folder)
    lock = FileLock(folder / LOCK, thread_local=False, is_singleton=False)
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise InputError(
            f"{folder} is being written by {_named(folder)}: wait until it has ended, or choose another folder; if it "
            f"ended long ago on another machine, remove {folder / LOCK}"
        ) from error
    except OSError as error:
        _remove_empty(new)
        raise InputError(
            f"{folder} cannot be written to ({error.strerror or error}): see who may write there, or choose another "
            "folder"
        ) from error
    ours = Lock(folder, json.dumps(_owner(doing)) + "\n")
    try:
        remove_leftovers(folder)
        write_text(folder / OWNER, ours.owner)
        _HELD[me] = ours
        yield ours
    finally:
        _HELD.pop(me, None)
        if ours.is_kept():  # else a folder of this name is somebody else's
            for name in (OWNER, LOCK):
                with suppress(OSError):  # Windows removes no open file; the next owner takes it as it is
                    (folder / name).unlink(missing_ok=True)
        with suppress(OSError):
            lock.release()
        _remove_empty(new)


def _remove_empty(places: list[Path]) -> None:
    """Remove folders that have nothing in them, the innermost first."""
    for place in places:
        with suppress(OSError):  # there is something in it, or it is gone
            place.rmdir()
