"""A video file → its pictures by PyAV, which is FFmpeg in this process. The only av import.

Runs inside a child process that can be killed: FFmpeg parses untrusted bytes.
"""

from __future__ import annotations

import io
import re
from bisect import bisect_left, bisect_right
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from av.stream import Disposition
from av.subtitles.stream import SubtitleStream
from av.subtitles.subtitle import AssSubtitle
from av.video.reformatter import Interpolation, VideoReformatter

from aria_docs.errors import Damaged, NoVideoStream, WrongKind
from aria_docs.ingest.video import subtitle_formats, tone
from aria_docs.ingest.video.clip import SLACK_S, Chapter, Picture, TextTrack, pictures_at
from aria_docs.ingest.video.subtitle_formats import plain
from aria_docs.media import Cue, VideoInfo, one_note

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

av.logging.set_level(None)  # what matters is raised

# Containers of moving pictures and of sound. FFmpeg has some 300 more that read still images, ANSI art, scripts naming
# other files and playlists naming other machines: none of these may pass for a video.
CONTAINERS = (
    "mov,matroska,webm,avi,mpegts,mpeg,mpegvideo,h264,hevc,m4v,obu,ivf,flv,asf,ogg,gif,apng,mxf,gxf,nut,dv,rm,wtv,"
    "yuv4mpegpipe,mjpeg,mp3,wav,flac,aac"
)

# Subtitles that are text; DVD's and Blu-ray's are pictures.
TEXT_CODECS = set(
    "ass ssa subrip srt mov_text webvtt text cc_dec stl pjs jacosub realtext subviewer subviewer1 vplayer".split()
)

# What the titles of tracks tell.
IN_PART, WHOLE = re.compile(r"forced|signs|songs"), re.compile(r"full|dialog")
FOR_THE_DEAF = re.compile(r"\b(sdh|cc|hi|hearing|closed captions?)\b")

EBML = b"\x1aE\xdf\xa3"
# First bytes (offset, bytes) of these containers: such a file that does not open is a damaged video, others are none.
MAGIC = (
    (4, b"ftyp"), (4, b"moov"), (4, b"mdat"), (4, b"free"), (4, b"wide"), (0, EBML), (8, b"AVI "),
    (0, b"FLV\x01"), (0, b"OggS"), (0, b"0&\xb2u\x8ef\xcf\x11"), (0, b"\0\0\x01\xba"), (0, b"\0\0\x01\xb3"),
    (0, b"GIF8"), (0, b"\x06\x0e\x2b\x34"),
)  # fmt: skip

# From this longer side on, a picture scaled down to a thumbnail is scaled by two at least.
ROUGH_FROM_PX = 640

# Containers of broadcast, which are joined by writing one after the other; elsewhere a pause may be of any length.
STREAMED = ("mpegts", "mpeg", "flv")
BACK_S, AHEAD_S = 1.0, 60.0  # a jump of the clock that no reordering, no lost reception explains
HOLE_S = 1.0  # a time without pictures that an even film does not have


# Captions of television are in the packets of pictures (ATSC A/53 part 4): pairs of bytes of CEA-608, 30 a second.
CAPTIONS, CAPTIONED = b"GA94\x03", ("h264", "hevc", "mpeg2video")
CAPTIONS_WITHIN, CAPTIONS_BEFORE = 2048, 300  # bytes of a packet; packets of a film
SCC_HZ, CAPTION_S = 30, 5.0


MOST_BOXES = 200_000  # looked at; a day in fragments of a second has as many
VTT_BOXES = (b"vttc", b"vtte")  # a cue, and none


class NothingDecoded(Damaged):
    """The container is understood, its pictures are not."""


