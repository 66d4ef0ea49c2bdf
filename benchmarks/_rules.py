"""Other ways to differentiate a lasso, to compare the library's with: unrolled least-angle events, implicit rule.

`unrolled` is the lasso homotopy written for one target as a `lax.scan` over a fixed number of events, mapped
over targets, and differentiated by JAX itself through every event. `implicit` is jaxopt's accelerated proximal
gradient, differentiated by jaxopt through its fixed-point equation.
"""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

_einsum = partial(jnp.einsum, precision=lax.Precision.HIGHEST)


class Knot(NamedTuple):
    """Where the path of one target stands: coefficients, active predictors with signs, correlation level.

    A free slot holds the predictor P, which does not exist, and the sign 0.
    """

    coef: jax.Array
    predictor: jax.Array
    sign: jax.Array
    level: jax.Array


def _event(X: jax.Array, y: jax.Array, end_level: jax.Array, at: Knot) -> Knot:
    """Walk to the next knot: a predictor joins, one drops, or the end is reached (and then nothing changes).

    With A active, signs s and d = (X_A'X_A)^-1 s, the coefficients move by t d while the level falls from C to
    C - t and the correlations c = X'(y - X b) to c - t a, a = X'X_A d. Predictor j joins with the sign z where
    C - t = z (c_j - t a_j); active i drops where b_i + t d_i = 0.
    """
    num_predictors = X.shape[1]
    columns = X.at[:, at.predictor].get(mode="fill", fill_value=0)
    free = at.sign == 0
    gram = _einsum("na,nb->ab", columns, columns) + jnp.diag(free.astype(X.dtype))
    d = jnp.linalg.solve(gram, at.sign[:, None])[:, 0]
    a = _einsum("np,na,a->p", X, columns, d)
    c = _einsum("np,n->p", X, y - _einsum("np,p->n", X, at.coef))

    z = jnp.array([[1.0], [-1.0]], X.dtype)
    closing = 1 - z * a
    taken = jnp.zeros(num_predictors, bool).at[at.predictor].set(True, mode="drop")
    may_join = ~taken & (
        closing > jnp.finfo(X.dtype).eps ** 0.6
    )  # a duplicate or the one just dropped may not
    joins = jnp.where(may_join, jnp.maximum(at.level - z * c, 0) / jnp.where(may_join, closing, 1), jnp.inf)
    first = jnp.argmin(joins)
    join = joins.reshape(-1)[first]

    b = at.coef.at[at.predictor].get(mode="fill", fill_value=0)
    may_drop = b * d < 0
    drops = jnp.where(may_drop, -b / jnp.where(may_drop, d, 1), jnp.inf)
    leaving = jnp.argmin(drops)
    drop = drops[leaving]

    end = jnp.maximum(at.level - end_level, 0)
    step = jnp.minimum(end, jnp.minimum(join, drop))
    ends = end <= jnp.minimum(join, drop)
    dropped, joined = ~ends & (drop <= join), ~ends & (join < drop)

    coef = at.coef.at[at.predictor].add(step * d, mode="drop")
    coef = coef.at[jnp.where(dropped, at.predictor[leaving], num_predictors)].set(0, mode="drop")
    slot = jnp.where(joined, jnp.argmax(free), leaving)
    entering = jnp.where(joined, first % num_predictors, num_predictors).astype(at.predictor.dtype)
    sign = jnp.where(joined, jnp.where(first < num_predictors, 1, -1), 0).astype(X.dtype)
    changed = joined | dropped
    return Knot(
        coef,
        at.predictor.at[slot].set(jnp.where(changed, entering, at.predictor[slot])),
        at.sign.at[slot].set(jnp.where(changed, sign, at.sign[slot])),
        at.level - step,
    )


def unrolled(X: jax.Array, Y: jax.Array, lam: jax.Array, *, num_events: int, max_active: int) -> jax.Array:
    """Lasso coefficients (predictors, targets) after `num_events` passes, differentiable by plain autodiff.

    Args:
        X: (rows, predictors).
        Y: (rows, targets).
        lam: (targets,).
        num_events: static; at least the joins and drops of the longest path.
        max_active: static; at least the largest active set on the way.
    """

    def one(y, strength):
        c = _einsum("np,n->p", X, y)
        first = jnp.argmax(jnp.abs(c))
        slots = jnp.full(max_active, X.shape[1], jnp.int32)
        start = Knot(
            jnp.zeros(X.shape[1], X.dtype),
            slots.at[0].set(first.astype(jnp.int32)),
            jnp.zeros(max_active, X.dtype).at[0].set(jnp.sign(c[first])),
            jnp.abs(c[first]),
        )
        event = partial(_event, X, y, X.shape[0] * strength)
        last, _ = lax.scan(lambda at, _: (event(at), None), start, length=num_events)
        return last.coef

    return jax.vmap(one, in_axes=(1, 0), out_axes=1)(Y, lam)


def has_implicit() -> bool:
    """Whether jaxopt is installed."""
    return find_spec("jaxopt") is not None


def implicit(
    X: jax.Array, Y: jax.Array, lam: jax.Array, *, stepsize: float, num_iterations: int
) -> jax.Array:
    """Lasso coefficients (predictors, targets) by jaxopt: accelerated proximal gradient with its implicit rule.

    All targets are one problem, so that an iteration is two matrix products. The linear system of the rule is
    solved by jaxopt's default, conjugate gradients on the normal equations.

    Args:
        X: (rows, predictors).
        Y: (rows, targets).
        lam: (targets,).
        stepsize: rows / ||X||^2 is the largest that is safe; a number, jaxopt takes no traced one.
        num_iterations: static cap, of the iterations and of the conjugate gradients.
    """
    import jaxopt

    rows = X.shape[0]
    eps = float(jnp.finfo(X.dtype).eps)

    def objective(B, data):
        residual = data[1] - _einsum("np,pk->nk", data[0], B)
        return 0.5 / rows * jnp.square(residual).sum()

    solver = jaxopt.ProximalGradient(
        fun=objective,
        prox=jaxopt.prox.prox_lasso,
        stepsize=stepsize,
        maxiter=num_iterations,
        tol=10 * eps,
        acceleration=True,
        implicit_diff=True,
        implicit_diff_solve=partial(
            jaxopt.linear_solve.solve_normal_cg, tol=10 * eps, maxiter=num_iterations
        ),
    )
    strength = jnp.broadcast_to(lam, (X.shape[1], Y.shape[1]))
    return solver.run(jnp.zeros_like(strength), strength, (X, Y)).params
