"""Where conditions differ, in words: what was tested, on which units, and what may not be concluded."""

from __future__ import annotations

from lassovae.stats._group_difference import GroupDifference

FEW_UNITS = 4  # of a group: from fewer nobody can see whether means of blocks scatter as the test supposes
WHAT = {
    "edges": "edges of the network",
    "nodes": "nodes by their outflow",
    "pixels": "pixels of the contribution maps",
}


def difference_sentence(found: GroupDifference, what: str, *, rate: float = 0.05) -> str:
    """How many features differ between two groups, and how many of these may be false.

    Args:
        found: of `group_difference`.
        what: "edges", "nodes", "pixels", or any plural noun.
        rate: false-discovery rate, in (0, 1).

    Returns:
        Two or three sentences.

    Raises:
        InputError: rate out of range.
    """
    number = int(found.significant(rate).sum())
    named, (a, b) = WHAT.get(what, what), found.groups
    if found.num_tested == 0:
        return f"There were no {named} to compare between {a} and {b}: none of them varies."
    units = f"{found.num_units[0]} against {found.num_units[1]} units"
    if number:
        text = (
            f"{a} and {b} differ in {number} of {found.num_tested} {named} at a false-discovery rate of {rate:g} "
            f"({units}); on average at most {100 * rate:g}% of those named are false, but any single one may be. The "
            "others are not shown to be the same."
        )
    else:
        text = (
            f"No difference of {a} and {b} in single {named} was found at a false-discovery rate of {rate:g} ({units}, "
            f"{found.num_tested} tested). That is no evidence that there is none: a test of each needs a larger effect "
            "than one test of all."
        )
    if len(set(found.num_units)) > 1:
        text += (
            " The numbers of units differ: should one group also scatter more, more or fewer would be false."
        )
    if min(found.num_units) < FEW_UNITS:
        text += (
            f" With {min(found.num_units)} units in a group this rests on what cannot be checked: that means of units "
            "scatter normally, by variances of which all features know something."
        )
    return text