def _is_container(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(564)
    transport_stream = len(head) >= 377 and head[0] == head[188] == head[376] == 0x47
    return transport_stream or any(head[at : at + len(magic)] == magic for at, magic in MAGIC)


class Clock:
    """The times of one stream's packets, in order of decoding, without jumps: where another recording begins, it goes
    on from the end of the one before.

    packets   10 10.04 10.08 │ 3 3.04      → 10 10.04 10.08 10.12 10.16
    jumps_at: mended times of the packets after a jump.
    """

    def __init__(self, *, tick: Fraction, streamed: bool) -> None:
        self._streamed = streamed  # elsewhere times of decoding are a guess, and go back by a frame of six seconds
        self._back, self._ahead = int(BACK_S / tick), int(AHEAD_S / tick)
        self._offset, self._last, self._step = 0, 0, 0
        self._began = False
        self.jumps_at: list[int] = []

    def mend(self, packet: Packet[Any]) -> None:
        """Moves the packet's times."""
        at = packet.dts if packet.dts is not None else packet.pts
        if at is None or not self._streamed:
            return
        step = at + self._offset - self._last
        if self._began and not -self._back <= step <= self._ahead:
            self._offset = self._last + (packet.duration or self._step) - at
            self.jumps_at.append((packet.pts if packet.pts is not None else at) + self._offset)
            step = packet.duration or self._step
        elif step > 0:
            self._step = step
        self._began, self._last = True, at + self._offset
        if self._offset:
            packet.dts = None if packet.dts is None else packet.dts + self._offset
            packet.pts = None if packet.pts is None else packet.pts + self._offset


@dataclass(frozen=True, slots=True)
class Index:
    """What one demux pass tells of a stream (1.4 CPU-s an hour); times in ticks of its time base, mended (see `Clock`).

    pts:        of every packet to be displayed, ascending; empty where the stream carries none.
    keyframes:  pts of the packets that a decoder can start at, ascending.
    n_shown:    packets to be displayed.
    n_all:      packets with those that an edit list hides.
    end:        pts at which the last frame has been shown; 0 where there are none.
    jumps:      pts at which the times written in the file jump.
    """

    pts: tuple[int, ...]
    keyframes: tuple[int, ...]
    n_shown: int
    n_all: int
    end: int
    jumps: tuple[int, ...] = ()

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


@dataclass(frozen=True, slots=True)
class TimestampTable:
    """Where the frames of a file are, as another program finds them; times are the container's.

    stream:       number of the stream of pictures; sounds: of the streams of sound that can be decoded.
    jumps:        whether the times are not those of the file (see `Clock`).
    shown_s:      when the frames are displayed; empty where the stream carries no times.
    keyframes_s:  those that a decoder can start at.
    colours:      None for those of a common screen.
    """

    container: str
    stream: int
    sounds: tuple[int, ...]
    jumps: bool
    shown_s: list[float]
    keyframes_s: list[float]
    colours: tone.Colours | None


class PyAVClip:
    """FFmpeg's libraries in this process."""

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        self.path, self._threads = path, threads
        self.note: str | None = None
        with _open(path) as container:
            self._container_format = container.format.name
            contents = _Contents.read(container)
            self.stream = contents.main(container)
            self._index = contents.indices[self.stream]
            stream = container.streams[self.stream]
            self._tick = stream.time_base or Fraction(1, av.time_base)
            self._period_s = _period_s(stream, self._index)  # type: ignore[arg-type]  # it is a video's
        with _open(path) as container:
            pictures = self._stream(container)
            first = next(self._frames(container, pictures), None)
            if first is None and not _is_container(path):  # a demuxer of bare streams saw something in noise
                raise WrongKind(f"{path.name} holds no video: name a video file.")
            if first is None:
                raise NothingDecoded(f"{path.name} has a {_codec(pictures)} stream of which no frame can be decoded.")
            self._first_pts = first.pts or 0
            self._coded = first.width, first.height
            self._colours = tone.colours_of(transfer=int(first.color_trc), primaries=int(first.color_primaries))
            self._sounds = tuple(s.index for s in container.streams.audio if s.codec_context is not None)
            self.info = self._describe(pictures, first)
            self._rough = max(self.info.width, self.info.height) >= ROUGH_FROM_PX
            self._promised_s = (
                _header_length_s(container, pictures, self._index, contents.end_s) or self.info.duration_s
            )
            self.chapters = tuple(_chapters(container, self.info))
        captions = contents.captions[self.stream]
        lines = [(text.kind, text.lines) for text in contents.texts] + [(TextTrack(()), captions)]
        self.text_tracks = tuple(replace(kind, lines=_since(self.info.start_s, said)) for kind, said in lines if said)
        self.text_note = contents.text_note

    @property
    def table(self) -> TimestampTable:
        """What must be known to cut the file."""
        shown = self._index.pts[bisect_left(self._index.pts, self._first_pts) :]
        return TimestampTable(
            container=self._container_format,
            stream=self.stream,
            sounds=self._sounds,
            jumps=bool(self._index.jumps),
            shown_s=[float(pts * self._tick) for pts in shown],
            keyframes_s=[float(pts * self._tick) for pts in self._index.keyframes],
            colours=self._colours,
        )

    def times_s(self) -> list[float]:
        """From the index of the file."""
        if not self._index.pts:
            return [number * self._period_s for number in range(self.info.n_frames)]
        return [self._seconds(pts) for pts in self._index.pts if pts >= self._first_pts]

    def pictures(self, *, rough: bool = False) -> Iterator[Picture]:
        """Packets that cannot be decoded are passed over; `note` tells of them afterwards."""
        last_s, n_shown, n_damaged, first_damage_s, n_missing = 0.0, 0, 0, 0.0, 0
        holes: list[str] = []
        longest_s = self._longest_s
        for picture in self._from_start(rough=rough and self._rough):
            gap_s, last_s, n_shown = picture.time_s - last_s, picture.time_s, n_shown + 1
            if gap_s > longest_s:
                holes.append(f"{last_s - gap_s:.1f} s to {last_s:.1f} s")
            elif picture.damaged:
                n_missing += max(0, round(gap_s / self._period_s) - 1)
            if picture.damaged:
                first_damage_s = first_damage_s if n_damaged else last_s
                n_damaged += 1
            yield picture
        read_s, n_lost = last_s + self._period_s, self.info.n_frames - n_shown
        self.note = one_note(
            "it lacks its last page: what followed is missing" if self._is_open_ended() else None,
            "another film is joined to its end, which is not read"
            if self._container_format.startswith("mov") and _is_joined(self.path)
            else None,
            self._damage_note(read_s, first_damage_s, n_damaged, max(n_missing, n_lost)),
            self._jumps_note(),
            f"nothing is there from {' and '.join(holes[:5])}" if holes else None,
        )

    def _damage_note(self, read_s: float, first_damage_s: float, n_damaged: int, n_lost: int) -> str | None:
        if self._promised_s - read_s > max(0.2, 2 * self._period_s):
            return f"stops at {read_s:.1f} s of {self._promised_s:.1f} s: the rest is missing or cannot be decoded"
        if n_damaged:
            lost = f", and {n_lost} are missing" if n_lost > 0 else ""
            n_frames = self.info.n_frames
            return f"damaged from {first_damage_s:.1f} s on: {n_damaged} of {n_frames} frames are partly made up{lost}"
        if n_lost > 0:
            return f"{n_lost} of {self.info.n_frames} frames before {read_s:.1f} s cannot be decoded"
        return None

    def _is_open_ended(self) -> bool:
        """Ogg gives no length, but marks its last page (RFC 3533, section 6)."""
        if self._container_format != "ogg":
            return False
        with self.path.open("rb") as file:
            file.seek(max(0, self.path.stat().st_size - 2 * 65_307))  # a page has that many bytes at most
            tail = file.read()
        at = tail.rfind(b"OggS\0")
        return not tail[at + 5 : at + 6] or not tail[at + 5] & 4

    @cached_property
    def _longest_s(self) -> float:
        """The longest time from one picture to the next that is no hole in the file: where nearly all follow each other
        evenly, a second; a recorder of screens and a writer of MP4 leave out what does not change."""
        steps: NDArray[np.float64] = np.diff(np.array(self._index.pts, np.float64)) * float(self._tick)
        if self._container_format.startswith("mov") or len(steps) < 50:
            return float("inf")
        usual_s = float(np.median(steps))
        is_even = np.mean(np.abs(steps - usual_s) < 0.2 * usual_s) > 0.95
        return max(HOLE_S, 10 * usual_s) if is_even else float("inf")

    def _jumps_note(self) -> str | None:
        if not self._index.jumps:
            return None
        at = ", ".join(f"{self._seconds(pts):.1f} s" for pts in self._index.jumps[:5])
        return f"the time stamps jump at {at}, as where recordings are joined: the time goes on there"

    def pictures_at(self, times_s: Sequence[float]) -> Iterator[Picture]:
        """Decode on from one wanted frame to the next, but jump where a keyframe lies between them.

        Exact, as cheap as decoding everything where the times are dense, 14 times cheaper for 256 frames of an hour.
        """
        pts = self._index.pts
        if not pts or self._index.jumps:  # then a time stamp names two places
            yield from pictures_at(times_s, self._from_start())
            return
        ticks = [self._first_pts + int(max(0.0, time_s + SLACK_S) / self._tick) for time_s in times_s]
        wanted = [pts[max(0, bisect_right(pts, tick) - 1)] for tick in ticks]
        with _open(self.path) as container:
            stream = self._stream(container)
            n_done = 0
            for keyframe, run in self._index.runs(wanted):
                run_s = [max(0.0, self._seconds(target)) for target in run]
                # MPEG-TS knows no way to its first keyframe, but the file has just been opened there.
                is_first = not self._index.keyframes or keyframe <= self._index.keyframes[0]
                seek_to = keyframe if n_done or not is_first else None
                frames = self._frames(container, stream, from_pts=seek_to)
                pictures = self._pictures(frames, from_s=self._seconds(keyframe))
                first = next(pictures, None)
                if first is None or first.time_s > run_s[0] + SLACK_S:  # the index of the file is wrong
                    rest_s = [max(0.0, self._seconds(target)) for target in wanted[n_done:]]
                    yield from pictures_at(rest_s, self._from_start())
                    return
                yield from pictures_at(run_s, chain((first,), pictures))
                n_done += len(run)

    def _from_start(self, *, rough: bool = False) -> Iterator[Picture]:
        with _open(self.path) as container:
            yield from self._pictures(self._frames(container, self._stream(container, rough=rough)))

    def _stream(self, container: InputContainer, *, rough: bool = False) -> VideoStream:
        stream: VideoStream = container.streams[self.stream]  # type: ignore[assignment]  # by its number
        stream.codec_context.thread_count = self._threads
        stream.codec_context.thread_type = "AUTO" if self._threads > 1 else "NONE"
        if rough:
            stream.codec_context.options = {"skip_loop_filter": "noref"}
        return stream

    def _frames(
        self, container: InputContainer, stream: VideoStream, *, from_pts: int | None = None
    ) -> Iterator[VideoFrame]:
        clock = Clock(tick=self._tick, streamed=True) if self._index.jumps else None
        return _frames(container, stream, from_pts=from_pts, clock=clock)

    def _pictures(self, frames: Iterable[VideoFrame], *, from_s: float = 0.0) -> Iterator[Picture]:
        reformatter = VideoReformatter()  # one for all: a frame's own would set up a new scaler for every frame
        time_s, damaged = 0.0, False
        for number, frame in enumerate(frames):
            at_s = number * self._period_s if frame.pts is None else self._seconds(frame.pts)
            if at_s < from_s - SLACK_S:
                continue  # displayed before the keyframe but coded after it, from frames that were not read
            in_hole = number > 0 and at_s - time_s > self._longest_s
            time_s = max(time_s, at_s)
            damaged = frame.is_corrupt or ((damaged or in_hole) and not frame.key_frame)
            colours = tone.colours_of(transfer=int(frame.color_trc), primaries=int(frame.color_primaries))
            yield Picture(
                time_s,
                _Scaler(reformatter, frame, "rgb24"),
                self._size(frame),
                _turns(frame),
                damaged or in_hole,  # the first after a hole is no more the next one than what is made up
                _Scaler(reformatter, frame, "rgb48le") if colours else None,
                colours,
            )

    def _size(self, frame: VideoFrame) -> tuple[int, int]:
        """As displayed. A film may change its shape; only of the first do we know how its pixels are stretched."""
        if (frame.width, frame.height) == self._coded:
            return self.info.width, self.info.height
        size = frame.width, frame.height
        return size[::-1] if _turns(frame) % 180 else size

    def _seconds(self, pts: int) -> float:
        return float((pts - self._first_pts) * self._tick)

    def _describe(self, stream: VideoStream, first: VideoFrame) -> VideoInfo:
        pts = self._index.pts
        n_frames = len(pts) - bisect_left(pts, self._first_pts) if pts else self._index.n_shown
        duration_s = self._seconds(self._index.end) if pts else n_frames * self._period_s
        width, height, rotation = first.width, first.height, _turns(first)
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
            fps=n_frames / duration_s if duration_s > 0 else 1 / self._period_s,
            n_frames=n_frames,
            start_s=float(self._first_pts * self._tick),
            codec=_codec(stream),
            rotation=rotation,
        )


