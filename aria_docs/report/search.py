"""What the pages' search looks through, as side files that a page loads only when someone searches.

Each side file holds the words of a few sources, about a megabyte. Knows no page and no folder.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter

from aria_docs.report.content import SourceView, columns, portions, query, source_condition
from aria_docs.storage.database import Store

# A browser takes a side file of this size in about 20 ms, and a page that searches keeps all of them in memory.
_SIDE_FILE_BYTES = 1_000_000
_WHOLE_BYTES = 64_000_000  # up to here every text is searched whole; beyond, each is cut
_CUT_BYTES = 240


@dataclass(slots=True)
class Searched:
    """What the search looks through: what an empty answer names. n_cut: texts of which only the beginning is there."""

    n_tables: int = 0
    n_pages: int = 0
    n_scenes: int = 0
    n_cues: int = 0
    n_cut: int = 0
    names: list[str] = field(default_factory=list)

    def count(self, place: str) -> None:
        """Counts an entry by its place."""
        self.n_tables += place[0] == "t" and not place.startswith("t=")
        self.n_cues += place.startswith("t=")
        self.n_pages += place[0] == "p"
        self.n_scenes += place[0] == "s" and place != "summary"


def searchable(store: Store, sources: Sequence[SourceView]) -> Iterator[tuple[str, str, str, str]]:
    """What a search finds, by source: (source_id, place on its page, head, body).

    Of a table the head is its caption; the body has a line for each row and a tab between two cells.
    """
    parts = [_TABLES_SEARCHED, _PAGES_SEARCHED, _SCENES_SEARCHED, _SUMMARIES_SEARCHED]
    if "cues" in columns(store):
        parts.append(_CUES_SEARCHED)
    for portion in portions(sources, 200_000):
        these = source_condition(source.id for source in portion)
        union = " UNION ALL ".join(parts).format(these=these)
        for row in query(store, f"{union} ORDER BY source_id, rank, major, minor"):
            yield row["source_id"], row["place"], row["head"] or "", row["body"] or ""


def side_files(found: Iterable[tuple[str, str, str, str]], searched: Searched) -> Iterator[str]:
    """The texts of the side files: JSON lists of [source, [[place, head, body], …]]. `searched` is filled as they come.

    found: (source, place, head, body), by source.
    """
    portion: list[tuple[str, list[tuple[str, str, str]]]] = []
    n_bytes = total = 0
    for source, rows in groupby(found, itemgetter(0)):
        entries = []
        for _, place, head, body in rows:
            if total > _WHOLE_BYTES:
                head, body = _cut(head, _CUT_BYTES), _cut(body, _CUT_BYTES)
                searched.n_cut += 1
            searched.count(place)
            entries.append((place, head, body))
            n_bytes += len(head) + len(body) + 20
            total += len(head) + len(body)
        portion.append((source, entries))
        if n_bytes >= _SIDE_FILE_BYTES:
            yield json.dumps(portion, ensure_ascii=False, separators=(",", ":"))
            portion, n_bytes = [], 0
    if portion:
        yield json.dumps(portion, ensure_ascii=False, separators=(",", ":"))


def _cut(text: str, n_bytes: int) -> str:
    """Not more than so many bytes, and no half word where a whole one fits."""
    if len(text) * 4 <= n_bytes or len(encoded := text.encode()) <= n_bytes:
        return text
    cut = encoded[:n_bytes].decode(errors="ignore")
    return (cut.rpartition(" ")[0] or cut) + "…"


_TABLES_SEARCHED = """
SELECT t.source_id, 1 AS rank, t.page AS major, t.table_no AS minor, concat('t', t.page, '-', t.table_no) AS place,
       t.caption AS head, string_agg(line.text, chr(10) ORDER BY line.row_no) AS body
FROM shown_tables t SEMI JOIN latest_readings USING (reading_id)
LEFT JOIN (
    SELECT table_id, row_no, string_agg(replace(text, chr(10), ' '), chr(9) ORDER BY col_no) AS text
    FROM shown_cells SEMI JOIN (SELECT table_id FROM tables WHERE {these}) USING (table_id) WHERE text <> ''
    GROUP BY table_id, row_no
) line ON line.table_id = t.table_id
WHERE t.{these} GROUP BY t.source_id, t.page, t.table_no, t.caption
"""
_PAGES_SEARCHED = """
SELECT source_id, 2, page, 0, concat('p', page), NULL, text FROM pages WHERE {these} AND text <> ''
"""
_SCENES_SEARCHED = """
SELECT source_id, 3, scene_no, 0, concat('s', scene_no), title, description
FROM shown_scenes SEMI JOIN latest_readings USING (reading_id) WHERE {these} AND concat_ws('', title, description) <> ''
"""
_SUMMARIES_SEARCHED = """
SELECT source_id, 0, 0, 0, 'summary', title,
       concat_ws(chr(10), text, array_to_string(list_transform(key_points, lambda point: point.text), chr(10)))
FROM summaries SEMI JOIN latest_readings USING (reading_id) WHERE {these}
"""
_CUES_SEARCHED = """
SELECT source_id, 4, cue_no, 0, concat('t=', round(start_s, 2)), NULL, text FROM cues WHERE {these}
"""
