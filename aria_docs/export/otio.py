"""Scenes as an OpenTimelineIO timeline, which Resolve, Premiere, Avid and others read: a clip per scene.

The clips point at the file where it lies, with sound where the file has some. The only opentimelineio import.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from aria_docs.errors import FileError, SandboxError, TimedOut, UsageError
from aria_docs.export import EVERYTHING, Chosen, Left, Written
from aria_docs.export.timecode import nearest
from aria_docs.export.videos import VideoSource, videos
from aria_docs.ingest.sandbox import Sandbox
from aria_docs.ingest.video.cutting import STALL_S

if TYPE_CHECKING:
    from opentimelineio.schema import Timeline

    from aria_docs.storage.database import Store


def export(store: Store, folder: Path, chosen: Chosen = EVERYTHING) -> Iterator[Written | Left]:
    """NAME.otio for each video. Raises UsageError where the library is not installed."""
    try:
        import opentimelineio  # noqa: F401 - said once, before any file is opened
    except ImportError as e:
        raise UsageError("otio needs OpenTimelineIO: pip install 'aria-docs[export]'") from e
    with Sandbox(warm=["aria_docs.ingest.video.cutting:warm"]) as box:
        for video in videos(store, chosen):
            try:
                path = video.file()
                has_sound = _has_sound(box, path)
            except (FileError, SandboxError) as e:
                yield Left(video.path, e)
                continue
            file = folder / f"{video.name}.otio"
            file.write_text(timeline(video, path, has_sound=has_sound).to_json_string(indent=1), encoding="utf-8")
            yield Written(file, video.path, {"source_id": video.source_id, "n_scenes": len(video.cuts)})


def timeline(video: VideoSource, path: Path, *, has_sound: bool) -> Timeline:
    """A track of pictures, and one of sound beside it, each with a clip per scene, in whole frames.

    Scenes of no whole frame (of a variable rate) are left out, as in an edit list.
    """
    from opentimelineio import opentime, schema

    rate = nearest(video.fps)

    def span(start_s: float, end_s: float) -> opentime.TimeRange:
        start, end = (opentime.RationalTime(rate.frames(time_s), float(rate.fps)) for time_s in (start_s, end_s))
        return opentime.TimeRange.range_from_start_end_time(start, end)

    media = {"target_url": path.absolute().as_uri(), "available_range": span(0.0, video.duration_s)}
    line = schema.Timeline(name=video.name, global_start_time=opentime.RationalTime(0, float(rate.fps)))
    for kind in ("Video", "Audio") if has_sound else ("Video",):
        track = schema.Track(name=kind, kind=kind)
        for cut in video.cuts:
            if rate.frames(cut.start_s) < rate.frames(cut.end_s):
                known = {"scene_no": cut.scene_no, "transition": cut.transition, "description": cut.description or ""}
                track.append(
                    schema.Clip(
                        name=cut.name,
                        media_reference=schema.ExternalReference(**media),
                        source_range=span(cut.start_s, cut.end_s),
                        metadata={"aria_docs": known},
                    )
                )
        line.tracks.append(track)
    return line


def _has_sound(box: Sandbox, path: Path) -> bool:
    """Asked of a child, since containers are untrusted. Raises FileError, SandboxError."""
    child = box.start("aria_docs.ingest.video.cutting:sounds", str(path))
    try:
        if not child.connection.poll(STALL_S):
            raise TimedOut(f"{path.name} could not be opened within {STALL_S:.0f} s: try a copy of the file")
        return bool(child.receive())
    finally:
        child.kill()
