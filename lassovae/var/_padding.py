"""What fits to several runs share: padding to one length, checks, and growing room for coefficients."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from lassovae._errors import InputError
from lassovae._status import Status
from lassovae.var._design import flatten_nodes
from lassovae.var._fit import VARFit

CAPACITIES = (64, 256, 1024)  # of the active set, tried in turn


def check_runs(list_of_latents: Sequence[ArrayLike]) -> list[np.ndarray]:
    """The runs as (time, nodes).

    Raises:
        InputError: no run, runs with different nodes, NaN or Inf.
    """
    runs = [np.asarray(flatten_nodes(z)) for z in list_of_latents]
    if not runs:
        raise InputError("list_of_latents is empty: give at least one run")
    if len({z.shape[1] for z in runs}) > 1:
        raise InputError(f"runs have different numbers of nodes: {[z.shape[1] for z in runs]}")
    for index, z in enumerate(runs):
        if not np.isfinite(z).all():
            raise InputError(f"run {index} of list_of_latents holds {(~np.isfinite(z)).sum()} NaN or Inf")
    return runs


def pad_runs(list_of_latents: Sequence[ArrayLike]) -> tuple[jax.Array, jax.Array]:
    """Stack runs to the longest: (runs, time, nodes) padded with zeros, and (runs, time) bool of real frames."""
    runs = check_runs(list_of_latents)
    longest = max(len(z) for z in runs)
    dtype = jnp.promote_types(jnp.result_type(*runs), jnp.float32)
    padded = np.zeros((len(runs), longest, runs[0].shape[1]), dtype)
    valid = np.zeros(padded.shape[:2], bool)
    for index, z in enumerate(runs):
        padded[index, : len(z)] = z
        valid[index, : len(z)] = True
    return jnp.asarray(padded), jnp.asarray(valid)


def check_lam(lam: float) -> None:
    if isinstance(lam, str) or not lam >= 0:
        raise InputError(f"lam={lam} must be at least 0 and not NaN")


def with_growing_capacity(fit: Callable[..., VARFit], rank: int, capacities: tuple[int, ...]) -> VARFit:
    """Fit with few slots first: memory grows with their square, and at useful strengths few are needed."""
    for capacity in (*(size for size in capacities if size < rank), rank):
        fitted = fit(max_active=capacity)
        if not (np.asarray(fitted.status) == Status.MAX_ACTIVE).any():
            break
    return fitted
