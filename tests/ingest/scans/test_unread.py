"""Pictures on pages of text: which of them are read, and which text layers are not believed."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from aria_docs.ingest.mupdf import pymupdf
from aria_docs.ingest.pdf import NO_TEXT, open_document
from aria_docs.ingest.scans.reader import OcrLine, OcrWord
from aria_docs.ingest.scans.unread import is_wrong, unread_boxes
from aria_docs.media import Word

SENTENCES = [
    f"The {name} was counted in the second week of the month." for name in "herring cod saithe ling eel".split()
]


def picture_of(draw: Callable[[Any], None], *, width: float, height: float, dpi: int = 150) -> bytes:
    """A PNG of what is drawn on a page of that size."""
    with pymupdf.open() as document:
        page = document.new_page(width=width, height=height)
        draw(page)
        return page.get_pixmap(dpi=dpi).tobytes("png")


def sentences(page: Any) -> None:
    for k, text in enumerate(SENTENCES):
        page.insert_text((20, 40 + 20 * k), text, fontname="tiro", fontsize=12)


def gradient() -> bytes:
    waves = np.sin(np.arange(400)[:, None] / 40) * np.cos(np.arange(600)[None, :] / 55) * 90 + 128
    noise = np.random.default_rng(7).normal(0, 6, waves.shape)
    file = io.BytesIO()
    Image.fromarray((waves + noise).clip(0, 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def pdf(path: Path, draw: Callable[[Any], None]) -> Path:
    with pymupdf.open() as document:
        draw(document.new_page(width=595, height=842))
        document.save(path)
    return path


def with_picture(picture: bytes, box: tuple[float, float, float, float]) -> Callable[[Any], None]:
    def draw(page: Any) -> None:
        page.insert_text((72, 72), "A page of text in which a picture stands.")
        page.insert_text((72, 90), "Some more of its words, before it.")
        page.insert_image(box, stream=picture)
        page.insert_text((72, 600), "And words behind it.")

    return draw


def test_a_picture_of_text_that_is_not_read_is_named(tmp_path: Path) -> None:
    path = pdf(tmp_path / "x.pdf", with_picture(picture_of(sentences, width=450, height=160), (72, 120, 522, 280)))
    with open_document(path) as document:
        page = document.page(1)
    assert page.note and page.note.startswith(f"{NO_TEXT} under a picture of 14% of the page")
    assert "A page of text" in page.text


def test_a_photograph_is_passed_over(tmp_path: Path) -> None:
    with open_document(pdf(tmp_path / "x.pdf", with_picture(gradient(), (72, 120, 522, 420)))) as document:
        assert document.page(1).note is None


def test_words_in_a_picture_come_where_it_stands(tmp_path: Path) -> None:
    pytest.importorskip("rapidocr")
    path = pdf(tmp_path / "x.pdf", with_picture(picture_of(sentences, width=450, height=160), (72, 120, 522, 280)))
    with open_document(path, ocr="rapidocr") as document:
        page = document.page(1)
    first, last = page.text.index("before it."), page.text.index("And words")
    assert first < page.text.index("The cod was counted") < last
    (cod,) = [word for word in page.words if word.text == "cod"]
    assert 72 < cod.box[0] < 130 and 160 < cod.box[1] < 195
    assert (page.note, page.from_ocr) == (None, False)


def test_words_drawn_as_outlines_are_letters_to_be_read() -> None:
    letters = [
        ("fill-path", (60 + 6.0 * k, 100 + 15.0 * row, 65 + 6.0 * k, 108 + 15.0 * row))
        for row in range(5)
        for k in range(40)
    ]
    assert unread_boxes(letters, (595, 842)) == [(60, 100, 299, 168)]
    assert unread_boxes(letters[:40], (595, 842)) == [], "a sign, or the ticks of an axis"
    assert unread_boxes([("fill-image", (0, 0, 20, 20))], (595, 842)) == [], "a logo"


@pytest.mark.parametrize("shift", [0.0, 40.0], ids=["in its place", "beside its picture"])
def test_a_layer_that_says_something_else_than_its_picture(shift: float) -> None:
    """The reader says what is painted; the layer's words stand there, or a line or two away."""
    words = [
        Word(name, (50, 40 * k + shift, 150, 40 * k + 14 + shift))
        for k, name in enumerate("herring mackerel saithe flounder halibut turbot".split())
    ]
    picture = np.full((400, 300), 255, np.uint8)
    for k in range(6):
        picture[40 * k : 40 * k + 14, 50:150] = 10 * k + 5  # each name in its own gray

    class Reader:
        def read(self, sheet: np.ndarray) -> tuple[int, list[OcrLine]]:
            lines = []
            for gray, word in zip(range(5, 65, 10), words, strict=True):
                rows = np.flatnonzero((sheet == gray).sum(axis=1) > 50)
                if len(rows):
                    lines.append(OcrLine((OcrWord(word.text, 20, 120),), int(rows[0]), int(rows[-1]) + 1, 0.9))
            return 0, lines

    assert is_wrong(picture, words, Reader(), 1.0) is bool(shift)
