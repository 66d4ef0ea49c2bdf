"""How much memory a training and its analysis will take, said before either begins."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

from lassovae._config import BLOCK, Config
from lassovae._errors import InputError
from lassovae.data import Study, frame_shape_after

GIGABYTE = 10**9
CHUNK_FRAMES = 64
FREE_SHARE = 0.8  # of the memory that is free now, which this process may take unasked
# Measured (docs/performance.md): Python with its libraries, and what compiled programs and their compilation take.
LIBRARIES = 650_000_000
VALUES_A_PIXEL = {
    "convolutional": 14.0,
    "soft_roi": 14.0,
    "block_mean": 4.0,
}  # of a step, beside the channels
VALUES_A_CHANNEL = 2.2  # float32 values that a convolutional step keeps of each pixel and channel
LATENT_COPIES = 12  # of all latents that an analysis holds at once
ROWS_A_COLUMN = 4  # as in var/_pooled.py
SLOTS = 4 * 2**27  # for coefficients, likewise
FIT_PROGRAMS = 900_000_000  # an analysis compiles several programs of the solver
STAY_FREE = 64_000_000
STRETCH = 2**28  # what the readers of chunked files keep decoded, as in data/_stretches.py
CHUNKED = frozenset({"HDF5", "NWB", "Zarr"})
SAMPLES = 300_000_000  # of pixels, for a percentile that cannot be counted
SAMPLED_FRAMES = 100  # of one run at a time, by which bad pixels and scan lines are judged


@dataclass(frozen=True)
class MemoryPlan:
    """Where the memory of a training and an analysis will go, in bytes.

    Attributes:
        libraries: Python, JAX and compiled programs.
        frames: preprocessed frames held in memory, or the few that are being read.
        step: of the training, on a CPU; an accelerator has its own memory.
        analysis: latents and fits.
        holds_frames: whether the frames of all runs are held; if not, they are read anew when they are needed.
        allowed: what the process may take.
    """

    libraries: int
    frames: int
    step: int
    analysis: int
    holds_frames: bool
    allowed: int

    @property
    def peak(self) -> int:
        """The most that is expected at once."""
        return self.libraries + self.frames + max(self.step, self.analysis)

    def sentence(self) -> str:
        """What is expected, for people."""
        where = "held in memory" if self.holds_frames else "read from the recordings whenever they are needed"
        return (
            f"Memory: at most {self.peak / GIGABYTE:.1f} GB expected, {self.frames / GIGABYTE:.1f} of it for frames, "
            f"which are {where}; {self.allowed / GIGABYTE:.1f} GB allowed."
        )


def _number_in(path: Path) -> int | None:
    """The integer that a file of the kernel holds; None where there is no such file or no limit."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def free_memory() -> int:
    """Bytes that this process can take now: what the system calls available, within the limit of its control group."""
    system: int | None = None
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        for line in meminfo.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                system = int(line.split()[1]) * 1024
    if system is None:  # not Linux: half of what is built in
        system = (
            os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2 if hasattr(os, "sysconf") else 2**32
        )
    group = Path("/sys/fs/cgroup")
    limit, used = _number_in(group / "memory.max"), _number_in(group / "memory.current")
    if limit is None or used is None:
        return system
    for line in (group / "memory.stat").read_text(encoding="ascii").splitlines():
        if line.startswith("inactive_file "):  # files that were read: the kernel gives their memory back
            used -= int(line.split()[1])
    return min(system, max(0, limit - used))


def _step_bytes(config: Config, pixels: int) -> int:
    """Of one training step on a CPU, which works on one window at a time."""
    values = VALUES_A_PIXEL[config.encoder]
    if config.encoder == "convolutional":
        values += VALUES_A_CHANNEL * config.channels
    elif config.encoder == "block_mean":
        return 0
    batches = (
        3 * 4 * config.windows_per_step * config.window * pixels
    )  # the one at work, the next one, its making
    return int(4 * values * config.window * pixels) + batches


def _analysis_bytes(config: Config, nodes: int, lengths: list[int]) -> int:
    """Latents, and the largest of the fits: a run's in float32, or all runs' folded in float64."""
    columns = (config.order + 1) * nodes
    longest = min(max(lengths), ROWS_A_COLUMN * columns)
    one_run = 24 * config.order * nodes * (nodes + longest)
    rows = min(sum(lengths), (ROWS_A_COLUMN + 1) * columns)
    pooled = 3 * 8 * rows * columns
    forecast = 4 * config.order * nodes * max(lengths) * 2
    latents = 4 * LATENT_COPIES * nodes * sum(lengths)
    return latents + FIT_PROGRAMS + SLOTS + max(one_run, pooled, forecast)


def plan_memory(study: Study, config: Config, max_memory_gb: float | None = None) -> MemoryPlan:
    """What training on a study and analysing it will take, and whether its frames are to be held in memory.

    Args:
        study: sizes are read, no pixels.
        config: of the model.
        max_memory_gb: what the process may take, in 10^9 bytes; None takes FREE_SHARE of what is free now.

    Returns:
        MemoryPlan; frames are held if all of it then fits.

    Raises:
        InputError: it does not fit even where frames are read anew each time.
    """
    if max_memory_gb is not None and not (math.isfinite(max_memory_gb) and max_memory_gb > 0):
        raise InputError(f"max_memory_gb={max_memory_gb} must be above 0, in units of 10^9 bytes")
    allowed = int(free_memory() * FREE_SHARE) if max_memory_gb is None else int(max_memory_gb * GIGABYTE)
    pre = config.preprocess
    height, width = frame_shape_after(study.frame_shape, pre)
    pixels, nodes = height * width, height * width // BLOCK**2
    lengths = list(study.lengths_after(pre.bin_frames))
    stored = max(run.recording.dtype.itemsize for run in study) * study.frame_shape[0] * study.frame_shape[1]
    chunk = CHUNK_FRAMES * pre.bin_frames * (3 * stored + 4 * 8 * pixels) + STAY_FREE
    if pre.scaling == "percentile" or pre.bad_pixels == "fill" or pre.scan_lines == "align":
        chunk += max(min(SAMPLES, 12 * pixels * sum(lengths)), 4 * SAMPLED_FRAMES * stored)
    if any(run.recording.kind in CHUNKED for run in study):
        chunk += STRETCH
    whole = 4 * pixels * (sum(lengths) + max(lengths))  # one run is there twice while it is being scaled
    step, analysis = _step_bytes(config, pixels), _analysis_bytes(config, nodes, lengths)
    plans = [
        MemoryPlan(LIBRARIES, frames, step, analysis, holds, allowed)
        for holds, frames in ((True, whole + chunk), (False, chunk))
    ]
    for plan in plans:
        if plan.peak <= allowed:
            return plan
    least = plans[-1].peak / GIGABYTE
    if max_memory_gb is not None:
        fixed = (plans[-1].libraries + FIT_PROGRAMS + SLOTS) / GIGABYTE
        raise InputError(
            f"max_memory_gb={max_memory_gb:g} is not enough: {study.name} needs about {least:.1f} GB, {fixed:.1f} of "
            f"it whatever the recordings; raise it, or make frames smaller (preprocess.downscale={pre.downscale} gives "
            f"{height} x {width} pixels)"
        )
    return plans[-1]
