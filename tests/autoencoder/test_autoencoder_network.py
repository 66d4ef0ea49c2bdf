"""The networks against a twin built from Flax's own layers, and what training does to their statistics."""

import autoencoder_references as ref
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from autoencoder_references import CHANNELS, CONFIG, FRAMES, SHAPE, decode, encode

from lassovae import Config
from lassovae.autoencoder import initial_weights


def assert_close(a, b, rtol=1e-5):
    """Relative to the largest entry: sums of some dozens of products in single precision."""
    np.testing.assert_allclose(a, b, rtol=0, atol=rtol * float(jnp.abs(b).max()))


def twin_autoencoder(weights, frames, mean_frame, train):
    """Latents and residual of the twin, with its new statistics."""
    results, stats, before = [], {}, None
    for part, module, first in (
        ("encoder", ref.TwinEncoder(CHANNELS), frames - mean_frame),
        ("decoder", ref.TwinDecoder(CHANNELS), None),
    ):
        variables = {
            "params": ref.twin_params(weights.params[part]),
            "batch_stats": weights.batch_stats[part],
        }
        inputs = (first,) if part == "encoder" else (results[0], before)
        out, updates = module.apply(variables, *inputs, train=train, mutable=["batch_stats"])
        if part == "encoder":
            out, before = out
        results.append(out)
        stats[part] = updates["batch_stats"]
    return *results, stats


jitted_twin = jax.jit(twin_autoencoder, static_argnames="train")


def autoencoder(weights, frames, mean_frame, train):
    latents, positions, weights = encode(CONFIG, weights, frames, mean_frame, train=train)
    residual, weights = decode(CONFIG, weights, latents, positions, train=train)
    return latents, residual, weights.batch_stats


@pytest.mark.parametrize("train", [False, True], ids=["eval", "train"])
def test_encoder_and_decoder_equal_their_twin(shaken, frames, mean_frame, train):
    latents, residual, stats = autoencoder(shaken, frames, mean_frame, train)
    twin_latents, twin_residual, twin_stats = jitted_twin(shaken, frames, mean_frame, train)
    assert latents.shape == (FRAMES, 2, 3)
    assert residual.shape == frames.shape
    assert_close(latents, twin_latents)
    assert_close(residual, twin_residual, 3e-5)
    if train:
        for a, b in zip(jax.tree.leaves(stats), jax.tree.leaves(twin_stats), strict=True):
            assert_close(a, b)


def test_gradients_equal_the_twin_in_training(shaken, frames, mean_frame):
    def loss(network):
        def value(params):
            _, residual, _ = network(shaken._replace(params=params), frames, mean_frame, True)
            return jnp.square((residual + 1) * mean_frame - frames).mean()

        return value

    ours, twin = (jax.jit(jax.grad(loss(f)))(shaken.params) for f in (autoencoder, twin_autoencoder))
    size = max(float(jnp.abs(g).max()) for g in jax.tree.leaves(twin))
    for (path, a), b in zip(jax.tree.leaves_with_path(ours), jax.tree.leaves(twin), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-4 * size, err_msg=jax.tree_util.keystr(path))
    assert all(float(jnp.abs(g).max()) > 0 for g in jax.tree.leaves(ours["encoder"]["Conv3x3_0"]))
    # a batch norm takes the decoder's biases off again: no rounding of a gradient is left for Adam to blow up
    assert all(not ours["decoder"][f"Conv3x3_{n}"]["bias"].any() for n in range(3))


def test_statistics_move_in_training_alone_with_momentum_nine_tenths(shaken, frames, mean_frame):
    _, _, after = encode(CONFIG, shaken, frames, mean_frame)
    assert ref.same_trees(after, shaken)
    _, _, after = encode(CONFIG, shaken, frames, mean_frame, train=True)
    first = shaken.params["encoder"]["Conv3x3_0"]
    x = np.asarray(nn.Conv(CHANNELS, (3, 3)).apply({"params": first}, (frames - mean_frame)[..., None]))
    x = np.where(x > 0, x, 0.01 * x)
    old, new = (w.batch_stats["encoder"]["BatchNorm_0"] for w in (shaken, after))
    np.testing.assert_allclose(new["mean"], 0.9 * old["mean"] + 0.1 * x.mean(axis=(0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(new["var"], 0.9 * old["var"] + 0.1 * x.var(axis=(0, 1, 2)), rtol=1e-5)
    assert ref.same_trees(after.batch_stats["decoder"], shaken.batch_stats["decoder"])
    assert ref.same_trees(after.params, shaken.params)


@pytest.mark.parametrize("channels", [4, 32])
def test_number_of_parameters_by_hand(channels):
    fresh = jax.eval_shape(
        lambda key: initial_weights(Config(channels=channels), key, SHAPE), jax.random.key(0)
    )
    c = channels
    inner = 2 * (9 * c * c + c)  # two 3 x 3 convolutions from c to c channels, with biases
    encoder = (9 * c + c) + inner + 3 * 2 * c + (c + 1)
    decoder = (c + c) + inner + (9 * c + 1) + 2 * 2 * c + 2
    sizes = {
        part: sum(int(np.prod(x.shape)) for x in jax.tree.leaves(tree)) for part, tree in fresh.params.items()
    }
    assert sizes == {"encoder": encoder, "decoder": decoder}
    if channels == 32:
        assert encoder + decoder == 38020
    assert sum(int(np.prod(x.shape)) for x in jax.tree.leaves(fresh.batch_stats)) == 2 * (5 * c + 1)
