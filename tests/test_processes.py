"""Joining processes by hand or under SLURM, and saying what JAX computes on. The network is the machine's own."""

import logging
import socket
from types import SimpleNamespace

import jax
import pytest

import lassovae
from lassovae import InputError, _processes, describe_devices, require_device, start_processes
from lassovae._slurm import FIRST_PORT, first_host, slurm_task

# A step of four tasks on two nodes, the variables as srun sets them; this is the second task of the second node.
STEP = {
    "SLURM_JOB_ID": "4711",
    "SLURM_STEP_ID": "0",
    "SLURM_NTASKS": "4",
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_STEP_NUM_NODES": "2",
    "SLURM_STEP_NODELIST": "gpu[07-08]",
    "SLURM_STEP_TASKS_PER_NODE": "2(x2)",
    "SLURM_NODEID": "1",
    "SLURM_PROCID": "3",
    "SLURM_LOCALID": "1",
}
ONE_A_NODE = {"SLURM_STEP_NUM_NODES": "4", "SLURM_STEP_TASKS_PER_NODE": "1(x4)", "SLURM_LOCALID": "0"}


@pytest.fixture
def joined(monkeypatch):
    """What start_processes hands to JAX, which is not called; no SLURM around."""
    calls = []
    for name in STEP:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(jax.distributed, "initialize", lambda **arguments: calls.append(arguments))
    monkeypatch.setattr(jax.distributed, "is_initialized", lambda: bool(calls))
    monkeypatch.setattr(_processes, "_see_coordinator", lambda *arguments: None)
    return calls


def set_step(monkeypatch, **changes):
    for name, value in (STEP | changes).items():
        monkeypatch.setenv(name, value)


def test_alone_nothing_is_started(joined):
    start_processes()
    start_processes(num_processes=1)
    start_processes(num_processes=1, process_id=0)
    assert joined == []


def test_explicit_arguments_go_to_jax(joined, monkeypatch):
    set_step(monkeypatch)  # they win over SLURM
    start_processes("node01:61440", 2, 1, local_device_ids=[2, 3])
    (call,) = joined
    assert (call["coordinator_address"], call["num_processes"], call["process_id"]) == ("node01:61440", 2, 1)
    assert call["local_device_ids"] == [2, 3]
    assert call["cluster_detection_method"] == "deactivate"


def test_slurm_is_detected_once(joined, monkeypatch):
    set_step(monkeypatch, JAX_PLATFORMS="cpu")
    start_processes()
    start_processes()
    (call,) = joined
    assert (call["num_processes"], call["process_id"], call["local_device_ids"]) == (4, 3, None)
    assert call["coordinator_address"].startswith("gpu07:")
    assert call["cluster_detection_method"] == "deactivate"


def test_slurm_is_left_alone_when_told_so(joined, monkeypatch):
    set_step(monkeypatch)
    start_processes(num_processes=1)
    assert joined == []


def test_a_second_call_must_agree(joined, monkeypatch):
    start_processes("node01:61440", 2, 1)
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    start_processes("node01:61440", 2, 1)
    with pytest.raises(InputError, match=r"already process 1 of 2, not 0 of 2: call it once"):
        start_processes("node01:61440", 2, 0)
    assert len(joined) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"coordinator": "a:1"}, r"coordinator given without num_processes and process_id: pass all three"),
        ({"coordinator": "a:1", "num_processes": 2}, r"given without process_id"),
        ({"coordinator": "a:1", "process_id": 0}, r"given without num_processes"),
        ({"num_processes": 2, "process_id": 0}, r"given without coordinator"),
        ({"num_processes": 2}, r"num_processes given without coordinator and process_id"),
        ({"process_id": 0}, r"process_id given without coordinator and num_processes"),
        ({"coordinator": "a", "num_processes": 2, "process_id": 0}, r"coordinator='a' must be \"host:port\""),
        (
            {"coordinator": "a:99999", "num_processes": 2, "process_id": 0},
            r"coordinator='a:99999' must be \"host",
        ),
        ({"coordinator": "a:1", "num_processes": 2, "process_id": 2}, r"process_id=2 must be below num_proc"),
        ({"coordinator": "a:1", "num_processes": 0, "process_id": 0}, r"num_processes=0 must be an integer"),
        ({"coordinator": "a:1", "num_processes": 2, "process_id": -1}, r"process_id=-1 must be an integer"),
        (
            {"coordinator": "a:1", "num_processes": 2, "process_id": True},
            r"process_id=True must be an integer",
        ),
        (
            {"local_device_ids": 0},
            r"local_device_ids belongs to one process of several.*CUDA_VISIBLE_DEVICES",
        ),
        ({"local_device_ids": [0, 0]}, r"local_device_ids=\[0, 0\] must be different integers"),
    ],
)
def test_incomplete_or_wrong_arguments(arguments, message, joined):
    with pytest.raises(InputError, match=message):
        start_processes(**arguments)
    assert joined == []


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_after_jax_has_started():
    jax.devices()
    with pytest.raises(InputError, match=r"start_processes must come first.*right after the imports"):
        start_processes(f"127.0.0.1:{free_port()}", 1, 0)
    assert not jax.distributed.is_initialized()


