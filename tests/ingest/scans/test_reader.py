"""Pages that are pictures, made here from pages that are text: what is read of them, however they lie."""

from __future__ import annotations

import importlib.util
import math
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from aria_docs.errors import EngineError
from aria_docs.ingest.mupdf import pymupdf
from aria_docs.ingest.pdf import NO_TEXT, open_document
from aria_docs.ingest.scans import choice
from aria_docs.ingest.scans import scan as scans
from aria_docs.ingest.scans.picture import _long_and_thin, patches, rotate, rulings, skew_degrees
from aria_docs.ingest.scans.reader import HOW_TO_GET_IT, OcrLine, OcrName, OcrWord
from aria_docs.ingest.scans.scan import Scan

if TYPE_CHECKING:
    from pathlib import Path

    from aria_docs.media import Box, Page

needs_rapidocr = pytest.mark.skipif(not importlib.util.find_spec("rapidocr"), reason="the ocr extra is not installed")
needs_tesseract = pytest.mark.skipif(not shutil.which("tesseract"), reason="no tesseract on PATH")

ROWS = [
    ["Route", "Passengers", "Vehicles"],
    ["Holmen", "1,204", "212.5"],
    ["Lyngnes", "486", "118.1"],
    ["Tareby", "73", "-"],
    ["All", "1,763", "330.6"],
]
PROSE = [
    "The quay at Tareby was closed for repairs in October,",
    "which explains the loss on that line; in winter the ships",
    "of the inner fjord are what they always were.",
]


def born_digital(page: Any) -> None:
    page.insert_text((72, 80), "Traffic of the year", fontsize=20)
    for n, line in enumerate(PROSE):
        page.insert_text((72, 110 + 14 * n), line, fontsize=11)
    for i, row in enumerate(ROWS):
        for j, text in enumerate(row):
            page.draw_rect((72 + 130 * j, 200 + 20 * i, 202 + 130 * j, 220 + 20 * i), width=0.7)
            page.insert_text((80 + 130 * j, 214 + 20 * i), text, fontsize=10, fontname="helv")


def picture(*, degrees: float = 0.0, quarters: int = 0) -> np.ndarray:
    """The page at 150 dpi, gray, turned counter-clockwise by degrees and then clockwise by quarters."""
    with pymupdf.open() as document:
        page = document.new_page(width=595, height=420)
        born_digital(page)
        pixmap = page.get_pixmap(dpi=150, colorspace=pymupdf.csGRAY)
        gray = np.frombuffer(pixmap.samples_mv, dtype=np.uint8).reshape(pixmap.h, pixmap.stride)[:, : pixmap.w]
        return np.ascontiguousarray(np.rot90(rotate(gray, degrees), -quarters))


def scanned(path: Path, gray: np.ndarray) -> Path:
    with pymupdf.open() as document:
        page = document.new_page(width=gray.shape[1] * 72 / 150, height=gray.shape[0] * 72 / 150)
        pixmap = pymupdf.Pixmap(pymupdf.csGRAY, gray.shape[1], gray.shape[0], gray.tobytes(), False)
        page.insert_image(page.rect, pixmap=pixmap)
        document.save(path)
    return path


def read(path: Path, reader: OcrName = "rapidocr") -> Page:
    with open_document(path, ocr=reader) as document:
        return document.with_tables(document.page(1))


def check_all_is_read(page: Page) -> None:
    assert page.from_ocr
    assert page.note is None
    assert 0.3 < min(word.sure for word in page.words) < 1, "OCR says how sure it is of each word"
    title, prose, _ = page.text.split("\n\n", 2)
    assert title.lstrip("#") == " Traffic of the year"
    assert prose == "\n".join(PROSE)
    (table,) = page.candidates
    assert (table.n_rows, table.n_cols, table.n_header_rows) == (5, 3, 1)
    texts = {(cell.row, cell.col): cell.text for cell in table.cells}
    assert texts == {(i, j): text for i, row in enumerate(ROWS) for j, text in enumerate(row)}


