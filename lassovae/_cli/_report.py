"""`lassovae report`: one page that a browser opens, without a network."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import FlagCreatePairsOff, Positional, arg

from lassovae._cli._analyse import analyse_and_save, fingerprint, model_name
from lassovae._cli._output import Output, logged_to, print_json, print_lines, shown
from lassovae._cli._study import contents, find_study, found_again, is_of_training, open_study
from lassovae._errors import InputError
from lassovae._lock import owned

logger = logging.getLogger("lassovae")


@dataclass(frozen=True, kw_only=True)
class Report(Output):
    """Write report.html into a run folder: what was asked, what was found, its limits, tables and figures.

    Takes the analysis that lassovae analyse saved; if there is none, or the model was trained further since, analyses
    first and says so. The page is one file that needs no network.
    """

    run_dir: Annotated[Positional[Path], arg(metavar="RUN_DIR")]
    """Folder that lassovae fit made."""
    study: Annotated[
        Positional[Path | None],
        arg(metavar="[STUDY.csv]", help_behavior_hint="(default: the one analysed last)"),
    ] = None
    """The study, where it has moved, or the other one that was analysed."""
    again: FlagCreatePairsOff[bool] = False
    """Analyse anew although there is an analysis."""
    device: Literal["auto", "cpu", "gpu"] = "auto"
    """Where to compute; gpu fails where there is none."""

    def run(self) -> None:
        """Write the page.

        Raises:
            InputError: no run folder, no study, or recordings that are not those of the training.
            SolveError: a lasso failed.
        """
        if self.device == "cpu":
            os.environ["JAX_PLATFORMS"] = "cpu"  # JAX reads it when it is imported, which is below
        origin = self._origin()
        table = self._table(origin)
        with (
            owned(self.run_dir, "lassovae report"),
            logged_to(self.run_dir, f"report {shown(self.run_dir)}"),
        ):
            study = open_study(table)
            if self.device == "gpu":
                from lassovae._processes import require_device

                require_device("gpu")
            import lassovae
            from lassovae._cli._room import write_report

            model = lassovae.load(self.run_dir)
            inputs = contents(study)
            why = self._why_anew(origin, fingerprint(model), inputs)
            if why:
                logger.info("%s: analysing first.", why)
                same = origin.get("inputs") == inputs
                model, analysis, _ = analyse_and_save(
                    self.run_dir,
                    study,
                    table,
                    explicit=self.study is not None or same or not is_of_training(self.run_dir, table),
                    lam=origin.get("lam") if self.study is None or same else None,
                    inputs=inputs,
                )
            else:
                analysis = lassovae.load_analysis(self.run_dir)
                logger.info("Taking the analysis that is saved there.")
            write_report(self.run_dir, {model_name(self.run_dir, model): (model, analysis)}, study, inputs)
        page = self.run_dir / "report.html"
        if self.json:
            print_json({"report": page, "analysed_first": why or None})
            return
        print_lines(f"{why}: analysed first." if why else "", f"Report in {page}: open it in a browser.")

    def _origin(self) -> dict[str, Any]:
        """What the analysis that lies in the folder was made from; empty where there is none."""
        from lassovae._records import TREE, read_origin

        if not (self.run_dir / TREE).is_file():
            return {}
        try:
            return read_origin(self.run_dir)
        except InputError as error:
            if not self.again:
                raise
            logger.warning("%s; it is replaced.", error)
            return {}

    def _table(self, origin: dict[str, Any]) -> Path:
        """The CSV of the study: the one given, else that of the saved analysis, else that of the training.

        Raises:
            InputError: no run folder, or its study has moved.
        """
        if self.study is not None or not origin.get("csv"):
            return find_study(self.run_dir, self.study, "report")
        table = found_again(self.run_dir, origin)
        if table is None:
            raise InputError(
                f"the study of the analysis in {self.run_dir} is no longer at {origin['csv']}; "
                f"name it: lassovae report {shown(self.run_dir)} STUDY.csv"
            )
        return table

    def _why_anew(self, origin: dict[str, Any], model: str, inputs: list[dict[str, Any]]) -> str:
        """Why the analysis that lies in the folder will not do; empty where it will."""
        from lassovae._records import TREE

        if self.again:
            return "Asked to analyse again"
        if not (self.run_dir / TREE).is_file():
            return "There is no analysis yet"
        if origin.get("model") != model:
            return "The analysis there is of another training"
        if origin.get("inputs") != inputs:
            return "The analysis there is of other recordings, conditions or blocks"
        return ""