def test_a_port_in_use():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(InputError, match=rf"cannot listen on port {port} .*choose another one"):
            start_processes(f"127.0.0.1:{port}", 2, 0)


def test_a_coordinator_that_does_not_answer(monkeypatch):
    monkeypatch.setattr(_processes, "JOIN_SECONDS", 0.3)
    with pytest.raises(
        InputError, match=r"no answer in 0.3 s \(Connection refused\): see that process 0 runs"
    ):
        start_processes(f"127.0.0.1:{free_port()}", 2, 1)


def test_a_coordinator_that_does_not_exist():
    with pytest.raises(InputError, match=r"coordinator='nowhere.invalid:61440': no machine of that name"):
        start_processes("nowhere.invalid:61440", 2, 1)


@pytest.mark.parametrize(
    ("nodes", "host"),
    [
        ("gpu07", "gpu07"),
        ("gpu07,gpu08", "gpu07"),
        ("gpu[07-09,12],cpu1", "gpu07"),
        ("gpu[3,7-9]", "gpu3"),
        ("node-a[01-02]-ib", "node-a01-ib"),
        ("rack[1-2]node[04-05]", "rack1node04"),
        ("login.cluster.org,gpu[1-2]", "login.cluster.org"),
    ],
)
def test_first_host(nodes, host):
    assert first_host(nodes) == host


@pytest.mark.parametrize("nodes", ["", ",a", "gpu[", "gpu[]", "gpu[1"])
def test_a_node_list_that_is_none(nodes):
    with pytest.raises(InputError, match="is not a list of nodes: pass coordinator"):
        first_host(nodes)


@pytest.mark.parametrize(
    ("around", "ids"),
    [
        pytest.param({}, (1,), id="GPUs not managed: task i takes GPU i"),
        pytest.param({"JAX_PLATFORMS": "cpu"}, None, id="CPU"),
        pytest.param({"CUDA_VISIBLE_DEVICES": ""}, None, id="no GPU in the job"),
        pytest.param(
            {"CUDA_VISIBLE_DEVICES": "NoDevFiles"}, None, id="no GPU in the job, as SLURM writes it"
        ),
        pytest.param({"CUDA_VISIBLE_DEVICES": "0,1"}, (1,), id="a task a GPU, all visible"),
        pytest.param({"CUDA_VISIBLE_DEVICES": "2,3"}, (1,), id="part of a node: places, not numbers"),
        pytest.param({"CUDA_VISIBLE_DEVICES": "0,1,2,3"}, (2, 3), id="two GPUs a task, all visible"),
        pytest.param({"CUDA_VISIBLE_DEVICES": "0"}, None, id="a task a GPU, its own visible"),
        pytest.param(
            {"CUDA_VISIBLE_DEVICES": "GPU-5a", "SLURM_GPUS_ON_NODE": "2"}, None, id="its own, by UUID"
        ),
        pytest.param(
            {"CUDA_VISIBLE_DEVICES": "0,1", "SLURM_GPUS_PER_TASK": "a100:2"},
            None,
            id="--gpus-per-task=2, bound",
        ),
        pytest.param(
            {"CUDA_VISIBLE_DEVICES": "0,1", "SLURM_GPUS_ON_NODE": "4"},
            None,
            id="two of four, bound by --gpu-bind",
        ),
        pytest.param(
            {"CUDA_VISIBLE_DEVICES": "0,1", "SLURM_GPUS_PER_TASK": "1", "SLURM_GPUS_ON_NODE": "2"},
            (1,),
            id="--gpus-per-task=1 --gpu-bind=none",
        ),
        pytest.param({"CUDA_VISIBLE_DEVICES": "0,1", "JAX_LOCAL_DEVICE_IDS": "0"}, None, id="the user chose"),
        pytest.param(ONE_A_NODE, None, id="a task a node, not managed"),
        pytest.param(
            ONE_A_NODE | {"CUDA_VISIBLE_DEVICES": "0,1,2,3"}, None, id="a task a node, all its GPUs"
        ),
        pytest.param(
            {"SLURM_STEP_TASKS_PER_NODE": "3,1", "SLURM_LOCALID": "0"}, None, id="alone on the second node"
        ),
    ],
)
def test_gpus_of_a_task(around, ids):
    task = slurm_task(STEP | around)
    assert task.local_device_ids == ids


def test_gpus_of_all_tasks_of_a_node_are_shared_out_once():
    seen = {"SLURM_STEP_NUM_NODES": "1", "CUDA_VISIBLE_DEVICES": ",".join(map(str, range(8)))}
    tasks = [slurm_task(STEP | seen | {"SLURM_PROCID": f"{i}", "SLURM_LOCALID": f"{i}"}) for i in range(4)]
    assert [i for task in tasks for i in task.local_device_ids] == list(range(8))


