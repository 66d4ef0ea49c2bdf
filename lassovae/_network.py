"""The network of a study: which nodes act on which, how surely, and where conditions differ."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from jax.typing import ArrayLike
from numpy.typing import NDArray

from lassovae._errors import InputError
from lassovae._status import raise_if_failed
from lassovae.stats import GroupDifference, group_difference
from lassovae.var import fit_pooled, prune, refit, selection_frequency, suggested_lam

logger = logging.getLogger("lassovae")

SELECTION = 2.0  # times the suggested l1 strength, and the smallest t-value: docs/decisions/differences.md


@dataclass(frozen=True, eq=False)
class Network:
    """Edges between nodes, selected without knowing the conditions and measured in each of them.

    Attributes:
        support: (lags, targets, sources) bool, what the fit to all runs selected.
        coef: condition -> (lags, targets, sources), least squares on the support over the condition's runs.
        standard_error: condition -> the same shape, over blocks; NaN where a condition has one block.
        stability: (lags, targets, sources), share of half recordings in which it is selected; None if not computed.
        sources, targets: (edges,) nodes of every edge, its lags taken together; a node's own past is none.
        edges: of the edges' sums over lags, the first condition against the second; None with one condition, or
            where a condition has one block.
        nodes: (nodes,) of `influences`, likewise.
        influences: (units, nodes), outflow of the fits to single blocks (runs, without blocks): sums of coefficients
            to other nodes, each counted with its sign in the fit to all runs. Their mean does not grow with the noise
            of short blocks, as that of absolute values would.
        unit_strengths: (units, edges), sums over lags of their coefficients.
        unit_labels: condition of each of these.
        conditions: in order of appearance.
        lam, threshold: of the selection.
    """

    support: NDArray[np.bool_]
    coef: dict[str, NDArray[np.float64]]
    standard_error: dict[str, NDArray[np.float64]]
    stability: NDArray[np.float64] | None
    sources: NDArray[np.intp]
    targets: NDArray[np.intp]
    edges: GroupDifference | None
    nodes: GroupDifference | None
    influences: NDArray[np.float64]
    unit_strengths: NDArray[np.float64]
    unit_labels: tuple[str, ...]
    conditions: tuple[str, ...]
    lam: float
    threshold: float

    def strength(self, condition: str) -> NDArray[np.float64]:
        """(edges,) sums over lags, signed, mean over the condition's units, as `edges` compares them."""
        mean: NDArray[np.float64] = self._units(condition).mean(axis=0)
        return mean

    def strength_error(self, condition: str) -> NDArray[np.float64]:
        """(edges,) standard errors of `strength` over the condition's units; NaN if it has one."""
        part = self._units(condition)
        if len(part) < 2:
            return np.full(part.shape[1], np.nan)
        error: NDArray[np.float64] = part.std(axis=0, ddof=1) / np.sqrt(len(part))
        return error

    def _units(self, condition: str) -> NDArray[np.float64]:
        return self.unit_strengths[[label == condition for label in self.unit_labels]]


def _units(labels: Sequence[str], blocks: Sequence[Hashable] | None) -> dict[tuple[str, Hashable], list[int]]:
    """The runs of each block of a condition; without blocks every run by itself."""
    found: dict[tuple[str, Hashable], list[int]] = {}
    for run, label in enumerate(labels):
        found.setdefault((str(label), run if blocks is None else blocks[run]), []).append(run)
    return found


def network(
    list_of_latents: Sequence[ArrayLike],
    labels: Sequence[str],
    order: int,
    *,
    blocks: Sequence[Hashable] | None = None,
    lam: float | None = None,
    threshold: float = SELECTION,
    num_splits: int = 10,
    seed: int = 0,
) -> Network:
    """Select edges on all runs, measure them in each block, and compare the first two conditions.

    One fit to all runs, which does not know their labels, selects the coefficients; least squares on this support
    measures them in each block without the lasso's shrinkage, which would hide part of a difference; and the blocks
    are the units of the tests. Under a true null hypothesis labels tell nothing of a selection made without them.

    Args:
        list_of_latents: one a run, (time, nodes) or (time, height, width).
        labels: condition of each run.
        order: number of lags.
        blocks: block of each run; None: every run is a unit.
        lam: l1 strength of the selection; None: twice the one that `suggested_lam` suggests for all runs. Weaker
            ones let in candidates that each cost power.
        threshold: smallest t-value of a selected coefficient, as in `prune`.
        num_splits: of `selection_frequency`; 0: no stability.
        seed: of the splits.

    Returns:
        Network. NumPy.

    Raises:
        InputError: lengths differ, a block that mixes conditions, too few rows for the selected coefficients, or an
            argument out of range.
        SolveError: a lasso failed.
    """
    latents = [np.asarray(z) for z in list_of_latents]
    if not latents:
        raise InputError("list_of_latents is empty: give at least one run")
    if len(latents) != len(labels) or (blocks is not None and len(blocks) != len(labels)):
        raise InputError(
            f"{len(latents)} runs, {len(labels)} labels and {'no' if blocks is None else len(blocks)} blocks: "
            "give one of each a run"
        )
    if num_splits < 0:
        raise InputError(f"num_splits={num_splits} must be at least 0")
    units = _units(labels, blocks)
    if blocks is not None and len({block for _, block in units}) < len(units):
        raise InputError("a block holds runs of two conditions: give every block runs of one condition only")
    if lam is None:
        rows = sum(len(z) - order for z in latents)
        lam = SELECTION * suggested_lam(rows, order, latents[0][0].size)
    fit = prune(raise_if_failed(fit_pooled(latents, order, lam)), latents, threshold)
    support = np.asarray(fit.coef) != 0
    stability = None
    if num_splits:
        try:
            stability = selection_frequency(
                latents, order, lam, threshold=threshold, num_splits=num_splits, seed=seed
            )
        except InputError as reason:  # halves too short to fit: the rest does not need it
            logger.warning("The stability of edges was not computed: %s.", reason)
    of_unit = np.stack([refit([latents[i] for i in runs], support)[0] for runs in units.values()])
    of_label = [label for label, _ in units]
    conditions = tuple(dict.fromkeys(of_label))
    coef, error = {}, {}
    for c in conditions:
        part = of_unit[[label == c for label in of_label]]
        coef[c] = refit([z for z, label in zip(latents, labels, strict=True) if str(label) == c], support)[0]
        spread = part.std(axis=0, ddof=1) if len(part) > 1 else np.full(part.shape[1:], np.nan)
        error[c] = spread / np.sqrt(len(part))
    linked = support.any(axis=0)
    np.fill_diagonal(linked, False)
    targets, sources = np.nonzero(linked)
    edges = nodes = None
    of_all = refit(latents, support)[0]
    apart = ~np.eye(support.shape[-1], dtype=bool)
    influences = (of_unit * np.sign(of_all) * apart).sum(axis=(1, 2))
    strengths = of_unit.sum(axis=1)[:, targets, sources]
    if len(conditions) > 1 and min(of_label.count(c) for c in conditions[:2]) > 1:
        groups = (conditions[0], conditions[1])
        edges = group_difference(strengths, of_label, groups=groups)
        nodes = group_difference(influences, of_label, groups=groups)
    return Network(
        support=support,
        coef=coef,
        standard_error=error,
        stability=stability,
        sources=sources,
        targets=targets,
        edges=edges,
        nodes=nodes,
        influences=influences,
        unit_strengths=strengths,
        unit_labels=tuple(of_label),
        conditions=conditions,
        lam=lam,
        threshold=threshold,
    )
