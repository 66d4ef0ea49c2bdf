"""Several runs at once: equal to one by one, whatever their lengths, order and the way they are split."""

import os
import subprocess
import sys

import jax
import numpy as np
import pytest
import var_references as ref
from var_references import FRAMES, NODES, ORDER

import lassovae.var._runs as runs_module
from lassovae.var import fit_runs, fit_var

LAM = 0.02
LENGTHS = (FRAMES, 31, 40, 6, FRAMES)


@pytest.fixture
def runs():
    return [ref.series(30 + i, frames) for i, frames in enumerate(LENGTHS)]


@pytest.fixture
def calls(monkeypatch):
    """(runs, max_active) of every batched call."""
    seen = []
    original = runs_module._fit_padded

    def spy(latents, valid, lam, **options):
        seen.append((latents.shape[0], options["max_active"]))
        return original(latents, valid, lam, **options)

    monkeypatch.setattr(runs_module, "_fit_padded", spy)
    return seen


def assert_rows_equal(fit, others, atol=1e-10):
    for field, values in zip(fit._fields, fit, strict=True):
        assert values.shape[0] == len(others)
        for i, other in enumerate(others):
            np.testing.assert_allclose(
                values[i], getattr(other, field), rtol=0, atol=atol, err_msg=f"{field} of run {i}"
            )


def test_equals_scikit_learn_and_fit_var_run_by_run(x64, runs, calls):
    fit = fit_runs(runs, ORDER, LAM)
    for i, z in enumerate(runs):
        coef, mean, scale = ref.fit(z, ORDER, LAM)
        np.testing.assert_allclose(fit.coef[i], coef, rtol=0, atol=1e-6)
        np.testing.assert_allclose(fit.mean[i], mean, rtol=0, atol=1e-13)
        np.testing.assert_allclose(fit.scale[i], scale, rtol=1e-13)
    padded = [np.concatenate([z, np.zeros((FRAMES - len(z), NODES))]) for z in runs]
    alone = [
        fit_var(p, ORDER, LAM, frame_mask=np.arange(FRAMES) < n) for p, n in zip(padded, LENGTHS, strict=True)
    ]
    assert_rows_equal(fit, alone)
    assert calls == [(5, ORDER * NODES)]


def test_whole_runs_equal_fit_var_without_any_mask(x64, runs):
    fit = fit_runs(runs, ORDER, LAM)
    for i in (0, 4):  # the runs that need no padding; the others are compared with scikit-learn above
        one = fit_var(runs[i], ORDER, LAM)
        for a, b in zip(fit, one, strict=True):
            np.testing.assert_allclose(a[i], b, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("budget_in_runs", "expected"), [(0.1, [1] * 5), (2.5, [2, 2, 2])])
def test_splitting_into_calls_changes_nothing(x64, runs, calls, monkeypatch, budget_in_runs, expected):
    whole = fit_runs(runs, ORDER, LAM)
    calls.clear()
    a_run = 24 * ORDER * NODES * (NODES + FRAMES)
    budget = int(budget_in_runs * a_run)
    monkeypatch.setattr(runs_module, "BYTES_A_CALL", {"cpu": budget, "accelerator": 2**40})
    split = fit_runs(runs, ORDER, LAM)
    assert [
        count for count, _ in calls
    ] == expected  # one shape: the last call repeats a run, its twin dropped
    for a, b in zip(split, whole, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-10)


def test_permuting_runs_permutes_fits(x64, runs):
    order = [3, 0, 4, 2, 1]
    fit, permuted = fit_runs(runs, ORDER, LAM), fit_runs([runs[i] for i in order], ORDER, LAM)
    for a, b in zip(fit, permuted, strict=True):
        np.testing.assert_allclose(a[np.array(order)], b, rtol=0, atol=1e-12)
    assert np.abs(fit.coef[0] - fit.coef[4]).max() > 0.05


