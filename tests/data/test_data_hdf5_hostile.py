"""HDF5 and NWB made to harm: links that lead around, claims, bombs, settings that lie, words that never end."""

from __future__ import annotations

import resource
import struct
import subprocess
import sys
import zlib

import h5py
import movie_writers as write
import numpy as np
import pytest

from lassovae import InputError
from lassovae.data import _hdf5_file, open_recording
from lassovae.data._hdf5_deflate import _fletcher32

SHAPE = (4, 6, 5)


@pytest.fixture
def movie(rng):
    return rng.integers(1, 4000, SHAPE).astype(np.uint16)


def one_chunk(path, content, shape=SHAPE, chunks=SHAPE, mask=0, **options):
    """A dataset in one chunk, the bytes of which are given as they are stored."""
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("movie", shape, "u2", chunks=chunks, maxshape=(None,) * 3, **options)
        dataset.id.write_direct_chunk((0, 0, 0), content, mask)
    return path


def test_groups_that_hold_each_other(tmp_path, movie):
    path = write.hdf5(tmp_path / "m.h5", a__b__movie=movie)
    with h5py.File(path, "a") as file:
        file["a/itself"] = file["a"]
        file["a/b/root"] = file["/"]
        file["a/b/again"] = file["a/b/movie"]
    assert open_recording(path).num_frames == len(movie), "one movie of several names is one"


def test_groups_too_deep_and_too_many(tmp_path, movie, monkeypatch):
    deep = write.hdf5(tmp_path / "deep.h5", **{"g__" * 70 + "movie": movie})
    with pytest.raises(
        InputError, match=r"deep\.h5: more than .* 64 groups within each other; name the movie by"
    ):
        open_recording(deep)
    np.testing.assert_array_equal(open_recording(deep, dataset="g/" * 70 + "movie")[1:3], movie[1:3])
    monkeypatch.setattr(_hdf5_file, "MOST_OBJECTS", 20)
    many = write.hdf5(tmp_path / "many.h5", movie=movie, **{f"g{i}": np.zeros(1) for i in range(20)})
    with pytest.raises(InputError, match=r"many\.h5: more than 20 groups and datasets"):
        open_recording(many)
    assert open_recording(many, dataset="movie").shape == SHAPE


def test_names_and_attributes_that_are_no_words_or_numbers(tmp_path, movie):
    path = write.hdf5(tmp_path / "m.h5", attributes=False, movie=movie)
    with h5py.File(path, "a", libver="latest") as file:
        file[b"\xff\xfe"] = movie
        attributes = file["movie"].attrs
        attributes["frame_rate_hz"] = np.zeros((1 << 12,))
        attributes["frame_rate"] = h5py.Empty("f8")
        attributes.create("fps", [b"x" * 4000], dtype="S4000")
        attributes["pixel_size_um"] = np.array([(1, 2.0)], [("a", "i4"), ("b", "f8")])
        file.attrs.create("frame_rate_hz", file["movie"].ref, dtype=h5py.ref_dtype)
        file.attrs.create("fps", "7.5", dtype=h5py.string_dtype())
    recording = open_recording(path)
    assert (recording.frame_rate_hz, recording.pixel_size_um) == (None, None)


@pytest.mark.parametrize(
    "kind", [h5py.string_dtype(), h5py.ref_dtype, h5py.vlen_dtype(np.uint16), [("a", "u2")]]
)
def test_pixels_that_are_words_links_or_records(tmp_path, kind):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.create_dataset("movie", SHAPE, kind)
    with pytest.raises(InputError, match=r"m\.h5 \(/movie\): pixels of type .* are not real numbers"):
        open_recording(tmp_path / "m.h5")


