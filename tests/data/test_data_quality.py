"""What is wrong with recordings, against defects that were put there, and silence where there are none."""

import numpy as np
import pytest
from scipy import ndimage, stats

from lassovae import InputError
from lassovae.data import ArrayRecording, read_study, simulate_study
from lassovae.data._quality import (
    blank_rows,
    bleaching,
    dead_pixels,
    drift,
    misalignment,
    sample_frames,
    sampled_indices,
    saturated,
    scan_line_shift,
)

NOISE = ({}, {"photons": 3.0}, {"photons": 0.4, "read_noise": 1.0}, {"photons": 0.2, "read_noise": 0.0})


@pytest.fixture(scope="module", params=NOISE, ids=["usual", "dim", "dark", "single photons"])
def noisy(request):
    """24 frames of a movie that holds still and has no defect, from clean to nearly all shot noise."""
    return simulate_study(11, num_runs=1, frames=24, num_cells=20, **request.param).runs[0].recording[:]


class Counted(ArrayRecording):
    """A recording that remembers what was read."""

    def __init__(self, array):
        super().__init__(array)
        self.read = []

    def _read(self, frames):
        self.read += list(frames)
        return super()._read(frames)


def test_a_sample_spans_the_recording_and_reads_nothing_else():
    movie = np.arange(100)[:, None, None] * np.ones((1, 2, 3), np.uint16)
    recording = Counted(movie)
    frames = sample_frames(recording, 24)
    wanted = sampled_indices(100, 24)
    assert recording.read == wanted.tolist() == frames[:, 0, 0].tolist()
    assert (wanted[0], wanted[-1], len(wanted)) == (0, 99, 24)
    assert (np.diff(wanted) == 1).sum() == 16  # eight pieces of three
    np.testing.assert_array_equal(sample_frames(recording, 500), movie)
    with pytest.raises(InputError, match="count=0"):
        sample_frames(recording, 0)


def test_a_clean_movie_is_said_to_be_clean(noisy):
    blank = blank_rows(noisy)
    assert not blank.rows.any()
    assert not blank.columns.any()
    assert not dead_pixels(noisy).any()
    assert saturated(noisy).ceiling is None
    assert scan_line_shift(noisy.mean(axis=0)) == 0
    assert drift(noisy).num_moved == 0
    assert abs(bleaching(noisy.mean(axis=(1, 2))).lost) < 0.06  # the neuropil comes and goes by so much


def test_blank_rows_and_columns_are_found(noisy):
    broken = noisy.copy()
    broken[:, [0, 17]] = 0
    broken[:, :, -3:] = 7
    blank = blank_rows(broken)
    assert np.flatnonzero(blank.rows).tolist() == [0, 17]
    assert np.flatnonzero(blank.columns).tolist() == [93, 94, 95]
    broken[3, 17, 40] = 1  # a line with one event in it is none
    assert np.flatnonzero(blank_rows(broken).rows).tolist() == [0]
    assert not blank_rows(np.zeros((4, 8, 8))).rows.any()


def test_dead_pixels_are_told_from_dark_ones(noisy):
    places = [(3, 4), (3, 5), (40, 60), (63, 95)]
    broken = noisy.copy()
    for i, place in enumerate(places):
        broken[(slice(None), *place)] = 3000 + i  # stuck, each at a value of its own
    found = {tuple(place) for place in np.argwhere(dead_pixels(broken)).tolist()}
    assert found == set(places)
    assert not dead_pixels(broken[:1]).any()


def test_rows_of_zero_are_dead_or_blank_but_never_both(noisy):
    broken = noisy.copy()
    broken[:, 5] = 0
    assert blank_rows(broken).rows.sum() == 1
    assert not dead_pixels(broken).any()


@pytest.mark.parametrize(("bits", "dtype"), [(8, np.uint8), (12, np.uint16), (13, np.int16), (16, np.uint16)])
def test_saturation_is_a_pile_up_at_the_ceiling(bits, dtype, rng):
    light = rng.gamma(4.0, (2**bits - 1) / 12, (20, 32, 32))
    stored = np.minimum(np.rint(light), 2**bits - 1).astype(dtype)
    found = saturated(stored)
    assert found.ceiling == 2**bits - 1
    assert found.fraction == pytest.approx((light >= 2**bits - 1.5).mean(), abs=1e-12)
    np.testing.assert_array_equal(found.mask, (stored == 2**bits - 1).any(axis=0))
    below = np.rint(light * ((2**bits - 1) / light.max())).astype(
        dtype
    )  # touches the ceiling once, in its tail
    assert saturated(below).ceiling is None


def test_a_clipped_movie_is_saturated_at_any_value(rng):
    movie = rng.normal(1000, 100, (20, 32, 32)).round()
    assert saturated(np.minimum(movie, 1150)).ceiling == 1150
    assert saturated(movie).ceiling is None
    assert saturated((movie > 1000).astype(np.uint8)).ceiling is None  # a mask, not a clipped movie


@pytest.mark.parametrize("by", [-6, -1, 1, 3, 8])
def test_scan_lines_out_of_phase_are_measured(noisy, by):
    mean = noisy.mean(axis=0)
    shifted = mean.copy()
    shifted[1::2] = np.roll(mean[1::2], by, axis=1)
    assert scan_line_shift(shifted) in ({by} if noisy.mean() > 30 else {by, 0})  # 0: too few photons to tell
    assert scan_line_shift(shifted + 20 * (np.arange(64) % 2)[:, None]) == scan_line_shift(shifted)


