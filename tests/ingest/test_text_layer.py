"""Pages that say more than they show, or in another order: what comes out is what is seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aria_docs.ingest.dingbats import as_shown
from aria_docs.ingest.letters import is_salad, is_strange
from aria_docs.ingest.mupdf import pymupdf
from aria_docs.ingest.pdf import open_document
from aria_docs.media import Page


def read(path: Path, draw: Callable[[Any], None]) -> Page:
    with pymupdf.open() as document:
        draw(document.new_page(width=595, height=842))
        document.save(path)
    with open_document(path) as opened:
        return opened.page(1)


def test_text_that_nobody_sees_is_left_out(tmp_path: Path) -> None:
    def draw(page: Any) -> None:
        page.insert_text((72, 100), "Printed for all to see.")
        page.insert_text((72, 130), "white as paper", color=(1, 1, 1))
        page.insert_text((72, 160), "not painted at all", render_mode=3)
        page.insert_text((72, 190), "under a patch")
        page.draw_rect((60, 175, 300, 200), fill=(0.9, 0.9, 0.9), color=None)
        page.draw_rect((60, 215, 300, 240), fill=(0, 0.2, 0.5), color=None)
        page.insert_text((72, 230), "white on blue", color=(1, 1, 1))

    page = read(tmp_path / "x.pdf", draw)
    assert page.text.split("\n") == ["Printed for all to see.", "white on blue"]
    assert [word.text for word in page.words] == "Printed for all to see. white on blue".split()


def test_what_a_highlighter_has_marked_is_still_read(tmp_path: Path) -> None:
    def draw(page: Any) -> None:
        page.insert_text((72, 100), "marked words")
        page.draw_rect((60, 85, 300, 105), fill=(1, 1, 0), color=None, fill_opacity=0.4)

    assert read(tmp_path / "x.pdf", draw).text == "marked words"


def test_text_drawn_again_is_read_once(tmp_path: Path) -> None:
    def draw(page: Any) -> None:
        for shift in (0, 0.3, 0.6):
            page.insert_text((72 + shift, 100), "Bold by the printer's trick", fontsize=12)

    assert read(tmp_path / "x.pdf", draw).text == "Bold by the printer's trick"


@pytest.mark.parametrize("flip", [(1, -1), (-1, 1)], ids=["upside down", "from right to left"])
def test_mirrored_pages_are_read_from_their_first_line(flip: tuple[int, int], tmp_path: Path) -> None:
    def draw(page: Any) -> None:
        for k, text in enumerate(("first of them", "second of them", "third of them")):
            page.insert_text((100, 100 + 14 * k), text)
        page.clean_contents()
        xref = page.get_contents()[0]
        across, down = flip
        move = f"q {across} 0 0 {down} {595 if across < 0 else 0} {842 if down < 0 else 0} cm\n"
        page.parent.update_stream(xref, move.encode() + page.parent.xref_stream(xref) + b"\nQ")

    assert read(tmp_path / "x.pdf", draw).text == "first of them\nsecond of them\nthird of them"


@pytest.mark.parametrize(
    ("text", "font", "shown"),
    [("4 8 o", "ABCDEF+ZapfDingbats", "✔ ✘ ❏"), ("\uf0fc", "Wingdings-Regular", "✓"), ("4", "Wingdings2", "4")],
)
def test_ornaments_are_what_they_show(text: str, font: str, shown: str) -> None:
    assert as_shown(text, font) == shown


def test_a_form_says_what_is_filled_in(tmp_path: Path) -> None:
    def draw(page: Any) -> None:
        for k, (label, kind, value) in enumerate(
            [
                ("Skipper", pymupdf.PDF_WIDGET_TYPE_TEXT, "Ada Ek"),
                ("Insured", pymupdf.PDF_WIDGET_TYPE_CHECKBOX, True),
                ("For hire", pymupdf.PDF_WIDGET_TYPE_CHECKBOX, False),
            ]
        ):
            page.insert_text((72, 100 + 30 * k), label)
            widget = pymupdf.Widget()
            widget.field_name, widget.field_type, widget.rect = (
                f"f{k}",
                kind,
                pymupdf.Rect(150, 88 + 30 * k, 164 if k else 300, 104 + 30 * k),
            )
            widget.field_value = value
            page.add_widget(widget)

    page = read(tmp_path / "x.pdf", draw)
    assert page.text.replace("\n\n", "\n").split("\n") == ["Skipper: Ada Ek", "Insured ☑", "For hire ☐"]
    assert [(field.name, field.kind, field.value, field.checked) for field in page.fields] == [
        ("f0", "text", "Ada Ek", None),
        ("f1", "checkbox", None, True),
        ("f2", "checkbox", None, False),
    ]


def test_what_is_attached_is_named(tmp_path: Path) -> None:
    with pymupdf.open() as document:
        document.new_page().insert_text((72, 72), "See the sheet.")
        document.embfile_add("catch.xlsx", b"PK")
        document.save(tmp_path / "x.pdf")
    with open_document(tmp_path / "x.pdf") as opened:
        assert "catch.xlsx" in (opened.info.note or "")


ENGLISH = "The harbour master counted the boats again in the spring, and found three fewer than the year before. " * 2
POLISH = "Kapitan portu policzył łodzie ponownie wiosną i znalazł o trzy mniej niż w poprzednim roku. " * 2
FINNISH = "Satamapäällikkö laski veneet keväällä uudelleen ja löysi niitä kolme vähemmän kuin edellisvuonna. " * 2


@pytest.mark.parametrize("text", [ENGLISH, POLISH, FINNISH, "Skarvik Holmen Utsker Malmvik Nordby Sundby Vik Askim"])
def test_letters_of_a_language_are_not_doubted(text: str) -> None:
    assert not is_strange(text) and not is_salad(text)


def test_shifted_letters_are() -> None:
    salad = "".join(chr((ord(c) - 97 + 3) % 26 + 97) if c.isalpha() else c for c in ENGLISH.lower())
    assert is_strange(salad) and is_salad(salad)
    assert not is_strange(salad[:20]), "too few to tell"
