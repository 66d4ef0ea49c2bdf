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
    from lassovae.report import all_tables, write_tables
    from lassovae.report._compare import _arrays, _write_arrays

    write_tables(all_tables(results), folder / "tables")
    arrays: dict[str, Any] = {}
    for name, (_, analysis) in results.items():
        arrays |= _arrays(name, analysis)
    _write_arrays(folder / "results.npz", arrays)


def write_report(folder: Path, results: Results, study: Study) -> None:
    """report.html and figures/."""
    from lassovae.report import all_tables
    from lassovae.report._page import write_page

    (folder / "figures").mkdir(exist_ok=True)
    (main,) = results
    write_page(
        folder / "report.html",
        results,
        all_tables(results),
        {},
        folder / "figures",
        study_name=study.name,
        main=main,
    )
