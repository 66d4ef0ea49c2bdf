"""One jitted step: loss, gradient, Adam, batch statistics, and the guards against a dead VAR and against NaN."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jax.sharding import Mesh, PartitionSpec

from lassovae._config import Config
from lassovae._numerics import dot, quicker
from lassovae.autoencoder import initial_weights
from lassovae.training._batches import Batch
from lassovae.training._mesh import WINDOWS
from lassovae.training._objective import Measures, weighted_loss

SMALLEST_LAM_FACTOR = (
    1 / 64
)  # the guard's last resort: from here on a VAR without coefficients is told, not cured


class TrainState(NamedTuple):
    """Everything a training needs to go on, besides the configuration and the recordings.

    Attributes:
        params, batch_stats: of `lassovae.autoencoder.Weights`.
        opt_state: of Adam.
        step: () int32, steps done.
        lam_factor: () in (0, 1], by what the guard has multiplied lam.
    """

    params: dict[str, Any]
    batch_stats: dict[str, Any]
    opt_state: Any
    step: jax.Array
    lam_factor: jax.Array


class Schedule(NamedTuple):
    """Numbers of a training that its compiled step takes as arguments: other ones need no other program.

    Attributes:
        lam: () l1 strength after the warm-up.
        warmup: () steps of the warm-up, may be fractional; 0 for none.
        learning_rate: () of Adam.
    """

    lam: jax.Array
    warmup: jax.Array
    learning_rate: jax.Array


# Adam as in the paper, on all weights as one vector (three kernels instead of three an array to compile and call); the
# learning rate multiplies its updates
OPTIMISER = optax.flatten(optax.adam(1.0))


def initial_state(config: Config, frame_shape: tuple[int, int]) -> TrainState:
    """State before the first step, from config.seed alone."""
    return _initial_state(config.program(), frame_shape, jax.random.key(config.seed))


@partial(jax.jit, static_argnums=(0, 1))
def _initial_state(config: Config, frame_shape: tuple[int, int], key: jax.Array) -> TrainState:
    weights = initial_weights(config, key, frame_shape)
    return TrainState(
        params=weights.params,
        batch_stats=weights.batch_stats,
        opt_state=OPTIMISER.init(weights.params) if weights.params else (),  # block means have none
        step=jnp.zeros((), jnp.int32),
        lam_factor=jnp.ones(()),
    )


def schedule(config: Config, num_steps: int) -> Schedule:
    """The numbers of a training of so many steps."""
    numbers = (config.lam, config.lam_warmup * num_steps, config.learning_rate)
    return Schedule(*(jnp.asarray(x, jnp.float32) for x in numbers))


def scheduled_lam(schedule: Schedule, step: jax.Array) -> jax.Array:
    """lam of a step: a linear rise from a tenth over the warm-up."""
    done = step / jnp.where(schedule.warmup > 0, schedule.warmup, 1)
    rise = jnp.clip(0.1 + 0.9 * done, 0.1, 1.0)
    return schedule.lam * jnp.where(schedule.warmup > 0, rise, 1.0)


def guarded(lam_factor: jax.Array, nonzeros: jax.Array) -> jax.Array:
    """Next factor on lam: halved after a step whose VAR had no coefficient, slowly restored afterwards.

    A VAR without coefficients passes no gradient to the encoder and would stay dead for good
    (docs/decisions/dead_var.md). While it lives the factor is 1 and the guard changes nothing.
    """
    lowered = jnp.maximum(lam_factor / 2, SMALLEST_LAM_FACTOR)
    return jnp.where(nonzeros > 0, jnp.minimum(lam_factor * 1.05, 1.0), lowered)


def _is_finite(tree: Any) -> jax.Array:
    """() bool, whether no number of the tree is NaN or Inf."""
    return jnp.all(jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]))


def taken_if_finite(before: TrainState, after: TrainState) -> tuple[TrainState, jax.Array]:
    """The state that a step leads to, or the one before it, one step older, if the step would spoil it.

    Adam's moments and the batch statistics are judged, from which the weights follow: not the gradient itself, since
    one whose square leaves the range of float32 makes a moment infinite, and its weight would never move again. All
    devices and processes hold the same sums, and so decide alike (docs/numbers.md).

    Returns:
        The state to go on with; () int32, 1 if the step was skipped.
    """
    good = _is_finite((after.opt_state, after.batch_stats))
    kept = before._replace(step=after.step)
    state = jax.tree.map(lambda new, old: jnp.where(good, new, old), after, kept)
    return state, jnp.where(good, 0, 1).astype(jnp.int32)


def _windows_at_once(windows: int) -> int:
    """Windows of a device that are worked on together.

    A CPU is filled by one, and needs the memory of one; an accelerator wants all.
    """
    return 1 if jax.default_backend() == "cpu" else windows


def device_gradient(
    config: Config, state: TrainState, batch: Batch, mean_frame: jax.Array, lam: jax.Array
) -> tuple[Any, dict[str, Any], Measures]:
    """Weighted sums of gradients and statistics over the windows of one device, and the measures of each window."""
    gradient = jax.grad(partial(weighted_loss, config=config), has_aux=True)

    def of_part(part: Batch) -> tuple[Any, Measures]:
        grads, (measures, stats) = gradient(state.params, state.batch_stats, *part, mean_frame, lam)
        return (grads, stats), measures

    def add(total: Any, part: Batch) -> tuple[Any, Measures]:
        sums, measures = of_part(part)
        return jax.tree.map(jnp.add, total, sums), measures

    at_once = _windows_at_once(len(batch.weight))
    if at_once == len(batch.weight):
        sums, measures = of_part(batch)
    else:
        parts = jax.tree.map(lambda x: x.reshape(-1, at_once, *x.shape[1:]), batch)
        nothing = jax.tree.map(jnp.zeros_like, (state.params, state.batch_stats))
        sums, measures = lax.scan(add, nothing, parts)
        measures = jax.tree.map(jnp.ravel, measures)
    return *sums, measures


def _gradient(
    config: Config, state: TrainState, batch: Batch, mean_frame: jax.Array, lam: jax.Array
) -> tuple[Any, dict[str, Any], Measures]:
    """The same over the windows of all devices, measures put together; runs on every device of the mesh."""
    grads, stats, measures = device_gradient(config, state, batch, mean_frame, lam)
    counts = batch.weight > 0
    means = jax.tree.map(lambda x: dot("w,w->", batch.weight, x.astype(batch.weight.dtype)), measures)
    failed = jnp.where(counts, measures.failed, 0).sum()
    grads, stats, means, failed = lax.psum((grads, stats, means, failed), WINDOWS)
    gap = lax.pmax(jnp.where(counts, measures.gap, 0).max(), WINDOWS)
    return grads, stats, means._replace(gap=gap, failed=failed)


def _step(
    state: TrainState, batch: Batch, mean_frame: jax.Array, schedule: Schedule, *, config: Config, mesh: Mesh
) -> tuple[TrainState, Measures, jax.Array]:
    lam = scheduled_lam(schedule, state.step) * state.lam_factor
    on_all = jax.shard_map(
        partial(_gradient, config),
        mesh=mesh,
        in_specs=(PartitionSpec(), PartitionSpec(WINDOWS), PartitionSpec(), PartitionSpec()),
        out_specs=PartitionSpec(),
        check_vma=False,  # the solver's loops start from constants, which do not vary over the mesh
    )
    grads, batch_stats, measures = on_all(state, batch, mean_frame, lam)
    updates, opt_state = OPTIMISER.update(grads, state.opt_state, state.params)
    params = jax.tree.map(lambda p, u: p + schedule.learning_rate * u, state.params, updates)
    factor = state.lam_factor
    if config.mode != "sequential":
        factor = guarded(factor, measures.nonzeros)
    after = TrainState(params, batch_stats, opt_state, state.step + 1, factor)
    state, skipped = taken_if_finite(state, after)
    return state, measures._replace(skipped=skipped), lam


Step = Callable[[TrainState, Batch, jax.Array, Schedule], tuple[TrainState, Measures, jax.Array]]


@lru_cache(maxsize=16)
def _compiled_step(config: Config, mesh: Mesh) -> Step:
    return jax.jit(partial(_step, config=config, mesh=mesh), donate_argnums=0, compiler_options=quicker())


def make_step(config: Config, mesh: Mesh) -> Step:
    """The step of a training, compiled once for all trainings of the same shapes, mode and networks.

    Returns:
        (state, batch, mean_frame, schedule) -> (next state, measures over all windows of the batch, lam used). The
        state given is donated: it must not be used again.
    """
    return _compiled_step(config.program(), mesh)
