"""analyse: shapes, definitions recomputed, what may and may not change the answer, and studies of other designs."""

import socket
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from lassovae import Config, InputError, analyse, encode_run, fit
from lassovae._evaluate import held_out_errors, one_run, shuffled
from lassovae.data import ArrayRecording, Run, Study, prepare, simulate_study
from lassovae.maps import contribution_map, visual_gain
from lassovae.stats import condition_test, influence
from lassovae.var import fit_pooled, fit_runs, fit_var, prune, relative_error

CONFIG = Config(encoder="block_mean", order=2, window=16, epochs=1, channels=4, lam=0.01)
SIMULATION = {"num_runs": 8, "frames": 48, "frame_shape": (32, 48), "num_cells": 8, "block_size": 2}
NODES = 24


@pytest.fixture(scope="module")
def study():
    return simulate_study(4, **SIMULATION)


@pytest.fixture(scope="module")
def model(study):
    return fit(study, CONFIG, show_progress=False)


@pytest.fixture(scope="module")
def analysis(model, study):
    return analyse(model, study)


def relabelled(study, labels, blocks=None):
    blocks = study.blocks if blocks is None else blocks
    runs = [
        replace(run, condition=label, block=block)
        for run, label, block in zip(study, labels, blocks, strict=True)
    ]
    return Study(tuple(runs), name="relabelled")


def test_shapes(analysis, study):
    assert analysis.names == study.names
    assert analysis.labels == tuple("FFNNFFNN")
    assert (analysis.blocks, analysis.conditions) == ((0, 0, 1, 1, 2, 2, 3, 3), ("F", "N"))
    assert analysis.runs_of("N") == (2, 3, 6, 7)
    assert [z.shape for z in analysis.latents] == [(48, 4, 6)] * 8
    assert analysis.fit.coef.shape == (8, 2, NODES, NODES)
    assert {c: f.coef.shape for c, f in analysis.pooled.items()} == dict.fromkeys("FN", (2, NODES, NODES))
    assert analysis.delta.shape == (8, 8)
    assert analysis.influences.shape == (8, NODES)
    assert analysis.maps.shape == (8, 32, 48)
    assert {f.name: getattr(analysis.errors, f.name).shape for f in fields(analysis.errors)} == {
        f.name: (8,) for f in fields(analysis.errors)
    }
    assert len(analysis.comparisons) == 6
    assert analysis.why_not == ""
    assert "can be relabelled in 6 ways" in analysis.design
    assert isinstance(analysis.fit.coef, np.ndarray)
    assert (np.asarray(analysis.fit.coef) != 0).any(axis=(1, 2, 3)).all()


def test_where_conditions_differ_is_told_of_maps_of_blocks(analysis, model):
    found = analysis.differences
    assert analysis.why_no_differences == ""
    assert found.network.unit_labels == tuple("FNFN")
    assert found.block_maps.shape == (4, 32, 48)
    scale = np.sqrt(np.mean([np.var(z, axis=0, dtype=np.float64).mean() for z in analysis.latents]))
    gain = visual_gain(found.network.influences, scale)
    np.testing.assert_allclose(
        found.block_maps[2], contribution_map(model, found.network.influences[2], gain), rtol=1e-6
    )
    for condition, units in (("F", [0, 2]), ("N", [1, 3])):
        here = found.uncertainty[condition]
        np.testing.assert_allclose(here.mean, found.block_maps[units].mean(axis=0))
        # of two blocks with replacement half of the resamples are one block twice, widened by sqrt(2)
        spread = np.ptp(found.block_maps[units], axis=0) / 2
        np.testing.assert_allclose(here.standard_error, spread, rtol=0.1, atol=1e-9)
    np.testing.assert_allclose(
        found.maps.difference, found.uncertainty["F"].mean - found.uncertainty["N"].mean, atol=1e-12
    )
    kept = found.thresholded(0.2)
    significant = found.maps.qvalue <= 0.2
    np.testing.assert_array_equal(kept[significant], found.maps.difference[significant])
    assert (kept[~significant] == 0).all()


