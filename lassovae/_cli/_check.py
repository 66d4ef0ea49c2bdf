"""`lassovae check`: can a study be trained on, is anything wrong with it, and what could it show."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, arg

from lassovae._cli._estimate import Size, training_size
from lassovae._cli._machine import expected_device
from lassovae._cli._output import Finding, print_json, print_lines, shown
from lassovae._cli._settings import Chosen, MaxMemory
from lassovae._cli._study import open_study
from lassovae._errors import InputError

if TYPE_CHECKING:
    from lassovae import Config
    from lassovae._memory import MemoryPlan
    from lassovae.data import Study

CANNOT = 2  # exit status of a study that cannot be trained on
UNEQUAL = 1.25  # times as many frames in one condition as in another
FEW_WINDOWS = 16
LEVEL = 0.05
GIGABYTE = 10**9
# Products as small as those of placing a frame take three times the processor on two threads that wait for each other.
BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
OPTION = re.compile(r"--preprocess\.\S+ [\w.]+")


@dataclass(frozen=True, kw_only=True)
class Check(Chosen):
    """Look at a study before training: can it be trained, is anything wrong with it, what could it show.

    Reads headers and a small sample of every run's frames. Takes the options of fit, so that what is checked is what
    will be trained. Every warning comes with its remedy.
    """

    study: Annotated[Positional[Path], arg(metavar="STUDY.csv")]
    """CSV with the columns recording, condition and, if runs were recorded in blocks, block."""
    max_memory_gb: MaxMemory = None
    """What the training may take, in 10^9 bytes."""

    def run(self) -> int:
        """Look and say.

        Returns:
            0 if it can be trained, 2 if not.

        Raises:
            InputError: there is no study to look at.
        """
        if "numpy" not in sys.modules:  # which reads them when it is imported, below
            for name in BLAS_THREADS:
                os.environ.setdefault(name, "1")
        try:
            study = open_study(self.study)
        except InputError as error:
            if not self.json:
                raise
            print_json({"study": self.study, "trainable": False, "problems": [str(error)], "warnings": []})
            return CANNOT
        report = _examine(study, self)
        if self.json:
            print_json({"study": self.study, **report.as_object()})
        else:
            print_lines(*report.lines(), *(self._next(report) if report.trainable else ()))
        return 0 if report.trainable else CANNOT

    def _next(self, report: _Report) -> list[str]:
        """What to type, as it is and with those remedies that are options."""
        out = Path(f"{self.study.resolve().parent.name or 'study'}_run")
        given = self.as_typed()
        if self.max_memory_gb is not None:
            given.append(f"--max-memory-gb {self.max_memory_gb}")
        found = [OPTION.match(warning.remedy) for warning in report.warnings]
        remedies = list(dict.fromkeys(option[0] for option in found if option is not None))
        replaced = {remedy.split()[0] for remedy in remedies}
        kept = [option for option in given if option.split()[0] not in replaced]
        begin = f"lassovae fit {shown(self.study)} --out {shown(out)}"
        return [
            " ".join([f"Next: {begin}", *given]),
            " ".join([f"Or with the remedies: {begin}", *kept, *remedies]) if remedies else "",
        ]


@dataclass(frozen=True)
class _Report:
    """What was seen: facts by name, problems that forbid a training, and warnings."""

    facts: dict[str, Any]
    sentences: dict[str, str]
    problems: list[str]
    warnings: list[Finding]

    @property
    def trainable(self) -> bool:
        return not self.problems

    def as_object(self) -> dict[str, Any]:
        warnings = [vars(finding) for finding in self.warnings]
        return {"trainable": self.trainable, "problems": self.problems, "warnings": warnings} | self.facts

    def lines(self) -> list[str]:
        width = max(map(len, self.sentences)) + 2
        said = [f"{name + ':':<{width}}{text}" for name, text in self.sentences.items() if text]
        said += [f"\nWARNING  {f.about}: {f.text}.\n         Remedy: {f.remedy}." for f in self.warnings]
        said += [f"\nPROBLEM  {problem}." for problem in self.problems]
        count = (
            f"{len(self.warnings)} warning{'s' * (len(self.warnings) != 1)}"
            if self.warnings
            else "no warnings"
        )
        verdict = "It can be trained" if self.trainable else "It cannot be trained as it is"
        return [*said, f"\n{verdict}; {count}."]


def _examine(study: Study, options: Check) -> _Report:
    """Everything that can be told without training."""
    from lassovae._cli._look import findings, look

    problems: list[str] = []

    def attempt(work: Callable[[], Any]) -> Any:
        """The result, or None and one problem more."""
        try:
            return work()
        except InputError as error:
            text = str(error).rstrip(".")
            if text not in problems:
                problems.append(text)
            return None

    device, gpu = expected_device()
    warnings = [Finding("device", gpu.split(": ")[0], gpu.split(": ", 1)[1])] if gpu else []
    config: Config | None = attempt(lambda: options.chosen(study))
    facts: dict[str, Any] = {"device": device, "gpu_unused": bool(gpu)} | _recordings(study)
    sentences = _said_of_recordings(study)
    if config is not None:
        attempt(
            lambda: study.check(
                order=config.order, window=config.window, bin_frames=config.preprocess.bin_frames
            )
        )
        size: Size | None = attempt(lambda: training_size(study, config))
        memory: MemoryPlan | None = attempt(lambda: _memory(study, config, options.max_memory_gb))
        if size is not None:
            facts |= {f"training_{name}": value for name, value in vars(size).items()}
            sentences["training"] = _said_of_size(size, config)
            if config.encoder != "block_mean" and config.windows_per_step > size.num_windows:
                problems.append(
                    f"windows_per_step={config.windows_per_step}, but the study has {size.num_windows} windows of "
                    f"{config.window} frames: use at most {size.num_windows}"
                )
            if 0 < size.num_steps and size.num_windows < FEW_WINDOWS:
                text = (
                    f"the study has {size.num_windows} windows of {config.window} frames, few to learn from"
                )
                warnings.append(Finding("windows", text, "longer or more recordings, or a smaller --window"))
            sentences["time"] = (
                f"{size.time()} on a CPU, very roughly; a minute or more each for analysis and report"
            )
        if memory is not None:
            facts |= {"memory_gb": memory.peak / GIGABYTE, "memory_allowed_gb": memory.allowed / GIGABYTE}
            facts |= {"holds_frames": memory.holds_frames}
            sentences["memory"] = memory.sentence().removeprefix("Memory: ").rstrip(".")
            if memory.peak > memory.allowed:
                text = f"{memory.peak / GIGABYTE:.1f} GB are expected, {memory.allowed / GIGABYTE:.1f} GB are free"
                warnings.append(Finding("memory", text, "close other programs, or --preprocess.downscale"))
        looks = attempt(lambda: look(study))
        if looks is not None:
            facts["runs_looked_at"] = [
                {name: value for name, value in vars(run).items() if name not in ("mean_frame", "unusable")}
                for run in looks
            ]
            sentences["looked at"] = f"{sum(run.sampled for run in looks)} frames, spread over all runs"
            warnings += findings(looks, config.preprocess)
    sentences["device"] = device
    warnings += _of_conditions(study)
    design, reach = _design(study, warnings)
    sentences["design"] = design
    facts |= {"design": design, "smallest_pvalue": reach}
    return _Report(facts, sentences, problems, warnings)


def _memory(study: Study, config: Config, max_memory_gb: float | None) -> MemoryPlan:
    from lassovae._memory import plan_memory

    return plan_memory(study, config, max_memory_gb)


def _kinds(study: Study) -> dict[str, int]:
    """Kinds of recordings, by how many there are."""
    return dict(Counter(run.recording.kind for run in study).most_common())


def _counted(number: int, what: str) -> str:
    """1 run, 2 runs."""
    return f"{number} {what}{'s' * (number != 1)}"


def _recordings(study: Study) -> dict[str, Any]:
    runs = {c: len(study.select(c)) for c in study.conditions}
    rates = sorted({run.recording.frame_rate_hz for run in study if run.recording.frame_rate_hz is not None})
    return {
        "runs": len(study),
        "conditions": runs,
        "blocks": len(set(study.blocks)),
        "frames": list(study.lengths),
        "formats": _kinds(study),
        "dtypes": sorted({str(run.recording.dtype) for run in study}),
        "frame_shapes": sorted({run.recording.frame_shape for run in study}),
        "frame_rates_hz": rates,
    }


def _span(values: list[Any]) -> str:
    low, high = min(values), max(values)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _said_of_recordings(study: Study) -> dict[str, str]:
    found = _recordings(study)
    runs = ", ".join(f"{n} of {c}" for c, n in found["conditions"].items())
    shapes = " and ".join(f"{height} x {width}" for height, width in found["frame_shapes"])
    kinds = " and ".join(f"{n} {kind}" for kind, n in found["formats"].items())
    rates = found["frame_rates_hz"]
    known = all(run.recording.frame_rate_hz is not None for run in study)
    rate = (
        f"{_span(rates)} frames a second"
        if rates and known
        else "frame rate not known (needed for nothing but axes)"
    )
    return {
        "study": f"{_counted(len(study), 'run')} ({runs}) in {_counted(found['blocks'], 'block')}, "
        f"{_span(found['frames'])} frames each, {sum(found['frames'])} in all",
        "recordings": f"{kinds}; {shapes} pixels of {' and '.join(found['dtypes'])}; {rate}",
    }


def _said_of_size(size: Size, config: Config) -> str:
    height, width = size.frame_shape
    steps = f"{size.num_steps} steps" if size.num_steps else "nothing to train"
    return (
        f"frames of {height} x {width} pixels after preprocessing, {size.num_nodes} nodes, order {config.order}; "
        f"{size.num_windows} windows of {config.window} frames, {steps}"
    )


def _of_conditions(study: Study) -> list[Finding]:
    """What differs between conditions that should not."""
    found = []
    frames = {c: sum(study.lengths[i] for i in study.select(c)) for c in study.conditions}
    if max(frames.values()) > UNEQUAL * min(frames.values()):
        text = f"conditions differ in length ({', '.join(f'{c} {n} frames' for c, n in frames.items())})"
        remedy = (
            "record as much of each, or read maps of pooled fits with care: fewer frames let more chance in"
        )
        found.append(Finding("length", text, remedy))
    rates: dict[float, list[str]] = {}
    for run in study:
        if run.recording.frame_rate_hz is not None:
            rates.setdefault(round(run.recording.frame_rate_hz, 3), []).append(run.name)
    if len(rates) > 1 and max(rates) > 1.01 * min(rates):
        text = (
            "runs differ in frame rate ("
            + ", ".join(f"{rate:g} Hz: {len(r)} runs" for rate, r in rates.items())
            + ")"
        )
        remedy = (
            "lags count frames: analyse runs of one rate together, or bin the faster ones to the slower rate"
        )
        found.append(Finding("frame rate", text, remedy))
    return found


def _design(study: Study, warnings: list[Finding]) -> tuple[str, float | None]:
    """What p-value the first two conditions can reach, in a sentence and as a number; warns where it is too large."""
    from lassovae.stats import design_sentence, order_sentence, smallest_pvalue

    compared = [run for run in study if run.condition in study.conditions[:2]]
    labels, blocks = [run.condition for run in compared], [run.block for run in compared]
    try:
        sentence, reach = design_sentence(labels, blocks), smallest_pvalue(labels, blocks)
    except InputError as error:
        text = "no permutation test of whole blocks is possible: " + str(error).rstrip(".")
        warnings.append(Finding("design", text, "two conditions, each in two or more blocks of its own"))
        return "", None
    if reach > LEVEL:
        text = (
            f"the smallest p-value that this design can reach is {reach:.2g}: nothing can become significant"
        )
        warnings.append(
            Finding(
                "design",
                text,
                f"more blocks; lassovae design says how many ({sentence.split('; ')[-1].rstrip('.')})",
            )
        )
    if order_sentence(labels):
        remedy = (
            "alternate conditions in blocks when recording; what is recorded can be described, not tested"
        )
        warnings.append(Finding("order", order_sentence(labels).rstrip("."), remedy))
    return sentence.rstrip("."), reach
