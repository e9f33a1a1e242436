"""Stacks: tables of two files or more that mean the same, under each other. Kept for each table, at the end of a run.

    tables that are new or read again ── meaning.py ──> labels, periods, units   table_columns, table_lines
                                      └── keys ──> tables that share a key ── why_alike ──> one stack   table_meanings
    stacks of two files or more ──> stacked_… (wide) and stacked_…_long (a row for each figure)

What it costs grows with what is new: a table is compared with a few of each stack that share a key with it. A
table that is like two stacks makes them one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from aria_docs.storage import columns as typed
from aria_docs.storage import meaning
from aria_docs.storage.columns import INTERNAL, ColumnContents
from aria_docs.storage.connection import Connections
from aria_docs.storage.internal import lay_comments
from aria_docs.storage.meaning import FigureCell, Likeness, Meaning
from aria_docs.storage.rows import insert_ours
from aria_docs.storage.shapes import TableShape, shapes_of

MAX_STACKS = 250  # with two views each; opening a file parses every view in it: 500 take 0.1 s, 20,000 took 1.8 s

# Tables in one transaction, which looks through all cells: a second or two, so that readers get in between.
_AT_ONCE = 1000
_MAX_COLUMNS = 200  # of a wide view; its long one has all
_OF_EACH = 8  # tables of a stack that are compared: lines come and go over the years
_COMPARED = 200  # tables that share a key with one and are compared with it

_NEW = f"""
    SELECT t.table_id, r.read_at, t.continues FROM shown_tables t JOIN readings r USING (source_id, reading_id)
    LEFT JOIN {INTERNAL}.table_meanings m ON m.table_id = t.table_id
    WHERE source_id IN (SELECT source_id FROM due_tables)
      AND (m.table_id IS NULL OR m.read_at IS DISTINCT FROM r.read_at OR m.continues IS DISTINCT FROM t.continues)
    ORDER BY t.table_id