def _turns(frame: VideoFrame) -> int:
    """Counter-clockwise, in degrees."""
    return round(frame.rotation / 90) * 90 % 360


@dataclass(frozen=True, slots=True)
class _Scaler:
    """Picture.scale of a PyAV frame. One thread: swscale's pool would cost more than it brings at these sizes."""

    reformatter: VideoReformatter
    frame: VideoFrame
    pixel_format: str

    def __call__(self, width: int, height: int) -> NDArray[Any]:
        scaled = self.reformatter.reformat(
            self.frame, width, height, self.pixel_format, interpolation=Interpolation.AREA, threads=1
        )
        return scaled.to_ndarray()


@contextmanager
def _open(path: Path) -> Iterator[InputContainer]:
    options = {"format_whitelist": CONTAINERS, "protocol_whitelist": "file"}
    try:
        # "file:" because a name may look like a protocol (`a:b.mp4`); names and tags may be any bytes.
        form = "mjpeg" if path.suffix.lower() in (".mjpeg", ".mjpg") else None  # else it is taken for one picture
        container = av.open(f"file:{path}", format=form, options=options, metadata_errors="replace")
    except av.FFmpegError as e:
        if _is_container(path):
            raise Damaged(f"{path.name} is a video that cannot be opened ({e.strerror}): fetch it again.") from e
        reason = "it is empty" if path.stat().st_size == 0 else "its content is something else"
        raise WrongKind(f"{path.name} holds no video: {reason}.") from e
    with container:
        if len(container.streams) == 0:
            raise Damaged(f"{path.name} is a video without the index of what it holds: fetch it again.")
        if not _moving(container):
            kinds = {"a cover picture" if s.type == "video" else s.type for s in container.streams}
            raise NoVideoStream(f"{path.name} has no moving pictures, only {' and '.join(sorted(kinds))}.")
        yield container


