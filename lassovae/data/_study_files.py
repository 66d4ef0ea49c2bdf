"""Studies on disk: a CSV with one row a run, beside or above its recordings."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import tifffile

from lassovae._errors import InputError
from lassovae._files import make_folder, remove, replacing, write_text
from lassovae._names import fault, file_stem
from lassovae.data._choice import one_line
from lassovae.data._open import open_recording
from lassovae.data._recording import Recording, check_frame_rate, check_pixel_size
from lassovae.data._study import Run, Study, contiguous_blocks

REQUIRED = ("recording", "condition")
OPTIONAL = ("block", "frame_rate_hz", "pixel_size_um", "channel", "plane", "dataset")
# Endings of what people hand over in place of the table.
RECORDINGS = frozenset(
    {".tif", ".tiff", ".h5", ".hdf5", ".nwb", ".npy", ".npz", ".bin", ".avi", ".mp4", ".mat"}
)
LARGEST_TABLE = 1 << 22  # bytes; some 20 000 runs
BIGTIFF_BYTES = 2_000_000_000
FRAMES_AT_A_TIME = 64


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Line number and cells, stripped, of every row that is not blank."""
    if not path.is_file():
        hint = "pass the CSV in it" if path.is_dir() else "check the spelling"
        raise InputError(f"{path}: no such CSV file; {hint}")
    if path.suffix.lower() in RECORDINGS:
        raise InputError(
            f"{path}: is a recording, not the table of a study; write a CSV with the columns recording,condition and "
            "one row a recording"
        )
    try:
        if path.stat().st_size > LARGEST_TABLE:
            raise InputError(f"{path}: larger than {LARGEST_TABLE} bytes, which no table of a study is")
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text; save the table as CSV UTF-8") from None
    if "\0" in text:
        raise InputError(f"{path}: not a CSV file, it holds binary data; save the table as CSV UTF-8")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[tuple[int, list[str]]] = []
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((reader.line_num, cells))
    except csv.Error as error:
        raise InputError(
            f"{path} row {reader.line_num}: not a CSV row ({error}); check its quotes"
        ) from error
    columns = [column.strip().lower() for column in rows[0][1]] if rows else []
    missing = [column for column in REQUIRED if column not in columns]
    if missing:
        wrong = next((sign for sign in (";", "\t") if len(columns) == 1 and sign in columns[0]), None)
        hint = f"; separate columns by commas, not {wrong!r}" if wrong else ""
        raise InputError(
            f"{path} row 1: no column {' and '.join(missing)}{hint}; the header is "
            f"{','.join(REQUIRED)}{''.join(f'[,{column}]' for column in OPTIONAL)}"
        )
    unknown = [column for column in columns if column not in REQUIRED + OPTIONAL]
    if unknown or len(set(columns)) != len(columns):
        what = f"unknown column {', '.join(map(repr, unknown[:5]))}" if unknown else "a column occurs twice"
        raise InputError(f"{path} row 1: {what}; known are {', '.join(REQUIRED + OPTIONAL)}")
    if len(rows) == 1:
        raise InputError(f"{path}: a header and no rows; add one row per recording")
    table = []
    for number, cells in rows[1:]:
        if len(cells) != len(columns):
            raise InputError(
                f"{path} row {number}: {len(cells)} cells under {len(columns)} columns; "
                "put names that hold a comma in double quotes"
            )
        row = {column: cell.strip() for column, cell in zip(columns, cells, strict=True)}
        whole = cells[columns.index("recording")]
        if whole != row["recording"] and os.path.exists(
            path.parent / whole
        ):  # blanks that belong to its name
            row["recording"] = whole
        table.append((number, row))
    return table


def _design(table: Path, rows: list[tuple[int, dict[str, str]]]) -> tuple[list[str], list[int]]:
    """Conditions and blocks of the rows."""
    blocks = []
    for number, row in rows:
        where = f"{table} row {number}"
        for column in (*REQUIRED, *(("block",) if "block" in row else ())):
            if not row[column]:
                raise InputError(f"{where}: the cell under {column} is empty; fill it in")
            if wrong := fault(row[column]):
                what = "file" if column == "recording" else column
                raise InputError(f"{where}: the {column} {row[column]!a} {wrong}; rename the {what}")
        if "block" in row:
            if not re.fullmatch(r"[+-]?[0-9]{1,9}", row["block"]):
                raise InputError(
                    f"{where}: block={row['block']!r} is not an integer of at most nine digits; number the blocks"
                )
            blocks.append(int(row["block"]))
    labels = [row["condition"] for _, row in rows]
    return labels, blocks or list(contiguous_blocks(labels))


def read_design(path: str | PathLike[str]) -> tuple[list[str], list[int]]:
    """Conditions and blocks of the runs that a CSV lists; the recordings need not be there yet.

    Args:
        path: the CSV, as for `read_study`.

    Returns:
        The condition and the block of each row.

    Raises:
        InputError: naming the row and the remedy, as `read_study`, but nothing about recordings.
    """
    table = Path(path)
    return _design(table, _rows(table))


def _number(where: str, column: str, row: dict[str, str]) -> int | None:
    """The integer in a cell, None where it is empty or there is no such column."""
    text = row.get(column, "")
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise InputError(f"{where}: {column}={text!r} is not a number from 0; write 0 for the first {column}")
    return int(text)