@pytest.mark.parametrize(
    "around",
    [
        {"CUDA_VISIBLE_DEVICES": "0,1,2"},
        {"CUDA_VISIBLE_DEVICES": "0", "SLURM_GPUS_ON_NODE": "1"},
    ],
)
def test_gpus_that_do_not_divide(around):
    with pytest.raises(InputError, match=r"2 tasks on this node share \d GPUs.*or for --ntasks-per-node=1"):
        slurm_task(STEP | around)


def test_steps_and_jobs_do_not_meet_at_a_port():
    jobs = range(1000, 1020)
    ports = {
        slurm_task(STEP | {"SLURM_JOB_ID": f"{job}", "SLURM_STEP_ID": f"{step}"}).coordinator
        for job in jobs
        for step in range(3)
    }
    assert len(ports) == 60
    assert all(FIRST_PORT <= int(address.rpartition(":")[2]) <= 65535 for address in ports)


def test_all_tasks_name_one_coordinator():
    assert slurm_task(STEP)[:2] == slurm_task(STEP | ONE_A_NODE | {"SLURM_NODEID": "0"})[:2]


@pytest.mark.parametrize("environ", [{}, {"SLURM_NTASKS": "1"}, STEP | {"SLURM_STEP_NUM_TASKS": "1"}])
def test_not_a_step_of_several_tasks(environ, caplog):
    assert slurm_task(environ) is None
    assert caplog.records == []


def test_a_batch_script_without_srun_waits_for_nobody(caplog):
    batch = {k: v for k, v in STEP.items() if "_STEP_" not in k} | {"SLURM_PROCID": "0", "SLURM_LOCALID": "0"}
    with caplog.at_level(logging.WARNING, "lassovae"):
        assert slurm_task(batch) is None
    assert "4 tasks" in caplog.text
    assert "Put srun before the command" in caplog.text


@pytest.mark.parametrize("name", ["SLURM_JOB_ID", "SLURM_PROCID", "SLURM_STEP_NODELIST", "SLURM_LOCALID"])
def test_a_variable_that_is_missing(name):
    with pytest.raises(
        InputError, match=f"{name} is not set.*pass coordinator, num_processes and process_id"
    ):
        slurm_task({k: v for k, v in STEP.items() if k != name})


@pytest.mark.parametrize(
    ("name", "value"), [("SLURM_PROCID", "x"), ("SLURM_STEP_TASKS_PER_NODE", "2*2"), ("SLURM_NODEID", "7")]
)
def test_a_variable_that_makes_no_sense(name, value):
    with pytest.raises(InputError, match=rf"{name}='?{value[0]}"):
        slurm_task(STEP | {name: value})


def devices(kind, count):
    return [SimpleNamespace(device_kind=kind)] * count


@pytest.mark.parametrize(
    ("found", "processes", "here", "words"),
    [
        (devices("cpu", 1), 1, 1, "1 cpu device"),
        (devices("cpu", 8), 2, 4, "2 processes, 8 cpu devices (4 here)"),
        (devices("NVIDIA H200", 1), 1, 1, "1 NVIDIA H200"),
        (devices("A", 2) + devices("B", 4), 3, 2, "3 processes, 2 A and 4 B (2 here)"),
    ],
)
def test_devices_in_words(found, processes, here, words, monkeypatch):
    monkeypatch.setattr(jax, "devices", lambda: found)
    monkeypatch.setattr(jax, "process_count", lambda: processes)
    monkeypatch.setattr(jax, "local_device_count", lambda: here)
    assert describe_devices() == words


def test_the_device_that_is_there_is_accepted():
    found = jax.default_backend()
    require_device("auto")
    require_device(found)
    other = {"cpu": "gpu", "gpu": "cpu"}[found]
    with pytest.raises(InputError, match=f"device='{other}', but JAX found {len(jax.devices())} "):
        require_device(other)


def test_no_gpu_names_the_remedies(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    with pytest.raises(InputError) as caught:
        require_device("gpu")
    for word in ("pip install 'lassovae[gpu]'", "nvidia-smi", "JAX_PLATFORMS=cpu"):
        assert word in str(caught.value)


@pytest.mark.parametrize("kind", ["auto", "cpu", "gpu"])
def test_a_platform_that_jax_cannot_start(kind, monkeypatch):
    def fail():
        raise RuntimeError("Unable to initialize backend 'cuda'\nand more")

    monkeypatch.setattr(jax, "default_backend", fail)
    with pytest.raises(
        InputError, match=r"JAX found nothing \(Unable to initialize backend 'cuda'\), with JAX_PL"
    ):
        require_device(kind)


def test_an_unknown_kind():
    with pytest.raises(InputError, match="device='tpu' is not known; choose one of auto, cpu, gpu"):
        lassovae.require_device("tpu")
