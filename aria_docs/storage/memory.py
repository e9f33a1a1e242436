"""What a run finds, kept in memory: for one file that is read without a database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from aria_docs.schemas.readings import FailureRow, Finished, ReadingRow, RecipeRow, RunRow
from aria_docs.schemas.records import SchemaRow
from aria_docs.schemas.sources import FormFieldRow, PageLinesRow, PageRow, SourceRow
from aria_docs.storage.database import Batch, Known


class Memory:
    """A `Keeper` that knows nothing of earlier runs and forgets with the process."""

    path = Path("memory")

    def __init__(self) -> None:
        self.sources: dict[str, SourceRow] = {}
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

    def end_run(self, run_id: str, *, n_read: int, n_failed: int, n_skipped: int) -> None:
        """Runs are not recorded."""

    def known(self, recipes: Sequence[str], *, unless_noted: str | None = None) -> Known:  # noqa: ARG002 - of Keeper
        """Nothing."""
        return Known(files={}, sources={}, read=set(), failures=[])

    def write(self, batch: Batch) -> None:
        """Keeps it all."""
        self.sources |= {row.source_id: row for row in batch.sources}
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

    def table_places(self, source_id: str, recipe: str) -> list[dict[str, Any]]:  # noqa: ARG002 - of Keeper
        """As `Store.table_places`."""
        places = []
        for part in self.parts.values():
            for table in part.tables:
                size = self.pages[table.page]
                heads = [cell for cell in part.cells if cell.is_header and cell.table_id == table.table_id]
                place = {
                    "table_id": table.table_id,
                    "page": table.page,
                    "box": [table.x0, table.y0, table.x1, table.y1],
                    "size_pt": [size.width_pt, size.height_pt],
                    "n_cols": table.n_cols,
                    "caption": table.caption,
                    "header": [cell.text for cell in sorted(heads, key=lambda cell: (cell.row_no, cell.col_no))],
                }
                places.append(((table.page, table.table_no), place))
        return [place for _, place in sorted(places, key=lambda item: item[0])]

    def page_texts(self, source_id: str, pages: Sequence[int] | None) -> list[tuple[int, str]]:  # noqa: ARG002
        """As `Store.page_texts`."""
        wanted = self.pages.keys() if pages is None else self.pages.keys() & set(pages)
        return [(page, self.pages[page].text) for page in sorted(wanted)]
