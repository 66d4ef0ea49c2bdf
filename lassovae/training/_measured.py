"""What the preprocessing of a training measured beside its scale: kept in the run folder, for recordings to come."""

from __future__ import annotations

from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from lassovae._errors import InputError
from lassovae._files import replacing
from lassovae.data import Prepared

FILE = "preprocessing.npz"


def write_measured(folder: Path, prepared: Prepared) -> None:
    """Write the reference of the registration and the mask of bad pixels, whichever there are; nothing for neither."""
    measured = {"reference": prepared.reference, "bad_pixels": prepared.bad_pixels}
    arrays = {name: array for name, array in measured.items() if array is not None}
    if not arrays:
        return
    with replacing(folder / FILE) as place:
        np.savez_compressed(place, **arrays)  # type: ignore[arg-type]  # the stub takes a name for allow_pickle


def read_measured(folder: Path) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Reference and bad pixels, None where there is none.

    Raises:
        InputError: the file is damaged.
    """
    path = folder / FILE
    if not path.exists():  # of a training that asked for neither
        return None, None
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
            return found.get("reference"), found.get("bad_pixels")
    except (OSError, ValueError, BadZipFile) as error:
        raise InputError(f"{path} is damaged ({error}): restore it or train again") from error
