"""The database: one DuckDB file. The only place that imports duckdb; knows rows, not where they come from.

DuckDB lets one process write while nobody else has the file open. So the file is opened late, written in one
transaction, and closed; who comes too early waits. Between two batches readers get in.
"""

from __future__ import annotations

import importlib
import json
import re
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any, Literal, Protocol

import duckdb
from pydantic import TypeAdapter

from aria_docs.errors import QueryError, StoreBusy, StoreError, UsageError
from aria_docs.schemas import Row
from aria_docs.schemas.readings import FailureRow, Finished, RecipeRow, RunRow
from aria_docs.schemas.records import RecordRow, SchemaRow
from aria_docs.schemas.sources import FileRow, SourceRow
from aria_docs.storage import columns as typed
from aria_docs.storage.columns import Contents, Heading

Format = Literal["table", "csv", "json", "parquet"]
Frames = Literal["pandas", "polars", "pyarrow"]
_COPY_OPTIONS = {"csv": "FORMAT csv, HEADER", "json": "FORMAT json, ARRAY", "parquet": "FORMAT parquet"}

# 2.0 writes files that 1.5 cannot read unless told otherwise; many people's clients are older than ours.
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "storage_compatibility_version": "v1.5.0",
    "autoinstall_known_extensions": False,  # nothing is ever downloaded
    "autoload_known_extensions": False,
}
MAX_STACKS = 500  # opening a file parses every view in it: 500 of them take 0.1 s, 20,000 took 1.8 s
_TABLE_NAMED = re.compile(r"\btbl_([0-9a-f]{16})\b", re.IGNORECASE)
_RANKED_NAMED = re.compile(r"\bsearch_ranked\b", re.IGNORECASE)
_NO_FTS = re.compile(r'search_ranked does not exist|"stem" is not in the catalog', re.IGNORECASE)
_NEEDS_FTS = (
    f"search_ranked needs DuckDB's fts extension: `INSTALL fts` once in DuckDB {duckdb.__version__}, then "
    "`aria-docs run` builds its index; search('…') needs neither"
)
_LOCKED = re.compile(r"Could not set lock|being used by another process")
_RETRY_S = 0.1
_SAY_EVERY_S = 30.0


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


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query answers: the names and SQL types of its columns, and its rows."""

    names: tuple[str, ...]
    types: tuple[str, ...]
    rows: list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class TableShape:
    """A table as SQL has it: names and contents of its columns, and the row below its header."""

    first_row: int
    names: tuple[str, ...]
    contents: tuple[Contents, ...]
    has_header: bool

    @property
    def types(self) -> tuple[typed.Type, ...]:
        """A type for each column."""
        return tuple(contents.type for contents in self.contents)


class Store:
    """One database file, opened only while a method runs. Threads may share it.

    on_wait:  told in a sentence, now and then, that another process has the file.
    """

    def __init__(self, path: Path, *, on_wait: Callable[[str], None] = lambda _: None) -> None:
        self.path = path
        self._on_wait = on_wait
        self._lock = threading.RLock()
        self._joint: duckdb.DuckDBPyConnection | None = None  # of `together`

    def prepare(self, *, patience_s: float) -> None:
        """Makes the file or brings an older one up to date. Raises StoreError, StoreBusy after patience_s."""
        with self._writing(patience_s=patience_s) as db:
            db.execute("CREATE TABLE IF NOT EXISTS migrations (name VARCHAR, applied_at TIMESTAMP)")
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
            db.execute((scripts / "views.sql").read_text(encoding="utf-8"))

    def begin_run(self, run: RunRow, recipes: Iterable[RecipeRow], *, schema: SchemaRow | None = None) -> None:
        """Records the run and the recipes it uses, and makes the table of its custom schema ready.

        Raises StoreError where the user has made a table of that name.
        """
        with self._writing() as db:
            if schema:
                _prepare_schema(db, schema)
            new = {recipe.recipe: recipe for recipe in recipes}
            known = {recipe for (recipe,) in db.execute("SELECT recipe FROM recipes").fetchall()}
            _insert(db, [row for recipe, row in new.items() if recipe not in known])
            _insert(db, [run])

    def prepare_schema(self, schema: SchemaRow) -> None:
        """Makes `x_<name>` the table of this schema, and `latest_x_<name>` the view of it.

        A table of that name that belongs to another schema becomes `x_<name>_<hash8>`, by that one's hash, with all its
        rows; a schema that comes back gets its own table back. Raises StoreError where the user has made such a table.
        """
        with self._writing() as db:
            _prepare_schema(db, schema)

    def end_run(self, run_id: str, *, n_read: int, n_failed: int, n_skipped: int) -> None:
        """Records how the run ended; lays the stacked views anew where tables have come since the last did, and takes
        the texts that came or went into the full-text index."""
        new_tables = (
            "SELECT count(*) FROM tables JOIN readings USING (reading_id) WHERE run_id = ? "
            "OR read_at >= (SELECT coalesce(max(ended_at), '-infinity') FROM runs)"
        )
        with self._lock, self._reading(patience_s=float("inf")) as db:
            [(n_new,)] = db.execute(new_tables, [run_id]).fetchall()
        if n_new:
            self.stack()
        ended_at = datetime.now(UTC).replace(tzinfo=None)
        self.date_run(run_id, ended_at=ended_at, n_read=n_read, n_failed=n_failed, n_skipped=n_skipped)
        self.rank()

    def date_run(self, run_id: str, *, ended_at: datetime, n_read: int, n_failed: int, n_skipped: int) -> None:
        """Records when a run ended, and how."""
        with self._writing() as db:
            db.execute(
                "UPDATE runs SET ended_at = ?, n_read = ?, n_failed = ?, n_skipped = ? WHERE run_id = ?",
                [ended_at, n_read, n_failed, n_skipped, run_id],
            )

    def stack(self) -> None:
        """Lays the stacked_… views: one for the tables of two files or more that have the same header.

        The columns are worked out while others may read; only then the file is taken, for a fraction of a second.
        """
        with self._lock, self._reading(patience_s=float("inf")) as db:
            stacks = _stacks(db)
        with self._writing() as db:
            _lay_stacks(db, stacks)

    def rank(self) -> None:
        """Brings the full-text index up to date, where DuckDB's fts extension is installed; else takes search_ranked
        away once the index lacks a text.

        The words are counted while others may read; only then the file is taken. A text that is in the index is not
        counted again.
        """
        with tempfile.TemporaryDirectory() as folder:
            texts, terms = (str(Path(folder) / name) for name in ("texts.parquet", "terms.parquet"))
            with self._lock, self._reading(patience_s=float("inf")) as db:
                loads = _load_fts(db)
                laid = bool(db.execute(_MACRO_LAID).fetchall())
                if not loads and not laid:
                    return
                db.execute(f"CREATE TEMP TABLE unranked AS {_UNRANKED}")
                [(n_new,)] = db.execute("SELECT count(*) FROM unranked").fetchall()
                gone = [text_id for (text_id,) in db.execute(_GONE).fetchall()]
                if laid and not n_new and not gone:
                    return
                if loads:
                    try:
                        _copy(db, "SELECT no, text_hash, len(words) AS n_words FROM unranked", texts, "parquet")
                        _copy(db, _TERMS, terms, "parquet")
                    except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
                        hint = "all else is stored, and the next run tries again"
                        raise StoreError(f"no full-text index: {_first_line(error)} ({hint})") from error
            with self._writing() as db:
                if not loads:
                    db.execute("DROP MACRO TABLE IF EXISTS search_ranked")
                    return
                for table in ("ranked_texts", "ranked_terms"):
                    db.execute(f"DELETE FROM {table} WHERE text_id IN (SELECT unnest(?::INTEGER[]))", [gone])
                # Another run may have put the same texts in meanwhile.
                db.execute(
                    "CREATE TEMP TABLE fresh AS SELECT no, text_hash, n_words, "
                    "CAST(no + (SELECT coalesce(max(text_id), 0) FROM ranked_texts) AS INTEGER) AS text_id "
                    f"FROM {_quoted(texts)} ANTI JOIN ranked_texts USING (text_hash)"
                )
                db.execute("INSERT INTO ranked_texts SELECT text_id, text_hash, n_words FROM fresh")
                db.execute(
                    f"INSERT INTO ranked_terms SELECT term, text_id, n FROM {_quoted(terms)} JOIN fresh USING (no)"
                )
                _load_fts(db)  # the macro is bound when it is made
                db.execute((resources.files("aria_docs.schemas") / "sql" / "ranked.sql").read_text(encoding="utf-8"))

    def known(self, recipes: Sequence[str], *, unless_noted: str | None = None) -> Known:
        """What need not be done again, and what failed before, under these recipes (or before any recipe mattered).

        unless_noted:  a reading whose note has these words does not count as read.
        """
        with self._reading(patience_s=float("inf")) as db:
            done = (
                "SELECT source_id, task, part, sha256 FROM readings LEFT JOIN sidecars USING (reading_id) "
                "WHERE list_contains(?, recipe) AND NOT coalesce(contains(note, ?), false)"
            )
            failed = "SELECT * FROM failures WHERE list_contains(?, recipe) ORDER BY ALL"
            files = [FileRow(**row) for row in _records(db, "SELECT * FROM files")]
            sources = [SourceRow(**row) for row in _records(db, "SELECT * FROM sources")]
            return Known(
                files={row.path: row for row in files},
                sources={row.source_id: row for row in sources},
                read=set(db.execute(done, [list(recipes), unless_noted]).fetchall()),
                failures=[FailureRow(**row) for row in _records(db, failed, [[*recipes, ""]])],
            )

    def write(self, batch: Batch) -> None:
        """One transaction. A part replaces what it was before under the same recipe; its failure is struck out."""
        readings = [part.reading for part in batch.finished if part.reading]
        with self._writing() as db:
            _upsert(db, batch.files, key=("path",))
            _upsert(db, batch.sources, key=("source_id",))
            known = _existing(db, "readings", "reading_id", [reading.reading_id for reading in readings])
            if known:
                db.execute(
                    "DELETE FROM cells WHERE table_id IN "
                    "(SELECT table_id FROM tables WHERE list_contains(?, reading_id))",
                    [known],
                )
                for table in ("tables", "scenes", "summaries", "sidecars", "readings", *_custom_tables(db).values()):
                    db.execute(f"DELETE FROM {table} WHERE list_contains(?, reading_id)", [known])
            _insert(db, readings)
            _insert(db, [row for part in batch.finished for row in part.sidecars])
            _upsert(db, [row for part in batch.finished for row in part.pages], key=("source_id", "page"))
            shots = [row for part in batch.finished for row in part.shots]
            _delete(db, "shots", ("source_id",), {(row.source_id,) for row in shots})
            _insert(db, shots)
            _insert(db, [row for part in batch.finished for row in part.tables])
            if batch.continues:
                links = "(SELECT unnest(?::VARCHAR[]) AS first, unnest(?::VARCHAR[]) AS before)"
                query = f"UPDATE tables SET continues = l.before FROM {links} AS l WHERE table_id = l.first"
                db.execute(query, [list(batch.continues), list(batch.continues.values())])
            _insert(db, [row for part in batch.finished for row in part.cells])
            _insert(db, [row for part in batch.finished for row in part.scenes])
            _insert(db, [row for part in batch.finished for row in part.summaries])
            _insert_records(db, [row for part in batch.finished for row in part.records])
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
            _upsert(db, batch.failures, key=("path", "task", "part", "recipe"))

    def forget(self, paths: Sequence[str]) -> None:
        """Files that a walk no longer finds are marked absent, and what was said of them is struck out."""
        with self._writing() as db:
            db.execute("UPDATE files SET present = false WHERE list_contains(?, path)", [list(paths)])
            db.execute("DELETE FROM failures WHERE list_contains(?, path)", [list(paths)])

    def loaded_files(self) -> set[str]:
        """The names of the spool's files that are in this database."""
        with self._reading(patience_s=float("inf")) as db:
            return {name for (name,) in db.execute("SELECT name FROM loaded_spool_files").fetchall()}

    def note_loaded(self, name: str) -> None:
        """A spool's file is in this database: said in the transaction that writes what it holds."""
        with self._writing() as db:
            db.execute("INSERT INTO loaded_spool_files VALUES (?, ?)", [name, datetime.now(UTC).replace(tzinfo=None)])

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is written within is one transaction: all of it, or nothing."""
        with self._writing() as db:
            self._joint = db
            try:
                yield
            finally:
                self._joint = None

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
        with self._reading(patience_s=float("inf")) as db:
            return _records(db, query, [source_id, recipe])

    def page_texts(self, source_id: str, pages: Sequence[int] | None) -> list[tuple[int, str]]:
        """The stored pages of a document in order, all or the given ones."""
        with self._writing() as db:
            query = (
                "SELECT page, text FROM pages WHERE source_id = ? AND (?::INTEGER[] IS NULL OR list_contains(?, page))"
            )
            chosen = None if pages is None else list(pages)
            return db.execute(query + " ORDER BY page", [source_id, chosen, chosen]).fetchall()

    def records(self, query: str, *, patience_s: float = 10.0) -> list[dict[str, Any]]:
        """The rows of one of our own queries, read-only."""
        with self._reading(patience_s=patience_s) as db:
            return _records(db, query)

    def answer(self, query: str, *, form: Format, target: Path | None, patience_s: float = 10.0) -> None:
        """A user's query to standard output or a file. One statement that reads this database and nothing else.

        Raises QueryError, StoreBusy.
        """
        if form == "parquet" and target is None:
            raise QueryError("parquet is not for a terminal: name a file with -o")
        # Not to /dev/stdout: DuckDB would empty a file that the shell appends to, and cannot open a socket.
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "answer" if target is None else target.absolute())
            with self._asking([query], target=path, patience_s=patience_s) as (db, [text]):
                if form == "table" and target is None:
                    db.sql(text).show(max_rows=200, max_col_width=120)
                    return
                _copy(db, text, path, "csv" if form == "table" else form)
            if target is None:
                with Path(path).open("rb") as answer:
                    shutil.copyfileobj(answer, sys.stdout.buffer)
                sys.stdout.flush()

    def ask(self, query: str, *, patience_s: float = 10.0) -> Answer:
        """A user's query as Python values. Raises QueryError, StoreBusy."""
        return self.ask_all([query], patience_s=patience_s)[0]

    def ask_all(self, queries: Sequence[str], *, patience_s: float = 10.0) -> list[Answer]:
        """Several queries in one opening of the file."""
        with self._asking(queries, patience_s=patience_s) as (db, texts):
            answers = []
            for text in texts:
                found = db.sql(text)
                types = tuple(str(type_) for type_ in found.types)
                answers.append(Answer(tuple(found.columns), types, found.fetchall()))
            return answers

    def write_parquet(self, queries: Sequence[tuple[str, Path]], *, patience_s: float = 10.0) -> list[int]:
        """The answer of each query to its file; returns the numbers of rows. Raises StoreError."""
        with self._reading(patience_s=patience_s) as db:
            _lay_typed_views(db, " ".join(query for query, _ in queries))
            try:
                return [_copy(db, query, str(target.absolute()), "parquet") for query, target in queries]
            except duckdb.IOException as error:
                raise StoreError(f"Parquet cannot be written: {_first_line(error)}") from error

    def frame(self, query: str, library: Frames, *, patience_s: float = 10.0) -> Any:
        """A user's query as a data frame of that library. Raises UsageError where the library is missing, QueryError,
        StoreBusy."""
        for needed in ("polars", "pyarrow") if library == "polars" else (library,):
            try:
                importlib.import_module(needed)
            except ModuleNotFoundError as e:
                raise UsageError(f"{needed} is not installed: pip install 'aria-docs[notebook]' brings it") from e
        with self._asking([query], patience_s=patience_s) as (db, [text]):
            found = db.sql(text)
            if library == "pandas":
                return found.df()
            return found.pl() if library == "polars" else found.to_arrow_table()

    def table_shapes(self, table_ids: Sequence[str] | None = None) -> dict[str, TableShape]:
        """The columns of the given tables, or of all that are shown once (`tables_once`)."""
        with self._reading(patience_s=10.0) as db:
            return _shapes(db, table_ids)

    @contextmanager
    def _asking(
        self, queries: Sequence[str], *, patience_s: float, target: str | None = None
    ) -> Iterator[tuple[duckdb.DuckDBPyConnection, list[str]]]:
        """The file, closed to everything but reading it, and each query without its semicolon."""
        ranked = _RANKED_NAMED.search(" ".join(queries)) is not None
        with self._reading(patience_s=patience_s) as db:
            try:
                texts = [_only_reads(db, query) for query in queries]
                _lay_typed_views(db, " ".join(queries))
                if ranked:
                    _load_fts(db)
                if target:
                    db.execute(f"SET allowed_paths = [{_quoted(target)}]")
                db.execute("SET python_enable_replacements = false")  # nor does it read the caller's variables
                db.execute("SET enable_external_access = false")
                db.execute("SET lock_configuration = true")
                yield db, texts
            except duckdb.CatalogException as error:
                raise QueryError(_NEEDS_FTS if ranked and _NO_FTS.search(str(error)) else _first_line(error)) from error
            except duckdb.Error as error:
                raise QueryError(_first_line(error)) from error

    @contextmanager
    def _writing(self, *, patience_s: float = float("inf")) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._lock:
            if self._joint:
                yield self._joint
                return
            with self._begun(patience_s=patience_s) as db:
                yield db

    @contextmanager
    def _begun(self, *, patience_s: float) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._connected(read_only=False, patience_s=patience_s) as db:
            db.execute("BEGIN")
            try:
                yield db
                db.execute("COMMIT")
            except duckdb.Error as error:
                raise StoreError(f"{self.path} could not be written: {_first_line(error)}") from error

    @contextmanager
    def _reading(self, *, patience_s: float) -> Iterator[duckdb.DuckDBPyConnection]:
        if not self.path.exists():
            raise StoreError(f"{self.path}: no such database; `aria-docs run FOLDER --db {self.path}` makes it")
        with self._connected(read_only=True, patience_s=patience_s) as db:
            try:
                yield db
            except duckdb.CatalogException as error:  # of ours: a user's query has its own
                hint = (
                    f"it is older than this aria-docs, and `aria-docs run FOLDER --db {self.path}` brings it up to date"
                )
                raise StoreError(f"{self.path}: {hint} ({_first_line(error)})") from error

    @contextmanager
    def _connected(self, *, read_only: bool, patience_s: float) -> Iterator[duckdb.DuckDBPyConnection]:
        db = self._connect(read_only=read_only, patience_s=patience_s)
        try:
            yield db
        except RuntimeError as error:
            if str(error) == "Query interrupted":  # what DuckDB makes of a ^C
                raise KeyboardInterrupt from error
            raise
        finally:
            db.close()

    def _connect(self, *, read_only: bool, patience_s: float) -> duckdb.DuckDBPyConnection:
        began, said = time.monotonic(), 0.0
        while True:
            try:
                return duckdb.connect(str(self.path), read_only=read_only, config=_CONFIG)
            except duckdb.Error as error:
                text = " ".join(str(error).split())
                if not _LOCKED.search(text):
                    raise StoreError(
                        f"{self.path} cannot be opened as a DuckDB database: {_first_line(error)}"
                    ) from error
                waited = time.monotonic() - began
                holder = text.rpartition("(PID")[2].partition(")")[0].strip() or "unknown"
                if waited >= patience_s:
                    hint = "close it there, or wait until its run has ended"
                    raise StoreBusy(f"{self.path} is open in another process (PID {holder}): {hint}") from error
                if waited - said >= _SAY_EVERY_S or (said == 0.0 and waited >= 2.0):
                    said = waited
                    self._on_wait(f"waiting for {self.path}, which is open in another process (PID {holder})")
            time.sleep(_RETRY_S)