def _moving(container: InputContainer) -> list[VideoStream]:
    """The streams of pictures that are no covers."""
    still = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
    return [s for s in container.streams.video if not s.disposition & still]


def _frames(
    container: InputContainer, stream: VideoStream, *, from_pts: int | None = None, clock: Clock | None = None
) -> Iterator[VideoFrame]:
    """Decode from the start, or from the keyframe at `from_pts`. What fails is missed by whoever counts."""
    try:
        if from_pts is not None:
            container.seek(from_pts, stream=stream, backward=True)
        for packet in _packets(container, stream):
            if clock and packet.size:
                clock.mend(packet)
            try:
                yield from packet.decode()
            except av.FFmpegError:
                continue
    except av.FFmpegError:  # the file ends inside a packet; the decoder still holds good frames
        yield from stream.decode(None)


def _packets(container: InputContainer, *streams: Any) -> Iterator[Packet[Any]]:
    """All of these streams, or of all. What is damaged may begin a stream in the middle, which PyAV does not know."""
    while True:
        try:
            yield from container.demux(*streams)
            return
        except IndexError:
            continue


@dataclass(slots=True)
class _PicturePackets:
    """The packets of one stream of pictures, as they come."""

    clock: Clock
    pts: list[int] = field(default_factory=list)
    keyframes: list[int] = field(default_factory=list)
    n_shown: int = 0
    n_all: int = 0
    end: int = 0
    captioned: bool = False
    captions: list[tuple[int, str]] = field(default_factory=list)

    def add(self, packet: Packet[Any]) -> None:
        self.n_all += 1
        self.clock.mend(packet)
        ticks = packet.pts if packet.pts is not None else packet.dts
        if ticks is not None and self.captioned and (self.captions or self.n_all < CAPTIONS_BEFORE):
            self.captions += ((ticks, pair) for pair in _caption_pairs(packet))
        if ticks is not None and packet.is_keyframe:
            self.keyframes.append(ticks)  # also one that an edit list hides: the others are built from it
        if packet.is_discard:
            return
        self.n_shown += 1
        if ticks is not None:
            self.pts.append(ticks)
            self.end = max(self.end, ticks + (packet.duration or 0))

    def caption_lines(self, tick: Fraction) -> list[tuple[float, float, str]]:
        """(start, end, text), in container time."""
        pairs = sorted(self.captions, key=lambda pair: pair[0])
        return _lines(_scc([(float(ticks * tick), pair) for ticks, pair in pairs])) if pairs else []

    def index(self) -> Index:
        pts = sorted(self.pts)
        end = self.end
        if len(pts) > 1 and end <= pts[-1]:  # no durations in this container
            end = pts[-1] + round((pts[-1] - pts[0]) / (len(pts) - 1))
        jumps = tuple(self.clock.jumps_at)
        return Index(tuple(pts), tuple(sorted(self.keyframes)), self.n_shown, self.n_all, end, jumps)


