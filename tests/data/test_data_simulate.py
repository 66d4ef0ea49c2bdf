"""Simulated studies: their dynamics, their noise, their seeds, and that what they hide can be found."""

import os
import subprocess
import sys

import numpy as np
import pytest
from sklearn.linear_model import Lasso
from sklearn.metrics import roc_auc_score

from lassovae import InputError
from lassovae.data import simulate_study
from lassovae.data._simulate import _draw_length
from lassovae.data._simulate_coupling import Wiring, draw_decays, spectral_radius

SMALL = {"num_runs": 2, "frames": 30, "frame_shape": (40, 48), "num_cells": 8, "block_size": 1}


@pytest.fixture(scope="module")
def study():
    return simulate_study(7, num_runs=6, block_size=4)


def test_shapes(study):
    truth = study.truth
    assert (study.labels, study.blocks) == (("F",) * 4 + ("N",) * 2, (0,) * 4 + (1,) * 2)
    assert (study.lengths, study.frame_shape) == ((320,) * 6, (64, 96))
    assert all(run.recording.dtype == np.uint16 and run.recording.frame_rate_hz == 10 for run in study)
    assert truth.num_cells == 30
    assert truth.positions.shape == (30, 2)
    assert truth.footprints.shape == (30, 64, 96)
    assert truth.baseline.shape == (64, 96)
    assert [trace.shape for trace in truth.traces] == [(320, 30)] * 6
    assert all(truth.coupling[c].shape == (2, 30, 30) for c in truth.conditions)
    assert truth.coupled.dtype == truth.changed.dtype == truth.drivers["F"].dtype == bool


@pytest.mark.parametrize("seed", range(5))
def test_the_dynamics_are_stable_by_construction(seed):
    truth = simulate_study(seed, **SMALL | {"coupling": 50.0}).truth
    for condition in truth.conditions:
        assert spectral_radius(truth.coupling[condition]) == pytest.approx(truth.decays.max(), abs=1e-6)
        np.testing.assert_array_equal(np.diagonal(truth.coupling[condition][0]), truth.decays)
    assert 0 < truth.decays.max() < 1


def test_calcium_follows_the_var_with_positive_sparse_innovations(study):
    for run, trace in zip(study, study.truth.traces, strict=True):
        coupling = study.truth.coupling[run.condition]
        innovations = trace[2:] - sum(trace[2 - k - 1 : len(trace) - k - 1] @ coupling[k].T for k in range(2))
        assert innovations.min() > -1e-9
        assert 0.01 < (innovations > 1e-9).mean() < 0.15


def test_coupling_differs_between_conditions(study):
    truth = study.truth
    lost = truth.edges("F") & ~truth.edges("N")
    gained = truth.edges("N") & ~truth.edges("F")
    weaker = truth.edges("F") & truth.edges("N") & (truth.coupling["N"].sum(0) < truth.coupling["F"].sum(0))
    assert lost.any()
    assert gained.any()
    assert weaker.any()
    changed = (lost | gained | weaker).any(axis=0)
    np.testing.assert_array_equal(truth.changed, changed)
    np.testing.assert_array_equal(truth.drivers["F"], truth.edges("F").any(axis=0))
    either = truth.edges("F") | truth.edges("N")
    np.testing.assert_array_equal(truth.coupled, either.any(axis=0) | either.any(axis=1))
    assert truth.drivers["F"].sum() == 8
    assert set(truth.edges("F").sum(axis=0)[truth.drivers["F"]]) <= {2, 3}
    assert not (either.any(axis=0) & either.any(axis=1)).any()


def test_cells_lie_apart_and_off_the_border(study):
    positions, footprints = study.truth.positions, study.truth.footprints
    gaps = np.hypot(*(positions[:, None] - positions[None]).T) + 99 * np.eye(30)
    assert gaps.min() >= 9.5
    assert positions.min() >= 6
    assert (np.array([63, 95]) - positions).min() >= 6
    assert np.ptp(positions % 8, axis=0).min() > 4
    np.testing.assert_allclose(footprints.max(axis=(1, 2)), 1)
    areas = (footprints > 0.3).sum(axis=(1, 2))
    assert areas.min() > 25
    assert areas.max() < 90


