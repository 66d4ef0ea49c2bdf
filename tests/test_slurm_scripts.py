"""The SLURM scripts of docs/slurm, run by bash with a srun that starts its tasks on this machine."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lassovae.data import ArrayRecording, Run, Study, write_study

ROOT = Path(__file__).resolve().parents[1]
FIT = ROOT / "docs" / "slurm" / "fit.sbatch"
ARRAY = ROOT / "docs" / "slurm" / "fit_array.sbatch"
TABLE = "study,out,lam,seed\nmouse 1/study.csv,out/a,0.003,0\nmouse 2/study.csv,out/b,,1\n"

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")

# As many tasks on one node as FAKE_NTASKS says, with the variables that srun sets; the highest exit status.
SRUN = """#!/usr/bin/env bash
while [[ $1 == --* ]]; do echo "$1" >>"$RECORD/srun"; shift; done
echo "cpus ${SRUN_CPUS_PER_TASK:-none}" >>"$RECORD/srun"
n=${FAKE_NTASKS:-1} tasks=() status=0
for ((i = 0; i < n; i++)); do
    SLURM_JOB_ID=$$ SLURM_STEP_ID=0 SLURM_STEP_NUM_NODES=1 SLURM_STEP_NODELIST=localhost SLURM_NODEID=0 \\
        SLURM_STEP_TASKS_PER_NODE=$n SLURM_STEP_NUM_TASKS=$n SLURM_NTASKS=$n SLURM_PROCID=$i SLURM_LOCALID=$i \\
        "$@" &
    tasks+=($!)
done
for task in "${tasks[@]}"; do wait "$task" || { s=$?; ((s > status)) && status=$s; }; done
exit "$status"
"""
NOTE_ARGUMENTS = """#!/usr/bin/env bash
printf '%s\\n' "$@" >"$RECORD/task_$SLURM_PROCID"
exit "${FAKE_STATUS:-0}"
"""
REAL = f"""#!/usr/bin/env bash
exec "{sys.executable}" -m lassovae "$@"
"""
JOIN = f"""#!/usr/bin/env bash
exec "{sys.executable}" - <<'END'
import os, jax, lassovae
lassovae.start_processes()
with open(os.path.join(os.environ["RECORD"], f"task_{{jax.process_index()}}"), "w") as file:
    file.write(lassovae.describe_devices())
END
"""


@pytest.fixture
def cluster(tmp_path):
    """Run a script as a job would be, with the given program for the command lassovae."""
    for folder in ("bin", "record"):
        (tmp_path / folder).mkdir()
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM_", "SRUN_"))}
    environ = kept | {
        "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "RECORD": str(tmp_path / "record"),
        "JAX_PLATFORMS": "cpu",
    }

    def run(script, *arguments, lassovae=NOTE_ARGUMENTS, **more):
        for name, text in {"srun": SRUN, "lassovae": lassovae}.items():
            (tmp_path / "bin" / name).write_text(text)
            (tmp_path / "bin" / name).chmod(0o755)
        return subprocess.run(
            ["bash", str(script), *map(str, arguments)],
            cwd=tmp_path,
            env=environ | more,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The CSV of four tiny TIFF recordings."""
    rng = np.random.default_rng(5)
    runs = [
        Run(f"run_{i}", ArrayRecording(rng.integers(900, 1100, (8, 8, 16)).astype(np.uint16)), condition, i)
        for i, condition in enumerate("FFNN")
    ]
    return write_study(Study(tuple(runs)), tmp_path_factory.mktemp("study"))


def lines(path):
    return path.read_text().splitlines()


def assert_refused(done, *words):
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    for word in words:
        assert word in line


@pytest.mark.parametrize("script", [FIT, ARRAY], ids=lambda path: path.name)
def test_scripts_are_bash(script):
    done = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    head = [line for line in lines(script) if line.startswith("#SBATCH")]
    assert {"#SBATCH --requeue", "#SBATCH --open-mode=append"} <= set(head)
    # sbatch reads its lines up to the first command
    first_command = next(i for i, line in enumerate(lines(script)) if line and not line.startswith("#"))
    assert all(lines(script).index(line) < first_command for line in head)


def test_every_task_gets_the_command(cluster, tmp_path):
    done = cluster(FIT, "my study.csv", "out", "--lam", "0.01", FAKE_NTASKS="2", SLURM_CPUS_PER_TASK="8")
    assert done.returncode == 0, done.stderr
    wanted = ["fit", "my study.csv", "--out", "out", "--resume", "--device", "gpu", "--lam", "0.01"]
    assert [lines(tmp_path / "record" / f"task_{i}") for i in (0, 1)] == [wanted, wanted]
    assert lines(tmp_path / "record" / "srun") == ["--kill-on-bad-exit=1", "cpus 8"]


def test_the_status_of_the_training_is_that_of_the_job(cluster):
    assert cluster(FIT, "study.csv", "out", FAKE_STATUS="1").returncode == 1


@pytest.mark.parametrize("arguments", [(), ("study.csv",)])
def test_fit_says_how_it_is_used(arguments, cluster):
    assert_refused(cluster(FIT, *arguments), "usage: sbatch fit.sbatch STUDY.csv DIR")


