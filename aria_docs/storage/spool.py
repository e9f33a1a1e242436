"""Where workers without the database leave finished parts: a folder, or a place of an object store, of Parquet files.

    worker 1 ── Spool ──┐                                   ┌── load ── each batch once, one transaction for many
    worker 2 ── Spool ──┼── a batch every two seconds ──────┤
    worker 3 ── Spool ──┘   and few large ones at the end   └── Lake ── SQL over the folder as it is

A spool only grows: a batch is made beside, then renamed, and its rows never change. What is finished is known from the
batches themselves, so that a worker that was killed goes on where its last one ends. Which batches a database has, it
knows itself: any number of databases may be loaded from one spool.

A batch is named by the time of its writing (UTC), the run and a number; in the order of names, what comes later counts.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aria_docs.errors import UsageError
from aria_docs.model.continued import TablePart
from aria_docs.schemas import Row
from aria_docs.schemas.readings import RecipeRow, RunRow
from aria_docs.schemas.records import SchemaRow
from aria_docs.schemas.spool import GoneRow
from aria_docs.storage import batches, lake
from aria_docs.storage.keeper import Batch, FileStamp, Known, RunEnd, Wanted
from aria_docs.storage.lake import Lake
from aria_docs.storage.object_store import is_remote
from aria_docs.storage.old_spool import convert


class Spool:
    """A `Keeper` of finished parts in files. Threads may share one, and processes a folder.

    say:  told in a sentence of batches that cannot be read.
    """

    def __init__(self, path: Path, *, say: Callable[[str], None] = lambda _: None) -> None:
        self.path = path
        self._say = say
        self._lock = threading.RLock()
        self._run: RunRow | None = None
        self._newest, self._no = datetime.min, 0
        self._writer = batches.Writer(path)
        self._state: Lake | None = None

    def prepare(self, *, patience_s: float) -> None:  # noqa: ARG002 - nobody has to be waited for
        """Makes the folder, clears what killed workers left half-written, and converts what earlier versions left.

        Raises UsageError, StoreError.
        """
        if not is_remote(self.path):
            if self.path.exists() and not self.path.is_dir():
                raise UsageError(f"--spool {self.path}: this is a file; a spool is a folder")
            with lake.as_spool_error(self.path):
                self.path.mkdir(parents=True, exist_ok=True)
        batches.clear(self.path)
        convert(self.path, on_bad=lambda _, error: self._say(str(error)))

    def begin_run(self, run: RunRow, recipes: Iterable[RecipeRow], *, schema: SchemaRow | None = None) -> None:
        """The first batch of the run. Its name comes after all that are there, whatever the machines' clocks say."""
        with self._lock:
            if names := self.names():
                self._newest = lake.time_of(names[-1])
            self._run, self._no = run, 0
            self.forget_state()
            self._leave([run, *recipes, *([schema] if schema else [])])

    def end_run(self, run_id: str, end: RunEnd) -> None:
        """The last batch of the run; then its batches become few large ones."""
        assert self._run, run_id
        counts = {"n_read": end.n_read, "n_failed": end.n_failed, "n_skipped": end.n_skipped}
        self._leave([self._run.model_copy(update=counts | {"ended_at": datetime.now(UTC).replace(tzinfo=None)})])
        self.forget_state()
        self._writer.close()
        if not end.interrupted:
            batches.compact(self.path, of_run=run_id)

    def forget_state(self) -> None:
        """What others have left meanwhile is seen by the next question."""
        with self._lock:
            self._state = None

    def find_unchanged(self, stamps: Sequence[FileStamp]) -> dict[str, str]:
        """As `Keeper.unchanged`, from all batches of the spool, loaded or not."""
        return self._known().find_unchanged(stamps)

    def find_finished(self, stamps: Sequence[FileStamp], wanted: Wanted) -> dict[str, str]:
        """As `Keeper.finished`."""
        return self._known().find_finished(stamps, wanted)

    def load_known(
        self, source_ids: Sequence[str], recipes: Sequence[str], *, unless_noted: str | None = None
    ) -> dict[str, Known]:
        """As `Keeper.known`, from the beginning of the run: a run remembers itself what it has read."""
        return self._known().load_known(source_ids, recipes, unless_noted=unless_noted)

    def missing(self, roots: Sequence[str], found: Iterable[str]) -> list[str]:
        """As `Keeper.missing`."""
        return self._known().missing(roots, found)

    def write(self, batch: Batch) -> None:
        """All of the batch or nothing."""
        self._leave(batches.rows_of(batch))

    def forget(self, paths: Sequence[str]) -> None:
        """A batch that says what is gone."""
        self._leave([GoneRow(path=path) for path in paths])

    def answers(self, source_id: str, recipe: str) -> list[str]:
        """As `Keeper.answers`."""
        return Lake(self.path, on_bad=self._leave_out, of_a_run=True).answers(source_id, recipe)

    def page_texts(self, source_id: str, pages: Sequence[int] | None) -> list[tuple[int, str]]:
        """The stored pages of a document in order, all or the given ones."""
        return Lake(self.path, on_bad=self._leave_out, of_a_run=True).page_texts(source_id, pages)

    def table_parts(self, source_id: str, recipe: str) -> list[TablePart]:
        """As `Keeper.table_parts`."""
        return Lake(self.path, on_bad=self._leave_out, of_a_run=True).table_parts(source_id, recipe)

    def names(self) -> list[str]:
        """The batches, in order. Raises StoreError."""
        return lake.names(self.path)

    def _known(self) -> Lake:
        with self._lock:
            if self._state is None:
                self._state = Lake(self.path, on_bad=self._leave_out, of_a_run=True, kept=True)
            return self._state

    def _leave_out(self, _: str, error: Exception) -> None:
        """What it held is read again."""
        self._say(str(error))

    def _leave(self, rows: Sequence[Row]) -> None:
        """Writes a batch that is there as a whole or not at all, whatever happens. Raises StoreError."""
        with self._lock:
            assert self._run, "a run begins before anything is written"
            now = datetime.now(UTC).replace(tzinfo=None)
            stamp = max(now, self._newest + timedelta(microseconds=1))
            self._writer.write(f"{stamp.strftime(lake.STAMP)}-{self._run.run_id}-{self._no:06}", rows, at=now)
            self._newest, self._no = stamp, self._no + 1
