"""Known answers: words and lines as drawn below → rows, columns and spans."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aria_docs.ingest.tables.lattice import (
    Lattice,
    Rule,
    holds_stacks,
    lattice_table,
    lattices,
    merge_rules,
    tells_columns,
)
from aria_docs.ingest.tables.lines import (
    lines_of,
    may_hold_table,
    phrases_of,
    text_of,
    with_narrow_blanks,
    without_slanted,
)
from aria_docs.ingest.tables.number_block import number_blocks
from aria_docs.ingest.tables.open_table import open_table
from aria_docs.ingest.tables.typed import lines_typed
from aria_docs.ingest.tables.upright import level
from aria_docs.media import Box, TableCandidate, Word

EM = 4.0  # the width of a character; a line is 10 points high


def placed(*texts: tuple[float, float, str]) -> list[Word]:
    """Words of texts at (x, line of 12 points); x is where they begin, below 0 where they end."""
    words = []
    for x, line, text in texts:
        at = x if x >= 0 else -x - EM * len(text)
        for word in text.split():
            words.append(Word(word, (at, 12 * line, at + EM * len(word), 12 * line + 10)))
            at += EM * (len(word) + 1) - 2
    return words


def rows(table: TableCandidate | None) -> list[list[str]]:
    assert table is not None
    grid = [["" for _ in range(table.n_cols)] for _ in range(table.n_rows)]
    for cell in table.cells:
        grid[cell.row][cell.col] = cell.text
    return grid


def spans(table: TableCandidate | None) -> dict[str, tuple[int, int, int, int]]:
    assert table is not None
    return {c.text: (c.row, c.col, c.row_span, c.col_span) for c in table.cells if c.row_span > 1 or c.col_span > 1}


BOX: Box = (0, -2, 400, 400)
EDGES = [120.0, 190.0, 260.0, 330.0]


def full(line: float) -> Rule:
    return Rule(12 * line - 1, 0, 400)


def body(first: int, *labels: str) -> list[tuple[float, float, str]]:
    """A line each: a label and a number in each of four columns that end at 180, 250, 320 and 390."""
    return [
        item
        for i, label in enumerate(labels)
        for item in [
            (0.0, float(first + i), label),
            *((-right, float(first + i), f"{n}{i}.5") for n, right in enumerate((180.0, 250.0, 320.0, 390.0), 1)),
        ]
    ]


def test_spanners_by_the_rules_under_them() -> None:
    words = placed(
        (150, 0, "Men"), (300, 0, "Women"),
        (0, 1, "Sex"), (-180, 1, "No."), (-250, 1, "Rate"), (-320, 1, "No."), (-390, 1, "Rate"),
        *body(2, "young", "old", "all"),
    )  # fmt: skip
    rules = [full(0), Rule(11.0, 150, 252), Rule(11.0, 290, 392), full(2), full(5)]
    table = open_table(BOX, words, EDGES, rules)
    assert rows(table)[:3] == [
        ["Sex", "Men", "", "Women", ""],
        ["", "No.", "Rate", "No.", "Rate"],
        ["young", "10.5", "20.5", "30.5", "40.5"],
    ]
    assert spans(table) == {"Men": (0, 1, 1, 2), "Women": (0, 3, 1, 2), "Sex": (0, 0, 2, 1)}
    assert table is not None
    assert table.n_header_rows == 2


def test_spanners_by_where_they_are_centred() -> None:
    words = placed(
        (205, 0, "Men"), (345, 0, "Women"),
        (0, 1, "Sex"), (-180, 1, "No."), (-250, 1, "Rate"), (-320, 1, "No."), (-390, 1, "Rate"),
        *body(2, "young", "old", "all"),
    )  # fmt: skip
    table = open_table(BOX, words, EDGES, [full(0), full(2), full(5)])
    assert {"Men": (0, 1, 1, 2), "Women": (0, 3, 1, 2)}.items() <= spans(table).items()


def test_a_wrapped_head_is_one_cell() -> None:
    words = placed(
        (-180, 0, "Percent"), (-180, 1, "who"), (-180, 2, "borrowed"),
        (0, 2, "Sex"), (-250, 2, "Rate"), (-320, 2, "Sum"), (-390, 2, "All"),
        *body(3, "young", "old"),
    )  # fmt: skip
    table = open_table(BOX, words, EDGES, [full(0), full(3), full(5)])
    assert rows(table)[0] == ["Sex", "Percent who borrowed", "Rate", "Sum", "All"]


def test_wrapped_labels_and_headings_between_rows() -> None:
    words = placed(
        (0, 0, "Kind"), (-180, 0, "A"), (-250, 0, "B"), (-320, 0, "C"), (-390, 0, "D"),
        (0, 1, "By origin of the person asked and year"),
        *body(2, "American Indian or Alaska"),
        (6, 3, "native of any age"),
        *body(4, "Other"),
    )  # fmt: skip
    table = open_table(BOX, words, EDGES, [full(0), full(1), full(5)])
    assert [row[0] for row in rows(table)] == [
        "Kind",
        "By origin of the person asked and year",
        "American Indian or Alaska native of any age",
        "Other",
    ]


def test_notes_and_units_are_not_rows() -> None:
    words = placed(
        (150, 0, "(In thousands)"),
        (0, 1, "Kind"), (-180, 1, "A"), (-250, 1, "B"), (-320, 1, "C"), (-390, 1, "D"),
        *body(2, "one", "two"),
        (0, 4, "Note: all of the figures are rounded, and therefore may not add up"),
        (0, 5, "to the totals shown in the table."),
    )  # fmt: skip
    table = open_table(BOX, words, EDGES, [full(1), full(2), full(4)])
    assert [row[0] for row in rows(table)] == ["Kind", "one", "two"]


def test_a_hint_between_two_words_of_one_phrase_is_dropped_and_a_missing_edge_found() -> None:
    words = placed(
        (0, 0, "Kind"), (-180, 0, "Quite healthy"), (-250, 0, "B"), (-320, 0, "C"), (-390, 0, "D"),
        *body(1, "one", "two", "three", "four"),
    )  # fmt: skip
    table = open_table(BOX, words, [120, 153, 190, 330], [full(0), full(1), full(5)])
    assert rows(table)[:2] == [["Kind", "Quite healthy", "B", "C", "D"], ["one", "10.5", "20.5", "30.5", "40.5"]]


def lattice_of(*, without: tuple[Rule, ...] = ()) -> tuple[list[Rule], list[Rule]]:
    """Three rows of 12 points and three columns of 100, ruled."""
    horizontal = [Rule(12.0 * i - 1, 0, 300) for i in range(4)]
    vertical = [Rule(100.0 * i, -1, 35) for i in range(4)]
    return [r for r in horizontal if r not in without], [r for r in vertical if r not in without]


CELLS = [(10.0 + 100 * j, float(i), f"{'abc'[j]}{i}") for i in range(3) for j in range(3)]


def test_ruled_cells() -> None:
    (lattice,) = lattices(*lattice_of())
    table = lattice_table(lattice, placed(*CELLS))
    assert table is not None
    assert table.ruled
    assert rows(table) == [["a0", "b0", "c0"], ["a1", "b1", "c1"], ["a2", "b2", "c2"]]
    assert spans(table) == {}


def test_cells_that_no_line_parts_are_one() -> None:
    horizontal, vertical = lattice_of()
    vertical[1] = Rule(100, 11, 35)  # no line between the first two cells of the first row
    horizontal[2] = Rule(23, 100, 300)  # nor between the last two of the first column
    (lattice,) = lattices(horizontal, vertical)
    words = placed((70, 0, "over both"), (210, 0, "c"), *(c for c in CELLS if c[1] > 0 and c[2] != "a2"))
    assert spans(lattice_table(lattice, words)) == {"over both": (0, 0, 1, 2), "a1": (1, 0, 2, 1)}


def test_open_sides_end_where_the_rules_do() -> None:
    horizontal, vertical = lattice_of()
    (lattice,) = lattices(horizontal, vertical[1:3])
    assert (lattice.xs[0], lattice.xs[-1]) == (0, 300)


def test_records_in_one_ruled_band_are_rows() -> None:
    horizontal = [Rule(-1, 0, 300), Rule(11, 0, 300), Rule(47, 0, 300)]
    vertical = [Rule(100.0 * i, -1, 47) for i in range(4)]
    (lattice,) = lattices(horizontal, vertical)
    words = placed(
        (10, 0, "Land"), (110, 0, "Rate"), (210, 0, "Sum"),
        *(item for i in range(1, 4) for item in ((10.0, i, f"land {i}"), (110.0, i, f"{i}.5"), (210.0, i, f"{i}0"))),
    )  # fmt: skip
    assert rows(lattice_table(lattice, words))[1:] == [[f"land {i}", f"{i}.5", f"{i}0"] for i in range(1, 4)]


def test_names_in_one_ruled_band_are_rows_and_wrapped_texts_are_one() -> None:
    (lattice,) = lattices([Rule(at, 0, 200) for at in (-1, 11, 59)], [Rule(100.0 * i, -1, 59) for i in range(3)])
    names = ("Empirical", "Exponential", "Poisson", "Uniform")
    heads = placed((10, 0, "Distribution"), (110, 0, "Function"))
    words = placed(*((10, 1 + i, name) for i, name in enumerate(names)), *((110, 1 + i, f"r{i}") for i in range(4)))
    words += placed((130, 1, "or rnd"))
    assert [row[0] for row in rows(lattice_table(lattice, heads + words))] == ["Distribution", *names]
    wrapped = placed(*((x, 1 + i, "text that fills in") for x in (10, 110) for i in range(4)))
    assert len(rows(lattice_table(lattice, heads + wrapped))) == 2


def test_a_ruled_head_over_open_columns_does_not_tell_them_apart() -> None:
    horizontal = [Rule(12.0 * i - 1, 0, 400) for i in range(6)]
    vertical = [Rule(0, -1, 59), Rule(400, -1, 59), Rule(120, -1, 11)]
    (lattice,) = lattices(horizontal, vertical)
    assert not tells_columns(lattice, placed(*body(1, "one", "two", "three")))


def test_pieces_of_a_line_are_joined() -> None:
    dashes = [Rule(10 + 0.2 * (i % 2), 6.0 * i, 6.0 * i + 4) for i in range(20)]
    (rule,) = merge_rules([*dashes, Rule(50, 0, 3)])
    assert (rule.start, rule.end) == (0, 118)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (placed(*body(0, "one", "two")), True),
        (placed((0, 0, "a line of prose that goes on"), (0, 1, "and on and on, and then some")), False),
        (placed((0, 0, "Name"), (300, 0, "Page 3"), (0, 1, "prose under a running head"), (0, 2, "and more")), False),
        (placed(*((x, line, "a text") for x in (0, 200) for line in range(4))), True),
        (placed(*((x, line, "a text") for x in (0, 200) for line in range(3))), False),
        (
            placed(*((x, y, text) for y in range(9) for x, text in ((0, "Part"), (100, "........"), (-390, f"{y}")))),
            False,
        ),
        (
            placed(*((x, y, text) for y in range(9) for x, text in ((0, "Rent ......"), (-200, "1"), (-390, "23")))),
            True,
        ),
    ],
    ids=["columns", "prose", "running head", "names", "a matrix in prose", "contents", "leaders in a table"],
)
def test_the_gate(words: list[Word], expected: bool) -> None:
    assert may_hold_table(words) is expected


WORDS = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=12)


@given(
    st.lists(st.tuples(st.floats(-400, 390), st.integers(0, 20), WORDS), min_size=1, max_size=60),
    st.lists(st.floats(5, 395), max_size=6),
    st.lists(st.tuples(st.floats(0, 250), st.floats(0, 390), st.floats(1, 400)), max_size=12),
)
def test_no_page_breaks_it_and_no_slot_is_taken_twice(
    texts: list[tuple[float, int, str]], edges: list[float], rules: list[tuple[float, float, float]]
) -> None:
    words = placed(*((x, float(line), text) for x, line, text in texts))
    horizontal = merge_rules([Rule(y, x, x + length) for y, x, length in rules])
    vertical = merge_rules([Rule(x, y, y + length) for y, x, length in rules])
    tables = [open_table(BOX, words, edges, horizontal)]
    tables += [lattice_table(lattice, words) for lattice in lattices(horizontal, vertical)]
    for table in tables:
        if table is None:
            continue
        slots = [
            (cell.row + i, cell.col + j)
            for cell in table.cells
            for i in range(cell.row_span)
            for j in range(cell.col_span)
        ]
        assert len(slots) == len(set(slots))
        assert all(row < table.n_rows and col < table.n_cols for row, col in slots)
        assert 0 <= table.n_header_rows <= table.n_rows


def test_names_one_under_the_other_are_rows() -> None:
    names = ("Cauchy", "exponential", "gamma", "geometric", "log-normal")
    words = placed(
        (0, 0, "Distribution"), (150, 0, "name"), (250, 0, "arguments"),
        *((0, 1 + i, name) for i, name in enumerate(names)),
        *((150, 1 + i, name) for i, name in enumerate(("cauchy", "exp", "gamma", "geom", "lnorm"))),
        *((250, 1 + i, name) for i, name in enumerate(("location, scale", "rate", "shape", "prob", "meanlog, sdlog"))),
    )  # fmt: skip
    table = open_table(BOX, words, [120.0, 220.0], [])
    assert [row[0] for row in rows(table)] == ["Distribution", *names]


def test_a_sentence_before_the_header_is_none_of_it() -> None:
    words = placed(
        (0, 0, "Input file with names of rows and of columns, as in the chapter before:"), *body(2, "a", "b", "c")
    )
    words += placed(*((x, 1, text) for x, text in ((150, "Price"), (220, "Floor"), (290, "Area"), (360, "Age"))))
    table = open_table(BOX, words, EDGES, [])
    assert rows(table)[:2] == [["", "Price", "Floor", "Area", "Age"], ["a", "10.5", "20.5", "30.5", "40.5"]]


def test_names_beside_wrapped_texts_are_rows_of_their_own() -> None:
    """A row goes on in the next line only where each column of it had to."""
    words = placed(
        (0, 0, "Name"), (90, 0, "Type"), (150, 0, "Meaning"),
        (0, 1, "host"), (90, 1, "str"), (150, 1, "the name of the machine on which the server is"),
        (150, 2, "to be found"),
        (0, 3.2, "port"), (90, 3.2, "int"), (150, 3.2, "where it listens"),
        (0, 4.4, "proxy"), (90, 4.4, "str"), (150, 4.4, "what all requests go through"),
    )  # fmt: skip
    table = open_table(BOX, words, [70.0, 130.0], [])
    assert [row[0] for row in rows(table)] == ["Name", "host", "port", "proxy"]


@pytest.mark.parametrize(
    ("rules", "ruled"),
    [
        ([], False),
        ([Rule(-3, 0, 240)], False),
        ([Rule(62, 0, 240)], False),
        ([Rule(-3, 0, 240), Rule(62, 0, 240)], True),
        ([Rule(11, 0, 240)], True),
        ([Rule(11, 0, 50), Rule(11, 120, 170)], True),
        ([Rule(23, 120, 180)], False),
    ],
    ids=["none", "title", "notes", "over and under", "head", "pieces", "underlined words"],
)
def test_what_is_ruled(rules: list[Rule], ruled: bool) -> None:
    words = placed(*((x, line, text) for line in range(5) for x, text in ((0, "term"), (120, "text to the end of it"))))
    table = open_table(BOX, words, [90.0], rules)
    assert table is not None
    assert table.ruled == ruled


def test_values_set_to_the_middle_of_a_label_of_two_lines_are_of_its_row() -> None:
    """Lines of 10 points, 10.5 apart: half of that is little more than what lines of one row may be off."""
    step = 10.5 / 12
    words = placed((0, 0, "Measure"), (-180, 0, "1997"), (-250, 0, "1998"), (-320, 0, "1999"), (-390, 0, "2000"))
    for n, (first, second) in enumerate(
        (("income of", "(All) homes"), ("health of", "(All) people"), ("years", "lost"))
    ):
        line = 2 + 3 * n * step
        values = ((x, line + 0.42 * step, text) for x, _, text in body(0, "a label") if x < 0)
        words += placed((0, line, first), (0, line + step, second), *values)
    table = open_table(BOX, words, EDGES, [])
    assert [row[:2] for row in rows(table)[1:]] == [
        ["income of (All) homes", "10.5"],
        ["health of (All) people", "10.5"],
        ["years lost", "10.5"],
    ]


@pytest.mark.parametrize(
    ("heads", "found"),
    [
        (("No.", "Rate", "No.", "Rate"), True),
        (("2007", "2008", "2009", "2010"), True),
        (("No.", "Rate", "Sum", "All"), False),
        (("2007", "2008", "2009", "All"), False),
    ],
    ids=["repeated", "years", "others", "some years"],
)
def test_what_stands_over_repeated_heads_or_over_years_is_a_spanner_wherever_it_stands(
    heads: tuple[str, ...], found: bool
) -> None:
    """Nearer to the first of its columns than to the middle of both, it could as well be the first line of a head."""
    ends = (-180.0, -250.0, -320.0, -390.0)
    words = placed(
        (182, 0, "Men"), (318, 0, "Women"), (0, 1, "Sex"),
        *((x, 1, head) for x, head in zip(ends, heads, strict=True)),
        *body(2, "young", "old", "all"),
    )  # fmt: skip
    table = open_table(BOX, words, [140.0, 200.0, 298.0, 345.0], [full(0), full(2), full(5)])
    expected = {"Men": (0, 1, 1, 2), "Women": (0, 3, 1, 2)}
    assert (expected.items() <= spans(table).items()) == found


def test_cells_beside_a_line_that_ends_short_of_them_are_parted() -> None:
    """As in a poor scan: the upright line between the first two columns is seen in the first row only."""
    horizontal, vertical = lattice_of()
    vertical[1] = Rule(100, -1, 11)
    (lattice,) = lattices(horizontal, vertical)
    assert rows(lattice_table(lattice, placed(*CELLS))) == [["a0", "b0", "c0"], ["a1", "b1", "c1"], ["a2", "b2", "c2"]]
    whole = placed(*CELLS[:6], (10, 2, "a phrase as wide as both of the cells"), (210, 2, "c2"))
    assert spans(lattice_table(lattice, whole)) == {"a phrase as wide as both of the cells": (2, 0, 1, 2)}
    near = placed(*CELLS[:6], (76, 2, "two words"), (210, 2, "c2"))
    near = [replace(word, box=(word.box[0] + 12, *word.box[1:])) if word.text == "words" else word for word in near]
    assert spans(lattice_table(lattice, near)) == {"two words": (2, 0, 1, 2)}, "a little more than a blank"


def test_values_a_little_below_their_labels_are_no_reason_to_join_rows() -> None:
    words = placed((0, 0, "Land"), (-180, 0, "1997"), (-250, 0, "1998"), (-320, 0, "1999"), (-390, 0, "2000"))
    for n, name in enumerate(("Norway", "Sweden", "Finland", "Denmark"), 1):
        values = ((x, n + 0.4, text) for x, _, text in body(0, "a label") if x < 0)
        words += placed((0, n, name), *values)
    table = open_table(BOX, words, EDGES, [])
    assert [row[0] for row in rows(table)] == ["Land", "Norway", "Sweden", "Finland", "Denmark"]


def ruled(xs: list[float], ys: list[float], *, gaps: tuple[tuple[float, float], ...] = ()) -> Lattice:
    """The lattice of all lines; `gaps` are (x, y) of cells (left, top) without a line on top."""
    horizontal = [Rule(y, a, b) for y in ys for a, b in pairwise(xs) if (a, y) not in gaps]
    (lattice,) = lattices(merge_rules(horizontal), [Rule(x, ys[0], ys[-1]) for x in xs])
    return lattice


def test_a_label_is_one_for_the_records_of_its_band() -> None:
    lattice = ruled([0, 80, 180, 260], [-1, 11, 47, 59], gaps=((0, 47),))
    words = placed((85, 0, "Line"), (-250, 0, "Sum"), (5, 2, "Ferries"), (85, 4, "All"), (-250, 4, "60"))
    words += placed(
        *(p for i, name in enumerate(("North", "South", "Night"), 1) for p in ((85, i, name), (-250, i, f"{i}0")))
    )
    table = lattice_table(lattice, words)
    assert [row[1:] for row in rows(table)] == [
        ["Line", "Sum"],
        ["North", "10"],
        ["South", "20"],
        ["Night", "30"],
        ["All", "60"],
    ]
    assert spans(table)["Ferries"] == (1, 0, 4, 1)


def test_a_number_within_a_text_makes_no_record() -> None:
    lattice = ruled([0, 100, 220], [-1, 11, 47])
    words = placed(
        (5, 0, "Plan"),
        (105, 0, "Text"),
        (5, 1, "Delta works"),
        (5, 2, "of Zeeland"),
        (105, 1, "It was begun after the"),
    )
    words += placed((105, 2, "flood of 1953 and closed"), (105, 3, "in 1997"))
    assert len(rows(lattice_table(lattice, words))) == 2


def test_a_section_row_ends_the_head() -> None:
    cells = [
        ["Size", "Farms", "Area"],
        ["Small", "", ""],
        ["wet", "10", "20"],
        ["dry", "30", "40"],
        ["Large", "", ""],
        ["wet", "1", "2"],
    ]
    horizontal = [Rule(12.0 * i - 1, 0, 300) for i in range(7)]
    vertical = [Rule(x, a, b) for x in (100, 200) for a, b in ((-1, 11), (23, 47), (59, 71))]
    (lattice,) = lattices(horizontal, [Rule(0, -1, 71), *vertical, Rule(300, -1, 71)])
    table = lattice_table(
        lattice,
        placed(*((5 + 100.0 * c, r, text) for r, row in enumerate(cells) for c, text in enumerate(row) if text)),
    )
    assert rows(table) == cells
    assert (table and table.n_header_rows, spans(table)["Large"]) == (1, (4, 0, 1, 3))


def test_lines_that_end_between_rules_end_a_row() -> None:
    vertical = [
        Rule(0, -1, 47),
        *(Rule(x, a, b) for x in (100, 200) for a, b in ((-1, 11), (23, 47))),
        Rule(300, -1, 47),
    ]
    (lattice,) = lattices([Rule(y, 0, 300) for y in (-1, 11, 35, 47)], vertical)
    words = placed((5, 0, "Size"), (105, 0, "Farms"), (205, 0, "Area"), (5, 1, "Small farms of all kinds"))
    words += placed(*((5 + 100.0 * c, r, f"{r}{c}") for r in (2, 3) for c in range(3)))
    assert rows(lattice_table(lattice, words)) == [
        ["Size", "Farms", "Area"],
        ["Small farms of all kinds", "", ""],
        ["20", "21", "22"],
        ["30", "31", "32"],
    ]


def test_rows_of_texts_with_few_numbers_are_no_head() -> None:
    body = [["Ash", "Una", "Quay Street", "Hull", "70.00"], ["Birch", "Ole", "Dock Lane", "Grimsby", "55.00"]]
    cells = [["Name", "First", "Street", "Town", "Gift"], *body]
    lattice = ruled([60.0 * i for i in range(6)], [-1, 11, 23, 35])
    table = lattice_table(
        lattice, placed(*((60.0 * c + 4, r, text) for r, row in enumerate(cells) for c, text in enumerate(row)))
    )
    assert table and table.n_header_rows == 1


def test_a_column_without_a_cell_of_its_own_is_none() -> None:
    horizontal = [Rule(12.0 * i - 1, 0, 220) for i in range(5)]
    vertical = [Rule(0, -1, 47), Rule(100, -1, 47), Rule(200, -1, 11), Rule(220, -1, 47)]
    (lattice,) = lattices(horizontal, vertical)
    words = placed(*((x, r, f"{r}{x:.0f}") for r in range(4) for x in (5.0, 105.0)))
    assert len(rows(lattice_table(lattice, words))[0]) == 2


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            [((10, "Day"), (52, "Text"), (-300, "Sum")), ((10, "01.02.2025 Rent flat"), (-300, "780,00")),
             ((10, "03.02.2025 Shop"), (-300, "45,30")), ((10, "09.02.2025 Power firm"), (-300, "12,00"))],
            ["01.02.2025", "Rent flat", "780,00"],
        ),
        (
            [((10, "Herd"), (100, "20 kg 35 kg")), ((10, "North"), (100, "812 b 790 c")), ((10, "South"), (100, "640 a 633 b")), ((10, "West"), (100, "590 a 610 a"))],  # noqa: E501
            ["North", "812 b", "790 c"],
        ),
        (
            [((10, "Herd"), (100, "Heads")), ((10, "North"), (100, "1 812")), ((10, "South"), (100, "1 640")), ((10, "West"), (100, "2 590"))],  # noqa: E501
            ["North", "1 812"],
        ),
    ],
    ids=["date and text", "value and letter", "thousands"],
)  # fmt: skip
def test_columns_a_blank_apart(lines: list[tuple[tuple[float, str], ...]], expected: list[str]) -> None:
    words = placed(*((x, row, text) for row, line in enumerate(lines) for x, text in line))
    edges = [250.0] if len(expected) == 3 and expected[0][0] == "0" else [80.0]
    assert rows(open_table((0, 0, 310, 60), words, edges, []))[1] == expected


def test_texts_beside_each_other_that_had_room_above_are_rows() -> None:
    words = placed((10, 0, "Long name"), (110, 0, "Other name"), (210, 0, "Third name"), (10, 1, "A1"))
    words += placed(*((x, r, f"{n}{r}") for r in (1, 2, 3) for x, n in ((110, "b"), (210, "c"))))
    table = open_table((0, 0, 300, 60), words, [90, 190], [])
    assert rows(table)[1:] == [["A1", "b1", "c1"], ["", "b2", "c2"], ["", "b3", "c3"]]


def test_names_with_small_prefixes_do_not_go_on() -> None:
    names = ("Hydrocarbons of the oil", "α-Pinene", "trans-Carveol")
    words = placed((10, 0, "Compound"), (-200, 0, "RI"), *((10, r, name) for r, name in enumerate(names, 1)))
    words += placed((-200, 2, "935"), (-200, 3, "1217"))
    assert [row[0] for row in rows(open_table((0, 0, 210, 60), words, [130], []))[1:]] == list(names)


def test_a_rule_under_three_lines_of_head_ends_it() -> None:
    words = placed((120, 0, "Dose of oil"), (10, 1, "Kind"), (-130, 2, "250"), (-190, 2, "100"), (-250, 2, "LC50"))
    words += placed((10, 3, "P. nigra"), (-130, 3, "8.6"), (-190, 3, "6.8"), (-250, 3, "3.1"))
    table = open_table((0, 0, 260, 60), words, [80, 140, 200], [Rule(35, 10, 250)])
    assert table and table.n_rows == table.n_header_rows + 1 and rows(table)[-1] == ["P. nigra", "8.6", "6.8", "3.1"]


def numbers_in_columns(*, heads: bool) -> list[Word]:
    lines = [["Site", "Jan", "Feb", "Mar", "Apr"]] if heads else []
    lines += [[f"Site {r}", *(f"{r}{c}.{c}" for c in range(4))] for r in range(1, 5)]
    return placed(
        *((10.0 if c == 0 else -80.0 - 22 * c, r, text) for r, line in enumerate(lines) for c, text in enumerate(line))
    )


def test_lines_of_numbers_under_heads_are_a_table() -> None:
    words = numbers_in_columns(heads=True)
    (block,) = number_blocks(words)
    assert rows(open_table(block.box, words, block.edges, []))[1] == ["Site 1", "10.0", "11.1", "12.2", "13.3"]
    assert number_blocks(numbers_in_columns(heads=False)) == []


def test_upright_heads_are_read_upwards_and_stand_on_one_line() -> None:
    heads = [Word(text, (x, y, x + 10, y + 24), line=line) for text, x, y, line in
             (("Fire", 100, 60, 1), ("doors", 100, 30, 1), ("Radio", 140, 60, 2))]  # fmt: skip
    words = placed((10, 7, "Otter gets four"), (100, 7, "0"), (140, 7, "2"), (10, 8, "Seal got five"))
    done = {word.text: word.box for word in level([*words, *heads])}
    assert done["Fire doors"][1::2] == done["Radio"][1::2] == (74, 84)
    assert level(words) == words


def test_cells_set_to_the_middle_of_their_rows_are_one_row() -> None:
    words = placed((80, 0, "Count"), (150, 0, "Rate"), (10, 0.4, "Kind"), (80, 0.8, "per ml"), (150, 0.8, "%"))
    for top, label in ((3, "I"), (6, "II")):
        words += placed((80, top, "56.4"), (150, top, "12.1"), (10, top + 0.4, label), (80, top + 0.8, "(100)"))
    table = open_table((0, -2, 200, 120), words, [60, 130], [])
    assert rows(table) == [
        ["Kind", "Count per ml", "Rate %"],
        ["I", "56.4 (100)", "12.1"],
        ["II", "56.4 (100)", "12.1"],
    ]


def test_columns_whose_cells_share_no_line_are_two() -> None:
    words = placed((10, 0, "Oil of basil"), (90, 0.4, "56.4"), (150, 0.4, "12.1"), (10, 0.8, "in water"))
    words += placed((10, 3, "Oil of sage"), (90, 3.4, "32.0"), (150, 3.4, "11.4"), (10, 3.8, "in glycol"))
    words += placed((10, 6, "No oil"), (90, 6.4, "63.1"), (150, 6.4, "62.0"), (10, 6.8, "at all"))
    table = open_table((0, -2, 200, 120), words, [125], [])
    assert rows(table)[0] == ["Oil of basil in water", "56.4", "12.1"]
    assert len(rows(table)) == 3


def white(*texts: tuple[tuple[str, str], ...], leading: float = 0.9) -> list[Word]:
    """Rows of two columns, each of several lines, with half a line of white between them."""
    words, at = placed((10, 0, "What"), (150, 0, "How")), 1.5
    for row in texts:
        for left, right in row:
            words += placed((10, at, left), (150, at, right))
            at += leading
        at += 0.5
    return words


def test_white_parts_rows_of_wrapped_texts() -> None:
    words = white(
        (("Oral information of", "Meetings by the heads"), ("all staff", "of departments")),
        (("Written information", "Letters"), ("and notes for", "Calls"), ("all others", "")),
    )  # fmt: skip
    table = open_table((0, -2, 280, 120), words, [130], [])
    assert [row[0] for row in rows(table)] == [
        "What",
        "Oral information of all staff",
        "Written information and notes for all others",
    ]


def test_white_between_groups_of_rows_parts_no_more() -> None:
    words = white(
        (("vinblastine", "Madagascar"), ("taxol", "Yew")), (("digoxin", "Foxglove"), ("quinidine", "Cinchona"))
    )
    assert len(rows(open_table((0, -2, 280, 120), words, [130], []))) == 5


def test_a_label_half_way_between_two_rows_is_of_both_and_of_as_many_above_as_below() -> None:
    towns = [("Aarhus", "14"), ("Bilbao", "29"), ("Coimbra", "8"), ("Essen", "63"), ("Firenze", "34"), ("Gent", "70")]
    words = placed((0, 0, "Region"), (80, 0, "Town"), (-200, 0, "Ports"))
    for n, (town, ports) in enumerate(towns):
        words += placed((80, 2 + 2 * n, town), (-200, 2 + 2 * n, ports))
    words += placed((0, 3, "North"), (0, 9, "South"))
    table = open_table((0, -2, 280, 300), words, [70, 150], [])
    assert rows(table)[:3] == [["Region", "Town", "Ports"], ["North", "Aarhus", "14"], ["", "Bilbao", "29"]]
    assert spans(table) == {"North": (1, 0, 2, 1), "South": (3, 0, 4, 1)}


def test_headings_between_rows_are_no_labels_of_them() -> None:
    words = placed((0, 0, "Town"), (-200, 0, "Ports"), (0, 2, "North"), (0, 6, "South"))
    for n, (town, ports) in enumerate([("Aarhus", "14"), ("Bilbao", "29"), ("Coimbra", "8"), ("Essen", "63")]):
        words += placed((0, 3 + n + (n > 1) * 2, town), (-200, 3 + n + (n > 1) * 2, ports))
    assert len(rows(open_table((0, -2, 280, 300), words, [150], []))) == 7


def test_rows_set_to_their_foot_end_with_their_label() -> None:
    words = placed((0, 0, "Day"), (60, 0, "Text"), (-240, 0, "Out"), (-320, 0, "Left"))
    at = 2
    for day, *texts in (
        ("7 May", "Rates of the harbour", "office for spring"),
        ("9 May", "Ice"),
        ("11 May", "Rope and", "oil"),
    ):
        for text in texts:
            words += placed((60, at, text))
            at += 1
        words += placed((0, at - 1, day), (-240, at - 1, "12.50"), (-320, at - 1, "980.25"))
    assert rows(open_table((0, -2, 400, 300), words, [50, 190, 260], [Rule(18, 0, 320)])) == [
        ["Day", "Text", "Out", "Left"],
        ["7 May", "Rates of the harbour office for spring", "12.50", "980.25"],
        ["9 May", "Ice", "12.50", "980.25"],
        ["11 May", "Rope and oil", "12.50", "980.25"],
    ]


def test_amounts_in_either_of_two_columns_are_two_however_close() -> None:
    words = placed((0, 0, "Text"), (-160, 0, "Out"), (-186, 0, "In"))
    for n, (text, x) in enumerate(
        (("Rope", -160), ("Ice", -186), ("Oil", -160), ("Fish", -186), ("Net", -160), ("Eel", -186))
    ):
        words += placed((0, 1 + n, text), (x, 1 + n, "12.50"))
    table = rows(open_table((0, -2, 280, 120), words, [100], []))
    assert table[0] == ["Text", "Out", "In"]
    assert table[1:3] == [["Rope", "12.50", ""], ["Ice", "", "12.50"]]


def test_one_text_over_all_spanners_heads_them() -> None:
    words = placed((0, 2, "Unit"), (140, 0, "Sales"), (140, 1, "Home"), (260, 1, "Abroad"))
    words += placed(*((x, 2, year) for x, year in ((140, "2023"), (200, "2024"), (260, "2023"), (320, "2024"))))
    for n, unit in enumerate(("Pumps", "Valves", "Seals")):
        words += placed((0, 3 + n, unit), *((x, 3 + n, "12.5") for x in (140, 200, 260, 320)))
    table = open_table(BOX, words, EDGES, [])
    assert table is not None
    assert table.n_header_rows == 3
    assert spans(table) == {"Unit": (0, 0, 3, 1), "Sales": (0, 1, 1, 4), "Home": (1, 1, 1, 2), "Abroad": (1, 3, 1, 2)}


def test_a_blank_as_wide_as_a_letter_parts_no_phrase() -> None:
    words = [
        Word(text, (x, 0, x + 6 * len(text), 10))
        for x, text in ((0, "Cable"), (36, "tray"), (66, "steel"), (102, "zinc"))
    ]
    words += [
        Word(text, (x, 12, x + 6 * len(text), 22))
        for x, text in ((0, "Valve"), (36, "brass"), (72, "12.50"), (108, "DN"))
    ]
    wider = with_narrow_blanks(words)
    assert [len(phrases_of(line.words, 10)) for line in lines_of(words)] == [4, 4]
    assert [len(phrases_of(line.words, 10)) for line in lines_of(wider)] == [1, 1]


def test_slanted_words_are_those_of_a_stamp() -> None:
    table = [replace(word, block=n) for n in range(4) for word in placed((0, n, "Rope"), (80, n, "12"))]
    stamp = [
        Word(text, (40 * n, 8 * n, 40 * n + 30, 8 * n + 10), block=9) for n, text in enumerate(("PAID", "7", "May"))
    ]
    assert without_slanted([*table, *stamp]) == table


def test_a_word_parted_at_a_hyphen_is_one() -> None:
    assert text_of(placed((0, 0, "single sign-"), (0, 1, "on of 1-"), (0, 2, "2 - b"))) == "single sign-on of 1- 2 - b"


def test_a_column_of_values_between_upright_lines_is_parted_at_each() -> None:
    xs = (-2.0, 90.0, 130.0, 180.0)
    items = [("Item", "Note", "Sum"), ("Deck", "", ""), ("Rope", "4", "12.50"), ("Oil", "", "2.50"), ("Hold", "", "")]
    items += [("Ice", "2", "3.10"), ("Salt", "", "8.40")]
    words = [
        word for n, texts in enumerate(items) for word in placed(*zip((0, 100, -170), (n, n, n), texts, strict=True))
    ]
    (grid,) = lattices([Rule(y, -2, 180) for y in (-2.0, 84.0)], [Rule(x, -2, 84) for x in xs])
    assert holds_stacks(grid, words)
    assert rows(open_table(grid.box, words, grid.xs[1:-1], [])) == [list(texts) for texts in items]
    (parted,) = lattices([Rule(12 * n - 1, -2, 180) for n in range(8)], [Rule(x, -2, 84) for x in xs])
    assert not holds_stacks(parted, words)


@pytest.mark.parametrize("first", ["35 W", "100 to 240 V", "1.9 kg"])
def test_a_measure_beside_a_name_is_no_head(first: str) -> None:
    words = placed(
        (0, 0, "Power"),
        (100, 0, first),
        (0, 1, "Mounting"),
        (100, 1, "rail or wall"),
        (0, 2, "Weight"),
        (100, 2, "2 kg"),
    )
    (grid,) = lattices([Rule(12 * n - 1, 0, 200) for n in range(4)], [Rule(x, -1, 35) for x in (0.0, 90.0, 200.0)])
    table = lattice_table(grid, words)
    assert table is not None
    assert table.n_header_rows == 0


TYPED = (
    ("+------+-----+", "| Item | Qty |", "+======+=====+", "| Rope |  12 |", "| Oil  |   3 |", "+------+-----+"),
    ("┌──────┬─────┐", "│ Item │ Qty │", "├──────┼─────┤", "│ Rope │  12 │", "│ Oil  │   3 │", "└──────┴─────┘"),
    ("| Item | Qty |", "|------|-----|", "| Rope |  12 |", "| Oil  |   3 |", "| Ice  |   9 |"),
)


@pytest.mark.parametrize("drawing", TYPED, ids=["ASCII", "boxes", "Markdown"])
def test_a_table_drawn_with_characters(drawing: tuple[str, ...]) -> None:
    words = [
        Word(match[0], (6 * match.start(), 12 * n, 6 * match.end(), 12 * n + 10))
        for n, line in enumerate(drawing)
        for match in re.finditer(r"\S+", line)
    ]
    words, horizontal, vertical = lines_typed(words)
    (grid,) = lattices(merge_rules(horizontal), merge_rules(vertical))
    assert rows(lattice_table(grid, words))[:3] == [["Item", "Qty"], ["Rope", "12"], ["Oil", "3"]]


def test_bars_in_a_text_are_no_lines() -> None:
    words = placed((0, 0, "where |x| and |y| are"), (0, 1, "a | b"))
    assert lines_typed(words) == (words, [], [])
