"""The skip connection, its absence, block means, and weights that come from a key alone."""

import autoencoder_references as ref
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from autoencoder_references import CONFIG, FRAMES, SHAPE, decode, encode

from lassovae import Config
from lassovae.autoencoder import Weights, initial_weights, latent_shape, mean_positions, reconstruct
from lassovae.var import centre

BLOCK_MEAN = Config(encoder="block_mean")


@pytest.mark.parametrize("train", [False, True], ids=["eval", "train"])
def test_the_first_reconstruction_is_the_mean_frame_to_the_bit(fresh, frames, mean_frame, train):
    latents, positions, weights = encode(CONFIG, fresh, frames, mean_frame, train=train)
    assert float(jnp.abs(latents).max()) > 1e-3  # it is not that nothing went in
    residual, _ = decode(CONFIG, weights, latents, positions, train=train)
    shown = np.asarray(reconstruct(CONFIG, residual, mean_frame))
    np.testing.assert_array_equal(shown, np.broadcast_to(mean_frame, frames.shape))


def test_nothing_static_passes_the_centred_latents(shaken, mean_frame):
    """Movies of one picture each: whatever it shows, what is left of its latents decodes like zeros."""
    outputs = []
    for seed in (0, 1):
        picture = jnp.asarray(np.random.default_rng(seed).random(SHAPE), jnp.float32)
        movie = jnp.tile(picture, (FRAMES, 1, 1))
        latents, positions, _ = encode(CONFIG, shaken, movie, mean_frame)
        assert float(jnp.abs(latents).max()) > 0.1
        series = centre(latents.reshape(1, FRAMES, -1), jnp.ones((1, FRAMES), bool))
        size = float(jnp.abs(latents).max())
        np.testing.assert_allclose(series.centred, 0, rtol=0, atol=4 * np.finfo(np.float32).eps * size)
        common = mean_positions(positions)
        shown, _ = decode(CONFIG, shaken, series.centred[0].reshape(latents.shape), common)
        zeros, _ = decode(CONFIG, shaken, jnp.zeros_like(latents), common)
        np.testing.assert_allclose(shown, zeros, rtol=0, atol=1e-4)
        outputs.append((latents, zeros))
    assert (
        float(jnp.abs(outputs[0][0] - outputs[1][0]).max()) > 0.1
    )  # the pictures do differ in their latents


def test_without_the_skip_the_decoder_is_the_reconstruction(shaken, frames, mean_frame):
    plain = CONFIG.replace(skip=False)
    latents, positions, _ = encode(plain, shaken, frames, mean_frame)
    residual, _ = decode(plain, shaken, latents, positions)
    np.testing.assert_array_equal(reconstruct(plain, residual, mean_frame), residual)
    np.testing.assert_allclose(
        reconstruct(CONFIG, residual, mean_frame), (1 + np.asarray(residual)) * mean_frame, rtol=1e-6
    )
    unskipped, _, _ = encode(plain, shaken, frames, mean_frame + 1)  # the mean frame plays no part
    np.testing.assert_array_equal(unskipped, latents)
    skipped, _, _ = encode(CONFIG, shaken, frames, mean_frame)
    by_hand, _, _ = encode(plain, shaken, frames - mean_frame, mean_frame)
    np.testing.assert_array_equal(skipped, by_hand)
    assert float(jnp.abs(skipped - latents).max()) > 1e-2


def test_weights_come_from_the_key_alone(fresh):
    np.random.seed(99)  # noqa: NPY002
    assert ref.same_trees(fresh, ref.new_weights(jax.random.key(1)))
    elsewhere = jax.jit(lambda key: initial_weights(CONFIG, key, (8, 8)))(jax.random.key(1))
    assert ref.same_trees(fresh, elsewhere)  # nor does the size of the frame matter
    other = ref.new_weights(jax.random.key(2))
    kernel, other_kernel = (w.params["encoder"]["Conv3x3_0"]["kernel"] for w in (fresh, other))
    assert not np.array_equal(kernel, other_kernel)
    halves = (fresh.params[part]["Conv3x3_1"]["kernel"] for part in ("encoder", "decoder"))
    assert not np.array_equal(*halves)


def test_block_means_by_hand():
    frames, mean_frame = np.zeros((2, 16, 16), np.float32), np.full((16, 16), 0.5, np.float32)
    mean_frame[:8, 8:] = 0.25
    frames[:] = mean_frame
    frames[1, :8, 8:] += 0.125  # half as much again over one whole block
    frames[1, 8, 0] += 0.5  # one pixel of 64 twice as bright
    latents, positions, weights = encode(
        BLOCK_MEAN, Weights({}, {}), jnp.asarray(frames), jnp.asarray(mean_frame)
    )
    np.testing.assert_array_equal(latents, [[[0, 0], [0, 0]], [[0, 0.5], [1 / 64, 0]]])
    assert positions == ()
    assert weights == Weights({}, {})
    assert mean_positions(positions) == ()


def test_block_means_decode_to_their_blocks_and_have_no_weights(rng, frames, mean_frame):
    weights = initial_weights(BLOCK_MEAN, jax.random.key(0), SHAPE)
    assert jax.tree.leaves(weights) == []
    latents, positions, _ = encode(BLOCK_MEAN, weights, frames, mean_frame)
    expected = np.zeros(latents.shape)
    for t, i, j in np.ndindex(latents.shape):
        block = np.s_[8 * i : 8 * i + 8, 8 * j : 8 * j + 8]
        expected[t, i, j] = np.mean(np.asarray(frames)[t][block] / np.asarray(mean_frame)[block] - 1)
    np.testing.assert_allclose(latents, expected, rtol=0, atol=1e-6)
    shown, after = decode(BLOCK_MEAN, weights, latents, positions, train=True)
    np.testing.assert_array_equal(shown, np.stack([np.kron(z, np.ones((8, 8))) for z in latents]))
    assert after == weights
    again, _, _ = encode(BLOCK_MEAN, weights, reconstruct(BLOCK_MEAN, shown, mean_frame), mean_frame)
    np.testing.assert_allclose(again, latents, rtol=0, atol=1e-6)  # what was decoded is encoded back


def test_latent_shape_is_that_of_the_latents(shaken, frames, mean_frame):
    for config, weights in ((CONFIG, shaken), (BLOCK_MEAN, Weights({}, {}))):
        latents, _, _ = encode(config, weights, frames, mean_frame)
        assert latents.shape == (FRAMES, *latent_shape(SHAPE)) == (FRAMES, 2, 3)
    assert latent_shape((128, 192)) == (16, 24)  # the paper's 384 nodes
