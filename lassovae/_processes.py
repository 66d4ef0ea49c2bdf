"""The machines a computation runs on: one process or several, and the devices that JAX found."""

from __future__ import annotations

import os
import re
import socket
import time
from collections import Counter
from collections.abc import Sequence
from typing import Literal, get_args

import jax

from lassovae._errors import InputError
from lassovae._slurm import slurm_task

DeviceKind = Literal["auto", "cpu", "gpu"]
JOIN_SECONDS = 300.0  # as long as JAX itself waits for the other processes


def start_processes(
    coordinator: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
    local_device_ids: int | Sequence[int] | None = None,
) -> None:
    """Join the other processes of this computation; each runs the same program and calls this first.

    With coordinator, num_processes and process_id: as they say. Without: as SLURM says, in a step that `srun` started
    with more than one task; elsewhere nothing happens, so that a program may always call this. num_processes=1
    alone means: alone, whatever SLURM says. A second call without arguments does nothing.

    Args:
        coordinator: "host:port" at which process 0 listens and every other one reaches it.
        num_processes: how many there are.
        process_id: which one this is, 0 to num_processes - 1.
        local_device_ids: places of the GPUs that this process drives among those it sees; None: under SLURM those
            of its task, all otherwise. Without effect on a CPU.

    Raises:
        InputError: an argument is missing or out of range, what SLURM says does not fit, JAX has computed
            already, the port of process 0 is taken, or process 0 cannot be reached (within five minutes). Process 0
            waits as long for the others; when one never comes, JAX ends it with a message of its own.

    References:
        The documentation of jax.distributed.initialize, which does the work.
    """
    _check(coordinator, num_processes, process_id, local_device_ids)
    if coordinator is None:
        if num_processes == 1 or (jax.distributed.is_initialized() and num_processes is None):
            return
        task = slurm_task(os.environ)
        if task is None:
            if local_device_ids is None:
                return
            raise InputError(
                "local_device_ids belongs to one process of several: pass coordinator, num_processes and process_id "
                "with it; a single process is restricted by CUDA_VISIBLE_DEVICES"
            )
        coordinator, num_processes, process_id = task.coordinator, task.num_processes, task.process_id
        local_device_ids = task.local_device_ids if local_device_ids is None else local_device_ids
    elif jax.distributed.is_initialized():
        if (jax.process_count(), jax.process_index()) != (num_processes, process_id):
            raise InputError(
                f"start_processes: this is already process {jax.process_index()} of {jax.process_count()}, not "
                f"{process_id} of {num_processes}: call it once"
            )
        return
    _see_coordinator(coordinator, process_id)
    try:
        jax.distributed.initialize(
            coordinator_address=coordinator,
            num_processes=num_processes,
            process_id=process_id,
            local_device_ids=local_device_ids,
            cluster_detection_method="deactivate",  # or it would choose the GPU itself under SLURM
        )
    except jax.errors.JaxRuntimeError:
        raise  # of the network, in its own words
    except RuntimeError as error:  # the only other one: JAX keeps no public record of having started
        raise InputError(
            "start_processes must come first: JAX has computed or listed its devices already, and cannot join other "
            "processes any more; call it right after the imports"
        ) from error


def _see_coordinator(coordinator: str, process_id: int | None) -> None:
    """Fail in words where jaxlib 0.10.2 ends the process: on a port in use, and on a coordinator out of reach."""
    host, _, port = coordinator.rpartition(":")
    host = host.strip("[]")
    if process_id == 0:
        try:
            _bind(int(port))
        except OSError as error:
            raise InputError(
                f"coordinator={coordinator!r}: process 0 cannot listen on port {port} ({error.strerror}): choose "
                "another one, the same in all processes"
            ) from error
        return
    last, end = "", time.monotonic() + JOIN_SECONDS
    while time.monotonic() < end:
        try:
            socket.create_connection((host, int(port)), timeout=5).close()
            return
        except socket.gaierror as error:
            raise InputError(
                f"coordinator={coordinator!r}: no machine of that name ({error.strerror}); pass the address of "
                "process 0 as this machine knows it"
            ) from error
        except OSError as error:
            last = error.strerror or str(error)
            time.sleep(0.2)  # process 0 may still be importing
    raise InputError(
        f"coordinator={coordinator!r}: no answer in {JOIN_SECONDS:g} s ({last}): see that process 0 runs, with this "
        "address, and that no firewall closes its port"
    )


