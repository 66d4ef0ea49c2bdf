"""The paper's whole protocol (40 runs, 2 epochs, three modes, three strengths): predicted, and measured in small.

One call, under eight minutes on an accelerator, prints

    steps      time of a training step at full size, by mode and strength, by windows a step and by precision, with
               the share of the VAR in it, of encoding a window, and of PyTorch's autoencoder on the same device where
               torch is installed
    protocol   what nine trainings of the paper's 540 steps cost at these times, with the encoding of all frames that
               ends each (pooling positions), compilation included
    measured   nine real trainings of a small simulated study beside the same prediction for it

    python benchmarks/paper_protocol.py --out results/benchmarks
    python benchmarks/paper_protocol.py --device gpu --windows 1 4 16 --precisions float32 tensorfloat32 bfloat16
    python benchmarks/paper_protocol.py --size 64,64,48 --study 4,128 --repeats 1
"""

from __future__ import annotations

import importlib.util
import math
import time
from typing import NamedTuple

import _timing as timing
import jax
import jax.numpy as jnp
import numpy as np
from _steps import autoencoder_step, batch_step, film, moved_weights, movie

import lassovae
from lassovae import Config
from lassovae._model import CHUNK
from lassovae.autoencoder import encode

MODES = ("sequential", "embedded", "end_to_end")
LAMS = (0.005, 0.01, 0.02)
PAPER_STEPS = 540  # 40 runs of 434.8 frames on average, windows of 64, 2 epochs
PAPER_CHUNKS = 40 * 7  # of 64 frames, encoded at the end of a training


class Step(NamedTuple):
    """One line of the table of steps; a time is that of one window."""

    step: str
    precision: str
    windows: int
    lam: float
    nonzeros: float
    window_s: float
    windows_a_second: float
    over_autoencoder: float
    compile_s: float


COLUMNS = {
    "step": ("step", str),
    "precision": ("precision", str),
    "windows": ("windows", str),
    "lam": ("lam", lambda x: "" if math.isnan(x) else f"{x:g}"),
    "nonzeros": ("non-zeros", lambda x: "" if math.isnan(x) else f"{x:.2f}"),
    "window_s": ("ms a window", timing.milliseconds),
    "windows_a_second": ("windows/s", "{:.2f}".format),
    "over_autoencoder": ("over autoenc.", lambda x: "" if math.isnan(x) else f"{x:.2f}"),
    "compile_s": ("compile s", lambda x: "" if math.isnan(x) else f"{x:.1f}"),
}


def best(call, repeats: int) -> float:
    """Seconds of the fastest call."""
    return float(timing.interleaved({"call": call}, repeats)["call"].min())


def torch_step(weights, frames, mean_frame, device: str, repeats: int) -> list[Step]:
    """PyTorch's autoencoder, both layouts."""
    from _torch_twin import LAYOUTS, Twin, gradient_step

    rows = []
    for layout in LAYOUTS:
        twin = Twin(weights, layout, "cpu" if device == "cpu" else "cuda")
        data = twin.frames(frames), twin.frames(mean_frame)
        step = gradient_step(twin, False)
        taken = best(lambda step=step, data=data: step(*data), repeats)
        nothing = float("nan")
        rows.append(
            Step(f"torch {layout}", "default", 1, nothing, nothing, taken, 1 / taken, nothing, nothing)
        )
    return rows


def encoding(config: Config, weights, frames, mean_frame, repeats: int) -> Step:
    """The trained encoder on as many frames as the library encodes at a time."""
    data = jax.tree.map(jnp.asarray, (weights, frames, mean_frame))
    program, compile_s = timing.compiled_in(jax.jit(lambda w, x, m: encode(config, w, x, m)), *data)
    taken = best(lambda: program(*data), repeats)
    nothing = float("nan")
    return Step("encoding", config.precision, 1, nothing, nothing, taken, 1 / taken, nothing, compile_s)