def test_pixels_are_plausible(study):
    movie = study.runs[0].recording[:]
    assert movie.min() > 0
    assert movie.max() < 65535
    mean = movie.mean(axis=0)
    centres = study.truth.footprints.max(axis=0) > 0.6
    peak = ((movie - mean) / mean)[:, centres].max()
    assert 0.5 < peak < 6
    np.testing.assert_allclose(
        np.median(movie[:, ~centres] - 20.0), np.median(study.truth.baseline[~centres]), rtol=0.1
    )


def test_shot_noise_has_a_variance_proportional_to_the_mean():
    quiet = {"burst_rate_hz": 0.0, "neuropil": 0.0, "read_noise": 0.0, "gain": 8.0}
    movie = simulate_study(1, **SMALL | quiet | {"num_runs": 1, "frames": 600}).runs[0].recording[:] - 20.0
    mean, variance = movie.mean(axis=0), movie.var(axis=0)
    np.testing.assert_allclose((variance / mean).mean(), 8.0, rtol=0.01)
    slope = np.polyfit(mean.ravel(), variance.ravel(), 1)[0]
    assert slope == pytest.approx(8.0, rel=0.1)
    relative = np.sqrt(variance) / mean
    assert 0.08 < np.median(relative) < 0.16


def test_seeds():
    first, same, other = (simulate_study(seed, **SMALL) for seed in (4, 4, 5))
    for a, b, c in zip(first, same, other, strict=True):
        np.testing.assert_array_equal(a.recording[:], b.recording[:])
        assert (a.recording[:] != c.recording[:]).any()
    assert (first.runs[0].recording[:] != first.runs[1].recording[:]).any()
    np.testing.assert_array_equal(
        simulate_study(np.array([0, 7], np.uint32), **SMALL).truth.positions,
        simulate_study((0, 7), **SMALL).truth.positions,
    )


def test_adding_runs_keeps_the_earlier_ones():
    few, many = simulate_study(4, **SMALL), simulate_study(4, **SMALL | {"num_runs": 5})
    for a, b in zip(few, many, strict=False):
        assert (a.name, a.condition, a.block) == (b.name, b.condition, b.block)
        np.testing.assert_array_equal(a.recording[:], b.recording[:])
    np.testing.assert_array_equal(few.truth.coupling["N"], many.truth.coupling["N"])


def test_lengths_are_drawn_within_their_bounds():
    lengths = simulate_study(2, **SMALL | {"num_runs": 12, "frames": (10, 40)}).lengths
    assert min(lengths) >= 10
    assert max(lengths) <= 40
    assert len(set(lengths)) > 2


def test_lengths_have_the_mean_and_the_spread_of_the_papers():
    """434.8 +- 160.9 frames, from 306 to 1206; over 4000 draws their mean is known to 2.5 frames."""
    rng = np.random.default_rng(0)
    lengths = [_draw_length(rng, 306, 1206) for _ in range(4000)]
    assert np.mean(lengths) == pytest.approx(434.8, abs=8)
    assert np.std(lengths) == pytest.approx(160.9, abs=8)
    assert min(lengths) == 306
    assert max(lengths) <= 1206


def test_bleaching_drift_and_motion():
    quiet = SMALL | {"burst_rate_hz": 0.0, "frames": 200, "num_runs": 1}
    still = simulate_study(3, **quiet).runs[0].recording[:].astype(float)
    bleached = simulate_study(3, **quiet, bleaching=0.4).runs[0].recording[:] - 20.0
    assert bleached[-20:].mean() / bleached[:20].mean() == pytest.approx(0.6, abs=0.05)
    drifted = (simulate_study(3, **quiet, drift=0.2).runs[0].recording[:] - 20.0).mean(axis=(1, 2))
    assert np.ptp(drifted) / drifted.mean() > 0.15
    moved = simulate_study(3, **quiet, motion_px=1.5).runs[0].recording[:].astype(float)
    assert moved.var(axis=0).mean() > 1.5 * still.var(axis=0).mean()