def test_a_trillion_pixels_in_a_kilobyte(tmp_path):
    for name, options in (
        ("pieces", {"chunks": (1, 10**3, 10**3)}),
        ("whole", {}),
        ("grown", {"chunks": True}),
    ):
        with h5py.File(tmp_path / f"{name}.h5", "w", libver="latest") as file:
            file.create_dataset("movie", (10**6, 10**3, 10**3), "u2", fillvalue=7, **options)
        assert (tmp_path / f"{name}.h5").stat().st_size < 10_000
        with pytest.raises(InputError, match=rf"{name}\.h5 \(/movie\): .* were (n?ever) written"):
            open_recording(tmp_path / f"{name}.h5")


def test_a_chunk_that_claims_more_than_can_come_out_of_it(tmp_path):
    for options, content in (
        ({"compression": "gzip"}, zlib.compress(bytes(2000))),
        ({"compression": "lzf"}, bytes(40)),
    ):
        path = one_chunk(tmp_path / "m.h5", content, (40, 512, 512), (40, 512, 512), **options)
        with pytest.raises(InputError, match="bytes are stored for 20971520 bytes of pixels"):
            open_recording(path)


def peak_of(path):
    """What came of reading a file in a process of its own, and the megabytes that it grew by."""
    code = (
        "import resource, sys; from lassovae import InputError; from lassovae.data import open_recording\n"
        "most = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10\n"
        "open_recording(sys.argv[2])[:]; before = most()\n"
        "try: open_recording(sys.argv[1])[:]; print('read', end=' ')\n"
        "except InputError as error: print('refused', end=' ')\n"
        "print(most() - before)"
    )
    small = one_chunk(path.with_name("small.h5"), zlib.compress(bytes(240)), compression="gzip")
    done = subprocess.run(
        [sys.executable, "-c", code, path, small], capture_output=True, text=True, timeout=120, check=True
    )
    outcome, grown = done.stdout.split()
    return outcome, int(grown)


@pytest.mark.skipif(not hasattr(resource, "RUSAGE_SELF"), reason="memory is not known here")
def test_a_bomb_in_a_chunk_is_not_inflated(tmp_path):
    """A chunk of 240 bytes that would inflate to 256 MB, as libhdf5 would do."""
    stream = zlib.compressobj(9)
    bomb = b"".join(stream.compress(bytes(1 << 24)) for _ in range(16)) + stream.flush()
    path = one_chunk(tmp_path / "bomb.h5", bomb, compression="gzip")
    outcome, grown = peak_of(path)
    assert outcome == "refused"
    assert grown < 60


@pytest.mark.parametrize("missing", [1, 120, 239, 240])
@pytest.mark.parametrize("filters", [{}, {"shuffle": True}, {"shuffle": True, "fletcher32": True}])
def test_pixels_that_are_missing_in_a_chunk_are_not_made_up(tmp_path, missing, filters):
    """libhdf5 gives what lies in memory instead."""
    path = one_chunk(tmp_path / "m.h5", zlib.compress(bytes(240 - missing)), compression="gzip", **filters)
    recording = open_recording(path)
    with pytest.raises(InputError, match=r"m\.h5: damaged, frames 0 to 3 of /movie cannot be decompressed"):
        recording[:]


def lzf(content):
    """Tokens of bytes as they are."""
    return b"".join(
        bytes([len(part) - 1]) + part for part in (content[i : i + 32] for i in range(0, len(content), 32))
    )


def fletcher(content):
    first, second = _fletcher32(content)
    return second << 16 | first


