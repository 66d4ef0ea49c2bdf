"""What the lasso's public functions ask of their arguments.

Values are checked where they are known: under tracing they are not, and what is wrong becomes a status instead.
"""

from __future__ import annotations

import numbers

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from lassovae._errors import InputError

LARGEST_CAP = 2**31 - 1  # counts are int32


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


def cap(name: str, value: int | None, default: int, largest: str) -> int:
    """A cap as a number; `largest` says what None stands for."""
    if value is None:
        return default
    if not isinstance(value, numbers.Integral) or isinstance(value, bool):
        raise InputError(
            f"{name}={value!r} must be an int that is known when the program is traced, or None for {largest}: "
            "under jit, bind it with functools.partial or name it in static_argnames"
        )
    if not 1 <= value <= LARGEST_CAP:
        raise InputError(f"{name}={value} must be at least 1 and below 2^31, or None for {largest}")
    return int(value)


def check_flag(name: str, value: object) -> None:
    """Reject what is not True or False."""
    if not isinstance(value, bool | np.bool_):
        raise InputError(
            f"{name}={value!r} must be True or False, known when the program is traced: under jit, bind it with "
            "functools.partial or name it in static_argnames"
        )


def as_real(name: str, value: ArrayLike, dtype: jnp.dtype | None = None) -> jax.Array:
    """Real numbers as an array; lists too."""
    try:
        given = jnp.asarray(value)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} is not an array of numbers: {error}") from None
    if jnp.iscomplexobj(given):
        raise InputError(f"{name} is complex: the lasso takes real numbers")
    return given if dtype is None else given.astype(dtype)


def as_design(x_name: str, X: ArrayLike, y_name: str, Y: ArrayLike) -> tuple[jax.Array, jax.Array]:
    """A design (rows, predictors) and its targets (rows,) or (rows, targets)."""
    X, Y = as_real(x_name, X), as_real(y_name, Y)
    if X.ndim != 2 or Y.ndim not in (1, 2) or X.shape[0] != Y.shape[0] or 0 in X.shape + Y.shape:
        raise InputError(
            f"{x_name} {X.shape} must be (rows, predictors) and {y_name} {Y.shape} (rows,) or (rows, targets), with "
            "the same rows and none of them empty"
        )
    return X, Y


def as_weights(
    weights: ArrayLike | None, num_predictors: int, dtype: jnp.dtype, positive: bool
) -> tuple[jax.Array, bool]:
    """Weights of the penalty, (predictors,), and whether some of them may be 0."""
    if weights is None:
        return jnp.ones(num_predictors, dtype), False
    given = as_real("weights", weights, dtype)
    if given.shape != (num_predictors,):
        raise InputError(f"weights {given.shape} must be one a predictor, {(num_predictors,)}")
    check_not_negative("weights", weights)
    free = not is_known(weights) or bool((np.asarray(weights) == 0).any())
    if positive and free and is_known(weights):
        raise InputError(
            "positive=True bounds every coefficient, so weights may not be 0: give a small weight"
        )
    return given, free
