"""Figures of what happens in time: forecasts, frames around a transient, and the skip connection."""

from __future__ import annotations

import numpy as np

from lassovae import plots
from lassovae._evaluate import centred_forecasts
from lassovae._status import raise_if_failed
from lassovae.report._drawing import Columns, Drawing, Drawn, Missing, pixels
from lassovae.report._frames import decoded
from lassovae.report._scene import Scene
from lassovae.report._shown import model_title
from lassovae.var import fit_var

NUM_TRACES = 4


def forecasts(scene: Scene) -> Drawn:
    """The paper's Figure 4: forecasts and reconstructions of the main model for several l1 strengths."""
    title = "Latents and their forecasts"
    if len(scene.sweep) < 2:
        return Missing("dynamics", title, "The sweep has fewer than two l1 strengths to compare.")
    model, analysis, run, frame = scene.model, scene.analysis, scene.run, scene.frame
    order, frames = model.config.order, scene.prepared.frames[run]
    z = analysis.latents[run]
    shown = {lam: centred_forecasts(raise_if_failed(fit_var(z, order, lam)), z) for lam in scene.sweep}
    flat = z.reshape(len(z), -1)
    flat = flat - flat.mean(axis=0)
    busiest = [int(node) for node in np.argsort(flat.std(axis=0))[::-1][:NUM_TRACES]]
    images = {
        lam: decoded(model, frames, shown[lam], order, frame, frame + 1)[1][0]
        for lam in (min(scene.sweep), max(scene.sweep))
    }
    pixel_values = np.asarray(frames[frame : frame + 1])[0]
    figure = plots.forecast_figure(
        flat,
        {lam: values.reshape(len(values), -1) for lam, values in shown.items()},
        busiest,
        pixel_values,
        images,
        frame_index=frame,
        frame_rate_hz=scene.rate,
    )
    caption = (
        f"Forecasts of the {len(busiest)} busiest nodes and reconstructions ({scene.when}), as the paper's Figure 4; "
        f"the VAR is refitted on the latents of the {model_title(scene.main)} for every l1 strength."
    )
    traces: dict[str, np.ndarray] = {"frame": np.arange(len(flat))}
    for node in busiest:
        traces[f"node {node}"] = flat[:, node]
        for lam, values in shown.items():
            late = values.reshape(len(values), -1)[:, node]
            traces[f"node {node}, lam {lam:.4g}"] = np.concatenate([np.full(order, np.nan), late])
    kept = {f"reconstruction, lam {lam:.4g}": values for lam, values in images.items()}
    data = {"forecasts": traces, "forecast_images": pixels(input=pixel_values, **kept)}
    return Drawing("forecasts", "dynamics", title, caption, figure, data)


def movie(scene: Scene) -> Drawn:
    """Frames around a transient: input, forecast, residual."""
    model, run, frame = scene.model, scene.run, scene.frame
    order, frames = model.config.order, scene.prepared.frames[run]
    picked = [f for f in (frame - 4, frame - 2, frame, frame + 2, frame + 6) if order <= f < len(frames)]
    start, stop = picked[0], picked[-1] + 1
    images = decoded(model, frames, scene.forecasts(scene.main, run), order, start, stop)[1]
    inputs = np.asarray(frames[start:stop], np.float32)
    at = [f - start for f in picked]
    figure = plots.movie_strip(inputs[at], images[at], frame_indices=picked, frame_rate_hz=scene.rate)
    kept = {
        f"{what}, frame {f}": x[f - start]
        for f in picked
        for what, x in (("input", inputs), ("forecast", images))
    }
    name = scene.analysis.names[run]
    caption = (
        f"Frames around a transient (run {name}), their one-step forecast and what is left "
        f"({model_title(scene.main)})."
    )
    return Drawing("movie", "dynamics", "Frames and forecasts", caption, figure, {"movie": pixels(**kept)})


def skip(scene: Scene) -> Drawn | None:
    """The paper's Figure 2: latents and decoder output with and without the skip connection."""
    if not {"no_skip", "sequential"} <= set(scene.results):
        return None
    run, frame = scene.run, scene.frame
    frames = scene.prepared.frames[run]
    latent, images = {}, {}
    for name in ("no_skip", "sequential"):
        model, analysis = scene.results[name]
        z = analysis.latents[run]
        residual, image = decoded(model, frames, z, 0, frame, frame + 1, same_frame=True)
        latent[name], images[name] = z[frame], (residual[0], image[0])
    pixel_values = np.asarray(frames[frame : frame + 1])[0]
    figure = plots.skip_figure(
        latent["no_skip"],
        latent["sequential"],
        images["no_skip"][0],
        images["sequential"][0],
        pixel_values,
        images["sequential"][1],
        frame_index=frame,
    )
    caption = f"Latents and decoder output without and with it ({scene.when}), as the paper's Figure 2."
    data: dict[str, Columns] = {
        "skip_latents": pixels(no_skip=latent["no_skip"], skip=latent["sequential"]),
        "skip_images": pixels(
            input=pixel_values,
            decoder_no_skip=images["no_skip"][0],
            decoder_skip=images["sequential"][0],
            reconstruction_skip=images["sequential"][1],
        ),
    }
    return Drawing("skip_connection", "models", "The skip connection", caption, figure, data)
