"""Scatter of groups against scikit-bio, geometry and analysis of variance."""

import numpy as np
import pytest
import scipy.stats
from scipy.spatial.distance import pdist, squareform

from lassovae import InputError
from lassovae.stats import dispersion_test, distances_to_centre, permutation_test


def test_distances_are_those_to_the_mean_of_points(rng):
    points = rng.standard_normal((9, 4))
    labels = np.asarray(list("FFFFNNNNN"))
    centres = np.stack([points[labels == label].mean(axis=0) for label in labels])
    found = distances_to_centre(squareform(pdist(points)), list(labels))
    np.testing.assert_allclose(found, np.linalg.norm(points - centres, axis=1), rtol=1e-12)


def test_distances_without_a_geometry_are_those_of_signed_principal_coordinates(rng):
    matrix = squareform(rng.uniform(0.1, 1, 13 * 12 // 2))
    labels = np.asarray(list("FFFFFFNNNNNNN"))
    centring = np.eye(13) - 1 / 13
    power, vectors = np.linalg.eigh(-centring @ matrix**2 @ centring / 2)
    assert power.min() < -0.1  # some axes are imaginary
    points = vectors * np.sqrt(np.abs(power))
    away = points - np.stack([points[labels == label].mean(axis=0) for label in labels])
    expected = np.sqrt(np.abs((np.sign(power) * away**2).sum(axis=1)))
    np.testing.assert_allclose(distances_to_centre(matrix, list(labels)), expected, rtol=0, atol=1e-7)


def test_statistic_is_scikit_bios(rng, skbio_distance):
    labels = ["F"] * 6 + ["N"] * 7
    matrix = squareform(pdist(rng.standard_normal((13, 3)) * np.where(np.arange(13) < 6, 1, 3)[:, None]))
    theirs = skbio_distance.permdisp(
        skbio_distance.DistanceMatrix(matrix), labels, test="centroid", permutations=0
    )
    assert dispersion_test(matrix, labels, num_permutations=1).statistic == pytest.approx(
        theirs["test statistic"], rel=1e-8
    )


def test_f_and_its_null_are_those_of_an_analysis_of_variance(rng):
    labels = list("FFFNNNN")
    matrix = squareform(pdist(rng.standard_normal((7, 2))))
    distances = distances_to_centre(matrix, labels)
    found = dispersion_test(matrix, labels)
    parts = [distances[[label == g for label in labels]] for g in "FN"]
    assert found.statistic == pytest.approx(scipy.stats.f_oneway(*parts).statistic)
    everywhere = scipy.stats.permutation_test(
        parts,
        lambda a, b: scipy.stats.f_oneway(a, b).statistic,
        n_resamples=np.inf,
        alternative="greater",
        vectorized=False,
    )
    assert found.pvalue == pytest.approx(everywhere.pvalue)
    assert found.name == "dispersion"


def test_it_sees_scatter_and_not_place(rng):
    labels = ["F"] * 15 + ["N"] * 15
    points = rng.standard_normal((30, 3))
    apart = points + 4.0 * (np.arange(30) < 15)[:, None]
    wide = points * np.where(np.arange(30) < 15, 3.0, 1.0)[:, None]
    place, scatter = (squareform(pdist(p)) for p in (apart, wide))
    assert dispersion_test(place, labels, num_permutations=499).pvalue > 0.1
    assert dispersion_test(scatter, labels, num_permutations=499).pvalue == pytest.approx(1 / 500)
    assert permutation_test(place, labels, num_permutations=499).pvalue == pytest.approx(1 / 500)


def test_whole_blocks_are_the_units(rng):
    blocks = np.repeat(np.arange(6), 3)
    labels = np.where(blocks % 2, "N", "F")
    found = dispersion_test(squareform(pdist(rng.standard_normal((18, 3)))), labels, blocks=blocks)
    assert (found.num_units, found.num_relabellings) == (6, 20)
    assert found.smallest_pvalue == pytest.approx(0.1)
    with pytest.raises(InputError, match="negative"):
        dispersion_test(-squareform(pdist(rng.standard_normal((18, 3)))), labels)
