"""Whole runs of different length, padded, masked and fitted in one batched call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec
from jax.typing import ArrayLike

from lassovae._numerics import quicker
from lassovae.var._design import centre, check_length
from lassovae.var._fit import VARFit, fit_series
from lassovae.var._padding import CAPACITIES, check_lam, check_runs, pad_runs, with_growing_capacity
from lassovae.var._pooled import fit_pooled

# Working memory aimed at, by which the runs are split into calls of one shape: a CPU has its caches, and is busy with a
# single run of the paper's size (20 of them together take twice as long); an accelerator wants them all.
LONG = 4  # frames for each column of a run's regression, beyond which folding the rows costs less than carrying them
BYTES_A_CALL = {"cpu": 2**24, "accelerator": 2**29}


def _fit_padded_impl(latents, valid, lam, *, order, max_active):
    return fit_series(centre(latents, valid), order, lam, max_active=max_active)


@cache
def _program(order: int, max_active: int, num_devices: int) -> Callable[..., VARFit]:
    """Compiled once; on the first call, because the device is asked for.

    Devices share the runs of a call, each walks its own: in a program partitioned by XLA the loops of all would
    wait for each other at every event.
    """
    fit = partial(_fit_padded_impl, order=order, max_active=max_active)
    if num_devices > 1:
        mesh = Mesh(np.asarray(jax.local_devices()[:num_devices]), ("runs",))
        runs, same = PartitionSpec("runs"), PartitionSpec()
        fit = jax.shard_map(fit, mesh=mesh, in_specs=(runs, runs, same), out_specs=runs, check_vma=False)
    return jax.jit(fit, compiler_options=quicker())


def _fit_padded(latents, valid, lam, *, order, num_devices, max_active):
    return _program(order, max_active, num_devices)(latents, valid, jnp.asarray(lam, latents.dtype))


def _with_long_runs(
    list_of_latents: Sequence[ArrayLike], long: Sequence[bool], order: int, lam: float
) -> VARFit:
    """`fit_runs` where some runs are to be folded."""
    short = [z for z, folds in zip(list_of_latents, long, strict=True) if not folds]
    together = fit_runs(short, order, lam) if short else None
    fits, number = [], 0
    for z, folds in zip(list_of_latents, long, strict=True):
        if folds or together is None:
            fits.append(fit_pooled([z], order, lam))
        else:
            fits.append(jax.tree.map(lambda field, i=number: field[i], together))
            number += 1
    return jax.tree.map(lambda *fields: jnp.stack(fields), *fits)


def fit_runs(list_of_latents: Sequence[ArrayLike], order: int, lam: float) -> VARFit:
    """One VAR a run, each on the whole run, by batched calls of one shape.

    Args:
        list_of_latents: runs of (time, nodes) or (time, height, width), time may differ.
        order: number of lags.
        lam: l1 strength, as in `fit_var`.

    Returns:
        VARFit with a leading runs axis. Equal to `fit_var` run by run.

    Raises:
        InputError: no run, runs with different nodes, a run shorter than order + 2 frames, NaN or Inf.

    Complexity:
        Working memory about 24 bytes x lags x nodes x (nodes + frames) a run (32 to 73 MB at the paper's size), of as
        many runs as are fitted at once: one, or several small ones, on a CPU; as many as fit 0.5 GB on every
        accelerator of this process, and 8 bytes x nodes x the square of the non-zeros of the densest target
        (rounded up to 64, 256, ...). Runs of more than LONG times as many frames as their regression has columns are
        folded first (`fit_pooled`), each by itself, and take no more than one of that length.
    """
    for index, z in enumerate(list_of_latents):
        check_length(len(np.asarray(z)), order, f"run {index}")
    check_lam(lam)
    runs = check_runs(list_of_latents)
    long = [len(z) > LONG * (order + 1) * z.shape[1] for z in runs]
    if any(long):
        return _with_long_runs(runs, long, order, lam)
    latents, valid = pad_runs(list_of_latents)
    num_runs, _, num_nodes = latents.shape
    a_run = 24 * order * num_nodes * (num_nodes + latents.shape[1])
    num_devices = min(jax.local_device_count(), num_runs)
    kind = "cpu" if jax.default_backend() == "cpu" else "accelerator"
    num_calls = -(-num_runs // (num_devices * max(1, BYTES_A_CALL[kind] // a_run)))
    per_call = -(-num_runs // num_calls)
    per_call = -(-per_call // num_devices) * num_devices
    missing = num_calls * per_call - num_runs  # repeat the last run so that every call has the same shape
    latents = jnp.concatenate([latents, jnp.repeat(latents[-1:], missing, axis=0)])
    valid = jnp.concatenate([valid, jnp.repeat(valid[-1:], missing, axis=0)])
    rank = min(latents.shape[1] - order, order * num_nodes)
    fits = []
    for i in range(0, num_runs, per_call):
        some = latents[i : i + per_call], valid[i : i + per_call], lam
        fit = partial(_fit_padded, *some, order=order, num_devices=num_devices)
        fits.append(with_growing_capacity(fit, rank, CAPACITIES))
    return jax.tree.map(lambda *parts: jnp.concatenate(parts)[:num_runs], *fits)
