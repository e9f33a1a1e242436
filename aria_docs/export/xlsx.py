"""Excel workbooks: a table as it stands on its page, cells that span merged, numbers as numbers.

Text is text: nothing in a workbook is a formula, whatever a document says, and the only links are between its sheets.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aria_docs.errors import QueryError, UsageError
from aria_docs.export import Chosen, Left, Written, make_folder, tables
from aria_docs.formulas import harmless

if TYPE_CHECKING:
    from aria_docs.storage.database import QueryResult, Store

# Excel's own limits ("Excel specifications and limits").
MAX_ROWS, MAX_COLS, MAX_CHARS = 1_048_576, 16_384, 32_767
MAX_SHEETS = 5_000  # one workbook is made in memory, and Excel takes minutes to open more
_LONGEST_NAME = 31  # of a sheet, also Excel's
_WIDEST = 60  # characters of a column

_CELLS = """
    SELECT table_id, row_no, col_no, row_span, col_span, is_header, text, number FROM shown_cells
    WHERE list_contains([{ids}], table_id) ORDER BY table_id, row_no, col_no
"""


def export(store: Store, folder: Path, chosen: Chosen, *, separate: bool = False) -> Iterator[Written | Left]:
    """`tables.xlsx`, with an index and a sheet for each table; separate: a workbook for each table."""
    if separate:
        yield from _export_separately(store, folder, chosen)
        return
    batches = list(tables.batches(store, chosen))
    listed = [table for batch in batches for table in batch]
    if not listed:
        return
    if len(listed) > MAX_SHEETS:
        raise UsageError(
            f"{len(listed):,} tables are more than the {MAX_SHEETS:,} sheets of one workbook: "
            "choose with --path or --where, or add --separate"
        )
    target = folder / "tables.xlsx"
    left: list[Left] = []
    with _workbook(target, title=f"Tables of {store.path.name}") as book:
        names = sheet_names([(Path(table.source).stem, table.page, table.table_no) for table in listed])
        fitting = [(table, name) for table, name in zip(listed, names, strict=True) if _fits(table)]
        left += [_too_large_table(table) for table in listed if not _fits(table)]
        _put_index(_Worksheet(book, "Index"), fitting)
        for at in range(0, len(fitting), tables.AT_ONCE):
            block = fitting[at : at + tables.AT_ONCE]
            cells = _cells(store, [table for table, _ in block])
            for table, name in block:
                sheet = _Worksheet(book, name)
                sheet.link(0, 0, "Index", text=_source_line(table))
                _lay_out(sheet, table, cells.get(table.table_id, []), below=2)
                sheet.end()
    yield from left
    yield Written(target, None, {"tables": [table.facts(table.n_rows - table.n_header_rows) for table, _ in fitting]})


def _export_separately(store: Store, folder: Path, chosen: Chosen) -> Iterator[Written | Left]:
    for batch in tables.batches(store, chosen):
        cells = _cells(store, batch)
        for table in batch:
            if not _fits(table):
                yield _too_large_table(table)
                continue
            target = make_folder(folder / table.name.parent) / f"{table.name.name}.xlsx"
            with _workbook(target, title=table.caption or "") as book:
                sheet = _Worksheet(book, "Table")
                _lay_out(sheet, table, cells.get(table.table_id, []))
                sheet.end()
            yield Written(target, table.source, table.facts(table.n_rows - table.n_header_rows))


def export_stacked(store: Store, folder: Path, chosen: Chosen) -> Iterator[Written | Left]:
    """`stacks.xlsx`, with an index and a sheet for each stack."""
    stacks = tables.stacks(store, chosen)
    target = folder / "stacks.xlsx"
    n_rows: dict[str, int] = {}
    left: list[Left] = []
    with _workbook(target, title=f"Stacks of {store.path.name}") as book:
        index = _Worksheet(book, "Index")
        head = ("Sheet", "Tables", "Files", "Rows", "Why", "A caption", "View")
        for col, text in enumerate(head):
            index.put(0, col, text, header=True)
        for number, stack in enumerate(stacks, start=1):
            answer = store.ask(stack.query)
            if len(answer.rows) + 1 > MAX_ROWS or len(answer.names) > MAX_COLS:
                left.append(Left(stack.name, _too_large(stack.name, len(answer.rows))))
                continue
            name = _clean(f"{number} {stack.caption or stack.name.removeprefix('stacked_')}")
            index.link(number, 0, name, text=name)
            facts = (stack.n_tables, stack.n_files, len(answer.rows), stack.why, stack.caption, stack.name)
            for col, value in enumerate(facts, start=1):
                index.put(number, col, value)
            _put_rows(_Worksheet(book, name), answer.names, answer.rows)
            n_rows[stack.name] = len(answer.rows)
        index.keep_in_view(1)
        index.end()
    yield from left
    yield Written(
        target, None, {"stacks": [stack.facts(n_rows[stack.name]) for stack in stacks if stack.name in n_rows]}
    )


def write_answer(target: Path, answer: QueryResult) -> None:
    """A query's answer as a workbook of one sheet. Raises UsageError, QueryError where it is too large for one."""
    if len(answer.rows) + 1 > MAX_ROWS or len(answer.names) > MAX_COLS:
        raise _too_large("the answer", len(answer.rows))
    with _workbook(target, title="aria-docs sql") as book:
        _put_rows(_Worksheet(book, "Answer"), answer.names, answer.rows)


