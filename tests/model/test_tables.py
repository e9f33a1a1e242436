"""The embedded engine's tables: what is one, what its cells are worth, and where its caption stands."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from aria_docs.media import Page, TableCandidate, TableCell, Word
from aria_docs.model.embedded.tables import tables

BOX = (100.0, 200.0, 400.0, 300.0)


def candidate(rows: list[list[str]], *, n_header_rows: int = 1, ruled: bool = False) -> TableCandidate:
    height, width = 100 / len(rows), 300 / len(rows[0])
    cells = tuple(
        TableCell(
            i,
            j,
            text,
            is_header=i < n_header_rows,
            box=(100 + j * width, 200 + i * height, 100 + (j + 1) * width, 200 + (i + 1) * height),
        )
        for i, row in enumerate(rows)
        for j, text in enumerate(row)
    )
    return TableCandidate(BOX, len(rows), len(rows[0]), n_header_rows, cells, ruled)


def lines(*placed: tuple[float, float, str], block: int | None = None) -> tuple[Word, ...]:
    """Words of lines at (x, y), each line a block of its own unless told otherwise."""
    words = []
    for n, (x, y, text) in enumerate(placed):
        for word in text.split():
            words.append(Word(word, (x, y, x + 5 * len(word), y + 10), n if block is None else block, n))
            x += 5 * len(word) + 3
    return tuple(words)


def page(*candidates: TableCandidate, words: tuple[Word, ...] = ()) -> Page:
    return Page(1, 595, 842, "", words=words, candidates=candidates)


ROWS = [["Country", "Rate"], ["Finland", "1.234,5"], ["Sweden", "1.234"]]


def test_numbers_are_read_with_the_tables_own_decimal_sign() -> None:
    (table,) = tables(page(candidate(ROWS)))
    assert [(cell.text, cell.number) for cell in table.cells if cell.number is not None] == [
        ("1.234,5", 1234.5),
        ("1.234", 1234),
    ]
    assert (table.n_rows, table.n_cols, table.n_header_rows) == (3, 2, 1)
    assert [cell.text for cell in table.cells if cell.is_header] == ["Country", "Rate"]


@pytest.mark.parametrize(
    ("words", "caption"),
    [
        (lines((100, 180, "Table 3: Rates by country")), "Table 3: Rates by country"),
        (lines((100, 160, "Table 3: Rates"), (100, 172, "by country"), block=0), "Table 3: Rates by country"),
        (lines((100, 160, "Table 3:"), (150, 158, "Rates by country")), "Table 3: Rates by country"),
        (lines((100, 308, "Tabelle 2 Raten")), "Tabelle 2 Raten"),
        (lines((100, 182, "Rates by country")), "Rates by country"),
        (lines((100, 182, "The rates are as follows:")), None),
        (lines((100, 60, "Table 3: Rates by country")), None),
        (lines((450, 180, "Table 3: Beside it")), None),
        (lines((110, 220, "Table 9: inside")), None),
        ((), None),
    ],
    ids=["above", "two lines", "beside", "below", "title", "sentence", "far", "aside", "inside", "none"],
)
def test_captions(words: tuple[Word, ...], caption: str | None) -> None:
    (table,) = tables(page(candidate(ROWS), words=words))
    assert table.caption == caption


@pytest.mark.parametrize(
    "rows",
    [
        [["a", "b"], ["", ""]],
        [["a", ""], ["b", ""], ["c", ""], ["d", ""]],
        [["•", "first point of a list"], ["•", "second point"], ["•", "third point"]],
        [["1.", "first step"], ["2.", "second step"], ["3.", "third step"]],
        [["Introduction . . . . . . .", "1"], ["Methods . . . . . . . . . .", "7"], ["Results . . . . . .", "12"]],
        [["", "", "", "", ""] for _ in range(5)] + [["0", "10", "20", "30", ""]] + [["40", "", "", "", ""]],
        [["word " * 90, "word " * 90], ["word " * 90, "word " * 90]],
    ],
    ids=["one row", "one column", "bullets", "steps", "contents", "chart", "prose"],
)
def test_what_is_no_table_is_left_out(rows: list[list[str]]) -> None:
    assert tables(page(candidate(rows))) == ()


def test_a_sparse_table_stays() -> None:
    rows = [["Name", "A", "B", "C"], ["x", "1", "", ""], ["y", "", "2", ""], ["z", "", "", "3"]]
    assert len(tables(page(candidate(rows)))) == 1


def test_tables_come_from_the_top() -> None:
    low = candidate(ROWS)
    high = TableCandidate((100, 20, 400, 90), low.n_rows, low.n_cols, 1, low.cells)
    assert [table.box[1] for table in tables(page(low, high))] == [20, 200]


@pytest.mark.parametrize(
    "rows",
    [
        [["x11()", "# for graphics"], ['par(pch = "+")', "# plotting character"], ["library(MASS)", "# a package"]],
        [["int n;", "// how many"], ["double x;", "/* the mean */"], ["return x;", ""]],
        [['"sa",', '"qld",', '"nsw",'], ['"vic",', '"nsw",', '"vic",'], ['"act",', '"nsw")', ""]],
    ],
)
def test_a_program_is_no_table(rows: list[list[str]]) -> None:
    assert tables(page(candidate(rows))) == ()


def test_commas_and_number_signs_do_not_make_a_program() -> None:
    rows = [["Team", "#"], ["Bergen, Norway", "#1"], ["Turku, Finland", "#2"], ["Lund, Sweden", "% of all"]]
    assert len(tables(page(candidate(rows)))) == 1


SHORT = [
    ["API", "application programming interface"],
    ["BIOS", "basic input and output system"],
    ["CPU", "central processing unit"],
    ["ISO", "International Organization for Standardization"],
]
LONG = [
    ["Anchor", "See Winch."],
    ["Berth", "A place where a ship lies alongside a quay, for one tide or for a whole winter."],
    ["Keel", "The lowest timber or plate of a ship, which runs from the bow to the stern."],
    ["Leeward side", "The side of a ship that is turned away from the wind."],
]
OPTIONS = [
    ["-a, --all", "do not ignore entries that start with a dot"],
    ["-l", "use a long listing format"],
    ["-s, --size", "print the size of each file"],
]
CJK = [
    ["接口", "两个系统之间交换数据的约定"],
    ["缓存", "为了更快地读取而保留的副本"],
    ["内核", "操作系统中管理硬件的部分"],
]


@pytest.mark.parametrize("rows", [SHORT, LONG, OPTIONS, CJK], ids=["short", "long", "options", "ideographs"])
@pytest.mark.parametrize("n_header_rows", [0, 1])
def test_terms_and_their_definitions_are_no_table(rows: list[list[str]], n_header_rows: int) -> None:
    assert tables(page(candidate(rows, n_header_rows=n_header_rows))) == ()
    assert len(tables(page(candidate(rows, n_header_rows=n_header_rows, ruled=True)))) == 1


@pytest.mark.parametrize("rows", [SHORT, LONG, OPTIONS, CJK], ids=["short", "long", "options", "ideographs"])
def test_terms_under_heads_are_a_table(rows: list[list[str]]) -> None:
    assert len(tables(page(candidate([["Term", "Definition"], *rows])))) == 1
    assert len(tables(page(candidate([["Glossary of the port", ""], ["Begriff", "Erklärung"], *rows])))) == 1


def test_a_long_head_begins_with_a_capital_where_definitions_do_not() -> None:
    assert len(tables(page(candidate([["Option", "What the option does"], *OPTIONS])))) == 1
    assert tables(page(candidate([["-x", "what the option does"], *OPTIONS]))) == ()


@pytest.mark.parametrize(
    "rows",
    [
        [["Berth", "3.50 for each metre and night"], ["Water", "2.10 for each cubic metre"], ["Crane", "45.00 a lift"]],
        [["Finland", "Helsinki"], ["Sweden", "Stockholm"], ["Bosnia", "Sarajevo"]],
        [["Owner", "Ministry of Transport and Communications"], ["Built", "1987"], ["Length", "412 metres"]],
        [
            ["11", "Agriculture and fishing of all kinds"],
            ["21", "Mining and what goes with it"],
            ["22", "Gas and power"],
        ],
        [[*row, "1"] for row in SHORT],
    ],
    ids=["prices", "names", "facts", "codes", "three columns"],
)
def test_what_is_beside_a_name_and_is_no_prose_is_data(rows: list[list[str]]) -> None:
    assert len(tables(page(candidate(rows)))) == 1


@pytest.mark.parametrize(
    ("title", "n_tables"), [("Table 3: Terms", 1), ("Terms", 0), ("Appendix A: Terms", 0), ("Annex II: Terms", 0)]
)
def test_terms_are_a_table_where_their_caption_says_so(title: str, n_tables: int) -> None:
    assert len(tables(page(candidate(LONG), words=lines((100, 182, title))))) == n_tables


@pytest.mark.parametrize(("y", "dx", "n_tables"), [(310, 0, 2), (310, 20, 1), (360, 0, 1)])
def test_terms_right_under_a_table_of_the_same_columns_are_more_of_it(y: float, dx: float, n_tables: int) -> None:
    head, more = candidate([["Term", "Definition"], *SHORT]), candidate(LONG)
    x0, y0, x1, y1 = BOX
    moved = tuple(
        replace(cell, box=(cell.box[0] + dx, cell.box[1] + y - y0, cell.box[2] + dx, cell.box[3] + y - y0))
        for cell in more.cells
        if cell.box
    )
    more = replace(more, box=(x0 + dx, y, x1 + dx, y1 + y - y0), cells=moved)
    assert len(tables(page(head, more))) == n_tables


TITLES = [
    "Why ports matter",
    "What this covers",
    "Passengers and vehicles",
    "Dues",
    "Ice in the north",
    "Outlook",
    "Notes",
]


@pytest.mark.parametrize(
    ("last", "n_header_rows", "n_tables"),
    [
        (["1", "3", "7", "12", "15", "21", "30"], 0, 0),
        (["iii", "v", "ix", "1", "4", "4", "9"], 0, 0),
        (["iii v", "ix", "xiv", "1", "4", "4", "9"], 1, 0),
        (["Page", "3", "7", "12", "15", "21", "30"], 1, 0),
        (["Cases", "3", "7", "12", "15", "21", "30"], 1, 1),
        (["1", "3", "7", "5", "15", "21", "30"], 0, 1),
        (["3", "3", "3", "4", "4", "5", "5"], 0, 1),
        (["1", "v", "ix", "1", "4", "4", "9"], 0, 1),
        (["1", "3", "7", "12", "15", "21,000", "30"], 0, 1),
    ],
    ids=["rising", "roman", "roman above", "headed", "counts", "not rising", "few", "roman later", "no page"],
)
def test_contents_without_leaders_are_no_table(last: list[str], n_header_rows: int, n_tables: int) -> None:
    rows = [list(row) for row in zip(TITLES, last, strict=True)]
    assert len(tables(page(candidate(rows, n_header_rows=n_header_rows)))) == n_tables


@pytest.mark.parametrize(
    ("rows", "n_tables"),
    [
        ([["a = b + c", "(1)"], ["d = 2 a", "(2.1)"], ["e = f(d)", "(2a)"]], 0),
        ([["Costs", "(1)"], ["Losses", "(2)"], ["Tax = rate", "(3)"]], 1),
        ([["a = b + c", "1"], ["d = 2 a", "2"], ["e = f(d)", "3"]], 1),
    ],
    ids=["equations", "losses", "values"],
)
def test_numbered_equations_are_no_table(rows: list[list[str]], n_tables: int) -> None:
    assert len(tables(page(candidate(rows, n_header_rows=0)))) == n_tables


@pytest.mark.parametrize(
    ("pages", "n_tables"),
    [
        (["12, 45", "88", "3, 17-19", "5"], 0),
        (["12", "88", "17-19", "5-6"], 1),
        (["45, 12", "88", "3, 17", "5"], 1),
        (["12, 45", "88", "3, 17", "5.5"], 1),
    ],
    ids=["index", "values", "not rising", "no page"],
)
def test_an_index_is_no_table(pages: list[str], n_tables: int) -> None:
    rows = [["anchor", pages[0], "ice", pages[1]], ["berth", pages[2], "keel", pages[3]]]
    assert len(tables(page(candidate(rows, n_header_rows=0)))) == n_tables
    assert len(tables(page(candidate([["Term", "Pages", "Term", "Pages"], *rows])))) == 1


def test_numbers_in_brackets_are_bullets() -> None:
    assert tables(page(candidate([["[1]", "Ice in harbours"], ["[2]", "Tides"], ["[10]", "Feeders"]]))) == ()


def test_a_column_headed_x_is_no_column_of_pages() -> None:
    squares = [[str(n), str(n * n)] for n in range(1, 8)]
    assert tables(page(candidate([["t", "x"], *squares])))
    chapters = [
        [f"Chapter on {what}", str(n * n)] for n, what in enumerate(("ships", "tides", "ports", "fog", "ice"), 1)
    ]
    assert not tables(page(candidate([["Preface", "x"], *chapters])))


def test_whatever_the_cells_hold_there_is_an_answer() -> None:
    """Empty columns, single characters, marks alone: candidates that no rule was made for."""
    random = Random(0)
    texts = [
        "",
        "",
        "a",
        "7",
        "Rate",
        "iv",
        "1, 2",
        "•",
        "(1)",
        "Appendix A",
        "a few words of prose",
        "…",
        "漢字",
        "-",
        "[1]",
    ]
    for _ in range(3000):
        n_rows, n_cols = random.randint(1, 6), random.randint(1, 4)
        rows = [[random.choice(texts) for _ in range(n_cols)] for _ in range(n_rows)]
        if random.random() < 0.3:
            blank = random.randrange(n_cols)
            rows = [[*row[:blank], "", *row[blank + 1 :]] for row in rows]
        heads = random.randint(0, min(2, n_rows))
        for table in tables(page(candidate(rows, n_header_rows=heads, ruled=random.random() < 0.2))):
            assert (table.n_rows, table.n_cols) == (n_rows, n_cols)


def test_marks_under_heads_are_a_table_however_few() -> None:
    rows = [["Ship", *"ABCDEFGH"], *([f"Ship {r}", *("x" if c == r else "" for c in range(8))] for r in range(8))]
    assert len(tables(page(candidate(rows)))) == 1
    assert tables(page(candidate([["", *row[1:]] for row in rows]))) == ()


def test_a_lattice_whose_last_column_rises_is_a_table() -> None:
    table = candidate([[f"valve {r}", str(2 * r + 1)] for r in range(7)], n_header_rows=0)
    assert tables(page(table)) == ()
    assert len(tables(page(replace(table, lattice=True)))) == 1


def test_leaders_to_amounts_are_no_contents() -> None:
    rows = [
        ["Rent ........", "1,200"],
        ["Light ........", "310"],
        ["Heat ........", "905"],
        ["Total ........", "2,415"],
    ]
    assert len(tables(page(candidate(rows)))) == 1


def test_one_ruled_row_on_top_of_a_page_may_be_the_last_of_a_table() -> None:
    row = replace(candidate([["41", "Bolt", "7", "3.50"]]), lattice=True)
    assert len(tables(page(row, words=lines((100, 20, "Parts list 2"))))) == 1
    assert tables(page(row, words=lines((100, 100, "Some text"), (100, 120, "stands above it.")))) == ()
    assert tables(page(replace(row, lattice=False))) == ()


@pytest.mark.parametrize(
    ("words", "caption"),
    [
        (lines((20, 182, "Table 3. Deliveries")), "Table 3. Deliveries"),
        (lines((20, 182, "Table 3. Deliveries"), (20, 210, "of another column")), None),
        (lines((100, 182, "Table 3 shows the rates of all countries.")), None),
        (lines((100, 182, "Journal of Rates 17")), None),
        (lines((100, 182, "Name: Una Ash Account: 17 22 1")), None),
        (lines((100, 182, "Figure 4. Rates by country")), None),
        (lines((100, 170, "Table 12. Rates"), (100, 308, "Table 1. Other rates")), "Table 12. Rates"),
    ],
    ids=["left", "left of another text", "sentence", "running head", "labels", "figure", "two numbers"],
)
def test_captions_of_others(words: tuple[Word, ...], caption: str | None) -> None:
    left = replace(candidate(ROWS), box=(160.0, *BOX[1:]))
    place = left if words[0].box[0] == 20 else candidate(ROWS)
    (table,) = tables(page(place, words=words))
    assert table.caption == caption


def test_captions_under_tables_are_each_its_own() -> None:
    low = replace(candidate(ROWS), box=(100.0, 340.0, 400.0, 440.0))
    words = lines((100, 308, "Table 1. Upper"), (100, 448, "Table 2. Lower"))
    found = tables(page(candidate(ROWS), low, words=words))
    assert [table.caption for table in found] == ["Table 1. Upper", "Table 2. Lower"]


def test_a_turned_table_has_its_caption_beside_it() -> None:
    turned = tuple(
        replace(cell, box=(10.0 * cell.row + 200, 400 - 50.0 * cell.col, 10.0 * cell.row + 210, 440 - 50.0 * cell.col))
        for cell in candidate(ROWS).cells
    )
    table = replace(candidate(ROWS), cells=turned, box=(200.0, 200.0, 300.0, 440.0))
    words = (Word("Table", (185, 410, 195, 440)), Word("7.", (185, 395, 195, 408)), Word("Rates", (185, 360, 195, 392)))
    assert [found.caption for found in tables(page(table, words=words))] == ["Table 7. Rates"]
