"""Connections to one DuckDB file: opened late, closed soon, one at a time in this process.

DuckDB lets one process write while no other has the file open. So the file is opened late, written in one
transaction, and closed; who comes too early waits. Between two batches readers get in.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from aria_docs.errors import StoreBusy, StoreError
from aria_docs.storage.internal import find_ours
from aria_docs.storage.rows import first_line

# 2.0 writes files that 1.5 cannot read unless told otherwise; many people's clients are older than ours.
CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "storage_compatibility_version": "v1.5.0",
    "autoinstall_known_extensions": False,  # nothing is ever downloaded
    "autoload_known_extensions": False,
    "python_enable_replacements": False,  # no query of ours reads a variable of Python
}
_LOCKED = re.compile(r"Could not set lock|being used by another process|with a different configuration")
_RETRY_S = 0.1
_SAY_EVERY_S = 30.0


# DuckDB refuses two connections of one file in one process that differ in what they may do, and a reader beside a
# writer does: so one lock for each file, however many `Connections` and threads there are.
_locks: dict[str, threading.RLock] = {}
_locks_lock = threading.Lock()


def _lock_of(path: Path) -> threading.RLock:
    with _locks_lock:
        return _locks.setdefault(os.path.realpath(str(path)), threading.RLock())


class Connections:
    """One database file, opened only while a method runs. Threads may share it, and so may other `Connections`.

    on_wait:  called with a sentence, now and then, while another process has the file.
    """

    def __init__(self, path: Path, *, on_wait: Callable[[str], None] = lambda _: None) -> None:
        self.path = path
        self._on_wait = on_wait
        self.lock = _lock_of(path)
        self._joint: duckdb.DuckDBPyConnection | None = None  # of `together`

    @contextmanager
    def together(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """What is read and written within is one transaction: all of it, or nothing."""
        with self.writing() as db:
            outer, self._joint = self._joint, db
            try:
                yield db
            finally:
                self._joint = outer

    @contextmanager
    def writing(self, *, patience_s: float = float("inf")) -> Iterator[duckdb.DuckDBPyConnection]:
        """One transaction; inside `together`, that one. Raises StoreError, StoreBusy after patience_s."""
        with self._open_connection(read_only=False, patience_s=patience_s) as db:
            if self._joint:
                yield db
                return
            db.execute("BEGIN")
            try:
                yield db
                db.execute("COMMIT")
            except duckdb.Error as error:
                raise StoreError(f"{self.path} could not be written: {first_line(error)}") from error

    @contextmanager
    def reading(self, *, patience_s: float) -> Iterator[duckdb.DuckDBPyConnection]:
        """A read-only connection. Raises StoreError, StoreBusy after patience_s."""
        self.require()
        with self._open_connection(read_only=True, patience_s=patience_s) as db:
            try:
                yield db
            except duckdb.CatalogException as error:  # of ours: a user's query has its own
                hint = (
                    f"it is older than this aria-docs, and `aria-docs run FOLDER --db {self.path}` brings it up to date"
                )
                raise StoreError(f"{self.path}: {hint} ({first_line(error)})") from error

    def require(self) -> None:
        """Raises StoreError where there is nothing to read."""
        if not self.path.exists():
            raise StoreError(f"{self.path}: no such database; `aria-docs run FOLDER --db {self.path}` makes it")

    @contextmanager
    def _open_connection(self, *, read_only: bool, patience_s: float) -> Iterator[duckdb.DuckDBPyConnection]:
        with self.lock:
            if self._joint:
                yield self._joint
                return
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
        if not read_only and self.path.is_file() and self.path.stat().st_size == 0:
            self.path.unlink()  # as mktemp leaves it: DuckDB takes no empty file for a new one
        if self.path.is_file() and not _is_database(self.path):  # DuckDB reads a .json or .csv file as a view
            raise StoreError(f"{self.path} cannot be opened as a DuckDB database: it is another kind of file")
        while True:
            try:
                db = duckdb.connect(str(self.path), read_only=read_only, config=CONFIG)
                find_ours(db, read_only=read_only)
                return db
            except duckdb.Error as error:
                text = " ".join(str(error).split())
                if not _LOCKED.search(text):
                    raise StoreError(
                        f"{self.path} cannot be opened as a DuckDB database: {first_line(error)}"
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


def _is_database(path: Path) -> bool:
    """Whether DuckDB wrote it: its magic stands after a checksum of 8 bytes. A file that cannot be read may be one."""
    try:
        with path.open("rb") as file:
            head = file.read(12)
            return not head or head[8:] == b"DUCK"  # an empty one is being made
    except OSError:
        return True
