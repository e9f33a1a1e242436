"""A model's cells among a page's words: known answers, on pages drawn in text."""

import re
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aria_docs.media import Page, Word
from aria_docs.model.cell_grid import grid
from aria_docs.model.grounding import hint_box, table
from aria_docs.model.page_words import PageWords, plain
from aria_docs.model.profiles.aria import ARIA
from aria_docs.schemas.answers import SpanAnswer
from aria_docs.tiling.budget import page_part
from aria_docs.tiling.resolution import MEDIUM, ULTRA

ACROSS, DOWN, HEIGHT = 5.0, 14.0, 10.0  # of a character, from line to line, of a word; in points


def drawn(text: str) -> Page:
    """A page as it is drawn here: a column is 5 pt, a line 14 pt."""
    words = [
        Word(match.group(), (match.start() * ACROSS, y * DOWN, match.end() * ACROSS, y * DOWN + HEIGHT))
        for y, line in enumerate(dedent(text).strip("\n").split("\n"))
        for match in re.finditer(r"\S+", line)
    ]
    return Page(1, 595.0, 842.0, text, tuple(words))


def found(page: Page, rows, *, spans=(), hint=None, taken=None, header_rows=1):
    cells = grid(rows, [SpanAnswer(row=r, col=c, rows=d, cols=a) for r, c, d, a in spans], header_rows=header_rows)
    assert cells
    words = PageWords(page.words)
    return table(cells, words, page, caption=None, hint=hint, taken=set() if taken is None else taken)


def places(answer) -> dict[tuple[int, int], tuple[int, int, int] | None]:
    """(row, col) of a cell with a text → (line, first character, last character + 1) of its box."""
    return {
        (cell.row, cell.col): (round(cell.box[1] / DOWN), round(cell.box[0] / ACROSS), round(cell.box[2] / ACROSS))
        if cell.box
        else None
        for cell in answer.cells
        if cell.text
    }


def test_a_plain_table_and_its_box() -> None:
    page = drawn("""
        Trade of the year 2019
        Year    km   t
        2019     7   7
        2020     7   8
        We saw 7 ships in 2020.
    """)
    answer = found(page, [["Year", "km", "t"], ["2019", "7", "7"], ["2020", "7", "8"]])
    assert answer.grounded == 1.0
    assert places(answer) == {
        (0, 0): (1, 0, 4),
        (0, 1): (1, 8, 10),
        (0, 2): (1, 13, 14),
        (1, 0): (2, 0, 4),
        (1, 1): (2, 9, 10),
        (1, 2): (2, 13, 14),
        (2, 0): (3, 0, 4),
        (2, 1): (3, 9, 10),
        (2, 2): (3, 13, 14),
    }
    assert answer.box == (0, DOWN, 14 * ACROSS, 3 * DOWN + HEIGHT)


def test_numbers_that_repeat_go_to_their_own_columns_and_rows() -> None:
    page = drawn("""
        Port    A   B   C
        North   0       0
        South   0   0
        East        0   0
        West            0
    """)
    rows = [["Port", "A", "B", "C"], ["North", "0", "", "0"], ["South", "0", "0", ""]]
    answer = found(page, [*rows, ["East", "", "0", "0"], ["West", "", "", "0"]])
    assert answer.grounded == 1.0
    assert {cell: place for cell, place in places(answer).items() if cell[0] and cell[1]} == {
        (1, 1): (1, 8, 9),
        (1, 3): (1, 16, 17),
        (2, 1): (2, 8, 9),
        (2, 2): (2, 12, 13),
        (3, 2): (3, 12, 13),
        (3, 3): (3, 16, 17),
        (4, 3): (4, 16, 17),
    }
    empty = [cell for cell in answer.cells if not cell.text]
    assert len(empty) == 5 and all(cell.grounded and cell.box is None for cell in empty)


def test_a_table_of_one_number_goes_row_by_row() -> None:
    page = drawn("1  1  1\n1  1  1\n1  1  1")
    answer = found(page, [["1"] * 3] * 3, header_rows=0)
    assert places(answer) == {(row, col): (row, 3 * col, 3 * col + 1) for row in range(3) for col in range(3)}