def _only_reads(db: duckdb.DuckDBPyConnection, query: str) -> str:
    """The one statement that the query is, without its semicolon. Raises QueryError."""
    statements = db.extract_statements(query)
    if len(statements) != 1:
        raise QueryError(f"one statement is needed, and {len(statements)} were given")
    if str(statements[0].type).rpartition(".")[2] not in ("SELECT", "EXPLAIN", "MULTI"):
        raise QueryError("the database is open for reading only: a query begins with SELECT, FROM or WITH")
    return statements[0].query.strip().rstrip(";")


def _copy(db: duckdb.DuckDBPyConnection, query: str, path: str, form: str) -> int:
    """Returns the number of rows."""
    db.execute(f"COPY ({query}\n) TO {_quoted(path)} ({_COPY_OPTIONS[form]})")
    return int((db.fetchone() or (0,))[0])


# Full-text search
#
# Of the extension only stem() is used. Its create_fts_index counts every text again each time, holds the file all the
# while, and drops digits and letters beyond a to z unless told otherwise.


_MACRO_LAID = "SELECT 1 FROM duckdb_functions() WHERE function_name = 'search_ranked'"
_UNRANKED = """
    SELECT row_number() OVER () AS no, text_hash, words_of(text) AS words
    FROM (SELECT text_hash, any_value(text) AS text
          FROM (SELECT text, md5_number_lower(text) AS text_hash FROM search_texts)
          ANTI JOIN ranked_texts USING (text_hash) WHERE text <> '' GROUP BY text_hash)
"""
_GONE = """
    SELECT text_id FROM ranked_texts
    ANTI JOIN (SELECT md5_number_lower(text) AS text_hash FROM search_texts) USING (text_hash)
"""
_TERMS = """
    SELECT no, term, count(*) AS n FROM (SELECT no, stem(unnest(words), 'english') AS term FROM unranked)
    GROUP BY ALL
"""