def middle(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


@needs_rapidocr
@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_a_scan_is_read_whichever_way_it_lies(tmp_path: Path, quarters: int) -> None:
    page = read(scanned(tmp_path / "scan.pdf", picture(quarters=quarters)))
    check_all_is_read(page)
    assert (page.width_pt > page.height_pt) == (quarters % 2 == 0)
    (holmen,) = [word for word in page.words if word.text == "Holmen"]
    upright = {0: (99, 231), 1: (420 - 231, 99), 2: (595 - 99, 420 - 231), 3: (231, 595 - 99)}[quarters]
    assert math.dist(middle(holmen.box), upright) < 4, "boxes are of the page as displayed"


@needs_rapidocr
@pytest.mark.parametrize("degrees", [1.0, -2.5])
def test_a_tilted_scan_is_straightened_and_its_boxes_are_where_it_shows_them(tmp_path: Path, degrees: float) -> None:
    page = read(scanned(tmp_path / "tilted.pdf", picture(degrees=degrees)))
    check_all_is_read(page)
    (holmen,) = [word for word in page.words if word.text == "Holmen"]
    x, y = 99 - 595 / 2, 231 - 420 / 2
    sin, cos = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    shown = (595 / 2 + x * cos + y * sin, 420 / 2 - x * sin + y * cos)
    assert math.dist(middle(holmen.box), shown) < 4
    cell = next(cell for cell in page.candidates[0].cells if cell.text == "Holmen")
    assert cell.box
    assert math.dist(middle(cell.box), (shown[0] + 38, shown[1])) < 10


@needs_rapidocr
def test_blank_pages_and_pages_with_text_are_not_read_from_their_picture(tmp_path: Path) -> None:
    with pymupdf.open() as document:
        document.new_page()
        born_digital(document.new_page())
        document.save(tmp_path / "x.pdf")
    with open_document(tmp_path / "x.pdf", ocr="rapidocr") as document:
        blank, digital = document.page(1), document.page(2)
    assert (blank.from_ocr, blank.note, blank.text) == (False, None, "")
    assert (digital.from_ocr, digital.note) == (False, None)


@needs_rapidocr
def test_a_picture_without_text_is_read_and_says_nothing(tmp_path: Path) -> None:
    page = read(scanned(tmp_path / "white.pdf", np.full((1000, 700), 250, np.uint8)))
    assert (page.from_ocr, page.note, page.text, page.words, page.candidates) == (True, None, "", (), ())


@needs_rapidocr
def test_a_text_layer_of_unknown_characters_is_read_from_its_picture(tmp_path: Path) -> None:
    path = tmp_path / "unknown.pdf"
    with pymupdf.open() as document:
        page = document.new_page()
        writer = pymupdf.TextWriter(page.rect)
        for n, line in enumerate(PROSE):
            writer.append((72, 80 + 20 * n), line, fontsize=12)
        writer.write_text(page)
        for xref, *_ in page.get_fonts():
            document.xref_set_key(xref, "ToUnicode", "null")
        document.save(path)
    with open_document(path) as document:
        without = document.page(1)
    assert without.note == f"{NO_TEXT}: {HOW_TO_GET_IT}"
    assert not without.words, "what the layer says is no text"
    page = read(path)
    assert page.from_ocr
    assert page.text == "\n".join(PROSE)


@needs_rapidocr
def test_a_few_words_on_a_picture_without_text_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "cover.pdf"
    with pymupdf.open(scanned(tmp_path / "white.pdf", np.full((900, 700), 215, np.uint8))) as document:
        document[0].insert_text((50, 100), "Annual report", fontsize=24)
        document.save(path)
    page = read(path)
    assert (page.from_ocr, page.note, [word.text for word in page.words]) == (False, None, ["Annual", "report"])


@needs_tesseract
def test_tesseract_reads_the_same(tmp_path: Path) -> None:
    page = read(scanned(tmp_path / "scan.pdf", picture(degrees=1.0)), "tesseract")
    assert page.from_ocr
    assert {"Holmen", "1,204", "Passengers"} <= {word.text for word in page.words}
    assert page.candidates


def test_who_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "find_spec", lambda name: None)
    monkeypatch.setattr(choice.shutil, "which", lambda name: None)
    assert choice.choose(None) is None
    with pytest.raises(EngineError, match=r"aria-docs\[ocr\]"):
        choice.choose("rapidocr")
    with pytest.raises(EngineError, match="no tesseract on PATH"):
        choice.choose("tesseract")
    monkeypatch.setattr(choice.shutil, "which", lambda name: "/usr/bin/tesseract")
    assert choice.choose("tesseract") == "tesseract"
    assert choice.choose(None) is None, "tesseract is for those who ask for it"
    monkeypatch.setattr(choice, "find_spec", lambda name: name == "rapidocr")
    assert choice.choose(None) == choice.choose("rapidocr") == "rapidocr"