def _caption_pairs(packet: Packet[Any]) -> Iterator[str]:
    """Pairs of bytes of the first field, in hex."""
    head = bytes(memoryview(packet)[:CAPTIONS_WITHIN])
    if (at := head.find(CAPTIONS)) >= 0:
        said = head[at + len(CAPTIONS) :].replace(b"\0\0\x03", b"\0\0")  # H.264 keeps zeros apart
        for n in range(2, 2 + 3 * (said[0] & 31), 3):
            if (
                len(said) >= n + 3 and said[n] & 7 == 4 and (said[n + 1] | said[n + 2]) & 0x7F
            ):  # valid, of the first field
                yield said[n + 1 : n + 3].hex()


@dataclass(slots=True)
class _Text:
    """The packets of one subtitle track, as they come: (start, end, marked text), in container time."""

    stream: Stream
    kind: TextTrack
    lines: list[tuple[float, float, str]] = field(default_factory=list)
    n_unread: int = 0

    def add(self, packet: Packet[Any]) -> None:
        if packet.pts is None or packet.time_base is None:
            return
        start_s = float(packet.pts * packet.time_base)
        end_s = start_s + float((packet.duration or 0) * packet.time_base)
        context: Any = self.stream.codec_context if isinstance(self.stream, SubtitleStream) else None
        if context is None:  # FFmpeg has no decoder; a format of plain text needs none
            self._add_bytes(bytes(packet), start_s, end_s)
            return
        try:
            decoded = context.decode2(packet)
        except av.FFmpegError:
            self.n_unread += 1
            return
        if decoded and context.name == "cc_dec":  # tells of a caption when it goes
            start_s = decoded.pts / av.time_base
            end_s = start_s + decoded.end_display_time / 1000
        for rect in decoded or ():
            if isinstance(rect, AssSubtitle):
                self.lines.append((start_s, end_s, rect.dialogue.decode(errors="replace")))

    def _add_bytes(self, data: bytes, start_s: float, end_s: float) -> None:
        is_boxed = data[4:8] in VTT_BOXES
        if self.stream.type == "data" and not is_boxed:  # time codes, where a camera was
            return
        text = (_of_boxes(data) if is_boxed else data).decode("utf-8", errors="replace")
        if "\ufffd" in text or not "".join(text.split()).isprintable():
            self.n_unread += 1
        elif text.startswith("<?xml"):  # a whole document of TTML, with times of its own
            self.lines += [(cue.start_s, cue.end_s, cue.text) for cue in subtitle_formats.parse(text)]
        else:
            self.lines.append((start_s, end_s, text))