def _bind(port: int) -> None:
    """Take the port as JAX will, on all interfaces, and give it back."""
    for family, everywhere in ((socket.AF_INET6, "::"), (socket.AF_INET, "")):
        try:
            probe = socket.socket(family)
        except OSError:
            continue  # a kernel without IPv6, where JAX listens on IPv4
        with probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((everywhere, port))
            return


def _check(
    coordinator: str | None,
    num_processes: int | None,
    process_id: int | None,
    local_device_ids: int | Sequence[int] | None,
) -> None:
    """Refuse what is wrong by itself, before anything is started."""
    for name, value, least in (("num_processes", num_processes, 1), ("process_id", process_id, 0)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
            raise InputError(f"{name}={value!r} must be an integer of at least {least}")
    if num_processes is not None and process_id is not None and process_id >= num_processes:
        raise InputError(
            f"process_id={process_id} must be below num_processes={num_processes}: ids count from 0"
        )
    match = None if coordinator is None else re.fullmatch(r"\S+:(\d{1,5})", coordinator)
    if coordinator is not None and not (match and 1 <= int(match[1]) <= 65535):
        raise InputError(
            f'coordinator={coordinator!r} must be "host:port", the address of process 0, as in "node01:61440"'
        )
    given = {"coordinator": coordinator, "num_processes": num_processes, "process_id": process_id}
    missing = [name for name, value in given.items() if value is None]
    alone = num_processes == 1 and coordinator is None
    if missing and len(missing) < len(given) and not alone:
        present = " and ".join(name for name in given if name not in missing)
        raise InputError(
            f"{present} given without {' and '.join(missing)}: pass all three of {', '.join(given)}, or none of them "
            "to let SLURM say or to compute alone"
        )
    ids = [local_device_ids] if isinstance(local_device_ids, int) else list(local_device_ids or ())
    if any(isinstance(i, bool) or not isinstance(i, int) or i < 0 for i in ids) or len(set(ids)) < len(ids):
        raise InputError(f"local_device_ids={local_device_ids!r} must be different integers of at least 0")


def describe_devices(devices: Sequence[jax.Device] | None = None) -> str:
    """Devices in words: "1 cpu device", "2 processes, 8 cpu devices (4 here)", "1 NVIDIA H200".

    Args:
        devices: None for all that JAX has, of all processes.
    """
    everything = jax.devices()
    devices = everything if devices is None else devices
    kinds = Counter(device.device_kind for device in devices)
    words = " and ".join(
        f"{count} cpu device{'s' * (count > 1)}" if kind == "cpu" else f"{count} {kind}"
        for kind, count in kinds.items()
    )
    if jax.process_count() == 1:
        return words if len(devices) == len(everything) else f"{words} of {len(everything)}"
    return f"{jax.process_count()} processes, {words} ({jax.local_device_count()} here)"


def require_device(kind: DeviceKind) -> None:
    """See that JAX computes where the user wants it to; a GPU that is silently unused costs days.

    Args:
        kind: "cpu", "gpu", or "auto" for whatever JAX finds.

    Raises:
        InputError: JAX found something else; says how to change that.
    """
    if kind not in get_args(DeviceKind):
        raise InputError(f"device={kind!r} is not known; choose one of {', '.join(get_args(DeviceKind))}")
    platforms = os.environ.get("JAX_PLATFORMS")
    setting = f"JAX_PLATFORMS={platforms}" if platforms else "JAX_PLATFORMS not set"
    try:
        found, words = jax.default_backend(), describe_devices()
    except (RuntimeError, AssertionError) as error:  # JAX_PLATFORMS names what is not there; JAX may assert
        reason = str(error).splitlines()[:1] or ["no such platform"]
        found, words = "nothing", f"nothing ({reason[0]})"
    if found == kind or (kind == "auto" and found != "nothing"):
        return
    if kind != "gpu":
        raise InputError(
            f"device={kind!r}, but JAX found {words}, with {setting}: set JAX_PLATFORMS=cpu before it starts"
        )
    raise InputError(
        f"device='gpu', but JAX found {words}, with {setting}: see that nvidia-smi lists a GPU, install "
        "with pip install 'lassovae[gpu]', and leave JAX_PLATFORMS unset or set it to cuda"
    )
