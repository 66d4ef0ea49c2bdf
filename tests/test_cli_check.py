"""`lassovae check` against defects that were put into a study, and silent about a study without any."""

import contextlib
import json
import shlex
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from scipy import ndimage

from lassovae import InputError, Preprocess
from lassovae._cli import _parsed, main
from lassovae._cli._look import FADING, findings, look, trend
from lassovae._cli._machine import gpu_advice, nvidia_gpus
from lassovae.data import ArrayRecording, Run, Study, prepare, read_study, simulate_study, write_study
from lassovae.data._quality import bleaching
from lassovae.stats import design_sentence, smallest_pvalue

GOOD = ["--preset", "smoke", "--window", "16"]


@pytest.fixture(scope="module")
def movies():
    """Eight runs of four blocks a condition, so that p = 2/70 can be reached: nothing is wrong with them."""
    study = simulate_study(7, num_runs=8, frames=48, frame_shape=(48, 64), num_cells=12, block_size=1)
    return [(run.recording[:], run.condition) for run in study]


def written(folder, movies, rates=None):
    """The CSV of runs, each a block of its own."""
    runs = [
        Run(
            f"run_{i}", ArrayRecording(movie, frame_rate_hz=None if rates is None else rates[i]), condition, i
        )
        for i, (movie, condition) in enumerate(movies)
    ]
    return write_study(Study(tuple(runs)), folder)


def checked(table, capsys, *options, status=0):
    """What --json says."""
    assert main(["check", str(table), *GOOD, *options, "--json"]) == status
    out, err = capsys.readouterr()
    assert "error" not in err
    (line,) = out.splitlines()
    return json.loads(line)


def about(found):
    return [warning["about"] for warning in found["warnings"]]


def test_a_good_study_is_said_to_be_good(movies, tmp_path, capsys):
    table = written(tmp_path / "study", movies, [10.0] * 8)
    found = checked(table, capsys)
    assert (found["trainable"], found["problems"], found["warnings"]) == (True, [], [])
    assert found["smallest_pvalue"] == smallest_pvalue("FNFNFNFN", range(8)) == pytest.approx(2 / 70)
    assert found["conditions"] == {"F": 4, "N": 4}
    assert (found["training_num_windows"], found["training_num_steps"]) == (24, 48)
    assert found["training_frame_shape"] == [48, 64 - 16] or found["training_frame_shape"] == [24, 32]
    assert found["memory_gb"] > 0.5
    assert main(["check", str(table), *GOOD]) == 0
    said = capsys.readouterr().out
    assert design_sentence("FNFNFNFN", range(8)).rstrip(".") in said
    assert "It can be trained; no warnings.\n" in said
    assert said.endswith(f"Next: lassovae fit {table} --out study_run --preset smoke --window 16\n")
    assert "8 TIFF; 48 x 64 pixels of uint16; 10 frames a second" in said


def dead(movies):
    movies[2][0][:, 20, 30] = 4000


def blank(movies):
    movies[0][0][:, :2] = 0


def clipped(movies):
    movie = movies[5][0]
    np.minimum(movie, np.percentile(movie, 97).astype(movie.dtype), out=movie)


def out_of_phase(movies):
    movies[1][0][:, 1::2] = np.roll(movies[1][0][:, 1::2], 3, axis=2)


def bleached(movies):
    movies[3][0][:] = movies[3][0] * np.linspace(1, 0.6, 48)[:, None, None]


