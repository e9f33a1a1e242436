"""A spool's Parquet files as tables: which batches there are, whether they are sound, and SQL over them.

    manifests ── chosen ──> raw_<table>: the Parquet files ── spool.sql ──> spool_<table>: one reading of each part
                                                                 ├── load.py: into a database
                                                                 └── `Lake`: the tables and views of a database

A batch is a folder of one Parquet file a table, with a manifest that says what is in it. It is made under a hidden name
and renamed: a batch is there as a whole or not at all, and is never changed. A compacted batch holds several, by name.
`object_store` says how that is done where no folder can be renamed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

import duckdb
from pydantic import BaseModel, Field, ValidationError

from aria_docs.errors import SpoolError, StoreError, UsageError
from aria_docs.schemas import Row
from aria_docs.schemas.records import SchemaRow
from aria_docs.storage import custom_tables, object_store
from aria_docs.storage.columns import INTERNAL
from aria_docs.storage.connection import CONFIG
from aria_docs.storage.database import Store, migrate
from aria_docs.storage.internal import script
from aria_docs.storage.object_store import MANIFEST, is_remote
from aria_docs.storage.rows import first_line, quote, records

FORMAT = 2
STAMP = "%Y%m%dT%H%M%S%f"

_BATCH = r"\d{8}T\d{12}-[0-9a-f]+-\d{6,}"
NAMED = re.compile(rf"{_BATCH}(\+\d+)?")
OLD_NAMED = re.compile(rf"({_BATCH})\.jsonl\.gz")
_TABLES = (
    "runs", "recipes", "files", "sources", "readings", "pages", "page_lines", "form_fields", "tables", "cells", "shots",
    "scenes", "cues", "summaries", "sidecars", "failures", "grounds", "custom_schemas",
)  # fmt: skip
_OWN_TABLES = {
    "marks": {"source_id": "VARCHAR", "mark": "VARCHAR"},
    "links": {"table_id": "VARCHAR", "before": "VARCHAR"},
    "records": {
        "name": "VARCHAR", "hash": "VARCHAR", "reading_id": "VARCHAR", "source_id": "VARCHAR", "page": "INTEGER",
        "start_s": "DOUBLE", "end_s": "DOUBLE", "fields": "VARCHAR",
    },
}  # fmt: skip
_OURS = ("sidecars", "custom_schemas")  # in the schema of our own tables
_ASKED_BY_RUNS = ("files", "sources", "readings", "sidecars", "failures", "recipes")
# Where a damaged batch was taken out, what it held is read again: a page without its text is not read, a failure of a
# source that is not there is none.
_WHOLE = {
    "readings": """NOT starts_with(part, 'page:') OR EXISTS (
        FROM raw_pages p WHERE p.source_id = spool_readings.source_id AND 'page:' || p.page = spool_readings.part)""",
    "failures": "source_id IS NULL OR source_id IN (SELECT source_id FROM raw_sources)",
}
# What is worked out from tables at the end of a run; over a spool, when a query asks for it.
_WORKED_OUT = re.compile(r"\b(figures|stack\w*|checks|review)\b", re.IGNORECASE)


class BatchFile(BaseModel):
    """One Parquet file of a batch."""

    n_rows: int
    n_bytes: int
    sha256: str


class Manifest(BaseModel):
    """What is in a batch. batches: the names of those it holds, in order, and when each was written (UTC)."""

    form: int = Field(alias="aria-docs spool")
    by: str
    batches: dict[str, datetime]
    tables: dict[str, BatchFile]


@dataclass(frozen=True, slots=True)
class Held:
    """A batch that is there."""

    folder: Path
    manifest: Manifest

    @property
    def n_bytes(self) -> int:
        """Of its Parquet files."""
        return sum(part.n_bytes for part in self.manifest.tables.values())


@cache
def shapes() -> dict[str, dict[str, str]]:
    """Table → its columns and their types, as its Parquet file has them."""
    with duckdb.connect(":memory:", config=CONFIG) as db:
        migrate(db, Path(":memory:"), views=False)
        query = """
            SELECT table_name, column_name, data_type FROM duckdb_columns()
            WHERE list_contains(?, table_name) AND schema_name IN ('main', ?) AND column_name <> 'table_name'
            ORDER BY table_name, column_index
        """
        found: dict[str, dict[str, str]] = {}
        for table, column, type_ in db.execute(query, [list(_TABLES), INTERNAL]).fetchall():
            found.setdefault(table, {})[column] = type_
    return {table: columns | {"batch": "VARCHAR"} for table, columns in (found | _OWN_TABLES).items()}


# Which batches there are


def is_ours(name: str) -> bool:
    """Whether a name in a spool is of a batch, of this version or an earlier one."""
    return bool(NAMED.fullmatch(name) or OLD_NAMED.fullmatch(name))


def exists(place: Path) -> bool:
    """Whether there is a database, or anything of a spool. Raises SpoolError."""
    with as_spool_error(place):
        return bool(object_store.contents(place)) if is_remote(place) else place.exists()


def require(folder: Path) -> None:
    """Raises UsageError where there is no such spool."""
    if not exists(folder) or not (is_remote(folder) or folder.is_dir()):
        raise UsageError(f"{folder}: no such folder; `aria-docs run FOLDER --shard 1/1 --spool {folder}` makes a spool")


def names(folder: Path) -> list[str]:
    """The batches, in the order of their writing. Raises SpoolError."""
    with as_spool_error(folder):
        if is_remote(folder):
            there = [name for name, files in object_store.contents(folder).items() if MANIFEST in files]
        else:
            there = os.listdir(folder)  # noqa: PTH208 - 100,000
    return sorted(name for name in there if NAMED.fullmatch(name))


def batches(folder: Path, *, on_bad: Callable[[str, SpoolError], None]) -> list[Held]:
    """All batches, in order, without those that a compacted one holds too.

    on_bad:  told of a batch whose manifest cannot be understood.
    """
    return choose(every_batch(folder, on_bad=on_bad))


def every_batch(folder: Path, *, on_bad: Callable[[str, SpoolError], None]) -> list[Held]:
    """As `batches`, with those that a compacted one holds."""
    found = []
    for batch, text, sizes in _remote_manifests(folder) if is_remote(folder) else _manifests(folder):
        try:
            found.append(Held(batch, _understand(batch, text, sizes)))
        except SpoolError as error:
            on_bad(batch.name, error)
    return found


def choose(found: Sequence[Held]) -> list[Held]:
    """The fewest that hold all, in order."""
    chosen, seen = [], set[str]()
    for held in sorted(found, key=lambda held: -len(held.manifest.batches)):
        if not seen.issuperset(held.manifest.batches):
            chosen.append(held)
            seen.update(held.manifest.batches)
    return sorted(chosen, key=lambda held: held.folder.name)


def _manifests(folder: Path) -> Iterator[tuple[Path, bytes | Exception, dict[str, int]]]:
    """Each batch, its manifest or why that cannot be read, and the sizes of its files."""
    for batch in (folder / name for name in names(folder)):
        try:
            text = (batch / MANIFEST).read_bytes()
            yield batch, text, {file.name: file.stat().st_size for file in os.scandir(batch)}
        except OSError as error:
            yield batch, error, {}


def _remote_manifests(folder: Path) -> Iterator[tuple[Path, bytes | Exception, dict[str, int]]]:
    with as_spool_error(folder):
        there = object_store.contents(folder)
        ours = sorted(name for name, files in there.items() if NAMED.fullmatch(name) and MANIFEST in files)
        texts = object_store.manifests(folder, ours)
    for name, text in texts.items():
        yield folder / name, text, there[name]


def _understand(batch: Path, text: bytes | Exception, sizes: Mapping[str, int]) -> Manifest:
    """Raises SpoolError where it is none of ours, or of a newer version."""
    with as_spool_error(batch / MANIFEST):
        if isinstance(text, Exception):
            raise text if isinstance(text, OSError) else OSError(str(text))
    try:
        loose = json.loads(text)
        if isinstance(loose, dict) and loose.get("aria-docs spool") not in (None, FORMAT):
            raise SpoolError(f"{batch} was written by aria-docs {loose.get('by')}, in another form: load it with that")
        manifest = Manifest.model_validate(loose)
    except (ValueError, ValidationError) as error:
        raise SpoolError(f"{batch} cannot be understood: its manifest is no such ({HINT})") from error
    strange = [table for table in manifest.tables if table not in shapes()]
    strange += [name for name in manifest.batches if not re.fullmatch(_BATCH, name)]
    if strange or not manifest.batches:
        raise SpoolError(f"{batch} cannot be understood: its manifest names {strange[:1]!r:.100} ({HINT})")
    for table, part in manifest.tables.items():
        if sizes.get(f"{table}.parquet") != part.n_bytes:
            path = batch / f"{table}.parquet"
            raise SpoolError(f"{path} cannot be understood: it is not as long as its manifest says ({HINT})")
    return manifest


HINT = "it is damaged, or was not written by aria-docs: remove it and run its shard again"


def fetch(held: Held, folder: Path, db: duckdb.DuckDBPyConnection) -> Held:
    """The batch on this machine: itself, or a copy in that folder.

    db:  any connection.

    Raises SpoolError where a file is not what the manifest says, or not of the table's columns.
    """
    if is_remote(held.folder):
        here = Held(folder / held.folder.name, held.manifest)
        with as_spool_error(held.folder):
            here.folder.mkdir()
            object_store.get(held.folder, [f"{table}.parquet" for table in held.manifest.tables], here.folder)
        held = here
    for table, part in held.manifest.tables.items():
        path = held.folder / f"{table}.parquet"
        with as_spool_error(path):
            if path.is_symlink() or sha256_of(path) != part.sha256:
                raise SpoolError(f"{path} cannot be understood: it is not as its manifest says ({HINT})")
        try:
            described = db.execute(f"DESCRIBE FROM read_parquet({quote(str(path))})").fetchall()
        except duckdb.Error as error:
            raise SpoolError(f"{path} cannot be understood: {first_line(error)} ({HINT})") from error
        wrong = [name for name, type_, *_ in described if shapes()[table].get(name) != type_]
        if wrong or "batch" not in {name for name, *_ in described}:
            what = f"{table} has no column {(wrong or ['batch'])[0]!r:.100} of that type"
            raise SpoolError(f"{path} cannot be understood: {what} ({HINT})")
    return held


def table_of(row: Row) -> str:
    """The table of a spool that a row goes to; those of all custom schemas go to one."""
    return "records" if row.table == "x_" else row.table


def time_of(name: str) -> datetime:
    """When a batch was written, or its run began, by its name (UTC)."""
    return datetime.strptime(name.partition("-")[0], STAMP)


def sha256_of(path: Path) -> str:
    """Of a file, read as a stream."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def as_spool_error(path: Path) -> Iterator[None]:
    """What the file system says, as a SpoolError."""
    try:
        yield
    except OSError as error:
        raise SpoolError(
            f"{path}: {error.strerror or error}; a spool is a folder that can be written, with room left"
        ) from error


