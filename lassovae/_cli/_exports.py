"""Results for other programs, in RUN_DIR/exports."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from lassovae._errors import InputError

if TYPE_CHECKING:
    from lassovae import Analysis, Model
    from lassovae.data import Study

NAMES = {"nwb": "results.nwb", "tiff": "maps.tif", "csv": "csv"}


def planned_exports(run_dir: Path, kinds: tuple[str, ...]) -> dict[str, Path]:
    """Where each export will be, looked at before anything is computed.

    Raises:
        InputError: one of them is there already, or its package is not installed.
    """
    paths = {kind: run_dir / "exports" / NAMES[kind] for kind in kinds}
    for path in paths.values():
        if path.exists():
            raise InputError(f"{path}: exists and is not overwritten; remove or rename it")
    if "nwb" in kinds and find_spec("pynwb") is None:
        raise InputError("--export nwb needs an optional package: pip install 'lassovae[nwb]'")
    return paths


def write_export(kind: str, path: Path, model: Model, analysis: Analysis, study: Study) -> None:
    """Write one of them.

    Raises:
        InputError: it cannot be written.
    """
    import lassovae

    if kind == "nwb":
        lassovae.export_nwb(path, model, analysis, study)
    elif kind == "csv":
        lassovae.export_csv(path, analysis)
    else:
        sizes = {run.recording.pixel_size_um for run in study}
        size = sizes.pop() if len(sizes) == 1 else None
        by = model.config.preprocess.downscale
        lassovae.export_tiff(
            path, analysis, pixel_size_um=None if size is None else (size[0] * by, size[1] * by)
        )
