"""Files of an earlier report that the present results do not have, and beside which they would be misread."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lassovae._errors import InputError

TABLES = (
    *("ablation", "ablation_runs", "permutation_tests", "effect_sizes", "group_tests", "comparisons"),
    *("edges", "nodes", "truth_recovery", "skip_connection", "fits"),
)
FIGURES = (
    *("differences", "condition_maps", "contribution_maps", "run_maps", "regions", "networks"),
    *(
        "swap_and_network",
        "forecasts",
        "movie",
        "lam_path",
        "ablation",
        "training",
        "skip_connection",
        "truth",
    ),
)
NUMBERS = (
    *("differences", "condition_maps", "contribution_maps", "run_maps", "regions", "networks", "swap_errors"),
    *("couplings", "forecasts", "forecast_images", "movie", "lam_path", "ablation_points", "training"),
    *("skip_latents", "skip_images", "truth_calcium", "truth_coupling", "viewer"),
)


def remove_outdated(folder: Path, known: Iterable[str], kept: Iterable[str], suffix: str) -> None:
    """Remove the files that this library names and that the present results do not have; no others.

    Args:
        folder: where they lie; it need not be there.
        known: stems of all files that the library may write there.
        kept: those that are written now.
        suffix: with the dot.

    Raises:
        InputError: the system refuses.
    """
    for stem in sorted(set(known) - set(kept)):
        path = folder / f"{stem}{suffix}"
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise InputError(
                f"{path} is of an earlier report and cannot be removed ({error.strerror or error}): remove it"
            ) from error
