"""`lassovae design`: what a study's tests could find, before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated

from tyro.conf import Positional, arg

from lassovae._cli._output import Output, print_json, print_lines


@dataclass(frozen=True, kw_only=True)
class Design(Output):
    """Say what a study's tests could find, before anything is trained.

    Only the conditions and the blocks of the study are used: which p-value its blocks can reach, how often tests reject
    simulated studies of this design without an effect, and which effect they find.
    """

    study: Annotated[Positional[Path], arg(metavar="STUDY.csv")]
    """CSV with the columns recording, condition and, if runs were recorded in blocks, block. The recordings need not be
    there yet."""
    block_sd: float = 0.5
    """How much blocks differ beyond their condition, in standard deviations of runs within a block."""
    effects: tuple[float, ...] = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)
    """Distances of the conditions to try, in the same units; 0 for false positives."""
    needed_for: float = 2.0
    """For this distance say how many blocks a condition would be needed to find it with a power of 80 %."""
    studies: Annotated[int, arg(metavar="N")] = 200
    """Studies to simulate for each effect."""
    alpha: float = 0.05
    """Level of the tests."""
    seed: int = 0
    """Of the simulations."""

    def run(self) -> None:
        """Simulate and say.

        Raises:
            InputError: the study or a setting will not do.
        """
        from lassovae.data import read_design
        from lassovae.stats import (
            blocks_needed,
            design_power,
            design_sentence,
            order_sentence,
            power_sentence,
            power_table,
        )

        every, numbers = read_design(self.study)
        conditions = list(dict.fromkeys(every))
        kept = [i for i, label in enumerate(every) if label in conditions[:2]]
        labels, blocks = [every[i] for i in kept], [numbers[i] for i in kept]
        reach = design_sentence(labels, blocks, alpha=self.alpha)
        each = round(median(blocks.count(block) for block in set(blocks)))
        needed = blocks_needed(
            self.needed_for,
            runs_per_block=each,
            block_sd=self.block_sd,
            num_studies=self.studies,
            alpha=self.alpha,
            seed=self.seed,
        )
        power = design_power(
            labels,
            blocks,
            effects=self.effects,
            block_sd=self.block_sd,
            num_studies=self.studies,
            alpha=self.alpha,
            seed=self.seed,
        )
        if self.json:
            result = {"smallest_pvalue": power.smallest_pvalue, "effects": power.effects.tolist()}
            result |= {f"rejected_by_{name}": rates.tolist() for name, rates in power.rates.items()}
            result |= {"conditions": conditions[:2], "warning": order_sentence(labels)}
            result |= {"needed_for": self.needed_for, "blocks_needed": needed}
            result |= {"alpha": power.alpha, "num_studies": power.num_studies, "unit": power.unit}
            print_json(result)
            return
        unit = f"Share of {power.num_studies} simulated studies rejected; effects in {power.unit}:"
        count = f"{needed} alternating blocks" if needed else "more than 12 blocks"
        wanted = (
            f"An effect of {self.needed_for:g} would be found with a power of 80% by {count} in each condition, of "
            f"{each} runs each."
        )
        only = ""
        if len(conditions) > 2:
            first, second = conditions[:2]
            only = f"Only {first} and {second} are compared, the first two of {len(conditions)} conditions."
        said = [text for text in (only, reach, order_sentence(labels), power_sentence(power), wanted) if text]
        print_lines(*said, f"\n{unit}", power_table(power))
