"""Which fits can be trusted: how many coefficients they have, for how many rows, and how exactly they were solved.

The rules, and why they are so, are in docs/numbers.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lassovae.var import VARFit

# A lasso has at most as many non-zeros as it has rows, and their number estimates its degrees of freedom: from this
# fraction on less than a tenth of the rows are left to tell couplings from noise.
INTERPOLATES = 0.9
RARELY = 0.05  # fraction of many fits, such as steps or windows, of which a fault goes unmentioned
NAMED = 5  # fits that are named


def interpolates(nonzeros: float, rows: int) -> bool:
    """Whether so many non-zero coefficients a target reproduce so many rows, whatever is in them."""
    return nonzeros >= INTERPOLATES * rows


@dataclass(frozen=True)
class FitQuality:
    """How far one fit, or those to all windows of a run together, can be trusted.

    Attributes:
        kind: what was fitted: "run", "windows" or "condition".
        name: of the run or the condition.
        lam: l1 strength.
        num_fits: 1, or as many as there are windows.
        rows: frames that a fit forecasts.
        nonzeros: mean number of non-zero coefficients a target, as the lasso left them.
        dead: fits without any coefficient, pruned if that was asked for.
        num_targets: lassos, of all fits.
        interpolating: of these, those with nearly as many non-zeros as rows.
        gap: largest relative duality gap of all lassos.
    """

    kind: str
    name: str
    lam: float
    num_fits: int
    rows: int
    nonzeros: float
    dead: int
    num_targets: int
    interpolating: int
    gap: float


def quality(
    kind: str, name: str, fit: VARFit, rows: int, lam: float, kept: ArrayLike | None = None
) -> FitQuality:
    """Of one fit, or of several to as many rows.

    Args:
        kind, name, rows, lam: as in `FitQuality`.
        fit: with or without a leading axis.
        kept: its coefficients after pruning; None where nothing was pruned.
    """
    coef = np.asarray(fit.coef).reshape(-1, *np.shape(fit.coef)[-3:])
    left = coef if kept is None else np.asarray(kept).reshape(coef.shape)
    nonzeros = (coef != 0).sum(axis=(1, 3))
    return FitQuality(
        kind=kind,
        name=name,
        lam=lam,
        num_fits=len(coef),
        rows=rows,
        nonzeros=float(nonzeros.mean()),
        dead=int((~(left != 0).any(axis=(1, 2, 3))).sum()),
        num_targets=nonzeros.size,
        interpolating=int(sum(interpolates(count, rows) for count in nonzeros.ravel().tolist())),
        gap=float(np.asarray(fit.gap).max()),
    )


def fit_notes(fits: Sequence[FitQuality]) -> tuple[str, ...]:
    """Sentences on fits that are dead or interpolate; none where there are none."""
    said: list[str] = []
    for kind in ("condition", "run", "windows"):
        of_kind = [fit for fit in fits if fit.kind == kind]
        said += _dead(kind, of_kind) + _interpolating(kind, of_kind)
    return tuple(said)


def _named(kind: str, fits: Sequence[FitQuality]) -> str:
    names = ", ".join(fit.name for fit in fits[:NAMED]) + (" and others" if len(fits) > NAMED else "")
    return f"{kind} {names}" if kind != "windows" else f"run {names}"


def _dead(kind: str, fits: Sequence[FitQuality]) -> list[str]:
    dead, total = sum(fit.dead for fit in fits), sum(fit.num_fits for fit in fits)
    if not dead or (kind == "windows" and dead <= RARELY * total):
        return []
    where = _named(kind, [fit for fit in fits if fit.dead])
    what = (
        f"The fits to {dead} of {total} windows"
        if kind == "windows"
        else f"{dead} of {total} fits to {kind}s"
    )
    remedy = "lower condition_lam, or prune less" if kind == "condition" else "lower lam"
    return [f"{what} have no coefficient, and forecast the mean ({where}): {remedy}."]


def _interpolating(kind: str, fits: Sequence[FitQuality]) -> list[str]:
    full, total = sum(fit.interpolating for fit in fits), sum(fit.num_targets for fit in fits)
    if not full or (kind == "windows" and full <= RARELY * total):
        return []
    found = [fit for fit in fits if fit.interpolating]
    rows = f"{min(fit.rows for fit in found)}"
    if (most := max(fit.rows for fit in found)) != int(rows):
        rows += f" to {most}"
    remedy = {"condition": "raise condition_lam, or record more", "run": "raise lam, or record longer runs"}
    many = "fits to windows" if kind == "windows" else f"fits to {kind}s"
    return [
        f"{full} of {total} targets of the {many} interpolate ({_named(kind, found)}): they have nearly as many "
        f"non-zero coefficients as frames to forecast ({rows}), which reproduce noise as well as couplings: "
        f"{remedy.get(kind, 'raise lam, or take a longer window')}."
    ]


def gap_sentence(fits: Sequence[FitQuality]) -> str:
    """How exactly the lassos were solved; empty where nothing was fitted."""
    if not fits:
        return ""
    worst = max(fits, key=lambda fit: fit.gap)
    where = f"{'windows of run' if worst.kind == 'windows' else worst.kind} {worst.name}"
    count = sum(fit.num_targets for fit in fits)
    return f"Largest relative duality gap of {count} lassos: {worst.gap:.1e} ({where})."
