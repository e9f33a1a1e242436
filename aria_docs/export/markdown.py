"""Markdown: a file for each document, its tables in their places; and for each video, its summary, scenes and words."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from aria_docs.errors import UsageError
from aria_docs.export import EVERYTHING, Chosen, Left, Written
from aria_docs.export.names import Names
from aria_docs.markdown import PageParts, document_markdown, video_markdown
from aria_docs.schemas.scenes import CueRow, SceneRow
from aria_docs.schemas.sources import PageRow
from aria_docs.schemas.summaries import SummaryRow
from aria_docs.schemas.tables import CellRow, TableRow

if TYPE_CHECKING:
    from aria_docs.storage.database import Store

_SOURCES = """
    SELECT f.source_id, min(f.path) AS path, any_value(s.kind) AS kind
    FROM files f JOIN sources s USING (source_id) WHERE f.present GROUP BY f.source_id ORDER BY path
"""


def export(store: Store, folder: Path, chosen: Chosen = EVERYTHING) -> Iterator[Written | Left]:
    """One FOLDER/STEM.md a source that has been read, in the order of their paths. Raises UsageError."""
    if chosen.where or chosen.tables:
        raise UsageError("--where and --table choose tables, and markdown is of whole files: choose them with --path")
    names = Names()
    for source in store.records(_SOURCES):
        is_video = source["kind"] == "video"
        path = Path(source["path"])
        if chosen.path and not any(fnmatchcase(name, chosen.path) for name in (str(path), path.name)):
            continue
        text = _video(store, source["source_id"], path) if is_video else _document(store, source["source_id"])
        if text is not None:
            target = folder / f"{names.take(path.stem)}.md"
            target.write_text(text, encoding="utf-8")
            yield Written(target, str(path))


def _document(store: Store, source_id: str) -> str | None:
    of_source = f"source_id = '{source_id}'"
    rows = [PageRow(**row) for row in store.records(f"SELECT * FROM pages WHERE {of_source} ORDER BY page")]
    if not rows:
        return None
    edges = {
        row["page"]: row["edges"] for row in store.records(f"SELECT page, edges FROM page_lines WHERE {of_source}")
    }
    latest = (
        f"SELECT * EXCLUDE (corrected) FROM shown_tables WHERE {of_source} "
        "AND reading_id IN (SELECT reading_id FROM latest_readings)"
    )
    tables = [TableRow(**row) for row in store.records(f"{latest} ORDER BY page, table_no")]
    cells = store.records(
        f"SELECT * EXCLUDE (corrected) FROM shown_cells WHERE table_id IN (SELECT table_id FROM ({latest})) "
        "ORDER BY table_id, row_no, col_no"
    )
    of_table = {key: tuple(CellRow(**row) for row in rows) for key, rows in groupby(cells, lambda row: row["table_id"])}
    return document_markdown(
        [
            PageParts.of(
                row,
                edges.get(row.page, ()),
                [(table, of_table.get(table.table_id, ())) for table in tables if table.page == row.page],
            )
            for row in rows
        ]
    )


def _video(store: Store, source_id: str, path: Path) -> str | None:
    latest = f"WHERE source_id = '{source_id}' AND reading_id IN (SELECT reading_id FROM latest_readings)"
    summaries = [SummaryRow(**row) for row in store.records(f"SELECT * FROM summaries {latest}")]
    scenes = [
        SceneRow(**row)
        for row in store.records(f"SELECT * EXCLUDE (corrected) FROM shown_scenes {latest} ORDER BY scene_no")
    ]
    if not (summaries or scenes):
        return None
    cues = store.records(f"SELECT * FROM cues WHERE source_id = '{source_id}' ORDER BY start_s, cue_no")
    return video_markdown(path.stem, summaries[0] if summaries else None, scenes, [CueRow(**row) for row in cues])
