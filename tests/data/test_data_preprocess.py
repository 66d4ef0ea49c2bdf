import re

import numpy as np
import pytest
from scipy import ndimage

from lassovae import InputError
from lassovae._config import Preprocess
from lassovae.data import (
    ArrayRecording,
    Run,
    Study,
    epoch_order,
    frame_shape_after,
    num_windows,
    prepare,
    read_study,
    windows,
)
from lassovae.data._registration import register


def study_of(*movies):
    return Study(tuple(Run(f"r{i}", ArrayRecording(m, name=f"r{i}"), "F", 0) for i, m in enumerate(movies)))


@pytest.fixture
def movies(rng):
    return [rng.integers(5, 3000, (n, 40, 56)).astype(np.uint16) for n in (70, 130)]


def test_the_law(movies):
    out = prepare(study_of(*movies), Preprocess(crop=(32, 48), downscale=2))
    top = max(m[:, 4:36, 4:52][:, 1::2, 1::2].max() for m in movies)
    assert (out.scale, out.offset, out.names) == (top, 0.0, ("r0", "r1"))
    for frames, movie in zip(out.frames, movies, strict=True):
        assert frames.dtype == np.float32
        np.testing.assert_allclose(frames, movie[:, 4:36, 4:52][:, 1::2, 1::2] / top, rtol=1e-6)
    mean = np.mean([frames.mean(axis=0, dtype=np.float64) for frames in out.frames], axis=0)
    np.testing.assert_allclose(out.mean_frame, mean, rtol=1e-6)
    assert out.mean_frame.dtype == np.float32


def test_mean_downscale(movies):
    out = prepare(study_of(*movies), Preprocess(crop=(32, 32), downscale=4, downscale_method="mean"))
    expected = movies[0][:, 4:36, 12:44].reshape(70, 8, 4, 8, 4).mean(axis=(2, 4))
    np.testing.assert_allclose(out.frames[0] * out.scale, expected, rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.int32, np.float32, np.float64])
def test_frames_are_in_the_unit_interval_and_negative_pixels_shift(rng, dtype):
    movie = rng.uniform(-100 if np.dtype(dtype).kind != "u" else 1, 120, (20, 16, 16)).astype(dtype)
    out = prepare(study_of(movie), Preprocess())
    assert out.offset == pytest.approx(min(0, movie.min()), rel=1e-6)  # frames are kept as float32
    assert out.frames[0].max() == 1
    assert out.frames[0].min() >= 0
    np.testing.assert_allclose(out.frames[0] * out.scale + out.offset, movie, atol=2e-5 * 220)


@pytest.mark.parametrize("percentile", [60.0, 99.0, 99.9, 100.0])
@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float32])
def test_percentile_is_numpys(rng, movies, percentile, dtype):
    movies = [m.astype(dtype) - (100 if dtype != np.uint16 else 0) for m in movies]
    movies = [m.astype(dtype)[:, :40, :56] for m in movies]
    out = prepare(study_of(*movies), Preprocess(scaling="percentile", percentile=percentile))
    pixels = np.concatenate([m.ravel() for m in movies]).astype(np.float64)
    assert out.scale + out.offset == pytest.approx(np.percentile(pixels, percentile), rel=1e-6)
    assert max(frames.max() for frames in out.frames) == 1


def test_a_trained_models_scaling_is_applied(movies):
    study = study_of(*movies)
    first = prepare(study, Preprocess())
    mean_frame = np.full((40, 56), 0.5, np.float32)
    out = prepare(
        study_of(movies[1]), Preprocess(), scale=first.scale, offset=first.offset, mean_frame=mean_frame
    )
    np.testing.assert_array_equal(out.frames[0], first.frames[1])
    np.testing.assert_array_equal(out.mean_frame, mean_frame)
    halved = prepare(study, Preprocess(), scale=first.scale / 2, offset=0.0)
    assert max(frames.max() for frames in halved.frames) == 1


