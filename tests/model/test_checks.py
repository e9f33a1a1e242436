"""What arithmetic shows, and what it must not take for wrong."""

import pytest

from aria_docs.model.checks import Check, Entry, checks_of
from aria_docs.model.numbers import numbers


def failures(text: str) -> list[Check]:
    """Of a table of lines and `|`; its first line is the header."""
    rows = [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]
    cells = [(row, col, cell) for row, line in enumerate(rows) for col, cell in enumerate(line)]
    found = numbers([cell for _, _, cell in cells], [col for _, col, _ in cells])
    entries = [
        Entry(row, col, cell, number, is_header=row == 0) for (row, col, cell), number in zip(cells, found, strict=True)
    ]
    return [check for check in checks_of(entries, n_header_rows=1) if not check.holds]


RIGHT = """
Item | 2025 | 2024
Ticket sales | 12,041 | 11,514
Freight | 3,962 | 3,880
Catering | 1,450 | 1,391
Total revenue | 17,453 | 16,785
Crew | (6,120) | (5,904)
Fuel | (4,417) | (4,806)
Total costs | (10,537) | (10,710)
Operating profit | 6,916 | 6,075
"""


def test_a_right_statement_has_sums_that_hold_and_no_alarm() -> None:
    assert failures(RIGHT) == []


@pytest.mark.parametrize(
    ("cell", "wrong", "place", "mend"),
    [("3,962", "3,562", (2, 1), None), ("6,075", "6,875", (8, 2), None), ("(4,417)", "(4,477)", (6, 1), None)],
)
def test_a_changed_digit_is_shown_with_the_cell_among_the_suspects(
    cell: str, wrong: str, place: tuple[int, int], mend: float | None
) -> None:
    found = failures(RIGHT.replace(cell, wrong))
    assert found
    assert all(check.col == place[1] and check.row is None for check in found)
    assert any(place in check.suspects for check in found)
    assert "is expected" in (found[0].note or "")


def test_where_row_and_column_fail_the_cell_is_the_crossing_and_its_value_is_named() -> None:
    found = failures("""
        Region | Q1 | Q2 | Q3 | Year
        North | 1,210 | 1,340 | 1,505 | 4,055
        South | 2,480 | 2,310 | 2,295 | 7,085
        East | 1,015 | 1,970 | 1,120 | 3,205
        Total | 4,705 | 4,720 | 4,920 | 14,345
    """)
    assert {check.suspects for check in found} == {((3, 2),)}
    assert {check.mend for check in found} == {1070}
    assert {(check.row, check.col) for check in found} == {(None, 2), (3, None)}


def test_rounded_sums_hold() -> None:
    assert not failures("""
        Item | 2025 | 2024 | 2023
        North | 1,210 | 1,340 | 1,505
        South | 2,480 | 2,310 | 2,295
        East | 1,015 | 1,070 | 1,120
        Total | 4,706 | 4,719 | 4,920
    """)


def test_means_and_ratios_are_no_sums() -> None:
    assert not failures("""
        Town | Homes | People | People a home | Share
        Oslo | 3,410 | 7,220 | 2.12 | 52 %
        Bergen | 2,105 | 4,010 | 1.90 | 29 %
        Bodø | 1,207 | 2,643 | 2.19 | 19 %
        Total | 6,722 | 13,873 | 2.06 | 100 %
    """)


def test_shares_of_a_hundred() -> None:
    found = failures("""
        Holder | 2025 | 2024
        A | 41.5 | 40.2
        B | 33.0 | 35.3
        C | 25.5 | 14.5
        Total | 100.0 | 100.0
    """)
    assert [(check.col, check.expected) for check in found] == [(2, 90.0)]
    assert (3, 2) in found[0].suspects


def test_a_balance_carries_on() -> None:
    found = failures("""
        Day | In | Out | Balance
        1 May | 500 |  | 1,500
        2 May |  | 120 | 1,380
        3 May | 40 |  | 1,420
        4 May |  | 310 | 1,710
        5 May | 75 |  | 1,185
        6 May |  | 60 | 1,125
        7 May | 900 |  | 2,025
    """)
    assert [(check.row, check.suspects, check.mend) for check in found if check.row] == [(4, ((4, 3),), 1110.0)]


def test_counts_rise_and_letters_are_no_digits() -> None:
    lines = [f"{n if n != 4 else 9} | {100 + 7 * n}" for n in range(1, 9)]
    found = failures("No | Value\n" + "\n".join(lines))
    assert [(check.kind, check.suspects, check.mend) for check in found] == [("count", ((4, 0),), 4)]
    found = failures("No | Value\n" + "\n".join(lines).replace("9 |", "4 |", 1).replace("121", "l2l"))
    assert [(check.kind, check.suspects) for check in found] == [("type", ((3, 1),))]


def test_what_is_no_statement_has_no_alarm() -> None:
    assert not failures("Code | A | B\n" + "\n".join(f"x{n} | {n * n * 37 % 101} | {n * 53 % 97}" for n in range(20)))
