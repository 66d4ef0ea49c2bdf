"""A study: runs of one field of view, each with its condition and its block."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lassovae._errors import InputError
from lassovae._names import fault
from lassovae.data._recording import Recording

if TYPE_CHECKING:
    from lassovae.data._truth import Truth


@dataclass(frozen=True)
class Run:
    """One recording in a study.

    Attributes:
        name: unique within the study.
        recording: the movie.
        condition: label of the group the run belongs to; any string.
        block: runs recorded together share it; permutation tests exchange whole blocks.
    """

    name: str
    recording: Recording
    condition: str
    block: int

    @property
    def num_frames(self) -> int:
        """Frames in the run."""
        return self.recording.num_frames


@dataclass(frozen=True)
class Study:
    """Runs of one field of view.

    Attributes:
        runs: in the order of recording.
        truth: what a simulation knows of its cells and couplings; None for recordings.
        name: for reports and messages.
    """

    runs: tuple[Run, ...]
    truth: Truth | None = None
    name: str = "study"

    def __post_init__(self) -> None:
        object.__setattr__(self, "runs", tuple(self.runs))
        if not self.runs:
            raise InputError(f"{self.name}: a study needs at least one run")
        for run in self.runs:
            for what, name in (("name", run.name), ("condition", run.condition)):
                if wrong := fault(name):
                    raise InputError(f"{self.name}: the {what} {name!a} of a run {wrong}; rename it")
        repeated = [name for name, count in Counter(run.name for run in self.runs).items() if count > 1]
        if repeated:
            raise InputError(
                f"{self.name}: run names must differ, {', '.join(repeated)} occurs more than once"
            )

    def __len__(self) -> int:
        return len(self.runs)

    def __iter__(self) -> Iterator[Run]:
        return iter(self.runs)

    @property
    def conditions(self) -> tuple[str, ...]:
        """Each condition once, in order of first appearance."""
        return tuple(dict.fromkeys(self.labels))

    @property
    def labels(self) -> tuple[str, ...]:
        """Condition of every run."""
        return tuple(run.condition for run in self.runs)

    @property
    def blocks(self) -> tuple[int, ...]:
        """Block of every run."""
        return tuple(run.block for run in self.runs)

    @property
    def names(self) -> tuple[str, ...]:
        """Name of every run."""
        return tuple(run.name for run in self.runs)

    @property
    def lengths(self) -> tuple[int, ...]:
        """Frames of every run."""
        return tuple(run.num_frames for run in self.runs)

    def lengths_after(self, bin_frames: int) -> tuple[int, ...]:
        """Frames of every run once so many of them are averaged into one."""
        return tuple(length // bin_frames for length in self.lengths)

    @property
    def frame_shape(self) -> tuple[int, int]:
        """(height, width) of every frame of the study, in stored pixels.

        Raises:
            InputError: runs have frames of different size.
        """
        first = self.runs[0]
        for run in self.runs:
            if run.recording.frame_shape != first.recording.frame_shape:
                raise InputError(
                    f"run {run.name}: frames of {run.recording.frame_shape} pixels, but run {first.name} has "
                    f"{first.recording.frame_shape}; cut the files to one size and place, or leave the run out"
                )
        return first.recording.frame_shape

    def select(self, condition: str) -> tuple[int, ...]:
        """Indices of the runs of one condition.

        Raises:
            InputError: no run has this condition.
        """
        self._require_conditions((condition,))
        return tuple(i for i, label in enumerate(self.labels) if label == condition)

    def check(
        self,
        *,
        order: int,
        window: int,
        conditions_min_runs: int = 2,
        conditions: Iterable[str] | None = None,
        bin_frames: int = 1,
    ) -> None:
        """Refuse a study that cannot be trained on and compared, before any work.

        Args:
            order: lags of the VAR, in frames.
            window: frames in a training window.
            conditions_min_runs: runs that each of several conditions needs; 1 where they are not compared.
            conditions: those that the caller will compare; None for all.
            bin_frames: stored frames that become one; order and window count those that come out.

        Raises:
            InputError: frames of different size, a run shorter than max(order + 2, window) frames, a condition
                with too few runs, or a named condition that no run has.
        """
        _ = self.frame_shape
        if conditions is not None:
            conditions = tuple(conditions)
            self._require_conditions(conditions)
        shortest = max(order + 2, window)
        short = [f"{r.name} ({r.num_frames})" for r in self.runs if r.num_frames // bin_frames < shortest]
        if short:
            need = f"order={order} and window={window}" + (
                f" at bin_frames={bin_frames}" if bin_frames > 1 else ""
            )
            raise InputError(
                f"runs shorter than {shortest * bin_frames} frames, which {need} need: "
                f"{', '.join(short)}; choose a smaller window or leave them out"
            )
        counts = Counter(self.labels)
        for condition, count in (
            counts.items() if len(counts) > 1 else ()
        ):  # nothing is compared with one condition
            if count < conditions_min_runs and (conditions is None or condition in conditions):
                raise InputError(
                    f"{self.name}: condition {condition!r} has {count} of the {conditions_min_runs} runs that a "
                    "comparison needs; add runs, merge conditions or leave it out"
                )

    def _require_conditions(self, conditions: Iterable[str]) -> None:
        unknown = [condition for condition in conditions if condition not in self.conditions]
        if unknown:
            raise InputError(
                f"{self.name}: no run has condition {', '.join(map(repr, unknown))}; "
                f"the study has {', '.join(map(repr, self.conditions))}"
            )


def contiguous_blocks(labels: Iterable[str]) -> tuple[int, ...]:
    """Number the stretches of consecutive runs of one condition, from 0."""
    blocks: list[int] = []
    previous: str | None = None
    for label in labels:
        blocks.append(0 if not blocks else blocks[-1] + (label != previous))
        previous = label
    return tuple(blocks)
