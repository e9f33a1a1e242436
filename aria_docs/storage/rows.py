"""Rows into and out of an open connection: inserts through JSON, deletes by key, records as dictionaries."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

import duckdb
from pydantic import TypeAdapter

from aria_docs.schemas import Row
from aria_docs.storage.columns import INTERNAL


def insert(db: duckdb.DuckDBPyConnection, rows: Sequence[Row], *, into: str | None = None) -> None:
    """All rows of one kind at once, through JSON: 70,000 cells a second, with any DuckDB and its own types.

    into:  another table than the kind's own; columns that the kind lacks are NULL.
    """
    if rows:
        kind = type(rows[0])
        text = TypeAdapter(list[kind]).dump_json(list(rows)).decode()  # type: ignore[valid-type]
        _insert(db, into or kind.table, text)


def insert_ours(db: duckdb.DuckDBPyConnection, table: str, rows: Iterable[dict[str, Any]]) -> None:
    """Rows of one of our own tables, through JSON."""
    if listed := list(rows):
        _insert(db, table, json.dumps(listed))


def _insert(db: duckdb.DuckDBPyConnection, table: str, rows: str) -> None:
    columns = db.execute(
        "SELECT column_name, data_type FROM duckdb_columns() WHERE list_contains(?, schema_name) "
        "AND table_name = ? ORDER BY column_index",
        [["main", INTERNAL], table],
    ).fetchall()
    # JSON has no bytes: they come as base64.
    structure = json.dumps([{name: "VARCHAR" if type_ == "BLOB" else type_ for name, type_ in columns}])
    values = ", ".join(f"from_base64(r.{name})" if type_ == "BLOB" else f"r.{name}" for name, type_ in columns)
    query = f"INSERT INTO {table} SELECT {values} FROM (SELECT unnest(from_json(?, ?)) AS r)"
    db.execute(query, [rows, structure])


def upsert(db: duckdb.DuckDBPyConnection, rows: Sequence[Row], *, key: tuple[str, ...]) -> None:
    """Inserts rows in place of those with the same key; of several given with one key the last one counts."""
    unique = {tuple(getattr(row, name) for name in key): row for row in rows}
    if unique:
        delete(db, rows[0].table, key, unique)
        insert(db, list(unique.values()))


def delete(db: duckdb.DuckDBPyConnection, table: str, key: tuple[str, ...], keys: Iterable[tuple[Any, ...]]) -> None:
    """Deletes the rows with these keys."""
    found = [dict(zip(key, values, strict=True)) for values in keys]
    if not found:
        return
    listed = json.dumps(found)
    structure = json.dumps([{name: "INTEGER" if name == "page" else "VARCHAR" for name in key}])
    same = " AND ".join(f"{table}.{name} = k.{name}" for name in key)
    db.execute(
        f"DELETE FROM {table} USING (SELECT unnest(from_json(?, ?), recursive := true)) AS k WHERE {same}",
        [listed, structure],
    )


def records(
    db: duckdb.DuckDBPyConnection, query: str, parameters: list[Any] | dict[str, Any] | None = None
) -> list[dict[str, Any]]:
    """The rows of a query as dictionaries."""
    cursor = db.execute(query, parameters)
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]


def quote(text: str) -> str:
    """A string literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A quoted identifier of SQL."""
    return '"' + name.replace('"', '""') + '"'


def first_line(error: duckdb.Error) -> str:
    """DuckDB's message without its hints."""
    return str(error).strip().partition("\n")[0]


def with_hints(error: duckdb.Error) -> str:
    """DuckDB's message with its "Did you mean" and "Candidate bindings", in one line, without the quoted query."""
    told = re.split(r"\n\s*LINE \d+:", str(error), maxsplit=1)[0]
    return " ".join(told.split())


_COPY_OPTIONS = {"csv": "FORMAT csv, HEADER", "json": "FORMAT json, ARRAY", "parquet": "FORMAT parquet"}


def copy_to(db: duckdb.DuckDBPyConnection, query: str, path: str, form: str) -> int:
    """Writes the answer of a query to a file; returns the number of rows."""
    db.execute(f"COPY ({query}\n) TO {quote(path)} ({_COPY_OPTIONS[form]})")
    return int((db.fetchone() or (0,))[0])
