"""write_report: figures, their numbers, and the page, from the results of one model or of several."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lassovae.data import Prepared, Study, content_hash
from lassovae.report import _words as words
from lassovae.report._drawing import csv_text
from lassovae.report._edges import edge_view
from lassovae.report._figures import draw_all
from lassovae.report._methods import methods
from lassovae.report._outdated import TABLES, remove_outdated
from lassovae.report._page import Content, page
from lassovae.report._provenance import provenance
from lassovae.report._results import main_model
from lassovae.report._scene import Scene
from lassovae.report._shown import fits_table, model_title, readable, runs_table
from lassovae.report._tables import ablation_runs, all_tables, fits, write_tables
from lassovae.report._types import Results
from lassovae.report._viewer import viewer
from lassovae.training import write_text

SWEEP = (0.3, 0.6, 1.0, 3.2)  # l1 strengths of the forecast figure, as multiples of the model's


def write_report(
    folder: str | Path,
    results: Results,
    study: Study,
    prepared: Prepared,
    *,
    main: str | None = None,
    sweep: tuple[float, ...] | None = None,
    title: str | None = None,
    inputs: Sequence[tuple[str, str]] | None = None,
) -> Path:
    """Write figures/*.png, figures/data/*.csv with the numbers of each, tables/*.csv and report.html.

    What one model, one condition or real recordings do not allow is left out, and the page says why. The page needs
    no other file and no network. Where the folder holds the provenance.json of a training, the page tells of it.

    Args:
        folder: made if it is not there; files of an earlier report are replaced, or
            removed where these results have none.
        results: name -> (model, analysis), one or more, of any names.
        study: that was analysed.
        prepared: its frames, of which few are read at a time.
        main: the model whose tests and forecasts are shown; None: "recommended" if it is there, else "end_to_end",
            else the first.
        sweep: l1 strengths of the forecast figure; None: from 0.3 to 3.2 times the model's.
        title: of the page; None: the study's name.
        inputs: name of every run and the SHA-256 of its pixels (`lassovae.data.content_hash`), where they are known
            already; None: the recordings are read for them.

    Returns:
        The path of the page.

    Raises:
        InputError: no results, or none named `main`.
        SolveError: a lasso of the forecast figure or of the path failed.
    """
    main = main_model(results, main)
    folder = Path(folder)
    model, analysis = results[main]
    lam = analysis.lam or analysis.condition_lam
    if sweep is None:
        sweep = tuple(lam * factor for factor in SWEEP) if lam > 0 else ()
    scene = Scene(results, main, study, prepared, tuple(sweep))
    tables = all_tables(results)
    if inputs is None:
        inputs = [(run.name, content_hash(run.recording)) for run in study]
    remove_outdated(folder / "tables", TABLES, tables, ".csv")
    write_tables(tables, folder / "tables")
    drawings = draw_all(scene, folder / "figures")
    clips = viewer(scene)
    write_text(folder / "figures" / "data" / "viewer.csv", csv_text(clips.data))
    verdict, basis = words.answer(results, main)
    best = {scene.best: results[scene.best]}
    content = Content(
        title=words.default_title(study) if title is None else title,
        question=words.question(results, main),
        verdict=verdict,
        basis=basis,
        limits=words.limits(results, main, drawings),
        findings=words.findings(results, main),
        drawings=drawings,
        tables=[
            *readable(tables),
            runs_table(ablation_runs(best)),
            *([fits_table(rows)] if (rows := fits(best)) else []),
        ],
        edges=edge_view(scene),
        viewer=clips,
        origins=provenance(folder, model.config, prepared, inputs),
        methods=methods(*results[scene.best], study, prepared),
        settings_of=model_title(main),
        methods_of=model_title(scene.best),
        scaled=scene.pixel_size_um is not None,
    )
    path = folder / "report.html"
    write_text(path, page(content, folder))
    return path
