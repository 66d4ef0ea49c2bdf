"""Is a target at its optimum? What the refinement and the repair at the end of a path ask and share."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from lassovae._status import Status
from lassovae.lasso._active import solve_active
from lassovae.lasso._certificate import certificate
from lassovae.lasso._compensated import residual_of
from lassovae.lasso._state import Place, Problem, Walk, combine, correlate, correlate_active, is_active

SOUND = 100.0  # violation of the optimality conditions, in units of `tolerance`, that a status of OK allows


def missed(problem: Problem, walk: Walk) -> jax.Array:
    """By how much the correlations of the active predictors miss the level, (designs, targets, slots)."""
    off = correlate_active(walk.active_rows, walk.residual) - problem.ridge[:, None, None] * walk.coef
    return jnp.where(is_active(walk, problem), off - walk.level[..., None] * walk.pull, 0)


def towards(problem: Problem, walk: Walk, refinements: int = 0) -> jax.Array:
    """The optimal coefficients on the support, by one Newton step from the residual as it is."""
    return walk.coef + solve_active(problem, walk, missed(problem, walk), refinements)


def has_wrong_sign(walk: Walk, coef: jax.Array) -> jax.Array:
    """Slots whose coefficient has the wrong sign."""
    return coef * jnp.sign(walk.pull) < 0


def moved(walk: Walk, coef: jax.Array, lanes: jax.Array) -> Walk:
    """The chosen targets with other coefficients, and their residuals."""
    coef = jnp.where(lanes[..., None], coef, walk.coef)
    return walk._replace(coef=coef, residual=residual_of(walk.target, walk.active_rows, coef))


def correlated(problem: Problem, walk: Walk) -> Walk:
    """The correlations that belong to the residual."""
    return walk._replace(corr=correlate(problem.columns, walk.residual))


def excess_of(problem: Problem, walk: Walk, positive: bool) -> jax.Array:
    """By how much the correlations of inactive predictors pass their bound, (designs, targets, padded).

    What is beyond the rounding of the bound counts with every column as long as the longest: the correlations of a
    small column have a small rounding error, and by that of a large one it would be missed.
    """
    size = walk.corr if positive else jnp.abs(walk.corr)
    eps = jnp.finfo(size.dtype).eps
    bound = walk.level[..., None] * jnp.where(jnp.isinf(problem.bar), 0, problem.bar)
    rounding = (
        8 * eps * bound
    )  # of which `tolerance` knows: it is taken out of the unit, not allowed for twice
    excess = (size - bound - rounding) * problem.own_unit[:, None] + rounding
    excess = jnp.where(jnp.isinf(problem.bar), -jnp.inf, excess)
    return jax.vmap(jax.vmap(lambda e, i: e.at[i].set(-jnp.inf)))(excess, walk.predictor)


def tolerance(problem: Problem, walk: Walk) -> jax.Array:
    """Excess of a correlation over its bound that is taken for rounding: (designs, targets)."""
    eps = jnp.finfo(walk.level.dtype).eps
    largest = jnp.sqrt(jnp.square(problem.columns).sum(axis=-1).max(axis=-1))
    parts = jnp.square(walk.active_rows).sum(axis=-1) * jnp.square(walk.coef)
    spread = eps * largest[:, None] * jnp.sqrt(parts.sum(axis=-1))
    # float32 residuals are compensated, so that less than the rounding of a product is left; that of the coefficients
    # is a bound seldom reached; at the end of a path nothing is left to find in either
    product = (1 / 16 if eps > 1e-10 else 8) * walk.noise
    last = walk.level <= 256 * walk.noise
    return 8 * eps * walk.level + jnp.where(last, 8 * walk.noise + spread, product + spread / 256)


def badness_of(problem: Problem, walk: Walk, positive: bool) -> tuple[jax.Array, jax.Array]:
    """By how much the optimality conditions are violated, as a multiple of `tolerance`: (designs, targets).

    Also by how much they are violated outside of the support.
    """
    off, excess = missed(problem, walk), excess_of(problem, walk, positive).max(axis=-1)
    worst, unit = jnp.maximum(jnp.abs(off).max(axis=-1), excess), tolerance(problem, walk)
    worst = jnp.where(worst > 0, worst / jnp.where(unit > 0, unit, jnp.finfo(unit.dtype).tiny), worst)
    worst = jnp.where(has_wrong_sign(walk, walk.coef).any(axis=-1), jnp.inf, worst)
    return jnp.where(jnp.isnan(worst), jnp.inf, worst), excess


def with_slope(problem: Problem, walk: Walk) -> Walk:
    """The direction on the support as it is, and its slopes."""
    direction = solve_active(problem, walk, walk.pull)
    slope = correlate(problem.columns, combine(walk.active_rows, direction))
    return walk._replace(direction=direction, slope=slope)


def certified(problem: Problem, place: Place, walk: Walk, badness: jax.Array, positive: bool) -> Place:
    """The place with its certificate, and a status that says so where it is not sound.

    A gap above the cube root of the rounding is not, whatever the optimality conditions say: where correlations
    are differences of large numbers, as with free predictors of uncentred data, rounding hides their violation.
    """
    gap, margin = certificate(problem, walk, positive)
    sound = (badness < SOUND) & ((place.level == 0) | (gap < jnp.finfo(gap.dtype).eps ** (1 / 3)))
    here = (place.status == Status.OK) | (place.status == Status.ILL_CONDITIONED)
    status = jnp.where(here, jnp.where(sound, Status.OK, Status.ILL_CONDITIONED), place.status)
    return place._replace(gap=gap, kink_margin=margin, status=status.astype(jnp.int32))
