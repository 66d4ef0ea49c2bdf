"""What a small sample of every run's frames shows: pixels, lines, brightness, movement, and the field of view."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lassovae._cli._output import Finding
from lassovae._errors import InputError

if TYPE_CHECKING:
    from lassovae import Preprocess
    from lassovae.data import Run, Study

SAMPLED = 640  # frames of a study that are looked at,
LEAST, MOST = 16, 48  # and of one run
PLACED = 200  # of which so many are placed against their mean, which costs most
LEAST_PLACED = 4
SIDE_PX = 128  # frames are averaged to about this size before they are placed, by at most
COARSEST = 4
PARTS = 8  # of a run, whose brightness is compared
READERS = 4  # threads: reading waits for the disk

# From here on something is worth a warning.
SATURATED = 1e-4  # fraction of pixels
BLEACHED = 0.1
FADING = 4.0  # standard errors of the trend, which transients alone do not reach
MOVED = 0.02  # share of the placed frames that are more than a pixel away
APART_PX = 1.0  # between the mean frames of runs


@dataclass(frozen=True, eq=False)
class RunLook:
    """What the sampled frames of one run show.

    Attributes:
        name: of the run.
        sampled: number of frames.
        blank_rows, blank_columns, dead_pixels: numbers.
        saturated: fraction of pixels at the ceiling.
        ceiling: stored value of it; None where nothing piles up.
        scan_line_shift: pixels by which odd rows lie right of even ones.
        bleached: fraction of brightness lost from the first frame to the last.
        trend: standard errors by which brightness falls or rises, by means of eight parts of the run.
        placed, moved: frames placed against their mean, and those more than a pixel away.
        farthest: of them, in pixels.
        lowest: smallest stored value.
        mean_frame: (height, width) in stored units.
        unusable: (height, width) bool, pixels in blank lines and dead ones.
    """

    name: str
    sampled: int
    blank_rows: int
    blank_columns: int
    dead_pixels: int
    saturated: float
    ceiling: float | None
    scan_line_shift: int
    bleached: float
    trend: float
    placed: int
    moved: int
    farthest: float
    lowest: float
    mean_frame: np.ndarray
    unusable: np.ndarray


def coarser(frames: np.ndarray) -> tuple[np.ndarray, int]:
    """Frames averaged over blocks of pixels, and the side of a block: quicker to place, and with less noise."""
    count, height, width = frames.shape
    by = min(COARSEST, max(1, math.ceil(max(height, width) / SIDE_PX)))
    if by == 1 or min(height, width) < 16 * by:
        return frames, 1
    height, width = height // by, width // by
    blocks = frames[:, : height * by, : width * by].reshape(count, height, by, width, by)
    return blocks.mean(axis=(2, 4), dtype=np.float32), by


def _look_at(run: Run, count: int, placed: int) -> RunLook:
    from lassovae._config import Preprocess
    from lassovae.data import _quality as quality
    from lassovae.data._finite import first_of, remedy

    frames = quality.sample_frames(run.recording, count)
    when = quality.sampled_indices(run.num_frames, count)
    wrong = ~np.isfinite(frames)
    bad = when[wrong.any(axis=(1, 2))]
    if len(bad):
        raise InputError(
            f"run {run.name}: pixels that are NaN or Inf, in {len(bad)} of {len(frames)} sampled frames "
            f"({first_of(bad)}): {remedy(wrong.any(axis=0), Preprocess())}"
        )
    if frames.min() == frames.max():
        raise InputError(
            f"run {run.name}: every pixel of the {len(frames)} sampled frames is {frames.flat[0]}; a constant movie "
            "has no dynamics: check the export or leave the run out"
        )
    blank, dead = quality.blank_rows(frames), quality.dead_pixels(frames)
    bright = quality.saturated(frames[:, ~dead])  # a pixel that is stuck at the top is dead,
    unusable = dead | blank.rows[:, None] | blank.columns
    dead &= frames[0] != (np.nan if bright.ceiling is None else bright.ceiling)  # one that others join is not
    mean = frames.mean(axis=0, dtype=np.float64)
    light = frames.mean(axis=(1, 2), dtype=np.float64)
    small, by = coarser(frames)
    few = small[np.linspace(0, len(small) - 1, min(placed, len(small))).astype(int)]
    movement = quality.drift(few, small.mean(axis=0, dtype=np.float64))
    away = by * np.hypot(*movement.shifts.T)
    return RunLook(
        name=run.name,
        sampled=len(frames),
        blank_rows=int(blank.rows.sum()),
        blank_columns=int(blank.columns.sum()),
        dead_pixels=int(dead.sum()),
        saturated=float((frames == bright.ceiling).mean()) if bright.ceiling is not None else 0.0,
        ceiling=bright.ceiling,
        scan_line_shift=quality.scan_line_shift(mean),
        bleached=quality.bleaching(light, when).lost if len(frames) > 2 else 0.0,
        trend=trend(light, when),
        placed=len(few),
        moved=int((away > 1).sum()),
        farthest=float(away.max(initial=0.0)),
        lowest=float(frames.min()),
        mean_frame=mean,
        unusable=unusable,
    )


def trend(brightness: np.ndarray, when: np.ndarray) -> float:
    """Slope of a line through the means of eight parts of a run, over its standard error.

    Parts outlast most transients, so that their scatter around the line tells what transients make of it; a course
    that is not known to more than its noise, or too short to tell, gives little.

    Args:
        brightness: (frames,) mean of each sampled frame.
        when: (frames,) their indices.
    """
    if len(brightness) < PARTS:
        return 0.0
    parts = np.array_split(np.arange(len(brightness)), PARTS)
    x = np.asarray([when[part].mean() for part in parts])
    y = np.asarray([brightness[part].mean() for part in parts])
    x, y = x - x.mean(), y - y.mean()
    slope = float(x @ y / (x @ x))
    left = float(np.square(y - slope * x).sum()) / (PARTS - 2)
    error = math.sqrt(left / float(x @ x))
    return slope / error if error > 0 else math.copysign(math.inf, slope) if slope else 0.0


def look(study: Study) -> list[RunLook]:
    """Sample every run, evenly from its first frame to its last.

    Raises:
        InputError: frames that cannot be read.
    """
    count = min(MOST, max(LEAST, SAMPLED // len(study)))
    placed = min(count, max(LEAST_PLACED, PLACED // len(study)))
    with ThreadPoolExecutor(READERS) as pool:
        return list(pool.map(lambda run: _look_at(run, count, placed), study.runs))


def _some(looks: list[RunLook], say: Callable[[RunLook], Any]) -> str:
    """Up to three runs, each with what there is to say of it."""
    shown = ", ".join(f"{run.name} {say(run)}" for run in looks[:3])
    return f"{shown} and {len(looks) - 3} more runs" if len(looks) > 3 else shown


def _of_pixels(looks: list[RunLook], pre: Preprocess) -> list[Finding]:
    fill = "--preprocess.bad-pixels fill, or crop them away (--preprocess.crop)"
    found = []
    blank = [run for run in looks if run.blank_rows or run.blank_columns]
    if blank and pre.bad_pixels == "keep":
        text = f"lines without an image: {_some(blank, lambda r: f'{r.blank_rows} rows, {r.blank_columns} columns')}"
        found.append(Finding("blank lines", text, fill))
    dead = [run for run in looks if run.dead_pixels]
    if dead and pre.bad_pixels == "keep":
        text = (
            f"pixels that never change although their neighbours do: {_some(dead, lambda r: r.dead_pixels)}"
        )
        found.append(Finding("dead pixels", text, fill))
    bright = [run for run in looks if run.saturated > SATURATED]
    if bright:
        text = "pixels at the ceiling of what could be stored, whose changes are lost: "
        text += _some(bright, lambda r: f"{r.saturated:.1%} at {r.ceiling:g}")
        remedy = "less laser power or gain next time; --preprocess.bad-pixels fill where they are few"
        found.append(Finding("saturation", text, remedy))
    return found


def _of_light(looks: list[RunLook], pre: Preprocess) -> list[Finding]:
    found = []
    out_of_phase = [run for run in looks if run.scan_line_shift]
    if out_of_phase and pre.scan_lines == "keep":
        text = f"odd lines lie beside even ones: {_some(out_of_phase, lambda r: f'{r.scan_line_shift:+d} pixels')}"
        found.append(Finding("scan lines", text, "--preprocess.scan-lines align"))
    bleached = [run for run in looks if abs(run.bleached) > BLEACHED and abs(run.trend) > FADING]
    if bleached and pre.bleaching == "keep":
        text = "brightness changes from the first frame to the last: "
        text += _some(bleached, lambda r: f"{-r.bleached:+.0%}")
        found.append(Finding("bleaching", text, "--preprocess.bleaching divide"))
    return found


def _of_movement(looks: list[RunLook], pre: Preprocess) -> list[Finding]:
    moved, placed = sum(run.moved for run in looks), sum(run.placed for run in looks)
    if pre.registration != "none" or moved <= MOVED * placed:
        return []
    worst = max(looks, key=lambda run: run.farthest)
    text = (
        f"{moved} of {placed} sampled frames lie more than a pixel from their run's mean, up to "
        f"{worst.farthest:.1f} pixels in {worst.name}"
    )
    return [Finding("movement", text, "--preprocess.registration rigid")]


def _of_field(looks: list[RunLook], pre: Preprocess) -> list[Finding]:
    from lassovae.data._quality import misalignment

    if len({run.mean_frame.shape for run in looks}) != 1:
        return []  # refused elsewhere
    small, by = coarser(np.stack([run.mean_frame for run in looks]))
    where = misalignment(list(small))
    found = []
    other = [i for i, same in enumerate(where.same_field) if not same]
    first = looks[where.reference].name
    if other:
        names = [looks[i] for i in other]
        text = f"runs do not show the field of view of {first}, wherever one moves them: "
        text += _some(names, lambda r: f"(correlation {where.correlation[looks.index(r)]:.2f})")
        found.append(
            Finding("field of view", text, "leave them out of the CSV, or make a study of each field")
        )
    apart = by * np.hypot(*where.shifts.T)
    away = [  # lines out of phase move a mean frame by half of what they are apart
        run
        for i, run in enumerate(looks)
        if apart[i] > APART_PX and where.same_field[i] and not run.scan_line_shift
    ]
    if away and pre.registration == "none":
        text = f"runs lie beside {first}: {_some(away, lambda r: f'{apart[looks.index(r)]:.1f} pixels')}"
        found.append(Finding("alignment of runs", text, "--preprocess.registration rigid"))
    return found


def _dark_pixels(looks: list[RunLook], pre: Preprocess) -> int:
    """How many pixels of the treated mean frame would be zero: those that are at `prepare`'s offset in every frame."""
    from lassovae.data._corrections import FilledPixels
    from lassovae.data._geometry import Resized

    shapes = {run.mean_frame.shape for run in looks}
    if len(shapes) != 1 or pre.mean_frame_floor > 0:
        return 0  # frames of several sizes are refused elsewhere
    ((height, width),) = shapes
    frame = np.mean([run.mean_frame for run in looks], axis=0)[None]
    unusable = np.logical_or.reduce([run.unusable for run in looks])
    if pre.bad_pixels == "fill" and not unusable.all():
        frame = FilledPixels(unusable, "").apply(frame, 0)
    offset = np.float32(min(0.0, *(run.lowest for run in looks)))
    return int((Resized.of((height, width), pre).apply(frame, 0) <= offset).sum())


def findings(looks: list[RunLook], pre: Preprocess) -> list[Finding]:
    """What is worth a warning and is not yet taken care of by the preprocessing.

    Args:
        looks: of `look`.
        pre: what will be done with the frames.
    """
    found = [
        *_of_pixels(looks, pre),
        *_of_light(looks, pre),
        *_of_movement(looks, pre),
        *_of_field(looks, pre),
    ]
    dark = _dark_pixels(looks, pre)
    if dark:
        text = f"{dark} pixels are dark in all sampled frames, and the mean frame is divided by"
        found.append(Finding("dark pixels", text, "--preprocess.mean-frame-floor 0.01, or crop them away"))
    return found
