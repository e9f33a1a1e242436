"""The videos of a database and their scenes, as the formats for videos want them: times, names, where the file is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from aria_docs.errors import FileError, Unreachable, UsageError
from aria_docs.export import EVERYTHING, Chosen
from aria_docs.export.names import Names
from aria_docs.ingest.folder import sha256_of
from aria_docs.schemas.sources import source_id

if TYPE_CHECKING:
    from aria_docs.storage.database import Store


@dataclass(frozen=True, slots=True)
class Cut:
    """One scene. Times in seconds from the first displayed frame; scene_no from 0, as in the database."""

    scene_no: int
    start_s: float
    end_s: float
    transition: str
    title: str | None = None
    description: str | None = None

    @property
    def name(self) -> str:
        """What people call it: its title on one line, else its number, which they count from 1."""
        return " ".join((self.title or "").split()) or f"Scene {self.scene_no + 1}"


@dataclass(frozen=True, slots=True)
class Copy:
    """A file that held the video when it was last seen."""

    path: str
    size_bytes: int
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class VideoSource:
    """One content with the newest reading of its scenes.

    name:    a file name without suffix that no other video of the database has.
    copies:  the files that hold it; never empty.
    fps:     mean frames per second.
    """

    source_id: str
    reading_id: str
    name: str
    copies: tuple[Copy, ...]
    duration_s: float
    fps: float
    cuts: tuple[Cut, ...]

    @property
    def path(self) -> str:
        """The first of its files: what it is called by."""
        return self.copies[0].path

    def stem(self, cut: Cut) -> str:
        """What the files of one scene are called: in order by name, alike for clips and pictures."""
        digits = max(3, len(str(len(self.cuts))))
        return f"{self.name}-{cut.scene_no + 1:0{digits}}"

    def file(self) -> Path:
        """A file that still holds this content, told by size and time, and where only the time differs, by its hash.

        Raises Unreachable, or FileError where all files have changed.
        """
        changed = None
        for copy in self.copies:
            path = Path(copy.path)
            try:
                facts = path.stat()
            except OSError:
                continue
            modified_at = datetime.fromtimestamp(facts.st_mtime, UTC).replace(tzinfo=None)
            if facts.st_size == copy.size_bytes and (
                modified_at == copy.modified_at or source_id(sha256_of(copy.path)) == self.source_id
            ):
                return path
            changed = path
        if changed:
            raise FileError(f"{changed.name} has changed since it was read: `aria-docs run` it again, then export")
        raise Unreachable(f"{Path(self.path).name} is gone: bring it back, or run again to have it forgotten")


def videos(store: Store, chosen: Chosen = EVERYTHING) -> Iterator[VideoSource]:
    """Every video that has chosen scenes and a file, in the order of paths, with those scenes.

    Raises UsageError if there is none, StoreError.
    """
    wanted = None if chosen.all else set(store.ask(*chosen.of("source_id, scene_no", "video_scenes")).rows)
    if wanted is not None and not wanted:
        raise UsageError("no scene is chosen: --path and --where leave none of video_scenes")
    rows = store.records(
        "SELECT s.source_id, r.reading_id, s.duration_s, s.fps, "
        "list(struct_pack(path := f.path, size_bytes := f.size_bytes, modified_at := f.modified_at) ORDER BY f.path) "
        "AS copies FROM sources s JOIN latest_readings r USING (source_id) JOIN files f USING (source_id) "
        "WHERE r.task = 'scenes' AND f.present GROUP BY ALL ORDER BY min(f.path)"
    )
    if not rows:
        raise UsageError(
            f"{store.path} holds no scenes of a video: `aria-docs run FOLDER --db {store.path}` reads them"
        )
    names = Names()  # for all videos, so that a video's name hangs on paths alone
    for row in rows:
        row["copies"] = tuple(Copy(**copy) for copy in row["copies"])
        row["name"] = names.take(Path(row["copies"][0].path).stem)
    for at in range(0, len(rows), _AT_ONCE):
        block = rows[at : at + _AT_ONCE]
        cuts = _cuts(store, [row["reading_id"] for row in block])
        for row in block:
            found = cuts.get(row["reading_id"], [])  # none: another run has replaced it since
            if wanted is not None:
                found = [cut for cut in found if (row["source_id"], cut.scene_no) in wanted]
            if found:
                yield VideoSource(**row, cuts=tuple(found))


_AT_ONCE = 50  # so many videos' scenes are in memory; the file is opened once for them


def _cuts(store: Store, readings: Sequence[str]) -> dict[str, list[Cut]]:
    found: dict[str, list[Cut]] = {}
    listed = ", ".join(f"'{reading}'" for reading in readings)
    for row in store.records(
        "SELECT reading_id, scene_no, start_s, end_s, transition, title, description FROM shown_scenes "
        f"WHERE reading_id IN ({listed}) ORDER BY reading_id, scene_no"
    ):
        found.setdefault(row.pop("reading_id"), []).append(Cut(**row))
    return found


def pictures(store: Store, video: VideoSource) -> list[bytes | None]:
    """The JPEG of each of its scenes, None where no frame could be decoded."""
    rows = store.records(
        f"SELECT scene_no, thumbnail FROM scenes WHERE reading_id = '{video.reading_id}' ORDER BY scene_no"
    )
    found = {row["scene_no"]: row["thumbnail"] for row in rows}
    return [found.get(cut.scene_no) for cut in video.cuts]
