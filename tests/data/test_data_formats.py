"""One movie in every format: the same frames, bit for bit, the same fingerprint and the same frame rate."""

from __future__ import annotations

import re

import movie_writers as write
import numpy as np
import pytest
import tifffile

from lassovae import InputError
from lassovae.data import ArrayRecording, content_hash, open_recording
from lassovae.data._movie import Treated

SHAPE = (40, 24, 32)
SLICES = [
    slice(None),
    slice(0, 1),
    slice(39, None),
    slice(7, 23),
    slice(-9, -2),
    slice(3, 30, 7),
    slice(1, 40, 2),
    slice(30, 4, -1),
    slice(None, None, -3),
    slice(12, 12),
    slice(35, 99),
]


def make_movie() -> np.ndarray:
    return np.random.default_rng(7).integers(0, 30_000, SHAPE).astype(np.uint16)


def stored(kind, movie):
    """The movie in the type of pixels of a format: suite2p's is int16, that of uncompressed video is uint8."""
    if kind == "suite2p":
        return movie.astype(np.int16)
    return (movie % 251).astype(np.uint8) if kind == "avi_raw" else movie


def npy(path, movie):
    np.save(path, movie)
    return path


def npz(path, movie, save=np.savez):
    save(path, movie=movie, times=np.arange(len(movie)) / write.RATE)
    return path


# name -> (how to write the movie below a folder, frame rate and pixel size that the file carries)
FORMATS = {
    "tiff": (lambda d, m: write.tiff(d / "m.tif", m), None, None),
    "bigtiff": (lambda d, m: write.tiff(d / "m.tif", m, bigtiff=True, byteorder=">"), None, None),
    "tiff_deflate": (lambda d, m: write.tiff(d / "m.tif", m, compression="zlib"), None, None),
    "tiff_lzw": (lambda d, m: write.tiff(d / "m.tif", m, compression="lzw", predictor=True), None, None),
    "tiff_folder": (lambda d, m: write.tiff_folder(d / "m", m), None, None),
    "imagej": (lambda d, m: write.imagej(d / "m.tif", m), write.RATE, write.PIXEL),
    "imagej_one_header": (lambda d, m: write.imagej_one_header(d / "m.tif", m), write.RATE, write.PIXEL),
    "ome": (lambda d, m: write.ome(d / "m.ome.tif", m), write.RATE, write.PIXEL),
    "ome_deflate": (lambda d, m: write.ome(d / "m.tif", m, compression="zlib"), write.RATE, write.PIXEL),
    "scanimage": (lambda d, m: write.scanimage(d / "m.tif", m[:, None, None]), write.RATE, (2.0, 1.5)),
    "hdf5": (lambda d, m: write.hdf5(d / "m.h5", movie=m), write.RATE, None),
    "hdf5_gzip": (
        lambda d, m: write.hdf5(d / "m.hdf5", movie=(m, {"chunks": (6, 10, 32), "compression": "gzip"})),
        write.RATE,
        None,
    ),
    "hdf5_big_endian": (lambda d, m: write.hdf5(d / "m", deep__movie=m.astype(">u2")), write.RATE, None),
    "nwb": (lambda d, m: write.nwb(d / "m.nwb", movie=m), write.RATE, write.PIXEL),
    "nwb_timestamps": (lambda d, m: write.nwb(d / "m.nwb", "timestamps", movie=m), write.RATE, write.PIXEL),
    "suite2p": (lambda d, m: write.suite2p(d / "m", m), write.RATE, None),
    "zarr_2": (lambda d, m: write.zarr_array(d / "m.zarr", m, 2), write.RATE, (1.5, 1.5)),
    "zarr_2_plain": (
        lambda d, m: write.zarr_array(d / "m", m, 2, compressors=None),
        write.RATE,
        (1.5, 1.5),
    ),
    "zarr_3": (lambda d, m: write.zarr_array(d / "m.zarr", m, 3), write.RATE, (1.5, 1.5)),
    "zarr_3_shards": (
        lambda d, m: write.zarr_array(d / "m.zarr", m, 3, chunks=(5, 24, 16), shards=(20, 24, 32)),
        write.RATE,
        (1.5, 1.5),
    ),
    "avi_ffv1": (lambda d, m: write.video(d / "m.avi", m), write.RATE, None),
    "mkv_ffv1": (lambda d, m: write.video(d / "m.mkv", m, g=12), write.RATE, None),
    "avi_raw": (lambda d, m: write.video(d / "m.avi", stored("avi_raw", m), "rawvideo"), write.RATE, None),
    "npy": (lambda d, m: npy(d / "m.npy", m), None, None),
    "npy_fortran": (lambda d, m: npy(d / "m.npy", np.asfortranarray(m)), None, None),
    "npz": (lambda d, m: npz(d / "m.npz", m), None, None),
    "npz_deflate": (lambda d, m: npz(d / "m.npz", m, np.savez_compressed), None, None),
}


