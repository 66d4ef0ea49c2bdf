"""The settings of a Config as options of the command line, none of them with a default."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict, get_type_hints

import tyro
from tyro.conf import arg

from lassovae._cli._config_file import read_settings_file
from lassovae._cli._output import Output, shown
from lassovae._config import Config

if TYPE_CHECKING:
    from lassovae.data import Study

MaxMemory = Annotated[float | None, arg(metavar="GB", help_behavior_hint="(default: most of what is free)")]
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


@dataclass(frozen=True, kw_only=True)
class Chosen(Output):
    """Options that choose settings: a preset, a model of it, a file, and single ones; later ones win."""

    preset: Literal["paper", "quarter", "quick", "smoke"] = "quick"
    """What settings to begin with: the paper's (at full or half the resolution), minutes on a laptop, or seconds."""
    model: Literal["recommended", "end_to_end", "embedded", "sequential", "block_mean"] = "recommended"
    """Which model of the preset: the one that finds most (soft regions of interest), or one of the paper's three modes
    with its convolutional encoder, or local averages without any training."""
    config: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="(default: none)")] = None
    """JSON or TOML file of settings, as the config.json of a run folder; what it names replaces the preset's, and what
    is given here replaces that."""
    settings: Annotated[ConfigOptions, arg(name="")] = field(default_factory=dict)

    def chosen(self, study: Study) -> Config:
        """The settings for a study.

        Raises:
            InputError: a file that cannot be read or names what is no setting, or a value out of its range.
        """
        from lassovae._presets import preset

        base = preset(self.preset, study).models[self.model]
        if self.config is not None:
            base = override(base, read_settings_file(self.config))
        return override(base, self.settings)

    def as_typed(self) -> list[str]:
        """These options as one types them for the next command; what is usual is left out."""
        usual = {"preset": "quick", "model": "recommended"}
        given = [
            f"--{name} {getattr(self, name)}" for name, value in usual.items() if getattr(self, name) != value
        ]
        given += [f"--config {shown(self.config)}"] if self.config is not None else []
        return [*given, *_typed(self.settings)]


def _typed(settings: Mapping[str, Any], before: str = "") -> list[str]:
    """Settings as options, each with its values."""
    given: list[str] = []
    for name, value in settings.items():
        option = f"{before}{name}".replace("_", "-")
        if isinstance(value, Mapping):
            given += _typed(value, f"{option}.")
        elif isinstance(value, bool):
            first, dot, last = option.rpartition(".")
            given.append(f"--{option}" if value else f"--{first}{dot}no-{last}")
        else:
            values = value if isinstance(value, tuple) else (value,)
            given.append(" ".join([f"--{option}", *map(str, values)]))
    return given
