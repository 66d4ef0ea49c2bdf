"""Bad input: one error with the name and the remedy, before anything is computed or written."""

import numpy as np
import pytest
from training_studies import CONFIG, FRAMES, make_study, movie, movies_of

from lassovae._config import Preprocess
from lassovae._errors import InputError
from lassovae.training import _epochs, fit


def changed(index, new):
    movies = movies_of(make_study())
    movies[index] = new(movies[index])
    return make_study(movies=movies)


def other_size(m):
    return m[:, :8]


def with_nan(m):
    m = m.astype(np.float32)
    m[3, 0, :2] = np.nan
    m[7, 1, 1] = np.inf
    return m


def dark_corner():
    movies = movies_of(make_study())
    for m in movies:
        m[:, 0, :3] = 0
    return make_study(movies=movies)


def odd_size():
    rng = np.random.default_rng(0)
    return make_study(movies=[movie(rng, shape=(20, 24)) for _ in range(4)])


CASES = {
    "runs of different frame size": (
        lambda: changed(1, other_size),
        CONFIG,
        r"run run_1: frames of \(8, 24\) pixels, but run run_0 has \(16, 24\); cut the files",
    ),
    "run shorter than a window": (
        lambda: changed(3, lambda m: m[:11]),
        CONFIG,
        r"runs shorter than 12 frames, which order=2 and window=12 need: run_3 \(11\); choose a smaller window",
    ),
    "run shorter than order + 2": (
        lambda: changed(0, lambda m: m[:9]),
        CONFIG.replace(order=8, window=10),
        r"runs shorter than 10 frames, which order=8 and window=10 need: run_0 \(9\)",
    ),
    "one run in a condition": (
        lambda: make_study(("F", "F", "F", "N")),
        CONFIG,
        r"condition 'N' has 1 of the 2 runs that a comparison needs; add runs",
    ),
    "NaN and Inf pixels": (
        lambda: changed(2, with_nan),
        CONFIG,
        r"run run_2: 3 .*NaN or Inf.* in 2 .*frames \(3, 7\).*repair them or cut",
    ),
    "constant movie": (
        lambda: changed(1, lambda m: np.full_like(m, 7)),
        CONFIG,
        r"run run_1: every pixel of every frame is .*; a constant movie .*leave the run out",
    ),
    "mean frame with zeros": (
        dark_corner,
        CONFIG,
        r"tiny: 3 of 384 pixels are zero in every frame, .*mean_frame_floor=0.01, fill them .*, or crop",
    ),
    "frame size that poolings do not divide": (
        odd_size,
        CONFIG,
        r"frames of 20 x 24 pixels .* multiples of 8: use crop=\(16, 24\)",
    ),
    "more windows a step than there are": (
        make_study,
        CONFIG.replace(windows_per_step=9),
        r"windows_per_step=9, but the study has 8 windows of 12 frames: use at most 8",
    ),
    "crop larger than the frame": (
        make_study,
        CONFIG.replace(preprocess=Preprocess(crop=(64, 64))),
        r"crop=\(64, 64\) is larger than the frames, \(16, 24\)",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_one_error_before_anything_is_written(case, tmp_path, monkeypatch):
    def never(*_):
        raise AssertionError("training began")

    monkeypatch.setattr(_epochs, "make_step", never)
    build, config, words = CASES[case]
    with pytest.raises(InputError, match=words) as caught:
        fit(build(), config, run_dir=tmp_path / "deep" / "run", show_progress=False)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(
        InputError, match=r"run cannot be made \(Not a directory\): choose another output folder"
    ):
        fit(make_study(), CONFIG, run_dir=tmp_path / "notes.txt" / "run", show_progress=False)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_negative_lam_is_refused_when_it_is_written_down():
    with pytest.raises(InputError, match=r"lam=-0\.01 must be a finite number of at least 0"):
        CONFIG.replace(lam=-0.01)


def test_the_floor_that_the_message_names_lets_dark_pixels_pass():
    config = CONFIG.replace(encoder="block_mean", preprocess=Preprocess(mean_frame_floor=0.01))
    model = fit(dark_corner(), config, show_progress=False)
    assert model.mean_frame.min() == np.float32(0.01)


def test_a_run_of_exactly_one_window_is_enough():
    model = fit(
        changed(3, lambda m: m[: CONFIG.window]), CONFIG.replace(encoder="block_mean"), show_progress=False
    )
    assert model.history == ()
    assert FRAMES > CONFIG.window
