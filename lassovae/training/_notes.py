"""What the user must know of a training, told from its rows in metrics.jsonl."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lassovae._config import Config

RARELY = 0.05  # fraction of steps without a coefficient that goes unmentioned


def training_notes(history: Sequence[dict[str, Any]], config: Config) -> tuple[str, ...]:
    """Sentences on steps in which a lasso failed or the VAR had no coefficient; none for a training without."""
    return (*_unsolved(history), *_dead(history, config))


def _unsolved(history: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    failed = sum(row["failed"] > 0 for row in history)
    if not failed:
        return ()
    text = "training steps a lasso was not solved to the end (see gap and failed in metrics.jsonl): raise lam"
    return (f"In {failed} of {len(history)} {text}.",)


def _dead(history: Sequence[dict[str, Any]], config: Config) -> tuple[str, ...]:
    dead = sum(row["nonzeros"] == 0 for row in history)
    # a step or two before the encoder has settled is what the guard is for, and nothing to worry about
    if not dead or (dead <= RARELY * len(history) and history[-1]["nonzeros"] > 0):
        return ()
    guard = "" if config.mode == "sequential" else " Where it happened the guard lowered lam for a while."
    remedy = "lower lam, start it gently (lam_warmup=0.3), or scale the recordings by a percentile"
    return (
        f"The VAR had no coefficient in {dead} of {len(history)} training steps; there nothing taught the encoder"
        f" what can be forecast.{guard} If it is often: {remedy}.",
    )
