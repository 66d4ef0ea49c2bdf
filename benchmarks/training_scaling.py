"""Cost of a training step and of the fits to whole runs as frames, pixels, windows, nodes and runs grow.

    frames    of a window: the autoencoder's step, loss and gradient
    pixels    of a frame: the same
    windows   of a step: the whole end-to-end step (on a CPU one after the other, on an accelerator together)
    nodes     of a latent map: the VAR of one window, stopped after the same number of events of every target
    runs      `fit_runs` of runs of the paper's mean length

The exponent is the slope of log time on log size, of the fastest of calls made in turns; "doubled" is 2 to that power,
"at most" the largest ratio of neighbours, scaled to a doubling.
Memory is what XLA sets aside for a program beside arguments and results.

    python benchmarks/training_scaling.py --repeats 20 --out docs/benchmarks && python benchmarks/write_tables.py
    python benchmarks/training_scaling.py --nodes 96 192 --frames --pixels --windows --runs
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import _timing as timing
import jax
import jax.numpy as jnp
import numpy as np
from _steps import autoencoder_step, batch_step, moved_weights, movie

from lassovae import Config
from lassovae.lasso import solve_lasso_designs
from lassovae.var import fit_runs

GRIDS = {
    "frames": (32, 64, 128),
    "pixels": (6144, 12288, 24576),
    "windows": (1, 2, 4),
    "nodes": (96, 192, 384),
    "runs": (5, 10, 20),
}
ORDER, EVENTS, RUN_FRAMES = 5, 12, 435


class Row(NamedTuple):
    """One line of the table."""

    varied: str
    size: int
    fastest_s: float
    median_s: float
    temp_bytes: float
    compile_s: float


class Growth(NamedTuple):
    """How cost grows with one size."""

    varied: str
    exponent: float
    doubled: float
    at_most: float
    memory_at_most: float


COLUMNS = {
    "varied": ("varied", str),
    "size": ("size", str),
    "fastest_s": ("fastest ms", timing.milliseconds),
    "median_s": ("median ms", timing.milliseconds),
    "temp_bytes": ("MiB", timing.mebibytes),
    "compile_s": ("compile s", "{:.1f}".format),
}
GROWTH_COLUMNS = {
    "varied": ("varied", str),
    "exponent": ("exponent", "{:.2f}".format),
    "doubled": ("doubled", "{:.2f}".format),
    "at_most": ("at most", "{:.2f}".format),
    "memory_at_most": ("memory at most", "{:.2f}".format),
}


def frame_shape(pixels: int) -> tuple[int, int]:
    """About 3 : 2, as the paper's, in multiples of 8."""
    width = 8 * round((pixels / 1.5) ** 0.5 / 8)
    return pixels // width // 8 * 8, width


def autoencoder(frames: int, pixels: int, seed: int) -> tuple[Callable, tuple]:
    """The step without a VAR."""
    config, shape = Config(), frame_shape(pixels)
    x, mean = movie(seed, frames, shape)
    return autoencoder_step(config), jax.tree.map(jnp.asarray, (*moved_weights(config, seed, shape), x, mean))


def whole(windows: int, pixels: int, seed: int) -> tuple[Callable, tuple]:
    """The end-to-end step of several windows."""
    config, shape = Config(windows_per_step=windows), frame_shape(pixels)
    x, mean = movie(seed, 64 * windows, shape)
    weights = moved_weights(config, seed, shape)
    data = (*weights, x.reshape(windows, 64, *shape), np.full(windows, 1 / windows, np.float32), mean)
    return batch_step(config), (*jax.tree.map(jnp.asarray, data), jnp.float32(0.001))


