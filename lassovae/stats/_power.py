"""What a design can find: how often its tests reject, simulated before any recording is trained on."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.distance import pdist, squareform

from lassovae._errors import InputError
from lassovae._random import generator
from lassovae.stats._centres import centres
from lassovae.stats._dissimilarity import anosim, prepared
from lassovae.stats._permutation import pvalue_among
from lassovae.stats._rank_sum import check_labels, rank_sum_of_pairs
from lassovae.stats._relabelling import relabellings
from lassovae.stats._words import block_design, order_sentence

DIMENSIONS = 5  # in which dynamics vary: with a block effect of 0.5, rejections like those of fitted errors
MOST_ENUMERATED = 1000  # relabellings that a simulated study tries at most
TESTS = ("blocks", "anosim", "runs", "rank_sum")
EFFECTS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)


@dataclass(frozen=True, eq=False)
class Power:
    """How often tests reject in many studies of one design.

    Attributes:
        effects: (k,) sizes of the effect; 0 is a true null hypothesis, at which a rejection is an error.
        rates: test -> (k,) share of studies that it rejects: "blocks" (the recommended one, `condition_test`), "anosim"
            (of blocks, too), "runs" (the recommended statistic with single runs permuted), "rank_sum" (the paper's).
        num_studies: of each effect.
        alpha: level.
        smallest_pvalue: that the permutation of blocks can reach.
        unit: what effects are measured in.
    """

    effects: NDArray[np.float64]
    rates: dict[str, NDArray[np.float64]]
    num_studies: int
    alpha: float
    smallest_pvalue: float
    unit: str

    def interval(self, test: str) -> NDArray[np.float64]:
        """(k, 2) ends of the 95 % Clopper-Pearson interval of a test's rates."""
        counts = np.rint(self.rates[test] * self.num_studies)
        low = stats.beta.ppf(0.025, counts, self.num_studies - counts + 1)
        high = stats.beta.ppf(0.975, counts + 1, self.num_studies - counts)
        return np.stack([np.nan_to_num(low, nan=0.0), np.nan_to_num(high, nan=1.0)], axis=1)

    def found_from(self, power: float = 0.8) -> float | None:
        """The smallest effect, between those tried, that the permutation of blocks finds with this power; or None."""
        rates = self.rates["blocks"]
        order = np.argsort(self.effects, kind="stable")
        effects, rates = self.effects[order], rates[order]
        enough = np.flatnonzero((rates >= power) & (effects > 0))
        if len(enough) == 0:
            return None
        at = int(enough[0])
        if at == 0:
            return float(effects[0])
        step = (power - rates[at - 1]) / (rates[at] - rates[at - 1])
        return float(effects[at - 1] + step * (effects[at] - effects[at - 1]))


@dataclass(frozen=True, eq=False)
class SharedRelabellings:
    """The relabellings that all simulated studies of a design share."""

    designs: dict[str, tuple[NDArray[np.float64], bool]]
    times: NDArray[np.float64] | None
    units: Sequence[Hashable]

    @classmethod
    def of(
        cls,
        labels: Sequence[str],
        blocks: Sequence[Hashable] | None,
        num_permutations: int,
        rng: np.random.Generator,
    ) -> SharedRelabellings:
        """Draw or enumerate them."""
        made = {}
        for name, units in (("blocks", blocks), ("runs", None)):
            design, groups = relabellings(labels, units)
            exact = design.number <= MOST_ENUMERATED
            codes = design.every() if exact else design.drawn(num_permutations, rng)
            both = np.concatenate([design.observed[None], codes])
            member = (both[:, None, :] == np.arange(len(groups))[:, None]).astype(np.float64)
            made[name] = (member, exact)
        # as `condition_test` does
        times = None if order_sentence(labels) else np.arange(len(labels), dtype=np.float64)
        return cls(made, times, list(range(len(labels))) if blocks is None else list(blocks))

    def pvalues(self, squares: NDArray[np.float64]) -> dict[str, float]:
        """Of squared distances (runs, runs), or of anything symmetric that takes their part."""
        _, ranks = prepared(squares, "anosim")
        found = {}
        for name, units, statistic, values in (
            ("blocks", "blocks", centres(self.times, self.units), squares),
            ("anosim", "blocks", anosim, ranks),
            ("runs", "runs", centres(self.times, range(len(squares))), squares),
        ):
            member, exact = self.designs[units]
            observed, *null = statistic(values, member).tolist()
            found[name] = pvalue_among(observed, np.asarray(null), exact)
        return found


def two_groups(
    labels: Sequence[str], blocks: Sequence[Hashable] | None
) -> tuple[list[str], list[Hashable] | None, tuple[str, str]]:
    """The runs of the first two labels."""
    names = [str(label) for label in check_labels(labels, len(labels))]
    if blocks is not None and len(blocks) != len(names):
        raise InputError(f"blocks has {len(blocks)} entries for {len(names)} labels: give one block a run")
    groups = tuple(dict.fromkeys(names))[:2]
    if len(groups) < 2:
        raise InputError(f"labels has {len(groups)} group: a comparison needs at least two different labels")
    kept = [i for i, name in enumerate(names) if name in groups]
    return (
        [names[i] for i in kept],
        None if blocks is None else [blocks[i] for i in kept],
        (groups[0], groups[1]),
    )


def is_number(value: object) -> bool:
    """Whether a value is a finite real number."""
    kinds = (int, float, np.integer, np.floating)
    return isinstance(value, kinds) and not isinstance(value, bool) and bool(np.isfinite(value))


def check_effects(effects: Sequence[float]) -> None:
    """Raise InputError for what are no distances of conditions."""
    several = isinstance(effects, (Sequence, np.ndarray)) and not isinstance(effects, str)
    if not several or len(effects) == 0 or not all(is_number(effect) and effect >= 0 for effect in effects):
        raise InputError(
            f"effects={effects!r} must be a sequence of one or more finite numbers of at least 0"
        )


def check_simulation(num_studies: int, alpha: float, num_permutations: int) -> None:
    """Raise InputError for what no simulation can be made of."""
    for name, value in (("num_studies", num_studies), ("num_permutations", num_permutations)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            raise InputError(f"{name}={value!r} must be an integer")
    if num_studies < 2:
        raise InputError(
            f"num_studies={num_studies} must be at least 2, of which a share is found; 200 say something"
        )
    if not is_number(alpha) or not 0 < alpha < 1:
        raise InputError(f"alpha={alpha} must lie between 0 and 1")
    if num_permutations < 1:
        raise InputError(f"num_permutations={num_permutations} must be at least 1")


def design_power(
    labels: Sequence[str],
    blocks: Sequence[Hashable] | None = None,
    *,
    effects: Sequence[float] = EFFECTS,
    block_sd: float = 0.5,
    scatter: float = 1.0,
    drift: float = 0.0,
    num_studies: int = 200,
    alpha: float = 0.05,
    num_permutations: int = 499,
    seed: int = 0,
) -> Power:
    """False positives and power of a design's tests, before anything is recorded or trained.

    A run's dynamics are a point in five dimensions, about which runs of one block scatter with a standard deviation
    of 1; blocks scatter about their condition with `block_sd`; conditions lie `effect` apart; and swap errors are
    squared distances, as the cost of other coefficients is. Real studies differ: read it as a guide.

    Args:
        labels: condition of each run, in the order of recording; the first two are compared.
        blocks: block of each run; None: every run is a unit.
        effects: distances of the conditions, in standard deviations of runs within a block.
        block_sd: standard deviation of blocks, in the same units.
        scatter: how much wider runs of the second condition scatter than those of the first.
        drift: distance that dynamics drift from the first run to the last.
        num_studies: simulated for each effect.
        alpha: level of the tests, in (0, 1).
        num_permutations: relabellings drawn where there are more than 1000.
        seed: of everything.

    Returns:
        Power.

    Raises:
        InputError: a block that mixes labels, fewer than two labels, or an argument out of range.

    Example:
        >>> labels = (["F"] * 5 + ["N"] * 5) * 2
        >>> power = design_power(labels, [i // 5 for i in range(20)], effects=(0, 5), num_studies=10)
        >>> print(power.rates["blocks"])  # four blocks: the smallest p-value is 1/3
        [0. 0.]
    """
    check_simulation(num_studies, alpha, num_permutations)
    for name, value in (("block_sd", block_sd), ("scatter", scatter), ("drift", drift)):
        if not is_number(value) or value < 0:
            raise InputError(f"{name}={value!r} must be a finite number of at least 0")
    check_effects(effects)
    names, units, (a, b) = two_groups(labels, blocks)
    rng = generator(seed)
    tests = SharedRelabellings.of(names, units, num_permutations, rng)
    second = np.asarray([name == b for name in names])
    order = list(range(len(names))) if units is None else units
    place = {unit: i for i, unit in enumerate(dict.fromkeys(order))}
    of_block = np.asarray([place[unit] for unit in order])
    time = np.linspace(0, 1, len(names))[:, None]
    axes = np.eye(DIMENSIONS)
    spread = np.where(second, scatter, 1.0)[:, None]
    rates = {name: np.zeros(len(effects)) for name in TESTS}
    for at, effect in enumerate(effects):
        for _ in range(num_studies):
            points = spread * rng.standard_normal((len(names), DIMENSIONS))
            points += block_sd * rng.standard_normal((len(place), DIMENSIONS))[of_block] * (units is not None)
            points += effect * second[:, None] * axes[0] + drift * time * axes[1]
            apart = squareform(pdist(points, "sqeuclidean"))
            found = tests.pvalues(apart)
            found["rank_sum"] = rank_sum_of_pairs(apart, names, a, b, name="errors", ordered=False).pvalue
            for name in TESTS:
                rates[name][at] += found[name] <= alpha
    return Power(
        effects=np.asarray(effects, np.float64),
        rates={name: counts / num_studies for name, counts in rates.items()},
        num_studies=num_studies,
        alpha=alpha,
        smallest_pvalue=block_design(names, units).smallest_pvalue,
        unit="standard deviations of runs within a block",
    )


def blocks_needed(
    effect: float,
    *,
    power: float = 0.8,
    runs_per_block: int = 5,
    block_sd: float = 0.5,
    most: int = 12,
    num_studies: int = 200,
    alpha: float = 0.05,
    seed: int = 0,
) -> int | None:
    """How many alternating blocks a condition the permutation of blocks needs for an effect.

    Args:
        effect, block_sd, num_studies, alpha, seed: as in `design_power`.
        power: share of studies that should find it, in (0, 1).
        runs_per_block: at least 1.
        most: blocks a condition beyond which it gives up.

    Returns:
        Blocks a condition, or None if `most` are not enough.

    Raises:
        InputError: an argument out of range.
    """
    if not is_number(effect) or effect <= 0:
        raise InputError(f"effect={effect!r} must be a number above 0: no design finds what is not there")
    if not is_number(power) or not 0 < power < 1:
        raise InputError(f"power={power!r} must lie between 0 and 1")
    if runs_per_block < 1 or most < 2:
        raise InputError(f"runs_per_block={runs_per_block} must be at least 1, most={most} at least 2")
    for count in range(2, most + 1):
        blocks = np.repeat(np.arange(2 * count), runs_per_block).tolist()
        labels = [("first", "second")[block % 2] for block in blocks]
        if block_design(labels, blocks).smallest_pvalue > alpha:
            continue
        found = design_power(
            labels,
            blocks,
            effects=(effect,),
            block_sd=block_sd,
            num_studies=num_studies,
            alpha=alpha,
            seed=seed,
        )
        if found.rates["blocks"][0] >= power:
            return count
    return None
