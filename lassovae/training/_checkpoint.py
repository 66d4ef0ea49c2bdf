"""Checkpoints of a training; the only file that imports orbax."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from orbax.checkpoint import v1 as ocp

from lassovae._errors import InputError


class Checkpoints:
    """The newest two checkpoints of a run folder; a context manager that waits for what is being written."""

    def __init__(self, folder: Path):
        policy = ocp.training.preservation_policies.LatestN(2)
        self._folder = folder.resolve()  # Orbax refuses relative paths
        self._checkpointer = ocp.training.Checkpointer(self._folder, preservation_policy=policy)

    def __enter__(self) -> Checkpoints:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._checkpointer.close()

    def latest_step(self) -> int | None:
        """Step of the newest complete checkpoint, None if there is none."""
        latest = self._checkpointer.latest
        return None if latest is None else latest.step

    def save(self, step: int, tree: Any) -> None:
        """Write a tree of arrays; complete when this returns."""
        self._checkpointer.save(step, tree, force=True)

    def restore(self, like: Any) -> Any:
        """Newest checkpoint in the structure, shapes and dtypes of `like`.

        Raises:
            InputError: there is no checkpoint, or it holds something else. Dtypes are compared on what was
                stored, because Orbax casts silently.
        """
        step = self.latest_step()
        if step is None:
            raise InputError(
                f"{self._folder} holds no checkpoint: the training stopped before its first epoch"
            )
        stored = self._checkpointer.metadata(step).metadata
        found, wanted = _signature(stored), _signature(like)
        if found != wanted:
            odd = sorted(set(found.items()) ^ set(wanted.items()))[0][0]
            raise InputError(
                f"{self._folder}, step {step}, does not hold this model: {odd} is {found.get(odd, 'missing')}, "
                f"expected {wanted.get(odd, 'nothing')}; was it written with another configuration?"
            )
        restored = self._checkpointer.load(step, jax.tree.map(_abstract, like))
        return jax.tree.map(lambda x, y: y if isinstance(x, np.ndarray) else jnp.asarray(y), like, restored)


def _signature(tree: Any) -> dict[str, str]:
    """Path of every leaf, whatever the containers, to its dtype and shape."""

    def name(path: tuple[Any, ...]) -> str:
        return "/".join(
            str(getattr(key, "name", getattr(key, "key", getattr(key, "idx", key)))) for key in path
        )

    leaves = jax.tree.leaves_with_path(tree)
    return {name(path): f"{np.dtype(leaf.dtype).name}{tuple(leaf.shape)}" for path, leaf in leaves}


def _abstract(x: Any) -> np.ndarray:
    """What to restore: plain arrays of this process, however many devices wrote or will use them."""
    return np.empty(x.shape, x.dtype)
