"""Encoders and decoders: convolutional with remembered pooling positions, soft regions of interest, block means."""

from lassovae.autoencoder._model import (
    BLOCK,
    Positions,
    Weights,
    count_positions,
    decode,
    encode,
    initial_weights,
    latent_shape,
    mean_positions,
    node_footprints,
    reconstruct,
)
from lassovae.autoencoder._pooling import max_pool, max_unpool, position_weights

__all__ = [
    "BLOCK",
    "Positions",
    "Weights",
    "count_positions",
    "decode",
    "encode",
    "initial_weights",
    "latent_shape",
    "max_pool",
    "max_unpool",
    "mean_positions",
    "node_footprints",
    "position_weights",
    "reconstruct",
]
