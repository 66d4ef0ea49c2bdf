"""Where conditions differ, in words: what was tested, on which units, and what may not be concluded."""

from __future__ import annotations

from collections.abc import Sequence

from lassovae.stats._group_difference import GroupDifference
from lassovae.stats._words import order_sentence

FEW_UNITS = 4  # of a group: from fewer nobody can see whether means of blocks scatter as the test supposes
WHAT = {
    "edges": "edges of the network",
    "nodes": "nodes by their outflow",
    "pixels": "pixels of the contribution maps",
}


def is_descriptive(found: GroupDifference) -> bool:
    """Whether a group has so few units, under four, that nobody can check what the test takes for granted.

    Args:
        found: of `group_difference`.
    """
    return min(found.num_units) < FEW_UNITS


def difference_sentence(found: GroupDifference, what: str, *, rate: float = 0.05) -> str:
    """How many features differ between two groups, and how many of these may be false.

    Where a group has fewer than four units they are candidates, and the sentence says so; what holds for several such
    sentences alike is in `difference_caution`.

    Args:
        found: of `group_difference`.
        what: "edges", "nodes", "pixels", or any plural noun.
        rate: false-discovery rate, in (0, 1).

    Returns:
        One or two sentences.

    Raises:
        InputError: rate out of range.
    """
    number = int(found.significant(rate).sum())
    named, (a, b) = WHAT.get(what, what), found.groups
    if found.num_tested == 0:
        return f"There were no {named} to compare between {a} and {b}: none of them varies."
    units = f"{found.num_units[0]} against {found.num_units[1]} units"
    if is_descriptive(found):
        how = f"{units}; descriptive, at a nominal false-discovery rate of {rate:g}"
        are = "is a candidate" if number == 1 else "are candidates"
        return f"{number} of {found.num_tested} {named} {are} for a difference of {a} and {b} ({how})."
    if number:
        return (
            f"{a} and {b} differ in {number} of {found.num_tested} {named} at a false-discovery rate of {rate:g} "
            f"({units}); on average at most {100 * rate:g}% of those named are false, but any single one may be. The "
            "others are not shown to be the same."
        )
    return (
        f"No difference of {a} and {b} in single {named} was found at a false-discovery rate of {rate:g} ({units}, "
        f"{found.num_tested} tested). That is no evidence that there is none: a test of each needs a larger effect "
        "than one test of all."
    )


def difference_caution(found: GroupDifference, unit_labels: Sequence[str] = ()) -> str:
    """What holds for all differences of two groups, whatever the features: said once, beside their sentences.

    Args:
        found: of `group_difference`, of any of the features.
        unit_labels: group of each unit, in the order of recording; none: nothing is said of time.

    Returns:
        A few sentences, or an empty string where there is no such caution.
    """
    said = []
    if is_descriptive(found):
        said.append(
            f"With {min(found.num_units)} blocks in the smaller group these are candidates for a next experiment, not "
            "to be reported as significant, and no answer to whether the groups differ, which the test of whole blocks "
            "gives: they take for granted that the means of blocks scatter in a bell curve, about as widely for "
            "one feature as for others, which so few blocks cannot show."
        )
    if len(set(found.num_units)) > 1:
        said.append(
            "The numbers of units differ: should one group also scatter more, more or fewer would be false."
        )
    if order_sentence([label for label in unit_labels if label in found.groups]):
        said.append(
            "One group was recorded before the other: what differs may be drift of the recording over time."
        )
    return " ".join(said)
