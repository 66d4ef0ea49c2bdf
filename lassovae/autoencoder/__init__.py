"""Convolutional autoencoder with remembered pooling positions and a mean-frame skip connection."""

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
    "position_weights",
    "reconstruct",
]
