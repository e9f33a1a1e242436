"""What a run needs of a place to keep things: the database (`database.Store`) and a spool (`spool.Spool`) are such.

Nothing here grows with what is stored: a run asks about the files and sources it has before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from aria_docs.model.continued import TablePart
from aria_docs.schemas.readings import FailureRow, Finished, RecipeRow, RunRow
from aria_docs.schemas.records import SchemaRow
from aria_docs.schemas.sources import FileRow, SourceRow
from aria_docs.schemas.tables import CellRow, TableRow

ReadPart = tuple[str, str, str | None]
"""A task, a part, and the SHA-256 of the subtitles that lay beside the file when it was read, or None."""


@dataclass(slots=True)
class Batch:
    """What one transaction writes: whole parts, and what became of files.

    opened:     sources that could be opened; their failures to open are deleted.
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
class FileStamp:
    """A path as it is stored, with what tells whether the file has changed since it was hashed."""

    path: str
    size_bytes: int
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class Wanted:
    """When a file of a kind has been read whole: what `Keeper.finished` is asked.

    page_recipes:  of the tasks that are asked of each page; whole_recipes: of those asked of the whole, whose part is
                   "document" or "video".
    unless_noted:  a reading whose note has these words does not count.
    """

    kind: str
    page_recipes: tuple[str, ...]
    whole_recipes: tuple[str, ...]
    unless_noted: str | None = None


@dataclass(slots=True)
class Known:
    """What earlier runs left of one source, under the recipes that were asked about.

    failures:  those of another recipe are not among them; failures to open the file are.
    """

    row: SourceRow | None = None
    read: set[ReadPart] = field(default_factory=set)
    failures: list[FailureRow] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run ended, in files. found: the paths that it found → whether it came to them."""

    n_read: int
    n_failed: int
    n_skipped: int
    interrupted: bool = False
    found: Mapping[str, bool] = field(default_factory=dict)


class Keeper(Protocol):
    """Where a run stores its results, and what it knows of earlier ones. Threads may share it.

    Everything that can go wrong is a StoreError.
    """

    @property
    def path(self) -> Path:
        """The file or folder."""

    def prepare(self, *, patience_s: float) -> None:
        """Makes it, or brings an older one up to date. Called before anything is written."""

    def begin_run(self, run: RunRow, recipes: Iterable[RecipeRow], *, schema: SchemaRow | None = None) -> None:
        """Records the run, the recipes it uses, and its custom schema."""

    def end_run(self, run_id: str, end: RunEnd) -> None:
        """Records how the run ended. What takes long is left to the next run if this one was interrupted."""

    def find_unchanged(self, stamps: Sequence[FileStamp]) -> dict[str, str]:
        """path → source_id, of those files that are as they were when they were hashed."""

    def find_finished(self, stamps: Sequence[FileStamp], wanted: Wanted) -> dict[str, str]:
        """path → source_id, of those unchanged files of which nothing is left to read and nothing has failed.

        May leave out some: then they are looked at one by one.
        """

    def load_known(
        self, source_ids: Sequence[str], recipes: Sequence[str], *, unless_noted: str | None = None
    ) -> dict[str, Known]:
        """What need not be done again, and what failed before; for every source asked about.

        unless_noted:  a reading whose note has these words does not count as read.
        """

    def missing(self, roots: Sequence[str], found: Iterable[str]) -> list[str]:
        """Paths at or under these roots, present so far or named in a failure, that are not among the found ones."""

    def write(self, batch: Batch) -> None:
        """All of the batch or nothing. A part replaces what it was before under the same recipe, and its failure."""

    def forget(self, paths: Sequence[str]) -> None:
        """Marks files absent that a search no longer finds, and deletes their failures."""

    def table_parts(self, source_id: str, recipe: str) -> list[TablePart]:
        """The tables of a document in order, as far as is needed to see which go on from the page before."""

    def answers(self, source_id: str, recipe: str) -> list[str]:
        """Of the readings of a source under this recipe, in any order."""

    def page_texts(self, source_id: str, pages: Sequence[int] | None) -> list[tuple[int, str]]:
        """The pages of a document in order, all or the given ones."""


def is_under(path: str, folder: str) -> bool:
    """Whether a path is this folder, or lies somewhere below it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def table_part(table: TableRow, cells: Iterable[CellRow], size_pt: tuple[float, float]) -> TablePart:
    """A table's row and cells as what decides whether it goes on from the page before."""
    heads = sorted(
        (cell for cell in cells if cell.is_header and cell.table_id == table.table_id),
        key=lambda cell: (cell.row_no, cell.col_no),
    )
    box = (table.x0, table.y0, table.x1, table.y1)
    return TablePart(
        table.table_id, table.page, box, size_pt, table.n_cols, [cell.text for cell in heads], table.caption
    )
