"""Results in NWB: latents as time series, coefficients as tables, maps as images."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

from lassovae import __version__
from lassovae._errors import InputError
from lassovae._export import labelled_maps, written_whole
from lassovae._names import file_stem

if TYPE_CHECKING:
    from lassovae._analysis import Analysis
    from lassovae._model import Model
    from lassovae.data import Study

UNKNOWN_RATE = 1.0  # Hz: NWB wants one, so that one second stands for one frame, which is said


def _check(target: Path, analysis: Analysis, study: Study) -> None:
    if target.suffix.lower() != ".nwb":
        raise InputError(f"{target}: end the name in .nwb")
    if study.names != analysis.names:
        raise InputError(
            f"{target}: the analysis is of runs {', '.join(analysis.names[:4])}..., the study has others; pass the "
            "study that was analysed"
        )


def _add_latents(module: Any, kinds: Any, model: Model, analysis: Analysis, study: Study) -> None:
    for number, (run, latents) in enumerate(zip(study, analysis.latents, strict=True)):
        rate = run.recording.frame_rate_hz
        hertz = UNKNOWN_RATE if rate is None else rate / model.config.preprocess.bin_frames
        height, width = latents.shape[1:]
        module.add(
            kinds.TimeSeries(
                name=f"latents_{number:03d}_{file_stem(run.name)}",
                data=kinds.H5DataIO(
                    np.asarray(latents).reshape(len(latents), height * width), compression="gzip"
                ),
                unit="a.u.",
                rate=float(hertz),
                starting_time=0.0,
                description=f"Latents of run {run.name}, condition {run.condition}, block {run.block}: (time, nodes), "
                f"nodes along the rows of a grid of {height} x {width}.",
                comments="The recording does not say its frame rate: one second stands for one frame."
                if rate is None
                else "Time counts from the first frame of the recording.",
            )
        )


def _table(kinds: Any, name: str, description: str, columns: dict[str, tuple[str, Any]]) -> Any:
    """A table of columns given as name -> (description, values)."""
    made = []
    for column, (meaning, values) in columns.items():
        data = kinds.H5DataIO(values, compression="gzip") if isinstance(values, np.ndarray) else list(values)
        made.append(kinds.VectorData(name=column, description=meaning, data=data))
    return kinds.DynamicTable(name=name, description=description, columns=made, colnames=list(columns))


def _add_tables(module: Any, kinds: Any, model: Model, analysis: Analysis) -> None:
    axes = "(lags, targets, sources), the first lag first; free of units"
    runs = {
        "run": ("name of the run", analysis.names),
        "condition": ("its condition", analysis.labels),
        "block": ("runs recorded together share it", analysis.blocks),
        "coefficients": (f"vector autoregression of the run, {axes}", np.asarray(analysis.fit.coef)),
        "mean": ("(nodes,) mean of its latents", np.asarray(analysis.fit.mean)),
        "scale": ("standard deviation of its centred latents", np.asarray(analysis.fit.scale)),
        "outflow": ("(nodes,) influence of every node on the others", np.asarray(analysis.influences)),
        "r_var_held_out": (
            "relative forecast error on the last part of the run, fitted to the first: 0 perfect, 1 no better than "
            "the mean",
            np.asarray(analysis.errors.held_out),
        ),
    }
    module.add(_table(kinds, "runs", f"One row a run; order {model.config.order}.", runs))
    pooled = {
        "condition": ("of all its runs", list(analysis.pooled)),
        "coefficients": (
            f"vector autoregression of all runs of the condition together, {axes}",
            np.stack([np.asarray(fit.coef) for fit in analysis.pooled.values()]),
        ),
    }
    description = f"One row a condition; l1 strength {analysis.condition_lam:.6g}."
    module.add(_table(kinds, "conditions", description, pooled))


def _images(kinds: Any, analysis: Analysis, resolution: float | None) -> Any:
    """The maps, each (width, height) as NWB stores images."""
    found = kinds.Images(
        name="maps", description="Contribution maps, axes (x, y): transpose them to draw rows downwards."
    )
    for number, (label, image) in enumerate(labelled_maps(analysis).items()):
        found.add_image(
            kinds.GrayscaleImage(
                name=f"{number:03d}_{file_stem(label)}",
                data=kinds.H5DataIO(
                    np.ascontiguousarray(np.asarray(image, np.float32).T), compression="gzip"
                ),
                description=f"Contribution map, {label}; mean frame included, gain {analysis.gain:.6g}.",
                **({} if resolution is None else {"resolution": resolution}),
            )
        )
    return found


def _pixels_per_cm(model: Model, study: Study) -> float | None:
    """Of the maps, where the recordings say the size of their pixels, all the same and square."""
    sizes = {run.recording.pixel_size_um for run in study}
    size = sizes.pop() if len(sizes) == 1 else None
    if size is None or size[0] != size[1]:
        return None
    return 1e4 / (size[0] * model.config.preprocess.downscale)


def export_nwb(
    path: str | os.PathLike[str],
    model: Model,
    analysis: Analysis,
    study: Study,
    *,
    session_start_time: datetime | None = None,
) -> Path:
    """Write latents, coefficients and maps as an NWB file (pynwb: `pip install "lassovae[nwb]"`).

    The processing module `lassovae` holds a time series of latents a run, the tables `runs` and `conditions` with the
    coefficients, and `maps`. Movies are not copied.

    Args:
        path: a `.nwb` file to be made.
        model: from `fit` or `load`.
        analysis: from `analyse`.
        study: that was analysed: its frame rates and pixel sizes go into the file.
        session_start_time: of the experiment, with its time zone; recordings do not hold it. Left out, it is the
            time of the export, and the file says so.

    Returns:
        The path. The file appears when it is whole.

    Raises:
        InputError: the file exists or is not called .nwb, the study is another, or pynwb is not installed.
    """
    target = Path(path)
    _check(target, analysis, study)
    try:
        import pynwb
        from hdmf.backends.hdf5.h5_utils import H5DataIO
        from hdmf.common import DynamicTable, VectorData
        from pynwb.base import Images, TimeSeries
        from pynwb.image import GrayscaleImage
    except ImportError:
        raise InputError(
            f'{target}: writing NWB needs an optional package: pip install "lassovae[nwb]"'
        ) from None
    from types import SimpleNamespace

    kinds = SimpleNamespace(
        H5DataIO=H5DataIO,
        DynamicTable=DynamicTable,
        VectorData=VectorData,
        Images=Images,
        TimeSeries=TimeSeries,
        GrayscaleImage=GrayscaleImage,
    )
    when = (
        ""
        if session_start_time
        else " Its start time is that of the export: the recordings do not hold another."
    )
    file = pynwb.NWBFile(
        session_description=f"Sparse dynamics of {len(study)} calcium-imaging recordings of {study.name}.{when}",
        identifier=str(uuid4()),
        session_start_time=session_start_time or datetime.now(UTC),
        source_script=f"lassovae {__version__}, export_nwb",
        source_script_file_name="lassovae",
    )
    module = file.create_processing_module(
        name="lassovae",
        description=f"Latents, vector autoregressions and contribution maps by lassovae {__version__}; mode "
        f"{model.config.mode}, encoder {model.config.encoder}, order {model.config.order}, lam {model.config.lam:.6g}.",
    )
    _add_latents(module, kinds, model, analysis, study)
    _add_tables(module, kinds, model, analysis)
    module.add(_images(kinds, analysis, _pixels_per_cm(model, study)))
    with written_whole(target) as place, pynwb.NWBHDF5IO(place, "w") as io:
        io.write(file)
    return target
