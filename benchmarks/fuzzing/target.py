"""What is read: a reader, small files that it takes, and ways to damage them that only it knows."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fuzzing.judge import Budget
from fuzzing.mutators import GENERAL, Mutator
from lassovae.data import Recording

Files = dict[str, bytes]  # path within a folder -> content; one entry for formats that are one file
MOST_ASKED = 1 << 27  # bytes of frames that are asked for at once
SPECIAL_SHARE = 0.5  # of the changes, where a reader has ways of its own
WHOLE_SHARE = 0.1  # of the changes of several files: one is lost, or put in the place of another


class Target(NamedTuple):
    """A reader to try.

    Attributes:
        name: of the reader.
        make_seeds: writes valid files into an empty folder and returns them by name, each as all its files. Called
            once, before processes are forked, so that what it imports is there; the same at every call.
        read: opens what lies in a folder by the library's public function, and reads all that a user would: see
            `look_at`. Raises what the library raises.
        special: changes of one file's content that know its format. They take a source of randomness, the name of the
            file and its content.
    """

    name: str
    make_seeds: Callable[[Path], Mapping[str, Files]]
    read: Callable[[Path, Budget], None]
    special: Sequence[Callable[[random.Random, str, bytes], bytes]] = ()


def mutated(target: Target, seeds: Mapping[str, Files], seed: int, number: int) -> Files:
    """Damaged file `number` of a seed: the same for the same numbers, whatever was made before it."""
    rng = random.Random(f"{target.name} {seed} {number}")
    names = sorted(seeds)
    files = dict(seeds[rng.choice(names)])
    for _ in range(min(1 + int(rng.expovariate(0.7)), 8)):
        place = rng.choice(sorted(files))
        if len(files) > 1 and rng.random() < WHOLE_SHARE:
            other = rng.choice(sorted(files))
            if rng.random() < 0.5:
                files[place] = files[other]
            else:
                del files[place]
        elif target.special and rng.random() < SPECIAL_SHARE:
            with suppress(Exception):  # what is damaged already may not be understood
                files[place] = rng.choice(target.special)(rng, place, files[place])
        else:
            donor = seeds[rng.choice(names)]
            other_content = donor.get(place) or donor[rng.choice(sorted(donor))]
            mutator: Mutator = rng.choice(GENERAL)
            files[place] = mutator(rng, files[place], other_content)
    return files


def files_below(folder: Path) -> Files:
    """The files in a folder, or one file by its own name."""
    if folder.is_file():
        return {folder.name: folder.read_bytes()}
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def write_files(files: Files, folder: Path) -> int:
    """Write files below a folder; their bytes in all."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return sum(map(len, files.values()))


def look_at(recording: Recording, budget: Budget) -> None:
    """Read what a user reads of a recording: what it says of itself, the first, the last and a few frames.

    Raises:
        AssertionError: it is not what it says: another shape or type of pixels, other pixels at the second reading.
        Exception: of the reader.
    """
    num_frames, height, width = recording.shape
    frame_bytes = height * width * recording.dtype.itemsize
    said = (recording.kind, recording.name, repr(recording), recording.frame_shape, len(recording))
    assert all(isinstance(side, int) and side > 0 for side in recording.shape), said
    assert recording.dtype.kind in "uif", recording.dtype
    assert recording.dtype.isnative, recording.dtype
    scales = (recording.frame_rate_hz, *(recording.pixel_size_um or ()))
    assert all(scale is None or (np.isfinite(scale) and scale > 0) for scale in scales), scales
    if frame_bytes > MOST_ASKED:
        return  # nobody is served such a frame by surprise: its size stands in the header
    several = min(8, num_frames, MOST_ASKED // frame_bytes)
    start = (num_frames - several) // 2

    def frames_of(first: int, last: int) -> np.ndarray:
        with budget.asking((last - first) * frame_bytes):
            frames = recording[first:last]
        assert frames.shape == (last - first, height, width), (frames.shape, recording.shape)
        assert frames.dtype == recording.dtype, (frames.dtype, recording.dtype)
        return frames

    first_frame = frames_of(0, 1)
    frames_of(num_frames - 1, num_frames)
    some = frames_of(start, start + several)
    if start == 0:
        np.testing.assert_array_equal(some[:1], first_frame)