def test_more_conditions_and_one():
    three = simulate_study(0, **SMALL | {"num_runs": 4, "conditions": ("a", "b", "c")})
    assert three.labels == ("a", "b", "c", "a")
    assert (three.truth.coupling["b"] != three.truth.coupling["c"]).any()
    one = simulate_study(0, **SMALL | {"conditions": ("a",)})
    assert not one.truth.changed.any()
    np.testing.assert_array_equal(one.truth.coupling["a"], three.truth.coupling["a"])
    assert simulate_study(0, **SMALL | {"num_cells": 1}).truth.drivers["F"].sum() == 0


def test_contrast_is_a_share_of_the_way_to_the_other_condition():
    whole, half, none = (simulate_study(1, **SMALL, contrast=c).truth for c in (1.0, 0.5, 0.0))
    first, second = whole.coupling["F"], whole.coupling["N"]
    np.testing.assert_array_equal(half.coupling["F"], first)
    np.testing.assert_allclose(half.coupling["N"], (first + second) / 2, atol=1e-15)
    np.testing.assert_array_equal(none.coupling["N"], first)
    assert half.changed.any()
    assert not none.changed.any()
    for a, b in zip(whole.traces[:1], none.traces[:1], strict=True):
        np.testing.assert_array_equal(a, b)  # runs of the first condition stay as they are


def test_blocks_have_couplings_of_their_own():
    """Of a driver's followers, not of its own decay; the same for all runs of a block, one on average."""
    rng = np.random.default_rng(0)
    wiring = Wiring(rng, draw_decays(rng, 12, 10.0), 2.0)
    many = np.stack([wiring.varied(rng, wiring.first, 0.3) for _ in range(4000)])
    linked = (wiring.first != 0) & ~np.eye(12, dtype=bool)
    assert ((many != 0) == (wiring.first != 0)).all()
    np.testing.assert_allclose(
        many[:, 0, np.arange(12), np.arange(12)], np.tile(wiring.decays, (4000, 1)), rtol=1e-12
    )
    factors = many[:, linked] / wiring.first[linked]
    np.testing.assert_allclose(factors.mean(axis=0), 1, atol=0.03)
    np.testing.assert_allclose(np.log(factors).std(axis=0), 0.3, rtol=0.05)
    source = np.nonzero(linked)[2]
    same = factors[:, source == source[0]]
    np.testing.assert_allclose(same, same[:, :1] + 0 * same, rtol=1e-9)
    assert spectral_radius(many[0]) < 1
    plain, varied = (simulate_study(2, **SMALL, block_effect=e) for e in (0.0, 0.5))
    assert not np.array_equal(plain.truth.traces[0], varied.truth.traces[0])
    np.testing.assert_array_equal(plain.truth.coupling["F"], varied.truth.coupling["F"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"contrast": 1.5}, r"contrast=1\.5 must lie in \[0, 1\]"),
        ({"block_effect": -0.1}, r"block_effect=-0\.1"),
        ({"num_runs": 0}, "num_runs=0"),
        ({"num_cells": 2.5}, r"num_cells=2\.5 must be an integer"),
        ({"num_cells": 200}, "num_cells=200 do not fit"),
        ({"frames": (5, 3)}, "low <= high"),
        ({"frames": 0}, "frames=0"),
        ({"frame_shape": (8, 40)}, "at least 16 pixels"),
        ({"conditions": ("F", "F")}, "all different"),
        ({"conditions": "FN"}, "a sequence of one or more labels"),
        ({"photons": -1.0}, r"photons=-1\.0"),
        ({"coupling": float("nan")}, "coupling=nan"),
        ({"bleaching": 1.0}, r"bleaching=1\.0 must lie in \[0, 1\)"),
        ({"frame_rate_hz": 0.0}, "frame_rate_hz=0"),
    ],
)
def test_settings_out_of_range(changes, message):
    with pytest.raises(InputError, match=message):
        simulate_study(0, **SMALL | changes)


