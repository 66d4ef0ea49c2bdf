"""Frames for figures: read a few at a time and never all, with the numbers that all at once would give."""

import base64
import io

import imageio.v3 as iio
import numpy as np
import pytest

from lassovae.report import _page, _viewer
from lassovae.report._drawing import csv_text, pixels
from lassovae.report._frames import CHUNK, brightest_frame
from lassovae.report._scene import Scene
from lassovae.report._viewer import grey_levels, signed_levels, viewer


class Lazy:
    """Frames that can only be read in slices, and remember how many were read at once."""

    def __init__(self, frames):
        self.frames, self.most = frames, 0
        self.shape, self.dtype = frames.shape, frames.dtype

    def __len__(self):
        return len(self.frames)

    def __getitem__(self, index):
        assert isinstance(index, int | slice), index
        part = self.frames[index]
        self.most = max(self.most, 1 if isinstance(index, int) else len(part))
        return part

    def __array__(self, *_, **__):
        raise AssertionError("all frames were asked for at once")


def lasting(frames, mean_frame, first):
    """The definition, over all frames at once."""
    height, width = mean_frame.shape
    relative = (frames / mean_frame - 1).reshape(len(frames), height // 8, 8, width // 8, 8).mean(axis=(2, 4))
    three = np.minimum(np.minimum(relative[2:], relative[1:-1]), relative[:-2]).max(axis=(1, 2))
    return first + int(three[first - 2 :].argmax())


@pytest.mark.parametrize("first", [2, 5])
@pytest.mark.parametrize("at", [2, 10, CHUNK, CHUNK + 1, CHUNK + 2, 199])
def test_the_transient_is_found_wherever_chunks_are_cut(first, at, rng):
    frames = rng.uniform(0.4, 0.6, (200, 16, 24)).astype(np.float32)
    frames[max(at - 2, 0) : at + 1, 8:16, 8:16] += 0.3
    mean_frame = frames.mean(axis=0)
    lazy = Lazy(frames)
    assert brightest_frame(lazy, mean_frame, first) == lasting(frames, mean_frame, first)
    if at >= first:
        assert brightest_frame(lazy, mean_frame, first) == at
    assert lazy.most <= CHUNK + 2


def test_the_viewer_reads_what_it_shows_and_says_what_it_left(hostile):
    results, study, prepared, _ = hostile
    lazy = tuple(Lazy(frames) for frames in prepared.frames)
    scene = Scene(results, "<i>mine</i>", study, prepared.__class__(**{**vars(prepared), "frames": lazy}), ())
    found = viewer(scene)
    assert max(frames.most for frames in lazy) <= CHUNK + 2
    assert [frames.most > 0 for frames in lazy].count(True) == len(found.clips["clips"]) == 3
    total = sum(clip["count"] for clip in found.clips["clips"])
    assert len(found.data["frame"]) == len(found.data["residual_rms"]) == total
    clip = found.clips["clips"][0]
    sheet = iio.imread(io.BytesIO(base64.b64decode(clip["residual"].split(",")[1])))
    levels = sheet[: found.clips["height"], : found.clips["width"]].astype(float) - 128
    rms = float(np.sqrt(np.mean(np.square(levels))) / 127)
    size = float(found.words.split("full colour at ")[1].split(". The")[0])
    assert rms * size == pytest.approx(found.data["residual_rms"][0], rel=0.05)


def test_a_page_holds_few_pixels_of_a_large_movie(hostile, monkeypatch):
    results, study, prepared, _ = hostile
    monkeypatch.setattr(_viewer, "MOST_PIXELS", 16 * 24 * 20)
    monkeypatch.setattr(_viewer, "FEW_FRAMES", 8)
    monkeypatch.setattr(_viewer, "LONGEST_SIDE", 24)
    found = viewer(Scene(results, "<i>mine</i>", study, prepared, ()))
    assert (found.clips["height"], found.clips["width"]) == (16, 24)
    assert [clip["count"] for clip in found.clips["clips"]] == [10, 10]  # three would have six frames each
    assert "Frames are shown 2 times smaller on each side" in found.words


def test_levels_of_grey_and_of_residuals():
    assert grey_levels(np.array([-1.0, 0.2, 0.61, 1.0, 9.0]), 0.2, 1.0).tolist() == [0, 0, 131, 255, 255]
    assert signed_levels(np.array([-9.0, -0.5, 0.0, 0.25, 0.5]), 0.5).tolist() == [1, 1, 128, 192, 255]
    colours = np.asarray(_viewer._colours()).reshape(256, 3)
    assert (colours[128] > 240).all()  # nothing is white
    assert colours[255][0] > 2 * colours[255][2]  # brighter is red
    assert colours[1][2] > 2 * colours[1][0]  # darker is blue


def test_columns_are_written_with_six_digits_and_gaps():
    images = {"a": np.array([[1.0, np.nan]]), "b": np.array([[1 / 3, 2e-9]], np.float32)}
    assert csv_text(pixels(**images)) == "pixel_row,pixel_column,a,b\n0,0,1,0.333333\n0,1,,2e-09\n"
    assert csv_text({'x,"y"': ["a\nb"], "n": np.array([3])}) == '"x,""y""",n\n"a\nb",3\n'


def test_a_file_too_large_for_the_page_is_named_instead(tmp_path, rng):
    shelf = _page._Shelf(tmp_path)
    (tmp_path / "small.csv").write_bytes(b"a\n1\n")
    (tmp_path / "long.csv").write_bytes(b"0,1,2\n" * 100_000)
    (tmp_path / "noise.csv").write_bytes(rng.bytes(_page.MOST_BYTES + 1))
    small, long, noise = (shelf.get(f"{name}.csv") for name in ("small", "long", "noise"))
    assert (small.name, small.href) == ("small.csv", "data:text/csv;charset=utf-8;base64,YQoxCg==")
    assert long.name == "long.csv.gz"
    assert long.href.startswith("data:application/gzip;base64,")
    assert (noise.name, noise.href, noise.place) == ("noise.csv", "", "noise.csv")
