"""What a Zarr folder says of its arrays, checked before any library that decodes it sees it."""

from __future__ import annotations

import json
import math
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from lassovae._errors import InputError
from lassovae.data._choice import require_expansion

LARGEST_METADATA = 1 << 24  # bytes of a JSON file
NUMBER = re.compile(r"0|[1-9][0-9]{0,15}")
MOST_FOLDERS = 10_000  # groups that are looked through for arrays
METADATA_FILES = ("zarr.json", ".zarray", ".zgroup")
# Codecs that only move or compress numbers. What is not among them may run code (numcodecs has a pickle filter).
CHECKSUM, CHECKSUM_BYTES = "crc32c", 4
COMPRESSORS = ("blosc", "gzip", "lz4", "zlib", "zstd")
CODECS = frozenset(
    "blosc bytes crc32c delta endian gzip lz4 shuffle sharding_indexed transpose zlib zstd".split()
)


@dataclass(frozen=True)
class ArrayMetadata:
    """An array of a Zarr folder.

    Attributes:
        folder: of the array.
        zarr_format: 2 or 3.
        shape, chunks: lengths of the axes, of the array and of what is stored as one file.
        dtype: of the pixels.
        separator: between the numbers in the name of a chunk's file.
        prefix: in front of these numbers.
        compressed: whether chunks are.
        codec: the compressor, "" without one; it alone changes the size of a chunk, but for:
        tail: bytes of a checksum behind what is compressed.
        inner: lengths of the axes of the chunks within a shard, None where a file is one chunk.
        index_first: whether a shard begins with the places of its chunks, instead of ending with them.
        index_tail: bytes of a checksum behind these places.
        attributes: the user's.
    """

    folder: Path
    zarr_format: Literal[2, 3]
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: np.dtype
    separator: str
    prefix: str
    compressed: bool
    attributes: dict[str, Any] = field(default_factory=dict)
    codec: str = ""
    tail: int = 0
    inner: tuple[int, ...] | None = None
    index_first: bool = False
    index_tail: int = 0

    @property
    def file(self) -> Path:
        """The one that says so."""
        return self.folder / (".zarray" if self.zarr_format == 2 else "zarr.json")


