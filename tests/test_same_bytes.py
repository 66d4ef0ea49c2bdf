"""From the simulation to the report twice, in two processes and folders: the same bytes but for dates and places."""

import json
import os
import re
import subprocess
import sys

import numpy as np

COMMANDS = """
from lassovae._cli import main
size = "--num-runs 4 --frames 40 --frame-shape 32 32 --num-cells 4 --block-size 1".split()
assert main(["simulate", "--out", "demo", "--preset", "smoke", "--seed", "3", *size]) == 0
assert main(["fit", "demo/study.csv", "--out", "run", "--model", "block_mean", "--window", "16"]) == 0
assert main(["analyse", "run", "--export", "csv", "tiff"]) == 0
assert main(["report", "run"]) == 0
"""
DATED = {"log.txt", "provenance.json", "report.html"}  # when it was
PLACED = {"study.json", "analysis.json", "analysis.npz"}  # where the study is, by its whole path
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00")


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    """Whatever the order of Python's sets and the number of threads of BLAS."""
    folders, jobs = [tmp_path / "one", tmp_path / "other"], []
    for number, folder in enumerate(folders):
        folder.mkdir()
        added = {"PYTHONHASHSEED": str(number), "OPENBLAS_NUM_THREADS": str(number + 1)}
        command = [sys.executable, "-c", COMMANDS]
        jobs.append(subprocess.Popen(command, cwd=folder, env=os.environ | added, stdout=subprocess.DEVNULL))
    assert [job.wait(timeout=600) for job in jobs] == [0, 0]
    found = [{str(p.relative_to(f)): p for p in f.rglob("*") if p.is_file()} for f in folders]
    # Orbax gives files of a checkpoint names of its own, and the time; what they hold is compared by other tests
    one, other = ({name: p for name, p in of.items() if "checkpoints/" not in name} for of in found)
    assert one.keys() == other.keys()
    different = {name for name in one if one[name].read_bytes() != other[name].read_bytes()}
    assert len(one) > 40
    assert different <= {f"run/{name}" for name in DATED | PLACED}
    texts = [(f / "run" / "report.html").read_text("utf-8") for f in folders]
    assert len({DATE.sub("", text) for text in texts}) == 1
    trees = [json.loads((f / "run" / "analysis.json").read_text("utf-8")) for f in folders]
    assert trees[0]["analysis"] == trees[1]["analysis"]
    arrays = [np.load(f / "run" / "analysis.npz") for f in folders]
    for name in set(arrays[0].files) - {"token"}:
        assert arrays[0][name].tobytes() == arrays[1][name].tobytes(), name
