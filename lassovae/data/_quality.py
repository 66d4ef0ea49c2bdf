"""What can be wrong with pixels, lines and frames of a recording, told from a small sample of its frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from lassovae._errors import InputError
from lassovae.data._recording import Recording
from lassovae.data._registration import frame_shifts

PIECES = 8  # contiguous pieces of a sample: each costs one seek, and together they span the recording
CHANCE = 0.01  # pixels a recording may be expected to lose to chance alone before they count as dead
NEIGHBOURS = 4  # pixels to each side that say what a living pixel would have done
CEILINGS = tuple(2**bits - 1 for bits in (8, 10, 12, 13, 14, 15, 16))
PILED = 5.0  # times as many pixels at a ceiling as at the values below it
FEWEST_PILED = 20
CERTAIN = 6.0  # standard errors by which a shift of scan lines has to be better than none
MEDIAN_ERROR = 1.4826 * 1.2533  # standard error of a normal median, by its median absolute deviation
TIMES = 400  # points of a robust fit, whose cost grows with their square
CELLS_PX = 1.5  # below this, in pixels, a mean frame is noise; above a sixth of a side it is illumination
CLEAR = 4.5  # standard errors of a correlation that chance does not reach among all shifts that are tried


def sampled_indices(num_frames: int, count: int, pieces: int = PIECES) -> NDArray[np.int64]:
    """Which frames a sample takes: contiguous pieces, the first at the start, the last at the end.

    Args:
        num_frames: of the recording, at least 1.
        count: frames wanted, at least 1.
        pieces: contiguous pieces to spread them over.

    Returns:
        (at most count,) increasing.

    Raises:
        InputError: a count below 1.

    Example:
        >>> sampled_indices(100, 6, pieces=3).tolist()
        [0, 1, 49, 50, 98, 99]
    """
    if min(num_frames, count, pieces) < 1:
        raise InputError(f"count={count} and pieces={pieces} must be at least 1")
    if count >= num_frames:
        return np.arange(num_frames)
    pieces = min(pieces, count)
    length = count // pieces
    starts = np.linspace(0, num_frames - length, pieces).astype(np.int64)
    return np.unique((starts[:, None] + np.arange(length)).ravel())


def sample_frames(recording: Recording, count: int, pieces: int = PIECES) -> NDArray:
    """Frames evenly spread over a recording, in a few contiguous pieces; no other frame is read.

    Args:
        recording: of any kind.
        count: frames wanted; all where there are no more.
        pieces: contiguous pieces.

    Returns:
        (frames, height, width) as stored; `sampled_indices` says which.
    """
    wanted = sampled_indices(recording.num_frames, count, pieces)
    cuts = np.flatnonzero(np.diff(wanted) > 1) + 1
    return np.concatenate([recording[int(p[0]) : int(p[-1]) + 1] for p in np.split(wanted, cuts)])


class Blank(NamedTuple):
    """Lines without an image.

    Attributes:
        rows: (height,) bool.
        columns: (width,) bool.
    """

    rows: NDArray[np.bool_]
    columns: NDArray[np.bool_]


def blank_rows(frames: ArrayLike) -> Blank:
    """Rows and columns whose pixels all have one value that never changes: lines the scanner or export left out.

    Args:
        frames: (frames, height, width).

    Returns:
        Blank; no line of it where every line is (a movie without any image).
    """
    x = np.asarray(frames)
    low, high = x.min(axis=0), x.max(axis=0)
    rows = low.min(axis=1) == high.max(axis=1)
    columns = low.min(axis=0) == high.max(axis=0)
    if not rows.all():  # a blank line is one though it crosses another of another value
        rows, columns = (
            low[:, ~columns].min(axis=1) == high[:, ~columns].max(axis=1),
            low[~rows].min(axis=0) == high[~rows].max(axis=0),
        )
    if rows.all():
        return Blank(np.zeros_like(rows), np.zeros_like(columns))
    return Blank(rows, columns)


def dead_pixels(frames: ArrayLike) -> NDArray[np.bool_]:
    """Pixels that never change although, judged by their neighbours, a living pixel would have.

    Where few photons arrive, a living pixel may well repeat itself: n frames of a pixel whose living neighbours have
    its value v with frequency q are all v with probability q^n. A pixel is dead if fewer than CHANCE such pixels
    would be expected in the whole frame.

    Args:
        frames: (frames, height, width), spread over the recording; ten or more say something.

    Returns:
        (height, width) bool. Pixels of blank rows and columns are not counted, nor is anything in a single frame.
    """
    x = np.asarray(frames)
    constant = x.min(axis=0) == x.max(axis=0)
    blank = blank_rows(x)
    constant &= ~(blank.rows[:, None] | blank.columns)
    dead = np.zeros_like(constant)
    if len(x) < 2 or constant.all() or not constant.any():
        return dead
    alive = np.pad(x.min(axis=0) != x.max(axis=0), NEIGHBOURS)
    around = np.pad(x, ((0, 0), (NEIGHBOURS, NEIGHBOURS), (NEIGHBOURS, NEIGHBOURS)))
    rows, columns = np.nonzero(constant)
    value = x[0, rows, columns]
    same, seen = np.zeros(len(value)), np.zeros(len(value))
    for down in range(2 * NEIGHBOURS + 1):
        for right in range(2 * NEIGHBOURS + 1):
            lives = alive[rows + down, columns + right]
            same += lives * (around[:, rows + down, columns + right] == value).mean(axis=0)
            seen += lives
    share = np.divide(same, seen, out=np.zeros_like(same), where=seen > 0)
    dead[rows, columns] = share ** len(x) * constant.size < CHANCE
    return dead


class Saturation(NamedTuple):
    """Pixels at the ceiling of what could be stored.

    Attributes:
        ceiling: stored value; None where nothing piles up.
        share: (height, width), of the sampled frames in which a pixel is at the ceiling.
        fraction: of all sampled pixels.
    """

    ceiling: float | None
    share: NDArray[np.float64]
    fraction: float

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(height, width), pixels at the ceiling in any sampled frame."""
        return self.share > 0