def test_an_overridden_scale_or_shape_must_fit(movies):
    study = study_of(*movies)
    with pytest.raises(InputError, match=r"scale=0\.0 must be a finite number above 0"):
        prepare(study, Preprocess(), scale=0.0)
    with pytest.raises(InputError, match="offset=nan"):
        prepare(study, Preprocess(), offset=float("nan"))
    with pytest.raises(InputError, match=r"mean_frame has shape \(8, 8\), but frames have \(40, 56\)"):
        prepare(study, Preprocess(), mean_frame=np.ones((8, 8)))


def test_the_input_is_left_alone(movies):
    before = [m.copy() for m in movies]
    prepare(study_of(*movies), Preprocess())
    for old, new in zip(before, movies, strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    ("shape", "pre", "message"),
    [
        ((40, 56), Preprocess(crop=(48, 56)), r"crop=\(48, 56\) is larger than the frames, \(40, 56\)"),
        ((100, 150), Preprocess(), r"multiples of 8: use crop=\(96, 152\)|use crop=\(96, 144\)"),
        ((100, 150), Preprocess(crop=(60, 61)), r"use crop=\(64, 64\)"),
        ((100, 150), Preprocess(downscale=2), r"use crop=\(96, 144\)"),
        ((20, 150), Preprocess(downscale=4), "use a smaller downscale"),
    ],
)
def test_sizes_that_do_not_fit(shape, pre, message):
    with pytest.raises(InputError, match=message):
        frame_shape_after(shape, pre)


def test_the_proposed_crop_works():
    for shape in [(100, 150), (33, 47), (512, 796)]:
        for downscale in (1, 2, 3):
            try:
                frame_shape_after(shape, Preprocess(downscale=downscale))
            except InputError as error:
                crop = eval(str(error).split("crop=")[1])  # noqa: S307 our own message
                frame_shape_after(shape, Preprocess(crop=crop, downscale=downscale))


def test_the_papers_sizes():
    assert frame_shape_after((512, 796), Preprocess(crop=(512, 768), downscale=4)) == (128, 192)


def test_pixels_that_are_not_numbers_are_counted(rng):
    movie = rng.uniform(1, 2, (150, 16, 16)).astype(np.float32)
    movie[3, 0, 0] = np.nan
    movie[140, 1:3, 0] = np.inf
    with pytest.raises(InputError, match=r"run r1: 3 pixels .*NaN or Inf, in 2 of 150 frames \(3, 140\)"):
        prepare(study_of(np.ones_like(movie), movie), Preprocess())


def test_pixels_beyond_float32(rng):
    movie = rng.uniform(1, 2, (9, 16, 16))
    movie[4, 0, 0] = 1e300
    with pytest.raises(InputError, match=r"beyond the range of float32, in 1 of 9 frames \(4\)"):
        prepare(study_of(movie), Preprocess())


def test_constant_movies_are_named(movies):
    flat = np.full_like(movies[0], 7)
    with pytest.raises(InputError, match="run r1, r2: every pixel"):
        prepare(study_of(movies[0], flat, flat), Preprocess())


def test_dark_pixels(movies):
    for movie in movies:
        movie[:, :2, :3] = 0
    with pytest.raises(InputError, match=r"6 of 2240 pixels are zero.*mean_frame_floor=0\.01"):
        prepare(study_of(*movies), Preprocess())
    out = prepare(study_of(*movies), Preprocess(mean_frame_floor=0.01))
    assert out.mean_frame.min() == np.float32(0.01)
    assert (out.frames[0][:, :2, :3] == 0).all()


def test_a_percentile_in_the_dark():
    movie = np.zeros((9, 16, 16), np.uint16)
    movie[:, 0, 0] = 5
    with pytest.raises(InputError, match="nearly all pixels are dark"):
        prepare(study_of(movie), Preprocess(scaling="percentile", percentile=60))


def test_real_recordings(recordings):
    out = prepare(
        read_study(recordings / "thunder_mouse_2p_64px" / "study.csv"), Preprocess(mean_frame_floor=0.01)
    )
    assert [frames.shape for frames in out.frames] == [(125, 64, 64)] * 4
    assert max(frames.max() for frames in out.frames) == 1


