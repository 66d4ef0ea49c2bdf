"""`lassovae doctor`: what is installed, what this machine has, and whether the solver's answer holds here."""

from __future__ import annotations

import os
import platform
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import arg

from lassovae._cli._machine import (
    GIGABYTE,
    PLUGINS,
    free_disk,
    gpu_advice,
    installed,
    nvidia_gpus,
    usable_cores,
)
from lassovae._cli._output import Output, print_json, print_lines

LIBRARIES = (
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "orbax-checkpoint",
    "numpy",
    "scipy",
    "scikit-image",
    "tifffile",
    "h5py",
)
# package -> what it opens or does, and the extra that brings it
OPTIONAL = {
    "zarr": ("Zarr recordings", "zarr"),
    "pynwb": ("NWB files of results, to write", "nwb"),
    "av": ("AVI and MP4 movies", "video"),
    "roiextractors": ("formats of microscope vendors", "vendor"),
    "imagecodecs": ("TIFF files compressed with LZW, ZSTD, JPEG", "codecs"),
}
PAGES = "glibc.malloc.hugetlb=1"
CERTIFIED = 1e-5  # relative duality gap that a lasso in float32 should reach
FAILED = 1


@dataclass(frozen=True, kw_only=True)
class Doctor(Output):
    """Say what is installed, what this machine has, whether a GPU goes unused, and whether the solver works here.

    Solves a few lassos and checks their certificate. Changes nothing.
    """

    device: Literal["auto", "cpu", "gpu"] = "auto"
    """Where to compute; gpu fails where there is none."""
    folder: Annotated[Path, arg(metavar="DIR")] = Path()
    """Where runs are to be written: its free space is said."""

    def run(self) -> int:
        """Look and say.

        Returns:
            0, or 1 if the solver's answer does not hold.

        Raises:
            InputError: no GPU where one was asked for.
        """
        if self.device == "cpu":
            os.environ["JAX_PLATFORMS"] = "cpu"  # JAX reads it when it is imported, which is below
        from lassovae._memory import free_memory
        from lassovae._processes import describe_devices, require_device

        require_device(self.device)
        import jax

        from lassovae import __version__

        gpus, plugin = nvidia_gpus(thorough=True), any(installed(name) for name in PLUGINS)
        unused = bool(gpus) and jax.default_backend() == "cpu"
        advice = gpu_advice(gpus, plugin, os.environ) if unused else ""
        if unused and not advice:
            advice = f"this machine has {len(gpus)} NVIDIA GPUs, but JAX does not use them: see that nvidia-smi works"
        test = self_test()
        found: dict[str, Any] = {
            "lassovae": __version__,
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
            "libraries": {name: installed(name) for name in LIBRARIES},
            "devices": describe_devices(),
            "gpus": gpus,
            "gpu_unused": unused,
            "advice": advice or None,
            "cores": usable_cores(),
            "threads": {
                name: os.environ[name] for name in ("OMP_NUM_THREADS", "XLA_FLAGS") if name in os.environ
            },
            "memory_free_gb": free_memory() / GIGABYTE,
            "disk_free_gb": free_disk(self.folder) / GIGABYTE,
            "large_pages": PAGES in os.environ.get("GLIBC_TUNABLES", ""),
            "optional": {name: installed(name) for name in OPTIONAL},
            "self_test": test,
        }
        if self.json:
            print_json(found)
        else:
            print_lines(*_said(found, self.folder))
        return 0 if test["passed"] else FAILED


def self_test() -> dict[str, Any]:
    """Solve lassos twice: some whose answer NumPy certifies by the duality gap, some whose answer is known."""
    import numpy as np

    from lassovae.lasso import solve_lasso

    rng = np.random.default_rng(0)
    rows, predictors, num_targets = 60, 12, 4
    design = rng.standard_normal((rows, predictors)).astype(np.float32)
    targets = rng.standard_normal((rows, num_targets)).astype(np.float32) + design[:, :num_targets]
    lam = 0.1 * np.abs(design.T @ targets).max(axis=0) / rows
    began = time.perf_counter()
    solution = solve_lasso(design, targets, lam)
    status = int(np.max(np.asarray(solution.status)))
    seconds = time.perf_counter() - began
    gap = _gap(design, targets, np.asarray(solution.coef), lam)
    columns = (np.linalg.qr(design)[0] * np.sqrt(rows)).astype(np.float32)  # orthogonal: soft thresholding
    there = rng.standard_normal((predictors, num_targets)).astype(np.float32)
    soft = np.sign(there) * np.maximum(np.abs(there) - lam, 0)
    error = float(np.abs(np.asarray(solve_lasso(columns, columns @ there, lam).coef) - soft).max())
    passed = status == 0 and gap < CERTIFIED and error < CERTIFIED
    return {"passed": passed, "duality_gap": gap, "error": error, "status": status, "seconds": seconds}


def _gap(design: Any, targets: Any, coef: Any, lam: Any) -> float:
    """Largest relative duality gap over targets, in double precision and without JAX."""
    import numpy as np

    x, y, b = (np.asarray(values, np.float64) for values in (design, targets, coef))
    rows, residual = len(x), y - x @ b
    primal = np.square(residual).sum(axis=0) / (2 * rows) + lam * np.abs(b).sum(axis=0)
    dual = residual / rows
    dual *= np.minimum(1, lam / np.maximum(np.abs(x.T @ dual).max(axis=0), 1e-300))  # made feasible
    value = (dual * y).sum(axis=0) - rows / 2 * np.square(dual).sum(axis=0)
    return float(((primal - value) / primal).max())


def _said(found: dict[str, Any], folder: Path) -> list[str]:
    versions = ", ".join(f"{name} {number or 'missing'}" for name, number in found["libraries"].items())
    test = found["self_test"]
    outcome = "passed" if test["passed"] else "FAILED: please report it with all of this text"
    lines = {
        "lassovae": f"{found['lassovae']} on Python {found['python']}, {found['system']}",
        "libraries": versions,
        "device": found["devices"]
        + (f"; {', '.join(found['gpus'])}" if found["gpus"] else "; no NVIDIA GPU seen"),
        "cores": f"{found['cores']} usable" + "".join(f"; {k}={v}" for k, v in found["threads"].items()),
        "memory": f"{found['memory_free_gb']:.1f} GB free",
        "disk": f"{found['disk_free_gb']:.0f} GB free at {folder.resolve()}",
        "self-test": f"{outcome}; duality gap {test['duality_gap']:.0e}, {test['seconds']:.1f} s with compiling",
    }
    width = max(map(len, lines)) + 2
    said = [f"{name + ':':<{width}}{text}" for name, text in lines.items()]
    said.append("\nOptional packages:")
    for name, number in found["optional"].items():
        opens, extra = OPTIONAL[name]
        state = number or f"not installed: pip install 'lassovae[{extra}]'"
        said.append(f"  {name:<14}{opens:<45}{state}")
    if found["advice"]:
        said.append(f"\nWARNING  {found['advice']}.")
    if (
        not found["large_pages"]
        and sys.platform == "linux"
        and found["devices"].endswith(("device", "devices"))
    ):
        said.append(
            f"\nHint: GLIBC_TUNABLES={PAGES} in the environment makes steps on a CPU up to a sixth faster."
        )
    return said
