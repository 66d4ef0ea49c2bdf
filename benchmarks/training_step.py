"""What a training step costs beside PyTorch, and what the fit through LARS adds to it.

Loss and gradient, forward and backward, no optimiser, of one window in float32:

    autoencoder   the plain reconstruction, ours and PyTorch's with either memory layout, eager and compiled
    sequential    ours, with the VAR's fit but no gradient through it
    embedded      ours, the decoder sees the forecast, no gradient through the fit
    end_to_end    ours at several strengths; "unrolled" is PyTorch's, with autograd through every event of LARS,
                  at a reduced size: it is slow, and keeps every event's arrays

"over torch" is ours over the fastest of PyTorch's for the same step and strength, "over autoenc." any of ours
over our autoencoder's; both of fastest calls, since other work on the machine slows PyTorch's small parallel
loops far more than it slows XLA, and medians would flatter ours.

Before that (part "check") losses and gradients must agree: see `_agreement.py`. The weights are random, so what
matters of a strength is the mean number of non-zeros a target: where it is near zero the fit costs next to
nothing. On a GPU both libraries' convolutions may use TF32: PyTorch's do by default, ours with
precision="tensorfloat32".

    python benchmarks/training_step.py --out results/benchmarks
    python benchmarks/training_step.py --parts check
    python benchmarks/training_step.py --size 64,32,48 --lams 0.01 --parts autoencoder whole --eager
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import _timing as timing
import jax
import jax.numpy as jnp
import numpy as np
import torch
from _agreement import COLUMNS as AGREEMENT_COLUMNS
from _agreement import Agreement, Case, no_further, same_formulas
from _steps import autoencoder_step, film, moved_weights, movie, whole_step
from _torch_lars import window_loss
from _torch_twin import LAYOUTS, Twin, gradient_step, with_gradients

from lassovae import Config

PARTS = ("check", "autoencoder", "whole", "reduced")
MODES = ("sequential", "embedded", "end_to_end")


class Row(NamedTuple):
    """One line of the table; NaN where there is nothing to say."""

    step: str
    who: str
    frames: int
    height: int
    width: int
    channels: int
    order: int
    lam: float
    nonzeros: float
    median_s: float
    fastest_s: float
    compile_s: float
    over_torch: float = math.nan
    over_autoencoder: float = math.nan


def _or_blank(shown: Callable[[float], str]) -> Callable[[float], str]:
    return lambda value: "" if math.isnan(value) else shown(value)


COLUMNS = {
    "step": ("step", str),
    "who": ("who", str),
    "frames": ("frames", str),
    "height": ("height", str),
    "width": ("width", str),
    "lam": ("lam", _or_blank("{:g}".format)),
    "nonzeros": ("non-zeros", _or_blank("{:.2f}".format)),
    "median_s": ("median ms", timing.milliseconds),
    "fastest_s": ("fastest ms", timing.milliseconds),
    "compile_s": ("compile s", _or_blank("{:.1f}".format)),
    "over_torch": ("over torch", _or_blank("{:.2f}".format)),
    "over_autoencoder": ("over autoenc.", _or_blank("{:.2f}".format)),
}


class Call(NamedTuple):
    """One step to be timed."""

    step: str
    who: str
    lam: float
    nonzeros: float
    compile_s: float
    run: Callable[[], object]


MOVIES = 5  # on which rounding is compared


class Bench:
    """The steps of one movie and size, each ready to be timed."""

    def __init__(self, size: tuple[int, int, int], config: Config, seed: int, device: str) -> None:
        self.size, self.config = size, config
        self.place = "cpu" if device == "cpu" else "cuda"
        self.frames, self.mean_frame = movie(seed, size[0], size[1:])
        self.weights = moved_weights(config, seed, size[1:])
        self.data = jax.tree.map(jnp.asarray, (*self.weights, self.frames, self.mean_frame))

    def case(self, lam: float | None) -> Case:
        """For the checks."""
        return Case(self.config, self.weights, self.frames, self.mean_frame, lam, self.place)

    def autoencoder(self) -> list[Call]:
        """Our step without a VAR."""
        program, compile_s = timing.compiled_in(autoencoder_step(self.config), *self.data)
        return [Call("autoencoder", "ours", math.nan, math.nan, compile_s, partial(program, *self.data))]

    def torch_autoencoder(self, eager: bool) -> list[Call]:
        """PyTorch's, with every layout; compiled as well unless only `eager`."""
        calls = []
        for layout in LAYOUTS:
            twin = Twin(self.weights, layout, self.place)
            data = twin.frames(self.frames), twin.frames(self.mean_frame)
            for compiled in (False,) if eager else (False, True):
                run = partial(gradient_step(twin, compiled), *data)
                first = timing.once(run)
                who = f"torch {layout}{' compiled' if compiled else ''}"
                calls.append(
                    Call("autoencoder", who, math.nan, math.nan, first if compiled else math.nan, run)
                )
        return calls

    def whole(self, mode: str, lams: list[float]) -> list[Call]:
        """Our step with a VAR, compiled once for all strengths."""
        step = whole_step(self.config.replace(mode=mode))
        program, compile_s = timing.compiled_in(step, *self.data, jnp.float32(0))
        calls = []
        for lam in lams:
            strength = jnp.float32(lam)
            (_, (measures, _)), _ = program(*self.data, strength)
            if np.any(measures.failed):
                raise SystemExit(f"{mode} at lam {lam:g}: {measures.failed} lassos failed")
            run = partial(program, *self.data, strength)
            calls.append(Call(mode, "ours", lam, float(np.mean(measures.nonzeros)), compile_s, run))
        return calls

    def unrolled(self, lams: list[float]) -> list[Call]:
        """PyTorch's end-to-end step, with every layout."""
        calls = []
        for layout in LAYOUTS:
            twin = Twin(self.weights, layout, self.place)
            data = twin.frames(self.frames), twin.frames(self.mean_frame)
            for lam in lams:
                run = partial(with_gradients, twin, partial(window_loss, twin, *data, lam, self.config.order))
                calls.append(Call("end_to_end", f"torch {layout} unrolled", lam, math.nan, math.nan, run))
        return calls

    def timed(self, calls: list[Call], repeats: int) -> list[Row]:
        """All in turns, with their ratios."""
        taken = timing.interleaved({i: call.run for i, call in enumerate(calls)}, repeats)
        rows = [
            Row(
                call.step,
                call.who,
                *self.size,
                self.config.channels,
                self.config.order,
                call.lam,
                call.nonzeros,
                float(np.median(taken[i])),
                float(taken[i].min()),
                call.compile_s,
            )
            for i, call in enumerate(calls)
        ]
        return [with_ratios(row, rows) for row in rows]