def _load_fts(db: duckdb.DuckDBPyConnection) -> bool:
    """Whether the extension is installed for this DuckDB; it is never downloaded."""
    try:
        db.execute("LOAD fts")
    except (duckdb.IOException, duckdb.InvalidInputException):  # not installed; made for another DuckDB
        return False
    return True


# A table's columns


def _lay_typed_views(db: duckdb.DuckDBPyConnection, queries: str) -> None:
    """The tables that the queries name as tbl_<table_id>, as views of this connection: their cells are sought once."""
    named = sorted({table_id.lower() for table_id in _TABLE_NAMED.findall(queries)})
    if not named:
        return
    db.execute("CREATE TEMP TABLE named_cells AS SELECT * FROM cells WHERE table_id IN (SELECT unnest(?))", [named])
    for table_id, shape in _shapes(db, named).items():
        select = typed.table_query(table_id, first_row=shape.first_row, names=shape.names, types=shape.types)
        db.execute(f"CREATE TEMP VIEW tbl_{table_id} AS {select}")


_CHOSEN = "SELECT table_id, n_cols, n_header_rows, continues FROM "
_GIVEN = "tables WHERE table_id IN (SELECT unnest(?::VARCHAR[]))"
_HEADINGS = """
    SELECT table_id, row_no, col_no, col_span, text
    FROM cells JOIN tables USING (table_id)
    WHERE row_no < n_header_rows AND table_id IN (SELECT unnest(?::VARCHAR[]))
"""
_CONTENTS = f"""
    WITH said AS (
        SELECT table_id, col_no, number,
               CASE WHEN number IS NULL THEN try_strptime(text, {list(typed.DATES)}) END AS date
        FROM cells JOIN tables USING (table_id)
        WHERE row_no >= n_header_rows AND col_span = 1 AND table_id IN (SELECT unnest(?::VARCHAR[]))
          AND (number IS NOT NULL OR NOT regexp_matches(text, '{typed.BLANK}'))
    )
    SELECT table_id, col_no, count(*), count(number), count(*) FILTER (number = trunc(number) AND abs(number) < 1e15),
           count(date)
    FROM said GROUP BY ALL
"""


