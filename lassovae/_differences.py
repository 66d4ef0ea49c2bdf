"""Where in the image conditions differ: the network of a study, drawn block by block through the decoder."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from jax.typing import ArrayLike
from numpy.typing import NDArray

from lassovae._model import Model
from lassovae._network import Network, network
from lassovae.maps import contribution_map, visual_gain
from lassovae.stats import (
    GroupDifference,
    Uncertainty,
    block_bootstrap,
    difference_caution,
    difference_sentence,
    group_difference,
)


@dataclass(frozen=True, eq=False)
class Differences:
    """Edges, nodes and pixels in which the first two conditions of a study differ.

    Attributes:
        network: edges and nodes.
        block_maps: (units, height, width), the contribution map of each block's fit, all of one gain.
        maps: pixel by pixel, first condition less second, with standard errors and q-values; None with one condition
            or where a condition has one block.
        uncertainty: condition -> mean of its block maps with errors; empty where a condition has one block.
    """

    network: Network
    block_maps: NDArray[np.float64]
    maps: GroupDifference | None
    uncertainty: dict[str, Uncertainty]

    def sentences(self, *, rate: float = 0.05) -> list[str]:
        """What differs, what may be false among it, and what may not be concluded; or why nothing was compared.

        Raises:
            InputError: rate is not in (0, 1).
        """
        if self.network.edges is None or self.network.nodes is None or self.maps is None:
            return ["Nothing was compared: that needs two conditions, each of at least two blocks of runs."]
        said = [
            difference_sentence(self.network.edges, "edges", rate=rate),
            difference_sentence(self.network.nodes, "nodes", rate=rate),
            difference_sentence(self.maps, "pixels", rate=rate),
            difference_caution(self.maps, self.network.unit_labels),
        ]
        return [text for text in said if text]

    def thresholded(self, rate: float = 0.05) -> NDArray[np.float64] | None:
        """(height, width) difference map, 0 but where it is significant at this false-discovery rate.

        Raises:
            InputError: rate is not in (0, 1).
        """
        if self.maps is None:
            return None
        return np.where(self.maps.significant(rate), self.maps.difference, 0.0)


def differences(
    model: Model,
    list_of_latents: Sequence[ArrayLike],
    labels: Sequence[str],
    *,
    blocks: Sequence[Hashable] | None = None,
    lam: float | None = None,
    num_splits: int = 10,
    seed: int = 0,
) -> Differences:
    """The network of a study and the pixels in which its conditions differ.

    Args:
        model: trained; decodes influences into the image.
        list_of_latents: of `encode_run`, one a run.
        labels, blocks, lam, num_splits, seed: as in `network`.

    Returns:
        Differences.

    Raises:
        InputError, SolveError: as `network`.
    """
    found = network(
        list_of_latents,
        labels,
        model.config.order,
        blocks=blocks,
        lam=lam,
        num_splits=num_splits,
        seed=seed,
    )
    # of each node about its own mean, which an encoder's biases move
    scale = float(np.sqrt(np.mean([np.asarray(z, np.float64).var(axis=0).mean() for z in list_of_latents])))
    gain = visual_gain(found.influences, scale)
    drawn = np.stack([contribution_map(model, c, gain) for c in found.influences]).astype(np.float64)
    units = [found.unit_labels.count(c) for c in found.conditions]
    maps = None
    if found.nodes is not None:
        maps = group_difference(drawn, found.unit_labels, groups=found.nodes.groups)
    uncertainty = block_bootstrap(drawn, found.unit_labels, seed=seed) if min(units) > 1 else {}
    return Differences(found, drawn, maps, uncertainty)
