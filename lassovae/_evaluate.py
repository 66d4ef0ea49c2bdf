"""How well a model reconstructs and forecasts a run: the numbers of the paper's Table 2 and their honest company.

R_var is reported four ways, since the paper's in-sample number alone does not say what was learned: fitted on
windows as long as those of the training; fitted on the whole run; fitted on the first part of a run and judged on
the rest; and fitted on a copy whose frames are shuffled, where there is nothing to forecast.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lassovae._model import CHUNK, Model, decode_run
from lassovae._sharing import shared_by_processes
from lassovae._status import raise_if_failed
from lassovae.data import Frames
from lassovae.var import VARFit, fit_runs, predict, relative_error

HELD_OUT_FROM = 0.6  # fraction of a run that the held-out fit sees


@dataclass(frozen=True, eq=False)
class Errors:
    """One value a run, each (runs,).

    Attributes:
        reconstruction: mean squared error of the mode's own reconstruction (sequential: decoded from z_t and
            its own pooling positions; otherwise from the forecast), intensity in [0, 1] squared.
        forecast_reconstruction: the same decoded from the forecast with positions of the frame before.
        mean_frame: the same of the mean frame alone: what forecasting nothing costs.
        window, run, held_out: R_var of window fits, whole-run fits, and of the last part of the run forecast
            by a fit to the first.
        shuffled_window, shuffled_run: R_var of the same fits to the frames in random order.
        nonzeros: mean number of non-zero coefficients a target, whole-run fits.
    """

    reconstruction: np.ndarray
    forecast_reconstruction: np.ndarray
    mean_frame: np.ndarray
    window: np.ndarray
    run: np.ndarray
    held_out: np.ndarray
    shuffled_window: np.ndarray
    shuffled_run: np.ndarray
    nonzeros: np.ndarray


def one_run(fit: VARFit, index: int) -> VARFit:
    """The fit of one run out of several."""
    return VARFit(*(np.asarray(field)[index] for field in fit))


def _fitted(series: Sequence[np.ndarray], order: int, lam: float, names: Sequence[str]) -> VARFit:
    """A fit of each, shared by processes: all of them must come here."""
    return raise_if_failed(shared_by_processes(lambda part: fit_runs(part, order, lam), series), names)


@dataclass(frozen=True, eq=False)
class WindowFits:
    """Fits to the non-overlapping windows of all runs.

    Attributes:
        owner: (windows,) index of the run.
        fit: of each window, with a leading axis.
        error: (windows,) R_var of each.
    """

    owner: np.ndarray
    fit: VARFit
    error: np.ndarray


def window_fits(latents: Sequence[np.ndarray], window: int, order: int, lam: float) -> WindowFits:
    """A fit to every window, run after run."""
    pieces = [
        (run, start, z[start : start + window])
        for run, z in enumerate(latents)
        for start in range(0, len(z) - window + 1, window)
    ]
    names = [f"run {run}, window from frame {start}" for run, start, _ in pieces]
    fit = _fitted([z for _, _, z in pieces], order, lam, names)
    error = np.asarray([relative_error(one_run(fit, i), z) for i, (_, _, z) in enumerate(pieces)])
    return WindowFits(np.asarray([run for run, _, _ in pieces]), fit, error)


def window_errors(latents: Sequence[np.ndarray], window: int, order: int, lam: float) -> np.ndarray:
    """R_var of fits to non-overlapping windows, averaged over the windows of each run: (runs,)."""
    return _by_run(window_fits(latents, window, order, lam), len(latents))


def _by_run(fits: WindowFits, num_runs: int) -> np.ndarray:
    return np.asarray([fits.error[fits.owner == run].mean() for run in range(num_runs)])


def run_errors(latents: Sequence[np.ndarray], fit: VARFit) -> np.ndarray:
    """R_var of each run under its own fit: (runs,)."""
    return np.asarray([float(relative_error(one_run(fit, i), z)) for i, z in enumerate(latents)])


def held_out_errors(latents: Sequence[np.ndarray], order: int, lam: float) -> np.ndarray:
    """R_var on the last part of each run, forecast by a fit to its first part: (runs,)."""
    cuts = [max(order + 2, round(HELD_OUT_FROM * len(z))) for z in latents]
    names = [f"run {run}, its first part" for run in range(len(latents))]
    fit = _fitted([z[:cut] for z, cut in zip(latents, cuts, strict=True)], order, lam, names)
    return np.asarray(
        [
            float(relative_error(one_run(fit, i), z[cut - order :])) if len(z) - cut >= 2 else np.nan
            for i, (z, cut) in enumerate(zip(latents, cuts, strict=True))
        ]
    )


def shuffled(latents: Sequence[np.ndarray], seed: int) -> list[np.ndarray]:
    """The same frames in random order: same distribution at every instant, nothing to forecast."""
    rng = np.random.default_rng(seed)
    return [z[rng.permutation(len(z))] for z in latents]


def centred_forecasts(fit: VARFit, latents: np.ndarray) -> np.ndarray:
    """Forecasts with the mean taken off, as the decoder saw them: (time - order, latent height, latent width)."""
    forecast = np.asarray(predict(fit, latents)) - np.asarray(fit.mean)
    return forecast.reshape(-1, *latents.shape[1:])


def static_error(model: Model, frames: Frames) -> float:
    """Mean squared error of the mean frame, over all frames and pixels."""
    parts = (frames[start : start + CHUNK] for start in range(0, len(frames), CHUNK))
    total = sum(float(np.square(part - model.mean_frame, dtype=np.float64).sum()) for part in parts)
    return total / (len(frames) * model.mean_frame.size)


def squared_error(model: Model, frames: Frames, shown: np.ndarray, first: int, *, same_frame: bool) -> float:
    """Mean squared error over frames first.. and pixels of what `shown` decodes to."""
    total = 0.0
    for start, _, frame in decode_run(model, frames, shown, first, same_frame=same_frame):
        total += float(np.square(frames[start : start + len(frame)] - frame, dtype=np.float64).sum())
    return total / ((len(frames) - first) * model.mean_frame.size)


def evaluate(
    model: Model, frames: Sequence[Frames], latents: Sequence[np.ndarray], fit: VARFit, lam: float
) -> tuple[Errors, WindowFits]:
    """Every error of a model on preprocessed runs, and the fits to their windows.

    Args:
        model: trained.
        frames: runs of (time, height, width), in [0, 1], read by slices.
        latents: their latents.
        fit: of each whole run, with a runs axis.
        lam: l1 strength of the fits to windows, parts and shuffled copies.
    """
    config = model.config
    order = config.order
    mixed = shuffled(latents, config.seed)
    mixed_names = [f"run {run}, its frames shuffled" for run in range(len(latents))]
    of_windows = window_fits(latents, config.window, order, lam)
    forecast = []
    own = []
    static = []
    for i, (x, z) in enumerate(zip(frames, latents, strict=True)):
        shown = centred_forecasts(one_run(fit, i), z)
        forecast.append(squared_error(model, x, shown, order, same_frame=False))
        if config.mode == "sequential" and config.encoder != "block_mean":
            own.append(squared_error(model, x, z, 0, same_frame=True))
        elif config.unpooling == "same_frame":
            own.append(squared_error(model, x, shown, order, same_frame=True))
        else:
            own.append(forecast[-1])
        static.append(static_error(model, x))
    errors = Errors(
        reconstruction=np.asarray(own),
        forecast_reconstruction=np.asarray(forecast),
        mean_frame=np.asarray(static),
        window=_by_run(of_windows, len(latents)),
        run=run_errors(latents, fit),
        held_out=held_out_errors(latents, order, lam),
        shuffled_window=window_errors(mixed, config.window, order, lam),
        shuffled_run=run_errors(mixed, _fitted(mixed, order, lam, mixed_names)),
        nonzeros=(np.asarray(fit.coef) != 0).sum(axis=(1, 3)).mean(axis=1),
    )
    return errors, of_windows
