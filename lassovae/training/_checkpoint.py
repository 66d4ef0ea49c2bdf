"""Trees of arrays on disk; the only file that imports orbax."""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from orbax.checkpoint import v1 as ocp

from lassovae._errors import InputError
from lassovae._files import CANNOT_TELL

# What Orbax makes of a damaged checkpoint; where there are checksums none comes so far.
DAMAGE = (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError)
_SILENT = threading.RLock()  # what is silenced is the whole process's
ROOM = 1 << 18  # bytes of a checkpoint's other files, at most
NAMES = 64  # files and folders of a checkpoint, some 20 and those that are there while it is written, at most


def write_tree(folder: Path, tree: Any) -> None:
    """Write a tree of arrays into a folder that is not there; written when this returns. Every process must call it.

    Raises:
        OSError: it cannot be written.
    """
    try:
        with _quietly("absl", "asyncio"):
            ocp.save(folder.resolve(), tree)  # Orbax refuses relative paths
    except (OSError, ValueError, RuntimeError) as error:
        code = re.search(r"os_error_code='(\d+)'", str(error))
        number = int(code[1]) if code else getattr(error, "errno", None)
        reason = os.strerror(number) if number else _first_line(error)
        raise OSError(number or errno.EIO, reason, str(folder)) from error
    _give_back()


def see_room(folder: Path, tree: Any) -> None:
    """Take the room that a checkpoint needs in a folder, and give it back.

    What is amiss with the disk is so told in one error; Orbax tells it in hundreds of lines, from threads of its own,
    and may not come back.

    Raises:
        OSError: there is none, or nobody may write there.
    """
    if hasattr(os, "statvfs"):
        system = os.statvfs(folder)
        if 0 <= system.f_favail < NAMES and system.f_files:  # without a limit both are 0
            raise OSError(errno.ENOSPC, f"room for {system.f_favail} more files, a checkpoint takes {NAMES}")
    size = sum(x.nbytes for x in jax.tree.leaves(tree))
    place = folder / f".room.{os.getpid()}.partial"
    try:
        with place.open("wb") as file:
            wanted = size + size // 8 + ROOM
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, wanted)
            else:
                file.write(bytes(wanted))
                os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in CANNOT_TELL:
            raise
    finally:
        place.unlink(missing_ok=True)


def _give_back() -> None:
    """Return to the system what threads of Orbax freed: glibc keeps it, an arena a thread, and takes more."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):  # another C library
        return
    trim(0)


@contextmanager
def _quietly(*names: str) -> Iterator[None]:
    """Silence loggers of others, and what their threads print of errors, for a while: it is raised, too.

    Of several trainings in one process one after the other is silent.
    """
    with _SILENT:
        yield from _silenced(*names)


def _silenced(*names: str) -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    hooks = sys.excepthook, threading.excepthook
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    sys.excepthook, threading.excepthook = (lambda *_: None), (lambda _: None)
    try:
        yield
    finally:
        sys.excepthook, threading.excepthook = hooks
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def read_tree(folder: Path, like: Any, *, beside: str | None = None) -> Any:
    """Read a tree back in the structure, shapes and dtypes of another.

    Args:
        folder: that `write_tree` made.
        like: arrays, or what has their shape and dtype.
        beside: where in the tree, such as "state/opt_state", the folder may hold more than `like`.

    Raises:
        InputError: it holds something else. Dtypes are compared on what was stored, because Orbax casts silently.
    """
    place = folder.resolve()
    try:
        stored = ocp.metadata(place).metadata
    except DAMAGE as error:
        raise _damaged(folder, error) from error
    found, wanted = _by_name(stored, _kind), _by_name(like, _kind)
    odd = [name for name in sorted({**found, **wanted}) if found.get(name) != wanted.get(name)]
    odd = [
        name for name in odd if name in wanted or beside is None or not f"{name}/".startswith(f"{beside}/")
    ]
    if odd:
        name = odd[0]
        raise InputError(
            f"{folder} does not hold this model: {name} is {found.get(name, 'missing')}, expected "
            f"{wanted.get(name, 'nothing')}; was it written with another configuration?"
        )
    # Read as it lies there, whatever the containers were, as plain arrays of this process.
    try:
        leaves = _by_name(ocp.load(place, jax.tree.map(_abstract, stored)), np.asarray)
    except DAMAGE as error:
        raise _damaged(folder, error) from error

    def taken(path: tuple[Any, ...], x: Any) -> Any:
        leaf = leaves[_name(path)]
        return leaf if isinstance(x, np.ndarray) else jnp.asarray(leaf)

    return jax.tree.map_with_path(taken, like)


def _damaged(folder: Path, error: Exception) -> InputError:
    return InputError(
        f"{folder} is no checkpoint, or a damaged one ({_first_line(error)}): restore it or train again"
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _name(path: tuple[Any, ...]) -> str:
    return "/".join(str(getattr(key, "name", getattr(key, "key", getattr(key, "idx", key)))) for key in path)


def _by_name(tree: Any, of_leaf: Callable[[Any], Any]) -> dict[str, Any]:
    """Path of every leaf, whatever the containers, to what is asked of it."""
    return {_name(path): of_leaf(leaf) for path, leaf in jax.tree.leaves_with_path(tree)}


def _kind(leaf: Any) -> str:
    return f"{np.dtype(leaf.dtype).name}{tuple(leaf.shape)}"


def _abstract(x: Any) -> np.ndarray:
    return np.empty(x.shape, x.dtype)
