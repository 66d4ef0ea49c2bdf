"""compare: the run folder of one small comparison, file by file, and what happens when it is asked for again."""

import base64
import csv
import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser

import jax
import numpy as np
import pytest

import lassovae
from lassovae import Config, InputError, Preset, compare, encode_run, load
from lassovae._names import member
from lassovae.data import Study, prepare, simulate_study
from lassovae.report import _compare, _write, all_tables, summary
from lassovae.training import _epochs

BASE = Config(order=2, window=16, epochs=1, channels=4, lam=0.01, learning_rate=0.01)
PRESET = Preset(
    models={
        "block_mean": BASE.replace(encoder="block_mean"),
        "sequential": BASE.replace(mode="sequential"),
        "end_to_end": BASE,
        "no_skip": BASE.replace(mode="sequential", skip=False),
        "sequential_lam0.02": BASE.replace(mode="sequential", lam=0.02),
    },
    sweep=(0.005, 0.01, 0.03),
)
NO_NETWORK = Preset(models={"end_to_end": BASE.replace(encoder="block_mean")}, sweep=(0.005, 0.02))
EVIL = "<script>alert(1)</script>"
VOID = {"meta", "img", "br", "hr", "link", "input"}


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def no_training(config, num_steps):
    raise AssertionError("a training was started")


@pytest.fixture(scope="module")
def study():
    simulated = simulate_study(4, num_runs=8, frames=48, frame_shape=(32, 48), num_cells=8, block_size=2)
    runs = [replace(run, name=f"<b>{run.name}</b>") for run in simulated]
    return Study(tuple(runs), truth=simulated.truth, name=EVIL)


@pytest.fixture(scope="module")
def compared(study, tmp_path_factory):
    """(results, folder, preset) of one comparison; not to be written to."""
    out = tmp_path_factory.mktemp("report") / "out"
    return compare(study, PRESET, out, show_progress=False), out


class Page(HTMLParser):
    """Open tags, attributes and text of a page; complains where tags do not match."""

    def __init__(self, text):
        super().__init__()
        self.stack, self.tags, self.attributes, self.text = [], [], [], []
        self.feed(text)
        self.close()
        assert self.stack == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_the_folder_is_the_one_of_the_contract(compared):
    _, out = compared
    assert sorted(p.name for p in out.iterdir()) == [
        "checkpoints", "config.json", "figures", "metrics.jsonl", "models", "provenance.json",
        "report.html", "results.npz", "tables",
    ]  # fmt: skip
    assert sorted(p.name for p in (out / "models").iterdir()) == ["block_mean", "no_skip", "sequential"]
    assert sorted(p.name for p in (out / "tables").iterdir()) == [
        "ablation.csv", "ablation_runs.csv", "comparisons.csv", "edges.csv", "effect_sizes.csv", "fits.csv",
        "group_tests.csv", "nodes.csv", "permutation_tests.csv", "skip_connection.csv", "truth_recovery.csv",
    ]  # fmt: skip
    assert {
        "ablation.png", "contribution_maps.png", "differences.png", "forecasts.png", "movie.png",
        "networks.png", "skip_connection.png",
        "swap_and_network.png", "training.png", "truth.png", "condition_maps.png", "lam_path.png", "run_maps.png",
    } <= {p.name for p in (out / "figures").iterdir()}  # fmt: skip
    assert [p for p in out.rglob("*") if p.name.endswith(".tmp") or p.suffix in (".pkl", ".pickle")] == []
    assert json.loads((out / "config.json").read_text())["config"]["mode"] == "end_to_end"
    provenance = json.loads((out / "provenance.json").read_text())
    assert all(re.fullmatch("[0-9a-f]{64}", entry["sha256"]) for entry in provenance["inputs"])


