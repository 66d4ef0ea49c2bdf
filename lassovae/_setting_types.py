"""Whether a value is of a setting's type: one rule for settings from a file, a dictionary or a call."""

from __future__ import annotations

import dataclasses
import numbers
import reprlib
import types
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from lassovae._errors import InputError

LARGEST_INTEGER = 2**63 - 1  # that the libraries underneath take
LONGEST_SHOWN = 100  # characters of a text or a number in a message


def shown(value: Any) -> str:
    """A value for a message, however large it is or however deeply it nests."""
    short = reprlib.Repr()
    short.maxlevel = 3
    short.maxstring = short.maxlong = short.maxother = LONGEST_SHOWN
    try:
        return short.repr(value)
    except ValueError:  # Python writes no integers of thousands of digits
        return "a number of thousands of digits"


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return False
    try:
        float(value)
    except OverflowError:  # an integer of hundreds of digits
        return False
    return True


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a setting's type; integers have at most 64 bits."""
    if get_origin(hint) in (Union, types.UnionType):
        return any(fits(value, part) for part in get_args(hint))
    if get_origin(hint) is Literal:
        return isinstance(value, str) and value in get_args(hint)
    if get_origin(hint) is tuple:
        parts = get_args(hint)
        return isinstance(value, (list, tuple)) and len(value) == len(parts) and all(map(fits, value, parts))
    if hint is type(None):
        return value is None
    if hint is float:
        return _is_number(value)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST_INTEGER
    return isinstance(value, hint)


def named(hint: Any) -> str:
    """A type for people."""
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(named(part) for part in get_args(hint))
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(map(repr, get_args(hint)))
    if get_origin(hint) is tuple:
        return f"{len(get_args(hint))} integers"
    names = {
        int: "an integer",
        float: "a number",
        bool: "true or false",
        str: "text",
        type(None): "null",
    }
    return names.get(hint, getattr(hint, "__name__", str(hint)))


def _wrong(name: str, value: Any, words: str) -> InputError:
    huge = isinstance(value, int) and abs(value) > LARGEST_INTEGER
    return InputError(f"{name}={shown(value)} must be {words}{' of at most 64 bits' if huge else ''}")


@cache
def _hints(schema: Any) -> dict[str, Any]:
    return get_type_hints(schema)


def require_types(settings: Any) -> None:
    """Refuse settings of which one is of another type; ranges, lengths and words are for the settings to say.

    Args:
        settings: an instance of a dataclass.

    Raises:
        InputError: naming the setting, its value and its type.
    """
    schema: Any = type(settings)
    for name, hint in _hints(schema).items():
        value = getattr(settings, name)
        is_word = get_origin(hint) is Literal and isinstance(value, str)
        is_row = isinstance(value, (list, tuple)) and any(
            get_origin(part) is tuple for part in get_args(hint)
        )
        if not (is_word or (is_row and all(fits(part, int) for part in value)) or fits(value, hint)):
            words = named(hint).replace("a number", "a finite number")
            raise _wrong(name, value, words)


def tables(values: Any, schema: Any, where: str = "", prefix: str = "") -> dict[str, Any]:
    """The values of a table that are settings of a schema, each of its type; lists become tuples.

    Args:
        values: names and values; a schema within the schema is a table of its own.
        schema: a dataclass.
        where: what messages begin with.
        prefix: of the names in messages.

    Raises:
        InputError: it is no table, a name is no setting, or a value is of another type.
    """
    hints = _hints(schema)
    if not isinstance(values, dict):
        raise InputError(
            f"{where}{prefix.rstrip('.') or 'settings'}={shown(values)} must be a table of settings"
        )
    found: dict[str, Any] = {}
    for name, value in values.items():
        if name not in hints:
            known = ", ".join(prefix + field.name for field in dataclasses.fields(schema))
            raise InputError(f"{where}{prefix}{name} is no setting; known are {known}")
        if dataclasses.is_dataclass(hints[name]):
            found[name] = tables(value, hints[name], where, f"{name}.")
        elif not fits(value, hints[name]):
            raise _wrong(f"{where}{prefix}{name}", value, named(hints[name]))
        else:
            found[name] = tuple(value) if isinstance(value, list) else value
    return found
