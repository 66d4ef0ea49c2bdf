"""compare: every model of a preset on one study, with tables, figures and a page, in one run folder."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

import jax

from lassovae._analysis import Analysis, analyse
from lassovae._config import Config
from lassovae._errors import InputError
from lassovae._lock import owned
from lassovae._memory import plan_memory
from lassovae._model import Model
from lassovae._presets import Preset
from lassovae.data import Study, frame_shape_after, prepare
from lassovae.report._results import PAPERS as MAIN
from lassovae.report._results import write_results
from lassovae.report._write import write_report
from lassovae.training import claim, fit, settings

logger = logging.getLogger("lassovae")


def _teachers(preset: Preset) -> dict[str, str]:
    """name -> the model whose training gives its weights: itself, or one that differs from it in lam alone.

    A sequential training and block means never see lam: at three strengths they would be trained three times alike.
    The model of the main model's strength is the teacher, so that it has a folder under its plain name.
    """
    main = preset.models[MAIN]
    found: dict[str, str] = {}
    teachers: dict[Config, str] = {}
    for name in sorted(preset.models, key=lambda n: (n != MAIN, preset.models[n].lam != main.lam)):
        config = preset.models[name]
        blind = config.mode == "sequential" or config.encoder == "block_mean"
        plain = config.replace(lam=0.0, condition_lam=None, prune=0.0, lam_warmup=0.0) if blind else config
        found[name] = teachers.setdefault(plain, name)
    return found


def compare(
    study: Study,
    preset: Preset,
    out: str | Path,
    *,
    resume: bool = False,
    show_progress: bool = True,
    max_memory_gb: float | None = None,
) -> dict[str, tuple[Model, Analysis]]:
    """Train and analyse every model of a preset, and write a run folder.

    The folder is the run folder of the main model, "end_to_end", so that `lassovae.load(out)` reads it; the
    others lie in out/models/<name>, but for those whose training would be another's over again (sequential models
    and block means that differ in lam alone). Beside them: results.npz, tables/*.csv, figures/*.png, report.html.

    Args:
        study: recordings and conditions.
        preset: from `lassovae.preset`.
        out: a folder that does not exist yet or is empty.
        resume: go on in a folder that an earlier call has left; finished models are not trained again.
        show_progress, max_memory_gb: as in `fit`.

    Returns:
        name -> (model, analysis).

    Raises:
        InputError, TrainingError, SolveError: as `fit` and `analyse`.
    """
    if MAIN not in preset.models:
        raise InputError(f"the preset has no model named {MAIN!r}, which is the one the figures show")
    if len({config.preprocess for config in preset.models.values()}) > 1:
        raise InputError("the models of a preset must share one preprocess, or they cannot be compared")
    if jax.process_count() > 1:
        raise InputError(
            f"compare runs in one process, and this is one of {jax.process_count()}: train with `fit` in all of them, "
            "then call `analyse` in all of them"
        )
    folder = Path(out)
    teachers = _teachers(preset)
    for name, config in preset.models.items():  # all of them before the first writes anything
        if teachers[name] != name:
            continue
        study.check(order=config.order, window=config.window, bin_frames=config.preprocess.bin_frames)
        wanted = settings(study, config, frame_shape_after(study.frame_shape, config.preprocess))
        claim(folder if name == MAIN else folder / "models" / name, wanted, resume)
    with owned(folder, "lassovae compare"):
        return _compared(study, preset, folder, teachers, resume, show_progress, max_memory_gb)


def _compared(
    study: Study,
    preset: Preset,
    folder: Path,
    teachers: dict[str, str],
    resume: bool,
    show_progress: bool,
    max_memory_gb: float | None,
) -> dict[str, tuple[Model, Analysis]]:
    """`compare` in a folder that is ours."""
    names = list(teachers)  # whoever teaches comes before whom it teaches
    results: dict[str, tuple[Model, Analysis]] = {}
    memory = plan_memory(study, preset.models[MAIN], max_memory_gb)
    prepared = prepare(study, preset.models[MAIN].preprocess, hold=memory.holds_frames)
    for name in names:
        config = preset.models[name]
        if teachers[name] == name:
            where = folder if name == MAIN else folder / "models" / name
            model = fit(
                study,
                config,
                run_dir=where,
                resume=resume,
                show_progress=show_progress,
                max_memory_gb=max_memory_gb,
                prepared=prepared,
            )
        else:
            taught = results[teachers[name]][0]  # its history and notes speak of its own lam
            model = dataclasses.replace(taught, config=config, history=(), notes=())
        results[name] = (model, analyse(model, study, prepared=prepared))
        logger.info("%s: analysed", name)
    results = {name: results[name] for name in preset.models}  # the preset's order, in tables and figures
    write_results(folder, results)
    write_report(folder, results, study, prepared, main=MAIN, sweep=preset.sweep)
    return results
