"""Products and scalings whose rounding matters."""

from __future__ import annotations

import os

import jax
import jax.numpy as jnp
from jax import lax


def dot(subscripts: str, *operands: jax.Array) -> jax.Array:
    """Einsum at the highest precision: correlations are differences of nearly equal numbers, and the default on
    recent GPUs rounds the factors to 10 bits.
    """
    return jnp.einsum(subscripts, *operands, precision=lax.Precision.HIGHEST)


def power_of_two(x: jax.Array, axes: tuple[int, ...] | None = None) -> jax.Array:
    """A power of two near max|x| over `axes` (kept; None: all, not kept), 1 where x is zero: to scale by it is exact.

    It is held constant when differentiated.
    """
    largest = lax.stop_gradient(jnp.abs(x).max(axis=axes, keepdims=axes is not None))
    _, exponent = jnp.frexp(jnp.where(largest > 0, largest, 1))
    return jnp.ldexp(jnp.ones_like(largest), exponent)


def quicker() -> dict[str, int] | None:
    """Compiler options for a program of many small kernels: LLVM's last pass costs a fifth of the compile time.

    On CPU the programs of this library run as fast without it (docs/performance.md). A level in XLA_FLAGS is the
    user's own choice, and stays.
    """
    chosen = "xla_backend_optimization_level" in os.environ.get("XLA_FLAGS", "")
    return {"xla_backend_optimization_level": 2} if jax.default_backend() == "cpu" and not chosen else None
