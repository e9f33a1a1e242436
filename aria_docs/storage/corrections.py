"""What people know better, kept beside the readings and laid over the newest ones.

    corrections of a source, in order ── anchors.py ──> its newest tables and scenes as they are shown
                                                        corrected_tables, corrected_cells, corrected_scenes

The reading's own rows stay. Worked out again in the transaction that writes a reading of the source, so that no other
reading is ever shown with corrections that were not matched against it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb

from aria_docs.errors import UsageError
from aria_docs.model import confidence
from aria_docs.model.checks import Entry, checks_of
from aria_docs.schemas import derive_id
from aria_docs.schemas.corrections import Anchor, CorrectionRow, GivenCorrection
from aria_docs.storage.anchors import ShownCell, ShownScene, ShownTable, apply_to_scenes, apply_to_tables, set_numbers
from aria_docs.storage.columns import INTERNAL
from aria_docs.storage.rows import insert, insert_ours, records


@dataclass(frozen=True, slots=True)
class Corrected:
    """What became of the given corrections: where each is and whether it holds; how many were there before."""

    applied: int
    stale: tuple[str, ...]
    known: int


def add(db: duckdb.DuckDBPyConnection, given: Sequence[GivenCorrection]) -> Corrected:
    """Stores them and applies them. One that is there already, and is the last of its place, is passed over.

    Raises UsageError where one names no file or content that the database can know it by.
    """
    now = datetime.now(UTC).replace(tzinfo=None)
    paths = dict(db.execute("SELECT path, source_id FROM files").fetchall())
    sources = {entry.source_id or _source_of(entry, paths) for entry in given}
    last: dict[tuple[Any, ...], CorrectionRow] = {}
    ids = set()
    for row in _load_rows(db, sources):
        last[_place(row)] = row
        ids.add(row.correction_id)
    new: list[CorrectionRow] = []
    for number, entry in enumerate(given):
        made_at = now + timedelta(microseconds=number)
        if entry.made_at:
            made_at = entry.made_at.astimezone(UTC).replace(tzinfo=None) if entry.made_at.tzinfo else entry.made_at
        row = _row(entry, entry.source_id or _source_of(entry, paths), made_at)
        before = last.get(_place(row))
        again = before and (before.before, before.after, before.made_by) == (row.before, row.after, row.made_by)
        if again or row.correction_id in ids:
            continue
        new.append(row)
        last[_place(row)] = row
        ids.add(row.correction_id)
    insert(db, new)
    apply(db, {row.source_id for row in new})
    names = {source: path for path, source in paths.items()}
    states = {row.correction_id: row.state for row in _load_rows(db, {row.source_id for row in new})}
    stale = tuple(_sentence(row, names) for row in new if states[row.correction_id] == "stale")
    return Corrected(len(new) - len(stale), stale, len(given) - len(new))


def _source_of(entry: GivenCorrection, paths: dict[str, str]) -> str:
    if entry.path is None:
        raise UsageError("a correction has neither path nor source_id: give one of them")
    if entry.path not in paths:
        raise UsageError(f"{entry.path} is not in the database: run it first, or give its source_id")
    return paths[entry.path]


def _place(row: CorrectionRow) -> tuple[Any, ...]:
    anchor = row.anchor
    return (row.source_id, row.page, row.target, anchor.box, anchor.row, anchor.col, anchor.start_s, anchor.field)


def _row(entry: GivenCorrection, source_id: str, made_at: datetime) -> CorrectionRow:
    facts = entry.model_dump(mode="json", include={"page", "target", "anchor", "before", "after", "made_by"})
    id_ = derive_id(source_id, json.dumps(facts, sort_keys=True), made_at.isoformat(), digits=16)
    return CorrectionRow(
        correction_id=id_, source_id=source_id, page=entry.page, target=entry.target, anchor=entry.anchor,
        before=entry.before, after=entry.after, made_at=made_at, made_by=entry.made_by, note=entry.note, state="stale",
    )  # fmt: skip


def _sentence(row: CorrectionRow, names: dict[str, str]) -> str:
    where = names.get(row.source_id, row.source_id) + (f", page {row.page}" if row.page else "")
    return f"{where}: {row.target} {row.before!r} → {row.after!r} is kept but does not fit what was read there (stale)"


def _load_rows(db: duckdb.DuckDBPyConnection, sources: Collection[str]) -> list[CorrectionRow]:
    """In the order in which they were made."""
    query = """
        SELECT * FROM corrections WHERE source_id IN (SELECT unnest(?::VARCHAR[])) ORDER BY made_at, correction_id
    """
    found = []
    for row in records(db, query, [sorted(sources)]):
        parsed = {name: json.loads(row[name]) if row[name] is not None else None for name in ("before", "after")}
        found.append(CorrectionRow(**row | parsed | {"anchor": Anchor.model_validate_json(row["anchor"])}))
    return found


def apply(db: duckdb.DuckDBPyConnection, sources: Iterable[str]) -> None:
    """Lays the corrections of these sources over their newest readings, and says of each whether it holds."""
    stored = _load_rows(db, set(sources))
    touched = {row.source_id for row in stored}
    if not touched:
        return
    ids = [sorted(touched)]
    of_these = "source_id IN (SELECT unnest(?::VARCHAR[]))"
    changed = {t for (t,) in db.execute(f"SELECT table_id FROM corrected_tables WHERE {of_these}", ids).fetchall()}
    db.execute("DELETE FROM corrected_cells WHERE table_id IN (SELECT unnest(?::VARCHAR[]))", [sorted(changed)])
    for name in ("corrected_tables", "corrected_scenes"):
        db.execute(f"DELETE FROM {name} WHERE {of_these}", ids)
    states: dict[str, str] = {}
    for source in sorted(touched):
        own = [row for row in stored if row.source_id == source]
        tables = _tables(db, source, {row.page for row in own})
        doubts = {id(cell): doubt for table in tables for cell, doubt in _doubts(table)}
        scenes = _scenes(db, source) if any(row.target == "scene" for row in own) else []
        for row in own:
            holds = apply_to_scenes(scenes, row) if row.target == "scene" else apply_to_tables(tables, row)
            states[row.correction_id] = "applied" if holds else "stale"
        looked_at = [table for table in tables if table.looked_at]
        for table in looked_at:
            set_numbers(table)
            _set_confidence(table, doubts)
        _keep_tables(db, source, looked_at)
        _keep_scenes(db, source, [scene for scene in scenes if scene.corrected])
        changed |= {table.table_id for table in looked_at}
    db.execute(
        "UPDATE corrections SET state = s.state FROM "
        "(SELECT unnest(?::VARCHAR[]) AS id, unnest(?::VARCHAR[]) AS state) s WHERE correction_id = s.id",
        [list(states), list(states.values())],
    )
    # What is worked out from tables is worked out again.
    for name in ("table_meanings", "checked_tables", "stacked_tables"):
        db.execute(f"DELETE FROM {INTERNAL}.{name} WHERE table_id IN (SELECT unnest(?::VARCHAR[]))", [sorted(changed)])
    db.execute("INSERT INTO due_tables (source_id) SELECT unnest(?::VARCHAR[])", [sorted(touched)])


def _tables(db: duckdb.DuckDBPyConnection, source: str, pages: Collection[int | None]) -> list[ShownTable]:
    wanted = [page for page in pages if page is not None]
    query = """
        SELECT table_id, page, x0, y0, x1, y1, n_rows, n_cols, n_header_rows, caption, confidence
        FROM tables JOIN newest USING (source_id, reading_id)
        WHERE source_id = ? AND page IN (SELECT unnest(?::INTEGER[])) ORDER BY page, table_no
    """
    found = db.execute(query, [source, wanted]).fetchall()
    tables = {
        id_: ShownTable(id_, page, (x0, y0, x1, y1), n_rows, n_cols, n_header, caption, [], sure)
        for id_, page, x0, y0, x1, y1, n_rows, n_cols, n_header, caption, sure in found
    }
    of_cells = """
        SELECT table_id, row_no, col_no, row_span, col_span, is_header, text, number, x0, y0, x1, y1, grounded,
               confidence
        FROM cells WHERE table_id IN (SELECT unnest(?::VARCHAR[])) ORDER BY table_id, row_no, col_no
    """
    for id_, row, col, row_span, col_span, is_header, text, number, *edges, grounded, sure in db.execute(
        of_cells, [list(tables)]
    ).fetchall():
        box = None if edges[0] is None else (edges[0], edges[1], edges[2], edges[3])
        cell = ShownCell(row, col, row_span, col_span, is_header, text, number, box, grounded, sure)
        tables[id_].cells.append(cell)
    return list(tables.values())


def _doubts(table: ShownTable) -> Iterator[tuple[ShownCell, float]]:
    """What arithmetic says against each cell of a table as it stands now."""
    entries = [
        Entry(cell.row, cell.col, cell.text, cell.number, cell.col_span > 1 or cell.row_span > 1, cell.is_header)
        for cell in table.cells
    ]
    against = confidence.against(checks_of(entries, n_header_rows=table.n_header_rows))
    return ((cell, against.get((cell.row, cell.col), 0.0)) for cell in table.cells)


def _set_confidence(table: ShownTable, before: Mapping[int, float]) -> None:
    """A person is sure; of the other cells it is what arithmetic says now in place of what it said of the reading.

    before:  by the cell's `id`.
    """
    for cell, doubt in _doubts(table):
        if cell.corrected or cell.confirmed:
            cell.confidence = 1.0
        elif cell.confidence is not None:
            cell.confidence = confidence.recheck(cell.confidence, before.get(id(cell), 0.0), doubt)
    sure = [cell.confidence for cell in table.cells if cell.confidence is not None]
    if len(sure) == len(table.cells):  # not read by an earlier version
        table.confidence = confidence.of_table(sure)


def _scenes(db: duckdb.DuckDBPyConnection, source: str) -> list[ShownScene]:
    query = """
        SELECT reading_id, scene_no, start_s, end_s, title, description
        FROM scenes JOIN newest USING (source_id, reading_id) WHERE source_id = ? ORDER BY start_s, scene_no
    """
    return [ShownScene(*row) for row in db.execute(query, [source]).fetchall()]


def _keep_tables(db: duckdb.DuckDBPyConnection, source: str, tables: Sequence[ShownTable]) -> None:
    cells = []
    for table in tables:
        for cell in table.cells:
            edges = dict(zip(("x0", "y0", "x1", "y1"), cell.box or (None,) * 4, strict=True))
            cells.append(
                {
                    "table_id": table.table_id, "row_no": cell.row, "col_no": cell.col, "row_span": cell.row_span,
                    "col_span": cell.col_span, "is_header": cell.is_header, "text": cell.text, "number": cell.number,
                    "grounded": cell.grounded, "corrected": cell.corrected,
                    "confidence": cell.confidence, **edges,
                }
            )  # fmt: skip
    facts = ("table_id", "n_rows", "n_cols", "n_header_rows", "caption", "dropped", "confidence")
    whole = [{name: getattr(table, name) for name in facts} | {"corrected": table.touched} for table in tables]
    insert_ours(db, "corrected_tables", [row | {"source_id": source} for row in whole])
    insert_ours(db, "corrected_cells", cells)


def _keep_scenes(db: duckdb.DuckDBPyConnection, source: str, scenes: Sequence[ShownScene]) -> None:
    for scene in scenes:
        facts = [scene.reading_id, source, scene.scene_no, scene.start_s, scene.end_s, scene.title, scene.description]
        db.execute(f"INSERT INTO {INTERNAL}.corrected_scenes VALUES (?, ?, ?, ?, ?, ?, ?, true)", facts)


def of_cell(db: duckdb.DuckDBPyConnection, table_id: str, row: int, col: int, text: str) -> GivenCorrection:
    """The correction of a cell as it is shown now. Raises UsageError where there is no such cell."""
    query = """
        SELECT t.source_id, t.page, t.x0, t.y0, t.x1, t.y1, t.n_rows, t.n_cols, c.x0, c.y0, c.x1, c.y1, c.text
        FROM shown_tables t JOIN newest USING (source_id, reading_id) LEFT JOIN shown_cells c
            ON c.table_id = t.table_id AND c.row_no = ? AND c.col_no = ?
        WHERE t.table_id = ?
    """
    found = db.execute(query, [row, col, table_id]).fetchone()
    if found is None:
        raise UsageError(f"--table {table_id} is not in document_tables, which has the newest reading of each page")
    source, page, *edges, n_rows, n_cols, x0, y0, x1, y1, before = found
    if before is None:
        raise UsageError(
            f"table {table_id} has no cell that begins at row {row}, column {col}: it has {n_rows} rows and {n_cols} "
            "columns, counted from 0"
        )
    box = tuple(edges) if x0 is None else (x0, y0, x1, y1)
    anchor = Anchor(box=box, row=row, col=col, shape=(n_rows, n_cols))
    return GivenCorrection(source_id=source, page=page, target="cell", anchor=anchor, before=before, after=text)
