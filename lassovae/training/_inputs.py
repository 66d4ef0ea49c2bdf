"""Whether recordings are still what they were when a training began to read them."""

from __future__ import annotations

from lassovae._errors import InputError
from lassovae.data import Study, content_hash


class Inputs:
    """The recordings of a training, and how their files looked before the first frame was read.

    Files whose size and time of change are the same are taken to be the same; others are read again.
    """

    def __init__(self, study: Study):
        self._study = study
        self._stamps = [run.recording.stamp() for run in study]
        self._pixels: dict[str, str] = {}

    def pixels(self) -> list[dict[str, str]]:
        """Run and SHA-256 of the pixels of every recording, read once.

        Raises:
            InputError: a recording changed since the first look: nobody knows which pixels were read.
        """
        for place, run in enumerate(self._study):
            if run.name not in self._pixels:
                self._pixels[run.name] = content_hash(run.recording)
                if run.recording.stamp() != self._stamps[place]:
                    raise InputError(
                        f"{run.recording.name}: the recording of run {run.name} changed while it was read: wait until "
                        "nothing writes to it, and begin again"
                    )
        return [{"run": run.name, "sha256": self._pixels[run.name]} for run in self._study]

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
                same = content_hash(run.recording) == self._pixels.get(run.name)
            except InputError as error:
                raise InputError(f"run {run.name} changed during the training: {error}") from error
            if not same:
                raise InputError(
                    f"{run.recording.name}: the pixels of run {run.name} changed during the training, which cannot go "
                    "on: restore the recording and go on from the last checkpoint (resume=True, --resume), or train "
                    "again in another folder"
                )
            self._stamps[place] = now
