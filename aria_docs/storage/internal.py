"""Our own tables in a schema of their own, so that SHOW TABLES lists what is for people."""

from __future__ import annotations

import duckdb

from aria_docs.storage.columns import INTERNAL

_OURS = (
    "migrations", "stacked_tables", "ranked_texts", "ranked_terms", "custom_schemas", "loaded_spool_files", "sidecars",
    "newest", "due",
)  # fmt: skip


def move_ours(db: duckdb.DuckDBPyConnection) -> None:
    """Moves those of our tables that stand among the others, as earlier versions and migrations make them."""
    db.execute(f"CREATE SCHEMA IF NOT EXISTS {INTERNAL}")
    query = "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main' AND list_contains(?, table_name)"
    for (table,) in db.execute(query, [list(_OURS)]).fetchall():
        db.execute(f"CREATE TABLE {INTERNAL}.{table} AS FROM main.{table}")
        db.execute(f"DROP TABLE main.{table}")
        if table == "ranked_terms":  # its macro looks for them where they were; the next run lays it anew
            db.execute("DROP MACRO TABLE IF EXISTS search_ranked")


def find_ours(db: duckdb.DuckDBPyConnection) -> None:
    """From now on our tables are found by their names alone, and new ones are made among the others."""
    if db.execute("SELECT 1 FROM duckdb_schemas() WHERE schema_name = ?", [INTERNAL]).fetchall():
        db.execute(f"SET search_path = 'main,{INTERNAL}'")
