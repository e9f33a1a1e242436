"""Rows and spans → cells: known answers."""

import pytest

from aria_docs.model.cell_grid import grid, tidy
from aria_docs.schemas.answers import SpanAnswer


def span(row, col, rows, cols) -> SpanAnswer:
    return SpanAnswer(row=row, col=col, rows=rows, cols=cols)


def shapes(rows, *spans, header_rows=1):
    found = grid(rows, spans, header_rows=header_rows)
    places = [
        (cell.row + down, cell.col + right)
        for cell in found.cells
        for down in range(cell.row_span)
        for right in range(cell.col_span)
    ]
    assert sorted(places) == [(row, col) for row in range(found.n_rows) for col in range(found.n_cols)]
    return {(cell.row, cell.col): (cell.text, cell.row_span, cell.col_span) for cell in found.cells}


@pytest.mark.parametrize("rows", [[], [[]], [[], []], [["", " "], ["\x00"]]])
def test_nothing_is_no_table(rows) -> None:
    assert grid(rows, [span(0, 0, 1, 2)], header_rows=3) is None


def test_ragged_rows_are_filled_up() -> None:
    found = grid([["a"], [], ["1", "2", "3"]], [], header_rows=9)
    assert (found.n_rows, found.n_cols, found.n_header_rows) == (3, 3, 3)
    assert [cell.text for cell in found.cells] == ["a", "", "", "", "", "", "1", "2", "3"]
    assert all(cell.is_header and not cell.grounded and cell.box is None for cell in found.cells)


def test_a_span_covers_empty_places() -> None:
    found = shapes([["Trade", ""], ["2019", "2020"]], span(0, 0, 1, 2))
    assert found == {(0, 0): ("Trade", 1, 2), (1, 0): ("2019", 1, 1), (1, 1): ("2020", 1, 1)}


def test_a_text_repeated_under_its_span_is_one() -> None:
    assert shapes([["Trade", "Trade"], ["1", "2"]], span(0, 0, 1, 2))[0, 0] == ("Trade", 1, 2)


@pytest.mark.parametrize(
    "spans",
    [
        [span(0, 0, 1, 3)],  # out of the table
        [span(5, 0, 1, 2)],
        [span(999, 99, 999, 99)],
        [span(1, 0, 1, 2)],  # over another text
        [span(0, 0, 1, 1)],  # none at all
    ],
)
def test_spans_that_cannot_be_are_ignored(spans) -> None:
    assert shapes([["Trade", ""], ["2019", "2020"]], *spans)[0, 0] == ("Trade", 1, 1)


def test_of_overlapping_spans_the_first_counts() -> None:
    found = shapes([["A", "", ""], ["", "", ""]], span(0, 0, 1, 2), span(0, 1, 2, 2), span(1, 0, 1, 3))
    assert found == {(0, 0): ("A", 1, 2), (0, 2): ("", 1, 1), (1, 0): ("", 1, 3)}


def test_numbers_by_the_rule_of_the_table() -> None:
    found = grid([["Betrag"], ["1.234,50"], ["1.234"], ["(12)"], ["–"]], [], header_rows=1)
    assert [cell.number for cell in found.cells] == [None, 1234.5, 1234, -12, None]
    assert [cell.is_header for cell in found.cells] == [True, False, False, False, False]


def test_texts_on_one_line_without_what_cannot_be_seen() -> None:
    assert tidy(" a\n\tb\x00\u200bc\u00a0d ") == "a bc d"
