"""fit_var: one sparse vector autoregression, one lasso a target, all targets in one batched call.

With centred latents z_t divided by one standard deviation over all entries, n rows and K nodes, the loss is
the mean over all entries of the vectorised regression,

    (1 / (2 n K)) sum_t ||z_t - sum_k A_k z_{t-k}||^2 + lam sum_k ||A_k||_1,

whose design is block diagonal: it is K lassos that share one design, each

    (1 / (2 n)) ||y - X b||^2 + (lam K) ||b||_1.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from lassovae._errors import InputError
from lassovae.lasso import solve_lasso_designs
from lassovae.var._design import Series, centre, check_length, flatten_nodes, lagged, valid_rows


class VARFit(NamedTuple):
    """A fitted vector autoregression; a leading runs axis on every field where several runs were fitted.

    Attributes:
        coef: (lags, targets, sources), A_k for lag k + 1; free of units, since one scale is used for all nodes.
        mean: (nodes,), mean of the latents over the frames fitted, in units of the latents.
        scale: (), standard deviation over all centred entries, in units of the latents.
        status: (targets,) int32, members of `lassovae.Status`.
        gap: (targets,), relative duality gap of each target's lasso.
    """

    coef: jax.Array
    mean: jax.Array
    scale: jax.Array
    status: jax.Array
    gap: jax.Array


def fit_regressions(
    design: jax.Array,
    targets: jax.Array,
    rows: jax.Array,
    lam: ArrayLike,
    order: int,
    max_active: int | None = None,
    staged: bool = True,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The lassos of several regressions of one shape.

    Args:
        design: (regressions, rows, lags * sources), scaled.
        targets: (regressions, rows, targets), scaled.
        rows: (regressions, rows) bool; the others are padding.
        lam: () l1 strength on the mean over all entries.
        order: number of lags.
        max_active, staged: as in `solve_lasso_designs`.

    Returns:
        coef (regressions, lags, targets, sources); status and gap (regressions, targets).
    """
    num_targets = targets.shape[2]
    keep = rows[..., None]
    counted = rows.sum(axis=1).astype(design.dtype) / rows.shape[1]
    solution = solve_lasso_designs(
        jnp.where(keep, design, 0),
        jnp.where(keep, targets, 0),
        (jnp.asarray(lam, design.dtype) * num_targets * counted)[:, None],
        max_active=max_active,
        staged=staged,
    )
    num_sources = design.shape[2] // order
    coef = solution.coef.reshape(design.shape[0], order, num_sources, num_targets)
    return jnp.swapaxes(coef, 2, 3), solution.status, solution.gap


def fit_series(
    series: Series,
    order: int,
    lam: ArrayLike,
    *,
    source_mask: jax.Array | None = None,
    max_active: int | None = None,
    staged: bool = True,
) -> VARFit:
    """Fit centred series, one VAR a run.

    Args:
        series: from `centre`, runs of one (padded) length.
        order: number of lags.
        lam: () l1 strength.
        source_mask: (nodes,) bool, sources that may have coefficients.
        max_active, staged: as in `solve_lasso_designs`.

    Returns:
        VARFit with a leading runs axis.
    """
    divisor = jnp.where(series.scale > 0, series.scale, 1)
    scaled = series.centred / divisor[:, None, None]
    design, targets = lagged(scaled, order), scaled[:, order:]
    rows = valid_rows(series.valid, order)
    if source_mask is not None:
        design = design * jnp.tile(source_mask.astype(design.dtype), order)
    coef, status, gap = fit_regressions(design, targets, rows, lam, order, max_active, staged)
    return VARFit(coef, series.mean, series.scale, status, gap)


def fit_var(
    latents: ArrayLike,
    order: int,
    lam: ArrayLike,
    *,
    center: bool = True,
    frame_mask: ArrayLike | None = None,
    source_mask: ArrayLike | None = None,
) -> VARFit:
    """Sparse vector autoregression of one series, fitted from scratch by the lasso homotopy.

    Args:
        latents: (time, nodes) or (time, height, width), any units.
        order: number of lags in frames, static.
        lam: () l1 strength on the loss averaged over all entries, of unit-variance latents; each target's
            lasso gets lam * nodes.
        center: take each node's mean over time off first (the intercept, profiled out).
        frame_mask: (time,) bool, frames that exist; a row is used if its own frame and all its lags exist.
        source_mask: (nodes,) bool, nodes that may act as sources.

    Returns:
        VARFit, in the dtype of the latents.

    Raises:
        InputError: fewer than order + 2 frames, masks of the wrong shape, lam < 0.

    Status:
        Those of `solve_lasso`, one a target.

    Differentiation:
        Reverse mode in latents and lam, through centring, scale and the lasso's own rule (`solve_lasso`).

    Example:
        >>> import numpy as np
        >>> z = np.random.default_rng(0).standard_normal((200, 3))
        >>> z[1:, 0] += 0.9 * z[:-1, 1]
        >>> fit = fit_var(z, 1, 0.02)
        >>> print(np.argwhere(np.abs(fit.coef[0]) > 0.3))
        [[0 1]]

    References:
        arXiv 2603.02899, section 2.1-2.2. The averaged loss and the centring are this library's reading; see
        `docs/method.md`.
    """
    flat = flatten_nodes(latents)
    flat = flat.astype(jnp.promote_types(flat.dtype, jnp.float32))
    check_length(flat.shape[0], order)
    valid = jnp.ones(flat.shape[:1], bool) if frame_mask is None else jnp.asarray(frame_mask, bool)
    if valid.shape != flat.shape[:1]:
        raise InputError(f"frame_mask {valid.shape} must be (time,) = {flat.shape[:1]}")
    if not isinstance(valid, jax.core.Tracer) and not valid_rows(valid[None], order).any():
        raise InputError(
            f"frame_mask leaves no frame with its {order} frames before it: unmask longer stretches"
        )
    sources = None if source_mask is None else jnp.asarray(source_mask, bool)
    if sources is not None and sources.shape != flat.shape[1:]:
        raise InputError(f"source_mask {sources.shape} must be (nodes,) = {flat.shape[1:]}")
    fit = fit_series(centre(flat[None], valid[None], center), order, lam, source_mask=sources)
    return jax.tree.map(lambda x: x[0], fit)
