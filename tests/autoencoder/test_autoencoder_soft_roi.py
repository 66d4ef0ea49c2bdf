"""Soft regions of interest: against sums over pixels by hand, as Delta F / F, and on cells that lie off the grid."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lassovae
from lassovae import Config, InputError
from lassovae.autoencoder import decode, encode, initial_weights, node_footprints
from lassovae.data import simulate_study
from lassovae.stats import following_nodes

CONFIG = Config(encoder="soft_roi")
SHAPE = (24, 32)
GRID = (3, 4)


def movie(seed=0, frames=5):
    return np.random.default_rng(seed).random((frames, *SHAPE)).astype(np.float32)


@pytest.fixture(scope="module")
def shaken():
    """Weights as after a training."""
    weights = initial_weights(CONFIG, jax.random.key(0), SHAPE)
    keys = iter(jax.random.split(jax.random.key(1), 2))
    return weights._replace(
        params=jax.tree.map(lambda x: x + 0.05 * jax.random.normal(next(keys), x.shape), weights.params)
    )


def corner_of(row, column, node):
    """Index of the pixel's tile, of the pixel in it, and of the node among the tile's four; None if not one of them."""
    tile = ((row + 4) // 8, (column + 4) // 8)
    pixel = (row + 4) % 8 * 8 + (column + 4) % 8
    down, right = node[0] - tile[0] + 1, node[1] - tile[1] + 1
    return (*tile, pixel, 2 * down + right) if down in (0, 1) and right in (0, 1) else None


def shares_by_hand(weights, node_grid=GRID):
    """(nodes, height, width), pixel by pixel."""
    logits = 50 * np.asarray(weights.params["encoder"]["share"], np.float64)
    nodes = [(i, j) for i in range(node_grid[0]) for j in range(node_grid[1])]
    share = np.zeros((len(nodes), *SHAPE))
    for row in range(SHAPE[0]):
        for column in range(SHAPE[1]):
            for k, node in enumerate(nodes):
                at = corner_of(row, column, node)
                share[k, row, column] = 0 if at is None else np.exp(logits[at])
    return share / share.sum(axis=0)


def test_nodes_are_the_delta_f_over_f_of_their_pixels(shaken):
    frames, mean_frame = movie(), 0.2 + movie(1)[0]
    share = shares_by_hand(shaken)
    expected = np.einsum("khw,thw->tk", share, frames - mean_frame) / np.einsum(
        "khw,hw->k", share, mean_frame
    )
    latents, positions, weights = encode(CONFIG, shaken, jnp.asarray(frames), jnp.asarray(mean_frame))
    np.testing.assert_allclose(latents.reshape(5, -1), expected, rtol=0, atol=2e-6)
    assert positions == ()
    assert weights is shaken
    np.testing.assert_allclose(node_footprints(shaken), share, rtol=0, atol=1e-6)
    np.testing.assert_allclose(np.asarray(node_footprints(shaken)).sum(axis=0), 1, atol=1e-6)


def test_a_brighter_lamp_changes_nothing(shaken):
    frames, mean_frame = jnp.asarray(movie()), jnp.asarray(0.2 + movie(1)[0])
    once = encode(CONFIG, shaken, frames, mean_frame)[0]
    twice = encode(CONFIG, shaken, 2 * frames, 2 * mean_frame)[0]
    np.testing.assert_allclose(twice, once, rtol=1e-6)


def test_pixels_decode_to_a_sum_over_their_four_nodes(shaken):
    latents = np.random.default_rng(2).normal(size=(3, *GRID)).astype(np.float32)
    gain = 20 * np.asarray(shaken.params["decoder"]["gain"], np.float64)
    expected = np.zeros((3, *SHAPE))
    for row in range(SHAPE[0]):
        for column in range(SHAPE[1]):
            for i in range(GRID[0]):
                for j in range(GRID[1]):
                    at = corner_of(row, column, (i, j))
                    expected[:, row, column] += 0 if at is None else latents[:, i, j] * gain[at]
    shown, _ = decode(CONFIG, shaken, jnp.asarray(latents), ())
    np.testing.assert_allclose(shown, expected, rtol=0, atol=1e-5)


def test_it_begins_at_the_block_means(rng):
    """The same tiling: it decodes as block means do, and nearly encodes as they do where the mean frame is even."""
    fresh = initial_weights(CONFIG, jax.random.key(0), SHAPE)
    latents = jnp.asarray(rng.normal(size=(3, *GRID)), jnp.float32)
    block = CONFIG.replace(encoder="block_mean")
    np.testing.assert_array_equal(decode(CONFIG, fresh, latents, ())[0], decode(block, fresh, latents, ())[0])
    own = np.kron(np.eye(12).reshape(12, *GRID), np.ones((8, 8)))
    assert np.asarray(node_footprints(fresh))[own > 0].min() > 0.86
    assert np.asarray(node_footprints(fresh))[own == 0].max() < 0.05


def test_only_soft_regions_have_footprints():
    with pytest.raises(InputError, match="soft_roi"):
        node_footprints(initial_weights(CONFIG.replace(encoder="block_mean"), jax.random.key(0), SHAPE))


def test_a_trained_encoder_follows_cells_better_than_block_means_do():
    study = simulate_study(5, num_runs=4, frames=200, frame_shape=(32, 48), num_cells=6, block_size=1)
    follows = {}
    for encoder in ("block_mean", "soft_roi"):
        model = lassovae.fit(study, CONFIG.replace(encoder=encoder, epochs=8), show_progress=False)
        prepared = lassovae.data.prepare(study, CONFIG.preprocess)
        latents = [lassovae.encode_run(model, frames)[0] for frames in prepared.frames]
        follows[encoder] = following_nodes(latents, study.truth.traces).claim
    assert (follows["soft_roi"] > follows["block_mean"] - 0.005).all()
    assert follows["soft_roi"].mean() > follows["block_mean"].mean() + 0.01


def test_it_is_kept_and_read_back(tmp_path):
    study = simulate_study(5, num_runs=4, frames=80, frame_shape=(16, 24), num_cells=1, block_size=1)
    config = CONFIG.replace(window=32, order=2)
    model = lassovae.fit(study, config, run_dir=tmp_path / "run", show_progress=False)
    again = lassovae.load(tmp_path / "run")
    for a, b in zip(jax.tree.leaves(model.weights), jax.tree.leaves(again.weights), strict=True):
        np.testing.assert_array_equal(a, b)
    fresh = initial_weights(config, jax.random.key(0), (16, 24))
    moved = np.abs(np.asarray(again.weights.params["encoder"]["share"] - fresh.params["encoder"]["share"]))
    assert moved.max() > 1e-3
    assert lassovae.fit(study, config, run_dir=tmp_path / "run", resume=True).config == config
