"""The homotopy: follow the lasso's piecewise-linear path down to a given level, many targets at once.

Objective, for one target y and a design X with n rows:

    (1 / (2n)) ||y - X b||^2 + lam ||b||_1

With the *level* C = n lam, b is optimal iff the correlations c = X'(y - X b) satisfy c_j = C sign(b_j) where
b_j != 0 and |c_j| <= C elsewhere. Between two events the active set A and its signs s are constant and

    b_A(C) = M^-1 (X_A'y - C s),   M = X_A'X_A,

so lowering C by t moves b_A by t d with d = M^-1 s, and every correlation by -t a with a = X'(X_A d).
An event is a predictor that joins (its correlation meets the level) or one that drops (its coefficient meets
zero). Steps of length zero are allowed; that is what makes ties safe:

* j may join with sign g only if 1 - g a_j > tol. In exact arithmetic this excludes the columns that depend on
  the active ones, their duplicates, and the predictor that has just been dropped.
* an active b_i = 0 whose direction points against its sign is dropped at once, the most negative one first.
* among equal join steps the largest 1 - g a_j wins; on ties the end comes before a drop, a drop before a join.

References: Osborne, Presnell and Turlach (2000); Efron, Hastie, Johnstone and Tibshirani (2004).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from lassovae._numerics import dot
from lassovae._status import Status

RUNNING = -1  # a target still above its level; never leaves this file
STAGES = (16, 64, 256)  # active-set capacities tried in turn: the cost of a pass grows with the capacity


class Segment(NamedTuple):
    """Where each target stands: the last segment of its path. Axes: designs, targets, slots.

    Slots hold the active predictors in no particular order. An empty slot has predictor P, sign 0, coef 0 and
    zero rows and columns in `gram` and `inverse`.
    """

    predictor: jax.Array  # (designs, targets, slots) int32, predictor of each slot
    sign: jax.Array  # (designs, targets, slots), sign of its correlation
    coef: jax.Array  # (designs, targets, slots), its coefficient
    gram: jax.Array  # (designs, targets, slots, slots), M
    inverse: jax.Array  # (designs, targets, slots, slots), an approximation of M^-1: see `solve_active`
    level: jax.Array  # (designs, targets), C reached
    status: jax.Array  # (designs, targets) int32
    num_events: jax.Array  # (designs, targets) int32
    travel: jax.Array  # (designs, targets), fall of the level that would zero an active coefficient


def join_tolerance(dtype: jnp.dtype) -> float:
    """Smallest 1 - g a_j at which a predictor may join: a multiple of the rounding error of a_j."""
    return 1e-9 if dtype == jnp.float64 else 1e-5


def active_rows(columns: jax.Array, predictor: jax.Array) -> jax.Array:
    """Columns of the design in each slot, zeros in empty ones: (designs, targets, slots, rows).

    Args:
        columns: (designs, predictors + 1, rows), the transposed design with a last row of zeros.
        predictor: (designs, targets, slots).
    """
    return jax.vmap(lambda c, i: c[i])(columns, predictor)


def _symmetric_product(matrix: jax.Array, vector: jax.Array) -> jax.Array:
    """Matrix-vector products of symmetric matrices: as a product, not as a masked sum, which XLA's CPU compiler
    runs four times slower in float32.
    """
    return dot("dkij,dki->dkj", matrix, vector)


def solve_active(segment: Segment, rhs: jax.Array, refinements: int = 2) -> jax.Array:
    """M^-1 rhs on the active slots, zero elsewhere: (designs, targets, slots).

    `inverse` is updated by one rank-one term an event and so carries the rounding of all events; each
    refinement multiplies the error by ||I - inverse M||. No LAPACK: the batched kernels of JAX's CPU runtime
    (seen with jaxlib 0.10.2) deadlock when two of them run at once on a two-thread pool, and a library cannot
    know what else its caller's program runs.
    """
    x = _symmetric_product(segment.inverse, rhs)
    for _ in range(refinements):
        x += _symmetric_product(segment.inverse, rhs - _symmetric_product(segment.gram, x))
    return jnp.where(segment.sign != 0, x, 0)


def _renew_inverse(segment: Segment) -> jax.Array:
    """One Newton-Schulz step, H <- H (2 I - M H): squares the error of the inverse."""
    eye = (segment.sign != 0)[..., None] * jnp.eye(segment.sign.shape[-1], dtype=segment.coef.dtype)
    return dot(
        "dkij,dkjl->dkil", segment.inverse, 2 * eye - dot("dkij,dkjl->dkil", segment.gram, segment.inverse)
    )


def _grow(segment: Segment, num_slots: int, num_predictors: int) -> Segment:
    """The same segments with more empty slots."""
    extra = num_slots - segment.sign.shape[-1]

    def pad(x: jax.Array, axes: int, value: float) -> jax.Array:
        widths = [(0, 0)] * (x.ndim - axes) + [(0, extra)] * axes
        return jnp.pad(x, widths, constant_values=value)

    return segment._replace(
        predictor=pad(segment.predictor, 1, num_predictors),
        sign=pad(segment.sign, 1, 0),
        coef=pad(segment.coef, 1, 0),
        gram=pad(segment.gram, 2, 0),
        inverse=pad(segment.inverse, 2, 0),
    )


def _first_join(
    corr: jax.Array,
    slope: jax.Array,
    level: jax.Array,
    end: jax.Array,
    taken: jax.Array,
    noise: jax.Array,
    error: jax.Array,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Step, predictor and sign of the next join; the step is inf where no join comes before the end.

    Args:
        corr, slope: c and a, (designs, targets, predictors).
        level, end: C and the step that ends the path, (designs, targets).
        taken: (designs, targets, slots), active predictors, which cannot join.
        noise, error: rounding of a correlation, expected and as seen on the active ones, (designs, targets).
    """
    tol = join_tolerance(corr.dtype)

    def candidate(sign: float) -> tuple[jax.Array, jax.Array]:
        gap = jnp.maximum(level[..., None] - sign * corr, 0)
        rate = 1 - sign * slope
        # multiplied out: near-dependent columns have a tiny rate, and their step is all rounding error
        before_end = gap + error[..., None] < end[..., None] * rate
        return jnp.where((rate > tol) & before_end, gap / rate, jnp.inf), rate

    (up, rate_up), (down, rate_down) = candidate(1.0), candidate(-1.0)
    step = jnp.minimum(up, down)
    step = jax.vmap(jax.vmap(lambda s, i: s.at[i].set(jnp.inf, mode="drop")))(step, taken)
    rate = jnp.where(up <= down, rate_up, rate_down)
    smallest = step.min(axis=-1)
    tied = step <= (smallest + noise)[..., None]
    chosen = jnp.argmax(jnp.where(tied, rate, -jnp.inf), axis=-1)

    def pick(x: jax.Array) -> jax.Array:
        return jnp.take_along_axis(x, chosen[..., None], axis=-1)[..., 0]

    sign = jnp.where(pick(up) <= pick(down), 1.0, -1.0).astype(corr.dtype)
    return pick(step), chosen.astype(jnp.int32), sign