def _of_boxes(data: bytes) -> bytes:
    """What is said in a sample of WebVTT in MP4 (ISO/IEC 14496-30): boxes of cues, in each one of text."""
    said, at = [], 0
    while at + 8 <= len(data):
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if kind == b"payl":
            said.append(data[at + 8 : at + size])
        at += 8 if kind == b"vttc" else max(size, 8)
    return b"\n".join(said)


@dataclass(frozen=True, slots=True)
class _Contents:
    """What one demux pass finds: the packets of every stream of pictures, and all subtitles in words.

    end_s:          of the last packet of any stream.
    captions:       in words too, by stream of pictures; in container time.
    text_note:      which subtitles could not be read.
    """

    indices: dict[int, Index]
    texts: tuple[_Text, ...]
    end_s: float
    captions: dict[int, list[tuple[float, float, str]]]
    text_note: str | None

    @classmethod
    def read(cls, container: InputContainer) -> _Contents:
        streamed = _is_streamed(container)
        pictures = {
            s.index: _PicturePackets(
                Clock(tick=s.time_base or Fraction(1, av.time_base), streamed=streamed),
                captioned=s.codec_context is not None and s.codec_context.name in CAPTIONED,
            )
            for s in _moving(container)
        }
        subtitled = [s for s in container.streams.subtitles if _is_text(s)]
        texts = {s.index: _Text(s, _kind(s)) for s in [*subtitled, *container.streams.data]}
        end_s = 0.0
        try:
            for packet in _packets(container):
                if not packet.size:
                    continue
                reader = pictures.get(packet.stream_index) or texts.get(packet.stream_index)
                if reader:
                    reader.add(packet)
                if packet.pts is not None and packet.time_base:
                    end_s = max(end_s, float((packet.pts + (packet.duration or 0)) * packet.time_base))
        except av.FFmpegError:
            pass  # cut off here; that packets are missing shows in the count
        return cls(
            {number: read.index() for number, read in pictures.items()},
            tuple(texts.values()),
            end_s,
            {
                number: read.caption_lines(container.streams[number].time_base or Fraction(1, av.time_base))
                for number, read in pictures.items()
            },
            _note_of([*texts.values()], len(container.streams.subtitles) - len(subtitled)),
        )

    def main(self, container: InputContainer) -> int:
        """The number of the stream to read. A single picture, or a few beside a film, is a cover that is not marked as
        one; of films, the one that can be decoded, that its writer chose, the largest, the first."""
        most = max(index.n_shown for index in self.indices.values())
        films = [s for s in _moving(container) if self.indices[s.index].n_shown * 10 >= most]
        best = max(
            films,
            key=lambda s: (
                s.codec_context is not None,
                bool(s.disposition & Disposition.default),
                s.width * s.height if s.codec_context is not None else 0,
                -s.index,
            ),
        )
        if best.codec_context is None:
            raise NothingDecoded(f"{Path(container.name).name} has no pictures in a format that can be decoded.")
        return best.index