def test_each_run_is_fitted_as_it_would_be_alone(analysis):
    alone = fit_var(analysis.latents[5], CONFIG.order, CONFIG.lam)
    np.testing.assert_allclose(analysis.fit.coef[5], alone.coef, atol=1e-4)


def test_swap_errors_are_those_of_their_definition(analysis):
    assert (np.diagonal(analysis.delta) == 0).all()
    centred = [z.reshape(len(z), -1).astype(float) for z in analysis.latents]
    centred = [z - z.mean(axis=0) for z in centred]

    def error(s, r):
        first, second = np.asarray(analysis.fit.coef[r], float)
        z = centred[s]
        return np.mean((z[2:] - z[1:-1] @ first.T - z[:-2] @ second.T) ** 2)

    for s, r in ((0, 1), (1, 0), (2, 7), (4, 5)):
        assert analysis.delta[s, r] == pytest.approx(error(s, r) - error(s, s), rel=1e-6)


def test_errors_of_runs_and_windows_are_relative_errors_of_their_own_fits(analysis):
    for i, z in enumerate(analysis.latents):
        assert analysis.errors.run[i] == pytest.approx(float(relative_error(one_run(analysis.fit, i), z)))
    z = analysis.latents[3]
    windows = [z[start : start + 16] for start in (0, 16, 32)]
    expected = np.mean([float(relative_error(fit_var(w, 2, CONFIG.lam), w)) for w in windows])
    assert analysis.errors.window[3] == pytest.approx(expected, rel=1e-3)


def test_reconstruction_errors_recomputed(analysis, model, study):
    frames = prepare(study, CONFIG.preprocess).frames[2].astype(float)
    z = analysis.latents[2].reshape(48, -1).astype(float)
    z -= z.mean(axis=0)
    first, second = np.asarray(analysis.fit.coef[2], float)
    forecast = (z[1:-1] @ first.T + z[:-2] @ second.T).reshape(-1, 4, 6)
    rebuilt = (np.kron(forecast, np.ones((1, 8, 8))) + 1) * model.mean_frame
    assert analysis.errors.forecast_reconstruction[2] == pytest.approx(
        np.mean((frames[2:] - rebuilt) ** 2), rel=1e-5
    )
    assert analysis.errors.reconstruction[2] == analysis.errors.forecast_reconstruction[2]
    assert analysis.errors.mean_frame[2] == pytest.approx(np.mean((frames - model.mean_frame) ** 2), rel=1e-6)


def test_held_out_errors_come_from_a_fit_that_never_saw_the_frames(analysis, rng):
    cut = 29  # round(0.6 * 48)
    z = analysis.latents[0]
    # as many copies as there are runs: the program is that of the analysis
    first_part = one_run(fit_runs([z[:cut]] * len(analysis.latents), 2, CONFIG.lam), 0)
    expected = float(relative_error(first_part, z[cut - 2 :]))
    assert analysis.errors.held_out[0] == pytest.approx(expected, rel=1e-3)
    # other frames after the cut: the error is still that of the same coefficients and the same mean
    later = z.copy()
    later[cut:] = rng.standard_normal(later[cut:].shape)
    changed = held_out_errors([later, *analysis.latents[1:]], 2, CONFIG.lam)
    assert changed[0] == pytest.approx(float(relative_error(first_part, later[cut - 2 :])), rel=1e-3)
    assert abs(changed[0] - expected) > 0.01
    np.testing.assert_array_equal(changed[1:], analysis.errors.held_out[1:])


