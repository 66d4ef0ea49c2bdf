"""What the page says in sentences: the question, the answer, what was found, and what limits it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lassovae._analysis import Analysis
from lassovae.data import Study
from lassovae.report._results import BEST
from lassovae.report._shown import heading, model_title
from lassovae.report._types import Results
from lassovae.stats import comparison_sentence, order_sentence, rank_sum_sentence

KINDS = ("edges", "nodes", "pixels")  # of `Differences.sentences`


@dataclass(frozen=True)
class Finding:
    """What is said under one heading.

    Attributes:
        heading: a question.
        said: (who or what says it, the sentences).
    """

    heading: str
    said: tuple[tuple[str, str], ...]


def _named(conditions: tuple[str, ...]) -> str:
    return f"{', '.join(conditions[:-1])} and {conditions[-1]}" if len(conditions) > 1 else conditions[0]


def question(results: Results, main: str) -> str:
    """What was asked, of which data."""
    model, analysis = results[main]
    counts = {c: len(analysis.runs_of(c)) for c in analysis.conditions}
    runs = " and ".join(f"{n} of {c}" for c, n in counts.items())
    asked = (
        f"Do the dynamics of {_named(analysis.conditions)} differ, and where in the image?"
        if len(counts) > 1
        else f"What couples the activity recorded in {analysis.conditions[0]}, and where in the image?"
    )
    blocks = len(set(zip(analysis.labels, analysis.blocks, strict=True)))
    count = f"{len(analysis.names)} {'run' if len(analysis.names) == 1 else 'runs'}"
    return (
        f"{asked} {count} ({runs}) in {blocks} {'block' if blocks == 1 else 'blocks'}, frames of "
        f"{model.frame_shape[0]} x {model.frame_shape[1]} pixels, {model.latent_shape[0] * model.latent_shape[1]} "
        f"nodes, a vector autoregression (VAR) of order {model.config.order}."
    )


def _forecasts(analysis: Analysis) -> str:
    errors = analysis.errors
    known = errors.held_out[np.isfinite(errors.held_out)]
    later = (
        f", and {known.mean():.2f} on the last part of each run, which the fit had not seen"
        if known.size
        else ""
    )
    left = errors.forecast_reconstruction.mean() / errors.mean_frame.mean()
    return (
        f"One frame ahead, the relative error R_var (0 is perfect, 1 no better than the mean) is "
        f"{errors.window.mean():.2f} in windows and {errors.run.mean():.2f} in whole runs, both in sample{later}. With "
        f"the frames in random order, where there is nothing to forecast, it is {errors.shuffled_window.mean():.2f} "
        f"and {errors.shuffled_run.mean():.2f}: the difference is what the order of frames tells. A node listens to "
        f"{errors.nonzeros.mean():.1f} coefficients on average. Decoded into images, the forecasts leave {left:.0%} of "
        f"the squared error of the mean frame alone ({errors.mean_frame.mean():.2e}), most of which may be shot noise "
        "(in sample: the coefficients were fitted to the same frames)."
    )


def _tellers(results: Results, main: str) -> list[str]:
    """The models whose tests are told, the best known first."""
    return list(dict.fromkeys(n for n in (BEST, main) if n in results))


def answer(results: Results, main: str) -> tuple[str, str]:
    """A short verdict, and what it rests on."""
    name = _tellers(results, main)[0]
    analysis = results[name][1]
    if len(analysis.conditions) < 2:
        return (
            "One condition: nothing to compare.",
            f"All runs are of {analysis.conditions[0]}. {analysis.why_no_test}.",
        )
    first, second = analysis.conditions[:2]
    test = analysis.condition_test
    if test is None:
        return "Whether the conditions differ was not tested.", f"{analysis.why_no_test}."
    place = test.place
    if place.smallest_pvalue > 0.05:
        verdict = f"This design cannot tell whether the dynamics of {first} and {second} differ."
    elif place.pvalue <= 0.05:
        verdict = f"Yes: the dynamics of {first} and {second} differ."
    else:
        verdict = f"No difference between the dynamics of {first} and {second} was found."
    plain = (
        f"Every run was forecast with the coefficients of every other run. If {first} and {second} differ, "
        "coefficients of the other condition forecast worse; p is the share of "
        "ways to deal the labels out again that look at least as "
        "different as the study does."
    )
    by = "" if len(results) == 1 else f"By the {model_title(name)}. "
    return verdict, f"{by}{test.sentences()[0]} {plain}"


def findings(results: Results, main: str) -> list[Finding]:
    """What was found, the most important first."""
    analysis = results[main][1]
    tellers = _tellers(results, main)
    differ, where = [], []
    alone = len(results) == 1
    for name in tellers:
        test, found = results[name][1].condition_test, results[name][1].differences
        title = "" if alone else heading(name)
        if test is not None:
            differ.append((title, " ".join(test.sentences())))
        if found is not None and found.maps is not None:
            where += [
                (f"{title}, {what}" if title else what.capitalize(), text)
                for what, text in zip(KINDS, found.sentences(), strict=False)
            ]
    told = "" if alone else heading(main)
    paper = [(told, comparison_sentence(c)) for c in analysis.comparisons or ()]
    if analysis.influence_result is not None:
        paper.append(
            (
                f"{told}, influence of nodes" if told else "Influence of nodes",
                rank_sum_sentence(analysis.influence_result),
            )
        )
    forecasts = [("" if alone else heading(name), _forecasts(results[name][1])) for name in tellers]
    parts = {
        "Do the conditions differ?": differ,
        "Where do they differ?": where,
        "How well does it forecast?": forecasts,
        "The tests of the original paper, for comparison": paper,
    }
    return [Finding(asked, tuple(items)) for asked, items in parts.items() if items]


def limits(results: Results, main: str) -> list[str]:
    """What a reader must know before believing anything."""
    analysis = results[main][1]
    compared = [label for label in analysis.labels if label in analysis.conditions[:2]]
    notes = [analysis.design, order_sentence(compared), analysis.why_not]
    if analysis.why_no_differences:
        notes.append(f"Where conditions differ was not tested: {analysis.why_no_differences}")
    if analysis.why_no_test and not analysis.design.startswith("No permutation test"):
        notes.append(f"No permutation test: {analysis.why_no_test}")
    notes += [f"{name}: {note}" for name, (m, _) in results.items() for note in m.notes]
    return [note for note in notes if note]


def default_title(study: Study) -> str:
    """Of a page that was given none."""
    return f"lassovae: {study.name}"