# Pictures


@pytest.mark.parametrize("degrees", [0.0, 0.4, -1.2, 3.0])
@pytest.mark.parametrize("quarters", [0, 1])
def test_skew(degrees: float, quarters: int) -> None:
    assert skew_degrees(picture(degrees=degrees, quarters=quarters)) == pytest.approx(-degrees, abs=0.11)


def test_no_skew_without_text() -> None:
    assert skew_degrees(np.full((300, 200), 255, np.uint8)) == 0.0


def test_rulings_are_long_thin_and_alone() -> None:
    page = np.full((300, 400), 255, np.uint8)  # at 150 dpi
    page[100:102, 50:350] = 0  # a rule
    page[100:180, 50:52] = 0  # a line that meets it
    page[20:60, 200:204] = 0  # the stem of a large letter
    page[20:120, 380:382] = 0  # longer than any letter
    page[200:240, 50:350] = 0  # a black box
    page[260:262, 50:65] = 0  # a dash
    level, upright = rulings(page, pt=72 / 150)
    assert [(p.x0, p.y0, p.x1, p.y1) for p in level] == [(50, 100, 350, 102)]
    assert sorted((p.x0, p.y0, p.x1, p.y1) for p in upright) == [(50, 100, 52, 180), (380, 20, 382, 120)]


def test_a_faint_line_in_a_noisy_picture_is_one_line() -> None:
    noise = np.random.default_rng(7).normal(0, 12, (200, 500))
    page = np.full((200, 500), 225.0)
    page[80:82, 40:460] = 190
    level, upright = rulings((page + noise).clip(0, 255).astype(np.uint8), pt=72 / 150)
    assert len(level) == 1
    assert not upright
    assert (level[0].x0, level[0].x1) == (pytest.approx(40, abs=10), pytest.approx(460, abs=10))


def test_text_has_no_rulings() -> None:
    page = picture().copy()
    page[400:, :] = 255  # without the table
    assert rulings(page, pt=72 / 150) == ([], [])


def test_patches_hang_together_from_row_to_row() -> None:
    drawn = ["##..#", "..#.#", "#...#", "#.###"]
    mask = np.array([[c == "#" for c in row] for row in drawn])
    assert sorted((p.x0, p.y0, p.x1, p.y1, p.area) for p in patches(mask)) == [
        (0, 0, 3, 2, 3),
        (0, 2, 1, 4, 2),
        (2, 0, 5, 4, 6),
    ]


def test_the_way_back_to_the_page() -> None:
    turned_scan = Scan(420, 595, 0.0, 1, (), (), (), (), np.zeros((1, 1), np.uint8))
    # The page is 595 wide and 420 high; its top left is the upright frame's top right.
    assert turned_scan.to_page((400, 10, 420, 20)) == (10, 0, 20, 20)
    tilted = Scan(200, 100, 90.0, 0, (), (), (), (), np.zeros((1, 1), np.uint8))
    assert middle(tilted.to_page((140, 40, 160, 60))) == pytest.approx((100, 100))


def test_lines_of_one_type_have_one_size() -> None:
    page = np.full((200, 300), 255, np.uint8)
    for y0, y1 in ((20, 40), (85, 96), (108, 119)):
        page[y0:y1, 10:200:2] = 0

    class Reader:
        def read(self, gray: np.ndarray) -> tuple[int, list[OcrLine]]:
            def line(text: str, y0: float, y1: float) -> OcrLine:
                return OcrLine((OcrWord(text, 10, 200),), y0, y1, 0.9)

            return 0, [line("HEADING", 10, 50), line("a line of text", 80, 101), line("and its end", 104, 124)]

    scan = scans.scan(page, Reader(), width_pt=300)
    assert scan.lines[1].size_pt == scan.lines[2].size_pt < scan.lines[0].size_pt
    assert scan.read.text.startswith("# HEADING\n\na line of text\nand its end")