def _one_event(
    segment: Segment,
    columns: jax.Array,
    targets: jax.Array,
    level_end: jax.Array,
    noise: jax.Array,
    limits: tuple[int, int, int],
    wait_when_full: bool,
) -> Segment:
    """Advance every running target by one event, the others not at all."""
    max_active, max_events, rank = limits
    num_predictors = columns.shape[1] - 1
    running = segment.status == RUNNING
    active = segment.sign != 0
    num_active = active.sum(axis=-1)
    if wait_when_full:
        running &= num_active < active.shape[-1]
    sign, coef, level = segment.sign, segment.coef, segment.level

    rows = active_rows(columns, segment.predictor)
    residual = targets - dot("dkmn,dkm->dkn", rows, coef)
    drift = jnp.where(active, dot("dkmn,dkn->dkm", rows, residual) - level[..., None] * sign, 0)
    direction = solve_active(segment, sign)
    # rounding leaves the active correlations off the level: once it shows, take it off (not before, since a
    # coefficient that has just joined must stay exactly zero for the rule of the zero-length drop)
    at_zero = active & (coef == 0)
    shows = jnp.abs(drift).max(axis=-1, keepdims=True) > noise[..., None]
    correction = jnp.where(shows, solve_active(segment, drift, refinements=0), 0)
    coef += correction
    residual -= dot("dkmn,dkm->dkn", rows, correction)

    moved = dot("dkmn,dkm->dkn", rows, direction)
    both_products = dot("dpn,dqn->dqp", columns[:, :-1], jnp.concatenate([residual, moved], axis=1))
    corr, slope = jnp.split(both_products, 2, axis=1)

    # by how much the active correlations miss C s, and their slopes s, others may be off as well
    off = jnp.where(active, dot("dkmn,dkn->dkm", rows, residual) - level[..., None] * sign, 0)
    off_slope = jnp.where(active, dot("dkmn,dkn->dkm", rows, moved) - sign, 0)
    error = noise + 4 * (jnp.abs(off).max(axis=-1) + level * jnp.abs(off_slope).max(axis=-1))
    end = level - level_end
    join, joiner, join_sign = _first_join(corr, slope, level, end, segment.predictor, noise, error)
    join = jnp.where(num_active < rank, join, jnp.inf)

    inward = active & (sign * direction < 0)
    drops = jnp.where(inward & ~at_zero, jnp.maximum(-coef / jnp.where(inward, direction, 1), 0), jnp.inf)
    stuck = inward & at_zero
    any_stuck = stuck.any(axis=-1)
    dropped = jnp.where(
        any_stuck,
        jnp.argmin(jnp.where(stuck, sign * direction, jnp.inf), axis=-1),
        jnp.argmin(drops, axis=-1),
    )
    drop = jnp.where(any_stuck, 0, drops.min(axis=-1))

    ends = ~any_stuck & (end <= drop) & (end <= join)
    drops_now = ~ends & (drop <= join)
    joins_now = ~ends & ~drops_now
    step = jnp.where(ends, end, jnp.where(drops_now, drop, join))

    full = joins_now & (num_active >= max_active)
    exhausted = ~ends & (segment.num_events >= max_events)
    status = jnp.where(ends, Status.OK, RUNNING)
    status = jnp.where(full, Status.MAX_ACTIVE, status)
    status = jnp.where(exhausted, Status.MAX_EVENTS, status)
    # a capped target still walks to the knot it cannot pass: that is the last feasible point of its path
    moves = running
    drops_now &= moves & ~exhausted
    joins_now &= moves & ~exhausted & ~full

    slots = jnp.arange(active.shape[-1])
    leaves = drops_now[..., None] & (slots == dropped[..., None])
    enters = joins_now[..., None] & (slots == jnp.argmin(active, axis=-1)[..., None])
    joining = active_rows(columns, joiner[..., None])[..., 0, :]
    new_row = dot("dkmn,dkn->dkm", rows, joining)
    on_active = solve_active(segment, new_row, refinements=1)
    apart = joining - dot("dkmn,dkm->dkn", rows, on_active)  # the part of x_j that the active columns lack
    pivot = jnp.square(apart).sum(axis=-1)
    norm = jnp.square(joining).sum(axis=-1)
    dependent = joins_now & ~(pivot > 16 * jnp.finfo(norm.dtype).eps * norm)
    status = jnp.where(dependent, Status.ILL_CONDITIONED, status)
    joins_now &= ~dependent
    enters &= joins_now[..., None]

    # M^-1 changes by a multiple of v v': v = (M^-1 X_A'x_j, -1) on a join, its own column on a drop
    own_column = jnp.take_along_axis(segment.inverse, dropped[..., None, None], axis=-2)[..., 0, :]
    own = jnp.take_along_axis(own_column, dropped[..., None], axis=-1)[..., 0]
    v = jnp.where(joins_now[..., None], jnp.where(enters, -1, on_active), own_column)
    factor = jnp.where(joins_now, 1 / jnp.where(joins_now, pivot, 1), -1 / jnp.where(drops_now, own, 1))
    factor = jnp.where(joins_now | drops_now, factor, 0)
    inverse = segment.inverse + (factor[..., None] * v)[..., :, None] * v[..., None, :]
    new_row = jnp.where(enters, norm[..., None], new_row)
    gram = jnp.where(enters[..., :, None], new_row[..., None, :], segment.gram)
    gram = jnp.where(enters[..., None, :], new_row[..., :, None], gram)
    cleared = leaves[..., :, None] | leaves[..., None, :]
    coef = jnp.where(moves[..., None], coef + step[..., None] * direction, segment.coef)
    return Segment(
        predictor=jnp.where(leaves, num_predictors, jnp.where(enters, joiner[..., None], segment.predictor)),
        sign=jnp.where(leaves, 0, jnp.where(enters, join_sign[..., None], sign)),
        coef=jnp.where(leaves | enters, 0, coef),
        gram=jnp.where(cleared, 0, gram),
        inverse=jnp.where(cleared, 0, inverse),
        level=jnp.where(moves, jnp.where(ends, level_end, level - step), level),
        status=jnp.where(running, status, segment.status).astype(jnp.int32),
        num_events=segment.num_events + (drops_now | joins_now),
        travel=segment.travel,
    )


