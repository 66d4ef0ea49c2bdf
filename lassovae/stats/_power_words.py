"""What a design can find, in words and as a small table of text."""

from __future__ import annotations

from lassovae._errors import InputError
from lassovae.stats._power import Power

NAMES = {
    "blocks": "recommended, blocks",
    "anosim": "ANOSIM, blocks",
    "runs": "single runs",
    "rank_sum": "the paper's",
}


def power_sentence(power: Power, *, wanted: float = 0.8) -> str:
    """Which effect the recommended test finds, and how often tests reject where there is none.

    Args:
        power: of `design_power` or `calibration`.
        wanted: the power that counts as enough, in (0, 1).

    Returns:
        One or two sentences.

    Raises:
        InputError: wanted out of range.
    """
    if not 0 < wanted < 1:
        raise InputError(f"wanted={wanted} must lie between 0 and 1")
    said = []
    if power.smallest_pvalue > power.alpha:
        said.append(
            f"The permutation of blocks cannot reach p = {power.alpha:g} with this design, so its power is 0."
        )
    else:
        smallest = power.found_from(wanted)
        said.append(
            f"The permutation of blocks finds an effect with a power of {wanted:.0%} from {smallest:.2g} {power.unit}."
            if smallest is not None
            else f"The permutation of blocks reaches a power of {wanted:.0%} at none of the effects tried (up to "
            f"{power.effects.max():g} {power.unit})."
        )
    none = (power.effects == 0).nonzero()[0]
    if len(none):
        rates = {name: power.rates[name][none[0]] for name in NAMES}
        said.append(
            f"Without any effect it rejects {rates['blocks']:.0%} of studies at a level of {100 * power.alpha:g}%, "
            f"ANOSIM {rates['anosim']:.0%}, the same test with single runs permuted {rates['runs']:.0%}, the paper's "
            f"rank-sum test {rates['rank_sum']:.0%}."
        )
    return " ".join(said)


def power_table(power: Power) -> str:
    """Rates of rejection as text: a row an effect, a column a test, intervals of the recommended one."""
    low, high = power.interval("blocks").T
    head = ["effect", NAMES["blocks"], "(95 % interval)", *list(NAMES.values())[1:]]
    rows = [
        [f"{effect:.2f}", f"{power.rates['blocks'][i]:.2f}", f"({low[i]:.2f} to {high[i]:.2f})"]
        + [f"{power.rates[name][i]:.2f}" for name in list(NAMES)[1:]]
        for i, effect in enumerate(power.effects.tolist())
    ]
    widths = [max(len(row[k]) for row in (head, *rows)) for k in range(len(head))]
    return "\n".join(
        "  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True)) for row in (head, *rows)
    )
