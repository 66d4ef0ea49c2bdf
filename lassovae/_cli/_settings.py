"""The settings of a Config as options of the command line, none of them with a default."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any, TypedDict, get_type_hints

import tyro

from lassovae._config import Config

_OPTION = tyro.conf.arg(help_behavior_hint="(default: the preset's)")


def _options(schema: type) -> Any:
    """A dictionary type with the fields of a settings class, of which any may be missing; it keeps its docs."""
    hints = get_type_hints(schema)
    fields = {
        field.name: _options(hints[field.name])
        if dataclasses.is_dataclass(hints[field.name])
        else Annotated[hints[field.name], _OPTION]
        for field in dataclasses.fields(schema)
    }
    options = TypedDict(f"{schema.__name__}Options", fields, total=False)  # type: ignore[misc]  # made from the schema
    options.__doc__ = schema.__doc__
    return options


# What is not given must stay distinguishable from what is given as the default: presets set some of it.
if TYPE_CHECKING:
    ConfigOptions = dict[str, Any]
else:
    ConfigOptions = _options(Config)


def override(base: Config, options: ConfigOptions) -> Config:
    """A copy of the settings with those changed that were given.

    Args:
        base: of a preset.
        options: name -> value; "preprocess" holds a dictionary of its own.

    Raises:
        InputError: a value is out of its range, or does not go with the others.
    """
    changes = dict(options)
    preprocess = changes.pop("preprocess", {})
    if preprocess:
        changes["preprocess"] = dataclasses.replace(base.preprocess, **preprocess)
    return base.replace(**changes)
