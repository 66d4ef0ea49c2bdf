"""Names that others chose, of runs and conditions: which of them are refused, and what is made of the others."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

# Signs that turn around the direction of the text after them, on the page and in the log as well as in the name.
TURNING = frozenset(chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A)))
LONGEST_BYTES = 120  # of a file name made of a name; file systems take 255 with all that is added
RESERVED = re.compile(
    r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE
)  # of which Windows makes no file


def fault(name: str) -> str:
    """Why a name cannot be used; empty if it can.

    Everything that can be read can be used; what cannot be seen is refused, since it would break lines of the log and
    of tables, or hide that two names differ.
    """
    if not name.strip():
        return "is blank"
    for sign in name:
        if unicodedata.category(sign) in ("Cc", "Cs") or sign in TURNING:
            return f"holds {sign!a}, which cannot be seen"
    return ""


def file_stem(name: str, taken: Iterable[str] = ()) -> str:
    """A file name, without suffix, that every file system takes and that no other of the folder has.

    Args:
        name: of a run.
        taken: stems of the same folder; names that differ by case alone are one file on some systems.

    Returns:
        Letters, digits, dots, hyphens and underscores of the name.
    """
    stem = re.sub(r"[^\w.-]+", "_", name).strip("._-") or "unnamed"
    while len(stem.encode()) > LONGEST_BYTES:
        stem = stem[:-1]
    if RESERVED.fullmatch(stem):
        stem = f"_{stem}"
    others = {other.lower() for other in taken}
    found, number = stem, 1
    while found.lower() in others:
        number += 1
        found = f"{stem}_{number}"
    return found


def member(name: str) -> str:
    """A name as part of that of an array in an archive: it makes no path where the archive is unpacked.

    Returns:
        The name with `/`, backslash, `%`, and a dot at its start as %XX, as in addresses of the web.
    """
    safe = re.sub(r"[%/\\]", lambda found: f"%{ord(found[0]):02X}", name)
    return f"%2E{safe[1:]}" if safe.startswith(".") else safe


def unique(names: Iterable[str]) -> list[str]:
    """The names, and a number behind those that came before."""
    found: list[str] = []
    for name in names:
        number, new = 1, name
        while new in found:
            number += 1
            new = f"{name} ({number})"
        found.append(new)
    return found
