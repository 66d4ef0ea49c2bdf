"""Where a run's study lies, and whether its recordings are those that the training saw."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lassovae._errors import InputError

if TYPE_CHECKING:
    from lassovae.data import Study

logger = logging.getLogger("lassovae")
FILE = "study.json"
TRUTH = "truth.npz"
FORMAT_VERSION = 1


def open_study(table: Path) -> Study:
    """A study from its CSV; with the truth that lies beside it, if `lassovae simulate` made it.

    Raises:
        InputError: as `read_study`, or a truth.npz that cannot be read.
    """
    from lassovae.data import read_study
    from lassovae.data._truth import load_truth

    study = read_study(table)
    beside = table.parent / TRUTH
    if not beside.is_file():
        return study
    truth, names = load_truth(beside)
    missing = [name for name in study.names if name not in names]
    if missing or not set(study.labels) <= set(truth.conditions):
        logger.warning(
            "%s is of another study (%s is not in it): it is not used.", beside, ", ".join(missing)
        )
        return study
    traces = tuple(truth.traces[names.index(name)] for name in study.names)
    return dataclasses.replace(study, truth=dataclasses.replace(truth, traces=traces))


def remember_study(run_dir: Path, table: Path, study: Study, model: str) -> None:
    """Write run_dir/study.json, so that later commands find the study without being told again."""
    from lassovae.training import write_json

    whole = table.resolve()
    try:
        relative: str | None = os.path.relpath(whole, run_dir.resolve())
    except ValueError:  # another drive of Windows
        relative = None
    runs = [{"name": run.name, "condition": run.condition, "block": run.block} for run in study]
    values = {"format_version": FORMAT_VERSION, "csv": str(whole), "csv_from_here": relative, "model": model}
    write_json(run_dir / FILE, values | {"runs": runs})


def read_object(path: Path, remedy: str) -> dict[str, Any]:
    """The JSON object in a file; empty where there is no file.

    Raises:
        InputError: it is no JSON object, with the remedy.
    """
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not valid JSON ({error}): {remedy}") from error
    if not isinstance(found, dict):
        raise InputError(f"{path} holds no JSON object: {remedy}")
    return found


def remembered(run_dir: Path) -> dict[str, Any]:
    """Content of study.json; empty where there is none.

    Raises:
        InputError: it cannot be read.
    """
    return read_object(run_dir / FILE, "remove it, and name the study's CSV")


def find_study(run_dir: Path, given: Path | None, command: str) -> Path:
    """The CSV that was given, or else the one that `lassovae fit` was given.

    Raises:
        InputError: no run folder, or its study has moved; how to say where it is.
    """
    if not (run_dir / "config.json").is_file():
        what = "no such folder" if not run_dir.exists() else "not a run folder: it has no config.json"
        raise InputError(f"{run_dir}: {what}; give the folder that lassovae fit --out made")
    if given is not None:
        return given
    found = remembered(run_dir)
    again = f"name it: lassovae {command} {run_dir} STUDY.csv"
    if not found:
        raise InputError(
            f"{run_dir} does not say where its study is: lassovae fit did not train it, or was killed; {again}"
        )
    nearby = found.get("csv_from_here")
    places = ([run_dir / str(nearby)] if nearby else []) + [Path(str(found.get("csv", "")))]
    for place in places:
        if place.is_file():
            return Path(os.path.normpath(place))
    raise InputError(f"the study of {run_dir} is no longer at {places[-1]}; {again}")


def contents(study: Study) -> list[dict[str, Any]]:
    """What each run of a study is: its name, a hash of its pixels, its condition and its block."""
    from lassovae.data import content_hash

    return [
        {
            "run": run.name,
            "sha256": content_hash(run.recording),
            "condition": run.condition,
            "block": run.block,
        }
        for run in study
    ]


def differing_runs(run_dir: Path, found: list[dict[str, Any]]) -> list[str]:
    """Names of the runs whose pixels are none of those that the training saw.

    Args:
        run_dir: of the training.
        found: from `contents`.

    Raises:
        InputError: provenance.json is damaged.
    """
    before = read_object(run_dir / "provenance.json", "restore it or train again")
    seen = {entry.get("sha256") for entry in before.get("inputs", [])}
    return [entry["run"] for entry in found if entry["sha256"] not in seen]
