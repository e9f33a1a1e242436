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
    from aria_docs.media import Box, TableCandidate

_ASCENT = 0.8  # of a line's height: where `ocr` puts the baseline


def find_in_scan(scan: Scan) -> tuple[tuple[TableCandidate, ...], str | None]:
    """As `pdf_tables.find`, with boxes on the page as displayed."""
    page = Page(1, scan.width_pt, scan.height_pt, scan.read.text, scan.words)
    with pymupdf.open() as document:
        found, note = find(_lay_out(document, scan), page)
    tables = tuple(
        replace(
            table,
            box=scan.to_page(table.box),
            cells=tuple(replace(cell, box=scan.to_page(cell.box) if cell.box else None) for cell in table.cells),
        )
        for table in found
    )
    return tables, note


def _lay_out(document: Any, scan: Scan) -> Any:
    page = document.new_page(width=scan.width_pt, height=scan.height_pt)
    height_px, width_px = scan.picture.shape
    picture = pymupdf.Pixmap(pymupdf.csGRAY, width_px, height_px, scan.picture.tobytes(), False)
    page.insert_image(page.rect, pixmap=picture)
    page.insert_font(fontname="helv")
    font = pymupdf.Font("helv")
    # As operators: pymupdf's own writers take .6 s for a page of 500 words.
    draw = [f"{x0:.2f} {scan.height_pt - y1:.2f} {x1 - x0:.2f} {y1 - y0:.2f} re f" for x0, y0, x1, y1 in _lines(scan)]
    draw.append("BT 3 Tr")
    for word in scan.words:
        x0, y0, x1, y1 = word.box
        baseline = scan.height_pt - (y0 + _ASCENT * (y1 - y0))
        letters = word.text.encode("cp1252", "replace")  # their places tell, and of their shapes nothing is shown
        stretch = 100 * (x1 - x0) / max(font.text_length(letters.decode("cp1252"), y1 - y0), 0.1)
        at = f"{stretch:.2f} Tz 1 0 0 1 {x0:.2f} {baseline:.2f} Tm"
        draw.append(f"/helv {y1 - y0:.2f} Tf {at} <{letters.hex()}> Tj")
    xref = document.get_new_xref()
    document.update_object(xref, "<<>>")
    document.update_stream(xref, "\n".join([*draw, "ET"]).encode())
    parts = " ".join(f"{part} 0 R" for part in (*page.get_contents(), xref))
    document.xref_set_key(page.xref, "Contents", f"[{parts}]")
    return page


def _lines(scan: Scan) -> tuple[Box, ...]:
    return (*scan.level, *scan.upright)
