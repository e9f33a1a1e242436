"""The embedded engine's tables: what is one, what its cells are worth, and where its caption stands."""

from __future__ import annotations

import pytest

from aria_docs.media import Page, TableCandidate, TableCell, Word
from aria_docs.model.embedded.tables import tables

BOX = (100.0, 200.0, 400.0, 300.0)


def candidate(rows: list[list[str]], *, n_header_rows: int = 1) -> TableCandidate:
    height, width = 100 / len(rows), 300 / len(rows[0])
    cells = tuple(
        TableCell(
            i,
            j,
            text,
            is_header=i < n_header_rows,
            box=(100 + j * width, 200 + i * height, 100 + (j + 1) * width, 200 + (i + 1) * height),
        )
        for i, row in enumerate(rows)
        for j, text in enumerate(row)
    )
    return TableCandidate(BOX, len(rows), len(rows[0]), n_header_rows, cells)


def lines(*placed: tuple[float, float, str], block: int | None = None) -> tuple[Word, ...]:
    """Words of lines at (x, y), each line a block of its own unless told otherwise."""
    words = []
    for n, (x, y, text) in enumerate(placed):
        for word in text.split():
            words.append(Word(word, (x, y, x + 5 * len(word), y + 10), n if block is None else block, n))
            x += 5 * len(word) + 3
    return tuple(words)


def page(*candidates: TableCandidate, words: tuple[Word, ...] = ()) -> Page:
    return Page(1, 595, 842, "", words=words, candidates=candidates)


ROWS = [["Country", "Rate"], ["Finland", "1.234,5"], ["Sweden", "1.234"]]


def test_numbers_are_read_with_the_tables_own_decimal_sign() -> None:
    (table,) = tables(page(candidate(ROWS)))
    assert [(cell.text, cell.number) for cell in table.cells if cell.number is not None] == [
        ("1.234,5", 1234.5),
        ("1.234", 1234),
    ]
    assert (table.n_rows, table.n_cols, table.n_header_rows) == (3, 2, 1)
    assert [cell.text for cell in table.cells if cell.is_header] == ["Country", "Rate"]


@pytest.mark.parametrize(
    ("words", "caption"),
    [
        (lines((100, 180, "Table 3: Rates by country")), "Table 3: Rates by country"),
        (lines((100, 160, "Table 3: Rates"), (100, 172, "by country"), block=0), "Table 3: Rates by country"),
        (lines((100, 160, "Table 3:"), (150, 158, "Rates by country")), "Table 3: Rates by country"),
        (lines((100, 308, "Tabelle 2 Raten")), "Tabelle 2 Raten"),
        (lines((100, 182, "Rates by country")), "Rates by country"),
        (lines((100, 182, "The rates are as follows:")), None),
        (lines((100, 60, "Table 3: Rates by country")), None),
        (lines((450, 180, "Table 3: Beside it")), None),
        (lines((110, 220, "Table 9: inside")), None),
        ((), None),
    ],
    ids=["above", "two lines", "beside", "below", "title", "sentence", "far", "aside", "inside", "none"],
)
def test_captions(words: tuple[Word, ...], caption: str | None) -> None:
    (table,) = tables(page(candidate(ROWS), words=words))
    assert table.caption == caption


@pytest.mark.parametrize(
    "rows",
    [
        [["a", "b"], ["", ""]],
        [["a", ""], ["b", ""], ["c", ""], ["d", ""]],
        [["•", "first point of a list"], ["•", "second point"], ["•", "third point"]],
        [["1.", "first step"], ["2.", "second step"], ["3.", "third step"]],
        [["Introduction . . . . . . .", "1"], ["Methods . . . . . . . . . .", "7"], ["Results . . . . . .", "12"]],
        [["", "", "", "", ""] for _ in range(5)] + [["0", "10", "20", "30", ""]] + [["40", "", "", "", ""]],
        [["word " * 90, "word " * 90], ["word " * 90, "word " * 90]],
    ],
    ids=["one row", "one column", "bullets", "steps", "contents", "chart", "prose"],
)
def test_what_is_no_table_is_left_out(rows: list[list[str]]) -> None:
    assert tables(page(candidate(rows))) == ()


def test_a_sparse_table_stays() -> None:
    rows = [["Name", "A", "B", "C"], ["x", "1", "", ""], ["y", "", "2", ""], ["z", "", "", "3"]]
    assert len(tables(page(candidate(rows)))) == 1


def test_tables_come_from_the_top() -> None:
    low = candidate(ROWS)
    high = TableCandidate((100, 20, 400, 90), low.n_rows, low.n_cols, 1, low.cells)
    assert [table.box[1] for table in tables(page(low, high))] == [20, 200]


@pytest.mark.parametrize(
    "rows",
    [
        [["x11()", "# for graphics"], ['par(pch = "+")', "# plotting character"], ["library(MASS)", "# a package"]],
        [["int n;", "// how many"], ["double x;", "/* the mean */"], ["return x;", ""]],
        [['"sa",', '"qld",', '"nsw",'], ['"vic",', '"nsw",', '"vic",'], ['"act",', '"nsw")', ""]],
    ],
)
def test_a_program_is_no_table(rows: list[list[str]]) -> None:
    assert tables(page(candidate(rows))) == ()


def test_commas_and_number_signs_do_not_make_a_program() -> None:
    rows = [["Team", "#"], ["Bergen, Norway", "#1"], ["Turku, Finland", "#2"], ["Lund, Sweden", "% of all"]]
    assert len(tables(page(candidate(rows)))) == 1
