"""Hyperstacks of ImageJ, OME and ScanImage: one channel and plane of several, frame rates, pixel sizes."""

from __future__ import annotations

import logging

import movie_writers as write
import numpy as np
import pytest
import tifffile

from lassovae import InputError
from lassovae.data import open_recording

TIME, PLANES, CHANNELS = 9, 3, 2


@pytest.fixture
def stack(rng):
    """(time, planes, channels, height, width), the order of ImageJ and ScanImage."""
    return rng.integers(0, 4000, (TIME, PLANES, CHANNELS, 24, 32)).astype(np.uint16)


def imagej(path, stack):
    return write.imagej(path, stack, axes="TZCYX")


def imagej_deflate(path, stack):
    return write.imagej(path, stack, axes="TZCYX", compression="zlib")


def ome(path, stack):
    return write.ome(path, stack.transpose(0, 2, 1, 3, 4), axes="TCZYX")


def ome_other_order(path, stack):
    return write.ome(path, stack.transpose(2, 1, 0, 3, 4), axes="CZTYX", compression="zlib")


def scanimage(path, stack):
    return write.scanimage(path, stack)


def scanimage_flyback(path, stack):
    return write.scanimage(path, stack, flyback=2)


def scanimage_classic(path, stack):
    return write.scanimage(path, stack, bigtiff=False)


WRITERS = [imagej, imagej_deflate, ome, ome_other_order, scanimage, scanimage_flyback, scanimage_classic]


@pytest.mark.parametrize("writer", WRITERS, ids=lambda writer: writer.__name__)
def test_every_channel_and_plane(tmp_path, stack, writer):
    path = writer(tmp_path / "m.tif", stack)
    for plane in range(PLANES):
        for channel in range(CHANNELS):
            recording = open_recording(path, channel=channel, plane=plane)
            expected = stack[:, plane, channel]
            assert recording.shape == expected.shape
            for index in (slice(None), slice(2, 7), slice(8, None, -3), -1):
                np.testing.assert_array_equal(recording[index], expected[index])
            assert recording.frame_rate_hz == pytest.approx(write.RATE, rel=1e-6)
            assert recording.pixel_size_um == pytest.approx(write.PIXEL, rel=1e-6)


@pytest.mark.parametrize("writer", WRITERS, ids=lambda writer: writer.__name__)
def test_the_error_says_how_many_there_are_and_which_argument_to_give(tmp_path, stack, writer):
    path = writer(tmp_path / "m.tif", stack)
    with pytest.raises(
        InputError, match=r"m\.tif: holds 2 channels; .*channel=0 to channel=1.*the column channel"
    ):
        open_recording(path, plane=0)
    with pytest.raises(InputError, match=r"m\.tif: holds 3 planes; .*plane=0 to plane=2.*the column plane"):
        open_recording(path, channel=0)
    with pytest.raises(InputError, match="channel=2, but the file holds 2 channels, numbers 0 to 1"):
        open_recording(path, plane=0, channel=2)
    with pytest.raises(InputError, match="plane=-1, but"):
        open_recording(path, plane=-1, channel=0)
    with pytest.raises(InputError, match=r"plane=1\.5 must be an integer"):
        open_recording(path, plane=1.5, channel=0)


def test_one_channel_may_be_named(tmp_path, stack):
    path = write.imagej(tmp_path / "m.tif", stack[:, 0, 0])
    np.testing.assert_array_equal(open_recording(path, channel=0, plane=0)[3], stack[3, 0, 0])
    with pytest.raises(InputError, match="channel=1, but the file holds one channel, number 0"):
        open_recording(path, channel=1)


@pytest.mark.parametrize("writer", WRITERS, ids=lambda writer: writer.__name__)
@pytest.mark.parametrize("fraction", [0.3, 0.95])
def test_a_stack_cut_short(tmp_path, stack, writer, fraction):
    path = writer(tmp_path / "m.tif", stack)
    path.write_bytes(path.read_bytes()[: int(fraction * path.stat().st_size)])
    with pytest.raises(InputError, match=r"m\.tif: .*(cut short|missing from this OME)"):
        open_recording(path, channel=0, plane=0)


def test_an_imagej_file_of_one_header_cut_short(tmp_path, stack):
    path = write.imagej_one_header(tmp_path / "m.tif", stack[:, 0, 0])
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="cut short: 8 complete frames of 9"):
        open_recording(path)


