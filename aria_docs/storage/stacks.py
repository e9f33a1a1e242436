"""Stacks: tables of one header, of two files or more, as one view."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from aria_docs.storage import columns as typed
from aria_docs.storage.columns import Contents
from aria_docs.storage.connection import Connections
from aria_docs.storage.shapes import TableShape, shapes_of

MAX_STACKS = 500  # opening a file parses every view in it: 500 of them take 0.1 s, 20,000 took 1.8 s


@dataclass(frozen=True, slots=True)
class _Stack:
    name: str
    query: str
    table_ids: list[str]


def stack(database: Connections) -> None:
    """Lays the stacked_… views: one for the tables of two files or more that have the same header.

    The columns are worked out while others may read; only then the file is taken, for a fraction of a second.
    """
    with database.lock, database.reading(patience_s=float("inf")) as db:
        stacks = stacks_of(db)
    with database.writing() as db:
        lay_stacks(db, stacks)


def stacks_of(db: duckdb.DuckDBPyConnection) -> list[_Stack]:
    """The views that hold tables of two files or more under each other, those of the most files first."""
    source_of = dict(db.execute("SELECT table_id, source_id FROM tables_once").fetchall())
    by_names: dict[tuple[str, ...], dict[str, TableShape]] = {}
    for table_id, shape in shapes_of(db, None).items():
        if shape.has_header:
            by_names.setdefault(shape.names, {})[table_id] = shape
    n_sources = {names: len({source_of[table_id] for table_id in shapes}) for names, shapes in by_names.items()}
    often = sorted((names for names, n in n_sources.items() if n > 1), key=lambda names: (-n_sources[names], names))
    stacks = []
    for names in often[:MAX_STACKS]:
        shapes = by_names[names]
        columns = zip(*(shape.contents for shape in shapes.values()), strict=True)
        types = [sum(column, Contents()).type for column in columns]
        name = typed.stack_name(names)
        stacks.append(_Stack(name, typed.stack_query(name, names=names, types=types), sorted(shapes)))
    return stacks


def lay_stacks(db: duckdb.DuckDBPyConnection, stacks: Sequence[_Stack]) -> None:
    """Replaces the views by these."""
    old = db.execute("SELECT view_name FROM duckdb_views() WHERE starts_with(view_name, 'stacked_')").fetchall()
    for name in {name for (name,) in old}.difference(stack.name for stack in stacks):
        db.execute(f'DROP VIEW "{name}"')
    for stack in stacks:
        db.execute(f'CREATE OR REPLACE VIEW "{stack.name}" AS {stack.query}')
    db.execute("DELETE FROM stacked_tables")
    members = json.dumps([{"stack": stack.name, "table_id": id_} for stack in stacks for id_ in stack.table_ids])
    db.execute(
        "INSERT INTO stacked_tables SELECT unnest(from_json(?, "
        """'[{"stack": "VARCHAR", "table_id": "VARCHAR"}]'), recursive := true)""",
        [members],
    )
