"""Accuracy and cost of the lasso's gradient: a table over sizes, dtypes and strengths, on standard output.

For random designs with correlated columns and sparse truth, the reverse-mode gradient of a random linear
function of the coefficients is compared with central differences in float64: in targets and strengths along
one random direction a target, in the design, which all targets share, along a few. Targets closer to a kink
than the differences reach are left out and counted. In float32 a target whose support differs from that in
float64 has another segment's gradient: the largest error shows it, the median does not.

Every solution is checked (status and duality gap), and so is the median error, before anything is timed. Times
are medians of warmed, blocking calls; compilation of the gradient is timed apart.

    python benchmarks/lasso_gradients.py
    python benchmarks/lasso_gradients.py --sizes 59,480,96 59,1920,384 --ratios 0.1 0.01 --dtypes float32
"""

from __future__ import annotations

import argparse
import os
import time

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import jax.numpy as jnp
import numpy as np

from lassovae.lasso import lam_max, solve_lasso

STEP = 1e-6  # of the central differences, relative to data of unit variance and to lam
GAP = {"float32": 5e-5, "float64": 1e-12}
ERROR = {"float32": 1e-2, "float64": 1e-6}  # of the median: beyond it something is wrong, not merely inexact
COLUMNS = ("rows", "pred.", "targets", "dtype", "lam/max", "active", "median err", "max err", "skipped")
TIMES = ("forward ms", "gradient ms", "compile s")


def sizes(text: str) -> tuple[int, int, int]:
    """Three numbers, rows,predictors,targets."""
    try:
        rows, predictors, targets = (int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not rows,predictors,targets") from None
    if min(rows, predictors, targets) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: every number must be at least 1")
    return rows, predictors, targets


def problem(rng: np.random.Generator, rows: int, predictors: int, targets: int):
    """A design whose columns share a factor, and targets with five true coefficients each."""
    X = rng.normal(size=(rows, predictors)) + 0.5 * rng.normal(size=(rows, 1))
    B = np.zeros((predictors, targets))
    for k in range(targets):
        B[rng.choice(predictors, min(5, predictors), replace=False), k] = rng.normal(size=min(5, predictors))
    return X, X @ B + rng.normal(size=(rows, targets))


forward = jax.jit(solve_lasso)


@jax.jit
def gradient(X, Y, lam, G):
    """Gradient of sum(G coef) in X, Y and lam."""
    return jax.grad(lambda *data: (G * solve_lasso(*data).coef).sum(), argnums=(0, 1, 2))(X, Y, lam)


def central_difference(data, argument, direction, G, step):
    """Slope of sum_p G coef of every target along a direction of one argument, by the four-point rule."""
    at = []
    for times in (-2, -1, 1, 2):
        moved = list(data)
        moved[argument] = moved[argument] + times * step * direction
        at.append((G * np.asarray(forward(*moved).coef)).sum(axis=0))
    return (at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * step)


def seconds(call, repeats: int) -> float:
    """Median time of a call that has already been compiled."""
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(call())
        taken.append(time.perf_counter() - start)
    return float(np.median(taken))


def measure(size: tuple[int, int, int], dtype: str, ratio: float, seed: int, repeats: int) -> tuple:
    """One row of the table."""
    rng = np.random.default_rng(seed)
    X, Y = problem(rng, *size)
    # what float32 is given, float64 is given too: the rounding of the input is not an error of the gradient
    X, Y, G = (a.astype(dtype).astype(np.float64) for a in (X, Y, rng.normal(size=size[1:])))
    with jax.enable_x64(True):
        lam = (ratio * np.asarray(lam_max(X, Y))).astype(dtype).astype(np.float64)
        far = np.asarray(forward(X, Y, lam).kink_margin) > 50 * STEP
        G *= far
        of_design = [rng.normal(size=X.shape) for _ in range(4)]
        of_targets, of_lam = rng.normal(size=Y.shape), lam * rng.normal(size=lam.shape)
        expected = [
            np.array([central_difference((X, Y, lam), 0, way, G, STEP).sum() for way in of_design]),
            central_difference((X, Y, lam), 1, of_targets, G, STEP)[far],
            central_difference((X, Y, lam), 2, of_lam, G, STEP)[far],
        ]

    with jax.enable_x64(dtype == "float64"):
        x, y, strength, g = (jnp.asarray(a, dtype) for a in (X, Y, lam, G))
        solution = jax.block_until_ready(forward(x, y, strength))
        status, gap = np.asarray(solution.status), float(solution.gap.max())
        if status.any() or not gap <= GAP[dtype]:
            raise SystemExit(
                f"{size} {dtype} {ratio}: status {status.max()}, gap {gap:.1e}: the solver is wrong"
            )
        start = time.perf_counter()
        compiled = gradient.lower(x, y, strength, g).compile()
        compile_s = time.perf_counter() - start
        grad_X, grad_Y, grad_lam = (np.asarray(a, np.float64) for a in compiled(x, y, strength, g))
        found = [
            np.array([(grad_X * way).sum() for way in of_design]),
            (grad_Y * of_targets).sum(axis=0)[far],
            (grad_lam * of_lam)[far],
        ]
        # relative to the typical slope in the same argument at least: a single one may vanish
        error = np.concatenate(
            [
                np.abs(got - want) / np.maximum(np.abs(want), np.median(np.abs(want)))
                for got, want in zip(found, expected, strict=True)
            ]
        )
        median, worst = float(np.median(error)), float(error.max())
        if not median <= ERROR[dtype]:
            raise SystemExit(f"{size} {dtype} {ratio}: median error {median:.1e}: the gradient is wrong")
        forward_ms = 1e3 * seconds(lambda: forward(x, y, strength), repeats)
        gradient_ms = 1e3 * seconds(lambda: compiled(x, y, strength, g), repeats)
    active = float((np.asarray(solution.coef) != 0).sum(axis=0).mean())
    return (*size, dtype, ratio, active, median, worst, int((~far).sum()), forward_ms, gradient_ms, compile_s)


def main() -> None:
    """Measure every combination and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--sizes", type=sizes, nargs="+", default=[(100, 20, 32), (59, 480, 96)])
    parser.add_argument("--dtypes", choices=("float32", "float64"), nargs="+", default=["float32", "float64"])
    parser.add_argument(
        "--ratios", type=float, nargs="+", default=[0.5, 0.1, 0.02], help="lam / lam_max, each target"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    rows = []
    for size in options.sizes:
        for dtype in options.dtypes:
            # the strength is not a part of the program: its rows after the first reuse what was compiled
            rows += [measure(size, dtype, ratio, options.seed, options.repeats) for ratio in options.ratios]
    print(f"jax {jax.__version__}, {jax.default_backend()}, {os.cpu_count()} cores")
    print("  ".join(f"{name:>11}" for name in COLUMNS + TIMES))
    for row in rows:
        numbers = [
            *map(str, row[:4]),
            f"{row[4]:g}",
            f"{row[5]:.1f}",
            f"{row[6]:.1e}",
            f"{row[7]:.1e}",
            str(row[8]),
        ]
        times = [f"{row[9]:.1f}", f"{row[10]:.1f}", f"{row[11]:.1f}" if row[11] > 0.2 else "reused"]
        print("  ".join(f"{cell:>11}" for cell in numbers + times))


if __name__ == "__main__":
    main()