def _names(rows: list[dict[str, str]]) -> list[str]:
    """A name a run: the file's, with its folder or what was chosen in it where that tells runs apart."""
    chosen = [
        "".join(f" {column} {row[column]}" for column in ("dataset", "channel", "plane") if row.get(column))
        for row in rows
    ]
    stems, paths = [Path(row["recording"]).stem for row in rows], [row["recording"] for row in rows]
    for names in (stems, paths):
        if len(set(names)) == len(names):
            return names
        longer = [name + more for name, more in zip(names, chosen, strict=True)]
        if len(set(longer)) == len(longer):
            return longer
    return [
        f"{path}{more} row {number}" for number, (path, more) in enumerate(zip(paths, chosen, strict=True), 1)
    ]


def read_study(path: str | PathLike[str]) -> Study:
    """Open every recording that a CSV lists.

    Columns: recording (path of a file or folder, relative to the CSV), condition (any text), and optionally block
    (integer; left out, each stretch of consecutive rows of one condition is a block), frame_rate_hz, pixel_size_um (the
    side of a pixel in micrometres), and channel, plane (from 0) and dataset, which choose within files that hold
    several movies. An empty cell of these leaves the choice to the file.

    Args:
        path: the CSV, UTF-8, separated by commas.

    Returns:
        A Study in the order of the rows, named after the folder of the CSV. Pixels are not read.

    Raises:
        InputError: naming the row and the remedy: a missing column or cell, a recording that is missing, broken
            or listed twice, a file of several movies where none is chosen, a block, frame rate, pixel size, channel or
            plane that is not a number.
    """
    table = Path(path)
    rows = _rows(table)
    seen: dict[tuple[Any, ...], int] = {}
    labels, blocks = _design(table, rows)
    recordings = []
    for number, row in rows:
        where = f"{table} row {number}"
        rate = check_frame_rate(where, row.get("frame_rate_hz") or None)  # type: ignore[arg-type]  # text is checked
        side = check_pixel_size(where, row.get("pixel_size_um") or None)  # type: ignore[arg-type]  # likewise
        channel, plane = _number(where, "channel", row), _number(where, "plane", row)
        dataset = row.get("dataset", "").strip("/") or None
        place = table.parent / row["recording"]
        try:
            same = place.resolve()
        except (OSError, RuntimeError, ValueError) as error:  # a name that is too long, links in a circle
            raise InputError(f"{where}: {row['recording']} cannot be opened: {one_line(error)}") from error
        first = seen.setdefault((same, channel, plane, dataset), number)
        if first != number:
            raise InputError(
                f"{where}: {row['recording']} is already the recording of row {first}; remove one row"
            )
        try:
            recordings.append(
                open_recording(
                    place,
                    frame_rate_hz=rate,
                    pixel_size_um=side,
                    channel=channel,
                    plane=plane,
                    dataset=dataset,
                )
            )
        except InputError as error:
            raise InputError(f"{where}: {error}") from error
    runs = zip(_names([row for _, row in rows]), recordings, labels, blocks, strict=True)
    return Study(tuple(Run(*run) for run in runs), name=table.resolve().parent.name or "study")


def write_study(study: Study, folder: str | PathLike[str]) -> Path:
    """Write each run as a TIFF file, and study.csv; `read_study` reads them back. The truth is not written.

    Args:
        study: its pixels keep their type.
        folder: made where missing; nothing in it is overwritten.

    Returns:
        Path of study.csv.

    Raises:
        InputError: a file of that name exists, or a condition would not survive the table.
    """
    target = Path(folder)
    for run in study:
        if run.condition.strip() != run.condition:
            raise InputError(f"run {run.name}: condition {run.condition!r} has blanks at its ends; rename it")
    stems: list[str] = []
    for run in study:
        stems.append(file_stem(run.name, stems))
    files = [target / f"{stem}.tif" for stem in stems]
    existing = [file for file in (target / "study.csv", *files) if file.exists()]
    if existing:
        raise InputError(f"{existing[0]}: exists and is not overwritten; choose another folder or remove it")
    if target.exists() and not target.is_dir():
        raise InputError(f"{target}: is a file; choose a folder")
    make_folder(target)
    written: list[Path] = []
    try:
        for run, file in zip(study, files, strict=True):
            with replacing(file) as place:
                _write_movie(run.recording, place)
            written.append(file)
        write_text(target / "study.csv", _table(study, files))
    except BaseException:  # half a study would be in the way of the whole one
        for file in written:
            remove(file)
        raise
    return target / "study.csv"


def _write_movie(movie: Recording, place: Path) -> None:
    num_bytes = movie.shape[0] * movie.shape[1] * movie.shape[2] * movie.dtype.itemsize
    with tifffile.TiffWriter(place, bigtiff=num_bytes > BIGTIFF_BYTES) as writer:
        writer.write(
            (frame for chunk in movie.chunks(FRAMES_AT_A_TIME) for frame in chunk),
            shape=movie.shape,
            dtype=movie.dtype,
            photometric="minisblack",
            metadata={"axes": "TYX"},
        )


def _table(study: Study, files: Sequence[Path]) -> str:
    """The text of study.csv."""
    columns = {
        "frame_rate_hz": [run.recording.frame_rate_hz for run in study],
        "pixel_size_um": [_side(run.recording.pixel_size_um) for run in study],
    }
    known = {name: values for name, values in columns.items() if any(value is not None for value in values)}
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow([*REQUIRED, "block", *known])
    for number, (run, file) in enumerate(zip(study, files, strict=True)):
        shown = ["" if values[number] is None else repr(values[number]) for values in known.values()]
        table.writerow([file.name, run.condition, run.block, *shown])
    return text.getvalue()


def _side(pixel_size_um: tuple[float, float] | None) -> float | None:
    """Side of a square pixel; a table has no room for another one's two."""
    if pixel_size_um is None or pixel_size_um[0] != pixel_size_um[1]:
        return None
    return pixel_size_um[0]
