import numpy as np
import pytest

from lassovae import InputError
from lassovae.data import ArrayRecording, content_hash


@pytest.fixture
def movie(rng):
    return rng.integers(0, 4000, (10, 6, 8)).astype(np.uint16)


@pytest.mark.parametrize(
    "index",
    [
        slice(2, 5),
        slice(None),
        slice(-3, None),
        slice(8, 2, -2),
        slice(5, 5),
        slice(7, 99),
        0,
        -1,
        np.int64(3),
    ],
)
def test_indexing_is_numpys(movie, index):
    rec = ArrayRecording(movie)
    np.testing.assert_array_equal(rec[index], movie[index])
    assert rec[index].dtype == movie.dtype


def test_what_is_read_is_the_callers_own(movie):
    rec = ArrayRecording(movie)
    rec[2:4][...] = 0
    rec[0][...] = 0
    assert rec[2:4].any()
    assert rec[0].any()


def test_metadata(movie):
    rec = ArrayRecording(movie, name="film", frame_rate_hz=30)
    assert (rec.shape, rec.frame_shape, len(rec), rec.num_frames) == ((10, 6, 8), (6, 8), 10, 10)
    assert (rec.dtype, rec.frame_rate_hz, rec.name) == (np.uint16, 30.0, "film")
    assert "film" in repr(rec)
    np.testing.assert_array_equal(np.concatenate(list(rec.chunks(3))), movie)


@pytest.mark.parametrize("index", [10, -11])
def test_a_frame_that_is_not_there(movie, index):
    with pytest.raises(IndexError, match="of a recording of 10 frames"):
        ArrayRecording(movie)[index]


def test_an_index_that_is_not_one(movie):
    with pytest.raises(InputError, match="an integer or a slice"):
        ArrayRecording(movie)["a"]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 5)), r"axes \(time, height, width\).*\(4, 5\); a single frame needs a time axis"),
        (np.zeros((2, 3, 4, 5)), "keep one channel and one plane"),
        (np.zeros((0, 4, 5)), "empty axis"),
        (np.zeros((3, 4, 5), complex), "complex128 are not real numbers"),
        (np.zeros((3, 4, 5), bool), "bool are not real numbers"),
        (np.full((3, 4, 5), "a"), "are not real numbers"),
    ],
)
def test_what_is_not_a_movie(array, message):
    with pytest.raises(InputError, match=message):
        ArrayRecording(array)


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf"), "fast"])
def test_frame_rates_are_checked(movie, rate):
    with pytest.raises(InputError, match="must be a finite number above 0"):
        ArrayRecording(movie, frame_rate_hz=rate)


def test_the_hash_depends_on_pixels_not_on_byte_order(movie):
    swapped = ArrayRecording(movie.astype(">u2"))
    other = movie.copy()
    other[-1, -1, -1] += 1
    assert content_hash(ArrayRecording(movie)) == content_hash(swapped)
    assert content_hash(ArrayRecording(movie)) != content_hash(ArrayRecording(other))
