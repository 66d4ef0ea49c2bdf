"""Named sets of settings: which models to train on what, for the example and for users' own studies."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field
from typing import Any

from lassovae._config import POOLINGS, Config, Preprocess
from lassovae._errors import InputError
from lassovae.data import Study

logger = logging.getLogger("lassovae")

LONGEST_SIDE = {
    "smoke": 48,
    "quick": 96,
    "quarter": 96,
    "paper": 192,
}  # of a preprocessed frame of real recordings, in pixels
REAL_LAM = 0.005  # docs/decisions/scaling.md


@dataclass(frozen=True)
class Preset:
    """A comparison to be made.

    Attributes:
        models: name -> settings. "end_to_end" is the paper's; "recommended" is what found most where the truth is
            known (`Config.recommended`); "no_skip" is the ablation of the skip connection.
        sweep: l1 strengths of the forecast figure, refitted on the main model.
        simulation: arguments of `simulate_study` where no study is given.
    """

    models: dict[str, Config]
    sweep: tuple[float, ...]
    simulation: dict[str, Any] = field(default_factory=dict)


def suggested_preprocess(study: Study, longest_side: int) -> Preprocess:
    """Preprocessing for real recordings: small enough to train on, kind to shot noise and bright outliers.

    Args:
        study: its frame size is read.
        longest_side: pixels that the longer side of a frame should have at most.

    Returns:
        Preprocess that averages blocks of pixels (their shot noise falls with the square root of their number),
        crops what three poolings need, and scales by the 99.9th percentile (docs/decisions/scaling.md).
    """
    height, width = study.frame_shape
    factor = max(1, math.ceil(max(height, width) / longest_side))
    unit = 2**POOLINGS * factor
    crop = (height // unit * unit, width // unit * unit)
    if 0 in crop:
        raise InputError(
            f"frames of {height} x {width} pixels are too small: each side needs at least {unit}"
        )
    if crop != (height, width):
        logger.warning("Frames of %d x %d pixels are cropped to the central %d x %d.", height, width, *crop)
    return Preprocess(
        crop=None if crop == (height, width) else crop,
        downscale=factor,
        downscale_method="mean",
        scaling="percentile",
        percentile=99.9,
        mean_frame_floor=0.01,
    )


def _modes(base: Config) -> dict[str, Config]:
    better = Config.recommended()
    recommended = base.replace(encoder=better.encoder, prune=better.prune, epochs=2 * base.epochs)
    return {
        "block_mean": base.replace(encoder="block_mean"),
        "sequential": base.replace(mode="sequential"),
        "embedded": base.replace(mode="embedded"),
        "end_to_end": base.replace(mode="end_to_end"),
        "no_skip": base.replace(mode="sequential", skip=False),
        "recommended": recommended,
    }


def preset(name: str, study: Study | None = None, *, seed: int = 0) -> Preset:
    """Settings by name.

    Args:
        name: "smoke" (seconds; for automatic checks), "quick" (minutes on a laptop), "paper" (40 runs of
            192 x 128 pixels, three l1 strengths: hours on a laptop), "quarter" (the same with a quarter of the
            pixels and cells).
        study: real recordings, whose preprocessing and l1 strength are then adapted; None: a simulation.
        seed: of all models.

    Raises:
        InputError: no such preset.
    """
    if name not in LONGEST_SIDE:
        raise InputError(f"preset {name!r} is not known; choose one of {', '.join(LONGEST_SIDE)}")
    base = Config(seed=seed)
    if name == "smoke":
        base = base.replace(window=32, order=2, epochs=1, channels=8)
    if study is not None:
        # one noisy field of view: at the paper's 0.01 nearly no coefficient of block means survives (scaling.md; the
        # warm-up: dead_var.md)
        base = base.replace(
            lam=REAL_LAM, preprocess=suggested_preprocess(study, LONGEST_SIDE[name]), lam_warmup=0.2
        )
        base = base.replace(epochs=3 if name == "quick" else base.epochs)
    sweep = tuple(base.lam * factor for factor in (0.3, 0.6, 1.0, 3.2))
    if name == "smoke":
        simulation = {"num_runs": 8, "frames": 96, "frame_shape": (32, 48), "num_cells": 8, "block_size": 2}
        return Preset(_modes(base), sweep, simulation)
    if name == "quick":  # half the paper's channels: minutes instead of a quarter of an hour on two cores
        base = base.replace(channels=16)
        return Preset(_modes(base), sweep, {"num_runs": 8, "frames": 320, "block_size": 2})
    models = {}
    for lam in (base.lam / 2, base.lam, base.lam * 2):
        for mode, config in _modes(base.replace(lam=lam)).items():
            models[mode if lam == base.lam else f"{mode}_lam{lam:g}"] = config
    models = {k: v for k, v in models.items() if not k.startswith("no_skip_")}
    shape, cells = ((96, 64), 25) if name == "quarter" else ((192, 128), 100)
    simulation = {"num_runs": 40, "frames": (306, 1206), "frame_shape": shape, "num_cells": cells}
    return Preset(models, sweep, simulation)
