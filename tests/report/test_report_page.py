"""The page as a file: nothing from elsewhere, names as text, figures with their numbers, gaps with their reason."""

import base64
import csv
import gzip
import io
import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from report_pages import CONDITIONS, CONFIG, EVIL, RUNS, Page

from lassovae import InputError, Preprocess, report
from lassovae.data import content_hash
from lassovae.report import _words, write_report, write_results
from lassovae.report._drawing import Drawing
from lassovae.report._outdated import FIGURES, NUMBERS, TABLES
from lassovae.report._provenance import provenance


def read(drawn):
    return Page((drawn[3] / "report.html").read_text(encoding="utf-8"))


def content(href):
    head, data = href.split(",", 1)
    raw = base64.b64decode(data, validate=True)
    return gzip.decompress(raw) if "gzip" in head else raw


@pytest.mark.parametrize("which", ["hostile", "lonely"])
def test_nothing_comes_from_elsewhere_and_every_link_leads_somewhere(which, request):
    page = read(request.getfixturevalue(which))
    places = {a["id"] for _, a in page.elements if "id" in a}
    assert len(places) == sum("id" in a for _, a in page.elements)
    for tag, attributes in page.elements:
        for name in ("src", "href", "action", "srcset", "data", "poster"):
            value = attributes.get(name)
            if value is None:
                continue
            assert value.startswith(("data:", "#")), (tag, name, value[:80])
            if value.startswith("#"):
                assert value[1:] in places, value
        for name in ("for", "aria-labelledby", "data-copy"):
            for target in attributes.get(name, "").split():
                assert target in places, (tag, name, target)
        assert not [name for name in attributes if name.startswith("on") or name == "style"], (
            tag,
            attributes,
        )
    assert not re.search(r"https?:|@import|url\((?!#)", "".join(page.code))
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; img-src data:; ")


@pytest.mark.parametrize("which", ["hostile", "lonely"])
def test_every_image_is_described_and_every_control_named(which, request):
    page = read(request.getfixturevalue(which))
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("h1")) == len(page.all("main")) == 1
    alts = [a["alt"] for a in page.all("img")]
    assert len(alts) > 5
    assert all(len(alt) > 20 for alt in alts)
    assert all(
        a.get("role") == "img" and a.get("aria-label") for t, a in page.elements if t in ("canvas", "svg")
    )
    assert all(a["type"] == "button" for a in page.all("button"))


def test_names_from_files_are_text_and_nothing_else(hostile):
    text = (hostile[3] / "report.html").read_text(encoding="utf-8")
    page = read(hostile)
    assert f"lassovae: {EVIL}" in page.text
    shown = "".join(page.text)
    for name in (*RUNS, *CONDITIONS):
        assert name in shown, name
    assert "49" not in [part.strip() for part in page.text if "7 * 7" in part]
    assert text.count("<script") == 2  # the data and the script of the page itself
    assert {"b", "i", "iframe", "object"} & {tag for tag, _ in page.elements} == set()
    start = text.index('id="clips">') + len('id="clips">')
    data = text[start : text.index("</script>", start)]
    assert "<" not in data
    clips = json.loads(data)["clips"]
    assert clips[0]["name"] == f"{EVIL} ({CONDITIONS[0]})"


