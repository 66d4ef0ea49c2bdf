"""What the user must know of a training, told from its rows in metrics.jsonl; the rules are in docs/numbers.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lassovae._config import Config
from lassovae._fit_notes import RARELY, interpolates

SKIPS_IN_A_ROW = 3  # steps after which a training stops
MOST_SKIPPED = (
    0.05  # fraction of all steps beyond which it stops as well, but not before as many were skipped
)
NAMED = 3  # skipped steps that are named


def too_many_skipped(history: Sequence[dict[str, Any]], skipped: int, num_steps: int) -> str:
    """Why a training that skipped its latest step must stop; empty where it may go on.

    Args:
        history: rows of the steps before it.
        skipped: 1 if the latest step was skipped, else 0.
        num_steps: steps of the whole training.
    """
    if not skipped:
        return ""
    before = [_skipped(row) for row in history]
    total = sum(before) + skipped
    if total < SKIPS_IN_A_ROW:
        return ""
    if all(before[1 - SKIPS_IN_A_ROW :]):
        return f"the training skipped {SKIPS_IN_A_ROW} steps in a row"
    if total > MOST_SKIPPED * num_steps:
        return f"the training skipped {total} of its {num_steps} steps"
    return ""


def training_notes(history: Sequence[dict[str, Any]], config: Config) -> tuple[str, ...]:
    """Sentences on steps that were skipped, and on those whose VAR was not solved, dead or interpolating."""
    return (
        *_skips(history, config),
        *_unsolved(history),
        *_dead(history, config),
        *_interpolating(history, config),
    )


def _skipped(row: dict[str, Any]) -> int:
    return int(row.get("skipped", 0))  # rows of earlier versions do not say, and nothing was skipped then


def _where(row: dict[str, Any], window: int) -> str:
    """The windows of a step."""
    several = isinstance(row["run"], list)
    places = zip(row["run"], row["start"], strict=True) if several else [(row["run"], row["start"])]
    shown = "; ".join(f"run {run}, frames {start} to {start + window - 1}" for run, start in places)
    return f"step {row['step']} ({shown})"


def _skips(history: Sequence[dict[str, Any]], config: Config) -> tuple[str, ...]:
    skipped = [row for row in history if _skipped(row)]
    if not skipped:
        return ()
    named = ", ".join(_where(row, config.window) for row in skipped[:NAMED])
    more = " and more, marked in metrics.jsonl" if len(skipped) > NAMED else ""
    return (
        f"{len(skipped)} of {len(history)} training steps were skipped because their gradient was not finite: "
        f"{named}{more}. The model has not learned from them: look at these frames, or lower learning_rate.",
    )


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


def _interpolating(history: Sequence[dict[str, Any]], config: Config) -> tuple[str, ...]:
    rows = config.window - config.order
    full = sum(interpolates(row["nonzeros"], rows) for row in history)
    if full <= RARELY * len(history):
        return ()
    return (
        f"The VAR interpolated in {full} of {len(history)} training steps: its targets had nearly as many non-zero "
        f"coefficients as a window has frames to forecast ({rows}), so that its forecasts reproduce the window, noise "
        "included, and teach the encoder little: raise lam, or take a longer window.",
    )