def _finish(segment: Segment, columns: jax.Array, targets: jax.Array, lanes: jax.Array) -> Segment:
    """Newton steps on the support of the chosen targets, unless a sign would flip; then their `travel`."""
    rows = active_rows(columns, segment.predictor)
    renewed = jnp.where(lanes[..., None, None], _renew_inverse(segment), segment.inverse)
    segment = segment._replace(inverse=renewed)
    for _ in range(2):
        residual = targets - dot("dkmn,dkm->dkn", rows, segment.coef)
        drift = dot("dkmn,dkn->dkm", rows, residual) - segment.level[..., None] * segment.sign
        better = segment.coef + solve_active(segment, jnp.where(segment.sign != 0, drift, 0))
        safe = lanes & (segment.status == Status.OK)
        safe &= (jnp.isfinite(better) & (better * segment.sign >= 0)).all(axis=-1)
        segment = segment._replace(coef=jnp.where(safe[..., None], better, segment.coef))
    speed = jnp.abs(solve_active(segment, segment.sign))
    travel = jnp.where(speed > 0, jnp.abs(segment.coef) / jnp.where(speed > 0, speed, 1), jnp.inf)
    return segment._replace(travel=jnp.where(lanes, travel.min(axis=-1), segment.travel))


def occupied_only(
    segment: Segment, capacities: tuple[int, ...], use: Callable[[Segment], jax.Array]
) -> jax.Array:
    """use(segment) on the fewest slots that hold every active predictor; the result is padded back.

    Args:
        segment: with capacities[-1] slots.
        capacities: increasing, as walked by `follow_path`.
        use: from a segment to (designs, targets, slots).
    """
    widest = jnp.where(segment.sign != 0, jnp.arange(segment.sign.shape[-1]), -1).max() + 1

    def on(capacity: int) -> Callable[[Segment], jax.Array]:
        def branch(full: Segment) -> jax.Array:
            cut = full._replace(
                predictor=full.predictor[..., :capacity],
                sign=full.sign[..., :capacity],
                coef=full.coef[..., :capacity],
                gram=full.gram[..., :capacity, :capacity],
                inverse=full.inverse[..., :capacity, :capacity],
            )
            return jnp.pad(use(cut), ((0, 0), (0, 0), (0, capacities[-1] - capacity)))

        return branch

    which = jnp.searchsorted(jnp.asarray(capacities), widest)
    return lax.switch(which, [on(capacity) for capacity in capacities], segment)