def test_shuffled_frames_are_the_same_frames_and_forecast_worse(analysis):
    mixed = shuffled(analysis.latents, CONFIG.seed)
    for z, m in zip(analysis.latents, mixed, strict=True):
        assert not np.array_equal(z, m)
        np.testing.assert_array_equal(np.sort(z.ravel()), np.sort(m.ravel()))
        assert {frame.tobytes() for frame in z} == {frame.tobytes() for frame in m}
    assert (analysis.errors.shuffled_run > analysis.errors.run).all()
    assert analysis.errors.shuffled_window.mean() > analysis.errors.window.mean()
    assert analysis.errors.held_out.mean() > analysis.errors.run.mean()


def test_maps_of_conditions_are_means_and_the_difference_is_theirs(analysis):
    for condition in "FN":
        runs = list(analysis.runs_of(condition))
        expected = analysis.maps[runs].astype(float).mean(axis=0)
        np.testing.assert_allclose(analysis.condition_maps[condition], expected, rtol=1e-5)
    np.testing.assert_array_equal(
        analysis.difference, analysis.condition_maps["F"] - analysis.condition_maps["N"]
    )
    assert np.abs(analysis.difference).max() > 0
    strongest = np.unravel_index(analysis.influences.argmax(), analysis.influences.shape)
    decoded = analysis.maps[strongest[0]] / fit_mean(analysis)
    peak = 1 + 3 * float(
        np.mean(analysis.fit.scale)
    )  # block means decode to themselves: three sigma at the peak
    assert decoded.max() == pytest.approx(peak, rel=1e-4)


def fit_mean(analysis):
    """The mean frame, from a map's own arithmetic: map = (gain c + 1) * mean frame."""
    weights = 1 + analysis.gain * np.kron(analysis.influences[0].reshape(4, 6), np.ones((8, 8)))
    return analysis.maps[0] / weights


def test_swapping_the_names_of_the_conditions_turns_the_difference_around(analysis, model, study):
    names = {"F": "N", "N": "F"}
    swapped = analyse(model, relabelled(study, [names[c] for c in study.labels]))
    assert swapped.conditions == ("N", "F")
    np.testing.assert_array_equal(
        swapped.difference, analysis.difference
    )  # first minus second, by appearance
    np.testing.assert_array_equal(swapped.condition_maps["N"], analysis.condition_maps["F"])
    np.testing.assert_array_equal(swapped.delta, analysis.delta)
    order = [2, 3, 0, 1, 6, 7, 4, 5]  # N now comes first
    turned = analyse(model, Study(tuple(study.runs[i] for i in order)))
    assert turned.conditions == ("N", "F")
    np.testing.assert_allclose(turned.difference, -analysis.difference, atol=1e-5)
    np.testing.assert_allclose(turned.delta, analysis.delta[np.ix_(order, order)], rtol=1e-3, atol=1e-7)
    assert turned.influence_result.pvalue == pytest.approx(analysis.influence_result.pvalue)


def test_a_simulation_is_scored_and_recordings_are_not(analysis, model, study):
    for found in (analysis.recovery, analysis.recovery_pooled):
        assert found is not None
        assert 0.5 < found.node_cell_correlation <= 1  # block means follow the cells they sit on
        assert 0 <= found.edges_a <= 1
    assert analyse(model, replace(study, truth=None)).recovery is None


def test_the_test_of_conditions_exchanges_whole_blocks(analysis, study):
    found = analysis.condition_test
    alone = condition_test(analysis.delta, study.labels, blocks=study.blocks)
    assert (found.place.statistic, found.place.pvalue) == (alone.place.statistic, alone.place.pvalue)
    assert (found.scatter.statistic, found.effect.estimate) == (
        alone.scatter.statistic,
        alone.effect.estimate,
    )
    assert (found.place.exchange, found.place.num_units) == ("whole", len(set(study.blocks)))
    assert found.place.smallest_pvalue > 0.05
    assert "cannot be told by this design" in found.sentences()[0]
    assert analysis.why_no_test == ""


