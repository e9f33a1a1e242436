"""A video file and the edges of its scenes → a clip for each, exact to the frame. The only ffmpeg import.

Runs in a child process that can be killed; ffmpeg, its child, dies with it. Everything is encoded anew: a copy can only
begin at a keyframe, and one that is encoded up to the next keyframe and copied from there needs both halves to agree in
every detail of the codec, which is what the clips of other tools break on.
"""

from __future__ import annotations

import math
import os
import subprocess
import tempfile
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ffmpeg
import imageio_ffmpeg

from aria_docs.errors import Damaged, FileError
from aria_docs.ingest import sandbox
from aria_docs.ingest.video.clip import SLACK_S
from aria_docs.ingest.video.opening import open_clip
from aria_docs.ingest.video.pyav_clip import CONTAINERS, PyAVClip
from aria_docs.ingest.video.tone import PEAK_NITS, WHITE_NITS, Colours

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

STALL_S = 60.0
"""Wall seconds in which a minute of video must have been decoded, or the next frame of a clip written."""

# As many as help with 1080p. On a machine of many cores their stacks and arenas would fill the address space allowed.
_THREADS = min(4, os.cpu_count() or 1)

# Near enough to what was seen (Robitza, "CRF Guide": 18 is visually lossless for x264), at a tenth of `slow`'s CPU.
_PICTURE = {"c:v": "libx264", "crf": 18, "preset": "veryfast"}
_SOUND = {"c:a": "aac", "b:a": "192k"}


@dataclass(frozen=True, slots=True)
class ClipRange:
    """What one clip is to hold: the frames from start_s until before end_s, counted from the first displayed one."""

    start_s: float
    end_s: float
    file: str
    title: str


@dataclass(frozen=True, slots=True)
class CutJob:
    """A video and the clips to cut from it."""

    path: str
    parts: tuple[ClipRange, ...]


@dataclass(frozen=True, slots=True)
class Busy:
    """A sign of life: unless another answer comes within so many seconds, something hangs."""

    within_s: float


@dataclass(frozen=True, slots=True)
class WrittenClip:
    """A part that is written whole; n_lost frames of it could not be decoded."""

    n_frames: int
    n_lost: int


@dataclass(frozen=True, slots=True)
class FailedClip:
    """A part that could not be written; the next ones may."""

    error: FileError


@dataclass(frozen=True, slots=True)
class FrameSpan:
    """The frames of one part, found in the table of time stamps; times are the container's.

    first, end:  numbers of its first frame and of the first one that no longer belongs.
    start_s:     of its first frame.
    end_s:       of the first frame that no longer belongs; None behind the last one.
    from_s:      between its first frame and the one before; None if absent.
    until_s:     between its last frame and the one behind; None if absent.
    keyframe_s:  of the keyframe that decoding can start at; None where that is the start of the file.
    """

    first: int
    end: int
    start_s: float
    end_s: float | None
    from_s: float | None
    until_s: float | None
    keyframe_s: float | None

    @property
    def n_frames(self) -> int:
        """How many frames there are to be."""
        return self.end - self.first


def spans(
    pts_s: Sequence[float], keyframes_s: Sequence[float], edges_s: Sequence[tuple[float, float]]
) -> Iterator[FrameSpan | None]:
    """Which frames lie between each two edges; None if absent. All in ascending container time.

        pts_s   10.0   10.1   10.2   10.3   10.4         edges_s  (10.1, 10.25)
                     │ ═══════════ │                     → frames 1 until 3, from 10.05, until 10.25

    Edges that meet share no frame and leave none out: the table is cut, not the clock. A time rounded to a tick, half
    a millisecond behind a frame at most, means that frame.
    """
    for from_s, until_s in edges_s:
        first, end = (bisect_left(pts_s, edge_s - SLACK_S) for edge_s in (from_s, until_s))
        if first >= end:
            yield None
            continue
        key = bisect_right(keyframes_s, pts_s[first]) - 1
        yield FrameSpan(
            first=first,
            end=end,
            start_s=pts_s[first],
            end_s=pts_s[end] if end < len(pts_s) else None,
            from_s=(pts_s[first - 1] + pts_s[first]) / 2 if first else None,
            until_s=(pts_s[end - 1] + pts_s[end]) / 2 if end < len(pts_s) else None,
            keyframe_s=keyframes_s[key] if key > 0 else None,
        )


def warm() -> None:
    """Importing this module has loaded every library it uses."""