@pytest.mark.parametrize("kind", FORMATS)
def test_the_same_movie_in_every_format(tmp_path, kind):
    movie = make_movie()
    make, rate, pixel_size = FORMATS[kind]
    recording = open_recording(make(tmp_path, movie))
    expected = stored(kind, movie)
    assert recording.shape == SHAPE
    assert recording.dtype == expected.dtype
    assert recording.dtype.isnative
    for index in SLICES:
        got = recording[index]
        np.testing.assert_array_equal(got, expected[index])
        assert got.dtype == expected.dtype
        assert got.flags.c_contiguous
        assert got.flags.writeable
    np.testing.assert_array_equal(recording[-3], expected[-3])
    assert content_hash(recording) == content_hash(ArrayRecording(expected))
    assert recording.frame_rate_hz == (None if rate is None else pytest.approx(rate, rel=1e-6))
    assert recording.pixel_size_um == (None if pixel_size is None else pytest.approx(pixel_size, rel=1e-6))


def test_kinds_are_words_for_people(tmp_path):
    words = {"tiff": "TIFF", "imagej": "TIFF", "ome": "TIFF", "scanimage": "TIFF", "bigtiff": "TIFF"}
    words |= {"tiff_folder": "folder of TIFF", "hdf5": "HDF5", "nwb": "NWB", "suite2p": "suite2p"}
    words |= {"zarr_2": "Zarr", "zarr_3": "Zarr", "avi_raw": "video", "mkv_ffv1": "video"}
    words |= dict.fromkeys(("npy", "npy_fortran", "npz", "npz_deflate"), "NumPy")
    for kind, word in words.items():
        (tmp_path / kind).mkdir()
        path = FORMATS[kind][0](tmp_path / kind, make_movie())
        recording = open_recording(path)
        assert recording.kind == word
        assert Treated(recording, (), name="run").kind == word
        if kind == "nwb":
            assert open_recording(path, dataset="acquisition/movie/data").kind == word
        if kind == "suite2p":
            assert open_recording(path / "data.bin").kind == word
            assert open_recording(path / "data.bin", shape=SHAPE[1:]).kind == "raw"
    assert ArrayRecording(make_movie()).kind == "array"


@pytest.mark.parametrize("kind", FORMATS)
def test_what_the_caller_says_wins(tmp_path, kind):
    recording = open_recording(FORMATS[kind][0](tmp_path, make_movie()), frame_rate_hz=3, pixel_size_um=0.5)
    assert recording.frame_rate_hz == 3.0
    assert recording.pixel_size_um == (0.5, 0.5)


def main_file(path):
    """The file that holds the pixels: the last one, where there are several."""
    if not path.is_dir():
        return path
    if (path / "movie").is_dir():
        files = [file for file in (path / "movie").rglob("*") if file.is_file() and file.name[-1].isdigit()]
        return max(files)
    return path / "data.bin" if (path / "data.bin").exists() else path / f"frame_{SHAPE[0] - 1}.tif"


def opened_and_read(path, read):
    """Open; Zarr does not write down how long a compressed chunk is, so there reading has to find it."""
    recording = open_recording(path)
    return recording[-20:] if read else recording


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("fraction", [0.4, 0.99])
def test_a_file_cut_short_is_refused_at_opening(tmp_path, kind, fraction):
    path = FORMATS[kind][0](tmp_path, make_movie())
    file = main_file(path)
    if kind == "avi_raw":  # its last bytes are an index that can be done without
        fraction = min(fraction, 0.9)
    file.write_bytes(file.read_bytes()[: int(fraction * file.stat().st_size)])
    with pytest.raises(InputError, match=r"cut short|cut off|damaged|cannot be decoded") as caught:
        opened_and_read(path, read=kind in ("zarr_2", "zarr_3", "zarr_3_shards"))
    assert (path.name if "zarr" in kind else file.name) in str(caught.value)
    assert "\n" not in str(caught.value)


def stored_forms(frame):
    """How a frame may lie in an uncompressed file."""
    return frame, frame.byteswap(), frame.T


