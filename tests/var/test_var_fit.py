"""fit_var against scikit-learn on an explicit regression, and the invariances of the model."""

import jax
import numpy as np
import pytest
import var_references as ref
from var_references import FRAMES, NODES, ORDER

from lassovae.var import fit_var, relative_error

LAM = 0.02


def assert_same_fit(ours, theirs, atol):
    for name, a, b in zip(ours._fields, ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=atol, err_msg=name)


@pytest.mark.parametrize("lam", [0.1, 0.02, 0.001, 0.0])
def test_equals_scikit_learn_target_by_target(x64, lam):
    z = ref.series(1)
    fit = fit_var(z, ORDER, lam)
    if lam > 0:
        coef, mean, scale = ref.fit(z, ORDER, lam)
        assert np.count_nonzero(coef) >= 3  # an empty model would compare zeros
    else:  # the end of the path is least squares
        flat, mean, scale = ref.centred(z)
        b = np.linalg.lstsq(*ref.rows_of(flat / scale, ORDER), rcond=None)[0]
        coef = b.reshape(ORDER, NODES, NODES).swapaxes(1, 2)
    np.testing.assert_allclose(fit.coef, coef, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(np.asarray(fit.coef) != 0, coef != 0)
    np.testing.assert_allclose(fit.mean, mean, rtol=0, atol=1e-13)
    np.testing.assert_allclose(fit.scale, scale, rtol=1e-13)
    np.testing.assert_array_equal(fit.status, np.zeros(NODES))
    assert np.asarray(fit.gap).max() < 1e-12


def test_lam_is_the_strength_on_the_mean_over_all_entries(x64):
    """The vectorised regression itself: one lasso over all targets whose design is block diagonal."""
    z = ref.series(2)
    flat, _, scale = ref.centred(z)
    X, Y = ref.rows_of(flat / scale, ORDER)
    b = ref.lasso(np.kron(np.eye(NODES), X), Y.T.reshape(-1), LAM)
    coef = b.reshape(NODES, ORDER, NODES).swapaxes(0, 1)
    assert 3 <= np.count_nonzero(coef) < coef.size
    np.testing.assert_allclose(fit_var(z, ORDER, LAM).coef, coef, rtol=0, atol=1e-6)


def test_rows_are_targets_columns_are_sources_and_lag_one_comes_first(x64):
    """Node 3 drives node 1 two frames later; its twins in the other order of lags or transposed are empty."""
    truth = np.zeros((ORDER, NODES, NODES))
    truth[1, 1, 3] = 0.9
    z = ref.simulate(truth, FRAMES, 3, noise=1.0)
    coef = np.asarray(fit_var(z, ORDER, 0.06).coef)
    assert coef.shape == (ORDER, NODES, NODES)  # lags, targets, sources
    assert coef[1, 1, 3] > 0.5
    assert np.unravel_index(np.abs(coef).argmax(), coef.shape) == (1, 1, 3)
    for twin in (coef.swapaxes(1, 2), coef[::-1]):
        assert abs(twin[1, 1, 3]) < 0.1


def test_a_constant_offset_a_node_moves_the_mean_alone(x64):
    z, offset = ref.series(4), np.array([100.0, -3.0, 0.5, 12.0])
    fit, moved = fit_var(z, ORDER, LAM), fit_var(z + offset, ORDER, LAM)
    np.testing.assert_allclose(moved.mean - fit.mean, offset, rtol=0, atol=1e-11)
    assert_same_fit(moved._replace(mean=fit.mean), fit, 1e-11)


def test_the_units_of_the_latents_move_mean_and_scale_alone(x64):
    z, unit = ref.series(5), 1234.5
    fit, scaled = fit_var(z, ORDER, LAM), fit_var(unit * z, ORDER, LAM)
    assert_same_fit(scaled._replace(mean=scaled.mean / unit, scale=scaled.scale / unit), fit, 1e-11)


def test_one_scale_for_all_nodes_keeps_their_relative_sizes(x64):
    """A node in other units is another problem: the scale is not taken node by node."""
    z = ref.series(6)
    stretched = z * np.array([1.0, 1.0, 5.0, 1.0])
    coef, _, _ = ref.fit(stretched, ORDER, LAM)
    fit = fit_var(stretched, ORDER, LAM)
    np.testing.assert_allclose(fit.coef, coef, rtol=0, atol=1e-6)
    assert np.abs(fit.coef - fit_var(z, ORDER, LAM).coef).max() > 0.05


def test_without_centring_an_offset_is_forecast_almost_perfectly(x64):
    """White noise has nothing to forecast; an offset fakes an R_var near zero unless it is taken off."""
    z = np.random.default_rng(7).normal(size=(FRAMES, NODES)) + 20.0
    trap = fit_var(z, ORDER, LAM, center=False)
    np.testing.assert_array_equal(trap.mean, np.zeros(NODES))
    assert 0 < float(relative_error(trap, z)) < 0.02
    # the fit may chase noise in the sample it sees, at most by the fraction of predictors a row
    assert float(relative_error(fit_var(z, ORDER, 0.05), z)) > 0.9


@pytest.mark.parametrize("garbage", [1e6, np.nan, np.inf], ids=["large", "nan", "inf"])
def test_masked_frames_do_not_exist(x64, garbage):
    z, valid = ref.series(8), np.ones(FRAMES, bool)
    valid[[0, 13, 14, 30, 45, 46, 47]] = False
    coef, mean, scale = ref.fit(z, ORDER, LAM, valid)
    assert np.count_nonzero(coef) >= 3
    filled = np.where(valid[:, None], z, garbage)
    fit = fit_var(filled, ORDER, LAM, frame_mask=valid)
    np.testing.assert_allclose(fit.coef, coef, rtol=0, atol=1e-6)
    np.testing.assert_allclose(fit.mean, mean, rtol=0, atol=1e-13)
    np.testing.assert_allclose(fit.scale, scale, rtol=1e-13)
    clean = fit_var(np.where(valid[:, None], z, 0.0), ORDER, LAM, frame_mask=valid)
    jax.tree.map(np.testing.assert_array_equal, fit, clean)


def test_masked_rows_are_not_counted_in_the_penalty(x64):
    """Padding a series with masked frames leaves its fit alone: lam keeps its meaning."""
    z = ref.series(9)
    valid = np.arange(FRAMES) < 30
    padded = fit_var(np.where(valid[:, None], z, 0), ORDER, LAM, frame_mask=valid)
    coef, _, _ = ref.fit(z[:30], ORDER, LAM)
    np.testing.assert_allclose(padded.coef, coef, rtol=0, atol=1e-6)


def test_source_mask_takes_sources_out_of_the_regression(x64):
    z, allowed = ref.series(10), np.array([True, False, True, True])
    coef = np.asarray(fit_var(z, ORDER, LAM, source_mask=allowed).coef)
    np.testing.assert_array_equal(coef[:, :, 1], 0)
    flat, _, scale = ref.centred(z)
    X, Y = ref.rows_of(flat / scale, ORDER)
    for i in range(NODES):  # node 1 stays a target
        b = ref.lasso(X[:, np.tile(allowed, ORDER)], Y[:, i], LAM * NODES)
        np.testing.assert_allclose(coef[:, i][:, allowed], b.reshape(ORDER, -1), rtol=0, atol=1e-6)
    assert (
        np.abs(fit_var(z, ORDER, LAM).coef[:, :, 1]).max() > 0.05
    )  # or the mask would have had nothing to do


def test_maps_are_flattened_row_by_row(x64):
    z = ref.series(11)
    jax.tree.map(
        np.testing.assert_array_equal, fit_var(z.reshape(-1, 2, 2), ORDER, LAM), fit_var(z, ORDER, LAM)
    )


def test_a_long_series_gives_back_the_network_that_made_it(x64):
    """Support without a miss or a false edge. Strength: twice the sampling error of a correlation, sqrt(1/T)."""
    rng = np.random.default_rng(12)
    nodes, frames = 8, 6000
    truth = np.zeros((ORDER, nodes, nodes))
    edges = rng.choice(truth.size, size=12, replace=False)
    truth.flat[edges] = rng.choice([-0.4, 0.4], size=12)
    assert ref.companion_radius(truth) < 0.95
    z = ref.simulate(truth, frames, 13)
    fit = fit_var(z, ORDER, 0.06 / nodes)
    assert (np.asarray(fit.status) == 0).all()
    np.testing.assert_array_equal(np.asarray(fit.coef) != 0, truth != 0)
    np.testing.assert_array_equal(np.sign(fit.coef), np.sign(truth))


def test_results_follow_the_dtype_of_the_latents():
    z = ref.series(14).astype(np.float32)
    fit = fit_var(z, ORDER, LAM)
    assert {str(fit.coef.dtype), str(fit.mean.dtype), str(fit.scale.dtype)} == {"float32"}
    coef, _, _ = ref.fit(z.astype(float), ORDER, LAM)
    np.testing.assert_allclose(fit.coef, coef, rtol=0, atol=1e-4)
    assert str(fit.status.dtype) == "int32"


def test_a_dead_series_has_an_empty_model(x64):
    fit = fit_var(np.zeros((FRAMES, NODES)), ORDER, LAM)
    for value in fit:
        np.testing.assert_array_equal(value, np.zeros(value.shape))


def test_a_static_series_in_single_precision_is_not_forecast_perfectly():
    """A dead encoder gives constant latents; what centring leaves of them is rounding error, not signal."""
    z = np.tile(np.array([0.1, 0.3, 0.7, 1.1], np.float32), (FRAMES, 1))
    fit = fit_var(z, ORDER, LAM)
    assert float(fit.scale) == 0 or float(relative_error(fit, z)) > 0.99
