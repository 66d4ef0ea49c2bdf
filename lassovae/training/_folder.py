"""What the files of a run folder say: its settings, what it was made with, and the numbers of its steps."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax

from lassovae._config import Config
from lassovae._errors import InputError
from lassovae._files import LEFTOVER
from lassovae._files import write_text as write_text
from lassovae._lock import OURS
from lassovae._sealed import check_seal, checksum, read_sealed
from lassovae._sealed import read_json as read_json
from lassovae._sharing import first_difference
from lassovae.data import Study
from lassovae.training._saved import Saved

logger = logging.getLogger("lassovae")

FORMAT_VERSION = 3  # 1 until Adam kept its moments as one vector, 2 until checkpoints had manifests
READABLE = (1, 2, 3)  # by `load`; a training goes on in the format of its code alone
SEALED = 3  # the first whose config.json has a checksum
BEFORE_CONFIG = ("study.json", "provenance.json", "preprocessing.npz")  # written before config.json
ANALYSIS_ONLY = ("condition_lam", "prune")  # settings that no training sees
LIBRARIES = ("lassovae", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "scipy", "tifffile")
SAME_BITS = (
    "python",
    "system",
    "versions",
    "device",
    "xla_flags",
)  # of which the last bits of a training depend


def write_json(path: Path, values: Any) -> None:
    """As `write_text`, for JSON that stays readable."""
    write_text(path, json.dumps(values, indent=1, allow_nan=False) + "\n")


def read_settings(path: Path) -> dict[str, Any]:
    """Parse config.json and see that it has what `settings` writes, and that nobody changed it.

    Raises:
        InputError: it is missing, not JSON, not the settings of a run, of a newer format, or not as it was written.
    """
    found = read_json(path)
    kinds = {"format_version": int, "config": dict, "frame_shape": list, "runs": list}
    wrong = [
        k for k, kind in kinds.items() if not isinstance(found, dict) or not isinstance(found.get(k), kind)
    ]
    if wrong:
        raise InputError(f"{path} lacks {', '.join(wrong)}: it is not the config.json of a lassovae run")
    if found["format_version"] not in READABLE:
        raise InputError(
            f"{path} has format_version {found['format_version']}; this version of lassovae reads "
            f"{', '.join(map(str, READABLE))}: use the version named in provenance.json"
        )
    check_seal(path, found, needed=found["format_version"] >= SEALED)
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
    study: Study,
    config: Config,
    devices: Sequence[jax.Device],
    inputs: list[dict[str, str]],
    steps: Sequence[Sequence[str]] = (),
) -> dict[str, Any]:
    """Content of provenance.json: versions, the devices used, seed, a hash of every recording's pixels (`inputs`), and
    what the preprocessing did to each run."""
    return {
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": {name: version(name) for name in LIBRARIES},
        "device": f"{len(devices)} x {devices[0].device_kind} ({devices[0].platform})",
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        "seed": config.seed,
        "inputs": inputs,
        "preprocessing": {run.name: list(said) for run, said in zip(study, steps, strict=False)},
    }


def _trained(values: dict[str, Any]) -> dict[str, Any]:
    """Settings with every field of this version, less those that only the analysis reads: they may change."""
    config = Config.from_dict(values["config"]).to_dict()
    return values | {"config": {k: v for k, v in config.items() if k not in ANALYSIS_ONLY}}


def run_id(wanted: dict[str, Any], made_with: dict[str, Any]) -> str:
    """What tells a run from others: its settings and its recordings when it was begun.

    Args:
        wanted: its `settings`.
        made_with: its `provenance`.
    """
    return checksum({"settings": wanted, "inputs": made_with["inputs"]})


def _is_ours(folder: Path) -> bool:
    """Whether a folder without a config.json holds nothing but what a run writes before that, or left half written."""
    names = {place.name for place in folder.iterdir()}
    before = {*OURS, *BEFORE_CONFIG} if OURS[0] in names else set(OURS)
    return all(name in before or LEFTOVER.fullmatch(name) for name in names)


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
    try:
        if "\0" in str(folder):
            raise ValueError("it holds a zero byte")
        str(folder.absolute()).encode()  # Orbax takes no others
        begun = config_file.exists()
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror or error}; choose another output folder") from error
    except ValueError as error:
        raise InputError(
            f"{str(folder)!a}: no name of a folder in UTF-8 ({error}); choose another output folder"
        ) from error
    if not begun:
        if (folder / "checkpoints").is_dir() and any((folder / "checkpoints").iterdir()):
            raise InputError(
                f"{folder} holds checkpoints but no config.json: restore it, or choose another output folder"
            )
        if folder.exists() and not (folder.is_dir() and _is_ours(folder)):
            raise InputError(f"{folder} exists and is not an empty folder: choose another output folder")
        return
    if not resume:
        raise InputError(
            f"{folder} already holds a run: choose another output folder, or go on with it (resume=True, --resume)"
        )
    found = read_settings(config_file)
    if found["format_version"] != wanted["format_version"]:
        raise InputError(
            f"{folder} cannot be resumed: its format_version is {found['format_version']}, now "
            f"{wanted['format_version']}; finish it with the version of lassovae named in its provenance.json, or "
            "train again in another folder"
        )
    there = _trained({key: found[key] for key in wanted})
    if there != _trained(wanted):
        name, now, then = first_difference(_trained(wanted), there)
        if name == "runs":
            raise InputError(f"{folder} cannot be resumed: {_other_runs(then, now)}")
        raise InputError(
            f"{folder} cannot be resumed: its {name} is {then}, now {now}; repeat the options of the first call "
            "(config.json holds them), or choose another output folder"
        )


def _other_runs(then: list[dict[str, Any]], now: list[dict[str, Any]]) -> str:
    """The first run in which two studies differ, and what to do."""
    row = next(
        (i for i, (a, b) in enumerate(zip(then, now, strict=False)) if a != b), min(len(then), len(now))
    )
    old, new = (
        f"{runs[row]['name']} of {runs[row]['frames']} frames" if row < len(runs) else "none"
        for runs in (then, now)
    )
    return (
        f"its run {row + 1} is {old}, now {new}; give the study its runs of then, in their order and under their "
        "names, or choose another output folder"
    )


def check_inputs(folder: Path, now: dict[str, Any]) -> dict[str, Any]:
    """Refuse to resume on recordings whose pixels differ from those the training began with.

    Returns:
        What the training began with.

    Raises:
        InputError: naming the first run that changed; or provenance.json is damaged.
    """
    before = read_sealed(folder / "provenance.json")
    for old, new in zip(before["inputs"], now["inputs"], strict=True):
        if old != new:
            raise InputError(
                f"{folder} cannot be resumed: the pixels of run {new['run']} have changed; restore its recording, or "
                "choose another output folder"
            )
    return before


def went_on(folder: Path, before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """Content of provenance.json when a training goes on: what it began with, and where it goes on if that differs.

    Another version of a library or another device may round otherwise: said, and written down.
    """
    here = {name: now[name] for name in SAME_BITS}
    last = (before.get("resumed") or [before])[-1]
    known = {name: last.get(name) for name in SAME_BITS}
    if here == known:
        return before
    name, then, today = first_difference(known, here)
    logger.warning(
        "%s goes on with another %s (%s, before %s): the last bits may differ from a training that was never stopped.",
        *(folder, name, today, then),
    )
    return before | {"resumed": [*before.get("resumed", []), {"written": now["written"], **here}]}


def metrics_checksum(rows: Iterable[dict[str, Any]]) -> str:
    """SHA-256 of the lines of metrics.jsonl that these rows make."""
    return hashlib.sha256(metrics_text(rows).encode()).hexdigest()


def read_metrics(path: Path, saved: Saved) -> list[dict[str, Any]]:
    """Lines of metrics.jsonl up to the step of a checkpoint.

    Raises:
        InputError: they are not those that were written.
    """
    rows = read_rows(path, saved.step)
    if not path.exists():
        raise InputError(
            f"{path} is missing, and belongs to the checkpoint {saved.name}: restore it or train again"
        )
    if metrics_checksum(rows) != saved.metrics:
        raise InputError(
            f"{path} is damaged: its lines up to step {saved.step} do not match the checksum of checkpoint "
            f"{saved.name}; restore it or train again"
        )
    return rows


def read_rows(path: Path, up_to_step: int) -> list[dict[str, Any]]:
    """Lines of metrics.jsonl up to a step; a line cut short by a kill is left out."""
    rows: list[dict[str, Any]] = []
    if path.exists():
        for line in path.read_bytes().splitlines()[:up_to_step]:
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                break  # the line being written when the process died: later lines cannot exist
            if not isinstance(row, dict):
                break
            rows.append(row)
    return rows


def metrics_text(rows: Iterable[dict[str, Any]]) -> str:
    """One JSON object a line."""
    return "".join(json.dumps(row) + "\n" for row in rows)
