"""Whether recordings are still what they were when a training began to read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lassovae._config import Preprocess
from lassovae._errors import InputError
from lassovae.data import Prepared, Recording, Study, content_hash


def check_prepared(prepared: Prepared, study: Study, preprocess: Preprocess) -> None:
    """See that frames that were prepared before are those of a study.

    Raises:
        InputError: they have other runs, settings or pixels.
    """
    wrong = ""
    if prepared.names != study.names:
        wrong = f"its runs are {', '.join(prepared.names)}, those of the study {', '.join(study.names)}"
    elif prepared.preprocess not in (None, preprocess):
        wrong = "it was made with other settings than config.preprocess"
    for run, treated in zip(study, () if wrong else prepared.treated, strict=False):
        given = treated.recording
        if given is not run.recording and isinstance(given, Recording):
            if given.shape != run.recording.shape or content_hash(given) != content_hash(run.recording):
                wrong = f"its pixels of run {run.name} are not those of the study"
                break
    if wrong:
        raise InputError(f"prepared: {wrong}; leave it out, or prepare(study, config.preprocess) anew")


def check_frames(prepared: Prepared, tree: dict[str, Any]) -> None:
    """See that frames that were prepared before were treated as those of the checkpoint that is gone on from.

    Raises:
        InputError: their mean or their scale is another one.
    """
    for name in ("mean_frame", "scale", "offset"):
        if not np.array_equal(tree[name], np.asarray(getattr(prepared, name), tree[name].dtype)):
            raise InputError(
                f"prepared: its {name} is not that of the training so far; leave it out, or prepare the study as then"
            )


class Inputs:
    """The recordings of a training, and how their files looked before the first frame was read.

    Files whose size and time of change are the same are taken to be the same; others are read again.
    """

    def __init__(self, study: Study):
        self._study = study
        self._stamps: list[str] = []
        self._pixels: list[str] = []

    def pixels(self, stamps: Sequence[str]) -> list[dict[str, str]]:
        """Run and SHA-256 of the pixels of every recording.

        Args:
            stamps: of the recordings before any frame was read (`Prepared.stamps`).

        Raises:
            InputError: a recording changed since: nobody knows which pixels were read.
        """
        self._stamps = list(stamps)
        self._pixels = [content_hash(run.recording) for run in self._study]
        for run, before in zip(self._study, stamps, strict=True):
            if run.recording.stamp() != before:
                raise InputError(
                    f"{run.recording.name}: the recording of run {run.name} changed while it was read: wait until "
                    "nothing writes to it, and begin again"
                )
        return [
            {"run": run.name, "sha256": digest} for run, digest in zip(self._study, self._pixels, strict=True)
        ]

    def check(self) -> None:
        """See that no recording changed, before anything that was learned from it is kept.

        Raises:
            InputError: naming the first that did.
        """
        for place, run in enumerate(self._study):
            now = run.recording.stamp()
            if now == self._stamps[place]:
                continue
            try:
                same = content_hash(run.recording) == self._pixels[place]
            except InputError as error:
                raise InputError(f"run {run.name} changed during the training: {error}") from error
            if not same:
                raise InputError(
                    f"{run.recording.name}: the pixels of run {run.name} changed during the training, which cannot go "
                    "on: restore the recording and go on from the last checkpoint (resume=True, --resume), or train "
                    "again in another folder"
                )
            self._stamps[place] = now