def test_noise_and_stripes_alone_have_no_scan_line_shift():
    shifts = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        noise = rng.standard_normal((64, 96))
        across, along = np.mgrid[:64, :96]
        slanted = (
            np.sin((across + along) / 3) + 0.1 * noise
        )  # shifts from row to row, but so do the even ones
        shifts += [scan_line_shift(noise), scan_line_shift(slanted)]
    assert np.count_nonzero(shifts) == 0
    assert scan_line_shift(np.ones((64, 96))) == 0
    assert scan_line_shift(np.ones((4, 4))) == 0


@pytest.mark.parametrize("lost", [0.0, 0.1, 0.4])
def test_bleaching_is_what_the_lamp_lost(lost, rng):
    time = np.arange(600)
    means = 500 * (1 - lost) ** (time / 599) * (1 + 0.01 * rng.standard_normal(600))
    means[100:200] *= 1.5  # a long bout of activity
    found = bleaching(means)
    assert found.fit == "exponential"
    assert found.lost == pytest.approx(lost, abs=0.02)
    least_squares = np.polyfit(time, np.log(means), 1)[0]
    assert abs(1 - np.exp(599 * least_squares) - lost) > 0.04  # what is not robust is further away
    some = sampled_indices(600, 24)
    assert bleaching(means[some], some).lost == pytest.approx(lost, abs=0.04)


def test_bleaching_of_means_about_zero_is_linear():
    found = bleaching(np.linspace(8, -2, 2000))
    assert found.fit == "linear"
    assert found.lost == pytest.approx(1.25, rel=1e-6)
    few = np.array([3.0, 5.0, 4.0, 2.5, 2.6, -1.0])
    theirs = stats.theilslopes(few, range(6))
    assert bleaching(few).lost == pytest.approx(-5 * theirs.slope / theirs.intercept, rel=1e-12)
    with pytest.raises(InputError, match="three or more"):
        bleaching([1.0, 2.0])


@pytest.mark.parametrize("photons", [70.0, 3.0])  # with fewer than one a pixel no single frame can be placed
def test_drift_counts_the_frames_that_moved(photons):
    still = simulate_study(11, num_runs=1, frames=24, num_cells=20, photons=photons).runs[0].recording[:]
    by = np.zeros((24, 2), int)
    by[18:] = (0, 4)
    moved = np.stack([np.roll(frame, shift, (0, 1)) for frame, shift in zip(still, by, strict=True)])
    found = drift(moved, reference=still.mean(axis=0))
    assert found.num_moved == 6
    np.testing.assert_allclose(found.shifts, -by, atol=0.4)
    assert not drift(np.full((3, 16, 16), 7)).shifts.any()  # black frames lie nowhere


def test_another_field_is_told_from_a_shifted_one():
    for seed, noise in enumerate(NOISE):
        same = simulate_study(seed, num_runs=4, frames=24, num_cells=20, **noise)
        other = simulate_study(seed + 100, num_runs=1, frames=24, num_cells=20, **noise)
        means = [run.recording[:].mean(axis=0) for run in (*same, *other)]
        means[1] = np.roll(means[1], (3, -5), (0, 1))
        found = misalignment(means)
        assert found.same_field.tolist() == [True, True, True, True, False]
        assert found.reference != 4
        offset = found.shifts[1] - found.shifts[[0, 2, 3]].mean(axis=0)
        np.testing.assert_allclose(offset, (-3, 5), atol=0.5)
        np.testing.assert_allclose(found.shifts[[0, 2, 3]] - found.shifts[0], 0, atol=0.3)


def test_fields_of_noise_are_not_one_field(rng):
    images = [ndimage.gaussian_filter(rng.standard_normal((64, 96)), 1.5) for _ in range(40)]
    pairs = [misalignment([a, b]).same_field.all() for a, b in zip(images[::2], images[1::2], strict=True)]
    assert sum(pairs) <= 1
    flat = misalignment([np.ones((32, 32)), np.ones((32, 32))])
    assert np.abs(flat.correlation).max() == 0
    with pytest.raises(InputError, match="one size"):
        misalignment([np.ones((32, 32)), np.ones((32, 40))])


def test_the_real_recordings(recordings):
    for name, blank in (("fmi_2p", 0), ("thunder_mouse_2p_64px", 1)):
        study = read_study(recordings / name / "study.csv")
        means = []
        for run in study:
            frames = sample_frames(run.recording, 24)
            means.append(frames.mean(axis=0))
            assert blank_rows(frames).rows.sum() == blank  # the mouse's first line holds no image
            assert set(np.argwhere(dead_pixels(frames))[:, 0].tolist()) <= {1}  # nor does its second, mostly
            assert saturated(frames).ceiling is None
            assert drift(frames).num_moved == 0
            assert scan_line_shift(means[-1]) == 0
        for by in (-3, 2, 5):
            shifted = np.mean(means, axis=0)  # one run's sample of fmi_2p has too few photons to tell
            shifted[1::2] = np.roll(shifted[1::2], by, axis=1)
            assert scan_line_shift(shifted) == by
        found = misalignment(means)
        assert found.same_field.all()
        assert np.abs(found.shifts).max() < 1