def moving(movies):
    for i, frame in enumerate(movies[4][0]):
        frame[:] = np.roll(frame, 4 * (i // 12 % 2), axis=0)


def moved(movies):
    movies[6][0][:] = np.roll(movies[6][0], 5, axis=2)


def elsewhere(movies):
    other = simulate_study(99, num_runs=1, frames=48, frame_shape=(48, 64), num_cells=12)
    movies[7][0][:] = other.runs[0].recording[:]


@pytest.mark.parametrize(
    ("defect", "named", "run", "option"),
    [
        (dead, "dead pixels", "run_2 1", "--preprocess.bad-pixels fill"),
        (blank, "blank lines", "run_0 2 rows", "--preprocess.bad-pixels fill"),
        (clipped, "saturation", "run_5 3.", None),
        (out_of_phase, "scan lines", "run_1 +3 pixels", "--preprocess.scan-lines align"),
        (bleached, "bleaching", "run_3 -", "--preprocess.bleaching divide"),
        (moving, "movement", "in run_4", "--preprocess.registration rigid"),
        (moved, "alignment of runs", "run_6 4.", "--preprocess.registration rigid"),
        (elsewhere, "field of view", "run_7 (correlation 0.", None),
    ],
)
def test_a_defect_is_named_with_its_run_and_its_remedy(defect, named, run, option, movies, tmp_path, capsys):
    copies = [(movie.copy(), condition) for movie, condition in movies]
    defect(copies)
    table = written(tmp_path / "study", copies)
    found = checked(table, capsys)
    also = ["alignment of runs"] if defect is moving else []  # its mean frame has moved, too
    assert about(found) == [named, *also]
    warning = found["warnings"][0]
    assert run in warning["text"]
    if option is not None:
        assert option in warning["remedy"]
        assert about(checked(table, capsys, *option.split())) == []  # the remedy is one
    assert main(["check", str(table), *GOOD]) == 0
    said = capsys.readouterr().out
    assert f"WARNING  {named}: " in said
    assert f"Remedy: {warning['remedy']}." in said
    assert f"It can be trained; {1 + len(also)} warning" in said
    last = said.splitlines()[-1]
    assert last.endswith(f"--preset smoke --window 16 {option}") if option else last.startswith("Next: ")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (
            lambda movie: np.where(np.arange(len(movie))[:, None, None] == 0, np.nan, movie),
            "NaN or Inf, in 1 of",
        ),
        (lambda movie: np.full(movie.shape, 7.0), "is 7.0; a constant movie has no dynamics"),
    ],
)
def test_a_movie_that_cannot_be_trained_on_is_a_problem_and_no_traceback(
    spoil, said, movies, tmp_path, capsys
):
    copies = [(movie.astype(np.float32), condition) for movie, condition in movies]
    copies[3] = (spoil(copies[3][0]).astype(np.float32), copies[3][1])
    table = written(tmp_path / "study", copies)
    assert main(["check", str(table), *GOOD]) == 2
    lines = capsys.readouterr().out
    assert f"PROBLEM  run run_3: {'pixels that are' if 'NaN' in said else 'every pixel'}" in lines
    assert said in lines
    assert main(["check", str(table), *GOOD, "--json"]) == 2
    assert said in json.loads(capsys.readouterr().out)["problems"][0]


def test_what_differs_between_conditions(movies, tmp_path, capsys):
    uneven = [(movie[:32] if condition == "F" else movie, condition) for movie, condition in movies]
    found = checked(written(tmp_path / "a", uneven), capsys)
    assert about(found) == ["length"]
    assert "F 128 frames, N 192 frames" in found["warnings"][0]["text"]
    found = checked(written(tmp_path / "b", movies, [10.0] * 7 + [20.0]), capsys)
    assert about(found) == ["frame rate"]
    assert "20 Hz: 1 runs" in found["warnings"][0]["text"]


def test_designs_that_can_show_nothing(movies, tmp_path, capsys):
    small = [movies[i] for i in (0, 2, 1, 3)]
    found = checked(written(tmp_path / "a", small), capsys)
    assert about(found) == ["windows", "design", "order"]
    assert found["smallest_pvalue"] == pytest.approx(1 / 3)
    found = checked(written(tmp_path / "b", [(movie, "F") for movie, _ in movies]), capsys)
    assert about(found) == ["design"]
    assert found["smallest_pvalue"] is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--window", "64"], "runs shorter than 64 frames"),
        (["--preprocess.crop", "44", "64"], "poolings need multiples of 8"),
        (["--order", "20"], "leave nothing to fit at order=20"),
        (["--windows-per-step", "99"], "the study has 24 windows of 16 frames: use at most 24"),
        (["--max-memory-gb", "0.01"], "max_memory_gb=0.01 is not enough"),
    ],
)
def test_what_cannot_be_trained(options, words, movies, tmp_path, capsys):
    table = written(tmp_path / "study", movies)
    found = checked(table, capsys, *options, status=2)
    assert not found["trainable"]
    assert any(words in problem for problem in found["problems"])
    assert main(["check", str(table), *GOOD, *options]) == 2
    said = capsys.readouterr().out
    assert "PROBLEM  " in said
    assert "It cannot be trained as it is" in said
    assert "Next:" not in said


