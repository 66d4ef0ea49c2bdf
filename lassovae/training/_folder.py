"""The run folder of one training: who owns it, what it was made with, and its files written whole or not at all."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax

from lassovae._config import Config
from lassovae._errors import InputError
from lassovae._files import make_folder as make_folder
from lassovae._files import write_text as write_text
from lassovae._sharing import first_difference
from lassovae.data import Study, content_hash

FORMAT_VERSION = 2  # 1 until Adam kept its moments as one vector
ANALYSIS_ONLY = ("condition_lam", "prune")  # settings that no training sees
LIBRARIES = ("lassovae", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "scipy", "tifffile")


def write_json(path: Path, values: Any) -> None:
    """As `write_text`, for JSON that stays readable."""
    write_text(path, json.dumps(values, indent=1, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Parse a JSON file.

    Raises:
        InputError: the file is missing or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing: {path.parent} is not a run folder of lassovae") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid JSON ({error}): restore it or train again") from error


def read_settings(path: Path) -> dict[str, Any]:
    """Parse config.json and see that it has what `settings` writes.

    Raises:
        InputError: it is missing, not JSON, or not the settings of a run.
    """
    found = read_json(path)
    kinds = {"format_version": int, "config": dict, "frame_shape": list, "runs": list}
    wrong = [
        k for k, kind in kinds.items() if not isinstance(found, dict) or not isinstance(found.get(k), kind)
    ]
    if wrong:
        raise InputError(f"{path} lacks {', '.join(wrong)}: it is not the config.json of a lassovae run")
    return dict(found)


def settings(study: Study, config: Config, frame_shape: tuple[int, int]) -> dict[str, Any]:
    """Content of config.json: what `load` and `resume` rely on."""
    return {
        "format_version": FORMAT_VERSION,
        "config": json.loads(json.dumps(config.to_dict())),
        "frame_shape": list(frame_shape),
        "runs": [{"name": run.name, "frames": len(run.recording)} for run in study],
    }


def provenance(
    study: Study, config: Config, devices: Sequence[jax.Device], steps: Sequence[Sequence[str]] = ()
) -> dict[str, Any]:
    """Content of provenance.json: versions, the devices used, seed, a hash of every recording's pixels, and what the
    preprocessing did to each run."""
    return {
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": {name: version(name) for name in LIBRARIES},
        "device": f"{len(devices)} x {devices[0].device_kind} ({devices[0].platform})",
        "seed": config.seed,
        "inputs": [{"run": run.name, "sha256": content_hash(run.recording)} for run in study],
        "preprocessing": {run.name: list(said) for run, said in zip(study, steps, strict=False)},
    }


def _trained(values: dict[str, Any]) -> dict[str, Any]:
    """Settings with every field of this version, less those that only the analysis reads: they may change."""
    config = Config.from_dict(values["config"]).to_dict()
    return values | {"config": {k: v for k, v in config.items() if k not in ANALYSIS_ONLY}}


def claim(folder: Path, wanted: dict[str, Any], resume: bool) -> None:
    """Make sure that this folder may be written to.

    Args:
        folder: of the run; created by nobody yet, or holding the same run when resuming.
        wanted: `settings` of this training.
        resume: go on with what is there.

    Raises:
        InputError: the folder holds another run, or files of something else, or cannot be resumed.
    """
    config_file = folder / "config.json"
    if not config_file.exists():
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InputError(f"{folder} exists and is not an empty folder: choose another output folder")
        return
    if not resume:
        raise InputError(
            f"{folder} already holds a run: choose another output folder, or go on with it (resume=True, --resume)"
        )
    found = read_settings(config_file)
    there = _trained({key: found[key] for key in wanted})
    if there != _trained(wanted):
        name, now, then = first_difference(_trained(wanted), there)
        raise InputError(
            f"{folder} cannot be resumed: its {name} is {then}, now {now}; repeat the options of the first call "
            "(log.txt and config.json hold them), or choose another output folder"
        )


def check_inputs(folder: Path, now: dict[str, Any]) -> None:
    """Refuse to resume on recordings whose pixels differ from those the training began with.

    Raises:
        InputError: naming the first run that changed.
    """
    before = read_json(folder / "provenance.json")
    for old, new in zip(before["inputs"], now["inputs"], strict=True):
        if old != new:
            raise InputError(f"{folder} cannot be resumed: the pixels of run {new['run']} have changed")


def read_metrics(path: Path, up_to_step: int) -> list[dict[str, Any]]:
    """Lines of metrics.jsonl up to a step; a line cut short by a kill is left out."""
    rows = []
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                break  # the line being written when the process died: later lines cannot exist
            if row["step"] <= up_to_step:
                rows.append(row)
    return rows


def metrics_text(rows: Iterable[dict[str, Any]]) -> str:
    """One JSON object a line."""
    return "".join(json.dumps(row) + "\n" for row in rows)
