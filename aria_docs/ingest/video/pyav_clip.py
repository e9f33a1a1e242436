"""A video file → its pictures in order of display: the contract (`Clip`), the choice of a decoder, and PyAV.

Runs inside a child process that can be killed: FFmpeg parses untrusted bytes.
"""

from __future__ import annotations

import stat
from bisect import bisect_left, bisect_right
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from importlib.util import find_spec
from itertools import chain
from typing import TYPE_CHECKING, Protocol

import av
import numpy as np
from av.stream import Disposition
from av.subtitles.subtitle import AssSubtitle
from av.video.reformatter import Interpolation, VideoReformatter

from aria_docs.errors import Damaged, NoVideoStream, Unreachable, WrongKind
from aria_docs.media import VideoInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

av.logging.set_level(None)  # what matters is raised

# Containers of moving pictures and of sound. FFmpeg has some 300 more that read still images, ANSI art, scripts naming
# other files and playlists naming other machines: none of these may pass for a video.
CONTAINERS = (
    "mov,matroska,webm,avi,mpegts,mpeg,mpegvideo,h264,hevc,m4v,obu,ivf,flv,asf,ogg,gif,mxf,nut,dv,rm,wtv,"
    "mp3,wav,flac,aac"
)

# Subtitles that are text; DVD's and Blu-ray's are pictures.
TEXT_CODECS = {"ass", "ssa", "subrip", "srt", "mov_text", "webvtt", "text"}

