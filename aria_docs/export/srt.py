"""What is said in each video as SubRip subtitles: transcribed speech, or the subtitles that it came with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from aria_docs.export import EVERYTHING, Chosen, Left, Written
from aria_docs.export.names import Names
from aria_docs.ingest.video import subtitles
from aria_docs.media import Cue

if TYPE_CHECKING:
    from aria_docs.storage.database import Store


def export(store: Store, folder: Path, chosen: Chosen = EVERYTHING, *, form: str = "srt") -> Iterator[Written | Left]:
    """NAME.srt for each video in which something is said."""
    query, parameters = chosen.of("source_id, path", "video_scenes") if not chosen.all else ("", [])
    only = {source_id for source_id, _ in store.ask(query, parameters).rows} if query else None
    names = Names()
    sources = store.records("SELECT source_id, min(path) AS path FROM video_cues GROUP BY source_id ORDER BY path")
    for source in sources:
        if only is not None and source["source_id"] not in only:
            continue
        rows = store.records(
            "SELECT start_s, end_s, text, origin FROM cues "
            f"WHERE source_id = '{source['source_id']}' ORDER BY start_s, cue_no"
        )
        file = folder / f"{names.take(Path(source['path']).stem)}.{form}"
        file.write_text(subtitles.write([Cue(**row) for row in rows], form=form), encoding="utf-8", newline="\n")
        facts = {"source_id": source["source_id"], "n_cues": len(rows), "origin": rows[0]["origin"]}
        yield Written(file, source["path"], facts)
