"""Zarr made to harm: chunks that claim, burst or end early, shards that lie, links, and what the store holds beside."""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from pathlib import Path

import movie_writers as write
import numcodecs
import numpy as np
import pytest
import zarr
from zarr.codecs import BloscCodec, Crc32cCodec, GzipCodec, ShardingCodec, ZstdCodec

from lassovae import InputError
from lassovae.data import open_recording

SHAPE = (6, 8, 10)
NUM_BYTES = 960


@pytest.fixture
def movie(rng):
    return rng.integers(1, 40, SHAPE).astype(np.uint16)


def stored(path, movie, **options):
    """A folder of one array in one chunk, and the file of that chunk."""
    options = {"chunks": SHAPE} | options
    zarr.create_array(path, data=movie, **options)
    return path, path / ("0.0.0" if options.get("zarr_format") == 2 else "c/0/0/0")


def read_or_error(recording, frames, movie):
    """The error, or None where the frames are read and are the movie's."""
    try:
        pixels = (open_recording(recording) if isinstance(recording, Path) else recording)[frames]
    except InputError as error:
        return error
    np.testing.assert_array_equal(pixels, movie[frames])
    return None


def with_number(content, place, number):
    return content[:place] + struct.pack("<I", number) + content[place + 4 :]


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("claim", [0, NUM_BYTES - 2, NUM_BYTES + 2, 2**31 - 1])
def test_a_chunk_that_says_another_size(tmp_path, movie, zarr_format, claim):
    options = {
        "zarr_format": zarr_format,
        "compressors": numcodecs.Blosc() if zarr_format == 2 else BloscCodec(),
    }
    path, chunk = stored(tmp_path / "m.zarr", movie, **options)
    np.testing.assert_array_equal(open_recording(path)[:], movie)
    chunk.write_bytes(with_number(chunk.read_bytes(), 4, claim))
    recording = open_recording(path)
    with pytest.raises(
        InputError, match=r"m\.zarr: chunk .*0.0.0 cannot be decoded: it is cut short or damaged"
    ):
        recording[:]


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("size", [0, NUM_BYTES - 1, NUM_BYTES + 1, 1 << 24])
def test_a_chunk_that_inflates_to_another_size(tmp_path, movie, zarr_format, size):
    codec = numcodecs.GZip() if zarr_format == 2 else GzipCodec()
    path, chunk = stored(tmp_path / "m.zarr", movie, zarr_format=zarr_format, compressors=codec)
    np.testing.assert_array_equal(open_recording(path)[2:5], movie[2:5])
    chunk.write_bytes(gzip.compress(bytes(size)))
    recording = open_recording(path)
    with pytest.raises(InputError, match="cannot be decoded: it is cut short or damaged"):
        recording[:]
    chunk.write_bytes(gzip.compress(bytes(NUM_BYTES)))
    assert not open_recording(path)[:].any()


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_zstandard_says_its_size(tmp_path, movie, zarr_format):
    codec = numcodecs.Zstd() if zarr_format == 2 else ZstdCodec()
    for frames, words in ((SHAPE[0], None), (3, "cannot be decoded"), (600, "cannot be decoded")):
        path = tmp_path / f"{frames}.zarr"
        options = {"zarr_format": zarr_format, "compressors": codec}
        _, source = stored(
            tmp_path / f"other {frames}", np.resize(movie, (frames, 8, 10)), chunks=(frames, 8, 10), **options
        )
        path, chunk = stored(path, movie, **options)
        chunk.write_bytes(source.read_bytes())
        if words is None:
            np.testing.assert_array_equal(open_recording(path)[:], movie)
        else:
            with pytest.raises(InputError, match=words):
                open_recording(path)[:]


def checksum(content):
    """CRC-32C, as the index of a shard has it."""
    rest = 0xFFFFFFFF
    for byte in content:
        rest ^= byte
        for _ in range(8):
            rest = rest >> 1 ^ (0x82F63B78 if rest & 1 else 0)
    return rest ^ 0xFFFFFFFF


def blocks(content, repeat=0):
    """A frame of Zstandard that says no size, in raw blocks, or in blocks of `repeat` times each byte."""
    step = 1 if repeat else 100
    units = [content[at : at + step] for at in range(0, len(content), step)]
    frame = b"\x28\xb5\x2f\xfd\x00\x58"
    for number, unit in enumerate(units):
        header = (number == len(units) - 1) | bool(repeat) << 1 | (repeat or len(unit)) << 3
        frame += struct.pack("<I", header)[:3] + unit
    return frame


