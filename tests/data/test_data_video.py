"""Video: exact seeks in streams with few key frames, grey and colour, damaged files, and no PyAV installed."""

from __future__ import annotations

import re
import sys
from fractions import Fraction

import av
import movie_writers as write
import numpy as np
import pytest

from lassovae import InputError
from lassovae.data import open_recording

SHAPE = (50, 32, 48)


@pytest.fixture
def movie(rng):
    return rng.integers(0, 250, SHAPE).astype(np.uint8)


def h264(path, luma, chroma=128, **options):
    """Lossless H.264 whose stored grey values are `luma`, with frames that refer to later ones.

    `chroma` is the value of both colour planes, of all frames or of each; 128 is none.
    """
    chroma = np.broadcast_to(chroma, len(luma))
    settings = {"qp": "0", "bf": "3", "g": "20"} | options
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(write.RATE), options=settings)
        stream.height, stream.width, stream.pix_fmt = *luma.shape[1:], "yuv420p"
        for number, values in enumerate(luma):
            frame = av.VideoFrame(luma.shape[2], luma.shape[1], "yuv420p")
            for plane, rows in zip(frame.planes, (values, None, None), strict=True):
                content = np.full((plane.height, plane.line_size), chroma[number], np.uint8)
                if rows is not None:
                    content[:, : plane.width] = rows
                plane.update(content.tobytes())
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov", ".avi"])
def test_seeks_are_exact_in_h264(tmp_path, movie, rng, suffix):
    recording = open_recording(h264(tmp_path / f"m{suffix}", movie))
    assert (recording.shape, recording.dtype) == (SHAPE, np.uint8)
    assert recording.frame_rate_hz == pytest.approx(write.RATE)
    for start in rng.permutation(SHAPE[0])[:20]:
        np.testing.assert_array_equal(recording[start], movie[start])
    for index in (slice(None), slice(37, 45), slice(11, 13), slice(48, 3, -9), slice(0, 50, 17)):
        np.testing.assert_array_equal(recording[index], movie[index])


def test_a_colour_video_needs_a_channel(tmp_path, rng):
    colours = rng.integers(0, 250, (6, 24, 32, 3)).astype(np.uint8)
    path = write.video(tmp_path / "m.avi", colours, "ffv1", "bgr0")
    with pytest.raises(InputError, match=r"m\.avi: holds 3 channels; choose one by channel=0 to channel=2"):
        open_recording(path)
    for channel in range(3):
        np.testing.assert_array_equal(open_recording(path, channel=channel)[:], colours[..., channel])
    with pytest.raises(InputError, match="channel=3, but"):
        open_recording(path, channel=3)


def test_colour_that_h264_stores_is_seen(tmp_path, movie):
    path = h264(tmp_path / "m.mp4", movie, chroma=90)
    with pytest.raises(InputError, match="holds 3 channels"):
        open_recording(path)
    assert open_recording(path, channel=1).shape == SHAPE


@pytest.mark.parametrize("options", [{}, {"g": "300"}])
def test_a_colour_video_that_begins_or_ends_black(tmp_path, movie, options):
    for black in (slice(0, 40), slice(0, 1), slice(10, None)):
        chroma = np.full(SHAPE[0], 90)
        chroma[black] = 128
        path = h264(tmp_path / "m.mp4", movie, chroma, **options)
        with pytest.raises(InputError, match=r"m\.mp4: holds 3 channels; choose one by channel=0"):
            open_recording(path)
        assert open_recording(path, channel=2).dtype == np.uint8


def test_colour_in_frames_that_were_not_looked_at(tmp_path, movie):
    """A flash of colour in frame 9 of a grey video: never read as grey, and a channel opens it."""
    chroma = np.full(SHAPE[0], 128)
    chroma[9] = 90
    path = h264(tmp_path / "m.mkv", movie, chroma)
    recording = open_recording(path)
    np.testing.assert_array_equal(recording[:9], movie[:9])
    with pytest.raises(
        InputError, match=r"m\.mkv: frame 9 has colour.*choose one colour by channel=0 to channel=2"
    ):
        recording[5:15]
    np.testing.assert_array_equal(recording[10:], movie[10:])
    red, green, blue = (open_recording(path, channel=channel)[8:11].astype(int) for channel in range(3))
    assert (np.abs(red - green).max(axis=(1, 2)) > 20).tolist() == [False, True, False]
    assert (np.abs(blue - green).max(axis=(1, 2)) > 20).tolist() == [False, True, False]


