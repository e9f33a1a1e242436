"""The database as a run keeps what it finds in it: migrations, what is known, and what is written.

Only rooms of `storage` import duckdb; it knows rows, not where they come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any, Protocol

from aria_docs.errors import StoreError
from aria_docs.schemas.readings import FailureRow, Finished, RecipeRow, RunRow
from aria_docs.schemas.records import SchemaRow
from aria_docs.schemas.sources import FileRow, SourceRow
from aria_docs.storage import custom_tables, internal, search, stacks
from aria_docs.storage.columns import INTERNAL
from aria_docs.storage.query import Answer, Format, Frames, Questions
from aria_docs.storage.rows import delete, existing, insert, records, upsert
from aria_docs.storage.shapes import TableShape

__all__ = ["Answer", "Batch", "Format", "Frames", "Keeper", "Known", "Store", "TableShape"]


@dataclass(slots=True)
class Batch:
    """What one transaction writes: whole parts, and what became of files.

    opened:     sources that could be opened; what was said against opening them is struck out.
    continues:  table_id → the table_id on the page before that it goes on from.
    """

    files: list[FileRow] = field(default_factory=list)
    sources: list[SourceRow] = field(default_factory=list)
    finished: list[Finished] = field(default_factory=list)
    failures: list[FailureRow] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    continues: dict[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return any((self.files, self.sources, self.finished, self.failures, self.opened, self.continues))


@dataclass(frozen=True, slots=True)
class Known:
    """What earlier runs left: files by path, sources by id, and what was read under given recipes.

    read:  (source, task, part, SHA-256 of the subtitles that lay beside the file then, or None)
    """

    files: dict[str, FileRow]
    sources: dict[str, SourceRow]
    read: set[tuple[str, str, str, str | None]]
    failures: list[FailureRow]


class Keeper(Protocol):
    """Who keeps what a run finds, and knows what earlier ones found: a database (`Store`), or a spool (`Spool`).

    Threads may share it. Everything that can go wrong is a StoreError.
    """

    @property
    def path(self) -> Path:
        """Where it is kept: a file or a folder."""

    def prepare(self, *, patience_s: float) -> None:
        """Makes it, or brings an older one up to date. Called before anything is written."""

    def begin_run(self, run: RunRow, recipes: Iterable[RecipeRow], *, schema: SchemaRow | None = None) -> None:
        """Records the run, the recipes it uses, and its custom schema."""

    def end_run(self, run_id: str, *, n_read: int, n_failed: int, n_skipped: int) -> None:
        """Records how the run ended."""

    def known(self, recipes: Sequence[str], *, unless_noted: str | None = None) -> Known:
        """What need not be done again, and what failed before, under these recipes (or before any recipe mattered).

        unless_noted:  a reading whose note has these words does not count as read.
        """

    def write(self, batch: Batch) -> None:
        """All of the batch or nothing. A part replaces what it was before under the same recipe; its failure is struck
        out."""

    def forget(self, paths: Sequence[str]) -> None:
        """Files that a walk no longer finds are marked absent, and what was said of them is struck out."""

    def table_places(self, source_id: str, recipe: str) -> list[dict[str, Any]]:
        """The tables of a document in order: table_id, page, box, page size, n_cols, caption and the header's texts."""

    def page_texts(self, source_id: str, pages: Sequence[int] | None) -> list[tuple[int, str]]:
        """The pages of a document in order, all or the given ones."""


