"""Do the dynamics of two conditions differ, and where in the image?

Without arguments: a simulated study of familiar (F) and novel (N) runs with known truth. With --study: your own
recordings. Trains the three modes of the paper, the baseline without a network and the recommended model, tests,
maps, draws, and writes a run folder with report.html.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

import lassovae


@dataclass
class Arguments:
    """Command line of the example."""

    study: Path | None = None
    """CSV with the columns recording, condition and, if runs were recorded in blocks, block."""
    out: Path = Path("results/calcium_fandn")
    """Folder for the results; it must not hold another run."""
    preset: Literal["smoke", "quick", "paper"] = "quick"
    """One or two minutes, a few minutes, or hours on a laptop."""
    resume: bool = False
    """Go on in a folder where an earlier call was stopped."""


def main() -> None:
    """Run the comparison and say where its results are."""
    arguments = tyro.cli(Arguments, description=__doc__)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("lassovae").setLevel(logging.INFO)
    try:
        if arguments.study is None:
            preset = lassovae.preset(arguments.preset)
            study = lassovae.data.simulate_study(0, **preset.simulation)
        else:
            study = lassovae.data.read_study(arguments.study)
            preset = lassovae.preset(arguments.preset, study)
        results = lassovae.compare(study, preset, arguments.out, resume=arguments.resume)
    except (lassovae.InputError, lassovae.SolveError, lassovae.TrainingError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt as stopped:  # what was trained is saved
        print(f"error: {stopped or 'interrupted: go on with --resume'}", file=sys.stderr)
        sys.exit(128 + getattr(stopped, "signum", 2))
    print(lassovae.report.summary(results))
    print(f"Results in {arguments.out}; begin with {arguments.out / 'report.html'}")


if __name__ == "__main__":
    main()
