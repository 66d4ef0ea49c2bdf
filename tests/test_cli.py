"""The command `lassovae`: options reach the library, errors are one line and an exit status, help needs no JAX."""

import dataclasses
import json
import os
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import jax
import numpy as np
import pytest

from lassovae import Config, InputError, Preprocess, SolveError, TrainingError, preset, stats, training
from lassovae._cli import COMMANDS, main
from lassovae.data import ArrayRecording, Run, Study, read_study, write_study
from lassovae.training._objective import Measures
from lassovae.training._progress import StepProgress

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The CSV of four runs of 12 frames."""
    rng = np.random.default_rng(3)
    movies = [rng.integers(900, 1100, (12, 16, 24)).astype(np.uint16) for _ in "FFNN"]
    runs = [
        Run(f"run_{i}", ArrayRecording(m), c, i) for i, (m, c) in enumerate(zip(movies, "FFNN", strict=True))
    ]
    return write_study(Study(tuple(runs)), tmp_path_factory.mktemp("study"))


@dataclasses.dataclass
class Trained:
    """As much of a model as the command line reads."""

    history: tuple = ({"loss": 0.5}, {"loss": 0.25})


@pytest.fixture
def fits(monkeypatch):
    """What the command hands to `fit`, which trains nothing."""
    calls = []

    def fit(study, config, **rest):
        calls.append({"study": study, "config": config, **rest})
        rest["run_dir"].mkdir(exist_ok=True)
        return Trained()

    monkeypatch.setattr(training, "fit", fit)
    return calls


def fit_command(study, out, *options):
    return main(["fit", str(study), "--out", str(out), "--preset", "smoke", "--window", "8", *options])


def assert_one_line(capsys, *words):
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert line.startswith("lassovae: error: ")
    for word in words:
        assert word in line


def process(*arguments, **environ):
    return subprocess.run(
        [sys.executable, *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environ,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_help_does_not_import_jax():
    done = process("-X", "importtime", "-m", "lassovae", "--help")
    assert done.returncode == 0, done.stderr
    assert "fit" in done.stdout
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "lassovae._cli._fit" in imported
    assert not {"jax", "jaxlib", "flax", "numpy", "matplotlib"} & imported


def test_help_names_every_setting(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["fit", "--help"])
    assert ended.value.code == 0
    words = capsys.readouterr().out.replace(",", " ").split()
    fields = [f.name for f in dataclasses.fields(Config) if f.name != "preprocess"]
    fields += [f"preprocess.{f.name}" for f in dataclasses.fields(Preprocess)]
    assert {f"--{name.replace('_', '-')}" for name in fields} <= set(words)


def test_the_console_script_is_this_command():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    module, _, name = scripts["lassovae"].partition(":")
    assert getattr(import_module(module), name) is main


def test_without_overrides_the_preset_decides(study, fits, tmp_path):
    assert (
        main(["fit", str(study), "--out", str(tmp_path / "out"), "--preset", "smoke", "--window", "8"]) == 0
    )
    (call,) = fits
    wanted = preset("smoke", read_study(study)).models["recommended"]
    assert call["config"] == wanted.replace(window=8)
    assert wanted.encoder == "soft_roi"
    assert (call["run_dir"], call["resume"]) == (tmp_path / "out", False)
    assert call["devices"] is None


def test_overrides_reach_fit(study, fits, tmp_path):
    options = (
        "--mode embedded --lam 0.02 --order 1 --epochs 7 --seed 5 --no-skip --unpooling same_frame --resume"
    )
    options += " --preprocess.crop 8 16 --preprocess.percentile 99 --devices 1 --model end_to_end"
    assert fit_command(study, tmp_path / "out", *options.split()) == 0
    (call,) = fits
    wanted = preset("smoke", read_study(study)).models["end_to_end"]
    assert call["config"] == wanted.replace(
        mode="embedded",
        lam=0.02,
        order=1,
        window=8,
        epochs=7,
        seed=5,
        skip=False,
        unpooling="same_frame",
        preprocess=dataclasses.replace(wanted.preprocess, crop=(8, 16), percentile=99.0),
    )
    assert (call["devices"], call["resume"]) == (1, True)


def test_an_override_may_be_the_default_of_the_schema(study, fits, tmp_path):
    assert Config().lam_warmup == 0.0 != preset("smoke", read_study(study)).models["recommended"].lam_warmup
    assert fit_command(study, tmp_path / "out", "--lam-warmup", "0") == 0
    assert fits[0]["config"].lam_warmup == 0.0


def test_json_is_one_object(study, fits, tmp_path, capsys):
    assert fit_command(study, tmp_path / "out", "--json") == 0
    (line,) = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert found.pop("seconds") >= 0
    devices = f"{jax.device_count()} {'cpu device' if jax.default_backend() == 'cpu' else ''}"
    assert found.pop("devices").startswith(devices)
    assert found == {"run_dir": str(tmp_path / "out"), "steps": 2, "loss": 0.25}


def test_the_sentence_names_folder_steps_and_loss(study, fits, tmp_path, capsys):
    assert fit_command(study, tmp_path / "out") == 0
    line, then = capsys.readouterr().out.splitlines()
    assert line.startswith(f"Model in {tmp_path / 'out'}: 2 steps, last loss 0.25, ")
    assert then == f"Next: lassovae analyse {tmp_path / 'out'}"


@pytest.mark.parametrize("pair", [("--num-processes", "2"), ("--coordinator", "a:1"), ("--process-id", "0")])
def test_processes_need_all_three_arguments(pair, study, fits, tmp_path, capsys):
    assert fit_command(study, tmp_path / "out", *pair) == 2
    assert_one_line(capsys, "pass all three of coordinator, num_processes, process_id")
    assert fits == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--lam", "-1"], ["lam=-1.0 must be a finite number"]),
        (["--order", "7"], ["window=8 frames leave nothing to fit at order=7"]),
        (["--preprocess.downscale", "0"], ["downscale=0 must be an integer of at least 1"]),
        (["--devices", "0"], ["devices=0: JAX has"]),
        (["--window", "64"], ["run_0 (12)"]),
    ],
)
def test_a_setting_out_of_range(options, words, study, fits, tmp_path, capsys):
    assert fit_command(study, tmp_path / "out", *options) == 2
    assert_one_line(capsys, *words)
    assert fits == []
    assert list(tmp_path.iterdir()) == []


def test_a_study_that_does_not_exist(fits, tmp_path, capsys):
    assert fit_command(tmp_path / "nowhere.csv", tmp_path / "out") == 2
    assert_one_line(capsys, "nowhere.csv", "check the spelling")


def test_a_folder_in_use(study, fits, tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("")
    assert fit_command(study, tmp_path) == 2
    assert_one_line(capsys, "choose another output folder")
    assert fits == []


@pytest.mark.skipif(jax.default_backend() == "gpu", reason="there is a GPU here")
def test_a_gpu_that_is_not_there(study, fits, tmp_path, capsys):
    assert fit_command(study, tmp_path / "out", "--device", "gpu") == 2
    assert_one_line(capsys, "pip install 'lassovae[gpu]'", "nvidia-smi", "JAX_PLATFORMS")
    assert fits == []


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InputError("bad\n input"), 2),
        (TrainingError("the loss is nan"), 1),
        (SolveError("3 lassos"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_how_errors_end(error, status, study, tmp_path, capsys, monkeypatch):
    def fit(*arguments, **rest):
        raise error

    monkeypatch.setattr(training, "fit", fit)
    assert fit_command(study, tmp_path / "out") == status
    said = capsys.readouterr()
    assert said.out == ""
    expected = " ".join(str(error).split()) or "interrupted"
    assert said.err.splitlines()[-1] == f"lassovae: error: {expected}"
    assert "Traceback" not in said.err


def test_a_defect_is_not_hidden(study, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "fit", lambda *arguments, **rest: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fit_command(study, tmp_path / "out")


@pytest.mark.parametrize("arguments", [["train"], ["fit"], ["fit", "a.csv", "--out", "b", "--lamda", "1"]])
def test_a_command_line_that_is_none(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("option", "value"),
    [("--order", "abc"), ("--lam", "much"), ("--mode", "none"), ("--preprocess.crop", "9")],
)
def test_a_value_of_another_type_names_its_option(option, value, study, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["fit", str(study), "--out", str(tmp_path / "x"), option, value])
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert option in err
    assert not (tmp_path / "x").exists()


def test_a_pipe_gets_no_bar_whatever_colours_are_asked_for(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    measures = Measures(*(np.float32(0.5) for _ in Measures._fields))
    with StepProgress("run", 2, 0, show=True) as progress:
        progress.advance(measures, 1, last_of_epoch=False)
    assert capsys.readouterr() == ("", "")


def test_commands_can_be_run():
    assert all(callable(command.run) and command.__doc__ for command in COMMANDS.values())


def test_device_cpu_is_chosen_before_jax_is_imported(study, tmp_path):
    # Were JAX imported first, it would look for the platform that the environment names, and fail.
    done = process(
        *["-m", "lassovae", "fit", str(study), "--out", str(tmp_path / "out"), "--json", "--device", "cpu"],
        *["--preset", "smoke", "--window", "8", "--encoder", "block_mean"],
        JAX_PLATFORMS="cuda",
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["steps"], found["loss"]) == (0, None)
    assert "cpu device" in found["devices"]
    assert json.loads((tmp_path / "out" / "config.json").read_text())["config"]["encoder"] == "block_mean"
    assert done.stderr == ""  # nobody looks; the log file has it
    said = (tmp_path / "out" / "log.txt").read_text()
    assert f"Training on {found['devices']}.\n" in said
    assert said.splitlines()[-1].endswith("done")


@pytest.fixture
def of_eight_blocks(tmp_path):
    rng = np.random.default_rng(3)
    movie = rng.integers(900, 1100, (4, 16, 24)).astype(np.uint16)
    runs = [Run(f"run_{i}", ArrayRecording(movie), "FN"[i // 2 % 2], i // 2) for i in range(16)]
    return write_study(Study(tuple(runs)), tmp_path / "study")


def test_design_says_what_the_study_could_find(of_eight_blocks, capsys):
    assert main(["design", str(of_eight_blocks), "--studies", "20", "--effects", "0", "8"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("8 exchangeable blocks (4 of F and 4 of N) can be relabelled in 70 ways")
    assert said[1].startswith("The permutation of blocks finds an effect with a power of 80% from ")
    assert said[2].startswith("An effect of 2 would be found with a power of 80% by ")
    assert said[2].endswith(" in each condition, of 2 runs each.")
    assert said[4].startswith("Share of 20 simulated studies rejected")
    assert [line.split()[0] for line in said[5:]] == ["effect", "0.00", "8.00"]
    assert said[-1].split()[1] == "1.00"


def test_design_of_a_study_that_is_only_planned(tmp_path, capsys):
    lines = [f"run_{i}.tif,{'ABC'[i // 2 % 3]},{i // 2}" for i in range(24)]
    (tmp_path / "plan.csv").write_text("\n".join(["recording,condition,block", *lines]))
    assert main(["design", str(tmp_path / "plan.csv"), "--studies", "5"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(
        "Only A and B are compared, the first two of 3 conditions.\n8 exchangeable blocks (4 of A"
    )
    (tmp_path / "gap.csv").write_text("recording,condition,block\na.tif,F,0\nb.tif,N,\n")
    assert main(["design", str(tmp_path / "gap.csv")]) == 2
    assert_one_line(capsys, "gap.csv row 3: the cell under block is empty")


def test_design_as_json_is_what_the_library_says(of_eight_blocks, capsys):
    options = ["--studies", "10", "--effects", "0", "2", "--seed", "4", "--needed-for", "9", "--json"]
    assert main(["design", str(of_eight_blocks), *options]) == 0
    said = json.loads(capsys.readouterr().out)
    study = read_study(of_eight_blocks)
    power = stats.design_power(study.labels, study.blocks, effects=(0, 2), num_studies=10, seed=4)
    assert said["rejected_by_blocks"] == power.rates["blocks"].tolist()
    assert said["rejected_by_rank_sum"] == power.rates["rank_sum"].tolist()
    assert (said["smallest_pvalue"], said["blocks_needed"]) == (2 / 70, 4)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--alpha", "2"], "alpha=2.0 must lie between 0 and 1"),
        (["--seed", "-1"], "seed=-1 must be an integer of at least 0"),
        (["--studies", "0"], "num_studies=0 must be at least 2"),
        (["--studies", "1"], "num_studies=1 must be at least 2"),
        (["--needed-for", "0"], "effect=0.0 must be a number above 0"),
        (["--needed-for", "nan"], "effect=nan must be a number above 0"),
        (["--block-sd", "-1"], "block_sd=-1.0"),
    ],
)
def test_design_refuses_in_one_line(of_eight_blocks, capsys, options, words):
    assert main(["design", str(of_eight_blocks), *options]) == 2
    assert_one_line(capsys, words)
