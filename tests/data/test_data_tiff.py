"""Files that are whole, files that are not, and proof that reading is lazy."""

import logging
import re
import struct
import sys

import numpy as np
import pytest
import tifffile

from lassovae import InputError
from lassovae.data import open_recording

SHAPE = (12, 24, 32)


@pytest.fixture
def movie(rng):
    return rng.integers(0, 4000, SHAPE).astype(np.uint16)


KINDS = {
    "plain": {},
    "bigtiff": {"bigtiff": True},
    "deflate": {"compression": "zlib"},
    "strips": {"compression": "zlib", "rowsperstrip": 5, "predictor": True},
    "tiles": {"tile": (16, 16)},
    "big_endian": {"byteorder": ">"},
    "imagej": {"imagej": True},
    "one_header": {"truncate": True},
    "bare": {"metadata": None},
}


def write(path, array, **options):
    tifffile.imwrite(path, array, **({"photometric": "minisblack"} | options))
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_reads_back(tmp_path, movie, kind):
    rec = open_recording(write(tmp_path / "m.tif", movie, **KINDS[kind]), frame_rate_hz=10)
    assert (rec.shape, rec.dtype, rec.frame_rate_hz) == (SHAPE, np.uint16, 10.0)
    assert rec.dtype.isnative
    for index in (slice(None), slice(3, 5), slice(9, 2, -3), slice(8, 3, -1), slice(0, 9, 4), -1, 0):
        np.testing.assert_array_equal(rec[index], movie[index])
    rec[0:2][...] = 0


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
def test_pixel_types_are_kept(tmp_path, movie, dtype):
    rec = open_recording(write(tmp_path / "m.tiff", movie.astype(dtype)))
    assert rec.dtype == dtype
    np.testing.assert_array_equal(rec[:], movie.astype(dtype))


@pytest.mark.parametrize("kind", ["plain", "strips", "deflate"])
def test_reading_two_frames_leaves_the_others_alone(tmp_path, movie, kind):
    path = write(tmp_path / "m.tif", movie, **KINDS[kind])
    rec = open_recording(path)
    with tifffile.TiffFile(path) as tif:
        spans = [
            pair for page in tif.pages[4:] for pair in zip(page.dataoffsets, page.databytecounts, strict=True)
        ]
    content = bytearray(path.read_bytes())
    for offset, count in spans:
        content[offset : offset + count] = b"\xff" * count
    path.write_bytes(content)
    np.testing.assert_array_equal(rec[2:4], movie[2:4])
    np.testing.assert_array_equal(open_recording(path)[:4], movie[:4])
    if kind == "plain":
        assert (rec[5] == 0xFFFF).all()
    else:
        with pytest.raises(InputError, match="frame 5 cannot be decoded"):
            rec[5]


@pytest.mark.parametrize(
    "kind", ["plain", "deflate", "strips", "tiles", "imagej", "one_header", "big_endian", "bigtiff"]
)
@pytest.mark.parametrize("fraction", [0.3, 0.6, 0.9])
def test_a_cut_file_is_found_at_opening(tmp_path, movie, kind, fraction):
    path = write(tmp_path / "m.tif", movie, **KINDS[kind])
    content = path.read_bytes()
    path.write_bytes(content[: int(fraction * len(content))])
    with pytest.raises(InputError, match=r"cut short: \d+ complete frames of 12 declared") as caught:
        open_recording(path)
    complete = int(re.search(r"(\d+) complete", str(caught.value)).group(1))
    assert abs(complete - 12 * fraction) < 2


@pytest.mark.parametrize("kind", ["deflate", "strips", "tiles", "one_header"])
def test_one_missing_byte_of_the_last_strip_is_found(tmp_path, movie, kind):
    path = write(tmp_path / "m.tif", movie, **KINDS[kind])
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="11 complete frames of 12 declared"):
        open_recording(path)


def test_a_cut_file_without_a_description(tmp_path, movie):
    path = write(tmp_path / "m.tif", movie, metadata=None)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=r"cut short: .* of an unknown number"):
        open_recording(path)


def test_tifffile_is_silenced_only_while_we_read(tmp_path, movie, caplog):
    path = write(tmp_path / "m.tif", movie)
    path.write_bytes(path.read_bytes()[:-4000])
    logger = logging.getLogger("tifffile")
    before = list(logger.filters)
    with pytest.raises(InputError):
        open_recording(path)
    assert caplog.records == []
    assert logger.filters == before
    logger.error("still heard")
    assert [record.getMessage() for record in caplog.records] == ["still heard"]


