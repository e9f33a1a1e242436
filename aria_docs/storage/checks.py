"""The checks of tables: those that came with a reading, and those of arithmetic of what was corrected since, or read by
an earlier version."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb

from aria_docs.model.checks import ARITHMETIC, Entry, checks_of, row_of
from aria_docs.schemas.readings import Finished
from aria_docs.storage.columns import INTERNAL
from aria_docs.storage.connection import Connections
from aria_docs.storage.rows import insert

_AT_ONCE = 1000  # tables in one transaction, as of the stacks
_AGAIN = 1_000  # numbers of checks made again begin here; those of the page, which stay, are fewer

_NEW = f"""
    SELECT t.table_id, r.read_at FROM shown_tables t JOIN readings r USING (source_id, reading_id)
    LEFT JOIN {INTERNAL}.checked_tables c ON c.table_id = t.table_id
    WHERE source_id IN (SELECT source_id FROM due_tables) AND c.read_at IS DISTINCT FROM r.read_at ORDER BY t.table_id
"""
_CELLS = """
    SELECT table_id, n_header_rows, row_no, col_no, text, number, col_span > 1 OR row_span > 1, is_header
    FROM shown_cells JOIN shown_tables USING (table_id) WHERE table_id IN (SELECT unnest(?::VARCHAR[]))
    ORDER BY table_id, row_no, col_no
"""


def keep(db: duckdb.DuckDBPyConnection, finished: Sequence[Finished]) -> None:
    """Those that came with readings, whose tables are checked with that."""
    insert(db, [row for part in finished for row in part.checks])
    tables = [
        (table.table_id, part.reading.read_at)
        for part in finished
        if part.reading
        for table in part.tables
        if table.confidence is not None
    ]
    _note(db, tables)


def _note(db: duckdb.DuckDBPyConnection, tables: Sequence[tuple[str, Any]]) -> None:
    ids, read = [table_id for table_id, _ in tables], [read_at for _, read_at in tables]
    db.execute(
        f"INSERT INTO {INTERNAL}.checked_tables SELECT unnest(?::VARCHAR[]), unnest(?::TIMESTAMP[])", [ids, read]
    )


def check(database: Connections) -> None:
    """Checks the tables that have not been, and drops what is said of tables that have gone."""
    with database.reading(patience_s=float("inf")) as db:
        new = db.execute(_NEW).fetchall()
    for at in range(0, len(new), _AT_ONCE):
        with database.writing() as db:
            _check(db, new[at : at + _AT_ONCE])
    with database.writing() as db:
        for table in ("checks", f"{INTERNAL}.checked_tables"):
            db.execute(f"DELETE FROM {table} WHERE table_id IN (SELECT table_id FROM corrected_tables WHERE dropped)")


def _check(db: duckdb.DuckDBPyConnection, new: Sequence[tuple[str, Any]]) -> None:
    ids = [table_id for table_id, _ in new]
    entries: dict[str, list[Entry]] = {}
    headers: dict[str, int] = {}
    for table_id, n_header, *cell in db.execute(_CELLS, [ids]).fetchall():
        headers[table_id] = n_header
        entries.setdefault(table_id, []).append(Entry(*cell))
    rows = []
    for table_id, cells in entries.items():
        found = checks_of(cells, n_header_rows=headers[table_id])
        rows += [row_of(one, table_id=table_id, check_no=_AGAIN + n) for n, one in enumerate(found)]
    db.execute(
        "DELETE FROM checks WHERE table_id IN (SELECT unnest(?::VARCHAR[])) AND list_contains(?, kind)",
        [ids, list(ARITHMETIC)],
    )
    insert(db, rows)
    db.execute(f"DELETE FROM {INTERNAL}.checked_tables WHERE table_id IN (SELECT unnest(?::VARCHAR[]))", [ids])
    _note(db, new)
