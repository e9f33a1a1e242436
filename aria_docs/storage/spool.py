"""A folder that workers without the database leave finished parts in, and the way from there into the database.

    worker 1 ── Spool ──┐                              ┌── one transaction for each file, or for several
    worker 2 ── Spool ──┼── a file for each batch ── load ── and each file once
    worker 3 ── Spool ──┘                              └── the views and the index of words, at the end

A spool only grows: a file is written beside, then renamed, and never changed. What is finished is known from the files
themselves, so that a worker that was killed goes on where the last file ends. Which files a database has, it knows
itself: the spool is not touched by loading, and any number of databases may be loaded from it.

A file is named by the start of its run (UTC), the run and a number; in the order of the names, what comes later counts.
Inside is gzipped JSON: a line that says what it is, a line with all but the parts, and a line for each finished part.
"""

from __future__ import annotations

import errno
import gzip
import json
import os
import re
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from pydantic import TypeAdapter

from aria_docs.errors import SpoolError, StoreError, UsageError
from aria_docs.model.continued import TablePart
from aria_docs.schemas.readings import FailureRow, Finished, RecipeRow, RunRow
from aria_docs.schemas.records import SchemaRow
from aria_docs.schemas.sources import FileRow, SourceRow
from aria_docs.storage.database import Store
from aria_docs.storage.keeper import Batch, FileStamp, Known, ReadPart, Wanted, is_under, table_part
from aria_docs.version import __version__

FORMAT = 1

_NAMED = re.compile(r"\d{8}T\d{12}-[0-9a-f]+-\d{6,}\.jsonl\.gz")
_BESIDE = re.compile(r"\.(?P<host>[0-9A-Za-z._]+)-(?P<pid>[0-9]+)-.+\.tmp")
_STAMP = "%Y%m%dT%H%M%S%f"
_LEVEL = 3  # of gzip: a fifth of the size at some 60 MB/s
_STALE_S = 3600.0  # no batch takes as long to write
_AT_ONCE_FILES, _AT_ONCE_BYTES = 64, 4 << 20  # loaded in one transaction: a fraction of a second, tens of MB of memory