def _shapes(db: duckdb.DuckDBPyConnection, table_ids: Sequence[str] | None) -> dict[str, TableShape]:
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
    contents: dict[str, dict[int, Contents]] = {}
    for table_id, col, *counts in db.execute(_CONTENTS, [wanted]).fetchall():
        contents.setdefault(table_id, {})[col] = Contents(*counts)
    shapes = {}
    for table_id in wanted:
        n_cols, first_row, _ = tables[table_id]
        head = _head(table_id, tables)
        shapes[table_id] = TableShape(
            first_row,
            typed.column_names(n_cols, headings.get(head, ())),
            tuple(contents.get(table_id, {}).get(col, Contents()) for col in range(n_cols)),
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


# Tables of one header


@dataclass(frozen=True, slots=True)
class _Stack:
    name: str
    query: str
    table_ids: list[str]


def _stacks(db: duckdb.DuckDBPyConnection) -> list[_Stack]:
    """The views that hold tables of two files or more under each other, those of the most files first."""
    source_of = dict(db.execute("SELECT table_id, source_id FROM tables_once").fetchall())
    by_names: dict[tuple[str, ...], dict[str, TableShape]] = {}
    for table_id, shape in _shapes(db, None).items():
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


def _lay_stacks(db: duckdb.DuckDBPyConnection, stacks: Sequence[_Stack]) -> None:
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


# Tables of custom schemas


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


def _prepare_schema(db: duckdb.DuckDBPyConnection, schema: SchemaRow) -> None:
    name, table = schema.name, f"x_{schema.name}"
    columns = _OF_EVERY_RECORD | json.loads(schema.columns)
    # A user may have dropped a table: then it is made anew.
    db.execute("DELETE FROM custom_schemas WHERE table_name NOT IN (SELECT table_name FROM duckdb_tables())")
    tables = _custom_tables(db)
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
    typed_columns = ", ".join(f"{_identifier(column)} {type_}" for column, type_ in columns.items())
    db.execute(f"CREATE TABLE IF NOT EXISTS {table} ({typed_columns})")
    path = "file_path" if "path" in (column.lower() for column in columns) else "path"
    db.execute(_LATEST_RECORDS.format(name=name, hash=schema.hash, path=path))


def _rename(db: duckdb.DuckDBPyConnection, key: tuple[str, str], old: str, new: str) -> None:
    db.execute(f"ALTER TABLE {old} RENAME TO {new}")
    db.execute("UPDATE custom_schemas SET table_name = ? WHERE name = ? AND hash = ?", [new, *key])


def _custom_tables(db: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], str]:
    """Name and hash of a schema → the table that has its rows now, where it is still there."""
    query = "SELECT name, hash, table_name FROM custom_schemas SEMI JOIN duckdb_tables() USING (table_name)"
    rows = db.execute(query).fetchall()
    return {(name, hash_): table for name, hash_, table in rows}


