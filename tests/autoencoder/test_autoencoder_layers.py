"""The fused layers and their reverse rules against the plain operations in double precision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from lassovae.autoencoder import _layers, max_pool, max_unpool
from lassovae.autoencoder._chunks import chunk_size, in_chunks
from lassovae.autoencoder._layers import pooled, unpooled

FRAMES, HEIGHT, WIDTH = 7, 6, 8
CHANNELS = [(1, 4), (3, 4)]  # into, and out of, the block products and the convolutions of XLA


def plain_convolution(x, kernel, bias):
    dims = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=dims) + bias


def plain_pooled(x, kernel, bias, sign):
    y = plain_convolution(x, kernel, bias)
    y = jnp.where(y >= 0, y, 0.01 * y)
    values, positions = max_pool(sign * y)
    return sign * values, positions, (y.mean(axis=(0, 1, 2)), y.var(axis=(0, 1, 2)))


def plain_unpooled(x, positions, kernel, bias):
    y = plain_convolution(max_unpool(x, positions), kernel, bias)
    return y, (y.mean(axis=(0, 1, 2)), y.var(axis=(0, 1, 2)))


def assert_close(got, expected, rtol=1e-5):
    """Relative to the largest entry of the array."""
    for (path, a), b in zip(jax.tree.leaves_with_path(got), jax.tree.leaves(expected), strict=True):
        if a.dtype != jax.dtypes.float0:
            size = np.abs(np.asarray(b)).max()
            np.testing.assert_allclose(a, b, rtol=0, atol=rtol * size, err_msg=jax.tree_util.keystr(path))


def with_pulls(layer, args, which, pulls):
    """Results and the gradients in the arguments `which`, for pulls on the results that are floats."""

    def of(*some):
        full = list(args)
        for index, value in zip(which, some, strict=True):
            full[index] = value
        results = jax.tree.leaves(layer(*full))
        total = sum(
            jnp.vdot(p, r) for p, r in zip(pulls, [r for r in results if r.dtype.kind == "f"], strict=True)
        )
        return total, results

    gradients, results = jax.grad(of, argnums=tuple(range(len(which))), has_aux=True)(
        *(args[i] for i in which)
    )
    return results, gradients


def exactly(layer, args, which, pulls):
    """The same in double precision."""
    with jax.enable_x64(True):
        wide = [jnp.asarray(np.asarray(a), jnp.float64) if a.dtype == jnp.float32 else a for a in args]
        values = with_pulls(layer, wide, which, [jnp.asarray(np.asarray(p), jnp.float64) for p in pulls])
        return jax.tree.map(np.asarray, values)


def random(rng, *shape):
    return jnp.asarray(rng.normal(size=shape), jnp.float32)


def pooled_problem(rng, channels, features):
    sign = jnp.asarray([1.0, -1.0, 1.0, -1.0])[:features]
    args = (
        random(rng, FRAMES, HEIGHT, WIDTH, channels),
        random(rng, 3, 3, channels, features),
        random(rng, features),
        sign,
    )
    small = (FRAMES, HEIGHT // 2, WIDTH // 2, features)
    return args, [random(rng, *small), 50 * random(rng, features), 50 * random(rng, features)]


def unpooled_problem(rng, channels, features):
    small = (FRAMES, HEIGHT // 2, WIDTH // 2, channels)
    positions = jnp.asarray(rng.integers(0, 4, size=small), jnp.int8)
    args = (
        random(rng, *small),
        positions,
        random(rng, 3, 3, channels, features),
        random(rng, features),
    )
    return args, [
        random(rng, FRAMES, HEIGHT, WIDTH, features),
        50 * random(rng, features),
        50 * random(rng, features),
    ]


@pytest.mark.parametrize("frames_a_chunk", [1, 3, FRAMES])
@pytest.mark.parametrize(("channels", "features"), CHANNELS, ids=str)
def test_pooled_equals_the_plain_operations(rng, monkeypatch, channels, features, frames_a_chunk):
    monkeypatch.setattr(_layers, "chunk_size", lambda num_frames, values: frames_a_chunk)
    args, pulls = pooled_problem(rng, channels, features)
    got = with_pulls(lambda *a: pooled(*a, "float32"), args, (0, 1, 2), pulls)
    assert_close(got, exactly(plain_pooled, args, (0, 1, 2), pulls))
    assert got[0][1].dtype == jnp.int8


@pytest.mark.parametrize("frames_a_chunk", [1, 3, FRAMES])
@pytest.mark.parametrize(("channels", "features"), [(4, 1), (4, 3)], ids=str)
def test_unpooled_equals_the_plain_operations(rng, monkeypatch, channels, features, frames_a_chunk):
    monkeypatch.setattr(_layers, "chunk_size", lambda num_frames, values: frames_a_chunk)
    args, pulls = unpooled_problem(rng, channels, features)
    got = with_pulls(lambda *a: unpooled(*a, "float32"), args, (0, 2, 3), pulls)
    assert_close(got, exactly(plain_unpooled, args, (0, 2, 3), pulls))


@pytest.mark.parametrize("precision", ["float32", "tensorfloat32", "bfloat16"])
def test_what_an_accelerator_computes_is_the_same(rng, monkeypatch, precision):
    """The program for other devices, run here: the whole window at once, and the kernel's gradient as a convolution."""
    args, pulls = pooled_problem(rng, 3, 4)
    here = with_pulls(lambda *a: pooled(*a, precision), args, (0, 1, 2), pulls)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    there = with_pulls(lambda *a: pooled(*a, precision), args, (0, 1, 2), pulls)
    assert_close(there, jax.tree.map(np.asarray, here), 1e-4 if precision == "bfloat16" else 1e-5)
    assert all(g.dtype == jnp.float32 for g in there[1])


