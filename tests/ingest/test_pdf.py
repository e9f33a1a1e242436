"""PDF files that the tests make themselves: what comes out, and which error each kind of damage is."""

from __future__ import annotations

import json
import os
import re
import signal
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from aria_docs.errors import AriaDocsError, Damaged, Encrypted, Unreachable, WrongKind
from aria_docs.ingest import pdf, text_layer
from aria_docs.ingest.mupdf import pymupdf
from aria_docs.ingest.pdf import NO_TEXT, open_document
from aria_docs.ingest.pdf_text import clean
from aria_docs.ingest.scans.reader import HOW_TO_GET_IT

if TYPE_CHECKING:
    from collections.abc import Callable

    from aria_docs.media import TableCandidate

NASTY = Path(__file__).parents[3] / "shared" / "data" / "pdf" / "nasty"


def make(path: Path, draw: Callable[[Any], None] | None = None, *, pages: int = 1, **save: Any) -> Path:
    """A PDF of A4 pages, each drawn by `draw`."""
    with pymupdf.open() as document:
        for _ in range(pages):
            page = document.new_page(width=595, height=842)
            if draw:
                draw(page)
        document.save(path, **save)
    return path


def text_page(page: Any) -> None:
    page.insert_text((72, 72), "A sentence on a page.", fontsize=11)


def ruled_table(rows: list[list[str]], *, x: float = 72, y: float = 100, width: float = 90, height: float = 20) -> Any:
    def draw(page: Any) -> None:
        for i, row in enumerate(rows):
            for j, text in enumerate(row):
                page.draw_rect((x + j * width, y + i * height, x + (j + 1) * width, y + (i + 1) * height), width=0.5)
                page.insert_text((x + j * width + 4, y + (i + 1) * height - 6), text, fontsize=9)

    return draw


def open_table(rows: list[list[str]], *, x: float = 72, y: float = 100, width: float = 90, height: float = 14) -> Any:
    """Rules above and below the header and at the end, as in print; numbers to the right."""

    def draw(page: Any) -> None:
        right = x + len(rows[0]) * width
        for at in (y, y + height, y + len(rows) * height + 4):
            page.draw_line((x, at + 2), (right, at + 2), width=0.7)
        for i, row in enumerate(rows):
            for j, text in enumerate(row):
                size = pymupdf.get_text_length(text, fontsize=9) if j else width
                page.insert_text((x + (j + 1) * width - size, y + (i + 1) * height - 1), text, fontsize=9)

    return draw


NUMBERS = [
    ["Country", "Rate", "Change", "Total"],
    ["Finland", "34.7", "-0.05", "1,234.56"],
    ["Sweden", "5.25", "12.125", "987.0"],
    ["Norway", "0.3", "4.4", "3,456,789.01"],
    ["Denmark", "17.5", "8.75", "12.5"],
]


def grid(table: TableCandidate) -> list[list[str]]:
    rows = [["" for _ in range(table.n_cols)] for _ in range(table.n_rows)]
    for cell in table.cells:
        rows[cell.row][cell.col] = cell.text
    return rows


def candidates(path: Path) -> tuple[TableCandidate, ...]:
    with open_document(path) as document:
        return document.with_tables(document.page(1)).candidates


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", WrongKind),
        (b"<!doctype html><html><body><h1>404</h1></body></html>", WrongKind),
        (b"\x89PNG\r\n\x1a\n" + bytes(60), WrongKind),
        (bytes(range(128, 256)) * 20, WrongKind),
        (b"%PDF-1.7\n", Damaged),
    ],
    ids=["empty", "html", "png", "random", "header only"],
)
def test_what_is_no_pdf_is_named(tmp_path: Path, content: bytes, error: type[AriaDocsError]) -> None:
    path = tmp_path / "x.pdf"
    path.write_bytes(content)
    with pytest.raises(error, match=r"x\.pdf"):
        open_document(path)


def test_what_cannot_be_reached(tmp_path: Path) -> None:
    dangling = tmp_path / "link.pdf"
    dangling.symlink_to(tmp_path / "gone.pdf")
    for path in (tmp_path / "missing.pdf", tmp_path, dangling):
        with pytest.raises(Unreachable):
            open_document(path)


@pytest.mark.parametrize("method", ["PDF_ENCRYPT_RC4_128", "PDF_ENCRYPT_AES_256"])
def test_passwords(tmp_path: Path, method: str) -> None:
    path = make(tmp_path / "x.pdf", text_page, encryption=getattr(pymupdf, method), user_pw="pässwö", owner_pw="other")
    with pytest.raises(Encrypted, match="--password-file"):
        open_document(path, passwords=["wrong"])
    with open_document(path, passwords=["wrong", "pässwö"]) as document:
        assert document.page(1).text == "A sentence on a page."


