"""Files that are written whole or not at all: a disk that fills up leaves what was there, and nothing beside it."""

import errno
import os
import subprocess
import sys

import numpy as np
import pytest

from lassovae import InputError
from lassovae._files import replacing, write_text
from lassovae.plots import new_figure, save
from lassovae.report._results import write_results
from lassovae.report._tables import write_tables


def test_readers_see_the_old_file_until_the_new_one_is_whole(tmp_path):
    target = tmp_path / "a.txt"
    write_text(target, "old\n")
    with replacing(target) as place:
        place.write_text("half")
        assert target.read_bytes() == b"old\n"
        assert (place.parent, place.suffix) == (tmp_path, ".txt")
    assert target.read_bytes() == b"half"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("error", [ValueError("of another kind"), KeyboardInterrupt()])
def test_what_fails_leaves_nothing(error, tmp_path):
    def write(path, **options):
        with replacing(path, **options) as place:
            (place / "b.txt" if options else place).write_text("half")
            raise error

    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(type(error)):
        write(tmp_path / "a.txt")
    with pytest.raises(type(error)):
        write(tmp_path / "folder", folder=True)
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a.txt", "old")]


@pytest.fixture
def full_disk(monkeypatch):
    def refuse(number):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)


WRITERS = {
    "a.txt": lambda path: write_text(path, "new"),
    "figure.png": lambda path: save(new_figure(1, 1), path),
    "nodes.csv": lambda path: write_tables({"nodes": [{"row": 1}]}, path.parent),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_said_with_the_files_name(name, tmp_path, full_disk):
    (tmp_path / name).write_text("old")
    with pytest.raises(InputError, match=rf"{name}: cannot be written: No space left .*; check the folder"):
        WRITERS[name](tmp_path / name)
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [(name, "old")]


def test_results_on_a_full_disk(tmp_path, monkeypatch):
    (tmp_path / "results.npz").write_text("old")
    monkeypatch.setattr("lassovae.report._results.all_tables", lambda results: {})
    monkeypatch.setattr("lassovae.report._results._arrays", lambda name, analysis: {"a": np.ones(3)})

    def refuse(place, **arrays):
        place.write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(np, "savez_compressed", refuse)
    with pytest.raises(InputError, match=r"results\.npz: cannot be written: No space left"):
        write_results(tmp_path, {"model": (None, None)})
    assert {p.name for p in tmp_path.iterdir()} == {"results.npz", "tables"}
    assert (tmp_path / "results.npz").read_text() == "old"


def test_figures_are_saved_without_jax():
    code = "import sys, lassovae._files, lassovae.plots; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
