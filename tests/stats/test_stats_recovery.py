"""Recovery of a known truth."""

import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from lassovae._errors import InputError
from lassovae.stats import (
    auc,
    average_precision,
    cell_map_auc,
    cell_nodes,
    difference_auc,
    difference_map_auc,
    driver_auc,
    edge_auc,
    following_nodes,
    gini,
    localisation,
    node_cell_correlation,
    node_of_cell,
    recovery,
)


def disc(row, column, radius=2.0, shape=(16, 24)):
    rows, columns = np.indices(shape)
    return np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / radius**2)


@pytest.fixture
def truth():
    """Four cells on a 2 x 3 grid of 8-pixel nodes; 0 drives 1 in a, 2 drives 1 in b."""
    footprints = np.stack([disc(3, 3), disc(4, 12), disc(11, 20), disc(12, 4)])
    coupling_a, coupling_b = np.zeros((2, 2, 4, 4))
    coupling_a[:, [0, 1, 2, 3], [0, 1, 2, 3]] = 0.6
    coupling_b[:] = coupling_a
    coupling_a[0, 1, 0] = 0.5
    coupling_b[1, 1, 2] = -0.5
    return footprints, coupling_a, coupling_b


def planted(coupling, nodes, num_nodes=6):
    coef = np.zeros((len(coupling), num_nodes, num_nodes))
    coef[np.ix_(range(len(coupling)), nodes, nodes)] = coupling
    return coef


@pytest.mark.parametrize("seed", range(5))
def test_auc_agrees_with_sklearn_and_with_all_pairs(seed):
    rng = np.random.default_rng(seed)
    scores, positives = rng.integers(0, 6, size=40).astype(float), rng.random(40) < 0.3
    pairs = [(p > n) + 0.5 * (p == n) for p in scores[positives] for n in scores[~positives]]
    assert auc(scores, positives) == pytest.approx(np.mean(pairs))
    assert auc(scores, positives) == pytest.approx(roc_auc_score(positives, scores))
    assert auc(-scores, positives) == pytest.approx(1 - auc(scores, positives))


@pytest.mark.parametrize("seed", range(5))
def test_average_precision_agrees_with_sklearn(seed):
    rng = np.random.default_rng(seed)
    scores, positives = rng.integers(0, 6, size=40).astype(float), rng.random(40) < 0.3
    assert average_precision(scores, positives) == pytest.approx(average_precision_score(positives, scores))
    assert average_precision(np.ones(40), positives) == pytest.approx(positives.mean())
    assert math.isnan(average_precision(scores, np.zeros(40, bool)))


def test_gini_is_half_the_relative_mean_difference(rng):
    values = rng.normal(size=30)
    size = np.abs(values)
    expected = np.abs(size[:, None] - size[None]).mean() / (2 * size.mean())
    assert gini(values) == pytest.approx(expected)
    assert gini(7 * values[::-1]) == pytest.approx(expected)
    assert gini(np.ones(5)) == pytest.approx(0)
    assert gini(np.eye(5)[2]) == pytest.approx(0.8)
    assert math.isnan(gini(np.zeros(3)))
    for bad in ([], [np.nan]):
        with pytest.raises(InputError, match="values must be finite"):
            gini(bad)


def test_localisation_is_the_share_inside():
    image, places = np.array([[1.0, -3.0], [0.0, 4.0]]), np.array([[True, True], [False, False]])
    assert localisation(image, places) == 0.5
    assert math.isnan(localisation(0 * image, places))
    with pytest.raises(InputError, match="one boolean a pixel"):
        localisation(image, places[0])
    with pytest.raises(InputError, match="image must be finite"):
        localisation(image * np.nan, places)