def test_the_main_model_is_loaded_from_the_folder_and_the_others_from_theirs(compared, study):
    results, out = compared
    assert list(results) == list(PRESET.models)
    frames = prepare(study, BASE.preprocess).frames[0]
    for name, where in (("end_to_end", out), ("sequential", out / "models" / "sequential")):
        model = load(where)
        assert model.config == PRESET.models[name]
        np.testing.assert_array_equal(encode_run(model, frames)[0], results[name][1].latents[0])


def test_a_training_that_never_sees_lam_is_done_once_for_all_strengths(compared, study):
    """Not a guess: trained by itself at its own strength, the model has the same weights to the bit."""
    results, _ = compared
    model, analysis = results["sequential_lam0.02"]
    assert model.config == PRESET.models["sequential_lam0.02"]
    assert (model.history, model.notes) == ((), ())  # those of its teacher speak of another strength
    alone = lassovae.fit(study, model.config, show_progress=False)
    for shared, own in zip(jax.tree.leaves(model.weights), jax.tree.leaves(alone.weights), strict=True):
        np.testing.assert_array_equal(shared, own)
    assert analysis.errors.nonzeros.mean() < results["sequential"][1].errors.nonzeros.mean()


def test_models_of_the_main_strength_teach_and_have_the_plain_names():
    found = _compare._teachers(lassovae.preset("paper"))
    assert {n: t for n, t in found.items() if n != t} == {
        f"{name}_lam{lam}": name for name in ("block_mean", "sequential") for lam in ("0.005", "0.02")
    }
    assert list(found).index("sequential") < list(found).index("sequential_lam0.005")


def test_arrays_are_kept_without_pickle(compared):
    results, out = compared
    with np.load(out / "results.npz", allow_pickle=False) as kept:
        assert "allow_pickle" not in kept.files
        assert {key.split("/")[0] for key in kept.files} == set(PRESET.models)
        assert all(np.isfinite(kept[key]).all() for key in kept.files)
        for name, (_, analysis) in results.items():
            np.testing.assert_array_equal(kept[f"{name}/coef"], analysis.fit.coef)
            np.testing.assert_array_equal(kept[f"{name}/influence"], analysis.influences)
            np.testing.assert_array_equal(kept[f"{name}/maps"], analysis.maps)
            np.testing.assert_array_equal(kept[f"{name}/difference_map"], analysis.difference)
            for run, z in zip(analysis.names, analysis.latents, strict=True):
                np.testing.assert_array_equal(kept[f"{name}/latents/{member(run)}"], z)


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_tables_hold_finite_numbers_that_are_those_of_the_analysis(compared):
    results, out = compared
    for path in (out / "tables").iterdir():
        rows = rows_of(path)
        assert rows, path.name
        words = {"model", "run", "condition", "fits", "group_a", "group_b", "kind", "significant"}
        words |= {"name", "test", "exact", "exchange", "effect", "without_drift"}
        for row in rows:
            assert None not in row
            for column, value in row.items():
                if column not in words:
                    assert math.isfinite(float(value)), (path.name, column, value)
    ablation = {row["model"]: row for row in rows_of(out / "tables" / "ablation.csv")}
    assert list(ablation) == list(PRESET.models)
    for name, (_, analysis) in results.items():
        assert float(ablation[name]["r_var_window_mean"]) == pytest.approx(analysis.errors.window.mean())
        assert float(ablation[name]["r_var_run_sd"]) == pytest.approx(analysis.errors.run.std(ddof=1))
        assert float(ablation[name]["lam"]) == PRESET.models[name].lam
    assert len(rows_of(out / "tables" / "group_tests.csv")) == 6 * len(results)
    recovery = rows_of(out / "tables" / "truth_recovery.csv")
    assert {row["fits"] for row in recovery} == {"each run, averaged", "pooled over a condition"}
    assert {float(r["lam"]) for r in recovery if r["fits"].startswith("pooled")} == {
        results["end_to_end"][1].condition_lam
    }


def test_the_table_of_runs_names_them(compared):
    results, out = compared
    runs = rows_of(out / "tables" / "ablation_runs.csv")
    assert [(row["model"], row["run"]) for row in runs] == [
        (name, run) for name, (_, a) in results.items() for run in a.names
    ]


