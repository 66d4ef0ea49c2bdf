"""Where do two groups of runs differ: many features at once, blocks as units, the false-discovery rate held."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from lassovae._errors import InputError
from lassovae.stats._moderated import moderated_t
from lassovae.stats._rank_sum import check_blocks, check_labels, group_members

ROUNDING = 1e-6  # of a feature's size: less is what float32 leaves of a constant


@dataclass(frozen=True, eq=False)
class GroupDifference:
    """Differences between two groups of runs, feature by feature.

    Attributes:
        difference: mean of the first group less that of the second, of the shape of a run's features.
        standard_error: of it, with blocks as units.
        pvalue: two-sided, each by itself; 1 where a feature is the same in all units and was not tested.
        qvalue: the smallest false-discovery rate at which the feature is among the discoveries.
        groups: the two labels.
        num_units: blocks (or runs) of each group.
        num_tested: features that were tested.
    """

    difference: NDArray[np.float64]
    standard_error: NDArray[np.float64]
    pvalue: NDArray[np.float64]
    qvalue: NDArray[np.float64]
    groups: tuple[str, str]
    num_units: tuple[int, int]
    num_tested: int

    def significant(self, rate: float = 0.05) -> NDArray[np.bool_]:
        """The features of which on average a share of at most `rate` is false.

        Raises:
            InputError: rate is not in (0, 1).
        """
        if not 0 < rate < 1:
            raise InputError(f"rate={rate} must lie between 0 and 1")
        return np.asarray(self.qvalue <= rate)


def unit_means(
    values: ArrayLike, labels: Sequence[str], blocks: Sequence[Hashable] | None
) -> tuple[NDArray[np.float64], list[str]]:
    """Means over the runs of each unit, (units, ...), and the units' labels; a unit is a block, or a run.

    Raises:
        InputError: lengths differ, a value is not finite, or a block holds two labels.
    """
    array = np.asarray(values, np.float64)
    if array.ndim == 1:
        raise InputError(
            f"values {array.shape} must be (runs, features): of one feature a run give values[:, None]"
        )
    if array.ndim < 2 or len(array) != len(labels):
        raise InputError(
            f"values {array.shape} must be (runs, ...) with a row for each of the {len(labels)} labels"
        )
    bad = np.flatnonzero(~np.isfinite(array.reshape(len(array), -1)).all(axis=1))
    if len(bad):
        raise InputError(
            f"values of runs {', '.join(map(str, bad.tolist()))} are not finite: refit or leave them out"
        )
    names = [str(label) for label in check_labels(labels, len(array))]
    units = check_blocks(blocks, len(names))
    label_of: dict[Hashable, str] = {}
    for run, (name, unit) in enumerate(zip(names, units, strict=True)):
        if label_of.setdefault(unit, name) != name:
            raise InputError(
                f"blocks[{run}]={unit!r} holds both {label_of[unit]!r} and {name!r}: a block is a unit of one group"
            )
    member = [np.flatnonzero([u == unit for u in units]) for unit in label_of]
    return np.stack([array[runs].mean(axis=0) for runs in member]), list(label_of.values())


def group_difference(
    values: ArrayLike,
    labels: Sequence[str],
    *,
    blocks: Sequence[Hashable] | None = None,
    groups: tuple[str, str] | None = None,
) -> GroupDifference:
    """Compare features of runs (influences, coefficients, pixels of maps) between two groups.

    The units are blocks: the runs of a block are averaged first. Each feature has a moderated t-test (Smyth 2004),
    whose variance borrows from all features, since few blocks know little of each variance; the q-values hold the
    false-discovery rate over all features that vary (Benjamini & Hochberg 1995), also where features are positively
    dependent, as neighbouring pixels are (Benjamini & Yekutieli 2001). The variance is taken for the same in both
    groups: with equally many units a difference of scatter does little harm, with unequal numbers it does.

    Args:
        values: (runs, ...), a row of features a run; or a row a block, with `labels` of blocks and no `blocks`.
        labels: the group of each run.
        blocks: the block of each run; None: every run is a unit.
        groups: the two labels to compare; None: there are only two.

    Returns:
        GroupDifference.

    Raises:
        InputError: shapes do not fit, NaN, a block that mixes labels, not two groups, or fewer than two units in each.

    Example:
        >>> import numpy as np
        >>> runs = np.random.default_rng(0).normal(size=(16, 100))
        >>> runs[:8, 3] += 4
        >>> found = group_difference(runs, ["F"] * 8 + ["N"] * 8)
        >>> print(np.flatnonzero(found.significant(0.05)))
        [3]
    """
    means, names = unit_means(values, labels, blocks)
    found = tuple(dict.fromkeys(names)) if groups is None else tuple(str(group) for group in groups)
    if len(found) != 2 or found[0] == found[1]:
        raise InputError(f"groups {found} must be two different labels: name the two to compare")
    for group in found:
        group_members(names, group, at_least=1)  # says which there are
    first, second = (means[[name == group for name in names]] for group in found)
    for group, part in zip(found, (first, second), strict=True):
        if len(part) < 2:
            unit = "run" if blocks is None else "block"
            raise InputError(f"group {group!r} has one {unit}: a standard error needs at least two")
    shape = means.shape[1:]
    flat = [part.reshape(len(part), -1) for part in (first, second)]
    both = np.concatenate(flat)
    varies = np.ptp(both, axis=0) > ROUNDING * np.abs(both).max(axis=0)
    difference, error = flat[0].mean(axis=0) - flat[1].mean(axis=0), np.zeros(both.shape[1])
    pvalue, qvalue = np.ones(both.shape[1]), np.ones(both.shape[1])
    if varies.any():
        test = moderated_t(flat[0][:, varies], flat[1][:, varies])
        error[varies], pvalue[varies] = test.standard_error, test.pvalue
        qvalue[varies] = stats.false_discovery_control(test.pvalue)
    return GroupDifference(
        difference=difference.reshape(shape),
        standard_error=error.reshape(shape),
        pvalue=pvalue.reshape(shape),
        qvalue=qvalue.reshape(shape),
        groups=(found[0], found[1]),
        num_units=(len(first), len(second)),
        num_tested=int(varies.sum()),
    )
