"""The documentation's pages: every public name is on one, every snippet runs, and what they name is there.

The pages themselves are built, with their notebooks run, by `make docs`.
"""

import ast
import importlib.util
import re
import shlex
import subprocess
import sys
import types
from pathlib import Path

import pytest

import lassovae
from lassovae._cli import _parsed as parse
from lassovae.data import simulate_study, write_study

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELL = re.compile(r"^(?:```console\n|%%bash[^\n]*\n)(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(lassovae (?:[a-z]+) [^`]+)`")
PAGES = sorted(path for path in [ROOT / "README.md", *DOCS.rglob("*.md")] if "_build" not in path.parts)
WITH_SNIPPETS = [path for path in PAGES if PYTHON.search(path.read_text(encoding="utf-8"))]
TRAINS = ROOT / "README.md"  # its snippet leaves the model that others load, so it goes first


@pytest.fixture(scope="module")
def extension():
    spec = importlib.util.spec_from_file_location("public_names", DOCS / "_ext" / "public_names.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def everything(extension, package):
    return {name for name, _ in extension.public_names(package)}


def test_every_public_name_has_a_docstring_that_names_its_fields(extension):
    assert extension.faults(lassovae, everything(extension, lassovae)) == []


@pytest.fixture
def package():
    """A package of two names that are well documented."""
    found = types.ModuleType("spoken")
    source = '''
from typing import NamedTuple
def told(x):
    """Told."""
class Record(NamedTuple):
    """A record.

    Attributes:
        width: in pixels.
    """
    width: int
    def area(self):
        """Its area."""
__all__ = ["told", "Record"]
'''
    exec(source, vars(found))
    return found


def undocumented_function(package):
    package.told.__doc__ = None


def undocumented_class(package):
    package.Record.__doc__ = "Record(width)"  # what Python writes by itself


def undocumented_field(package):
    package.Record.__doc__ = "A record."


def undocumented_method(package):
    package.Record.area.__doc__ = ""


BREACHES = {
    undocumented_function: "spoken.told has no docstring",
    undocumented_class: "spoken.Record has no docstring",
    undocumented_field: "spoken.Record.width is not in the docstring of its class",
    undocumented_method: "spoken.Record.area has no docstring",
}


@pytest.mark.parametrize("breach", BREACHES)
def test_a_name_without_docstring_is_found(extension, package, breach):
    assert extension.faults(package, everything(extension, package)) == []
    breach(package)
    assert extension.faults(package, everything(extension, package)) == [BREACHES[breach]]


def test_a_name_on_no_page_is_found(extension, package):
    assert extension.faults(package, {"spoken.Record"}) == ["spoken.told is on no page of the API"]


@pytest.mark.parametrize("missing", [False, True])
def test_the_build_fails_at_a_name_on_no_page(tmp_path, missing):
    pytest.importorskip("sphinx", reason='Sphinx comes with the extra "docs"')
    (tmp_path / "spoken.py").write_text('__all__ = ["told"]\n\n\ndef told():\n    """Told."""\n')
    (tmp_path / "conf.py").write_text(
        f"import sys\nsys.path[:0] = [{str(DOCS / '_ext')!r}, {str(tmp_path)!r}]\n"
        "extensions = ['sphinx.ext.autodoc', 'public_names']\npublic_names_package = 'spoken'\n"
    )
    page = "Names\n=====\n\n" + ("" if missing else ".. autofunction:: spoken.told\n")
    (tmp_path / "index.rst").write_text(page)
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", str(tmp_path), str(tmp_path / "out")],
        capture_output=True,
        text=True,
    )
    assert (done.returncode != 0) == missing, done.stderr
    assert ("spoken.told is on no page of the API" in done.stderr) == missing


@pytest.fixture(scope="module")
def study_folder(tmp_path_factory):
    """A folder with study.csv, in which the snippets are run one page after the other."""
    folder = tmp_path_factory.mktemp("snippets")
    study = simulate_study(0, num_runs=8, frames=80, frame_shape=(32, 48), num_cells=6, block_size=1)
    write_study(study, folder)
    return folder


@pytest.mark.parametrize(
    "page", sorted(WITH_SNIPPETS, key=lambda p: (p != TRAINS, p)), ids=lambda p: str(p.relative_to(ROOT))
)
def test_snippets_run(page, study_folder, monkeypatch):
    monkeypatch.chdir(study_folder)
    names = {"__name__": "snippet"}
    for source in PYTHON.findall(page.read_text(encoding="utf-8")):
        exec(compile(source, str(page), "exec"), names)


def commands(text):
    """The arguments of every `lassovae` that a page tells its readers to type, in a block or in a sentence."""
    lines = "\n".join(SHELL.findall(text)).replace("\\\n", " ").splitlines() + INLINE.findall(text)
    for line in lines:
        words = [word for word in shlex.split(line, comments=True) if word not in ("&", "[...]")]
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            words.pop(0)  # a variable of the environment
        if words[:1] == ["lassovae"] and words[1:] and "--help" not in words:
            yield words[1:]


def test_commands_are_read_from_blocks_and_sentences():
    text = "```console\nJAX_X=4 lassovae fit a.csv \\\n    --out b &   # so\nls\n```\nTry `lassovae check a.csv`."
    assert list(commands(text)) == [["fit", "a.csv", "--out", "b"], ["check", "a.csv"]]


def test_an_option_that_is_not_there_is_found(capsys):
    with pytest.raises(SystemExit):
        parse(["fit", "a.csv", "--out", "b", "--no-such-option", "1"])


WITH_COMMANDS = [page for page in PAGES if list(commands(page.read_text(encoding="utf-8")))]


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_command_of_a_page_has_these_options(page, capsys):
    for arguments in commands(page.read_text(encoding="utf-8")):
        try:
            parse(arguments)
        except SystemExit:
            pytest.fail(f"lassovae {' '.join(arguments)}: {capsys.readouterr().err}")


def test_the_pages_with_code_that_is_run_at_the_build_are_notebooks():
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert ("{code-cell}" in text) == ("file_format: mystnb" in text), page.name


def functions(path):
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}


def named_tests(text):
    """(file, function or empty) of every `tests/...py` and `tests/...py::test_...` in backticks."""
    return re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text)


def test_every_test_that_a_page_names_is_there():
    found = [(page, *named) for page in PAGES for named in named_tests(page.read_text(encoding="utf-8"))]
    missing = [f"{page.name}: {file}" for page, file, _ in found if not (ROOT / file).is_file()]
    assert not missing, missing
    wrong = [
        f"{page.name}: {file}::{test}"
        for page, file, test in found
        if test and test not in functions(ROOT / file)
    ]
    assert not wrong, wrong


def test_the_questions_are_the_twelve_and_each_names_a_test():
    text = (DOCS / "faq.md").read_text(encoding="utf-8")
    sections = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    assert len(sections) == 12
    for section in sections:
        assert named_tests(section), section.splitlines()[0]


def test_every_file_that_a_page_names_is_there():
    """Scripts and sources in backticks, so that a page cannot outlive what it speaks of."""
    named = re.compile(r"`((?:benchmarks|examples|lassovae|tests)/[\w/]+\.(?:py|csv|sbatch))")
    missing = [
        f"{page.relative_to(ROOT)}: {name}"
        for page in PAGES
        for name in named.findall(page.read_text(encoding="utf-8"))
        if not (ROOT / name).exists()
    ]
    assert not missing, missing
