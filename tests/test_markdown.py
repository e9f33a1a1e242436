"""Pages with tables → Markdown: what stands where, and how a table is written."""

from __future__ import annotations

from aria_docs.markdown import PageParts, document_markdown, page_markdown
from aria_docs.schemas.sources import PageRow
from aria_docs.schemas.tables import CellRow, TableRow


def page(text: str, number: int = 1) -> PageRow:
    return PageRow(source_id="s", page=number, width_pt=595, height_pt=842, text=text, from_ocr=False)


def table(
    rows: list[list[str]], *, y0: float, y1: float, n_header_rows: int = 1, wide: int = 0
) -> tuple[TableRow, tuple[CellRow, ...]]:
    """wide: how many columns the first cell spans."""
    row = TableRow(
        table_id="t", reading_id="r", source_id="s", page=1, table_no=0, x0=50, y0=y0, x1=400, y1=y1,
        n_rows=len(rows), n_cols=len(rows[-1]), n_header_rows=n_header_rows,
    )  # fmt: skip
    cells = tuple(
        CellRow(
            table_id="t", row_no=r, col_no=c, row_span=1, col_span=wide if wide and (r, c) == (0, 0) else 1,
            is_header=r < n_header_rows, text=text, grounded=True,
        )
        for r, texts in enumerate(rows) for c, text in enumerate(texts)
    )  # fmt: skip
    return row, cells


BOXES = ((50, 100, 300, 110), (50, 130, 200, 140), (50, 150, 200, 160), (50, 200, 300, 210))
TEXT = "# Catch\n\nFish 2023\nCod 1,204\n\nThe end."


def test_a_table_stands_where_its_lines_are() -> None:
    parts = PageParts(page(TEXT), BOXES, (table([["Fish", "2023"], ["Cod", "1,204"]], y0=125, y1=165),))
    assert page_markdown(parts) == "# Catch\n\n| Fish | 2023 |\n| --- | --- |\n| Cod | 1,204 |\n\nThe end."


def test_a_table_whose_words_are_not_in_the_text_comes_behind_what_is_above_it() -> None:
    parts = PageParts(
        page("# Catch\n\nThe end."), (BOXES[0], BOXES[3]), (table([["a", "b"], ["1", "2"]], y0=125, y1=165),)
    )
    assert page_markdown(parts).startswith("# Catch\n\n| a | b |")


def test_where_lines_have_no_places_tables_come_last() -> None:
    parts = PageParts(page(TEXT), (), (table([["a", "b"], ["1", "2"]], y0=125, y1=165),))
    assert page_markdown(parts).endswith("The end.\n\n| a | b |\n| --- | --- |\n| 1 | 2 |")


def test_spans_and_several_header_rows_are_html() -> None:
    spanning = table([["Catch"], ["2023", "2024 < 2025"]], y0=1, y1=2, wide=2)
    html = '<table>\n<tr><th colspan="2">Catch</th></tr>\n<tr><td>2023</td><td>2024 &lt; 2025</td></tr>\n</table>'
    assert page_markdown(PageParts(page(""), (), (spanning,))) == html
    twice = table([["a", "b"], ["c", "d"], ["1", "2"]], y0=1, y1=2, n_header_rows=2)
    assert page_markdown(PageParts(page(""), (), (twice,))).count("<th>") == 4


def test_lists_pages_and_running_heads() -> None:
    pages = [PageParts(page(f"# Harbour Review {n}\n\n• item {n}", n)) for n in (1, 2, 3)]
    text = document_markdown(pages)
    assert text.startswith("Harbour Review 1\n\n- item 1\n\n<!-- page 2 -->\n\nHarbour Review 2")
    assert document_markdown(pages[:2]).startswith("# Harbour Review 1"), "on two pages it may be a heading"
