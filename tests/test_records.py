"""Analyses on disk: what is read back is what was saved, and files that are none are refused."""

import dataclasses
import json
from typing import get_type_hints

import jax.numpy as jnp
import numpy as np
import pytest

import lassovae
from lassovae import Analysis, InputError, stats
from lassovae._differences import Differences
from lassovae._evaluate import Errors
from lassovae._network import Network
from lassovae._records import RECORDS, read_origin
from lassovae.var import VARFit


def assert_same(a, b, where="analysis"):
    """Types, dtypes, shapes and every bit."""
    if isinstance(a, (np.ndarray, np.generic)):
        assert type(a) is type(b), where
        assert (a.dtype, a.shape) == (b.dtype, b.shape), where
        assert a.tobytes() == b.tobytes(), where
        return
    assert type(a) is type(b), where
    if dataclasses.is_dataclass(a):
        for field in dataclasses.fields(a):
            assert_same(getattr(a, field.name), getattr(b, field.name), f"{where}.{field.name}")
    elif isinstance(a, (tuple, list)):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{where}[{i}]")
    elif isinstance(a, dict):
        assert list(a) == list(b), where
        for key in a:
            assert_same(a[key], b[key], f"{where}[{key!r}]")
    else:
        assert repr(a) == repr(b), where  # so that nan is nan


def made_up(kind, rng, depth=0):
    """A value of a type, arrays of awkward numbers among them."""
    names = getattr(kind, "__name__", str(kind))
    if kind in RECORDS.values():
        hints = get_type_hints(kind)
        names = [f.name for f in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else kind._fields
        return kind(**{name: made_up(hints[name], rng, depth + 1) for name in names})
    if kind is np.ndarray or "Array" in str(kind) or "numpy.ndarray" in str(kind):
        return np.array([[0.1, np.nan, np.inf], [-0.0, 5e-324, rng.standard_normal()]])
    arguments = getattr(kind, "__args__", ())
    origin = getattr(kind, "__origin__", None)
    if origin is tuple:
        kinds = arguments[:1] * 3 if arguments[-1] is Ellipsis else arguments
        return tuple(made_up(k, rng, depth + 1) for k in kinds)
    if origin is dict:
        return {"F": made_up(arguments[1], rng, depth + 1), "N ü": made_up(arguments[1], rng, depth + 1)}
    if type(None) in arguments:
        return made_up(next(k for k in arguments if k is not type(None)), rng, depth + 1)
    if "Literal" in str(kind):
        return arguments[0] if isinstance(arguments[0], str) else made_up(arguments[0], rng, depth + 1)
    return {str: 'a "text",\nλ', int: 2**40 + 1, float: 0.1 + 0.2, bool: True}[kind]


@pytest.fixture
def analysis(rng):
    return made_up(Analysis, rng)


def test_every_field_of_every_record_comes_back(analysis, tmp_path):
    lassovae.save_analysis(analysis, tmp_path / "new", origin={"study": "F and N"})
    back = lassovae.load_analysis(tmp_path / "new")
    assert_same(analysis, back)
    assert read_origin(tmp_path / "new") == {"study": "F and N"}
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["analysis.json", "analysis.npz"]
    used = {
        type(analysis),
        type(analysis.differences),
        type(analysis.differences.network),
        type(analysis.fit),
    }
    assert used == {
        Analysis,
        Differences,
        Network,
        VARFit,
    }  # the walk above reached the records within records
    assert type(analysis.errors) is Errors
    assert type(analysis.condition_test.place) is stats.PermutationResult


def test_nothing_numbers_and_arrays_of_jax_come_back(analysis, tmp_path):
    changed = dataclasses.replace(
        analysis,
        recovery=None,
        comparisons=None,
        difference=None,
        gain=float("nan"),
        condition_lam=float("-inf"),
        pooled={},
        latents=(),
        blocks=(np.int64(3), 4),
        delta=jnp.arange(3.0),
        maps=np.zeros((0, 2, 2), np.float32),
    )
    lassovae.save_analysis(changed, tmp_path)
    back = lassovae.load_analysis(tmp_path)
    assert_same(dataclasses.replace(changed, delta=np.arange(3.0, dtype=np.float32)), back)


def test_a_second_analysis_replaces_the_first(analysis, tmp_path):
    lassovae.save_analysis(analysis, tmp_path)
    lassovae.save_analysis(dataclasses.replace(analysis, why_not="later", latents=()), tmp_path)
    assert lassovae.load_analysis(tmp_path).why_not == "later"


def test_a_full_disk_leaves_the_first_analysis(analysis, tmp_path, monkeypatch):
    lassovae.save_analysis(analysis, tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def refuse(place, **arrays):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", refuse)
    with pytest.raises(InputError, match=r"analysis\.npz: cannot be written: No space left on device; check"):
        lassovae.save_analysis(dataclasses.replace(analysis, why_not="later"), tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
    assert lassovae.load_analysis(tmp_path).why_not == analysis.why_not


def test_files_of_two_analyses_are_told_apart(analysis, tmp_path):
    for name, delta in (("a", np.zeros(3)), ("b", np.ones(3))):
        lassovae.save_analysis(dataclasses.replace(analysis, delta=delta), tmp_path / name)
    (tmp_path / "b" / "analysis.npz").replace(tmp_path / "a" / "analysis.npz")
    with pytest.raises(
        InputError, match=r"analysis\.json and analysis\.npz are not of one analysis: analyse"
    ):
        lassovae.load_analysis(tmp_path / "a")


def test_an_analysis_from_before_tokens_is_read(analysis, tmp_path):
    lassovae.save_analysis(analysis, tmp_path)
    tampered(tmp_path, lambda tree: tree.pop("token"))
    with np.load(tmp_path / "analysis.npz") as stored:
        arrays = {name: stored[name] for name in stored.files if name != "token"}
    np.savez(tmp_path / "analysis.npz", **arrays)
    assert_same(analysis, lassovae.load_analysis(tmp_path))


def test_the_writer_refuses_what_it_could_not_read_back(analysis, tmp_path):
    for odd, words in ((object(), "a object"), (np.array([None]), "array of objects")):
        with pytest.raises(InputError, match=words):
            lassovae.save_analysis(dataclasses.replace(analysis, delta=odd), tmp_path)
    assert list(tmp_path.iterdir()) == []


def tampered(folder, change):
    tree = json.loads((folder / "analysis.json").read_text())
    change(tree)
    (folder / "analysis.json").write_text(json.dumps(tree))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda tree: tree.update(format_version=99),
            "format_version 99, this version reads 1: analyse the run",
        ),
        (lambda tree: tree["analysis"].update(record="Popen"), "does not know .*Popen"),
        (lambda tree: tree["analysis"]["fields"].update(extra=1), "does not know .*Analysis.extra"),
        (lambda tree: tree["analysis"]["fields"].pop("names"), "does not know .*names"),
        (lambda tree: tree["analysis"]["fields"].update(delta={"array": "gone"}), "does not know .*gone"),
        (lambda tree: tree.update(analysis={"tuple": []}), "holds no analysis"),
        (lambda tree: tree.update(analysis=[1]), "does not know"),
    ],
)
def test_a_file_of_something_else_is_refused(change, words, analysis, tmp_path):
    lassovae.save_analysis(analysis, tmp_path)
    tampered(tmp_path, change)
    with pytest.raises(InputError, match=words):
        lassovae.load_analysis(tmp_path)