def test_figures_are_png_files_with_something_on_them(compared):
    for path in (compared[1] / "figures").glob("*.png"):
        data = path.read_bytes()
        assert data.startswith(b"\x89PNG\r\n\x1a\n"), path.name
        assert len(data) > 5000, path.name


def test_the_page_needs_nothing_else_and_escapes_names(compared, study):
    _, out = compared
    text = (out / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"https?://|url\((?!#)|@import", text)
    page = Page(text)
    assert {"b", "iframe", "object"} & set(page.tags) == set()
    assert f"lassovae: {EVIL}" in page.text
    sources = [value for name, value in page.attributes if name in ("src", "href")]
    figures = {p.read_bytes() for p in (out / "figures").glob("*.png")}
    assert all(source.startswith(("data:", "#")) for source in sources)
    head = "data:image/png;base64,"
    shown = [base64.b64decode(s.removeprefix(head)) for s in sources if s.startswith(head)]
    assert figures < set(shown)  # and the mean frame below the edges
    assert page.tags.count("img") == len(figures) + 1  # and the empty one that shows a figure at full size
    assert any("<b>run_00</b>" in words for words in page.text)
    shown = " ".join(page.text)
    for phrase in (
        "8 runs (4 of F and 4 of N)",
        "cannot be reached, whatever the data",
        "Values: tables/ablation.csv",
        "This design cannot tell whether the dynamics of F and N differ.",
        "End-to-end model.",
        "End-to-end model, edges.",
    ):
        assert phrase in shown
    assert "is not a real contrast" not in shown  # blocks alternate
    assert not re.search(r"\bnan\b|\bNone\b", shown)


