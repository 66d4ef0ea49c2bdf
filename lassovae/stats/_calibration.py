"""False positives and power on a study's own fitted errors, under labels that mean nothing."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lassovae._errors import InputError
from lassovae._random import generator
from lassovae.stats._dissimilarity import swap_dissimilarity
from lassovae.stats._power import (
    MOST_ENUMERATED,
    TESTS,
    Power,
    SharedRelabellings,
    check_effects,
    check_simulation,
    two_groups,
)
from lassovae.stats._rank_sum import rank_sum_of_pairs
from lassovae.stats._relabelling import relabellings
from lassovae.stats._words import block_design


def _nothing_but_chance(delta: NDArray[np.float64], first: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Swap errors without what pairs across the conditions have more than pairs within, on average."""
    apart = first[:, None] != first
    off = ~np.eye(len(delta), dtype=bool)
    excess = delta[apart].mean() - delta[off & ~apart].mean()
    without: NDArray[np.float64] = delta - excess * apart
    return without


def calibration(
    delta: ArrayLike,
    labels: Sequence[str],
    blocks: Sequence[Hashable] | None = None,
    *,
    effects: Sequence[float] = (0.0, 0.5, 1.0, 2.0),
    num_relabellings: int = 200,
    alpha: float = 0.05,
    num_permutations: int = 499,
    seed: int = 0,
) -> Power:
    """How often tests reject when whole blocks of this very study get labels at random.

    What the study's own conditions add to pairs across them is taken off, labels of blocks are shuffled, and an
    effect of a given size is put on the pairs across the new conditions: 0 gives the false positives of every test on
    errors that are correlated as they really are, the others its power.

    Args:
        delta: (runs, runs) of `swap_errors`.
        labels: condition of each run; the first two are compared.
        blocks: block of each run; None: every run is a unit.
        effects: sizes, in standard deviations of the swap errors of pairs.
        num_relabellings: studies of each effect; all different relabellings where there are fewer.
        alpha: level of the tests, in (0, 1).
        num_permutations: relabellings that a test draws where there are more than 1000.
        seed: of everything.

    Returns:
        Power.

    Raises:
        InputError: as `swap_dissimilarity`, a block that mixes labels, or an argument out of range.
    """
    check_simulation(num_relabellings, alpha, num_permutations)
    check_effects(effects)
    names, units, (a, b) = two_groups(labels, blocks)
    swap_dissimilarity(delta)  # checks it
    matrix = np.asarray(delta, np.float64)
    if len(matrix) != len(labels):
        raise InputError(f"labels has {len(labels)} entries for {len(matrix)} runs: give one label a run")
    kept = [i for i, label in enumerate(labels) if str(label) in (a, b)]
    matrix = _nothing_but_chance(matrix[np.ix_(kept, kept)], np.asarray([name == a for name in names]))
    spread = matrix[~np.eye(len(matrix), dtype=bool)].std()
    rng = generator(seed)
    design, groups = relabellings(names, units)
    every = design.number <= min(num_relabellings, MOST_ENUMERATED)
    studies = design.every() if every else design.drawn(num_relabellings, rng)
    rates = {name: np.zeros(len(effects)) for name in TESTS}
    for codes in studies:
        given = [groups[code] for code in codes.tolist()]
        tests = SharedRelabellings.of(given, units, num_permutations, rng)
        apart = codes[:, None] != codes
        for at, effect in enumerate(effects):
            here = matrix + effect * spread * apart
            found = tests.pvalues((here + here.T) / 2)
            found["rank_sum"] = rank_sum_of_pairs(here, given, a, b, name="delta", ordered=True).pvalue
            for name in TESTS:
                rates[name][at] += found[name] <= alpha
    return Power(
        effects=np.asarray(effects, np.float64),
        rates={name: counts / len(studies) for name, counts in rates.items()},
        num_studies=len(studies),
        alpha=alpha,
        smallest_pvalue=block_design(names, units).smallest_pvalue,
        unit="standard deviations of the swap errors of pairs",
    )
