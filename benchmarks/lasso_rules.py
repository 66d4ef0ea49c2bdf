"""Three ways to differentiate a lasso, against the number of events: the library's, unrolled, implicit.

The library's rule, autodiff through an unrolled homotopy (`_rules.unrolled`, one `lax.scan` pass an event), and
jaxopt's implicit rule on accelerated proximal gradient: time of the solve and of the gradient (which includes a
solve), memory, and error against central differences in float64. Smaller lam / lam_max means more events.

Memory is given twice. "kept" is what the forward pass hands to the backward pass (the residuals of `jax.vjp`,
data included); "temp" is what XLA allocates beside arguments and results for the whole gradient. Neither grows
with the number of events for the library's rule, whose shapes do not know it. A program whose temporary memory
is beyond --limit-gib is not run, and its row has no times.

Before anything is timed, the unrolled homotopy must give the library's coefficients on a small problem.
Errors of "coef" are relative to the largest coefficient of the library's float64 solution.

    python benchmarks/lasso_rules.py
    python benchmarks/lasso_rules.py --size 59,480,96 --dtypes float64 --iterations 20000 --out results/benchmarks
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, partial
from typing import NamedTuple

import _timing as timing
import jax
import jax.numpy as jnp
import numpy as np
from _problems import Slopes, factor_problem, forward, largest_lam, relative_gap
from _rules import has_implicit, implicit, unrolled

from lassovae.lasso import solve_lasso


class Row(NamedTuple):
    """One line of the table; NaN where it was not run."""

    rows: int
    predictors: int
    targets: int
    dtype: str
    ratio: float
    events_mean: float
    events_max: int
    rule: str
    forward_s: float
    gradient_s: float
    gradient_over_forward: float
    forward_temp_bytes: float
    gradient_temp_bytes: float
    kept_bytes: float
    gap: float
    coef_error: float
    median_error: float
    max_error: float
    skipped: int
    compile_s: float


COLUMNS = {
    "dtype": ("dtype", str),
    "ratio": ("lam/max", "{:g}".format),
    "events_mean": ("events", "{:.1f}".format),
    "events_max": ("most", str),
    "rule": ("rule", str),
    "forward_s": ("forward ms", timing.milliseconds),
    "gradient_s": ("gradient ms", timing.milliseconds),
    "gradient_over_forward": ("grad/forw", "{:.2f}".format),
    "kept_bytes": ("kept MiB", timing.mebibytes),
    "gradient_temp_bytes": ("temp MiB", timing.mebibytes),
    "forward_temp_bytes": ("forw. temp", timing.mebibytes),
    "gap": ("gap", "{:.1e}".format),
    "coef_error": ("coef err", "{:.1e}".format),
    "median_error": ("median err", "{:.1e}".format),
    "max_error": ("max err", "{:.1e}".format),
    "compile_s": ("compile s", "{:.1f}".format),
}


def ours(X, Y, lam):
    """The library's coefficients."""
    return solve_lasso(X, Y, lam).coef


@cache
def jitted(rule) -> tuple[Callable, Callable]:
    """A rule and its gradient, jitted: one that does not know the strength is compiled once for all of them."""

    def gradient(X, Y, lam, G):
        return jax.grad(lambda *given: (G * rule(*given)).sum(), argnums=(0, 1, 2))(X, Y, lam)

    return jax.jit(rule), jax.jit(gradient)


@cache
def implicit_rule(stepsize: float, num_iterations: int) -> Callable:
    """jaxopt's rule with its static arguments: the same object for the same ones."""
    return partial(implicit, stepsize=stepsize, num_iterations=num_iterations)


def kept_bytes(rule, *data) -> int:
    """Size of everything the forward pass keeps for the backward pass."""
    residuals = jax.eval_shape(lambda *given: jax.vjp(rule, *given)[1], *data)
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(residuals))


