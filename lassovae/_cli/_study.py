"""Where a run's study lies, and whether its recordings are those that the training saw."""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lassovae._cli._output import shown
from lassovae._errors import InputError
from lassovae._sealed import check_seal

if TYPE_CHECKING:
    from lassovae.data import Study

logger = logging.getLogger("lassovae")
FILE = "study.json"
TRUTH = "truth.npz"
FORMAT_VERSION = 1
LARGEST = 1 << 22  # bytes of a JSON file
SAME_RATE = 0.01  # frame rates are one if they differ by no more than this fraction


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

    runs = [
        {
            "name": run.name,
            "condition": run.condition,
            "block": run.block,
            "frame_rate_hz": run.recording.frame_rate_hz,
        }
        for run in study
    ]
    values = {"format_version": FORMAT_VERSION, **place_of(run_dir, table), "model": model, "runs": runs}
    write_json(run_dir / FILE, values)


def place_of(run_dir: Path, table: Path) -> dict[str, str | None]:
    """Where a study's CSV lies, so that it is found again though it moved together with the run folder."""
    whole = table.resolve()
    try:
        relative: str | None = os.path.relpath(whole, run_dir.resolve())
    except ValueError:  # another drive of Windows
        relative = None
    return {"csv": str(whole), "csv_from_here": relative}


def found_again(run_dir: Path, place: Mapping[str, Any]) -> Path | None:
    """The CSV that `place_of` described; None where it is no longer there."""
    nearby, whole = place.get("csv_from_here"), place.get("csv")
    places = ([run_dir / str(nearby)] if nearby else []) + ([Path(str(whole))] if whole else [])
    return next((Path(os.path.normpath(path)) for path in places if os.path.isfile(path)), None)


def is_of_training(run_dir: Path, table: Path) -> bool:
    """Whether this CSV is the one that `lassovae fit` was given."""
    known = found_again(run_dir, remembered(run_dir))
    return known is not None and known.resolve() == table.resolve()


def rates_unlike_training(run_dir: Path, study: Study) -> str:
    """One sentence where runs were recorded at a rate that none of the training had; empty where all is well.

    Says nothing where the rate of either is not known.

    Args:
        run_dir: of the training.
        study: to be analysed.
    """
    entries = remembered(run_dir).get("runs", [])
    trained = sorted({e["frame_rate_hz"] for e in entries if e.get("frame_rate_hz") is not None})
    now = sorted({run.recording.frame_rate_hz for run in study if run.recording.frame_rate_hz is not None})
    other = [rate for rate in now if all(abs(rate / known - 1) > SAME_RATE for known in trained)]
    if not trained or not other:
        return ""
    return (
        f"Recordings of {_rates(other)} frames a second are analysed with a model that was trained at "
        f"{_rates(trained)}: lags count frames, so its couplings last another time; train a model on recordings of "
        "this rate, or bring them to the rate of the training"
    )


def conditions_changed(run_dir: Path, study: Study) -> str:
    """One sentence where runs have other conditions or blocks than when the training began; empty where none has."""
    entries = {entry.get("name"): entry for entry in remembered(run_dir).get("runs", [])}
    other = [
        run.name
        for run in study
        if run.name in entries
        and (entries[run.name].get("condition"), entries[run.name].get("block")) != (run.condition, run.block)
    ]
    if not other:
        return ""
    named = ", ".join(other[:3]) + (", ..." if len(other) > 3 else "")
    return (
        f"{len(other)} of {len(study)} runs have another condition or block than when the training began ({named}): it "
        "does not see them, and analyses take the new ones"
    )


def _rates(values: list[float]) -> str:
    return " and ".join(f"{value:.4g}" for value in values)


def read_object(path: Path, remedy: str) -> dict[str, Any]:
    """The JSON object in a file; empty where there is no file.

    Raises:
        InputError: it is no JSON object, with the remedy.
    """
    if not path.is_file():
        return {}
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError("larger than any that is written")
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is not valid JSON ({error}): {remedy}") from error
    if not isinstance(found, dict):
        raise InputError(f"{path} holds no JSON object: {remedy}")
    return found


def remembered(run_dir: Path) -> dict[str, Any]:
    """Content of study.json; empty where there is none.

    Raises:
        InputError: it cannot be read.
    """
    remedy = "remove it, and name the study's CSV"
    found = read_object(run_dir / FILE, remedy)
    words = all(isinstance(found.get(key), str | None) for key in ("csv", "csv_from_here", "model"))
    runs = found.get("runs", [])
    rates = isinstance(runs, list) and all(_has_rate(run) for run in runs)
    if found and not (words and rates and found.get("format_version") == FORMAT_VERSION):
        raise InputError(f"{run_dir / FILE} is damaged, or of another version: {remedy}")
    return found


def _has_rate(run: Any) -> bool:
    """Whether an entry of a run says a frame rate, or that there is none."""
    rate = run.get("frame_rate_hz") if isinstance(run, dict) else math.nan
    return rate is None or (type(rate) in (int, float) and 0 < rate < math.inf)


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
    again = f"name it: lassovae {command} {shown(run_dir)} STUDY.csv"
    if not found:
        raise InputError(
            f"{run_dir} does not say where its study is, as when it was trained in Python; {again}"
        )
    table = found_again(run_dir, found)
    if table is None:
        raise InputError(f"the study of {run_dir} is no longer at {found.get('csv')}; {again}")
    return table


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
    """Names of the runs whose pixels are not those that the training saw under this name, or, of a new one, under any.

    Args:
        run_dir: of the training.
        found: from `contents`.

    Raises:
        InputError: provenance.json is damaged.
    """
    remedy = "restore it or train again"
    if not (run_dir / "provenance.json").is_file():
        raise InputError(f"{run_dir / 'provenance.json'} is missing: {remedy}")
    before = read_object(run_dir / "provenance.json", remedy)
    check_seal(run_dir / "provenance.json", before, needed=False)  # earlier formats had none
    inputs = before.get("inputs", [])
    if not isinstance(inputs, list) or not all(isinstance(entry, dict) for entry in inputs):
        raise InputError(f"{run_dir / 'provenance.json'} is damaged: {remedy}")
    seen = {str(entry.get("run")): str(entry.get("sha256")) for entry in inputs}
    known = set(seen.values())

    def is_known(run: str, sha256: str) -> bool:
        return sha256 == seen[run] if run in seen else sha256 in known

    return [entry["run"] for entry in found if not is_known(entry["run"], entry["sha256"])]
