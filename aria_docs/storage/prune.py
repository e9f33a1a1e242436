"""What belongs to vanished files and to superseded recipes, and its end.

A file has vanished once a run looked for it and did not find it, or found another content under its path: nothing here
looks at the disk, so a drive that is not mounted costs nothing. A reading is superseded where its part has a newer one,
as `newest` says; a part that nobody has read again keeps its reading, however old its recipe. Corrections stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb

from aria_docs.storage.connection import Connections
from aria_docs.storage.custom_tables import custom_tables
from aria_docs.storage.internal import WORKED_OUT

_GONE = """
    CREATE OR REPLACE TEMP TABLE gone_sources AS
    SELECT source_id FROM (SELECT source_id FROM sources UNION SELECT source_id FROM readings)
    ANTI JOIN (FROM files WHERE present) USING (source_id);

    CREATE OR REPLACE TEMP TABLE superseded AS
    SELECT r.reading_id, r.recipe, r.task, r.engine, r.model
    FROM readings r JOIN newest n USING (source_id, task, part)
    WHERE r.reading_id <> n.reading_id AND r.source_id NOT IN (SELECT source_id FROM gone_sources);

    CREATE OR REPLACE TEMP TABLE gone_readings AS
    SELECT reading_id FROM readings SEMI JOIN gone_sources USING (source_id) UNION SELECT reading_id FROM superseded;

    CREATE OR REPLACE TEMP TABLE gone_tables AS
    SELECT table_id, source_id FROM tables SEMI JOIN gone_readings USING (reading_id);
"""
_OF_TABLES = ("cells", *WORKED_OUT)
_OF_READINGS = ("tables", "scenes", "summaries", "grounds", "sidecars", "readings")
_OF_SOURCES = ("pages", "page_lines", "form_fields", "shots", "cues", "newest", "sources")
_GONE_FAILURES = """
    source_id IN (SELECT source_id FROM gone_sources) OR path IN (SELECT path FROM files WHERE NOT present)
    OR EXISTS (FROM readings r WHERE r.source_id = failures.source_id AND r.task = failures.task
               AND r.part = failures.part AND r.recipe <> failures.recipe AND r.read_at > failures.failed_at)
"""
_UNUSED_RECIPES = f"""
    recipe NOT IN (SELECT recipe FROM readings WHERE recipe IS NOT NULL
                   AND reading_id NOT IN (SELECT reading_id FROM gone_readings))
    AND recipe NOT IN (SELECT recipe FROM runs WHERE recipe IS NOT NULL)
    AND recipe NOT IN (SELECT recipe FROM failures WHERE recipe IS NOT NULL AND NOT coalesce({_GONE_FAILURES}, false))
"""
_RECIPES = """
    SELECT recipe, any_value(engine), any_value(model), string_agg(DISTINCT task, ', ' ORDER BY task), count(*)
    FROM superseded GROUP BY recipe ORDER BY recipe
"""
_UNSAID = ("page_lines", "newest", "sidecars", *WORKED_OUT[1:])  # ours alone, or another half of what is named


@dataclass(frozen=True, slots=True)
class SupersededRecipe:
    """A recipe with readings that newer ones stand in place of; tasks as one text."""

    recipe: str
    engine: str
    model: str | None
    tasks: str
    n_readings: int


@dataclass(frozen=True, slots=True)
class Prunable:
    """What may go.

    paths:      of vanished files; n_sources: contents that no present file has.
    counts:     table → rows.
    """

    paths: tuple[str, ...]
    n_sources: int
    recipes: tuple[SupersededRecipe, ...]
    counts: dict[str, int]

    def __bool__(self) -> bool:
        return any(self.counts.values())

    def as_lines(self, most: int = 20) -> Iterator[str]:
        """For people: the files, the recipes, then how many rows of which tables."""
        if not self:
            yield "nothing to drop: every reading is the newest of its part, and every file is there"
            return
        yield from (f"vanished: {path}" for path in self.paths[:most])
        if len(self.paths) > most:
            yield f"vanished: {len(self.paths) - most:,} more"
        if self.n_sources:
            yield f"no file has them any more: {self.n_sources:,} content{'s' * (self.n_sources != 1)}"
        for one in self.recipes:
            model = f" ({one.model})" if one.model else ""
            n = f"{one.n_readings:,} reading{'s' * (one.n_readings != 1)}"
            yield f"superseded: {n} of {one.tasks} by {one.engine}{model}, recipe {one.recipe}"
        told = {table: n for table, n in self.counts.items() if n and table not in _UNSAID}
        yield "rows: " + ", ".join(f"{table} {n:,}" for table, n in told.items())


def prunable(database: Connections) -> Prunable:
    """What may go; nothing is changed. Raises StoreError."""
    with database.reading(patience_s=10.0) as db:
        return _find(db)


def prune(database: Connections) -> Prunable:
    """Drops it in one transaction, and returns what it was. The stacks and the full-text index are for the caller."""
    with database.writing() as db:
        found = _find(db)
        for table, where in _rules(db).items():
            db.execute(f"DELETE FROM {table} WHERE {where}")
        # A page that was read again may be what a page of an older recipe goes on from.
        db.execute("UPDATE tables SET continues = NULL WHERE continues IN (SELECT table_id FROM gone_tables)")
        if found:
            db.execute("INSERT INTO due_tables (source_id) SELECT DISTINCT source_id FROM gone_tables")
    return found


def _find(db: duckdb.DuckDBPyConnection) -> Prunable:
    db.execute(_GONE)
    counts = {
        table: db.execute(f"SELECT count(*) FROM {table} WHERE {where}").fetchall()[0][0]
        for table, where in _rules(db).items()
    }
    paths = db.execute("SELECT path FROM files WHERE NOT present ORDER BY path").fetchall()
    [(n_sources,)] = db.execute("SELECT count(*) FROM gone_sources").fetchall()
    recipes = [SupersededRecipe(*row) for row in db.execute(_RECIPES).fetchall()]
    return Prunable(tuple(path for (path,) in paths), n_sources, tuple(recipes), counts)


def _rules(db: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """table → which of its rows go. In the order of deletion: failures and recipes are judged by rows of others."""
    there = {name for (name,) in db.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    rules = {"failures": _GONE_FAILURES, "recipes": _UNUSED_RECIPES}
    rules |= dict.fromkeys(_OF_TABLES, "table_id IN (SELECT table_id FROM gone_tables)")
    of_readings = "reading_id IN (SELECT reading_id FROM gone_readings)"
    rules |= dict.fromkeys((*custom_tables(db).values(), *_OF_READINGS), of_readings)
    rules |= dict.fromkeys(_OF_SOURCES, "source_id IN (SELECT source_id FROM gone_sources)")
    rules["files"] = "NOT present"
    return {table: where for table, where in rules.items() if table in there}
