"""Do groups of runs scatter differently: a difference of scatter can look like one of place."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lassovae.stats._dissimilarity import check_dissimilarity
from lassovae.stats._permutation import Compared, PermutationResult, compared, tested
from lassovae.stats._relabelling import Exchange


def distances_to_centre(dissimilarity: ArrayLike, labels: Sequence[str]) -> NDArray[np.float64]:
    """How far each run lies from the centre of its group.

    Dissimilarities need not be distances in any space: they are those of principal coordinates of which some are
    imaginary, whose squares count as negative.

    Args:
        dissimilarity: (runs, runs) symmetric, not negative, 0 on the diagonal.
        labels: the group of each run.

    Returns:
        (runs,) in units of the dissimilarity.

    Raises:
        InputError: as `permutation_test`.

    References:
        Anderson 2006, Distance-based tests for homogeneity of multivariate dispersions.
    """
    matrix = check_dissimilarity(dissimilarity)
    return _to_centre(matrix, compared(matrix, labels, None, None, None).design.observed)


def _to_centre(matrix: NDArray[np.float64], codes: NDArray[np.intp]) -> NDArray[np.float64]:
    squares = np.square(matrix)
    member = (codes == np.arange(codes.max() + 1)[:, None]).astype(np.float64)
    share = (member / member.sum(axis=1, keepdims=True))[
        codes
    ]  # (runs, runs) weights of each run's own group
    to_group = (share * squares).sum(axis=1)  # mean squared dissimilarity to the group, oneself included
    among = np.einsum("ij,jk,ik->i", share, squares, share)
    # what is left of a run with itself in the centre may be 0 but for rounding
    return np.sqrt(np.abs(to_group - among / 2))


def _f_ratio(distances: NDArray[np.float64], member: NDArray[np.float64]) -> NDArray[np.float64]:
    """F of a one-way analysis of variance: distances (runs,), member (m, groups, runs) -> (m,)."""
    sizes = member.sum(axis=2)
    means = member @ distances / sizes
    grand = distances.mean()
    between = (sizes * np.square(means - grand)).sum(axis=1)
    within = np.square(distances - grand).sum() - between
    num_groups = member.shape[1]
    with np.errstate(divide="ignore"):
        ratio: NDArray[np.float64] = (between / (num_groups - 1)) / (within / (len(distances) - num_groups))
    return ratio


def dispersion_test(
    dissimilarity: ArrayLike,
    labels: Sequence[str],
    *,
    blocks: Sequence[Hashable] | None = None,
    exchange: Exchange | None = None,
    groups: Sequence[str] | None = None,
    num_permutations: int = 9999,
    seed: int = 0,
) -> PermutationResult:
    """Do the groups scatter differently about their own centres?

    ANOSIM and PERMANOVA also answer to groups of one place and unequal scatter: where this test rejects, a difference
    that they find may be of scatter alone. The distances stay as they are, and relabellings exchange them.

    Args, Raises:
        As `permutation_test`.

    Returns:
        PermutationResult with the F ratio of `distances_to_centre`; its `name` is "dispersion".

    References:
        Anderson 2006, Distance-based tests for homogeneity of multivariate dispersions.
    """
    matrix = check_dissimilarity(dissimilarity)
    some: Compared = compared(matrix, labels, blocks, exchange, groups)
    distances = _to_centre(matrix[np.ix_(some.kept, some.kept)], some.design.observed)
    return tested(_f_ratio, distances, some, "dispersion", num_permutations, seed, without_drift=False)