@pytest.mark.parametrize("seed", [-1, 1.5, "a", None])
def test_seeds_out_of_range(seed):
    with pytest.raises(InputError, match="seed="):
        simulate_study(seed, **SMALL)


def block_mean_fit(study, condition, order=5, alpha=0.03):
    """VAR coefficients (lags, targets, sources) of 8x8 block means of dF/F, pooled over the runs of a condition."""
    rows, targets = [], []
    for i in study.select(condition):
        movie = study.runs[i].recording[:].astype(np.float64)
        mean = movie.mean(axis=0)
        time, height, width = movie.shape
        blocks = ((movie - mean) / mean).reshape(time, height // 8, 8, width // 8, 8)
        nodes = blocks.mean(axis=(2, 4)).reshape(time, -1)
        nodes -= nodes.mean(axis=0)
        rows.append(np.hstack([nodes[order - k - 1 : time - k - 1] for k in range(order)]))
        targets.append(nodes[order:])
    x, y = np.concatenate(rows), np.concatenate(targets)
    x, y = x / y.std(), y / y.std()
    fit = Lasso(alpha=alpha, fit_intercept=False, precompute=True, max_iter=3000, tol=1e-3).fit(x, y)
    return fit.coef_.reshape(y.shape[1], order, y.shape[1]).transpose(1, 0, 2)


def test_a_lasso_on_local_averages_finds_drivers_and_edges():
    drivers, edges = [], []
    for seed in range(2):
        study = simulate_study(seed, num_runs=4)
        truth = study.truth
        node = truth.footprints.reshape(30, 8, 8, 12, 8).sum(axis=(2, 4)).reshape(30, -1).argmax(axis=1)
        assert len(set(node)) == 30
        coef = block_mean_fit(study, "F")
        outflow = np.abs(coef).sum(axis=0)
        np.fill_diagonal(outflow, 0)
        drivers.append(roc_auc_score(truth.drivers["F"], outflow.sum(axis=0)[node]))
        pair = np.abs(coef.sum(axis=0))[np.ix_(node, node)]
        apart = ~np.eye(30, dtype=bool)
        edges.append(roc_auc_score(truth.edges("F")[apart], pair[apart]))
    assert min(drivers) >= 0.8  # drivers are no more active than others: outflow alone must tell them
    assert min(edges) >= 0.97


WATCHED = """
import hashlib

import numpy as np
from lassovae.data import _simulate, simulate_study

digest, rendered = hashlib.sha256(), []

class Watched(np.random.Generator):
    def poisson(self, light, *rest):
        if rendered:  # of the movie, whose rounded counts would hide the last bits of the light
            digest.update(np.ascontiguousarray(light).tobytes())
        return super().poisson(light, *rest)

def render(*arguments, **settings):
    rendered.append(1)
    return _render(*arguments, **settings)

_render, _simulate._render = _simulate._render, render
_simulate.np.random.default_rng = lambda seed: Watched(np.random.PCG64(seed))
study = simulate_study(7, num_runs=2, frames=101, frame_shape=(48, 80), num_cells=20, block_size=1)
assert len(rendered) == 2
truth = study.truth
for array in (*(run.recording[:] for run in study), *truth.traces, truth.baseline, *truth.coupling.values()):
    digest.update(array.tobytes())
print(digest.hexdigest())
"""


def test_no_bit_depends_on_the_number_of_threads():
    """BLAS rounds a product of 37 rows, the last chunk of 101 frames, otherwise on one thread than on two."""
    jobs = []
    for threads in "12":
        names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
        environment = os.environ | dict.fromkeys(names, threads)
        command = [sys.executable, "-c", WATCHED]
        pipe = subprocess.PIPE
        jobs.append(subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True))
    (one, said), (two, also) = (job.communicate(timeout=120) for job in jobs)
    assert len(one) > 60, said + also
    assert one == two