@pytest.mark.parametrize(
    ("array", "options", "message"),
    [
        (np.zeros((20, 30), np.uint8), {}, "a single frame"),
        (np.zeros((20, 30, 3), np.uint8), {"photometric": "rgb"}, "colour frames"),
        (np.zeros((5, 20, 30, 3), np.uint8), {"photometric": "rgb"}, "colour frames"),
        (np.zeros((3, 4, 20, 30), np.uint8), {}, "4 axes.*one channel and one plane"),
        (np.zeros((3, 20, 30), np.complex64), {}, "complex64 are not real numbers"),
    ],
)
def test_what_is_not_a_grey_movie(tmp_path, array, options, message):
    with pytest.raises(InputError, match=message):
        open_recording(write(tmp_path / "m.tif", array, **options))


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}])
def test_frames_appended_one_by_one(tmp_path, movie, options):
    path = tmp_path / "m.tif"
    for frame in movie:
        tifffile.imwrite(path, frame, photometric="minisblack", append=True, contiguous=False, **options)
    np.testing.assert_array_equal(open_recording(path)[:], movie)
    tifffile.imwrite(path, movie[0].astype(np.uint8), photometric="minisblack", append=True, **options)
    with pytest.raises(InputError, match=r"page 12 is \(24, 32\) uint8, the first is"):
        open_recording(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=r"cut short: [1-9] complete frames"):
        open_recording(path)