def test_three_conditions_compare_the_first_two_and_say_why_halves_cannot(model, study):
    found = analyse(model, relabelled(study, "AABBCCBB"))
    assert found.conditions == ("A", "B", "C")
    assert set(found.condition_maps) == set(found.pooled) == {"A", "B", "C"}
    np.testing.assert_array_equal(found.difference, found.condition_maps["A"] - found.condition_maps["B"])
    assert {found.influence_result.group_a, found.influence_result.group_b} == {"A", "B"}
    assert found.comparisons is None
    assert "condition 'A' has 2 runs: its halves need at least 4" in found.why_not
    assert found.condition_test.place.groups == ("A", "B")
    assert found.recovery is None


def test_one_condition_is_described_and_not_compared(model, study):
    found = analyse(model, relabelled(study, "FFFFFFFF"))
    assert found.conditions == ("F",)
    assert (found.comparisons, found.influence_result, found.difference) == (None, None, None)
    assert "needs two conditions; this study has one" in found.why_not
    assert found.condition_test is None
    assert "this study has one" in found.why_no_test
    assert found.design.startswith("No permutation test of whole blocks is possible")
    assert found.condition_maps["F"].shape == (32, 48)


def test_blocks_that_mix_labels_are_told_and_do_not_stop_the_rest(analysis, model, study):
    found = analyse(model, relabelled(study, study.labels, [0] * 8))
    assert found.design.startswith("No permutation test of whole blocks is possible: blocks[2]=0 holds both")
    assert found.condition_test is None
    assert "blocks[2]=0 holds both" in found.why_no_test
    assert found.comparisons == analysis.comparisons


def test_labels_that_the_truth_does_not_know(model, study):
    early = ["early"] * 4 + ["late"] * 4
    found = analyse(model, replace(relabelled(study, early), truth=study.truth))
    assert found.conditions == ("early", "late")
    assert found.recovery is None


def test_pooled_fits_have_one_strength_and_are_pruned_if_asked(analysis, model, study):
    """The strength of the shape of the regression: 4 runs x 46 rows a condition, 2 lags, 24 nodes; or the one given."""
    assert analysis.condition_lam == pytest.approx(0.25 * np.sqrt(np.log(48) / 184) / 24)
    runs = {c: [analysis.latents[i] for i in analysis.runs_of(c)] for c in "FN"}
    for c in "FN":
        alone = fit_pooled(runs[c], 2, analysis.condition_lam)
        np.testing.assert_array_equal(analysis.pooled[c].coef, alone.coef)
    changed = analyse(replace(model, config=CONFIG.replace(condition_lam=0.005, prune=3.0)), study)
    assert changed.condition_lam == 0.005
    fitted = fit_pooled(runs["N"], 2, 0.005)
    kept = np.asarray(prune(fitted, runs["N"], 3.0).coef)
    np.testing.assert_array_equal(changed.pooled["N"].coef, kept)
    assert 0 < (kept != 0).sum() < (np.asarray(fitted.coef) != 0).sum()
    np.testing.assert_array_equal(changed.fit.coef, analysis.fit.coef)  # the fits of runs are the paper's


def test_conditions_of_unequal_length_are_told(model, study, caplog):
    analyse(model, study)
    assert "differ in length" not in caplog.text
    analyse(model, relabelled(study, "FFNNNNNN", [0, 0, 1, 1, 2, 2, 3, 3]))
    assert "Conditions differ in length (F 92, N 276 frames)" in caplog.text


def test_maps_of_pooled_fits_share_a_gain(analysis, model):
    outflow = {c: influence(analysis.pooled[c].coef) for c in "FN"}
    scale = np.mean([analysis.pooled[c].scale for c in "FN"])
    gain = visual_gain(np.stack([outflow["F"], outflow["N"]]), float(scale))
    for c in "FN":
        expected = contribution_map(model, outflow[c], gain)
        np.testing.assert_allclose(analysis.pooled_maps[c], expected, rtol=1e-6)
    assert np.ptp(analysis.pooled_maps["F"] - analysis.pooled_maps["N"]) > 0