def _note_of(texts: Sequence[_Text], n_of_pictures: int) -> str | None:
    """Which subtitles could not be read."""
    unread = [text for text in texts if text.n_unread and not text.lines]
    numbers = " and ".join(str(text.stream.index) for text in unread)
    n_unseen = 0 if any(text.lines for text in texts) else n_of_pictures
    tracks = f"{n_unseen} track{'s' * (n_unseen > 1)}"
    return one_note(
        f"the subtitles of track {numbers} are in a format that cannot be read" if unread else None,
        f"{tracks} of subtitles made of pictures, which are not read" if n_unseen else None,
    )


def _is_text(stream: SubtitleStream) -> bool:
    return stream.codec_context is None or stream.codec_context.name in TEXT_CODECS


def _kind(stream: Stream) -> TextTrack:
    """What a track says of itself, while its file is open."""
    title = stream.metadata.get("title", "").casefold()
    marks = stream.disposition
    aside = Disposition.comment | Disposition.descriptions | Disposition.lyrics | Disposition.karaoke
    return TextTrack(
        (),
        language=stream.language or "",
        chosen=bool(marks & Disposition.default),
        forced=bool(marks & Disposition.forced or (IN_PART.search(title) and not WHOLE.search(title))),
        aside=bool(marks & aside) or "comment" in title,
        for_the_deaf=bool(marks & Disposition.hearing_impaired or FOR_THE_DEAF.search(title)),
    )


def _since(start_s: float, lines: Iterable[tuple[float, float, str]]) -> tuple[tuple[float, float, str], ...]:
    return tuple((begin_s - start_s, end_s - start_s, said) for begin_s, end_s, said in lines)


def _chapters(container: InputContainer, info: VideoInfo) -> Iterator[Chapter]:
    """Those that have a name and lie in the film."""
    for chapter in container.chapters():
        title = " ".join(str(chapter["metadata"].get("title", "")).split())
        base = chapter["time_base"] or Fraction(0)
        start_s = max(0.0, float(chapter["start"] * base) - info.start_s)
        end_s = min(info.duration_s, float(chapter["end"] * base) - info.start_s)
        if title and start_s < end_s:
            yield Chapter(start_s, end_s, title)


def _period_s(stream: VideoStream, index: Index) -> float:
    """The mean time from frame to frame."""
    if len(index.pts) > 1 and stream.time_base and index.pts[-1] > index.pts[0]:
        return float((index.pts[-1] - index.pts[0]) * stream.time_base) / (len(index.pts) - 1)
    return float(1 / (stream.guessed_rate or 25))


def _header_length_s(container: InputContainer, stream: VideoStream, index: Index, last_s: float) -> float | None:
    """The length that the header gives where the file holds less of it, counted like the header's; else None.

    last_s: where the last packet of any stream ends: the sound may be what is longer.
    """
    if stream.frames:  # counted by the writer
        if stream.frames > index.n_all and stream.duration and stream.time_base:
            return float(stream.duration * stream.time_base)
        return None
    if container.format.name == "asf" and container.duration is None:  # FFmpeg forgets it where the size is wrong
        return _asf_length_s(Path(container.name.removeprefix("file:")))
    if container.duration is None or "mpeg" in container.format.name:  # MPEG has no header, its length is a guess
        return None
    tick = stream.time_base or Fraction(1, av.time_base)
    promised_s, read_s = container.duration / av.time_base, max(float(index.end * tick), last_s)
    return promised_s - float(index.pts[0] * tick if index.pts else 0) if promised_s > read_s + 0.2 else None


def _is_streamed(container: InputContainer) -> bool:
    return container.format.name in STREAMED or (
        container.format.name.startswith("matroska") and _is_joined(Path(container.name.removeprefix("file:")))
    )


def _is_joined(path: Path) -> bool:
    """Whether another MP4 or Matroska begins where one ends. FFmpeg goes on in Matroska alone, players nowhere."""
    with path.open("rb") as file:
        head, at, n_bytes = file.read(12), 0, path.stat().st_size
        is_ebml = head.startswith(EBML)
        if not is_ebml and head[4:8] != b"ftyp":
            return False
        for _ in range(MOST_BOXES):
            file.seek(at)
            head = file.read(20)
            if at and (head.startswith(EBML) if is_ebml else head[4:8] == b"ftyp"):
                return True
            size = _ebml_size(head) if is_ebml else _box_size(head)
            if size < 8:  # to the end of the file, or no box
                return False
            at += size
            if at >= n_bytes:
                return False
    return False


