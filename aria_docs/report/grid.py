"""Cells → what is shown of a table, and its CSV. Pure arithmetic on rows and columns; no I/O, no HTML."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from aria_docs.formulas import harmless
from aria_docs.report.content import CellView, TableContent

# A browser lays out 10,000 cells in a tenth of a second; what is cut is said, and is in the CSV.
MAX_ROWS = 100
MAX_COLS = 60
MAX_CELLS_PER_SOURCE = 20_000
FEW_ROWS = 5
MAX_ROWS_ASKED = 5_000  # what "Show all rows" lays out: half a second


@dataclass(frozen=True, slots=True)
class Slot:
    """One place of a row: a cell with its number among the table's cells, or a hole (cell None).

    row_span, col_span: cut to what is shown.
    to_right:           it stands in a column of numbers, which are compared by their last digits.
    """

    cell: CellView | None
    key: int = 0
    row_span: int = 1
    col_span: int = 1
    to_right: bool = False


@dataclass(frozen=True, slots=True)
class TableGrid:
    """The shown part of a table. n_header_rows counts those at the top in which every cell is a header."""

    rows: tuple[tuple[Slot, ...], ...]
    n_header_rows: int
    n_rows: int
    n_cols: int

    @property
    def cut(self) -> str | None:
        """What is not shown, in words."""
        shown_cols = min(self.n_cols, MAX_COLS)
        if len(self.rows) >= self.n_rows and shown_cols >= self.n_cols:
            return None
        cut = f"Shown: {len(self.rows):,} of {self.n_rows:,} rows"
        return cut if shown_cols >= self.n_cols else f"{cut}, {shown_cols:,} of {self.n_cols:,} columns"


def rows_shown(n_rows: int, n_cols: int, *, cells_left: int) -> int:
    """How many rows a table gets on a page that may show `cells_left` more cells: a few in any case."""
    return min(n_rows, MAX_ROWS, max(FEW_ROWS, cells_left // max(1, min(n_cols, MAX_COLS))))


def lay_out(table: TableContent, *, n_rows: int) -> TableGrid:
    """The first `n_rows` rows as slots from left to right; what a span covers has no slot, a hole has one."""
    n_cols = min(table.n_cols, MAX_COLS)
    at = {(cell.row, cell.col): (key, cell) for key, cell in enumerate(table.cells)}
    covered: set[tuple[int, int]] = set()
    of_numbers = _number_columns(table.cells)
    rows = []
    for row in range(n_rows):
        slots = []
        for col in range(n_cols):
            if (row, col) in covered:
                continue
            key, cell = at.get((row, col), (0, None))
            if cell is None:
                slots.append(Slot(None))
                continue
            row_span, col_span = min(cell.row_span, n_rows - row), min(cell.col_span, n_cols - col)
            if row_span > 1 or col_span > 1:
                covered.update((row + down, col + right) for down in range(row_span) for right in range(col_span))
            slots.append(Slot(cell, key, row_span, col_span, to_right=col_span == 1 and col in of_numbers))
        rows.append(tuple(slots))
    return TableGrid(tuple(rows), _header_rows(rows), table.n_rows, table.n_cols)


def _number_columns(cells: Sequence[CellView]) -> set[int]:
    """Columns of which most filled cells of the body are numbers."""
    balance: Counter[int] = Counter()
    for cell in cells:
        if cell.text and not cell.is_header:
            balance[cell.col] += 1 if cell.number is not None else -1
    return {col for col, more in balance.items() if more > 0}


def _header_rows(rows: Sequence[Sequence[Slot]]) -> int:
    """Rows at the top that are header throughout. One that a span joins to the body is body: a thead ends between."""
    n_header = 0
    for number, slots in enumerate(rows):
        cells = [slot for slot in slots if slot.cell]
        if not cells or not all(slot.cell and slot.cell.is_header for slot in cells):
            break
        n_header = number + 1
    reach = max((n + slot.row_span for n, slots in enumerate(rows[:n_header]) for slot in slots), default=0)
    return n_header if reach <= n_header else 0


def as_csv(table: TableContent) -> str:
    """The whole table, a line a row; a spanning cell stands at its top left. Nothing in it is a formula."""
    lines: dict[int, dict[int, str]] = {}
    for cell in table.cells:
        lines.setdefault(cell.row, {})[cell.col] = cell.text if cell.number is not None else harmless(cell.text)
    n_cols = max((max(line) + 1 for line in lines.values()), default=0)
    out = io.StringIO()
    writer = csv.writer(out)
    for row in range(max(lines, default=-1) + 1):
        line = lines.get(row, {})
        writer.writerow([line.get(col, "") for col in range(n_cols)])
    return out.getvalue()