def test_a_sparse_imagej_file_over_4_gb(tmp_path):
    """Offsets beyond 32 bits: a file of 4.3 GB, of which all but two frames are a hole."""
    side, count = 1024, 2100
    path = tmp_path / "m.tif"
    tifffile.imwrite(
        path,
        np.zeros((side, side), np.uint16),
        byteorder=">",
        photometric="minisblack",
        description=f"ImageJ=1.54f\nimages={count}\nframes={count}\n",
        metadata=None,
    )
    with tifffile.TiffFile(path) as tif:
        start = tif.pages[0].dataoffsets[0]
    last = np.arange(side * side, dtype=">u2").reshape(side, side)
    with path.open("r+b") as file:
        file.seek(start + (count - 1) * last.nbytes)
        file.write(last.tobytes())
    assert path.stat().st_size > 1 << 32
    recording = open_recording(path)
    assert recording.shape == (count, side, side)
    np.testing.assert_array_equal(recording[-1], last)
    assert not recording[count - 2].any()


def test_an_acquisition_that_was_broken_off_within_a_volume(tmp_path, stack, caplog):
    path = tmp_path / "m.tif"
    write.scanimage(path, stack)
    with tifffile.TiffFile(path) as tif:
        pages = [(page.asarray(), page.software, page.description) for page in tif.pages][:-1]
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        for image, software, description in pages:
            writer.write(
                image,
                photometric="minisblack",
                contiguous=False,
                metadata=None,
                software=software,
                description=description,
            )
    with caplog.at_level(logging.WARNING, "lassovae"):
        recording = open_recording(path, channel=1, plane=2)
    assert recording.num_frames == TIME - 1
    assert "5 images of a volume that is not whole are left out" in caplog.text


def test_a_file_that_begins_within_a_volume(tmp_path, stack):
    with pytest.raises(InputError, match="begins within a volume, at frame 6 of 3 a volume"):
        open_recording(write.scanimage(tmp_path / "m.tif", stack, first=6), channel=0, plane=0)
    open_recording(write.scanimage(tmp_path / "n.tif", stack, first=7), channel=0, plane=0)


def test_a_set_of_several_ome_files(tmp_path, stack):
    """Its description speaks of frames that this file does not hold; those that it names are not opened."""
    path = write.ome(tmp_path / "m.ome.tif", stack[:, 0, 0])
    with tifffile.TiffFile(path) as tif:
        described = tif.pages[0].description
    tail = '<TiffData IFD="0" FirstT="9" PlaneCount="9"><UUID FileName="m_2.ome.tif">urn:uuid:2</UUID></TiffData>'
    described = described.replace('SizeT="9"', 'SizeT="18"').replace("</Pixels>", f"{tail}</Pixels>")
    write.ome(tmp_path / "m_2.ome.tif", stack[:, 1, 1])
    tifffile.tiffcomment(path, described.encode())
    with pytest.raises(InputError, match=r"m\.ome\.tif: frames are missing.*other files of a set"):
        open_recording(path)


def test_axes_without_time(tmp_path, stack):
    with pytest.raises(InputError, match=r"axes \(3 Z x 2 C, .* do not say what is time.*Image > Properties"):
        open_recording(write.imagej(tmp_path / "m.tif", stack[0], axes="ZCYX"))


@pytest.mark.parametrize("axis", ["C", "Z"])
def test_one_time_point_of_ome_is_no_movie(tmp_path, stack, axis):
    images = stack[:3, 0, 0]
    path = write.ome(tmp_path / "m.ome.tif", images, axes=f"{axis}YX")
    kind = {"C": "channels", "Z": "planes"}[axis]
    for options in ({}, {"channel": 0}, {"plane": 0}):
        with pytest.raises(
            InputError, match=rf"m\.ome\.tif: a single time point of 3 {kind}; a movie has frames"
        ):
            open_recording(path, **options)


def test_one_time_point_of_imagej(tmp_path, stack):
    """Three channels are no movie; slices are, as ImageJ calls most movies, and more channels than it can show."""
    images = stack[:, 0, 0]
    with pytest.raises(InputError, match=r"m\.tif: a single time point of 3 channels.*Image > Properties"):
        open_recording(write.imagej(tmp_path / "m.tif", images[:3], axes="CYX"))
    np.testing.assert_array_equal(
        open_recording(write.imagej(tmp_path / "z.tif", images, axes="ZYX"))[:], images
    )
    tifffile.imwrite(tmp_path / "c.tif", images, imagej=True, photometric="minisblack")
    with tifffile.TiffFile(tmp_path / "c.tif") as tif:
        assert tif.series[0].axes == "CYX"
    np.testing.assert_array_equal(open_recording(tmp_path / "c.tif")[:], images)


def test_units_of_imagej(tmp_path, stack):
    movie = stack[:, 0, 0]
    for unit, size in (("micron", 0.5), ("mm", 500.0), ("\\u00B5m", 0.5), ("pixel", None), ("", None)):
        path = tmp_path / "m.tif"
        tifffile.imwrite(path, movie, imagej=True, resolution=(2, 2), metadata={"axes": "TYX", "unit": unit})
        recording = open_recording(path)
        assert recording.pixel_size_um == (None if size is None else pytest.approx((size, size)))
        assert recording.frame_rate_hz is None
