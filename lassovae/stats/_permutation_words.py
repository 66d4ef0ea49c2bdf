"""What permutation tests say and what they may not be taken to say, as sentences."""

from __future__ import annotations

from lassovae._errors import InputError
from lassovae.stats._effect import EffectSize
from lassovae.stats._permutation import PermutationResult
from lassovae.stats._words import format_pvalue

NAMES = {
    "centres": "studentised squared distance of centres",
    "anosim": "ANOSIM R",
    "permanova": "PERMANOVA pseudo-F",
    "across_minus_within": "across-minus-within difference",
    "dispersion": "F of distances to the groups' centres",
}
UNITS = {"free": "single runs", "whole": "whole blocks of runs", "within": "runs within their block"}
RUNS_NOT_INDEPENDENT = (
    "It exchanges single runs: if runs recorded together resemble each other for other reasons than their condition, "
    "it rejects far too often. Give the blocks."
)


def _check_alpha(alpha: float) -> None:
    if not 0 < alpha < 1:
        raise InputError(f"alpha={alpha} must lie between 0 and 1")


def permutation_sentence(result: PermutationResult, *, alpha: float = 0.05) -> str:
    """What a permutation test found, on which unit, and whether it could have found anything.

    Args:
        result: of `permutation_test` or `dispersion_test`.
        alpha: level of significance, in (0, 1).

    Returns:
        One to three sentences.

    Raises:
        InputError: alpha out of range.
    """
    _check_alpha(alpha)
    groups = " and ".join(result.groups)
    how = f"all {result.num_relabellings}" if result.exact else f"{len(result.null)} random"
    found = f"{NAMES[result.name]} {result.statistic:.2f}, p = {format_pvalue(result.pvalue)}"
    drift = ", linear drift taken out" if result.without_drift else ""
    tested = f"({found}, {how} relabellings of {UNITS[result.exchange]}{drift})"
    what = "scatter about their centres" if result.name == "dispersion" else "dynamics"
    if result.smallest_pvalue > alpha:
        text = (
            f"Whether {groups} differ in their {what} cannot be told by this design {tested}: the smallest p-value "
            f"that it can reach is {format_pvalue(result.smallest_pvalue)}, so nothing could have been significant at "
            f"{alpha:g}."
        )
    elif result.pvalue <= alpha:
        text = f"{groups} differ in their {what} {tested}."
    else:
        text = (
            f"No difference of {groups} in their {what} was found {tested}. That is no evidence that there is none; "
            "the interval of the effect says how large it may be."
        )
    return f"{text} {RUNS_NOT_INDEPENDENT}" if result.exchange == "free" else text


def dispersion_sentence(place: PermutationResult, scatter: PermutationResult, *, alpha: float = 0.05) -> str:
    """Whether a difference may be one of scatter alone; empty where there is no such warning to give.

    Args:
        place: of `permutation_test`.
        scatter: of `dispersion_test`, on the same runs.
        alpha: level of significance, in (0, 1).

    Raises:
        InputError: alpha out of range.
    """
    _check_alpha(alpha)
    if place.pvalue > alpha:
        return ""
    if place.name == "centres":  # which scatter does not mislead
        if scatter.pvalue > alpha:
            return ""
        return (
            f"They also scatter differently (F = {scatter.statistic:.2f}, p = {format_pvalue(scatter.pvalue)}): runs "
            "of one are less alike than those of the other. The difference above is of their centres."
        )
    if scatter.smallest_pvalue > alpha:
        return (
            "Groups of unequal scatter can look like groups that lie apart, and this design cannot tell whether theirs "
            f"is unequal (F = {scatter.statistic:.2f})."
        )
    if scatter.pvalue > alpha:
        return ""
    return (
        f"The groups also scatter differently (F = {scatter.statistic:.2f}, p = {format_pvalue(scatter.pvalue)}): the "
        "difference may be of scatter alone, not of what the dynamics are on average."
    )


def effect_sentence(effect: EffectSize) -> str:
    """How large an effect is, and how well that is known.

    Args:
        effect: of `effect_size`.

    Returns:
        One sentence, and a caution where few units were resampled.
    """
    unit = "" if effect.name == "anosim" else " in units of the dissimilarity"
    text = (
        f"The {NAMES[effect.name]} is {effect.estimate:.3g}{unit}, {effect.confidence:.0%} interval {effect.low:.3g} "
        f"to {effect.high:.3g} by resampling."
    )
    if effect.num_units < 10:
        text += (
            f" From {effect.num_units} units in the smaller group such an interval is too narrow: read its width, not "
            "its ends."
        )
    return text
