"""Frames read anew at every asking are those held in memory, and every step can be undone."""

import numpy as np
import pytest
from scipy import ndimage

from lassovae import InputError
from lassovae._config import Preprocess
from lassovae.data import ArrayRecording, Run, Study, prepare, simulate_study
from lassovae.data._bleaching import brightness_course
from lassovae.data._corrections import AlignedLines, FilledPixels, Moved, Unbleached
from lassovae.data._geometry import BinnedFrames, Resized
from lassovae.data._movie import Treated
from lassovae.data._scaling import Scaled

SHAPE = (48, 64)
EVERYTHING = Preprocess(
    crop=(32, 48),
    crop_at=(3, 5),
    bin_frames=2,
    bleaching="divide",
    scan_lines="align",
    bad_pixels="fill",
    scaling="percentile",
    registration="rigid",
)


def study_of(*movies):
    return Study(tuple(Run(f"r{i}", ArrayRecording(m, name=f"r{i}"), "F", 0) for i, m in enumerate(movies)))


@pytest.fixture(scope="module")
def moving():
    return simulate_study(3, num_runs=2, frames=90, frame_shape=SHAPE, num_cells=6, motion_px=0.6)


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float32, np.float64])
@pytest.mark.parametrize("pre", [Preprocess(), Preprocess(downscale=2, downscale_method="mean"), EVERYTHING])
def test_reading_anew_gives_the_same_bits(moving, pre, dtype):
    study = study_of(*(run.recording[:].astype(dtype) for run in moving))
    held, anew = prepare(study, pre), prepare(study, pre, hold=False)
    assert (held.scale, held.offset, held.steps) == (anew.scale, anew.offset, anew.steps)
    np.testing.assert_array_equal(held.mean_frame, anew.mean_frame)
    for a, b in zip(held.frames, anew.frames, strict=True):
        assert isinstance(a, np.ndarray)
        assert (a.shape, a.dtype, len(a)) == (b.shape, b.dtype, len(b))
        for part in (slice(None), slice(7, 20), slice(-3, None), slice(30, 3, -4), slice(5, 5)):
            np.testing.assert_array_equal(a[part], b[part])
        np.testing.assert_array_equal(a[11], b[11])


class Counting(ArrayRecording):
    """Counts the frames that are read."""

    read = 0

    def _read(self, frames):
        self.read += len(frames)
        return super()._read(frames)


def test_frames_that_are_not_asked_for_are_not_read(rng):
    recording = Counting(rng.integers(5, 3000, (600, 16, 24)).astype(np.uint16), name="r0")
    prepared = prepare(Study((Run("r0", recording, "F", 0),)), Preprocess(bin_frames=3), hold=False)
    recording.read = 0
    assert prepared.frames[0][100:110].shape == (10, 16, 24)
    assert recording.read == 30


def test_every_step_is_undone_where_something_is_known(rng):
    movie = rng.uniform(10, 100, (12, *SHAPE)).astype(np.float32)
    inside = Resized(SHAPE, 3, 5, 32, 48, 1, "mean")
    back = inside.undo(inside.apply(movie, 0), 0)
    np.testing.assert_array_equal(back[:, 3:35, 5:53], movie[:, 3:35, 5:53])
    assert np.isnan(back).sum() == 12 * (48 * 64 - 32 * 48)

    blocks = Resized(SHAPE, 0, 0, 48, 64, 4, "mean")
    back = blocks.undo(blocks.apply(movie, 0), 0)
    np.testing.assert_allclose(blocks.apply(back, 0), blocks.apply(movie, 0), rtol=1e-6)

    lines = AlignedLines(3)
    back = lines.undo(lines.apply(movie, 0), 0)
    known = ~np.isnan(back)
    np.testing.assert_array_equal(back[known], movie[known])
    assert (~known).sum() == 12 * 24 * 3
    np.testing.assert_array_equal(lines.apply(movie, 0)[:, 1::2, 3:], movie[:, 1::2, :-3])

    course = Unbleached(np.linspace(1, 0.6, 12), 2.0)
    np.testing.assert_allclose(course.undo(course.apply(movie[4:], 4), 4), movie[4:], rtol=1e-5)
    assert np.abs(course.undo(course.apply(movie[4:], 4), 3) - movie[4:]).max() > 0.1

    scaled = Scaled(95.0, 8.0)
    np.testing.assert_allclose(scaled.undo(scaled.apply(movie, 0), 0), movie, rtol=1e-5)

    still = Moved(np.tile([[2.0, -3.0]], (12, 1)))
    back = still.undo(still.apply(movie, 0), 0)
    known = ~np.isnan(back)
    np.testing.assert_allclose(back[known], movie[known], rtol=1e-6)
    assert known.mean() == 46 * 61 / (48 * 64)  # two rows and three columns are gone

    pairs = BinnedFrames(2)
    np.testing.assert_allclose(pairs.undo(pairs.apply(movie, 0), 0)[::2], movie.reshape(6, 2, *SHAPE).mean(1))


