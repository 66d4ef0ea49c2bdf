"""The loss against a recomputation with NumPy and scikit-learn, its gradients against independent derivations."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import Lasso
from training_studies import CONFIG, MODES, SHAPE, make_study, movies_of

from lassovae.autoencoder import Weights, decode, encode, initial_weights
from lassovae.training._objective import weighted_loss

ORDER, WINDOW = CONFIG.order, CONFIG.window
LAM = 0.02
pytestmark = pytest.mark.usefixtures("x64")


@cache
def inputs():
    """(params, batch_stats, frames, mean frame) in double precision, away from the zeros of the initial weights."""
    movie = movies_of(make_study())[0].astype(np.float64)
    movie /= movie.max()
    start = initial_weights(CONFIG, jax.random.key(5), SHAPE)
    rng = np.random.default_rng(3)

    def moved(leaf):
        return jnp.asarray(np.asarray(leaf, np.float64) + 0.2 * rng.standard_normal(leaf.shape))

    stats = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), start.batch_stats)
    return jax.tree.map(moved, start.params), stats, jnp.asarray(movie[:WINDOW]), jnp.asarray(movie.mean(0))


def window_loss(params, stats, frames, mean, lam, config):
    """(loss, (measures, batch statistics)) of one window."""
    one = jnp.ones(1)
    loss, (measures, stats) = weighted_loss(params, stats, frames[None], one, mean, lam, config=config)
    return loss, (jax.tree.map(lambda x: x[0], measures), stats)


@cache
def compiled(mode, weight):
    config = CONFIG.replace(mode=mode, forecast_weight=weight)
    return jax.jit(jax.value_and_grad(partial(window_loss, config=config), has_aux=True))


@cache
def value(mode, weight, unpooling="causal"):
    """(loss, measures, batch statistics); from the gradient's program where there is one."""
    if unpooling == "causal" and weight == 0.3:
        return loss_and_gradient(mode, weight)[:3]
    config = CONFIG.replace(mode=mode, forecast_weight=weight, unpooling=unpooling)
    loss, (measures, stats) = jax.jit(partial(window_loss, config=config))(*inputs(), jnp.asarray(LAM))
    return loss, measures, stats


encoded = partial(jax.jit(encode, static_argnames=("config", "train")), CONFIG, train=True)
decoded = partial(jax.jit(decode, static_argnames=("config", "train")), CONFIG, train=True)


def loss_and_gradient(mode, weight, lam=LAM, params=None):
    own, stats, frames, mean = inputs()
    (loss, (measures, new_stats)), gradient = compiled(mode, weight)(
        own if params is None else params, stats, frames, mean, jnp.asarray(lam)
    )
    return loss, measures, new_stats, gradient


def norm(tree):
    return float(jnp.sqrt(sum(jnp.square(leaf).sum() for leaf in jax.tree.leaves(tree))))


def relative_distance(one, other):
    return norm(jax.tree.map(jnp.subtract, one, other)) / norm(other)


def lasso_forecast(latents):
    """Coefficients, centred latents and centred forecasts of the VAR, by scikit-learn and loops."""
    nodes = latents.reshape(len(latents), -1)
    centred = nodes - nodes.mean(axis=0)
    scaled = centred / centred.std()
    design = np.array([np.concatenate([scaled[t - 1], scaled[t - 2]]) for t in range(ORDER, len(scaled))])
    num_nodes = nodes.shape[1]
    coef = np.zeros((ORDER, num_nodes, num_nodes))
    for target in range(num_nodes):
        lasso = Lasso(alpha=LAM * num_nodes, fit_intercept=False, tol=1e-15, max_iter=1_000_000)
        found = lasso.fit(design, scaled[ORDER:, target]).coef_
        coef[:, target] = found.reshape(ORDER, num_nodes)
    forecast = np.array(
        [coef[0] @ centred[t - 1] + coef[1] @ centred[t - 2] for t in range(ORDER, len(centred))]
    )
    return coef, centred, forecast


def shifted(positions, unpooling):
    """Positions that decode the forecasts of frames order.. : of the frame before, or of the frame itself."""
    back = 1 if unpooling == "causal" else 0
    return tuple(p[ORDER - back : WINDOW - back] for p in positions)


@pytest.mark.parametrize(
    ("mode", "unpooling"),
    [("sequential", "causal"), ("embedded", "causal"), ("end_to_end", "causal"), ("embedded", "same_frame")],
)
def test_loss_equals_a_step_by_step_recomputation(mode, unpooling):
    params, stats, frames, mean = inputs()
    loss, measures, new_stats = value(mode, 0.3, unpooling)
    latents, positions, weights = encoded(Weights(params, stats), frames, mean)
    coef, centred, forecast = lasso_forecast(np.asarray(latents))
    if mode == "sequential":
        residual, weights = decoded(weights, latents, positions)
        actual = np.asarray(frames)
    else:
        shown = jnp.asarray(forecast.reshape(-1, *latents.shape[1:]))
        residual, weights = decoded(weights, shown, shifted(positions, unpooling))
        actual = np.asarray(frames)[ORDER:]
    rebuilt = (np.asarray(residual) + 1) * np.asarray(mean)
    reconstruction = np.mean((actual - rebuilt) ** 2)
    errors = ((centred[ORDER:] - forecast) ** 2).sum(1) / (centred[ORDER:] ** 2).sum(1)

    assert 0 < (coef != 0).sum() < coef.size
    # coordinate descent stops at a duality gap of 1e-15 |y|^2: coefficients to about its square root
    np.testing.assert_allclose(float(measures.relative_error), errors.mean(), rtol=1e-6)
    np.testing.assert_allclose(float(measures.reconstruction), reconstruction, rtol=1e-6)
    np.testing.assert_allclose(float(loss), reconstruction + 0.3 * errors.mean(), rtol=1e-6)
    assert float(measures.nonzeros) == (coef != 0).sum() / coef.shape[1]
    assert int(measures.failed) == 0
    assert float(measures.gap) < 1e-10
    got, expected = jax.tree.leaves(new_stats), jax.tree.leaves(weights.batch_stats)
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-9)