def test_what_the_page_does_not_say_is_not_found() -> None:
    page = drawn("""
        Year    km
        2019     7
        2020     8
    """)
    answer = found(page, [["Year", "km"], ["2019", "9"], ["2021", "8"]])
    assert places(answer)[1, 1] is None and places(answer)[2, 0] is None
    assert places(answer)[2, 1] == (2, 9, 10)
    assert answer.grounded == pytest.approx(4 / 6)


def test_a_number_far_from_its_table_is_not_its_cell() -> None:
    page = drawn("""
        Year    km
        2019     7
        2020     8





        In 2021 there were 9 of them.
    """)
    answer = found(page, [["Year", "km"], ["2019", "7"], ["2020", "8"], ["2021", "9"]])
    assert places(answer)[3, 0] is None and places(answer)[3, 1] is None
    assert answer.box[3] == 2 * DOWN + HEIGHT


def test_of_two_tables_alike_each_takes_its_own_words() -> None:
    page = drawn("""
        Year    km
        2019     7

        Year    km
        2019     7
    """)
    taken: set[int] = set()
    tables = [found(page, [["Year", "km"], ["2019", "7"]], taken=taken) for _ in range(3)]
    assert [answer.box[1] for answer in tables[:2]] == [0, 3 * DOWN]
    assert [answer.grounded for answer in tables] == [1.0, 1.0, 0.0]


def test_the_hint_decides_between_tables_alike() -> None:
    page = drawn("Year    km\n2019     7\n\n\n\n\n\nYear    km\n2019     7")
    answer = found(page, [["Year", "km"], ["2019", "7"]], hint=(0, 7 * DOWN, 100, 9 * DOWN))
    assert places(answer) == {(0, 0): (7, 0, 4), (0, 1): (7, 8, 10), (1, 0): (8, 0, 4), (1, 1): (8, 9, 10)}


def test_a_wrong_hint_hides_nothing() -> None:
    page = drawn("Year    km\n2019     7")
    assert found(page, [["Year", "km"], ["2019", "7"]], hint=(300, 600, 500, 800)).grounded == 1.0


def test_texts_over_several_lines_and_values_beside_their_middle() -> None:
    page = drawn("""
        Item            2019   2020
        Goods sold to
        customers          5      6
        abroad
        Transporta-        5      7
        tion
    """)
    rows = [["Item", "2019", "2020"], ["Goods sold to customers abroad", "5", "6"], ["Transportation", "5", "7"]]
    answer = found(page, rows)
    assert answer.grounded == 1.0
    assert places(answer)[1, 0] == (1, 0, 13) and places(answer)[1, 1] == (2, 19, 20)
    assert places(answer)[2, 0] == (4, 0, 11) and places(answer)[2, 1] == (4, 19, 20)
    assert answer.cells[3].box == (0, DOWN, 13 * ACROSS, 3 * DOWN + HEIGHT)


def test_cells_over_rows_and_columns() -> None:
    page = drawn("""
                      Trade
                   2019   2020
        Asia  in      5      6
              out     5      5
    """)
    rows = [["", "", "Trade", ""], ["", "", "2019", "2020"], ["Asia", "in", "5", "6"], ["", "out", "5", "5"]]
    answer = found(page, rows, spans=[(0, 2, 1, 2), (2, 0, 2, 1), (0, 0, 2, 2)], header_rows=2)
    assert answer.grounded == 1.0
    assert places(answer)[0, 2] == (0, 14, 19) and places(answer)[2, 0] == (2, 0, 4)
    assert places(answer)[3, 3] == (3, 21, 22) and places(answer)[3, 2] == (3, 14, 15)


def test_without_words_nothing_is_grounded() -> None:
    page = Page(1, 595.0, 842.0, "")
    answer = found(page, [["Year", ""], ["2019", "7"]])
    assert not any(cell.grounded for cell in answer.cells)
    assert answer.box == (0.0, 0.0, 595.0, 842.0)
    assert found(page, [["7"]], hint=(10, 20, 30, 40)).box == (10, 20, 30, 40)


