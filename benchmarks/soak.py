"""A long training in one process, and many short ones one after another: what grows?

Samples resident memory, open files, threads, memory maps and live JAX arrays once an epoch of a training that writes a
run folder, checkpoints included: `--warm-up` steps, and `--steps` more; then after each of `--calls` calls of fit and
analyse in the same process. Linux, whose /proc says it.

    python benchmarks/soak.py --warm-up 1000 --steps 2000 --calls 10
    python benchmarks/soak.py --study study.csv --calls 0      # one's own recordings
    MALLOC_ARENA_MAX=1 python benchmarks/soak.py --calls 0     # without the arenas that each new thread may get
"""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import shutil
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import tyro
from _run_folders import write_study
from scipy.stats import theilslopes

import lassovae
from lassovae.data import read_study

CONFIG = lassovae.Config(encoder="soft_roi", order=1, window=8, lam=0.01)
MOST_GROWTH = 0.01  # in as many steps as this:
BAR_STEPS = 2000


@dataclass(frozen=True)
class Options:
    """Command line."""

    warm_up: int = 1000
    """Steps before the growth is looked at."""
    steps: int = 2000
    """Steps over which it is."""
    calls: int = 10
    frames: int = 100
    """Of each of four recordings: a checkpoint is written each time all have been seen, in windows of 8."""
    encoder: str = "soft_roi"
    study: Path | None = None
    """Instead of the tiny study, and its settings: recordings of a user's size, as the quick preset trains on them."""


class Sample(NamedTuple):
    """What a process holds."""

    kept_mb: float  # resident, once what is free was given back
    rss_mb: float
    files: int
    threads: int
    maps: int
    arrays: int


def resident_mb() -> float:
    """Of this process, now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def sample() -> Sample:
    """Of this process, now."""
    as_it_is = resident_mb()
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # as after every checkpoint: what steps took since then is no growth
    return Sample(
        resident_mb(),
        as_it_is,
        len(os.listdir("/proc/self/fd")),
        threading.active_count(),
        Path("/proc/self/maps").read_text().count("\n"),
        len(jax.live_arrays()),
    )


class Sampler(logging.Handler):
    """Takes a sample at each line that a training logs about an epoch."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.samples: list[Sample] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Take it."""
        if " step " in record.getMessage():
            self.samples.append(sample())


class Growth(NamedTuple):
    """What a number of a training adds after its warm-up."""

    slope: float
    low: float
    high: float
    start: float

    @property
    def relative(self) -> float:
        """To what there was."""
        return self.slope / self.start

    def __str__(self) -> str:
        return f"{self.slope:+.1f} ({self.low:+.1f} to {self.high:+.1f}) of {self.start:.0f} MB, {self.relative:+.2%}"


def growth(values: list[float], a_sample: float) -> Growth:
    """Slope by Theil and Sen over so many samples, with its 95 % interval.

    One sample, or the median of a few, would say nothing: some fall on a buffer of ten megabytes that a step has not
    given back yet.
    """
    slope, _, low, high = theilslopes(values)
    start = float(np.median(values[: max(1, len(values) // 4)]))
    return Growth(float(slope) * a_sample, float(low) * a_sample, float(high) * a_sample, start)


def said(samples: list[Sample], options: Options) -> bool:
    """Print what grew; whether it is too much."""
    late = samples[round(options.warm_up / (options.warm_up + options.steps) * len(samples)) :]
    bar = BAR_STEPS * len(late) / options.steps
    kept, whole = (growth([getattr(s, name) for s in late], bar) for name in ("kept_mb", "rss_mb"))
    files = max(s.files for s in late[len(late) // 2 :]) - max(s.files for s in late[: len(late) // 2])
    print(f"{len(samples)} samples; after the warm-up {late[0]}; at the end {late[-1]}", flush=True)
    print(
        f"each {BAR_STEPS} steps add to what is kept {kept}; to resident memory as it is {whole}", flush=True
    )
    print(f"open files {files:+d}", flush=True)
    return max(kept.relative, whole.relative) > MOST_GROWTH or files > 0


def settings(study: lassovae.data.Study, options: Options) -> lassovae.Config:
    """Of all trainings."""
    if options.study is None:
        return CONFIG.replace(encoder=options.encoder, channels=4)
    models = lassovae.preset("quick", study).models.values()
    return next(m for m in models if m.encoder == options.encoder and m.mode == "end_to_end")


def one_training(study: lassovae.data.Study, options: Options, scratch: Path) -> bool:
    """One training of so many steps."""
    config = settings(study, options)
    per_epoch = sum(n // config.window for n in study.lengths)
    logger = logging.getLogger("lassovae")
    sampler = Sampler()
    logger.addHandler(sampler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    began = time.perf_counter()
    try:
        config = config.replace(epochs=-(-(options.warm_up + options.steps) // per_epoch))
        model = lassovae.fit(study, config, run_dir=scratch / "long", show_progress=False)
    finally:
        logger.removeHandler(sampler)
    print(f"{len(model.history)} steps in {time.perf_counter() - began:.0f} s", flush=True)
    return said(sampler.samples, options)


def many_calls(study: lassovae.data.Study, options: Options, scratch: Path) -> None:
    """Trainings and analyses in turns; what each adds."""
    config = settings(study, options).replace(epochs=2)
    samples = []
    for i in range(options.calls):
        model = lassovae.fit(study, config, run_dir=scratch / f"call_{i}", show_progress=False)
        lassovae.analyse(lassovae.load(scratch / f"call_{i}"), study)
        del model
        gc.collect()
        samples.append(sample())
        print(f"call {i + 1}: {samples[-1]}", flush=True)
    if len(samples) > 4:
        late = np.diff(np.asarray(samples[len(samples) // 2 :]), axis=0).mean(axis=0)
        print(f"calls: each of the second half adds {Sample(*np.round(late, 2).tolist())}", flush=True)


def main() -> int:
    """Both; 1 if memory grows by more than 1 % in the training, or files stay open."""
    options = tyro.cli(Options, description=__doc__)
    scratch = Path(tempfile.mkdtemp())
    if options.study is None:
        write_study(scratch / "study", options.frames)
    study = read_study(options.study or scratch / "study" / "study.csv")
    too_much = one_training(study, options, scratch) if options.steps else False
    if options.calls:
        many_calls(study, options, scratch)
    shutil.rmtree(scratch)
    return 1 if too_much else 0


if __name__ == "__main__":
    sys.exit(main())
