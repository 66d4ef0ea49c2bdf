"""An HDF5 file of unknown origin: found one link at a time, so that libhdf5 looks at what is needed and no more.

libhdf5 trusts what a file says of itself: H5Ovisit, its way to look through a file, crashes on damaged ones. So links
are followed here, objects are told apart by their addresses, and of attributes only single numbers and short words are
read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from lassovae._errors import InputError
from lassovae.data._choice import one_line, positive
from lassovae.data._hdf5_words import check_object, check_root, stored_word

MOST_LINKS = 16  # soft links that lead to a dataset
MOST_OBJECTS = 50_000  # that are looked through, in a second or two
DEEPEST = 64  # groups within each other that are looked through
LONGEST_WORD = 256  # bytes of a word in an attribute
FAILURES = (OSError, RuntimeError, ValueError, KeyError, TypeError, UnicodeError, OverflowError, MemoryError)


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """The file, or an InputError where HDF5 cannot open it or stumbles over it."""
    try:
        with path.open("rb") as raw:
            check_root(raw)
        with h5py.File(path, "r", locking=False) as file:
            if not isinstance(file["/"].id, h5py.h5g.GroupID):
                raise ValueError("its root is no group")
            yield file
    except InputError:
        raise
    except FAILURES as error:
        reason = "cut short" if "truncated" in str(error) else "damaged or no HDF5 file"
        raise InputError(
            f"{path}: {reason} ({type(error).__name__}: {one_line(error)}); copy or export it again"
        ) from error


def follow(path: Path, file: h5py.File, name: str) -> Any:
    """The group or dataset of a name, by links within the file alone; None where there is none.

    Raises:
        InputError: a link leads out of the file, or soft links lead around.
    """
    waiting, here, links = [part for part in name.split("/") if part], file["/"], 0
    while waiting:
        part = waiting.pop(0)
        if not isinstance(here, h5py.Group) or not here.id.links.exists(part.encode()):  # `in` follows links
            return None
        link = here.get(part, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            raise InputError(
                f"{path}: {name} is a link to another file ({link.filename}), which is not followed; open that file"
            )
        if not isinstance(link, h5py.SoftLink):
            here = _opened_member(path, here, part)
            continue
        links += 1
        if links > MOST_LINKS:
            raise InputError(f"{path}: the links to {name} lead around; name the dataset that they point to")
        if link.path.startswith("/"):
            here = file["/"]
        waiting = [step for step in link.path.split("/") if step and step != "."] + waiting
    return here


def _opened_member(path: Path, group: h5py.Group, part: str) -> Any:
    """What a hard link leads to; its header is looked at before libhdf5 looks at it."""
    with path.open("rb") as raw:
        check_object(raw, group.file.userblock_size, group.id.links.get_info(part.encode()).u)
    return group[part]


def members(path: Path, file: h5py.File) -> Iterator[tuple[str, Any]]:
    """Every group and dataset that the file itself holds, once, with its full name; soft links are not followed.

    Raises:
        InputError: there are too many, or groups lie too deep within each other.
    """
    seen: set[int] = set()
    waiting: list[tuple[str, h5py.Group]] = [("", file["/"])]
    while waiting:
        place, group = waiting.pop()
        links = group.id.links
        for part in sorted(_names(group)):
            link = links.get_info(part.encode())
            if link.type != h5py.h5l.TYPE_HARD or link.u in seen:
                continue
            seen.add(link.u)
            if len(seen) > MOST_OBJECTS or place.count("/") > DEEPEST:
                raise InputError(
                    f"{path}: more than {MOST_OBJECTS} groups and datasets, or more than {DEEPEST} groups within each "
                    "other; name the movie by dataset="
                )
            found = _opened_member(path, group, part)
            yield f"{place}/{part}", found
            if isinstance(found, h5py.Group):
                waiting.append((f"{place}/{part}", found))


def _names(group: h5py.Group) -> list[str]:
    """Of the links in a group, those that are text; where they lead around in the file there are more than fit in."""
    found: list[bytes] = []

    def note(name: bytes) -> bool | None:
        found.append(name)
        return len(found) > MOST_OBJECTS or None

    group.id.links.iterate(note)
    if len(found) > MOST_OBJECTS:
        raise InputError(
            f"{group.file.filename}: more than {MOST_OBJECTS} groups and datasets, or a damaged list of them; name the "
            "movie by dataset=, or copy the file again"
        )
    names = (name.decode(errors="ignore") for name in found)
    return [name for name, stored in zip(names, found, strict=True) if name.encode() == stored]


def _attribute(thing: Any, name: str) -> Any:
    """A single number or a short word of fixed length; None for anything else, which is not read."""
    key = name.encode()
    if not h5py.h5a.exists(thing.id, key):
        return None
    attribute = h5py.h5a.open(thing.id, key)
    kind, one = attribute.get_type(), math.prod(attribute.shape or ()) == 1
    plain = kind.get_class() in (h5py.h5t.INTEGER, h5py.h5t.FLOAT) or (
        kind.get_class() == h5py.h5t.STRING and not kind.is_variable_str()
    )
    return thing.attrs[name] if one and plain and kind.get_size() <= LONGEST_WORD else None


def number_of(thing: Any, *names: str) -> float | None:
    """The first of these attributes of a group or dataset that is a finite number above 0."""
    for name in names:
        if (value := positive(_attribute(thing, name))) is not None:
            return value
    return None


def word_of(path: Path, thing: Any, name: str) -> str | None:
    """An attribute of a group or dataset that is a word; None where there is none."""
    if not h5py.h5a.exists(thing.id, name.encode()):
        return None
    value = _attribute(thing, name)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    place, _, last = thing.name.rpartition("/")
    group = thing.file[place or "/"]  # kept: its links end with it
    link = group.id.links.get_info(last.encode())
    with path.open("rb") as file:
        return stored_word(file, thing.file.userblock_size, link.u, name, LONGEST_WORD)
