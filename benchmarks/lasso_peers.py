"""The library's lasso against other solvers on a VAR window or a whole run: time at equal duality gap.

Targets are divided by their own lam_max (by the largest lam_max with --shared-lam), so that one lam for all, the
only kind that most peers take, is the same fraction of every target's own lam_max (of the largest). All solvers
get the same numbers, rounded to float32 once.

In every repeat each solver is called once; times are medians over repeats of warmed calls. SPAMS solves all
targets in one call. scikit-learn, celer and skglm are looped over --subset of the targets, evenly spaced, and
their time is scaled up to all of them (what is computed once for a design is not). celer and skglm get the first
tolerance of 1e-3, 1e-4, ... whose gap is at most that of ours in the precision --match. "over 32" and "over 64"
divide by our time in float32 and float64.

The gap is computed in float64 NumPy from the coefficients, relative to ||y||^2 / (2n), the largest over the
targets solved. "support" is the share of targets whose support is that of our float64 solution.

    pip install 'lassovae[bench]'
    python benchmarks/lasso_peers.py --out results/benchmarks
    python benchmarks/lasso_peers.py --shared-lam --out results/benchmarks
    python benchmarks/lasso_peers.py --problem run --ratios 0.5 0.2 0.1 --subset 4 --out results/benchmarks
    python benchmarks/lasso_peers.py --frames 40 --nodes 20 --ratios 0.1 --repeats 1 --subset 4
"""

from __future__ import annotations

import os
import time
from functools import partial
from typing import NamedTuple

import _timing as timing
import jax
import jax.numpy as jnp
import numpy as np
from _peers import PEERS, dense, quietly
from _problems import largest_lam, relative_gap, var_problem

from lassovae.lasso import solve_lasso

FRAMES = {"window": 64, "run": 1200}
RATIOS = {
    "window": (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001),
    "run": (0.5, 0.2, 0.1, 0.05),
}
SHORT, OVER = "gap not reached", "over the limit"
OURS = {"ours-float32": "float32", "ours-float64": "float64"}


class Row(NamedTuple):
    """One line of the table; NaN where it was not run."""

    problem: str
    rows: int
    predictors: int
    targets: int
    lam_shared: bool
    ratio: float
    events_mean: float
    events_max: int
    solver: str
    targets_timed: int
    tol: float
    time_s: float
    over_float32: float
    over_float64: float
    gap: float
    same_support: float
    active: float
    note: str


COLUMNS = {
    "ratio": ("lam/max", "{:g}".format),
    "events_mean": ("events", "{:.1f}".format),
    "events_max": ("most", str),
    "active": ("active", "{:.1f}".format),
    "solver": ("solver", str),
    "targets_timed": ("timed", str),
    "tol": ("tol", "{:g}".format),
    "time_s": ("ms", timing.milliseconds),
    "over_float32": ("over 32", "{:.3g}".format),
    "over_float64": ("over 64", "{:.3g}".format),
    "gap": ("gap", "{:.1e}".format),
    "same_support": ("support", "{:.3f}".format),
    "note": ("note", str),
}


class Entry(NamedTuple):
    """A solver at one strength: its timed calls, what it found, and for which targets."""

    call: object
    prepare: object
    coef: np.ndarray
    which: np.ndarray
    tol: float
    note: str


def compile_ours(X, Y, dtype: str, max_active: int | None):
    """The library in one precision on these data, compiled once for all strengths: lam -> a timed call."""
    with jax.enable_x64(dtype == "float64"):
        data = tuple(jnp.asarray(array, dtype) for array in (X, Y))
        solve = jax.jit(partial(solve_lasso, max_active=max_active))
        program, _ = timing.compiled_in(solve, *data, jnp.ones(Y.shape[1], dtype))

    def at(lam: float):
        with jax.enable_x64(dtype == "float64"):
            strength = jnp.full(Y.shape[1], lam, dtype)
        return partial(program, *data, strength)

    return at


