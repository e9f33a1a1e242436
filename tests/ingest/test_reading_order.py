"""Lines that stand where the tests put them → columns, rows, headings: on layouts that no file of ours has."""

from __future__ import annotations

from itertools import count

import pytest

from aria_docs.ingest.pdf_text import page_text
from aria_docs.ingest.reading_order import TextLine, columns

HEIGHT = 842.0
_BLOCK = count()


def line(text: str, x: float, y: float, *, size: float = 10, width: float | None = None, **facts: object) -> TextLine:
    """Words on a baseline at y; as wide as half its letters in ems unless said otherwise."""
    wide = 0.5 * size * len(text) if width is None else width
    return TextLine(text, (x, y - 0.8 * size, x + wide, y + 0.2 * size), size, **({"bold": False} | facts))  # type: ignore[arg-type]


def prose(word: str, x: float, y: float, n: int, *, step: float = 12, width: float = 200) -> list[TextLine]:
    block = next(_BLOCK)
    return [line(f"{word} {k} goes on in words", x, y + step * k, width=width, block=block) for k in range(n)]


def order(lines: list[TextLine]) -> list[str]:
    return [line.text.split(" goes")[0] for column in columns(lines) for line in column]


def test_columns_below_a_chart_whose_labels_stand_on_both_sides() -> None:
    labels = [
        line(str(k), x, 100 + 15 * y, width=10)
        for k, (x, y) in enumerate((x, y) for y in range(5) for x in (60, 150, 340, 450))
    ]
    got = order([*labels, *prose("left", 60, 300, 6), *prose("right", 320, 300, 6)])
    assert got == [str(k) for k in range(20)] + [f"left {k}" for k in range(6)] + [f"right {k}" for k in range(6)]


def test_a_line_over_both_columns_parts_them() -> None:
    wide = line("a heading over both of the columns", 60, 250, width=460)
    lines = [*prose("a", 60, 100, 5), *prose("b", 320, 100, 5), wide, *prose("c", 60, 300, 5), *prose("d", 320, 300, 5)]
    got = order(lines)
    assert [text[0] for text in got] == [*"aaaaabbbbb", "a", *"cccccddddd"]
    assert got[10] == wide.text


def test_three_columns() -> None:
    lines = [one for x, word in ((40, "a"), (220, "b"), (400, "c")) for one in prose(word, x, 100, 8, width=160)]
    assert "".join(text[0] for text in order(sorted(lines, key=lambda line: line.box[1]))) == "aaaaaaaabbbbbbbbcccccccc"


def test_rows_of_a_table_are_no_columns() -> None:
    lines = [
        line(f"{name} {k}", x, 100 + 14 * k) for k in range(8) for x, name in ((60, "plant"), (200, "12"), (300, "7"))
    ]
    assert len(columns(lines)) == 1


def test_a_sidebar_on_its_own_lines_is_read_after_the_text() -> None:
    side = [line(f"note {k}", 420, 105 + 31 * k, width=90 - 20 * (k % 2)) for k in range(4)]
    got = order([*prose("text", 60, 100, 14, width=320), *side])
    assert got == [f"text {k}" for k in range(14)] + [f"note {k}" for k in range(4)]


def headings(lines: list[TextLine]) -> list[str]:
    return [text.lstrip("# ") for text in page_text(lines, HEIGHT).text.split("\n") if text.startswith("#")]


def page(*set_apart: TextLine) -> list[TextLine]:
    """Two paragraphs of prose with 30 points of white between them, where a heading may stand at y = 218."""
    return [*prose("one", 60, 100, 9, width=440), *set_apart, *prose("two", 60, 232, 9, width=440)]


@pytest.mark.parametrize(
    "facts",
    [
        {"size": 13.0},
        {"bold": True, "starts_bold": True},
        {"font": "F7"},
        {"text": "METHODS AND SOURCES"},
        {"text": "2.1 Methods and sources", "font": "F7"},
    ],
    ids=["larger", "bold", "another font", "capitals", "numbered"],
)
def test_what_makes_a_heading(facts: dict[str, object]) -> None:
    text = str(facts.pop("text", "Methods and sources"))
    assert headings(page(line(text, 60, 218, **facts))) == [text]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("Figure 3.1 Catch by month", {"bold": True, "starts_bold": True}),
        ("Tabelle 4: Fang nach Monat", {"size": 12.0}),
        ("• the first of the aims", {"bold": True, "starts_bold": True}),
        ("June 2024", {"size": 12.0}),
        ("Ann Lee1, Bo Ek2, Cy Oh1,2", {"size": 12.0}),
        ("of the harbour were not counted", {"bold": True, "starts_bold": True}),
        ("k = a + b", {"font": "F7"}),
    ],
)
def test_what_is_no_heading(text: str, facts: dict[str, object]) -> None:
    assert headings(page(line(text, 60, 218, **facts))) == []  # type: ignore[arg-type]


