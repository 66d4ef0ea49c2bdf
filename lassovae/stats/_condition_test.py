"""The recommended test between conditions: blocks permuted, centres compared, scatter and effect beside it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lassovae._errors import InputError
from lassovae.stats._centres import check_times
from lassovae.stats._dispersion import dispersion_test
from lassovae.stats._dissimilarity import swap_dissimilarity
from lassovae.stats._effect import EffectSize, effect_size
from lassovae.stats._permutation import PermutationResult, permutation_test
from lassovae.stats._permutation_words import dispersion_sentence, effect_sentence, permutation_sentence
from lassovae.stats._rank_sum import check_labels
from lassovae.stats._words import order_sentence


@dataclass(frozen=True, eq=False)
class ConditionTest:
    """Do the dynamics of conditions differ.

    Attributes:
        place: permutation test of the distance of the conditions' centres; its p-value is the answer.
        anosim: ANOSIM of the same dissimilarities, whose R is the familiar measure; unequal scatter misleads it.
        scatter: dispersion test on the same runs.
        effect: across-minus-within swap error with its interval; None where a condition has one block only.
        order: warning where conditions cannot be told from the passing of time, or an empty string.
    """

    place: PermutationResult
    anosim: PermutationResult
    scatter: PermutationResult
    effect: EffectSize | None
    order: str

    def sentences(self, *, alpha: float = 0.05) -> list[str]:
        """What was found, what may fake it, and how large it is."""
        said = [
            permutation_sentence(self.place, alpha=alpha),
            dispersion_sentence(self.place, self.scatter, alpha=alpha),
            "" if self.effect is None else effect_sentence(self.effect),
            self.order,
        ]
        return [text for text in said if text]


def condition_test(
    delta: ArrayLike,
    labels: Sequence[str],
    *,
    blocks: Sequence[Hashable] | None = None,
    groups: Sequence[str] | None = None,
    times: Sequence[float] | None = None,
    num_permutations: int = 9999,
    seed: int = 0,
) -> ConditionTest:
    """Test whether the dynamics of two conditions differ, with blocks of runs as the units.

    A swap error grows with the square of how far coefficients are apart, and is taken for a squared distance.

    Args:
        delta: (runs, runs) of `swap_errors`.
        labels: condition of each run.
        blocks: block of each run; None: every run is a unit.
        groups: the two conditions to compare; None: there are only two.
        times: of each run; None: they were recorded one after the other, as they are listed. A linear drift over them
            is taken out, unless each condition is one stretch of runs, which cannot be told from drift.
        num_permutations, seed: as in `permutation_test`.

    Returns:
        ConditionTest.

    Raises:
        InputError: as `swap_dissimilarity` and `permutation_test`.
    """
    squares = swap_dissimilarity(delta)
    apart = np.sqrt(squares)
    wanted = tuple(dict.fromkeys(map(str, labels))) if groups is None else tuple(map(str, groups))
    names = [str(label) for label in check_labels(labels, len(apart))]
    when = np.arange(len(apart), dtype=np.float64) if times is None else check_times(times, len(apart))
    compared = [names[i] for i in np.argsort(when, kind="stable") if names[i] in wanted]
    order = order_sentence(compared)
    place = permutation_test(
        apart,
        labels,
        blocks=blocks,
        groups=groups,
        statistic="centres",
        times=None if order else when.tolist(),
        num_permutations=num_permutations,
        seed=seed,
    )
    familiar, scatter = (
        test(apart, labels, blocks=blocks, groups=groups, num_permutations=num_permutations, seed=seed)
        for test in (permutation_test, dispersion_test)
    )
    try:
        effect = effect_size(squares, labels, blocks=blocks, groups=groups, seed=seed)
    except InputError:  # a condition of one block: there is nothing to resample
        effect = None
    return ConditionTest(place, familiar, scatter, effect, order)
