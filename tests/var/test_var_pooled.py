"""One VAR for several runs: that of the stacked rows, however many of them are folded into how few."""

import jax
import numpy as np
import pytest
import var_references as ref
from var_references import FRAMES, NODES, ORDER

import lassovae.var._pooled as pooled_module
from lassovae.var import fit_pooled
from lassovae.var._pooled import folded

LAM = 0.02
LENGTHS = (FRAMES, 31, 40, 6, FRAMES)


@pytest.fixture
def runs():
    return [ref.series(30 + i, frames) for i, frames in enumerate(LENGTHS)]


def test_pooled_equals_stacked_rows(x64, runs):
    """Each run centred by itself, one scale, no row across two runs."""
    fit = fit_pooled(runs, ORDER, LAM)
    flats = [ref.centred(z)[0] for z in runs]
    scale = np.concatenate(flats).std()  # of values whose mean is zero a run
    X, Y = (np.concatenate(p) for p in zip(*(ref.rows_of(f / scale, ORDER) for f in flats), strict=True))
    assert len(X) == sum(LENGTHS) - ORDER * len(runs)
    coef = ref.fit_rows(X, Y, ORDER, LAM)
    assert np.count_nonzero(coef) >= 3
    np.testing.assert_allclose(fit.coef, coef, rtol=0, atol=1e-6)
    np.testing.assert_allclose(fit.scale, scale, rtol=1e-12)
    np.testing.assert_allclose(fit.mean, np.concatenate(runs).mean(axis=0), rtol=0, atol=1e-12)
    glued = ref.fit(np.concatenate(runs), ORDER, LAM)[0]  # rows across seams, one centring for all
    assert np.abs(fit.coef - glued).max() > 0.01


def test_pooling_does_not_see_the_level_of_a_run(x64, runs):
    """Runs at different baselines: the offsets between them must not look like dynamics."""
    lifted = [z + 50.0 * i for i, z in enumerate(runs)]
    a, b = fit_pooled(runs, ORDER, LAM), fit_pooled(lifted, ORDER, LAM)
    np.testing.assert_allclose(a.coef, b.coef, rtol=0, atol=1e-10)
    np.testing.assert_allclose(a.scale, b.scale, rtol=1e-11)


def test_maps_are_accepted(x64, runs):
    maps = [z.reshape(-1, 2, 2) for z in runs]
    jax.tree.map(np.testing.assert_array_equal, fit_pooled(maps, ORDER, LAM), fit_pooled(runs, ORDER, LAM))


def test_folding_keeps_norms_and_correlations():
    rng = np.random.default_rng(3)
    design, targets = rng.standard_normal((400, 7)) * np.logspace(-6, 6, 7), rng.standard_normal((400, 3))
    design[:, 2] = design[:, 4] * 1e-3  # dependent columns
    X, Y = folded([(design, targets)])
    assert (len(X), len(Y)) == (10, 10)
    both, few = np.concatenate([design, targets], axis=1), np.concatenate([X, Y], axis=1)
    size = np.linalg.norm(both, axis=0) / np.sqrt(len(both))
    gram = both.T @ both / len(both) / size / size[:, None]
    np.testing.assert_allclose(few.T @ few / len(few) / size / size[:, None], gram, rtol=0, atol=1e-13)
    some = folded([(design[:9], targets[:9])])  # nothing to fold
    np.testing.assert_array_equal(some[0], design[:9])
    np.testing.assert_array_equal(some[1], targets[:9])


def test_folding_piece_by_piece_is_folding_all():
    """Of unequal pieces, some shorter than their columns, more rows than are ever collected."""
    rng = np.random.default_rng(4)
    design, targets = rng.standard_normal((500, 7)), rng.standard_normal((500, 3))
    cuts = np.cumsum([3, 50, 1, 200, 11])
    pieces = zip(np.split(design, cuts), np.split(targets, cuts), strict=True)
    few, whole = (np.concatenate(folded(p), axis=1) for p in (pieces, [(design, targets)]))
    assert few.shape == (10, 10)
    np.testing.assert_allclose(few.T @ few, whole.T @ whole, rtol=0, atol=1e-12)
    lost = np.concatenate(folded([(design[:300], targets[:300])]), axis=1)
    assert np.abs(lost.T @ lost - few.T @ few).max() > 1e-2


def test_folded_rows_have_the_same_lasso(x64, runs, monkeypatch):
    runs = [z.astype(np.float32) for z in runs]
    few = fit_pooled(runs, ORDER, LAM)
    assert few.coef.dtype == np.float32
    monkeypatch.setattr(
        pooled_module, "folded", lambda pieces: map(np.concatenate, zip(*pieces, strict=True))
    )
    all_rows = fit_pooled(runs, ORDER, LAM)
    np.testing.assert_array_equal(few.coef != 0, all_rows.coef != 0)
    np.testing.assert_allclose(few.coef, all_rows.coef, rtol=0, atol=2e-6)
    np.testing.assert_allclose(few.gap, all_rows.gap, rtol=0, atol=2e-6)


def test_a_static_study_has_no_coefficient(x64):
    fit = fit_pooled([np.full((30, NODES), 0.3)] * 3, ORDER, LAM)
    assert not fit.coef.any()
    assert fit.scale == 0


def test_targets_solved_a_few_at_a_time_with_more_room_are_the_same(x64, runs, monkeypatch):
    """Three slots first, then all: of those that need more two at a time, the last with a filling beside it."""
    whole = fit_pooled(runs, ORDER, LAM)
    counts = (np.asarray(whole.coef) != 0).sum(axis=(0, 2))
    assert (counts > 2).sum() > 2  # more than one call
    shapes = []

    def spy(order, capacity):
        def call(design, targets, *rest):
            shapes.append((capacity, targets.shape[2]))
            return program(order, capacity)(design, targets, *rest)

        return call

    program = pooled_module._program
    monkeypatch.setattr(pooled_module, "_program", spy)
    monkeypatch.setattr(pooled_module, "CAPACITIES", (0, 2))
    monkeypatch.setattr(pooled_module, "BYTES_A_CALL", 8 * (NODES * ORDER) ** 2 * 2)
    parts = fit_pooled(runs, ORDER, LAM)
    assert shapes[0] == (2, NODES)
    assert {shape for shape in shapes[1:]} == {(NODES * ORDER, 2)}
    np.testing.assert_array_equal(parts.status, whole.status)
    np.testing.assert_allclose(parts.coef, whole.coef, rtol=0, atol=1e-9)
    np.testing.assert_allclose(parts.gap, whole.gap, rtol=0, atol=1e-9)
