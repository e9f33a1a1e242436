"""Rows as text: every value is there at every width."""

import pytest

from aria_docs.text_table import as_lines, as_markdown, as_text, cells_of, show

NAMES = ("file", "page", "caption")
LONG = "Table 7. Employed persons by status, sex and level of education, 2005 and 2006 (annual averages, thousands)"
ROWS = [("annual_report.pdf", 2, LONG), ("x.pdf", 114, None), ("日本語の報告書.pdf", 3, "two\nlines")]


def test_a_box_of_the_natural_width() -> None:
    assert as_text(("a", "n"), [("x", 1), ("yy", 20)], width=None).splitlines() == [
        "┌────┬────┐",
        "│ a  │  n │",
        "├────┼────┤",
        "│ x  │  1 │",
        "│ yy │ 20 │",
        "└────┴────┘",
    ]


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200, None])
def test_every_value_is_there(width: int | None) -> None:
    drawn = as_text(NAMES, ROWS, width=width)
    in_box = "┌" in drawn
    if in_box:
        assert all(cells_of(line) == cells_of(drawn.splitlines()[0]) <= (width or 999) for line in drawn.splitlines())
    plain = "".join("".join(line.split("│")[3:4]) if in_box else line for line in drawn.splitlines()).replace(" ", "")
    assert LONG.replace(" ", "") in plain
    assert drawn.count("…") == 0
    assert "114" in drawn and "NULL" in drawn
    assert in_box == (width is None or width >= 60)


def test_lines_keep_a_value_whole() -> None:
    assert as_lines(("a", "caption"), [(1, LONG)]) == f"── row 1 ──\na        1\ncaption  {LONG}"
    assert as_lines(("a",), []) == "no rows"


def test_markdown_escapes_what_would_end_a_cell() -> None:
    assert as_markdown(("a|b", "n"), [("x|y\nz", 1), (None, 2.5)]) == (
        "| a\\|b | n |\n| --- | ---: |\n| x\\|y<br>z | 1 |\n|  | 2.5 |"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "NULL"),
        (True, "true"),
        (b"\xff\xd8" + b"x" * 12_000, "<JPEG 12 kB>"),
        (b"abc", "<bytes 3 bytes>"),
        ([{"text": "a", "page": None}], "[{text: a, page: NULL}]"),
        ("\x1b[2Jx\ty", "\\x1b[2Jx   y"),
        ("", ""),
        ("a\n", "a"),
    ],
)
def test_values(value: object, text: str) -> None:
    assert show(value) == text
