"""`lassovae simulate`: a study whose truth is known, to try everything on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import arg

from lassovae._cli._output import Output, print_json, print_lines, shown
from lassovae._cli._study import TRUTH
from lassovae._errors import InputError

_OF_PRESET = arg(metavar="N", help_behavior_hint="(default: the preset's)")


@dataclass(frozen=True, kw_only=True)
class Simulate(Output):
    """Write a simulated study: two-photon movies of cells whose couplings depend on the condition.

    The folder gets one TIFF file a run, study.csv, which the other commands read, and truth.npz, which lets analyse
    say how much of the truth was found. Nothing is overwritten.
    """

    out: Annotated[Path, arg(metavar="DIR")]
    """Folder for the study; made if it is not there."""
    preset: Literal["quick", "smoke", "quarter", "paper"] = "quick"
    """How large: 8 runs of 320 frames of 64 x 96 pixels; 8 runs of 96 frames of 32 x 48; 40 runs of about 435 frames of
    96 x 64; the same of 192 x 128, as large as the paper's."""
    num_runs: Annotated[int | None, _OF_PRESET] = None
    """Runs to film."""
    frames: Annotated[
        tuple[int, ...] | None, arg(metavar="N [N]", help_behavior_hint="(default: the preset's)")
    ] = None
    """Frames a run; two numbers, the shortest and the longest run, draw a length for each."""
    frame_shape: Annotated[
        tuple[int, int] | None, arg(metavar="HEIGHT WIDTH", help_behavior_hint="(default: the preset's)")
    ] = None
    """Pixels."""
    num_cells: Annotated[int | None, _OF_PRESET] = None
    """Cells in the field of view."""
    conditions: tuple[str, ...] = ("F", "N")
    """Labels; the first has all couplings, the others lose, weaken and gain some."""
    block_size: Annotated[int | None, _OF_PRESET] = None
    """Consecutive runs of one condition: the units of the permutation test."""
    frame_rate_hz: float = 10.0
    """Frames per second."""
    contrast: float = 1.0
    """How different the conditions are, from 0 (not at all: whatever is found is false) to 1."""
    coupling: float = 2.0
    """Calcium of a follower per calcium of its driver; 0: cells ignore each other."""
    photons: float = 70.0
    """Detected per pixel and frame; fewer make more shot noise."""
    motion_px: float = 0.0
    """Standard deviation of the tissue's movement, in pixels."""
    bleaching: float = 0.0
    """Fraction of the light lost from the first frame of a run to its last."""
    seed: int = 0
    """Another seed is another field of view."""

    def run(self) -> None:
        """Simulate and write.

        Raises:
            InputError: a setting is out of its range, or the folder holds a study.
        """
        if (self.out / TRUTH).exists():
            raise InputError(f"{self.out} already holds a simulation ({TRUTH}): choose another output folder")
        from lassovae._presets import preset
        from lassovae.data import simulate_study, write_study
        from lassovae.data._truth import save_truth

        settings = dict(preset(self.preset).simulation)
        given = {"num_runs": self.num_runs, "frame_shape": self.frame_shape, "num_cells": self.num_cells}
        given |= {"block_size": self.block_size, "frames": self._frames()}
        settings |= {name: value for name, value in given.items() if value is not None}
        study = simulate_study(
            self.seed,
            conditions=self.conditions,
            frame_rate_hz=self.frame_rate_hz,
            contrast=self.contrast,
            coupling=self.coupling,
            photons=self.photons,
            motion_px=self.motion_px,
            bleaching=self.bleaching,
            **settings,
        )
        table = write_study(study, self.out)
        if study.truth is not None:
            save_truth(study.truth, study.names, self.out / TRUTH)
        counts = {c: len(study.select(c)) for c in study.conditions}
        if self.json:
            result = {"study": table, "truth": self.out / TRUTH, "runs": len(study), "conditions": counts}
            print_json(
                result | {"frames": study.lengths, "frame_shape": study.frame_shape, "seed": self.seed}
            )
            return
        height, width = study.frame_shape
        runs = " and ".join(f"{n} of {c}" for c, n in counts.items())
        print_lines(
            f"{len(study)} runs ({runs}), {sum(study.lengths)} frames of {height} x {width} pixels in {self.out}; "
            f"what the cells did is in {TRUTH}.",
            f"Next: lassovae check {shown(table)}",
        )

    def _frames(self) -> int | tuple[int, int] | None:
        if self.frames is None or len(self.frames) == 1:
            return None if self.frames is None else self.frames[0]
        if len(self.frames) != 2:
            raise InputError(
                f"--frames takes one number, or the shortest and the longest run, not {len(self.frames)}"
            )
        return self.frames[0], self.frames[1]
