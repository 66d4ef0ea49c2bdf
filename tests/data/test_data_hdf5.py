"""HDF5 and NWB: which dataset, links out of the file, pixels that were never written, series and their axes."""

from __future__ import annotations

import h5py
import movie_writers as write
import numpy as np
import pytest

from lassovae import InputError
from lassovae.data import open_recording


@pytest.fixture
def movie(rng):
    return rng.integers(1, 4000, (12, 24, 32)).astype(np.uint16)


def test_several_datasets(tmp_path, movie):
    path = write.hdf5(tmp_path / "m.h5", green=movie, deep__red=movie[:5], trace=np.zeros(12))
    with pytest.raises(
        InputError, match=r"2 datasets of three axes: /deep/red, /green; choose one by dataset="
    ):
        open_recording(path)
    assert open_recording(path, dataset="deep/red").num_frames == 5
    assert open_recording(path, dataset="/green").num_frames == 12
    with pytest.raises(InputError, match=r"dataset='blue' is none of the .*; it holds /deep/red, /green"):
        open_recording(path, dataset="blue")
    with pytest.raises(InputError, match=r"axes \(time, height, width\), this has shape \(12,\)"):
        open_recording(path, dataset="trace")
    with pytest.raises(InputError, match="dataset='deep' is none of"):
        open_recording(path, dataset="deep")


def test_no_dataset_of_three_axes(tmp_path):
    with pytest.raises(InputError, match=r"m\.h5: holds no datasets of three axes"):
        open_recording(write.hdf5(tmp_path / "m.h5", trace=np.zeros(12)))


def test_links_out_of_the_file_are_not_followed(tmp_path, movie):
    write.hdf5(tmp_path / "other.h5", movie=movie)
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["linked"] = h5py.ExternalLink("other.h5", "/movie")
        file["group"] = h5py.ExternalLink("other.h5", "/")
    with pytest.raises(InputError, match="holds no datasets"):
        open_recording(tmp_path / "m.h5")
    for name in ("linked", "group/movie"):
        with pytest.raises(
            InputError, match=rf"m\.h5: {name} is a link to another file \(other\.h5\).*open that file"
        ):
            open_recording(tmp_path / "m.h5", dataset=name)


def test_soft_links(tmp_path, movie):
    path = write.hdf5(tmp_path / "m.h5", deep__movie=movie)
    with h5py.File(path, "a") as file:
        file["short"] = h5py.SoftLink("/deep/movie")
        file["deep/beside"] = h5py.SoftLink("movie")
        file["round"], file["about"] = h5py.SoftLink("/about"), h5py.SoftLink("/round")
        file["out"] = h5py.ExternalLink("other.h5", "/")
        file["hidden"] = h5py.SoftLink("/out/movie")
        file["nowhere"] = h5py.SoftLink("/gone")
    assert open_recording(path).num_frames == 12
    for name in ("short", "deep/beside"):
        np.testing.assert_array_equal(open_recording(path, dataset=name)[3:5], movie[3:5])
    with pytest.raises(InputError, match="links to round lead around"):
        open_recording(path, dataset="round")
    with pytest.raises(InputError, match="is a link to another file"):
        open_recording(path, dataset="hidden")
    with pytest.raises(InputError, match="dataset='nowhere' is none of"):
        open_recording(path, dataset="nowhere")


def test_pixels_in_other_files(tmp_path, movie):
    movie.tofile(tmp_path / "pixels.raw")
    write.hdf5(tmp_path / "other.h5", movie=movie)
    layout = h5py.VirtualLayout(movie.shape, movie.dtype)
    layout[:] = h5py.VirtualSource(tmp_path / "other.h5", "movie", movie.shape)
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.create_dataset("raw", movie.shape, movie.dtype, external=[("pixels.raw", 0, movie.nbytes)])
        file.create_virtual_dataset("virtual", layout)
    for name in ("raw", "virtual"):
        with pytest.raises(InputError, match=rf"m\.h5 \(/{name}\): its pixels lie in other files"):
            open_recording(tmp_path / "m.h5", dataset=name)


def test_frames_that_were_never_written(tmp_path, movie):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        chunked = file.create_dataset("chunked", (1000, 24, 32), "u2", chunks=(4, 24, 32))
        chunked[:12] = movie
        file.create_dataset("never", (1000, 24, 32), "u2")
        file.create_dataset("huge", (10**9, 10**4, 10**4), "f8", chunks=(1, 10**3, 10**3))
    with pytest.raises(InputError, match="247 of 250 chunks were never written"):
        open_recording(tmp_path / "m.h5", dataset="chunked")
    with pytest.raises(InputError, match="0 of 1536000 bytes of pixels were ever written"):
        open_recording(tmp_path / "m.h5", dataset="never")
    with pytest.raises(InputError, match="chunks were never written"):
        open_recording(tmp_path / "m.h5", dataset="huge")


def test_a_compression_that_is_not_there(tmp_path, movie):
    path = tmp_path / "m.h5"
    space = h5py.h5s.create_simple(movie.shape)
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((4, 24, 32))
    properties.set_filter(32001, h5py.h5z.FLAG_OPTIONAL, (2, 2, 2))  # blosc, which h5py does not bring along
    with h5py.File(path, "w") as file:
        h5py.h5d.create(file.id, b"movie", h5py.h5t.STD_U16LE, space, properties)
    if h5py.h5z.filter_avail(32001):
        pytest.skip("blosc for HDF5 is installed here")
    with pytest.raises(InputError, match="which this HDF5 cannot read; repack it with gzip"):
        open_recording(path)


