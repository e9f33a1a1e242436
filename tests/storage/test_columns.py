"""Names and types of an extracted table's columns, by known answers."""

import re

import duckdb
import pytest

from aria_docs.storage import columns
from aria_docs.storage.columns import ColumnContents, Heading, column_names


def row(*texts: str, number: int = 0) -> list[Heading]:
    return [Heading(number, col, 1, text) for col, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("texts", "names"),
    [
        (("EUR thousand", "Note", "2025"), ("eur_thousand", "note", "_2025")),
        (("", "Total", "Total", "total"), ("c0", "total", "total_2", "total_3")),
        (("c1", "", "c1_2"), ("c1", "c1_2", "c1_2_2")),
        (("Order", "Group", "Select"), ("_order", "_group", "_select")),
        (("row_no", "Page", "Path"), ("row_no_2", "page_2", "path_2")),
        (("Change, %", "m² ¹", "CO₂", "№"), ("change_pct", "m", "co2", "no")),
        (("Größe", "Numéro", "数量", "कीमत", "ΣΎΝΟΛΟ"), ("grösse", "numéro", "数量", "कीमत", "σύνολο")),
        (('a"b', "x'; DROP TABLE cells; --", "\n\t", "–"), ("a_b", "x_drop_table_cells", "c2", "c3")),
        (("x" * 80, "x" * 80), ("x" * 60, "x" * 60 + "_2")),
    ],
)
def test_names(texts: tuple[str, ...], names: tuple[str, ...]) -> None:
    assert column_names(len(texts), row(*texts)) == names


def test_header_rows_are_joined_from_the_top_and_spans_reach_over_their_columns() -> None:
    header = [Heading(0, 0, 1, "Route"), Heading(0, 1, 2, "Passengers, thousand"), Heading(0, 3, 1, "Total")]
    assert column_names(4, [*row("", "2025", "2024", "Total", number=1), *header]) == (
        "route",
        "passengers_thousand_2025",
        "passengers_thousand_2024",
        "total",
    )


def test_a_span_past_the_edge_and_no_header() -> None:
    assert column_names(2, [Heading(0, 1, 9, "wide")]) == ("c0", "wide")
    assert column_names(3, []) == ("c0", "c1", "c2")


@pytest.mark.parametrize(
    ("contents", "type_"),
    [
        (ColumnContents(), "VARCHAR"),
        (ColumnContents(3, 3, 3, 0), "BIGINT"),
        (ColumnContents(3, 3, 2, 0), "DOUBLE"),
        (ColumnContents(3, 2, 2, 0), "VARCHAR"),
        (ColumnContents(3, 0, 0, 3), "DATE"),
        (ColumnContents(3, 1, 1, 2), "VARCHAR"),
    ],
)
def test_a_type_is_one_that_every_cell_fits(contents: ColumnContents, type_: str) -> None:
    assert contents.type == type_


@pytest.mark.parametrize("text", ["", "-", "–", "—", "...", "n/a", "N.A.", "n.m.", "Nil", " – ", "*"])
def test_blank_marks(text: str) -> None:
    assert duckdb.execute("SELECT regexp_matches(?, ?)", [text, columns.BLANK]).fetchone() == (True,)


@pytest.mark.parametrize("text", ["na", "-5", "no", "Nilsson", "a", "0", "see note 3", "n/a yet"])
def test_no_blank_marks(text: str) -> None:
    expected = text == "na"  # as people write "n/a"
    assert duckdb.execute("SELECT regexp_matches(?, ?)", [text, columns.BLANK]).fetchone() == (expected,)


def test_reserved_words_are_duckdbs() -> None:
    found = duckdb.execute("SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category = 'reserved'").fetchall()
    assert {word for (word,) in found} - columns.RESERVED == set()


def test_a_stack_has_a_name_to_read_and_to_type() -> None:
    name = columns.stack_name("item_größe " + "x" * 60, "0123456789abcdef")
    assert re.fullmatch(r"stacked_item_grösse_x+_01234567", name)
    assert len(name + "_long") < 63