def test_a_pull_on_the_moments_alone_is_felt(rng):
    """Batch norm's own gradient: without it a layer trains, badly, and no shape betrays it."""
    args, pulls = pooled_problem(rng, 3, 4)
    nothing = jnp.zeros_like(pulls[0])
    _, gradients = with_pulls(lambda *a: pooled(*a, "float32"), args, (0,), [nothing, *pulls[1:]])
    _, expected = exactly(plain_pooled, args, (0,), [nothing, *pulls[1:]])
    assert np.abs(expected[0]).max() > 0.1
    assert_close(gradients, expected)


def test_half_precision_factors_are_rounded_and_only_those(rng):
    args, pulls = pooled_problem(rng, 3, 4)
    full = with_pulls(lambda *a: pooled(*a, "float32"), args, (0, 1, 2), pulls)
    half = with_pulls(lambda *a: pooled(*a, "bfloat16"), args, (0, 1, 2), pulls)
    moments = [np.asarray(r) for r in (full[0][2], half[0][2])]
    assert 0 < np.abs(moments[0] - moments[1]).max() < 0.02 * np.abs(moments[0]).max()
    assert all(r.dtype in (jnp.float32, jnp.int8) for r in half[0])
    same = with_pulls(lambda *a: pooled(*a, "tensorfloat32"), args, (0, 1, 2), pulls)
    assert_close(same, jax.tree.map(np.asarray, full))  # a CPU has no such products


@pytest.mark.parametrize(("frames", "size"), [(7, 3), (7, 7), (6, 2), (1, 1)])
def test_padding_of_the_last_chunk_never_enters(rng, frames, size):
    x = jnp.asarray(1 + rng.random(size=(frames, 2, 2, 3)), jnp.float32)

    def work(exists, part):
        assert part.shape[0] == size
        return {"sum": (exists * (part + 1)).sum()}, -part, exists.sum() * (size if exists.ndim == 0 else 1)

    sums, maps, notes, counts = in_chunks(work, size, x)
    np.testing.assert_allclose(sums["sum"], (x + 1).sum(), rtol=1e-6)
    np.testing.assert_array_equal(maps, -x)
    np.testing.assert_array_equal(notes, counts)
    assert counts.sum() == frames


def test_chunks_are_of_about_one_size_and_hold_at_least_a_frame():
    assert chunk_size(64, 2**40) == 1
    assert chunk_size(64, 1) == 64
    for values in (2**12, 2**14, 3 * 2**13, 2**17):
        size = chunk_size(59, values)
        chunks = -(-59 // size)
        assert size * chunks - 59 < chunks  # no chunk lacks more than a frame
