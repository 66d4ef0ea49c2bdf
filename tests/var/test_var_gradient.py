"""Derivatives through a fit against central differences, and fits under jit and vmap."""

import jax
import jax.numpy as jnp
import numpy as np
import var_references as ref
from var_references import FRAMES, NODES, ORDER

from lassovae.var import fit_var, predict, relative_error

LAM = 0.02
STEP = 1e-5  # central differences: error about STEP^2 from curvature, eps / STEP = 2e-11 from rounding


def weights(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape))


def loss_of_everything(z, lam, mask=None):
    """A loss that sees coefficients, mean, scale, forecasts and R_var."""
    fit = fit_var(z, ORDER, lam, frame_mask=mask)
    z = z if mask is None else jnp.where(mask[:, None], z, 0)
    return (
        jnp.vdot(weights(1, ORDER, NODES, NODES), fit.coef)
        + jnp.vdot(weights(2, NODES), fit.mean)
        + 3 * fit.scale**2
        + jnp.vdot(weights(3, FRAMES - ORDER, NODES), predict(fit, z))
        + relative_error(fit, z)
    )


def test_gradient_in_latents_and_lam_equals_central_differences(x64):
    z = jnp.asarray(ref.series(21))
    in_z, in_lam = jax.grad(loss_of_everything, argnums=(0, 1))(z, LAM)

    def support(z, lam):
        return fit_var(z, ORDER, lam).coef != 0

    def difference(dz, dlam):
        ends = [(z + s * STEP * dz, LAM + s * STEP * dlam) for s in (1, -1)]
        for end in ends:  # no kink in between: the comparison is with a smooth piece
            np.testing.assert_array_equal(support(*end), support(z, LAM))
        return (loss_of_everything(*ends[0]) - loss_of_everything(*ends[1])) / (2 * STEP)

    assert 3 <= int(support(z, LAM).sum()) < ORDER * NODES * NODES
    for seed in range(6):
        direction = weights(100 + seed, FRAMES, NODES)
        expected = float(jnp.vdot(in_z, direction))
        np.testing.assert_allclose(expected, difference(direction, 0.0), rtol=1e-6, atol=1e-6)
    for t, i in [(0, 0), (1, 3), (ORDER, 1), (FRAMES // 2, 2), (FRAMES - 1, 3)]:  # both ends and the middle
        direction = jnp.zeros_like(z).at[t, i].set(1)
        np.testing.assert_allclose(in_z[t, i], difference(direction, 0.0), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(in_lam, difference(jnp.zeros_like(z), 0.1) / 0.1, rtol=1e-6)
    assert abs(float(in_lam)) > 1e-3


def test_the_fit_itself_carries_gradient(x64):
    """A stopped fit would leave the derivative of the mean and the scale only."""
    z = jnp.asarray(ref.series(21))

    def loss(z, lam):
        return jnp.vdot(weights(1, ORDER, NODES, NODES), fit_var(z, ORDER, lam).coef)

    gradient, _ = jax.grad(loss, argnums=(0, 1))(z, LAM)  # the same arguments in every test: one compilation
    assert float(jnp.abs(gradient).max()) > 1e-2
    # invariances of the coefficients: to offsets of each node and to the common scale
    np.testing.assert_allclose(gradient.sum(axis=0), np.zeros(NODES), rtol=0, atol=1e-12)
    np.testing.assert_allclose(jnp.vdot(gradient, z), 0, rtol=0, atol=1e-11)


def test_no_gradient_reaches_masked_frames_or_comes_from_their_nan(x64):
    valid = np.ones(FRAMES, bool)
    valid[[5, 20, 21, 47]] = False
    z = np.where(valid[:, None], ref.series(22), np.nan)
    slopes = jax.grad(loss_of_everything, argnums=(0, 1))
    gradient = np.asarray(slopes(jnp.asarray(z), LAM, jnp.asarray(valid))[0])
    np.testing.assert_array_equal(gradient[~valid], 0)
    assert np.isfinite(gradient).all()
    filled = np.asarray(slopes(jnp.nan_to_num(z), LAM, jnp.asarray(valid))[0])
    np.testing.assert_array_equal(gradient, filled)


def test_constant_latents_have_a_finite_gradient(x64):
    """The scale is a square root, which has no derivative at zero."""

    def loss(z, lam):
        fit = fit_var(z, ORDER, lam)
        return fit.scale + fit.coef.sum()

    gradient, _ = jax.grad(loss, argnums=(0, 1))(jnp.zeros((FRAMES, NODES)), LAM)
    np.testing.assert_array_equal(gradient, np.zeros((FRAMES, NODES)))


def test_jit_and_vmap_over_series_and_strengths_give_the_eager_fits(x64):
    several, strengths = np.stack([ref.series(s) for s in (23, 24, 25)]), np.array([0.1, 0.02, 0.005])
    batched = jax.jit(jax.vmap(lambda z, lam: fit_var(z, ORDER, lam)))(several, strengths)
    for index, (z, lam) in enumerate(zip(several, strengths, strict=True)):
        for a, b in zip(batched, fit_var(z, ORDER, lam), strict=True):
            np.testing.assert_allclose(a[index], b, rtol=0, atol=1e-11)
