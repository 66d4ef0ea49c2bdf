"""What files claim is bounded by what they hold: crafted ones are refused, or read, within the memory of honest ones.

Every file is read as the harness of damaged files reads it (benchmarks/fuzzing): memory beyond twice its size, 100 MB
and the frames that are asked for is refused by the kernel, and counts as a failure even where an error hides it.
"""

import io
import lzma
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile

from lassovae import InputError
from lassovae.data import open_recording

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = ROOT / "benchmarks"
linux = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="memory is bounded by Linux' own means"
)


@pytest.fixture
def outcome(monkeypatch):
    """What comes of a recording that is opened and looked at within bounds, and in how many seconds."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from fuzzing.judge import judge
    from fuzzing.target import look_at

    def of(path, **choice):
        began = time.process_time()
        found = judge(
            lambda place, budget: look_at(open_recording(place, **choice), budget), path, path.stat().st_size
        )
        assert time.process_time() - began < 60  # a hang, not a measurement
        return found

    yield of
    for name in [name for name in sys.modules if name.split(".")[0] == "fuzzing"]:
        del sys.modules[name]


def ifd(tags, after=0, order="<"):
    """A page of a classic TIFF: (code, type, count, value) of its tags, and the place of the page behind it."""
    entries = b"".join(struct.pack(order + "HHII", *tag) for tag in sorted(tags))
    return struct.pack(order + "H", len(tags)) + entries + struct.pack(order + "I", after)


def tags_of(width, height, place, count, compression=1, bits=8, **more):
    found = {
        256: (4, 1, width),
        257: (4, 1, height),
        258: (3, 1, bits),
        259: (3, 1, compression),
        262: (3, 1, 1),
    }
    found |= {273: (4, 1, place), 277: (3, 1, 1), 278: (4, 1, height), 279: (4, 1, count)}
    found |= {int(code[1:]): value for code, value in more.items()}
    return [(code, *value) for code, value in found.items() if value]


def chain(path, pages, back_to=None, pixels=b"\0" * 16, shape=(4, 4), **more):
    """A TIFF whose pages share their pixels; the last one leads back to one of the others."""
    height, width = shape
    tags = tags_of(width, height, 8, len(pixels), **more)
    first, length = 8 + len(pixels), 6 + 12 * len(tags)
    ends = [first + length * (number + 1) for number in range(pages - 1)]
    ends.append(0 if back_to is None else first + length * back_to)
    path.write_bytes(
        struct.pack("<2sHI", b"II", 42, first) + pixels + b"".join(ifd(tags, end) for end in ends)
    )
    return path


@linux
@pytest.mark.parametrize("side", [10**6, 65_535, 2**31 - 1, 2**32 - 1])
def test_a_kilobyte_that_claims_a_million_million_pixels(tmp_path, outcome, side):
    for compression in (1, 5, 8, 32946, 32773, 34925, 50000, 7, 34712):
        path = chain(tmp_path / "m.tif", 3, pixels=bytes(900), shape=(side, side), compression=compression)
        found = outcome(path)
        assert found.kind == "rejected", (compression, found)


@linux
@pytest.mark.parametrize(("pages", "back_to"), [(1, 0), (2, 1), (3, 0), (150, 0), (3000, 1500), (3000, 2999)])
def test_pages_in_a_circle(tmp_path, outcome, pages, back_to):
    found = outcome(chain(tmp_path / "m.tif", pages, back_to))
    assert found.kind == "rejected"
    assert "circle" in found.what


@linux
def test_tens_of_thousands_of_pages_are_followed_in_little_memory(tmp_path, outcome, monkeypatch):
    import fuzzing.judge

    monkeypatch.setattr(fuzzing.judge, "OVERHEAD", 8_000_000)  # bytes; a record of each page would take 30 MB
    path = chain(tmp_path / "m.tif", 50_000, pixels=zlib.compress(bytes(16)), compression=8)
    found = outcome(path)
    assert found.kind == "read", found
    assert open_recording(path).shape == (50_000, 4, 4)


@linux
def test_pieces_and_values_that_lie_on_top_of_each_other(tmp_path, outcome):
    size = 1 << 20
    table = np.full(1000, 8, "<u4").tobytes() + np.full(1000, size // 2, "<u4").tobytes()
    pixels = table + bytes(size)
    strips = {"t273": (4, 1000, 8), "t279": (4, 1000, 4008), "t278": (4, 1, 1)}
    found = outcome(
        chain(tmp_path / "strips.tif", 3, pixels=pixels, shape=(1000, 64), compression=8, **strips)
    )
    assert found.kind == "rejected", "a thousand strips of half the file each"
    texts = {f"t{code}": (2, size, 8) for code in (269, 270, 271, 272, 305, 306, 315, 33432)}
    found = outcome(chain(tmp_path / "values.tif", 3, pixels=pixels, shape=(1000, 64), **texts))
    assert found.kind == "rejected"
    assert "more values" in found.what
    table = np.full(size // 4, 8, "<u4").tobytes()
    shared = {"t273": (4, size // 8, 8), "t279": (4, size // 8, 8), "t278": (4, 1, 1)}
    found = outcome(chain(tmp_path / "pieces.tif", 500, pixels=table, shape=(size // 8, 1), **shared))
    assert found.kind == "rejected"
    assert "pieces" in found.what


def compressed(compression, content):
    return zlib.compress(content, 9) if compression == 8 else lzma.compress(content, preset=0)


@linux
@pytest.mark.parametrize("codecs", [True, False], ids=["imagecodecs", "tifffile_alone"])
def test_a_strip_that_is_more_than_its_page_says(tmp_path, codecs):
    """In a process of its own, where imagecodecs can be missing: tifffile's own decoders are not told where to stop."""
    for compression in (8, 34925):
        pixels = compressed(compression, bytes(1 << 26))
        chain(tmp_path / f"{compression}.tif", 2, pixels=pixels, compression=compression)
    code = f"""
import sys; sys.path.insert(0, {str(BENCHMARKS)!r})
if not {codecs}: sys.modules["imagecodecs"] = None
from pathlib import Path
from fuzzing import judge
from fuzzing.target import look_at
from lassovae.data import open_recording
judge.OVERHEAD = 20_000_000
for path in sorted(Path({str(tmp_path)!r}).iterdir()):
    read = lambda place, budget: look_at(open_recording(place), budget)
    print(judge.judge(read, path, path.stat().st_size).kind)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, cwd=ROOT)
    kinds = done.stdout.split()
    assert len(kinds) == 2, done.stdout + done.stderr
    assert set(kinds) <= {"rejected", "read"}, done.stdout + done.stderr


@linux
def test_a_dictionary_of_lzma_of_a_gigabyte(tmp_path, outcome):
    stream = bytearray(lzma.compress(bytes(16), preset=0))
    header = (
        12  # bytes of the stream; then a block: its size, flags, number of the filter, setting, ..., checksum
    )
    length = (stream[header] + 1) * 4
    place = stream.index(b"\x21\x01", header) + 2
    stream[place] = 36  # 2**30 bytes
    crc = zlib.crc32(bytes(stream[header : header + length - 4]))
    stream[header + length - 4 : header + length] = struct.pack("<I", crc)
    found = outcome(chain(tmp_path / "m.tif", 2, pixels=bytes(stream), compression=34925))
    assert found.kind == "rejected"


@linux
@pytest.mark.parametrize("compression", ["jpeg", "jpeg2000"])
def test_an_image_that_says_of_itself_that_it_is_larger_than_its_page(tmp_path, outcome, compression):
    path = tmp_path / "m.tif"
    movie = np.arange(2 * 16 * 16, dtype=np.uint8).reshape(2, 16, 16)
    tifffile.imwrite(path, movie, compression=compression, photometric="minisblack")
    assert outcome(path).kind == "read"
    content = bytearray(path.read_bytes())
    sizes = struct.pack(">HH", 16, 16) if compression == "jpeg" else struct.pack(">II", 16, 16)
    large = struct.pack(">HH", 65_000, 65_000) if compression == "jpeg" else struct.pack(">II", 2**30, 2**30)
    assert sizes in content
    path.write_bytes(content.replace(sizes, large))
    assert outcome(path).kind == "rejected"


@linux
def test_a_tile_far_larger_than_its_frame(tmp_path, outcome):
    tile = {"t273": None, "t278": None, "t279": None, "t322": (4, 1, 65_536), "t323": (4, 1, 65_536)}
    packed = zlib.compress(bytes(256))
    places = {"t324": (4, 1, 8), "t325": (4, 1, len(packed))}
    assert (
        outcome(chain(tmp_path / "m.tif", 2, pixels=packed, compression=8, **tile, **places)).kind
        == "rejected"
    )


@linux
@pytest.mark.parametrize("compression", ["zlib", "lzw", "packbits", "lzma", "zstd"])
def test_honest_movies_without_any_light_are_read(tmp_path, outcome, compression):
    path, movie = tmp_path / "m.tif", np.zeros((4, 1024, 1024), np.uint16)
    tifffile.imwrite(path, movie, compression=compression, photometric="minisblack", rowsperstrip=1024)
    assert outcome(path).kind == "read"
    np.testing.assert_array_equal(open_recording(path)[:], movie)


def npy(shape, descr="<i2", pixels=b"", fortran=False):
    text = f"{{'descr': {descr!r}, 'fortran_order': {fortran}, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\2\0" + struct.pack("<I", len(text)) + text + pixels


@linux
@pytest.mark.parametrize(
    "content",
    [
        npy((10, 10**6, 10**6)),
        npy((2**62, 2**62, 2**62)),
        npy((-1, 4, 4), pixels=bytes(64)),
        npy((3, 4, 10**30), pixels=bytes(64)),
        npy((4, 4, 4), "|O", bytes(64)),
        npy("__import__('os').getcwd()", pixels=bytes(64)),
        npy("(" * 3000 + ")" * 3000, pixels=bytes(64)),
        npy("-" * 9000 + "1", pixels=bytes(64)),
        b"\x93NUMPY\2\0\xff\xff\xff\xff{",
        b"\x93NUMPY\2\0\xff\xff\0\0" + b" " * 65_535,
        b"\x93NUMPY\x07\0" + npy((4, 4, 4), pixels=bytes(128))[8:],
    ],
    ids=lambda content: str(len(content)),
)
def test_arrays_that_claim_what_they_do_not_hold(tmp_path, outcome, content):
    (tmp_path / "m.npy").write_bytes(content)
    assert outcome(tmp_path / "m.npy").kind == "rejected"


@linux
def test_members_of_a_zip_file_that_are_bombs(tmp_path, outcome):
    path = tmp_path / "m.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("movie.npy", npy((2, 4, 4)) + bytes(1 << 27))
    assert outcome(path).kind == "read", "what lies behind the frames is never decompressed"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("movie.npy", npy((2, 10**6, 10**6)) + bytes(1 << 20))
    assert outcome(path).kind == "rejected"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("movie.npy", npy((40, 10_000, 5000)))
    content = bytearray(packed.getvalue())
    place = content.rindex(b"PK\1\2") + 24
    content[place : place + 4] = struct.pack("<I", 4_000_000_200)  # that the zip file says the member has
    path.write_bytes(content)
    found = outcome(path)
    assert found.kind == "rejected"
    assert "bytes are stored for" in found.what


@pytest.mark.parametrize("frames", [40, 9000])
def test_frames_in_column_major_order_are_those_of_numpy(tmp_path, frames, rng):
    movie = rng.integers(0, 999, (frames, 5, 3)).astype(">i2")
    np.save(tmp_path / "m.npy", np.asfortranarray(movie))
    recording = open_recording(tmp_path / "m.npy")
    for index in (
        slice(None),
        slice(7, 30, 4),
        slice(30, 7, -4),
        slice(None, None, -1),
        slice(frames - 1, None),
    ):
        np.testing.assert_array_equal(recording[index], movie[index], strict=False)
    content = (tmp_path / "m.npy").read_bytes()
    (tmp_path / "m.npy").write_bytes(content[:-200])
    with pytest.raises(InputError, match="cut after it was opened"):
        recording[:]
