"""`aria_docs.read`: a file as an object, and the command that prints it."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import aria_docs
from aria_docs.cli import app
from aria_docs.document import DocumentTable
from aria_docs.errors import Damaged, UsageError, WrongKind
from aria_docs.ingest.mupdf import pymupdf
from aria_docs.schemas.tables import CellRow, TableRow

ROWS = [
    ["Harbour", "Boats", "Share", "Opened"],
    ["Vik", "1,204", "12.5", "2 May 2019"],
    ["Sund", "310", "3", "4 June 2020"],
]


def draw(page: Any) -> None:
    page.insert_text((72, 60), "Harbours and their boats", fontsize=18)
    for r, row in enumerate(ROWS):
        for c, text in enumerate(row):
            page.draw_rect((72 + 90 * c, 100 + 20 * r, 162 + 90 * c, 120 + 20 * r), width=0.5)
            page.insert_text((76 + 90 * c, 114 + 20 * r), text, fontsize=9)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("read") / "report.pdf"
    with pymupdf.open() as document:
        draw(document.new_page())
        document.new_page().insert_text((72, 72), "The second page says little.")
        document.save(path)
    return path


def test_a_document_has_pages_tables_and_markdown(report: Path) -> None:
    document = aria_docs.read(report)
    n_pages, n_tables = len(document.pages), len(document.tables)
    assert repr(document).startswith(f"Document({report.name}: {n_pages} pages, {n_tables} table")
    assert [page.number for page in document.pages] == [1, 2]
    assert document.pages[1].text == "The second page says little."
    (table,) = document.tables
    assert table.rows == ROWS
    assert table.columns == ("harbour", "boats", "share", "opened")
    assert table.values() == [
        ["Vik", 1204, 12.5, datetime.date(2019, 5, 2)],
        ["Sund", 310, 3.0, datetime.date(2020, 6, 4)],
    ]
    assert table.to_markdown().splitlines()[0] == "| Harbour | Boats | Share | Opened |"
    text = document.to_markdown()
    assert text.startswith("# Harbours and their boats\n\n| Harbour |")
    assert text.endswith("<!-- page 2 -->\n\nThe second page says little.\n")
    assert text.count("1,204") == 1
    assert (document.summary is not None, document.notes, document.failures) == (True, (), ())


def test_pages_may_be_chosen(report: Path) -> None:
    assert [page.number for page in aria_docs.read(report, pages=[2]).pages] == [2]


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone\.pdf"):
        aria_docs.read(tmp_path / "gone.pdf")
    with pytest.raises(UsageError, match="folder"):
        aria_docs.read(tmp_path)
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7 and nothing more")
    with pytest.raises(Damaged, match=r"broken\.pdf"):
        aria_docs.read(tmp_path / "broken.pdf")
    (tmp_path / "notes.txt").write_text("words")
    with pytest.raises(WrongKind, match=r"notes\.txt"):
        aria_docs.read(tmp_path / "notes.txt")


def test_the_command_prints_markdown_or_json(report: Path, tmp_path: Path) -> None:
    printed = CliRunner().invoke(app, ["read", str(report), "--pages", "2"])
    assert (printed.exit_code, printed.stdout) == (0, "The second page says little.\n")
    out = tmp_path / "out.json"
    assert CliRunner().invoke(app, ["read", str(report), "--format", "json", "-o", str(out)]).exit_code == 0
    told = json.loads(out.read_text())
    assert (told["kind"], len(told["pages"]), told["tables"][0]["n_rows"]) == ("pdf", 2, 3)
    assert [cell["number"] for cell in told["tables"][0]["cells"] if cell["col_no"] == 1] == [None, 1204.0, 310.0]


def test_a_part_of_a_table_has_the_header_of_the_one_before() -> None:
    def part(
        table_id: str, rows: list[list[str]], n_header_rows: int, before: DocumentTable | None = None
    ) -> DocumentTable:
        row = TableRow(
            table_id=table_id, reading_id="r", source_id="s", page=1, table_no=0, x0=0, y0=0, x1=1, y1=1,
            n_rows=len(rows), n_cols=2, n_header_rows=n_header_rows,
        )  # fmt: skip
        cells = tuple(
            CellRow(
                table_id=table_id, row_no=r, col_no=c, row_span=1, col_span=1, is_header=r < n_header_rows, text=text,
                number=float(text) if text.isdigit() else None, grounded=True,
            )
            for r, texts in enumerate(rows) for c, text in enumerate(texts)
        )  # fmt: skip
        return DocumentTable(row, cells, before)

    first = part("a", [["Fish", "Kilos"], ["Cod", "7"]], 1)
    second = part("b", [["Ling", "8"], ["Eel", "n/a"]], 0, first)
    assert second.columns == ("fish", "kilos")
    assert second.values() == [["Ling", 8], ["Eel", None]]


def test_a_film_has_scenes_and_its_words_at_their_second(video: Path) -> None:
    film = aria_docs.read(video)
    assert repr(film).startswith(f"Document({video.name}: ")
    assert "\\xff" not in repr(film.scenes), "no JPEG bytes in a prompt"
    assert [round(scene.start_s, 1) for scene in film.scenes] == [0, 1.5]
    [cue] = film.cues
    assert (round(cue.start_s, 1), cue.text, cue.origin) == (0.2, "The harbour of Bergen lies in the fog.", "sidecar")
    assert film.to_markdown().endswith("## Words\n\n- 00:00:00 The harbour of Bergen lies in the fog.\n")
    assert film.as_json()["cues"][0]["origin"] == "sidecar"
