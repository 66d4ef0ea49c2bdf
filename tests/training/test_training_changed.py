"""What changes behind a training's back: recordings between opening and reading, frames, checkpoints, folders."""

import dataclasses
import errno
import logging
import os
import shutil
import stat
import subprocess
import sys
import threading

import h5py
import numpy as np
import pytest
import tifffile
import zarr
from training_studies import CONFIG, LABELS, assert_same_model, make_study, movie, stopped

from lassovae import InputError, TrainingError
from lassovae._files import remove_leftovers, replacing, write_text
from lassovae._lock import owned
from lassovae._sealed import write_sealed
from lassovae.data import ArrayRecording, Run, Study, content_hash, open_recording, prepare
from lassovae.data._truth import save_truth
from lassovae.training import _keeper, fit, load
from lassovae.training._checkpoint import _quietly
from lassovae.training._inputs import Inputs
from lassovae.training._saved import Saved, outdated

MOVIES = [movie(np.random.default_rng(seed)) for seed in range(4)]
BLOCKS = CONFIG.replace(encoder="block_mean")


def tiff(path, frames, **options):
    tifffile.imwrite(path, frames, photometric="minisblack", **options)


def npy(path, frames, order="C", dtype="<u2"):
    np.save(path, np.asarray(frames, dtype, order=order))


def hdf5(path, frames, **options):
    with h5py.File(path, "w") as file:
        file.create_dataset("movie", data=frames, **options)


def zarr_3(path, frames, chunks=None):
    zarr.create_array(path, data=frames, chunks=chunks or frames.shape, overwrite=True)


def study_of(recordings):
    runs = [Run(f"run_{i}", r, label, i) for i, (r, label) in enumerate(zip(recordings, LABELS, strict=True))]
    return Study(tuple(runs), name="tiny")


WAYS = [
    ("m.tif", tiff, {}, {"description": "x" * 3001}),
    ("m.tif", tiff, {}, {"byteorder": ">"}),
    ("m.tif", tiff, {}, {"compression": "zlib"}),
    ("m.npy", npy, {}, {"order": "F"}),
    ("m.npy", npy, {}, {"dtype": ">u2"}),
    ("m.h5", hdf5, {}, {"dtype": "f4"}),
    ("m.zarr", zarr_3, {}, {"chunks": (4, 8, 8)}),
]


@pytest.mark.parametrize(("name", "write", "first", "then"), WAYS)
def test_a_recording_that_is_written_anew_after_it_was_opened_is_not_read_by_its_old_headers(
    name, write, first, then, tmp_path
):
    write(tmp_path / name, MOVIES[0], **first)
    recording = open_recording(tmp_path / name)
    study = study_of([recording, *(ArrayRecording(m, name=str(i)) for i, m in enumerate(MOVIES[1:]))])
    before = prepare(study, CONFIG.preprocess)
    write(tmp_path / name, MOVIES[0], **then)
    try:
        found = prepare(study, CONFIG.preprocess)
    except InputError as error:
        assert "changed after it was opened" in str(error)  # noqa: PT017 - either is right, wrong pixels are not
    else:
        np.testing.assert_array_equal(found.frames[0], before.frames[0])
    again = study_of([recording.again(), *(run.recording for run in study.runs[1:])])
    np.testing.assert_array_equal(prepare(again, CONFIG.preprocess).frames[0], before.frames[0])


def test_a_recording_that_was_only_touched_after_it_was_opened_is_read(tmp_path):
    tiff(tmp_path / "m.tif", MOVIES[0])
    study = study_of([open_recording(tmp_path / "m.tif"), *(ArrayRecording(m) for m in MOVIES[1:])])
    os.utime(tmp_path / "m.tif", (1, 1))
    assert prepare(study, CONFIG.preprocess).stamps[0] == study.runs[0].recording.stamp()


@pytest.mark.parametrize("kind", ["h5", "npy", "tif", "zarr"])
def test_a_recording_that_is_gone_is_one_error(kind, tmp_path):
    path = tmp_path / f"m.{kind}"
    frames = MOVIES[0]
    if kind == "h5":
        hdf5(path, frames, chunks=frames.shape, compression="gzip")
    elif kind == "npy":
        npy(path, frames, order="F")
    else:
        (tiff if kind == "tif" else zarr_3)(path, frames)
    recording = open_recording(path)
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    for read in (lambda: recording[1:3], lambda: content_hash(recording)):
        with pytest.raises(InputError, match=path.name):
            read()


