"""Which cells may be wrong, the likeliest first: from what the database knows of them. Knows no page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aria_docs.media import Box
from aria_docs.report.content import box_of, columns, corrects, query
from aria_docs.storage.database import Store


@dataclass(frozen=True, slots=True)
class Doubt:
    """A cell that is worth a look, and why. row_label, col_label: what stands in its first column and header."""

    source_id: str
    path: str
    page: int
    table_no: int
    caption: str | None
    row: int
    col: int
    row_label: str
    col_label: str
    text: str
    box: Box | None
    page_size: tuple[float, float] | None
    why: str


def read_doubts(store: Store, *, at_most: int) -> list[Doubt]:
    """What to look at first: as the database's `review` orders it, where it has that view; else the cells that a failed
    check names, those of low confidence, and those whose text was not found on the page."""
    known = columns(store)
    if {"table_id", "row_no", "col_no", "why"} <= known.get("review", set()):
        order = "SELECT table_id, row_no, col_no, CAST(why AS VARCHAR) AS why, row_number() OVER () AS rank FROM review"
    else:
        parts = [_LOST]
        if "checks" in known:
            parts.append(_SUSPECTS)
        if "confidence" in known["cells"]:
            parts.append(_UNSURE)
        order = " UNION ALL ".join(parts)
    text = "d.text" if corrects(known, "document_cells") else "c.text"
    return [_doubt(row) for row in query(store, _DOUBTS.format(order=order, text=text, at_most=at_most))]


def _doubt(row: dict[str, Any]) -> Doubt:
    box = box_of(row)
    size = (row.pop("width_pt"), row.pop("height_pt"))
    for edge in ("x0", "y0", "x1", "y1"):
        row.pop(edge)
    return Doubt(**row, box=box, page_size=None if None in size else size)


_LOST = """
SELECT table_id, row_no, col_no, 'not found on the page' AS why, 2.0 AS rank
FROM shown_cells WHERE NOT grounded AND text <> ''
"""
_SUSPECTS = """
SELECT table_id, suspect.row_no AS row_no, suspect.col_no AS col_no,
       concat(coalesce(note, kind), '; ' || mend || ' would mend it') AS why, 0.0 AS rank
FROM (
    SELECT table_id, note, kind, CAST(mend AS VARCHAR) AS mend, unnest(suspects) AS suspect FROM checks WHERE NOT holds
)
"""
_UNSURE = """
SELECT table_id, row_no, col_no, concat('confidence ', floor(100 * confidence)::INTEGER, ' %') AS why,
       1 + confidence AS rank
FROM cells WHERE confidence < 0.8
"""
# A cell that several things speak against stands where the worst puts it.
_DOUBTS = """
WITH doubted AS (
    SELECT table_id, row_no, col_no, string_agg(DISTINCT why, '; ') AS why, min(rank) AS rank FROM ({order})
    GROUP BY table_id, row_no, col_no
), listed AS (
    SELECT DISTINCT ON (d.table_id, d.row_no, d.col_no) q.rank, d.source_id, d.path, d.page, d.table_no, d.caption,
           d.table_id, d.row_no AS "row", d.col_no AS "col", coalesce({text}, '') AS text, c.x0, c.y0, c.x1, c.y1, q.why
    FROM doubted q JOIN document_cells d USING (table_id, row_no, col_no)
    JOIN shown_cells c USING (table_id, row_no, col_no)
    ORDER BY d.path
), first AS (SELECT * FROM listed ORDER BY rank, path, page, table_no, "row", "col" LIMIT {at_most})
SELECT l.* EXCLUDE (rank, table_id), p.width_pt, p.height_pt,
       coalesce(label.text, '') AS row_label, coalesce(head.text, '') AS col_label
FROM first l
LEFT JOIN pages p USING (source_id, page)
LEFT JOIN (SELECT table_id, row_no, any_value(text) AS text FROM shown_cells WHERE col_no = 0 GROUP BY ALL) label
    ON label.table_id = l.table_id AND label.row_no = l."row"
LEFT JOIN (
    SELECT table_id, col_no, string_agg(text, ' ' ORDER BY row_no) AS text FROM shown_cells WHERE is_header GROUP BY ALL
) head
    ON head.table_id = l.table_id AND head.col_no = l."col"
ORDER BY l.rank, l.path, l.page, l.table_no, l."row", l."col"
"""