class Read(NamedTuple):
    """A part that was read, as far as those who go on with it must know."""

    source_id: str
    task: str
    part: str
    recipe: str
    note: str | None
    sidecar: str | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended."""

    run_id: str
    ended_at: datetime
    n_read: int
    n_failed: int
    n_skipped: int


@dataclass(slots=True)
class Entry:
    """What one file says: a run begins, files are gone, a batch is finished, a run ends.

    pages:  by source, the pages whose texts are in the batch.
    """

    run: RunRow | None = None
    recipes: list[RecipeRow] = field(default_factory=list)
    schema: SchemaRow | None = None
    gone: list[str] = field(default_factory=list)
    batch: Batch = field(default_factory=Batch)
    read: list[Read] = field(default_factory=list)
    pages: dict[str, list[int]] = field(default_factory=dict)
    ended: Ended | None = None


# Both follow the dataclasses: a field more is a field more in the files.
_ENTRY = TypeAdapter(Entry)
_FINISHED = TypeAdapter(Finished)


class Spool:
    """A `Keeper` of finished parts in files. Threads may share one, and processes a folder.

    say:  told in a sentence of files that cannot be read.
    """

    def __init__(self, path: Path, *, say: Callable[[str], None] = lambda _: None) -> None:
        self.path = path
        self._say = say
        self._lock = threading.RLock()
        self._run_name = ""
        self._no = 0
        self._state: _Replay | None = None
        self._pages: dict[str, list[str]] = {}  # source → names of the files that have pages of it, in order

    def prepare(self, *, patience_s: float) -> None:  # noqa: ARG002 - nobody has to be waited for
        """Makes the folder, and clears what killed workers left half-written. Raises UsageError, StoreError."""
        if self.path.exists() and not self.path.is_dir():
            raise UsageError(f"--spool {self.path}: this is a file; a spool is a folder")
        with _told(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            _clear(self.path)

    def begin_run(self, run: RunRow, recipes: Iterable[RecipeRow], *, schema: SchemaRow | None = None) -> None:
        """The first file of the run. Its name comes after all that are there, whatever the machines' clocks say."""
        with self._lock:
            stamp = datetime.now(UTC).replace(tzinfo=None)
            if names := self.names():
                newest = datetime.strptime(names[-1].partition("-")[0], _STAMP)
                stamp = max(stamp, newest + timedelta(microseconds=1))
            self._run_name, self._no = f"{stamp:{_STAMP}}-{run.run_id}", 0
            self._leave(Entry(run=run, recipes=list(recipes), schema=schema))

    def end_run(self, run_id: str, *, n_read: int, n_failed: int, n_skipped: int, interrupted: bool = False) -> None:  # noqa: ARG002 - nothing takes long
        """The last file of the run."""
        ended_at = datetime.now(UTC).replace(tzinfo=None)
        self._leave(Entry(ended=Ended(run_id, ended_at, n_read, n_failed, n_skipped)))

    def unchanged(self, stamps: Sequence[FileStamp]) -> dict[str, str]:
        """As `Keeper.unchanged`, from all files of the spool, loaded or not."""
        state = self._replayed()
        return {stamp.path: source for stamp in stamps if (source := state.source_of(stamp))}

    def finished(self, stamps: Sequence[FileStamp], wanted: Wanted) -> dict[str, str]:  # noqa: ARG002
        """None: they are looked at one by one, in memory."""
        return {}

    def known(
        self, source_ids: Sequence[str], recipes: Sequence[str], *, unless_noted: str | None = None
    ) -> dict[str, Known]:
        """As `Keeper.known`. What a file held that cannot be read is read again."""
        state = self._replayed()
        return {source: state.known(source, set(recipes), unless_noted) for source in source_ids}

    def missing(self, roots: Sequence[str], found: Iterable[str]) -> list[str]:
        """As `Keeper.missing`."""
        gone = self._replayed().named().difference(found)
        return sorted(path for path in gone if any(is_under(path, root) for root in roots))

    def _replayed(self) -> _Replay:
        """What all files say, read once; what this spool writes is added as it is written."""
        with self._lock:
            if self._state is None:
                self._state, self._pages = _Replay(), {}
                for name in self.names():
                    try:
                        with _reading(self.path / name) as lines:
                            entry = _entry(lines)
                    except SpoolError as error:
                        self._say(str(error))
                        continue
                    self._see(name, entry)
            return self._state

    def _see(self, name: str, entry: Entry) -> None:
        if self._state is not None:
            self._state.see(entry)
        for source in entry.pages:
            self._pages.setdefault(source, []).append(name)

    def write(self, batch: Batch) -> None:
        """One file: all of the batch or nothing."""
        beside = {row.reading_id: row.sha256 for part in batch.finished for row in part.sidecars}
        read = [
            Read(row.source_id, row.task, row.part, row.recipe, row.note, beside.get(row.reading_id))
            for row in (part.reading for part in batch.finished)
            if row
        ]
        pages: dict[str, list[int]] = {}
        for row in (row for part in batch.finished for row in part.pages):
            pages.setdefault(row.source_id, []).append(row.page)
        self._leave(Entry(batch=batch, read=read, pages=pages))

    def forget(self, paths: Sequence[str]) -> None:
        """A file that says what is gone."""
        self._leave(Entry(gone=list(paths)))

    def page_texts(self, source_id: str, pages: Sequence[int] | None) -> list[tuple[int, str]]:
        """The stored pages of a document in order, all or the given ones."""
        texts = {row.page: row.text for part in self._parts_of(source_id) for row in part.pages}
        wanted = texts.keys() if pages is None else texts.keys() & set(pages)
        return [(page, texts[page]) for page in sorted(wanted)]

    def table_parts(self, source_id: str, recipe: str) -> list[TablePart]:
        """As `Keeper.table_parts`."""
        sizes: dict[int, tuple[float, float]] = {}
        newest: dict[str, Finished] = {}
        for part in self._parts_of(source_id):
            sizes |= {row.page: (row.width_pt, row.height_pt) for row in part.pages}
            if part.reading and part.reading.recipe == recipe:
                newest[part.reading.reading_id] = part
        rows = [(table, part) for part in newest.values() for table in part.tables if table.page in sizes]
        rows.sort(key=lambda item: (item[0].page, item[0].table_no))
        return [table_part(table, part.cells, sizes[table.page]) for table, part in rows]

    def names(self) -> list[str]:
        """The files, in order. Raises StoreError."""
        with _told(self.path):
            return sorted(name for name in os.listdir(self.path) if _NAMED.fullmatch(name))  # noqa: PTH208 - 100,000

    def _parts_of(self, source_id: str) -> Iterator[Finished]:
        """What is finished of a source, earlier first."""
        with self._lock:
            names = list(self._pages.get(source_id, ()))
        for name in names:
            with _reading(self.path / name) as lines:
                _entry(lines)
                for line in lines:
                    if source_id.encode() in line:  # most lines of others need not be understood
                        part = _FINISHED.validate_json(line)
                        sources = {page.source_id for page in part.pages}
                        if source_id in sources or (part.reading and part.reading.source_id == source_id):
                            yield part

    def _leave(self, entry: Entry) -> None:
        """Writes a file that is there as a whole or not at all, whatever happens. Raises StoreError."""
        with self._lock:
            name = f"{self._run_name}-{self._no:06}.jsonl.gz"
            beside = self.path / f".{_host()}-{os.getpid()}-{name}.tmp"
            with _told(self.path / name):
                try:
                    with beside.open("wb") as file:
                        file.write(_packed(entry))
                        file.flush()
                        os.fsync(file.fileno())
                    beside.rename(self.path / name)
                finally:
                    beside.unlink(missing_ok=True)
                _sync_folder(self.path)
            self._no += 1
            self._see(name, entry)