def test_chunks_that_change_though_the_metadata_do_not_are_noticed(tmp_path):
    """Frames that are kept decoded must not answer for the file."""
    recordings = []
    for i, frames in enumerate(MOVIES):
        long = np.tile(frames, (5, 1, 1))[:100]
        zarr_3(tmp_path / f"{i}.zarr", long)
        recordings.append(open_recording(tmp_path / f"{i}.zarr"))
    study = study_of(recordings)
    inputs = Inputs(study)
    inputs.pixels([r.stamp() for r in recordings])
    inputs.check()
    recordings[3][5:9]  # keeps the stretch
    zarr.open_array(tmp_path / "3.zarr", mode="r+")[:] = np.tile(MOVIES[3][:, ::-1], (5, 1, 1))[:100]
    with pytest.raises(InputError, match=r"3\.zarr: the pixels of run run_3 changed"):
        inputs.check()


def test_a_mapped_array_is_watched_as_its_file_is(tmp_path, monkeypatch):
    for i, frames in enumerate(MOVIES):
        np.save(tmp_path / f"{i}.npy", frames)
    mapped = [np.load(tmp_path / f"{i}.npy", mmap_mode="r") for i in range(4)]
    study = study_of([ArrayRecording(m[:, :16], name=str(i)) for i, m in enumerate(mapped)])
    inputs = Inputs(study)
    inputs.pixels([run.recording.stamp() for run in study])
    np.save(tmp_path / "2.npy", MOVIES[2] + 1)
    with pytest.raises(InputError, match="run_2 changed"):
        inputs.check()


def test_prepared_frames_must_be_those_of_the_study(tmp_path, monkeypatch):
    study, other = make_study(), make_study(movies=[m[:, ::-1] for m in MOVIES])
    for wrong, words in (
        (prepare(other, CONFIG.preprocess), "its pixels of run run_0 are not those"),
        (
            prepare(study, dataclasses.replace(CONFIG.preprocess, percentile=90.0, scaling="percentile")),
            "other settings",
        ),
        (prepare(Study(study.runs[::-1], name="tiny"), CONFIG.preprocess), "its runs are run_3"),
    ):
        with pytest.raises(InputError, match=f"prepared: .*{words}.*; leave it out"):
            fit(study, BLOCKS, run_dir=tmp_path / "run", prepared=wrong)
    assert not (tmp_path / "run").exists()
    assert fit(study, BLOCKS, prepared=prepare(make_study(), CONFIG.preprocess)).history == ()
    stopped(study, tmp_path / "run", 11, monkeypatch)
    brighter = prepare(study, CONFIG.preprocess, scale=1e4)
    with pytest.raises(
        InputError, match=r"prepared: its (scale|mean_frame) is not that of the training so far"
    ):
        fit(study, CONFIG, run_dir=tmp_path / "run", resume=True, show_progress=False, prepared=brighter)


@pytest.mark.parametrize("lost", ["manifests", "folder", "final"])
def test_nothing_is_begun_anew_over_checkpoints_that_lost_their_files(
    lost, study, finished, tmp_path, monkeypatch
):
    folder = tmp_path / "run"
    if lost == "final":
        shutil.copytree(finished[1], folder)
    else:
        stopped(study, folder, 20, monkeypatch)
    checkpoints = folder / "checkpoints"
    if lost == "folder":
        shutil.rmtree(checkpoints)
    for manifest in checkpoints.glob("*.json"):
        manifest.unlink()
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    with pytest.raises(
        InputError, match=r"checkpoints: no checkpoint is complete, though metrics\.jsonl .*restore them"
    ):
        fit(study, CONFIG, run_dir=folder, resume=True, show_progress=False)
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


def test_block_means_whose_only_checkpoint_was_half_written_are_written_again(study, tmp_path):
    expected = fit(study, BLOCKS, run_dir=tmp_path / "run")
    (tmp_path / "run" / "checkpoints" / "final.json").unlink()
    assert_same_model(fit(study, BLOCKS, run_dir=tmp_path / "run", resume=True), expected)
    assert_same_model(load(tmp_path / "run"), expected)