def test_every_edge_and_node_is_in_its_table(compared):
    results, out = compared
    model, analysis = results["end_to_end"]
    net, columns = analysis.differences.network, model.latent_shape[1]
    with open(out / "tables" / "edges.csv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["model"] == "end_to_end"]
    assert len(rows) == len(net.sources) > 0
    for i, row in enumerate(rows):
        source = int(row["source_row"]) * columns + int(row["source_column"])
        target = int(row["target_row"]) * columns + int(row["target_column"])
        assert (source, target) == (net.sources[i], net.targets[i])
        both = abs(net.coef["F"]) + abs(net.coef["N"])
        assert int(row["lag"]) == both[:, target, source].argmax() + 1
        for c in "FN":
            of_blocks = net.unit_strengths[[label == c for label in net.unit_labels], i]
            assert float(row[f"strength_{c}"]) == pytest.approx(of_blocks.mean())
            assert float(row[f"strength_{c}_se"]) == pytest.approx(of_blocks.std(ddof=1) / math.sqrt(2))
        assert float(row["strength_F"]) - float(row["strength_N"]) == pytest.approx(float(row["difference"]))
        assert float(row["qvalue"]) == net.edges.qvalue[i]
        assert float(row["stability"]) == net.stability[:, target, source].max()
    with open(out / "tables" / "nodes.csv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["model"] == "end_to_end"]
    assert [float(row["qvalue"]) for row in rows] == net.nodes.qvalue.tolist()
    assert [int(row["row"]) * columns + int(row["column"]) for row in rows] == list(range(len(rows)))
    outflow = net.influences[[label == "N" for label in net.unit_labels]].mean(axis=0)
    assert [float(row["outflow_N"]) for row in rows] == outflow.tolist()


def test_the_summary_is_an_aligned_table_of_all_models(compared):
    results, _ = compared
    title, *lines = summary(results).splitlines()
    assert "L_rec x 1000" in title
    named = [re.sub(r"[\s-]", "_", line) for line in lines]  # "end to end" for end_to_end
    assert all(n.startswith(m) for n, m in zip(named, ["model", *PRESET.models], strict=True))
    assert len({len(line) for line in lines}) == 1
    ends = [[m.end() for m in re.finditer(r"\S+", line)] for line in lines[1:]]
    numbers = re.findall(r"-?\d+\.\d+|\bnan\b", lines[1])
    assert len(numbers) > 8
    assert all(row[-len(numbers) :] == ends[0][-len(numbers) :] for row in ends)
    value = f"{results['end_to_end'][1].errors.run.mean():.3f}"
    assert value in lines[1 + list(PRESET.models).index("end_to_end")]


def test_a_second_comparison_into_the_folder_is_refused_and_changes_nothing(compared, study):
    before = contents(compared[1])
    with pytest.raises(InputError, match="already holds a run: choose another output folder"):
        compare(study, PRESET, compared[1], show_progress=False)
    assert contents(compared[1]) == before


def test_resume_finishes_without_training_and_gives_the_same_tables(compared, study, monkeypatch):
    results, out = compared
    before = contents(out)
    (out / "report.html").unlink()
    for path in (out / "tables").iterdir():
        path.unlink()

    def no_step(config, num_steps):
        return lambda *_: pytest.fail("a step was trained")

    monkeypatch.setattr(_epochs, "make_step", no_step)
    monkeypatch.setattr(_write, "draw_all", lambda *_: [])  # seconds, and drawn once above
    again = compare(study, PRESET, out, resume=True, show_progress=False)
    after = contents(out)
    assert list(again) == list(results)
    same = [n for n in before if not n.startswith("figures")]
    assert [name for name in same if after[name] != before[name] and name.split("/")[0] == "tables"] == []
    assert after["metrics.jsonl"] == before["metrics.jsonl"]
    assert set(after) == set(before)


def test_early_against_late_in_one_condition_each_is_called_no_real_contrast(study, tmp_path):
    halves = ["early"] * 4 + ["late"] * 4
    runs = [replace(run, condition=c, block=i) for i, (run, c) in enumerate(zip(study, halves, strict=True))]
    compare(Study(tuple(runs), name="fmi"), NO_NETWORK, tmp_path / "out", show_progress=False)
    shown = " ".join(Page((tmp_path / "out" / "report.html").read_text(encoding="utf-8")).text)
    assert "early against late is not a real contrast of conditions" in shown
    assert not (tmp_path / "out" / "tables" / "truth_recovery.csv").exists()
    assert not (tmp_path / "out" / "tables" / "skip_connection.csv").exists()


def test_one_condition_gives_a_page_without_tests(study, tmp_path):
    runs = [replace(run, condition="F") for run in study]
    results = compare(Study(tuple(runs), name="one"), NO_NETWORK, tmp_path / "out", show_progress=False)
    assert set(all_tables(results)) == {"ablation", "ablation_runs", "edges", "nodes", "fits"}
    shown = " ".join(Page((tmp_path / "out" / "report.html").read_text(encoding="utf-8")).text)
    assert "a comparison needs two conditions; this study has one" in shown
    assert "Where do they differ?" not in shown
    assert not (tmp_path / "out" / "figures" / "differences.png").exists()
    assert not (tmp_path / "out" / "figures" / "contribution_maps.png").exists()


@pytest.mark.parametrize(
    ("models", "words"),
    [
        ({"embedded": BASE}, "no model named 'end_to_end'"),
        (
            {"end_to_end": BASE, "b": BASE.replace(preprocess=lassovae.Preprocess(downscale=2))},
            "must share one preprocess",
        ),
        pytest.param(
            {**NO_NETWORK.models, "long": BASE.replace(window=200)},
            "runs shorter than 200 frames",
        ),
    ],
)
def test_presets_that_cannot_be_compared_are_refused_before_anything_is_written(
    models, words, study, tmp_path, monkeypatch
):
    monkeypatch.setattr(_epochs, "make_step", no_training)
    with pytest.raises(InputError, match=words):
        compare(study, Preset(models=models, sweep=(0.01,)), tmp_path / "out", show_progress=False)
    assert list(tmp_path.iterdir()) == []
