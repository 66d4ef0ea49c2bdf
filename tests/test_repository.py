"""The repository speaks of the project alone: one version, no machine's paths, no secret, no bulk."""

import re
import shutil
import subprocess
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

import lassovae

ROOT = Path(__file__).resolve().parents[1]
MEBIBYTE = 1 << 20

# What no file may hold. The patterns are written so that none of them matches itself.
FORBIDDEN = {
    "an absolute path of a machine": re.compile(
        r"(?<![\w.~/:*$}\-])/(?:home|Users|root|work|mnt|scratch|tmp|private)/[\w.]|\b[A-Z]:\\{1,2}Users\b"
    ),
    "a package registry's host": re.compile(
        r"\bpypi\.(?:org|python)|pythonhosted\.(?:org|com)|registry\.npmjs|(?:conda|repo)\.anaconda|\bjfrog\b|"
        r"\bartifactory\b|\bdevpi\b",
        re.IGNORECASE,
    ),
    "a setting of a private package index": re.compile(
        r"\bindex[_-]url\b|\btrusted[_-]host\b|\[\[tool\.uv\.(?:index)|UV_(?:DEFAULT_)?INDEX\b", re.IGNORECASE
    ),
    "an address of a private network": re.compile(
        r"(?<![\d.])(?:10|192\.168|172\.(?:1[6-9]|2\d|3[01]))(?:\.\d{1,3}){2,3}(?::\d+|/\d+)\b"
    ),
    "a secret": re.compile(
        r"-{5}BEGIN [A-Z ]*PRIVATE KEY|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_\w{30,}|\bpypi-[\w-]{40,}|"
        r"://[^/\s:@]+:[^/\s:@]+@"
    ),
}
# Assembled here, so that this file does not hold them either.
SAMPLES = {
    "an absolute path of a machine": ["/" + "home/ann/data", "see /" + "Users/ann", "'C:" + "\\Users\\ann'"],
    "a package registry's host": ["https://py" + "pi.org/simple", "files.python" + "hosted.org"],
    "a setting of a private package index": [
        "--index" + "-url x",
        "extra-index" + "-url = x",
        "trusted" + "-host",
    ],
    "an address of a private network": ["http://10.0" + ".3.7:8080", "192.168" + ".0.0/16"],
    "a secret": ["-----BEGIN RSA " + "PRIVATE KEY-----", "AKIA" + "A1" * 8, "https://ann:" + "word@host.org"],
}
HARMLESS = [
    "../shared/recordings/fmi_2p/study.csv",
    "https://example.org/home/index.html",
    "results/demo-2/report.html",
    "~/data/recordings",
    "pip install lassovae",
    "a/tmp/b",
    "version 10.1.2",
    "12:30:45, frames 10.5/12.5",
]


def breaches(text: str) -> list[str]:
    return [what for what, pattern in FORBIDDEN.items() if pattern.search(text)]


@pytest.fixture(scope="module")
def files() -> list[Path]:
    """Every file that is in the repository or would be added to it."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a git checkout, so there is no list of the repository's files")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


def test_no_file_holds_what_belongs_elsewhere(files):
    found = []
    for path in files:
        raw = path.read_bytes()
        if b"\0" in raw:
            continue
        for number, line in enumerate(raw.decode("utf-8", errors="replace").splitlines(), 1):
            found += [f"{path.relative_to(ROOT)}:{number} holds {what}" for what in breaches(line)]
    assert not found, "\n".join(found)


def test_no_file_is_large(files):
    large = [f"{p.relative_to(ROOT)}: {p.stat().st_size} bytes" for p in files if p.stat().st_size > MEBIBYTE]
    assert not large, "\n".join(large)


@pytest.mark.parametrize("what", FORBIDDEN)
def test_each_pattern_finds_its_samples(what):
    assert [sample for sample in SAMPLES[what] if what not in breaches(sample)] == []


def test_patterns_let_harmless_text_pass():
    assert {text: breaches(text) for text in HARMLESS} == {text: [] for text in HARMLESS}


def test_version_is_written_once():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "version" not in project["project"]
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["hatch"]["version"]["path"] == "lassovae/__init__.py"
    written = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "lassovae").rglob("*.py"))
        if re.search(r"^__version__\s*(?::\s*\w+\s*)?=", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert written == ["lassovae/__init__.py"]


def test_installed_version_is_the_source_version():
    assert version("lassovae") == lassovae.__version__, "install anew: make test does, or pip install -e ."


def test_citation_names_this_version():
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (.+)$", text, re.MULTILINE) == [lassovae.__version__]
    assert "2603.02899" in text
    assert "independent implementation" in text


def test_changelog_opens_with_this_version():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## \[([^\]]+)\]", text, re.MULTILINE)
    released = [heading for heading in headings if heading != "Unreleased"]
    assert released[0] == lassovae.__version__
