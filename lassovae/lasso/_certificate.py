"""The certificate of a solution: its duality gap, and how far the nearest kink is."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from lassovae.lasso._optimality import gap_from_parts, relative_to_zero
from lassovae.lasso._state import Problem, Walk, spread


def certificate(problem: Problem, walk: Walk, positive: bool) -> tuple[jax.Array, jax.Array]:
    """Relative duality gap and kink margin of every target, (designs, targets)."""
    size = (lambda c: c) if positive else jnp.abs
    level = jnp.minimum(walk.level, walk.top)
    shrunk = problem.ridge[:, None, None] * spread(walk.coef, walk.predictor, walk.corr.shape[-1])
    corr = walk.corr - shrunk
    coef_corr = jnp.take_along_axis(corr, walk.predictor, axis=-1)
    scaled = gap_from_parts(
        jnp.square(walk.residual).sum(axis=-1) + problem.ridge[:, None] * jnp.square(walk.coef).sum(axis=-1),
        (size(corr) / problem.bar).max(axis=-1),
        (size(corr) * problem.own_unit[:, None]).max(axis=-1),
        (walk.coef * coef_corr).sum(axis=-1),
        (walk.coef * walk.pull).sum(axis=-1),
        level,
        walk.top,
    )
    gap = relative_to_zero(scaled, jnp.square(walk.target).sum(axis=-1))

    # inactive predictors: how far below the level, at the speed with which they can meet it; active ones: the
    # change of the level that zeroes them
    inactive = jax.vmap(jax.vmap(lambda c, i: c.at[i].set(0, mode="drop")))(walk.corr, walk.predictor)
    safe_level = jnp.where(walk.level > 0, walk.level, 1)
    bar = jnp.where(jnp.isinf(problem.bar), 1, problem.bar)
    slack = (safe_level[..., None] * bar - size(inactive)) / (bar + jnp.abs(walk.slope))
    penalised = (walk.pull != 0) & (walk.direction != 0)
    travel = jnp.where(penalised, jnp.abs(walk.coef / jnp.where(penalised, walk.direction, 1)), jnp.inf)
    margin = jnp.minimum(slack.min(axis=-1), travel.min(axis=-1)) / safe_level
    return gap, jnp.where(walk.level > 0, jnp.maximum(margin, 0), 0)
