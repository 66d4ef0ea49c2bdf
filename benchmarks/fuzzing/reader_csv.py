"""Tables of studies, with changes of their cells."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np

from fuzzing.judge import Budget
from fuzzing.reader_npy import SMALL
from fuzzing.target import Files, Target, look_at
from lassovae.data import read_design, read_study

TABLE = "study.csv"
CELLS = (
    "",
    " ",
    "0",
    "-1",
    "1.5",
    "nan",
    "inf",
    "1e400",
    "9" * 400,
    "9" * 5000,
    "x" * 5000,
    "=1+1",
    '"',
    '""',
    "a,b",
    "a;b",
)
CELLS += (
    "\u202ea",
    "\x1b[2J",
    "<script>",
    "é",
    "\ufeff",
    "１",
    "²",
    "1_000",
    "0x10",
    "a\0b",
    "\r",
    "\n",
    "\\",
    "'",
    "%s{0}",
)
PATHS = (
    "a.npy",
    "b.npy",
    "folder",
    "..",
    "../..",
    ".",
    "/",
    "/etc/passwd",
    "/dev/null",
    "/dev/zero",
    "/proc/self/mem",
    "~",
    "a.npy/b",
)
PATHS += (
    "x" * 5000,
    "x" * 255,
    "a" + "/.." * 2000,
    "CON",
    "a.npy\u200b",
    "file://a.npy",
    "http://localhost/a.npy",
    "\\\\host\\a",
    "folder/../a.npy",
)
COLUMNS = (
    "recording",
    "condition",
    "block",
    "frame_rate_hz",
    "pixel_size_um",
    "channel",
    "plane",
    "dataset",
    "Recording",
    "notes",
    "",
)
FULL = "recording,condition,block,frame_rate_hz,pixel_size_um,channel,plane,dataset\n"


def make_seeds(folder: Path) -> dict[str, Files]:
    """Tables with few and all columns, a mark of the byte order, quotes and ends of lines of every kind."""
    np.save(folder / "a.npy", SMALL)
    movie = (folder / "a.npy").read_bytes()
    tables = {
        "plain": "recording,condition\na.npy,rest\nb.npy,task\n",
        "all": FULL + "a.npy,rest,0,7.5,1.5,,,\nb.npy,task,1,7.5,,,,\n",
        "quoted": '\ufeff"recording","condition"\r\n"a.npy","rest, ""awake"""\r\n"b.npy","task\nof two lines"\r\n',
        "blanks": "Recording , condition, block\n\n a.npy , rest , 3\n  ,,\nb.npy,task,3\n",
    }
    return {name: {TABLE: text.encode(), "a.npy": movie, "b.npy": movie} for name, text in tables.items()}


def read(folder: Path, budget: Budget) -> None:
    """The design, and the study with a look at its recordings."""
    labels, blocks = read_design(folder / TABLE)
    assert len(labels) == len(blocks) > 0
    study = read_study(folder / TABLE)
    assert study.labels == tuple(labels)
    assert study.blocks == tuple(blocks)
    assert len(set(study.names)) == len(study)
    for run in study:
        look_at(run.recording, budget)


def change_cell(rng: random.Random, name: str, content: bytes) -> bytes:
    """Another cell, column, row or separator."""
    if name != TABLE:
        return content
    rows = [line.split(",") for line in content.decode("utf-8-sig").splitlines()]
    row = rng.choice(rows)
    what = rng.randrange(9)
    if what < 3:
        row[rng.randrange(len(row))] = rng.choice(CELLS)
    elif what < 5:
        row[0] = rng.choice(PATHS)
    elif what == 5:
        rows[0][rng.randrange(len(rows[0]))] = rng.choice(COLUMNS)
    elif what == 6:
        row += [rng.choice(CELLS)] * rng.choice((1, 2, 1000))
    elif what == 7:
        rows += [list(row)] * rng.choice((1, 2, 300))
    else:
        column = rng.choice(COLUMNS)
        for number, cells in enumerate(rows):
            cells.append(rng.choice(CELLS) if number else column)
    separator = rng.choice((",", ",", ",", ",", ";", "\t", ",,"))
    end = rng.choice(("\n", "\n", "\r\n", "\r", "\u2028", "\n\n"))
    text = end.join(separator.join(cells) for cells in rows)
    return text.encode(
        rng.choice(("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "latin1", "utf-32")), "replace"
    )


TARGET = Target("csv", make_seeds, read, (change_cell,))
