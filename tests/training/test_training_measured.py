"""What the preprocessing measured in a training serves the recordings that come later."""

import numpy as np
import pytest

from lassovae import Config, InputError, Preprocess, fit, load
from lassovae._model import prepare_for
from lassovae.data import ArrayRecording, Run, Study, prepare, simulate_study

PRE = Preprocess(registration="rigid", bad_pixels="fill", scan_lines="align", scaling="percentile")
CONFIG = Config(
    encoder="block_mean", order=1, window=16, preprocess=PRE
)  # nothing to train: it takes no time


def study_of(movies):
    names = [f"run_{i}" for i in range(len(movies))]
    runs = [
        Run(n, ArrayRecording(m, name=n), "F", i) for i, (n, m) in enumerate(zip(names, movies, strict=True))
    ]
    return Study(tuple(runs), name="measured")


@pytest.fixture(scope="module")
def movies():
    study = simulate_study(5, num_runs=2, frames=60, frame_shape=(48, 64), num_cells=8, motion_px=0.8)
    movies = [run.recording[:].copy() for run in study]
    movies[0][:, 20, 30] = 7  # dead in the first run alone
    return movies


def test_a_study_is_treated_as_it_was_in_the_training(movies, tmp_path):
    """Bit for bit, by the model and by what its folder gives back: the reference is a fixed point, not approached."""
    study = study_of(movies)
    as_trained = prepare(study, PRE)
    fit(study, CONFIG, run_dir=tmp_path / "run", show_progress=False)
    for model in (fit(study, CONFIG), load(tmp_path / "run")):
        again = prepare_for(model, study)
        for a, b in zip(as_trained.frames, again.frames, strict=True):
            np.testing.assert_array_equal(a, b)
    onto_mean = prepare(
        study, PRE, scale=model.scale, offset=model.offset, mean_frame=model.mean_frame, bad=model.bad_pixels
    )
    assert any((a != b).any() for a, b in zip(as_trained.frames, onto_mean.frames, strict=True))


def test_one_run_alone_is_treated_as_among_the_others(movies):
    """The second run has no bad pixel of its own; the first one's is filled in it all the same."""
    model, whole = fit(study_of(movies), CONFIG), prepare(study_of(movies), PRE)
    alone = prepare_for(model, study_of(movies[1:]))
    np.testing.assert_array_equal(alone.frames[0], whole.frames[1])
    assert alone.bad_pixels.sum() == 1
    forgotten = prepare(
        study_of(movies[1:]), PRE, scale=model.scale, offset=model.offset, mean_frame=model.mean_frame
    )
    assert (forgotten.frames[0] != whole.frames[1]).any()


def test_pixels_that_have_died_since_are_filled_and_told(movies, caplog):
    model = fit(study_of(movies), CONFIG)
    later = movies[1].copy()
    later[:, 5, 6] = 9
    found = prepare_for(model, study_of([later]))
    assert found.bad_pixels.sum() == 2
    assert "1 pixels are bad here that were not in the training" in caplog.text


def test_what_is_damaged_or_does_not_fit_is_refused(movies, tmp_path):
    study = study_of(movies)
    fit(study, CONFIG, run_dir=tmp_path / "run", show_progress=False)
    with pytest.raises(InputError, match=r"bad has shape \(3, 4\), but stored frames have \(48, 64\)"):
        prepare(study, PRE, bad=np.zeros((3, 4), bool))
    (tmp_path / "run" / "preprocessing.npz").write_bytes(b"PK\3\4 no longer whole")
    with pytest.raises(InputError, match=r"preprocessing.npz is damaged .*: restore it or train again"):
        load(tmp_path / "run")
