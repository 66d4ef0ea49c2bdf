"""One vocabulary of outcomes for every solver: an int32 a target, 0 is good, higher is worse."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

import numpy as np

from lassovae._errors import SolveError


class Status(IntEnum):
    """What became of one target of a solve."""

    OK = 0
    MAX_EVENTS = 1
    MAX_ACTIVE = 2
    ILL_CONDITIONED = 3
    NON_FINITE = 4
    BAD_ARGUMENT = 5


REMEDY = {
    Status.MAX_EVENTS: "the event cap was reached; the last knot is returned: raise max_events (or max_knots) or lam",
    Status.MAX_ACTIVE: "the active-set cap was reached; the last knot is returned: raise max_active or lam",
    Status.ILL_CONDITIONED: "beyond working precision (dependent columns?): use float64, centre the data or raise lam",
    Status.NON_FINITE: "the data of this target hold NaN or Inf: clean them, or leave the target out",
    Status.BAD_ARGUMENT: "NaN or Inf in the design, or lam, weights or l2 negative, NaN or not usable together",
}


def raise_if_failed(result: Any, names: Sequence[str] | None = None) -> Any:
    """Return `result` unchanged, or raise if any of its targets failed.

    Args:
        result: a record with a `status` field: LassoSolution, VARFit.
        names: what the first axis of the status counts, for the message; None: it counts itself.

    Returns:
        The same record, so that calls can be chained.

    Raises:
        SolveError: listing, for each status that is not OK, how many targets have it, the first of them, and
            the remedy.
    """
    status = np.atleast_1d(np.asarray(result.status))
    failed = [member for member in Status if member is not Status.OK and (status == member).any()]
    if failed:
        lines = []
        for member in failed:
            where = np.argwhere(status == member)
            index = [str(int(i)) for i in where[0]]
            first = ", ".join(index if names is None else [names[where[0][0]], *index[1:]])
            lines.append(
                f"{len(where)} of {status.size} targets {member.name} (first: {first}): {REMEDY[member]}"
            )
        raise SolveError("; ".join(lines))
    return result