def test_a_channel_of_a_grey_video_stored_with_colour_planes(tmp_path, movie):
    path = h264(tmp_path / "m.mp4", movie)
    np.testing.assert_array_equal(open_recording(path, channel=0)[:], movie)
    with pytest.raises(InputError, match="channel=1, but the file holds one channel"):
        open_recording(path, channel=1)


def test_frames_far_apart_are_decoded_on_where_no_key_lies_between(tmp_path, movie):
    recording = open_recording(h264(tmp_path / "m.mp4", movie))
    for index in (slice(1, 50, 3), slice(0, 50, 7), slice(49, 0, -11), slice(0, 45, 22), slice(18, 23)):
        np.testing.assert_array_equal(recording[index], movie[index])


def test_a_grey_video_has_one_channel(tmp_path, movie):
    path = write.video(tmp_path / "m.mkv", movie)
    np.testing.assert_array_equal(open_recording(path, channel=0)[3], movie[3])
    with pytest.raises(InputError, match="channel=1, but the file holds one channel"):
        open_recording(path, channel=1)
    with pytest.raises(InputError, match="plane=0 means nothing for a video"):
        open_recording(path, plane=0)


@pytest.mark.parametrize(
    ("name", "codec"), [("m.avi", "ffv1"), ("m.mkv", "ffv1"), ("m.avi", "rawvideo"), ("m.mp4", "")]
)
@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.9, 0.999])
def test_a_video_cut_short(tmp_path, movie, name, codec, fraction):
    path = write.video(tmp_path / name, movie, codec) if codec else h264(tmp_path / name, movie)
    path.write_bytes(path.read_bytes()[: int(fraction * path.stat().st_size)])
    if fraction == 0.999 and name != "m.mp4":  # the last bytes are an index, and every frame is there
        np.testing.assert_array_equal(open_recording(path)[:], movie)
        return
    with pytest.raises(InputError, match=re.escape(name) + ".*cut short or damaged"):
        open_recording(path)


def test_a_damaged_frame(tmp_path, movie):
    path = write.video(tmp_path / "m.avi", movie, g=1)
    recording = open_recording(path)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 400] = b"\0" * 400
    path.write_bytes(content)
    np.testing.assert_array_equal(recording[:5], movie[:5])
    with pytest.raises(InputError, match=r"frame 2[0-9] (is damaged|cannot be decoded|is missing)"):
        recording[15:35]


@pytest.mark.parametrize(
    "content", [b"RIFF\0\0\0\0AVI LIST", b"\x1aE\xdf\xa3", b"\0\0\0\x18ftypmp42" + bytes(400)]
)
def test_what_is_no_video(tmp_path, content):
    (tmp_path / "m.avi").write_bytes(content)
    with pytest.raises(InputError, match=r"m\.avi.*(no video that FFmpeg reads|video streams)"):
        open_recording(tmp_path / "m.avi")


def test_av_not_installed(tmp_path, movie, monkeypatch):
    path = write.video(tmp_path / "m.avi", movie)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InputError, match=r'm\.avi.*pip install "lassovae\[video\]"'):
        open_recording(path)


LISTS = {
    "concat": "ffconcat version 1.0\nfile '{other}'\n",
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{other}\n#EXT-X-ENDLIST\n",
    "network": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
}


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize("suffix", [".avi", ".mp4", ".mkv"])
def test_a_list_of_other_files_is_no_video(tmp_path, movie, kind, suffix):
    other = write.video(tmp_path / "other.mkv", movie)
    path = tmp_path / f"m{suffix}"
    path.write_text(LISTS[kind].format(other=other.name))
    with pytest.raises(InputError, match=rf"m\{suffix}: no video that FFmpeg reads"):
        open_recording(path)


def test_containers_and_codecs_that_are_not_for_movies_are_named(tmp_path, movie):
    flash = write.video(tmp_path / "m.flv", np.stack([movie] * 3, -1), "flv1", "yuv420p")
    flash.rename(tmp_path / "m.avi")
    with pytest.raises(InputError, match=r"m\.avi: no video that FFmpeg reads"):
        open_recording(tmp_path / "m.avi")
    other = write.video(tmp_path / "o.avi", np.stack([movie] * 3, -1), "flv1", "yuv420p")
    with pytest.raises(InputError, match=r"o\.avi: .*(the codec flv|no video that FFmpeg reads)"):
        open_recording(other)


def test_a_frame_that_the_file_cannot_hold(tmp_path, movie):
    path = write.video(tmp_path / "m.avi", movie, "rawvideo", "gray")
    content = bytearray(path.read_bytes())
    place = content.index(b"strf") + 12
    content[place : place + 8] = (16_384).to_bytes(4, "little") * 2
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"m\.avi"):
        open_recording(path)