def test_frames_of_two_sizes(tmp_path, movie):
    with tifffile.TiffWriter(tmp_path / "m.tif") as writer:
        writer.write(movie, photometric="minisblack")
        writer.write(movie[:, :16], photometric="minisblack")
    with pytest.raises(InputError, match="2 images of different kind"):
        open_recording(tmp_path / "m.tif")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.tif", b"", "empty"),
        ("m.tif", b"not a picture at all", "not a TIFF file"),
        ("m.tif", b"II*\0", "not a TIFF file"),
        ("m.xyz", b"1", r"kind '\.xyz'.*supported are TIFF"),
        ("m", b"1", "supported are TIFF"),
    ],
)
def test_what_is_not_a_tiff(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        open_recording(tmp_path / name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"gone\.tif: no such file"):
        open_recording(tmp_path / "gone.tif")


def patch_tag(path, code, value):
    """Overwrite the value of a short or long tag in every page of a little-endian TIFF."""
    with tifffile.TiffFile(path) as tif:
        tags = [page.tags[code] for page in tif.pages]
        places = [(tag.valueoffset, tag.dtype) for tag in tags]
    content = bytearray(path.read_bytes())
    for offset, dtype in places:
        struct.pack_into("<H" if dtype == 3 else "<I", content, offset, value)
    path.write_bytes(content)


def test_a_missing_decoder_is_named(tmp_path, movie, monkeypatch):
    path = write(tmp_path / "m.tif", movie, compression="zlib")
    patch_tag(path, 259, 5)
    monkeypatch.setattr(tifffile.TIFF, "DECOMPRESSORS", {1: None})  # as where imagecodecs is missing
    with pytest.raises(InputError, match=r'LZW.*pip install "lassovae\[codecs\]"'):
        open_recording(path)


PACKED = {"pages": {}, "strips": {"rowsperstrip": 5}, "tiles": {"tile": (16, 16)}}


@pytest.mark.parametrize("kind", PACKED)
@pytest.mark.parametrize("bits", [10, 12, 14])
def test_pixels_packed_into_fewer_bits(tmp_path, rng, kind, bits):
    """Cameras of 12 bits: two pixels in three bytes, and rows of an odd width are filled up to a byte."""
    movie = rng.integers(0, 1 << bits, (12, 24, 31)).astype(np.uint16)
    path = write(tmp_path / "m.tif", movie, bitspersample=bits, **PACKED[kind])
    recording = open_recording(path)
    assert (recording.shape, recording.dtype) == (movie.shape, np.uint16)
    for index in (slice(None), slice(3, 7), -1):
        np.testing.assert_array_equal(recording[index], movie[index])
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 6 // 10])
    with pytest.raises(InputError, match=r"cut short: [67] complete frames of 12"):
        open_recording(path)


def test_a_folder_of_pixels_packed_into_fewer_bits(tmp_path, movie):
    for i, frame in enumerate(movie):
        write(tmp_path / f"{i}.tif", frame, bitspersample=12)
    np.testing.assert_array_equal(open_recording(tmp_path)[:], movie)


def test_packed_pixels_need_an_extra_that_is_named(tmp_path, movie, monkeypatch):
    path = write(tmp_path / "m.tif", movie, bitspersample=12)
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    with pytest.raises(
        InputError,
        match=r'm\.tif: pixels packed into 12 bits.*pip install "lassovae\[codecs\]", or save .*16 bits',
    ):
        open_recording(path)


def test_a_decoder_that_is_listed_but_not_there_is_named(tmp_path, movie, monkeypatch):
    """What tifffile does for Zstandard in a Python that does not bring it along."""

    def missing(data, **options):
        raise ImportError("no module named compression")

    path = write(tmp_path / "m.tif", movie, compression="zlib")
    patch_tag(path, 259, 50000)
    monkeypatch.setattr(tifffile.TIFF, "DECOMPRESSORS", {1: None, 50000: missing})
    with pytest.raises(InputError, match=r'ZSTD.*pip install "lassovae\[codecs\]"'):
        open_recording(path)


@pytest.mark.parametrize("kind", ["plain", "deflate"])
def test_a_header_that_asks_for_too_much_memory(tmp_path, movie, kind):
    path = write(tmp_path / "m.tif", movie, metadata=None, **KINDS[kind])
    patch_tag(path, 256, 4_000_000_000)
    patch_tag(path, 257, 4_000_000_000)
    with pytest.raises(InputError, match=r"damaged|cut short"):
        open_recording(path)


@pytest.mark.parametrize("kind", ["plain", "deflate", "imagej"])
def test_garbled_headers_give_one_kind_of_error(tmp_path, movie, rng, kind):
    content = write(tmp_path / "m.tif", movie, **KINDS[kind]).read_bytes()
    path, refused = tmp_path / "garbled.tif", 0
    for _ in range(60):
        garbled = bytearray(content)
        for _ in range(3):
            garbled[rng.integers(600)] = rng.integers(256)
        path.write_bytes(garbled)
        try:  # nothing but an InputError may come out, and no warning
            open_recording(path)[:]
        except InputError:
            refused += 1
    assert refused > 0


def test_a_folder_of_frames_in_natural_order(tmp_path, movie):
    for i, frame in enumerate(movie):
        write(tmp_path / f"img_{i + 1}.{'tif' if i % 2 else 'TIFF'}", frame)
    (tmp_path / "notes.txt").write_text("mouse 3")
    (tmp_path / ".img_0.tif").write_bytes(b"x")
    rec = open_recording(tmp_path, frame_rate_hz=5)
    assert (rec.shape, rec.frame_rate_hz) == (SHAPE, 5.0)
    np.testing.assert_array_equal(rec[:], movie)
    np.testing.assert_array_equal(rec[8:11], movie[8:11])
    (tmp_path / "img_1.TIFF").unlink()
    np.testing.assert_array_equal(rec[1:3], movie[1:3])


@pytest.mark.parametrize(
    ("odd", "message"),
    [
        (np.zeros((24, 30), np.uint16), r"img_7\.tif: a frame of \(24, 30\) uint16, but img_1\.tif"),
        (np.zeros((24, 32), np.uint8), r"img_7\.tif: a frame of \(24, 32\) uint8"),
        (np.zeros((2, 24, 32), np.uint16), r"img_7\.tif: 2 pages"),
    ],
)
def test_a_folder_with_an_odd_file(tmp_path, movie, odd, message):
    for i, frame in enumerate(movie):
        write(tmp_path / f"img_{i + 1}.tif", odd if i == 6 else frame)
    with pytest.raises(InputError, match=message):
        open_recording(tmp_path)


def test_a_folder_with_a_cut_file(tmp_path, movie):
    for i, frame in enumerate(movie[:3]):
        path = write(tmp_path / f"{i}.tif", frame, compression="zlib")
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(InputError, match=r"2\.tif: the file is cut short: 0 complete frames of 1"):
        open_recording(tmp_path)


def test_an_empty_folder(tmp_path):
    with pytest.raises(InputError, match=r"no \.tif or \.tiff file"):
        open_recording(tmp_path)


def test_real_recordings(recordings):
    for path in (recordings / "fmi_2p" / "run_00.tif", recordings / "thunder_mouse_2p_64px" / "run_03.tif"):
        rec = open_recording(path)
        whole = tifffile.imread(path)
        assert (rec.shape, rec.dtype) == (whole.shape, whole.dtype)
        np.testing.assert_array_equal(rec[17:20], whole[17:20])
        np.testing.assert_array_equal(rec[-1], whole[-1])