def raw_pdf(path: Path, *objects: str) -> Path:
    """A PDF from its objects, numbered from 1, the first the catalog; no cross-reference table."""
    body = "".join(f"{n} 0 obj\n{text}\nendobj\n" for n, text in enumerate(objects, 1))
    path.write_text(f"%PDF-1.4\n{body}trailer\n<< /Root 1 0 R /Size {len(objects) + 1} >>\n%%EOF\n")
    return path


CATALOG = "<< /Type /Catalog /Pages 2 0 R >>"
LEAF = "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 400] >>"


def test_no_pages_is_no_error(tmp_path: Path) -> None:
    with open_document(raw_pdf(tmp_path / "x.pdf", CATALOG, "<< /Type /Pages /Count 0 /Kids [] >>")) as document:
        assert document.info.n_pages == 0


def test_a_page_count_that_lies_is_put_right(tmp_path: Path) -> None:
    tree = "<< /Type /Pages /Count 999999 /Kids [3 0 R] >>"
    with open_document(raw_pdf(tmp_path / "x.pdf", CATALOG, tree, LEAF)) as document:
        assert document.info.n_pages == 1
        assert "1 found" in (document.info.note or "")
        assert (document.page(1).width_pt, document.page(1).height_pt) == (300, 400)


def test_a_page_tree_that_bites_its_tail(tmp_path: Path) -> None:
    loop = "<< /Type /Pages /Count 5 /Kids [2 0 R 3 0 R] >>"
    with pytest.raises(Damaged, match="page tree"):
        open_document(raw_pdf(tmp_path / "x.pdf", CATALOG, loop, "<< /Type /Pages /Parent 2 0 R /Count 5 >>"))


def test_a_damaged_file_says_that_it_was_repaired(tmp_path: Path) -> None:
    path = make(tmp_path / "x.pdf", text_page, pages=3)
    path.write_bytes(path.read_bytes()[:-200])
    with open_document(path) as document:
        assert (document.info.note or "").startswith("repaired")
        assert document.page(3).text == "A sentence on a page."


def test_title(tmp_path: Path) -> None:
    with pymupdf.open() as document:
        document.new_page()
        document.set_metadata({"title": "Annual report"})
        document.save(tmp_path / "x.pdf")
    with open_document(tmp_path / "x.pdf") as opened:
        assert opened.info.title == "Annual report"
        assert opened.info.note is None


def test_columns_are_read_one_after_the_other_and_headings_marked(tmp_path: Path) -> None:
    left = [f"the left column has line number {word}" for word in ("one", "two", "three", "four", "five")]
    right = [f"on the right there is a line {word}" for word in ("six", "seven", "eight", "nine", "ten")]

    def draw(page: Any) -> None:
        page.insert_text((72, 60), "A title over both of the columns", fontsize=18)
        for i, (a, b) in enumerate(zip(left, right, strict=True)):
            page.insert_text((310, 100 + 13 * i), b, fontsize=10)
            page.insert_text((72, 100 + 13 * i), a, fontsize=10)

    with open_document(make(tmp_path / "x.pdf", draw)) as document:
        text = document.page(1).text
    assert text == "# A title over both of the columns\n\n" + "\n".join(left) + "\n\n" + "\n".join(right)


def test_sideways_text_is_read_in_its_own_direction(tmp_path: Path) -> None:
    def draw(page: Any) -> None:
        for i, text in enumerate(("first line of text", "second line of text", "third line of text")):
            page.insert_text((100 + 14 * i, 400), text, fontsize=11, rotate=90)

    with open_document(make(tmp_path / "x.pdf", draw)) as document:
        assert document.page(1).text == "first line of text\nsecond line of text\nthird line of text"


def test_words_stand_where_they_are_displayed(tmp_path: Path) -> None:
    def draw(page: Any) -> None:
        page.insert_text((100, 50), "corner", fontsize=10)
        page.set_rotation(90)

    with open_document(make(tmp_path / "x.pdf", draw)) as document:
        page = document.page(1)
    assert (page.width_pt, page.height_pt) == (842, 595)
    x0, y0, x1, y1 = page.words[0].box
    assert 842 - 55 < x0 < x1 < 842 - 35  # 50 points below the top, seen from the side
    assert 99 < y0 < y1 < 140


