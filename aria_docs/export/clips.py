"""Each scene as an MP4 of its own: every frame of the source in exactly one clip, with its sound.

The cutting is done in a child process (`ingest.cutting`) under a clock: a video that hangs or kills it costs the clip
in work, and the next child goes on behind it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from aria_docs.errors import FileError, SandboxError, TimedOut
from aria_docs.export import EVERYTHING, Chosen, Left, Written
from aria_docs.export.videos import VideoSource, videos
from aria_docs.ingest.sandbox import Sandbox
from aria_docs.ingest.video.cutting import Busy, ClipRange, CutJob, FailedClip, WrittenClip

if TYPE_CHECKING:
    from aria_docs.ingest.sandbox import Child
    from aria_docs.storage.database import Store

GIVE_UP_AFTER = 3
"""A video on which so many children have died is given up."""


def export(store: Store, folder: Path, chosen: Chosen = EVERYTHING) -> Iterator[Written | Left]:
    """NAME/NAME-001.mp4 and so on for each video, encoded anew (H.264, AAC)."""
    with Sandbox(warm=["aria_docs.ingest.video.cutting:warm"]) as box:
        for video in videos(store, chosen):
            inside = folder / video.name
            inside.mkdir(exist_ok=True)
            try:
                yield from _clips(box, video, inside)
            except FileError as e:  # the whole video
                yield Left(video.path, e)


def _clips(box: Sandbox, video: VideoSource, folder: Path) -> Iterator[Written | Left]:
    """Raises FileError where the video cannot be opened."""
    path = video.file()
    left = list(video.cuts)
    n_dead = 0
    while left:
        files = [folder / f"{video.stem(cut)}.mp4" for cut in left]
        parts = [
            ClipRange(cut.start_s, cut.end_s, str(_partial(file)), cut.name)
            for cut, file in zip(left, files, strict=True)
        ]
        child = box.start("aria_docs.ingest.video.cutting:cut", CutJob(str(path), tuple(parts)))
        try:
            for file, answer in zip(files, _answers(child), strict=False):
                cut = left.pop(0)
                if isinstance(answer, FailedClip):
                    yield Left(video.path, answer.error)
                    continue
                _partial(file).replace(file)
                facts = {"source_id": video.source_id, "scene_no": cut.scene_no, "n_frames": answer.n_frames}
                if answer.n_lost:  # as `readings` says of the video: partial
                    facts["n_lost"] = answer.n_lost
                yield Written(file, video.path, facts)
        except SandboxError as e:
            n_dead += 1
            what = f"{left.pop(0).name} of {path.name}"
            if left and n_dead == GIVE_UP_AFTER:
                what += f" and the {len(left)} scenes after it"
                left.clear()
            yield Left(video.path, type(e)(f"{what} could not be cut ({_cause(e)}): convert the file and cut that"))
        finally:
            child.kill()
            for file in files:
                _partial(file).unlink(missing_ok=True)


def _answers(child: Child) -> Iterator[WrittenClip | FailedClip]:
    """What the child says of one part after the other. Raises TimedOut when it has promised more than it keeps."""
    within_s: float | None = None
    while True:
        if not child.connection.poll(within_s):
            raise TimedOut(f"nothing came of it for {within_s:.0f} s")
        try:
            answer = child.receive()
        except StopIteration:
            return
        if isinstance(answer, Busy):
            within_s = answer.within_s
        else:
            yield answer


def _cause(error: SandboxError) -> str:
    """Without the way out, which is meant for those who read a file, not for those who cut it."""
    return str(error).partition(":")[0]


def _partial(file: Path) -> Path:
    """What it is called until it is whole."""
    return file.with_name(file.name + ".partial")
