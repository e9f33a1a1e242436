"""A database of videos, without having read any: the rows are written as a run would write them."""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from aria_docs.schemas.readings import Finished, ReadingRow, reading_id
from aria_docs.schemas.scenes import CueRow, SceneRow
from aria_docs.schemas.sources import FileRow, SourceRow, source_id
from aria_docs.storage.database import Batch, Store

NOW = datetime(2026, 11, 22, 9, 30)


@dataclass
class Films:
    store: Store

    def add(
        self,
        path: Path | str,
        edges_s: Sequence[float],
        *,
        fps: float = 25.0,
        titles: Sequence[str | None] | None = None,
        thumbnails: Sequence[bytes | None] | None = None,
        transition: str = "cut",
    ) -> str:
        """A video with a scene between each two edges; the file itself need not be there."""
        path = Path(path)
        content = path.read_bytes() if path.exists() else os.fsencode(path)
        stamp = path.stat().st_mtime if path.exists() else 0.0
        modified_at = datetime.fromtimestamp(stamp, UTC).replace(tzinfo=None)
        sid = source_id(hashlib.sha256(content).hexdigest())
        rid = reading_id(source_id=sid, task="scenes", part="video", recipe="r")
        n = len(edges_s) - 1
        scenes = tuple(
            SceneRow(
                reading_id=rid, source_id=sid, scene_no=i, start_s=start_s, end_s=end_s,
                transition="start" if i == 0 else transition,
                title=(titles or [None] * n)[i], thumbnail=(thumbnails or [None] * n)[i],
            )
            for i, (start_s, end_s) in enumerate(pairwise(edges_s))
        )  # fmt: skip
        reading = ReadingRow(
            reading_id=rid, run_id="run", source_id=sid, task="scenes", part="video", engine="embedded", recipe="r",
            status="ok", seconds=1.0, read_at=NOW,
        )  # fmt: skip
        source = SourceRow(
            source_id=sid, path=str(path), kind="video", size_bytes=len(content), duration_s=edges_s[-1], width=64,
            height=48, fps=fps, first_seen_at=NOW,
        )  # fmt: skip
        file = FileRow(path=str(path), source_id=sid, size_bytes=len(content), modified_at=modified_at)
        self.store.write(Batch(files=[file], sources=[source], finished=[Finished(reading=reading, scenes=scenes)]))
        return sid


@pytest.fixture
def films(tmp_path: Path) -> Films:
    store = Store(tmp_path / "films.duckdb")
    store.prepare(patience_s=1)
    return Films(store)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@pytest.fixture
def film_with_words(films: Films) -> Callable[[str, Sequence[tuple[float, str]]], None]:
    """A video of one scene, and what is said in it: (second, text)."""

    def add(path: str, lines: Sequence[tuple[float, str]]) -> None:
        sid = films.add(path, [0.0, lines[-1][0] + 5.0])
        rid = reading_id(source_id=sid, task="scenes", part="video", recipe="r")
        scene = SceneRow(
            reading_id=rid, source_id=sid, scene_no=0, start_s=0.0, end_s=lines[-1][0] + 5.0, transition="start"
        )
        reading = ReadingRow(
            reading_id=rid, run_id="run", source_id=sid, task="scenes", part="video", engine="embedded", recipe="r",
            status="ok", seconds=1.0, read_at=NOW,
        )  # fmt: skip
        cues = tuple(
            CueRow(source_id=sid, cue_no=i, start_s=at_s, end_s=at_s + 2, text=text, origin="speech")
            for i, (at_s, text) in enumerate(lines)
        )
        films.store.write(Batch(finished=[Finished(reading=reading, scenes=(scene,), cues=cues)]))

    return add