def test_control_characters_do_not_come_out(tmp_path: Path) -> None:
    assert clean("a\x00b\x07c\ud800d\ufffee\tf\ng\x85") == "abcde\tf\ng"


def test_blank_and_scanned_pages(tmp_path: Path) -> None:
    def scan(page: Any) -> None:
        pixmap = pymupdf.Pixmap(pymupdf.csRGB, pymupdf.IRect(0, 0, 40, 40))
        pixmap.clear_with(90)
        page.insert_image(page.rect, pixmap=pixmap, keep_proportion=False)

    def stamped_scan(page: Any) -> None:
        scan(page)
        page.insert_text((20, 20), "FAX 12:03 page 1 of 3", fontsize=8)

    with open_document(make(tmp_path / "blank.pdf")) as document:
        assert document.page(1).note is None
    with open_document(make(tmp_path / "stamped.pdf", stamped_scan)) as document:
        page = document.page(1)
        assert (page.note, len(page.words)) == (None, 6), "under the stamp is nothing but gray"
    with open_document(make(tmp_path / "short.pdf", text_page)) as document:
        assert document.page(1).note is None
    with open_document(make(tmp_path / "scan.pdf", scan)) as document:
        assert document.page(1).note == f"{NO_TEXT}: {HOW_TO_GET_IT}"


def test_what_one_page_yields_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_layer, "MAX_WORDS", 2)
    monkeypatch.setattr(text_layer, "MAX_CHARS", 5)
    with open_document(make(tmp_path / "x.pdf", text_page)) as document:
        page = document.page(1)
    assert [word.text for word in page.words] == ["A", "sentence"]
    assert page.text == ""
    assert "2 of 5 words" in (page.note or "")
    assert "5 characters" in (page.note or "")


def test_pixels(tmp_path: Path) -> None:
    def draw(page: Any) -> None:
        page.draw_rect((0, 0, 297, 421), fill=(1, 0, 0), color=None)

    with open_document(make(tmp_path / "x.pdf", draw)) as document:
        pixels = document.render(1, long_edge_px=421)
    assert pixels.shape == (421, 298, 3)
    assert pixels.flags.owndata
    assert pixels[100, 100].tolist() == [255, 0, 0]
    assert pixels[300, 250].tolist() == [255, 255, 255]


def test_a_page_as_thin_as_a_thread(tmp_path: Path) -> None:
    def box(page: Any) -> None:
        page.parent.xref_set_key(page.xref, "MediaBox", "[0 0 600 2147483647]")

    with open_document(make(tmp_path / "x.pdf", box)) as document, pytest.raises(Damaged, match="has no pixels"):
        document.render(1, long_edge_px=500)


def test_a_page_as_large_as_a_house_is_rendered_and_read(tmp_path: Path) -> None:
    with pymupdf.open() as document:
        page = document.new_page(width=100_000, height=50_000)
        ruled_table(NUMBERS, x=7_000, y=9_000, width=9_000, height=2_000)(page)
        for i, row in enumerate(NUMBERS):
            for j, text in enumerate(row):
                page.insert_text((7_000 + j * 9_000 + 400, 9_000 + (i + 1) * 2_000 - 600), text, fontsize=900)
        document.save(tmp_path / "x.pdf")
    with open_document(tmp_path / "x.pdf") as opened:
        assert opened.render(1, long_edge_px=500).shape == (250, 500, 3)


@pytest.mark.parametrize("draw", [ruled_table(NUMBERS), open_table(NUMBERS)], ids=["ruled", "open"])
def test_every_decimal_point_is_kept(tmp_path: Path, draw: Callable[[Any], None]) -> None:
    (table,) = candidates(make(tmp_path / "x.pdf", draw))
    assert grid(table) == NUMBERS
    assert table.n_header_rows == 1


@pytest.mark.parametrize("rotation", [90, 180, 270])
@pytest.mark.parametrize("upright", [True, False])
def test_turned_pages_and_sideways_tables(tmp_path: Path, rotation: int, upright: bool) -> None:
    """The table is the same however the page lies, and its box is where the page as displayed has it."""
    flat = make(tmp_path / "flat.pdf", ruled_table(NUMBERS))
    turned = tmp_path / "turned.pdf"
    with pymupdf.open(flat) as source, pymupdf.open() as document:
        if upright:  # the content lies on its side and /Rotate sets it upright
            quarter = rotation % 180 == 90
            page = document.new_page(width=842 if quarter else 595, height=595 if quarter else 842)
            page.show_pdf_page(page.rect, source, 0, rotate=rotation)
            page.set_rotation(rotation)
        else:  # /Rotate lays an upright page on its side
            document.insert_pdf(source)
            document[0].set_rotation(rotation)
        document.save(turned)
    (expected,) = candidates(flat)
    (table,) = candidates(turned)
    assert grid(table) == NUMBERS
    with open_document(turned) as opened:
        page_read = opened.page(1)
    for cell in table.cells:
        word = next(word for word in page_read.words if word.text == cell.text)
        assert cell.box is not None
        x, y = (word.box[0] + word.box[2]) / 2, (word.box[1] + word.box[3]) / 2
        assert cell.box[0] < x < cell.box[2]
        assert cell.box[1] < y < cell.box[3]
    if upright:
        assert table.box == pytest.approx(expected.box, abs=1)


