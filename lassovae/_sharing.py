"""Runs shared by the processes of one computation, each of which ends up with the results of all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

Item = TypeVar("Item")


def shared_by_processes(compute: Callable[[list[Item]], Any], items: Sequence[Item]) -> Any:
    """compute(items), of which every process does a part. All processes must come here, with the same items.

    Args:
        compute: list of items -> tree of arrays with one entry an item along their first axis, whose other axes and
            dtypes do not depend on which items they are.
        items: at least one.

    Returns:
        The tree for all items: as `compute` makes it in a single process; of several, NumPy arrays with the same bits
        in each.
    """
    processes = jax.process_count()
    if processes == 1:
        return compute(list(items))
    share = -(-len(items) // processes)
    # the last item again where there is no other, so that all parts have one shape
    places = [min(jax.process_index() * share + i, len(items) - 1) for i in range(share)]
    part = jax.tree.map(np.asarray, compute([items[place] for place in places]))
    return jax.tree.map(lambda x: _gathered(x)[: len(items)], part)


def _gathered(part: np.ndarray) -> np.ndarray:
    """Parts of all processes, one after the other. As bytes: JAX would make float32 of float64."""
    part = np.ascontiguousarray(part)
    parts = np.asarray(multihost_utils.process_allgather(part.reshape(-1).view(np.uint8)))
    whole: np.ndarray = np.ascontiguousarray(parts).view(part.dtype).reshape(-1, *part.shape[1:])
    return whole