def test_a_map_gains_nothing_by_showing_where_cells_are(truth):
    footprints = truth[0]
    chosen = np.array([True, False, True, False])
    assert cell_map_auc(footprints[chosen].sum(axis=0), footprints, chosen) > 0.99
    assert cell_map_auc(-footprints[~chosen].sum(axis=0), footprints, chosen) < 0.01
    assert cell_map_auc(footprints.max(axis=0), footprints, chosen) == pytest.approx(0.5, abs=0.06)
    everything = difference_map_auc(footprints.max(axis=0), footprints, *truth[1:])
    assert everything > 0.8  # that other measure is fooled
    assert math.isnan(cell_map_auc(footprints[0], footprints, np.ones(4, bool)))
    with pytest.raises(InputError, match="do not fit"):
        cell_map_auc(footprints[0][1:], footprints, chosen)


def test_following_nodes_go_where_the_cell_went(rng):
    """Wherever an encoder puts a cell, with whatever sign and gain, and no node stands for two cells."""
    traces = [rng.random((300, 3)) for _ in range(2)]
    latents = [0.1 * rng.random((300, 2, 3)) + 5.0 for _ in range(2)]
    for z, trace in zip(latents, traces, strict=True):
        z[:, 1, 2] -= 30 * trace[:, 0]
        z[:, 0, 1] += trace[:, 1] + 0.6 * trace[:, 2]
    nodes = following_nodes(latents, traces)
    np.testing.assert_array_equal(nodes.node[:2], [5, 1])
    assert nodes.node[2] not in (5, 1)  # its own node, though it is in node 1 with cell 1
    assert nodes.claim[2] < 0.2
    assert nodes.kept.all()
    stacked = [
        np.concatenate([x.reshape(300, -1) - x.reshape(300, -1).mean(axis=0) for x in y])
        for y in (latents, traces)
    ]
    assert nodes.claim[1] == pytest.approx(abs(np.corrcoef(stacked[0][:, 1], stacked[1][:, 1])[0, 1]))
    with pytest.raises(InputError, match="frames"):
        following_nodes([z[1:] for z in latents], traces)
    silent = following_nodes(latents, [trace * [1, 1, 0] for trace in traces])
    np.testing.assert_array_equal(silent.kept, [True, True, False])
    assert (silent.claim[2], silent.num_dropped) == (0, 1)
    few = following_nodes([z[:, 0, 1:2] for z in latents], traces)  # one node for three cells
    np.testing.assert_array_equal(few.kept, [False, True, False])
    with pytest.raises(InputError, match="same runs"):
        following_nodes(latents[:1], traces)


def test_auc_without_one_class_is_nan_and_bad_input_is_named():
    assert math.isnan(auc([1.0, 2.0], [True, True]))
    assert math.isnan(auc([1.0, 2.0], [False, False]))
    with pytest.raises(InputError, match="scores must be finite"):
        auc([1.0, np.nan], [True, False])
    with pytest.raises(InputError, match="booleans"):
        auc([1.0, 2.0], [1, 0])
    with pytest.raises(InputError, match="positives has shape"):
        auc([1.0, 2.0], [True])


def test_node_of_cell_is_row_major(truth):
    np.testing.assert_array_equal(node_of_cell(truth[0], (2, 3)), [0, 1, 5, 3])


def test_two_cells_in_one_node_keep_the_heavier():
    footprints = np.stack([disc(3, 3), 2 * disc(4, 4), disc(4, 12)])
    nodes = cell_nodes(footprints, (2, 3))
    np.testing.assert_array_equal(nodes.node, [0, 0, 1])
    np.testing.assert_array_equal(nodes.kept, [False, True, True])
    assert nodes.num_dropped == 1
    assert (nodes.claim > 0.5).all()
    assert (nodes.claim <= 1).all()


@pytest.mark.parametrize(
    ("footprints", "grid", "message"),
    [
        (np.ones((4, 4)), (2, 2), "footprints has shape"),
        (np.zeros((1, 4, 4)), (2, 2), "cells 0 are empty"),
        (-np.ones((1, 4, 4)), (2, 2), "not negative"),
        (np.ones((1, 4, 4)), (3, 2), "does not divide"),
        (np.ones((1, 4, 4)), (0, 2), "does not divide"),
    ],
)
def test_bad_footprints_are_named(footprints, grid, message):
    with pytest.raises(InputError, match=message):
        node_of_cell(footprints, grid)


