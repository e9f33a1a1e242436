"""Excel workbooks: a table as it stands on its page, cells that span merged, numbers as numbers.

Text is text: nothing in a workbook is a formula or a link, whatever a document says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aria_docs.errors import QueryError, UsageError
from aria_docs.export import Left, Written, make_folder, tables
from aria_docs.formulas import harmless

if TYPE_CHECKING:
    from aria_docs.storage.database import Store

# Excel's own limits ("Excel specifications and limits").
MAX_ROWS, MAX_COLS, MAX_CHARS = 1_048_576, 16_384, 32_767
_WIDEST = 60  # characters of a column

_CELLS = """
    SELECT table_id, row_no, col_no, row_span, col_span, is_header, text, number FROM cells
    WHERE list_contains([{ids}], table_id) ORDER BY table_id, row_no, col_no
"""


def export(store: Store, folder: Path) -> Iterator[Written | Left]:
    """A workbook for each table."""
    for batch in tables.batches(store):
        ids = ", ".join(f"'{table.table_id}'" for table in batch)
        cells: dict[str, list[tuple[Any, ...]]] = {}
        for table_id, *cell in store.ask(_CELLS.format(ids=ids)).rows:
            cells.setdefault(table_id, []).append(tuple(cell))
        for table in batch:
            target = make_folder(folder / table.name.parent) / f"{table.name.name}.xlsx"
            if table.n_rows > MAX_ROWS or table.n_cols > MAX_COLS:
                yield Left(table.source, _too_large(table.table_id, table.n_rows))
                continue
            with _sheet(target, title=table.caption or "") as sheet:
                _lay_out(sheet, table, cells.get(table.table_id, []))
            yield Written(target, table.source, table.facts(table.n_rows - table.n_header_rows))


def export_stacked(store: Store, folder: Path) -> Iterator[Written | Left]:
    """A workbook for each header that tables of two files or more have."""
    for stack in tables.stacks(store):
        target = folder / f"{stack.name}.xlsx"
        answer = store.ask(stack.query)
        if len(answer.rows) + 1 > MAX_ROWS:
            yield Left(stack.name, _too_large(stack.name, len(answer.rows)))
            continue
        with _sheet(target, title=stack.name) as sheet:
            for row_no, row in enumerate([answer.names, *answer.rows]):
                for col_no, value in enumerate(row):
                    sheet.put(row_no, col_no, value, header=row_no == 0)
            sheet.keep_in_view(1)
        yield Written(target, None, stack.facts(len(answer.rows)))


def _too_large(name: str, n_rows: int) -> QueryError:
    return QueryError(f"{name} has {n_rows:,} rows, more than the {MAX_ROWS:,} of a worksheet: export csv or parquet")


def _lay_out(sheet: _Sheet, table: tables.Listed, cells: Sequence[tuple[Any, ...]]) -> None:
    """A span that reaches over another cell or the edge is not merged: a model's answer may have one."""
    taken = {(row, col) for row, col, *_ in cells}
    for row, col, row_span, col_span, is_header, text, number in cells:
        span = {(row + down, col + right) for down in range(row_span) for right in range(col_span)} - {(row, col)}
        inside = row + row_span <= table.n_rows and col + col_span <= table.n_cols
        merged = inside and not span & taken
        if merged:
            taken |= span
        # A heading of digits is a name: 2025 is no amount.
        value = text if number is None or is_header else number
        spans = (row_span, col_span) if merged else (1, 1)
        sheet.put(row, col, value, header=is_header and row < table.n_header_rows, spans=spans)
    sheet.keep_in_view(table.n_header_rows)


@contextmanager
def _sheet(target: Path, *, title: str) -> Iterator[_Sheet]:
    """A workbook with one sheet, written at the end. Raises UsageError where the library is missing."""
    try:
        import xlsxwriter
    except ModuleNotFoundError as e:
        raise UsageError("XlsxWriter is not installed: pip install 'aria-docs[export]' brings it") from e
    book = xlsxwriter.Workbook(str(target), {"strings_to_formulas": False, "strings_to_urls": False})
    book.set_properties({"title": title[:255]})
    sheet = _Sheet(book)
    yield sheet
    sheet.end()
    try:
        book.close()
    except xlsxwriter.exceptions.FileCreateError as e:
        raise UsageError(f"{target} cannot be written ({e}): name another folder with -o") from e


class _Sheet:
    def __init__(self, book: Any) -> None:
        self._book = book
        self._sheet = book.add_worksheet()
        self._formats: dict[tuple[tuple[str, object], ...], Any] = {}
        self._widths: dict[int, int] = {}

    def put(self, row: int, col: int, value: Any, *, header: bool = False, spans: tuple[int, int] = (1, 1)) -> None:
        """A cell, `spans` rows and columns large."""
        look: dict[str, object] = {}
        if header:
            look |= {"bold": True, "bottom": 1, "text_wrap": True}
        if isinstance(value, str):
            # Excel's own mark for "this is text": it stays, when somebody edits the cell, and is not part of the text.
            look |= {"quote_prefix": True} if harmless(value) != value else {}
            value = value[:MAX_CHARS]
        elif isinstance(value, date):
            look |= {"num_format": "yyyy-mm-dd"}
        style = self._style(look)
        if spans != (1, 1):
            style = self._style(look | {"valign": "top"})
            self._sheet.merge_range(row, col, row + spans[0] - 1, col + spans[1] - 1, "", style)
        else:
            width = max(map(len, str(value).splitlines()), default=0) if value is not None else 0
            self._widths[col] = max(self._widths.get(col, 0), width)
        if isinstance(value, str):
            self._sheet.write_string(row, col, value, style)
        elif isinstance(value, date):
            self._sheet.write_datetime(row, col, value, style)
        elif value is not None:
            self._sheet.write_number(row, col, value, style)

    def keep_in_view(self, n_rows: int) -> None:
        """These rows stay when the others are scrolled."""
        if n_rows:
            self._sheet.freeze_panes(n_rows, 0)

    def end(self) -> None:
        for col, width in self._widths.items():
            self._sheet.set_column(col, col, min(max(width + 2, 6), _WIDEST))

    def _style(self, look: dict[str, object]) -> Any:
        key = tuple(look.items())
        if not look:
            return None
        if key not in self._formats:
            self._formats[key] = self._book.add_format(look)
        return self._formats[key]
