"""Settings from a preset, a file and the command line, in this order; and how the command speaks."""

import dataclasses
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lassovae import Config, InputError, Preprocess, preset
from lassovae._cli import COMMANDS, main
from lassovae._cli._config_file import read_settings_file
from lassovae._cli._examples import EXAMPLES
from lassovae._cli._fit import Fit
from lassovae._cli._output import logged_to
from lassovae.data import ArrayRecording, Run, Study, read_study, write_study

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    rng = np.random.default_rng(3)
    runs = [
        Run(f"run_{i}", ArrayRecording(rng.integers(900, 1100, (12, 16, 24)).astype(np.uint16)), c, i)
        for i, c in enumerate("FFNN")
    ]
    return write_study(Study(tuple(runs)), tmp_path_factory.mktemp("study"))


def chosen(table, file=None, **settings):
    options = Fit(study=table, out=Path("x"), preset="smoke", config=file, settings=settings)
    return options.chosen(read_study(table))


def test_the_line_wins_over_the_file_and_the_file_over_the_preset(table, tmp_path):
    of_preset = preset("smoke", read_study(table)).models["recommended"]
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"lam": 0.5, "window": 9, "preprocess": {"crop": [8, 16], "percentile": 99}}))
    found = chosen(table, file, lam=0.25, preprocess={"downscale_method": "nearest"})
    assert found == of_preset.replace(
        lam=0.25,
        window=9,
        preprocess=dataclasses.replace(
            of_preset.preprocess, crop=(8, 16), percentile=99, downscale_method="nearest"
        ),
    )


def test_toml_and_the_config_of_a_run_are_files_of_settings(table, tmp_path):
    toml = tmp_path / "mine.toml"
    toml.write_text('mode = "embedded"\nlam = 1\n[preprocess]\nregistration = "rigid"\n')
    assert read_settings_file(toml) == {"mode": "embedded", "lam": 1, "preprocess": {"registration": "rigid"}}
    wanted = Config(
        mode="sequential",
        order=3,
        condition_lam=0.1,
        preprocess=Preprocess(crop=(8, 16), registration="rigid"),
    )
    plain, of_run = tmp_path / "plain.json", tmp_path / "config.json"
    plain.write_text(json.dumps(wanted.to_dict()))
    of_run.write_text(
        json.dumps({"format_version": 2, "config": wanted.to_dict(), "frame_shape": [8, 16], "runs": []})
    )
    assert chosen(table, plain) == chosen(table, of_run) == wanted


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"lamda": 1}', "lamda is no setting; known are mode, "),
        ('{"preprocess": {"cropp": 1}}', "preprocess.cropp is no setting; known are preprocess.crop, "),
        ('{"preprocess": 3}', "preprocess=3 must be a table"),
        ('{"lam": "0.1"}', "lam='0.1' must be a number"),
        ('{"lam": true}', "lam=True must be a number"),
        ('{"order": 2.5}', "order=2.5 must be an integer"),
        ('{"skip": "no"}', "skip='no' must be true or false"),
        ('{"mode": "fast"}', "mode='fast' must be one of 'sequential', 'embedded', 'end_to_end'"),
        ('{"preprocess": {"crop": [8]}}', "preprocess.crop=[8] must be 2 integers or null"),
        ("[1]", "holds no table"),
        ("{", "not valid JSON"),
    ],
)
def test_a_file_that_will_not_do_is_told_why(text, words, table, tmp_path, capsys):
    (tmp_path / "mine.json").write_text(text)
    with pytest.raises(InputError, match=r"mine\.json: ") as error:
        read_settings_file(tmp_path / "mine.json")
    assert words in str(error.value)
    command = ["fit", str(table), "--out", str(tmp_path / "out"), "--config", str(tmp_path / "mine.json")]
    assert main(command) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert words in said.err
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_none(tmp_path):
    with pytest.raises(InputError, match="check the spelling of --config"):
        read_settings_file(tmp_path / "none.json")
    (tmp_path / "bad.toml").write_text("lam = ")
    with pytest.raises(InputError, match=r"bad\.toml: not valid TOML"):
        read_settings_file(tmp_path / "bad.toml")
    (tmp_path / "mine.json").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="cannot be read"):
        read_settings_file(tmp_path / "mine.json")