def check_unrolled(seed: int) -> None:
    """The unrolled homotopy must agree with the library before it stands for anything."""
    rng = np.random.default_rng(seed)
    X, Y = factor_problem(rng, 25, 40, 5)
    lam = 0.1 * largest_lam(X, Y)
    with jax.enable_x64(True):
        solution = forward(X, Y, lam)
        passes = int(solution.num_events.max()) + 1
        walk = jax.jit(partial(unrolled, num_events=passes, max_active=min(25, passes)))
        difference = float(jnp.abs(walk(jnp.asarray(X), jnp.asarray(Y), lam) - solution.coef).max())
    if not difference < 1e-10:
        raise SystemExit(f"the unrolled homotopy differs from the library by {difference:.1e}: one is wrong")
    print(f"unrolled homotopy against the library, {passes} passes: coefficients differ by {difference:.1e}")


def measure(name: str, rule, data, slopes: Slopes, reference, about: dict, repeats: int, limit: float) -> Row:
    """One rule on one problem. `data` in the rule's dtype, `reference` the float64 coefficients."""
    solve, gradient = jitted(rule)
    G = jnp.asarray(slopes.G, data[0].dtype)
    solve_program, solve_compile = timing.compiled_in(solve, *data)
    gradient_program, gradient_compile = timing.compiled_in(gradient, *data, G)
    memory = [timing.temporary_bytes(program) for program in (solve_program, gradient_program)]
    nan = float("nan")
    row = Row(
        **about,
        rule=name,
        forward_s=nan,
        gradient_s=nan,
        gradient_over_forward=nan,
        forward_temp_bytes=memory[0],
        gradient_temp_bytes=memory[1],
        kept_bytes=kept_bytes(rule, *data),
        gap=nan,
        coef_error=nan,
        median_error=nan,
        max_error=nan,
        skipped=int((~slopes.far).sum()),
        compile_s=solve_compile + gradient_compile,
    )
    if max(memory) > limit * 2**30:
        return row
    coef = np.asarray(solve_program(*data), np.float64)
    errors = slopes.errors(*gradient_program(*data, G))
    taken = timing.interleaved(
        {"forward": lambda: solve_program(*data), "gradient": lambda: gradient_program(*data, G)}, repeats
    )
    forward_s, gradient_s = (float(np.median(taken[part])) for part in ("forward", "gradient"))
    X, Y, lam = (np.asarray(array, np.float64) for array in data)
    return row._replace(
        forward_s=forward_s,
        gradient_s=gradient_s,
        gradient_over_forward=gradient_s / forward_s,
        gap=float(relative_gap(X, Y, coef, lam).max()),
        coef_error=float(np.abs(coef - reference).max() / np.abs(reference).max()),
        median_error=float(np.median(errors)),
        max_error=float(errors.max()),
    )


def compare(size, dtype: str, ratio: float, options) -> list[Row]:
    """All rules at one strength."""
    rng = np.random.default_rng(options.seed)
    X, Y = factor_problem(rng, *size)
    X, Y, G = (a.astype(dtype).astype(np.float64) for a in (X, Y, rng.normal(size=size[1:])))
    lam = (ratio * largest_lam(X, Y)).astype(dtype).astype(np.float64)
    slopes = Slopes(rng, X, Y, lam, G)
    with jax.enable_x64(True):
        solution = forward(X, Y, lam)
        reference, events = np.asarray(solution.coef), np.asarray(solution.num_events)
    passes = int(events.max()) + 1  # the last one walks from the last knot to lam
    rules = {
        "ours": ours,
        "unrolled": partial(unrolled, num_events=passes, max_active=min(*size[:2], passes)),
    }
    if has_implicit():
        stepsize = float(size[0] / np.linalg.norm(X, ord=2) ** 2)
        rules["implicit"] = implicit_rule(stepsize, options.iterations)
    about = {
        "rows": size[0],
        "predictors": size[1],
        "targets": size[2],
        "dtype": dtype,
        "ratio": ratio,
        "events_mean": float(events.mean()),
        "events_max": int(events.max()),
    }
    with jax.enable_x64(dtype == "float64"):
        data = tuple(jnp.asarray(array, dtype) for array in (X, Y, lam))
        return [
            measure(name, rule, data, slopes, reference, about, options.repeats, options.limit_gib)
            for name, rule in rules.items()
        ]


