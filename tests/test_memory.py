"""The memory that is said before a training, and what follows from it."""

import numpy as np
import pytest

from lassovae import Config, InputError, Preprocess
from lassovae._memory import plan_memory
from lassovae.data import Recording, Run, Study


class Claimed(Recording):
    """A recording of any size without a pixel."""

    def __init__(self, shape, dtype=np.uint16):
        self.name, self.shape, self.dtype, self.frame_rate_hz = "claimed", shape, np.dtype(dtype), None

    def _read(self, frames):
        raise AssertionError("a plan reads no pixels")


def study_of(*shapes):
    return Study(tuple(Run(f"r{i}", Claimed(shape), "F", i) for i, shape in enumerate(shapes)), name="long")


BIG = (23_000, 512, 512)  # 12 GB of uint16
CONFIG = Config.recommended(preprocess=Preprocess(downscale=4, downscale_method="mean"))


def test_frames_are_held_where_they_fit_and_read_anew_where_not():
    held, anew = plan_memory(study_of(BIG), CONFIG, 18.0), plan_memory(study_of(BIG), CONFIG, 4.0)
    assert (held.holds_frames, anew.holds_frames) == (True, False)
    assert anew.peak <= 4e9 < held.peak <= 18e9
    assert (
        held.frames - anew.frames == 2 * 4 * 23_000 * 128 * 128
    )  # once whole, and once more while it is scaled
    assert "held in memory" in held.sentence()
    assert "read from the recordings whenever they are needed; 4.0 GB allowed" in anew.sentence()


def test_a_plan_grows_with_what_it_is_a_plan_of():
    small, large = (plan_memory(study_of((n, 512, 512)), CONFIG, 50.0) for n in (2000, 4000))
    assert large.frames - small.frames == 2 * 4 * 2000 * 128 * 128
    assert large.analysis > small.analysis
    binned = CONFIG.replace(preprocess=Preprocess(downscale=4, downscale_method="mean", bin_frames=4))
    long = study_of((40_000, 512, 512))
    assert plan_memory(long, binned, 50.0).frames < plan_memory(long, CONFIG, 50.0).frames / 2
    paper = Config(preprocess=CONFIG.preprocess)
    assert plan_memory(study_of((2000, 512, 512)), paper, 50.0).step > 2 * small.step


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (0.5, r"max_memory_gb=0.5 is not enough: long needs about \d\.\d GB, .*preprocess.downscale=4"),
        (0.0, "max_memory_gb=0.0 must be above 0"),
        (float("nan"), "max_memory_gb=nan must be above 0"),
    ],
)
def test_what_cannot_be_kept_is_refused(limit, words):
    with pytest.raises(InputError, match=words):
        plan_memory(study_of(BIG), CONFIG, limit)


def test_without_a_limit_what_is_free_now_decides(monkeypatch):
    for free, holds in ((64e9, True), (6e9, False)):
        monkeypatch.setattr("lassovae._memory.free_memory", lambda free=free: int(free))
        assert plan_memory(study_of(BIG), CONFIG).holds_frames is holds