def cut(job: CutJob, _: Iterator[Any]) -> Iterator[Busy | WrittenClip | FailedClip]:
    """The worker: for each part signs of life, then `WrittenClip` or `FailedClip`. Raises what `open_clip` does."""
    yield Busy(STALL_S)
    source = _CutSource.read(Path(job.path))
    edges_s = [(source.first_s + part.start_s, source.first_s + part.end_s) for part in job.parts]
    for part, span in zip(job.parts, spans(source.pts_s, source.keyframes_s, edges_s), strict=True):
        try:
            yield (yield from _clip(source, span, part))
        except FileError as e:
            yield FailedClip(e)


def chapters(path: str, _: Iterator[Any]) -> Iterator[list[tuple[float, float, str]]]:
    """The worker that tells which chapters a video names: (start, end, title). Raises what `open_clip` does."""
    yield [(chapter.start_s, chapter.end_s, chapter.title) for chapter in open_clip(Path(path)).chapters]


def sounds(path: str, _: Iterator[Any]) -> Iterator[int]:
    """The worker that tells how many streams of sound a video has. Raises what `open_clip` does."""
    yield len(_CutSource.read(Path(path)).sounds)


@dataclass(frozen=True, slots=True)
class _CutSource:
    """What must be known of a file to cut it; times are the container's.

    stream:   number of the stream of pictures.
    sounds:   numbers of the streams of sound that can be decoded.
    counted:  frames are told apart by number, not by time; then there is no seeking.
    colours:  those of the pictures, None for those of a common screen.
    lead_s:   how long before a keyframe to seek. MP4's index names its very packet; elsewhere a seek may land behind.
    """

    path: Path
    stream: int
    sounds: tuple[int, ...]
    counted: bool
    lead_s: float
    first_s: float
    pts_s: Sequence[float]
    keyframes_s: Sequence[float]
    colours: Colours | None

    @classmethod
    def read(cls, path: Path) -> _CutSource:
        """One demux pass. Raises as `open_clip`."""
        clip = open_clip(path)
        if not isinstance(clip, PyAVClip):
            raise Damaged(f"{path.name} can be read by decord alone, and clips are cut by ffmpeg: convert it first")
        table = clip.table
        # H.264 in AVI comes without times of display, and each program guesses its own. Where time stamps jump, one
        # names two places.
        guessed = table.container == "avi" and clip.info.codec in ("h264", "hevc")
        return cls(
            path=path,
            stream=table.stream,
            sounds=table.sounds,
            counted=guessed or table.jumps or not table.shown_s,
            lead_s=0.0 if "mp4" in table.container else 0.5,
            first_s=clip.info.start_s,
            pts_s=table.shown_s or [clip.info.start_s + number / clip.info.fps for number in range(clip.info.n_frames)],
            keyframes_s=table.keyframes_s,
            colours=table.colours,
        )


def _clip(source: _CutSource, span: FrameSpan | None, part: ClipRange) -> Generator[Busy, None, WrittenClip]:
    """Raises Damaged, FileError."""
    if span is None:
        raise Damaged(
            f"no frame of {source.path.name} begins between {part.start_s:.3f} s and {part.end_s:.3f} s: "
            "`aria-docs run --force` finds its scenes anew"
        )
    leads_s = [source.lead_s, source.lead_s + 10.0]  # a second try where a seek has landed too late
    starts_s = [None] if span.keyframe_s is None or source.counted else [span.keyframe_s - lead_s for lead_s in leads_s]
    n_frames = 0
    for seek_s in starts_s:
        n_frames = yield from _encode(source, span, part, seek_s=seek_s)
        if n_frames >= span.n_frames:
            break
    if n_frames == 0:
        Path(part.file).unlink()
        raise Damaged(f"none of the {span.n_frames} frames of {part.title} in {source.path.name} can be decoded")
    return WrittenClip(n_frames, max(0, span.n_frames - n_frames))