def stage_capacities(max_active: int) -> tuple[int, ...]:
    """The slot counts walked in turn, the last one enough for max_active."""
    return (*(stage for stage in STAGES if stage < max_active), max(max_active, 1))


def follow_path(
    columns: jax.Array, targets: jax.Array, level_end: jax.Array, max_active: int, max_events: int
) -> Segment:
    """Walk every target from its largest level down to `level_end`.

    A target's numbers never depend on what another target does: finished ones take no step, and one whose
    slots are full waits for the next, wider stage by itself.

    Args:
        columns: (designs, predictors + 1, rows), the transposed design with a last row of zeros.
        targets: (designs, targets, rows).
        level_end: C = rows * lam, (designs, targets), at least 0.
        max_active: cap on active predictors.
        max_events: cap on events.

    Returns:
        The last segment of every path, refined, with a status of `lassovae.Status`.

    Complexity:
        A pass costs two products of targets x rows x predictors and a few of targets x slots x (rows + slots);
        there are as many passes as the longest path has events.
    """
    num_designs, num_targets, num_rows = targets.shape
    num_predictors = columns.shape[1] - 1
    rank = min(num_rows, num_predictors)
    max_active = min(max_active, rank)
    start = jnp.abs(dot("dpn,dkn->dkp", columns[:, :-1], targets)).max(axis=-1)
    # correlations are differences of products as large as those at the start of the path
    noise = 8 * jnp.finfo(targets.dtype).eps * start
    shape = (num_designs, num_targets)
    segment = Segment(
        predictor=jnp.zeros((*shape, 0), jnp.int32),
        sign=jnp.zeros((*shape, 0), targets.dtype),
        coef=jnp.zeros((*shape, 0), targets.dtype),
        gram=jnp.zeros((*shape, 0, 0), targets.dtype),
        inverse=jnp.zeros((*shape, 0, 0), targets.dtype),
        level=start,
        status=jnp.where(start <= level_end, Status.OK, RUNNING).astype(jnp.int32),
        num_events=jnp.zeros(shape, jnp.int32),
        travel=jnp.full(shape, jnp.inf, targets.dtype),
    )
    segment = segment._replace(level=jnp.where(segment.status == Status.OK, level_end, start))
    capacities = stage_capacities(max_active)
    for capacity in capacities:
        last = capacity == capacities[-1]

        def unfinished(seg: Segment, last: bool = last) -> jax.Array:
            running = seg.status == RUNNING
            if not last:
                running &= (seg.sign != 0).sum(axis=-1) < seg.sign.shape[-1]
            return running.any()

        def advance(seg: Segment, last: bool = last) -> Segment:
            limits = (max_active, max_events, rank)
            return _one_event(seg, columns, targets, level_end, noise, limits, wait_when_full=not last)

        waiting = segment.status == RUNNING
        segment = lax.while_loop(unfinished, advance, _grow(segment, capacity, num_predictors))
        # finished here and not later, so that a target's rounding does not depend on how long others run
        arrived = waiting & (segment.status != RUNNING)
        segment = lax.cond(
            arrived.any(),
            lambda seg, lanes: _finish(seg, columns, targets, lanes),
            lambda seg, lanes: seg,
            segment,
            arrived,
        )
    return segment
