"""Regions that the layout network calls tables → tables: where one region is two. The network's answer is made here."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from aria_docs.ingest.tables.candidates import _tables
from aria_docs.ingest.tables.lattice import Rule, lattices
from aria_docs.media import Word

if TYPE_CHECKING:
    from aria_docs.media import Box, TableCandidate

EM = 4.0


def region(box: Box, *edges: float) -> dict[str, Any]:
    """As the network answers; its edges of columns count from the left of the box."""
    grid = SimpleNamespace(v_lines=[x - box[0] for x in edges])
    return {"class_name": "table", "group_bbox": box, "table_grid": grid}


def line(y: float, *texts: tuple[float, str]) -> list[Word]:
    """Words of texts that begin at x."""
    words = []
    for x, text in texts:
        at = x
        for word in text.split():
            words.append(Word(word, (at, y, at + EM * len(word), y + 10)))
            at += EM * len(word) + 2
    return words


def rows(table: TableCandidate) -> list[list[str]]:
    grid = [["" for _ in range(table.n_cols)] for _ in range(table.n_rows)]
    for cell in table.cells:
        grid[cell.row][cell.col] = cell.text
    return grid


def two_tables(x: float = 0.0) -> list[Word]:
    """Two tables of two columns, one under the other, with a caption between them."""
    return [
        *line(0, (x, "Land"), (x + 120, "Rate")),
        *line(12, (x, "Norway"), (x + 120, "1.5")),
        *line(24, (x, "Sweden"), (x + 120, "2.5")),
        *line(48, (x, "Table 2. Sums by port")),
        *line(60, (x, "Port"), (x + 120, "Sum")),
        *line(72, (x, "Holmen"), (x + 120, "75")),
        *line(84, (x, "Tareby"), (x + 120, "85")),
    ]


FIRST = [["Land", "Rate"], ["Norway", "1.5"], ["Sweden", "2.5"]]
SECOND = [["Port", "Sum"], ["Holmen", "75"], ["Tareby", "85"]]


def test_a_caption_parts_a_region() -> None:
    found = _tables([region((0, 0, 140, 94), 100)], [], two_tables(), [])
    assert [rows(table) for table in found] == [FIRST, SECOND]


def test_prose_before_the_caption_is_of_neither() -> None:
    prose = line(36, (0, "All rates are those of the"))
    found = _tables([region((0, 0, 140, 94), 100)], [], two_tables() + prose, [])
    assert [rows(table) for table in found] == [FIRST, SECOND]


def test_what_is_no_caption_parts_nothing() -> None:
    words = [word for word in two_tables() if word.box[1] != 48] + line(48, (0, "Sums by port"))
    (table,) = _tables([region((0, 0, 140, 94), 100)], [], words, [])
    assert len(rows(table)) == 7


def test_a_ruled_grid_is_one_whatever_stands_in_it() -> None:
    ys = (-2.0, 11.0, 23.0, 35.0, 59.0, 71.0, 83.0, 95.0)
    horizontal = [Rule(y, 0, 140) for y in ys]
    grids = lattices(horizontal, [Rule(x, -2, 95) for x in (0.0, 100.0, 140.0)])
    (table,) = _tables([region((0, -2, 140, 95), 100)], grids, two_tables(), horizontal)
    assert len(rows(table)) == 7
    assert table.ruled


def beside(gap: float) -> list[Word]:
    """The upper table twice, the second so far right of the end of the first."""
    words = [word for word in two_tables() if word.box[1] < 40]
    right = max(word.box[2] for word in words) + gap
    return words + [word for word in two_tables(right) if word.box[1] < 40]


WIDTH = 136.0  # to the end of "Rate"


def over(*ends: tuple[float, float]) -> list[Rule]:
    return [Rule(y, start, end) for y in (-2.0, 11.0, 36.0) for start, end in ends]


@pytest.mark.parametrize(
    ("gap", "rules", "n_tables"),
    [
        (30, over((0, WIDTH), (166, 302)), 2),
        (30, over((0, 302)), 1),
        (30, [*over((0, WIDTH), (166, 302)), Rule(40, 0, 302)], 1),
        (30, over((0, WIDTH)), 1),
        (30, over((0, 70), (166, 302)), 1),
        (30, over((0, 50), (166, 216)), 1),
        (10, over((0, WIDTH), (146, 282)), 1),
        (30, [], 1),
    ],
    ids=["two", "one rule", "one rule over both", "left only", "rule of a column", "short rules", "close", "none"],
)
def test_tables_side_by_side_are_two_where_each_has_rules_of_its_own(
    gap: float, rules: list[Rule], n_tables: int
) -> None:
    box = (0.0, -2.0, 2 * WIDTH + gap, 36.0)
    edges = (100.0, WIDTH + gap / 2, WIDTH + gap + 100)
    found = _tables([region(box, *edges)], [], beside(gap), rules)
    assert len(found) == n_tables
    if n_tables == 2:
        assert [rows(table) for table in found] == [FIRST, FIRST]
    else:
        assert found[0].n_cols == 4


def test_a_head_is_not_taken_from_the_table_above() -> None:
    words = line(2, (0, "Item"), (60, "Qty"), (100, "Price")) + line(14, (0, "Bolt"), (60, "10"), (100, "1.20"))
    words += line(40, (60, "Net"), (100, "21.60")) + line(52, (60, "Total"), (100, "25.92"))
    first = lattices([Rule(y, -2, 140) for y in (0.0, 13.0, 25.0)], [Rule(x, 0, 25) for x in (-2.0, 55.0, 95.0, 140.0)])
    second = lattices([Rule(y, 55, 140) for y in (38.0, 51.0, 63.0)], [Rule(x, 38, 63) for x in (55.0, 95.0, 140.0)])
    found = _tables([region((-2, 0, 140, 63), 55, 95)], [*first, *second], words, [])
    assert [len(rows(table)) for table in found] == [2, 2]


def test_paragraphs_at_the_ends_of_a_region_are_none_of_it() -> None:
    upper = [word for word in two_tables() if word.box[1] < 40]
    prose = [
        replace(word, block=5)
        for y in (44, 56)
        for word in line(y, (-40, "All rates are those of the last day of a year and"))
    ]
    (table,) = _tables([region((-40, 0, 160, 68), 100)], [], upper + prose, [])
    assert rows(table) == FIRST
