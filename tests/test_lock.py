"""One writer a folder: who owns it is named, and a dead owner does not keep it."""

import os
import subprocess
import sys
import threading

import pytest

from lassovae import InputError
from lassovae._lock import LOCK, owned

HOLD = """
import sys
from pathlib import Path
from lassovae._lock import owned
with owned(Path(sys.argv[1]), "a test"):
    print("holds", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path):
    """Another process that owns the folder."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "holds\n"
        yield process
        process.kill()


def test_another_process_is_named(other, tmp_path):
    with pytest.raises(
        InputError, match=rf"is being written by process {other.pid} of .* on .* \(a test, since"
    ):
        owned(tmp_path, "mine").__enter__()
    other.stdin.close()
    assert other.wait(30) == 0
    assert list(tmp_path.iterdir()) == []
    with owned(tmp_path, "mine"):
        pass


def test_a_dead_owner_does_not_keep_it_and_what_it_left_half_written_goes(other, tmp_path):
    (tmp_path / "tables").mkdir()
    mine = tmp_path / ".my.notes"
    for left in (tmp_path / ".a.77.partial.json", tmp_path / "tables" / ".b.77.partial.csv", mine):
        left.write_text("half")
    other.kill()
    other.wait(30)
    assert (tmp_path / LOCK).exists()
    with owned(tmp_path, "mine"):
        assert sorted(p.name for p in tmp_path.rglob("*")) == [".lock", ".my.notes", ".owner.json", "tables"]
    assert sorted(p.name for p in tmp_path.rglob("*")) == [".my.notes", "tables"]


def test_another_thread_is_another_owner(tmp_path):
    said = []

    def second():
        try:
            with owned(tmp_path, "second"):
                said.append("both")
        except InputError as error:
            said.append(str(error))

    with owned(tmp_path, "first"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert len(said) == 1
    assert f"process {os.getpid()} of" in said[0]


def test_a_folder_that_was_replaced_is_not_kept_and_not_touched(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    with owned(folder, "mine") as lock:
        assert lock.is_kept()
        folder.rename(tmp_path / "elsewhere")
        assert not lock.is_kept()
        folder.mkdir()
        (folder / LOCK).write_text("of another process")
        assert not lock.is_kept()
    assert (folder / LOCK).read_text() == "of another process"