def test_windows_do_not_overlap_and_stay_inside():
    lengths = [130, 63, 64, 200]
    places = windows(lengths, 64)
    assert places.tolist() == [[0, 0], [0, 64], [2, 0], [3, 0], [3, 64], [3, 128]]
    assert num_windows(lengths, 64) == 6
    assert windows([5], 64).shape == (0, 2)
    with pytest.raises(InputError, match="window=0"):
        windows(lengths, 0)


def test_the_order_of_an_epoch_depends_on_its_arguments_alone():
    order = epoch_order(50, 1, 2)
    assert sorted(order) == list(range(50))
    np.testing.assert_array_equal(order, epoch_order(50, 1, 2))
    assert (order != epoch_order(50, 1, 3)).any()
    assert (order != epoch_order(50, 2, 2)).any()


def bordered(rng, dtype=np.float32):
    """A movie whose first rows and last columns are NaN in some frames, as after a correction of motion."""
    movie = rng.uniform(1, 2, (70, 40, 48)).astype(dtype)
    for frame, by in enumerate(rng.integers(0, 6, 70)):
        movie[frame, :by] = np.nan
        movie[frame, :, 48 - by :] = np.nan
    movie[5, :5] = np.nan
    movie[66, :, 43:] = np.nan
    return movie


EVERY_STEP = [
    {},
    {"bad_pixels": "fill"},
    {"scan_lines": "align"},
    {"registration": "rigid"},
    {"bin_frames": 2, "bleaching": "divide", "scaling": "percentile"},
]


@pytest.mark.parametrize("hold", [True, False])
@pytest.mark.parametrize("settings", EVERY_STEP, ids=str)
def test_nan_at_the_borders_is_refused_with_a_crop_that_works(settings, hold, rng):
    good = rng.uniform(1, 2, (70, 40, 48)).astype(np.float32)
    study = study_of(good, bordered(rng))
    whole = "bad_pixels" in settings or "scan_lines" in settings  # what is told from whole frames
    words = r"run r1: \d+ pixels that are NaN or Inf, in \d+ of 70 frames \(.*\): "
    with pytest.raises(InputError, match=words + ("repair" if whole else "crop them off")) as told:
        prepare(study, Preprocess(**settings), hold=hold)
    if whole:
        with pytest.raises(InputError, match=words):
            prepare(study, Preprocess(**settings, crop=(24, 32)), hold=hold)
        return
    numbers = re.search(r"crop=\((\d+), (\d+)\), crop_at=\((\d+), (\d+)\)", str(told.value))
    height, width, top, left = map(int, numbers.groups())
    cropped = Preprocess(**settings, crop=(height, width), crop_at=(top, left))
    assert (height, width) == (32, 40)
    frames = prepare(study, cropped, hold=hold).frames
    assert all(np.isfinite(run[:]).all() for run in frames)


def test_a_crop_is_proposed_where_it_helps_alone(rng):
    for at, shape in ((np.s_[3, 20, 20], (40, 48)), (np.s_[:, :25], (40, 48)), (np.s_[:, :9], (16, 16))):
        movie = rng.uniform(1, 2, (9, *shape)).astype(np.float32)
        movie[at] = np.inf
        with pytest.raises(InputError, match=r"NaN or Inf, in . of 9 frames .*\): repair them or cut"):
            prepare(study_of(movie), Preprocess())
    movie = rng.uniform(1, 2, (9, 48, 48)).astype(np.float32)
    movie[:, :, 47] = movie[:, 12, :] = np.nan  # of which the crop that was asked for leaves one row
    with pytest.raises(InputError, match=r"crop=\(32, 32\), crop_at=\(14, 8\)\)"):
        prepare(study_of(movie), Preprocess(crop=(40, 32), crop_at=(8, 8)))


def test_a_dark_frame_of_a_registered_movie_stays_where_it_is(rng):
    movie = ndimage.gaussian_filter(rng.uniform(0, 1000, (12, 32, 32)), (0, 2, 2)).astype(np.float32)
    movie[4] = 0
    _, (shifts,) = register([movie])
    assert shifts[4].tolist() == [0, 0]
