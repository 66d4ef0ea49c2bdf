"""What an analysis found, in sentences and as one object: what `analyse` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from lassovae import Analysis, Model


def _forecast(analysis: Analysis) -> str:
    errors = analysis.errors
    return (
        f"Forecast of the latents, 0 perfect and 1 none: {np.nanmean(errors.held_out):.2f} on the last part of "
        f"the runs, which the fit did not see; {errors.run.mean():.2f} in sample, "
        f"{errors.shuffled_run.mean():.2f} on frames in random order. "
        f"{errors.nonzeros.mean():.2f} non-zero coefficients a target."
    )


def _recovered(analysis: Analysis) -> list[str]:
    found = analysis.recovery_pooled
    if found is None:
        return []
    first, second = analysis.conditions[:2]
    return [
        "Of the simulation's truth (0.5 is chance, 1 all of it): "
        f"drivers {found.drivers_a:.2f} in {first} and {found.drivers_b:.2f} in {second}, "
        f"edges {found.edges_a:.2f} and {found.edges_b:.2f}, "
        f"cells whose coupling differs {found.difference:.2f}."
    ]


def sentences(model: Model, analysis: Analysis) -> list[str]:
    """What was found, with its limits, one sentence or a few in each string."""
    from lassovae._fit_notes import gap_sentence

    said = [f"Note: {note}" for note in (*model.notes, *analysis.notes)]
    if analysis.condition_test is not None:
        said.append(" ".join(["Do the conditions differ?", *analysis.condition_test.sentences()]))
    else:
        said.append(f"Whether conditions differ was not tested: {analysis.why_no_test.rstrip('.')}.")
    said.append(analysis.design)
    if analysis.differences is not None and analysis.differences.maps is not None:
        said += [f"Where: {text}" for text in analysis.differences.sentences()]
    elif analysis.why_no_differences:
        said.append(f"Where conditions differ was not tested: {analysis.why_no_differences.rstrip('.')}.")
    said += [_forecast(analysis), *_recovered(analysis), gap_sentence(analysis.fits)]
    return [text for text in said if text]


def as_object(model: Model, analysis: Analysis) -> dict[str, Any]:
    """The same for programs."""
    test, errors = analysis.condition_test, analysis.errors
    found: dict[str, Any] = {
        "conditions": {c: len(analysis.runs_of(c)) for c in analysis.conditions},
        "pvalue": None if test is None else test.place.pvalue,
        "smallest_pvalue": None if test is None else test.place.smallest_pvalue,
        "statistic": None if test is None else test.place.statistic,
        "why_no_test": analysis.why_no_test or None,
        "r_var": {
            "held_out": np.nanmean(errors.held_out),
            "run": errors.run.mean(),
            "shuffled_run": errors.shuffled_run.mean(),
        },
        "nonzeros": errors.nonzeros.mean(),
        "gap": max((fit.gap for fit in analysis.fits), default=None),
        "notes": [*model.notes, *analysis.notes],
        "edges": None,
        "edges_that_differ": None,
        "recovery": None,
        "sentences": sentences(model, analysis),
    }
    if analysis.differences is not None:
        network = analysis.differences.network
        found["edges"] = len(network.sources)
        if network.edges is not None:
            found["edges_that_differ"] = int(network.edges.significant().sum())
    if analysis.recovery_pooled is not None:
        found["recovery"] = dict(vars(analysis.recovery_pooled))
    return found
