"""Words of files made here: right-to-left lines, raised marks, text drawn again."""

from pathlib import Path

import pytest

from aria_docs.bidi import in_reading_order
from aria_docs.ingest import pdf
from aria_docs.ingest.mupdf import pymupdf
from aria_docs.ingest.words import _spell


def _texts(tmp_path: Path, *pieces: tuple[float, float, float, str]) -> list[str]:
    """The words of a page with (x, baseline, size, text)."""
    with pymupdf.open() as document:
        page = document.new_page()
        for x, y, size, text in pieces:
            page.insert_text((x, y), text, fontsize=size)
        document.save(tmp_path / "page.pdf")
    with pdf.open_document(tmp_path / "page.pdf") as opened:
        return [word.text for word in opened.page(1).words]


@pytest.mark.parametrize(
    ("mark", "word"),
    [
        ("3", "91³"),
        ("12", "91¹²"),
        ("b", "91ᵇ"),
        ("-4", "91⁻⁴"),
        ("2,5", "91²,⁵"),
        ("1)", "91¹⁾"),
        ("(a)", "91⁽ᵃ⁾"),
        ("th", "91th"),
        ("o", "91o"),
    ],
)
def test_raised_marks_are_told_from_digits(tmp_path: Path, mark: str, word: str) -> None:
    assert _texts(tmp_path, (72, 100, 11, "Lead 91"), (110.5, 96, 6.5, mark)) == ["Lead", word]


def test_a_smaller_unit_on_the_same_line_stays(tmp_path: Path) -> None:
    assert _texts(tmp_path, (72, 100, 11, "Lead 91"), (110.5, 100, 6.5, "3")) == ["Lead", "913"]


def test_text_drawn_again_is_kept_once(tmp_path: Path) -> None:
    bold = [(72 + shift, 100 + shift, 11, "11 11 tons") for shift in (0, 0.4, 0.8)]
    assert _texts(tmp_path, *bold, (72, 116, 11, "tons")) == ["11", "11", "tons", "tons"]


@pytest.mark.parametrize(
    ("from_the_right", "word"),
    [("שלום", "שלום"), ("٥٠٢٬١", "١٬٢٠٥"), ("ב-21", "ב-12"), ("٪٥٫٩-", "-٩٫٥٪"), ("ﺮﺼﻣ", "رصم"), ("לFDP", "לPDF")],
)
def test_numbers_in_right_to_left_words_run_from_the_left(from_the_right: str, word: str) -> None:
    assert _spell(from_the_right) == word


@pytest.mark.parametrize(
    ("from_the_left", "text"),
    [
        (["4.", "Table"], "4. Table"),
        (["נמל", "דמי"], "דמי נמל"),
        (["1,310", "נמל", "דמי"], "דמי נמל 1,310"),
        (["נמל", "Port", "of", "Haifa", "דמי"], "דמי Port of Haifa נמל"),
        (["The", "word", "עולם", "שלום", "means", "peace"], "The word שלום עולם means peace"),
        (["2024", "مصر"], "مصر 2024"),
    ],
)
def test_lines_are_read_in_their_direction(from_the_left: list[str], text: str) -> None:
    assert in_reading_order(from_the_left) == text


def test_a_mark_longer_than_its_number_is_raised(tmp_path: Path) -> None:
    assert _texts(tmp_path, (72, 100, 11, "7"), (78.5, 96, 6.5, "b,c")) == ["7ᵇ,ᶜ"]