@pytest.mark.parametrize("fletcher32", [False, True])
@pytest.mark.parametrize(
    "stored",
    [lzf(bytes(120)), lzf(bytes(238)), lzf(bytes(241)), lzf(bytes(240))[:-1], lzf(bytes(238)) + b"\xe0"],
)
def test_pixels_that_are_missing_in_a_chunk_of_lzf_are_not_made_up(tmp_path, stored, fletcher32):
    options = {"compression": "lzf", "fletcher32": fletcher32}
    tail = struct.pack("<I", fletcher(stored)) if fletcher32 else b""
    recording = open_recording(one_chunk(tmp_path / "m.h5", stored + tail, **options))
    with pytest.raises(InputError, match=r"m\.h5: damaged, frames 0 to 3 of /movie cannot be decompressed"):
        recording[:]
    whole = lzf(bytes(range(240)))
    tail = struct.pack("<I", fletcher(whole)) if fletcher32 else b""
    pixels = open_recording(one_chunk(tmp_path / "w.h5", whole + tail, **options))[:]
    assert pixels.tobytes() == bytes(range(240))


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("fletcher32", [False, True])
@pytest.mark.parametrize("values", [2, 120, 2**16])
def test_lzf_of_every_kind_of_token_is_read(tmp_path, rng, shuffle, fletcher32, values):
    stored = rng.integers(0, values, (9, 40, 50)).astype("<u2")
    stored[2] = 7
    options = {"chunks": (4, 16, 50), "compression": "lzf", "shuffle": shuffle, "fletcher32": fletcher32}
    recording = open_recording(write.hdf5(tmp_path / "m.h5", movie=(stored, options)))
    np.testing.assert_array_equal(recording[:], stored)
    np.testing.assert_array_equal(recording[1:8:3], stored[1:8:3])


def test_a_chunk_that_says_it_is_not_compressed_and_is_too_short(tmp_path):
    path = one_chunk(tmp_path / "m.h5", bytes(100), mask=1, compression="gzip")
    with pytest.raises(InputError, match="a chunk holds less than its pixels"):
        open_recording(path)
    whole = one_chunk(tmp_path / "w.h5", np.arange(120, dtype="<u2").tobytes(), mask=1, compression="gzip")
    np.testing.assert_array_equal(open_recording(whole)[:], np.arange(120).reshape(SHAPE))


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("fletcher32", [False, True])
@pytest.mark.parametrize("dtype", ["<u2", ">i4", "f8", "u1"])
def test_gzip_is_read_as_libhdf5_reads_it(tmp_path, rng, shuffle, fletcher32, dtype):
    shape, chunks = (23, 13, 9), (5, 8, 4)
    stored = rng.integers(0, 120, shape).astype(dtype)
    options = {"chunks": chunks, "compression": "gzip", "shuffle": shuffle, "fletcher32": fletcher32}
    recording = open_recording(write.hdf5(tmp_path / "m.h5", movie=(stored, options)))
    for frames in (
        slice(None),
        slice(7, 8),
        slice(3, 12),
        slice(1, 23, 3),
        slice(22, 2, -1),
        slice(20, 0, -6),
    ):
        np.testing.assert_array_equal(recording[frames], stored[frames])


def test_a_flipped_bit_is_told_by_the_checksum(tmp_path, movie):
    options = {"chunks": SHAPE, "compression": "gzip", "compression_opts": 0, "fletcher32": True}
    path = write.hdf5(tmp_path / "m.h5", movie=(movie, options))
    with h5py.File(path) as file:
        info = file["movie"].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[info.byte_offset + info.size // 2] ^= 4
    path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be decompressed"):
        open_recording(path)[:]


def filtered(path, *filters):
    """A dataset whose filters have settings of one's own choice."""
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk(SHAPE)
    for code, settings in filters:
        properties.set_filter(code, h5py.h5z.FLAG_OPTIONAL, settings)
    with h5py.File(path, "w") as file:
        space = h5py.h5s.create_simple(SHAPE)
        dataset = h5py.h5d.create(file.id, b"movie", h5py.h5t.STD_U16LE, space, properties)
        dataset.write_direct_chunk((0, 0, 0), b"x" * 100)
    return path


GZIP, CHECKSUM = h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_FLETCHER32


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        (((GZIP, (4,)), (GZIP, (4,))), "gzip, then gzip"),
        (((h5py.h5z.FILTER_LZF, ()), (GZIP, (4,))), "lzf, then gzip"),
        (((CHECKSUM, ()), (h5py.h5z.FILTER_SHUFFLE, ())), "fletcher32, then shuffle"),
        (((h5py.h5z.FILTER_SZIP, (4, 8)),), "szip"),
        (((h5py.h5z.FILTER_NBIT, ()),), "n-bit"),
    ],
)
def test_filters_that_are_not_supported_are_not_called_damaged(tmp_path, filters, words):
    """Two of gzip, of 6 kB, inflate to what memory there is; others libhdf5 decodes by what they say of themselves."""
    path = filtered(tmp_path / "m.h5", *filters)
    with pytest.raises(
        InputError, match=rf"m\.h5 .* not supported \({words}\); repack it with gzip"
    ) as error:
        open_recording(path)
    assert "damaged" not in str(error.value)


