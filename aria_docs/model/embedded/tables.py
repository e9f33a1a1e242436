"""Table candidates of a page → tables: captions, numbers, and no false tables. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from aria_docs.media import Table
from aria_docs.model.numbers import numbers

if TYPE_CHECKING:
    from aria_docs.media import Page, TableCandidate


def tables(page: Page) -> tuple[Table, ...]:
    """The tables among `page.candidates`, from the top of the page."""
    return tuple(_table(candidate) for candidate in page.candidates)


def _table(candidate: TableCandidate) -> Table:
    values = numbers([cell.text for cell in candidate.cells])
    cells = tuple(replace(cell, number=value) for cell, value in zip(candidate.cells, values, strict=True))
    return Table(candidate.box, candidate.n_rows, candidate.n_cols, candidate.n_header_rows, cells)
