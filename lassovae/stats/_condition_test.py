"""The recommended test between conditions: permutation of blocks, its warning about scatter, and the effect's size."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from numpy.typing import ArrayLike

from lassovae._errors import InputError
from lassovae.stats._dispersion import dispersion_test
from lassovae.stats._dissimilarity import swap_dissimilarity
from lassovae.stats._effect import EffectSize, effect_size
from lassovae.stats._permutation import PermutationResult, permutation_test
from lassovae.stats._permutation_words import dispersion_sentence, effect_sentence, permutation_sentence


@dataclass(frozen=True, eq=False)
class ConditionTest:
    """Do the dynamics of conditions differ.

    Attributes:
        place: ANOSIM of the swap dissimilarities; its p-value is the answer.
        scatter: dispersion test on the same runs.
        effect: across-minus-within swap error with its interval; None where a condition has one block only.
    """

    place: PermutationResult
    scatter: PermutationResult
    effect: EffectSize | None

    def sentences(self, *, alpha: float = 0.05) -> list[str]:
        """What was found, what may fake it, and how large it is."""
        said = [
            permutation_sentence(self.place, alpha=alpha),
            dispersion_sentence(self.place, self.scatter, alpha=alpha),
            "" if self.effect is None else effect_sentence(self.effect),
        ]
        return [text for text in said if text]


def condition_test(
    delta: ArrayLike,
    labels: Sequence[str],
    *,
    blocks: Sequence[Hashable] | None = None,
    groups: Sequence[str] | None = None,
    num_permutations: int = 9999,
    seed: int = 0,
) -> ConditionTest:
    """Test whether the dynamics of conditions differ, with blocks of runs as the units.

    Args:
        delta: (runs, runs) of `swap_errors`.
        labels: condition of each run.
        blocks: block of each run; None: every run is a unit.
        groups: conditions to compare; None: all.
        num_permutations, seed: as in `permutation_test`.

    Returns:
        ConditionTest.

    Raises:
        InputError: as `swap_dissimilarity` and `permutation_test`.
    """
    apart = swap_dissimilarity(delta)
    place = permutation_test(
        apart, labels, blocks=blocks, groups=groups, num_permutations=num_permutations, seed=seed
    )
    scatter = dispersion_test(
        apart, labels, blocks=blocks, groups=groups, num_permutations=num_permutations, seed=seed
    )
    try:
        effect = effect_size(apart, labels, blocks=blocks, groups=groups, seed=seed)
    except InputError:  # a condition of one block: there is nothing to resample
        effect = None
    return ConditionTest(place, scatter, effect)
