"""What this machine has, told without importing JAX: GPUs and whether one goes unused, cores, memory, disk."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PLUGINS = ("jax-cuda13-plugin", "jax-cuda12-plugin")
SECONDS = 5  # that nvidia-smi may take
GIGABYTE = 10**9


def installed(package: str) -> str | None:
    """Version of an installed distribution, None where there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def nvidia_gpus(thorough: bool = False) -> list[str]:
    """GPUs that the driver shows, by name if nvidia-smi is asked (thorough), else by their device files."""
    tool = shutil.which("nvidia-smi")
    nodes = sorted(str(node) for node in Path("/dev").glob("nvidia[0-9]*"))
    if tool is None or not (thorough or not nodes):
        return nodes
    try:
        done = subprocess.run([tool, "-L"], capture_output=True, text=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return nodes
    named = [line.split(" (UUID")[0] for line in done.stdout.splitlines() if line.startswith("GPU ")]
    return named or nodes


def gpu_advice(gpus: list[str], plugin: bool, environ: Mapping[str, str]) -> str:
    """Why a GPU of this machine goes unused and what to do; empty where there is none or JAX can use it.

    Args:
        gpus: from `nvidia_gpus`.
        plugin: one of PLUGINS is installed.
        environ: of the process.
    """
    if not gpus:
        return ""
    has = f"this machine has {len(gpus)} NVIDIA GPU{'s' * (len(gpus) > 1)}"
    if not plugin:
        return f"{has}, but JAX is installed without support for it: pip install 'lassovae[gpu]'"
    platforms = environ.get("JAX_PLATFORMS", "")
    if platforms and not {"cuda", "gpu"} & set(platforms.split(",")):
        return f"{has}, but JAX_PLATFORMS={platforms} keeps JAX from it: unset it"
    if environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return f"{has}, but CUDA_VISIBLE_DEVICES hides it: unset it"
    return ""


def expected_device() -> tuple[str, str]:
    """Where JAX will compute, as far as can be told without it, and `gpu_advice`."""
    gpus, plugin = nvidia_gpus(), any(installed(name) for name in PLUGINS)
    advice = gpu_advice(gpus, plugin, os.environ)
    cores = f"{usable_cores()} CPU core{'s' * (usable_cores() > 1)}"
    return (f"{len(gpus)} NVIDIA GPU{'s' * (len(gpus) > 1)}" if gpus and not advice else cores), advice


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def free_disk(folder: Path) -> int:
    """Bytes free where a folder lies, or will."""
    place = folder.resolve()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free
