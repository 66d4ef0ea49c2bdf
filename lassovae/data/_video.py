"""Movies in AVI, MP4 and Matroska, decoded by FFmpeg (PyAV): exact seeks, stored grey values, no colour by mistake."""

from __future__ import annotations

import bisect
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lassovae._errors import InputError
from lassovae.data._choice import LARGEST_EXPANSION, Choice, chosen, missing_extra, one_line, positive
from lassovae.data._files import require_file
from lassovae.data._recording import Recording, check_movie
from lassovae.data._video_pixels import Pixels, pixels_of

SUFFIXES = (".avi", ".mp4", ".m4v", ".mov", ".mkv")
LOOKED_AT = 9  # frames, at opening, for colour
# FFmpeg reads hundreds of formats, playlists of other files and of the network among them, whatever a file is called.
CONTAINERS = ("avi", "matroska", "mov")
CODECS = frozenset(
    "av1 bmp cinepak dnxhd dvvideo ffv1 ffvhuff h263 h264 hevc huffyuv jpeg2000 jpegls lagarith libdav1d magicyuv "
    "mjpeg mpeg1video mpeg2video mpeg4 mpegvideo msmpeg4v2 msmpeg4 msrle msvideo1 png prores qtrle rawvideo tiff "
    "utvideo v210 vc1 vp8 vp9 wmv1 wmv2 wmv3 y41p zlib zmbv".split()
)
PIXELS_OF_A_BYTE = 2000  # that a large frame can have; a constant one of H.264 has 2600
ANY_FRAME = 1 << 20  # pixels of a frame that is not large
EVERY_FRAME_ALONE = frozenset(
    {"rawvideo", "mjpeg", "huffyuv", "ffvhuff", "png", "jpeg2000", "dvvideo", "utvideo"}
)


def _av(path: Path) -> Any:
    try:
        import av
    except ImportError:
        raise missing_extra(path, "reading video", "video") from None
    return av


def _opened(path: Path, size: int) -> Any:
    """The file as one of the containers that are read, of frames that its size in bytes can hold."""
    limits = {"max_pixels": str(min(max(ANY_FRAME, size * PIXELS_OF_A_BYTE), (1 << 31) - 1))}
    allowed = {
        "format_whitelist": CONTAINERS,
        "protocol_whitelist": ("file",),
        "codec_whitelist": sorted(CODECS),
    }
    return _av(path).open(
        str(path), options=limits, container_options={key: ",".join(names) for key, names in allowed.items()}
    )


def _frame_times(path: Path, container: Any, stream: Any, size: int) -> tuple[list[int], list[int], int]:
    """Times of all frames and of those a decoder can begin at, in the stream's ticks, and bytes of the largest packet.

    The index of the file says it where every frame stands alone; else all packets are read, and none is decoded.
    """
    index = list(getattr(stream, "index_entries", ()))  # older versions of PyAV have none
    if stream.codec_context.name in EVERY_FRAME_ALONE and 0 < len(index) == stream.frames:
        if any(entry.pos + entry.size > size for entry in index):
            whole = sum(entry.pos + entry.size <= size for entry in index)
            raise _cut_short(path, whole, len(index))
        times = [int(entry.timestamp) for entry in index]
        return times, times, max(int(entry.size) for entry in index)
    times, keys, largest = [], [], 0
    for packet in container.demux(stream):
        if packet.size == 0:
            continue
        time = packet.pts if packet.pts is not None else packet.dts
        if time is None or packet.is_corrupt:
            raise _cut_short(path, len(times), stream.frames)
        times.append(int(time))
        largest = max(largest, packet.size)
        if packet.is_keyframe:
            keys.append(int(time))
    return sorted(times), sorted(keys), largest


def _cut_short(path: Path, present: int, declared: int) -> InputError:
    total = str(declared) if declared else "an unknown number"
    return InputError(
        f"{path}: the video is cut short or damaged: {present} complete frames of {total} declared; copy "
        "or export it again"
    )


