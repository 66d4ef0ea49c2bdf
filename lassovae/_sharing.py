"""Runs shared by the processes of one computation, each of which ends up with the results of all."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from lassovae._errors import InputError, TrainingError

Item = TypeVar("Item")


def wait_for_all(name: str) -> None:
    """Return when every process has come here."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(name)


def by_first(work: Callable[[], Any]) -> Any:
    """What the first process makes of something, in every process; all of them must come here, and leave together.

    Args:
        work: done by the first process alone; its result must be of JSON's types.

    Returns:
        The result, None for nothing.

    Raises:
        InputError, TrainingError: what the first process raised, in every process, so that none waits for the others
            in vain.
    """
    if jax.process_count() == 1:
        return work()
    said: dict[str, Any] = {}
    error: Exception | None = None
    if jax.process_index() == 0:
        try:
            said = {"result": work()}
        except (InputError, TrainingError) as raised:
            error, said = raised, {"raised": type(raised).__name__, "text": str(raised)}
        except Exception as raised:  # a fault of ours: the others are told before it is raised here
            error, said = raised, {"raised": "TrainingError", "text": f"process 0 failed: {raised}"}
    text = np.frombuffer(json.dumps(said).encode(), np.uint8)
    size = int(np.ravel(multihost_utils.broadcast_one_to_all(np.array(len(text))))[0])
    padded = np.zeros(size, np.uint8)
    padded[: min(size, len(text))] = text[:size]
    said = json.loads(np.asarray(multihost_utils.broadcast_one_to_all(padded)).astype(np.uint8).tobytes())
    if error is not None:
        raise error
    if "raised" in said:
        raise (InputError if said["raised"] == "InputError" else TrainingError)(said["text"])
    return said["result"]


def by_all(work: Callable[[], Item]) -> Item:
    """What every process makes of something by itself; where one fails, all do. All of them must come here.

    Raises:
        InputError: another process failed.
        Exception: what `work` raised here.
    """
    if jax.process_count() == 1:
        return work()
    error: Exception | None = None
    try:
        result = work()
    except Exception as raised:  # the others are told first: they would wait for this one in vain
        error = raised
    failed = np.ravel(multihost_utils.process_allgather(np.array(error is not None)))
    if error is not None:
        raise error
    if failed.any():
        culprit = int(np.flatnonzero(failed)[0])
        raise InputError(f"process {culprit} could not do its part: its own message says why")
    return result


def preempted(step: int) -> bool:
    """Whether a scheduler's SIGTERM reached any of several processes; all of them are told at the same step.

    JAX listens for the signal; every process must ask at every step.
    """
    if jax.process_count() == 1:
        return False
    try:
        return bool(multihost_utils.reached_preemption_sync_point(step))
    except RuntimeError:  # switched off by jax_enable_preemption_service
        return False


def check_same(settings: dict[str, Any]) -> None:
    """See that all processes were started with the same settings.

    Args:
        settings: JSON types.

    Raises:
        InputError: naming the first process that differs from process 0, and what differs.
    """
    if jax.process_count() == 1:
        return
    mine = np.frombuffer(json.dumps(settings).encode(), np.uint8)
    sizes = np.ravel(multihost_utils.process_allgather(np.array(len(mine))))
    padded = np.full(int(sizes.max()), ord(" "), np.uint8)
    padded[: len(mine)] = mine
    texts = np.asarray(multihost_utils.process_allgather(padded)).reshape(len(sizes), -1)
    first = json.loads(texts[0].tobytes())
    for process, text in enumerate(texts[1:], start=1):
        other = json.loads(text.tobytes())
        if other != first:
            name, here, there = first_difference(first, other)
            raise InputError(
                f"the processes disagree: {name} is {here} in process 0 and {there} in process {process}; start all "
                "with the same study and settings"
            )


def first_difference(one: dict[str, Any], other: dict[str, Any]) -> tuple[str, Any, Any]:
    """Name, dotted, and both values of the first setting that differs in two nested dictionaries."""
    key = next(k for k in {**one, **other} if one.get(k) != other.get(k))
    a, b = one.get(key), other.get(key)
    if isinstance(a, dict) and isinstance(b, dict):
        name, a, b = first_difference(a, b)
        return f"{key}.{name}", a, b
    return key, a, b


def shared_by_processes(compute: Callable[[list[Item]], Any], items: Sequence[Item]) -> Any:
    """compute(items), of which every process does a part. All processes must come here, with the same items.

    Args:
        compute: list of items -> tree of arrays with one entry an item along their first axis, whose other axes and
            dtypes do not depend on which items they are.
        items: at least one.

    Returns:
        The tree for all items as NumPy arrays, with the same bits in every process. On its way it is on every device
        once.

    Raises:
        InputError: another process could not do its part.
        Exception: what `compute` raised here.
    """
    processes = jax.process_count()
    if processes == 1:
        return jax.device_get(compute(list(items)))
    share = -(-len(items) // processes)
    # the last item again where there is no other, so that all parts have one shape
    places = [min(jax.process_index() * share + i, len(items) - 1) for i in range(share)]
    part = by_all(lambda: jax.device_get(compute([items[place] for place in places])))
    return jax.tree.map(lambda x: _gathered(x)[: len(items)], part)


def _gathered(part: np.ndarray) -> np.ndarray:
    """Parts of all processes, in their order. As bytes: JAX would make float32 of float64."""
    part = np.ascontiguousarray(part)
    parts = np.asarray(multihost_utils.process_allgather(part.reshape(-1).view(np.uint8)))
    whole: np.ndarray = np.ascontiguousarray(parts).view(part.dtype).reshape(-1, *part.shape[1:])
    return whole