@pytest.mark.parametrize(
    "kind", [kind for kind in FORMATS if kind != "npy_fortran"]
)  # there it lies all over
def test_opening_and_reading_leave_the_other_frames_alone(tmp_path, kind):
    """Frames 0 and 1 of a file of which a later frame was scribbled over after it was opened."""
    movie = make_movie()
    path = FORMATS[kind][0](tmp_path, movie)
    recording = open_recording(path)
    file = main_file(path)
    content = bytearray(file.read_bytes())
    places = (
        content.find(np.ascontiguousarray(frame).tobytes()) for frame in stored_forms(stored(kind, movie)[30])
    )
    start = max(places)  # compressed frames are not found: there most of the second half is scribbled over
    span = slice(start, start + 100) if start > 0 else slice(len(content) // 2, int(len(content) * 0.9))
    content[span] = b"\xff" * (span.stop - span.start)
    file.write_bytes(content)
    expected = stored(kind, movie)
    np.testing.assert_array_equal(recording[:2], expected[:2])
    try:
        later = recording[20:]
    except InputError:
        return
    assert (later != expected[20:]).any()


@pytest.mark.parametrize("kind", FORMATS)
def test_garbled_files_give_one_kind_of_error(tmp_path, kind):
    """Bytes changed, cut off and put in: an InputError of one line, or a movie of the same size as its claim."""
    path = FORMATS[kind][0](tmp_path, make_movie()[:6])
    file = main_file(path) if "zarr" not in kind else next(iter(path.rglob("movie/*[yn]")))
    file = file if file.exists() else path / "frame_5.tif"
    content, rng = file.read_bytes(), np.random.default_rng(1)
    for attempt in range(25):
        garbled = bytearray(content)
        for _ in range(3):
            garbled[rng.integers(min(len(content), 1000))] = rng.integers(256)
        file.write_bytes(garbled[: rng.integers(len(content))] if attempt % 5 == 0 else garbled)
        try:
            recording = open_recording(path)
            if recording.shape[1] * recording.shape[2] <= 1 << 20:
                assert recording[-2:].shape[1:] == recording.frame_shape
        except InputError as error:
            told = str(error)
            assert "\n" not in told  # whether it is raised depends on the bytes


@pytest.mark.parametrize("suffix", [".h5", ".nwb", ".npy", ".npz", ".tif", ".bin", ""])
def test_what_is_none_of_these(tmp_path, suffix):
    path = tmp_path / f"m{suffix}"
    path.write_bytes(b"the mouse ate the hard disk, and nothing is left of it" * 30)
    with pytest.raises(InputError, match=re.escape(f"m{suffix}")) as caught:
        open_recording(path)
    assert "\n" not in str(caught.value)


def test_an_unknown_kind_says_what_is_supported_and_by_which_extra(tmp_path):
    (tmp_path / "m.xyz").write_bytes(b"1")
    with pytest.raises(InputError) as caught:
        open_recording(tmp_path / "m.xyz")
    for word in (
        "'.xyz'",
        "ScanImage",
        ".h5",
        ".nwb",
        ".npz",
        "lassovae[zarr]",
        "lassovae[video]",
        "lassovae[vendor]",
    ):
        assert word in str(caught.value)


@pytest.mark.parametrize("name", ["m.npy", "m.tif", "m.dat", "m"])
def test_the_content_decides_where_the_suffix_is_wrong(tmp_path, name):
    movie = make_movie()
    path = write.hdf5(tmp_path / name, movie=movie)
    np.testing.assert_array_equal(open_recording(path)[4:6], movie[4:6])


@pytest.mark.parametrize(
    ("argument", "kind"),
    [
        ("dataset", "tiff"),
        ("shape", "npy"),
        ("channel", "hdf5"),
        ("plane", "npz"),
        ("dtype", "nwb"),
        ("dataset", "suite2p"),
    ],
)
def test_arguments_that_mean_nothing_are_refused(tmp_path, argument, kind):
    value = {"dataset": "x", "shape": (3, 4), "dtype": "int16"}.get(argument, 0)
    with pytest.raises(InputError, match=f"{argument}=.* means nothing"):
        open_recording(FORMATS[kind][0](tmp_path, make_movie()), **{argument: value})


def test_the_real_recordings_in_other_formats(recordings, tmp_path):
    for name in ("fmi_2p/run_00.tif", "thunder_mouse_2p_64px/run_00.tif"):
        movie = tifffile.imread(recordings / name)[:60]
        stem = name.replace("/", "_").replace(".tif", "")
        whole = content_hash(ArrayRecording(movie))
        paths = (
            write.nwb(tmp_path / f"{stem}.nwb", movie=movie),
            write.hdf5(tmp_path / f"{stem}.h5", movie=(movie, {"chunks": True, "compression": "gzip"})),
        )
        for path in paths:
            recording = open_recording(path)
            np.testing.assert_array_equal(recording[5:50:3], open_recording(recordings / name)[5:50:3])
            assert content_hash(recording) == whole
