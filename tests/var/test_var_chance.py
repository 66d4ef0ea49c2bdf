"""What chance can do: copies keep what they should, and true edges stand above them."""

import numpy as np
import pytest

from lassovae import InputError
from lassovae.var import chance_strength, edge_strengths, fit_pooled, prune, random_phases

ORDER, LAM, NODES = 2, 0.01, 6


def runs_of(seed, coupling):
    """Three runs of slow nodes; node 4 drives node 1."""
    rng = np.random.default_rng(seed)
    runs = []
    for frames in (160, 161, 150):
        z = rng.standard_normal((frames, NODES))
        for t in range(1, frames):
            z[t] += 0.7 * z[t - 1]
            z[t, 1] += coupling * z[t - 1, 4]
        runs.append(z)
    return runs


@pytest.mark.parametrize("frames", [200, 201])
def test_copies_keep_each_node_and_lose_the_others(frames):
    rng = np.random.default_rng(3)
    z = np.cumsum(rng.standard_normal((frames, 1)), axis=0) + 0.1 * rng.standard_normal((frames, 4)) + 5
    copy = random_phases(z.reshape(frames, 2, 2), rng)
    assert copy.shape == (frames, 2, 2)
    flat = copy.reshape(frames, 4)
    np.testing.assert_allclose(
        np.abs(np.fft.rfft(flat, axis=0)), np.abs(np.fft.rfft(z, axis=0)), rtol=0, atol=1e-8
    )
    np.testing.assert_allclose(flat.mean(axis=0), z.mean(axis=0), rtol=1e-12)
    assert np.corrcoef(z, rowvar=False).min() > 0.95
    many = [np.corrcoef(random_phases(z, rng), rowvar=False)[0, 1] for _ in range(200)]
    assert abs(np.mean(many)) < 0.2


def test_strengths_are_sums_over_lags_without_the_nodes_own_past():
    coef = np.asarray([[[1.0, -2.0], [0.5, 3.0]], [[4.0, 1.0], [-0.5, 0.0]]])
    np.testing.assert_array_equal(edge_strengths(coef), [[0, 3], [1, 0]])


def test_it_is_the_strongest_edge_of_fits_to_copies(x64):
    runs = runs_of(0, 0.0)
    rng = np.random.default_rng(7)
    strongest = []
    for _ in range(3):
        copies = [random_phases(z, rng) for z in runs]
        fit = prune(fit_pooled(copies, ORDER, LAM), copies, 1.0)
        strongest.append(edge_strengths(fit.coef).max())
    found = chance_strength(runs, ORDER, LAM, threshold=1.0, num_copies=3, seed=7)
    assert found == pytest.approx(max(strongest), rel=1e-9)
    assert found > min(strongest)
    counts = [
        np.round(100 * z).astype(int) for z in runs
    ]  # photons, say: copies are not rounded to whole ones
    as_floats = [z.astype(float) for z in counts]
    assert chance_strength(counts, ORDER, LAM, seed=1) == chance_strength(as_floats, ORDER, LAM, seed=1)
    with pytest.raises(InputError, match="num_copies=0"):
        chance_strength(runs, ORDER, LAM, num_copies=0)


def test_a_true_edge_stands_above_and_nothing_else_does(x64):
    false, true = 0, 0
    for seed in range(10):
        for coupling in (0.0, 0.5):
            runs = runs_of(seed, coupling)
            above = edge_strengths(fit_pooled(runs, ORDER, LAM).coef) > chance_strength(
                runs, ORDER, LAM, seed=seed
            )
            true += bool(above[1, 4]) if coupling else 0
            above[1, 4] &= not coupling
            false += above.any()
    assert true == 10
    assert false <= 8  # of 20 studies; five copies let the strongest of 30 edges through in one of six
