"""Settings from a file: a run folder's config.json, or a JSON or TOML table of some settings."""

from __future__ import annotations

import dataclasses
import json
import tomllib
import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from lassovae._config import Config, Preprocess
from lassovae._errors import InputError


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value from a file is of a setting's type."""
    if get_origin(hint) in (Union, types.UnionType):
        return any(_fits(value, part) for part in get_args(hint))
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if get_origin(hint) is tuple:
        parts = get_args(hint)
        return isinstance(value, (list, tuple)) and len(value) == len(parts) and all(map(_fits, value, parts))
    if hint is type(None):
        return value is None
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)


def _named(hint: Any) -> str:
    """A type for people."""
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(_named(part) for part in get_args(hint))
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(map(repr, get_args(hint)))
    if get_origin(hint) is tuple:
        return f"{len(get_args(hint))} integers"
    names = {int: "an integer", float: "a number", bool: "true or false", str: "text", type(None): "null"}
    return names.get(hint, str(hint))


def _checked(path: Path, values: dict[str, Any], schema: type, prefix: str = "") -> dict[str, Any]:
    """The values that are settings of a schema, each of its type; lists become tuples."""
    hints = get_type_hints(schema)
    found: dict[str, Any] = {}
    for name, value in values.items():
        if name not in hints:
            known = ", ".join(prefix + field.name for field in dataclasses.fields(schema))
            raise InputError(f"{path}: {prefix}{name} is no setting; known are {known}")
        if hints[name] is Preprocess:
            if not isinstance(value, dict):
                raise InputError(f"{path}: {name}={value!r} must be a table of settings")
            found[name] = _checked(path, value, Preprocess, f"{name}.")
        elif not _fits(value, hints[name]):
            raise InputError(f"{path}: {prefix}{name}={value!r} must be {_named(hints[name])}")
        else:
            found[name] = tuple(value) if isinstance(value, list) else value
    return found


def read_settings_file(path: Path) -> dict[str, Any]:
    """The settings that a file names, checked against the schema.

    Args:
        path: JSON, or TOML if it ends in .toml. The config.json of a run folder, or a table with the names of
            `Config`'s fields, any of which may be missing; "preprocess" is a table of its own.

    Raises:
        InputError: no such file, not JSON or TOML, or a name or a value that is none of a setting.
    """
    kind = "TOML" if path.suffix.lower() == ".toml" else "JSON"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the spelling of --config") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); --config takes a JSON or TOML file") from error
    try:
        values = tomllib.loads(text) if kind == "TOML" else json.loads(text)
    except ValueError as error:
        raise InputError(
            f"{path}: not valid {kind} ({error}); mend it, or name it .toml if it is TOML"
        ) from error
    if isinstance(values, dict) and "format_version" in values and isinstance(values.get("config"), dict):
        values = values["config"]  # of a run folder
    if not isinstance(values, dict):
        raise InputError(f"{path}: holds no table of settings")
    return _checked(path, values, Config)
