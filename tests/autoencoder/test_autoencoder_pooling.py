"""Pooling and unpooling against loops, their algebra, and their derivatives."""

import autoencoder_references as ref
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lassovae.autoencoder import max_pool, max_unpool, mean_positions, position_weights

SHAPE = (3, 6, 8, 2)
POOLED = (3, 3, 4, 2)


@pytest.mark.parametrize("ties", [False, True])
def test_pool_equals_a_loop_and_the_first_of_equal_values_wins(rng, ties):
    x = (
        rng.integers(0, 2, size=SHAPE).astype(np.float32)
        if ties
        else rng.normal(size=SHAPE).astype(np.float32)
    )
    values, positions = max_pool(jnp.asarray(x))
    expected, where = ref.pool_loop(x)
    np.testing.assert_array_equal(values, expected)
    np.testing.assert_array_equal(positions, where)
    assert positions.dtype == jnp.int8
    assert set(np.unique(where)) == {0, 1, 2, 3}
    np.testing.assert_array_equal(values, ref.flax_pool(jnp.asarray(x)))
    np.testing.assert_array_equal(max_pool(jnp.zeros(SHAPE))[1], np.zeros(POOLED))


def test_unpool_equals_a_loop_and_returns_the_maxima_to_their_places(rng):
    x = rng.normal(size=SHAPE).astype(np.float32)
    values, positions = max_pool(jnp.asarray(x))
    back = np.asarray(max_unpool(values, positions))
    np.testing.assert_array_equal(back, ref.unpool_loop(np.asarray(values), np.asarray(positions)))
    np.testing.assert_array_equal(back[back != 0], x[back != 0])
    assert np.count_nonzero(back) == x.size // 4
    other = rng.normal(size=POOLED).astype(np.float32)
    again, _ = max_pool(max_unpool(jnp.abs(other), positions))  # a left inverse for values above zero
    np.testing.assert_array_equal(again, np.abs(other))


def test_unpool_is_the_transpose_of_pool(rng):
    """<unpool(u), v> = <u, v at the maxima>: what the derivative of Flax's own pooling says."""
    x, u = (jnp.asarray(rng.normal(size=s), jnp.float32) for s in (SHAPE, POOLED))
    _, positions = max_pool(x)
    np.testing.assert_array_equal(max_unpool(u, positions), ref.unpool_like(x, u))


def test_position_weights_are_one_hot(rng):
    positions = rng.integers(0, 4, size=POOLED).astype(np.int8)
    weights = np.asarray(position_weights(jnp.asarray(positions)))
    assert weights.shape == (*POOLED, 4)
    np.testing.assert_array_equal(weights.sum(axis=-1), 1)
    np.testing.assert_array_equal(weights.argmax(axis=-1), positions)


def test_weighted_unpool_is_the_average_over_frames_of_the_unpools(rng):
    """The same values unpooled with every frame's positions, then averaged."""
    positions = jnp.asarray(rng.integers(0, 4, size=(7, 3, 4, 2)), jnp.int8)
    (weights,) = mean_positions((positions,))
    np.testing.assert_allclose(weights.sum(axis=-1), 1, rtol=1e-6)
    x = jnp.asarray(rng.normal(size=(1, 3, 4, 2)), jnp.float32)
    expected = np.mean([max_unpool(x, p[None]) for p in positions], axis=0)
    np.testing.assert_allclose(max_unpool(x, weights), expected, rtol=0, atol=1e-6)
    several = jnp.concatenate([x, 2 * x])  # weights have no time axis and serve any number of frames
    np.testing.assert_allclose(max_unpool(several, weights)[1:], 2 * expected, rtol=0, atol=2e-6)


def test_gradients_equal_central_differences(x64, rng):
    """Pool is piecewise linear and unpool linear: differences are exact up to rounding while no maximum moves."""
    x, u, v = (jnp.asarray(rng.normal(size=s)) for s in (SHAPE, POOLED, SHAPE))
    weights = jnp.asarray(rng.dirichlet(np.ones(4), size=POOLED[1:]))
    _, positions = max_pool(x)

    def through_pool(x):
        return jnp.vdot(u, max_pool(x)[0] ** 2)

    def through_unpool(u):
        return jnp.vdot(v, max_unpool(u, positions) ** 2)

    def through_weights(u, weights):
        return jnp.vdot(v, max_unpool(u, weights) ** 2)

    step = 1e-6
    cases = [(through_pool, (x,)), (through_unpool, (u,)), (through_weights, (u, weights))]
    for function, at in cases:
        for n, point in enumerate(at):
            direction = jnp.asarray(rng.normal(size=point.shape))
            function = jax.jit(function)
            ends = [function(*at[:n], point + s * step * direction, *at[n + 1 :]) for s in (1, -1)]
            slope = jnp.vdot(jax.jit(jax.grad(function, argnums=n))(*at), direction)
            np.testing.assert_allclose(slope, (ends[0] - ends[1]) / (2 * step), rtol=1e-7)
    gradient = np.asarray(jax.jit(jax.grad(through_pool))(x))
    np.testing.assert_array_equal(gradient != 0, ref.unpool_loop(np.ones(POOLED), np.asarray(positions)) != 0)
