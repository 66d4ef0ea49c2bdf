"""What is refused, and the words it is refused with."""

import jax
import numpy as np
import pytest
import var_references as ref

from lassovae._errors import InputError
from lassovae.var import (
    VARFit,
    fit_pooled,
    fit_runs,
    fit_var,
    predict,
    relative_error,
    rollout,
    spectral_radius,
)

Z = ref.series(61)
FIT = VARFit(np.zeros((2, 4, 4)), np.zeros(4), np.ones(()), np.zeros(4), np.zeros(4))

FIT_VAR = [
    ((Z[:, 0], 2, 0.1), {}, r"latents \(48,\) must be \(time, nodes\) or \(time, height, width\)"),
    ((Z, 0, 0.1), {}, "order=0 must be an integer of at least 1"),
    ((Z[:3], 2, 0.1), {}, "latents has 3 frames; a fit of order 2 needs at least 4: record longer or lower"),
    ((Z, 2, 0.1), {"frame_mask": np.ones(47)}, r"frame_mask \(47,\) must be \(time,\) = \(48,\)"),
    ((Z, 2, 0.1), {"source_mask": np.ones(8)}, r"source_mask \(8,\) must be \(nodes,\) = \(4,\)"),
    ((Z, 2, -0.1), {}, "lam=.* must be at least 0 and not NaN"),
    ((Z, 2, np.nan), {}, "lam=.* must be at least 0 and not NaN"),
    ((np.where(Z == Z[7, 1], np.nan, Z), 2, 0.1), {}, "NaN or Inf.*clean or mask them first"),
]


@pytest.mark.parametrize(("args", "options", "message"), FIT_VAR)
def test_fit_var_refuses(args, options, message):
    with pytest.raises(InputError, match=message):
        fit_var(*args, **options)


@pytest.mark.parametrize("fitter", [fit_runs, fit_pooled])
def test_several_runs_refuse_and_name_the_run(fitter):
    broken = Z.copy()
    broken[3, 2] = np.inf
    broken[4, 0] = np.nan
    cases = [
        ([], "list_of_latents is empty: give at least one run"),
        ([Z, Z[:3]], "run 1 has 3 frames; a fit of order 2 needs at least 4"),
        ([Z, Z[:, :3]], r"different numbers of nodes: \[4, 3\]"),
        ([Z, Z, broken], "run 2 of list_of_latents holds 2 NaN or Inf"),
    ]
    for runs, message in cases:
        with pytest.raises(InputError, match=message):
            fitter(runs, 2, 0.1)
    for order in (0, 2.5, True):
        with pytest.raises(InputError, match=f"order={order} must be an integer of at least 1"):
            fitter([Z], order, 0.1)
    for lam in (-0.1, float("nan"), "a"):
        with pytest.raises(InputError, match=f"lam={lam} must be at least 0"):
            fitter([Z], 2, lam)


def test_the_shortest_series_allowed_is_not_refused():
    assert jax.eval_shape(lambda: fit_var(Z[:4], 2, 0.1)).coef.shape == (2, 4, 4)


def test_forecasts_refuse_too_short_a_past():
    with pytest.raises(InputError, match="latents has 3 frames; a fit of order 2 needs at least 4"):
        predict(FIT, Z[:3])
    with pytest.raises(InputError, match="latents has 3 frames"):
        relative_error(FIT, Z[:3])
    with pytest.raises(InputError, match="history has 1 frames; a rollout of order 2 needs 2"):
        rollout(FIT, Z[:1], 5)
    assert rollout(FIT, Z[:2], 5).shape == (5, 4)


def test_spectral_radius_refuses_what_is_no_square_network():
    with pytest.raises(InputError, match=r"coef \(3, 3\) must be \(lags, targets, sources\)"):
        spectral_radius(np.eye(3))
    with pytest.raises(InputError, match="as many targets as sources"):
        spectral_radius(np.zeros((1, 2, 3)))
    with pytest.raises(InputError, match="NaN or Inf: fit again, or see the fit's status"):
        spectral_radius(np.full((1, 2, 2), np.nan))


@pytest.mark.parametrize("nodes", [1, 5])
@pytest.mark.parametrize("use", [predict, relative_error, lambda fit, z: rollout(fit, z, 3)])
def test_forecasts_refuse_latents_of_other_nodes(use, nodes):
    with pytest.raises(InputError, match="nodes"):
        use(FIT, np.ones((9, nodes)))


def test_a_mask_that_leaves_nothing_to_fit_is_refused_or_has_a_status():
    with pytest.raises(InputError, match="frame_mask"):
        fit_var(Z, 2, 0.1, frame_mask=np.arange(48) % 2 == 0)