def stored_settings(path, old, new):
    """Other settings of a filter, in place of those that libhdf5 wrote."""
    before, after = (b"".join(n.to_bytes(4, "little") for n in numbers) for numbers in (old, new))
    content = path.read_bytes()
    assert content.count(before) == 1
    path.write_bytes(content.replace(before, after))


def test_settings_of_a_filter_that_do_not_fit_the_pixels(tmp_path, movie):
    lzf = write.hdf5(tmp_path / "lzf.h5", movie=(movie, {"chunks": SHAPE, "compression": "lzf"}))
    stored_settings(lzf, (261, 240), (261, 1))
    shuffled = write.hdf5(tmp_path / "shuffled.h5", movie=(movie, {"chunks": SHAPE, "shuffle": True}))
    content = shuffled.read_bytes()
    assert content.count(b"shuffle\0\x02") == 1
    shuffled.write_bytes(content.replace(b"shuffle\0\x02", b"shuffle\0\x00"))
    for path in (lzf, shuffled):
        with pytest.raises(
            InputError, match=rf"{path.name} .*settings of a compression .* do not fit its pixels"
        ):
            open_recording(path)


def test_a_checksum_of_less_than_nothing(tmp_path):
    """Three bytes with a checksum of four: libhdf5 reads on to the end of its memory."""
    path = one_chunk(tmp_path / "m.h5", b"abc", compression="gzip", fletcher32=True)
    with pytest.raises(InputError, match="a chunk holds less than its pixels"):
        open_recording(path)


def test_numbers_whose_bits_lie_elsewhere(tmp_path):
    odd = h5py.h5t.STD_U16LE.copy()
    odd.set_precision(12)
    float_like = h5py.h5t.IEEE_F32LE.copy()
    float_like.set_ebias(100)
    for name, kind in (("twelve", odd), ("biased", float_like), ("bits", h5py.h5t.STD_B16LE)):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            space = h5py.h5s.create_simple(SHAPE)
            dataset = h5py.h5d.create(file.id, b"movie", kind, space)
            dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, np.full(SHAPE, 5, "f4" if name == "biased" else "u2"))
    assert (open_recording(tmp_path / "twelve.h5")[:] == 5).all()
    for name in ("biased", "bits"):
        with pytest.raises(InputError, match=rf"{name}\.h5 .*unusual type of number"):
            open_recording(tmp_path / f"{name}.h5")


def broken_heap(path):
    """The first heap of words of a file gets an object without number and size."""
    content = bytearray(path.read_bytes())
    start = content.index(b"GCOL")
    content[start + 16 : start + 32] = bytes(16)
    path.write_bytes(content)


def test_a_heap_of_words_without_an_end(tmp_path, movie):
    """libhdf5 does not come back from such a heap."""
    path = write.nwb(tmp_path / "m.nwb", movie=movie)
    assert open_recording(path).pixel_size_um == pytest.approx(write.PIXEL)
    broken_heap(path)
    with pytest.raises(InputError, match=r"m\.nwb: holds no TwoPhotonSeries"):
        open_recording(path)
    by_name = open_recording(path, dataset="/acquisition/movie/data")
    np.testing.assert_array_equal(by_name[1:3], movie[1:3].swapaxes(1, 2))


