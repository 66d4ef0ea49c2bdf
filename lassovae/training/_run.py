"""The folder of one training while it is written: claimed, locked, begun or gone on with, and saved to."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from lassovae._errors import InputError, TrainingError
from lassovae._files import make_folder, on_disk, remove
from lassovae._lock import Lock, owned
from lassovae._sealed import write_sealed
from lassovae._sharing import by_all, by_first
from lassovae.data import Prepared, Study
from lassovae.training._checkpoint import read_tree, see_room, write_tree
from lassovae.training._folder import (
    BEFORE_CONFIG,
    check_inputs,
    claim,
    metrics_text,
    read_metrics,
    read_rows,
    read_settings,
    run_id,
    went_on,
    write_text,
)
from lassovae.training._inputs import Inputs
from lassovae.training._measured import FILE as MEASURED
from lassovae.training._measured import write_measured
from lassovae.training._saved import (
    BEST,
    FINAL,
    Saved,
    best_of,
    check_files,
    file_checksum,
    files_of,
    manifest_of,
    names_by_step,
    outdated,
    read_saved,
    remove_incomplete,
    remove_saved,
)

logger = logging.getLogger("lassovae")
KEPT = 2  # the newest checkpoints: if one is damaged there is the one before


class RunFolder:
    """What a training writes to; see `open_run`.

    Attributes:
        folder: of the run.
        metrics: its metrics.jsonl.
        inputs: the recordings.
    """

    def __init__(self, folder: Path, lock: Lock | None, inputs: Inputs):
        self.folder, self.metrics = folder, folder / "metrics.jsonl"
        self._checkpoints, self._lock, self.inputs = folder / "checkpoints", lock, inputs
        self._id = ""

    def begin(
        self, wanted: dict[str, Any], made_with: dict[str, Any], prepared: Prepared, like: Any
    ) -> tuple[Any, list[dict[str, Any]]]:
        """Write what the run is made with, or see that it is what is there; every process must call it.

        Args:
            wanted: `settings` of the training.
            made_with: its `provenance`.
            prepared: its frames.
            like: what a checkpoint holds.

        Returns:
            The newest good checkpoint, None if there is none yet; and the rows of metrics up to its step.

        Raises:
            InputError: the recordings changed, or nothing that is there is good.
        """
        self._id, newest = by_first(lambda: self._begun(wanted, made_with, prepared))
        saved = None if newest is None else Saved(**newest)
        tree = None if saved is None else by_all(lambda: self.restored(saved, like))
        history = [] if saved is None else by_all(lambda: read_metrics(self.metrics, saved))
        by_first(lambda: write_text(self.metrics, metrics_text(history)))
        return tree, history

    def _begun(
        self, wanted: dict[str, Any], made_with: dict[str, Any], prepared: Prepared
    ) -> tuple[str, dict[str, Any] | None]:
        """The run's id, and its newest good checkpoint."""
        config = self.folder / "config.json"
        self._require_kept("before its first step")
        if config.exists():
            _require_some(self._checkpoints, self.metrics)
            made_with = went_on(self.folder, check_inputs(self.folder, made_with), made_with)
            self._id = str(read_settings(config).get("id"))
        else:
            self._id = run_id(wanted, made_with)
            write_measured(self.folder, prepared)
        write_sealed(self.folder / "provenance.json", made_with)
        # config.json last: a folder that has it has the rest; what only the analysis reads may have changed
        write_sealed(config, wanted | {"id": self._id})
        remove_incomplete(self._checkpoints)
        make_folder(self._checkpoints)
        newest = self._newest()
        return self._id, None if newest is None else newest._asdict()

    def _require_kept(self, when: str) -> None:
        if self._lock is None or not self._lock.is_kept():
            raise TrainingError(
                f"{self.folder} was removed, moved or replaced during the training, which stops {when}: nothing more "
                "can be kept there; train again, or bring the folder back and go on with it (--resume)"
            )

    def _newest(self) -> Saved | None:
        names = names_by_step(self._checkpoints)
        if manifest_of(self._checkpoints, FINAL).exists():
            names = [FINAL, *names]
        first_error: InputError | None = None
        for name in names:
            try:
                saved = self._whole(name)
                read_metrics(self.metrics, saved)
            except InputError as error:
                logger.warning("%s. Looking for an earlier checkpoint.", error)
                first_error = first_error or error
                continue
            if first_error is not None:
                logger.warning("Going on from the checkpoint of step %d instead.", saved.step)
            else:
                logger.info("Going on from step %d.", saved.step)
            return saved
        if first_error is not None:
            raise first_error
        return None

    def _whole(self, name: str) -> Saved:
        """A checkpoint whose files are all as they were written.

        Raises:
            InputError: they are not, or there is none.
        """
        saved = read_saved(self._checkpoints, name)
        check_files(self.folder, saved, self._id)
        return saved

    def restored(self, saved: Saved, like: Any) -> Any:
        """The tree of a checkpoint."""
        return read_tree(self._checkpoints / saved.name, like)

    def has(self, name: str) -> bool:
        """Whether there is a complete checkpoint of that name, and not a damaged one; the same in every process."""

        def look() -> bool:
            try:
                self._whole(name)
            except InputError:
                return False
            return True

        return bool(by_first(look))

    def best(self) -> Saved | None:
        """The checkpoint of the best epoch, the same in every process; None where there is none, or it is damaged."""

        def look() -> dict[str, Any] | None:
            name = best_of(self._checkpoints)
            try:
                return None if name is None else self._whole(name)._asdict()
            except InputError as error:
                logger.warning("%s. The best epoch is not kept.", error)
                return None

        found = by_first(look)
        return None if found is None else Saved(**found)

    def save(
        self,
        name: str,
        step: int,
        tree: Any,
        metrics: str,
        *,
        loss: float | None = None,
        best: int | None = None,
    ) -> None:
        """Write a checkpoint, complete when this returns; every process must call it, and all succeed or fail.

        Args:
            name: of the checkpoint: its step, FINAL or BEST.
            step: steps done.
            tree: what it holds.
            metrics: SHA-256 of the lines of metrics.jsonl up to `step`.
            loss: mean over the epoch that it ends, None within one.
            best: of FINAL, the step of the best epoch where that was another.

        Raises:
            InputError: a recording changed since the training began: the frames it saw are not those it is said to
                have seen.
            TrainingError: the folder is gone or the disk is full; what was saved before is still there.
        """
        place = self._checkpoints / name

        def before() -> None:
            self.inputs.check()
            self._require_kept(f"at step {step}")
            with _told(place, step):
                remove_saved(self._checkpoints, name)  # a damaged one
                see_room(self._checkpoints, tree)

        def write() -> None:
            with _told(place, step):
                write_tree(place, tree)

        def after() -> None:
            with _told(place, step):
                self._complete(name, step, metrics, loss, best)

        by_first(before)
        by_all(write)
        by_first(after)

    def _complete(self, name: str, step: int, metrics: str, loss: float | None, best: int | None) -> None:
        """Write the manifest of a checkpoint, and remove those that are kept no longer."""
        place = self._checkpoints / name
        on_disk(place)
        on_disk(self.metrics)
        measured = self.folder / MEASURED
        saved = Saved(
            name=name,
            run=self._id,
            step=step,
            loss=loss,
            best=best,
            files={p.relative_to(self._checkpoints).as_posix(): file_checksum(p) for p in files_of(place)},
            beside={MEASURED: file_checksum(measured)} if measured.exists() else {},
            metrics=metrics,
        )
        write_sealed(manifest_of(self._checkpoints, name), saved._asdict())
        for old in outdated(self._checkpoints, KEPT, step):
            remove_saved(self._checkpoints, old)