# What the letters of a line must have been


def column(*texts: str, x: float = 200) -> list[OcrLine]:
    """Lone words one under the other, as a reader reads them: 20 pixels high, 30 apart, all ending at one place."""
    return [
        OcrLine((OcrWord(text, x - 8 * len(text), x),), 30.0 * n, 30.0 * n + 20, 0.9) for n, text in enumerate(texts)
    ]


def texts_of(*columns: list[OcrLine]) -> list[str]:
    """The words that a scan has where a reader reads these columns."""

    class Reader:
        def read(self, gray: np.ndarray) -> tuple[int, list[OcrLine]]:
            return 0, [line for lines in columns for line in lines]

    return [word.text for word in scans.scan(np.full((600, 600), 255, np.uint8), Reader(), width_pt=600).words]


def test_commas_that_lost_their_tails_are_commas() -> None:
    read = ["4.310", "2.041", "5,770", "9.118", "3.502", "6,204", "7.131", "8.223"]
    assert texts_of(column(*read)) == [text.replace(".", ",") for text in read]
    assert texts_of(column(*read, "0.250"))[0] == "4.310", "decimals"
    points = [text.replace(",", ".") for text in read]
    assert texts_of(column(*points)) == points, "all alike: the page knows better"


@pytest.mark.parametrize(
    ("read", "meant"),
    [
        (["12", "O", "3"], ["12", "0", "3"]),
        (["12", "l", "3"], ["12", "1", "3"]),
        (["12", "|", "3"], ["12", "1", "3"]),
        (["A", "O", "B"], ["A", "O", "B"]),
        (["1O.5", "O.25", "l.5", "2.l"], ["10.5", "0.25", "1.5", "2.1"]),
        (["CO2", "OECD", "l5th"], ["CO2", "OECD", "l5th"]),
    ],
    ids=["zero", "one", "bar", "letters", "inside a number", "words"],
)
def test_a_letter_among_numbers_is_a_figure(read: list[str], meant: list[str]) -> None:
    assert texts_of(column(*read)) == meant


def test_a_letter_in_no_column_of_numbers_stays() -> None:
    assert texts_of(column("12", "34", "56"), column("O", "l", x=400)) == ["12", "34", "56", "O", "l"]


@pytest.mark.parametrize(
    ("read", "meant"),
    [
        (["1,204", "2,380", "4.113", "5,020"], "4,113"),
        (["$50,102", "$49,380", "$50.756", "$52,020"], "$50,756"),
        (["1,204", "2,380", "0.113", "5,020"], "0.113"),
        (["1,204", "2,380", "4.11", "5,020"], "4.11"),
        (["1,204", "4.113", "2.380", "5.020"], "4.113"),
        (["1,204", "2,380", "4.113"], "4.113"),
        (["1.204", "2.380", "4,113", "5.020"], "4,113"),
        (["1.20", "2.38", "4,11", "5.02", "6.77", "7.10"], "4.11"),
        (["1.20", "2,38", "4,11", "5.02", "6,77", "7.10"], "4,11"),
        (["1,20", "2,38", "4.113", "5,02"], "4.113"),
    ],
    ids=[
        "thousands", "with a sign", "nought", "two digits", "the column is of points", "too few", "never to a point",
        "decimals", "the page does not agree", "as many digits",
    ],
)  # fmt: skip
def test_a_separator_is_what_its_column_has(read: list[str], meant: str) -> None:
    n = next(n for n, text in enumerate(read) if text.replace(",", ".") == meant.replace(",", "."))
    assert texts_of(column(*read))[n] == meant