@pytest.mark.parametrize("inner", [None, (2, 8, 10)])
def test_zstandard_that_says_no_size_gets_room_for_its_pixels_only(tmp_path, movie, inner, monkeypatch):
    """Writers in other languages leave the size out; numcodecs would then take room as long as bytes come."""
    path = tmp_path / "m.zarr"
    options = {"chunks": SHAPE} if inner is None else {"chunks": inner, "shards": SHAPE}
    zarr.create_array(path, data=movie, compressors=ZstdCodec(), **options)
    chunk = path / "c" / "0" / "0" / "0"
    step = NUM_BYTES if inner is None else NUM_BYTES // 3
    parts = [movie.tobytes()[at : at + step] for at in range(0, NUM_BYTES, step)]
    said, decode, sizes = bytes(numcodecs.Zstd().encode(parts[0])), numcodecs.Zstd.decode, []

    def decode_and_tell(self, *arguments):
        decoded = decode(self, *arguments)
        sizes.append(len(decoded))
        return decoded

    monkeypatch.setattr(numcodecs.Zstd, "decode", decode_and_tell)
    bomb = blocks(bytes(200), repeat=1 << 17)
    skipped = b"\x50\x2a\x4d\x18" + struct.pack("<I", 4) + b"abcd"
    for first, honest in (
        (blocks(parts[0]), True),
        (skipped + said, True),
        (blocks(parts[0][:-2]), False),
        (bomb, False),
        (skipped + bomb, False),
        (said + bomb, False),
        (blocks(parts[0])[:-1], False),
    ):
        pieces = [first, *map(blocks, parts[1:])]
        content = b"".join(pieces)
        if inner is not None:
            starts = np.cumsum([0, *map(len, pieces[:-1])])
            index = b"".join(struct.pack("<QQ", *p) for p in zip(starts, map(len, pieces), strict=True))
            content += index + struct.pack("<I", checksum(index))
        chunk.write_bytes(content)
        if honest:
            np.testing.assert_array_equal(open_recording(path)[:], movie)
        else:
            with pytest.raises(InputError, match=r"m\.zarr.* cannot be decoded"):
                open_recording(path)[:]
    assert max(sizes) == step, "none took room for more, though it was refused afterwards"


@pytest.mark.parametrize("location", ["start", "end"])
@pytest.mark.parametrize("codec", [GzipCodec(), ZstdCodec(), BloscCodec()], ids=["gzip", "zstd", "blosc"])
def test_a_shard_with_a_damaged_index_or_chunk(tmp_path, movie, location, codec):
    path = tmp_path / "m.zarr"
    shards = ShardingCodec(
        chunk_shape=(1, 8, 10), codecs=[zarr.codecs.BytesCodec(), codec], index_location=location
    )
    zarr.create(shape=SHAPE, chunks=(3, 8, 10), dtype="u2", store=path, codecs=[shards])[:] = movie
    np.testing.assert_array_equal(open_recording(path)[:], movie)
    np.testing.assert_array_equal(open_recording(path)[1:5:3], movie[1:5:3])
    chunk = path / "c" / "1" / "0" / "0"
    content = chunk.read_bytes()
    for damaged in (content[:-30], content[30:], content[:20], bytes(len(content)), b"\xff" * len(content)):
        chunk.write_bytes(damaged)
        recording = open_recording(path)
        np.testing.assert_array_equal(recording[:3], movie[:3])
        with pytest.raises(InputError, match=r"m\.zarr.* cannot be decoded"):
            recording[3:6]
        assert any(isinstance(read_or_error(recording, frame, movie), InputError) for frame in (3, 4, 5))


