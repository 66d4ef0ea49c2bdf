"""fit and load: from a study to a model, and back from a run folder."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from lassovae._config import Config
from lassovae._errors import InputError
from lassovae._memory import plan_memory
from lassovae._model import Model, encode_run
from lassovae._sharing import check_same, wait_for_all
from lassovae.autoencoder import BLOCK, Positions, Weights
from lassovae.data import Prepared, Study, frame_shape_after, num_windows, prepare
from lassovae.training._batches import steps_an_epoch
from lassovae.training._checkpoint import Checkpoints
from lassovae.training._epochs import Record, train
from lassovae.training._folder import (
    FORMAT_VERSION,
    check_inputs,
    claim,
    make_folder,
    metrics_text,
    provenance,
    read_metrics,
    read_settings,
    settings,
    write_json,
    write_text,
)
from lassovae.training._measured import read_measured, write_measured
from lassovae.training._mesh import is_first, local, make_mesh, replicated
from lassovae.training._step import TrainState, initial_state

logger = logging.getLogger("lassovae")
RARELY = 0.05  # fraction of steps without a coefficient that goes unmentioned


def _unknown_positions(config: Config, frame_shape: tuple[int, int]) -> Positions:
    """Before the last checkpoint: every position as likely as the others."""
    if config.encoder != "convolutional":
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
    devices: int | None = None,
    max_memory_gb: float | None = None,
    prepared: Prepared | None = None,
) -> Model:
    """Train a model on the windows of a study; which run has which condition never enters.

    Args:
        study: none of its runs shorter than config.window; of several conditions, each of at least two runs.
        config: every setting.
        run_dir: folder to keep the run in: config.json, provenance.json, metrics.jsonl, checkpoints/ after
            every epoch. None keeps nothing on disk.
        resume: go on from the newest checkpoint of run_dir, if there is one. The configuration and the pixels
            of the recordings must be the same.
        show_progress: a bar on a terminal; elsewhere the log gets a line an epoch either way.
        devices: how many devices share the windows of a step; None takes as many of those that JAX has as divide
            config.windows_per_step. Under several processes (`start_processes`) all their devices, and run_dir
            must be on storage that all of them see; the first process writes.
        max_memory_gb: memory that this process may take, in 10^9 bytes; None takes what is free now. Where the frames
            do not fit they are read anew at every epoch, and the model is the same, bit for bit.
        prepared: the study's frames where `prepare` has already made them with config.preprocess.

    Returns:
        Model, the same in every process. With config.encoder="block_mean" there is nothing to train, and it is
        returned at once.

    Raises:
        InputError: the study or the folder will not do; found before anything is computed or written.
        TrainingError: a loss that is not finite, naming step, run and window. The newest checkpoint stays.

    References:
        arXiv 2603.02899, sections 2.1 and 3.1.
    """
    bin_frames = config.preprocess.bin_frames
    study.check(order=config.order, window=config.window, bin_frames=bin_frames)
    mesh = make_mesh(config.windows_per_step, devices)
    folder = None if run_dir is None else Path(run_dir)
    if resume and folder is None:
        raise InputError("resume=True needs run_dir, the folder to go on with")
    frame_shape = frame_shape_after(study.frame_shape, config.preprocess)
    wanted = settings(study, config, frame_shape)
    check_same(wanted)
    available = num_windows(study.lengths_after(bin_frames), config.window)
    if config.encoder != "block_mean" and config.windows_per_step > available:
        raise InputError(
            f"windows_per_step={config.windows_per_step}, but the study has {available} windows of {config.window} "
            f"frames: use at most {available}"
        )
    if folder is not None:
        claim(folder, wanted, resume)
        wait_for_all("run folder claimed")
    if prepared is None:
        memory = plan_memory(study, config, max_memory_gb)
        if is_first():
            logger.info("%s", memory.sentence())
        prepared = prepare(study, config.preprocess, hold=memory.holds_frames)

    state = initial_state(config, frame_shape)
    positions = _unknown_positions(config, frame_shape)
    history: list[dict[str, Any]] = []
    with ExitStack() as stack:
        checkpoints = None
        if folder is not None:
            made_with = provenance(study, config, list(mesh.devices.flat), prepared.steps)
            if (folder / "config.json").exists():
                check_inputs(folder, made_with)
            wait_for_all("run folder read")
            if is_first() and (folder / "config.json").exists():
                write_json(folder / "config.json", wanted)  # what only the analysis reads may have changed
            if is_first() and not (folder / "config.json").exists():
                # config.json last: a folder that has it has its provenance
                make_folder(folder)
                write_json(folder / "provenance.json", made_with)
                write_measured(folder, prepared)
                write_json(folder / "config.json", wanted)
            wait_for_all("run folder made")
            checkpoints = stack.enter_context(Checkpoints(folder / "checkpoints"))
            if checkpoints.latest_step() is not None:
                like = _tree(state, prepared.mean_frame, prepared.scale, prepared.offset, positions)
                state = checkpoints.restore(like)["state"]
                history = read_metrics(folder / "metrics.jsonl", int(state.step))
            if is_first():
                write_text(folder / "metrics.jsonl", metrics_text(history))

        def save(state: TrainState, positions: Positions) -> None:
            if checkpoints is not None:
                where = replicated(mesh, positions)
                tree = _tree(state, prepared.mean_frame, prepared.scale, prepared.offset, where)
                checkpoints.save(int(state.step), tree)

        def save_epoch(state: TrainState) -> None:
            save(state, positions)  # the last checkpoint has the average positions

        def finish(state: TrainState) -> Model:
            model = Model(
                config=config,
                weights=local(Weights(state.params, state.batch_stats)),
                mean_frame=prepared.mean_frame,
                scale=prepared.scale,
                offset=prepared.offset,
                positions=(),
                history=tuple(history),
                lam_factor=float(state.lam_factor),
                notes=training_notes(tuple(history), config.mode),
                reference=prepared.reference,
                bad_pixels=prepared.bad_pixels,
            )
            positions = () if config.encoder == "block_mean" else _final_positions(model, prepared)
            if checkpoints is None or checkpoints.latest_step() != int(state.step):
                save(state, positions)  # resuming a finished training finds it there
            for note in model.notes if is_first() else ():
                logger.warning("%s", note)
            return Model(**{**vars(model), "positions": positions})

        if config.encoder != "block_mean":
            log = None if folder is None or not is_first() else folder / "metrics.jsonl"
            names = [run.name for run in study.runs]
            record = Record(config, names, prepared, history, log, show_progress and is_first())
            state = train(config, prepared, replicated(mesh, state), mesh, record, save_epoch)
        return finish(state)


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
    if config.encoder != "block_mean":
        lengths = [run["frames"] // config.preprocess.bin_frames for run in found["runs"]]
        per_epoch = steps_an_epoch(num_windows(lengths, config.window), config.windows_per_step)
        num_steps = config.epochs * per_epoch
        if int(state.step) < num_steps:
            raise InputError(
                f"{folder} holds an unfinished training (step {int(state.step)} of {num_steps}): "
                "finish it by the call that began it, with resume=True (lassovae fit ... --resume)"
            )
    history = tuple(read_metrics(folder / "metrics.jsonl", int(state.step)))
    reference, bad_pixels = read_measured(folder)
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
        reference=reference,
        bad_pixels=bad_pixels,
    )
