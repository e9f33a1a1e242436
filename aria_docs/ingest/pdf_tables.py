"""Table candidates of a page: PyMuPDF's layout network, its table grids and the page's ruling lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aria_docs.ingest.pdf_text import clean
from aria_docs.media import Page, TableCandidate, TableCell

if TYPE_CHECKING:
    from collections.abc import Sequence


def find(handle: Any, page: Page) -> tuple[tuple[TableCandidate, ...], str | None]:
    """The candidates of a loaded page, and a note where only the cheap way was open."""
    if not page.words:
        return (), None
    finder = handle.find_tables(union=True, refine=True)
    return tuple(_candidate(table) for table in finder.tables), None


def _candidate(table: Any) -> TableCandidate:
    # Never Table.extract() or to_pandas(): in PyMuPDF 2.0 they lose decimal points and blanks.
    taken: set[tuple[int, int]] = set()
    cells = []
    n_cols = 0
    placements: Sequence[Sequence[Any]] = table.placements
    for row, placed in enumerate(placements):
        col = 0
        for cell in placed:
            while (row, col) in taken:
                col += 1
            row_span = min(cell.rowspan, len(placements) - row)
            taken.update((row + i, col + j) for i in range(row_span) for j in range(cell.colspan))
            text = " ".join(clean(cell.text).split())
            cells.append(TableCell(row, col, text, row_span, cell.colspan, row < table.header_rows, box=cell.bbox))
            col += cell.colspan
            n_cols = max(n_cols, col)
    return TableCandidate(tuple(table.bbox), len(placements), n_cols, table.header_rows, tuple(cells))
