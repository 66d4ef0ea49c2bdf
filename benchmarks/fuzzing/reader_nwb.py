"""NWB: two-photon series with rates, time stamps and grid spacing, of one and of several planes."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

import lassovae
from fuzzing.judge import Budget
from fuzzing.reader_hdf5 import SMALL, change_structure
from fuzzing.target import Files, Target, files_below, look_at
from lassovae.data import open_recording

FILE = "movie.nwb"
PLANE = "general/optophysiology/plane"


def make_seeds(folder: Path) -> dict[str, Files]:
    """What the reader asks of such files, as pynwb writes it but without the schema that it adds."""
    volumes = np.stack([SMALL, SMALL + 1], axis=-1)
    ways = {"rate": SMALL, "stamps": SMALL, "planes": volumes}
    for bounds in ("earliest", "latest"):
        for name, movie in ways.items():
            place = folder / f"{bounds}_{name}"
            place.mkdir()
            with h5py.File(place / FILE, "w", libver=bounds) as file:
                file.attrs["nwb_version"] = "2.8.0"
                plane = file.create_group(PLANE)
                plane["imaging_rate"], plane["grid_spacing"] = 7.5, [1.5, 2.0]
                plane["grid_spacing"].attrs["unit"] = "micrometers"
                plane.attrs["neurodata_type"] = "ImagingPlane"
                series = file.create_group("acquisition/movie")
                for key, word in (
                    ("neurodata_type", "TwoPhotonSeries"),
                    ("namespace", "core"),
                    ("comments", "none"),
                ):
                    series.attrs[key] = word
                options = {} if name == "rate" else {"chunks": (2, *movie.shape[1:]), "compression": "gzip"}
                series.create_dataset("data", data=movie, **options)
                series["imaging_plane"] = h5py.SoftLink(f"/{PLANE}")
                if name == "stamps":
                    series["timestamps"] = np.arange(6) / 7.5
                else:
                    series["starting_time"] = 0.0
                    series["starting_time"].attrs["rate"] = 7.5
    return {place.name: files_below(place) for place in sorted(folder.iterdir())}


def read(folder: Path, budget: Budget) -> None:
    """The series; of several planes the first."""
    path = next(folder.iterdir(), folder / FILE)
    try:
        recording = open_recording(path)
    except lassovae.InputError as error:
        if "plane=0" not in str(error):
            raise
        recording = open_recording(path, plane=0)
    look_at(recording, budget)


TARGET = Target("nwb", make_seeds, read, (change_structure,))
