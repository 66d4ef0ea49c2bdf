"""Recordings, studies, preprocessing, windows and simulated movies (NumPy only)."""

from lassovae.data._geometry import frame_shape_after
from lassovae.data._hash import content_hash
from lassovae.data._movie import Frames
from lassovae.data._open import open_recording
from lassovae.data._preprocess import Prepared, prepare
from lassovae.data._recording import ArrayRecording, Recording
from lassovae.data._simulate import simulate_study
from lassovae.data._study import Run, Study
from lassovae.data._study_files import read_design, read_study, write_study
from lassovae.data._tiff import TiffFolderRecording, TiffRecording
from lassovae.data._truth import Truth
from lassovae.data._vendor import ExtractorRecording
from lassovae.data._windows import epoch_order, num_windows, windows

__all__ = [
    "ArrayRecording",
    "ExtractorRecording",
    "Frames",
    "Prepared",
    "Recording",
    "Run",
    "Study",
    "TiffFolderRecording",
    "TiffRecording",
    "Truth",
    "content_hash",
    "epoch_order",
    "frame_shape_after",
    "num_windows",
    "open_recording",
    "prepare",
    "read_design",
    "read_study",
    "simulate_study",
    "windows",
    "write_study",
]
