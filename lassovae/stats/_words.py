"""What tests and designs say, as sentences: the report, the command line and the docs take them from here."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from lassovae._errors import InputError
from lassovae.stats._comparisons import Comparison
from lassovae.stats._rank_sum import RankSumResult, check_blocks, check_labels

PAIRS_NOT_INDEPENDENT = (
    "The rank-sum test treats pairs of runs as independent, but pairs that share a run are not, so this "
    "p-value is descriptive: with a block effect it rejects a true null several times too often."
)


@dataclass(frozen=True)
class Design:
    """What whole-block relabelling can do for a study.

    Attributes:
        num_blocks: exchangeable units.
        blocks_of: (label, number of its blocks) in order of appearance.
        num_relabellings: distinct ways to give the labels to the blocks.
        num_equivalent: how many of them split the runs exactly as the study did, up to the groups' names.
        smallest_pvalue: num_equivalent / num_relabellings.
    """

    num_blocks: int
    blocks_of: tuple[tuple[str, int], ...]
    num_relabellings: int
    num_equivalent: int
    smallest_pvalue: float


def block_design(labels: Sequence[str], blocks: Sequence[Hashable] | None = None) -> Design:
    """Count the relabellings of a study whose blocks are exchangeable, and the smallest p-value they allow.

    B blocks of which n_g carry label g have B! / prod_g n_g! relabellings. A statistic that treats groups
    alike cannot tell a relabelling from the one with the names of two equally large groups exchanged, so at
    least prod over counts of (groups with that many blocks)! of them tie with the study itself.

    Args:
        labels: one a run; at least two different.
        blocks: one a run, any hashable; runs of a block share its value. None: every run is a block of its
            own.

    Returns:
        Design.

    Raises:
        InputError: a block holds two labels, all labels are the same, or lengths differ.
    """
    names = list(labels)
    units = check_blocks(blocks, len(names))
    label_of: dict[Hashable, str] = {}
    for run, (label, block) in enumerate(zip(check_labels(names, len(names)), units, strict=True)):
        if label_of.setdefault(block, label) != label:
            raise InputError(
                f"blocks[{run}]={block!r} holds both {label_of[block]!r} and {label!r}: "
                "give every block runs of one label only"
            )
    counts = Counter(label_of.values())
    if len(counts) < 2:
        raise InputError(f"labels has {len(counts)} group: a comparison needs at least two different labels")
    relabellings = math.factorial(len(label_of)) // math.prod(math.factorial(n) for n in counts.values())
    equivalent = math.prod(math.factorial(groups) for groups in Counter(counts.values()).values())
    return Design(
        num_blocks=len(label_of),
        blocks_of=tuple((str(label), number) for label, number in counts.items()),
        num_relabellings=relabellings,
        num_equivalent=equivalent,
        smallest_pvalue=equivalent / relabellings,
    )


def smallest_pvalue(labels: Sequence[str], blocks: Sequence[Hashable] | None = None) -> float:
    """The smallest p-value that a permutation of whole blocks can reach with this design.

    Args:
        labels: one a run.
        blocks: one a run; None: every run is a block of its own.

    Returns:
        In (0, 1]; with two groups in 2 / 4 / 6 / 8 alternating blocks 1, 1/3, 1/10, 1/35.

    Raises:
        InputError: as `block_design`.

    Example:
        >>> smallest_pvalue(["F", "F", "N", "N"], [0, 0, 1, 1])
        1.0
    """
    return block_design(labels, blocks).smallest_pvalue


def design_sentence(
    labels: Sequence[str], blocks: Sequence[Hashable] | None = None, *, alpha: float = 0.05
) -> str:
    """One sentence on whether this design can reach significance at all.

    Args:
        labels: one a run.
        blocks: one a run; None: every run is a block of its own.
        alpha: level of significance, in (0, 1).

    Returns:
        A sentence with the blocks, the relabellings, the smallest p-value and, where it is too large, a
        remedy.

    Raises:
        InputError: as `block_design`, or alpha out of range.
    """
    if not 0 < alpha < 1:
        raise InputError(f"alpha={alpha} must lie between 0 and 1")
    design = block_design(labels, blocks)
    parts = " and ".join(f"{number} of {label}" for label, number in design.blocks_of)
    unit = "runs" if blocks is None else "blocks"
    text = (
        f"{design.num_blocks} exchangeable {unit} ({parts}) can be relabelled in {design.num_relabellings} "
        f"ways, so a permutation test can reach p = {format_pvalue(design.smallest_pvalue)} at the smallest: "
        f"significance at {alpha:g} "
    )
    if design.smallest_pvalue <= alpha:
        return text + "can be reached."
    needed = 2
    while 2 / math.comb(2 * needed, needed) > alpha:
        needed += 1
    return (
        text + f"cannot be reached, whatever the data; two conditions of {needed} {unit} each would suffice."
    )


def order_sentence(labels: Sequence[str]) -> str:
    """Whether the order of the runs lets conditions be told from the passing of time; empty where it does.

    Args:
        labels: one a run, in the order of recording.

    Returns:
        A warning where every condition is one stretch of consecutive runs, an empty string otherwise.
    """
    stretches = [label for i, label in enumerate(labels) if i == 0 or labels[i - 1] != label]
    if len(stretches) < 2 or len(set(stretches)) < len(stretches):
        return ""
    named = " against ".join(map(str, stretches))
    return (
        f"All runs of one condition were recorded before all runs of the next, so {named} is not a real contrast "
        "of conditions: a difference cannot be told from drift of the recording over time."
    )


def comparison_sentence(comparison: Comparison) -> str:
    """What one comparison of the table found, in one sentence.

    Args:
        comparison: of `group_comparisons`.

    Returns:
        A sentence with the groups, whether they differ, and the p-values.
    """
    verdict = "differ" if comparison.significant else "show no significant difference"
    return (
        f"{comparison.group_a} and {comparison.group_b} ({comparison.kind}) {verdict} by the rank-sum test "
        f"after Bonferroni correction (p = {format_pvalue(comparison.pvalue)}, corrected "
        f"{format_pvalue(comparison.pvalue_bonferroni)}, Holm {format_pvalue(comparison.pvalue_holm)}; "
        f"{comparison.num_across} pairs across, {comparison.num_within} within)."
    )


def rank_sum_sentence(result: RankSumResult) -> str:
    """What a rank-sum test found and why its p-value is only descriptive.

    Args:
        result: of `swap_test` or `influence_test`.

    Returns:
        Two sentences.
    """
    return (
        f"A pair across {result.group_a} and {result.group_b} exceeds a pair within them with a chance of "
        f"{result.superiority:.2f} (rank-sum p = {format_pvalue(result.pvalue)}; {result.num_across} pairs "
        f"across, {result.num_within} within). {PAIRS_NOT_INDEPENDENT}"
    )


def format_pvalue(pvalue: float) -> str:
    """A p-value with as many digits as tables need: four decimals, or a power of ten below 0.0001."""
    return f"{pvalue:.4f}" if pvalue >= 1e-4 else f"{pvalue:.1e}"
