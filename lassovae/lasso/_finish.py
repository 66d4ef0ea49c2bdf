"""The end of a path: coefficients refined on their support, and the support checked."""

from __future__ import annotations

import jax.numpy as jnp
from jax import lax

from lassovae._status import Status
from lassovae.lasso._check import (
    badness_of,
    certified,
    correlated,
    has_wrong_sign,
    moved,
    tolerance,
    towards,
    with_slope,
)
from lassovae.lasso._groups import where_chosen
from lassovae.lasso._places import leave, resume
from lassovae.lasso._state import Place, Problem, Walk

REFINEMENTS = 2  # Newton steps on the support


def _refined(problem: Problem, walk: Walk) -> Walk:
    """A Newton step on the support, unless a sign would flip."""
    to = towards(problem, walk)
    safe = jnp.isfinite(to).all(axis=-1) & ~has_wrong_sign(walk, to).any(axis=-1)
    return moved(walk, to, safe)


def finish(problem: Problem, place: Place, positive: bool) -> Place:
    """Refined coefficients, exact residuals and the certificate, of targets at the end of their paths.

    Targets that a cap has stopped are refined at the level that they have reached. Those whose support does not
    meet the optimality conditions are marked as suspect.

    Args:
        problem: the problem.
        place: where the targets stand; those that are still on their way stay as they are.
        positive: coefficients may not be negative.
    """
    arrived = place.status == Status.OK
    walk = resume(problem, place)
    walk = lax.fori_loop(0, REFINEMENTS, lambda _, w: _refined(problem, w), walk)
    # at the knot where a cap stops a target, what joins or drops there is zero but for its rounding
    at_zero = has_wrong_sign(walk, walk.coef) & ~arrived[..., None]
    walk = correlated(problem, walk._replace(coef=jnp.where(at_zero, 0, walk.coef)))
    badness, excess = badness_of(problem, walk, positive)
    flips = has_wrong_sign(walk, towards(problem, walk)).any(axis=-1)
    new = certified(problem, leave(place, walk), with_slope(problem, walk), badness, positive)
    unsound = new.status == Status.ILL_CONDITIONED
    suspect = arrived & (flips | (excess > tolerance(problem, walk)) | unsound)
    new = new._replace(suspect=suspect, finished=jnp.ones_like(place.finished))
    return where_chosen((place.status >= 0) & ~place.finished, new, place)
