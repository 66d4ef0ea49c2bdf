"""What a path is computed from: a design and its target, or their products alone.

Axes: rows, and padded (predictors and at least one column of zeros).
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from lassovae._numerics import dot


class Design(NamedTuple):
    """The data as a design and a target."""

    X: jax.Array  # (rows, padded)
    y: jax.Array  # (rows,)

    def product(self, v: jax.Array) -> jax.Array:
        """G v."""
        return dot("np,n->p", self.X, dot("np,p->n", self.X, v))

    def correlation(self, b: jax.Array) -> jax.Array:
        """X'(y - X b)."""
        return dot("np,n->p", self.X, self.y - dot("np,p->n", self.X, b))

    def block(self, predictor: jax.Array) -> jax.Array:
        """Rows and columns of G of the given predictors."""
        columns = self.X[:, predictor]
        return dot("ni,nj->ij", columns, columns)

    def sizes(self) -> jax.Array:
        """(padded,), norms of the columns."""
        return jnp.sqrt(jnp.square(self.X).sum(axis=0))

    def square(self, v: jax.Array) -> jax.Array:
        """v'G v."""
        return jnp.square(dot("np,p->n", self.X, v)).sum()

    def rounding_of_square(self, v: jax.Array) -> jax.Array:
        """Of v'G v, where that is small."""
        return jnp.square(jnp.finfo(v.dtype).eps * dot("p,p->", self.sizes(), jnp.abs(v)))

    def pull_back(self, V: jax.Array, B: jax.Array) -> Design:
        """Cotangents of the data from (knots, padded) arrays; see `_path_rule.py`."""
        moved = dot("np,kp->kn", self.X, V)
        residual = self.y - dot("np,kp->kn", self.X, B)
        return Design(dot("kn,kp->np", residual, V) - dot("kn,kp->np", moved, B), moved.sum(axis=0))


class Gram(NamedTuple):
    """The data as Gram matrix and correlations."""

    gram: jax.Array  # (padded, padded), symmetric
    xty: jax.Array  # (padded,)

    def product(self, v: jax.Array) -> jax.Array:
        """G v."""
        return dot("ij,j->i", self.gram, v)

    def correlation(self, b: jax.Array) -> jax.Array:
        """X'y - G b."""
        return self.xty - self.product(b)

    def block(self, predictor: jax.Array) -> jax.Array:
        """Rows and columns of G of the given predictors."""
        return self.gram[predictor][:, predictor]

    def sizes(self) -> jax.Array:
        """(padded,), norms of the columns of the design."""
        return jnp.sqrt(jnp.maximum(jnp.diagonal(self.gram), 0))

    def square(self, v: jax.Array) -> jax.Array:
        """v'G v."""
        return dot("p,p->", v, self.product(v))

    def rounding_of_square(self, v: jax.Array) -> jax.Array:
        """Of v'G v, where that is small."""
        return jnp.finfo(v.dtype).eps * jnp.square(dot("p,p->", self.sizes(), jnp.abs(v)))

    def pull_back(self, V: jax.Array, B: jax.Array) -> Gram:
        """Cotangents of the data from (knots, padded) arrays; see `_path_rule.py`."""
        return Gram(-dot("kp,kq->pq", V, B), V.sum(axis=0))
