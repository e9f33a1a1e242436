"""From a spool into a database: each batch exactly once, in any order.

    batches not loaded yet ── some 128 MB ── spool.sql ── merge.sql ── one transaction, with the names of the batches

Where two runs read the same part, the newest reading counts, whole. A batch that cannot be loaded is named and left.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import duckdb
from pydantic import ValidationError

from aria_docs.errors import SpoolError, StoreError
from aria_docs.storage import corrections, lake, object_store
from aria_docs.storage.batches import compact
from aria_docs.storage.connection import CONFIG
from aria_docs.storage.custom_tables import custom_tables, insert_spooled
from aria_docs.storage.database import Store
from aria_docs.storage.internal import script
from aria_docs.storage.lake import Held
from aria_docs.storage.old_spool import convert

_AT_ONCE_BYTES = 128 << 20  # of Parquet, in one transaction
_AT_ONCE_BATCHES = 256


@dataclass(slots=True)
class LoadSummary:
    """How a loading went, in batches of the spool; n_parts counts what was read of documents and videos.

    left:  the batches that could not be loaded, with a sentence each.
    """

    n_files: int = 0
    n_before: int = 0
    n_parts: int = 0
    left: dict[str, str] = field(default_factory=dict)


def load(folder: Path, store: Store, *, say: Callable[[str], None], patience_s: float = 60.0) -> LoadSummary:
    """Takes what a spool has into a database, each batch exactly once; one that cannot be loaded is told of and left.

    patience_s:  how long to wait for the database before anything is loaded.

    Raises UsageError where there is no such folder, StoreError.
    """
    lake.require(folder)
    store.prepare(patience_s=patience_s)
    outcome, there = LoadSummary(), store.loaded_files()

    def leave(name: str, error: StoreError) -> None:
        outcome.left[name] = str(error)
        say(f"left out: {error}")

    for stranger in _strangers(folder):
        leave(stranger.name, SpoolError(f"{stranger} is no part of a spool: move it elsewhere"))
    convert(folder, on_bad=leave)
    new, sound = list[Held](), list[Held]()
    for held in lake.batches(folder, on_bad=leave):
        news = held.manifest.batches.keys() - there
        outcome.n_before += len(held.manifest.batches) - len(news)
        new += [held] if news else []
    with duckdb.connect(":memory:", config=CONFIG) as db:
        for chunk in _chunks(new):
            with tempfile.TemporaryDirectory() as beside:
                here = []
                for held in chunk:
                    try:
                        here.append(lake.fetch(held, Path(beside), db))
                    except SpoolError as error:
                        leave(held.folder.name, error)
                if here:
                    _take(store, here, there, outcome, leave)
                sound += here
    compact(folder, sound=sound)
    store.work_out()  # also where nothing is new: an earlier loading may have been killed before it came to this
    store.rank()
    return outcome


def _chunks(new: Sequence[Held]) -> Iterator[list[Held]]:
    chunk: list[Held] = []
    n_bytes = 0
    for held in new:
        if chunk and (n_bytes + held.n_bytes > _AT_ONCE_BYTES or len(chunk) >= _AT_ONCE_BATCHES):
            yield chunk
            chunk, n_bytes = [], 0
        chunk.append(held)
        n_bytes += held.n_bytes
    if chunk:
        yield chunk


def _take(
    store: Store,
    chunk: Sequence[Held],
    there: set[str],
    outcome: LoadSummary,
    leave: Callable[[str, StoreError], None],
) -> None:
    """All of them in one transaction; where that fails, each in its own, and one that fails alone is left."""
    try:
        names, n_parts = _merge(store, chunk, there)
    except (StoreError, ValidationError) as error:
        if len(chunk) == 1:
            name = chunk[0].folder.name
            why = str(error) if isinstance(error, StoreError) else "it holds a custom schema that is none"
            leave(name, SpoolError(f"{name} does not fit into the database: {why}"))
            return
        for held in chunk:
            _take(store, [held], there, outcome, leave)
        return
    outcome.n_files += len(names)
    outcome.n_parts += n_parts


def _merge(store: Store, chunk: Sequence[Held], there: set[str]) -> tuple[list[str], int]:
    """One transaction. Returns the names of the batches and how many parts were in them."""
    held = {name for one in chunk for name in one.manifest.batches}
    with store.writing() as db:
        db.execute("SET preserve_insertion_order = false")  # rows have no order, and more than one core can write
        lake.lay(db, chunk, without=frozenset(held & there))
        lake.prepare_schemas(db)
        db.execute(script("merge.sql"))
        _replace_records(db)
        if db.execute("SELECT 1 FROM corrections LIMIT 1").fetchall():
            corrections.apply(db, [source for (source,) in db.execute("SELECT source_id FROM touched").fetchall()])
        [(n_parts,)] = db.execute("SELECT count(*) FROM raw_readings").fetchall()
        names = sorted(held - there)
        db.execute(
            "INSERT INTO loaded_spool_files SELECT unnest(?::VARCHAR[]), ?",
            [names, datetime.now(UTC).replace(tzinfo=None)],
        )
    return names, n_parts


def _replace_records(db: duckdb.DuckDBPyConnection) -> None:
    for table in custom_tables(db).values():
        db.execute(f"DELETE FROM {table} WHERE reading_id IN (FROM replaced)")
    insert_spooled(db)


def _strangers(folder: Path) -> list[Path]:
    """What is neither ours nor hidden: half-written batches are hidden, and what a file system keeps for itself."""
    with lake.as_spool_error(folder):
        there = object_store.contents(folder) if object_store.is_remote(folder) else os.listdir(folder)  # noqa: PTH208
    return [folder / name for name in sorted(there) if name[0] != "." and not lake.is_ours(name)]
