"""Cost of the lasso and of its gradient against rows, predictors, targets and events, one varied at a time.

Every path is stopped after the same number of events (`max_events`, at a strength too weak to be reached before),
so that a larger problem costs more only for its size. "forward" is the coefficients without their duality gap
and kink margin, which the gradient does not compute either; "gradient" includes a solve. The exponent is the
slope of log time on log size by least squares over all points; "last" is that of the last two, where fixed costs
weigh least. Every point is compiled anew, which takes most of the run.

    python benchmarks/lasso_scaling.py --out results/benchmarks
    python benchmarks/lasso_scaling.py --rows 20 40 --predictors --targets --events 4 8 --repeats 1
    python benchmarks/lasso_scaling.py --dtype float64 --rows 30 60 120 240 480 --base-events 48
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import _timing as timing
import jax
import jax.numpy as jnp
import numpy as np
from _problems import factor_problem, largest_lam

from lassovae import Status
from lassovae.lasso import solve_lasso

GRIDS = {
    "rows": (60, 120, 240),
    "predictors": (480, 960, 1920),
    "targets": (64, 128, 256),
    "events": (12, 24, 48),
}
BASE = {"rows": 120, "predictors": 960, "targets": 128, "events": 24}  # on every grid, and measured once
OF_LAM_MAX = 1e-6


class Row(NamedTuple):
    """One line of the table."""

    varied: str
    rows: int
    predictors: int
    targets: int
    events: int
    events_mean: float
    stopped: float
    dtype: str
    forward_s: float
    gradient_s: float
    forward_temp_bytes: float
    gradient_temp_bytes: float
    compile_s: float


COLUMNS = {
    "varied": ("varied", str),
    "rows": ("rows", str),
    "predictors": ("pred.", str),
    "targets": ("targets", str),
    "events": ("events", str),
    "events_mean": ("walked", "{:.1f}".format),
    "stopped": ("stopped", "{:.2f}".format),
    "forward_s": ("forward ms", timing.milliseconds),
    "gradient_s": ("gradient ms", timing.milliseconds),
    "forward_temp_bytes": ("forw. MiB", timing.mebibytes),
    "gradient_temp_bytes": ("grad. MiB", timing.mebibytes),
    "compile_s": ("compile s", "{:.1f}".format),
}


def measure(varied: str, point: dict[str, int], dtype: str, seed: int, repeats: int) -> Row:
    """Time of one size."""
    rng = np.random.default_rng(seed)
    X, Y = factor_problem(rng, point["rows"], point["predictors"], point["targets"])
    G = rng.normal(size=(point["predictors"], point["targets"]))
    walk = partial(solve_lasso, max_events=point["events"])
    gradient = jax.grad(lambda X, Y, lam, G: (G * walk(X, Y, lam).coef).sum(), argnums=(0, 1, 2))

    def solve(*data):
        solution = walk(*data)
        return solution.coef, solution.status, solution.num_events

    with jax.enable_x64(dtype == "float64"):
        data = tuple(jnp.asarray(array, dtype) for array in (X, Y, OF_LAM_MAX * largest_lam(X, Y)))
        g = jnp.asarray(G, dtype)
        solve_program, solve_compile = timing.compiled_in(jax.jit(solve), *data)
        gradient_program, gradient_compile = timing.compiled_in(jax.jit(gradient), *data, g)
    status, walked = (np.asarray(part) for part in solve_program(*data)[1:])
    if not np.isin(status, (Status.OK, Status.MAX_EVENTS)).all():
        raise SystemExit(f"{point}: status {status.max()}, neither done nor stopped by the cap")
    jax.block_until_ready(gradient_program(*data, g))
    taken = timing.interleaved(
        {"solve": lambda: solve_program(*data), "gradient": lambda: gradient_program(*data, g)}, repeats
    )
    return Row(
        varied=varied,
        **point,
        events_mean=float(walked.mean()),
        stopped=float((status == Status.MAX_EVENTS).mean()),
        dtype=dtype,
        forward_s=float(np.median(taken["solve"])),
        gradient_s=float(np.median(taken["gradient"])),
        forward_temp_bytes=timing.temporary_bytes(solve_program),
        gradient_temp_bytes=timing.temporary_bytes(gradient_program),
        compile_s=solve_compile + gradient_compile,
    )


class Exponent(NamedTuple):
    """How time grows with one size."""

    varied: str
    call: str
    exponent: float
    last: float
    constant: float


EXPONENT_COLUMNS = {
    "varied": ("varied", str),
    "call": ("call", str),
    "exponent": ("exponent", "{:.2f}".format),
    "last": ("last", "{:.2f}".format),
}


def sizes_and_times(rows: list[Row], varied: str, field: str) -> tuple[np.ndarray, np.ndarray]:
    """What was varied, and seconds; events as they were walked."""
    part = [row for row in rows if row.varied == varied]
    size = [row.events_mean if varied == "events" else getattr(row, varied) for row in part]
    return np.array(size, float), np.array([getattr(row, field) for row in part])


def exponents(rows: list[Row]) -> list[Exponent]:
    """Slopes of log time on log size, wherever there are two sizes."""
    found = []
    for varied in dict.fromkeys(row.varied for row in rows):
        for call in ("forward", "gradient"):
            size, taken = (np.log(a) for a in sizes_and_times(rows, varied, f"{call}_s"))
            if len(np.unique(size)) > 1:
                slope, constant = np.polyfit(size, taken, 1)
                last = (taken[-1] - taken[-2]) / (size[-1] - size[-2])
                found.append(Exponent(varied, call, float(slope), float(last), float(constant)))
    return found


def draw(rows: list[Row], fits: list[Exponent]):
    """Time against each size on logarithmic axes, with the fitted power laws."""
    from matplotlib.ticker import LogLocator, NullFormatter

    from lassovae.plots import COLORS, new_figure, style

    colors = {"forward": COLORS["blue"], "gradient": COLORS["orange"]}
    panels = list(dict.fromkeys(row.varied for row in rows))
    with style():
        figure = new_figure(7.0, 2.1)
        axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for ax, varied in zip(axes, panels, strict=True):
            for call, mark in (("forward", "o"), ("gradient", "s")):
                size, taken = sizes_and_times(rows, varied, f"{call}_s")
                ax.plot(size, 1e3 * taken, mark, color=colors[call], markersize=3, label=call)
            here = [fit for fit in fits if fit.varied == varied]
            for fit in here:
                ax.plot(size, 1e3 * np.exp(fit.constant) * size**fit.exponent, color=colors[fit.call])
            ax.set(xscale="log", yscale="log", xlabel=varied)
            ax.set_title("exponents " + ", ".join(f"{fit.exponent:.2f}" for fit in here) if here else "")
            ax.set_xticks(size, [f"{x:.0f}" for x in size])
            ax.set_xticks([], minor=True)
        axes[-1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        axes[0].set_ylabel("time (ms)")
        axes[0].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes[0].yaxis.set_major_formatter("{x:g}")
        axes[0].yaxis.set_minor_formatter(NullFormatter())
    return figure


def main() -> None:
    """Vary one size at a time, print the table and the exponents."""
    command = timing.parser(__doc__, repeats=5)
    for name, grid in GRIDS.items():
        command.add_argument(f"--{name}", type=int, nargs="*", default=grid, help="none: not varied")
        command.add_argument(f"--base-{name}", type=int, default=BASE[name], help="while others vary")
    command.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    options = command.parse_args()
    print(timing.machine(options.device))

    base = {name: getattr(options, f"base_{name}") for name in GRIDS}
    measured: dict[tuple[int, ...], Row] = {}
    rows = []
    for name in GRIDS:
        for value in sorted(getattr(options, name)):
            point = base | {name: value}
            key = tuple(point.values())
            if key not in measured:
                measured[key] = measure(name, point, options.dtype, options.seed, options.repeats)
            rows.append(measured[key]._replace(varied=name))
    fits = exponents(rows)
    print(f"{options.dtype}; while one is varied: {base}")
    print(timing.table(rows, COLUMNS))
    if fits:
        print(timing.table(fits, EXPONENT_COLUMNS))
    if options.out:
        from lassovae.plots import save

        timing.write_csv(options.out / f"lasso_scaling_{options.device}.csv", rows)
        save(draw(rows, fits), options.out / f"lasso_scaling_{options.device}.png", dpi=300)


if __name__ == "__main__":
    main()
