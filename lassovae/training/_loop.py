"""fit and load: from a study to a model, and back from a run folder."""

from __future__ import annotations

import json
import logging
import math
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lassovae._config import Config
from lassovae._errors import InputError, TrainingError
from lassovae._model import Model, encode_run
from lassovae.autoencoder import BLOCK, Positions, Weights
from lassovae.data import Prepared, Study, epoch_order, frame_shape_after, prepare, windows
from lassovae.training._checkpoint import Checkpoints
from lassovae.training._folder import (
    FORMAT_VERSION,
    check_inputs,
    claim,
    metrics_text,
    provenance,
    read_metrics,
    read_settings,
    settings,
    write_json,
    write_text,
)
from lassovae.training._progress import StepProgress
from lassovae.training._step import TrainState, initial_state, make_step

logger = logging.getLogger("lassovae")
RARELY = 0.05  # fraction of steps without a coefficient that goes unmentioned


def _unknown_positions(config: Config, frame_shape: tuple[int, int]) -> Positions:
    """Before the last checkpoint: every position as likely as the others."""
    if config.encoder == "block_mean":
        return ()
    height, width = frame_shape
    side = [2, 4, BLOCK]
    return tuple(jnp.full((height // s, width // s, config.channels, 4), 0.25) for s in side)


def _tree(
    state: TrainState, mean_frame: np.ndarray, scale: float, offset: float, positions: Positions
) -> Any:
    """What one checkpoint holds."""
    return {
        "state": state,
        "mean_frame": np.asarray(mean_frame, np.float32),
        "scale": np.asarray(scale, np.float64),
        "offset": np.asarray(offset, np.float64),
        "positions": positions,
    }


def training_notes(history: tuple[dict[str, Any], ...], mode: str) -> tuple[str, ...]:
    """What the user must know of steps in which a lasso failed or the VAR had no coefficient."""
    failed = sum(row["failed"] > 0 for row in history)
    if failed:
        text = "training steps a lasso was not solved to the end (see gap and failed in metrics.jsonl): raise lam"
        return (f"In {failed} of {len(history)} {text}.", *_dead_var_notes(history, mode))
    return _dead_var_notes(history, mode)


def _dead_var_notes(history: tuple[dict[str, Any], ...], mode: str) -> tuple[str, ...]:
    dead = sum(row["nonzeros"] == 0 for row in history)
    # a step or two before the encoder has settled is what the guard is for, and nothing to worry about
    if not dead or (dead <= RARELY * len(history) and history[-1]["nonzeros"] > 0):
        return ()
    guard = "" if mode == "sequential" else " Where it happened the guard lowered lam for a while."
    remedy = "lower lam, start it gently (lam_warmup=0.3), or scale the recordings by a percentile"
    return (
        f"The VAR had no coefficient in {dead} of {len(history)} training steps; there nothing taught the encoder"
        f" what can be forecast.{guard} If it is often: {remedy}.",
    )


def _final_positions(model: Model, prepared: Prepared) -> Positions:
    """Average pooling positions over all frames of all runs."""
    frames = sum(len(run) for run in prepared.frames)
    total: Positions = ()
    for run in prepared.frames:
        share = tuple(p * (len(run) / frames) for p in encode_run(model, run)[1])
        total = tuple(a + b for a, b in zip(total, share, strict=True)) if total else share
    return total


def fit(
    study: Study,
    config: Config,
    *,
    run_dir: str | Path | None = None,
    resume: bool = False,
    show_progress: bool = True,
) -> Model:
    """Train a model on the windows of a study; which run has which condition never enters.

    Args:
        study: at least two runs a condition, none shorter than config.window.
        config: every setting.
        run_dir: folder to keep the run in: config.json, provenance.json, metrics.jsonl, checkpoints/ after
            every epoch. None keeps nothing on disk.
        resume: go on from the newest checkpoint of run_dir, if there is one. The configuration and the pixels
            of the recordings must be the same.
        show_progress: a bar on a terminal; elsewhere the log gets a line an epoch either way.

    Returns:
        Model. With config.encoder="block_mean" there is nothing to train, and it is returned at once.

    Raises:
        InputError: the study or the folder will not do; found before anything is computed or written.
        TrainingError: a loss that is not finite, naming step, run and window. The newest checkpoint stays.

    References:
        arXiv 2603.02899, sections 2.1 and 3.1.
    """
    study.check(order=config.order, window=config.window)
    folder = None if run_dir is None else Path(run_dir)
    if resume and folder is None:
        raise InputError("resume=True needs run_dir, the folder to go on with")
    frame_shape = frame_shape_after(study.frame_shape, config.preprocess)
    wanted = settings(study, config, frame_shape)
    if folder is not None:
        claim(folder, wanted, resume)
    prepared = prepare(study, config.preprocess)

    state = initial_state(config, frame_shape)
    positions = _unknown_positions(config, frame_shape)
    history: list[dict[str, Any]] = []
    with ExitStack() as stack:
        checkpoints = None
        if folder is not None:
            made_with = provenance(study, config)
            if (folder / "config.json").exists():
                check_inputs(folder, made_with)
            else:  # config.json last: a folder that has it has its provenance
                folder.mkdir(parents=True, exist_ok=True)
                write_json(folder / "provenance.json", made_with)
                write_json(folder / "config.json", wanted)
            checkpoints = stack.enter_context(Checkpoints(folder / "checkpoints"))
            if checkpoints.latest_step() is not None:
                like = _tree(state, prepared.mean_frame, prepared.scale, prepared.offset, positions)
                state = checkpoints.restore(like)["state"]
                history = read_metrics(folder / "metrics.jsonl", int(state.step))
            write_text(folder / "metrics.jsonl", metrics_text(history))

        def save(state: TrainState, positions: Positions) -> None:
            if checkpoints is not None:
                tree = _tree(state, prepared.mean_frame, prepared.scale, prepared.offset, positions)
                checkpoints.save(int(state.step), tree)

        def finish(state: TrainState) -> Model:
            model = Model(
                config=config,
                weights=Weights(state.params, state.batch_stats),
                mean_frame=prepared.mean_frame,
                scale=prepared.scale,
                offset=prepared.offset,
                positions=(),
                history=tuple(history),
                lam_factor=float(state.lam_factor),
                notes=training_notes(tuple(history), config.mode),
            )
            positions = () if config.encoder == "block_mean" else _final_positions(model, prepared)
            if checkpoints is None or checkpoints.latest_step() != int(state.step):
                save(state, positions)  # resuming a finished training finds it there
            for note in model.notes:
                logger.warning("%s", note)
            return Model(**{**vars(model), "positions": positions})

        if config.encoder == "convolutional":
            state = _train(study, config, prepared, state, history, folder, save, show_progress)
        return finish(state)


@jax.jit
def _all_finite(tree: Any) -> jax.Array:
    return jnp.all(jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]))


def _json_number(value: Any) -> float | None:
    """JSON has no NaN: the gap of a lasso that failed becomes null."""
    return float(value) if math.isfinite(value) else None


def _train(
    study: Study,
    config: Config,
    prepared: Prepared,
    state: TrainState,
    history: list[dict[str, Any]],
    folder: Path | None,
    save: Any,
    show_progress: bool,
) -> TrainState:
    """Run the epochs that are left; append to `history` and to metrics.jsonl as steps end."""
    places = windows([len(run) for run in prepared.frames], config.window)
    num_steps = config.epochs * len(places)
    step_fn = make_step(config, num_steps)
    mean_frame = jnp.asarray(prepared.mean_frame)
    done = int(state.step)
    title = config.mode if config.skip else f"{config.mode}, no skip"
    with ExitStack() as stack:
        progress = stack.enter_context(StepProgress(title, num_steps, done, show_progress))
        log = None if folder is None else stack.enter_context(open(folder / "metrics.jsonl", "a"))
        for epoch in range(done // len(places), config.epochs):
            order = epoch_order(len(places), config.seed, epoch)
            for index in order[done - epoch * len(places) :]:
                run, start = (int(i) for i in places[index])
                frames = prepared.frames[run][start : start + config.window]
                state, measures, lam = step_fn(state, jnp.asarray(frames), mean_frame)
                measures, lam = jax.device_get((measures, lam))
                done += 1
                wrong = "" if math.isfinite(measures.loss) else f"the loss is {measures.loss}"
                if not wrong and not bool(_all_finite((state.params, state.batch_stats))):
                    wrong = "the weights are not finite"
                if wrong:
                    raise TrainingError(
                        f"{wrong} at step {done} (epoch {epoch + 1}), run "
                        f"{study.runs[run].name}, frames {start} to {start + config.window - 1}: lower "
                        "learning_rate, or look at these frames; the newest checkpoint, if any, is kept"
                    )
                row: dict[str, Any] = {"step": done, "epoch": epoch + 1, "run": study.runs[run].name}
                row |= {"start": start, "lam": float(lam)}
                row |= {name: _json_number(value) for name, value in measures._asdict().items()}
                history.append(row)
                if log is not None:
                    log.write(json.dumps(row) + "\n")
                    log.flush()
                progress.advance(measures, done, done == (epoch + 1) * len(places))
            if epoch + 1 < config.epochs:  # the last one is saved with the average positions
                save(state, _unknown_positions(config, prepared.mean_frame.shape))
    return state


def load(run_dir: str | Path) -> Model:
    """Read back the model of a run folder.

    Args:
        run_dir: written by `fit`.

    Returns:
        Model, from the newest checkpoint.

    Raises:
        InputError: not a run folder, a newer format, an unfinished training, or a checkpoint that does not fit.
    """
    folder = Path(run_dir)
    found = read_settings(folder / "config.json")
    if found["format_version"] != FORMAT_VERSION:
        raise InputError(
            f"{folder / 'config.json'} has format_version {found['format_version']}; this version of "
            f"lassovae reads {FORMAT_VERSION}: load it with the version named in provenance.json"
        )
    config = Config.from_dict(found["config"])
    height, width = found["frame_shape"]
    state = initial_state(config, (height, width))
    like = _tree(state, np.zeros((height, width)), 1.0, 0.0, _unknown_positions(config, (height, width)))
    if not (folder / "checkpoints").is_dir():
        raise InputError(
            f"{folder} holds no checkpoint: the training stopped before its first epoch, or it was moved"
        )
    with Checkpoints(folder / "checkpoints") as checkpoints:
        tree = checkpoints.restore(like)
    state = tree["state"]
    if config.encoder == "convolutional":
        num_steps = config.epochs * len(windows([run["frames"] for run in found["runs"]], config.window))
        if int(state.step) < num_steps:
            raise InputError(
                f"{folder} holds an unfinished training (step {int(state.step)} of {num_steps}): "
                "finish it with fit(..., resume=True)"
            )
    history = tuple(read_metrics(folder / "metrics.jsonl", int(state.step)))
    return Model(
        config=config,
        weights=Weights(state.params, state.batch_stats),
        mean_frame=np.asarray(tree["mean_frame"]),
        scale=float(tree["scale"]),
        offset=float(tree["offset"]),
        positions=tree["positions"],
        history=history,
        lam_factor=float(state.lam_factor),
        notes=training_notes(history, config.mode),
    )