def test_bold_words_that_begin_a_paragraph_are_no_heading() -> None:
    bold = line(
        "Catch, landings and what was thrown back into the sea in", 60, 218, width=440, bold=True, starts_bold=True
    )
    mixed = line("both years. Of the first", 60, 230, width=440, starts_bold=True)
    assert headings([*prose("one", 60, 100, 9, width=440), bold, mixed, *prose("two", 60, 242, 9, width=440)]) == []


def test_running_heads_and_feet_stand_apart() -> None:
    head = line("Harbour Review 12 (2021) 44", 60, 40, size=12)
    foot = line("17", 290, 815)
    text = page_text([head, *prose("one", 60, 100, 9), *prose("two", 60, 250, 9), foot], HEIGHT).text
    assert text.split("\n\n")[0] == head.text and text.split("\n\n")[-1] == "17"


def test_a_list_of_bold_lines_is_no_row_of_headings() -> None:
    items = [line(f"Part {k} of the book", 60, 218 + 30 * k, size=12) for k in range(5)]
    assert headings([*prose("one", 60, 100, 9), *items]) == []


def test_two_numbered_headings_under_each_other_are_two() -> None:
    two = [line("3 Results", 60, 218, size=12), line("3.1 Catch", 60, 230, size=12)]
    assert headings([*prose("one", 60, 100, 9), *two, *prose("two", 60, 250, 9)]) == ["3 Results", "3.1 Catch"]


def test_words_parted_by_a_soft_hyphen_are_joined() -> None:
    assert page_text([line("the har\u00ad", 60, 100), line("Bour", 60, 112)], HEIGHT).text == "the harBour"


def test_type_of_no_size_as_damaged_files_have_it_is_text() -> None:
    boxes = [(60, 100, 90, 112), (60, 114, 90, 126)]
    lines = [TextLine(f"Quay {n}", box, 0.0, bold=n == 0) for n, box in enumerate(boxes)]
    assert page_text(lines, HEIGHT).text.split() == ["Quay", "0", "Quay", "1"]


def test_each_line_of_the_text_has_its_box() -> None:
    lines = [line("a hyphen-", 60, 100), line("ated word", 60, 112), line("next", 60, 160)]
    found = page_text(lines, HEIGHT)
    assert found.text == "a hyphenated word\n\nnext"
    assert [round(box[3]) for box in found.boxes] == [114, 162]


def test_a_title_may_have_many_rows() -> None:
    rows = [
        line(f"Leaves of {name} in the shade of old trees", 60, 60 + 24 * n, size=20)
        for n, name in enumerate("abcdefg")
    ]
    (title,) = headings([*rows, *prose("one", 60, 260, 30, width=440)])
    assert len(title) > 200
    assert title.endswith(rows[-1].text)


def test_capitals_over_small_letters_are_a_heading_over_another() -> None:
    bold = {"bold": True, "starts_bold": True}
    above, below = line("PLANTS AND SOILS", 60, 212, **bold), line("Leaf area", 60, 224, **bold)
    assert headings([*prose("one", 60, 90, 9, width=440), above, below, *prose("two", 60, 238, 9, width=440)]) == [
        above.text,
        below.text,
    ]


@pytest.mark.parametrize(("text", "y", "found"), [
    ("2.3 Leaf area", 218, True),
    ("2.3 Leaf area", 208, False),  # no white above it
    ("2.3 Leaf area of the plants that stood in the shade of old trees for a year, dried", 218, False),  # a full row
    ("23 leaves", 218, False),
])  # fmt: skip
def test_a_numbered_row_of_the_bodys_type_is_a_heading_by_its_white(text: str, y: float, found: bool) -> None:
    assert headings(page(line(text, 60, y))) == [text] * found


@pytest.mark.parametrize(("text", "found"), [("References", True), ("Leaf area", False)])
def test_what_only_headings_are_called_may_be_small(text: str, found: bool) -> None:
    assert headings(page(line(text, 60, 218, size=9, bold=True, starts_bold=True, font="F7"))) == [text] * found
