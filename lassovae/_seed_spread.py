"""How much of an answer is the training's seed: the same study, trained and analysed several times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lassovae._analysis import analyse
from lassovae._config import Config
from lassovae._errors import InputError
from lassovae.data import Study
from lassovae.training import fit


@dataclass(frozen=True, eq=False)
class SeedSpread:
    """What several trainings of one study say.

    Attributes:
        seeds: of the trainings.
        differences: (seeds, height, width), difference maps of the first two conditions, mean over blocks.
        mean: (height, width).
        standard_deviation: (height, width), over seeds; beside the standard error over blocks it says how much of the
            uncertainty is the encoder's.
        correlation: (seeds, seeds) of the difference maps, pixel by pixel.
        found: (height, width), share of seeds in which a pixel differs at the false-discovery rate.
        pvalues: (seeds,) of `condition_test`; they are one study's, not independent evidence. NaN where there is none.
        held_out: (seeds,) held-out R_var, mean over runs.
    """

    seeds: tuple[int, ...]
    differences: NDArray[np.float64]
    mean: NDArray[np.float64]
    standard_deviation: NDArray[np.float64]
    correlation: NDArray[np.float64]
    found: NDArray[np.float64]
    pvalues: NDArray[np.float64]
    held_out: NDArray[np.float64]


def seed_spread(
    study: Study,
    config: Config,
    seeds: Sequence[int] = (0, 1, 2),
    *,
    rate: float = 0.05,
    show_progress: bool = True,
) -> SeedSpread:
    """Train and analyse a study with several seeds; nodes of two trainings are comparable in the image only.

    Args:
        study: two conditions, each of at least two blocks.
        config: settings; its seed is replaced.
        seeds: at least two, all different. Each is a whole training.
        rate: false-discovery rate of `found`, in (0, 1).
        show_progress: as in `fit`.

    Returns:
        SeedSpread. NumPy.

    Raises:
        InputError: fewer than two seeds, a study whose conditions cannot be compared, or as `fit` and `analyse`.
    """
    if len(seeds) < 2 or len(set(seeds)) < len(seeds):
        raise InputError(f"seeds={tuple(seeds)} must be at least two, all different")
    if not 0 < rate < 1:
        raise InputError(f"rate={rate} must lie between 0 and 1")
    blocks = {(run.condition, run.block) for run in study.runs}
    for condition in study.conditions[:2]:
        if sum(c == condition for c, _ in blocks) < 2:
            raise InputError(
                f"condition {condition!r} has one block: difference maps need at least two in each"
            )
    if len(study.conditions) < 2:
        raise InputError("the study has one condition, and difference maps need two")
    differences, found, pvalues, held_out = [], [], [], []
    for seed in seeds:
        model = fit(study, config.replace(seed=seed), show_progress=show_progress)
        analysis = analyse(model, study)
        if analysis.differences is None or analysis.differences.maps is None:
            raise InputError(f"conditions cannot be compared: {analysis.why_no_differences}")
        maps, test = analysis.differences.maps, analysis.condition_test
        differences.append(maps.difference)
        found.append(maps.significant(rate))
        pvalues.append(np.nan if test is None else test.place.pvalue)
        held_out.append(np.nanmean(analysis.errors.held_out))
    every = np.stack(differences)
    with np.errstate(invalid="ignore"):  # a map without any difference is constant
        correlation = np.atleast_2d(np.corrcoef(every.reshape(len(every), -1)))
    return SeedSpread(
        seeds=tuple(seeds),
        differences=every,
        mean=every.mean(axis=0),
        standard_deviation=every.std(axis=0, ddof=1),
        correlation=correlation,
        found=np.mean(found, axis=0),
        pvalues=np.asarray(pvalues, np.float64),
        held_out=np.asarray(held_out, np.float64),
    )
