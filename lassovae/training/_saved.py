"""What makes a checkpoint complete: a manifest beside it, with a checksum of every file and of what belongs to it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from lassovae._errors import InputError
from lassovae._files import remove
from lassovae._sealed import read_sealed

FINAL, BEST = "final", "best"  # of a finished training; while it trains, a checkpoint is called by its step
BLOCK = 1 << 20


class Saved(NamedTuple):
    """A complete checkpoint; complete because its manifest, which is written last, is there.

    Attributes:
        name: of its folder in checkpoints/; the manifest is NAME.json.
        run: `run_id` of the run that it is a checkpoint of.
        step: steps done.
        loss: mean over the steps of the epoch that ended there; None within an epoch.
        best: of the final one, the step of the best epoch where that was another.
        files: place below checkpoints/ -> SHA-256, of every file of it.
        beside: file of the run folder that belongs to it -> SHA-256.
        metrics: SHA-256 of the lines of metrics.jsonl up to its step.
    """

    name: str
    run: str
    step: int
    loss: float | None
    best: int | None
    files: dict[str, str]
    beside: dict[str, str]
    metrics: str


def file_checksum(path: Path) -> str:
    """SHA-256 of a file, a part at a time."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(BLOCK):
            digest.update(part)
    return digest.hexdigest()


def files_of(folder: Path) -> Iterator[Path]:
    """Every file below a folder, in order."""
    return (place for place in sorted(folder.rglob("*")) if place.is_file())


def manifest_of(checkpoints: Path, name: str) -> Path:
    """Where the manifest of a checkpoint lies."""
    return checkpoints / f"{name}.json"


def read_saved(checkpoints: Path, name: str) -> Saved:
    """The manifest of a checkpoint.

    Raises:
        InputError: it is missing or damaged.
    """
    path = manifest_of(checkpoints, name)
    values = read_sealed(path)
    try:
        saved = Saved(**{field: values[field] for field in Saved._fields})
        right = isinstance(saved.step, int) and {*map(type, (*saved.files, *saved.beside))} <= {str}
    except (KeyError, TypeError):
        right = False
    if not right or saved.name != name:
        raise InputError(f"{path} is not the manifest of this checkpoint: restore it or train again")
    return saved


def names_by_step(checkpoints: Path) -> list[str]:
    """Names of the checkpoints of a training under way whose manifest is there, the newest first."""
    found = [path.stem for path in checkpoints.glob("*.json") if path.stem.isdecimal()]
    return sorted(found, key=int, reverse=True)


def check_files(folder: Path, saved: Saved, run: str) -> None:
    """See that every file of a checkpoint is what was written.

    Args:
        folder: of the run.
        saved: the checkpoint.
        run: the run's id, from config.json.

    Raises:
        InputError: naming the first file that is missing or damaged.
    """
    if saved.run != run:
        raise InputError(
            f"{manifest_of(folder / 'checkpoints', saved.name)} belongs to another run than {folder / 'config.json'}: "
            "files of two runs were mixed; restore them or train again"
        )
    places: dict[Path, str] = {folder / "checkpoints" / name: digest for name, digest in saved.files.items()}
    places |= {folder / name: digest for name, digest in saved.beside.items()}
    for path, digest in places.items():
        try:
            found = file_checksum(path)
        except OSError as error:
            raise InputError(
                f"{path} cannot be read ({error.strerror or error}), and belongs to the checkpoint {saved.name}: "
                "restore it or train again"
            ) from error
        if found != digest:
            manifest = manifest_of(folder / "checkpoints", saved.name)
            raise InputError(
                f"{path} is damaged (it does not match the checksum in {manifest}): restore it or train again"
            )


def remove_incomplete(checkpoints: Path) -> None:
    """Remove what a killed process had begun to write; for the owner of the folder alone."""
    if not checkpoints.is_dir():
        return
    for place in sorted(checkpoints.iterdir()):
        if place.is_dir() and not manifest_of(checkpoints, place.name).exists():
            remove(place)


def remove_saved(checkpoints: Path, name: str) -> None:
    """Remove a checkpoint; what is left of it if that is interrupted is not complete."""
    remove(manifest_of(checkpoints, name))
    remove(checkpoints / name)


def outdated(checkpoints: Path, kept: int, step: int) -> list[str]:
    """Names of the checkpoints that need not be kept: neither among the newest nor the one of the best epoch.

    Args:
        checkpoints: the folder.
        kept: how many of the newest are.
        step: of the latest; later ones are damaged, or the training would have gone on from them.
    """
    best = best_of(checkpoints)
    past = [name for name in names_by_step(checkpoints) if int(name) <= step]
    return [name for name in past[kept:] if name != best]


def best_of(checkpoints: Path) -> str | None:
    """Name of the checkpoint of the epoch with the smallest mean loss, the newest of equals; None without any."""
    losses = {name: _loss(checkpoints, name) for name in names_by_step(checkpoints)}
    known = {name: loss for name, loss in losses.items() if loss is not None}
    return min(known, key=lambda name: (known[name], -int(name)), default=None)


def _loss(checkpoints: Path, name: str) -> float | None:
    try:
        return read_saved(checkpoints, name).loss
    except InputError:
        return None  # damaged: said where it is needed
