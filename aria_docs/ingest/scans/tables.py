"""Tables of a scanned page: the scan is laid out as a page with a text layer, and searched as any other.

The page made for it has the straightened picture, the words as invisible text and the ruling lines as lines: what
PyMuPDF's layout network and the rules for digital pages look at.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from aria_docs.ingest.mupdf import pymupdf
from aria_docs.ingest.tables.candidates import find
from aria_docs.media import Page

if TYPE_CHECKING:
    from aria_docs.ingest.scans.scan import Scan
    from aria_docs.media import TableCandidate

_ASCENT = 0.8  # of a line's height: where `ocr` puts the baseline


def find_in_scan(scan: Scan) -> tuple[tuple[TableCandidate, ...], str | None]:
    """As `pdf_tables.find`, with boxes on the page as displayed."""
    page = Page(1, scan.width_pt, scan.height_pt, scan.read.text, scan.words)
    with pymupdf.open() as document:
        found, note = find(_laid_out(document, scan), page)
    tables = tuple(
        replace(
            table,
            box=scan.to_page(table.box),
            cells=tuple(replace(cell, box=scan.to_page(cell.box) if cell.box else None) for cell in table.cells),
        )
        for table in found
    )
    return tables, note


def _laid_out(document: Any, scan: Scan) -> Any:
    page = document.new_page(width=scan.width_pt, height=scan.height_pt)
    height_px, width_px = scan.picture.shape
    picture = pymupdf.Pixmap(pymupdf.csGRAY, width_px, height_px, scan.picture.tobytes(), False)
    page.insert_image(page.rect, pixmap=picture)
    for box in (*scan.level, *scan.upright):
        page.draw_rect(pymupdf.Rect(box), color=None, fill=(0, 0, 0), width=0)
    font = pymupdf.Font("helv")
    for word in scan.words:
        x0, y0, x1, y1 = word.box
        writer = pymupdf.TextWriter(page.rect)
        writer.append((x0, y0 + _ASCENT * (y1 - y0)), word.text, font, y1 - y0)
        stretch = pymupdf.Matrix((x1 - x0) / max(font.text_length(word.text, y1 - y0), 0.1), 1)
        writer.write_text(page, render_mode=3, morph=(pymupdf.Point(x0, y1), stretch))
    return page
