"""Settings from a file: a run folder's config.json, or a JSON or TOML table of some settings."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from lassovae._config import Config
from lassovae._errors import InputError
from lassovae._setting_types import tables

LARGEST = 1 << 16  # bytes; all settings are some hundred
MOST_DOTS = 100  # in a line: tables within tables, which TOML's parser goes through again for each


def _nests(path: Path, kind: str) -> InputError:
    return InputError(f"{path}: not settings: {kind} of tables or lists within each other without an end")


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
        if path.stat().st_size > LARGEST:
            raise InputError(f"{path}: larger than {LARGEST} bytes, which no file of settings is")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the spelling of --config") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); --config takes a JSON or TOML file") from error
    if kind == "TOML" and any(line.count(".") > MOST_DOTS for line in text.splitlines()):
        raise _nests(path, kind)
    try:
        values = tomllib.loads(text) if kind == "TOML" else json.loads(text)
    except ValueError as error:
        raise InputError(
            f"{path}: not valid {kind} ({error}); mend it, or name it .toml if it is TOML"
        ) from error
    except RecursionError:
        raise _nests(path, kind) from None
    if isinstance(values, dict) and "format_version" in values and isinstance(values.get("config"), dict):
        values = values["config"]  # of a run folder
    if not isinstance(values, dict):
        raise InputError(f"{path}: holds no table of settings")
    return tables(values, Config, f"{path}: ")