# First bytes (offset, bytes) of these containers: such a file that does not open is a damaged video, others are none.
MAGIC = (
    (4, b"ftyp"), (4, b"moov"), (4, b"mdat"), (4, b"free"), (4, b"wide"), (0, b"\x1aE\xdf\xa3"), (8, b"AVI "),
    (0, b"FLV\x01"), (0, b"OggS"), (0, b"0&\xb2u\x8ef\xcf\x11"), (0, b"\0\0\x01\xba"), (0, b"\0\0\x01\xb3"),
    (0, b"GIF8"), (0, b"\x06\x0e\x2b\x34"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Picture:
    """One displayed frame, converted only when asked.

    time_s:    from the first displayed frame.
    damaged:   the decoder filled in what it could not read, here or in a frame that this one was built from.
    scale:     (width, height) → RGB uint8 of shape (height, width, 3), as coded: neither upright nor square pixels.
    rotation:  counter-clockwise quarter turns, in degrees, that make it upright.
    size:      (width, height) in pixels, as displayed.
    """

    time_s: float
    scale: Callable[[int, int], NDArray[np.uint8]]
    size: tuple[int, int]
    rotation: int = 0
    damaged: bool = False

    def upright(self, longest_px: int | None = None) -> NDArray[np.uint8]:
        """RGB as displayed, the longer side at most `longest_px`; never enlarged."""
        width, height = self.size
        ratio = min(1.0, longest_px / max(width, height)) if longest_px else 1.0
        width, height = max(1, round(width * ratio)), max(1, round(height * ratio))
        if self.rotation % 180:
            width, height = height, width
        pixels = self.scale(width, height)
        return np.ascontiguousarray(np.rot90(pixels, self.rotation // 90)) if self.rotation else pixels


class Clip(Protocol):
    """An open video.

    info:  what it says of itself.
    note:  after `pictures` is through: why it could only be read in part, else None.
    """

    info: VideoInfo
    note: str | None

    def times_s(self) -> list[float]:
        """When each displayed frame is, ascending; evenly spread where the container does not say."""

    def pictures(self) -> Iterator[Picture]:
        """Every displayed frame, in order, from the first."""

    def pictures_at(self, times_s: Sequence[float]) -> Iterator[Picture]:
        """The frame displayed at each of these ascending times; the first before the start, the last after the end."""


def opened(path: Path, *, threads: int = 1, rough: bool = False) -> Clip:
    """The decoder that can read this file.

    PyAV first: exact on all we tried, reads most codecs, and at 1.08 times the CPU of `ffmpeg -f null` about as cheap
    as an ffmpeg pipe (1.05), which gives no time stamps (720p H.264, one thread, every frame scaled to 64 px). decord
    carries another and older FFmpeg (4.1): a second opinion on a stream of which PyAV decodes nothing. Where it fails
    too, PyAV's words stand.

    rough: `pictures` leaves the edges of blocks in those that no other is built from (a sixth of the CPU of 720p
    H.264), if they are so large that who scales them down to 320 px does not see it.

    Raises Unreachable, WrongKind, NoVideoStream, Damaged.
    """
    _check_reachable(path)
    try:
        return PyAVClip(path, threads=threads, rough=rough)
    except _NothingDecoded as first:
        if find_spec("decord") is None:  # no wheel for this machine
            raise
        from aria_docs.ingest.video.decord_clip import DecordClip

        try:
            return DecordClip(path, threads=threads)
        except Damaged:
            raise first from None


def displayed_at(times_s: Sequence[float], pictures: Iterable[Picture]) -> Iterator[Picture]:
    """The picture displayed at each of these ascending times, out of all pictures in order.

    times   0.5   1.2 1.4      9.0
    shown  0     1     2     3           → 0, 1, 1, 3
    """
    following: Picture | None = None
    pictures = iter(pictures)
    current = next(pictures, None)
    for time_s in times_s:
        while current is not None and current.time_s < time_s - SLACK_S:
            following = following or next(pictures, None)
            if following is None or following.time_s > time_s + SLACK_S:
                break
            current, following = following, None
        if current is not None:
            yield current


# Time stamps are rounded to a tick, in Matroska a millisecond: a time this short before a frame means that frame.
SLACK_S = 0.0005


# Twice what a thumbnail has.
ROUGH_FROM_PX = 640


class _NothingDecoded(Damaged):
    """The container is understood, its pictures are not."""


def _check_reachable(path: Path) -> None:
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise Unreachable(f"{path} is {'a folder' if stat.S_ISDIR(mode) else 'no plain file'}: name a video file.")
        with path.open("rb"):
            pass
    except OSError as e:
        raise Unreachable(f"{path} cannot be opened ({e.strerror}): check the path and its permissions.") from e


def _is_container(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(564)
    transport_stream = len(head) >= 377 and head[0] == head[188] == head[376] == 0x47
    return transport_stream or any(head[at : at + len(magic)] == magic for at, magic in MAGIC)


# ---------------------------------------------------------------------------------------------------------------- PyAV


@dataclass(frozen=True, slots=True)
class Index:
    """What one demux pass tells of a stream (1.4 CPU-s an hour); times in ticks of its time base.

    pts:        of every packet to be displayed, ascending; empty where the stream carries none.
    keyframes:  pts of the packets that a decoder can start at, ascending.
    n_shown:    packets to be displayed.
    n_all:      packets with those that an edit list hides.
    end:        pts at which the last frame has been shown; 0 where there are none.
    """

    pts: tuple[int, ...]
    keyframes: tuple[int, ...]
    n_shown: int
    n_all: int
    end: int

    def runs(self, wanted: Sequence[int]) -> Iterator[tuple[int, list[int]]]:
        """Ascending pts → (keyframe to start at, those reached from it by decoding on).

        keyframes  0         10        20
        wanted       2  5         14 16  21    → (0, [2, 5]), (10, [14, 16]), (20, [21])
        """
        run: list[int] = []
        start = self.pts[0]
        for pts in wanted:
            keyframe = self.keyframes[max(0, bisect_right(self.keyframes, pts) - 1)] if self.keyframes else start
            if run and keyframe > run[-1]:
                yield start, run
                run = []
            if not run:
                start = keyframe
            run.append(pts)
        if run:
            yield start, run


class PyAVClip:
    """FFmpeg's libraries in this process."""

    def __init__(self, path: Path, *, threads: int = 1, rough: bool = False) -> None:
        self._path, self._threads = path, threads
        self.note: str | None = None
        with _open(path) as (container, stream):
            self._index = _read_index(container, stream)
            self._tick = stream.time_base or Fraction(1, av.time_base)
            self._period_s = _period_s(stream, self._index)
        with _open(path, threads) as (container, stream):
            first = next(_frames(container, stream), None)
            if first is None and not _is_container(path):  # a demuxer of bare streams saw something in noise
                raise WrongKind(f"{path.name} holds no video: name a video file.")
            if first is None:
                raise _NothingDecoded(f"{path.name} has a {_codec(stream)} stream of which no frame can be decoded.")
            self._first_pts = first.pts or 0
            self.info = self._describe(stream, first)
            self._rough = rough and max(self.info.width, self.info.height) >= ROUGH_FROM_PX
            self._promised_s = _promised_s(path, container, stream, self._index) or self.info.duration_s

    def times_s(self) -> list[float]:
        """From the index of the file."""
        if not self._index.pts:
            return [number * self._period_s for number in range(self.info.n_frames)]
        return [self._seconds(pts) for pts in self._index.pts if pts >= self._first_pts]

    def pictures(self) -> Iterator[Picture]:
        """Packets that cannot be decoded are passed over; `note` tells of them afterwards."""
        last_s, n_shown, n_damaged, first_damage_s = 0.0, 0, 0, 0.0
        for picture in self._from_start():
            n_shown, last_s = n_shown + 1, picture.time_s
            if picture.damaged:
                first_damage_s = first_damage_s if n_damaged else last_s
                n_damaged += 1
            yield picture
        read_s, n_lost = last_s + self._period_s, self.info.n_frames - n_shown
        if self._promised_s - read_s > max(0.2, 2 * self._period_s):
            self.note = f"stops at {read_s:.1f} s of {self._promised_s:.1f} s: the rest is missing or cannot be decoded"
        elif n_damaged:
            self.note = (
                f"damaged from {first_damage_s:.1f} s on: {n_damaged} of {self.info.n_frames} frames are partly made up"
            )
        elif n_lost > 0:
            self.note = f"{n_lost} of {self.info.n_frames} frames before {read_s:.1f} s cannot be decoded"

    def pictures_at(self, times_s: Sequence[float]) -> Iterator[Picture]:
        """Decode on from one wanted frame to the next, but jump where a keyframe lies between them.

        Exact, as cheap as decoding everything where the times are dense, 14 times cheaper for 256 frames of an hour.
        """
        pts = self._index.pts
        if not pts:
            yield from displayed_at(times_s, self._from_start())
            return
        ticks = [self._first_pts + int(max(0.0, time_s + SLACK_S) / self._tick) for time_s in times_s]
        wanted = [pts[max(0, bisect_right(pts, tick) - 1)] for tick in ticks]
        with _open(self._path, self._threads) as (container, stream):
            n_done = 0
            for keyframe, run in self._index.runs(wanted):
                run_s = [max(0.0, self._seconds(target)) for target in run]
                # MPEG-TS knows no way to its first keyframe, but the file has just been opened there.
                seek_to = keyframe if n_done or keyframe > self._index.keyframes[0] else None
                pictures = self._pictures(_frames(container, stream, from_pts=seek_to), from_s=self._seconds(keyframe))
                first = next(pictures, None)
                if first is None or first.time_s > run_s[0] + SLACK_S:  # the index of the file is wrong
                    rest_s = [max(0.0, self._seconds(target)) for target in wanted[n_done:]]
                    yield from displayed_at(rest_s, self._from_start())
                    return
                yield from displayed_at(run_s, chain((first,), pictures))
                n_done += len(run)

    def _from_start(self) -> Iterator[Picture]:
        with _open(self._path, self._threads, rough=self._rough) as (container, stream):
            yield from self._pictures(_frames(container, stream))

    def _pictures(self, frames: Iterable[VideoFrame], *, from_s: float = 0.0) -> Iterator[Picture]:
        reformatter = VideoReformatter()  # one for all: a frame's own would set up a new scaler for every frame
        size, time_s, damaged = (self.info.width, self.info.height), 0.0, False
        for number, frame in enumerate(frames):
            at_s = number * self._period_s if frame.pts is None else self._seconds(frame.pts)
            if at_s < from_s - SLACK_S:
                continue  # displayed before the keyframe but coded after it, from frames that were not read
            time_s = max(time_s, at_s)
            damaged = frame.is_corrupt or (damaged and not frame.key_frame)
            yield Picture(time_s, _Scaler(reformatter, frame), size, self.info.rotation, damaged)

    def _seconds(self, pts: int) -> float:
        return float((pts - self._first_pts) * self._tick)

    def _describe(self, stream: VideoStream, first: VideoFrame) -> VideoInfo:
        pts = self._index.pts
        n_frames = len(pts) - bisect_left(pts, self._first_pts) if pts else self._index.n_shown
        duration_s = self._seconds(self._index.end) if pts else n_frames * self._period_s
        width, height, rotation = first.width, first.height, round(first.rotation / 90) * 90 % 360
        aspect = stream.sample_aspect_ratio
        # Within a hundredth of square it is what a scaler left over from rounding to whole pixels.
        if aspect and abs(aspect - 1) > 0.01:
            width = max(1, round(width * aspect))
        if rotation % 180:
            width, height = height, width
        return VideoInfo(
            duration_s=duration_s,
            width=width,
            height=height,
            fps=n_frames / duration_s,
            n_frames=n_frames,
            start_s=float(self._first_pts * self._tick),
            codec=_codec(stream),
            rotation=rotation,
        )


@dataclass(frozen=True, slots=True)
class _Scaler:
    """Picture.scale of a PyAV frame. One thread: swscale's pool would cost more than it brings at these sizes."""

    reformatter: VideoReformatter
    frame: VideoFrame

    def __call__(self, width: int, height: int) -> NDArray[np.uint8]:
        scaled = self.reformatter.reformat(
            self.frame, width, height, "rgb24", interpolation=Interpolation.AREA, threads=1
        )
        pixels: NDArray[np.uint8] = scaled.to_ndarray()  # type: ignore[assignment]  # rgb24 is uint8
        return pixels


@contextmanager
def _open(path: Path, threads: int = 1, *, rough: bool = False) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The container and its main stream of pictures: the one its writer chose, else the largest, else the first."""
    options = {"format_whitelist": CONTAINERS, "protocol_whitelist": "file"}
    try:
        # "file:" because a name may look like a protocol (`a:b.mp4`); names and tags may be any bytes.
        container = av.open(f"file:{path}", options=options, metadata_errors="replace")
    except av.FFmpegError as e:
        if _is_container(path):
            raise Damaged(f"{path.name} is a video that cannot be opened ({e.strerror}): fetch it again.") from e
        reason = "it is empty" if path.stat().st_size == 0 else "its content is something else"
        raise WrongKind(f"{path.name} holds no video: {reason}.") from e
    with container:
        streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
        if len(container.streams) == 0:
            raise Damaged(f"{path.name} is a video without the index of what it holds: fetch it again.")
        if not streams:
            kinds = {"a cover picture" if s.type == "video" else s.type for s in container.streams}
            raise NoVideoStream(f"{path.name} has no moving pictures, only {' and '.join(sorted(kinds))}.")
        best = max(streams, key=lambda s: (bool(s.disposition & Disposition.default), s.width * s.height, -s.index))
        best.codec_context.thread_count = threads
        best.codec_context.thread_type = "AUTO" if threads > 1 else "NONE"
        if rough:
            best.codec_context.options = {"skip_loop_filter": "noref"}
        yield container, best


def _frames(container: InputContainer, stream: VideoStream, *, from_pts: int | None = None) -> Iterator[VideoFrame]:
    """Decode from the start, or from the keyframe at `from_pts`. What fails is missed by whoever counts."""
    try:
        if from_pts is not None:
            container.seek(from_pts, stream=stream, backward=True)
        for packet in container.demux(stream):
            try:
                yield from packet.decode()
            except av.FFmpegError:
                continue
    except av.FFmpegError:  # the file ends inside a packet; the decoder still holds good frames
        yield from stream.decode(None)


def _read_index(container: InputContainer, stream: VideoStream) -> Index:
    pts: list[int] = []
    keyframes: list[int] = []
    n_shown, n_all, end = 0, 0, 0
    try:
        for packet in container.demux(stream):
            if not packet.size:
                continue
            n_all += 1
            if packet.is_discard:
                continue
            n_shown += 1
            ticks = packet.pts if packet.pts is not None else packet.dts
            if ticks is None:
                continue
            pts.append(ticks)
            end = max(end, ticks + (packet.duration or 0))
            if packet.is_keyframe:
                keyframes.append(ticks)
    except av.FFmpegError:
        pass  # cut off here; that packets are missing shows in the count
    pts.sort()
    if len(pts) > 1 and end <= pts[-1]:  # no durations in this container
        end = pts[-1] + round((pts[-1] - pts[0]) / (len(pts) - 1))
    return Index(tuple(pts), tuple(sorted(keyframes)), n_shown, n_all, end)


def _period_s(stream: VideoStream, index: Index) -> float:
    """The mean time from frame to frame."""
    if len(index.pts) > 1 and stream.time_base and index.pts[-1] > index.pts[0]:
        return float((index.pts[-1] - index.pts[0]) * stream.time_base) / (len(index.pts) - 1)
    return float(1 / (stream.guessed_rate or 25))


def _promised_s(path: Path, container: InputContainer, stream: VideoStream, index: Index) -> float | None:
    """The length that the header gives where the file holds less of it, counted like the header's; else None."""
    if stream.frames:  # counted by the writer
        if stream.frames > index.n_all and stream.duration and stream.time_base:
            return float(stream.duration * stream.time_base)
        return None
    if container.duration is None or "mpeg" in container.format.name:  # MPEG has no header, its length is a guess
        return None
    tick = stream.time_base or Fraction(1, av.time_base)
    promised_s, read_s = container.duration / av.time_base, float(index.end * tick)
    if promised_s > read_s + 0.2 and len(container.streams) > 1:  # the sound may be what is longer
        read_s = max(read_s, _last_end_s(path))
    return promised_s - float(index.pts[0] * tick if index.pts else 0) if promised_s > read_s + 0.2 else None


def _last_end_s(path: Path) -> float:
    end_s = 0.0
    with _open(path) as (container, _):
        try:
            for packet in container.demux():
                if packet.pts is not None:
                    end_s = max(end_s, float((packet.pts + (packet.duration or 0)) * packet.time_base))
        except av.FFmpegError:
            pass  # cut off here
    return end_s


def _codec(stream: VideoStream) -> str:
    return stream.codec_context.codec.canonical_name


def sound(path: Path, *, rate_hz: int) -> Iterator[tuple[float, NDArray[np.float32]]]:
    """The sound track chosen by its writer, else the first, in blocks: (container time, mono samples from -1 to 1).

    Nothing where there is none; what cannot be decoded is passed over.
    """
    resampler = av.AudioResampler("flt", "mono", rate_hz)
    with _open(path) as (container, _):
        tracks = container.streams.audio
        if not tracks:
            return
        track = max(tracks, key=lambda s: (bool(s.disposition & Disposition.default), -s.index))
        try:
            for packet in container.demux(track):
                try:
                    frames = packet.decode()
                except av.FFmpegError:
                    continue
                for frame in frames:
                    for block in resampler.resample(frame):
                        yield block.time or 0.0, block.to_ndarray()[0]
        except av.FFmpegError:
            return  # cut off here, as `note` says of the pictures


def text_track(path: Path) -> Iterator[tuple[float, float, str]]:
    """The subtitle track chosen by its writer, else the first: (start, end, text with ASS markup) in container time."""
    with _open(path) as (container, _):
        tracks = [s for s in container.streams.subtitles if s.codec_context.name in TEXT_CODECS]
        if not tracks:
            return
        track = max(tracks, key=lambda s: (bool(s.disposition & Disposition.default), -s.index))
        try:
            for packet in container.demux(track):
                if packet.pts is None or packet.time_base is None or not packet.duration:
                    continue
                start_s = float(packet.pts * packet.time_base)
                end_s = start_s + float(packet.duration * packet.time_base)
                for rect in packet.decode():
                    if isinstance(rect, AssSubtitle):
                        yield start_s, end_s, rect.dialogue.decode(errors="replace")
        except av.FFmpegError:
            return  # cut off here, as `note` says of the pictures
