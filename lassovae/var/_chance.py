"""How strong a coefficient chance alone can make: fits to copies of the latents that have lost their couplings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jax.typing import ArrayLike
from numpy.typing import NDArray

from lassovae._errors import InputError
from lassovae._random import generator
from lassovae._status import raise_if_failed
from lassovae.var._pooled import fit_pooled
from lassovae.var._prune import prune


def random_phases(latents: ArrayLike, rng: np.random.Generator) -> NDArray[np.float64]:
    """A copy of a series in which every node keeps its power spectrum and loses its relation to the others.

    Args:
        latents: (time, nodes) or (time, height, width).
        rng: of the phases, drawn for every node by itself.

    Returns:
        The same shape, each node's own mean, variance and autocorrelation over the (circular) time.

    References:
        Theiler et al. 1992, Testing for nonlinearity in time series: the method of surrogate data.
    """
    z = np.asarray(latents, np.float64)
    flat = z.reshape(len(z), -1)
    spectrum = np.fft.rfft(flat, axis=0)
    phase = np.exp(2j * np.pi * rng.random(spectrum.shape))
    phase[0] = 1
    if len(z) % 2 == 0:
        phase[-1] = 1  # the highest frequency is real
    return np.fft.irfft(spectrum * phase, n=len(z), axis=0).reshape(z.shape)


def edge_strengths(coef: ArrayLike) -> NDArray[np.float64]:
    """(targets, sources) sums over lags of |coef| (lags, targets, sources), a node's own past left out."""
    strength: NDArray[np.float64] = np.abs(np.asarray(coef, np.float64)).sum(axis=0)
    np.fill_diagonal(strength, 0.0)
    return strength


def chance_strength(
    list_of_latents: Sequence[ArrayLike],
    order: int,
    lam: float,
    *,
    threshold: float = 0.0,
    num_copies: int = 5,
    seed: int = 0,
) -> float:
    """The strongest edge in fits to copies with random phases: edges of the study above it are more than chance.

    A node's own past is no edge. What neighbouring nodes share in the image (a cell's pixels, the neuropil) is no
    chance, and stays above (docs/decisions/nulls.md).

    Args:
        list_of_latents: runs that are fitted together, as in `fit_pooled`.
        order: number of lags.
        lam: l1 strength, that of the fit to be judged.
        threshold: of `prune`, that of the fit to be judged.
        num_copies: of 19, the strongest chance edge of a study exceeds all with a probability of 1/20.
        seed: of the phases.

    Returns:
        In the units of `edge_strengths`, to which it is compared.

    Raises:
        InputError: num_copies below 1, or as `fit_pooled`.
        SolveError: a lasso failed.
    """
    if num_copies < 1:
        raise InputError(f"num_copies={num_copies} must be at least 1")
    rng = generator(seed)
    found = []
    for _ in range(num_copies):
        copies = [
            random_phases(z, rng).astype(np.result_type(np.asarray(z), np.float32)) for z in list_of_latents
        ]
        fit = prune(raise_if_failed(fit_pooled(copies, order, lam)), copies, threshold)
        found.append(edge_strengths(fit.coef).max())
    return float(max(found))
