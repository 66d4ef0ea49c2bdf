"""The network of a study: known couplings and changes found, labels unseen by the selection, units, errors."""

import numpy as np
import pytest

from lassovae import InputError, network
from lassovae.stats import influence
from lassovae.var import refit

NODES, ORDER = 8, 1
BLOCKS = tuple(np.repeat(np.arange(8), 2).tolist())
LABELS = tuple(("F", "N")[b % 2] for b in BLOCKS)


def filmed(seed, *, change=0.0, block_sd=0.15, runs=16, frames=200):
    """Runs (time, nodes): 0 drives 1 and 2, 3 inhibits 4; in N the coupling 0 -> 1 is weaker by `change`.

    Couplings have a strength of their own in each block.
    """
    rng = np.random.default_rng(seed)
    made = []
    strength = 1 + block_sd * rng.standard_normal((8, 3))
    for run in range(runs):
        first, second, third = strength[BLOCKS[run]] * [0.5, 0.4, -0.4]
        if LABELS[run] == "N":
            first -= change
        z = rng.standard_normal((frames + 30, NODES))
        for t in range(1, len(z)):
            z[t] += 0.6 * z[t - 1]
            z[t, 1] += first * z[t - 1, 0]
            z[t, 2] += second * z[t - 1, 0]
            z[t, 4] += third * z[t - 1, 3]
        made.append(z[30:])
    return made


@pytest.fixture(scope="module")
def changed():
    latents = filmed(0, change=0.35)
    return latents, network(latents, LABELS, ORDER, blocks=BLOCKS, num_splits=4)


def edge(net, source, target):
    return int(np.flatnonzero((net.sources == source) & (net.targets == target))[0])


def test_couplings_and_the_change_are_found(changed):
    _, net = changed
    true = {(0, 1), (0, 2), (3, 4)}
    assert true <= set(zip(net.sources.tolist(), net.targets.tolist(), strict=True))
    found = {(int(net.sources[i]), int(net.targets[i])) for i in np.flatnonzero(net.edges.significant(0.05))}
    assert found == {(0, 1)}
    assert np.flatnonzero(net.nodes.significant(0.05)).tolist() == [0]
    assert net.edges.difference[edge(net, 0, 1)] == pytest.approx(
        0.35, abs=4 * net.edges.standard_error[edge(net, 0, 1)]
    )
    assert net.strength("F")[edge(net, 3, 4)] < -0.25  # signs are kept
    assert net.strength("N")[edge(net, 0, 1)] < 0.3 < net.strength("F")[edge(net, 0, 1)]
    for source, target in true:
        assert net.stability[:, target, source].max() == 1


def test_what_it_holds_is_what_it_says(changed):
    latents, net = changed
    assert net.conditions == ("F", "N")
    assert net.unit_labels == tuple("FN" * 4)
    of_block, of_all = (refit(runs, net.support)[0] for runs in (latents[6:8], latents))
    outflow = np.zeros(NODES)
    for source in range(NODES):
        for target in set(range(NODES)) - {source}:
            outflow[source] += (of_block[:, target, source] * np.sign(of_all[:, target, source])).sum()
    np.testing.assert_allclose(net.influences[3], outflow, atol=1e-12)
    assert (
        net.influences
        <= influence(np.stack([refit(latents[2 * b : 2 * b + 2], net.support)[0] for b in range(8)])) + 1e-12
    ).all()
    of_f = [z for z, label in zip(latents, LABELS, strict=True) if label == "F"]
    np.testing.assert_array_equal(net.coef["F"], refit(of_f, net.support)[0])
    units = np.stack([refit(latents[2 * b : 2 * b + 2], net.support)[0] for b in range(0, 8, 2)])
    np.testing.assert_allclose(net.standard_error["F"], units.std(axis=0, ddof=1) / 2, atol=1e-12)
    assert (net.edges.num_units, net.edges.groups) == ((4, 4), ("F", "N"))


def test_the_selection_does_not_know_the_labels(changed):
    """Any labels: the same support and stability, to the bit."""
    latents, net = changed
    labels = [("A", "B")[b // 4] for b in BLOCKS]
    other = network(latents, labels, ORDER, blocks=BLOCKS, num_splits=4)
    np.testing.assert_array_equal(other.support, net.support)
    np.testing.assert_array_equal(other.stability, net.stability)
    assert not other.edges.significant(0.05).any()  # the change is now within each group


def test_short_blocks_have_no_greater_outflow():
    """Noise makes absolute coefficients larger: with shorter runs in N that would look like a stronger N."""
    found = []
    for seed in range(12):
        latents = [
            z if label == "F" else z[:60] for z, label in zip(filmed(seed, block_sd=0.0), LABELS, strict=True)
        ]
        net = network(latents, LABELS, ORDER, blocks=BLOCKS, num_splits=0)
        found.append(net.nodes.difference[[0, 3]] / net.influences[:, [0, 3]].mean(axis=0))
    spread = np.std(found, axis=0) / np.sqrt(12)
    assert (np.abs(np.mean(found, axis=0)) < 3 * spread + 0.02).all()


def test_without_a_change_hardly_a_study_finds_one():
    """A block effect and no condition effect: at a rate of 0.05, at most about one study in twenty finds anything."""
    wrong = 0
    for seed in range(30):
        net = network(filmed(100 + seed, block_sd=0.4), LABELS, ORDER, blocks=BLOCKS, num_splits=0)
        wrong += bool(net.edges.significant(0.05).any())
    assert wrong <= 5  # 1.5 expected; more than 5 has a chance of 0.003


def test_one_condition_and_single_blocks_have_no_differences():
    latents = filmed(1)
    one = network(latents, ["F"] * 16, ORDER, blocks=BLOCKS, num_splits=0)
    assert (one.conditions, one.edges, one.nodes, one.stability) == (("F",), None, None, None)
    assert np.isfinite(one.standard_error["F"]).all()
    two = network(latents[:4], LABELS[:4], ORDER, blocks=BLOCKS[:4], num_splits=0)
    assert two.edges is None
    assert np.isnan(two.standard_error["N"]).all()
    free = network(latents[:4], LABELS[:4], ORDER, num_splits=0)
    assert free.edges.num_units == (2, 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"list_of_latents": [], "labels": [], "blocks": []}, "list_of_latents is empty"),
        ({"labels": LABELS[1:]}, "16 runs, 15 labels and 16 blocks"),
        ({"blocks": BLOCKS[1:]}, "16 runs, 16 labels and 15 blocks"),
        ({"blocks": (0,) * 16}, "a block holds runs of two conditions"),
        ({"num_splits": -1}, "num_splits=-1"),
        ({"lam": -1.0}, "lam"),
        ({"threshold": -1.0}, "threshold"),
    ],
)
def test_bad_arguments(changes, message):
    arguments = {"list_of_latents": filmed(2, frames=40), "labels": LABELS, "blocks": BLOCKS} | changes
    with pytest.raises(InputError, match=message):
        network(**arguments, order=ORDER)
