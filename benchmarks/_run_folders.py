"""Tiny trainings as processes of their own, and what their run folders hold: for kills.py, faults.py and others."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tifffile

ROOT = Path(__file__).resolve().parents[1]
FRAMES, SHAPE, LABELS = 32, (16, 24), "FFNN"
SMALL = ("--order", "1", "--window", "8", "--lam", "0.01", "--preprocess.bad-pixels", "fill")
VARIANTS = {
    "soft_roi": ("--encoder", "soft_roi", "--epochs", "6", *SMALL),
    "convolutional": ("--encoder", "convolutional", "--channels", "4", "--epochs", "4", *SMALL),
}
PLAIN = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
PATIENCE_S = 300.0  # for a process that should end by itself


class Ended(NamedTuple):
    """How a process ended: as a shell says it, 128 + n for a signal n; seconds since its start."""

    status: int
    seconds: float
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        """Lines that say what went wrong, of this library or of Python."""
        return [line for line in self.err.splitlines() if line.startswith(("lassovae: error:", "Traceback"))]

    def one_error(self) -> str:
        """What is not as it should be after a fault; empty where there is one error in one line."""
        wrong = [] if self.status in (1, 2) else [f"status {self.status}"]
        if len(self.errors) != 1 or "Traceback" in self.err:
            wrong.append(f"{len(self.errors)} errors: {self.err[-1500:]!r}")
        return ", ".join(wrong)


@dataclass
class Command:
    """A `lassovae` command in a process group of its own; its words go to a file, so that no pipe fills."""

    arguments: tuple[str, ...]
    environment: dict[str, str]
    plain: bool = False  # without root's right to write where modes forbid it
    began: float = field(default_factory=time.perf_counter)

    def __post_init__(self) -> None:
        self._said = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        before = PLAIN if self.plain and os.geteuid() == 0 else ()
        self._process = subprocess.Popen(
            [*before, sys.executable, "-m", "lassovae", *self.arguments],
            env=self.environment,
            stdout=self._said[0],
            stderr=self._said[1],
            cwd=ROOT,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """Of the process, and of its group."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs still."""
        return self._process.poll() is None

    def send(self, number: int) -> None:
        """A signal to it and to all that it has started."""
        if self.alive:
            os.killpg(self._process.pid, number)

    def finish(self, patience_s: float = PATIENCE_S) -> Ended:
        """Wait for its end; killed, with status 124, if that takes too long."""
        try:
            code = self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self.send(signal.SIGKILL)
            self._process.wait()
            code = 124
        words = []
        for file in self._said:
            with file:
                file.seek(0)
                words.append(file.read().decode(errors="replace"))
        return Ended(128 - code if code < 0 else code, time.perf_counter() - self.began, *words)


