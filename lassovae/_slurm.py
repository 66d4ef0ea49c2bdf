"""What SLURM tells a process of its step: who leads, how many there are, which one it is, which GPUs are its own."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import NamedTuple

from lassovae._errors import InputError

logger = logging.getLogger("lassovae")

# Above what Linux hands out to outgoing connections (32768 to 60999), so that nothing else sits there.
FIRST_PORT, NUM_PORTS = 61440, 4096
BY_HAND = "pass coordinator, num_processes and process_id yourself"


class SlurmTask(NamedTuple):
    """One task of a step that has several.

    Attributes:
        coordinator: "host:port" of task 0, the same in every task of the step.
        num_processes: tasks of the step.
        process_id: of this task, 0 to num_processes - 1.
        local_device_ids: places of this task's GPUs among those it can see, None for all of them.
    """

    coordinator: str
    num_processes: int
    process_id: int
    local_device_ids: tuple[int, ...] | None


def slurm_task(environ: Mapping[str, str]) -> SlurmTask | None:
    """Read the variables that `srun` sets.

    JAX's own detection gives each task the one GPU of its local rank, which is right only where every task sees
    all GPUs of the node (jax-ml/jax issues 16788 and 23452); hence this one.

    Args:
        environ: the environment of the process.

    Returns:
        The task, or None outside of a step, or in a step of one task.

    Raises:
        InputError: a variable is missing or is no number, or the GPUs of the node do not divide among its tasks.
    """
    # The batch script has SLURM_NTASKS and SLURM_PROCID=0 too, but nobody started the other tasks: only srun
    # sets SLURM_STEP_*. Waiting for processes that never come would hang.
    if "SLURM_STEP_NUM_TASKS" not in environ and "SLURM_STEP_NODELIST" not in environ:
        if environ.get("SLURM_NTASKS", "1") not in ("", "1"):
            logger.warning(
                "SLURM gave this job %s tasks, but srun did not start this process: it computes alone. "
                "Put srun before the command to use them all.",
                environ["SLURM_NTASKS"],
            )
        return None
    num_tasks = _number(
        environ, "SLURM_STEP_NUM_TASKS" if "SLURM_STEP_NUM_TASKS" in environ else "SLURM_NTASKS"
    )
    if num_tasks == 1:
        return None
    job, step = _number(environ, "SLURM_JOB_ID"), _number(environ, "SLURM_STEP_ID", 0)
    # Jobs of an array have ids in a row and may share a node, and steps of a job do: keep both apart.
    port = FIRST_PORT + (31 * job + step) % NUM_PORTS
    host = first_host(_value(environ, "SLURM_STEP_NODELIST"))
    return SlurmTask(
        f"{host}:{port}", num_tasks, _number(environ, "SLURM_PROCID"), _own_gpus(environ, num_tasks)
    )


def first_host(nodes: str) -> str:
    """The first name of a SLURM node list: "gpu[07-09,12],cpu1" begins with gpu07."""
    first = re.match(r"((?:[^,\[\]]|\[[^\]]+\])+)(?:,|$)", nodes)  # commas within brackets do not end it
    name = re.sub(r"\[([^\],-]+)[^\]]*\]", r"\1", first[1]) if first else ""
    if not name or "[" in name:
        raise InputError(f"SLURM_STEP_NODELIST={nodes!r} is not a list of nodes: {BY_HAND}")
    return name


def _value(environ: Mapping[str, str], name: str) -> str:
    if not environ.get(name):
        raise InputError(f"{name} is not set, though this is a SLURM step of several tasks: {BY_HAND}")
    return environ[name]


def _number(environ: Mapping[str, str], name: str, default: int | None = None) -> int:
    if default is not None and not environ.get(name):
        return default
    text = _value(environ, name)
    if not re.fullmatch(r"\d+", text):
        raise InputError(f"{name}={text!r} is not a number: {BY_HAND}")
    return int(text)


def _tasks_here(environ: Mapping[str, str], num_tasks: int) -> int:
    """Tasks of the step on this node, from "2(x3),1": two on each of three nodes, one on the fourth."""
    if environ.get("SLURM_STEP_NUM_NODES") == "1":
        return num_tasks
    counts: list[int] = []
    text, node = _value(environ, "SLURM_STEP_TASKS_PER_NODE"), _number(environ, "SLURM_NODEID")
    for part in text.split(","):
        found = re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", part)
        if found is None:
            raise InputError(f"SLURM_STEP_TASKS_PER_NODE={text!r} is not a list of counts: {BY_HAND}")
        counts += [int(found[1])] * int(found[2] or 1)
    if node >= len(counts):
        raise InputError(f"SLURM_NODEID={node} is beyond SLURM_STEP_TASKS_PER_NODE={text!r}: {BY_HAND}")
    return counts[node]


def _visible_gpus(text: str) -> int:
    """How many GPUs CUDA shows for a value of CUDA_VISIBLE_DEVICES: it stops at the first entry that is none."""
    entries = [entry.strip() for entry in text.split(",")]
    valid = [bool(re.fullmatch(r"\d+|(?:GPU|MIG)-.+", entry)) for entry in entries]
    return valid.index(False) if False in valid else len(valid)


def _own_gpus(environ: Mapping[str, str], num_tasks: int) -> tuple[int, ...] | None:
    """Places of the GPUs of this task among those it sees; None for all of them, and where there are none.

    CUDA counts visible GPUs from 0 whatever their numbers on the node, so places, not numbers, are what JAX takes.
    """
    if environ.get("JAX_PLATFORMS") == "cpu" or "JAX_LOCAL_DEVICE_IDS" in environ:
        return None  # no GPU wanted, or the user has chosen: JAX reads that variable itself
    tasks = _tasks_here(environ, num_tasks)
    if tasks == 1:
        return None  # one task a node drives all of its GPUs
    local = _number(environ, "SLURM_LOCALID")
    if "CUDA_VISIBLE_DEVICES" not in environ:
        return (local,)  # SLURM does not manage GPUs here: task i takes GPU i; without GPUs it has no effect
    visible = _visible_gpus(environ["CUDA_VISIBLE_DEVICES"])
    asked = environ.get("SLURM_GPUS_PER_TASK", "").split(":")[-1]  # "2" or "a100:2"
    on_node = _number(environ, "SLURM_GPUS_ON_NODE", 0)
    bound = asked == str(visible) or (visible < on_node if on_node else visible == 1)
    if visible == 0 or bound:
        return None  # SLURM shows each task its own GPUs alone
    if visible % tasks:
        raise InputError(
            f"{tasks} tasks on this node share {visible} GPUs (CUDA_VISIBLE_DEVICES), which do not divide: "
            f"ask for --ntasks-per-node={visible}, or for --ntasks-per-node=1, which drives all of them"
        )
    share = visible // tasks
    return tuple(range(local * share, (local + 1) * share))
