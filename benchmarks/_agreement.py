"""Loss and gradients of the library's steps against the PyTorch twin's, before anything is timed.

In float64 both must be the same formulas: they agree to rounding. In float32 neither is right: rounding decides
some of the poolings' near ties the other way, which moves single gradients by 1e-4 to 1e-2 (PyTorch on a CPU
with the channels last rounds the statistics of its batch norms the most). So both are held against the twin in
float64, over several movies, of which some have a near tie for the one and some for the other: in the median over
the movies the library may be no further from the twin than the better of its layouts.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import torch
from _steps import autoencoder_step, whole_step
from _torch_lars import window_loss
from _torch_twin import LAYOUTS, Twin, as_params, gradient_step, with_gradients

from lassovae import Config
from lassovae.autoencoder import Weights

IN_FLOAT64 = 1e-8  # of a gradient; 1e-12 is usual, a path of many events loses some digits
LOSS_IN_FLOAT64 = 1e-11
# In float32 luck has a part: how many near ties go the other way varies by as much, and where the twin met none,
# the library may still meet one, which was seen to move the worst parameter by 8e-3.
NO_FURTHER = 3.0
ALLOWED = {"median": 1e-4, "worst": 2e-3}
VANISHES = 1e-9  # against its layer: a bias before a batch norm has no gradient, only rounding


class Agreement(NamedTuple):
    """One comparison: errors relative to the largest entry of each parameter's gradient."""

    step: str
    frame_shape: str
    dtype: str
    who: str
    against: str
    loss: float
    median: float
    worst: float
    of: str


COLUMNS = {
    "step": ("step", str),
    "frame_shape": ("frames", str),
    "dtype": ("dtype", str),
    "who": ("who", str),
    "against": ("against", str),
    "loss": ("loss", "{:.1e}".format),
    "median": ("median", "{:.1e}".format),
    "worst": ("worst", "{:.1e}".format),
    "of": ("of", str),
}


class Outcome(NamedTuple):
    """Loss and gradients, as the library nests them."""

    loss: float
    grads: dict[str, Any]


def errors(found: Outcome, against: Outcome, exact: Outcome) -> dict[str, float]:
    """Max-norm difference of every parameter's gradient, relative to the exact one, or to its layer's if that is 0."""
    relative = {}
    for part, part_layers in exact.grads.items():
        for layer, leaves in part_layers.items():
            in_layer = max(np.abs(leaf).max() for leaf in leaves.values())
            for name, leaf in leaves.items():
                own = np.abs(leaf).max()
                scale = own if own > VANISHES * in_layer else in_layer
                got, want = (np.asarray(o.grads[part][layer][name], np.float64) for o in (found, against))
                relative[f"{part}/{layer}/{name}"] = float(np.abs(got - want).max() / scale)
    return relative


class Case(NamedTuple):
    """What is compared: a step on a movie; without lam that of the autoencoder alone."""

    config: Config
    weights: Weights
    frames: np.ndarray
    mean_frame: np.ndarray
    lam: float | None
    device: str

    def ours(self, dtype: str) -> Outcome:
        """The library's outcome."""
        with jax.enable_x64(dtype == "float64"):
            data = jax.tree.map(
                lambda a: jnp.asarray(a, dtype), (*self.weights, self.frames, self.mean_frame)
            )
            if self.lam is None:
                (loss, _), grads = autoencoder_step(self.config)(*data)
            else:
                (loss, _), grads = whole_step(self.config)(*data, jnp.asarray(self.lam, dtype))
            return Outcome(float(loss), jax.tree.map(np.asarray, grads))

    def twins(self, dtype: str, layout: str = "nchw") -> Outcome:
        """PyTorch's."""
        twin = Twin(self.weights, layout, self.device, getattr(torch, dtype))
        data = twin.frames(self.frames), twin.frames(self.mean_frame)
        if self.lam is None:
            loss, grads = gradient_step(twin)(*data)
        else:
            loss, grads = with_gradients(twin, lambda: window_loss(twin, *data, self.lam, self.config.order))
        return Outcome(float(loss), as_params(twin, grads))

    def compared(
        self, dtype: str, names: tuple[str, str], found: Outcome, against: Outcome, exact: Outcome
    ) -> Agreement:
        """One line of the table."""
        relative = errors(found, against, exact)
        worst = max(relative, key=relative.__getitem__)
        return Agreement(
            step="autoencoder" if self.lam is None else f"end_to_end {self.lam:g}",
            frame_shape="{}x{}x{}".format(*self.frames.shape),
            dtype=dtype,
            who=names[0],
            against=names[1],
            loss=abs(found.loss - against.loss) / abs(exact.loss),
            median=float(np.median(list(relative.values()))),
            worst=relative[worst],
            of=worst,
        )


def same_formulas(case: Case) -> list[Agreement]:
    """Both in float64.

    Raises:
        SystemExit: they differ by more than rounding.
    """
    exact = case.twins("float64")
    row = case.compared("float64", ("ours", "twin"), case.ours("float64"), exact, exact)
    if not (row.worst <= IN_FLOAT64 and row.loss <= LOSS_IN_FLOAT64):
        raise SystemExit(f"in float64 the library and PyTorch differ, one is wrong: {row}")
    return [row]


def no_further(cases: list[Case]) -> list[Agreement]:
    """Both in float32 against the twin in float64, and against each other, on the same step of several movies.

    Raises:
        SystemExit: the library is further off than the better of the twin's layouts, luck allowed for.
    """
    rows: list[Agreement] = []
    for case in cases:
        exact = case.twins("float64")
        found = {"ours": case.ours("float32")} | {layout: case.twins("float32", layout) for layout in LAYOUTS}
        rows += [
            case.compared("float32", (who, "twin float64"), outcome, exact, exact)
            for who, outcome in found.items()
        ]
        rows.append(case.compared("float32", ("ours", "nchw"), found["ours"], found["nchw"], exact))
    for field, allowed in ALLOWED.items():

        def usual(who: str, field: str = field) -> float:
            same = [row for row in rows if row.who == who and row.against == "twin float64"]
            return float(np.median([getattr(row, field) for row in same]))

        mine, best = usual("ours"), min(usual(layout) for layout in LAYOUTS)
        if not mine <= max(allowed, NO_FURTHER * best):
            raise SystemExit(
                f"{rows[0].step}: {field} error {mine:.1e} in float32, but PyTorch's {best:.1e} "
                f"(medians over {len(cases)} movies)"
            )
    return rows
