"""What a run folder knows of its study: `study.json` and `provenance.json`."""

from __future__ import annotations

import json
from pathlib import Path

from fuzzing.judge import Budget
from fuzzing.reader_zarr import change_entry
from fuzzing.target import Files, Target, files_below
from lassovae._cli._study import contents, differing_runs, find_study, rates_unlike_training, remembered
from lassovae.data import ArrayRecording, Run, Study


def make_seeds(folder: Path) -> dict[str, Files]:
    """As `lassovae fit` writes them."""
    runs = [
        {"name": f"run {i}", "condition": "F", "block": i, "frame_rate_hz": rate}
        for i, rate in enumerate((7.5, None))
    ]
    study = {
        "format_version": 1,
        "csv": "/gone/study.csv",
        "csv_from_here": "study.csv",
        "model": "paper",
        "runs": runs,
    }
    place = folder / "run"
    place.mkdir()
    (place / "study.json").write_text(json.dumps(study, indent=1))
    (place / "provenance.json").write_text(json.dumps({"inputs": [{"run": "run 0", "sha256": "0" * 64}]}))
    return {"run": files_below(place)}


def read(folder: Path, budget: Budget) -> None:
    """All that commands ask of them."""
    (folder / "config.json").write_text("{}")
    (folder / "study.csv").write_text("recording,condition\n")
    movie = ArrayRecording([[[1.0]], [[2.0]]], frame_rate_hz=3.0)
    study = Study((Run(recording=movie, condition="F", block=0, name="run 0"),))
    assert isinstance(remembered(folder).get("model", ""), str | None)
    assert isinstance(rates_unlike_training(folder, study), str)
    assert differing_runs(folder, contents(study)) in ([], ["run 0"])
    assert find_study(folder, None, "analyse").name


TARGET = Target("study_json", make_seeds, read, (change_entry,))