@pytest.mark.parametrize("fill_value", [0, 7])
@pytest.mark.parametrize("codec", [GzipCodec(), ZstdCodec()], ids=["gzip", "zstd"])
def test_chunks_that_a_shard_says_are_blank(tmp_path, movie, fill_value, codec):
    """As zarr leaves them out; read whole or in parts."""
    path = tmp_path / "m.zarr"
    movie[2:5] = fill_value
    zarr.create_array(
        path, data=movie, chunks=(1, 8, 10), shards=(3, 8, 10), compressors=codec, fill_value=fill_value
    )
    for frames in (slice(None), slice(0, 3), slice(1, 3), slice(2, 3), slice(3, 5), slice(5, 1, -1)):
        np.testing.assert_array_equal(open_recording(path)[frames], movie[frames])
    chunk = path / "c" / "0" / "0" / "0"
    content = chunk.read_bytes()
    assert content[-20:-4] == b"\xff" * 16
    for half in (content[:-20] + bytes(8) + content[-12:], content[:-12] + bytes(8) + content[-4:]):
        index = half[-52:-4]
        chunk.write_bytes(half[:-4] + struct.pack("<I", checksum(index)))
        with pytest.raises(InputError, match="cannot be decoded"):
            open_recording(path)[:3]


def test_metadata_that_are_deep_huge_or_odd(tmp_path, movie):
    path, _ = stored(tmp_path / "m.zarr", movie, attributes={"fps": 7.5})
    whole = json.loads((path / "zarr.json").read_text())
    odd = {
        "attributes": (
            {"fps": [[1, 2], [3]]},
            {"fps": float("nan")},
            {"fps": 10**400},
            {"fps": {}},
            [1],
            "x",
            None,
        ),
        "fill_value": ([], {}, "x", float("nan"), "0" * 100_000, None),
        "shape": ([True, 8, 10], [6.0, 8, 10], [10**400, 8, 10], "6", {}, [], [6]),
        "dimension_names": ([1, 2, 3], "x", ["../../x", None, "\x1b[2J"]),
        "storage_transformers": ([{"name": "x"}], 3),
        "zarr_format": (2, 4, "3", None),
        "node_type": ("group", "x", None),
        "codecs": (
            [],
            None,
            {},
            "bytes",
            [{"name": "sharding_indexed", "configuration": {"chunk_shape": [0, 8, 10]}}],
        ),
    }
    for key, values in odd.items():
        for value in values:
            (path / "zarr.json").write_text(json.dumps(whole | {key: value}))
            error = read_or_error(path, slice(None), movie)
            assert error is None or "m.zarr" in str(error), (key, value)
    for text in ('{"a":' * 5000, "[" * 100_000, '{"a": ' + "9" * 100_000 + "}", "x" * ((1 << 24) + 1)):
        (path / "zarr.json").write_text(text)
        with pytest.raises(InputError, match="damaged Zarr metadata"):
            open_recording(path)


def test_names_that_lead_out_of_the_folder(tmp_path, movie):
    stored(tmp_path / "secret.zarr", movie)
    path = write.zarr_array(tmp_path / "m.zarr", movie, 3, chunks=SHAPE)
    for name in (
        "../secret.zarr",
        "/../secret.zarr",
        "movie/../../secret.zarr",
        str(tmp_path / "secret.zarr"),
    ):
        with pytest.raises(InputError, match="is none of the arrays"):
            open_recording(path, dataset=name)
    (path / "linked").symlink_to(tmp_path / "secret.zarr")
    with pytest.raises(InputError, match="is none of the arrays"):
        open_recording(path, dataset="linked")
    group = zarr.open_group(path, mode="a")
    axes = [{"name": name} for name in "tyx"]
    group.attrs["ome"] = {"multiscales": [{"axes": axes, "datasets": [{"path": "../secret.zarr"}]}]}
    with pytest.raises(InputError, match="is none of the arrays"):
        open_recording(path)


def test_chunks_that_are_links_are_read(tmp_path, movie):
    """As git-annex keeps them."""
    path, chunk = stored(tmp_path / "m.zarr", movie)
    chunk.rename(tmp_path / "elsewhere")
    chunk.symlink_to(tmp_path / "elsewhere")
    np.testing.assert_array_equal(open_recording(path)[:], movie)


@pytest.mark.parametrize("transforms", [151, "x", [3], [{"scale": 1}], [{"scale": ["a", 2, 3]}], None])
def test_scales_of_ome_that_are_none(tmp_path, movie, transforms):
    path = write.zarr_array(tmp_path / "m.zarr", movie, 3, chunks=SHAPE)
    image = {"path": "movie", "coordinateTransformations": transforms}
    axes = [{"name": name, "unit": "micrometer"} for name in "tyx"]
    zarr.open_group(path, mode="a").attrs["ome"] = {"multiscales": [{"axes": axes, "datasets": [image]}]}
    recording = open_recording(path)
    np.testing.assert_array_equal(recording[:], movie)
    assert recording.frame_rate_hz is None