def steps(options) -> list[Step]:
    """Every kind of step at full size."""
    window, *shape = options.size
    config = Config(window=window)
    frames, mean_frame = movie(options.seed, window * max(options.windows), tuple(shape))
    weights = moved_weights(config, options.seed, tuple(shape))
    rows: list[Step] = []
    nothing = float("nan")
    for precision in options.precisions:
        plain = config.replace(precision=precision)
        data = jax.tree.map(jnp.asarray, (*weights, frames[:window], mean_frame))
        program, compile_s = timing.compiled_in(autoencoder_step(plain), *data)
        alone = best(lambda program=program, data=data: program(*data), options.repeats)
        rows.append(Step("autoencoder", precision, 1, nothing, nothing, alone, 1 / alone, 1.0, compile_s))
        first = precision == options.precisions[0]
        for windows in options.windows:
            modes = MODES if first and windows == options.windows[0] else ("end_to_end",)
            for mode in modes:
                step = batch_step(plain.replace(mode=mode, windows_per_step=windows))
                shown = jnp.asarray(frames[: windows * window].reshape(windows, window, *shape))
                weight = jnp.full(windows, 1 / windows, jnp.float32)
                data = (*jax.tree.map(jnp.asarray, tuple(weights)), shown, weight, jnp.asarray(mean_frame))
                program, compile_s = timing.compiled_in(step, *data, jnp.float32(0))
                for lam in options.lams:
                    args = (*data, jnp.float32(lam))
                    nonzeros = float(np.mean(program(*args)[0][1][0].nonzeros))
                    taken = best(lambda p=program, a=args: p(*a), options.repeats) / windows
                    rows.append(
                        Step(
                            mode,
                            precision,
                            windows,
                            lam,
                            nonzeros,
                            taken,
                            1 / taken,
                            taken / alone,
                            compile_s,
                        )
                    )
    plain = config.replace(precision=options.precisions[0])
    rows.append(
        encoding(plain, weights, movie(options.seed, CHUNK, tuple(shape))[0], mean_frame, options.repeats)
    )
    if importlib.util.find_spec("torch"):
        rows += torch_step(weights, frames[:window], mean_frame, options.device, options.repeats)
    return rows


def predicted(rows: list[Step], num_steps: int, num_chunks: int) -> float:
    """Seconds of nine trainings of so many steps of one window, one compilation a mode, and of encoding the frames."""
    first = rows[0].precision
    encoded = next(row for row in rows if row.step == "encoding")
    total = encoded.compile_s + len(MODES) * len(LAMS) * num_chunks * encoded.window_s
    for mode in MODES:
        part = [r for r in rows if r.step == mode and r.precision == first and r.windows == 1]
        total += part[0].compile_s + sum(num_steps * r.window_s for r in part) * len(LAMS) / len(part)
    return total


def measured(options) -> tuple[float, float, int]:
    """Seconds of nine real trainings of a small study, what was predicted, and steps of each."""
    num_runs, run_frames = options.study
    window, *_ = options.size
    shape = (64, 48)
    study = lassovae.data.simulate_study(
        options.seed, num_runs=num_runs, frames=run_frames, frame_shape=shape, num_cells=15
    )
    num_steps = 2 * num_runs * (run_frames // window)
    small = options.__class__(**{**vars(options), "size": (window, *shape), "windows": [1]})
    small.precisions = options.precisions[:1]
    jax.clear_caches()  # or the steps would seem to be compiled in no time
    expected = predicted(steps(small), num_steps, num_runs * -(-run_frames // CHUNK))
    jax.clear_caches()
    start = time.perf_counter()
    for mode in MODES:
        for lam in LAMS:
            config = Config(mode=mode, lam=lam, window=window, precision=options.precisions[0])
            lassovae.fit(study, config, show_progress=False)
    return time.perf_counter() - start, expected, num_steps


def pair(text: str) -> tuple[int, int]:
    """Two numbers, runs,frames."""
    runs, frames = (int(part) for part in text.split(","))
    return runs, frames


def main() -> None:
    """Measure, predict, print the tables."""
    command = timing.parser(__doc__, repeats=3)
    command.add_argument("--size", type=film, default=(64, 192, 128), help="frames,height,width")
    command.add_argument("--study", type=pair, default=(4, 256), help="runs,frames of the small study")
    command.add_argument("--windows", type=int, nargs="+", default=[1], help="windows a step; the first is 1")
    command.add_argument("--precisions", nargs="+", default=["float32"])
    command.add_argument("--lams", type=float, nargs="+", default=list(LAMS))
    options = command.parse_args()
    machine = timing.machine(options.device)
    print(machine)
    rows = steps(options)
    print(timing.table(rows, COLUMNS))
    whole = predicted(rows, PAPER_STEPS, PAPER_CHUNKS)
    print(f"the paper's protocol, nine trainings of {PAPER_STEPS} steps: predicted {whole / 60:.1f} min")
    taken, expected, num_steps = measured(options)
    print(
        f"a small study, nine trainings of {num_steps} steps: {taken:.1f} s, predicted from its steps "
        f"{expected:.1f} s"
    )
    if options.out:
        told = {"machine": machine, "protocol_s": whole, "small_s": taken, "small_predicted_s": expected}
        timing.write_json(options.out / f"paper_protocol_{options.device}.json", told | {"steps": rows})


if __name__ == "__main__":
    main()
