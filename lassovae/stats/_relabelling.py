"""Which relabellings of runs a null hypothesis allows: all of them, those within blocks, or those of whole blocks."""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lassovae._errors import InputError
from lassovae.stats._rank_sum import check_blocks, check_labels

Exchange = Literal["free", "whole", "within"]
Codes = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Relabellings:
    """The labels of runs as cards in decks: a relabelling shuffles each deck by itself.

    Attributes:
        decks: codes of the groups, one array a deck. Free: one deck of runs. Whole: one deck of blocks. Within: the
            runs of each block are a deck.
        card_of_run: (runs,) the run's card, counted through all decks; runs of a whole block share one.
        num_groups: codes are 0 .. num_groups - 1.
        exchange: which of the three.
    """

    decks: tuple[Codes, ...]
    card_of_run: Codes
    num_groups: int
    exchange: Exchange

    @property
    def observed(self) -> Codes:
        """(runs,) codes as the study has them."""
        return np.concatenate(self.decks)[self.card_of_run]

    @property
    def counts(self) -> NDArray[np.intp]:
        """(decks, groups) cards of each group in each deck."""
        return np.stack([np.bincount(deck, minlength=self.num_groups) for deck in self.decks])

    @property
    def number(self) -> int:
        """How many different relabellings there are, the study's own among them."""
        return math.prod(
            math.factorial(sum(row)) // math.prod(map(math.factorial, row)) for row in self.counts.tolist()
        )

    @property
    def num_equivalent(self) -> int:
        """How many of them split the runs as the study does, up to the groups' names."""
        counts = self.counts
        orders = itertools.permutations(range(self.num_groups))
        return sum(bool((counts[:, list(order)] == counts).all()) for order in orders)

    def every(self) -> NDArray[np.intp]:
        """(number, runs) codes, each relabelling once."""
        hands = [list(_arrangements(row, sum(row))) for row in self.counts.tolist()]
        cards = np.asarray([np.concatenate(hand) for hand in itertools.product(*hands)])
        return cards[:, self.card_of_run]

    def drawn(self, number: int, rng: np.random.Generator) -> NDArray[np.intp]:
        """(number, runs) codes of random relabellings, equally likely, with replacement."""
        cards = np.asarray(
            [np.concatenate([rng.permutation(deck) for deck in self.decks]) for _ in range(number)]
        )
        return cards.reshape(number, -1)[:, self.card_of_run]


def _arrangements(counts: Sequence[int], size: int) -> Iterator[Codes]:
    """Every way to lay out counts[g] cards of each group g in `size` places."""

    def laid(code: int, free: tuple[int, ...], row: Codes) -> Iterator[Codes]:
        if code == len(counts) - 1:
            row[list(free)] = code
            yield row.copy()
            return
        for chosen in itertools.combinations(free, counts[code]):
            row[list(chosen)] = code
            left = tuple(place for place in free if place not in set(chosen))
            yield from laid(code + 1, left, row)

    yield from laid(0, tuple(range(size)), np.zeros(size, np.intp))


def relabellings(
    labels: Sequence[str], blocks: Sequence[Hashable] | None = None, exchange: Exchange | None = None
) -> tuple[Relabellings, tuple[str, ...]]:
    """The relabellings that a design allows, and the names of the groups by code.

    Args:
        labels: one a run; at least two different.
        blocks: one a run, any hashable; None: every run by itself.
        exchange: "free" ignores blocks, "whole" exchanges blocks, "within" exchanges runs of the same block. None:
            "whole" where there are blocks, else "free".

    Raises:
        InputError: lengths differ, one label only, no such exchange, no blocks where they are needed, or a block that
            mixes labels where blocks are exchanged.
    """
    names = [str(label) for label in check_labels(labels, len(labels))]
    groups = tuple(dict.fromkeys(names))
    if len(groups) < 2:
        raise InputError(f"labels has {len(groups)} group: a comparison needs at least two different labels")
    if exchange is None:
        exchange = "free" if blocks is None else "whole"
    if exchange not in ("free", "whole", "within"):
        raise InputError(f"exchange={exchange!r} is not known; choose one of free, whole, within")
    if blocks is None and exchange != "free":
        raise InputError(f"exchange={exchange!r} needs blocks: give one block a run")
    units = check_blocks(blocks, len(names))
    codes = np.asarray([groups.index(name) for name in names], np.intp)
    place = {unit: i for i, unit in enumerate(dict.fromkeys(units))}
    block_of_run = np.asarray([place[unit] for unit in units], np.intp)
    if exchange == "free":
        return Relabellings((codes,), np.arange(len(codes)), len(groups), exchange), groups
    if exchange == "within":
        members = [np.flatnonzero(block_of_run == b) for b in range(len(place))]
        card = np.empty(len(codes), np.intp)
        card[np.concatenate(members)] = np.arange(len(codes))
        return Relabellings(tuple(codes[m] for m in members), card, len(groups), exchange), groups
    deck = np.full(len(place), -1, np.intp)
    for run, (code, block) in enumerate(zip(codes, block_of_run, strict=True)):
        if deck[block] not in (-1, code):
            raise InputError(
                f"blocks[{run}]={units[run]!r} holds both {groups[deck[block]]!r} and {names[run]!r}: whole blocks can "
                "only be exchanged if each has one label; exchange='within' exchanges the runs of a block"
            )
        deck[block] = code
    return Relabellings((deck,), block_of_run, len(groups), exchange), groups
