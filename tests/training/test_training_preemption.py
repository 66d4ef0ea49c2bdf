"""A scheduler stops one of two processes: both save the same step and end, which is complete."""

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from lassovae import InputError
from lassovae.training import load
from lassovae.training._saved import names_by_step

HERE = Path(__file__).parent
STEPS = 800  # of preempted_job.py


def test_all_processes_stop_at_one_step_which_is_saved(tmp_path):
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    out = tmp_path / "run"
    jobs = [
        subprocess.Popen(
            [sys.executable, HERE / "preempted_job.py", out, str(port), str(process)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for process in (0, 1)
    ]
    texts = [job.communicate(timeout=300)[0] for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0], texts
    said = [re.search(r"stopped (\d+) stopped by SIGTERM at step (\d+)", text) for text in texts]
    assert None not in said, texts
    assert said[0].groups() == said[1].groups()
    number, step = map(int, said[0].groups())
    assert number == signal.SIGTERM
    assert 5 <= step < STEPS, "the training must have been stopped, not have ended"
    checkpoints = out / "checkpoints"
    assert int(names_by_step(checkpoints)[0]) == step
    lines = (out / "metrics.jsonl").read_text().splitlines()
    assert len(lines) == step
    with pytest.raises(InputError, match=rf"unfinished training .step {step} of {STEPS}.: finish it"):
        load(out)
