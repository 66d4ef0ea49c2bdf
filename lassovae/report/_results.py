"""Results of one or more models: which of them the report speaks for, and the files of numbers they leave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lassovae._analysis import Analysis
from lassovae._errors import InputError
from lassovae._files import replacing
from lassovae._names import member
from lassovae.report._outdated import TABLES, remove_outdated
from lassovae.report._tables import all_tables, write_tables
from lassovae.report._types import Results

PAPERS = "end_to_end"  # the model of the paper, in a comparison
BEST = "recommended"  # the one that found most where the truth is known


def main_model(results: Results, main: str | None = None) -> str:
    """The model whose tests and figures the report shows: the one asked for, or the best known of those there are.

    Raises:
        InputError: there are no results, or none of that name.
    """
    if not results:
        raise InputError("results is empty: give at least one model with its analysis")
    if main is not None:
        if main not in results:
            raise InputError(f"main={main!r} is not among the results; choose one of {', '.join(results)}")
        return main
    return next((name for name in (BEST, PAPERS) if name in results), next(iter(results)))


def _arrays(name: str, analysis: Analysis) -> dict[str, np.ndarray]:
    """What results.npz keeps of one model, under names that start with the model's; `member` makes them harmless."""
    kept: dict[str, Any] = {
        "coef": analysis.fit.coef,
        "scale": analysis.fit.scale,
        "mean": analysis.fit.mean,
        "influence": analysis.influences,
        "maps": analysis.maps,
        "swap_errors": analysis.delta,
        "gain": np.asarray(analysis.gain),
    }
    kept |= {f"latents/{member(run)}": z for run, z in zip(analysis.names, analysis.latents, strict=True)}
    kept |= {f"pooled_coef/{member(condition)}": fit.coef for condition, fit in analysis.pooled.items()}
    kept |= {
        f"condition_map/{member(condition)}": values for condition, values in analysis.condition_maps.items()
    }
    if analysis.difference is not None:
        kept["difference_map"] = analysis.difference
    return {f"{member(name)}/{key}": np.asarray(value) for key, value in kept.items()}


def write_results(folder: str | Path, results: Results) -> None:
    """Write what was found as numbers: tables/*.csv, and results.npz with latents, coefficients, influence and maps.

    Every file is the old one or the new one whole, whenever it is read. Tables of earlier results that these do not
    have are removed; files of other names are left alone.

    Args:
        folder: made if it is not there.
        results: name -> (model, analysis), one or more.

    Raises:
        InputError: no results, or the system refuses to write.
    """
    main_model(results)
    folder = Path(folder)
    tables = all_tables(results)
    remove_outdated(folder / "tables", TABLES, tables, ".csv")
    write_tables(tables, folder / "tables")
    arrays = {k: v for name, (_, analysis) in results.items() for k, v in _arrays(name, analysis).items()}
    with replacing(folder / "results.npz") as place:
        np.savez_compressed(place, **arrays)  # type: ignore[arg-type]  # the stub takes a name for allow_pickle