@pytest.mark.parametrize("script", [FIT, ARRAY], ids=lambda path: path.name)
def test_a_missing_command_is_named(script, cluster, tmp_path):
    (tmp_path / "table.csv").write_text(TABLE)
    arguments = ("study.csv", "out") if script == FIT else ("table.csv",)
    cluster(script, *arguments)  # writes the command, which is then taken away
    (tmp_path / "bin" / "lassovae").unlink()
    done = subprocess.run(
        [shutil.which("bash"), str(script), *arguments],
        cwd=tmp_path,
        env={"PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.defpath}", "SLURM_ARRAY_TASK_ID": "1"},
        capture_output=True,
        text=True,
    )
    assert_refused(done, "no command lassovae: activate its environment")


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        ("1", "fit|mouse 1/study.csv|--out|out/a|--resume|--device|cpu|--lam|0.003|--seed|0"),
        ("2", "fit|mouse 2/study.csv|--out|out/b|--resume|--device|cpu|--seed|1"),
    ],
)
@pytest.mark.parametrize(
    "table",
    [TABLE, TABLE.replace("\n", "\r\n"), TABLE[:-1], "\n" + TABLE + "\n \n"],
    ids=["plain", "carriage returns", "no end of line", "blank lines"],
)
def test_a_row_becomes_a_command(table, row, wanted, cluster, tmp_path):
    (tmp_path / "table.csv").write_bytes(table.encode())
    done = cluster(ARRAY, "table.csv", SLURM_ARRAY_TASK_ID=row, LASSOVAE_DEVICE="cpu")
    assert done.returncode == 0, done.stderr
    assert lines(tmp_path / "record" / "task_0") == wanted.split("|")
    assert lines(tmp_path / "record" / "srun") == ["--ntasks=1", "cpus none"]


def test_a_column_is_an_option_in_either_spelling(cluster, tmp_path):
    (tmp_path / "table.csv").write_text("out,study,windows_per_step,preprocess.downscale\na,s.csv,2,\n")
    assert cluster(ARRAY, "table.csv", SLURM_ARRAY_TASK_ID="1").returncode == 0
    assert lines(tmp_path / "record" / "task_0")[-2:] == ["--windows-per-step", "2"]


@pytest.mark.parametrize("row", ["0", "3", "99"])
def test_an_id_beyond_the_table(row, cluster, tmp_path):
    (tmp_path / "table.csv").write_text(TABLE)
    done = cluster(ARRAY, "table.csv", SLURM_ARRAY_TASK_ID=row)
    assert_refused(done, f"SLURM_ARRAY_TASK_ID={row}, but table.csv has 2 rows", "sbatch --array=1-2")
    assert not (tmp_path / "record" / "srun").exists()


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (None, ["table.csv: no such table"]),
        ("study,out\n", ["needs a header and at least one row"]),
        ("study,lam\na,1\n", ["row 1: study and out must be filled in"]),
        ("study,out\n,b\n", ["row 1: study and out must be filled in"]),
        ("study,out,lam\na,b\n", ["row 1: 2 cells under 3 columns"]),
        ('study,out\na,"b"\n', ["cannot be quoted"]),
        ("study,out\na,same\nb,same\n", ["two rows have out=same"]),
    ],
)
def test_a_table_that_will_not_do(table, words, cluster, tmp_path):
    if table is not None:
        (tmp_path / "table.csv").write_text(table)
    assert_refused(cluster(ARRAY, "table.csv", SLURM_ARRAY_TASK_ID="1"), *words)
    assert not (tmp_path / "record" / "srun").exists()


def test_outside_of_an_array(cluster, tmp_path):
    (tmp_path / "table.csv").write_text(TABLE)
    assert_refused(cluster(ARRAY, "table.csv"), "SLURM_ARRAY_TASK_ID is not set", "sbatch --array=1-2")


def test_two_tasks_find_each_other(cluster, tmp_path):
    done = cluster(FIT, "s", "o", lassovae=JOIN, FAKE_NTASKS="2", JAX_NUM_CPU_DEVICES="2")
    assert done.returncode == 0, done.stderr
    words = [(tmp_path / "record" / f"task_{i}").read_text() for i in (0, 1)]
    assert words == ["2 processes, 4 cpu devices (2 here)"] * 2


def test_a_training(cluster, study, tmp_path):
    options = "--json --preset smoke --mode sequential --order 1 --window 4 --channels 2 --epochs 1"
    quick = {"LASSOVAE_DEVICE": "cpu", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}  # compiling is what takes time
    done = cluster(FIT, study, "out", *options.split(), lassovae=REAL, **quick)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["run_dir"], found["steps"]) == ("out", 8)
    assert len(lines(tmp_path / "out" / "metrics.jsonl")) == 8
    assert np.isfinite(found["loss"])


def test_a_requeued_task_goes_on(cluster, study, tmp_path):
    rows = [f"{study},out/{encoder},{encoder},smoke,1,4" for encoder in ("convolutional", "block_mean")]
    (tmp_path / "table.csv").write_text("\n".join(["study,out,encoder,preset,order,window", *rows]))
    task = {"lassovae": REAL, "SLURM_ARRAY_TASK_ID": "2", "LASSOVAE_DEVICE": "cpu"}
    first, again = (cluster(ARRAY, "table.csv", **task) for _ in range(2))
    assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stderr
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["block_mean"]
    settings = json.loads((tmp_path / "out" / "block_mean" / "config.json").read_text())["config"]
    assert (settings["order"], settings["window"]) == (1, 4)