# SQL over batches


def lay(db: duckdb.DuckDBPyConnection, chosen: Sequence[Held], *, without: frozenset[str] = frozenset()) -> None:
    """The temporary views of spool.sql over these batches; `without` those that are loaded, of compacted ones."""
    db.execute("SET parquet_metadata_cache = true")  # each statement would read the ends of all files anew
    at = {name: at for held in chosen for name, at in held.manifest.batches.items() if name not in without}
    db.execute(
        "CREATE OR REPLACE TEMP TABLE batches AS "
        "SELECT unnest(?::VARCHAR[]) AS batch, unnest(?::TIMESTAMP[]) AS written_at",
        [list(at), list(at.values())],
    )
    all_of_them = not any(name in without for held in chosen for name in held.manifest.batches)
    for table, columns in shapes().items():
        files = [held.folder / f"{table}.parquet" for held in chosen if table in held.manifest.tables]
        db.execute(f"CREATE OR REPLACE TEMP VIEW raw_{table} AS {_raw(db, files, columns, all_of_them=all_of_them)}")
    db.execute(script("spool.sql"))


def _raw(db: duckdb.DuckDBPyConnection, files: Sequence[Path], columns: dict[str, str], *, all_of_them: bool) -> str:
    """The query of one table; columns that came after the files were written are NULL."""
    if not files:
        return f"SELECT {', '.join(f'NULL::{type_} AS {name}' for name, type_ in columns.items())} WHERE false"
    parquet = f"read_parquet([{', '.join(quote(str(file)) for file in files)}], union_by_name = true)"
    there = {name for name, *_ in db.execute(f"DESCRIBE FROM {parquet}").fetchall()}
    values = [f"{name if name in there else 'NULL'}::{type_} AS {name}" for name, type_ in columns.items()]
    unless = "" if all_of_them else " SEMI JOIN batches USING (batch)"
    return f"SELECT {', '.join(values)} FROM {parquet}{unless}"


