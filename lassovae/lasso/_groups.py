"""Targets are worked on in groups: those that need it most, as many as the processor's caches hold.

On a CPU a pass over many targets is bound by memory, and one over few by its own bookkeeping; an accelerator has
no such limit and walks all at once. Which of them JAX would use is asked when a solve is traced.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax import lax

GROUP = 96  # targets, over all designs, that a CPU works on at a time
FEW = 32  # targets of one design: fewer do not pay, however many designs there are

Record = TypeVar("Record", bound=Any)


def group_size(num_designs: int, num_targets: int) -> int:
    """How many targets of each design go together: about as many in each group."""
    if jax.default_backend() != "cpu":
        return num_targets
    num_groups = -(-num_targets // max(GROUP // num_designs, FEW))
    return -(-num_targets // num_groups)


def pick(record: Record, order: jax.Array) -> Record:
    """The targets of (designs, fewer) numbers, of a record of arrays (designs, targets, ...)."""
    return jax.tree.map(lambda x: jax.vmap(lambda v, i: v[i])(x, order), record)


def put_back(record: Record, order: jax.Array, picked: Record, worked: Record) -> Record:
    """Undo `pick` after some work; what the work left as it was needs no program to be written back."""

    def one(whole: jax.Array, before: jax.Array, after: jax.Array) -> jax.Array:
        if after is before:
            return whole
        return jax.vmap(lambda v, i, w: v.at[i].set(w))(whole, order, after)

    return jax.tree.map(one, record, picked, worked)


def where_chosen(chosen: jax.Array, new: Record, old: Record) -> Record:
    """The record with the chosen targets, (designs, targets) bool, renewed."""

    def one(x: jax.Array, y: jax.Array) -> jax.Array:
        if x is y:
            return x
        return jnp.where(chosen.reshape(*chosen.shape, *(1,) * (x.ndim - 2)), x, y)

    return jax.tree.map(one, new, old)


def in_groups(
    work: Callable[[Record], Record],
    record: Record,
    chosen: Callable[[Record], jax.Array],
    size: int,
    turn: Callable[[Record], jax.Array] | None = None,
) -> Record:
    """Work on groups of targets until no target is chosen any more.

    Args:
        work: on a part of the record; must leave targets that are not chosen as they are.
        record: of arrays (designs, targets, ...).
        chosen: says for each target of a record, (designs, targets) bool, whether there is work left.
        size: targets of each design in a group.
        turn: whose turn it is, (designs, targets) floats: the lowest come first. None: in their order.
    """
    num_targets = jax.tree.leaves(record)[0].shape[1]

    def one_group(record: Record) -> Record:
        if size >= num_targets:
            return work(record)
        idle = ~chosen(record)
        key = idle if turn is None else jnp.where(idle, jnp.inf, turn(record))
        order = jnp.argsort(key, axis=-1, stable=True)[:, :size]
        picked = pick(record, order)
        return put_back(record, order, picked, work(picked))

    return lax.while_loop(lambda record: chosen(record).any(), one_group, record)