def test_every_figure_gives_its_numbers(hostile):
    results, _, prepared, folder = hostile
    page = read(hostile)
    files = {a["download"]: content(a["href"]) for a in page.all("a") if "download" in a}
    for path in (folder / "figures" / "data").glob("*.csv"):
        kept = files.get(path.name, files.get(f"{path.name}.gz"))
        assert kept == path.read_bytes(), path.name
        rows = list(csv.reader(io.StringIO(kept.decode("utf-8"))))
        assert len(rows) > 1, path.name
        assert {len(row) for row in rows} == {len(rows[0])}, path.name
    figures = {p.stem for p in (folder / "figures").glob("*.png")}
    assert {
        "differences",
        "condition_maps",
        "run_maps",
        "networks",
        "forecasts",
        "movie",
        "lam_path",
    } <= figures
    analysis = results["<i>mine</i>"][1]
    found = np.genfromtxt(folder / "figures" / "data" / "differences.csv", delimiter=",", names=True)
    maps = analysis.differences.maps
    at = found["pixel_row"].astype(int), found["pixel_column"].astype(int)
    assert len(found) == maps.difference.size
    np.testing.assert_allclose(found["difference"], maps.difference[at], rtol=1e-5)
    np.testing.assert_allclose(found["standard_error"], maps.standard_error[at], rtol=1e-5)
    np.testing.assert_allclose(found["qvalue"], maps.qvalue[at], rtol=1e-5)
    with open(folder / "figures" / "data" / "swap_errors.csv", encoding="utf-8", newline="") as file:
        swaps = list(csv.DictReader(file))
    place = {name: i for i, name in enumerate(analysis.names)}
    for row in swaps:
        value = analysis.delta[place[row["data_of"]], place[row["coefficients_of"]]]
        assert float(row["swap_error"]) == pytest.approx(value, rel=1e-5)
    with open(folder / "figures" / "data" / "movie.csv", encoding="utf-8", newline="") as file:
        pixel = next(csv.DictReader(file))
    inputs = {int(k.split()[-1]): float(v) for k, v in pixel.items() if k.startswith("input")}
    for frame, value in inputs.items():
        assert value == pytest.approx(float(prepared.frames[0][frame][0, 0]), rel=1e-5)


def section(drawn, name):
    """Text of a part of the page, in one line."""
    text = (drawn[3] / "report.html").read_text(encoding="utf-8")
    found = re.search(rf'<section id="{name}".*?</section>', text, re.DOTALL).group(0)
    return " ".join("".join(Page(found).text).split())


def test_the_page_does_not_contradict_its_answer(hostile):
    """2 blocks against 2 cannot reach significance, so that nothing on the page may look as if it had."""
    answer, found, maps = (section(hostile, name) for name in ("answer", "found", "maps"))
    assert "This design cannot tell whether" in answer
    assert found.count("descriptive, at a nominal false-discovery rate of 0.05") == 3
    assert found.count("With 2 blocks in the smaller group these are candidates") == 1
    assert "not to be reported as significant" in found
    assert "candidate pixels" in maps
    for words in ("edges whose coupling differs", "significant at", "pixels of the contribution maps at a"):
        assert words not in found + maps, words
    assert not re.search(r"differ in \d+ of", found)


def test_nothing_is_said_twice_and_the_papers_tests_stand_with_the_tests(hostile):
    answer, found, tests = (section(hostile, name) for name in ("answer", "found", "tests"))
    analysis = hostile[0]["<i>mine</i>"][1]
    first, *rest = (" ".join(text.split()) for text in analysis.condition_test.sentences())
    assert first in answer
    assert first not in found
    assert " ".join(rest) in found
    sentences = [s for s in re.split(r"(?<=[.:]) ", found) if len(s) > 40]
    assert len(sentences) == len(set(sentences))
    assert "rank-sum" not in found
    assert tests.count("treats pairs of runs as independent") == 1
    marked = sum(c.significant for c in analysis.comparisons)
    assert f"{marked} of {len(analysis.comparisons)} remain significant by Bonferroni" in tests


def test_the_limits_name_what_forecasts_leave(hostile):
    errors = hostile[0]["<i>mine</i>"][1].errors
    left = errors.forecast_reconstruction.mean() / errors.mean_frame.mean()
    for share, said in ((0.4, False), (0.9, True)):
        model, analysis = hostile[0]["<i>mine</i>"]
        changed = SimpleNamespace(
            **vars(analysis)
            | {"errors": SimpleNamespace(**vars(errors) | {"mean_frame": errors.mean_frame * left / share})}
        )
        notes = _words.limits({"m": (model, changed)}, "m")
        assert any(f"leave {share:.0%} of the squared error" in note for note in notes) is said