def var(nodes: int, seed: int) -> tuple[Callable, tuple]:
    """The lassos of one window."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((64, nodes)).astype(np.float32)
    design = np.concatenate([z[ORDER - k : 64 - k] for k in range(1, ORDER + 1)], axis=1)
    solve = partial(solve_lasso_designs, max_events=EVENTS, staged=False)
    data = jnp.asarray(design[None]), jnp.asarray(z[None, ORDER:])
    return jax.jit(lambda X, Y: solve(X, Y, 1e-6).coef), data


def runs(count: int, seed: int) -> tuple[Callable, tuple]:
    """`fit_runs`, which splits the runs into calls by memory."""
    rng = np.random.default_rng(seed)
    latents = [rng.standard_normal((RUN_FRAMES, 384)).astype(np.float32) for _ in range(count)]
    return lambda *z: fit_runs(z, ORDER, 4e-4).coef, tuple(latents)


def measure(varied: str, sizes: Sequence[int], seed: int, pixels: int, repeats: int) -> list[Row]:
    """Time of all sizes of one kind, in turns: a slow minute of the machine falls on all of them.

    Correctness is the tests' business; finiteness is asserted here.
    """
    made = {
        "frames": lambda size: autoencoder(size, pixels, seed),
        "pixels": lambda size: autoencoder(64, size, seed),
        "windows": lambda size: whole(size, pixels, seed),
        "nodes": lambda size: var(size, seed),
        "runs": lambda size: runs(size, seed),
    }
    calls: dict[str, Callable[[], object]] = {}
    compile_s: dict[int, float] = {}
    temp: dict[int, float] = {}
    for size in sizes:
        function, data = made[varied](size)
        if varied == "runs":  # no program of its own: `fit_runs` compiles what it needs
            compile_s[size], temp[size] = timing.once(partial(function, *data)), float("nan")
        else:
            function, compile_s[size] = timing.compiled_in(function, *data)
            temp[size] = timing.temporary_bytes(function)
        calls[str(size)] = partial(function, *data)
        if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(calls[str(size)]())):
            raise SystemExit(f"{varied} {size}: a result is not finite")
    taken = timing.interleaved(calls, repeats)
    return [
        Row(
            size=size,
            varied=varied,
            fastest_s=float(times.min()),
            median_s=float(np.median(times)),
            temp_bytes=temp[size],
            compile_s=compile_s[size],
        )
        for size in sizes
        for times in [taken[str(size)]]
    ]


def growth(rows: list[Row], varied: str) -> Growth:
    """Slopes and ratios over the sizes of one kind."""
    part = [row for row in rows if row.varied == varied]
    size = np.log2([row.size for row in part])

    def largest(values: list[float]) -> float:
        return float(2 ** np.max(np.diff(np.log2(values)) / np.diff(size)))

    times = [row.fastest_s for row in part]
    slope = float(np.polyfit(size, np.log2(times), 1)[0])
    return Growth(varied, slope, 2**slope, largest(times), largest([row.temp_bytes for row in part]))


def draw(rows: list[Row], grown: list[Growth]):
    """Time against each size on logarithmic axes."""
    from lassovae.plots import COLORS, new_figure, style

    with style():
        figure = new_figure(7.0, 1.9)
        axes = figure.subplots(1, len(grown), squeeze=False)[0]
        for ax, fit in zip(axes, grown, strict=True):
            part = [row for row in rows if row.varied == fit.varied]
            size, taken = np.array([r.size for r in part]), np.array([r.fastest_s for r in part])
            middle = np.exp(np.log(taken).mean() - fit.exponent * np.log(size).mean())
            ax.plot(size, middle * size**fit.exponent, color=COLORS["blue"])
            ax.plot(size, taken, "o", color=COLORS["blue"], markersize=3)
            ax.set(xscale="log", yscale="log", xlabel=fit.varied, title=f"exponent {fit.exponent:.2f}")
            ax.set_xticks(size, [f"{x}" for x in size])
            ax.set_xticks([], minor=True)
            ax.set_yticks(taken, [f"{t:.2g}" for t in taken])
            ax.set_yticks([], minor=True)
        axes[0].set_ylabel("time (s)")
    return figure


def main() -> None:
    """Vary one size at a time, print the tables."""
    command = timing.parser(__doc__, repeats=12)
    for name, grid in GRIDS.items():
        command.add_argument(f"--{name}", type=int, nargs="*", default=grid, help="none: not varied")
    command.add_argument("--base-pixels", type=int, default=6144, help="while frames and windows vary")
    options = command.parse_args()
    print(timing.machine(options.device))
    rows = [
        row
        for name in GRIDS
        for row in measure(
            name, sorted(getattr(options, name)), options.seed, options.base_pixels, options.repeats
        )
    ]
    grown = [growth(rows, name) for name in GRIDS if len(getattr(options, name)) > 1]
    print(timing.table(rows, COLUMNS))
    print(timing.table(grown, GROWTH_COLUMNS))
    if options.out:
        from lassovae.plots import save

        timing.write_csv(options.out / f"training_scaling_{options.device}.csv", rows)
        told = {"machine": timing.machine(options.device), "rows": rows, "growth": grown}
        timing.write_json(options.out / f"training_scaling_{options.device}.json", told)
        save(draw(rows, grown), options.out / f"training_scaling_{options.device}.png", dpi=300)


if __name__ == "__main__":
    main()
