"""Tables of custom schemas: `x_<name>` for the schema read last, `x_<name>_<hash8>` for those before it."""

from __future__ import annotations

import json
from collections.abc import Sequence

import duckdb

from aria_docs.errors import StoreError
from aria_docs.schemas.records import RecordRow, SchemaRow
from aria_docs.storage.internal import lay_comments
from aria_docs.storage.rows import identifier

# The newest reading of each part by this schema, whatever schemas of the same name read later. The recipe says by which
# it was read: also a reading that found nothing, and so has no row, counts.
_LATEST_RECORDS = """
    CREATE OR REPLACE VIEW latest_x_{name} AS
    SELECT f.path AS {path}, x.*
    FROM x_{name} x
    JOIN (
        SELECT reading_id FROM readings JOIN recipes USING (recipe)
        WHERE task = '{name}' AND json_extract_string(options, '$.schema.hash') = '{hash}'
        QUALIFY row_number() OVER (PARTITION BY source_id, part ORDER BY read_at DESC) = 1
    ) USING (reading_id)
    JOIN files f ON f.source_id = x.source_id AND f.present
"""
_OF_EVERY_RECORD = {
    "reading_id": "VARCHAR", "source_id": "VARCHAR", "page": "INTEGER", "start_s": "DOUBLE", "end_s": "DOUBLE",
}  # fmt: skip


def prepare_schema(db: duckdb.DuckDBPyConnection, schema: SchemaRow) -> None:
    """As `Store.prepare_schema`, in an open transaction."""
    name, table = schema.name, f"x_{schema.name}"
    columns = _OF_EVERY_RECORD | json.loads(schema.columns)
    # A user may have dropped a table: then it is made anew.
    db.execute("DELETE FROM custom_schemas WHERE table_name NOT IN (SELECT table_name FROM duckdb_tables())")
    tables = custom_tables(db)
    there = {name for (name,) in db.execute("SELECT lower(table_name) FROM information_schema.tables").fetchall()}
    holder = next((of for of, laid in tables.items() if laid == table), None)
    if table in there and holder is None:
        raise StoreError(
            f"this database has a table {table} that aria-docs did not make: rename it, or the model's class"
        )
    if holder and holder != (name, schema.hash):
        _rename(db, holder, table, f"{table}_{holder[1][:8]}")
    own = tables.get((name, schema.hash))
    if own and own != table:
        _rename(db, (name, schema.hash), own, table)
    if not own:
        facts = [name, schema.hash, table, schema.columns, schema.json_schema]
        db.execute("INSERT INTO custom_schemas VALUES (?, ?, ?, ?, ?)", facts)
    typed_columns = ", ".join(f"{identifier(column)} {type_}" for column, type_ in columns.items())
    db.execute(f"CREATE TABLE IF NOT EXISTS {table} ({typed_columns})")
    path = "file_path" if "path" in (column.lower() for column in columns) else "path"
    db.execute(_LATEST_RECORDS.format(name=name, hash=schema.hash, path=path))
    lay_comments(db, table)
    lay_comments(db, f"latest_{table}")


def _rename(db: duckdb.DuckDBPyConnection, key: tuple[str, str], old: str, new: str) -> None:
    db.execute(f"ALTER TABLE {old} RENAME TO {new}")
    db.execute("UPDATE custom_schemas SET table_name = ? WHERE name = ? AND hash = ?", [new, *key])


def custom_tables(db: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], str]:
    """Name and hash of a schema → the table that has its rows now, where it is still there."""
    query = "SELECT name, hash, table_name FROM custom_schemas SEMI JOIN duckdb_tables() USING (table_name)"
    rows = db.execute(query).fetchall()
    return {(name, hash_): table for name, hash_, table in rows}


def insert_records(db: duckdb.DuckDBPyConnection, rows: Sequence[RecordRow]) -> None:
    """Each to the table of its schema, which may have been renamed since by a run with another one."""
    by_schema: dict[tuple[str, str], list[RecordRow]] = {}
    for row in rows:
        by_schema.setdefault((row.name, row.hash), []).append(row)
    tables = custom_tables(db) if rows else {}
    for key, records in by_schema.items():
        if key not in tables:
            raise StoreError(f"the schema {key[0]} ({key[1][:8]}) was not prepared in this database")
        [(types,)] = db.execute("SELECT columns FROM custom_schemas WHERE name = ? AND hash = ?", key).fetchall()
        columns = json.loads(types)
        ours = ", ".join(f"r.{column}" for column in _OF_EVERY_RECORD)
        values = ", ".join(f"r.fields.{identifier(column)}" for column in columns)
        texts = [
            f'{row.model_dump_json(include=set(_OF_EVERY_RECORD))[:-1]},"fields":{row.fields}}}' for row in records
        ]
        # Strict: what does not fit its column is an error, not NULL.
        db.execute(
            f"INSERT INTO {tables[key]} SELECT {ours}, {values} FROM (SELECT unnest(from_json_strict(?, ?)) AS r)",
            [f"[{','.join(texts)}]", json.dumps([_OF_EVERY_RECORD | {"fields": columns}])],
        )


def insert_spooled(db: duckdb.DuckDBPyConnection) -> None:
    """The rows of `spool_records` to the tables of their schemas; none of `kept_readings` where there is that table."""
    of_new = db.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'kept_readings'").fetchall()
    chosen = "spool_records ANTI JOIN kept_readings USING (reading_id)" if of_new else "spool_records"
    tables = custom_tables(db)
    for key in db.execute(f"SELECT DISTINCT name, hash FROM {chosen}").fetchall():
        if key not in tables:
            raise StoreError(f"the schema {key[0]} ({key[1][:8]}) was not prepared in this database")
        [(types,)] = db.execute("SELECT columns FROM custom_schemas WHERE name = ? AND hash = ?", key).fetchall()
        columns = json.loads(types)
        values = ", ".join(f"f.{identifier(column)}" for column in columns)
        db.execute(
            f"INSERT INTO {tables[key]} SELECT {', '.join(_OF_EVERY_RECORD)}, {values} FROM ("
            f"SELECT *, from_json_strict(fields, ?) AS f FROM {chosen} WHERE name = ? AND hash = ?)",
            [json.dumps(columns), *key],
        )