def ours_entry(call, num_targets: int) -> tuple[Entry, np.ndarray]:
    """The library's call, warmed, and its events a target."""
    solution = call()
    failed = int((np.asarray(solution.status) != 0).sum())
    note = f"{failed} targets not OK" if failed else ""
    coef = np.asarray(solution.coef, np.float64)
    return Entry(call, None, coef, np.arange(num_targets), np.nan, note), np.asarray(solution.num_events)


def peer_entry(peer, solve, X, Y, which, lam: float, goal: float, limit_s: float) -> Entry:
    """A peer, warmed; an iterative one at the first tolerance that reaches the gap `goal`."""
    given = np.asfortranarray(X, peer.dtype), np.asfortranarray(Y[:, which], peer.dtype)
    prepare = None if peer.prepare is None else lambda: peer.prepare(given[0])
    prepared = prepare and prepare()
    for tol in 10.0 ** -np.arange(3, 16) if peer.iterative else (np.nan,):
        call = partial(quietly, partial(solve, *given, lam, tol, prepared))
        start = time.perf_counter()
        coef = dense(call())
        late = time.perf_counter() - start > limit_s
        reached = not peer.iterative or relative_gap(X, Y[:, which], coef, lam).max() <= goal
        if late or reached:
            break
    # a first call may have compiled something: only a second one is held against the limit
    if late and timing.once(call) > limit_s:
        return Entry(None, prepare, coef, which, tol, OVER)
    return Entry(call, prepare, coef, which, tol, "" if reached else SHORT)


def compare(X, Y, ratio: float, about: dict, ours: dict, peers: dict, options) -> list[Row]:
    """All solvers at one strength; a peer over the limit is taken out of `peers`, weaker strengths cost more."""
    entries, num_events = {}, None
    for name, at in ours.items():
        entries[name], num_events = ours_entry(at(ratio), Y.shape[1])
    goal = float(relative_gap(X, Y, entries[f"ours-{options.match}"].coef, ratio).max())
    few = np.unique(np.linspace(0, Y.shape[1] - 1, min(options.subset, Y.shape[1])).astype(int))
    for name, solve in list(peers.items()):
        which = np.arange(Y.shape[1]) if PEERS[name].batched else few
        entries[name] = peer_entry(PEERS[name], solve, X, Y, which, ratio, goal, options.limit_s)
        if entries[name].call is None:
            del peers[name]

    calls = {(name, "solve"): e.call for name, e in entries.items() if e.call}
    calls |= {(name, "prepare"): e.prepare for name, e in entries.items() if e.call and e.prepare}
    taken = {
        key: float(np.median(times)) for key, times in timing.interleaved(calls, options.repeats).items()
    }
    times = {
        name: taken.get((name, "solve"), np.nan) * Y.shape[1] / len(e.which) + taken.get((name, "prepare"), 0)
        for name, e in entries.items()
    }
    truth = entries["ours-float64"].coef != 0
    rows = []
    for name, e in entries.items():
        found = e.coef != 0
        rows.append(
            Row(
                **about,
                ratio=ratio,
                events_mean=float(num_events.mean()),
                events_max=int(num_events.max()),
                solver=name,
                targets_timed=len(e.which),
                tol=e.tol,
                time_s=times[name],
                over_float32=times[name] / times["ours-float32"],
                over_float64=times[name] / times["ours-float64"],
                gap=float(relative_gap(X, Y[:, e.which], e.coef, ratio).max()),
                same_support=float((found == truth[:, e.which]).all(axis=0).mean()),
                active=float(found.sum(axis=0).mean()),
                note=e.note,
            )
        )
    return rows


