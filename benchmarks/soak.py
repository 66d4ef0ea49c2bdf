"""A long training in one process, and many short ones one after another: what grows?

Samples resident memory, open files, threads, memory maps and live JAX arrays once an epoch of a training of `--steps`
steps that writes a run folder, checkpoints included; then after each of `--calls` calls of fit and analyse in the same
process. The first fifth is warm-up. Linux, whose /proc says it.

    python benchmarks/soak.py --steps 2000 --calls 10
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

WARM_UP = 0.2  # of all samples
CONFIG = lassovae.Config(encoder="soft_roi", order=1, window=8, lam=0.01)
MOST_GROWTH = 0.01


@dataclass(frozen=True)
class Options:
    """Command line."""

    steps: int = 2000
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


def growth(samples: list[Sample]) -> tuple[Sample, Sample, float]:
    """Medians after the warm-up and at the end, over a tenth of all samples each; relative growth of memory."""
    start, width = int(WARM_UP * len(samples)), max(1, len(samples) // 10)
    early, late = (
        Sample(*np.median(part, axis=0).tolist())
        for part in (samples[start : start + width], samples[-width:])
    )
    return early, late, late.rss_mb / early.rss_mb - 1


def said(name: str, samples: list[Sample]) -> bool:
    """Print what grew; whether it is too much."""
    early, late, relative = growth(samples)
    print(f"{name}: {len(samples)} samples; after the warm-up {early}; at the end {late}", flush=True)
    print(
        f"{name}: resident memory {100 * relative:+.2f} %, open files {late.files - early.files:+.0f}",
        flush=True,
    )
    return relative > MOST_GROWTH or late.files > early.files


def one_training(study: lassovae.data.Study, options: Options, scratch: Path) -> bool:
    """A training of so many steps."""
    config = CONFIG.replace(encoder=options.encoder, channels=4)
    per_epoch = sum(n // config.window for n in study.lengths)
    logger = logging.getLogger("lassovae")
    sampler = Sampler()
    logger.addHandler(sampler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    began = time.perf_counter()
    try:
        config = config.replace(epochs=-(-options.steps // per_epoch))
        model = lassovae.fit(study, config, run_dir=scratch / "long", show_progress=False)
    finally:
        logger.removeHandler(sampler)
    print(f"{len(model.history)} steps in {time.perf_counter() - began:.0f} s", flush=True)
    return said("training", sampler.samples)


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
