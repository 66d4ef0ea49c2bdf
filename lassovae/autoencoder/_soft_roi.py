"""Soft regions of interest: an encoder whose every node is the Delta F / F of pixels that it has learned to claim.

Each pixel belongs to the four nodes nearest to it, in shares that sum to 1. A node is the light of its pixels, each
counted by its share, less what the mean frame has there, over what the mean frame has there: what a neuroscientist
calls the Delta F / F of a region of interest. Summing light before dividing weighs pixels by their brightness, as
shot noise asks for. Because a pixel that one node takes is lost to the others, two nodes do not come to stand for
one cell, which free filters do. The decoder gives every pixel a linear combination of its four nodes.

Training begins near the block means' tiling: at least 87 % of a pixel belong to the node whose block it lies in.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lassovae._config import BLOCK
from lassovae._numerics import dot

HALF = BLOCK // 2
PIXELS = BLOCK * BLOCK
CORNERS = 4  # nodes around a tile: above left, above right, below left, below right
AT_FIRST = -3.0  # logit of a pixel's share for a node whose block it does not lie in: 5 % of its own node's
# One step size serves all encoders: shares are logits and should move by tenths in a step, gains by hundredths.
LOGIT_PER_PARAMETER = 50.0
GAIN_PER_PARAMETER = 20.0


def _tiles(frames: jax.Array) -> jax.Array:
    """(..., height, width) to (..., tile rows, tile columns, pixels): blocks moved by half a block up and left.

    All pixels of such a tile have the same four nearest nodes. Half tiles at the border are filled up with zeros.
    """
    margins = [(0, 0)] * (frames.ndim - 2) + [(HALF, HALF)] * 2
    padded = jnp.pad(frames, margins)
    rows, columns = (side // BLOCK for side in padded.shape[-2:])
    split = padded.reshape(*padded.shape[:-2], rows, BLOCK, columns, BLOCK)
    return jnp.moveaxis(split, -3, -2).reshape(*padded.shape[:-2], rows, columns, PIXELS)


def _frames(tiles: jax.Array) -> jax.Array:
    """The inverse of `_tiles`."""
    rows, columns = tiles.shape[-3:-1]
    split = tiles.reshape(*tiles.shape[:-1], BLOCK, BLOCK)
    padded = jnp.moveaxis(split, -2, -3).reshape(*tiles.shape[:-3], rows * BLOCK, columns * BLOCK)
    return padded[..., HALF:-HALF, HALF:-HALF]


def _to_nodes(corners: jax.Array) -> jax.Array:
    """Sum what the four tiles around each node hold for it: (..., rows + 1, columns + 1, 4) to (..., rows, columns)."""
    return (
        corners[..., 1:, 1:, 0]
        + corners[..., 1:, :-1, 1]
        + corners[..., :-1, 1:, 2]
        + corners[..., :-1, :-1, 3]
    )


def _to_corners(nodes: jax.Array) -> jax.Array:
    """The four nodes around every tile, 0 where there is none: the transpose of `_to_nodes`."""
    margins = [(0, 0)] * (nodes.ndim - 2) + [(1, 1)] * 2
    padded = jnp.pad(nodes, margins)
    around = (padded[..., :-1, :-1], padded[..., :-1, 1:], padded[..., 1:, :-1], padded[..., 1:, 1:])
    return jnp.stack(around, axis=-1)


def _own_corner() -> np.ndarray:
    """(pixels, corners) 1 for the node in whose block a tile's pixel lies."""
    row, column = np.divmod(np.arange(PIXELS), BLOCK)
    return np.eye(CORNERS, dtype=np.float32)[2 * (row >= HALF) + (column >= HALF)]


def initial_parameters(latent_shape: tuple[int, int]) -> dict[str, Any]:
    """Shares and gains of the block means' tiling; nothing is random.

    Args:
        latent_shape: (rows, columns) of the nodes.

    Returns:
        {"encoder": {"share": ...}, "decoder": {"gain": ...}}, both (rows + 1, columns + 1, 64, 4), in units of
        steps of the optimiser.
    """
    own = np.broadcast_to(_own_corner(), (latent_shape[0] + 1, latent_shape[1] + 1, PIXELS, CORNERS))
    logits = np.where(own > 0, 0.0, AT_FIRST)
    return {
        "encoder": {"share": jnp.asarray(logits / LOGIT_PER_PARAMETER, jnp.float32)},
        "decoder": {"gain": jnp.asarray(own / GAIN_PER_PARAMETER, jnp.float32)},
    }


def shares(encoder: dict[str, Any]) -> jax.Array:
    """How much of each pixel each of its four nodes claims: (rows + 1, columns + 1, 64, 4), sums of 1."""
    logits = encoder["share"] * LOGIT_PER_PARAMETER
    rows, columns = logits.shape[0] - 1, logits.shape[1] - 1
    exists = _to_corners(jnp.ones((rows, columns)))[:, :, None, :] > 0
    return jax.nn.softmax(jnp.where(exists, logits, -jnp.inf), axis=-1)


def encode_rois(encoder: dict[str, Any], frames: jax.Array, mean_frame: jax.Array) -> jax.Array:
    """Delta F / F of every node.

    Args:
        encoder: {"share": ...}.
        frames: (time, height, width), intensities in [0, 1].
        mean_frame: (height, width), positive.

    Returns:
        (time, rows, columns), dimensionless.

    Differentiation:
        In the shares and the frames.
    """
    share = shares(encoder)
    excess = dot("trcp,rcpn->trcn", _tiles(frames - mean_frame), share)
    light = dot("rcp,rcpn->rcn", _tiles(mean_frame), share)
    smallest = jnp.finfo(light.dtype).tiny  # a node that has lost every pixel is silent, and not NaN
    return _to_nodes(excess) / jnp.maximum(_to_nodes(light), smallest)


def decode_rois(decoder: dict[str, Any], latents: jax.Array) -> jax.Array:
    """Residual frames: every pixel's combination of its four nodes.

    Args:
        decoder: {"gain": ...}.
        latents: (time, rows, columns).

    Returns:
        (time, 8 rows, 8 columns), relative to the mean frame.

    Differentiation:
        In the gains and the latents; linear in either.
    """
    gain = decoder["gain"] * GAIN_PER_PARAMETER
    return _frames(dot("trcn,rcpn->trcp", _to_corners(latents), gain))


def footprints_of_nodes(encoder: dict[str, Any]) -> jax.Array:
    """What each node claims of each pixel: (rows * columns, height, width), in [0, 1]; over nodes they sum to 1."""
    share = shares(encoder)
    rows, columns = share.shape[0] - 1, share.shape[1] - 1

    def one(node: jax.Array) -> jax.Array:
        mine = jnp.zeros(rows * columns).at[node].set(1.0).reshape(rows, columns)
        return _frames((share * _to_corners(mine)[:, :, None, :]).sum(axis=-1))

    return jax.lax.map(one, jnp.arange(rows * columns))