def test_every_setting_can_stand_in_a_file(tmp_path):
    every = Config().to_dict()
    assert set(every) == {field.name for field in dataclasses.fields(Config)}
    (tmp_path / "all.json").write_text(json.dumps(every))
    assert Config.from_dict(read_settings_file(tmp_path / "all.json")) == Config()


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_help_ends_with_an_example_that_parses(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert out.endswith(EXAMPLES[command])
    assert "--json" in out
    typed = [
        line.split("      ")[0].split() for line in EXAMPLES[command].splitlines() if "  lassovae " in line
    ]
    assert typed
    for _, *words in typed:
        with pytest.raises(SystemExit):
            main([*words, "--no-such-option"])
        said = capsys.readouterr().err
        assert "Unrecognized options: --no-such-option " in said
        assert "Missing" not in said


def test_the_first_help_leads_from_nothing_to_a_report(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    for command in ("simulate", "check", "fit", "analyse", "report", "doctor"):
        assert command in said
    assert (
        "Exit status: 0 done, 1 the computation failed, 2 bad input; stopped by 130 Ctrl-C (SIGINT), 143 SIGTERM"
        in said
    )
    assert "recording,condition,block" in said


def test_without_a_command_help_is_shown_and_nothing_was_done(capsys):
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "lassovae simulate --out demo" in err


def test_what_the_machine_refuses_is_one_line(table, tmp_path, capsys, monkeypatch):
    def full(study, folder):
        raise OSError(28, "No space left on device", str(folder))

    monkeypatch.setattr("lassovae.data.write_study", full)
    size = ["--num-runs", "2", "--frames", "4", "--frame-shape", "32", "32", "--num-cells", "3"]
    assert main(["simulate", "--out", str(tmp_path / "x"), *size]) == 1
    assert capsys.readouterr().err == f"lassovae: error: {tmp_path / 'x'}: No space left on device\n"


def test_a_reader_that_leaves_early_is_no_error(table):
    check = subprocess.Popen(
        [sys.executable, "-m", "lassovae", "check", str(table), "--preset", "smoke", "--window", "8"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    check.stdout.close()
    _, err = check.communicate(timeout=60)
    assert (check.returncode, err) == (0, "")


def test_the_log_has_times_levels_and_the_end(tmp_path):
    logger = logging.getLogger("lassovae")
    logger.setLevel(logging.INFO)
    with logged_to(tmp_path / "run", "fit"):
        logger.info("before the folder is there")
        (tmp_path / "run").mkdir()
        logger.info("nor is it a run's")
        assert not (tmp_path / "run" / "log.txt").exists()
        (tmp_path / "run" / "config.json").touch()
        logger.warning("look out")
    with pytest.raises(InputError), logged_to(tmp_path / "run", "analyse"):
        raise InputError("no\ngood")
    lines = (tmp_path / "run" / "log.txt").read_text().splitlines()
    assert [line[19:].split(maxsplit=1) for line in lines] == [
        ["info", "lassovae fit"],
        ["info", "before the folder is there"],
        ["info", "nor is it a run's"],
        ["warning", "look out"],
        ["info", "done"],
        ["info", "lassovae analyse"],
        ["error", "no good"],
    ]
    assert not logger.handlers


def test_nothing_is_logged_where_no_folder_came(tmp_path):
    with pytest.raises(InputError), logged_to(tmp_path / "run", "fit"):
        raise InputError("refused")
    assert list(tmp_path.iterdir()) == []


def test_a_training_that_is_refused_leaves_an_empty_folder_empty(table, tmp_path, capsys, monkeypatch):
    from lassovae import training

    def refused(*arguments, **options):
        raise InputError("no")

    monkeypatch.setattr(training, "fit", refused)
    assert main(["fit", str(table), "--out", str(tmp_path), "--preset", "smoke", "--window", "8"]) == 2
    assert capsys.readouterr().err == "lassovae: error: no\n"
    assert list(tmp_path.iterdir()) == []