def _insert_records(db: duckdb.DuckDBPyConnection, rows: Sequence[RecordRow]) -> None:
    """Each to the table of its schema, which may have been renamed since by a run with another one."""
    by_schema: dict[tuple[str, str], list[RecordRow]] = {}
    for row in rows:
        by_schema.setdefault((row.name, row.hash), []).append(row)
    tables = _custom_tables(db) if rows else {}
    for key, records in by_schema.items():
        if key not in tables:
            raise StoreError(f"the schema {key[0]} ({key[1][:8]}) was not prepared in this database")
        [(types,)] = db.execute("SELECT columns FROM custom_schemas WHERE name = ? AND hash = ?", key).fetchall()
        columns = json.loads(types)
        ours = ", ".join(f"r.{column}" for column in _OF_EVERY_RECORD)
        values = ", ".join(f"r.fields.{_identifier(column)}" for column in columns)
        texts = [
            f'{row.model_dump_json(include=set(_OF_EVERY_RECORD))[:-1]},"fields":{row.fields}}}' for row in records
        ]
        # Strict: what does not fit its column is an error, not NULL.
        db.execute(
            f"INSERT INTO {tables[key]} SELECT {ours}, {values} FROM (SELECT unnest(from_json_strict(?, ?)) AS r)",
            [f"[{','.join(texts)}]", json.dumps([_OF_EVERY_RECORD | {"fields": columns}])],
        )


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _insert(db: duckdb.DuckDBPyConnection, rows: Sequence[Row]) -> None:
    """All rows of one kind at once, through JSON: 70,000 cells a second, with any DuckDB and its own types."""
    if not rows:
        return
    kind = type(rows[0])
    columns = db.execute(
        "SELECT column_name, data_type FROM duckdb_columns() WHERE schema_name = 'main' AND table_name = ? "
        "ORDER BY column_index",
        [kind.table],
    ).fetchall()
    # JSON has no bytes: they come as base64.
    structure = json.dumps([{name: "VARCHAR" if type_ == "BLOB" else type_ for name, type_ in columns}])
    values = ", ".join(f"from_base64(r.{name})" if type_ == "BLOB" else f"r.{name}" for name, type_ in columns)
    text = TypeAdapter(list[kind]).dump_json(list(rows)).decode()  # type: ignore[valid-type]
    db.execute(
        f"INSERT INTO {kind.table} SELECT {values} FROM (SELECT unnest(from_json(?, ?)) AS r)", [text, structure]
    )


