"""Where results come from: versions, device, seed, hashes of the recordings, and every setting."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lassovae._config import Config
from lassovae._sealed import check_seal, read_json
from lassovae.data import Prepared

UNKNOWN = "not recorded: this folder holds no provenance.json of a training"


@dataclass(frozen=True)
class Provenance:
    """What the page tells of origins.

    Attributes:
        facts: (what, value), in order.
        inputs: (run, sha256 of its pixels) of the recordings that were analysed.
        unlike_training: one sentence where they are not those of the training, or "".
        steps: (run, what the preprocessing did to it).
        settings: (name, value, default, whether they differ).
    """

    facts: tuple[tuple[str, str], ...]
    inputs: tuple[tuple[str, str], ...]
    unlike_training: str
    steps: tuple[tuple[str, str], ...]
    settings: tuple[tuple[str, str, str, bool], ...]


def _flat(values: dict[str, Any], before: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{before}{name}.")
        else:
            found[before + name] = "not set" if value is None else str(value)
    return found


def provenance(
    folder: Path, config: Config, prepared: Prepared, analysed: Sequence[tuple[str, str]]
) -> Provenance:
    """What provenance.json of a folder tells, if it is there, and the settings of a model.

    Args:
        folder: of a run.
        config: of the model that the page speaks for.
        prepared: frames, which know what was done to them.
        analysed: name of every run and the hash of its pixels.
    """
    path = folder / "provenance.json"
    facts = [("report written with", f"lassovae {version('lassovae')} on Python {platform.python_version()}")]
    unlike = ""
    if path.is_file():
        found = read_json(path)
        check_seal(path, found, needed=False)  # earlier formats had none
        facts += [
            (name, str(found[key]))
            for name, key in (
                ("trained", "written"),
                ("Python", "python"),
                ("system", "system"),
                ("device", "device"),
                ("seed", "seed"),
            )
            if key in found
        ]
        facts += [(name, str(value)) for name, value in found.get("versions", {}).items()]
        trained = {str(entry["sha256"]) for entry in found.get("inputs", [])}
        other = [name for name, digest in analysed if digest not in trained]
        if other:
            unlike = (
                f"{len(other)} of the {len(analysed)} recordings analysed here are not those of the training."
            )
    else:
        facts += [("training", UNKNOWN), ("seed", str(config.seed))]
    plain = _flat(Config().to_dict())
    settings = tuple(
        (name, value, plain.get(name, ""), value != plain.get(name, ""))
        for name, value in _flat(config.to_dict()).items()
    )
    steps = tuple(
        (name, "; ".join(said))
        for name, said in zip(prepared.names, prepared.steps, strict=False)
        if any(said)
    )
    return Provenance(tuple(facts), tuple(analysed), unlike, steps, settings)
