"""Numbers of a tiny study that must stay the same across versions of JAX, NumPy and Python, up to rounding.

    python tests/golden/make_golden.py

writes golden.npz beside this file. Write it anew only where numbers are meant to change, and say why in the
changelog; `test_golden.py` compares. Inputs are made of integers alone, so that no generator of random numbers
has a say in them.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import lassovae
from lassovae import Config
from lassovae._model import encode_run
from lassovae.data import ArrayRecording, Run, Study, prepare
from lassovae.lasso import solve_lasso
from lassovae.maps import contribution_map
from lassovae.var import fit_pooled, fit_var

FILE = Path(__file__).with_name("golden.npz")
SHAPE, FRAMES = (16, 24), 24
BASE = Config(order=2, window=12, epochs=1, channels=4, lam=0.01)
TRAININGS = [
    (encoder, mode)
    for encoder in ("convolutional", "soft_roi")
    for mode in ("sequential", "embedded", "end_to_end")
]


def noise(count, seed):
    """Integers in [0, 1000) from a linear congruential generator."""
    state, found = seed, []
    for _ in range(count):
        state = (1103515245 * state + 12345) % 2**31
        found.append(state // 2**15 % 1000)
    return np.array(found)


def movie(seed):
    """(time, height, width) uint16: two patches, the second brightens after the first."""
    rows, columns = np.indices(SHAPE)
    drive = noise(FRAMES, seed) // 10
    follow = np.concatenate([[0], drive[:-1]])
    first, second = (np.maximum(30 - (rows - r) ** 2 - (columns - c) ** 2, 0) for r, c in ((4, 5), (11, 17)))
    still = 500 + 10 * rows + 7 * columns
    shot = noise(FRAMES * rows.size, seed + 99).reshape(FRAMES, *SHAPE) // 20
    return (still + shot + (drive[:, None, None] * first + follow[:, None, None] * second) // 10).astype(
        np.uint16
    )


def study():
    """Four runs of two conditions."""
    runs = [
        Run(f"run_{i}", ArrayRecording(movie(i + 1), name=f"run_{i}"), condition, i)
        for i, condition in enumerate("FFNN")
    ]
    return Study(tuple(runs), name="golden")


def trained(encoder, mode, learning_rate=None):
    """Losses of the 8 steps of an epoch, latents of a run, and the map of an influence of one of the nodes.

    Of a gradient that is rounding Adam makes a step of full size; a small rate keeps these from growing.
    """
    rate = (0.001 if encoder == "convolutional" else 0.01) if learning_rate is None else learning_rate
    config = BASE.replace(encoder=encoder, mode=mode, learning_rate=rate)
    model = lassovae.fit(study(), config, show_progress=False)
    latents, _ = encode_run(model, prepare(study(), BASE.preprocess).frames[0])
    influence = np.zeros(latents[0].size)
    influence[1] = 1.0
    return {
        "losses": np.array([row["loss"] for row in model.history]),
        "latents": latents,
        "map": contribution_map(model, influence, 1.0),
    }


def fitted():
    """A VAR of one run and one of two, of a fixed series of 5 nodes."""
    series = noise(120 * 5, 5).reshape(120, 5) / 1000.0
    series[1:, 0] += 0.8 * series[:-1, 1]
    series[2:, 3] -= 0.6 * series[:-2, 4]
    series = series.astype(np.float32)
    pooled = fit_pooled([series[:70], series[70:]], 2, 0.004)
    return {"coef": np.asarray(fit_var(series, 2, 0.004).coef), "pooled": np.asarray(pooled.coef)}


def solved(dtype):
    """A lasso with more predictors than rows, and the gradient of a function of its coefficients."""
    with jax.enable_x64(dtype == np.float64):
        design = (noise(20 * 30, 11).reshape(20, 30) / 500 - 1).astype(dtype)
        target = (design[:, 3] - 2 * design[:, 17] + noise(20, 12) / 2000).astype(dtype)

        def value(y, lam):
            return (solve_lasso(design, y, lam).coef ** 2).sum()

        by_target, by_lam = jax.grad(value, argnums=(0, 1))(jnp.asarray(target), jnp.asarray(0.02, dtype))
        coef = np.asarray(solve_lasso(design, target, 0.02).coef)
    return {"coef": coef, "by_target": np.asarray(by_target), "by_lam": np.asarray(by_lam)}


def golden(part):
    """Name -> numbers of one part: "var", "lasso32", "lasso64", or "ENCODER/MODE" of a training."""
    if part == "var":
        return fitted()
    if part.startswith("lasso"):
        return solved(np.float32 if part == "lasso32" else np.float64)
    return trained(*part.split("/"))


PARTS = ("var", "lasso32", "lasso64", *(f"{encoder}/{mode}" for encoder, mode in TRAININGS))

if __name__ == "__main__":
    np.savez_compressed(FILE, **{f"{part}/{name}": x for part in PARTS for name, x in golden(part).items()})