def test_runs_that_do_not_go_together(movies, tmp_path, capsys):
    table = written(tmp_path / "a", [*movies[:7], (movies[7][0][:, :, :56], "N")])
    found = checked(table, capsys, status=2)
    assert any("run run_7: frames of (48, 56) pixels" in problem for problem in found["problems"])
    table = written(tmp_path / "b", [*movies[:7], (movies[7][0], "alone")])
    found = checked(table, capsys, status=2)
    assert any("condition 'alone' has 1 of the 2 runs" in problem for problem in found["problems"])


def test_a_study_that_cannot_be_read(tmp_path, capsys):
    assert main(["check", str(tmp_path / "no.csv")]) == 2
    assert "no.csv: no such CSV file; check the spelling" in capsys.readouterr().err
    found = checked(tmp_path / "no.csv", capsys, status=2)
    assert "no such CSV file" in found["problems"][0]
    assert main(["check", str(tmp_path)]) == 2
    assert "pass the CSV in it" in capsys.readouterr().err


def test_a_sample_is_all_that_is_read(movies):
    read = []

    class Counted(ArrayRecording):
        def _read(self, frames):
            read.extend(frames)
            return super()._read(frames)

    long = np.tile(movies[0][0], (25, 1, 1))
    looks = look(Study(tuple(Run(f"r{i}", Counted(long), "FN"[i % 2], i) for i in range(40))))
    assert len(read) == sum(run.sampled for run in looks) == 40 * 16
    assert (min(read), max(read)) == (0, 1199)


def test_large_frames_are_placed_in_their_own_pixels(rng):
    scene = ndimage.gaussian_filter(rng.standard_normal((300, 420)), 6) * 2000 + 1000
    frames = rng.poisson(np.stack([np.roll(scene, 6 * (i >= 24), axis=1) for i in range(48)]))
    (run,) = look(Study((Run("large", ArrayRecording(frames.astype(np.uint16)), "F", 0),)))
    assert run.moved == run.placed  # half of them on either side of their mean
    assert run.farthest == pytest.approx(3, abs=0.6)
    assert [f.about for f in findings([run], Preprocess(mean_frame_floor=0.01))] == ["movement"]


def test_a_gpu_that_goes_unused_is_said_with_the_remedy(monkeypatch):
    assert gpu_advice([], True, {}) == ""
    assert gpu_advice(["GPU 0: NVIDIA H200"], True, {}) == ""
    assert gpu_advice(["a"], True, {"JAX_PLATFORMS": "cuda,cpu"}) == ""
    assert "pip install 'lassovae[gpu]'" in gpu_advice(["a", "b"], False, {})
    assert "2 NVIDIA GPUs" in gpu_advice(["a", "b"], False, {})
    assert "JAX_PLATFORMS=cpu" in gpu_advice(["a"], True, {"JAX_PLATFORMS": "cpu"})
    assert "CUDA_VISIBLE_DEVICES" in gpu_advice(["a"], True, {"CUDA_VISIBLE_DEVICES": "-1"})
    monkeypatch.setattr(
        "lassovae._cli._check.expected_device", lambda: ("2 CPU cores", "a GPU is there: use it")
    )
    assert nvidia_gpus() == [str(node) for node in sorted(Path("/dev").glob("nvidia[0-9]*"))] or shutil.which(
        "nvidia-smi"
    )


def test_the_warning_about_a_gpu(movies, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        "lassovae._cli._check.expected_device", lambda: ("2 CPU cores", "a GPU is there: use it")
    )
    found = checked(written(tmp_path / "study", movies), capsys)
    assert (found["gpu_unused"], found["warnings"]) == (
        True,
        [{"about": "device", "text": "a GPU is there", "remedy": "use it"}],
    )


def test_the_real_recordings(recordings, capsys):
    for name, expected in (
        ("fmi_2p", {"order"}),
        ("thunder_mouse_2p_64px", {"windows", "blank lines", "dead pixels", "order"}),
    ):
        found = checked(recordings / name / "study.csv", capsys, "--window", "64")
        assert set(about(found)) - {"design", "device"} == expected
        assert found["smallest_pvalue"] is not None
        assert found["runs"] == len(read_study(recordings / name / "study.csv"))


def test_kinds_of_files_are_named(movies, tmp_path, capsys):
    lines = ["recording,condition,block"]
    for i, (movie, condition) in enumerate(movies):
        name = f"run_{i}" if i < 3 else f"run_{i}.h5" if i < 5 else f"run_{i}.npy"
        if i < 3:
            (tmp_path / name).mkdir()
            for j, frame in enumerate(movie):
                tifffile.imwrite(tmp_path / name / f"{j:03}.tif", frame)
        elif i < 5:
            with h5py.File(tmp_path / name, "w") as file:
                file["movie"] = movie
        else:
            np.save(tmp_path / name, np.asfortranarray(movie) if i == 5 else movie)
        lines.append(f"{name},{condition},{i}")
    (tmp_path / "study.csv").write_text("\n".join(lines))
    found = checked(tmp_path / "study.csv", capsys)
    assert (found["formats"], found["warnings"]) == (
        {"folder of TIFF": 3, "NumPy": 3, "HDF5": 2},
        [],
    )


