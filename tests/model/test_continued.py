"""Tables over several pages: known answers."""

from dataclasses import replace

import pytest

from aria_docs.model.continued import TablePart, find_continued

A4 = (595.0, 842.0)
FOOT = TablePart("a", 4, (50, 500, 545, 780), A4, 3, ("Region", "km", "t"))
HEAD = TablePart("b", 5, (50, 60, 545, 300), A4, 3, ("Region", "km", "t"))


@pytest.mark.parametrize(
    ("first", "goes_on"),
    [
        (HEAD, True),
        (replace(HEAD, header=()), True),
        (replace(HEAD, header=("Item", "km", "t")), False),
        (replace(HEAD, n_cols=4), False),
        (replace(HEAD, page=6), False),
        (replace(HEAD, box=(50, 400, 545, 700)), False),
        (replace(HEAD, box=(300, 60, 545, 300)), False),
        (replace(HEAD, box=(60, 60, 530, 300)), True),
        (replace(HEAD, header=(), caption="Table 9: Ferries"), False),
        (replace(HEAD, caption="Table 3 (continued)"), True),
    ],
)
def test_the_first_table_of_the_next_page(first: TablePart, goes_on: bool) -> None:
    assert find_continued([FOOT, first]) == ({"b": "a"} if goes_on else {})


def test_a_table_in_mid_page_ends_there() -> None:
    assert find_continued([replace(FOOT, box=(50, 100, 545, 400)), HEAD]) == {}


def test_only_the_last_and_the_first_and_over_three_pages() -> None:
    above = replace(FOOT, table_id="x", box=(50, 60, 545, 300))
    whole = replace(HEAD, box=(50, 60, 545, 790))
    below = replace(HEAD, table_id="y", box=(50, 400, 545, 700))
    third = replace(HEAD, table_id="c", page=6)
    assert find_continued([above, FOOT, whole, third]) == {"b": "a", "c": "b"}
    assert find_continued([FOOT, HEAD, below]) == {"b": "a"}
    assert find_continued([]) == {}