def test_capacity_grows_until_the_model_fits(x64, calls, monkeypatch):
    """Small slots first; a fit that outgrows them is done again with more, up to all predictors."""
    monkeypatch.setattr(runs_module, "CAPACITIES", (3,))
    z = ref.series(30)
    assert_rows_equal(fit_runs([z], ORDER, 1e-6), [fit_var(z, ORDER, 1e-6)])
    assert calls == [(1, 3), (1, 8)]
    calls.clear()
    sparse = fit_runs([z], ORDER, 0.15)
    assert calls == [(1, 3)]
    assert 1 <= (np.asarray(sparse.coef[0]) != 0).sum(axis=(0, 2)).max() <= 3


def test_more_than_64_nonzeros_a_target(x64, calls, monkeypatch):
    monkeypatch.setattr(runs_module, "CAPACITIES", ())  # the growth is tested above: one compilation less
    z = ref.series(37, frames=90, nodes=33)
    fit = fit_runs([z], ORDER, 1e-6)
    assert calls == [(1, 66)]
    assert (np.asarray(fit.status) == 0).all()
    assert (np.asarray(fit.coef[0]) != 0).sum(axis=(0, 2)).max() > 64
    flat, _, scale = ref.centred(z)
    X, Y = ref.rows_of(flat / scale, ORDER)
    for i in range(
        33
    ):  # optimality: correlations of the residual at the level where active, below it elsewhere
        b = np.concatenate([fit.coef[0, k, i] for k in range(ORDER)])
        slope = X.T @ (Y[:, i] - X @ b) / len(X)
        level = 1e-6 * 33
        np.testing.assert_allclose(slope[b != 0], level * np.sign(b[b != 0]), rtol=0, atol=1e-12)
        assert (np.abs(slope) <= level + 1e-12).all()


def test_maps_are_accepted(x64, runs):
    maps = [z.reshape(-1, 2, 2) for z in runs]
    jax.tree.map(np.testing.assert_array_equal, fit_runs(maps, ORDER, LAM), fit_runs(runs, ORDER, LAM))


SEVERAL_DEVICES = """
import sys
import jax, numpy as np
from lassovae.var import fit_runs
given = np.load(sys.argv[1])
assert jax.local_device_count() == 2
fit = fit_runs([given[name] for name in sorted(given)], 2, 0.01)
np.savez(sys.argv[2], coef=fit.coef, status=fit.status, mean=fit.mean)
"""


def test_devices_share_the_runs(tmp_path):
    rng = np.random.default_rng(8)
    runs = {f"run_{n}": rng.standard_normal((frames, 6)) for n, frames in enumerate((40, 31, 40, 25, 36))}
    np.savez(tmp_path / "runs.npz", **runs)
    environment = os.environ | {"JAX_NUM_CPU_DEVICES": "2", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", SEVERAL_DEVICES, tmp_path / "runs.npz", tmp_path / "fit.npz"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    there = np.load(tmp_path / "fit.npz")
    here = fit_runs([runs[name].astype(np.float32) for name in sorted(runs)], 2, 0.01)
    assert (np.asarray(here.coef) != 0).any()
    np.testing.assert_allclose(there["coef"], here.coef, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(there["status"], here.status)
    np.testing.assert_allclose(there["mean"], here.mean, rtol=1e-6)


def test_long_runs_are_folded_and_stay_the_same(x64):
    """More rows than four times the columns: folded, alone or among others, in the order given."""
    lengths = (200, FRAMES, 200)
    runs = [ref.series(60 + i, frames) for i, frames in enumerate(lengths)]
    fits = fit_runs(runs, ORDER, LAM)
    for i, z in enumerate(runs):
        alone = fit_var(z, ORDER, LAM)
        np.testing.assert_allclose(fits.coef[i], alone.coef, rtol=0, atol=1e-9)
        np.testing.assert_allclose(fits.mean[i], alone.mean, rtol=0, atol=1e-12)
        np.testing.assert_allclose(fits.scale[i], alone.scale, rtol=1e-12)
