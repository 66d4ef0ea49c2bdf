"""One movie written in every format by that format's own library, for the tests of the readers."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import h5py
import numpy as np
import tifffile

RATE = 7.5
PIXEL = (2.0, 1.5)  # (height, width) in micrometres


def tiff(path: Path, movie: np.ndarray, **options) -> Path:
    tifffile.imwrite(path, movie, **({"photometric": "minisblack"} | options))
    return path


def tiff_folder(path: Path, movie: np.ndarray, **options) -> Path:
    path.mkdir()
    for number, frame in enumerate(movie):
        tiff(path / f"frame_{number}.tif", frame, **options)
    return path


def imagej(path: Path, movie: np.ndarray, axes: str = "TYX", **options) -> Path:
    resolution = (1 / PIXEL[1], 1 / PIXEL[0])  # pixels a unit in x and y
    metadata = {"axes": axes, "finterval": 1 / RATE, "unit": "um"}
    return tiff(path, movie, imagej=True, resolution=resolution, metadata=metadata, **options)


def ome(path: Path, movie: np.ndarray, axes: str = "TYX", **options) -> Path:
    metadata = {
        "axes": axes,
        "TimeIncrement": 1 / RATE,
        "TimeIncrementUnit": "s",
        "PhysicalSizeY": PIXEL[0],
        "PhysicalSizeYUnit": "µm",
        "PhysicalSizeX": PIXEL[1] / 1000,
        "PhysicalSizeXUnit": "mm",
    }
    return tiff(path, movie, ome=True, metadata=metadata, **options)


def imagej_one_header(path: Path, movie: np.ndarray) -> Path:
    """As ImageJ writes files over 4 GB: one header, `images=N` in its description, all pixels behind one another."""
    lines = [
        "ImageJ=1.54f",
        f"images={len(movie)}",
        f"frames={len(movie)}",
        "unit=um",
        f"finterval={1 / RATE}",
    ]
    description = "\n".join(lines) + "\n"
    tifffile.imwrite(
        path,
        movie[0],
        byteorder=">",
        photometric="minisblack",
        description=description,
        metadata=None,
        resolution=(1 / PIXEL[1], 1 / PIXEL[0]),
    )
    with tifffile.TiffFile(path) as tif:
        end = tif.pages[0].dataoffsets[0] + tif.pages[0].databytecounts[0]
    with path.open("r+b") as file:
        file.seek(end)
        file.write(movie[1:].astype(movie.dtype.newbyteorder(">")).tobytes())
    return path


SCANIMAGE = """SI.VERSION_MAJOR = 2020
SI.VERSION_MINOR = 1
SI.hChannels.channelSave = [{channels}]
SI.hFastZ.enable = {volumes}
SI.hRoiManager.imagingFovUm = [-24 -24;24 -24;24 24;-24 24]
SI.hRoiManager.scanFrameRate = {frame_rate}
SI.hRoiManager.scanVolumeRate = {volume_rate}
SI.hScan2D.logAverageFactor = 1
SI.hStackManager.enable = {volumes}
SI.hStackManager.framesPerSlice = {frames_per_slice}
SI.hStackManager.numFramesPerVolume = {slices}
SI.hStackManager.numFramesPerVolumeWithFlyback = {with_flyback}
SI.hStackManager.numSlices = {slices}
"""


def scanimage(path: Path, movie: np.ndarray, *, flyback: int = 0, first: int = 1, **options) -> Path:
    """Images as ScanImage logs them, from (volumes, planes, channels, height, width): a header for each of them."""
    volumes, planes, channels = movie.shape[:3]
    software = SCANIMAGE.format(
        channels=";".join(str(c + 1) for c in range(channels)),
        volumes="true" if planes > 1 else "false",
        frame_rate=RATE * (planes + flyback),
        volume_rate=RATE,
        frames_per_slice=1 if planes > 1 else volumes,
        slices=planes,
        with_flyback=planes + flyback,
    )
    number = first
    with tifffile.TiffWriter(path, **({"bigtiff": True} | options)) as writer:
        for volume in movie:
            for plane in [*volume, *[np.zeros_like(volume[0])] * flyback]:
                for image in plane:
                    description = f"frameNumbers = {number}\nframeTimestamps_sec = {number / RATE}\n"
                    writer.write(
                        image,
                        photometric="minisblack",
                        contiguous=False,
                        metadata=None,
                        software=software,
                        description=description,
                    )
                number += 1
    return path


def hdf5(path: Path, name: str = "movie", *, attributes: bool = True, **datasets) -> Path:
    """Datasets as keyword arguments: an array, or (array, options)."""
    with h5py.File(path, "w") as file:
        for key, what in datasets.items():
            array, options = what if isinstance(what, tuple) else (what, {})
            dataset = file.create_dataset(key.replace("__", "/"), data=array, **options)
            if attributes:
                dataset.attrs["frame_rate_hz"] = RATE
    return path


def nwb(path: Path, timing: str = "rate", spacing: bool = True, **movies) -> Path:
    """Movies (time, height, width[, depth]) as keyword arguments, each a series of that name."""
    from pynwb import NWBHDF5IO, NWBFile
    from pynwb.ophys import OpticalChannel, TwoPhotonSeries

    file = NWBFile(
        session_description="a movie",
        identifier="one",
        session_start_time=datetime(2026, 3, 8, tzinfo=UTC),
    )
    light = OpticalChannel(name="green", description="emission", emission_lambda=510.0)
    device = file.create_device(name="microscope")
    grid = {"grid_spacing": [PIXEL[1], PIXEL[0]], "grid_spacing_unit": "micrometers"} if spacing else {}
    field = file.create_imaging_plane(
        name="plane",
        optical_channel=light,
        description="field",
        device=device,
        excitation_lambda=920.0,
        indicator="GCaMP6f",
        location="V1",
        imaging_rate=RATE,
        **grid,
    )
    for name, movie in movies.items():
        time = {"rate": RATE} if timing == "rate" else {"timestamps": 3 + np.arange(len(movie)) / RATE}
        stored = np.swapaxes(movie, 1, 2)
        series = TwoPhotonSeries(name=name, imaging_plane=field, data=stored, unit="n.a.", **time)
        file.add_acquisition(series)
    with NWBHDF5IO(path, "w") as io:
        io.write(file)
    return path


def suite2p(path: Path, movie: np.ndarray, **settings) -> Path:
    path.mkdir()
    movie.astype("<i2").tofile(path / "data.bin")
    ops = {"look_one_level_down": False, "fs": RATE, "nplanes": 1, "diameter": [12, 12], "Ly": movie.shape[1]}
    ops |= {"Lx": movie.shape[2], "nframes": len(movie), "meanImg": movie.mean(0), "nested": {"tau": 1.0}}
    np.save(path / "ops.npy", ops | settings, allow_pickle=True)
    return path


def zarr_array(path: Path, movie: np.ndarray, zarr_format: int, **options) -> Path:
    import zarr

    group = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    options = {"chunks": (7, 16, 32)} | options
    group.create_array("movie", data=movie, attributes={"fps": RATE, "pixel_size_um": 1.5}, **options)
    group.create_array("times", data=np.arange(len(movie)) / RATE)
    return path


def video(path: Path, movie: np.ndarray, codec: str = "ffv1", layout: str | None = None, **options) -> Path:
    """Frames (time, height, width) of 8 or 16 bits, or (time, height, width, 3) colours."""
    import av

    given = "rgb24" if movie.ndim == 4 else "gray" if movie.dtype == np.uint8 else "gray16le"
    with av.open(path, "w") as container:
        stream = container.add_stream(
            codec, rate=Fraction(RATE), options={k: str(v) for k, v in options.items()}
        )
        stream.height, stream.width, stream.pix_fmt = *movie.shape[1:3], layout or given
        for frame in movie:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format=given)
            container.mux(stream.encode(picture.reformat(format=stream.pix_fmt)))
        container.mux(stream.encode())
    return path