def draw(rows: list[Row]):
    """Time, memory and error against the number of events, a line a rule, a row of panels a dtype."""
    from lassovae.plots import COLORS, new_figure, style

    colors = {"ours": COLORS["blue"], "unrolled": COLORS["vermillion"], "implicit": COLORS["green"]}
    panels = (
        ("time (ms)", 1e3, ("gradient_s", "gradient"), ("forward_s", "solve alone")),
        ("memory (MiB)", 2.0**-20, ("kept_bytes", "kept"), ("gradient_temp_bytes", "temporary")),
        ("error of the gradient", 1.0, ("median_error", "median"), ("max_error", "worst")),
    )
    dtypes = list(dict.fromkeys(row.dtype for row in rows))
    with style():
        figure = new_figure(7.0, 2.1 * len(dtypes) + 0.2)
        axes = figure.subplots(len(dtypes), len(panels), squeeze=False)
        for line, dtype in zip(axes, dtypes, strict=True):
            for ax, (label, scale, solid, dotted) in zip(line, panels, strict=True):
                for index, (name, color) in enumerate(colors.items()):
                    part = [row for row in rows if (row.rule, row.dtype) == (name, dtype)]
                    events = [row.events_max for row in part]
                    size = 6 if name == "unrolled" else 3  # what lies on it is seen
                    looks = {"color": color, "marker": timing.MARKERS[index], "markersize": size}
                    looks |= {"zorder": 2 if name == "unrolled" else 3}
                    for (field, _), dashes in ((solid, "-"), (dotted, ":")):
                        values = [scale * getattr(row, field) for row in part]
                        ax.plot(
                            events, values, dashes, label=name if part and dashes == "-" else None, **looks
                        )
                ticks = sorted({row.events_max for row in rows if row.dtype == dtype})
                ax.set(xscale="log", yscale="log", xlabel="events of the longest path", ylabel=label)
                ax.set_xticks(ticks, [str(tick) for tick in ticks])
                ax.set_xticks([], minor=True)
                ax.set_title(f"{dtype}: {solid[1]} (dotted: {dotted[1]})")
        figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=len(colors))
    return figure


def main() -> None:
    """Compare the rules at every strength and print the table."""
    command = timing.parser(__doc__)
    command.add_argument("--size", type=timing.size, default=(59, 480, 32), help="rows,predictors,targets")
    command.add_argument(
        "--dtypes", choices=("float32", "float64"), nargs="+", default=["float32", "float64"]
    )
    command.add_argument(
        "--ratios",
        type=float,
        nargs="+",
        default=[0.5, 0.1, 0.02],
        help="lam / lam_max, each target",
    )
    command.add_argument("--iterations", type=int, default=5000, help="cap of the proximal gradient")
    command.add_argument("--limit-gib", type=float, default=8.0, help="do not run what needs more memory")
    options = command.parse_args()
    print(timing.machine(options.device))
    check_unrolled(options.seed)
    if not has_implicit():
        print("implicit: jaxopt is not installed (pip install 'lassovae[bench]')")

    rows = [
        row
        for dtype in options.dtypes
        for ratio in options.ratios
        for row in compare(options.size, dtype, ratio, options)
    ]
    print("rows {}, predictors {}, targets {}".format(*options.size))
    print(timing.table(rows, COLUMNS))
    if options.out:
        from lassovae.plots import save

        timing.write_csv(options.out / f"lasso_rules_{options.device}.csv", rows)
        save(draw(rows), options.out / f"lasso_rules_{options.device}.png", dpi=300)


if __name__ == "__main__":
    main()
