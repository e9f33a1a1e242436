"""Quarter turns, by hand and back again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aria_docs.turns import quarters_upright, turn

BOX = (100.0, 40.0, 130.0, 50.0)  # near the top left of a page of 600 by 800


@pytest.mark.parametrize(
    ("quarters", "expected"),
    [
        (0, BOX),
        (1, (750, 100, 760, 130)),
        (2, (470, 750, 500, 760)),
        (3, (40, 470, 50, 500)),
        (4, BOX),
        (-1, (40, 470, 50, 500)),
    ],
)
def test_by_hand(quarters: int, expected: tuple[float, ...]) -> None:
    assert turn(BOX, quarters, 600, 800) == expected


@given(st.integers(-8, 8))
def test_there_and_back(quarters: int) -> None:
    width, height = (600, 800) if quarters % 2 == 0 else (800, 600)
    assert turn(turn(BOX, quarters, 600, 800), -quarters, width, height) == BOX


@pytest.mark.parametrize(
    ("directions", "quarters"),
    [
        ([], 0),
        ([(1, 0, 5)], 0),
        ([(0, -1, 5)], 1),  # it reads upwards: a turn to the right sets it upright
        ([(-1, 0, 5)], 2),
        ([(0, 1, 5)], 3),
        ([(0, -1, 2), (1, 0, 5)], 0),
        ([(0.99, 0.02, 5), (0, 1, 4)], 0),
    ],
)
def test_most_of_the_text_decides(directions: list[tuple[float, float, int]], quarters: int) -> None:
    assert quarters_upright(directions) == quarters
