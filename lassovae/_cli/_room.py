"""What the report room writes, in one place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lassovae import Analysis, Model
    from lassovae.data import Study

    Results = dict[str, tuple[Model, Analysis]]


def write_results(folder: Path, results: Results) -> None:
    """tables/*.csv and results.npz."""
    from lassovae import report

    report.write_results(folder, results)


def write_report(folder: Path, results: Results, study: Study, inputs: list[dict[str, Any]]) -> None:
    """report.html and figures/; `inputs` says which pixels were analysed."""
    from lassovae import report
    from lassovae._model import prepare_for

    model, _ = next(iter(results.values()))
    prepared = prepare_for(model, study, hold=False)  # it shows few frames
    analysed = [(entry["run"], entry["sha256"]) for entry in inputs]
    report.write_report(folder, results, study, prepared, inputs=analysed)
