"""JSON files that carry a checksum of themselves: a bit that flips on the way is told, never believed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from lassovae._errors import InputError
from lassovae._files import write_text

SEAL = "sha256"
CONFIG = "config.json"  # makes a folder a run folder


def checksum(values: dict[str, Any]) -> str:
    """SHA-256 of the values, the seal left out; neither order nor layout of the file matter."""
    rest = {key: value for key, value in values.items() if key != SEAL}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def write_sealed(path: Path, values: dict[str, Any]) -> None:
    """Write an object of JSON with its checksum, whole or not at all; it stays readable.

    Raises:
        InputError: the system refuses to write.
    """
    text = json.dumps(values | {SEAL: checksum(values)}, indent=1, allow_nan=False)
    write_text(path, text + "\n")


def read_json(path: Path) -> Any:
    """Parse a JSON file.

    Raises:
        InputError: the file is missing, cannot be read or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        what = (
            "is not a run folder of lassovae"
            if path.name == CONFIG
            else "is not whole; restore it or train again"
        )
        raise InputError(f"{path} is missing: {path.parent} {what}") from error
    except (ValueError, RecursionError) as error:  # of JSON, of UTF-8, of numbers with too many digits
        raise InputError(f"{path} is not valid JSON ({error}): restore it or train again") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}; check the folder") from error


def check_seal(path: Path, values: dict[str, Any], *, needed: bool) -> None:
    """See that the values of a file are those that were written.

    Args:
        path: for the message.
        values: that it holds.
        needed: its format has a seal; without one, it is looked at where it is there.

    Raises:
        InputError: they are not.
    """
    if SEAL not in values and not needed:
        return
    if values.get(SEAL) != checksum(values):
        raise InputError(
            f"{path} is damaged, or was changed by hand: it does not match its checksum; restore it or train again"
        )


def read_sealed(path: Path) -> dict[str, Any]:
    """The values of a file that `write_sealed` wrote, without the checksum.

    Raises:
        InputError: it is missing, not JSON, no object, or does not match its checksum.
    """
    values = read_json(path)
    if not isinstance(values, dict):
        raise InputError(f"{path} holds no JSON object: restore it or train again")
    check_seal(path, values, needed=True)
    return {key: value for key, value in values.items() if key != SEAL}
