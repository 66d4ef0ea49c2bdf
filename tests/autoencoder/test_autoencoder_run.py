"""Whole runs in chunks equal one call, and a causal decoding sees no frame of its own future."""

import jax.numpy as jnp
import numpy as np
import pytest
from autoencoder_references import CONFIG, FRAMES, SHAPE, decode, encode

import lassovae._model as model_module
from lassovae import Config, Model
from lassovae._errors import InputError
from lassovae._model import decode_run, encode_run
from lassovae.autoencoder import Weights, mean_positions, reconstruct

ORDER, CHUNK = CONFIG.order, FRAMES
TIME = 2 * CHUNK + 3


@pytest.fixture
def model(shaken, mean_frame):
    decoder = shaken.params["decoder"]
    last = {"scale": jnp.full(1, 2.0), "bias": jnp.full(1, 9.0)}  # above the kink: positions are plain to see
    params = {**shaken.params, "decoder": {**decoder, "BatchNorm_2": last}}
    return Model(CONFIG, shaken._replace(params=params), np.asarray(mean_frame), 1.0, 0.0, ())


@pytest.fixture
def short_chunks(monkeypatch):
    monkeypatch.setattr(model_module, "CHUNK", CHUNK)


def random_frames(time, seed=5):
    """White noise: the maximum of every block moves from frame to frame."""
    return np.random.default_rng(seed).random((time, *SHAPE)).astype(np.float32)


def one_call(model, frames):
    latents, positions, _ = encode(
        model.config, model.weights, jnp.asarray(frames), jnp.asarray(model.mean_frame)
    )
    return latents, positions


def joined(model, frames, latents, first, *, same_frame):
    parts = list(decode_run(model, frames, latents, first, same_frame=same_frame))
    assert [start for start, _, _ in parts] == list(range(first, len(frames), model_module.CHUNK))
    return tuple(np.concatenate([part[i] for part in parts]) for i in (1, 2))


def assert_encoded_in_one_call(model, frames):
    latents, positions = encode_run(model, frames)
    expected, every = one_call(model, frames)
    assert latents.dtype == np.float32
    np.testing.assert_allclose(latents, expected, rtol=0, atol=1e-5)
    for a, b in zip(positions, mean_positions(every), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)
        np.testing.assert_allclose(a.sum(axis=-1), 1, rtol=1e-5)


@pytest.mark.parametrize("time", [1, CHUNK, TIME])
def test_chunks_equal_one_call(model, short_chunks, time):
    assert_encoded_in_one_call(model, random_frames(time))


def test_chunks_of_the_real_length_equal_one_call(model):
    assert model_module.CHUNK == 64
    assert_encoded_in_one_call(model, random_frames(150))


@pytest.mark.parametrize("same_frame", [False, True], ids=["causal", "same_frame"])
def test_decoding_uses_the_positions_of_the_right_frame(model, short_chunks, same_frame):
    frames = random_frames(TIME)
    shown = np.random.default_rng(6).normal(size=(TIME - ORDER, 2, 3)).astype(np.float32)
    _, positions = one_call(model, frames)
    assert all((p[1:] != p[:-1]).mean() > 0.3 for p in positions)

    def with_positions_of(lag):
        chosen = tuple(p[ORDER - lag : TIME - lag] for p in positions)
        residual, _ = decode(CONFIG, model.weights, jnp.asarray(shown), chosen)
        return residual, reconstruct(CONFIG, residual, jnp.asarray(model.mean_frame))

    right, wrong = (0, 1) if same_frame else (1, 0)
    actual = joined(model, frames, shown, ORDER, same_frame=same_frame)
    for ours, expected, twin in zip(actual, with_positions_of(right), with_positions_of(wrong), strict=True):
        assert ours.shape == (TIME - ORDER, *SHAPE)
        np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-4)
        changes = np.abs(ours - twin).reshape(TIME - ORDER, -1).max(axis=1)
        assert (changes > 1e-2).all(), changes  # in every single frame


def test_a_causal_reconstruction_does_not_depend_on_its_own_frame(model, short_chunks):
    """Given the latents, frame t touches the reconstruction of t + 1 and no other; same_frame lets it into t."""
    frames, t = (
        random_frames(TIME),
        CHUNK + ORDER,
    )  # the first frame of a chunk: its past lies in the one before
    shown = np.random.default_rng(7).normal(size=(TIME - ORDER, 2, 3)).astype(np.float32)
    changed = frames.copy()
    changed[t] = random_frames(1, seed=8)[0]
    for same_frame, touched in ((False, t + 1), (True, t)):
        _, a = joined(model, frames, shown, ORDER, same_frame=same_frame)
        _, b = joined(model, changed, shown, ORDER, same_frame=same_frame)
        differs = (a != b).reshape(len(a), -1).any(axis=1)
        np.testing.assert_array_equal(np.flatnonzero(differs) + ORDER, [touched])


def test_sequential_decoding_from_the_first_frame(model, short_chunks):
    frames = random_frames(TIME)
    latents, positions = one_call(model, frames)
    expected, _ = decode(CONFIG, model.weights, latents, positions)
    residual, shown = joined(model, frames, np.asarray(latents), 0, same_frame=True)
    np.testing.assert_allclose(residual, expected, rtol=0, atol=1e-4)
    np.testing.assert_allclose(shown, (residual + 1) * model.mean_frame, rtol=1e-5, atol=1e-6)


def test_block_means_in_chunks(short_chunks):
    config = Config(encoder="block_mean", order=ORDER)
    model = Model(config, Weights({}, {}), np.full(SHAPE, 0.5, np.float32), 1.0, 0.0, ())
    frames = random_frames(TIME)
    latents, positions = encode_run(model, frames)
    assert positions == ()
    by_hand = (frames / 0.5 - 1).reshape(TIME, 2, 8, 3, 8).mean(axis=(2, 4))
    np.testing.assert_allclose(latents, by_hand, rtol=0, atol=1e-6)
    residual, shown = joined(model, frames, latents[ORDER:], ORDER, same_frame=False)
    np.testing.assert_array_equal(residual, latents[ORDER:].repeat(8, axis=1).repeat(8, axis=2))
    np.testing.assert_allclose(shown, 0.5 * (1 + residual), rtol=1e-6)


def test_causal_decoding_of_the_first_frame_is_refused(model, short_chunks):
    frames = random_frames(CHUNK)
    with pytest.raises(InputError, match="first"):
        list(decode_run(model, frames, np.zeros((CHUNK, 2, 3), np.float32), 0, same_frame=False))