def prepare_schemas(db: duckdb.DuckDBPyConnection) -> None:
    """The tables of all custom schemas that the batches name. Raises ValueError for one that would be SQL."""
    query = "SELECT name, hash, columns, json_schema FROM raw_custom_schemas ORDER BY batch"
    for row in records(db, query):
        custom_tables.prepare_schema(db, SchemaRow(**row))


class Lake(Store):
    """A spool as a database that can be asked: the same tables and views, straight from its Parquet files.

    on_bad:    told of a batch that cannot be read, which is left out; by default it is an error.
    of_a_run:  only what the methods of `Keeper` ask about; kept: read once, instead of anew for each question.
    """

    def __init__(
        self,
        path: Path,
        *,
        on_bad: Callable[[str, SpoolError], None] | None = None,
        of_a_run: bool = False,
        kept: bool = False,
    ) -> None:
        super().__init__(path)
        self._on_bad, self._of_a_run, self._kept = on_bad or _refuse, of_a_run, kept

    def require(self) -> None:
        """Raises UsageError where there is no such spool."""
        require(self.path)

    @contextmanager
    def _open_connection(self, *, read_only: bool, patience_s: float) -> Iterator[duckdb.DuckDBPyConnection]:  # noqa: ARG002
        with self.lock:
            if self._joint:
                yield self._joint
                return
            db = duckdb.connect(":memory:", config=CONFIG)
            converted = tempfile.TemporaryDirectory()  # of files of earlier versions: a question changes nothing
            try:
                if self._of_a_run:
                    db.execute(f"CREATE SCHEMA {INTERNAL}; CREATE TABLE {INTERNAL}.unread (path VARCHAR)")
                    db.execute(f"SET search_path = 'main,{INTERNAL}'")
                else:
                    migrate(db, self.path)
                self._lay(db, Path(converted.name))
                self._joint = db
                yield db
            finally:
                converted.cleanup()
                if not (self._kept and self._joint):
                    self._joint = None
                    db.close()

    def _lay(self, db: duckdb.DuckDBPyConnection, converted: Path) -> None:
        from aria_docs.storage.old_spool import convert  # which writes batches, and so stands above

        convert(self.path, on_bad=self._on_bad, into=converted)
        chosen = [*batches(self.path, on_bad=self._on_bad), *batches(converted, on_bad=self._on_bad)]
        if is_remote(self.path):
            object_store.register(db, self.path)
        self.allowed = [str(held.folder / f"{table}.parquet") for held in chosen for table in held.manifest.tables]
        try:
            lay(db, chosen)
            for table in _TABLES:
                if table != "custom_schemas":
                    room = INTERNAL if table in _OURS else "main"
                    kind = "TABLE" if self._kept and table in _ASKED_BY_RUNS else "VIEW"
                    where = "source_id IS NOT NULL" if table == "files" else _WHOLE.get(table, "true")
                    where = where if self._kept or table == "files" else "true"
                    db.execute(f"DROP TABLE IF EXISTS {room}.{table}")
                    db.execute(
                        f"CREATE {kind} {room}.{table} AS SELECT * EXCLUDE (batch) FROM spool_{table} WHERE {where}"
                    )
            if not self._of_a_run:
                _lay_newest(db)
                db.execute("INSERT INTO due_tables (source_id) SELECT DISTINCT source_id FROM tables")
                prepare_schemas(db)
                custom_tables.insert_spooled(db)
        except duckdb.Error as error:
            raise StoreError(f"{self.path} cannot be read: {first_line(error)}") from error
        except ValidationError as error:
            raise SpoolError(f"{self.path} holds a custom schema that is none ({HINT})") from error

    def lay_on_demand(self, db: duckdb.DuckDBPyConnection, queries: str) -> None:
        """What the queries name and a run would have worked out at its end."""
        if _WORKED_OUT.search(queries):
            self.work_out()
        super().lay_on_demand(db, queries)


def _refuse(_: str, error: SpoolError) -> None:
    raise error


def _lay_newest(db: duckdb.DuckDBPyConnection) -> None:
    """Where each task has one recipe, every reading is the newest of its part: nothing has to be sought."""
    several = db.execute("SELECT 1 FROM readings GROUP BY task HAVING min(recipe) <> max(recipe) LIMIT 1").fetchall()
    db.execute(f"DROP TABLE {INTERNAL}.newest")
    if several:
        newest = "arg_max(reading_id, (read_at, reading_id)) AS reading_id FROM readings GROUP BY ALL"
        db.execute(f"CREATE TABLE {INTERNAL}.newest AS SELECT source_id, task, part, {newest}")
    else:
        db.execute(f"CREATE VIEW {INTERNAL}.newest AS SELECT source_id, task, part, reading_id FROM readings")
