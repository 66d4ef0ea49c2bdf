"""Accuracy and cost of the lasso's gradient over sizes, dtypes and strengths: a table, a CSV, a figure.

For random designs with correlated columns and sparse truth, the reverse-mode gradient of a random linear
function of the coefficients is compared with central differences in float64: in targets and strengths along
one random direction a target, in the design, which all targets share, along a few. Targets closer to a kink
than the differences reach are left out and counted. In float32 a target whose support differs from that in
float64 has another segment's gradient: the largest error shows it, the median does not.

Every solution is checked (status and duality gap), and so is the median error, before anything is timed. Times
are medians of warmed, blocking calls; compilation of the gradient is timed apart. The forward time includes the
duality gap and the kink margin, the gradient's a solve but neither of the two, so it can be the smaller one.

    python benchmarks/lasso_gradients.py
    python benchmarks/lasso_gradients.py --ratios 0.5 0.2 0.1 0.05 0.02 0.01 --out results/benchmarks
    python benchmarks/lasso_gradients.py --sizes 59,480,96 59,1920,384 --ratios 0.1 0.01 --dtypes float32
"""

from __future__ import annotations

from typing import NamedTuple

import _timing as timing
import jax
import jax.numpy as jnp
import numpy as np
from _problems import Slopes, factor_problem, forward

from lassovae.lasso import lam_max, solve_lasso

GAP = {"float32": 5e-5, "float64": 1e-12}
ERROR = {"float32": 1e-2, "float64": 1e-6}  # of the median: beyond it something is wrong, not merely inexact


class Row(NamedTuple):
    """One line of the table."""

    rows: int
    predictors: int
    targets: int
    dtype: str
    ratio: float
    active: float
    gap: float
    median_error: float
    max_error: float
    skipped: int
    forward_s: float
    gradient_s: float
    compile_s: float


COLUMNS = {
    "rows": ("rows", str),
    "predictors": ("pred.", str),
    "targets": ("targets", str),
    "dtype": ("dtype", str),
    "ratio": ("lam/max", "{:g}".format),
    "active": ("active", "{:.1f}".format),
    "gap": ("gap", "{:.1e}".format),
    "median_error": ("median err", "{:.1e}".format),
    "max_error": ("max err", "{:.1e}".format),
    "skipped": ("skipped", str),
    "forward_s": ("forward ms", timing.milliseconds),
    "gradient_s": ("gradient ms", timing.milliseconds),
    "compile_s": ("compile s", lambda s: f"{s:.1f}" if s > 0.2 else "reused"),
}


@jax.jit
def gradient(X, Y, lam, G):
    """Gradient of sum(G coef) in X, Y and lam."""
    return jax.grad(lambda *data: (G * solve_lasso(*data).coef).sum(), argnums=(0, 1, 2))(X, Y, lam)


def measure(size: tuple[int, int, int], dtype: str, ratio: float, seed: int, repeats: int) -> Row:
    """One row of the table."""
    rng = np.random.default_rng(seed)
    X, Y = factor_problem(rng, *size)
    # what float32 is given, float64 is given too: the rounding of the input is not an error of the gradient
    X, Y, G = (a.astype(dtype).astype(np.float64) for a in (X, Y, rng.normal(size=size[1:])))
    with jax.enable_x64(True):
        lam = (ratio * np.asarray(lam_max(X, Y))).astype(dtype).astype(np.float64)
    slopes = Slopes(rng, X, Y, lam, G)

    with jax.enable_x64(dtype == "float64"):
        x, y, strength, g = (jnp.asarray(a, dtype) for a in (X, Y, lam, slopes.G))
        solution = jax.block_until_ready(forward(x, y, strength))
        status, gap = np.asarray(solution.status), float(solution.gap.max())
        if status.any() or not gap <= GAP[dtype]:
            raise SystemExit(
                f"{size} {dtype} {ratio}: status {status.max()}, gap {gap:.1e}: the solver is wrong"
            )
        compiled, compile_s = timing.compiled_in(gradient, x, y, strength, g)
        error = slopes.errors(*compiled(x, y, strength, g))
        median, worst = float(np.median(error)), float(error.max())
        if not median <= ERROR[dtype]:
            raise SystemExit(f"{size} {dtype} {ratio}: median error {median:.1e}: the gradient is wrong")
        forward_s = timing.seconds(lambda: forward(x, y, strength), repeats)
        gradient_s = timing.seconds(lambda: compiled(x, y, strength, g), repeats)
    active = float((np.asarray(solution.coef) != 0).sum(axis=0).mean())
    skipped = int((~slopes.far).sum())
    return Row(*size, dtype, ratio, active, gap, median, worst, skipped, forward_s, gradient_s, compile_s)


def draw(rows: list[Row]):
    """Error of the gradient against lam / lam_max, median and worst, a line for every dtype and size."""
    from lassovae.plots import COLORS, new_figure, style

    with style():
        figure = new_figure(7.0, 2.6)
        axes = figure.subplots(1, 2, sharey=True)
        every_size = list(dict.fromkeys((row.rows, row.predictors, row.targets) for row in rows))
        for ax, field, title in zip(axes, ("median_error", "max_error"), ("median", "worst"), strict=True):
            for index, size in enumerate(every_size):
                for dtype, color in (("float32", COLORS["orange"]), ("float64", COLORS["blue"])):
                    part = [row for row in rows if row[:3] == size and row.dtype == dtype]
                    if part:
                        ax.plot(
                            [row.ratio for row in part],
                            [getattr(row, field) for row in part],
                            timing.LINES[index % len(timing.LINES)]
                            + timing.MARKERS[index % len(timing.MARKERS)],
                            color=color,
                            markersize=3,
                            label=f"{dtype}, n {size[0]}, P {size[1]}, K {size[2]}",
                        )
            ax.set_yscale("log")
            timing.ratio_axis(ax, [row.ratio for row in rows])
            ax.set_title(f"{title} over targets and directions")
        axes[0].set_ylabel("relative error of the gradient")
        axes[1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def main() -> None:
    """Measure every combination and print the table."""
    command = timing.parser(__doc__)
    command.add_argument("--sizes", type=timing.size, nargs="+", default=[(100, 20, 32), (59, 480, 96)])
    command.add_argument(
        "--dtypes", choices=("float32", "float64"), nargs="+", default=["float32", "float64"]
    )
    command.add_argument(
        "--ratios", type=float, nargs="+", default=[0.5, 0.1, 0.02], help="lam / lam_max, each target"
    )
    options = command.parse_args()
    print(timing.machine(options.device))

    rows = []
    for size in options.sizes:
        for dtype in options.dtypes:
            # the strength is not a part of the program: its rows after the first reuse what was compiled
            rows += [measure(size, dtype, ratio, options.seed, options.repeats) for ratio in options.ratios]
    print(timing.table(rows, COLUMNS))
    if options.out:
        from lassovae.plots import save

        timing.write_csv(options.out / f"lasso_gradients_{options.device}.csv", rows)
        save(draw(rows), options.out / f"lasso_gradients_{options.device}.png", dpi=300)


if __name__ == "__main__":
    main()
