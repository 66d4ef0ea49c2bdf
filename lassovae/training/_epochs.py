"""The epochs of a training: batches in, steps, and one row of numbers a step out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from lassovae._config import Config
from lassovae._errors import TrainingError
from lassovae.data import Prepared, windows
from lassovae.training._batches import batches, epoch_steps, steps_an_epoch
from lassovae.training._keeper import Keeper
from lassovae.training._mesh import replicated
from lassovae.training._notes import too_many_skipped
from lassovae.training._objective import Measures
from lassovae.training._progress import StepProgress
from lassovae.training._step import TrainState, make_step, schedule


@dataclass(frozen=True)
class Record:
    """Where what happens is written down.

    Attributes:
        config: of the training.
        names: of the runs.
        prepared: their frames.
        history: rows so far; more are appended.
        show_progress: a bar on a terminal.
    """

    config: Config
    names: Sequence[str]
    prepared: Prepared
    history: list[dict[str, Any]]
    show_progress: bool

    @cached_property
    def places(self) -> np.ndarray:
        """(windows, 2): run and first frame of every window."""
        return windows([len(run) for run in self.prepared.frames], self.config.window)

    @property
    def num_steps(self) -> int:
        """Steps of the whole training."""
        return self.config.epochs * self.steps_an_epoch

    @property
    def steps_an_epoch(self) -> int:
        """Steps that show every window once."""
        return steps_an_epoch(len(self.places), self.config.windows_per_step)


class Done(NamedTuple):
    """A step that was handed to the devices; its numbers may still be on their way."""

    step: int
    windows: np.ndarray
    measures: Measures
    lam: jax.Array
    finite: jax.Array


@jax.jit
def _all_finite(tree: Any) -> jax.Array:
    return jnp.all(jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]))


def _json_number(value: Any) -> float | int | None:
    """JSON has no NaN: the gap of a lasso that failed becomes null."""
    return np.asarray(value).item() if math.isfinite(value) else None


def _row(record: Record, done: Done, measures: Measures, lam: float) -> dict[str, Any]:
    """One step as a line of metrics.jsonl: run and start are lists where a step has several windows."""
    places = [(record.names[run], int(start)) for run, start in record.places[done.windows]]
    runs, starts = ([place[i] for place in places] for i in (0, 1))
    one = record.config.windows_per_step == 1
    row: dict[str, Any] = {"step": done.step, "epoch": (done.step - 1) // record.steps_an_epoch + 1}
    row |= {"run": runs[0] if one else runs, "start": starts[0] if one else starts, "lam": lam}
    return row | {name: _json_number(value) for name, value in measures._asdict().items()}


def _check(record: Record, done: Done, measures: Measures, finite: bool) -> None:
    """Stop a training whose loss or weights are not finite, or which has skipped too many steps."""
    reason = too_many_skipped(record.history, int(measures.skipped), record.num_steps)
    if not math.isfinite(measures.loss):
        wrong = f"the loss is {measures.loss}"
    elif not finite:
        wrong = "the weights are not finite"
    elif reason:
        wrong = "the gradient is not finite"
    else:
        return
    last = record.config.window - 1
    seen = [
        f"run {record.names[run]}, frames {start} to {start + last}"
        for run, start in record.places[done.windows]
    ]
    epoch = (done.step - 1) // record.steps_an_epoch + 1
    raise TrainingError(
        f"{wrong} at step {done.step} (epoch {epoch}), {'; '.join(seen)}{reason and f' ({reason})'}: lower "
        "learning_rate, or look at these frames; the newest checkpoint, if any, is kept"
    )


def train(
    config: Config,
    prepared: Prepared,
    state: TrainState,
    mesh: Mesh,
    record: Record,
    keeper: Keeper,
) -> TrainState:
    """Run the epochs that are left.

    The host only hands out work: the batch of the next step is sent, and the numbers of the last one are read,
    while the devices compute.

    Args:
        config: of the training.
        prepared: frames of all runs.
        state: copied to every device of the mesh.
        mesh: from `make_mesh`.
        record: takes the numbers of every step.
        keeper: writes numbers and checkpoints down, and knows when to stop.

    Raises:
        TrainingError: a loss or weights that are not finite, or too many steps skipped because their gradient is not.
        Stopped: a signal came; the steps done are saved.
    """
    step_fn = make_step(config, mesh)
    numbers = replicated(mesh, schedule(config, record.num_steps))
    mean_frame = replicated(mesh, np.asarray(prepared.mean_frame, np.float32))
    places, per_epoch = record.places, record.steps_an_epoch
    count = int(state.step)
    waiting: list[Done] = []
    title = config.mode if config.skip else f"{config.mode}, no skip"
    with (
        StepProgress(title, record.num_steps, count, record.show_progress) as progress,
        keeper.writing(count),
    ):

        def finish(allowed: int) -> None:
            """Write down the oldest steps, until no more than `allowed` are waiting."""
            while len(waiting) > allowed:
                done = waiting[0]
                measures, lam, finite = jax.device_get((done.measures, done.lam, done.finite))
                _check(record, done, measures, bool(finite))
                row = _row(record, done, measures, float(lam))
                record.history.append(row)
                keeper.wrote(row)
                waiting.pop(0)
                progress.advance(measures, done.step, done.step % per_epoch == 0)

        for epoch in range(count // per_epoch, config.epochs):
            steps = epoch_steps(len(places), config.windows_per_step, config.seed, epoch)
            left = steps[count - epoch * per_epoch :]
            coming = batches(prepared.frames, places, left, config.window, config.windows_per_step, mesh)
            for shown, batch in coming:
                try:
                    state, measures, lam = step_fn(state, batch, mean_frame, numbers)
                except BaseException:
                    with suppress(TrainingError):  # what stops the training is the first error
                        finish(0)  # what was done stays on record
                    raise
                count += 1
                finite = _all_finite((state.params, state.batch_stats))
                waiting.append(Done(count, shown, measures, lam, finite))
                if keeper.wants(count) and count % per_epoch:
                    finish(0)
                    keeper.save(state, count, None)
                else:
                    finish(1)
            finish(0)
            keeper.save(state, count, _mean_loss(record.history[-per_epoch:]))
    return state


def _mean_loss(rows: Sequence[dict[str, Any]]) -> float:
    return float(np.mean([row["loss"] for row in rows]))
