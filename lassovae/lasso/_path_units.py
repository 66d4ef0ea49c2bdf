"""The path in the caller's units: what cannot be solved becomes a status, the rest is scaled by powers of two."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from lassovae._numerics import power_of_two
from lassovae._status import Status
from lassovae.lasso._path_data import Design, Gram
from lassovae.lasso._path_rule import PathOptions, follow
from lassovae.lasso._state import num_padding


class LassoPath(NamedTuple):
    """The piecewise-linear path of one target, as its knots.

    Attributes:
        lams: (knots,), strictly decreasing over the first `num_knots`, from lam_max to lam_min, both counted;
            then the last one repeated.
        coefs: (knots, predictors), the solutions there, padded in the same way.
        status: () int32, a member of `lassovae.Status`.
        num_knots: () int32; 0, with lams and coefs NaN, where the status is NON_FINITE or BAD_ARGUMENT.
    """

    lams: jax.Array
    coefs: jax.Array
    status: jax.Array
    num_knots: jax.Array


def _finish(
    data: Design | Gram,
    bar: jax.Array,
    scales: tuple[jax.Array, jax.Array, jax.Array],
    num_rows: jax.Array | int,
    lam_min: jax.Array,
    status: jax.Array,
    options: PathOptions,
) -> LassoPath:
    """Follow the path of scaled data and undo the scaling."""
    scale_x, scale_y, scale_w = scales
    huge = jnp.sqrt(jnp.finfo(bar.dtype).max)  # above any scaled level, and finite
    unusable = status != Status.OK
    # multiplied one after the other, as in `_solve.py`
    per_x, per_y, per_w = 1 / scale_x, 1 / scale_y, 1 / scale_w
    end = lam_min * per_x * per_y * scale_w * num_rows
    # what cannot be solved costs nothing, and has finite derivatives
    end = jnp.where(unusable | ~(end < huge), huge, end)
    knots = follow(data, bar, end, options)
    last = jnp.maximum(knots.num_knots - 1, 0)
    place = jnp.minimum(jnp.arange(options.max_knots), last)
    lams = (knots.levels / num_rows * per_w * scale_x * scale_y)[place]
    coefs = knots.coefs[place] * scale_y * per_x
    at_end = (place == last) & (knots.status == Status.OK)
    lams = jnp.where(at_end, lam_min, lams)  # to the last bit
    return LassoPath(
        lams=jnp.where(unusable, jnp.nan, lams),
        coefs=jnp.where(unusable, jnp.nan, coefs),
        status=jnp.where(unusable, status, knots.status).astype(jnp.int32),
        num_knots=jnp.where(unusable, 0, knots.num_knots).astype(jnp.int32),
    )


def _status(bad_argument: jax.Array, bad_target: jax.Array) -> jax.Array:
    return jnp.where(bad_argument, Status.BAD_ARGUMENT, jnp.where(bad_target, Status.NON_FINITE, Status.OK))


@partial(jax.jit, static_argnames="options")
def path_of_design(
    X: jax.Array, y: jax.Array, lam_min: jax.Array, weights: jax.Array, options: PathOptions
) -> LassoPath:
    """The path of X (rows, predictors), y (rows,), down to lam_min (), with weights (predictors,)."""
    num_rows, num_predictors = X.shape
    bad_weights = ~(weights >= 0).all() | (options.positive & (weights == 0).any())
    bad_argument = ~jnp.isfinite(X).all() | ~(lam_min >= 0) | bad_weights
    status = _status(bad_argument, ~jnp.isfinite(y).all())
    X, y = jnp.where(jnp.isfinite(X), X, 0), jnp.where(jnp.isfinite(y), y, 0)
    weights = jnp.where(bad_weights, 1, weights)

    X = jnp.where(jnp.isinf(weights), 0, X)  # excluded
    absent = ~X.any(axis=0)
    weights = jnp.where(absent, 1, weights)
    scale_x, scale_y = power_of_two(X), power_of_two(y)
    scale_w = power_of_two(jnp.where(absent, 0, weights))
    bar = jnp.where(absent, 1, jnp.where(weights == 0, jnp.inf, weights / scale_w))
    padding = num_padding(num_predictors)
    data = Design(jnp.pad(X / scale_x, ((0, 0), (0, padding))), y / scale_y)
    bar = jnp.pad(bar, (0, padding), constant_values=1)
    path = _finish(data, bar, (scale_x, scale_y, scale_w), num_rows, lam_min, status, options)
    return path._replace(coefs=path.coefs[:, :num_predictors])


@partial(jax.jit, static_argnames="options")
def path_of_gram(
    gram: jax.Array, xty: jax.Array, num_rows: jax.Array, lam_min: jax.Array, options: PathOptions
) -> LassoPath:
    """The path of gram (predictors, predictors), xty (predictors,), of num_rows () rows, down to lam_min ()."""
    num_predictors = xty.shape[0]
    bad_argument = ~jnp.isfinite(gram).all() | ~(lam_min >= 0) | ~(num_rows > 0)
    status = _status(bad_argument, ~jnp.isfinite(xty).all())
    gram, xty = jnp.where(jnp.isfinite(gram), gram, 0), jnp.where(jnp.isfinite(xty), xty, 0)
    num_rows = jnp.where(num_rows > 0, num_rows, 1)

    gram = (gram + gram.T) / 2
    scale_x = power_of_two(jnp.sqrt(jnp.abs(jax.lax.stop_gradient(gram)).max()))
    scale_y = power_of_two(xty / scale_x)
    padding = num_padding(num_predictors)
    data = Gram(
        jnp.pad(gram * (1 / scale_x) * (1 / scale_x), (0, padding)),
        jnp.pad(xty * (1 / scale_x) * (1 / scale_y), (0, padding)),
    )
    bar = jnp.ones_like(data.xty)
    scales = (scale_x, scale_y, jnp.ones_like(scale_x))
    path = _finish(data, bar, scales, num_rows, lam_min, status, options)
    return path._replace(coefs=path.coefs[:, :num_predictors])
