"""A sparse, stable VAR between simulated cells, one per condition, and the calcium that it makes.

c_t = sum_k A_k c_{t-k} + s_t, with A_1 = diag(decays) + W_1 and A_2 = W_2. The sources of W (drivers) and its targets
(followers) are disjoint sets in every condition, so that with drivers first every A_k is block triangular: the
companion matrix has the decays and zeros as its eigenvalues, and the spectral radius is the largest decay, below 1.
"""

from __future__ import annotations

import numpy as np

NUM_LAGS = 2
DECAY_SECONDS = (0.4, 0.6)  # a fast GCaMP
BURN_IN_FRAMES = 100
EVENT_SIZE = 0.35  # median dF/F of a spike burst at a cell's centre
EVENT_SPREAD = 0.45  # of the logarithm of event sizes


def draw_decays(rng: np.random.Generator, num_cells: int, frame_rate_hz: float) -> np.ndarray:
    """(cells,) in (0, 1): what is left of a cell's calcium after a frame."""
    return np.exp(-1 / (frame_rate_hz * rng.uniform(*DECAY_SECONDS, num_cells)))


class Wiring:
    """Who drives whom: drawn once for the first condition, then changed for each of the others.

    Args:
        rng: consumed.
        decays: (cells,).
        coupling: calcium of a follower per sustained calcium of its driver, the mean over couplings.

    About a quarter of the cells drive two or three followers each; a tenth are idle in the first condition and are
    the new drivers of the others.
    """

    def __init__(self, rng: np.random.Generator, decays: np.ndarray, coupling: float) -> None:
        self.decays, self.gain = decays, coupling
        num_cells = len(decays)
        num_drivers = round(num_cells / 4) if num_cells >= 4 else min(1, num_cells - 1)
        num_idle = num_cells // 10
        shuffled = rng.permutation(num_cells)
        self.drivers, self.idle = shuffled[:num_drivers], shuffled[num_drivers : num_drivers + num_idle]
        self.followers = shuffled[num_drivers + num_idle :]
        self.first = np.zeros((NUM_LAGS, num_cells, num_cells))
        self.first[0] = np.diag(decays)
        self._connect(rng, self.first, self.drivers)

    def _connect(self, rng: np.random.Generator, coupling: np.ndarray, sources: np.ndarray) -> None:
        """Give each source two or three followers, those with the fewest drivers first."""
        for source in sources:
            count = min(int(rng.integers(2, 4)), len(self.followers))
            taken = (coupling[:, self.followers] != 0).any(axis=0).sum(axis=1) + rng.random(
                len(self.followers)
            )
            for target in self.followers[np.argsort(taken)[:count]]:
                weight = self.gain * rng.uniform(0.8, 1.2) * (1 - self.decays[target])
                share = rng.uniform(0.5, 0.9)
                coupling[:, target, source] = weight * np.array([share, 1 - share])

    def change(self, rng: np.random.Generator, contrast: float = 1.0) -> np.ndarray:
        """The coupling (lags, targets, sources) of another condition, `contrast` of the way from the first to it.

        A third of the drivers lose their followers, a sixth keep 30 % of their strength, the idle cells drive.
        """
        changed = self.first.copy()
        order = rng.permutation(self.drivers)
        num_lost = -(-len(order) // 3)
        num_weak = len(order) // 6
        autoregression = np.diag(self.decays)
        for source, kept in zip(order, [0.0] * num_lost + [0.3] * num_weak, strict=False):
            changed[:, :, source] *= kept
            changed[0, source, source] = autoregression[source, source]
        self._connect(rng, changed, self.idle)
        return changed if contrast == 1 else self.first + contrast * (changed - self.first)

    def varied(self, rng: np.random.Generator, coupling: np.ndarray, spread: float) -> np.ndarray:
        """The coupling with each driver's followers at a strength of their own: factors of mean 1, log-normal."""
        factor = np.exp(spread * rng.standard_normal(len(self.decays)) - spread**2 / 2)
        itself = np.diag(self.decays)
        varied = coupling * factor
        varied[0] += itself * (1 - factor)
        return varied


def spectral_radius(coupling: np.ndarray) -> float:
    """Largest modulus of the eigenvalues of the companion matrix of (lags, targets, sources)."""
    lags, cells, _ = coupling.shape
    companion = np.zeros((lags * cells, lags * cells))
    companion[:cells] = coupling.transpose(1, 0, 2).reshape(cells, lags * cells)
    companion[cells:, :-cells] = np.eye((lags - 1) * cells)
    return float(np.abs(np.linalg.eigvals(companion)).max())


def draw_calcium(
    rng: np.random.Generator,
    coupling: np.ndarray,
    num_frames: int,
    frame_rate_hz: float,
    rates_hz: np.ndarray,
) -> np.ndarray:
    """Simulate one run.

    Args:
        rng: consumed.
        coupling: (lags, targets, sources) of the run's condition.
        num_frames: frames after the burn-in.
        frame_rate_hz: frames per second.
        rates_hz: (cells,), bursts of spikes per second of each cell.

    Returns:
        (time, cells) dF/F at the cells' centres, not negative. A burst falls anywhere within its frame, so that
        its rise is spread over two frames.
    """
    lags, cells, _ = coupling.shape
    total = num_frames + BURN_IN_FRAMES
    bursts = rng.poisson(rates_hz / frame_rate_hz, (total, cells))
    size = EVENT_SIZE * np.exp(EVENT_SPREAD * rng.standard_normal((total, cells)))
    size *= 1 + 0.5 * rng.poisson(0.4, (total, cells))
    early = rng.uniform(0.4, 1.0, (total, cells))
    onset = bursts * size
    innovations = onset * early
    innovations[1:] += (onset * (1 - early))[:-1]
    calcium = np.zeros((total + lags, cells))
    for t in range(total):
        past = calcium[t + lags - 1 :: -1][:lags]
        calcium[t + lags] = innovations[t] + np.einsum("kij,kj->i", coupling, past)
    return calcium[lags + BURN_IN_FRAMES :]