def test_a_crowded_page_takes_the_cheap_way_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from aria_docs.ingest.tables import candidates as pdf_tables

    monkeypatch.setattr(pdf_tables, "MAX_LINES", 10)
    with open_document(make(tmp_path / "x.pdf", ruled_table(NUMBERS))) as document:
        page = document.with_tables(document.page(1))
    assert "ruling lines only" in (page.note or "")
    assert grid(page.candidates[0]) == NUMBERS


def test_prose_does_not_wake_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def prose(page: Any) -> None:
        page.insert_textbox((72, 72, 500, 700), "It was a long sentence that went on and on. " * 30, fontsize=11)

    monkeypatch.setattr(pymupdf.Page, "get_layout", lambda *_, **__: pytest.fail("the network ran"))
    assert candidates(make(tmp_path / "x.pdf", prose)) == ()


def test_forked_children_find_tables_at_once(tmp_path: Path) -> None:
    """Two at a time, again and again: a session with threads of its own would hang in the first child."""
    path = make(tmp_path / "x.pdf", open_table(NUMBERS))
    pdf.warm()
    for _ in range(4):
        children = []
        for _ in range(2):
            pid = os.fork()
            if pid == 0:
                signal.alarm(30)
                right = False
                try:
                    right = [grid(table) for table in candidates(path)] == [NUMBERS]
                finally:
                    os._exit(0 if right else 1)
            children.append(pid)
        assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0]


def test_nothing_is_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = make(tmp_path / "x.pdf", ruled_table(NUMBERS))
    path.write_bytes(path.read_bytes()[:-300])
    assert len(candidates(path)) == 1
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(not NASTY.is_dir(), reason="the shared data is not here")
def test_nasty_files_come_out_as_expected() -> None:
    slow = {"form_bomb.pdf", "flate_bomb.pdf", "text_storm.pdf"}  # bounded by the sandbox, not by this module
    wrong = {}
    for name, row in json.loads((NASTY / "expect.json").read_text()).items():
        if name in slow:
            continue
        expect, _, password = row["expect"].partition(";password=")
        try:
            with open_document(NASTY / name) as document:
                text = document.page(1).text if document.info.n_pages else ""
                came = (
                    "ok:0 pages"
                    if not document.info.n_pages
                    else "ok"
                    if text and not document.info.note
                    else "partial"
                )
        except Encrypted:
            came = "error:encrypted"
            with open_document(NASTY / name, passwords=[password]) as document:
                assert document.page(1).text
        except AriaDocsError:
            came = "error"
        if expect != "any:bounded" and came != expect and (expect, came) != ("ok", "partial"):
            wrong[name] = (expect, came)
    assert not wrong


def test_a_table_keeps_its_page_apart(tmp_path: Path) -> None:
    """with_tables adds to the page and changes nothing else of it."""
    with open_document(make(tmp_path / "x.pdf", ruled_table(NUMBERS))) as document:
        before = document.page(1)
        after = document.with_tables(before)
    assert replace(after, candidates=()) == before


def test_text_of_endless_size_is_left_out(tmp_path: Path) -> None:
    def draw(page: Any) -> None:
        text_page(page)
        page.insert_text((72, 200), "endless", fontsize=11)
        document = page.parent
        xref = page.get_contents()[-1]
        size = re.sub(
            rb"\b11 Tf", b"3" + 38 * b"0" + b" Tf 3" + 38 * b"0" + b" 0 0 1 72 600 Tm", document.xref_stream(xref)
        )
        document.update_stream(xref, size)

    with open_document(make(tmp_path / "a.pdf", draw)) as document:
        page = document.with_tables(document.page(1))
    assert page.text == "A sentence on a page."
    assert [word.text for word in page.words] == ["A", "sentence", "on", "a", "page."]
