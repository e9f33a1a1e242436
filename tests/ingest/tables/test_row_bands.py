"""Lines of tables without rules between rows, as browsers and word processors set them: which of them are one row."""

import pytest

from aria_docs.ingest.tables.open_table import open_table
from aria_docs.media import Word

EDGES = [95.0, 165.0]
WIDTH = 5.0  # of a letter

Cells = tuple[tuple[str, ...], ...]  # by column: the lines of its cell


def words(*rows: Cells, valign: float, padding: float) -> list[Word]:
    """Rows of cells in three columns; valign: 0 at the top, .5 in the middle, 1 at the foot. A line takes 12 points."""
    found, top = [], 0.0
    for row in rows:
        n = max(map(len, row))
        for lines, x in zip(row, (10, 100, 170), strict=True):
            y = top + 12 * valign * (n - len(lines))
            for line in lines:
                at = float(x)
                for text in line.split():
                    found.append(Word(text, (at, y, at + WIDTH * len(text), y + 10)))
                    at += WIDTH * (len(text) + 0.5)
                y += 12
        top += 12 * n + padding
    return found


HEAD: Cells = (("Article",), ("Ordered",), ("Remark",))
WRAPPED: tuple[Cells, ...] = (
    (("Copper valve",), ("17.03.2021",), ("Sent by the", "northern depot")),
    (("Cotton bale",), ("25.09.2011",), ("None",)),
    (("License for a", "storage server"), ("12",), ("Renewed twice", "since the last", "audit")),
    (("Paper",), ("301",), ("Out of stock",)),
)


@pytest.mark.parametrize("padding", [1.0, 4.0])
@pytest.mark.parametrize("valign", [0.0, 0.5, 1.0])
def test_wrapped_cells_are_of_their_row_however_they_are_set(valign: float, padding: float) -> None:
    found = rows(words(HEAD, *WRAPPED, valign=valign, padding=padding))
    assert found[1:] == [[" ".join(lines) for lines in row] for row in WRAPPED]


def test_a_heading_is_a_row_of_its_own_whatever_stands_below_and_above() -> None:
    heading: Cells = (("Machines of all", "kinds"), (), ())
    table = rows(words(HEAD, WRAPPED[1], heading, WRAPPED[3], valign=0, padding=0))
    assert [row[0] for row in table] == ["Article", "Cotton bale", "Machines of all kinds", "Paper"]


@pytest.mark.parametrize("texts", [("12", "345"), ("C1", "C2"), ("X", "X"), ("1.5", "(0.2)")])
def test_values_of_one_column_are_of_several_rows(texts: tuple[str, str]) -> None:
    first, second = texts
    body: tuple[Cells, ...] = ((("Paper",), (first,), ("Wood",)), ((), (second,), ("Straw",)))
    assert len(rows(words(HEAD, WRAPPED[1], *body, WRAPPED[3], valign=0, padding=0))) == 5


def test_a_cell_may_have_many_lines() -> None:
    text = ("The first line of", *(f"many that go on{'n' * (n % 3)}" for n in range(20)))
    body: tuple[Cells, ...] = (WRAPPED[1], (("License",), ("12",), text), WRAPPED[3])
    assert [row[0] for row in rows(words(HEAD, *body, valign=0, padding=4))] == [
        "Article", "Cotton bale", "License", "Paper",
    ]  # fmt: skip


def test_small_names_below_each_other_are_rows() -> None:
    names = ("taxol", "quinine", "digoxin", "codeine")
    body = [((name,), ("Yew",), ("Cancer",) if name == "taxol" else ()) for name in names]
    assert [row[0] for row in rows(words(HEAD, *body, valign=0, padding=0))][1:] == list(names)


def rows(found: list[Word]) -> list[list[str]]:
    table = open_table((0, -5, 300, 400), found, EDGES, [])
    assert table
    grid = [["" for _ in range(table.n_cols)] for _ in range(table.n_rows)]
    for cell in table.cells:
        grid[cell.row][cell.col] = cell.text
    return grid
