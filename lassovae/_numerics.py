"""Products whose rounding matters."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax


def dot(subscripts: str, *operands: jax.Array) -> jax.Array:
    """Einsum at the highest precision: correlations are differences of nearly equal numbers, and the default on
    recent GPUs rounds the factors to 10 bits.
    """
    return jnp.einsum(subscripts, *operands, precision=lax.Precision.HIGHEST)
