"""The devices that a training uses: one mesh whose only axis is that of the windows of a step.

Weights are copied to every device; each works on its own windows, fits included, and gradients are summed over the
mesh. Nothing else depends on how many devices or processes there are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from lassovae._errors import InputError

WINDOWS = "windows"  # name of the axis


def make_mesh(windows_per_step: int, devices: int | None = None) -> Mesh:
    """The devices that share the windows of a step, each as many.

    Args:
        windows_per_step: of the configuration.
        devices: how many to use; None takes as many as divide the windows, of all processes together.

    Raises:
        InputError: the windows cannot be shared evenly, or there are not so many devices.
    """
    found = jax.devices()
    if devices is not None and (isinstance(devices, bool) or not 1 <= devices <= len(found)):
        more = (
            "; JAX_NUM_CPU_DEVICES=N in the environment makes N of a CPU"
            if found[0].platform == "cpu"
            else ""
        )
        raise InputError(
            f"devices={devices}: JAX has {len(found)} ({found[0].platform}) here; use 1 to {len(found)}{more}"
        )
    if jax.process_count() > 1:
        if devices not in (None, len(found)):
            raise InputError(
                f"devices={devices}: a training of {jax.process_count()} processes uses all their "
                f"{len(found)} devices; leave devices out"
            )
        devices = len(found)
    if devices is None:
        devices = max(n for n in range(1, len(found) + 1) if windows_per_step % n == 0)
    if windows_per_step % devices:
        raise InputError(
            f"windows_per_step={windows_per_step} cannot be shared evenly by {devices} devices: "
            f"use a multiple of {devices}"
        )
    return Mesh(np.asarray(found[:devices]), (WINDOWS,))


def replicated(mesh: Mesh, tree: Any) -> Any:
    """A tree of arrays, equal in every process, copied to every device."""
    if jax.process_count() > 1:
        # JAX 0.10.2 makes an array that cannot be read of one that lies on the only device of a process
        tree = jax.tree.map(np.asarray, tree)
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec()))


def local(tree: Any) -> Any:
    """Copied arrays as arrays of this process alone."""
    return jax.tree.map(lambda x: jax.numpy.asarray(np.asarray(x)), tree)


def shared(mesh: Mesh, items: np.ndarray, stack: Callable[[np.ndarray], np.ndarray]) -> jax.Array:
    """An array with one entry an item, spread over the mesh; a process makes only what its devices need.

    Args:
        mesh: from `make_mesh`.
        items: as many as there are windows in a step.
        stack: makes the entries of some of the items, (some, ...).
    """
    per_device = len(items) // mesh.size
    sharding = NamedSharding(mesh, PartitionSpec(WINDOWS))
    own = [n for n, device in enumerate(mesh.devices.flat) if device.process_index == jax.process_index()]
    parts = [
        jax.device_put(stack(items[n * per_device : (n + 1) * per_device]), mesh.devices.flat[n]) for n in own
    ]
    shape = (len(items), *parts[0].shape[1:])
    return jax.make_array_from_single_device_arrays(shape, sharding, parts)


def is_first() -> bool:
    """Is this the process that writes files?"""
    return jax.process_index() == 0