@dataclass(frozen=True)
class Workshop:
    """A scratch folder with a study, a place for what processes compile, and run folders all of the same depth."""

    scratch: Path
    options: tuple[str, ...]
    begun: list[Command] = field(default_factory=list)

    def __enter__(self) -> Workshop:
        return self

    def __exit__(self, *error: object) -> None:
        """Leave no process behind, not a halted one either."""
        for command in self.begun:
            command.send(signal.SIGKILL)

    @property
    def study(self) -> Path:
        """Its CSV, written when it is first asked for."""
        table = self.scratch / "study" / "study.csv"
        if not table.exists():
            write_study(table.parent)
        return table

    def place(self, name: str) -> Path:
        """A folder for one trial; its run folder is `run` in it."""
        place = self.scratch / "trials" / name
        place.mkdir(parents=True, exist_ok=True)
        return place

    def environment(self, **more: str) -> dict[str, str]:
        """Of processes that import this checkout, compute on the CPU and keep what they compile."""
        cache = {"JAX_COMPILATION_CACHE_DIR": str(self.scratch / "cache")}
        cache["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
        cache |= {name: os.environ[name] for name in cache if name in os.environ}
        paths = [str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
        own = {"JAX_PLATFORMS": "cpu", "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        return {**os.environ, **own, **cache, **more}

    def begin(self, arguments: tuple[str, ...], plain: bool = False, **more: str) -> Command:
        """Begin a command."""
        self.begun.append(Command(arguments, self.environment(**more), plain))
        return self.begun[-1]

    def fit(
        self, place: Path, *options: str, study: Path | None = None, plain: bool = False, **more: str
    ) -> Command:
        """Begin `lassovae fit` into place/run."""
        table = self.study if study is None else study
        arguments = ("fit", str(table), "--out", str(place / "run"), *self.options, *options)
        return self.begin(arguments, plain, **more)

    def analyse(self, place: Path, **more: str) -> Command:
        """Begin `lassovae analyse` of place/run."""
        return self.begin(("analyse", str(place / "run")), **more)

    def completed(self, place: Path, *options: str) -> tuple[Ended, Ended]:
        """Train with these options and analyse, to the end."""
        ended = self.fit(place, *options).finish(), self.analyse(place).finish()
        for one in ended:
            if one.status != 0:
                raise RuntimeError(f"a command that nothing disturbed ended with {one.status}: {one.err}")
        return ended


def write_study(folder: Path, frames: int = FRAMES) -> None:
    """Four runs of blobs that brighten one after another on an uneven background, as TIFF, and their CSV."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(7)
    rows, columns = np.indices(SHAPE)
    background = 1000 + 200 * np.sin(rows / 5) + 100 * np.cos(columns / 7)
    blobs = [np.exp(-((rows - r) ** 2 + (columns - c) ** 2) / 12) for r, c in ((4, 5), (11, 18))]
    table = ["recording,condition,block"]
    for i, label in enumerate(LABELS):
        signal_of = np.zeros((frames, 2))
        for t in range(1, frames):
            signal_of[t, 0] = 0.7 * signal_of[t - 1, 0] + rng.exponential(0.3)
            signal_of[t, 1] = 0.5 * signal_of[t - 1, 1] + 0.6 * signal_of[t - 1, 0]
        light = background * (1 + 0.3 * np.tensordot(signal_of, blobs, axes=1))
        stored = np.rint(light + 10 * rng.standard_normal(light.shape)).astype(np.uint16)
        tifffile.imwrite(folder / f"run_{i}.tif", stored, photometric="minisblack")
        table.append(f"run_{i}.tif,{label},{i}")
    (folder / "study.csv").write_text("\n".join(table) + "\n", encoding="utf-8")


def digest(value: object) -> str:
    """Of bytes, a string or an array, with its dtype and shape."""
    if isinstance(value, (bytes, str)):
        return hashlib.sha256(value if isinstance(value, bytes) else value.encode()).hexdigest()[:16]
    array = np.asarray(value)
    return (
        f"{array.dtype}{array.shape} {hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]}"
    )


def model_of(folder: Path, checkpoint: str = "final") -> dict[str, str]:
    """Name of everything that `lassovae.load` reads -> a digest of its bits."""
    import jax

    import lassovae

    model = lassovae.load(folder, checkpoint=checkpoint)
    leaves = jax.tree.leaves_with_path((model.weights, model.positions))
    found = {jax.tree_util.keystr(path): digest(leaf) for path, leaf in leaves}
    for name in ("mean_frame", "scale", "offset", "lam_factor", "reference", "bad_pixels"):
        value = getattr(model, name)
        found[name] = "None" if value is None else digest(value)
    return found | {name: digest(repr(getattr(model, name))) for name in ("config", "history", "notes")}


def analysis_of(folder: Path) -> dict[str, str]:
    """The same of the tables and arrays that an analysis wrote; the digests of its JSON leave out where it lies."""
    found = {path.name: digest(path.read_bytes()) for path in sorted((folder / "tables").glob("*"))}
    for name in ("results.npz", "analysis.npz"):
        with np.load(folder / name, allow_pickle=False) as stored:
            found |= {f"{name}:{key}": digest(stored[key]) for key in stored.files}
    found["analysis.json"] = digest(
        json.dumps(json.loads((folder / "analysis.json").read_text())["analysis"])
    )
    return found


def listing(folder: Path) -> list[str]:
    """All that lies in a folder; names that Orbax draws at random are one."""
    names = {str(path.relative_to(folder)) for path in folder.rglob("*")}
    return sorted({re.sub(r"\b[0-9a-f]{32}\b", "#", name) for name in names})


def everything(folder: Path) -> dict[str, str]:
    """What a finished run, analysed or not, must have in common with one that nothing disturbed."""
    found = {f"model {name}": digest for name, digest in model_of(folder).items()}
    if (folder / "analysis.json").exists():
        found |= {f"analysis {name}": digest for name, digest in analysis_of(folder).items()}
    for name in ("config.json", "metrics.jsonl", "study.json"):
        found[f"file {name}"] = digest((folder / name).read_bytes())
    return found | {f"there {name}": "" for name in listing(folder)}


def differences(found: dict[str, str], wanted: dict[str, str]) -> list[str]:
    """Names of what is not the same, or only in one."""
    return sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))


def newest_checkpoint(folder: Path) -> int:
    """Step of the newest checkpoint whose manifest is there, 0 if there is none."""
    places = (folder / "checkpoints").glob("*.json")
    return max((int(p.stem) for p in places if p.stem.isdigit() and p.with_suffix("").is_dir()), default=0)


def rows_of(folder: Path) -> int:
    """Whole lines of metrics.jsonl: steps that are on record."""
    try:
        return (folder / "metrics.jsonl").read_bytes().count(b"\n")
    except OSError:
        return 0