def test_the_best_that_was_not_kept_any_more_is_made_by_resuming(study, finished, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    losses = iter([1.0, 2.0, 3.0, 4.0])
    monkeypatch.setattr("lassovae.training._epochs._mean_loss", lambda rows: next(losses))
    fit(study, CONFIG, run_dir=folder, show_progress=False)
    best = load(folder, checkpoint="best")
    shutil.rmtree(folder / "checkpoints" / "best")
    (folder / "checkpoints" / "best.json").unlink()
    with pytest.raises(
        InputError, match=r"ended before its best epoch was kept: repeat the call .* resume=True"
    ):
        load(folder, checkpoint="best")
    if (folder / "checkpoints" / "8.json").exists():
        fit(study, CONFIG, run_dir=folder, resume=True, show_progress=False)
        assert_same_model(load(folder, checkpoint="best"), best)


def test_a_damaged_newer_checkpoint_does_not_count_among_the_newest(tmp_path):
    for step in (8, 16, 24, 32):
        saved = Saved(str(step), "id", step, float(step), None, {}, {}, "")
        write_sealed(tmp_path / f"{step}.json", saved._asdict())
    assert outdated(tmp_path, 2, 20) == []  # 8 and 16 are the newest, and 8 is the best
    assert outdated(tmp_path, 1, 32) == ["24", "16"]
    assert outdated(tmp_path, 2, 32) == ["16"]


def test_a_relative_folder_stays_where_it_was(study, finished, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    wrote = _keeper.Keeper.wrote

    def then(keeper, row):
        wrote(keeper, row)
        os.chdir(tmp_path / "elsewhere")

    monkeypatch.setattr(_keeper.Keeper, "wrote", then)
    assert_same_model(fit(study, CONFIG, run_dir="run", show_progress=False), finished[0])
    assert not (tmp_path / "run" / ".owner.json").exists()
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_what_took_the_place_of_the_folder_is_left_alone(study, tmp_path):
    folder = tmp_path / "run"

    class Replaced(ArrayRecording):
        def _read(self, frames):
            if folder.exists() and not (folder / "theirs").exists():
                shutil.rmtree(folder)
                folder.mkdir()
                for name in ("theirs", "study.json", "provenance.json"):
                    (folder / name).write_text("theirs")
            return super()._read(frames)

    first = study.runs[0]
    recording = Replaced(first.recording[:], name=first.recording.name)
    other = Study((Run(first.name, recording, first.condition, first.block), *study.runs[1:]), name="tiny")
    with pytest.raises((InputError, TrainingError)):
        fit(other, CONFIG, run_dir=folder, show_progress=False)
    assert (folder / "study.json").read_text() == "theirs"
    assert (folder / "provenance.json").read_text() == "theirs"


@pytest.mark.parametrize("name", ["a\0b", "caf\udce9"])
def test_a_folder_that_has_no_name_in_utf_8_is_refused_at_once(name, tmp_path):
    with pytest.raises(InputError, match="no name of a folder in UTF-8"):
        fit(make_study(), CONFIG, run_dir=f"{tmp_path}/{name}", show_progress=False)
    assert list(tmp_path.iterdir()) == []


def test_leftovers_of_a_folder_within_that_is_locked_are_its_owners(tmp_path):
    inner, free = tmp_path / "inner", tmp_path / "free"
    free.mkdir()
    with owned(inner, "training"), replacing(inner / "x.json") as place:
        place.write_text("{}")
        (free / ".y.1.2.partial.json").write_text("half")
        (tmp_path / ".room.7.partial").write_text("half")
        remove_leftovers(tmp_path)
        assert place.exists()
    assert (inner / "x.json").read_text() == "{}"
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["x.json"]


def test_threads_that_write_one_file_leave_it_whole(tmp_path):
    texts = [str(n) * 20000 for n in range(4)]
    failed = []

    def write(text):
        try:
            for _ in range(25):
                write_text(tmp_path / "x.txt", text)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert (tmp_path / "x.txt").read_text() in texts
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_a_fork_does_not_own_its_parents_lock(tmp_path):
    code = """
import os, sys
from pathlib import Path
from lassovae import InputError
from lassovae._lock import owned
with owned(Path(sys.argv[1]), "training"):
    child = os.fork()
    if not child:
        try:
            with owned(Path(sys.argv[1]), "more"):
                os._exit(1)
        except InputError as error:
            os._exit(0 if "is being written by" in str(error) else 2)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "run"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_two_threads_that_are_silent_leave_the_process_as_it_was():
    hooks, level = (sys.excepthook, threading.excepthook), logging.getLogger("absl").level
    inside, go = threading.Event(), threading.Event()

    def first():
        with _quietly("absl"):
            inside.set()
            go.wait(5)

    def second():
        inside.wait(5)
        with _quietly("absl"):
            pass

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    for thread in threads:
        thread.start()
    inside.wait(5)
    threads[1].join(0.2)  # it waits for the first
    go.set()
    for thread in threads:
        thread.join()
    assert (sys.excepthook, threading.excepthook) == hooks
    assert logging.getLogger("absl").level == level


def test_a_file_system_that_brings_no_names_to_the_disk_is_written_to(tmp_path, monkeypatch):
    fsync = os.fsync

    def refuses_folders(file):
        if stat.S_ISDIR(os.fstat(file).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        fsync(file)

    monkeypatch.setattr(os, "fsync", refuses_folders)
    write_text(tmp_path / "x.txt", "whole")
    assert (tmp_path / "x.txt").read_text() == "whole"


def test_a_simulations_truth_is_whole_or_not_there(tmp_path, monkeypatch):
    from lassovae.data import simulate_study

    study = simulate_study(0, num_runs=4, frames=24, frame_shape=(32, 48), num_cells=4)

    def fills_the_disk(*arguments, **arrays):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez_compressed", fills_the_disk)
        with pytest.raises(InputError, match=r"truth\.npz: cannot be written: No space"):
            save_truth(study.truth, study.names, tmp_path / "truth.npz")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="cannot be written"):
        save_truth(study.truth, study.names, tmp_path / "missing" / "truth.npz")
