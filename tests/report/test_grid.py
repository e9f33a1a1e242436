"""What is shown of a table, and what a spreadsheet gets of it."""

import csv
import io

import pytest

from aria_docs.report.content import CellView, TableContent
from aria_docs.report.grid import MAX_COLS, MAX_ROWS, as_csv, lay_out, rows_shown


def cell(row: int, col: int, text: str = "x", *, span: tuple[int, int] = (1, 1), head: bool = False) -> CellView:
    number = float(text) if text.lstrip("-").isdigit() else None
    return CellView(row, col, *span, is_header=head, text=text, number=number, box=None, grounded=True)


def table(*cells: CellView, n_rows: int, n_cols: int) -> TableContent:
    return TableContent("t", 1, 0, None, n_rows, n_cols, None, None, None, cells)


def shape(content: TableContent, n_rows: int) -> list[list[tuple[str, int, int] | None]]:
    rows = lay_out(content, n_rows=n_rows).rows
    return [[(s.cell.text, s.row_span, s.col_span) if s.cell else None for s in slots] for slots in rows]


def test_spans_cover_and_holes_stay() -> None:
    content = table(cell(0, 0, "a", span=(2, 1)), cell(0, 1, "b", span=(1, 2)), cell(1, 2, "c"), n_rows=2, n_cols=3)
    assert shape(content, 2) == [[("a", 2, 1), ("b", 1, 2)], [None, ("c", 1, 1)]]


def test_a_span_ends_where_the_shown_part_ends() -> None:
    content = table(cell(0, 0, "a", span=(9, 9)), n_rows=9, n_cols=9)
    assert shape(content, 2) == [[("a", 2, 9)], []]


def test_what_is_cut_is_said() -> None:
    wide = table(cell(0, 0), n_rows=3_000, n_cols=MAX_COLS + 1)
    assert lay_out(wide, n_rows=MAX_ROWS).cut == "Shown: 100 of 3,000 rows, 60 of 61 columns"
    assert lay_out(table(cell(0, 0), n_rows=1, n_cols=1), n_rows=1).cut is None


@pytest.mark.parametrize(
    ("n_rows", "n_cols", "cells_left", "shown"),
    [(7, 3, 40_000, 7), (500, 3, 40_000, 100), (50, 10, 120, 12), (50, 10, 0, 5)],
)
def test_rows_shown(n_rows: int, n_cols: int, cells_left: int, shown: int) -> None:
    assert rows_shown(n_rows, n_cols, cells_left=cells_left) == shown


def test_header_rows_end_before_the_body_and_no_span_crosses() -> None:
    head, body = cell(0, 0, "h", head=True), cell(1, 0, "1")
    assert lay_out(table(head, body, n_rows=2, n_cols=1), n_rows=2).n_header_rows == 1
    tall = cell(0, 0, "h", head=True, span=(2, 1))
    assert lay_out(table(tall, cell(1, 1, "1"), n_rows=2, n_cols=2), n_rows=2).n_header_rows == 0


def test_columns_of_numbers_stand_to_the_right_with_their_heads() -> None:
    content = table(
        cell(0, 0, "name", head=True), cell(0, 1, "sum", head=True), cell(1, 0, "a"), cell(1, 1, "5"), cell(2, 1, "–"),
        cell(3, 1, "7"), n_rows=4, n_cols=2,
    )  # fmt: skip
    rows = lay_out(content, n_rows=4).rows
    assert [slot.to_right for slots in rows for slot in slots if slot.cell] == [False, True, False, True, True, True]


def test_no_text_of_a_csv_is_a_formula() -> None:
    content = table(cell(0, 0, "=cmd|'/C calc'!A0"), cell(0, 1, "plain = text"), n_rows=1, n_cols=2)
    assert as_csv(content) == "'=cmd|'/C calc'!A0,plain = text\r\n"


def test_csv_has_the_whole_table() -> None:
    content = table(cell(0, 0, "a", span=(1, 2)), cell(0, 2, 'q"uote, and\nline'), cell(2, 1, "-5"), n_rows=3, n_cols=3)
    assert list(csv.reader(io.StringIO(as_csv(content)))) == [
        ["a", "", 'q"uote, and\nline'],
        ["", "", ""],
        ["", "-5", ""],
    ]