"""


def stack(database: Connections) -> None:
    """Works out what new tables mean, and lays the views of the stacks that changed."""
    with database.reading(patience_s=float("inf")) as db:
        new = db.execute(_NEW).fetchall()
        dropped = db.execute("SELECT table_id FROM corrected_tables WHERE dropped").fetchall()
    for at in range(0, len(new), _AT_ONCE):
        with database.writing() as db:
            _work_out(db, new[at : at + _AT_ONCE])
    with database.writing() as db:
        _forget(db, [table_id for (table_id,) in dropped])
        _lay_stacks(db)


def _work_out(db: duckdb.DuckDBPyConnection, new: Sequence[tuple[str, Any, str | None]]) -> None:
    """Replaces all that is kept of these tables."""
    ids = [table_id for table_id, *_ in new]
    _forget(db, ids)
    shapes = shapes_of(db, ids)
    columns: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []
    found: dict[str, tuple[meaning.FigureTable, dict[str, Any]]] = {}
    facts = {table_id: (read_at, continues) for table_id, read_at, continues in new}
    for table_id, caption, n_rows, cells in _cells(db, ids):
        shape = shapes[table_id]
        table = meaning.table_of(
            labels=shape.labels, contents=shape.contents, cells=cells, n_rows=n_rows, first_row=shape.first_row,
            caption=caption,
        )  # fmt: skip
        columns += _column_rows(table_id, shape, table)
        lines += [{"table_id": table_id, "row_no": row_no} | _as_dict(said) for row_no, said in table.lines.items()]
        read_at, continues = facts[table_id]
        row = {"table_id": table_id, "read_at": str(read_at), "continues": continues} | _as_dict(table.whole)
        row.pop("label")
        row["title"] = meaning.title_of(table)
        found[table_id] = (table, row)
    insert_ours(db, "table_columns", columns)
    insert_ours(db, "table_lines", lines)
    _join_stacks(
        db, {id_: (meaning.likeness(table), row, shapes[id_].has_header) for id_, (table, row) in found.items()}
    )


def _cells(
    db: duckdb.DuckDBPyConnection, ids: Sequence[str]
) -> Iterator[tuple[str, str | None, int, list[FigureCell]]]:
    """(table_id, caption, n_rows, cells below the header)."""
    query = "SELECT table_id, caption, n_rows FROM shown_tables WHERE table_id IN (SELECT unnest(?::VARCHAR[]))"
    below: dict[str, list[FigureCell]] = {}
    of_cells = (
        "SELECT table_id, row_no, col_no, row_span, col_span, text, number "
        "FROM shown_cells JOIN shown_tables USING (table_id) "
        "WHERE row_no >= n_header_rows AND table_id IN (SELECT unnest(?::VARCHAR[])) ORDER BY table_id, row_no, col_no"
    )
    for table_id, *cell in db.execute(of_cells, [list(ids)]).fetchall():
        below.setdefault(table_id, []).append(FigureCell(*cell))
    for table_id, caption, n_rows in db.execute(query, [list(ids)]).fetchall():
        yield table_id, caption, n_rows, below.get(table_id, [])


def _column_rows(table_id: str, shape: TableShape, table: meaning.FigureTable) -> Iterator[dict[str, Any]]:
    for number, (name, said, is_label, contents) in enumerate(
        zip(shape.names, table.columns, table.is_label, shape.contents, strict=True)
    ):
        counts = {count: getattr(contents, count) for count in ColumnContents.__slots__}
        yield {"table_id": table_id, "col_no": number, "name": name, "is_label": is_label} | _as_dict(said) | counts


def _as_dict(said: Meaning) -> dict[str, Any]:
    period = said.period
    return {
        "label": said.label,
        "period": period and period.name,
        "period_start": period and period.start.isoformat(),
        "period_end": period and period.end.isoformat(),
        "unit": said.unit,
        "scale": said.scale,
    }


# Which tables mean the same


@dataclass(slots=True)
class _Member:
    """A table among those compared: what it is compared by, and the stack it is in now."""

    like: Likeness
    stack: str
    why: str | None = None


def _join_stacks(db: duckdb.DuckDBPyConnection, new: dict[str, tuple[Likeness, dict[str, Any], bool]]) -> None:
    """Puts each new table into the stack of those that it is like, or into one of its own."""
    keys = {id_: [_key(key) for key in meaning.keys_of(like)] for id_, (like, _, headed) in new.items() if headed}
    wanted = sorted({key for of_table in keys.values() for key in of_table})
    buckets: dict[int, list[_Member]] = {}
    for key, member in _sample_members(db, wanted):
        buckets.setdefault(key, []).append(member)
    merged = _Merged()
    for table_id, (like, row, headed) in new.items():
        own = _own_stack(table_id, like, headed=headed)
        member = _Member(like, own)
        for key in keys.get(table_id, ()):
            for other in buckets.get(key, ())[:_COMPARED]:
                stack = merged.now(other.stack)
                if member.why and stack == merged.now(member.stack):
                    continue
                if why := meaning.why_alike(like, other.like):
                    member.why = member.why or why
                    merged.join(member.stack, other.stack)
        for key in keys.get(table_id, ()):
            buckets.setdefault(key, []).append(member)
        row |= {
            "labels": sorted(like.labels), "distinct_labels": sorted(like.distinct), "periods": like.periods,
            "lines": sorted(like.lines), "caption_words": list(like.caption), "own": own,
            "stack": own, "why": member.why,
        }  # fmt: skip
    for _, row, _ in new.values():
        row["stack"] = merged.now(row["stack"])
    insert_ours(db, "table_meanings", [row for _, row, _ in new.values()])
    insert_ours(db, "table_keys", [{"key": key, "table_id": id_} for id_, of_table in keys.items() for key in of_table])
    if moved := merged.moves():
        db.execute(
            f"UPDATE {INTERNAL}.table_meanings SET stack = m.new FROM "
            "(SELECT unnest(?::VARCHAR[]) AS old, unnest(?::VARCHAR[]) AS new) AS m WHERE stack = m.old",
            [list(moved), list(moved.values())],
        )


class _Merged:
    """Which stacks have become one: the smallest name stays, so that the order of reading does not matter."""

    def __init__(self) -> None:
        self._into: dict[str, str] = {}

    def now(self, stack: str) -> str:
        while (into := self._into.get(stack)) is not None:
            stack = into
        return stack

    def join(self, one: str, other: str) -> None:
        low, high = sorted((self.now(one), self.now(other)))
        if low != high:
            self._into[high] = low

    def moves(self) -> dict[str, str]:
        return {stack: self.now(stack) for stack in self._into}


def _sample_members(db: duckdb.DuckDBPyConnection, keys: Sequence[int]) -> Iterator[tuple[int, _Member]]:
    """Some tables of each stack that have one of these keys."""
    query = f"""
        SELECT key, stack, struct_pack(labels, distinct_labels, periods, lines, caption_words)
        FROM (SELECT key, unnest(min(table_id, {_OF_EACH})) AS table_id
              FROM {INTERNAL}.table_keys JOIN {INTERNAL}.table_meanings USING (table_id)
              WHERE key IN (SELECT unnest(?::UBIGINT[])) GROUP BY key, stack)
        JOIN {INTERNAL}.table_meanings USING (table_id) ORDER BY key, stack, table_id
    """
    for key, stack, facts in db.execute(query, [list(keys)]).fetchall():
        like = Likeness(
            frozenset(facts["labels"]), frozenset(facts["distinct_labels"]), facts["periods"],
            frozenset(facts["lines"]), tuple(facts["caption_words"]),
        )  # fmt: skip
        yield key, _Member(like, stack)


def _own_stack(table_id: str, like: Likeness, *, headed: bool) -> str:
    """The same in every database for tables that mean the same; a table that is not like itself stands alone."""
    facts = [sorted(like.labels), like.periods, sorted(like.caption)]
    if not headed or meaning.why_alike(like, like) is None:
        facts.append(table_id)
    elif len(like.distinct) < 2:
        facts.append(sorted(like.lines))
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def _key(words: str) -> int:
    return int.from_bytes(hashlib.sha256(words.encode()).digest()[:8])


def _forget(db: duckdb.DuckDBPyConnection, ids: Sequence[str]) -> None:
    if ids:
        for table in ("table_columns", "table_lines", "table_keys", "table_meanings"):
            db.execute(f"DELETE FROM {INTERNAL}.{table} WHERE table_id IN (SELECT unnest(?::VARCHAR[]))", [list(ids)])


# The views


def _lay_stacks(db: duckdb.DuckDBPyConnection) -> None:
    """Those of the most files first; a view is laid anew where its tables are others than before."""
    db.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE wanted AS
        WITH counted AS (
            SELECT m.stack, count(DISTINCT source_id) AS n_files, arg_min(title, own) AS title
            FROM {INTERNAL}.table_meanings m JOIN tables_once USING (table_id)
            GROUP BY m.stack HAVING count(DISTINCT source_id) > 1 ORDER BY n_files DESC, m.stack LIMIT ?
        )
        SELECT stack AS id, counted.title, list_sort(list(table_id)) AS table_ids
        FROM counted JOIN {INTERNAL}.table_meanings USING (stack) GROUP BY ALL
        """,
        [MAX_STACKS],
    )
    found = db.execute("SELECT id, title, table_ids FROM wanted").fetchall()
    stacks = {typed.stack_name(title, id_): table_ids for id_, title, table_ids in found}
    laid = dict(
        db.execute(f"SELECT stack, list_sort(list(table_id)) FROM {INTERNAL}.stacked_tables GROUP BY 1").fetchall()
    )
    there = "SELECT view_name FROM duckdb_views() WHERE starts_with(view_name, 'stacked_')"
    views = {name for (name,) in db.execute(there).fetchall()}
    kept = {name for stack in stacks for name in (stack, f"{stack}_long")}
    for name in views - kept:
        db.execute(f'DROP VIEW "{name}"')
    changed = [stack for stack in stacks if laid.get(stack) != stacks[stack] or stack not in views]
    gone = sorted({*laid} - {*stacks} | {*changed})
    db.execute(f"DELETE FROM {INTERNAL}.stacked_tables WHERE stack IN (SELECT unnest(?::VARCHAR[]))", [gone])
    insert_ours(db, "stacked_tables", [{"stack": stack, "table_id": id_} for stack in changed for id_ in stacks[stack]])
    for stack in changed:
        columns = _columns_of(db, stack)
        db.execute(f'CREATE OR REPLACE VIEW "{stack}" AS {typed.stack_query(stack, columns)}')
        db.execute(f'CREATE OR REPLACE VIEW "{stack}_long" AS {typed.long_query(stack)}')
        lay_comments(db, stack)


def _columns_of(db: duckdb.DuckDBPyConnection, stack: str) -> tuple[typed.Column, ...]:
    """The columns that any of its tables has, by name, in the order in which they mostly stand; newer periods first."""
    counts = ", ".join(f"sum({count})" for count in ColumnContents.__slots__)
    rows = db.execute(
        f"""
        SELECT name, min(label), {counts} FROM {INTERNAL}.table_columns
        JOIN {INTERNAL}.stacked_tables USING (table_id) WHERE stack = ?
        GROUP BY name
        ORDER BY max(is_label) DESC, min(coalesce(period_start, DATE '0001-01-01')) DESC, avg(col_no), name
        LIMIT {_MAX_COLUMNS}
        """,
        [stack],
    ).fetchall()
    names, labels = [row[0] for row in rows], [row[1] for row in rows]
    return typed.columns_of(names, labels, [ColumnContents(*map(int, row[2:])) for row in rows])
