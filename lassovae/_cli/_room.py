"""What the report room writes, in one place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lassovae import Analysis, Model
    from lassovae.data import Study

    Results = dict[str, tuple[Model, Analysis]]


def write_results(folder: Path, results: Results) -> None:
    """tables/*.csv and results.npz."""
    from lassovae import report

    report.write_results(folder, results)


def write_report(folder: Path, results: Results, study: Study) -> None:
    """report.html and figures/."""
    from lassovae import report
    from lassovae._memory import plan_memory
    from lassovae.data import prepare

    model, _ = next(iter(results.values()))
    config = model.config
    prepared = prepare(
        study,
        config.preprocess,
        scale=model.scale,
        offset=model.offset,
        mean_frame=model.mean_frame,
        hold=plan_memory(study, config).holds_frames,
    )
    report.write_report(folder, results, study, prepared)
