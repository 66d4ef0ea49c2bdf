"""From stored pixels to frames in [0, 1] and their mean frame."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lassovae._config import Preprocess
from lassovae._errors import InputError
from lassovae.data._bad_pixels import bad_pixels
from lassovae.data._bleaching import brightness_course
from lassovae.data._corrections import AlignedLines, FilledPixels, Moved, Unbleached
from lassovae.data._finite import require_finite
from lassovae.data._geometry import BinnedFrames, Resized, frame_shape_after
from lassovae.data._hash import content_hash
from lassovae.data._movie import Frames, Step, Treated, held, mean_of
from lassovae.data._quality import sample_frames, scan_line_shift
from lassovae.data._registration import register
from lassovae.data._scaling import Scaled, Survey, dark_level, study_scale, survey_all
from lassovae.data._stretches import forget_stretch
from lassovae.data._study import Run, Study

logger = logging.getLogger("lassovae")

SAMPLED_A_RUN = 100  # frames by which pixels and scan lines are judged


@dataclass(frozen=True, eq=False)
class Prepared:
    """A study ready for the model.

    Attributes:
        frames: of each run, float32 (time, height, width) in [0, 1]: an array where they are held in memory, else what
            reads and treats the recording's frames when they are asked for. Both have shape and length and are read
            by slices; their pixels are the same, bit for bit.
        mean_frame: (height, width) float32, mean over runs of each run's mean over time.
        scale, offset: frames are (pixel - offset) / scale, clipped to [0, 1].
        names: of the runs.
        treated: how each run's frames come from its recording; `treated[i].undo` goes back to stored pixels.
        steps: what was done to each run, one sentence a step.
        reference: (height, width), onto which frames were registered, in stored units; None if they were not.
        bad_pixels: (height, width) of stored frames, bool, those that were filled; None if none were looked for.
        stamps: of the recordings (`Recording.stamp`), before any of their frames was read.
        preprocess: the settings.
    """

    frames: tuple[Frames, ...]
    mean_frame: np.ndarray
    scale: float
    offset: float
    names: tuple[str, ...]
    treated: tuple[Treated, ...] = ()
    steps: tuple[tuple[str, ...], ...] = ()
    reference: np.ndarray | None = None
    bad_pixels: np.ndarray | None = None
    stamps: tuple[str, ...] = ()
    preprocess: Preprocess | None = None


class _Run:
    """A run while its steps are being chosen: those so far, and the frames after them."""

    def __init__(self, run: Run, steps: list[Step], hold: bool) -> None:
        self.name, self.recording, self.steps, self.hold = run.name, run.recording, steps, hold
        self.frames: Frames = self.treated()
        if hold:
            self.frames = held(self.frames)

    def treated(self) -> Treated:
        """All steps so far, from the recording on."""
        rate = self.recording.frame_rate_hz
        return Treated(self.recording, self.steps, name=self.name, frame_rate_hz=rate)

    def add(self, step: Step) -> None:
        """One more step; held frames are replaced, so that no more than one run is there twice."""
        self.steps.append(step)
        if self.hold:
            self.frames = held(Treated(self.frames, [step], name=self.name))
        else:
            self.frames = self.treated()


def _require_change(names: Sequence[str], surveys: Sequence[Survey]) -> None:
    constant = [name for name, found in zip(names, surveys, strict=True) if found.lowest == found.highest]
    if constant:
        raise InputError(
            f"run {', '.join(constant)}: every pixel of every frame is the same; a constant movie has no dynamics: "
            "check the export or leave the run out"
        )


def _bad_pixels(study: Study, known: np.ndarray | None) -> FilledPixels:
    """One mask for all runs, since a pixel filled in some of them would differ between conditions."""
    bad, why = bad_pixels(sample_frames(run.recording, SAMPLED_A_RUN) for run in study.runs)
    if known is not None:
        new = int((bad & ~known).sum())
        if new:
            logger.warning(
                "%s: %d pixels are bad here that were not in the training; they are filled.", study.name, new
            )
        bad, why = bad | known, "as in the training" + (f", and {new} more" if new else "")
    return FilledPixels(bad, why)


def _first_steps(study: Study, pre: Preprocess, known: np.ndarray | None) -> list[list[Step]]:
    """Steps on stored pixels: those that need no look at the whole movie."""
    steps: list[list[Step]] = [[] for _ in study.runs]
    shape = study.frame_shape
    if pre.bad_pixels == "fill":
        filled = _bad_pixels(study, known)
        for of_run in steps:
            of_run.append(filled)
    if pre.scan_lines == "align":
        for of_run, run in zip(steps, study.runs, strict=True):
            sample = sample_frames(run.recording, SAMPLED_A_RUN)
            mean = sample.mean(axis=0, dtype=np.float64)
            if of_run:
                mean = of_run[0].apply(mean[None], 0)[0]
            of_run.append(AlignedLines(-scan_line_shift(mean)))
    for of_run in steps:
        of_run.append(Resized.of(shape, pre))
    return steps


def _check_given(
    after: tuple[int, int], scale: float | None, offset: float | None, mean_frame: np.ndarray | None
) -> None:
    """Refuse what no trained model has."""
    if scale is not None and not (math.isfinite(scale) and scale > 0):
        raise InputError(f"scale={scale} must be a finite number above 0, that of a trained model")
    if offset is not None and not math.isfinite(offset):
        raise InputError(f"offset={offset} must be a finite number, that of a trained model")
    if mean_frame is not None and np.shape(mean_frame) != after:
        raise InputError(
            f"mean_frame has shape {np.shape(mean_frame)}, but frames have {after} after preprocessing: use "
            "recordings of the model's frame size"
        )


def _stamps(study: Study) -> tuple[str, ...]:
    """Of the recordings, now; what was opened must still be there, or its headers say where other pixels are."""
    stamps = tuple(run.recording.stamp() for run in study)
    for run, now in zip(study, stamps, strict=True):
        recording = run.recording
        if recording.opened in (None, now) or recording.again is None:
            continue
        try:  # a copy, or a file that was touched, is read as before
            same = content_hash(recording.again()) == content_hash(recording)
        except InputError as error:
            raise InputError(f"run {run.name} changed after it was opened: {error}") from error
        if not same:
            raise InputError(
                f"{recording.name}: the recording of run {run.name} changed after it was opened: open it again "
                "(read_study, open_recording)"
            )
    return stamps


def prepare(
    study: Study,
    pre: Preprocess,
    *,
    scale: float | None = None,
    offset: float | None = None,
    mean_frame: np.ndarray | None = None,
    reference: np.ndarray | None = None,
    bad: np.ndarray | None = None,
    hold: bool = True,
) -> Prepared:
    """Fill bad pixels, align lines, crop, bin, register, unbleach and scale every run of a study, in this order.

    Frames are clip((pixel - offset) / scale, 0, 1): offset is the study's smallest pixel where that is negative,
    else 0, and scale its largest pixel, or percentile, above the offset. What the settings do not ask for is not done.

    Args:
        study: runs of one frame size.
        pre: settings.
        scale, offset: those of a trained model, to treat new recordings as its own were; None measures them
            on this study, one pair for all runs so that runs stay comparable.
        mean_frame: (height, width) after preprocessing, of a trained model; None measures it on this study.
        reference: (height, width) of a trained model, onto which frames are registered if they are; None takes
            mean_frame, and where there is none measures it on this study.
        bad: (height, width) of stored frames, pixels that were bad in a model's training and are filled here too, if
            pixels are.
        hold: keep all frames in memory, 4 bytes x frames x height x width after binning. False reads the
            recordings anew whenever frames are asked for, 64 at a time; the frames are the same.

    Returns:
        Prepared.

    Raises:
        InputError: sizes that do not fit, NaN or Inf pixels, a constant movie, dark pixels in the mean frame, or a
            recording that changed after it was opened.
    """
    stamps = _stamps(study)
    forget_stretch()
    after = frame_shape_after(study.frame_shape, pre)
    _check_given(after, scale, offset, mean_frame)
    if bad is not None and np.shape(bad) != study.frame_shape:
        raise InputError(
            f"bad has shape {np.shape(bad)}, but stored frames have {study.frame_shape}: use recordings of the "
            "training's frame size"
        )
    for stored in study.runs:
        require_finite(stored, pre)
    runs = [
        _Run(run, steps, hold) for run, steps in zip(study.runs, _first_steps(study, pre, bad), strict=True)
    ]
    surveys = survey_all([run.frames for run in runs])
    _require_change(study.names, surveys)
    num_steps = len(runs[0].steps)
    if pre.registration == "rigid":
        onto = mean_frame if reference is None else reference
        reference, shifts = register([run.frames for run in runs], onto)
        for run, by in zip(runs, shifts, strict=True):
            run.add(Moved(by))
    if pre.bin_frames > 1:
        for run in runs:
            run.add(BinnedFrames(pre.bin_frames))
    if pre.bleaching == "divide":
        surveys = survey_all([run.frames for run in runs])
        dark = dark_level(surveys, pre) if offset is None else offset
        for run, found in zip(runs, surveys, strict=True):
            run.add(Unbleached(brightness_course(found.brightness - dark), dark))
    if scale is None or offset is None:
        if len(runs[0].steps) > num_steps:
            surveys = survey_all([run.frames for run in runs])
        measured = study_scale(surveys, pre)
        scale, offset = (
            measured[0] if scale is None else scale,
            measured[1] if offset is None else offset,
        )
    for run in runs:
        run.add(Scaled(scale, offset))
    means = [mean_of(run.frames) for run in runs] if mean_frame is None else [mean_frame]
    mean = np.mean(np.asarray(means, np.float64), axis=0)
    dark_pixels = int((mean <= 0).sum())
    if dark_pixels and pre.mean_frame_floor == 0:
        raise InputError(
            f"{study.name}: {dark_pixels} of {mean.size} pixels are zero in every frame, and the skip connection "
            "multiplies by the mean frame: set mean_frame_floor=0.01, fill them (bad_pixels='fill'), or crop to the "
            "imaged area"
        )
    mean = np.maximum(mean, pre.mean_frame_floor)
    said = tuple(tuple(text for text in (step.says() for step in run.steps) if text) for run in runs)
    for run, sentences in zip(runs, said, strict=True):
        if len(run.steps) > 2:  # more than crop and scale: the user asked for it, and wants to know
            logger.info("run %s: %s", run.name, "; ".join(sentences))
    return Prepared(
        frames=tuple(run.frames for run in runs),
        mean_frame=mean.astype(np.float32),
        scale=scale,
        offset=offset,
        names=study.names,
        treated=tuple(run.treated() for run in runs),
        steps=said,
        reference=reference if pre.registration == "rigid" else None,
        bad_pixels=next((step.bad for step in runs[0].steps if isinstance(step, FilledPixels)), None),
        stamps=stamps,
        preprocess=pre,
    )
