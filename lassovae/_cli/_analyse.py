"""`lassovae analyse`: test, map and save what a trained model says of a study."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import Positional, arg

from lassovae._cli._exports import planned_exports, write_export
from lassovae._cli._output import Output, logged_to, print_json, print_lines, shown
from lassovae._cli._settings import MaxMemory
from lassovae._cli._study import (
    contents,
    differing_runs,
    find_study,
    is_of_training,
    open_study,
    place_of,
    rates_unlike_training,
    remembered,
)
from lassovae._errors import InputError
from lassovae._lock import owned

if TYPE_CHECKING:
    from lassovae import Analysis, Model
    from lassovae.data import Study

logger = logging.getLogger("lassovae")


@dataclass(frozen=True, kw_only=True)
class Analyse(Output):
    """Test whether conditions differ and where, and save it beside the model.

    Writes analysis.json and analysis.npz (everything, for lassovae.load_analysis), tables/*.csv and results.npz into
    the run folder, and prints what was found.
    """

    run_dir: Annotated[Positional[Path], arg(metavar="RUN_DIR")]
    """Folder that lassovae fit made."""
    study: Annotated[
        Positional[Path | None],
        arg(metavar="[STUDY.csv]", help_behavior_hint="(default: that of the training)"),
    ] = None
    """Another study of the same field of view, or the same one where it has moved."""
    lam: Annotated[float | None, arg(help_behavior_hint="(default: the model's)")] = None
    """l1 strength of the fits to single runs."""
    export: tuple[Literal["nwb", "tiff", "csv"], ...] = ()
    """Write results for other programs into RUN_DIR/exports, too: latents, coefficients and maps as NWB, maps as a TIFF
    stack for napari and ImageJ, latents and coefficients as CSV."""
    max_memory_gb: MaxMemory = None
    """What the analysis may take, in 10^9 bytes."""
    device: Literal["auto", "cpu", "gpu"] = "auto"
    """Where to compute; gpu fails where there is none."""

    def run(self) -> None:
        """Analyse and save.

        Raises:
            InputError: no run folder, no study, or recordings that are not those of the training.
            SolveError: a lasso failed.
        """
        if self.device == "cpu":
            os.environ["JAX_PLATFORMS"] = "cpu"  # JAX reads it when it is imported, which is below
        table = find_study(self.run_dir, self.study, "analyse")
        exports = planned_exports(self.run_dir, self.export)
        with (
            owned(self.run_dir, "lassovae analyse"),
            logged_to(self.run_dir, f"analyse {shown(self.run_dir)}"),
        ):
            study = open_study(table)
            if self.device == "gpu":
                from lassovae._processes import require_device

                require_device("gpu")
            model, analysis, differ = analyse_and_save(
                self.run_dir,
                study,
                table,
                explicit=self.study is not None,
                lam=self.lam,
                max_memory_gb=self.max_memory_gb,
            )
            for kind, path in exports.items():
                write_export(kind, path, model, analysis, study)
        from lassovae._cli._findings import as_object, sentences

        if self.json:
            result = {
                "run_dir": self.run_dir,
                "study": table,
                "runs_unlike_training": differ,
                "exports": exports,
            }
            print_json(result | as_object(model, analysis))
            return
        print_lines(
            *sentences(model, analysis),
            f"Tables in {self.run_dir / 'tables'}, arrays in {self.run_dir / 'results.npz'}.",
            *(f"{kind.upper()} in {path}." for kind, path in exports.items()),
            " ".join(
                [
                    f"Next: lassovae report {shown(self.run_dir)}",
                    *([] if is_of_training(self.run_dir, table) else [shown(table)]),
                ]
            ),
        )


def analyse_and_save(
    run_dir: Path,
    study: Study,
    table: Path,
    *,
    explicit: bool,
    lam: float | None = None,
    max_memory_gb: float | None = None,
    inputs: list[dict[str, Any]] | None = None,
) -> tuple[Model, Analysis, list[str]]:
    """Load, compare the recordings with those of the training, analyse, write.

    Args:
        run_dir: of the training; the results are written there.
        study: its recordings.
        table: its CSV, which the saved analysis remembers.
        explicit: the user named it, and may mean other recordings than those of the training.
        lam: of the fits to runs; None: the model's.
        max_memory_gb: as in `analyse`.
        inputs: `contents` of the study, where they are known already.

    Returns:
        The model, its analysis, and the names of runs that the training did not see.

    Raises:
        InputError, SolveError: as `analyse`; other recordings where none were named.
    """
    import lassovae
    from lassovae._cli._room import write_results

    model = lassovae.load(run_dir)
    inputs = contents(study) if inputs is None else inputs
    differ = differing_runs(run_dir, inputs)
    if differ and not explicit:
        raise InputError(
            f"{table}: the pixels of {_some(differ)} are not those that {run_dir} was trained on; "
            f"restore them, or name the study to analyse it as it is: lassovae analyse {shown(run_dir)} {shown(table)}"
        )
    if differ:
        logger.warning(
            "The training of %s did not see these pixels of %s: analysed as new recordings of the same field of view.",
            run_dir,
            _some(differ),
        )
    else:
        logger.info("The recordings are those of the training.")
    if rates := rates_unlike_training(run_dir, study):
        logger.warning("%s.", rates)
    analysis = lassovae.analyse(model, study, lam=lam, max_memory_gb=max_memory_gb)
    origin = {"model": fingerprint(model), "inputs": inputs, "study": study.name, "lam": lam}
    origin |= place_of(run_dir, table)
    lassovae.save_analysis(analysis, run_dir, origin=origin)
    write_results(run_dir, {model_name(run_dir, model): (model, analysis)})
    return model, analysis, differ


def _some(names: list[str]) -> str:
    return f"run {', '.join(names[:3])}{f' and {len(names) - 3} more' if len(names) > 3 else ''}"


def fingerprint(model: Model) -> str:
    """What tells a model from another, or from the same before it was trained further."""
    import hashlib

    import jax
    import numpy as np

    digest = hashlib.sha256(repr(model.config.to_dict()).encode())
    for leaf in jax.tree.leaves((model.weights, model.mean_frame, model.scale, model.offset)):
        digest.update(np.ascontiguousarray(leaf).tobytes())
    return digest.hexdigest()


def model_name(run_dir: Path, model: Model) -> str:
    """What tables call the model: as `lassovae fit --model` did, or by its settings."""
    config = model.config
    plain: Any = {"soft_roi": "recommended", "block_mean": "block_mean"}.get(config.encoder, config.mode)
    return str(remembered(run_dir).get("model") or plain)