@pytest.mark.parametrize(
    ("best", "low", "words"),
    [
        (4, 0.5, "much weaker than forecasts best"),
        (-4, 0.5, "much stronger than forecasts best"),
        (4, 0.98, ""),  # hardly worse
        (1, 0.5, ""),  # next to it: with half the rows the best is expected at sqrt(2) times the strength
    ],
)
def test_a_penalty_far_from_the_best_on_held_out_frames_is_a_limit(best, low, words):
    lams = 0.001 * np.sqrt(2) ** np.arange(-6.0, 7.0)
    held_out = np.ones(13)
    held_out[6 + best] = low
    drawn = Drawing("lam_path", "path", "", "", None, {"lam_path": {"lam": lams, "held_out": held_out}})
    said = _words._far_from_best([drawn], 0.001)
    assert bool(said) is bool(words)
    assert words in said
    if words:
        assert f"`--condition-lam {lams[6 + best] / np.sqrt(2):.2g}`" in said or words.startswith("much s")
    assert _words._far_from_best([], 0.001) == ""


def test_symbols_scale_and_nodes_are_explained(hostile):
    maps, network, runs = (section(hostile, name) for name in ("maps", "network", "models"))
    assert (
        "No scale bar: the size of a pixel is not known." in maps
        or hostile[1].runs[0].recording.pixel_size_um
    )
    for part, symbols in ((maps, ("ΔΩ: difference", "Ω(0), the decoded image")), (network, ("Δ_sr: ",))):
        for words in symbols:
            assert words in part, words
    assert "Nodes are patches of 8 x 8 pixels, or regions about them, not cells." in network
    assert "R_var, the relative error" in runs
    path = section(hostile, "path")
    analysis = hostile[0]["<i>mine</i>"][1]
    assert f"the λ of conditions, {analysis.condition_lam:.3g}" in path
    assert f"single runs and windows, {analysis.lam:.3g}" in path


def test_what_one_condition_does_not_allow_is_left_out_with_the_reason(lonely):
    shown = " ".join(" ".join(read(lonely).text).split())
    assert "A title of one's own" in shown
    assert "One condition: nothing to compare." in shown
    assert "What couples the activity recorded in rest" in shown
    for words in (
        "Contribution of each condition and their difference: left out. The study has one condition, rest",
        "Where conditions differ: left out.",
        "Training curves: left out. Nothing was trained",
    ):
        assert words in shown, words
    assert "No test between conditions was made" in shown
    assert not re.search(r"\bnan\b|\bNone\b", shown)
    assert not (lonely[3] / "figures" / "differences.png").exists()


def test_numbers_of_references_and_their_list_agree(hostile, lonely):
    for drawn, tested in ((hostile, True), (lonely, False)):
        text = (drawn[3] / "report.html").read_text(encoding="utf-8")
        plain = re.search(r'<pre id="methods-plain"[^>]*>(.*?)</pre>', text, re.DOTALL).group(1)
        body, listed = plain.split("References\n")
        cited = {int(n) for group in re.findall(r"\[(\d+(?:, \d+)*)\]", body) for n in group.split(", ")}
        assert cited == set(range(1, len(listed.strip().splitlines()) + 1))
        assert "arXiv:2603.02899" in listed
        assert "Least angle regression" in listed
        assert ("Controlling the false discovery rate" in listed) is tested
        assert "Efficient subpixel image registration" not in listed  # frames were not registered
        assert "Adam" not in listed  # nothing was trained
        bibtex = re.search(r'<pre id="methods-bibtex"[^>]*>(.*?)</pre>', text, re.DOTALL).group(1)
        assert bibtex.count("@") == len(cited)
        assert bibtex.count("{") == bibtex.count("}")


def test_the_methods_text_has_the_settings_of_this_run(hostile):
    shown = " ".join(" ".join(read(hostile).text).split())
    for words in (
        "8 runs (4 of ",
        "in 2 blocks",
        "scaled to between 0 and 1 by the largest pixel of the study",
        "mean relative deviation from the mean frame over 8 x 8 pixels",
        "autoregressions of order 2",
        "(λ = 0.01, on the loss averaged over nodes)",
        "exchanging whole blocks of runs (all 6 distinct relabellings",
        "smallest p-value that this design can reach is 0.3333",
    ):
        assert words in shown, words