def _require_some(checkpoints: Path, metrics: Path) -> None:
    """Refuse to begin anew where there were complete checkpoints, and none is left.

    Without any, a training has not come past its first epoch, and one checkpoint at most may be half written.

    Raises:
        InputError: naming what tells of them.
    """
    if names_by_step(checkpoints) or manifest_of(checkpoints, FINAL).exists():
        return
    rows = read_rows(metrics, sys.maxsize)
    folders = [p for p in checkpoints.iterdir() if p.is_dir()] if checkpoints.is_dir() else []
    named = [p.name for p in folders if p.name.isdecimal() or p.name in (FINAL, BEST)]
    trained = bool(rows)  # block means have the final checkpoint alone, which may be half written
    if len(named) > 1 or (trained and (rows[-1].get("epoch", 1) > 1 or not {FINAL, BEST}.isdisjoint(named))):
        raise InputError(
            f"{checkpoints}: no checkpoint is complete, though {metrics.name} or its folders tell of some: files were "
            "lost, as in a copy; restore them, or train again in another folder"
        )


@contextmanager
def _told(place: Path, step: int) -> Iterator[None]:
    """What keeps a checkpoint from being written, in one error."""
    try:
        yield
    except (OSError, InputError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise TrainingError(
            f"{place}: the checkpoint of step {step} cannot be written ({reason}): make room, or see who may write "
            "there, and go on from the last one (resume=True, --resume)"
        ) from error


@contextmanager
def open_run(folder: Path, study: Study, wanted: dict[str, Any], resume: bool) -> Iterator[RunFolder]:
    """Claim and lock the folder of a training; the first of several processes holds the lock.

    Args:
        folder: of the run; it may be missing.
        study: whose recordings must not change meanwhile.
        wanted: `settings` of the training.
        resume: go on with what is there.

    Raises:
        InputError: the folder holds something else, cannot be resumed, or another process writes to it.
    """
    by_all(lambda: claim(folder, wanted, resume))
    with ExitStack() as stack:
        locks: list[Lock] = []

        def lock() -> None:
            locks.append(stack.enter_context(owned(folder, f"training on {study.name}")))
            stack.callback(_undo, locks[0])
            claim(folder, wanted, resume)  # between the first look and the lock another may have been here

        by_first(lock)
        yield RunFolder(folder.absolute(), locks[0] if locks else None, Inputs(study))


def _undo(lock: Lock) -> None:
    """What was written for a training that never began goes again; a folder that has a config.json has begun.

    A folder that took the place of the one that was locked is somebody else's.
    """
    folder = lock.folder
    if (folder / "config.json").exists() or not lock.is_kept():
        return
    with suppress(OSError):
        for name in BEFORE_CONFIG:
            remove(folder / name)
        if (folder / "checkpoints").is_dir():
            (folder / "checkpoints").rmdir()