def test_undoing_all_steps_puts_a_map_where_it_belongs(rng):
    """A crop, a shrinking and a binning later, frame 5 of what comes out is frames 10 and 11 of what came in."""
    movie = rng.integers(100, 3000, (40, *SHAPE)).astype(np.uint16)
    pre = Preprocess(crop=(32, 48), crop_at=(8, 4), downscale=2, downscale_method="mean", bin_frames=2)
    prepared = prepare(study_of(movie), pre, hold=False)
    back = prepared.treated[0].undo(prepared.frames[0][5:6], 5)
    assert back.shape == (2, *SHAPE)
    expected = movie[10:12, 8:40, 4:52].mean(axis=0).reshape(16, 2, 24, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(back[0, 8:40:2, 4:52:2], expected, rtol=1e-5)
    assert np.isnan(back[:, :8]).all()


def test_steps_count_the_frames_that_come_out(rng):
    """A step before a binning sees twice as many frames: its own number is twice the last step's."""
    movie = rng.uniform(10, 100, (40, *SHAPE))
    course = Unbleached(np.linspace(1, 0.5, 40), 0.0)
    treated = Treated(movie, [course, BinnedFrames(2)], name="r", frame_rate_hz=10.0)
    whole = (movie / course.course[:, None, None]).reshape(20, 2, *SHAPE).mean(axis=1)
    np.testing.assert_allclose(treated[7:9], whole[7:9], rtol=1e-6)
    assert (treated.shape, treated.frame_rate_hz) == ((20, *SHAPE), 5.0)


@pytest.mark.parametrize("lost", [0.3, 0.0])
def test_bleaching_is_told_from_transients(rng, lost):
    t = np.linspace(0, 1, 400)
    law = 1 - lost * (1 - np.exp(-t / 0.3)) / (1 - np.exp(-1 / 0.3))
    transients = ndimage.gaussian_filter1d((rng.random(400) < 0.01) * 3.0, 4)
    found = brightness_course(500 * (law + transients) + rng.normal(0, 1, 400))
    np.testing.assert_allclose(found, law, atol=0.03)
    assert abs((1 - found[-1]) - lost) < 0.02


def test_a_dimmer_later_condition_is_made_even():
    """What bleaching would otherwise put into the difference of conditions."""
    faded = simulate_study(1, num_runs=2, frames=200, frame_shape=SHAPE, num_cells=6, bleaching=0.4)
    first, last = (lambda x: x[:40].mean()), (lambda x: x[-40:].mean())

    def lost(pre):
        return [1 - last(frames) / first(frames) for frames in prepare(faded, pre).frames]

    assert min(lost(Preprocess())) > 0.2
    assert max(np.abs(lost(Preprocess(bleaching="divide")))) < 0.04


def test_lines_out_of_phase_are_aligned_and_bad_pixels_filled():
    study = simulate_study(3, num_runs=1, frames=60, frame_shape=(64, 96), num_cells=20)
    clean = study.runs[0].recording[:]
    shifted = clean.copy()
    shifted[:, 1::2] = np.roll(clean[:, 1::2], 2, axis=2)
    aligned = prepare(study_of(shifted, clean), Preprocess(scan_lines="align"))
    assert "odd lines moved by -2 pixels" in " ".join(aligned.steps[0])
    assert "odd lines" not in " ".join(aligned.steps[1])
    inner = (slice(None), slice(None), slice(2, -2))
    np.testing.assert_array_equal(aligned.frames[0][inner], aligned.frames[1][inner])

    broken = clean.copy()
    broken[:, 10:12] = 0
    broken[:, 30, 40] = 7
    filled = prepare(study_of(broken, clean), Preprocess(bad_pixels="fill"))
    assert "193 of 6144 pixels filled" in filled.steps[0][0]
    assert filled.steps[1][0] == filled.steps[0][0]  # in all runs alike
    assert filled.mean_frame.min() > 0
    with pytest.raises(InputError, match="bad_pixels='fill'"):
        prepare(study_of(broken, broken), Preprocess())


def test_masks_of_nothing_do_nothing(rng):
    movie = rng.integers(100, 3000, (4, *SHAPE)).astype(np.uint16)
    nothing = FilledPixels(np.zeros(SHAPE, bool), "none")
    assert nothing.apply(movie, 0) is movie
    assert nothing.says() == AlignedLines(0).says() == ""


def test_few_passes_and_no_frame_by_itself(rng):
    """A percentile of floats over more frames than are ever sampled: still whole stretches, a few times over."""
    movie = rng.uniform(1, 100, (2500, 8, 8)).astype(np.float32)
    recording = Counting(movie, name="r0")
    stretches = []
    recording._read = lambda frames: stretches.append(len(frames)) or movie[frames.start : frames.stop]
    pre = Preprocess(scaling="percentile", percentile=99.0)
    prepared = prepare(Study((Run("r0", recording, "F", 0),)), pre, hold=False)
    assert min(stretches[:-1]) >= 2500 % 64
    assert sum(stretches) <= 4 * 2500
    assert prepared.scale == pytest.approx(np.percentile(movie, 99.0), rel=1e-6)


def test_a_sampled_percentile_is_close_and_meets_every_column(rng, monkeypatch):
    from lassovae.data import _scaling

    columns = np.linspace(1, 2, 16)  # a stride that shares a factor with the width would see few of them
    movie = (rng.gamma(2.0, 100.0, (300, 16, 16)) * columns).astype(np.float32)
    exact = np.percentile(movie, 99.0)
    monkeypatch.setattr(_scaling, "SAMPLED_PIXELS", 10_000)
    found = prepare(study_of(movie), Preprocess(scaling="percentile", percentile=99.0))
    assert found.scale == pytest.approx(exact, rel=0.03)
    assert found.scale != pytest.approx(exact, rel=1e-6)
