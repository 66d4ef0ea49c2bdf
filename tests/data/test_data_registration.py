"""Rigid motion correction against movements that are known, on frames of 48 x 64 pixels."""

import numpy as np
import pytest
from scipy import ndimage

import lassovae
from lassovae.data import ArrayRecording, Run, Study, prepare
from lassovae.data._corrections import Moved
from lassovae.data._registration import register


@pytest.fixture
def scene(rng):
    """An image with structure at the size of cells, brighter than its surroundings."""
    return np.maximum(200 + 400 * ndimage.gaussian_filter(rng.standard_normal((64, 80)), 2), 20)


def film(scene, shifts, rng, photons=1.0):
    """Frames of the scene moved by shifts (down, right), away from its edges, with shot noise."""
    moved = np.stack([ndimage.shift(scene, by, order=3, mode="nearest")[8:-8, 8:-8] for by in shifts])
    return rng.poisson(photons * moved).astype(np.uint16)


def still_and_shifts(movie):
    _, (found,) = register([movie])
    return Moved(found).apply(movie, 0), found


def study_of(*movies):
    runs = [
        Run(f"run_{i}", ArrayRecording(movie, name=f"run_{i}"), condition="F", block=i)
        for i, movie in enumerate(movies)
    ]
    return Study(tuple(runs), name="moving")


@pytest.mark.parametrize("photons", [1.0, 0.1])
def test_known_movements_are_undone(scene, rng, photons):
    shifts = rng.uniform(-1.5, 1.5, (40, 2))
    movie = film(scene, shifts, rng, photons)
    still, found = still_and_shifts(movie)
    assert still.dtype == np.float32
    relative = found + shifts  # one common offset is free: that of the mean frame
    np.testing.assert_allclose(relative - relative.mean(axis=0), 0, atol=0.2)
    inside = (slice(None), slice(4, -4), slice(4, -4))
    held = film(scene, np.zeros_like(shifts), rng, photons)[inside].std(axis=0).mean()
    moving = movie[inside].std(axis=0).mean()
    assert still[inside].std(axis=0).mean() < 1.05 * held < moving
    wrong = np.stack([ndimage.shift(x * 1.0, -by, order=1) for x, by in zip(movie, found, strict=True)])
    assert wrong[inside].std(axis=0).mean() > 1.2 * still[inside].std(axis=0).mean()


def test_no_pixel_leaves_the_range(scene, rng):
    movie = film(scene, rng.uniform(-2, 2, (10, 2)), rng)
    still, _ = still_and_shifts(movie)
    assert movie.min() <= still.min() <= still.max() <= movie.max()


def test_frames_that_held_still_are_left_where_they_are(scene, rng):
    movie = film(scene, np.zeros((30, 2)), rng)
    still, found = still_and_shifts(movie)
    assert np.abs(found).max() <= 0.1
    np.testing.assert_array_equal(still[(found == 0).all(axis=1)], movie[(found == 0).all(axis=1)])


def test_runs_come_onto_one_frame_and_new_ones_onto_the_models(scene, rng):
    away = np.array([2.0, -1.0])
    first, second = (film(scene, by + rng.uniform(-0.5, 0.5, (30, 2)), rng) for by in (-away / 2, away / 2))
    config = lassovae.Config(preprocess=lassovae.Preprocess(registration="rigid"))
    together = prepare(study_of(first, second), config.preprocess)
    apart = prepare(study_of(first, second), lassovae.Preprocess())
    inside = (slice(4, -4), slice(4, -4))

    def distance(prepared):
        a, b = (frames.mean(axis=0)[inside] for frames in prepared.frames)
        return np.abs(a - b).mean()

    assert distance(together) < 0.2 * distance(apart)
    later = study_of(film(scene, 1.5 * away + rng.uniform(-0.5, 0.5, (30, 2)), rng))
    onto = prepare(later, config.preprocess, mean_frame=together.mean_frame, scale=together.scale, offset=0.0)
    gap = np.abs(onto.frames[0].mean(axis=0) - together.mean_frame)[inside].mean()
    alone = np.abs(prepare(later, config.preprocess).mean_frame - together.mean_frame)[inside].mean()
    assert gap < 0.2 * alone


def test_off_unless_asked_for_and_a_choice_of_two(scene, rng):
    movie = film(scene, rng.uniform(-2, 2, (10, 2)), rng)
    frames = prepare(study_of(movie), lassovae.Preprocess()).frames[0]
    np.testing.assert_array_equal(frames, movie.astype(np.float32) / np.float32(movie.max()))
    with pytest.raises(lassovae.InputError, match="registration"):
        lassovae.Preprocess(registration="non-rigid")