@pytest.mark.parametrize(
    ("read", "meant"),
    [
        (["1.2-3.4", "0.5-1.7", "2.63.1", "1.1-1.9"], "2.6-3.1"),
        (["(1.2-3.4)", "(0.5-1.7)", "(2.63.1)", "(1.1-1.9)"], "(2.6-3.1)"),
        (["1987-1990", "1991-1994", "19951998", "1999-2002"], "1995-1998"),
        (["1987-1990", "1991-1994", "19981995", "1999-2002"], "19981995"),
        (["1987-1990", "1991-1994", "1951", "1999-2002"], "1951"),
        (["1987-1990", "1991-1994", "19951998"], "19951998"),
        (["1987", "1991", "19951998", "1999"], "19951998"),
        (["1,987.0-1,990.5", "1.0-2.5", "1,995.01,998.5", "1.0-2.0"], "1,995.0-1,998.5"),
    ],
    ids=["decimals", "brackets", "years", "falling", "not as long", "too few", "no ranges", "thousands"],
)
def test_a_dash_that_was_not_seen_is_where_the_column_has_it(read: list[str], meant: str) -> None:
    n = next(n for n, text in enumerate(read) if text == meant.replace("-", ""))
    assert texts_of(column(*read))[n] == meant


@needs_rapidocr
def test_a_lone_digit_in_a_row_of_text_is_looked_at_again() -> None:
    """Ink as high as a digit, level with a line of text and apart from it; nothing larger, smaller or elsewhere."""
    from aria_docs.ingest.scans.networks import _find_specks

    page = np.full((300, 600), 255, np.uint8)

    def drawn(x0: int, y0: int, x1: int, y1: int) -> None:
        page[y0:y1, x0:x1] = 0

    lines = [(20, 50, 200, 80), (20, 100, 200, 130), (20, 150, 200, 180)]
    for _, y0, x1, y1 in lines:
        drawn(30, y0 + 8, x1 - 30, y1 - 8)
        drawn(x1 - 22, y0 + 7, x1 - 14, y1 - 7)
    assert _find_specks(page, lines) == []
    drawn(300, 57, 308, 73)  # a digit beside the first line
    drawn(400, 107, 408, 123)  # two beside the second,
    drawn(412, 107, 420, 123)  # that stand close together
    drawn(500, 113, 504, 117)  # a speck
    drawn(500, 150, 508, 180)  # a bar as high as the line
    drawn(300, 220, 308, 236)  # a digit far below all lines
    drawn(240, 130, 248, 146)  # between two lines
    found = _find_specks(page, lines)
    assert [(y0, y1) for _, y0, _, y1 in found] == [(50, 80), (100, 130)], "as high as their lines"
    (a0, _, a1, _), (b0, _, b1, _) = found
    assert a0 < 300 < 308 < a1 < b0 < 400 < 420 < b1
    for x in range(220, 300, 6):
        drawn(x, 157, x + 3, 173)
    assert _find_specks(page, lines) == found, "strokes in a row are no digit"


def test_a_white_line_between_shades_is_a_ruling_and_the_white_between_lines_of_text_is_not() -> None:
    picture = np.full((200, 300), 255, dtype=np.uint8)
    picture[20:60, 20:280], picture[62:100, 20:280] = 90, 190
    picture[120:140:2, 20:280:3] = 0  # no shade: every other pixel is paper
    picture[143:160:2, 20:280:3] = 0
    level, _ = rulings(picture, pt=0.48)
    between = [line for line in level if 58 <= line.y0 <= line.y1 <= 64]
    assert [(line.x0 <= 24, line.x1 >= 276) for line in between] == [(True, True)]
    assert not any(139 <= line.y0 <= line.y1 <= 144 for line in level)


def test_pieces_of_a_line_that_meet_in_one_row_are_a_line() -> None:
    picture = np.full((400, 600), 200, np.uint8)
    picture[201:204, 100:210] = 0
    stands_out = np.zeros(picture.shape, bool)
    stands_out[201, 100:160] = stands_out[203, 150:210] = True  # it drifts by two pixels
    [line] = _long_and_thin(picture, stands_out, stands_out, 0.5, least_pt=40, paper=0.2)
    assert (line.x0, line.y0, line.x1, line.y1) == (100, 202, 210, 203)