class _Replay:
    """What a database would know that had these files loaded: the rules of `Store.write` and `Store.forget`."""

    def __init__(self) -> None:
        self._files: dict[str, FileRow] = {}
        self._sources: dict[str, SourceRow] = {}
        self._read: dict[str, dict[tuple[str, str, str], tuple[str | None, str | None]]] = {}  # → sidecar, note
        self._pages: set[tuple[str, str]] = set()
        self._failures: dict[str, dict[tuple[str, str, str], FailureRow]] = {}  # path → task, part and recipe → row
        self._failing: dict[str | None, set[str]] = {}  # source → paths that have, or had, failures

    def see(self, entry: Entry) -> None:
        """The next file. Of its parts only `read` is looked at."""
        for path in entry.gone:
            self._failures.pop(path, None)
            if path in self._files:
                self._files[path] = self._files[path].model_copy(update={"present": False})
        batch = entry.batch
        self._files |= {row.path: row for row in batch.files}
        self._sources |= {row.source_id: row for row in batch.sources}
        self._pages |= {(source, f"page:{page}") for source, pages in entry.pages.items() for page in pages}
        for source, task, part, recipe, note, sidecar in entry.read:
            self._read.setdefault(source, {})[task, part, recipe] = sidecar, note
            self._strike(source, task, (part, recipe))
        for source in batch.opened:
            self._strike(source, "")
        for file in batch.files:
            failures = self._failures.get(file.path, {})
            self._failures[file.path] = {key: row for key, row in failures.items() if row.source_id == file.source_id}
        for row in batch.failures:
            self._failures.setdefault(row.path, {})[row.task, row.part, row.recipe] = row
            self._failing.setdefault(row.source_id, set()).add(row.path)

    def _strike(self, source: str, task: str, at: tuple[str, str] | None = None) -> None:
        """Deletes failures of a source's task, all or those of one part under one recipe."""
        for path in self._failing.get(source, ()):
            for key, row in list(self._failures.get(path, {}).items()):
                if row.source_id == source and row.task == task and at in (None, (row.part, row.recipe)):
                    del self._failures[path][key]

    def source_of(self, stamp: FileStamp) -> str | None:
        """The content of a file that is as it was."""
        row = self._files.get(stamp.path)
        if row is None or not row.present or (row.size_bytes, row.modified_at) != (stamp.size_bytes, stamp.modified_at):
            return None
        was_unreachable = any(failure.source_id is None for failure in self._failures.get(stamp.path, {}).values())
        return None if was_unreachable else row.source_id

    def named(self) -> set[str]:
        """The paths that are present, or have failures."""
        return {path for path, row in self._files.items() if row.present} | {
            path for path, rows in self._failures.items() if rows
        }

    def known(self, source: str, recipes: set[str], unless_noted: str | None) -> Known:
        """What a run must know. Where a file cannot be read any more, what it held is read again: a page without its
        text is not read, a failure of a source that is not there is none."""
        row = self._sources.get(source)
        read: set[ReadPart] = set()
        for (task, part, recipe), (sidecar, note) in self._read.get(source, {}).items():
            has_text = not part.startswith("page:") or (source, part) in self._pages
            noted = unless_noted is not None and unless_noted in (note or "")
            if recipe in recipes and has_text and not noted:
                read.add((task, part, sidecar))
        failures = [
            failure
            for path in (sorted(self._failing.get(source, ())) if row else ())
            for failure in self._failures.get(path, {}).values()
            if failure.source_id == source and (failure.recipe in recipes or not failure.recipe)
        ]
        return Known(row, read, failures)