def test_a_page_without_provenance_says_so_and_one_with_it_tells_it(hostile, lonely, tmp_path):
    assert "this folder holds no provenance.json" in " ".join(read(lonely).text)
    (tmp_path / "provenance.json").write_text(
        json.dumps(
            {
                "written": "2026-03-08T12:00:00+00:00",
                "device": "1 x <b>Abacus</b> (cpu)",
                "versions": {"jax": "0.0.7"},
                "inputs": [{"run": EVIL, "sha256": "ab" * 32}],
            }
        )
    )
    analysed = ((EVIL, "ab" * 32), ("later", "cd" * 32))
    config = CONFIG.replace(seed=7, preprocess=Preprocess(downscale=2))
    found = provenance(tmp_path, config, hostile[2], analysed)
    sentence = "1 of the 2 recordings analysed here are not those of the training."
    assert found.unlike_training == sentence
    assert provenance(tmp_path, config, hostile[2], analysed[:1]).unlike_training == ""
    assert {
        "trained": "2026-03-08T12:00:00+00:00",
        "device": "1 x <b>Abacus</b> (cpu)",
        "jax": "0.0.7",
    }.items() <= dict(found.facts).items()
    assert found.inputs == analysed
    assert {name: value for name, value, _, differs in found.settings if differs} == {
        "encoder": "block_mean",
        "order": "2",
        "window": "16",
        "seed": "7",
        "preprocess.downscale": "2",
    }
    assert dict(found.steps)[EVIL].endswith("clipped to [0, 1]")


def test_the_hashes_are_those_of_the_recordings_that_were_analysed(lonely):
    _, study, _, folder = lonely
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert all(f"<code>{content_hash(run.recording)}</code>" in page for run in study)


def test_results_alone_write_no_page(lonely, tmp_path):
    write_results(tmp_path / "new", lonely[0])
    assert {p.name for p in (tmp_path / "new").iterdir()} == {"results.npz", "tables"}
    with np.load(tmp_path / "new" / "results.npz", allow_pickle=False) as kept:
        np.testing.assert_array_equal(kept["only/coef"], lonely[0]["only"][1].fit.coef)


def test_nothing_of_earlier_results_stays_and_nothing_of_others_goes(hostile, lonely, tmp_path):
    shutil.copytree(hostile[3], tmp_path / "run")
    foreign = [
        tmp_path / "run" / name for name in ("tables/mine.csv", "figures/mine.png", "figures/data/a.csv")
    ]
    for path in foreign:
        path.write_text("mine")
    assert (tmp_path / "run" / "tables" / "permutation_tests.csv").exists()
    results, study, prepared, new = lonely
    write_results(tmp_path / "run", results)
    write_report(tmp_path / "run", results, study, prepared)
    of = {p.relative_to(new) for p in new.rglob("*")} | {Path("results.npz")}
    assert {p.relative_to(tmp_path / "run") for p in (tmp_path / "run").rglob("*")} - of == {
        path.relative_to(tmp_path / "run") for path in foreign
    }
    assert all(path.read_text() == "mine" for path in foreign)


def test_every_file_that_a_report_writes_is_known_to_be_its_own(hostile):
    folder = hostile[3]
    for place, suffix, known in (
        ("tables", ".csv", TABLES),
        ("figures", ".png", FIGURES),
        ("figures/data", ".csv", NUMBERS),
    ):
        assert {p.stem for p in (folder / place).glob(f"*{suffix}")} <= set(known)
    source = "".join(
        p.read_text(encoding="utf-8") for p in Path(report.__file__).parent.glob("_figures_*.py")
    )
    assert set(re.findall(r'Drawing\(\s*"(\w+)"', source)) == set(FIGURES)


def test_what_is_not_there_cannot_be_reported(lonely, tmp_path):
    results, study, prepared, _ = lonely
    with pytest.raises(InputError, match="main='other' is not among the results; choose one of only"):
        write_report(tmp_path / "new", results, study, prepared, main="other")
    for write in (
        lambda: write_report(tmp_path / "new", {}, study, prepared),
        lambda: write_results(tmp_path / "new", {}),
    ):
        with pytest.raises(InputError, match="results is empty"):
            write()
    assert list(tmp_path.iterdir()) == []
