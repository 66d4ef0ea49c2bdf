"""An analysis on disk: every field of it in one JSON file and one NPZ file, read back as it was."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import math
import os
from pathlib import Path
from typing import Any

import jax
import numpy as np

from lassovae._analysis import Analysis
from lassovae._differences import Differences
from lassovae._errors import InputError
from lassovae._evaluate import Errors
from lassovae._files import make_folder, replacing
from lassovae._fit_notes import FitQuality
from lassovae._network import Network
from lassovae.data._arrays import load_arrays
from lassovae.stats import (
    Comparison,
    ConditionTest,
    EffectSize,
    GroupDifference,
    PermutationResult,
    RankSumResult,
    Recovery,
    Uncertainty,
)
from lassovae.var import VARFit

logger = logging.getLogger("lassovae")
FORMAT_VERSION = 1
TREE, ARRAYS = "analysis.json", "analysis.npz"
LARGEST_TREE = 1 << 22  # bytes; arrays are not in it
TOKEN = "token"  # in both; arrays of the analysis have other names
AGAIN = "analyse the run again with this version"
# What may be built from a file: these and nothing else.
RECORDS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        *(
            Analysis,
            Comparison,
            ConditionTest,
            Differences,
            EffectSize,
            Errors,
            FitQuality,
            GroupDifference,
            Network,
        ),
        *(PermutationResult, RankSumResult, Recovery, Uncertainty, VARFit),
    )
}


def _field_names(kind: Any) -> tuple[str, ...]:
    return tuple(f.name for f in dataclasses.fields(kind)) if dataclasses.is_dataclass(kind) else kind._fields


def _packed(value: Any, where: str, arrays: dict[str, np.ndarray]) -> Any:
    """A value as JSON can say it; arrays are put aside under the place where they were found."""
    if value is None or isinstance(value, (bool, str)) or type(value) is int:
        return value
    if type(value) is float:
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, (np.ndarray, np.generic, jax.Array)):
        arrays[where] = np.asarray(value)
        if arrays[where].dtype.hasobject:
            raise InputError(f"{where} is an array of objects, which no file can hold safely")
        return {"scalar" if isinstance(value, np.generic) else "array": where}
    name = type(value).__name__
    if RECORDS.get(name) is type(value):
        fields = {f: _packed(getattr(value, f), f"{where}/{f}", arrays) for f in _field_names(type(value))}
        return {"record": name, "fields": fields}
    if type(value) in (tuple, list):
        return {name: [_packed(item, f"{where}/{i}", arrays) for i, item in enumerate(value)]}
    if type(value) is dict:
        items = enumerate(value.items())
        return {
            name: [
                [_packed(k, f"{where}/{i}k", arrays), _packed(v, f"{where}/{i}", arrays)]
                for i, (k, v) in items
            ]
        }
    raise InputError(f"{where} is a {name}, which cannot be saved")


def _unpacked(tree: Any, arrays: dict[str, np.ndarray]) -> Any:
    """The inverse of `_packed`; raises KeyError, TypeError or ValueError where the tree is none of its."""
    if not isinstance(tree, dict):
        if tree is None or isinstance(tree, (bool, int, float, str)):
            return tree
        raise TypeError("a list without a kind")
    if "record" in tree:
        kind, found = RECORDS[tree["record"]], tree["fields"]
        unknown = sorted(set(found) - set(_field_names(kind)))
        if unknown:
            raise KeyError(f"{tree['record']}.{unknown[0]}")
        return kind(**{name: _unpacked(part, arrays) for name, part in found.items()})
    ((kind_name, content),) = tree.items()
    if kind_name == "float":
        return {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[content]
    if kind_name == "array":
        return arrays[content]
    if kind_name == "scalar":
        return arrays[content][()]
    if kind_name in ("tuple", "list"):
        parts = [_unpacked(part, arrays) for part in content]
        return tuple(parts) if kind_name == "tuple" else parts
    if kind_name == "dict":
        return {_unpacked(key, arrays): _unpacked(part, arrays) for key, part in content}
    raise KeyError(kind_name)


def _token(tree: Any, arrays: dict[str, np.ndarray]) -> str:
    """What both files of an analysis say, so that those of two are told apart."""
    digest = hashlib.sha256(json.dumps(tree, allow_nan=False).encode())
    for name, values in arrays.items():
        digest.update(f"{name} {values.dtype.str} {values.shape}".encode())
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def save_analysis(
    analysis: Analysis, folder: str | os.PathLike[str], *, origin: dict[str, Any] | None = None
) -> None:
    """Write an analysis to folder/analysis.json and folder/analysis.npz, replacing those of an earlier one.

    Args:
        analysis: from `analyse`; arrays of JAX are stored as NumPy's.
        folder: made if it is not there; a run folder, usually.
        origin: what it was made from, in plain JSON types, for whoever wants to compare; `read_origin` reads it.

    Raises:
        InputError: the folder cannot be made, or the system refuses to write; what was there is there still.
    """
    place = Path(folder)
    arrays: dict[str, np.ndarray] = {}
    tree = _packed(analysis, "analysis", arrays)
    whole = {"format_version": FORMAT_VERSION, "origin": origin or {}, "analysis": tree}
    token = _token(whole, arrays)
    make_folder(place)
    # Both are written before either takes its name: what there was stays whole if the disk is full. Were the process
    # killed between the two, the tokens would differ.
    with replacing(place / TREE) as text, replacing(place / ARRAYS) as packed:
        text.write_text(json.dumps(whole | {"token": token}, indent=1, allow_nan=False) + "\n", "utf-8")
        np.savez(packed, **arrays, **{TOKEN: np.asarray(token)})  # type: ignore[arg-type]  # as for allow_pickle


def _read_tree(folder: Path) -> dict[str, Any]:
    path = folder / TREE
    try:
        if path.stat().st_size > LARGEST_TREE:
            raise ValueError("larger than any analysis")
        whole = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} is missing: analyse the run first (lassovae analyse {folder})") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read ({error}): {AGAIN}") from error
    version = whole.get("format_version") if isinstance(whole, dict) else None
    if version != FORMAT_VERSION:
        raise InputError(f"{path} has format_version {version}, this version reads {FORMAT_VERSION}: {AGAIN}")
    return dict(whole)


def read_origin(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """What `save_analysis` was told of where an analysis came from.

    Raises:
        InputError: no analysis, or one of another version.
    """
    origin = _read_tree(Path(folder)).get("origin", {})
    return dict(origin) if isinstance(origin, dict) else {}


def load_analysis(folder: str | os.PathLike[str]) -> Analysis:
    """Read back what `save_analysis` wrote; nothing but the library's own records can be built from the files.

    Args:
        folder: a run folder that was analysed.

    Returns:
        Analysis, equal to the one that was saved: same values, types and shapes.

    Raises:
        InputError: there is none, its files are damaged or do not belong together, or another version wrote them.

    Example:
        >>> load_analysis("run")  # doctest: +SKIP
    """
    place = Path(folder)
    whole = _read_tree(place)
    path = place / ARRAYS
    if not path.exists():
        raise InputError(f"{path} is missing, without which {TREE} says little: {AGAIN}")
    try:
        arrays = load_arrays(path)
    except InputError as error:
        raise InputError(f"{path} cannot be read ({error}): {AGAIN}") from error
    token = arrays.pop(TOKEN, None)
    said = whole.pop(TOKEN, None)
    if said is None and token is None:  # written before there were tokens
        logger.warning("%s: damage of an analysis of this age cannot be seen: %s.", place / TREE, AGAIN)
    elif str(token) != said:
        raise InputError(f"{place / TREE} and {ARRAYS} are not of one analysis: {AGAIN}")
    try:
        analysis = _unpacked(whole["analysis"], arrays)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{place / TREE} holds what this version does not know ({error}): {AGAIN}"
        ) from error
    if not isinstance(analysis, Analysis):
        raise InputError(f"{place / TREE} holds no analysis: {AGAIN}")
    if said is not None and _token(whole, arrays) != said:
        raise InputError(f"{place / TREE} or {ARRAYS} was changed or damaged after it was written: {AGAIN}")
    return analysis