def _encode(
    source: _CutSource, span: FrameSpan, part: ClipRange, *, seek_s: float | None
) -> Generator[Busy, None, int]:
    """One run of ffmpeg. Returns how many frames the clip has. Raises FileError."""
    if seek_s is not None and seek_s <= source.pts_s[0]:
        seek_s = None
    command = _command(source, span, part, seek_s=seek_s)
    lead_s = span.start_s - (source.pts_s[0] if seek_s is None else seek_s)
    yield Busy(STALL_S * (1 + math.ceil(lead_s / 60)))
    n_frames = 0
    with (
        tempfile.TemporaryFile() as complaints,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            preexec_fn=sandbox._die_with_parent,
        ) as ffmpeg_,
    ):
        assert ffmpeg_.stdout
        for line in ffmpeg_.stdout:
            name, _, value = line.strip().partition("=")
            if name == "frame" and int(value) > n_frames:
                n_frames = int(value)
                yield Busy(STALL_S)
        if ffmpeg_.wait():
            complaints.seek(0)
            why = complaints.read().decode(errors="replace").strip().rpartition("\n")[2]
            why = f"ffmpeg says: {why}" if why else f"ffmpeg ended with status {ffmpeg_.returncode}"
            raise FileError(f"{part.title} of {source.path.name} could not be cut: {why}")
    return n_frames


def _command(source: _CutSource, span: FrameSpan, part: ClipRange, *, seek_s: float | None) -> list[str]:
    """The frames are chosen by filters, on the container's own times: a seek only makes it sooner."""
    # "file:" because a name may look like a protocol or an option; the lists are as in `decoders`.
    options: dict[str, Any] = {"format_whitelist": CONTAINERS, "protocol_whitelist": "file"}
    if seek_s is not None:
        options |= {"seek_timestamp": 1, "noaccurate_seek": None, "ss": f"{seek_s:.6f}"}
    given = ffmpeg.input(f"file:{source.path}", threads=_THREADS, **options)
    pictures = given[str(source.stream)]
    if source.counted:
        pictures = pictures.filter("trim", start_frame=span.first, end_frame=span.end).filter("setpts", "PTS-STARTPTS")
    else:
        pictures = pictures.filter("trim", **_limits(span.from_s, span.until_s)).filter("setpts", _from_zero(span))
    if source.colours:
        pictures = _as_sdr(pictures, source.colours)
    # H.264 that plays everywhere has half as many colours each way: an odd size gets a row or column more.
    pictures = pictures.filter("pad", "ceil(iw/2)*2", "ceil(ih/2)*2").filter("format", "yuv420p")
    sounds = [
        given[str(number)]
        .filter("atrim", **_limits(span.start_s, span.end_s))
        .filter("asetpts", _from_zero(span))
        .filter("aresample", **{"async": 1, "first_pts": 0})  # silence where it begins late or has gaps
        for number in source.sounds
    ]
    clip = ffmpeg.output(
        pictures,
        *sounds,
        f"file:{part.file}",
        f="mp4",
        movflags="+faststart",
        map_chapters=-1,
        metadata=f"title={part.title}",
        threads=_THREADS,
        **(dict.fromkeys(("color_primaries", "color_trc", "colorspace"), "bt709") if source.colours else {}),
        fps_mode="passthrough",
        **{"enc_time_base:v": "filter"},
        **_PICTURE,
        **(_SOUND if sounds else {}),
    )
    # copyts: times as the container has them. max_error_rate: what can be decoded of a damaged file is kept.
    switches = "-nostdin -hide_banner -loglevel error -progress pipe:1 -stats_period 0.5 -copyts -max_error_rate 1 -y"
    return [imageio_ffmpeg.get_ffmpeg_exe(), *switches.split(), *ffmpeg.get_args(clip)]


def _as_sdr(pictures: Any, colours: Colours) -> Any:
    """What `tone` does to pictures, by the filters that ffmpeg has for it; the clip is tagged as what it then is."""
    if colours.transfer == "common":
        return pictures.filter("zscale", p="bt709", t="bt709", m="bt709", r="tv")
    transfer = {"pq": "smpte2084", "hlg": "arib-std-b67"}[colours.transfer]
    source = {"tin": transfer, "pin": "bt2020", "min": "bt2020nc"}
    linear = pictures.filter("zscale", t="linear", npl=WHITE_NITS, **source).filter("format", "gbrpf32le")
    mapped = linear.filter("zscale", p="bt709").filter("tonemap", "reinhard", peak=PEAK_NITS / WHITE_NITS, desat=0)
    return mapped.filter("zscale", p="bt709", t="bt709", m="bt709", r="tv")


def _limits(from_s: float | None, until_s: float | None) -> dict[str, str]:
    return {name: f"{at_s:.6f}" for name, at_s in (("start", from_s), ("end", until_s)) if at_s is not None}


def _from_zero(span: FrameSpan) -> str:
    return f"PTS-round({span.start_s:.9f}/TB)"
