"""Work on a window a few frames at a time, so that its full-resolution maps stay in a processor's cache.

A window of 64 frames of 192 x 128 pixels with 32 channels is 200 MB a map; written to memory and read back by
every operation, such maps cost more time than the arithmetic on them. An accelerator has no such limit, and
takes the whole window at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

VALUES = 2**19  # of one map in a chunk: 2 MB


def chunk_size(num_frames: int, values_a_frame: int) -> int:
    """Frames of a chunk: as many as fit, in chunks of about the same size."""
    if jax.default_backend() != "cpu":
        return num_frames
    at_most = max(1, VALUES // values_a_frame)
    num_chunks = -(-num_frames // at_most)
    return -(-num_frames // num_chunks)


def in_chunks(
    work: Callable[..., tuple[Any, Any, Any]], size: int, *arrays: jax.Array
) -> tuple[Any, Any, Any, jax.Array]:
    """Apply `work` to chunks of frames, one after the other.

    Args:
        work: (exists, *parts) -> (sums, maps, notes). exists (frames, 1, 1, 1) is 1 for a frame and 0 for the
            padding of the last chunk, which must not enter sums and notes.
        size: frames of a chunk.
        arrays: (time, ...) each.

    Returns:
        sums, added up over the chunks; maps (time, ...); notes (chunks, ...), one a chunk; frames of each chunk.
    """
    time = len(arrays[0])
    padding = -time % size

    def cut(x: jax.Array) -> jax.Array:
        if padding:
            x = jnp.concatenate([x, jnp.zeros((padding, *x.shape[1:]), x.dtype)])
        return x.reshape(-1, size, *x.shape[1:])

    exists = cut(jnp.ones((time, 1, 1, 1), jnp.float32))
    parts = tuple(cut(x) for x in arrays)

    def one(total: Any, chunk: tuple[jax.Array, ...]) -> tuple[Any, tuple[Any, Any]]:
        here = chunk[0] if padding else jnp.ones((), jnp.float32)
        sums, maps, notes = work(here, *chunk[1:])
        return jax.tree.map(jnp.add, total, sums), (maps, notes)

    first = jax.tree.map(lambda x: x[0], (exists, *parts))
    shapes = jax.eval_shape(work, *first)[0]
    nothing = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
    sums, (maps, notes) = lax.scan(one, nothing, (exists, *parts))
    maps = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[:time], maps)
    return sums, maps, notes, exists.sum(axis=(1, 2, 3, 4))
