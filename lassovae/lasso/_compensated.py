"""Residuals in twice the working precision, out of float32 alone.

At small lam the residual is a thousandth of the target and less, and y - X b in float32 has lost the digits that the
optimality conditions are about. Here every product is split into four that are exact: each factor is cut, by a mask
on its bits, into two halves of 12 bits. Being exact, the products come out the same whether or not the compiler
fuses them with the sums; the sums carry their error along (Knuth's two-sum). No global float64 is needed.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax


def _halves(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """float32 as a sum of two numbers with at most 12 significant bits each, exactly."""
    bits = lax.bitcast_convert_type(x, jnp.int32)
    high = lax.bitcast_convert_type(bits & jnp.int32(-4096), jnp.float32)
    return high, x - high


def _add(total: jax.Array, rest: jax.Array, term: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(total, rest) + term, the rounding of the sum going to the rest."""
    new = total + term
    part = new - total
    return new, rest + ((total - (new - part)) + (term - part))


def residual_of(target: jax.Array, active_rows: jax.Array, coef: jax.Array) -> jax.Array:
    """y - X_A b, rounded once at the end where the dtype is float32.

    Args:
        target: (designs, targets, rows).
        active_rows: (designs, targets, slots, rows); what lies beyond the last non-zero coefficient is not read.
        coef: (designs, targets, slots).
    """
    if target.dtype != jnp.float32:
        return target - jnp.einsum("dkmn,dkm->dkn", active_rows, coef, precision=lax.Precision.HIGHEST)
    used = jnp.where(coef != 0, jnp.arange(1, coef.shape[-1] + 1), 0).max()

    def one(slot: jax.Array, carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        x = lax.dynamic_index_in_dim(active_rows, slot, axis=2, keepdims=False)
        b = lax.dynamic_index_in_dim(coef, slot, axis=2)
        (x_high, x_low), (b_high, b_low) = _halves(x), _halves(-b)
        for term in (x_high * b_high, x_high * b_low, x_low * b_high, x_low * b_low):
            carry = _add(*carry, term)
        return carry

    total, rest = lax.fori_loop(0, used, one, (target, jnp.zeros_like(target)))
    return total + rest