def test_damaged_and_missing_files_are_named(analysis, tmp_path):
    with pytest.raises(InputError, match=r"analysis\.json is missing: analyse the run first"):
        lassovae.load_analysis(tmp_path)
    lassovae.save_analysis(analysis, tmp_path)
    arrays = (tmp_path / "analysis.npz").read_bytes()
    (tmp_path / "analysis.npz").write_bytes(arrays[: len(arrays) // 2])
    with pytest.raises(InputError, match=r"analysis\.npz cannot be read"):
        lassovae.load_analysis(tmp_path)
    np.savez(tmp_path / "analysis.npz", **{"analysis/delta": np.array([{}], object)}, allow_pickle=True)
    with pytest.raises(InputError, match=r"analysis\.npz cannot be read .*pickle"):
        lassovae.load_analysis(tmp_path)
    (tmp_path / "analysis.npz").unlink()
    with pytest.raises(InputError, match=r"analysis\.npz is missing"):
        lassovae.load_analysis(tmp_path)
    (tmp_path / "analysis.json").write_text("{")
    with pytest.raises(InputError, match=r"analysis\.json cannot be read"):
        lassovae.load_analysis(tmp_path)


def test_a_number_that_was_changed_is_told(analysis, tmp_path):
    """Digits of the tree and bits of the arrays: none is read as another analysis, though some say nothing."""
    lassovae.save_analysis(analysis, tmp_path)
    tree, arrays = (tmp_path / "analysis.json").read_bytes(), (tmp_path / "analysis.npz").read_bytes()
    digits = [at for at in range(tree.index(b'"analysis"'), len(tree)) if tree[at : at + 1].isdigit()]
    damaged = [(at, b"%d" % ((int(tree[at : at + 1]) + 1) % 10), "analysis.json") for at in digits[::7]]
    damaged += [(at, bytes([arrays[at] ^ 4]), "analysis.npz") for at in range(0, len(arrays), 101)]
    told = 0
    for at, new, name in damaged:
        whole = {"analysis.json": tree, "analysis.npz": arrays}
        whole[name] = whole[name][:at] + new + whole[name][at + 1 :]
        for file, content in whole.items():
            (tmp_path / file).write_bytes(content)
        try:
            found = lassovae.load_analysis(tmp_path)
        except InputError:
            told += 1
        else:
            assert_same(analysis, found)  # 5e-324 is 6e-324, and a date in an archive says nothing
    assert told > len(damaged) / 2
