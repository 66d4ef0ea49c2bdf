"""fit: from a study to a model."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Mesh

from lassovae._config import Config
from lassovae._errors import InputError
from lassovae._memory import plan_memory
from lassovae._model import Model
from lassovae._sharing import by_first, check_same
from lassovae._stopping import StopRequest
from lassovae.data import Prepared, Study, frame_shape_after, num_windows, prepare
from lassovae.training._epochs import Record, train
from lassovae.training._folder import metrics_checksum, provenance, settings
from lassovae.training._inputs import check_frames, check_prepared
from lassovae.training._keeper import Keeper
from lassovae.training._mesh import is_first, make_mesh, replicated
from lassovae.training._run import RunFolder, open_run
from lassovae.training._saved import BEST, FINAL
from lassovae.training._step import TrainState, initial_state
from lassovae.training._trees import model_of, tree_of, unknown_positions

logger = logging.getLogger("lassovae")


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
            every epoch and every ten minutes (docs/durability.md). None keeps nothing on disk.
        resume: go on from the newest checkpoint of run_dir, if there is one, to the same bits as if the training had
            never been stopped. The configuration and the pixels of the recordings must be the same.
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
        TrainingError: a loss that is not finite, naming step, run and window; or run_dir went away or cannot be
            written to any more. The newest checkpoint stays.
        Stopped: SIGINT or SIGTERM; the step under way is finished and saved first.

    References:
        arXiv 2603.02899, sections 2.1 and 3.1.
    """
    bin_frames = config.preprocess.bin_frames
    study.check(order=config.order, window=config.window, bin_frames=bin_frames)
    mesh = make_mesh(config.windows_per_step, devices)
    if run_dir is not None and not str(run_dir):
        raise InputError("run_dir='' names no folder; None keeps nothing")
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
    given = prepared is not None
    if prepared is not None:
        check_prepared(prepared, study, config.preprocess)
    with ExitStack() as stack:
        run = None if folder is None else stack.enter_context(open_run(folder, study, wanted, resume))
        stop = stack.enter_context(StopRequest(alone=jax.process_count() == 1))
        if prepared is None:
            memory = plan_memory(study, config, max_memory_gb)
            if is_first():
                logger.info("%s", memory.sentence())
            prepared = prepare(study, config.preprocess, hold=memory.holds_frames)
        state, unknown = initial_state(config, frame_shape), unknown_positions(config, frame_shape)
        history: list[dict[str, Any]] = []
        if run is not None:
            inputs = by_first(lambda: run.inputs.pixels(prepared.stamps))
            made_with = provenance(study, config, list(mesh.devices.flat), inputs, prepared.steps)
            like = tree_of(state, prepared, unknown)
            with stop.saving():
                found, history = run.begin(wanted, made_with, prepared, like)
            if given and found is not None:
                check_frames(prepared, found)
            state = state if found is None else found["state"]
        if config.encoder != "block_mean":
            record = Record(config, study.names, prepared, history, show_progress and is_first())
            keeper = Keeper(
                run, stop, lambda state: tree_of(state, prepared, replicated(mesh, unknown)), history
            )
            state = train(config, prepared, replicated(mesh, state), mesh, record, keeper)
        return _finished(state, config, prepared, history, mesh, run, stop)


def _finished(
    state: TrainState,
    config: Config,
    prepared: Prepared,
    history: list[dict[str, Any]],
    mesh: Mesh,
    run: RunFolder | None,
    stop: StopRequest,
) -> Model:
    """The model of a training that has come to its end; kept in its folder, and beside it that of its best epoch."""
    model = model_of(state, config, prepared, history)
    if run is not None:
        step = int(state.step)
        stop.place = "after its last step: go on with resume=True (the same command with --resume)"
        best = run.best()
        if best is not None and best.step == step:
            best = None
        if not run.has(FINAL):  # resuming a finished training finds it there
            tree = tree_of(state, prepared, replicated(mesh, model.positions))
            with stop.saving():
                run.save(FINAL, step, tree, metrics_checksum(history), best=best and best.step)
        if best is not None and not run.has(BEST):
            like = tree_of(state, prepared, unknown_positions(config, model.frame_shape))
            before = run.restored(best, like)["state"]
            positions = model_of(before, config, prepared, history).positions
            tree = tree_of(replicated(mesh, before), prepared, replicated(mesh, positions))
            with stop.saving():
                run.save(BEST, best.step, tree, best.metrics, loss=best.loss)
    for note in model.notes if is_first() else ():
        logger.warning("%s", note)
    return model