def saturated(frames: ArrayLike) -> Saturation:
    """Pixels at the detector's ceiling, if the brightest value is really a pile-up.

    The largest value is a ceiling if it holds PILED times as many pixels as the values just below it hold on average,
    and at least FEWEST_PILED; the bright tail of an image falls off instead. Where it is no power of 2 less 1 (the
    ceiling of 8, 10, 12, ... bits, or of the stored type) it has to hold four times as many.

    Args:
        frames: (frames, height, width).
    """
    x = np.asarray(frames)
    none = Saturation(None, np.zeros(x.shape[1:]), 0.0)
    top = x.max()
    at_top = x == top
    num = int(at_top.sum())
    below = np.unique(x[~at_top], return_counts=True) if num >= FEWEST_PILED and num < x.size else None
    if below is None or len(below[0]) < 4:  # masks and black frames are no detector's
        return none
    obvious = float(top) in CEILINGS or (x.dtype.kind in "ui" and top == np.iinfo(x.dtype).max)
    if num <= PILED * (1 if obvious else 4) * below[1][-10:].mean():
        return none
    return Saturation(float(top), at_top.mean(axis=0), num / x.size)


def scan_line_shift(mean_frame: ArrayLike, max_shift: int = 8) -> int:
    """Pixels by which odd rows lie to the right of even ones, as bidirectional scanning out of phase leaves them.

    Each odd row is compared with the mean of the even rows above and below it, at every whole shift; the best shift
    counts if rows are better off, on average or in the median, by CERTAIN standard errors, so that noise gives 0.

    Args:
        mean_frame: (height, width), rows counted from 0; the more frames it is the mean of, the better.
        max_shift: largest shift tried, in pixels.

    Returns:
        Shift; `np.roll(row, -shift)` puts an odd row right. 0 if there is none, or the frame is too small to tell.

    Raises:
        InputError: max_shift is below 1.
    """
    if max_shift < 1:
        raise InputError(f"max_shift={max_shift} must be an integer of at least 1 pixel")
    image = np.asarray(mean_frame, np.float64)
    height, width = image.shape
    if height < 16 or width < 4 * max_shift:
        return 0
    image = image - ndimage.uniform_filter1d(
        image, min(width // 2, 33), axis=1
    )  # lines differ in brightness, too
    between = (image[0:-2:2] + image[2::2])[: (height - 1) // 2] / 2
    odd = image[1:-1:2][: len(between)]
    inside = slice(max_shift, width - max_shift)
    apart = {
        by: np.square(np.roll(odd, -by, axis=1)[:, inside] - between[:, inside]).mean(axis=1)
        for by in range(-max_shift, max_shift + 1)
    }
    best = min(apart, key=lambda by: float(apart[by].sum()))
    gained, root = apart[0] - apart[best], np.sqrt(len(between))
    mean, median = float(gained.mean()), float(np.median(gained))
    error = (
        float(gained.std(ddof=1)) / root
    )  # large where a few rows hold all the cells: then the median tells
    of_median = MEDIAN_ERROR * float(np.median(np.abs(gained - median))) / root
    return best if best != 0 and (mean > CERTAIN * error or median > CERTAIN * of_median) else 0


class Bleaching(NamedTuple):
    """Brightness lost over a recording.

    Attributes:
        lost: fraction of the brightness at the first frame that is gone at the last; negative where it rose.
        fit: "exponential", or "linear" where a mean is not positive.
    """

    lost: float
    fit: Literal["exponential", "linear"]


def _robust_line(values: NDArray[np.float64], at: NDArray[np.float64]) -> tuple[float, float]:
    """Slope and intercept by the median of all pairs' slopes; scipy.stats has it, and takes a second to import."""
    first, second = np.triu_indices(len(values), 1)
    slope = float(np.median((values[second] - values[first]) / (at[second] - at[first])))
    return slope, float(np.median(values) - slope * np.median(at))


def bleaching(frame_means: ArrayLike, times: ArrayLike | None = None) -> Bleaching:
    """Brightness lost from the first to the last frame, by a robust line through the frames' means.

    The slope is the median of the slopes of all pairs (Theil-Sen), which a third of the frames may contradict without
    moving it far: of the logarithms of the means, so that loss is exponential, unless a mean is not positive.

    Args:
        frame_means: (frames,) mean of each frame, or of each sampled frame; an offset of the detector counts as
            brightness.
        times: (frames,) their indices, increasing; None: successive frames.

    Raises:
        InputError: fewer than three frames, or lengths that differ.

    References:
        Sen 1968, Estimates of the regression coefficient based on Kendall's tau.
    """
    means = np.asarray(frame_means, np.float64)
    when = np.arange(len(means)) if times is None else np.asarray(times)
    if len(means) < 3 or len(when) != len(means):
        raise InputError(
            f"{len(means)} means at {len(when)} times: give three or more, and one time for each"
        )
    first, last = float(when[0]), float(when[-1])
    parts = np.array_split(np.arange(len(means)), min(len(means), TIMES))
    at = np.asarray([when[part].mean() for part in parts])
    values = np.asarray([means[part].mean() for part in parts])
    if values.min() > 0:
        slope, _ = _robust_line(np.log(values), at)
        return Bleaching(float(-np.expm1(slope * (last - first))), "exponential")
    slope, intercept = _robust_line(values, at)
    start = intercept + slope * first
    change = slope * (last - first)
    return Bleaching(float(-change / start) if start != 0 else 0.0, "linear")


class Drift(NamedTuple):
    """How frames lie relative to their mean.

    Attributes:
        shifts: (frames, 2) pixels down and right that would bring each frame onto the reference.
        num_moved: frames that lie more than one pixel away.
    """

    shifts: NDArray[np.float64]
    num_moved: int


def _placed(reference: NDArray, frames: NDArray) -> NDArray[np.float64]:
    """As `frame_shifts`, but 0 for images without any structure, which lie nowhere."""
    shifts = np.zeros((len(frames), 2))
    seen = frames.min(axis=(1, 2)) != frames.max(axis=(1, 2))
    if seen.any() and reference.min() != reference.max():
        shifts[seen] = frame_shifts(reference, frames[seen])
    return shifts


def drift(frames: ArrayLike, reference: ArrayLike | None = None) -> Drift:
    """Shifts of frames, found as motion correction finds them.

    Args:
        frames: (frames, height, width).
        reference: (height, width); None: the frames' mean.
    """
    x = np.asarray(frames)
    onto = x.mean(axis=0, dtype=np.float64) if reference is None else np.asarray(reference, np.float64)
    shifts = _placed(onto, x)
    return Drift(shifts, int((np.hypot(*shifts.T) > 1).sum()))


class Alignment(NamedTuple):
    """Whether runs show one field of view.

    Attributes:
        shifts: (runs, 2) pixels down and right that bring each mean frame onto that of the reference run.
        correlation: (runs,) of the structure of a cell's size with the reference run's, once aligned.
        same_field: (runs,) bool, whether that is more than chance and a shift explains the rest.
        reference: index of the run to which the others are compared: the one most like all of them.
    """

    shifts: NDArray[np.float64]
    correlation: NDArray[np.float64]
    same_field: NDArray[np.bool_]
    reference: int


def _structure(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """What is of a cell's size in a mean frame, of mean 0 and standard deviation 1: no noise, no illumination."""
    wide = max(4 * CELLS_PX, min(image.shape) / 6)
    detail = ndimage.gaussian_filter(image, CELLS_PX) - ndimage.gaussian_filter(image, wide)
    detail /= np.sqrt(ndimage.gaussian_filter(np.square(detail), wide)) + 1e-12 * np.abs(image).max() + 1e-300
    detail -= detail.mean()
    spread = float(detail.std())
    return detail / spread if spread > 0 else detail


def _overlap(image: NDArray[np.float64], by: NDArray[np.float64]) -> NDArray[np.float64]:
    """Image with the rows and columns cut off that a shift of it would bring in from outside."""
    for axis, pixels in enumerate(np.rint(by).astype(int).tolist()):
        index = [slice(None), slice(None)]
        index[axis] = slice(max(pixels, 0), image.shape[axis] + min(pixels, 0))
        image = image[tuple(index)]
    return image


def misalignment(mean_frames: Sequence[ArrayLike]) -> Alignment:
    """Compare the field of view of every run with that of the run most like all of them.

    A run whose image is the reference's moved by some pixels correlates with it once moved back; another field of view
    does not, whatever the shift.

    Args:
        mean_frames: (height, width) each, of one size.

    Raises:
        InputError: no frame, or sizes that differ.
    """
    images = [np.asarray(frame, np.float64) for frame in mean_frames]
    if not images or len({image.shape for image in images}) != 1:
        raise InputError("mean_frames must be one or more frames of one size")
    seen = [_structure(image) for image in images]
    flat = np.stack([image.ravel() for image in seen])
    reference = int((flat @ flat.T).mean(axis=1).argmax())
    shifts = _placed(seen[reference], np.stack(seen))
    correlation = np.zeros(len(seen))
    for i, (image, by) in enumerate(zip(seen, shifts, strict=True)):
        back = ndimage.shift(image, by, order=1, mode="nearest")
        a, b = _overlap(back, by).ravel(), _overlap(seen[reference], by).ravel()
        if a.size > 1 and a.std() > 0 and b.std() > 0:
            correlation[i] = np.corrcoef(a, b)[0, 1]
    spots = images[0].size / (4 * np.pi * CELLS_PX**2)  # independent ones in a field of smoothed noise
    return Alignment(shifts, correlation, correlation > CLEAR / np.sqrt(spots), reference)
