"""Batches of a spool as they are written: rows into Parquet files under a hidden name, then renamed; and compacted."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb

from aria_docs.errors import SpoolError
from aria_docs.schemas import Row
from aria_docs.schemas.sources import FormFieldRow, PageLinesRow, PageRow
from aria_docs.schemas.spool import LinkRow, MarkRow
from aria_docs.storage import lake, object_store
from aria_docs.storage.connection import CONFIG
from aria_docs.storage.keeper import Batch
from aria_docs.storage.lake import FORMAT, BatchFile, Held, Manifest
from aria_docs.storage.object_store import MANIFEST, is_remote
from aria_docs.storage.rows import first_line, insert, quote
from aria_docs.version import __version__

COMPACTED_BYTES = 256 << 20  # at most, of Parquet
_SMALL_BYTES = 64 << 20
_STALE_S = 3600.0  # no batch takes as long to write
_BESIDE = re.compile(r"\.(?P<host>[0-9A-Za-z._]+)-(?P<pid>[0-9]+)-.+\.tmp")
_COMPACTING = ".compacting"


def rows_of(batch: Batch) -> list[Row]:
    """All rows of a batch, and what it says beside them. Of a page that is in it twice the last one counts."""
    parts = batch.finished
    pages = {(row.source_id, row.page): part for part in parts for row in part.pages}
    rows: list[Row] = [*{row.path: row for row in batch.files}.values()]
    rows += {row.source_id: row for row in batch.sources}.values()
    rows += {(row.path, row.task, row.part, row.recipe): row for row in batch.failures}.values()
    rows += [MarkRow(source_id=source, mark="opened") for source in dict.fromkeys(batch.opened)]
    rows += [LinkRow(table_id=table, before=before) for table, before in batch.continues.items()]
    for part in parts:
        rows += [row for row in (part.reading,) if row]
        rows += [
            *part.tables,
            *part.cells,
            *part.shots,
            *part.scenes,
            *part.summaries,
            *part.sidecars,
            *part.records,
            *part.grounds,
        ]
        of_pages: tuple[PageRow | PageLinesRow | FormFieldRow, ...] = (*part.pages, *part.page_lines, *part.form_fields)
        rows += [row for row in of_pages if pages.get((row.source_id, row.page), part) is part]
    spoken = {part.reading.source_id: part.cues for part in parts if part.reading and part.cues is not None}
    rows += [row for cues in spoken.values() for row in cues]
    rows += [MarkRow(source_id=source, mark="cues") for source in spoken]
    return rows


class Writer:
    """Writes batches into a folder; a context manager. Raises SpoolError.

    Rows become Parquet by way of tables in memory, so that types and column names are those of a database.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._db: duckdb.DuckDBPyConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Frees the tables in memory."""
        if self._db:
            self._db.close()
            self._db = None

    def write(self, name: str, rows: Sequence[Any], *, at: datetime) -> None:
        """A batch that is there as a whole or not at all, whatever happens."""
        by_table: dict[str, list[Row]] = {}
        for row in rows:
            by_table.setdefault(lake.table_of(row), []).append(row)
        db = self._tables()
        with _beside(self._folder, name) as beside:
            db.execute("BEGIN")
            try:
                for table, of_table in by_table.items():
                    for kind in dict.fromkeys(map(type, of_table)):
                        insert(db, [row for row in of_table if type(row) is kind], into=table)
                    columns = ", ".join(column for column in lake.shapes()[table] if column != "batch")
                    _copy(db, f"SELECT {columns}, {quote(name)} AS batch FROM {table}", beside / f"{table}.parquet")
            finally:
                db.execute("ROLLBACK")  # the tables are empty again
            _seal(beside, {name: at}, {table: len(of_table) for table, of_table in by_table.items()})

    def _tables(self) -> duckdb.DuckDBPyConnection:
        if self._db is None:
            self._db = duckdb.connect(":memory:", config=CONFIG)
            for table, columns in lake.shapes().items():
                listed = ", ".join(f"{name} {type_}" for name, type_ in columns.items() if name != "batch")
                self._db.execute(f"CREATE TABLE {table} ({listed})")
        return self._db


def compact(folder: Path, *, of_run: str | None = None, sound: Collection[Held] = ()) -> None:
    """Small batches become few of at most 256 MB: all, or those of one run. Left to the other where two do so at once,
    and undone where the folder cannot be written.

    sound:  batches that were checked a moment ago.
    """
    lock = folder / _COMPACTING
    if not _take(lock):
        return
    try:
        _remove_compacted(folder)
        small = [
            held
            for held in lake.batches(folder, on_bad=lambda *_: None)
            if held.n_bytes < _SMALL_BYTES and (of_run is None or f"-{of_run}-" in held.folder.name)
        ]
        checked = {held.folder for held in sound}
        for group in _groups(small):
            _join(folder, group, checked)
        _remove_compacted(folder)
    finally:
        lock.unlink(missing_ok=True)


def _take(lock: Path) -> bool:
    with lake.as_spool_error(lock):
        if is_remote(lock):
            return object_store.take(lock, stale_s=_STALE_S)
        try:
            if lock.exists() and _is_stale(lock):
                lock.unlink(missing_ok=True)
            lock.touch(exist_ok=False)
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT):
                return False
            raise
    return True


def _groups(small: Sequence[Held]) -> list[list[Held]]:
    groups: list[list[Held]] = [[]]
    for held in small:
        if groups[-1] and sum(one.n_bytes for one in groups[-1]) + held.n_bytes > COMPACTED_BYTES:
            groups.append([])
        groups[-1].append(held)
    return [group for group in groups if len(group) > 1]


def _join(folder: Path, group: Sequence[Held], checked: Collection[Path]) -> None:
    """One batch in place of several; without those that are not sound, which the loader names."""
    with tempfile.TemporaryDirectory() as near, duckdb.connect(":memory:", config=CONFIG) as db:
        db.execute("SET preserve_insertion_order = false")
        sound = []
        for held in group:
            with contextlib.suppress(SpoolError):
                sound.append(held if held.folder in checked else lake.fetch(held, Path(near), db))
        if len(sound) < 2:
            return
        batches = {name: at for held in sound for name, at in held.manifest.batches.items()}
        with _beside(folder, f"{min(batches)}+{len(batches)}") as beside:
            n_rows: dict[str, int] = {}
            for table in lake.shapes():
                holding = [held for held in sound if table in held.manifest.tables]
                if holding:
                    files = [held.folder / f"{table}.parquet" for held in holding]
                    listed = ", ".join(quote(str(file)) for file in files)
                    query = f"SELECT * FROM read_parquet([{listed}], union_by_name = true)"
                    _copy(db, query, beside / f"{table}.parquet")
                    n_rows[table] = sum(held.manifest.tables[table].n_rows for held in holding)
            _seal(beside, batches, n_rows)


def _remove_compacted(folder: Path) -> None:
    """Batches that a compacted one holds: renamed first, so that none is ever there in part. Others are not ours to
    judge."""
    found = lake.every_batch(folder, on_bad=lambda *_: None)
    there = {held.folder for held in lake.choose(found)}
    for batch in (held.folder for held in found if held.folder not in there):
        with lake.as_spool_error(batch):
            if is_remote(batch):
                object_store.remove(batch)
                continue
            doomed = folder / f".{host()}-{os.getpid()}-{batch.name}.tmp"
            batch.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)


def clear(folder: Path) -> None:
    """Removes half-written batches: of processes of this machine that are gone, of any that are old."""
    with lake.as_spool_error(folder):
        if is_remote(folder):
            object_store.clear(folder, stale_s=_STALE_S)
            return
        for path in folder.glob(".*.tmp"):
            match = _BESIDE.fullmatch(path.name)
            if match and ((match["host"] == host() and not _lives(int(match["pid"]))) or _is_stale(path)):
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def _copy(db: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    try:
        db.execute(f"COPY ({query}) TO {quote(str(path))} (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)")
    except duckdb.IOException as error:
        raise SpoolError(f"{path} cannot be written: {first_line(error)}") from error


def _seal(beside: Path, batches: dict[str, datetime], n_rows: dict[str, int]) -> None:
    """The manifest, written last."""
    parts = {}
    for table, n in n_rows.items():
        path = beside / f"{table}.parquet"
        _sync(path)
        parts[table] = BatchFile(n_rows=n, n_bytes=path.stat().st_size, sha256=lake.sha256_of(path))
    manifest = Manifest.model_validate(
        {"aria-docs spool": FORMAT, "by": __version__, "batches": batches, "tables": parts}
    )
    (beside / MANIFEST).write_text(manifest.model_dump_json(by_alias=True), encoding="utf-8")
    _sync(beside / MANIFEST)


@contextmanager
def _beside(folder: Path, name: str) -> Iterator[Path]:
    """A hidden folder that becomes the batch of that name, or nothing; for an object store one of this machine."""
    target = folder / name
    if is_remote(folder):
        with lake.as_spool_error(target), tempfile.TemporaryDirectory() as made:
            yield Path(made)
            object_store.put(Path(made), target)
        return
    path = folder / f".{host()}-{os.getpid()}-{name}.tmp"
    try:
        with lake.as_spool_error(target):
            path.mkdir()
            yield path
            path.rename(target)
            _sync(folder)
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _sync(path: Path) -> None:
    """So that a name outlives a power cut as the content does."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # folders of file systems that have no such thing
            raise
    finally:
        os.close(descriptor)


def _is_stale(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > _STALE_S
    except FileNotFoundError:  # renamed meanwhile
        return False


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def host() -> str:
    """This machine, as names of half-written batches have it."""
    return re.sub(r"[^0-9A-Za-z.]", "_", socket.gethostname())