def test_another_lam_changes_the_fits_and_the_model_stays(analysis, model, study):
    weaker = analyse(model, study, lam=0.03)
    counts = [(np.asarray(a.fit.coef) != 0).sum() for a in (analysis, weaker)]
    assert counts[1] < counts[0]
    np.testing.assert_array_equal(weaker.latents[0], analysis.latents[0])
    np.testing.assert_array_equal(weaker.pooled["F"].coef, analysis.pooled["F"].coef)  # condition_lam's own
    assert weaker.errors.run.mean() > analysis.errors.run.mean()
    assert model.config.lam == 0.01
    for lam in (-0.1, float("nan")):
        with pytest.raises(InputError, match="must be at least 0"):
            analyse(model, study, lam=lam)


def test_frames_of_another_size_are_refused(model):
    rng = np.random.default_rng(0)
    runs = tuple(
        Run(f"r{i}", ArrayRecording(rng.integers(1, 100, (20, 16, 24))), c, i) for i, c in enumerate("FFNN")
    )
    with pytest.raises(InputError, match=r"\(16, 24\) after preprocessing, the model's \(32, 48\)"):
        analyse(model, Study(runs))


def test_a_study_that_fit_would_refuse_is_refused(model, study):
    with pytest.raises(InputError, match="has 1 of the 2 runs"):
        analyse(model, relabelled(study, "FFFFFFFN"))


def test_new_recordings_are_scaled_as_the_training_was(analysis, model, study):
    brighter = [
        replace(run, recording=ArrayRecording(run.recording[:] // 2)) for run in study
    ]  # half the light: with a scale of its own the latents would be the same
    latents = analyse(model, Study(tuple(brighter))).latents
    expected = encode_run(
        model,
        prepare(Study(tuple(brighter)), CONFIG.preprocess, scale=model.scale, offset=model.offset).frames[0],
    )
    np.testing.assert_array_equal(latents[0], expected[0])
    assert latents[0].mean() == pytest.approx(-0.5, abs=0.05)
    assert abs(analysis.latents[0].mean()) < 0.05


def test_two_processes_share_the_runs_and_get_the_same_analysis(analysis, tmp_path):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    command = [sys.executable, Path(__file__).parent / "analysis_job.py", tmp_path / "out", str(port)]
    jobs = [
        subprocess.Popen([*command, str(i), "2"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for i in range(2)
    ]
    try:
        for job in jobs:
            text, _ = job.communicate(timeout=300)
            assert job.returncode == 0, text[-3000:]
    finally:
        for job in jobs:
            job.kill()
            job.communicate()
    one, other = (dict(np.load(tmp_path / f"out-{i}.npz")) for i in range(2))
    # each did its half; where a share has none left, the last one again
    assert one.pop("asked").tolist() == [0, 0, 0, 1, 2]
    assert other.pop("asked").tolist() == [0, 1, 3, 4, 4]
    # nobody waits for a part that will not come
    assert str(one.pop("error")).startswith("InputError: process 1 could not do its part")
    assert str(other.pop("error")).startswith("IndexError: ")
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name])
    for count in (1, 2, 5):
        third = one[f"shared/{count}/third"]
        np.testing.assert_array_equal(third, [[i / 3, -i] for i in range(count)])  # all bits of float64
        np.testing.assert_array_equal(one[f"shared/{count}/whole"], np.arange(count))
    np.testing.assert_allclose(one["delta"], analysis.delta, rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(one["fit/coef"], analysis.fit.coef, atol=1e-4)
    np.testing.assert_allclose(one["difference"], analysis.difference, atol=1e-5)
    for field in fields(analysis.errors):
        np.testing.assert_allclose(
            one[f"errors/{field.name}"], getattr(analysis.errors, field.name), rtol=1e-3
        )