def test_planted_couplings_are_found_and_transposed_ones_are_not(truth):
    footprints, coupling_a, coupling_b = truth
    nodes = cell_nodes(footprints, (2, 3))
    coef = planted(coupling_a, nodes.node)
    assert edge_auc(coef, nodes, coupling_a) == 1.0
    assert edge_auc(np.abs(coef).sum(axis=0), nodes, coupling_a) == 1.0
    assert edge_auc(coef.transpose(0, 2, 1), nodes, coupling_a) < 0.5  # the broken twin
    assert edge_auc(coef, nodes, coupling_b) < 0.5


def test_edges_score_distinct_cells_only(truth):
    footprints, coupling_a, _ = truth
    nodes = cell_nodes(footprints, (2, 3))
    coef = planted(coupling_a, nodes.node)
    noisy = coef.copy()
    noisy[:, [2, 4], :] = 9.0  # nodes without a cell
    noisy[:, range(6), range(6)] = 9.0  # autocorrelation
    assert edge_auc(noisy, nodes, coupling_a) == 1.0


def test_drivers_by_influence_of_their_node(truth):
    nodes = cell_nodes(truth[0], (2, 3))
    outflow = np.array([3.0, 0.1, 50.0, 0.2, 50.0, 1.0])  # nodes 2 and 4 hold no cell
    assert driver_auc(outflow, nodes, np.array([True, False, True, False])) == 1.0
    assert driver_auc(outflow, nodes, np.array([False, True, False, True])) == 0.0
    with pytest.raises(InputError, match="one boolean a cell"):
        driver_auc(outflow, nodes, np.array([0, 2, 0, 0]))
    with pytest.raises(InputError, match="influence has shape"):
        driver_auc(outflow[:3], nodes, np.array([True, False, True, False]))


def test_difference_looks_at_outgoing_coupling(truth):
    footprints, coupling_a, coupling_b = truth
    nodes = cell_nodes(footprints, (2, 3))
    a, b = np.array([2.0, 1, 9, 1, 0, 0]), np.array([0.5, 1, 0, 1, 0, 1.5])
    assert difference_auc(a, b, nodes, coupling_a, coupling_b) == 1.0  # cells 0 and 2 send differently
    assert math.isnan(difference_auc(a, b, nodes, coupling_a, coupling_a))
    with pytest.raises(InputError, match="same lags"):
        difference_auc(a, b, nodes, coupling_a, coupling_b[:1])


def test_difference_map_of_coupled_cells(truth):
    footprints, coupling_a, coupling_b = truth
    half = footprints > 0.5
    perfect = half[0] * 1.0 - half[1] * 2.0 + half[2] * 0.5
    assert difference_map_auc(perfect, footprints, coupling_a, coupling_b) == 1.0
    assert difference_map_auc(half[3] * 1.0, footprints, coupling_a, coupling_b) < 0.5
    only_a = difference_map_auc(half[0] * 1.0 + half[1], footprints, coupling_a, coupling_a)
    assert only_a == 1.0
    with pytest.raises(InputError, match="difference_map has shape"):
        difference_map_auc(perfect[1:], footprints, coupling_a, coupling_b)


def test_correlation_is_the_median_over_cells_and_the_mean_over_runs(truth):
    nodes = cell_nodes(truth[0], (2, 3))
    rng = np.random.default_rng(7)
    traces = [rng.random((time, 4)) for time in (30, 50)]
    latents = [rng.random((len(t), 2, 3)) for t in traces]
    expected = []
    for z, trace in zip(latents, traces, strict=True):
        flat = z.reshape(len(z), 6)
        r = [abs(np.corrcoef(flat[:, n], trace[:, c])[0, 1]) for c, n in enumerate([0, 1, 5, 3])]
        expected.append(np.median(r))
    assert node_cell_correlation(latents, traces, nodes) == pytest.approx(np.mean(expected))