class VideoRecording(Recording):
    """A movie in a video file: grey values as they are stored, or one channel of a colour video.

    Opening reads the times of all frames and decodes a few, the first and the last among them; where one has colour,
    the video has. Frames are decoded from the last frame in front of them that stands alone; reading on from where the
    last call ended costs nothing extra.

    Args:
        path: the file.
        channel: 0 red, 1 green or 2 blue of a colour video; None for a grey one. Where it is given and the few frames
            have no colour, all are decoded to see whether one has.

    Raises:
        InputError: no video, cut short, colour and no channel chosen, or PyAV is not installed.
    """

    kind = "video"

    def __init__(self, path: Path, *, channel: int | None = None) -> None:
        self.name, self._path = str(path), path
        self._lock = threading.Lock()
        self._container: Any = None
        self._decoded: Iterator[Any] | None = None
        self._next = -1
        size = self._size = require_file(path)
        try:
            with _opened(path, size) as container:
                if len(container.streams.video) != 1:
                    raise InputError(
                        f"{path}: {len(container.streams.video)} video streams; save one in a file of its own"
                    )
                stream = container.streams.video[0]
                if stream.codec_context is None or stream.codec_context.name not in CODECS:
                    codec = "unknown" if stream.codec_context is None else stream.codec_context.name
                    raise InputError(
                        f"{path}: the codec {codec} is not read here; export the video with ffv1"
                    )
                declared, rate = int(stream.frames), positive(stream.average_rate)
                if (
                    not declared and container.duration and rate
                ):  # Matroska says how long it is, in microseconds
                    declared = round(container.duration * 1e-6 * rate)
                self._times, self._keys, largest = _frame_times(path, container, stream, size)
                width, height = int(stream.codec_context.width), int(stream.codec_context.height)
        except InputError:
            raise
        except Exception as error:
            raise InputError(
                f"{path}: no video that FFmpeg reads, cut short or damaged "
                f"({type(error).__name__}: {one_line(error)}); copy or export it again"
            ) from error
        if not self._times or not self._keys or len(self._times) < declared:
            raise _cut_short(path, len(self._times), declared)
        if len(set(self._times)) < len(self._times):
            raise InputError(
                f"{path}: two frames have the same time; export the video again at a constant frame rate"
            )
        most = largest * (LARGEST_EXPANSION if height * width <= ANY_FRAME else PIXELS_OF_A_BYTE)
        if height * width > most:
            raise InputError(
                f"{path}: {largest} bytes for {height} x {width} pixels; the header is damaged: copy it again"
            )
        self.shape, self.frame_rate_hz = (len(self._times), height, width), rate
        self._pixels = self._pixels_of(range(len(self._times)) if channel is not None else self._sample())
        self._channel: int | None = None
        if self._pixels.is_colour:
            self._channel = chosen(self.name, "channel", 3, channel)
        else:
            chosen(self.name, "channel", 1, channel)
        self.dtype = self._pixels.dtype
        check_movie(self.name, self.shape, self.dtype)
        self._frame(len(self._times) - 1)

    def _sample(self) -> list[int]:
        """A few frames from the first to the last, in order."""
        last = len(self._times) - 1
        return sorted({last * i // (LOOKED_AT - 1) for i in range(LOOKED_AT)})

    def _pixels_of(self, frames: Iterable[int]) -> Pixels:
        """How to read the video, by the first of these frames that has colour, or all of them."""
        found = pixels_of(self.name, self._frame(0))
        for frame in frames:
            if not found.may_have_colour:
                break
            found = pixels_of(self.name, self._frame(frame))
        return found

    def close(self) -> None:
        """Let go of the file; it is opened again when frames are read."""
        if self._container is not None:
            self._container.close()
        self._container, self._decoded, self._next = None, None, -1

    def _begin(self, frame: int, from_the_start: bool) -> None:
        """Make the decoder ready to give the frame, after others that are dropped."""
        self.close()
        self._container = _opened(self._path, self._size)
        stream = self._container.streams.video[0]
        key = self._keys[max(0, bisect.bisect_right(self._keys, self._times[frame]) - 1)]
        if not from_the_start:
            self._container.seek(key, stream=stream, backward=True)
        self._decoded = self._container.decode(stream)

    def _leads_to(self, frame: int) -> bool:
        """Whether decoding on comes to the frame as soon as a seek would."""
        if frame == self._next:
            return True
        place = bisect.bisect_right(self._keys, self._times[frame]) - 1
        return 0 <= self._next < frame and (place < 0 or self._keys[place] < self._times[self._next])

    def _frame(self, frame: int) -> Any:
        """A decoded frame, by its time."""
        wanted = self._times[frame]
        try:
            for from_the_start in (False, True):
                if self._decoded is None or from_the_start or not self._leads_to(frame):
                    self._begin(frame, from_the_start)
                for found in self._decoded or ():
                    time = found.pts if found.pts is not None else found.dts
                    if time == wanted:
                        self._next = frame + 1
                        if (found.height, found.width) != self.frame_shape:
                            raise InputError(
                                f"{self.name}: frame {frame} has another size; the video is damaged"
                            )
                        if found.is_corrupt:
                            raise InputError(
                                f"{self.name}: frame {frame} is damaged; copy or export the video again"
                            )
                        return found
                    if time is None or time > wanted:
                        break
        except InputError:
            raise
        except Exception as error:
            self.close()
            raise InputError(
                f"{self.name}: frame {frame} cannot be decoded ({type(error).__name__}); the video is cut short or "
                "damaged: copy or export it again"
            ) from error
        self.close()
        raise InputError(
            f"{self.name}: frame {frame} is missing; the video is cut short or damaged: copy it again"
        )

    def _read(self, frames: range) -> np.ndarray:
        out = np.empty((len(frames), *self.frame_shape), self.dtype)
        ordered = range(len(frames)) if frames.step > 0 else range(len(frames) - 1, -1, -1)
        with self._lock:
            for position in ordered:
                found = self._frame(frames[position])
                out[position] = self._pixels.read(self.name, frames[position], found, self._channel)
        return out


def open_video(path: Path, choice: Choice) -> Recording:
    """Open a video file.

    Raises:
        InputError: as `VideoRecording`.
    """
    choice.refuse(str(path), "a video", "plane", "dataset", "shape", "dtype")
    return VideoRecording(path, channel=choice.channel)