def test_the_two_unpooling_rules_decode_to_different_frames():
    losses = [float(value("embedded", 0.3, rule)[0]) for rule in ("causal", "same_frame")]
    assert abs(losses[0] - losses[1]) > 1e-6 * losses[0]


@pytest.mark.parametrize("mode", MODES)
def test_a_forecast_weight_adds_that_much_relative_error(mode):
    loss, measures, _ = value(mode, 0.3)
    parts = float(measures.reconstruction) + 0.3 * float(measures.relative_error)
    assert float(loss) == pytest.approx(parts, rel=1e-14)
    assert float(measures.loss) == float(loss)
    assert float(measures.relative_error) > 0.01


@pytest.mark.parametrize("mode", ["sequential", "end_to_end"])
def test_without_a_forecast_weight_the_loss_is_the_papers(mode):
    loss, measures, _ = value(mode, 0.0)
    assert float(loss) == float(measures.reconstruction)
    assert float(loss) == pytest.approx(float(value(mode, 0.3)[1].reconstruction), rel=1e-12)


def test_embedded_gradient_is_the_one_with_constant_coefficients():
    params, stats, frames, mean = inputs()
    latents, _, _ = encoded(Weights(params, stats), frames, mean)
    coef = jnp.asarray(lasso_forecast(np.asarray(latents))[0])

    def with_constant(params):
        z, positions, weights = encoded(Weights(params, stats), frames, mean)
        flat = z.reshape(WINDOW, -1)
        flat = flat - flat.mean(axis=0)
        forecast = flat[1:-1] @ coef[0].T + flat[:-2] @ coef[1].T
        shown = forecast.reshape(-1, *z.shape[1:])
        residual, _ = decoded(weights, shown, shifted(positions, "causal"))
        errors = jnp.square(flat[ORDER:] - forecast).sum(1) / jnp.square(flat[ORDER:]).sum(1)
        return jnp.square(frames[ORDER:] - (residual + 1) * mean).mean() + 0.3 * errors.mean()

    expected = jax.jit(jax.grad(with_constant))(params)
    _, _, _, gradient = loss_and_gradient("embedded", 0.3)
    assert relative_distance(gradient, expected) < 1e-5  # the coefficients are scikit-learn's, as above
    assert norm(expected["encoder"]) > 0


def test_end_to_end_gradient_agrees_with_central_differences_and_embedded_does_not():
    params, stats, frames, mean = inputs()
    rng = np.random.default_rng(11)
    direction = {  # of the encoder alone: the decoder's gradient does not pass through the VAR
        "encoder": jax.tree.map(lambda p: jnp.asarray(rng.standard_normal(p.shape)), params["encoder"]),
        "decoder": jax.tree.map(jnp.zeros_like, params["decoder"]),
    }
    step = 1e-6
    ends, places = [], []
    for sign in (1, -1):
        there = jax.tree.map(lambda p, d, sign=sign: p + sign * step * d, params, direction)
        ends.append(float(loss_and_gradient("end_to_end", 0.3, params=there)[0]))
        places.append(encoded(Weights(there, stats), frames, mean)[1])
    # the loss jumps where a pooling changes its position: not between these two points
    for one, other in zip(*places, strict=True):
        np.testing.assert_array_equal(one, other)
    central = (ends[0] - ends[1]) / (2 * step)

    def along(mode):
        gradient = loss_and_gradient(mode, 0.3)[3]
        return float(
            sum(jnp.vdot(g, d) for g, d in zip(*map(jax.tree.leaves, (gradient, direction)), strict=True))
        )

    # rounding: eps * loss / step = 1e-10 absolute; truncation: step^2 times the third derivative
    assert along("end_to_end") == pytest.approx(central, rel=1e-5)
    assert abs(along("embedded") - central) > 1e-3 * abs(central)


def test_the_var_of_the_sequential_mode_teaches_nothing():
    params, stats, frames, mean = inputs()

    def autoencoder(params):
        z, positions, weights = encoded(Weights(params, stats), frames, mean)
        residual, _ = decoded(weights, z, positions)
        return jnp.square(frames - (residual + 1) * mean).mean()

    expected = jax.jit(jax.grad(autoencoder))(params)
    for weight, lam in ((0.0, LAM), (0.3, LAM), (0.3, LAM / 4)):
        gradient = loss_and_gradient("sequential", weight, lam)[3]
        assert relative_distance(gradient, expected) < 1e-12, (weight, lam)


def test_a_dead_var_passes_no_gradient_to_the_encoder():
    _, measures, _, gradient = loss_and_gradient("end_to_end", 0.3, lam=100.0)
    assert float(measures.nonzeros) == 0
    assert float(measures.relative_error) == pytest.approx(1)
    assert norm(gradient["encoder"]) < 1e-12