def _box_size(head: bytes) -> int:
    size = int.from_bytes(head[:4], "big")
    return int.from_bytes(head[8:16], "big") if size == 1 else size


def _ebml_size(head: bytes) -> int:
    """Of an element with a name of four bytes, as both at the top have; 0 where it is unknown (RFC 8794, section 6)."""
    n = 9 - head[4].bit_length() if len(head) > 12 and head[4] else 0
    size = int.from_bytes(head[4 : 4 + n], "big") & ~(1 << 7 * n)
    return 4 + n + size if n and size != (1 << 7 * n) - 1 else 0


def _asf_length_s(path: Path) -> float | None:
    """Of the file properties object (ASF, section 3.2): what is played, after what is read ahead."""
    with path.open("rb") as file:
        head = file.read(65_536)
    at = head.find(bytes.fromhex("A1DCAB8C47A9CF118EE400C00C205365"))
    if not 0 <= at <= len(head) - 88:
        return None
    played, ahead_ms = (int.from_bytes(head[at + first : at + first + 8], "little") for first in (64, 80))
    return played / 1e7 - ahead_ms / 1e3


def _codec(stream: VideoStream) -> str:
    return stream.codec_context.codec.canonical_name


def subtitles(text: str) -> tuple[Cue, ...]:
    """What is said in a file of subtitles in one of the formats that FFmpeg knows and nobody else here."""
    cues = (Cue(max(0.0, start_s), end_s, plain(said, of_ass=True), "sidecar") for start_s, end_s, said in _lines(text))
    return tuple(cue for cue in cues if cue.text)


def _lines(text: str) -> list[tuple[float, float, str]]:
    """(start, end, text as in Advanced SubStation)."""
    formats = {"format_whitelist": "scc,stl,pjs,jacosub,realtext,subviewer1,aqtitle,vplayer"}
    try:
        with av.open(io.BytesIO(_pace(text).encode()), "r", options=formats) as container:
            stream = container.streams.subtitles[0]
            track = _Text(stream, _kind(stream))
            for packet in _packets(container, track.stream):
                track.add(packet)
            marks = re.compile(r"\^[IBU]" if container.format.name == "stl" else "(?!)")
    except (av.FFmpegError, IndexError):
        return []
    return [(start_s, end_s, marks.sub("", said)) for start_s, end_s, said in track.lines]


def _pace(text: str) -> str:
    """SCC gives the time of a line's first pair of bytes; each of the others comes a frame later."""
    if not text.startswith("Scenarist_SCC"):
        return text
    pairs = []
    for hours, minutes, seconds, frames, line in re.findall(r"(\d+):(\d\d):(\d\d)[:;.,](\d\d)[ \t]+(.+)", text):
        first_s = int(hours) * 3600 + int(minutes) * 60 + int(seconds) + int(frames) / SCC_HZ
        pairs += [(first_s + number / SCC_HZ, pair) for number, pair in enumerate(line.split())]
    return _scc(pairs)


def _scc(pairs: Sequence[tuple[float, str]]) -> str:
    """Pairs of bytes of CEA-608, each at its second; at the end the screen is cleared."""
    lines = ["Scenarist_SCC V1.0"]
    for at_s, pair in [*pairs, *((pairs[-1][0] + after_s, "942c") for after_s in (CAPTION_S, CAPTION_S + 0.1))]:
        frames = round(at_s * SCC_HZ)
        seconds = frames // SCC_HZ
        lines.append(f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}:{frames % SCC_HZ:02}\t{pair}")
    return "\n\n".join(lines)


def sound(path: Path, *, rate_hz: int) -> Iterator[tuple[float, NDArray[np.float32]]]:
    """The sound track chosen by its writer, else the first, in blocks: (container time, mono samples from -1 to 1).

    Nothing where there is none; what cannot be decoded is passed over.
    """
    resampler = av.AudioResampler("flt", "mono", rate_hz)
    with _open(path) as container:
        tracks = [s for s in container.streams.audio if s.codec_context is not None]
        if not tracks:
            return
        track = max(tracks, key=lambda s: (bool(s.disposition & Disposition.default), -s.index))
        clock = Clock(tick=track.time_base or Fraction(1, av.time_base), streamed=_is_streamed(container))
        try:
            for packet in _packets(container, track):
                if packet.size:
                    clock.mend(packet)
                try:
                    frames: list[Any] = packet.decode()
                except av.FFmpegError:
                    continue
                for frame in frames:
                    for block in resampler.resample(frame):
                        yield block.time or 0.0, block.to_ndarray()[0]
        except av.FFmpegError:
            return  # cut off here, as `note` says of the pictures
