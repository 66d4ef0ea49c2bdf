"""One VAR for all runs of a condition, from a regression of thousands of rows folded to as many as it has columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from numpy.typing import NDArray

from lassovae._numerics import quicker
from lassovae._status import Status
from lassovae.var._design import centre, check_length, regression_pieces
from lassovae.var._fit import VARFit, fit_regressions
from lassovae.var._padding import CAPACITIES, check_lam, pad_runs

BYTES_A_CALL = 2**27  # of the slots of the targets that are solved at once; the solver takes a few times that
# Rows that are collected, for each column, before they are folded: more cost memory, fewer cost factorisations.
ROWS_A_COLUMN = 4


def folded(
    pieces: Iterable[tuple[NDArray[np.float64], NDArray[np.float64]]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A regression of no more rows than columns whose lassos, with the mean loss, are the same ones.

    With [X Y] = Q R, Q orthonormal, ||Y - X B|| = ||R_Y - R_X B|| for every B: all norms and correlations stay, and
    unlike the Gram matrix R does not square the condition number. The homotopy passes over the rows at every event.
    Of R and more rows below it comes the R of all of them, so that the rows need not be in memory together.

    Args:
        pieces: rows of the design (rows, predictors) and of the targets (rows, targets).

    Returns:
        (m, predictors) and (m, targets), m = min(rows, predictors + targets), times sqrt(m / rows) so that a mean
        over m rows is the mean over all.
    """
    waiting: list[NDArray[np.float64]] = []
    num_rows = num_predictors = 0
    for design, targets in pieces:
        num_predictors, columns = design.shape[1], design.shape[1] + targets.shape[1]
        waiting.append(np.concatenate([design, targets], axis=1))
        num_rows += len(design)
        if sum(len(part) for part in waiting) >= ROWS_A_COLUMN * columns:
            waiting = [np.asarray(np.linalg.qr(np.concatenate(waiting), mode="r"), np.float64)]
    both = np.concatenate(waiting)
    columns = both.shape[1]
    if num_rows > columns:
        both = np.linalg.qr(both, mode="r") * np.sqrt(columns / num_rows)
    return both[:, :num_predictors], both[:, num_predictors:]


@cache
def _program(order: int, max_active: int) -> Callable[..., tuple[jax.Array, jax.Array, jax.Array]]:
    return jax.jit(partial(fit_regressions, order=order, max_active=max_active), compiler_options=quicker())


def _solved(
    rows: list[np.ndarray], order: int, lam: float, num_nodes: int
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """coef (lags, targets, sources), status and gap (targets,) of a folded regression.

    Few slots for coefficients first; only the targets that need more are solved again with more, and so few of them
    at once that their slots, whose memory grows with the square, stay within BYTES_A_CALL.
    """
    design, targets = rows
    counts = np.ones(design.shape[:2], bool)
    rank = min(design.shape[1:])
    coef = np.zeros((order, num_nodes, num_nodes), design.dtype)
    status, gap = np.full(num_nodes, Status.MAX_ACTIVE, np.int32), np.zeros(num_nodes, design.dtype)
    # many rows bear many coefficients, so not the fewest slots first
    for capacity in (*(size for size in CAPACITIES[1:] if size < rank), rank):
        left = np.flatnonzero(status == Status.MAX_ACTIVE)
        together = min(num_nodes, max(2, BYTES_A_CALL // (8 * capacity**2)))
        for start in range(0, len(left), together):
            some = left[start : start + together]
            filled = np.concatenate(
                [some, np.repeat(some[:1], together - len(some))]
            )  # one shape, one program
            share = jnp.asarray(
                lam * (num_nodes / together), design.dtype
            )  # each target's own stays lam * nodes
            found = _program(order, capacity)(design, targets[:, :, filled], counts, share)
            new_coef, new_status, new_gap = (np.asarray(x[0]) for x in found)
            coef[:, some] = new_coef[:, : len(some)]
            status[some], gap[some] = new_status[: len(some)], new_gap[: len(some)]
        if not (status == Status.MAX_ACTIVE).any():
            break
    return jnp.asarray(coef), jnp.asarray(status), jnp.asarray(gap)


def fit_pooled(list_of_latents: Sequence[ArrayLike], order: int, lam: float) -> VARFit:
    """One VAR for several runs together: each centred by itself, rows stacked, none across two runs.

    Args, Raises:
        As `fit_runs`.

    Returns:
        VARFit without a runs axis; `mean` is the average over all frames, `scale` the pooled one.

    Complexity:
        QR factorisations in float64 by LAPACK of all frames x ((lags + 1) x nodes), a few times as many rows as columns
        at once; what follows does not depend on the number of frames. Memory 8 bytes x the square of the columns x
        ROWS_A_COLUMN, twice, and about 0.5 GB of slots for coefficients.
    """
    for index, z in enumerate(list_of_latents):
        check_length(len(np.asarray(z)), order, f"run {index}")
    check_lam(lam)
    latents, valid = pad_runs(list_of_latents)
    series = centre(latents, valid)
    frames = np.asarray(valid).sum(axis=1)
    scale = np.sqrt((frames * np.square(series.scale, dtype=np.float64)).sum() / frames.sum())
    mean = (series.mean * frames[:, None]).sum(axis=0) / frames.sum()
    divisor = scale if scale > 0 else 1
    centred = np.asarray(series.centred)
    runs = [z[:count] for z, count in zip(centred, frames.tolist(), strict=True)]
    none = [np.zeros(1)] * len(runs)
    pieces = regression_pieces(runs, none, order, (order + 1) * centred.shape[2])
    rows = [x.astype(latents.dtype)[None] for x in folded((x / divisor, y / divisor) for x, y in pieces)]
    coef, status, gap = _solved(rows, order, lam, centred.shape[2])
    return VARFit(coef, mean, jnp.asarray(scale, latents.dtype), status, gap)