def next_commands(said):
    """What is to be typed after Next: and with the remedies, each as fit would be called."""
    lines = [line for line in said.splitlines() if ": lassovae fit " in line]
    return [_parsed(shlex.split(line.partition(": lassovae ")[2])) for line in lines]


def test_what_was_checked_is_what_will_be_trained(movies, tmp_path, capsys):
    table = written(tmp_path / "my study", movies)
    (tmp_path / "my settings.toml").write_text("epochs = 3\n")
    options = (
        "--model end_to_end --mode embedded --lam 1e-05 --no-skip --seed 4 --order 3 --condition-lam None"
    )
    options += " --preprocess.crop 32 48 --preprocess.crop-at 1 2 --preprocess.percentile 99.5"
    options += " --preprocess.bleaching keep --max-memory-gb 7.5"
    given = [*GOOD, "--config", str(tmp_path / "my settings.toml"), *options.split()]
    assert main(["check", str(table), *given]) == 0
    (fit,) = next_commands(capsys.readouterr().out)
    checked_as = _parsed(["check", str(table), *given])
    assert fit.chosen(read_study(table)) == checked_as.chosen(read_study(table))
    assert (fit.study, fit.max_memory_gb) == (table, 7.5)
    bleached(movies := [(movie.copy(), condition) for movie, condition in movies])
    assert main(["check", str(written(tmp_path / "b", movies)), *given]) == 0
    as_it_is, remedied = next_commands(capsys.readouterr().out)
    assert as_it_is.settings["preprocess"]["bleaching"] == "keep"
    assert remedied.settings["preprocess"] == as_it_is.settings["preprocess"] | {"bleaching": "divide"}


def test_dark_pixels_are_those_that_training_refuses(movies, tmp_path, capsys):
    signed = [(movie.astype(np.int16) - 2000, condition) for movie, condition in movies]
    for movie, _ in signed:
        movie[0, 0, 0] = -3000  # below what all others are
    cases = {"signed": (signed, []), "cropped": (None, []), "filled": (None, [])}
    black = [(movie.copy(), condition) for movie, condition in movies]
    for movie, _ in black:
        movie[:, :8] = 0
    cases["black"] = (black, ["dark pixels"])
    cases["cropped"] = (black, [])
    cases["filled"] = (black, [])
    more = {
        "cropped": ["--preprocess.crop", "32", "64", "--preprocess.crop-at", "8", "0"],
        "filled": ["--preprocess.bad-pixels", "fill"],
    }
    for name, (runs, expected) in cases.items():
        options = ["--preprocess.mean-frame-floor", "0", *more.get(name, [])]
        table = written(tmp_path / name, runs)
        found = checked(table, capsys, *options)
        assert [word for word in about(found) if word == "dark pixels"] == expected, name
        config = _parsed(["check", str(table), *GOOD, *options]).chosen(read_study(table))
        refused = pytest.raises(InputError, match="pixels are zero") if expected else contextlib.nullcontext()
        with refused:
            prepare(read_study(table), config.preprocess)


def test_transients_are_no_bleaching(rng):
    """Slow activity in short runs, of which a line alone says that a tenth and more has gone."""
    when = np.arange(48) * 2
    alarms, seen = 0, 0
    for _ in range(400):
        activity = ndimage.gaussian_filter1d(rng.standard_normal(96), 6)[when]
        light = 1 + 0.1 * activity / activity.std()
        loss = abs(bleaching(light, when).lost)
        alarms += loss > 0.1
        seen += loss > 0.1 and abs(trend(light, when)) > FADING
    assert alarms > 80
    assert seen < alarms / 4
    for length in (0.3, 0.6, 2.0):
        fading = 0.6 + 0.4 * np.exp(-when / 96 / length) + 0.01 * rng.standard_normal(48)
        assert trend(fading, when) < -FADING
    assert trend(np.ones(48), when) == 0
    assert trend(when + 1.0, when) > 1e6
    assert trend(np.ones(4), when[:4]) == 0