@dataclass(slots=True)
class Loaded:
    """How a loading went, in files of the spool; n_parts counts what was read of documents and videos.

    left:  the files that could not be loaded, with a sentence each.
    """

    n_files: int = 0
    n_before: int = 0
    n_parts: int = 0
    left: dict[str, str] = field(default_factory=dict)


def load(folder: Path, store: Store, *, say: Callable[[str], None], patience_s: float = 60.0) -> Loaded:
    """Takes what a spool has into a database, each file exactly once; a file that cannot be loaded is told of and left.

    patience_s:  how long to wait for the database before anything is loaded.

    Raises UsageError where there is no such folder, StoreError.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder; `aria-docs run FOLDER --shard 1/1 --spool {folder}` makes a spool")
    store.prepare(patience_s=patience_s)
    outcome, there = Loaded(), store.loaded_files()

    def leave(name: str, error: StoreError) -> None:
        outcome.left[name] = str(error)
        say(f"left out: {error}")

    for stranger in _strangers(folder):
        leave(stranger.name, SpoolError(f"{stranger} is no part of a spool: move it elsewhere"))
    waiting: list[tuple[str, Entry]] = []
    n_bytes = 0
    for name in Spool(folder).names():
        if name in there:
            outcome.n_before += 1
            continue
        try:
            with _reading(folder / name) as lines:
                entry = _entry(lines)
                entry.batch.finished = [_FINISHED.validate_json(line) for line in lines]
            n_bytes += (folder / name).stat().st_size
        except SpoolError as error:
            leave(name, error)
            continue
        waiting.append((name, entry))
        if len(waiting) >= _AT_ONCE_FILES or n_bytes >= _AT_ONCE_BYTES:
            _take(store, waiting, outcome, leave)
            waiting, n_bytes = [], 0
    _take(store, waiting, outcome, leave)
    store.stack()  # also where nothing is new: an earlier loading may have been killed before it came to this
    store.rank()
    return outcome


def _take(
    store: Store, waiting: Sequence[tuple[str, Entry]], outcome: Loaded, leave: Callable[[str, StoreError], None]
) -> None:
    """All of them in one transaction; where that fails, each in its own, and one that fails alone is left."""
    try:
        with store.together():
            for name, entry in waiting:
                _replay(entry, store)
                store.note_loaded(name)
    except StoreError as error:
        if len(waiting) == 1:
            [(name, _)] = waiting
            leave(name, SpoolError(f"{name} does not fit into the database: {error}"))
            return
        for one in waiting:
            _take(store, [one], outcome, leave)
        return
    outcome.n_files += len(waiting)
    outcome.n_parts += sum(len(entry.read) for _, entry in waiting)


def _replay(entry: Entry, store: Store) -> None:
    if entry.run:
        store.begin_run(entry.run, entry.recipes, schema=entry.schema)
    if entry.gone:
        store.forget(entry.gone)
    if entry.batch:
        store.write(entry.batch)
    if ended := entry.ended:
        store.date_run(
            ended.run_id,
            ended_at=ended.ended_at,
            n_read=ended.n_read,
            n_failed=ended.n_failed,
            n_skipped=ended.n_skipped,
        )


# Files


def _packed(entry: Entry) -> bytes:
    parts = entry.batch.finished
    head = json.dumps({"aria-docs spool": FORMAT, "by": __version__}).encode()
    rest = _ENTRY.dump_json(replace(entry, batch=replace(entry.batch, finished=[])))
    lines = [head, rest, *(_FINISHED.dump_json(part) for part in parts)]
    return gzip.compress(b"\n".join(lines) + b"\n", _LEVEL, mtime=0)


@contextmanager
def _reading(path: Path) -> Iterator[Iterator[bytes]]:
    """The lines after the first. Whatever turns out to be wrong with the file while they are read is a SpoolError: its
    checksum and its length, which end it, tell of a file cut off."""
    by = "?"
    try:
        with gzip.open(path) as file:
            head = json.loads(file.readline())
            form, by = head["aria-docs spool"], head["by"]
            if form != FORMAT:
                raise SpoolError(f"{path} was written by aria-docs {by}, in another form: load it with that")
            yield iter(file)
    except (EOFError, OSError, zlib.error, KeyError, TypeError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise SpoolError(f"{path} cannot be read: {error.strerror}") from error
        why = " ".join(str(error).split()) or type(error).__name__
        if by in ("?", __version__):
            hint = "it is damaged, or was not written by aria-docs: remove it and run its shard again"
        else:
            hint = f"it was written by aria-docs {by}, and this is {__version__}: load it with that"
        raise SpoolError(f"{path} cannot be understood: {why[:200]} ({hint})") from error


def _entry(lines: Iterator[bytes]) -> Entry:
    return _ENTRY.validate_json(next(lines, b""))


def _strangers(folder: Path) -> list[Path]:
    """What is neither ours nor hidden: half-written files are hidden, and what a file system keeps for itself."""
    with _told(folder):
        return sorted(item for item in folder.iterdir() if item.name[0] != "." and not _NAMED.fullmatch(item.name))


def _clear(folder: Path) -> None:
    """Removes half-written files: of processes of this machine that are gone, of any that are old."""
    with _told(folder):
        for path in folder.glob(".*.tmp"):
            match = _BESIDE.fullmatch(path.name)
            if match and ((match["host"] == _host() and not _lives(int(match["pid"]))) or _is_stale(path)):
                path.unlink(missing_ok=True)


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


def _host() -> str:
    return re.sub(r"[^0-9A-Za-z.]", "_", socket.gethostname())


def _sync_folder(folder: Path) -> None:
    """So that the name outlives a power cut as the content does."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # file systems that have no such thing
            raise
    finally:
        os.close(descriptor)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SpoolError(
            f"{path}: {error.strerror}; a spool is a folder that can be written, with room left"
        ) from error