@pytest.mark.parametrize("bounds", ["earliest", "latest"])
def test_words_of_every_length_are_read_as_h5py_reads_them(tmp_path, bounds):
    path = tmp_path / "m.h5"
    words = {"a": "", "b": "µm", "cccccccc": "x" * 200, "d": "micrometers"}
    with h5py.File(path, "w", libver=bounds, userblock_size=512) as file:
        for key, word in words.items():
            file.create_group("g").attrs[key] = word if key != "a" else " "
            file.move("g", f"deep/{key}")
        file["deep/d"].attrs["too long"] = "x" * 1000
        file["deep/d"].attrs["fixed"] = np.bytes_("fixed")
        for number in range(3):  # headers go on elsewhere
            file["deep/d"].attrs[f"more {number}"] = "y" * 100
    with h5py.File(path) as file:
        for key, word in words.items():
            assert _hdf5_file.word_of(path, file[f"deep/{key}"], key) == (word or " ")
        last = file["deep/d"]
        assert [_hdf5_file.word_of(path, last, key) for key in ("fixed", "more 2", "none", "too long")] == [
            "fixed",
            "y" * 100,
            None,
            None,
        ]


def test_time_stamps_in_another_file_are_not_read(tmp_path, movie):
    path = write.nwb(tmp_path / "m.nwb", timing="stamps", movie=movie)
    stamps = np.arange(len(movie)) / 123.0
    write.hdf5(tmp_path / "other.h5", stamps=stamps)
    stamps.tofile(tmp_path / "stamps.raw")
    layout = h5py.VirtualLayout(stamps.shape, stamps.dtype)
    layout[:] = h5py.VirtualSource(tmp_path / "other.h5", "stamps", stamps.shape)
    assert open_recording(path).frame_rate_hz == pytest.approx(write.RATE)
    for way in ("virtual", "external", "link"):
        with h5py.File(path, "a") as file:
            series = file["acquisition/movie"]
            del series["timestamps"]
            if way == "virtual":
                series.create_virtual_dataset("timestamps", layout)
            elif way == "external":
                outside = [("stamps.raw", 0, stamps.nbytes)]
                series.create_dataset("timestamps", stamps.shape, stamps.dtype, external=outside)
            else:
                series["timestamps"] = h5py.ExternalLink("other.h5", "/stamps")
        if way == "link":
            with pytest.raises(InputError, match="is a link to another file"):
                open_recording(path)
        else:
            assert open_recording(path).frame_rate_hz == write.RATE, "the imaging plane's"


@pytest.mark.parametrize("place", ["root", "below"])
def test_a_heap_of_names_that_leads_around(tmp_path, movie, place):
    """libhdf5 takes memory for one free part after the other, and there is no last one."""
    path = tmp_path / "m.h5"
    with h5py.File(path, "w", userblock_size=1024, libver="earliest") as file:
        file["a" if place == "root" else "group/b"] = movie
    np.testing.assert_array_equal(open_recording(path)[1:3], movie[1:3])
    content = bytearray(path.read_bytes())
    heap = content.index(b"HEAP") if place == "root" else content.rindex(b"HEAP")
    _, free, data = (int.from_bytes(content[heap + at : heap + at + 8], "little") for at in (8, 16, 24))
    start = 1024 + data + free
    content[start : start + 8] = free.to_bytes(8, "little")
    path.write_bytes(content)
    for name in (None, "a" if place == "root" else "group/b"):
        with pytest.raises(InputError, match=r"m\.h5: damaged .*a heap of names leads around"):
            open_recording(path, dataset=name)


@pytest.mark.parametrize(
    ("options", "word"), [({"scaleoffset": 0}, "scale-offset"), ({"compression": "szip"}, "szip")]
)
def test_compressions_that_nobody_checks(tmp_path, movie, options, word):
    """libhdf5 reads beyond a chunk of these that is cut short."""
    if "compression" in options and not h5py.h5z.filter_avail(h5py.h5z.FILTER_SZIP):
        pytest.skip("this HDF5 has no SZIP")
    path = write.hdf5(tmp_path / "m.h5", movie=(movie, {"chunks": SHAPE} | options))
    with pytest.raises(InputError, match=rf"m\.h5 .* not supported \({word}\); repack it with gzip"):
        open_recording(path)