def _upsert(db: duckdb.DuckDBPyConnection, rows: Sequence[Row], *, key: tuple[str, ...]) -> None:
    """Inserts rows in place of those with the same key; of several given with one key the last one counts."""
    unique = {tuple(getattr(row, name) for name in key): row for row in rows}
    if unique:
        _delete(db, rows[0].table, key, unique)
        _insert(db, list(unique.values()))


def _delete(db: duckdb.DuckDBPyConnection, table: str, key: tuple[str, ...], keys: Iterable[tuple[Any, ...]]) -> None:
    listed = json.dumps([dict(zip(key, values, strict=True)) for values in keys])
    structure = json.dumps([{name: "INTEGER" if name == "page" else "VARCHAR" for name in key}])
    same = " AND ".join(f"{table}.{name} = k.{name}" for name in key)
    db.execute(
        f"DELETE FROM {table} USING (SELECT unnest(from_json(?, ?), recursive := true)) AS k WHERE {same}",
        [listed, structure],
    )


def _existing(db: duckdb.DuckDBPyConnection, table: str, column: str, values: list[str]) -> list[str]:
    query = f"SELECT DISTINCT {column} FROM {table} WHERE list_contains(?, {column})"
    return [value for (value,) in db.execute(query, [values]).fetchall()]


def _records(db: duckdb.DuckDBPyConnection, query: str, parameters: list[Any] | None = None) -> list[dict[str, Any]]:
    cursor = db.execute(query, parameters)
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _first_line(error: duckdb.Error) -> str:
    return str(error).strip().partition("\n")[0]