def test_more_frames_of_ome_than_there_are_chunks(tmp_path, movie):
    path = write.zarr_array(tmp_path / "m.zarr", movie, 3, chunks=SHAPE)
    axes = [{"name": name} for name in "tyx"]
    zarr.open_group(path, mode="a").attrs["ome"] = {
        "multiscales": [{"axes": axes, "datasets": [{"path": "movie"}]}]
    }
    file = path / "movie" / "zarr.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"shape": [1 << 40, 8, 10]}))
    with pytest.raises(InputError, match="chunks are missing"):
        open_recording(path)


CODECS = {"gzip": GzipCodec(), "zstd": ZstdCodec(), "blosc": BloscCodec()}


@pytest.mark.parametrize("inner", [None, (2, 8, 10)])
@pytest.mark.parametrize("codec", CODECS)
def test_a_checksum_behind_a_chunk_does_not_hide_a_bomb(tmp_path, movie, codec, inner):
    path = tmp_path / "m.zarr"
    chain = (CODECS[codec], Crc32cCodec())
    options = {"chunks": SHAPE} if inner is None else {"chunks": inner, "shards": SHAPE}
    zarr.create_array(path, data=movie, compressors=chain, **options)
    np.testing.assert_array_equal(open_recording(path)[:], movie)
    np.testing.assert_array_equal(open_recording(path)[1:5:3], movie[1:5:3])
    chunk = path / "c" / "0" / "0" / "0"
    large, _ = stored(
        tmp_path / "l.zarr", np.resize(movie, (600, 8, 10)), chunks=(600, 8, 10), compressors=chain
    )
    bomb = (large / "c" / "0" / "0" / "0").read_bytes()
    if inner is not None:
        index = struct.pack("<QQ", 0, len(bomb)) * 3
        bomb += index + struct.pack("<I", checksum(index))
    chunk.write_bytes(bomb)
    with pytest.raises(InputError, match=r"m\.zarr: chunk .* cannot be decoded"):
        open_recording(path)[:]


@pytest.mark.parametrize("location", ["start", "end"])
def test_a_shard_whose_index_has_no_checksum(tmp_path, movie, location):
    path = tmp_path / "m.zarr"
    little = zarr.codecs.BytesCodec()
    shards = ShardingCodec(
        chunk_shape=(1, 8, 10), codecs=[little, GzipCodec()], index_codecs=[little], index_location=location
    )
    zarr.create(shape=SHAPE, chunks=(3, 8, 10), dtype="u2", store=path, codecs=[shards])[:] = movie
    for frames in (slice(None), slice(1, 5), slice(2, 3), slice(5, 0, -2)):
        np.testing.assert_array_equal(open_recording(path)[frames], movie[frames])
    chunk = path / "c" / "1" / "0" / "0"
    content = bytearray(chunk.read_bytes())
    at = 16 if location == "start" else len(content) - 32  # of the second of three chunks
    content[at + 8 : at + 16] = struct.pack("<Q", 1 << 45)
    chunk.write_bytes(content)
    for frames in (slice(None), slice(4, 5), slice(3, 5)):
        with pytest.raises(InputError, match=r"m\.zarr.* cannot be decoded"):
            open_recording(path)[frames]


def test_filters_that_keep_the_size_are_read_and_chains_that_do_not_are_refused(tmp_path, movie):
    def kept(name, filters):
        options = {"zarr_format": 2, "filters": filters, "compressors": numcodecs.Zlib()}
        return stored(tmp_path / name, movie, **options)

    for name, step in (("delta", numcodecs.Delta("<u2")), ("shuffle", numcodecs.Shuffle(2))):
        path, chunk = kept(name, [step])
        np.testing.assert_array_equal(open_recording(path)[:], movie)
        chunk.write_bytes(zlib.compress(bytes(1 << 22)))
        with pytest.raises(InputError, match="cannot be decoded"):
            open_recording(path)[:]
    for name, steps, words in (
        ("narrow", [numcodecs.Delta("<u2", "i1")], "delta, then zlib"),
        ("twice", [numcodecs.Shuffle(2), numcodecs.GZip()], "gzip, then zlib"),
    ):
        path, _ = kept(name, steps)
        with pytest.raises(
            InputError, match=rf"a chain of codecs that is not read here \({words}\); save it with"
        ):
            open_recording(path)