def write_table(target: Path, store: Store, table_id: str) -> None:
    """One table as a workbook, with its source above it. Raises UsageError, QueryError where it is too large."""
    [[table]] = list(tables.batches(store, Chosen(tables=(table_id,))))
    if not _fits(table):
        raise _too_large(table_id, table.n_rows)
    with _workbook(target, title=table.caption or "") as book:
        sheet = _Worksheet(book, "Table")
        sheet.put(0, 0, _source_line(table))
        _lay_out(sheet, table, _cells(store, [table]).get(table_id, []), below=2)
        sheet.end()


def _put_rows(sheet: _Worksheet, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    for row_no, row in enumerate([names, *rows]):
        for col_no, value in enumerate(row):
            sheet.put(row_no, col_no, value, header=row_no == 0)
    sheet.keep_in_view(1)
    sheet.end()


def _too_large(name: str, n_rows: int) -> QueryError:
    return QueryError(f"{name} has {n_rows:,} rows, more than the {MAX_ROWS:,} of a worksheet: export csv or parquet")


def _fits(table: tables.Listed) -> bool:
    return table.n_rows + 2 <= MAX_ROWS and table.n_cols <= MAX_COLS


def _too_large_table(table: tables.Listed) -> Left:
    return Left(table.source, _too_large(table.table_id, table.n_rows))


def _cells(store: Store, listed: Sequence[tables.Listed]) -> dict[str, list[tuple[Any, ...]]]:
    """table_id → its cells in order."""
    ids = ", ".join(f"'{table.table_id}'" for table in listed)
    cells: dict[str, list[tuple[Any, ...]]] = {}
    for row in store.records(_CELLS.format(ids=ids)):
        cells.setdefault(row.pop("table_id"), []).append(tuple(row.values()))
    return cells


def _source_line(table: tables.Listed) -> str:
    caption = f": {table.caption}" if table.caption else ""
    return f"{Path(table.source).name}, page {table.page}, table {table.table_no + 1}{caption}"


def _put_index(sheet: _Worksheet, listed: Sequence[tuple[tables.Listed, str]]) -> None:
    for col, text in enumerate(("Sheet", "File", "Page", "Table", "Caption", "Rows", "Columns", "table_id", "Path")):
        sheet.put(0, col, text, header=True)
    for row, (table, name) in enumerate(listed, start=1):
        sheet.link(row, 0, name, text=name)
        facts = (Path(table.source).name, table.page, table.table_no + 1, table.caption, table.n_rows, table.n_cols)
        for col, value in enumerate((*facts, table.table_id, table.source), start=1):
            sheet.put(row, col, value)
    sheet.keep_in_view(1)
    sheet.end()


def _lay_out(sheet: _Worksheet, table: tables.Listed, cells: Sequence[tuple[Any, ...]], *, below: int = 0) -> None:
    """The cells as they stand on the page, `below` rows down.

    A span that reaches over another cell or the edge is not merged: a model's answer may have one.
    """
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
        sheet.put(row + below, col, value, header=is_header and row < table.n_header_rows, spans=spans)
    sheet.keep_in_view(below + table.n_header_rows)


@contextmanager
def _workbook(target: Path, *, title: str) -> Iterator[Any]:
    """A workbook, written at the end. Raises UsageError where the library is missing or the file cannot be written."""
    try:
        import xlsxwriter
    except ModuleNotFoundError as e:
        raise UsageError("XlsxWriter is not installed: pip install 'aria-docs[export]' brings it") from e
    book = xlsxwriter.Workbook(str(target), {"strings_to_formulas": False, "strings_to_urls": False})
    book.set_properties({"title": title[:255]})
    yield book
    try:
        book.close()
    except xlsxwriter.exceptions.FileCreateError as e:
        raise UsageError(f"{target} cannot be written ({e}): name another with -o") from e


def sheet_names(places: Sequence[tuple[str, int, int]]) -> list[str]:
    """Names of sheets, unlike each other, from (stem of the file, page, table_no): "annual_report 3-1", table 1 of page
    3. Excel allows 31 characters and some signs not; people count tables from 1."""
    used: set[str] = {"index"}
    names = []
    for stem, page, table_no in places:
        where = f" {page}-{table_no + 1}"
        for again in itertools.count(1):
            end = where if again == 1 else f" ({again}){where}"
            name = _clean(stem)[: _LONGEST_NAME - len(end)].strip() + end
            if name.casefold() not in used:
                break
        used.add(name.casefold())
        names.append(name)
    return names


def _clean(name: str) -> str:
    return re.sub(r"[\[\]:*?/\\\x00-\x1f]+", " ", name).strip(" '")[:_LONGEST_NAME].strip(" '") or "Table"


class _Worksheet:
    """One worksheet. The formats are the workbook's: kept with it, for a book may have 5,000 sheets."""

    def __init__(self, book: Any, name: str) -> None:
        self._book = book
        self._sheet = book.add_worksheet(name)
        self._formats: dict[tuple[tuple[str, object], ...], Any] = book.__dict__.setdefault("aria_docs_formats", {})
        self._widths: dict[int, int] = {}

    def put(self, row: int, col: int, value: Any, *, header: bool = False, spans: tuple[int, int] = (1, 1)) -> None:
        """A cell, `spans` rows and columns large."""
        look: dict[str, object] = {}
        if header:
            look |= {"bold": True, "bottom": 1, "text_wrap": True}
        if isinstance(value, str):
            # Excel's own mark for "this is text": it stays when the cell is edited, and is not part of the text.
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

    def link(self, row: int, col: int, sheet: str, *, text: str) -> None:
        """A cell that leads to another sheet."""
        quoted = sheet.replace("'", "''")
        self._sheet.write_url(row, col, f"internal:'{quoted}'!A1", string=text[:MAX_CHARS])
        if row and col not in self._widths:
            self._widths[col] = len(text)

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
