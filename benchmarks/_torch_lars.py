"""The paper's end-to-end loss in PyTorch: LARS as a Python loop over events, which autograd runs back through.

The lasso homotopy for all targets of one design at a time. Active predictors are kept in slots, padded with the
identity; targets that have reached their end leave the batch, and the slots grow with the widest active set.
"""

from __future__ import annotations

import torch
from _torch_twin import Twin


def unrolled_lasso(X: torch.Tensor, Y: torch.Tensor, lam: float) -> tuple[torch.Tensor, int]:
    """Coefficients (predictors, targets) of (1/(2n)) ||y - X b||^2 + lam ||b||_1, and the number of passes.

    With A active, signs s and d = (X_A'X_A)^-1 s, the coefficients move by t d while the level falls from C to
    C - t and the correlations c = X'(y - X b) to c - t a, a = X'X_A d. Predictor j joins with the sign z where
    C - t = z (c_j - t a_j); active i drops where b_i + t d_i = 0; the walk ends at C = n lam.

    Args:
        X: (rows, predictors).
        Y: (rows, targets).
        lam: of every target.

    Raises:
        RuntimeError: more events than R's cap, 8 min(rows, predictors).
    """
    rows, predictors = X.shape
    end = rows * lam
    tolerance = torch.finfo(X.dtype).eps ** 0.6
    columns = torch.cat([X.T, X.new_zeros(1, rows)])  # the last one is a free slot's
    correlation = Y.T @ X
    level, first = correlation.abs().max(dim=1)
    target = torch.nonzero(level > end)[:, 0]  # those still under way
    y, level, slots = Y.T[target], level[target], first[target][:, None]
    signs = correlation[target].gather(1, slots).sign()
    coef = torch.zeros_like(signs)
    # one entry from the start, so that a problem without any event has coefficients, too
    done = [(first[:1], torch.zeros_like(first[:1]), X.new_zeros(1))]
    passes = 0
    while len(target):
        passes += 1
        if passes > 8 * min(rows, predictors):
            raise RuntimeError(f"{len(target)} targets have not ended after {passes - 1} events")
        active, free = columns[slots], signs == 0
        gram = active @ active.mT + torch.diag_embed(free.to(X.dtype))
        d = torch.linalg.solve(gram, signs)
        moved = torch.einsum("kan,kva->vkn", active, torch.stack([coef, d], dim=1))
        c, a = (y - moved[0]) @ X, moved[1] @ X

        closing = torch.stack([1 - a, 1 + a], dim=1)
        distance = level[:, None, None] - torch.stack([c, -c], dim=1)
        taken = torch.zeros(len(target), predictors + 1, dtype=torch.bool, device=X.device)
        taken = taken.scatter(1, slots, True)[:, None, :predictors]
        may_join = ~taken & (closing > tolerance)  # a duplicate or the one just dropped may not
        joins = torch.where(may_join, distance / torch.where(may_join, closing, 1), torch.inf)
        join, entering = joins.flatten(1).min(dim=1)
        may_drop = coef * d < 0
        drops = torch.where(may_drop, -coef / torch.where(may_drop, d, 1), torch.inf)
        drop, leaving = drops.min(dim=1)

        step = torch.minimum(level - end, torch.minimum(join, drop))
        ends = level - end <= torch.minimum(join, drop)
        coef, level = coef + step[:, None] * d, level - step
        if ends.any():
            owner = target[ends][:, None].expand(-1, slots.shape[1])
            done.append((slots[ends].flatten(), owner.flatten(), coef[ends].flatten()))
            y, level, slots, signs, coef, join, entering, drop, leaving, target = (
                part[~ends] for part in (y, level, slots, signs, coef, join, entering, drop, leaving, target)
            )
        slots, signs, coef = _change(slots, signs, coef, drop <= join, leaving, entering, predictors)
    places = tuple(torch.cat(part) for part in zip(*done, strict=True))
    full = X.new_zeros(predictors + 1, Y.shape[1]).index_put(places[:2], places[2], accumulate=True)
    return full[:predictors], passes


def _change(slots, signs, coef, drops, leaving, entering, predictors):
    """Free the slot that drops, or fill the first free one with what enters, in a slot of its own if need be."""
    if (~drops & (signs != 0).all(dim=1)).any():
        slots = torch.cat([slots, torch.full_like(slots[:, :1], predictors)], dim=1)
        signs = torch.cat([signs, torch.zeros_like(signs[:, :1])], dim=1)
        coef = torch.cat([coef, torch.zeros_like(coef[:, :1])], dim=1)
    place = torch.where(drops, leaving, (signs == 0).int().argmax(dim=1))[:, None]
    sign = torch.where(drops, 0.0, torch.where(entering < predictors, 1.0, -1.0)).to(signs.dtype)
    slots = slots.scatter(1, place, torch.where(drops, predictors, entering % predictors)[:, None])
    signs = signs.scatter(1, place, sign[:, None])
    return slots, signs, coef.scatter(1, place, 0.0)  # what joins starts at 0, too


def window_loss(
    twin: Twin, frames: torch.Tensor, mean_frame: torch.Tensor, lam: float, order: int
) -> torch.Tensor:
    """End-to-end loss of one window: encode, fit, forecast, decode with the positions of the frame before.

    Args:
        twin: the networks.
        frames, mean_frame: from `twin.frames`.
        lam: l1 strength on the loss averaged over all entries.
        order: number of lags.
    """
    latents, positions = twin.encoder(frames - mean_frame)
    nodes = latents.flatten(1)
    centred = nodes - nodes.mean(dim=0)
    scale = centred.square().mean().sqrt()
    scaled = centred / scale
    design = torch.cat([scaled[order - k : len(scaled) - k] for k in range(1, order + 1)], dim=1)
    coef, _ = unrolled_lasso(design, scaled[order:], lam * nodes.shape[1])
    forecast = (scale * (design @ coef)).reshape(-1, *latents.shape[1:])
    forecast = forecast.contiguous(memory_format=twin.memory_format)
    residual = twin.decoder(forecast, [position[order - 1 : -1] for position in positions])
    return (frames[order:] - (residual + 1) * mean_frame).square().mean()
