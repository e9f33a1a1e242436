"""The chance that a cell is right, and what the page says against it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from aria_docs.media import Table, TableCell, Word
from aria_docs.model import confidence
from aria_docs.model.confidence import How, judge
from aria_docs.model.confidence_weights import WEIGHTS
from aria_docs.model.numbers import numbers

ROWS = [["Item", "2025", "2024"], ["Ferries", "1,204", "1,151"], ["Trams", "96", ""], ["Total", "1,300", "1,151"]]
OPEN = How("ruled", seen=(4, 3))


def box_of(row: int, col: int) -> tuple[float, float, float, float]:
    return (100.0 * col, 20.0 * row, 100.0 * col + 90, 20.0 * row + 15)


def table(rows: list[list[str]] = ROWS, **more: Any) -> Table:
    values = numbers([text for row in rows for text in row], [col for row in rows for col in range(len(row))])
    cells = tuple(
        TableCell(r, c, text, is_header=r == 0, number=values[r * len(row) + c], box=box_of(r, c))
        for r, row in enumerate(rows)
        for c, text in enumerate(row)
    )
    box = (0.0, 0.0, 100.0 * len(rows[0]), 20.0 * len(rows))
    return Table(box, len(rows), len(rows[0]), 1, cells, **more)


def words(rows: list[list[str]] = ROWS, **sure: float) -> tuple[Word, ...]:
    """Each cell's text as one word in its box; `sure` by the text, with _ for a comma."""
    return tuple(
        Word(text, (x0 + 2, y0 + 2, x0 + 2 + 6 * len(text), y0 + 13), sure=sure.get(text.replace(",", "_"), 1.0))
        for r, row in enumerate(rows)
        for c, text in enumerate(row)
        if text
        for x0, y0, *_ in [box_of(r, c)]
    )


def of(table: Table, row: int, col: int) -> float:
    [cell] = [cell for cell in table.cells if (cell.row, cell.col) == (row, col)]
    assert cell.confidence is not None
    return cell.confidence


def test_every_cell_has_a_confidence_headers_and_empty_ones_too() -> None:
    found = judge(table(), words(), OPEN)
    assert all(cell.confidence is not None and 0 < cell.confidence < 1 for cell in found.cells)
    assert found.confidence is not None and 0 < found.confidence < 1
    assert of(found, 2, 2) > of(found, 2, 0), "an empty cell says less that may be wrong"


@pytest.mark.parametrize("how", [How("lattice"), How("open"), How("model", from_ocr=True)])
def test_whatever_read_it(how: How) -> None:
    assert all(cell.confidence for cell in judge(table(), words(), how).cells)
    assert all(cell.confidence for cell in judge(table(), (), how).cells)


def test_no_weight_makes_a_cell_surer() -> None:
    assert all(weight >= 0 for weight in WEIGHTS.values())


def test_a_network_that_counts_other_rows_speaks_against_all_cells() -> None:
    same, joined = (judge(table(), words(), How("ruled", seen=seen)) for seen in ((4, 3), (8, 3)))
    assert all(of(joined, row, col) < of(same, row, col) for row in range(4) for col in range(3))
    assert (joined.confidence or 0) < (same.confidence or 0)
    ruled = judge(table(), words(), How("lattice", seen=(8, 3)))
    assert of(ruled, 1, 1) == of(judge(table(), words(), How("lattice")), 1, 1), "lines part the rows"


def test_what_ocr_is_not_sure_of_is_less_sure_and_named() -> None:
    found = judge(table(), words(Trams=0.2), OPEN)
    assert of(found, 2, 0) < of(found, 1, 0)
    [check] = [check for check in found.checks if check.kind == "ocr"]
    assert (check.holds, check.row, check.col, check.suspects) == (False, 2, 0, ((2, 0),))
    assert check.note == "OCR is sure of 'Trams' with 20% only"


def test_a_word_in_no_cell_and_a_word_in_two_are_named() -> None:
    assert [check.kind for check in judge(table(), words(), OPEN).checks if not check.holds] == []
    stray = Word("lost", (191.5, 22.0, 198.0, 33.0))
    [check] = [check for check in judge(table(), (*words(), stray), OPEN).checks if check.kind == "words"]
    assert (check.row, check.col, check.suspects) == (1, None, ((1, 1),))
    assert check.note == "'lost' stands in the table and in no cell"
    twice = table()
    cells = tuple(
        replace(cell, box=(0.0, 20.0, 190.0, 35.0)) if (cell.row, cell.col) == (1, 1) else cell for cell in twice.cells
    )
    [check] = [c for c in judge(replace(twice, cells=cells), words(), OPEN).checks if c.kind == "words"]
    assert set(check.suspects) == {(1, 0), (1, 1)}
    assert check.note == "'Ferries' stands in the table and in 2 cells"


def test_a_number_that_the_page_has_otherwise() -> None:
    said = [list(row) for row in ROWS]
    said[1][1] = "1,294"
    read = table(said)
    cells = tuple(replace(c, box=None, grounded=False) if (c.row, c.col) == (1, 1) else c for c in read.cells)
    found = judge(replace(read, cells=cells), words(), How("model"))
    [check] = [check for check in found.checks if check.kind == "text"]
    assert (check.suspects, check.expected, check.found, check.mend) == (((1, 1),), 1204.0, 1294.0, 1204.0)
    assert of(found, 1, 1) < 0.5 < of(found, 1, 2)


def test_a_cell_that_a_failed_check_names_is_less_sure_and_surer_once_it_holds() -> None:
    wrong = [list(row) for row in ROWS]
    wrong[1][1], wrong[2][2], wrong[3][2] = "1,294", "88", "1,239"
    found = judge(table(wrong), words(wrong), OPEN)
    [check] = [check for check in found.checks if not check.holds]
    named = confidence.against(found.checks)
    assert set(named) == set(check.suspects) and (1, 1) in named
    assert of(found, 1, 1) < of(found, 1, 2)
    before = of(found, 1, 1)
    after = confidence.recheck(before, named[1, 1], 0.0)
    assert after > before
    assert confidence.recheck(after, 0.0, named[1, 1]) == pytest.approx(before, abs=2e-4)


def test_a_table_is_less_sure_than_its_cells_and_sure_where_they_are() -> None:
    assert confidence.of_table([1.0, 1.0]) == 1.0
    assert confidence.of_table([0.99] * 10) > confidence.of_table([0.99] * 100) > confidence.of_table([0.5] * 100)
