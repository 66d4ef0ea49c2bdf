"""Which fits can be trusted: how many coefficients they have, for how many rows, and how exactly they were solved.

The rules, and why they are so, are in docs/numbers.md.
"""

from __future__ import annotations

# A lasso has at most as many non-zeros as it has rows, and their number estimates its degrees of freedom: from this
# fraction on less than a tenth of the rows are left to tell couplings from noise.
INTERPOLATES = 0.9


def interpolates(nonzeros: float, rows: int) -> bool:
    """Whether so many non-zero coefficients a target reproduce so many rows, whatever is in them."""
    return nonzeros >= INTERPOLATES * rows
