"""What is laid into a database beside its rows: views, comments, and a schema for the tables that are ours alone."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources

import duckdb

from aria_docs.storage.columns import INTERNAL
from aria_docs.storage.rows import identifier, quote

_OURS = (
    "migrations", "stacked_tables", "ranked_texts", "ranked_terms", "custom_schemas", "loaded_spool_files", "sidecars",
    "newest", "laid_views",
)  # fmt: skip

# What is worked out from a table, and goes with it: its checks, and what it means.
WORKED_OUT = ("checks", "checked_tables", "table_columns", "table_lines", "table_keys", "table_meanings")


def move_ours(db: duckdb.DuckDBPyConnection) -> None:
    """Moves those of our tables that stand among the others, as earlier versions and migrations make them."""
    db.execute(f"CREATE SCHEMA IF NOT EXISTS {INTERNAL}")
    query = "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main' AND list_contains(?, table_name)"
    for (table,) in db.execute(query, [list(_OURS)]).fetchall():
        db.execute(f"CREATE TABLE {INTERNAL}.{table} AS FROM main.{table}")
        db.execute(f"DROP TABLE main.{table}")
        if table == "ranked_terms":  # its macro looks for them where they were; the next run lays it anew
            db.execute("DROP MACRO TABLE IF EXISTS search_ranked")


def find_ours(db: duckdb.DuckDBPyConnection, *, read_only: bool = False) -> None:
    """From now on our tables are found by their names alone, and new ones are made among the others."""
    if db.execute("SELECT 1 FROM duckdb_schemas() WHERE schema_name = ?", [INTERNAL]).fetchall():
        db.execute(f"SET search_path = 'main,{INTERNAL}'")
    views = "SELECT count(*) FROM duckdb_views() WHERE schema_name = ? AND view_name = 'shown_cells'"
    if read_only and db.execute(views, [INTERNAL]).fetchall() == [(0,)]:  # of an earlier version: nothing is corrected
        for name in ("tables", "cells", "scenes"):
            if db.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = ?", [name]).fetchall():
                db.execute(f"CREATE TEMP VIEW shown_{name} AS SELECT *, false AS corrected FROM {name}")


def lay_views(db: duckdb.DuckDBPyConnection, *, migrated: bool) -> None:
    """The views and the comments, where they are others than those that were laid last, or the tables are."""
    views = script("views.sql")
    digest = hashlib.sha256((views + script("comments.txt")).encode()).hexdigest()
    db.execute(f"CREATE TABLE IF NOT EXISTS {INTERNAL}.laid_views (sha256 VARCHAR)")
    if migrated or db.execute(f"SELECT sha256 FROM {INTERNAL}.laid_views").fetchall() != [(digest,)]:
        db.execute(views)
        lay_comments(db)
        db.execute(f"DELETE FROM {INTERNAL}.laid_views")
        db.execute(f"INSERT INTO {INTERNAL}.laid_views VALUES (?)", [digest])


def lay_comments(db: duckdb.DuckDBPyConnection, starting: str = "") -> None:
    """COMMENT ON every table, view and column that people see, or on those whose names start so."""
    comments = _comments()
    relations = db.execute(
        "SELECT view_name, 'VIEW' FROM duckdb_views() "
        "WHERE schema_name = 'main' AND NOT internal AND starts_with(view_name, $1) "
        "UNION ALL SELECT table_name, 'TABLE' FROM duckdb_tables() "
        "WHERE schema_name = 'main' AND starts_with(table_name, $1)",
        [starting],
    ).fetchall()
    for name, kind in relations:
        if told := comments.get(name) or comments.get(_family(name)):
            db.execute(f"COMMENT ON {kind} {identifier(name)} IS {quote(told)}")
    columns = db.execute(
        "SELECT table_name, column_name FROM duckdb_columns() WHERE schema_name = 'main' AND NOT internal "
        "AND starts_with(table_name, ?)",
        [starting],
    ).fetchall()
    for name, column in columns:
        if told := comments.get(f"{name}.{column}") or comments.get(f".{column}"):
            db.execute(f"COMMENT ON COLUMN {identifier(name)}.{identifier(column)} IS {quote(told)}")


def _family(name: str) -> str:
    """stacked_x → stacked_, stacked_x_long → stacked_long_, x_invoice → x_, latest_x_invoice → latest_x_."""
    if name.startswith("stacked_"):
        return "stacked_long_" if name.endswith("_long") else "stacked_"
    return "x_" if name.startswith("x_") else "latest_x_" if name.startswith("latest_x_") else name


@cache
def _comments() -> dict[str, str]:
    lines = [line for line in script("comments.txt").splitlines() if line and not line.startswith("#")]
    return {name: told for name, _, told in (line.partition(": ") for line in lines)}


def script(name: str) -> str:
    """A file of schemas/sql."""
    return (resources.files("aria_docs.schemas") / "sql" / name).read_text(encoding="utf-8")