def test_correlation_of_copies_dead_nodes_and_silent_cells(truth):
    nodes = cell_nodes(truth[0], (2, 3))
    trace = np.random.default_rng(8).random((40, 4))
    z = np.zeros((40, 6))
    z[:, nodes.node] = -3 * trace + 5
    assert node_cell_correlation([z], [trace], nodes) == pytest.approx(1.0)
    dead = z.copy()
    dead[:, nodes.node[:3]] = 0.25
    assert node_cell_correlation([dead], [trace], nodes) == 0.0
    silent = trace.copy()
    silent[:, 1:] = 0.0
    assert node_cell_correlation([z], [silent], nodes) == pytest.approx(1.0)
    assert math.isnan(node_cell_correlation([z], [0 * trace], nodes))


def test_correlation_names_what_does_not_fit(truth):
    nodes = cell_nodes(truth[0], (2, 3))
    with pytest.raises(InputError, match="run 0: latents"):
        node_cell_correlation([np.zeros((5, 6))], [np.zeros((4, 4))], nodes)
    with pytest.raises(InputError, match="same runs"):
        node_cell_correlation([np.zeros((5, 6))], [], nodes)


def test_recovery_gathers_every_measure(truth):
    footprints, coupling_a, coupling_b = truth
    node = node_of_cell(footprints, (2, 3))
    rng = np.random.default_rng(9)
    traces = [rng.random((20, 4)) for _ in range(3)]
    latents = [0.5 * rng.random((20, 6)) for _ in range(3)]
    for z, trace in zip(latents, traces, strict=True):
        z[:, node] += trace
    signs = np.array([1.0, -1.0])[:, None, None, None]
    found = recovery(
        signs * planted(coupling_a, node),  # a mean over runs before absolute values is zero
        planted(coupling_b, node),
        latent_shape=(2, 3),
        footprints=footprints,
        coupling_a=coupling_a,
        coupling_b=coupling_b,
        difference_map=footprints[0] - footprints[2],
        latents=latents,
        traces=traces,
        maps=(footprints[0], footprints[2]),
        nodes=following_nodes(latents, traces),
    )
    assert found.drivers_a == found.edges_a == found.edges_b == found.difference == 1.0
    assert found.drivers_b == 1.0  # the drivers of b are those of its own coupling
    assert 0.5 < found.difference_map < 1
    assert found.node_cell_correlation == node_cell_correlation(
        latents, traces, following_nodes(latents, traces)
    )
    assert (found.num_cells, found.num_dropped) == (4, 0)
    assert found.drivers_ap == found.edges_ap == found.difference_ap == 1.0
    assert found.driver_map == found.changed_map == 1.0
    changed = footprints[[0, 2]] > 0.5 * footprints[[0, 2]].max(axis=(1, 2), keepdims=True)
    difference = np.abs(footprints[0] - footprints[2])
    assert found.localisation == pytest.approx(difference[changed.any(axis=0)].sum() / difference.sum())
    assert found.gini == pytest.approx(5 / 6)  # one node of six drives in either condition


def test_recovery_without_extras_and_with_half_of_them(truth):
    footprints, coupling_a, coupling_b = truth
    known = {
        "latent_shape": (2, 3),
        "footprints": footprints,
        "coupling_a": coupling_a,
        "coupling_b": coupling_b,
    }
    coef = np.zeros((2, 6, 6))
    found = recovery(coef, coef, **known)
    assert found.drivers_a == found.edges_a == 0.5
    assert math.isnan(found.difference_map)
    assert math.isnan(found.node_cell_correlation)
    with pytest.raises(InputError, match="belong together"):
        recovery(coef, coef, **known, latents=[np.zeros((5, 6))])
    with pytest.raises(InputError, match="coefs_b has shape"):
        recovery(coef, coef[:, :4, :4], **known)
