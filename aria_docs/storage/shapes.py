"""Stored tables as SQL has them: each one's columns by name and type, and `tbl_<table_id>` as a view on demand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from aria_docs.storage import columns as typed
from aria_docs.storage.columns import ColumnContents, Heading

_TABLE_NAMED = re.compile(r"\btbl_([0-9a-f]{16})\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TableShape:
    """A table as SQL has it: names, labels and contents of its columns, and the row below its header."""

    first_row: int
    names: tuple[str, ...]
    labels: tuple[str, ...]
    contents: tuple[ColumnContents, ...]
    has_header: bool

    @property
    def columns(self) -> tuple[typed.Column, ...]:
        """Names, types and marks."""
        return typed.columns_of(self.names, self.labels, self.contents)


def lay_typed_views(db: duckdb.DuckDBPyConnection, queries: str) -> None:
    """The tables that the queries name as tbl_<table_id>, as views of this connection: their cells are sought once."""
    named = sorted({table_id.lower() for table_id in _TABLE_NAMED.findall(queries)})
    if not named:
        return
    db.execute(
        "CREATE TEMP TABLE named_cells AS SELECT * FROM shown_cells WHERE table_id IN (SELECT unnest(?))", [named]
    )
    for table_id, shape in shapes_of(db, named).items():
        select = typed.table_query(table_id, first_row=shape.first_row, columns=shape.columns)
        db.execute(f"CREATE TEMP VIEW tbl_{table_id} AS {select}")


_CHOSEN = "SELECT table_id, n_cols, n_header_rows, continues FROM "
_GIVEN = "shown_tables WHERE table_id IN (SELECT unnest(?::VARCHAR[]))"
_HEADINGS = """
    SELECT table_id, row_no, col_no, col_span, text
    FROM shown_cells JOIN shown_tables USING (table_id)
    WHERE row_no < n_header_rows AND table_id IN (SELECT unnest(?::VARCHAR[]))
"""
_CONTENTS = f"""
    WITH said AS (
        SELECT table_id, col_no, number, row_span, regexp_matches(text, '{typed.MARK}') AS marks,
               CASE WHEN number IS NULL THEN try_strptime(text, {list(typed.DATES)}) END AS date
        FROM shown_cells JOIN shown_tables USING (table_id)
        WHERE row_no >= n_header_rows AND col_span = 1 AND table_id IN (SELECT unnest(?::VARCHAR[]))
          AND (number IS NOT NULL OR NOT regexp_matches(text, '{typed.BLANK}'))
    )
    SELECT table_id, col_no, count(*) FILTER (NOT marks), count(number),
           count(*) FILTER (number = trunc(number) AND abs(number) < 1e15), count(date),
           count(*) FILTER (number = trunc(number) AND number BETWEEN 1800 AND 2100),
           count(*) FILTER (number IS NOT NULL AND row_span > 1), count(*) FILTER (marks AND number IS NULL)
    FROM said GROUP BY ALL
"""


def shapes_of(db: duckdb.DuckDBPyConnection, table_ids: Sequence[str] | None) -> dict[str, TableShape]:
    """The columns of tables. One without a header of its own has that of the table it goes on from."""
    chosen = "tables_once" if table_ids is None else _GIVEN
    asked = db.execute(_CHOSEN + chosen, None if table_ids is None else [list(table_ids)]).fetchall()
    tables: dict[str, tuple[int, int, str | None]] = {table_id: tuple(facts) for table_id, *facts in asked}
    wanted = list(tables)
    while missing := {before for _, n, before in tables.values() if before and n == 0}.difference(tables):
        found = db.execute(_CHOSEN + _GIVEN, [list(missing)]).fetchall()
        tables |= {table_id: tuple(facts) for table_id, *facts in found}
        tables |= dict.fromkeys(missing.difference(tables), (0, 0, None))
    headings: dict[str, list[Heading]] = {}
    for table_id, *heading in db.execute(_HEADINGS, [list(tables)]).fetchall():
        headings.setdefault(table_id, []).append(Heading(*heading))
    contents: dict[str, dict[int, ColumnContents]] = {}
    for table_id, col, *counts in db.execute(_CONTENTS, [wanted]).fetchall():
        contents.setdefault(table_id, {})[col] = ColumnContents(*counts)
    shapes = {}
    for table_id in wanted:
        n_cols, first_row, _ = tables[table_id]
        head = _head(table_id, tables)
        shapes[table_id] = TableShape(
            first_row,
            typed.column_names(n_cols, headings.get(head, ())),
            typed.column_labels(n_cols, headings.get(head, ())),
            tuple(contents.get(table_id, {}).get(col, ColumnContents()) for col in range(n_cols)),
            head in headings,
        )
    return shapes


def _head(table_id: str, tables: dict[str, tuple[int, int, str | None]]) -> str:
    """The table whose header is this one's: itself, or the first before it that has one and as many columns."""
    seen = {table_id}
    at = table_id
    while tables[at][1] == 0 and (before := tables[at][2]) and before not in seen:
        if tables[before][0] != tables[table_id][0]:
            return table_id
        seen.add(before)
        at = before
    return at
