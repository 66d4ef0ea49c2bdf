"""A long training in one process, and many short ones one after another: what grows?

Samples resident memory, open files, threads, memory maps and live JAX arrays once an epoch of a training that writes a
run folder, checkpoints included: `--warm-up` steps, and `--steps` more; then after each of `--calls` calls of fit and
analyse in the same process. Linux, whose /proc says it.

    python benchmarks/soak.py --warm-up 1000 --steps 2000 --calls 10
    MALLOC_ARENA_MAX=1 python benchmarks/soak.py --calls 0     # without the arenas that each new thread may get
"""

from __future__ import annotations

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

import lassovae
from lassovae.data import read_study

CONFIG = lassovae.Config(encoder="soft_roi", order=1, window=8, lam=0.01)
MOST_GROWTH = 0.01


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


class Sample(NamedTuple):
    """What a process holds."""

    rss_mb: float
    files: int
    threads: int
    maps: int
    arrays: int


def sample() -> Sample:
    """Of this process, now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Sample(
        pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
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


def growth(samples: list[Sample], warm_up: float) -> tuple[Sample, Sample, float]:
    """Medians at the end of the warm-up, a fraction of all samples, and of all; relative growth of memory."""
    width = max(1, len(samples) // 20)
    stops = round(warm_up * len(samples)), len(samples)
    early, late = (Sample(*np.median(samples[stop - width : stop], axis=0).tolist()) for stop in stops)
    return early, late, late.rss_mb / early.rss_mb - 1


def said(name: str, samples: list[Sample], warm_up: float) -> bool:
    """Print what grew; whether it is too much."""
    early, late, relative = growth(samples, warm_up)
    print(f"{name}: {len(samples)} samples; after the warm-up {early}; at the end {late}", flush=True)
    print(
        f"{name}: resident memory {100 * relative:+.2f} %, open files {late.files - early.files:+.0f}",
        flush=True,
    )
    return relative > MOST_GROWTH or late.files > early.files


def one_training(study: lassovae.data.Study, options: Options, scratch: Path) -> bool:
    """One training of so many steps."""
    config = CONFIG.replace(encoder=options.encoder, channels=4)
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
    return said("training", sampler.samples, options.warm_up / (options.warm_up + options.steps))


def many_calls(study: lassovae.data.Study, options: Options, scratch: Path) -> None:
    """Trainings and analyses in turns; what each adds."""
    config = CONFIG.replace(encoder=options.encoder, channels=4, epochs=2)
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
    write_study(scratch / "study", options.frames)
    study = read_study(scratch / "study" / "study.csv")
    too_much = one_training(study, options, scratch) if options.steps else False
    if options.calls:
        many_calls(study, options, scratch)
    shutil.rmtree(scratch)
    return 1 if too_much else 0


if __name__ == "__main__":
    sys.exit(main())
