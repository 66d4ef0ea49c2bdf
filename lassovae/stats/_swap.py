"""Swapped coefficients: how much worse does one run's VAR forecast another run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse
from numpy.typing import ArrayLike, NDArray

from lassovae._errors import InputError
from lassovae.stats._rank_sum import RankSumResult, rank_sum_of_pairs, square_matrix

DENSE_FROM = 1 / 32  # share of non-zero coefficients from which a dense product is the faster one


def forecast_errors(
    latents: Sequence[ArrayLike], coefs: ArrayLike, rows: Sequence[int] | None = None
) -> NDArray[np.float64]:
    """Mean squared one-step error of every run's latents under every run's coefficients.

    E_sr = 1/((T_s - p) K) sum_t ||z_t - sum_k A_k^(r) z_{t-k}||^2 with z the latents of run s. Each run is
    centred over its own time first. The sigma_z of the method scales the forecast up by what it scaled the
    lags down by, so it cancels and is no argument.

    Args:
        latents: one array a run, (time, nodes) or (time, latent_height, latent_width); times may differ.
        coefs: (runs, lags, targets, sources), lag 1 first, in the order of `latents`.
        rows: the runs whose errors are wanted, so that several processes can share them; None: all.

    Returns:
        (rows, runs) float64 in squared latent units; row s = data, column r = coefficients. Non-finite
        coefficients of run r give a non-finite column r.

    Raises:
        InputError: coefficients not of that shape, a row that is no run, a run with other nodes, non-finite, or no
            longer than the order.

    Complexity:
        rows * time * the non-zero coefficients of all runs together; coefficients that are not sparse cost
        time * lags * nodes^2 a row and run, as matrix products. Memory: the latents and the coefficients once more in
        float64 (sparse ones 12 bytes a non-zero), and 8 * time * nodes * (lags + 2) bytes.

    References:
        Equation for E_sr in section 2.3 of arXiv 2603.02899.
    """
    coefs = np.asarray(coefs)
    if coefs.ndim != 4 or coefs.shape[2] != coefs.shape[3] or 0 in coefs.shape:
        raise InputError(
            f"coefs has shape {coefs.shape}: give (runs, lags, targets, sources), targets = sources"
        )
    num_runs, order, nodes, _ = coefs.shape
    if len(latents) != num_runs:
        raise InputError(
            f"latents has {len(latents)} runs, coefs has {num_runs}: give one set of coefficients a run"
        )
    wanted = np.arange(num_runs) if rows is None else np.asarray(rows)
    whole = wanted.ndim == 1 and (wanted.dtype.kind in "iu" or wanted.size == 0)
    if not whole or not ((wanted >= 0) & (wanted < num_runs)).all():
        raise InputError(f"rows={rows}: give a list of indices of the {num_runs} runs, from 0")
    series = [_centred(run, s, order, nodes) for s, run in enumerate(latents)]
    operators = [_operator(coef) for coef in coefs]
    errors = np.empty((len(wanted), num_runs))
    for row, s in enumerate(wanted.tolist()):
        z = np.ascontiguousarray(series[s].T)  # SciPy would copy it for every product
        # (lags * sources, time): lag 1 first, as the operators want it
        lagged = np.concatenate([z[:, order - k : z.shape[1] - k] for k in range(1, order + 1)])
        for r, var in enumerate(operators):
            # a run that could not be fitted has non-finite coefficients: its column says so
            with np.errstate(invalid="ignore", over="ignore"):
                residual = var @ lagged
                residual -= z[:, order:]
                errors[row, r] = np.vdot(residual, residual) / residual.size
    return errors


def _operator(coef: NDArray[np.floating]) -> NDArray[np.float64] | scipy.sparse.csr_array:
    """Coefficients (lags, targets, sources) as the float64 matrix (targets, lags * sources), sparse if they are."""
    matrix = coef.transpose(1, 0, 2).reshape(coef.shape[1], -1)
    if np.count_nonzero(matrix) < DENSE_FROM * matrix.size:
        return scipy.sparse.csr_array(matrix).astype(np.float64)
    return matrix.astype(np.float64)


def swap_errors(latents: Sequence[ArrayLike], coefs: ArrayLike) -> NDArray[np.float64]:
    """What forecasting a run with another run's coefficients costs.

    Delta_sr = E_sr - E_ss with E of `forecast_errors`. The diagonal is exactly 0. A negative entry is
    possible: the lasso shrinks, so a run's own coefficients need not be the best for it in squared error.

    Args:
        latents: one array a run, (time, nodes) or (time, latent_height, latent_width); times may differ.
        coefs: (runs, lags, targets, sources), lag 1 first, in the order of `latents`.

    Returns:
        (runs, runs) float64 in squared latent units; row s = data, column r = coefficients.

    Raises:
        InputError: as `forecast_errors`.

    Example:
        >>> import numpy as np
        >>> latents = [np.array([[1.0], [-1.0], [1.0], [-1.0]])] * 2
        >>> swap_errors(latents, np.array([-1.0, 0.0]).reshape(2, 1, 1, 1))
        array([[ 0.,  1.],
               [-1.,  0.]])

    References:
        Equation for Delta_sr in section 2.3 of arXiv 2603.02899.
    """
    return excess_errors(forecast_errors(latents, coefs))


def excess_errors(errors: ArrayLike) -> NDArray[np.float64]:
    """Delta_sr = E_sr - E_ss, as `swap_errors`, from the E of `forecast_errors`.

    Args:
        errors: (runs, runs), all rows, not only some.

    Returns:
        (runs, runs) float64; NaN where an error is not finite.

    Raises:
        InputError: errors is not square.
    """
    found = np.asarray(errors, dtype=np.float64)
    if found.ndim != 2 or found.shape[0] != found.shape[1]:
        raise InputError(
            f"errors has shape {found.shape}: give (runs, runs), as forecast_errors without rows"
        )
    with np.errstate(invalid="ignore"):
        delta: NDArray[np.float64] = found - np.diagonal(found)[:, None]
    return delta


def swap_test(delta: ArrayLike, labels: Sequence[str], group_a: str, group_b: str) -> RankSumResult:
    """The paper's test: does swapping coefficients across groups cost more than within them.

    One-sided Wilcoxon rank-sum test of the Delta_sr across (s in one group, r in the other, both ways)
    against the Delta_sr within (s != r in the same group, both groups pooled). **Its p-value is not a valid
    one.** The rank-sum test takes the pairs for independent, and pairs that share a run are not: without any
    difference between the groups it rejected at a nominal 5 % in 1 to 2 % of simulated studies of
    exchangeable runs, and in 17 to 23 % once blocks of runs differed a little. It describes; it does
    not hold its level.

    Args:
        delta: (runs, runs) of `swap_errors`; any other dissimilarity that need not be symmetric will do.
        labels: the group of each run.
        group_a: label of the first group; the two may be exchanged.
        group_b: label of the second group.

    Returns:
        RankSumResult with U of the pairs across; SciPy's exact p-value for small counts without ties, else
        the normal approximation with continuity correction.

    Raises:
        InputError: delta is not square or not finite for a pair used (the rows are named), labels of another
            length, a group unknown (the known ones are named), given twice, or with fewer than two runs.

    References:
        Section 2.3 of arXiv 2603.02899; the rejection rates are this project's own simulations.
    """
    matrix = square_matrix(delta, "delta")
    return rank_sum_of_pairs(matrix, labels, group_a, group_b, name="delta", ordered=True)


def _centred(run: ArrayLike, index: int, order: int, nodes: int) -> NDArray[np.float64]:
    """One run as (time, nodes) float64, centred over its time."""
    z = np.asarray(run, dtype=np.float64)
    if z.ndim not in (2, 3) or int(np.prod(z.shape[1:])) != nodes:
        raise InputError(
            f"latents[{index}] has shape {z.shape}: give (time, ...) with the {nodes} nodes of coefs"
        )
    if len(z) <= order:
        raise InputError(f"latents[{index}] has {len(z)} frames: order {order} needs at least {order + 1}")
    if not np.isfinite(z).all():
        raise InputError(f"latents[{index}] is not finite: encode that run again or leave it out")
    z = z.reshape(len(z), nodes)
    centred: NDArray[np.float64] = z - z.mean(axis=0)
    return centred
