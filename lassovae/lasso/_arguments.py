"""What the lasso's public functions ask of their arguments.

Values are checked where they are known: under tracing they are not, and what is wrong becomes a status instead.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from lassovae._errors import InputError


def is_known(value: object) -> bool:
    """Whether a value, as the caller gave it, can be looked at now: under jit every array made from it is traced."""
    return not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(value))


def common_dtype(*arrays: ArrayLike) -> jnp.dtype:
    """The floating dtype of a solution: float32 for integers."""
    return jnp.promote_types(jnp.result_type(*arrays), jnp.float32)


def check_not_negative(name: str, value: ArrayLike) -> None:
    """Reject negative numbers and NaN, showing the first one."""
    if is_known(value) and not (np.asarray(value) >= 0).all():
        bad = np.asarray(value)[~(np.asarray(value) >= 0)].ravel()[0]
        raise InputError(f"{name}={bad} must be at least 0 and not NaN")


def check_finite(name: str, values: ArrayLike) -> None:
    """Reject NaN and Inf, saying how many there are."""
    if is_known(values) and not np.isfinite(np.asarray(values)).all():
        count = int((~np.isfinite(np.asarray(values))).sum())
        raise InputError(
            f"{name} holds {count} NaN or Inf of {np.size(values)} entries: clean or mask them first"
        )


def check_cap(name: str, value: int | None, largest: str) -> None:
    """Reject a cap that allows nothing; `largest` says what None stands for."""
    if value is not None and value < 1:
        raise InputError(f"{name}={value} must be at least 1, or None for {largest}")


def as_weights(
    weights: ArrayLike | None, num_predictors: int, dtype: jnp.dtype, positive: bool
) -> tuple[jax.Array, bool]:
    """Weights of the penalty, (predictors,), and whether some of them may be 0."""
    if weights is None:
        return jnp.ones(num_predictors, dtype), False
    given = jnp.asarray(weights, dtype)
    if given.shape != (num_predictors,):
        raise InputError(f"weights {given.shape} must be one a predictor, {(num_predictors,)}")
    check_not_negative("weights", weights)
    free = not is_known(weights) or bool((np.asarray(weights) == 0).any())
    if positive and free and is_known(weights):
        raise InputError(
            "positive=True bounds every coefficient, so weights may not be 0: give a small weight"
        )
    return given, free
