"""Contribution maps: zero influence, block means by hand, and a node that shows where it is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lassovae import Config, Model
from lassovae._errors import InputError
from lassovae.autoencoder import Weights, initial_weights
from lassovae.maps import contribution_map, visual_gain

SHAPE, NODES = (40, 48), (5, 6)


def block_mean_model():
    rng = np.random.default_rng(1)
    mean_frame = (0.2 + rng.random(SHAPE)).astype(np.float32)
    return Model(Config(encoder="block_mean"), Weights({}, {}), mean_frame, 1.0, 0.0, ())


@pytest.fixture(scope="module")
def random_model():
    """A convolutional model with random weights, a live last layer and average positions of random frames."""
    config = Config(channels=4)
    shapes = jax.eval_shape(lambda key: initial_weights(config, key, SHAPE), jax.random.key(0))
    rng = np.random.default_rng(3)
    params = jax.tree.map(lambda s: jnp.asarray(0.3 * rng.normal(size=s.shape), jnp.float32), shapes.params)
    for layer in ("BatchNorm_0", "BatchNorm_1"):
        params["decoder"][layer]["scale"] = jnp.ones(4)
    params["decoder"]["BatchNorm_2"] = {"scale": jnp.full(1, 5.0), "bias": jnp.full(1, 0.3)}
    stats = jax.tree.map(lambda s: jnp.ones(s.shape), shapes.batch_stats)
    weights = Weights(params, stats)
    sizes = [(SHAPE[0] >> n, SHAPE[1] >> n) for n in (1, 2, 3)]
    positions = tuple(jnp.asarray(rng.dirichlet(np.ones(4), (*s, 4)), jnp.float32) for s in sizes)
    mean_frame = (0.2 + rng.random(SHAPE)).astype(np.float32)
    return Model(config, weights, mean_frame, 1.0, 0.0, positions)


def at_node(row, column, value=1.0):
    influence = np.zeros(NODES)
    influence[row, column] = value
    return influence.reshape(-1)


def test_block_means_by_hand():
    """Omega = (gain c + 1) * mean_frame, each influence on the 64 pixels of its node."""
    model, c = block_mean_model(), np.random.default_rng(4).random(30)
    shown = contribution_map(model, c, gain=2.5)
    assert shown.shape == SHAPE
    assert isinstance(shown, np.ndarray)
    expected = (2.5 * np.kron(c.reshape(NODES), np.ones((8, 8))) + 1) * model.mean_frame
    np.testing.assert_allclose(shown, expected, rtol=1e-6)
    np.testing.assert_array_equal(contribution_map(model, c), contribution_map(model, c, gain=1.0))


def test_no_influence_is_the_mean_frame_of_block_means():
    model = block_mean_model()
    np.testing.assert_array_equal(contribution_map(model, np.zeros(30), gain=1e6), model.mean_frame)


def test_no_influence_is_the_mean_frame_of_a_fresh_network(random_model):
    """And of a trained one it is the map of zeros, whatever the gain: the ground of every map."""
    decoder = random_model.weights.params["decoder"]
    last = {"scale": jnp.zeros(1), "bias": jnp.zeros(1)}
    params = {"decoder": {**decoder, "BatchNorm_2": last}}
    fresh = random_model.weights._replace(params=params)
    start = Model(random_model.config, fresh, random_model.mean_frame, 1.0, 0.0, random_model.positions)
    np.testing.assert_array_equal(contribution_map(start, np.zeros(30)), random_model.mean_frame)
    zero = contribution_map(random_model, np.zeros(30))
    np.testing.assert_array_equal(contribution_map(random_model, np.zeros(30), gain=50.0), zero)
    np.testing.assert_array_equal(contribution_map(random_model, at_node(2, 3), gain=0.0), zero)
    assert np.abs(zero - random_model.mean_frame).max() > 1e-3  # the bias of the last layer


@pytest.mark.parametrize("node", [(0, 0), (2, 3), (4, 1)], ids=str)
def test_block_means_show_a_node_on_its_own_pixels_alone(node):
    model = block_mean_model()
    change = contribution_map(model, at_node(*node)) - contribution_map(model, np.zeros(30))
    rows, columns = np.nonzero(change)
    assert (set(rows // 8), set(columns // 8), len(rows)) == ({node[0]}, {node[1]}, 64)


@pytest.mark.parametrize("node", [(0, 0), (2, 3), (4, 1)], ids=str)
def test_a_network_shows_a_node_within_its_receptive_field(random_model, node):
    """Unpooling doubles a square, a 3 x 3 convolution widens it by one: 8 i - 7 to 8 i + 14 after three of each."""
    influence = at_node(*node, value=100.0)
    change = contribution_map(random_model, influence) - contribution_map(random_model, np.zeros(30))
    inside = np.zeros(SHAPE, bool)
    rows, columns = (slice(max(0, 8 * i - 7), 8 * i + 15) for i in node)
    inside[rows, columns] = True
    assert np.abs(change[inside]).max() > 5e-3
    np.testing.assert_array_equal(change[~inside], 0)
    centre = np.array([np.average(np.indices(SHAPE)[axis], weights=np.abs(change)) for axis in (0, 1)])
    assert (np.abs(centre - (8 * np.array(node) + 3.5)) < 4).all()  # nearer to this node than to any other


def test_the_gain_multiplies_the_influence(random_model):
    c = np.random.default_rng(5).random(30)
    np.testing.assert_allclose(
        contribution_map(random_model, c, gain=4.0), contribution_map(random_model, 4 * c), rtol=1e-5
    )


def test_visual_gain_makes_the_peak_three_standard_deviations():
    influences = np.array([[0.1, 2.0, 0.0], [0.5, 0.2, 0.4]])
    gain = visual_gain(influences, 0.7)
    assert (gain * influences).max() == pytest.approx(3 * 0.7)
    assert visual_gain(10 * influences, 0.7) == pytest.approx(gain / 10)
    assert visual_gain(np.zeros((2, 3)), 0.7) == 1.0
    assert visual_gain(np.zeros((0, 3)), 0.7) == 1.0


def test_a_wrong_influence_is_refused():
    model = block_mean_model()
    with pytest.raises(InputError, match=r"influence \(29,\) must have one value a node, \(30,\)"):
        contribution_map(model, np.zeros(29))
    with pytest.raises(InputError, match=r"influence \(5, 6\) must have one value a node"):
        contribution_map(model, np.zeros(NODES))
    for influence, gain in (
        (at_node(1, 1, np.nan), 1.0),
        (at_node(1, 1, np.inf), 1.0),
        (at_node(1, 1), np.nan),
    ):
        with pytest.raises(
            InputError, match="influence and gain must be finite: look at the status of the fit"
        ):
            contribution_map(model, influence, gain)


def test_visual_gain_refuses_influences_that_are_not_finite():
    with pytest.raises(InputError, match="finite"):
        visual_gain(np.array([0.5, np.nan]), 0.7)
