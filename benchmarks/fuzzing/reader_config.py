"""Files of settings, JSON and TOML, with changes of their values."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import lassovae
from fuzzing.judge import Budget
from fuzzing.mutators import some_number
from fuzzing.target import Files, Target
from lassovae._cli._config_file import read_settings_file

JSON, TOML = "config.json", "config.toml"
TEXTS = (
    "null",
    "true",
    "NaN",
    "Infinity",
    "-Infinity",
    "1e400",
    "-1",
    "0",
    "0.5",
    "1e-320",
    '"a"',
    '""',
    "[]",
    "{}",
    "[1]",
    "[[1]]",
)
TEXTS += (
    "9" * 4000,
    "9" * 5000,
    "[" * 100 + "]" * 100,
    "[" * 20_000,
    '{"a":' * 20_000,
    '"\\ud800"',
    '"\\u0000"',
    "1_000",
)
TEXTS += (
    "inf",
    "nan",
    "0x10",
    "1979-05-27",
    "[512, 768]",
    "[512, 768.5]",
    "[1, 2, 3]",
    '["a", "b"]',
    '{"crop": [8, 8]}',
    "'x'",
    "-0",
)
TEXTS += (
    '"end_to_end"',
    '"soft_roi"',
    '"' + "x" * 9000 + '"',
    '"\\u001b[2J"',
    str(2**63),
    str(2**64),
    str(-(2**63)),
    "1" + "0" * 300,
)
NAMES = [
    *lassovae.Config().to_dict(),
    *lassovae.Config().to_dict()["preprocess"],
    "config",
    "format_version",
    "a.b",
    "__class__",
    "",
]


def _toml(values: dict[str, Any]) -> str:
    plain = {
        name: value for name, value in values.items() if value is not None and not isinstance(value, dict)
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in plain.items()]
    tables = {name: value for name, value in values.items() if isinstance(value, dict)}
    return "\n".join([*lines, *[f"[{name}]\n{_toml(value)}" for name, value in tables.items()]])


def make_seeds(folder: Path) -> dict[str, Files]:
    """All settings, some, and those of a run folder."""
    values = lassovae.Config.recommended(preprocess=lassovae.Preprocess(crop=(16, 24), downscale=2)).to_dict()
    some = {"lam": 0.02, "epochs": 3, "preprocess": {"scaling": "percentile"}}
    return {
        "json": {JSON: json.dumps(values).encode()},
        "some": {JSON: json.dumps(some, indent=1).encode()},
        "run": {JSON: json.dumps({"format_version": 2, "config": values}).encode()},
        "toml": {TOML: _toml(values).encode()},
        "some_toml": {TOML: _toml(some).encode()},
    }


def read(folder: Path, budget: Budget) -> None:
    """The settings of the file, and the configuration that they make."""
    path = folder / (TOML if (folder / TOML).exists() else JSON)
    values = read_settings_file(path)
    changes = dict(values)
    config = lassovae.Config()
    if "preprocess" in changes:
        changes["preprocess"] = lassovae.Preprocess(**changes["preprocess"])
    config = config.replace(**changes)
    again = lassovae.Config.from_dict(json.loads(json.dumps(config.to_dict())))
    assert again == config, (again, config)


def change_value(rng: random.Random, name: str, content: bytes) -> bytes:
    """Another value or name of a setting, of the right or of a wrong type."""
    text = content.decode()
    new = rng.choice((*TEXTS, str(some_number(rng, len(content)))))
    key = rng.choice(NAMES)
    if name == TOML:
        lines = text.split("\n")
        place = rng.randrange(len(lines))
        left, sign, _ = lines[place].partition(" = ")
        lines[place] = (
            rng.choice((f"{left} = {new}", f"{key} = {new}", f"[{key}]", f"[[{key}]]", f"{'a.' * 3000}b = 1"))
            if sign
            else new
        )
        return "\n".join(lines).encode()
    start = rng.choice([place for place, letter in enumerate(text) if letter in ":,{["]) + 1
    end = min((place for sign in ",}]" if (place := text.find(sign, start)) >= 0), default=len(text))
    kept = "" if text[start - 1] == ":" else f"{json.dumps(key)}: "
    return (text[:start] + kept + new + text[end:]).encode()


def from_dict(rng: random.Random, name: str, content: bytes) -> bytes:
    """A whole file of settings, each of which may have any value."""
    values = ", ".join(
        f"{json.dumps(rng.choice(NAMES))}: {rng.choice(TEXTS)}" for _ in range(rng.randint(1, 4))
    )
    return f"{{{values}}}".encode()


def plausible(rng: random.Random, name: str, content: bytes) -> bytes:
    """A file of settings, each of its type, few beyond their ranges."""
    values: dict[str, Any] = {}
    for setting, default in lassovae.Config().to_dict().items():
        if rng.random() < 0.2 and setting != "preprocess":
            values[setting] = _near(rng, default)
    pre = {
        setting: _near(rng, default) for setting, default in lassovae.Config().to_dict()["preprocess"].items()
    }
    if rng.random() < 0.5:
        values["preprocess"] = {setting: value for setting, value in pre.items() if rng.random() < 0.2}
    return (_toml(values) if name == TOML else json.dumps(values)).encode()


def _near(rng: random.Random, default: Any) -> Any:
    if isinstance(default, bool):
        return rng.random() < 0.9
    if isinstance(default, int):
        return rng.choice((default, default + 1, 64, 2**31, 2**63 - 1, 2**63, 0))
    if isinstance(default, float):
        return rng.choice((default, default / 2, 1, 1e-300, 5e-324, 1e308, 99, 0.0, -0.0))
    return rng.choice((default, default, None, [8, 8], [0, 0], 0.5, "mean", "rigid", "percentile", "fill"))


TARGET = Target("config", make_seeds, read, (change_value, from_dict, plausible, plausible))