@pytest.mark.parametrize("dtype", ["complex64", "S3", "bool"])
def test_pixels_that_are_no_numbers(tmp_path, dtype):
    path = write.hdf5(tmp_path / "m.h5", movie=np.zeros((3, 4, 5), dtype))
    with pytest.raises(InputError, match="are not real numbers"):
        open_recording(path)


def test_what_matlab_wrote_is_turned(tmp_path, movie):
    """MATLAB 7.3 keeps its arrays by columns: height x width x time becomes (time, width, height) in the file."""
    path = tmp_path / "m.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        dataset = file.create_dataset("Y", data=movie.swapaxes(1, 2))
        dataset.attrs["MATLAB_class"] = np.bytes_("uint16")
        dataset.attrs["fps"] = np.array([[7.5]])
    recording = open_recording(path)
    assert (recording.shape, recording.frame_rate_hz) == (movie.shape, 7.5)
    np.testing.assert_array_equal(recording[8:3:-1], movie[8:3:-1])


def test_a_blank_chunk_is_no_damage(tmp_path, movie):
    blank = np.zeros((64, 512, 512), np.uint16)
    blank[0, 0, :200] = 1
    path = write.hdf5(tmp_path / "m.h5", movie=(blank, {"chunks": (32, 512, 512), "compression": "gzip"}))
    assert not open_recording(path)[40:].any()


def test_only_the_chunks_of_those_frames_are_read(tmp_path, movie):
    path = write.hdf5(tmp_path / "m.h5", movie=(movie, {"chunks": (4, 24, 32), "compression": "gzip"}))
    recording = open_recording(path)
    with h5py.File(path) as file:
        place = file["movie"].id.get_chunk_info(1)
    content = bytearray(path.read_bytes())
    content[place.byte_offset : place.byte_offset + place.size] = b"\xff" * place.size
    path.write_bytes(content)
    np.testing.assert_array_equal(recording[:4], movie[:4])
    np.testing.assert_array_equal(recording[8:], movie[8:])
    with pytest.raises(InputError, match=r"m\.h5: damaged"):
        recording[3:5]


def test_several_series(tmp_path, movie):
    path = write.nwb(tmp_path / "m.nwb", green=movie, red=movie[:5])
    with pytest.raises(
        InputError, match=r"2 TwoPhotonSeries: /acquisition/green, /acquisition/red; choose one by"
    ):
        open_recording(path)
    for name in ("red", "/acquisition/red", "acquisition/red"):
        assert open_recording(path, dataset=name).num_frames == 5
    with pytest.raises(InputError, match="dataset='blue' is none of the TwoPhotonSeries"):
        open_recording(path, dataset="blue")


def test_two_series_of_the_same_name(tmp_path, movie):
    """One in acquisition and one in a group: the last name says neither, the full names say both."""
    path = write.nwb(tmp_path / "m.nwb", movie=movie, other=movie[:7])
    with h5py.File(path, "a") as file:
        file.copy("acquisition/other", "processing/motion/movie")
    with pytest.raises(
        InputError,
        match="dataset='movie' is the name of 2 TwoPhotonSeries; choose one by its full name: /acquisition/movie, "
        "/processing/motion/movie",
    ):
        open_recording(path, dataset="movie")
    for name, count in (("/acquisition/movie", 12), ("processing/motion/movie", 7), ("other", 7)):
        assert open_recording(path, dataset=name).num_frames == count


def test_the_array_itself_is_read_as_it_lies(tmp_path, movie):
    path = write.nwb(tmp_path / "m.nwb", movie=movie)
    recording = open_recording(path, dataset="/acquisition/movie/data")
    np.testing.assert_array_equal(recording[2:5], movie[2:5].swapaxes(1, 2))


def test_planes_of_a_series(tmp_path, movie):
    volumes = np.stack([movie, movie + 1, movie + 2], axis=-1)
    path = write.nwb(tmp_path / "m.nwb", movie=volumes)
    with pytest.raises(InputError, match="holds 3 planes; choose one by plane=0 to plane=2"):
        open_recording(path)
    recording = open_recording(path, plane=2)
    np.testing.assert_array_equal(recording[9:2:-2], movie[9:2:-2] + 2)
    assert recording.shape == movie.shape


def test_where_the_scales_of_a_series_come_from(tmp_path, movie):
    path = write.nwb(tmp_path / "m.nwb", spacing=False, movie=movie)
    assert open_recording(path).pixel_size_um is None
    with h5py.File(path, "a") as file:
        start = file["acquisition/movie/starting_time"]
        start.attrs["rate"] = 0.0  # some writers leave it so where there are several planes
    assert open_recording(path).frame_rate_hz == write.RATE  # the imaging plane's
    with h5py.File(path, "a") as file:
        file["acquisition/movie/field_of_view"] = [32e-6, 48e-6]  # width, height in metres
    assert open_recording(path).pixel_size_um == pytest.approx((2.0, 1.0))


def test_a_series_whose_frames_lie_in_other_files(tmp_path, movie):
    path = write.nwb(tmp_path / "m.nwb", movie=movie)
    with h5py.File(path, "a") as file:
        file["acquisition/movie/external_file"] = np.array([b"run_00.tif"])
    with pytest.raises(InputError, match="frames of /acquisition/movie lie in other files; open those files"):
        open_recording(path)
