"""`lassovae fit`: train a model on a study and keep it in a run folder."""

from __future__ import annotations

import logging
import os
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import FlagCreatePairsOff, Positional, arg

from lassovae._cli._machine import expected_device
from lassovae._cli._output import logged_to, print_json, print_lines, shown
from lassovae._cli._settings import Chosen, MaxMemory
from lassovae._cli._study import FILE as STUDY_FILE
from lassovae._cli._study import conditions_changed, open_study, remember_study, remembered
from lassovae._errors import InputError
from lassovae._files import remove
from lassovae._lock import Lock, owned

if TYPE_CHECKING:
    from lassovae.data import Study

logger = logging.getLogger("lassovae")


@dataclass(frozen=True, kw_only=True)
class Fit(Chosen):
    """Train a model on a study and keep it in a run folder, which lassovae.load reads back.

    Settings come from the preset, adapted to the frames of the study; what is given here replaces them.
    """

    study: Annotated[Positional[Path], arg(metavar="STUDY.csv")]
    """CSV with the columns recording, condition and, if runs were recorded in blocks, block."""
    out: Annotated[Path, arg(metavar="DIR")]
    """Folder for the model; it must not hold another run."""
    resume: FlagCreatePairsOff[bool] = False
    """Go on in a folder where an earlier call was stopped, with its settings unless a preset, a model or a file is
    given; begin where there is nothing yet."""
    device: Literal["auto", "cpu", "gpu"] = "auto"
    """Where to compute; gpu fails where there is none, auto takes what JAX finds and says so."""
    devices: Annotated[
        int | None, arg(metavar="N", help_behavior_hint="(default: as many as share the windows)")
    ] = None
    """Number of devices that share the windows of a step."""
    max_memory_gb: MaxMemory = None
    """What the training may take, in 10^9 bytes; frames that do not fit are read anew whenever they are needed."""
    coordinator: Annotated[str | None, arg(metavar="HOST:PORT", help_behavior_hint="(default: SLURM's)")] = (
        None
    )
    """Where process 0 listens, if several processes train together."""
    num_processes: Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: SLURM's)")] = None
    """How many they are; 1 alone: compute alone, whatever SLURM says."""
    process_id: Annotated[int | None, arg(metavar="I", help_behavior_hint="(default: SLURM's)")] = None
    """Which one this is, from 0."""

    def _as_begun(self) -> Fit:
        """These options, on top of the settings of its folder where a training is to go on: no preset or file of others
        was asked for."""
        begun = self.out / "config.json"
        other = (self.preset, self.model, self.config) != (Fit.preset, Fit.model, None)
        if not self.resume or not begun.is_file() or other:
            return self
        logger.info("Going on with the settings in %s.", shown(begun))
        return replace(self, config=begun, model=remembered(self.out).get("model") or self.model)

    def run(self) -> None:
        """Train.

        Raises:
            InputError: the study, the folder, a setting or a device will not do.
            TrainingError: the loss or the weights are not finite.
        """
        self._as_begun()._train()

    def _train(self) -> None:
        if self.device == "cpu":
            os.environ["JAX_PLATFORMS"] = "cpu"  # JAX reads it when it is imported, which is below
        from lassovae.data import frame_shape_after

        study = open_study(self.study)
        config = self.chosen(study)

        import jax

        from lassovae import training
        from lassovae._processes import describe_devices, require_device, start_processes

        # `fit` checks the same. Before other processes are waited for: here every one of them sees the folder as
        # it was, and none of them has written yet.
        study.check(order=config.order, window=config.window, bin_frames=config.preprocess.bin_frames)
        frame_shape = frame_shape_after(study.frame_shape, config.preprocess)
        training.claim(self.out, training.settings(study, config, frame_shape), self.resume)
        start_processes(self.coordinator, self.num_processes, self.process_id)
        require_device(self.device)
        used = list(training.make_mesh(config.windows_per_step, self.devices).devices.flat)
        speaks = jax.process_index() == 0  # one of many processes, so that nothing is said twice
        with ExitStack() as stack:
            if jax.process_count() == 1:  # of several the first takes it, where all hear of it
                lock = stack.enter_context(owned(self.out, "lassovae fit"))
            if speaks:
                typed = " ".join(["fit", shown(self.study), "--out", shown(self.out), *self.as_typed()])
                stack.enter_context(logged_to(self.out, typed))
                logger.info("Training on %s.", describe_devices(used))
                _, advice = expected_device() if self.device == "auto" else ("", "")
                if advice and jax.default_backend() == "cpu":
                    logger.warning("A GPU goes unused: %s.", advice)
            else:
                logger.setLevel(logging.WARNING)
            began = time.perf_counter()
            was_there = (self.out / "config.json").is_file()
            if was_there and speaks and (changed := conditions_changed(self.out, study)):
                logger.warning("%s.", changed)
            if not was_there and jax.process_count() == 1:  # the folder is ours
                stack.callback(_forget, lock)
                remember_study(self.out, self.study, study, self.model)  # now: a kill may come at any time
            try:
                model = training.fit(
                    study,
                    config,
                    run_dir=self.out,
                    resume=self.resume,
                    show_progress=speaks,
                    devices=self.devices,
                    max_memory_gb=self.max_memory_gb,
                )
            except KeyboardInterrupt:
                self._remember_in_passing(study, speaks)
                raise
            except Exception:
                # A folder that refuses other recordings keeps the study that it was trained on.
                self._remember_in_passing(study, speaks and not was_there)
                raise
            self._remember(study, speaks)
        if speaks:
            self._report(model.history, time.perf_counter() - began, describe_devices(used))

    def _remember(self, study: Study, wanted: bool) -> None:
        """Keep in the run folder, if the training has made it, where its study lies."""
        if wanted and (self.out / "config.json").is_file():
            remember_study(self.out, self.study, study, self.model)

    def _remember_in_passing(self, study: Study, wanted: bool) -> None:
        """The same while an error is on its way, which is the one to be told."""
        with suppress(InputError):
            self._remember(study, wanted)

    def _report(self, history: tuple[dict[str, Any], ...], seconds: float, devices: str) -> None:
        loss = history[-1]["loss"] if history else None  # block means have nothing to train
        if self.json:
            result = {"run_dir": self.out, "steps": len(history), "loss": loss}
            print_json(result | {"seconds": round(seconds, 3), "devices": devices})
            return
        trained = f"{len(history)} steps, last loss {loss:.4g}" if history else "nothing to train"
        print_lines(
            f"Model in {self.out}: {trained}, {seconds:.1f} s on {devices}.",
            f"Next: lassovae analyse {shown(self.out)}",
        )


def _forget(lock: Lock) -> None:
    """A training that never began leaves no word of its study; a folder that took its place is somebody else's."""
    if lock.is_kept() and not (lock.folder / "config.json").is_file():
        remove(lock.folder / STUDY_FILE)
