"""Damaged files that a reader once stumbled over, and some that are made anew, are read or refused within bounds.

Each reader has a folder of them in `corpus`; `benchmarks/fuzz_readers.py` reads them in processes whose memory the
kernel bounds. Its own tests are in tests/test_fuzzing.py.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "benchmarks" / "fuzz_readers.py"
CORPUS = Path(__file__).resolve().parent / "corpus"
READERS = sorted(
    path.stem.removeprefix("reader_") for path in (SCRIPT.parent / "fuzzing").glob("reader_*.py")
)
KEPT = sorted(path.name for path in CORPUS.iterdir())
FILES = 200
LARGEST_CORPUS = 200_000  # bytes

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the harness needs Linux")


def fuzz(*arguments):
    return subprocess.run(
        [sys.executable, SCRIPT, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=ROOT,
        env=None,
    )


@pytest.mark.parametrize("reader", KEPT)
def test_what_was_found_stays_mended(reader):
    places = sorted((CORPUS / reader).iterdir())
    done = fuzz("--reader", reader, "--replay", *places)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(done.stdout.splitlines()) == len(places)


@pytest.mark.parametrize("reader", READERS)
def test_damaged_files_are_read_or_refused(reader, tmp_path):
    done = fuzz("--reader", reader, "--files", FILES, "--seed", 20260308, "--findings", tmp_path)
    logs = "".join(log.read_text() for log in tmp_path.glob("*.txt"))
    assert done.returncode == 0, done.stdout + done.stderr + logs
    found = json.loads(done.stdout)
    assert found["findings"] == 0
    assert found["read"] > 0, "nothing but refusals would tell little"
    assert found["read"] + found["rejected"] == FILES


def test_every_reader_has_a_corpus_that_is_small():
    assert KEPT == READERS
    assert sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()) < LARGEST_CORPUS
