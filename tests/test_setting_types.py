"""Every setting refuses every value of another type, by its name, from a file, a dictionary and a call."""

import dataclasses
import json
import math

import numpy as np
import pytest

from lassovae import Config, InputError, Preprocess
from lassovae._cli._config_file import read_settings_file

NESTED: list = []
for _ in range(500):
    NESTED = [NESTED]
WRONG = [
    [],
    {},
    [1, "a"],
    NESTED,
    {"lam": 1},
    "9",
    b"9",
    "\x1b[2J",
    10**400,
    -(10**400),
    2**64,
    object(),
    1 + 2j,
]
WRONG += [None, True, 0.5, math.nan, math.inf, np.zeros(3), print]
SETTINGS = [(schema, field.name) for schema in (Config, Preprocess) for field in dataclasses.fields(schema)]


def takes(schema, name, value):
    """Whether a value of this type may stand for a setting, by its default and what is said of it."""
    default = getattr(schema(), name)
    if name in ("crop", "crop_at"):
        return value is None
    if isinstance(default, bool):
        return value is True
    if isinstance(default, float) or name == "condition_lam":
        number = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e308
        return number or (name == "condition_lam" and value is None)
    return False


def named(error, name):
    return (
        name in str(error.value).split("\n")[0]
        and len(str(error.value)) < 1000
        and str(error.value).isprintable()
    )


@pytest.mark.parametrize(("schema", "name"), SETTINGS, ids=[name for _, name in SETTINGS])
def test_a_value_of_another_type_is_refused_by_name(schema, name, tmp_path):
    for value in WRONG:
        if takes(schema, name, value):
            continue
        with pytest.raises(InputError) as error:
            schema(**{name: value})
        assert named(error, name), (value, str(error.value))
        if name == "preprocess" and isinstance(value, dict) and not value:
            continue  # a table that changes nothing
        values = {name: value} if schema is Config else {"preprocess": {name: value}}
        with pytest.raises(InputError) as error:
            Config.from_dict(values)
        assert named(error, name), (value, str(error.value))
        try:
            text = json.dumps(values)
        except (TypeError, RecursionError):
            continue
        (tmp_path / "mine.json").write_text(text)
        with pytest.raises(InputError) as error:
            Config.from_dict(read_settings_file(tmp_path / "mine.json"))
        assert named(error, name), (value, str(error.value))


def test_what_is_no_table_is_no_settings():
    for values in (None, [], "lam", [("lam", 1)], 3):
        with pytest.raises(InputError, match="must be a table of settings"):
            Config.from_dict(values)


def test_numbers_of_numpy_are_numbers():
    config = Config(lam=np.float32(0.25), learning_rate=np.float64(1e-3), prune=np.int64(2))
    assert config.lam == 0.25
    assert Config.from_dict({"lam": 1}).lam == 1


def test_settings_that_nest_without_an_end(tmp_path):
    for name, text in (
        ("a.json", "[" * 30_000),
        ("b.json", '{"lam": ' * 7000),
        ("c.toml", "lam = " + "[" * 30_000),
        ("d.toml", "a." * 15_000 + "b = 1"),
        ("f.toml", "lam = {" + "a." * 15_000 + "b = 1}"),
        ("e.json", '{"lam": ' + "[" * 500 + "]" * 500 + "}"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError, match=name):
            read_settings_file(tmp_path / name)


def test_a_file_of_settings_is_not_read_where_it_is_none_by_its_size(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"lam": "x" * 100_000}))
    with pytest.raises(InputError, match="no file of settings"):
        read_settings_file(tmp_path / "a.json")
