"""The tables that decided the defaults: small simulated studies, five seeds, one setting changed at a time.

    python benchmarks/decisions.py --out results/decisions                       every table, about 25 minutes
    python benchmarks/decisions.py --only scaling --recordings study.csv         on real recordings

Every cell is computed once and kept in OUT/cache. OUT/tables/<decision>.csv has a row a variant: means over seeds and
half the width of their 95 % interval. R_var of fits at the l1 strength of the training; L_rec as a share of the mean
frame's error, over the last epoch; "alive": steps in which the VAR had a coefficient. The pages that read them are in
docs/decisions.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any
from unittest import mock

import jax
import numpy as np
from _seeds import Row, cached, name_of, summary

import lassovae
from lassovae import Config
from lassovae._evaluate import held_out_errors, run_errors, shuffled, window_errors
from lassovae._model import decode_run
from lassovae.training import _loop, _objective, _step
from lassovae.var import centre, fit_runs, fit_var

SEEDS = 5
STUDY = {"num_runs": 8, "frames": 320, "frame_shape": (32, 48), "num_cells": 6, "block_size": 2}
LAM = 0.04  # with 24 nodes, a target's penalty is that of 0.01 with 96
CONV = Config(channels=16, epochs=2, lam=LAM)
SOFT = Config.recommended(lam=LAM)


@contextmanager
def replaced(home: Any, name: str, new: Any) -> Iterator[None]:
    """Another function in its place while steps are compiled, and no compiled step before or after."""
    _step._compiled_step.cache_clear()
    with mock.patch.object(home, name, new):
        yield
    _step._compiled_step.cache_clear()


def last_scale_of_one(config: Config, frame_shape: tuple[int, int]) -> _step.TrainState:
    """The usual way to begin a batch norm: the first reconstruction is far from the mean frame."""
    state = _step.initial_state(config, frame_shape)
    blocks = [name for name in state.params["decoder"] if name.startswith("BatchNorm")]
    last = {**state.params["decoder"][max(blocks)]}
    last["scale"] = last["scale"] + 1.0
    params = {**state.params, "decoder": {**state.params["decoder"], max(blocks): last}}
    return state._replace(params=params)


def uncentred(series: jax.Array, valid: jax.Array) -> Any:
    """A VAR without an intercept, as the paper writes it."""
    return centre(series, valid, center=False)


def no_guard(lam_factor: jax.Array, nonzeros: jax.Array) -> jax.Array:
    """Leave a dead VAR dead."""
    return lam_factor


def measured(config: Config, seed: int, change: AbstractContextManager[None]) -> Row:
    """Train on one study and judge the latents."""
    study = lassovae.data.simulate_study(seed, **STUDY)
    with change:
        model = lassovae.fit(study, config.replace(seed=seed), show_progress=False)
    prepared = lassovae.data.prepare(study, config.preprocess)
    latents = [lassovae.encode_run(model, frames)[0] for frames in prepared.frames]
    static = np.mean([np.square(x - prepared.mean_frame).mean() for x in prepared.frames])
    fit = jax.tree.map(np.asarray, fit_runs(latents, config.order, config.lam))
    last = model.history[-len(model.history) // config.epochs :]
    nodes = lassovae.stats.following_nodes(latents, study.truth.traces)
    return {
        "r_var_window": float(window_errors(latents, 64, config.order, config.lam).mean()),
        "r_var_run": float(run_errors(latents, fit).mean()),
        "r_var_held_out": float(np.mean(held_out_errors(latents, config.order, config.lam))),
        "l_rec": float(np.mean([row["reconstruction"] for row in last]) / static),
        "nonzeros": float((fit.coef != 0).sum() / fit.coef[:, 0, :, 0].size),
        "node_cell_correlation": float(np.median(nodes.claim)),
        "alive": float(np.mean([row["nonzeros"] > 0 for row in model.history])),
    }


def leak(config: Config, seed: int) -> Row:
    """How much of frame t its own pooling positions give away, and those of the frame before."""
    study = lassovae.data.simulate_study(seed, **STUDY)
    model = lassovae.fit(study, config.replace(seed=seed), show_progress=False)
    prepared = lassovae.data.prepare(study, config.preprocess)
    rng = np.random.default_rng(seed)
    totals = dict.fromkeys(("forecast, before", "forecast, same", "nothing, before", "nothing, same"), 0.0)
    static = 0.0
    for frames in prepared.frames:
        z, _ = lassovae.encode_run(model, frames)
        fit = fit_var(z, config.order, config.lam)
        shown = np.asarray(lassovae.var.predict(fit, z)) - np.asarray(fit.mean)
        shown = shown.reshape(-1, *z.shape[1:])
        for what, latents in (("forecast", shown), ("nothing", shown[rng.permutation(len(shown))])):
            for when in ("before", "same"):
                for start, _, image in decode_run(
                    model, frames, latents, config.order, same_frame=when == "same"
                ):
                    error = frames[start : start + len(image)] - image
                    totals[f"{what}, {when}"] += float(np.square(error, dtype=np.float64).sum())
        static += float(np.square(frames[config.order :] - prepared.mean_frame, dtype=np.float64).sum())
    return {f"l_rec of {name}": total / static for name, total in totals.items()}


def scale_of_lam(per_node: bool, lam: float, seed: int) -> Row:
    """The paper's strengths as each target's own penalty, or on the loss averaged over all nodes."""
    study = lassovae.data.simulate_study(seed, num_runs=4, frames=64, block_size=1)
    prepared = lassovae.data.prepare(study, SOFT.preprocess)
    model = lassovae.fit(study, Config(encoder="block_mean"), show_progress=False)
    z, _ = lassovae.encode_run(model, prepared.frames[0])
    nodes = z[0].size
    fit = fit_var(z[:64], SOFT.order, lam / nodes if per_node else lam)
    return {
        "nonzeros": float((np.asarray(fit.coef) != 0).sum() / nodes),
        "r_var": float(lassovae.var.relative_error(fit, z[:64])),
    }


def scaling(path: Path, config: Config) -> Row:
    """Real recordings: are the latents more predictable than their shuffled copies."""
    study = lassovae.data.read_study(path)
    model = lassovae.fit(study, config, show_progress=False)
    prepared = lassovae.data.prepare(study, config.preprocess)
    latents = [lassovae.encode_run(model, frames)[0] for frames in prepared.frames]
    fit = fit_runs(latents, config.order, config.lam)
    mixed = shuffled(latents, 0)
    return {
        "nonzeros": float((np.asarray(fit.coef) != 0).sum() / len(latents) / latents[0][0].size),
        "r_var_held_out": float(np.mean(held_out_errors(latents, config.order, config.lam))),
        "shuffled": float(np.mean(held_out_errors(mixed, config.order, config.lam))),
    }


Variant = tuple[Config, Callable[[], AbstractContextManager[None]]]


def trained() -> dict[str, dict[str, Variant]]:
    """decision -> variant -> what is trained."""

    def plain(config: Config) -> Variant:
        return config, nullcontext

    def changed(config: Config, home: Any, name: str, new: Any) -> Variant:
        return config, lambda: replaced(home, name, new)

    def modes(config: Config) -> dict[str, Config]:
        return {
            "sequential": config.replace(mode="sequential"),
            "embedded": config.replace(mode="embedded"),
            "end to end": config,
            "end to end + forecast term": config.replace(forecast_weight=3e-4),
        }

    steps = {
        f"{kind}, {name}, {40 * epochs} steps": plain(config.replace(epochs=epochs))
        for kind, base, passes in (("soft_roi", SOFT, (2, 4, 8, 16)), ("convolutional", CONV, (2, 4)))
        for name, config in modes(base).items()
        for epochs in passes
    }
    return {
        "steps": steps,
        "window": {
            f"{kind}, {window} frames": plain(base.replace(window=window, epochs=base.epochs * window // 64))
            for kind, base in (("convolutional", CONV), ("soft_roi", SOFT))
            for window in (32, 64, 160)
            if base.epochs * window // 64
        },
        "centring": {
            "centred": plain(CONV),
            "not centred": changed(CONV, _objective, "centre", uncentred),
        },
        "last_block": {
            "scale begins at 0": plain(CONV),
            "scale begins at 1": changed(CONV, _loop, "initial_state", last_scale_of_one),
        },
        "dead_var": {
            f"lam {lam:g}, {name}": (config.replace(lam=lam), change)
            for lam in (LAM, 3 * LAM)
            for name, (config, change) in {
                "guard": plain(CONV),
                "no guard": changed(CONV, _step, "guarded", no_guard),
                "no guard, warm-up": changed(CONV.replace(lam_warmup=0.3), _step, "guarded", no_guard),
            }.items()
        },
    }


def main() -> None:
    """Compute what is missing, then the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("results/decisions"))
    parser.add_argument("--only", nargs="+", help="decisions to compute; the default is all of them")
    parser.add_argument(
        "--recordings", type=Path, help="study.csv of real recordings, for the table of scaling"
    )
    arguments = parser.parse_args()

    tables: dict[str, list[Row]] = {}

    def add(decision: str, variant: str, compute: Callable[[int], Row], seeds: int = SEEDS) -> None:
        if arguments.only and decision not in arguments.only:
            return
        folder = arguments.out / "cache" / name_of(STUDY, CONV, SOFT) / decision
        rows = []
        for seed in range(seeds):
            rows.append(cached(folder / f"{variant} {seed}.json", lambda s=seed: compute(s)))  # type: ignore[misc]
            print(f"{decision}: {variant}, seed {seed}", flush=True)
        made = summary({"variant": variant}, rows)
        tables.setdefault(decision, []).append(made)

    for decision, variants in trained().items():
        for name, (config, change) in variants.items():
            add(decision, name, lambda seed, c=config, x=change: measured(c, seed, x()))
    for unpooling in ("causal", "same_frame"):
        add("unpooling", unpooling, lambda seed, u=unpooling: leak(CONV.replace(unpooling=u), seed))
    for per_node in (True, False):
        for lam in (0.005, 0.01, 0.02):
            meaning = "lam a target" if per_node else "lam x nodes a target"
            add("lam_scale", f"{meaning}, {lam:g}", lambda seed, p=per_node, v=lam: scale_of_lam(p, v, seed))
    if arguments.recordings is not None:
        study = lassovae.data.read_study(arguments.recordings)
        base = lassovae.suggested_preprocess(study, 96)
        for encoder in ("block_mean", "soft_roi"):
            for name, changes in {
                "max, nearest pixel": {"scaling": "max", "downscale_method": "nearest"},
                "max, mean of pixels": {"scaling": "max"},
                "99.9th percentile, mean of pixels": {},
            }.items():
                for lam in (0.003, 0.005, 0.01):
                    config = SOFT.replace(
                        encoder=encoder, lam=lam, preprocess=dataclasses.replace(base, **changes)
                    )
                    variant = f"{encoder}, {name}, lam {lam:g}"
                    add("scaling", variant, lambda seed, c=config: scaling(arguments.recordings, c), 1)
    lassovae.report.write_tables(tables, arguments.out / "tables")
    print(f"Tables in {arguments.out / 'tables'}")


if __name__ == "__main__":
    main()
