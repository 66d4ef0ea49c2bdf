"""The harness of damaged files finds what it is there for: broken readers are told from sound ones."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "benchmarks" / "fuzz_readers.py"
pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the harness needs Linux")

# A reader that is broken in every way that the harness looks for, each told by the first byte of a file.
BROKEN = """
import os, time
import numpy as np
import lassovae
from fuzzing.target import Target

def make_seeds(folder):
    return {str(n): {"movie": bytes([n]) * 100} for n in range(len(WAYS))}

def swallow(budget):
    try:
        np.empty(10**12, np.uint8)
    except MemoryError:
        raise lassovae.InputError("the header is damaged") from None

def rejected(budget):
    raise lassovae.InputError("damaged")

class Raw(lassovae.InputError):
    def __str__(self):
        return "\\x1b[2J"

def unprintable(budget):
    raise Raw

def granted(budget):
    with budget.asking(300_000_000):
        np.ones(250_000_000, np.uint8)

def too_much(budget):
    np.empty(150_000_000, np.uint8)

def forever(budget):
    while True:
        pass

WAYS = [
    lambda budget: None,
    rejected,
    granted,
    lambda budget: {}["x"],
    too_much,
    swallow,
    unprintable,
    lambda budget: os.abort(),
    forever,
]

def read(folder, budget):
    content = next(folder.iterdir()).read_bytes()
    if content and content[0] < len(WAYS):
        WAYS[content[0]](budget)

TARGET = Target("broken", make_seeds, read)
"""


def fuzz(*arguments, path=None):
    """Exit code, and the lines that the harness prints."""
    extend = f"import fuzzing; fuzzing.__path__.append({str(path)!r}); " if path else ""
    code = f"import sys; sys.path.insert(0, {str(SCRIPT.parent)!r}); {extend}import fuzz_readers; fuzz_readers.main()"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        env=environment,
    )
    return done.returncode, done.stdout.splitlines(), done.stderr


def test_every_way_of_being_broken_is_found_and_every_sound_one_is_not(tmp_path):
    (tmp_path / "reader_broken.py").write_text(BROKEN)
    files = []
    for number in range(9):
        files.append(tmp_path / f"{number}.bin")
        files[-1].write_bytes(bytes([number]) * 100)
    # the last, which never ends, is tried below: replayed files are given a minute
    code, lines, error = fuzz("--reader", "broken", "--replay", *files[:8], path=tmp_path)
    assert code == 1, error
    kinds = [line.split(": ")[1] for line in lines]
    assert kinds == ["read", "rejected", "read", *["finding"] * 5], lines
    for number, what in ((3, "KeyError"), (4, "memory"), (5, "memory"), (6, "printable"), (7, "died")):
        assert what in lines[number]


def test_a_reader_that_dies_or_does_not_end_is_left_behind_and_its_file_kept(tmp_path):
    (tmp_path / "reader_broken.py").write_text(BROKEN)
    kept = tmp_path / "kept"
    options = ("--reader", "broken", "--files", 30, "--longest", 0.5)
    code, lines, error = fuzz(*options, "--findings", kept, path=tmp_path)
    found = json.loads(lines[-1])
    assert code == 1, error
    assert found["files"] == 30 == found["read"] + found["rejected"] + found["findings"]
    said = "".join(log.read_text() for log in kept.glob("*.txt"))
    assert "does not end" in said
    assert "died: -6" in said
    assert "KeyError" in said
    number = next(line.split()[3] for line in said.splitlines() if "KeyError" in line)
    again, lines, _ = fuzz(
        "--reader", "broken", "--first", number, "--files", 1, "--findings", tmp_path / "again", path=tmp_path
    )
    assert again == 1, "the same number is the same file"
    (first,) = (tmp_path / "again").glob("*/movie")
    saved = [path for path in kept.glob(f"*-{number}/movie")]
    assert not saved or saved[0].read_bytes() == first.read_bytes()