def _damaged(path: Path, what: str) -> InputError:
    return InputError(f"{path}: damaged Zarr metadata, {what}; copy or export it again")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        InputError: it is too large, not JSON, or not an object.
    """
    try:
        if path.stat().st_size > LARGEST_METADATA:
            raise _damaged(path, "larger than any should be")
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path, f"not JSON ({type(error).__name__})") from error
    if not isinstance(content, dict):
        raise _damaged(path, "not an object")
    return content


def _lengths(path: Path, value: Any, what: str) -> tuple[int, ...]:
    good = isinstance(value, list) and all(type(n) is int and 0 <= n < 1 << 48 for n in value)
    if not good:
        raise _damaged(path, f"{what} {value!r:.60} is not a list of lengths")
    return tuple(value)


def _codec_names(value: Any) -> set[str]:
    """Every `id` and `name` of the codecs, however deep they are nested."""
    if isinstance(value, dict):
        own = {str(value[key]) for key in ("id", "name") if key in value}
        inner = value.get("configuration", {})
        nested = [inner.get(key) for key in ("codecs", "index_codecs")] if isinstance(inner, dict) else []
        return own.union(*map(_codec_names, nested))
    if isinstance(value, list):
        return set[str]().union(*map(_codec_names, value))
    return set()


def _require_codecs(path: Path, names: set[str]) -> None:
    unknown = sorted(names - CODECS)
    if unknown:
        raise InputError(
            f"{path}: stored by the codec {unknown[0]!r:.60}, which is not read here; save it with blosc, gzip or zstd"
        )


def _chain(path: Path, codecs: Any) -> tuple[str, int]:
    """The only compressor among the steps of a chunk, or "", and the bytes of a checksum behind it.

    Raises:
        InputError: a chain of which nobody knows before how many bytes come out of each step.
    """
    listed = codecs if isinstance(codecs, list) else [codecs]
    known = [codec for codec in listed if isinstance(codec, dict)]
    names = [str(codec.get("id", codec.get("name"))) for codec in known if not _keeps_size(codec)]
    compressor, *rest = ["", *names] if names in ([], [CHECKSUM]) else names
    if compressor not in ("", *COMPRESSORS) or rest not in ([], [CHECKSUM]):
        raise InputError(
            f"{path}: stored by a chain of codecs that is not read here ({', then '.join(names):.100}); save it with "
            "one of blosc, gzip or zstd"
        )
    return compressor, CHECKSUM_BYTES if rest else 0


def _keeps_size(codec: dict[str, Any]) -> bool:
    """Whether as many bytes come out of a step as go in."""
    name = codec.get("id", codec.get("name"))
    stored_as = codec.get("astype") or codec.get("dtype")
    return name in ("bytes", "endian", "transpose", "shuffle") or (
        name == "delta" and stored_as == codec.get("dtype")
    )


def _shard(path: Path, codecs: Any) -> dict[str, Any] | None:
    """The settings of the shards that an array consists of; None where it has none."""
    listed = [codec for codec in codecs if isinstance(codec, dict)] if isinstance(codecs, list) else []
    shards = [codec.get("configuration") for codec in listed if codec.get("name") == "sharding_indexed"]
    if not shards:
        return None
    if len(codecs) > 1 or not isinstance(shards[0], dict):
        raise _damaged(path, "shards within other codecs")
    return shards[0]


def _one_of(path: Path, value: Any, allowed: tuple[str, ...], what: str) -> str:
    if value not in allowed:
        raise _damaged(path, f"{what} {value!r:.60}")
    return str(value)


def _dtype(path: Path, value: Any) -> np.dtype:
    try:
        dtype = np.dtype(value) if isinstance(value, str) else np.dtype(object)
    except (TypeError, ValueError):
        dtype = np.dtype(object)
    if dtype.kind not in "uif":
        raise InputError(
            f"{path}: pixels of type {value!r:.60} are not real numbers; store integers or floats"
        )
    return dtype


def _version_2(folder: Path) -> ArrayMetadata:
    path = folder / ".zarray"
    said = read_json(path)
    attributes = read_json(folder / ".zattrs") if (folder / ".zattrs").is_file() else {}
    filters, compressor = said.get("filters") or [], said.get("compressor")
    _require_codecs(path, _codec_names(filters) | _codec_names(compressor))
    codec, tail = _chain(path, [*(filters if isinstance(filters, list) else [filters]), compressor])
    return ArrayMetadata(
        folder,
        2,
        _lengths(path, said.get("shape"), "shape"),
        _lengths(path, said.get("chunks"), "chunks"),
        _dtype(path, said.get("dtype")),
        _one_of(path, said.get("dimension_separator", "."), (".", "/"), "separator"),
        "",
        bool(compressor or filters),
        attributes,
        codec,
        tail,
    )


def _version_3(folder: Path, said: dict[str, Any]) -> ArrayMetadata:
    path = folder / "zarr.json"
    grid, encoding = said.get("chunk_grid"), said.get("chunk_key_encoding")
    if not isinstance(grid, dict) or not isinstance(encoding, dict):
        raise _damaged(path, "no grid of chunks")
    settings, keys = grid.get("configuration"), encoding.get("configuration", {})
    if grid.get("name") != "regular" or not isinstance(settings, dict) or not isinstance(keys, dict):
        raise _damaged(path, "an irregular grid of chunks")
    codecs = said.get("codecs")
    names = _codec_names(codecs)
    _require_codecs(path, names)
    kind = _one_of(path, encoding.get("name"), ("default", "v2"), "name of chunks")
    standard = "/" if kind == "default" else "."
    separator = _one_of(path, keys.get("separator", standard), (".", "/"), "separator")
    attributes = said.get("attributes")
    shard = _shard(path, codecs)
    inner = None if shard is None else _lengths(path, shard.get("chunk_shape"), "chunks of a shard")
    if inner is not None and not (inner and min(inner) > 0):
        raise _damaged(path, f"chunks {inner} of a shard")
    codec, tail = _chain(path, codecs if shard is None else shard.get("codecs"))
    index_codec, index_tail = _chain(path, (shard or {}).get("index_codecs", {"name": CHECKSUM}))
    if index_codec:
        raise _damaged(path, "places of chunks that are compressed")
    return ArrayMetadata(
        folder,
        3,
        _lengths(path, said.get("shape"), "shape"),
        _lengths(path, settings.get("chunk_shape"), "chunks"),
        _dtype(path, said.get("data_type")),
        separator,
        f"c{separator}" if kind == "default" else "",
        bool(names - {"bytes"}),
        attributes if isinstance(attributes, dict) else {},
        codec,
        tail,
        inner,
        shard is not None and shard.get("index_location") == "start",
        index_tail,
    )


def find_arrays(folder: Path) -> tuple[dict[str, ArrayMetadata], dict[str, Any]]:
    """Every array below a folder by its name, and the attributes of the folder itself.

    Raises:
        InputError: damaged metadata, codecs that are not read, or too many groups.
    """
    found: dict[str, ArrayMetadata] = {}
    attributes: dict[str, Any] = {}
    for count, (place, below, files) in enumerate(os.walk(folder)):
        if count > MOST_FOLDERS:
            raise InputError(
                f"{folder}: more than {MOST_FOLDERS} groups; name the folder of the array instead"
            )
        here, said = Path(place), {}
        if "zarr.json" in files:
            said = read_json(here / "zarr.json")
        name = "/" + here.relative_to(folder).as_posix().removeprefix(".")
        if ".zarray" in files or said.get("node_type") == "array":
            found[name] = _version_2(here) if ".zarray" in files else _version_3(here, said)
            below.clear()
        if here == folder:
            own = said.get("attributes", {})
            attributes = read_json(here / ".zattrs") if ".zattrs" in files else own
    return found, attributes if isinstance(attributes, dict) else {}


def check_chunks(array: ArrayMetadata) -> None:
    """Prove that every chunk of an array has its file, and can hold what the metadata claim.

    Raises:
        InputError: chunks are missing or cut short, or the metadata claim more than they can hold.
    """
    shape, chunks = array.shape, array.chunks
    if len(shape) != len(chunks) or min(chunks) < 1:
        raise _damaged(array.folder, f"chunks {chunks} for shape {shape}")
    expected = math.prod(-(-side // step) for side, step in zip(shape, chunks, strict=True))
    sizes, present = [], 0
    for place, _, files in os.walk(array.folder):
        for file in files:
            chunk = Path(place) / file
            name = chunk.relative_to(array.folder).as_posix()
            numbers = name.removeprefix(array.prefix).split(array.separator)
            if not name.startswith(array.prefix) or not all(map(NUMBER.fullmatch, numbers)):
                continue
            starts = [int(number) * step for number, step in zip(numbers, chunks, strict=False)]
            if len(numbers) == len(shape) and all(
                start < side for start, side in zip(starts, shape, strict=True)
            ):
                present += 1
                sizes.append(chunk.stat().st_size)
    if present < expected:
        raise InputError(
            f"{array.folder}: {expected - present} of {expected} chunks are missing; copy it again, or if their frames "
            "are blank, store them (write_empty_chunks)"
        )
    chunk_bytes = math.prod(chunks) * array.dtype.itemsize
    stored = max(sizes, default=0) if array.compressed else min(sizes, default=0)
    require_expansion(str(array.folder), chunk_bytes, stored, array.compressed)