def test_the_hint_widens_the_box_of_a_table_hardly_found() -> None:
    page = drawn("Year")
    answer = found(page, [["Year", "km"], ["2019", "7"]], hint=(0, 0, 200, 300))
    assert answer.grounded == 0.25 and answer.box == (0, 0, 200, 300)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("1 234", "1 234"),
        ("1 234", "1234"),
        ("1234", "1 234"),
        ("1 234 567", "1\u202f234\u202f567"),
        ("$5", "$ 5"),
        ("$ 5", "$5"),
        ("$     5", "$ 5"),
        ("12*", "12"),
        ("Sales......", "Sales"),
        ("eﬃciency", "efficiency"),
        ("(12   )", "(12)"),
        ("45 %", "45%"),
        ("−12", "-12"),
        ("–", "-"),
        ("don’t", "don't"),
        ("１２", "12"),
        ("soft\u00adhyphen", "softhyphen"),
        ("1’234", "1'234"),
    ],
)
def test_writings_of_one_text(words, text) -> None:
    assert len(PageWords(drawn(words).words).places(text)) == 1


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("1,234", "1234"),
        ("1,234", "1.234"),
        ("12   34", "1234"),
        ("12     345", "12345"),
        ("1234", "12 34"),
        ("10²", "102"),
        ("12", "1"),
        ("Total", "total"),
        ("12", "123"),
        ("34 12", "12 34"),
        ("", "x"),
        ("x", ""),
        ("-", "..."),
    ],
)
def test_different_texts(words, text) -> None:
    assert PageWords(drawn(words).words).places(text) == ()


def test_what_is_printed_twice_stands_once() -> None:
    words = drawn("Bold").words
    assert len(PageWords(words + words).places("Bold")) == 1


def test_plain_parts() -> None:
    assert plain("ﬁve –\u00a0“5”") == ["five", "-", '"5"']


@pytest.mark.parametrize("mode", [MEDIUM, ULTRA])
def test_a_hint_in_thousandths_and_in_pixels(mode) -> None:
    layout = page_part(1, 600.0, 800.0, mode).layout
    assert hint_box([100, 250, 500, 750], layout, ARIA.box_edges(layout)) == pytest.approx((60, 200, 300, 600))
    assert hint_box([500, 750, 100, 250], layout, (1000, 1000)) == pytest.approx((60, 200, 300, 600))
    across, down = layout.overview_px
    assert hint_box([across // 2, 0, across, down], layout, (across, down)) == pytest.approx((300, 0, 600, 800), abs=1)
    assert hint_box([0, 0, 9999, 9999], layout, (1000, 1000)) == (0, 0, 600, 800)
    assert hint_box([5, 5, 5, 900], layout, (1000, 1000)) is None
    assert hint_box([2000, 0, 3000, 900], layout, (1000, 1000)) is None


@pytest.mark.parametrize(("n_lines", "n_words"), [(200, 10), (1, 2000)])
def test_a_page_full_of_one_number(n_lines, n_words) -> None:
    page = drawn("\n".join([" ".join("0" * n_words)] * n_lines))
    answer = found(page, [["0"] * min(n_words, 64)] * n_lines, header_rows=0)
    assert answer.grounded == 1.0


def test_a_long_text_of_one_word_ends() -> None:
    page = drawn("\n".join([" ".join("a" * 60)] * 60))
    assert found(page, [["a " * 299 + "b", "aa" * 299 + "b"]] * 2).grounded == 0.0


CELL = st.sampled_from(["", "0", "7", "12", "1 234", "Total", "a b", "–"])


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.lists(CELL, min_size=1, max_size=5), min_size=1, max_size=6), data=st.data())
def test_a_drawn_table_is_found_where_it_was_drawn(rows, data) -> None:
    n_cols = max(map(len, rows))
    rows = [row + [""] * (n_cols - len(row)) for row in rows]
    drawing = "\n".join("".join(text.ljust(12) for text in row) for row in rows)
    cells = grid(rows, [], header_rows=0)
    if cells is None:
        return
    page = drawn("X\n" + drawing.replace("1 234", "1\xa0234"))
    answer = found(page, rows, header_rows=0)
    expected = {
        (row, col): (row + 1, 12 * col) for row, texts in enumerate(rows) for col, text in enumerate(texts) if text
    }
    got = {cell: place and place[:2] for cell, place in places(answer).items()}
    used = [cell.box for cell in answer.cells if cell.box]
    assert len(used) == len(set(used))
    if all(any(row) for row in rows) and all(any(row[col] for row in rows) for col in range(n_cols)):
        assert answer.grounded == 1.0
        full = [row for row in range(len(rows)) if all(rows[row])]
        assert {cell: place for cell, place in got.items() if cell[0] in full} == {
            cell: place for cell, place in expected.items() if cell[0] in full
        }
