"""What the page says in sentences: the question, the answer, what was found, and what limits it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lassovae._analysis import Analysis
from lassovae._fit_notes import fit_notes
from lassovae.data import Study
from lassovae.report._drawing import Drawing, Drawn
from lassovae.report._results import BEST
from lassovae.report._shown import heading, model_title
from lassovae.report._types import Results
from lassovae.stats import order_sentence

KINDS = ("edges", "nodes", "pixels", "with caution")  # of `Differences.sentences`
MOST_LEFT = (
    0.5  # of the squared error of the mean frame that forecasts may leave without a word in the limits
)
FAR, WORSE = (
    2.0,
    1.05,
)  # from the best λ on frames held out, as ratios of λ and of errors: both are worth a word


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


def _left(analysis: Analysis) -> float:
    """Share of the mean frame's squared error that forecasts leave."""
    return float(analysis.errors.forecast_reconstruction.mean() / analysis.errors.mean_frame.mean())


def _forecasts(analysis: Analysis) -> str:
    errors = analysis.errors
    known = errors.held_out[np.isfinite(errors.held_out)]
    later = (
        f", and {known.mean():.2f} on the last part of each run, which the fit had not seen"
        if known.size
        else ""
    )
    left = _left(analysis)
    images = (
        f" Decoded into images, they leave {left:.0%} of the squared error of the mean frame (in sample)."
    )
    return (
        f"One frame ahead, the relative error R_var (0 is perfect, 1 no better than the mean) is "
        f"{errors.window.mean():.2f} in windows and {errors.run.mean():.2f} in whole runs, both in sample{later}. With "
        f"the frames in random order, where there is nothing to forecast, it is {errors.shuffled_window.mean():.2f} "
        f"and {errors.shuffled_run.mean():.2f}: the difference is what the order of frames tells. A node listens to "
        f"{errors.nonzeros.mean():.1f} coefficients on average.{images if left <= MOST_LEFT else ''}"
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
        f"Every run was forecast with the coefficients of every other run; if {first} and {second} differ, those of "
        "the other condition do worse. The statistic is how far apart the conditions lie on average, against the "
        "scatter of runs; p is the share of ways to deal the labels out again that look at least as different."
    )
    by = "" if len(results) == 1 else f"By the {model_title(name)}. "
    return verdict, f"{by}{test.sentences()[0]} {plain}"


def findings(results: Results, main: str) -> list[Finding]:
    """What was found, the most important first."""
    tellers = _tellers(results, main)
    differ, where = [], []
    alone = len(results) == 1
    for name in tellers:
        test, found = results[name][1].condition_test, results[name][1].differences
        title = "" if alone else heading(name)
        if test is not None:
            said = [text for text in test.sentences() if text != test.order]  # which is among the limits
            if name == tellers[0]:
                said = said[1:]  # the answer
            if test.effect is not None:
                said.append(
                    "That difference is how much worse coefficients of the other condition forecast a run than those "
                    "of another run of its own."
                )
            differ += [(title, " ".join(said))] if said else []
        if found is not None and found.maps is not None:
            where += [
                (f"{title}, {what}" if title else what.capitalize(), text)
                for what, text in zip(KINDS, found.sentences(), strict=False)
                if what != KINDS[-1] or name == tellers[-1]  # all models have the same blocks
            ]
    forecasts = [("" if alone else heading(name), _forecasts(results[name][1])) for name in tellers]
    parts = {
        "How much do the conditions differ?": differ,
        "Where do they differ?": where,
        "How well does it forecast?": forecasts,
    }
    return [Finding(asked, tuple(items)) for asked, items in parts.items() if items]


def _far_from_best(drawings: Sequence[Drawn], used: float) -> str:
    """Where the λ of conditions is far from the one that forecasts held-out frames best; empty where it is not.

    Fits to half of the frames want sqrt(2) times the λ of a fit to all of them: chance correlations fall with the root
    of the frames. So what a held-out error says of a λ is said of that λ over sqrt(2).
    """
    path = next(
        (d.data["lam_path"] for d in drawings if isinstance(d, Drawing) and d.name == "lam_path"), None
    )
    if path is None:
        return ""
    order = np.argsort(path["lam"])
    lams, errors = np.asarray(path["lam"])[order] / math.sqrt(2), np.asarray(path["held_out"])[order]
    here, lowest = float(np.interp(np.log(used), np.log(lams), errors)), int(errors.argmin())
    best = float(lams[lowest])
    if max(best / used, used / best) <= FAR or here <= WORSE * errors[lowest]:
        return ""
    side = "weaker" if used < best else "stronger"
    risk = "chance couplings in them" if used < best else "true couplings to be missing"
    return (
        f"The penalty of the fits to conditions, λ = {used:.2g}, is much {side} than forecasts best on frames held out "
        f"(R_var {here:.2f}, but {errors[lowest]:.2f} near λ = {best:.2g}): expect {risk}, or fit again with "
        f"`--condition-lam {best:.2g}`."
    )


def limits(results: Results, main: str, drawings: Sequence[Drawn] = ()) -> list[str]:
    """What a reader must know before believing anything.

    Args:
        results: name -> (model, analysis).
        main: the model that the page speaks for.
        drawings: figures, of which the path of λ has a limit to tell.
    """
    analysis = results[main][1]
    teller = results[_tellers(results, main)[0]][1]
    left = _left(teller)
    compared = [label for label in analysis.labels if label in analysis.conditions[:2]]
    notes = [analysis.design, order_sentence(compared)]
    if left > MOST_LEFT:
        notes.append(
            f"Forecasts of images leave {left:.0%} of the squared error of the mean frame, even on frames of the fit: "
            "shot noise, or activity that the model does not follow."
        )
    notes += [_far_from_best(drawings, teller.condition_lam), analysis.why_not]
    if analysis.why_no_differences:
        notes.append(f"Where conditions differ was not tested: {analysis.why_no_differences}")
    if analysis.why_no_test and not analysis.design.startswith("No permutation test"):
        notes.append(f"No permutation test: {analysis.why_no_test}")
    for name, (model, one) in results.items():
        notes += [f"{name}: {note}" for note in (*model.notes, *fit_notes(one.fits))]
    return [note for note in notes if note]


def default_title(study: Study) -> str:
    """Of a page that was given none."""
    return f"lassovae: {study.name}"
