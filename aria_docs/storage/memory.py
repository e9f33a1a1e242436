"""What a run finds, kept in memory: for one file that is read without a database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from aria_docs.model.continued import TablePart
from aria_docs.schemas.readings import FailureRow, Finished, ReadingRow, RecipeRow, RunRow
from aria_docs.schemas.records import SchemaRow
from aria_docs.schemas.sources import FormFieldRow, PageLinesRow, PageRow
from aria_docs.storage.keeper import Batch, FileStamp, Known, RunEnd, Wanted, table_part


class Memory:
    """A `Keeper` that knows nothing of earlier runs and forgets with the process."""

    path = Path("memory")

    def __init__(self) -> None:
        self.pages: dict[int, PageRow] = {}
        self.lines: dict[int, PageLinesRow] = {}
        self.fields: dict[int, tuple[FormFieldRow, ...]] = {}
        self.parts: dict[str, Finished] = {}
        self.continues: dict[str, str] = {}
        self.failures: list[FailureRow] = []

    @property
    def readings(self) -> list[ReadingRow]:
        """One for each part."""
        return [part.reading for part in self.parts.values() if part.reading]

    def prepare(self, *, patience_s: float) -> None:
        """Nothing to make."""

    def begin_run(self, run: RunRow, recipes: Iterable[RecipeRow], *, schema: SchemaRow | None = None) -> None:
        """Runs are not recorded."""

    def end_run(self, run_id: str, end: RunEnd) -> None:
        """Runs are not recorded."""

    def find_unchanged(self, stamps: Sequence[FileStamp]) -> dict[str, str]:  # noqa: ARG002 - of Keeper
        """None."""
        return {}

    def find_finished(self, stamps: Sequence[FileStamp], wanted: Wanted) -> dict[str, str]:  # noqa: ARG002 - of Keeper
        """None."""
        return {}

    def load_known(
        self,
        source_ids: Sequence[str],
        recipes: Sequence[str],  # noqa: ARG002 - of Keeper
        *,
        unless_noted: str | None = None,  # noqa: ARG002 - of Keeper
    ) -> dict[str, Known]:
        """Nothing of any."""
        return {source_id: Known() for source_id in source_ids}

    def missing(self, roots: Sequence[str], found: Iterable[str]) -> list[str]:  # noqa: ARG002 - of Keeper
        """None."""
        return []

    def write(self, batch: Batch) -> None:
        """Keeps it all."""
        self.continues |= batch.continues
        self.failures += batch.failures
        for part in batch.finished:
            self.pages |= {row.page: row for row in part.pages}
            self.lines |= {row.page: row for row in part.page_lines}
            self.fields |= {row.page: part.form_fields for row in part.pages}
            if part.reading:
                self.parts[part.reading.reading_id] = part

    def forget(self, paths: Sequence[str]) -> None:
        """No file is known that could be gone."""

    def table_parts(self, source_id: str, recipe: str) -> list[TablePart]:  # noqa: ARG002 - of Keeper
        """The tables in order."""
        found = [(table, part.cells) for part in self.parts.values() for table in part.tables]
        found.sort(key=lambda item: (item[0].page, item[0].table_no))
        sizes = {page: (row.width_pt, row.height_pt) for page, row in self.pages.items()}
        return [table_part(table, cells, sizes[table.page]) for table, cells in found]

    def answers(self, source_id: str, recipe: str) -> list[str]:  # noqa: ARG002 - of Keeper
        """None."""
        return []

    def page_texts(self, source_id: str, pages: Sequence[int] | None) -> list[tuple[int, str]]:  # noqa: ARG002
        """The pages in order, all or the given ones."""
        wanted = self.pages.keys() if pages is None else self.pages.keys() & set(pages)
        return [(page, self.pages[page].text) for page in sorted(wanted)]