def with_ratios(row: Row, rows: list[Row]) -> Row:
    """Ours against the fastest of PyTorch's for the same step, and against our autoencoder."""
    if row.who != "ours":
        return row
    same = [r for r in rows if r.step == row.step and (r.lam == row.lam or math.isnan(row.lam))]
    peers = [r.fastest_s for r in same if r.who != "ours"]
    plain = [r.fastest_s for r in rows if r.step == "autoencoder" and r.who == "ours"]
    return row._replace(
        over_torch=row.fastest_s / min(peers) if peers else math.nan,
        over_autoencoder=row.fastest_s / plain[0] if plain else math.nan,
    )


def check(full: Bench, reduced: list[Bench], lams: list[float]) -> list[Agreement]:
    """Formulas at the reduced size, rounding at both."""
    rows = []
    for lam in (None, *lams):
        cases = [bench.case(lam) for bench in reduced]
        rows += same_formulas(cases[0]) + no_further(cases)
    return rows + no_further([full.case(None)])


def main() -> None:
    """Check, measure, print the tables."""
    command = timing.parser(__doc__, repeats=5)
    command.add_argument("--size", type=film, default=(64, 192, 128), help="frames,height,width")
    command.add_argument("--reduced", type=film, default=(64, 32, 48), help="the same, for the unrolled LARS")
    command.add_argument("--channels", type=int, default=32)
    command.add_argument("--order", type=int, default=5, help="lags of the VAR")
    command.add_argument("--lams", type=float, nargs="+", default=[0.0002, 0.001, 0.005, 0.01, 0.02])
    command.add_argument("--reduced-lams", type=float, nargs="+", default=[0.002, 0.01])
    command.add_argument("--parts", choices=PARTS, nargs="+", default=list(PARTS))
    command.add_argument("--modes", choices=MODES, nargs="+", default=list(MODES), help="of the whole step")
    command.add_argument("--eager", action="store_true", help="without torch.compile, which needs a compiler")
    options = command.parse_args()
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # PyTorch needs memory of the GPU, too
    machine = (
        f"{timing.machine(options.device)}, torch {torch.__version__} ({torch.get_num_threads()} threads)"
    )
    print(machine)

    precision = "float32" if options.device == "cpu" else "tensorfloat32"
    config = Config(mode="end_to_end", channels=options.channels, order=options.order, precision=precision)
    full, reduced = (
        Bench(size, config, options.seed, options.device) for size in (options.size, options.reduced)
    )
    agreement, rows = [], []
    if "check" in options.parts:
        seeds = range(options.seed, options.seed + MOVIES)
        several = [Bench(options.reduced, config, seed, options.device) for seed in seeds]
        agreement = check(full, several, options.reduced_lams)
        print(timing.table(agreement, AGREEMENT_COLUMNS))
    calls = []
    if {"autoencoder", "whole"} & set(options.parts):
        calls = full.autoencoder()
    if "autoencoder" in options.parts:
        calls += full.torch_autoencoder(options.eager)
    if "whole" in options.parts:
        for mode in options.modes:
            calls += full.whole(mode, options.lams)
    if calls:
        rows += full.timed(calls, options.repeats)
    if "reduced" in options.parts:
        calls = reduced.autoencoder() + reduced.torch_autoencoder(eager=True)
        calls += reduced.whole("end_to_end", options.reduced_lams) + reduced.unrolled(options.reduced_lams)
        rows += reduced.timed(calls, options.repeats)
    if rows:
        print(timing.table(rows, COLUMNS))
    if any(row.nonzeros == 0 for row in rows):
        print("where non-zeros are 0 the VAR is empty, and the step does not cost what a real one does")
    if options.out:
        stem = f"training_step_{options.device}"
        told = {"machine": machine, "agreement": agreement, "rows": rows}
        timing.write_json(options.out / f"{stem}.json", told)
        if rows:
            timing.write_csv(options.out / f"{stem}.csv", rows)


if __name__ == "__main__":
    main()