class Store(Questions):
    """One database file as a `Keeper`."""

    def prepare(self, *, patience_s: float) -> None:
        """Makes the file or brings an older one up to date. Raises StoreError, StoreBusy after patience_s."""
        with self.writing(patience_s=patience_s) as db:
            internal.move_ours(db)
            internal.find_ours(db)
            db.execute(f"CREATE TABLE IF NOT EXISTS {INTERNAL}.migrations (name VARCHAR, applied_at TIMESTAMP)")
            applied = {name for (name,) in db.execute("SELECT name FROM migrations").fetchall()}
            scripts = resources.files("aria_docs.schemas") / "sql"
            numbered = sorted(file.name for file in scripts.iterdir() if file.name[:4].isdigit())
            if unknown := applied.difference(numbered):
                raise StoreError(
                    f"{self.path} was made by a newer aria-docs (it has {max(unknown)}): upgrade aria-docs"
                )
            for name in numbered:
                if name not in applied:
                    db.execute((scripts / name).read_text(encoding="utf-8"))
                    db.execute("INSERT INTO migrations VALUES (?, ?)", [name, datetime.now(UTC).replace(tzinfo=None)])
            internal.move_ours(db)
            db.execute((scripts / "views.sql").read_text(encoding="utf-8"))

    def begin_run(self, run: RunRow, recipes: Iterable[RecipeRow], *, schema: SchemaRow | None = None) -> None:
        """Records the run and the recipes it uses, and makes the table of its custom schema ready.

        Raises StoreError where the user has made a table of that name.
        """
        with self.writing() as db:
            if schema:
                custom_tables.prepare_schema(db, schema)
            new = {recipe.recipe: recipe for recipe in recipes}
            known = {recipe for (recipe,) in db.execute("SELECT recipe FROM recipes").fetchall()}
            insert(db, [row for recipe, row in new.items() if recipe not in known])
            insert(db, [run])

    def prepare_schema(self, schema: SchemaRow) -> None:
        """Makes `x_<name>` the table of this schema, and `latest_x_<name>` the view of it.

        A table of that name that belongs to another schema becomes `x_<name>_<hash8>`, by that one's hash, with all its
        rows; a schema that comes back gets its own table back. Raises StoreError where the user has made such a table.
        """
        with self.writing() as db:
            custom_tables.prepare_schema(db, schema)

    def end_run(self, run_id: str, *, n_read: int, n_failed: int, n_skipped: int) -> None:
        """Records how the run ended; lays the stacked views anew where tables have come since the last did, and takes
        the texts that came or went into the full-text index."""
        new_tables = (
            "SELECT count(*) FROM tables JOIN readings USING (reading_id) WHERE run_id = ? "
            "OR read_at >= (SELECT coalesce(max(ended_at), '-infinity') FROM runs)"
        )
        with self.lock, self.reading(patience_s=float("inf")) as db:
            [(n_new,)] = db.execute(new_tables, [run_id]).fetchall()
        if n_new:
            self.stack()
        ended_at = datetime.now(UTC).replace(tzinfo=None)
        self.date_run(run_id, ended_at=ended_at, n_read=n_read, n_failed=n_failed, n_skipped=n_skipped)
        self.rank()

    def date_run(self, run_id: str, *, ended_at: datetime, n_read: int, n_failed: int, n_skipped: int) -> None:
        """Records when a run ended, and how."""
        with self.writing() as db:
            db.execute(
                "UPDATE runs SET ended_at = ?, n_read = ?, n_failed = ?, n_skipped = ? WHERE run_id = ?",
                [ended_at, n_read, n_failed, n_skipped, run_id],
            )

    def stack(self) -> None:
        """Brings the stacks up to date."""
        stacks.stack(self)

    def rank(self) -> None:
        """Brings the full-text index up to date."""
        search.rank(self)

    def known(self, recipes: Sequence[str], *, unless_noted: str | None = None) -> Known:
        """What need not be done again, and what failed before, under these recipes (or before any recipe mattered).

        unless_noted:  a reading whose note has these words does not count as read.
        """
        with self.reading(patience_s=float("inf")) as db:
            done = (
                "SELECT source_id, task, part, sha256 FROM readings LEFT JOIN sidecars USING (reading_id) "
                "WHERE list_contains(?, recipe) AND NOT coalesce(contains(note, ?), false)"
            )
            failed = "SELECT * FROM failures WHERE list_contains(?, recipe) ORDER BY ALL"
            files = [FileRow(**row) for row in records(db, "SELECT * FROM files")]
            sources = [SourceRow(**row) for row in records(db, "SELECT * FROM sources")]
            return Known(
                files={row.path: row for row in files},
                sources={row.source_id: row for row in sources},
                read=set(db.execute(done, [list(recipes), unless_noted]).fetchall()),
                failures=[FailureRow(**row) for row in records(db, failed, [[*recipes, ""]])],
            )

    def write(self, batch: Batch) -> None:
        """One transaction. A part replaces what it was before under the same recipe; its failure is struck out."""
        readings = [part.reading for part in batch.finished if part.reading]
        with self.writing() as db:
            upsert(db, batch.files, key=("path",))
            upsert(db, batch.sources, key=("source_id",))
            known = existing(db, "readings", "reading_id", [reading.reading_id for reading in readings])
            if known:
                db.execute(
                    "DELETE FROM cells WHERE table_id IN "
                    "(SELECT table_id FROM tables WHERE list_contains(?, reading_id))",
                    [known],
                )
                for table in (
                    "tables",
                    "scenes",
                    "summaries",
                    "sidecars",
                    "readings",
                    *custom_tables.custom_tables(db).values(),
                ):
                    db.execute(f"DELETE FROM {table} WHERE list_contains(?, reading_id)", [known])
            insert(db, readings)
            insert(db, [row for part in batch.finished for row in part.sidecars])
            upsert(db, [row for part in batch.finished for row in part.pages], key=("source_id", "page"))
            shots = [row for part in batch.finished for row in part.shots]
            delete(db, "shots", ("source_id",), {(row.source_id,) for row in shots})
            insert(db, shots)
            insert(db, [row for part in batch.finished for row in part.tables])
            if batch.continues:
                links = "(SELECT unnest(?::VARCHAR[]) AS first, unnest(?::VARCHAR[]) AS before)"
                query = f"UPDATE tables SET continues = l.before FROM {links} AS l WHERE table_id = l.first"
                db.execute(query, [list(batch.continues), list(batch.continues.values())])
            insert(db, [row for part in batch.finished for row in part.cells])
            insert(db, [row for part in batch.finished for row in part.scenes])
            insert(db, [row for part in batch.finished for row in part.summaries])
            custom_tables.insert_records(db, [row for part in batch.finished for row in part.records])
            # Struck out: what was said of parts now read, of files now opened, of paths whose content changed.
            db.execute(
                "DELETE FROM failures WHERE (source_id, task, part, recipe) IN "
                "(SELECT (source_id, task, part, recipe) FROM readings WHERE list_contains(?, reading_id))",
                [[reading.reading_id for reading in readings]],
            )
            db.execute("DELETE FROM failures WHERE task = '' AND list_contains(?, source_id)", [batch.opened])
            db.execute(
                "DELETE FROM failures USING files WHERE list_contains(?, files.path) AND files.path = failures.path "
                "AND failures.source_id IS DISTINCT FROM files.source_id",
                [[file.path for file in batch.files]],
            )
            upsert(db, batch.failures, key=("path", "task", "part", "recipe"))

    def forget(self, paths: Sequence[str]) -> None:
        """Files that a walk no longer finds are marked absent, and what was said of them is struck out."""
        with self.writing() as db:
            db.execute("UPDATE files SET present = false WHERE list_contains(?, path)", [list(paths)])
            db.execute("DELETE FROM failures WHERE list_contains(?, path)", [list(paths)])

    def loaded_files(self) -> set[str]:
        """The names of the spool's files that are in this database."""
        with self.reading(patience_s=float("inf")) as db:
            return {name for (name,) in db.execute("SELECT name FROM loaded_spool_files").fetchall()}

    def note_loaded(self, name: str) -> None:
        """A spool's file is in this database: said in the transaction that writes what it holds."""
        with self.writing() as db:
            db.execute("INSERT INTO loaded_spool_files VALUES (?, ?)", [name, datetime.now(UTC).replace(tzinfo=None)])

    def table_places(self, source_id: str, recipe: str) -> list[dict[str, Any]]:
        """The tables of a document in order: table_id, page, box, page size, n_cols, caption and the header's texts."""
        query = """
            WITH placed AS (
                SELECT t.table_id, t.page, [x0, y0, x1, y1] AS box, [width_pt, height_pt] AS size_pt,
                       n_cols, caption, table_no
                FROM tables t JOIN readings USING (reading_id)
                JOIN pages p ON p.source_id = t.source_id AND p.page = t.page
                WHERE t.source_id = ? AND recipe = ?
            )
            SELECT * EXCLUDE (table_no, heads), coalesce(heads, []) AS header
            FROM placed LEFT JOIN (
                SELECT table_id, list(text ORDER BY row_no, col_no) AS heads
                FROM cells WHERE is_header AND table_id IN (SELECT table_id FROM placed) GROUP BY table_id
            ) USING (table_id)
            ORDER BY page, table_no
        """
        with self.reading(patience_s=float("inf")) as db:
            return records(db, query, [source_id, recipe])

    def page_texts(self, source_id: str, pages: Sequence[int] | None) -> list[tuple[int, str]]:
        """The stored pages of a document in order, all or the given ones."""
        with self.writing() as db:
            query = (
                "SELECT page, text FROM pages WHERE source_id = ? AND (?::INTEGER[] IS NULL OR list_contains(?, page))"
            )
            chosen = None if pages is None else list(pages)
            return db.execute(query + " ORDER BY page", [source_id, chosen, chosen]).fetchall()