def draw(rows: list[Row]):
    """Time and gap against lam / lam_max, a line a solver."""
    from lassovae.plots import COLORS, new_figure, style

    with style():
        figure = new_figure(7.0, 2.6)
        axes = figure.subplots(1, 2)
        palette = [COLORS[c] for c in ("blue", "sky", "vermillion", "orange", "green", "gray", "purple")]
        palette.append("black")
        for index, name in enumerate(dict.fromkeys(row.solver for row in rows)):
            part = [row for row in rows if row.solver == name]
            mark = timing.MARKERS[index % len(timing.MARKERS)]
            looks = {"color": palette[index % len(palette)], "marker": mark, "markersize": 3, "label": name}
            taken = [np.nan if row.note == SHORT else 1e3 * row.time_s for row in part]
            axes[0].plot([row.ratio for row in part], taken, **looks)
            # exactly 0, without a coefficient, has no place on a logarithmic axis
            axes[1].plot([row.ratio for row in part], [row.gap or np.nan for row in part], **looks)
        for ax, label in zip(
            axes, ("time for all targets (ms)", "largest relative duality gap"), strict=True
        ):
            ax.set(yscale="log", ylabel=label)
            timing.ratio_axis(ax, [row.ratio for row in rows])
        axes[0].set_title("n {}, P {}, K {}".format(*rows[0][1:4]))
        axes[1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def main() -> None:
    """Compare at every strength, the largest first, and print the table."""
    command = timing.parser(__doc__, repeats=5)
    command.add_argument("--problem", choices=FRAMES, default="window")
    command.add_argument("--frames", type=int, help="instead of the problem's own")
    command.add_argument("--nodes", type=int, default=384)
    command.add_argument("--order", type=int, default=5)
    command.add_argument("--ratios", type=float, nargs="+", help="lam as a fraction of lam_max")
    command.add_argument("--shared-lam", action="store_true", help="of the largest lam_max of all targets")
    command.add_argument("--solvers", choices=PEERS, nargs="+", default=list(PEERS), help="beside ours")
    command.add_argument("--subset", type=int, default=8, help="targets that a looped peer solves")
    command.add_argument("--match", choices=("float32", "float64"), default="float32")
    command.add_argument(
        "--limit-s", type=float, default=60.0, help="a call that takes longer is not repeated"
    )
    command.add_argument("--threads", type=int, default=os.cpu_count(), help="of SPAMS")
    command.add_argument("--max-active", type=int, help="of ours; None is no cap")
    options = command.parse_args()
    print(timing.machine(options.device))

    frames = options.frames or FRAMES[options.problem]
    X, Y = var_problem(np.random.default_rng(options.seed), frames, options.nodes, options.order)
    own = largest_lam(X, Y)
    X, Y = (
        a.astype(np.float32).astype(np.float64) for a in (X, Y / (own.max() if options.shared_lam else own))
    )
    convention = (
        "one lam, a fraction of the largest lam_max" if options.shared_lam else "lam a fraction of each"
    )
    print(
        f"rows {len(X)}, predictors {X.shape[1]}, targets {Y.shape[1]}; {convention}; match {options.match}"
    )
    peers = {}
    for name in options.solvers:
        if PEERS[name].installed():
            peers[name] = PEERS[name].make(options.threads)
        else:
            print(f"{name}: {PEERS[name].needs[1]} is not installed")
    about = {"problem": options.problem, "rows": len(X), "predictors": X.shape[1], "targets": Y.shape[1]}
    about["lam_shared"] = options.shared_lam
    ours = {name: compile_ours(X, Y, dtype, options.max_active) for name, dtype in OURS.items()}
    rows = []
    for ratio in sorted(options.ratios or RATIOS[options.problem], reverse=True):
        rows += compare(X, Y, ratio, about, ours, peers, options)
    print(timing.table(rows, COLUMNS))
    if options.out:
        from lassovae.plots import save

        stem = f"lasso_peers_{options.problem}_{'shared' if options.shared_lam else 'own'}_{options.device}"
        timing.write_csv(options.out / f"{stem}.csv", rows)
        save(draw(rows), options.out / f"{stem}.png", dpi=300)


if __name__ == "__main__":
    main()
