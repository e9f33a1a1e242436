"""A company's annual report and a scan of one page of it: drawn, and told as a perfect reader would read it.

The figures add up, and the prose agrees with them; the company is invented. Knows nothing of the film.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pymupdf
import skimage.data
from PIL import Image, ImageFilter

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Row = list["Cell | None"]
    Rgb = tuple[float, float, float]

# --- Its look ---------------------------------------------------------------------------------------------------------

COMPANY, REPORT = "Skarvik Ferries", "Annual Report 2025"
TITLE = f"{COMPANY}: {REPORT}"
WIDTH, HEIGHT, MARGIN = 595.0, 842.0, 62.0  # A4 in points
INNER = WIDTH - 2 * MARGIN


def rgb(code: str) -> Rgb:
    """A web colour as MuPDF takes it: shares of red, green and blue."""
    red, green, blue = bytes.fromhex(code)
    return red / 255, green / 255, blue / 255


NAVY, TEAL, PALE, CORAL, GREY, WHITE = map(rgb, ("12355b", "1b7f8c", "eaf2f4", "d9593d", "5c6b78", "ffffff"))
SANS, BOLD, ITALIC = (pymupdf.Font(name) for name in ("helv", "hebo", "heit"))
CSS = """
    * { font-family: serif; font-size: 10.2pt; line-height: 1.42; color: #22303c; }
    h1 { font-family: sans-serif; font-size: 21pt; line-height: 1.15; color: #12355b; margin: 0 0 9pt 0; }
    h2 { font-family: sans-serif; font-size: 12.5pt; line-height: 1.3; color: #1b7f8c; margin: 8pt 0 3pt 0; }
    p { margin: 0 0 6.5pt 0; text-align: justify; }
    li { margin: 0 0 3.5pt 0; }
"""


def write(page: pymupdf.Page, x: float, y: float, text: str, *, font: pymupdf.Font = SANS, size: float = 8.8,
          color: Rgb = NAVY, align: Literal["left", "right", "center"] = "left") -> None:  # fmt: skip
    """One line of text with its baseline at y and x at its left, right or middle."""
    shift = {"left": 0.0, "right": 1.0, "center": 0.5}[align] * font.text_length(text, fontsize=size)
    writer = pymupdf.TextWriter(page.rect, color=color)
    writer.append((x - shift, y), text, font=font, fontsize=size)
    writer.write_text(page)


def flow(
    page: pymupdf.Page, top: float, bottom: float, html: str, *, left: float = MARGIN, right: float = WIDTH - MARGIN
) -> float:
    """Set HTML into a box of the page; the y where the text ends. What doesn't fit is an error, not small print."""
    spare, scale = page.insert_htmlbox(pymupdf.Rect(left, top, right, bottom), html, css=CSS, scale_low=1)
    assert scale == 1 and spare >= 0, f"page {page.number + 1}: the text needs more than {bottom - top} points"
    return bottom - float(spare)


# --- Tables: described once, drawn and told ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Cell:
    """What a reader should find; `number` is the value where the whole cell is one number."""

    text: str
    number: float | None = None
    row_span: int = 1
    col_span: int = 1


@dataclass(frozen=True)
class Table:
    """Rows of cells, None where a span covers; widths in points.

    rules:   none, book (three lines), grid (every cell), bands (tinted rows).
    strong:  rows in bold below a thin line.
    left:    columns set flush left, the others flush right.
    """

    caption: str
    widths: tuple[float, ...]
    rows: list[Row]
    n_header_rows: int
    rules: Literal["none", "book", "grid", "bands"]
    strong: frozenset[int] = frozenset()
    left: frozenset[int] = frozenset({0})
    row_height: float = 18


def words(*texts: str) -> Row:
    return [Cell(text) for text in texts]


def count(value: int, mark: str = "") -> Cell:
    """1,234 or (1,234), and perhaps a footnote mark."""
    return Cell((f"({-value:,})" if value < 0 else f"{value:,}") + mark, float(value))


def plain(value: float, digits: int = 0) -> Cell:
    return Cell(f"{value:.{digits}f}", round(value, digits))


def percent(value: float) -> Cell:
    return Cell(f"{value:.1f} %".replace("-", "−"), round(value, 1))


def change(new: float, old: float) -> Cell:
    return percent((new - old) / abs(old) * 100)


NO_VALUE = Cell("–")


def draw_table(
    page: pymupdf.Page, table: Table, top: float, *, continued: bool = False
) -> tuple[float, dict[str, Any]]:
    """Draw a table below its caption; the y where it ends, and the truth about it."""
    caption = table.caption + (" (continued)" if continued else "")
    write(page, MARGIN, top + 9, caption, font=BOLD, size=9)
    x = list(accumulate(table.widths, initial=MARGIN))
    y = [top + 17 + i * table.row_height for i in range(len(table.rows) + 1)]
    told: list[dict[str, Any]] = []
    # Tints first: what is painted later lies above.
    for i in range(len(table.rows)):
        header = i < table.n_header_rows
        if table.rules == "bands" and (header or (i - table.n_header_rows) % 2):
            page.draw_rect((x[0], y[i], x[-1], y[i + 1]), color=None, fill=NAVY if header else PALE)
        if table.rules == "grid" and header:
            page.draw_rect((x[0], y[i], x[-1], y[i + 1]), color=None, fill=PALE)
    for i, row in enumerate(table.rows):
        header = i < table.n_header_rows
        for j, cell in enumerate(row):
            if cell is None:
                continue
            box = (x[j], y[i], x[j + cell.col_span], y[i + cell.row_span])
            if table.rules == "grid":
                page.draw_rect(box, color=GREY, width=0.6)
            centred = cell.col_span > 1 and header
            at = (box[0] + box[2]) / 2 if centred else box[0] + 5 if j in table.left else box[2] - 5
            write(
                page, at, (box[1] + box[3]) / 2 + 3, cell.text,
                font=BOLD if header or i in table.strong else SANS,
                color=WHITE if header and table.rules == "bands" else NAVY,
                align="center" if centred else "left" if j in table.left else "right",
            )  # fmt: skip
            told.append({
                "row": i, "col": j, "rowspan": cell.row_span, "colspan": cell.col_span,
                "text": cell.text, "number": cell.number, "is_header": header,
                "bbox": [round(v, 1) for v in box],
            })  # fmt: skip
    lines: list[tuple[float, float]] = [(y[i], 0.4) for i in sorted(table.strong)] if table.rules != "grid" else []
    if table.rules == "book":
        lines += [(y[0], 1.2), (y[table.n_header_rows], 0.6), (y[-1], 1.2)]
    for at, width in lines:
        page.draw_line((x[0], at), (x[-1], at), color=NAVY, width=width)
    truth = {
        "page": page.number + 1,
        "caption": caption,
        "continues": continued,
        "bbox": [round(v, 1) for v in (x[0], y[0], x[-1], y[-1])],
        "n_rows": len(table.rows),
        "n_cols": len(table.widths),
        "n_header_rows": table.n_header_rows,
        "rows": [["" if cell is None else cell.text for cell in row] for row in table.rows],
        "cells": told,
    }
    return y[-1], truth


# --- Its figures ------------------------------------------------------------------------------------------------------

# region: route, passengers 2025 and 2024, vehicles 2025 and 2024, all in thousands
TRAFFIC: dict[str, list[tuple[str, int, int | None, int, int | None]]] = {
    "Inner fjord": [
        ("Skarvik – Holmen", 1204, 1151, 212, 221),
        ("Skarvik – Lyngnes", 486, 472, 118, 120),
        ("Holmen – Tareby", 173, 181, 41, 44),
    ],
    "Outer islands": [("Skarvik – Storøy", 642, 598, 96, 93), ("Storøy – Utsker", 58, None, 9, None)],
    "Mainland": [("Lyngnes – Vestre Sund", 577, 560, 231, 238), ("Skarvik – Malmvik", 112, 124, 67, 73)],
}
PASSENGERS_BY_MONTH = (171, 168, 206, 243, 287, 352, 448, 431, 312, 254, 186, 194)  # thousands; the sum is TRAFFIC's

FLEET = """
    Alke 2004 Holmen 320 48 Diesel 11-Feb-2025 | Havørn 2021 Holmen 480 90 Electric 4-Mar-2024
    Hegre 2009 Lyngnes 299 60 Hybrid 18-Mar-2025 | Jerv 1998 Malmvik 610 150 Diesel 7-Jan-2025
    Krykkje 2016 Storøy 396 52 Hybrid 22-Apr-2024 | Lom 1996 Tareby 147 24 Diesel 30-Sep-2025
    Lunde 2023 Holmen 480 90 Electric 6-May-2025 | Makrell 2001 Lyngnes 240 44 Diesel 15-Oct-2024
    Måke 2012 Storøy 350 46 Diesel 2-Dec-2025 | Nise 2019 Vestre-Sund 420 110 Hybrid 19-Nov-2024
    Oter 2007 Vestre-Sund 400 105 Diesel 14-Jan-2025 | Rype 1994 Tareby 120 18 Diesel 9-Apr-2024
    Sild 2003 Lyngnes 240 44 Diesel 28-Oct-2025 | Skarv 2024 Holmen 480 90 Electric –
    Steinkobbe 2014 Malmvik 655 160 Hybrid 11-Mar-2025 | Storm 2018 Storøy 396 52 Hybrid 20-May-2025
    Svale 2022 Vestre-Sund 450 120 Electric 3-Sep-2024 | Teist 2000 Tareby 150 26 Diesel 16-Sep-2025
    Ternen 2025 Utsker 199 20 Electric – | Tjeld 2011 Vestre-Sund 400 105 Hybrid 25-Nov-2025
    Torsk 1999 Lyngnes 230 40 Diesel 5-Feb-2024 | Vipe 2017 Holmen 420 72 Hybrid 10-Jun-2025
    Ørret 2006 Storøy 330 44 Diesel 8-Oct-2024 | Ærfugl 2020 Lyngnes 360 70 Electric 17-Jun-2025
"""


def income_statement() -> Table:
    """Totals are sums of the lines above them, brackets are costs."""
    rows: list[Row] = [[*words("EUR thousand", "Note"), plain(2025), plain(2024), Cell("Change")]]
    strong: list[int] = []

    def line(label: str, note: int | None, new: int, old: int, mark: str = "") -> tuple[int, int]:
        noted = plain(note) if note else Cell("")
        changed = change(abs(new), abs(old)) if new != old else NO_VALUE
        rows.append([Cell(label), noted, count(new, mark), count(old), changed])
        return new, old

    def total(label: str, *parts: tuple[int, int]) -> tuple[int, int]:
        strong.append(len(rows))
        return line(label, None, sum(new for new, _ in parts), sum(old for _, old in parts))

    revenue = total(
        "Revenue",
        line("Ticket revenue", 2, 48_213, 46_270),
        line("Vehicles and freight", 2, 21_740, 22_505),
        line("On-board sales", 3, 9_865, 9_120, mark="*"),
        line("Public service compensation¹", 4, 12_400, 12_400),
    )
    costs = total(
        "Operating expenses",
        line("Personnel", 5, -34_918, -33_402),
        line("Energy and fuel", 6, -13_276, -15_118),
        line("Maintenance", 7, -9_604, -8_877),
        line("Port charges", 7, -6_152, -6_020),
        line("Other operating expenses", 8, -7_433, -7_106),
    )
    ebitda = total("Profit before depreciation (EBITDA)", revenue, costs)
    ebit = total("Operating profit", ebitda, line("Depreciation and amortisation", 9, -9_870, -9_412))
    taxable = total("Profit before tax", ebit, line("Net finance costs²", 10, -2_148, -2_391))
    profit = total("Profit for the year", taxable, line("Income tax", 11, -1_940, -1_753))
    new, old = (round(value / 8_187, 2) for value in profit)  # thousand shares
    euros = [Cell(f"€ {value:.2f}", value) for value in (new, old)]
    rows.append([Cell("Earnings per share"), plain(12), *euros, change(new, old)])
    return Table("Table 2. Consolidated income statement", (203, 40, 78, 78, 72), rows, 1, "book", frozenset(strong))


def five_years() -> Table:
    years = range(2021, 2026)
    figures: list[tuple[str, int, Sequence[float]]] = [
        ("Passengers, million", 2, (2.31, 2.78, 2.97, 3.09, 3.25)),
        ("Vehicles, thousand", 0, (702, 768, 781, 789, 774)),
        ("Revenue, EUR million", 1, (71.4, 83.0, 87.6, 90.3, 92.2)),
        ("Crossings on time, per cent", 1, (95.2, 93.8, 94.1, 95.9, 97.0)),
        ("Employees, yearly average", 0, (548, 561, 574, 583, 590)),
        ("CO₂ per passenger and km, grams", 0, (186, 171, 158, 143, 121)),
    ]
    rows: list[Row] = [[Cell(""), *(plain(year) for year in years)]]
    rows += [[Cell(name), *(plain(value, digits) for value in values)] for name, digits, values in figures]
    return Table("Table 1. Five years at a glance", (211, 52, 52, 52, 52, 52), rows, 1, "none")


def traffic() -> Table:
    """Two header rows with spans, regions that span their routes, and a total that spans two columns."""
    rows: list[Row] = [
        [Cell("Region", row_span=2), Cell("Route", row_span=2), Cell("Passengers, thousand", col_span=3), None, None,
         Cell("Vehicles, thousand", col_span=3), None, None],
        [None, None, plain(2025), plain(2024), Cell("Change"), plain(2025), plain(2024), Cell("Change")],
    ]  # fmt: skip
    sums = [0, 0, 0, 0]
    for region, routes in TRAFFIC.items():
        for i, (route, *values) in enumerate(routes):
            sums = [total + (value or 0) for total, value in zip(sums, values, strict=True)]
            rows.append([
                Cell(region, row_span=len(routes)) if i == 0 else None,
                Cell(route + ("†" if values[1] is None else "")),
                *_pair(values[0], values[1]),
                *_pair(values[2], values[3]),
            ])  # fmt: skip
    rows.append([Cell("All routes", col_span=2), None, *_pair(sums[0], sums[1]), *_pair(sums[2], sums[3])])
    assert sums[0] == sum(PASSENGERS_BY_MONTH), (sums[0], sum(PASSENGERS_BY_MONTH))
    widths = (78, 117, 46, 46, 46, 46, 46, 46)
    return Table("Table 3. Traffic by route", widths, rows, 2, "grid", frozenset({len(rows) - 1}), frozenset({0, 1}))


def _pair(new: int | None, old: int | None) -> Row:
    shown = [NO_VALUE if value is None else count(value) for value in (new, old)]
    return [*shown, change(new, old) if new is not None and old is not None else NO_VALUE]


def fleet(first: int, last: int) -> Table:
    """Vessels first to last, below the same header."""
    rows: list[Row] = [words("Vessel", "Built", "Route", "Passengers", "Cars", "Energy", "Last docking")]
    for entry in FLEET.replace("\n", "|").split("|"):
        if entry.strip():
            name, built, route, passengers, cars, energy, docking = entry.split()
            rows.append([
                Cell(name), plain(int(built)), Cell(route.replace("-", " ")), plain(int(passengers)), plain(int(cars)),
                Cell(energy), Cell(docking.replace("-", " ")),
            ])  # fmt: skip
    chosen = [rows[0], *rows[first : last + 1]]
    widths = (84, 48, 92, 66, 46, 62, 73)
    return Table("Table 4. The fleet at 31 December 2025", widths, chosen, 1, "bands", left=frozenset({0, 2, 5, 6}))


# --- Its pages --------------------------------------------------------------------------------------------------------


def cover(page: pymupdf.Page) -> None:
    horizon = 470.0
    page.draw_rect((0, 0, WIDTH, horizon), color=None, fill=NAVY)
    page.draw_circle((452, 214), 62, color=None, fill=(0.93, 0.72, 0.45))
    _ferry(page, 224, 326)
    for i, color in enumerate(("2e6582", "37758e", "40859b", "4995a7", "52a6b5")):
        _wave(page, horizon - 112 + i * 26, phase=i * 1.3, bottom=horizon + 30, color=rgb(color))
    write(page, MARGIN, 108, COMPANY, font=BOLD, size=38, color=WHITE)
    write(page, MARGIN, 146, REPORT, size=22, color=(0.78, 0.88, 0.91))
    flow(page, horizon + 62, HEIGHT - 60, BRIEF)


def _ferry(page: pymupdf.Page, x: float, y: float) -> None:
    for points, fill in (
        (((0, 0), (250, 0), (226, 44), (22, 44)), WHITE),
        (((20, 0), (20, -26), (214, -26), (226, 0)), (0.85, 0.91, 0.93)),
        (((52, -26), (52, -48), (176, -48), (188, -26)), WHITE),
        (((84, -48), (88, -74), (112, -74), (112, -48)), CORAL),
        (((0, 12), (244, 12), (241, 18), (3, 18)), CORAL),
    ):
        page.draw_polyline([(x + dx, y + dy) for dx, dy in points], color=None, fill=fill, closePath=True)
    for i in range(13):
        page.draw_rect((x + 32 + i * 14, y - 18, x + 40 + i * 14, y - 9), color=None, fill=NAVY)


def _wave(page: pymupdf.Page, y: float, *, phase: float, bottom: float, color: Rgb) -> None:
    crest = [(x, y + 9 * math.sin(x / 62 + phase)) for x in np.linspace(0, WIDTH, 90).tolist()]
    page.draw_polyline([*crest, (WIDTH, bottom), (0, bottom)], color=None, fill=color, closePath=True)


def bar_chart(page: pymupdf.Page, top: float) -> float:
    """Passengers by month, as vector drawing; the y where it ends."""
    write(page, MARGIN, top + 9, "Figure 1. Passengers by month in 2025, thousand", font=BOLD, size=9)
    base, scale, step = top + 172, 142 / 500, INNER / 12
    for level in range(0, 501, 100):
        at = base - level * scale
        page.draw_line((MARGIN + 24, at), (WIDTH - MARGIN, at), color=(0.82, 0.86, 0.88), width=0.5)
        write(page, MARGIN + 18, at + 2.5, str(level), size=7, color=GREY, align="right")
    for i, (month, value) in enumerate(zip("JFMAMJJASOND", PASSENGERS_BY_MONTH, strict=True)):
        x = MARGIN + 30 + i * (step - 2.2)
        page.draw_rect((x, base - value * scale, x + 24, base), color=None, fill=CORAL if value > 400 else TEAL)
        write(page, x + 12, base + 10, month, size=7.5, color=GREY, align="center")
    return base + 14


def footnotes(page: pymupdf.Page, top: float, *texts: str, left: float = MARGIN) -> None:
    for i, text in enumerate(texts):
        write(page, left, top + 11 + i * 10, text, font=ITALIC, size=7.3, color=GREY)


def photograph(page: pymupdf.Page, box: tuple[float, float, float, float], pixels: NDArray[np.uint8]) -> None:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=82)
    page.insert_image(box, stream=file.getvalue())


def make_report(path: Path) -> list[dict[str, Any]]:
    """Write the report; the truth about its tables, one entry per table and page."""
    document = pymupdf.open()
    for _ in range(6):
        document.new_page(width=WIDTH, height=HEIGHT)
    pages = [document[i] for i in range(6)]
    truth: list[dict[str, Any]] = []

    def table(page: pymupdf.Page, what: Table, top: float, *, continued: bool = False) -> float:
        bottom, told = draw_table(page, what, top, continued=continued)
        truth.append(told)
        return bottom

    cover(pages[0])
    end = flow(pages[1], 84, 560, LETTER)
    table(pages[1], five_years(), end + 16)
    end = flow(pages[2], 84, 400, FINANCES)
    end = table(pages[2], income_statement(), end + 12)
    footnotes(
        pages[2], end,
        "* Includes EUR 412 thousand from the café at Holmen quay, opened in June 2025.",
        "¹ Paid by the county under the service contract of 2019, which ends in 2028.",
        "² Interest on the loans for the battery ferries, less interest received.",
    )  # fmt: skip
    end = flow(pages[3], 84, 330, TRAFFIC_TEXT)
    end = table(pages[3], traffic(), bar_chart(pages[3], end + 10) + 20)
    footnotes(pages[3], end, "† Opened on 12 May 2025.")
    end = flow(pages[4], 84, 500, FLEET_TEXT)
    table(pages[4], fleet(1, 19), end + 14)
    top = table(pages[5], fleet(20, 24), 84, continued=True) + 32
    flow(pages[5], top - 8, top + 180, ON_BOARD, right=MARGIN + 238)
    photograph(pages[5], (MARGIN + 256, top, WIDTH - MARGIN, top + 143), skimage.data.coffee())
    caption = ("Two thirds of our passengers buy a coffee.", "Photograph: Rachel Michetti")
    footnotes(pages[5], top + 144, *caption, left=MARGIN + 256)
    flow(pages[5], top + 178, HEIGHT - 70, OUTLOOK)
    for page in pages[1:]:
        write(page, MARGIN, 50, f"{COMPANY}  ·  {REPORT}", size=8, color=GREY)
        page.draw_line((MARGIN, 57), (WIDTH - MARGIN, 57), color=TEAL, width=0.8)
        write(page, WIDTH - MARGIN, HEIGHT - 36, str(page.number + 1), size=9, color=GREY, align="right")
    document.set_metadata({
        "title": TITLE, "author": COMPANY, "producer": "make_examples.py",
        "creationDate": "D:20260316090000Z", "modDate": "D:20260316090000Z",
    })  # fmt: skip
    document.subset_fonts()
    document.save(path, garbage=4, deflate=True, no_new_id=True)
    return truth


BRIEF = """<h2>The year in brief</h2>
<ul><li>More people crossed the fjord with us than in any year before: 3.25 million passengers, 5.4 per cent more than
in 2024.</li>
<li>Three battery ferries now carry every second passenger on the Holmen route, and emissions per passenger fell by
fifteen per cent.</li>
<li>The new line to Utsker opened in May and gave the outer islands a daily link for the first time since 1971.</li>
<li>Profit for the year rose to EUR 6.9 million. The board proposes a dividend of 32 cents a share.</li></ul>
<p>Skarvik Ferries runs seven routes between the town of Skarvik, the islands of the outer fjord and the mainland. The
company was founded in 1908 by the farmers and fishermen of three parishes; their heirs still own a third of its
shares.</p>"""

LETTER = """<h1>A full ship is a quiet ship</h1>
<p>Dear shareholders, the quietest place in our fleet this year was the car deck of the <i>Havørn</i>. She has no
engine that a passenger could hear, and on a summer morning she leaves Skarvik with four hundred and eighty people on
board. In 2025 more people crossed the fjord with us than ever, and for the first time most of them did so without
burning a drop of diesel.</p>
<p>Growth came from people, not from cars. The number of passengers rose by 5.4 per cent, while vehicles fell by 1.9
per cent, because the county now lets commuters leave the car on the quay and ride the bus on the other side with the
same ticket. We welcome this: a ferry that carries people instead of steel needs less energy, fewer crossings and a
smaller quay.</p>
<h2>What went well</h2>
<p>The line to Utsker opened on 12 May. Its ninety inhabitants had asked for it for half a century, and fifty-eight
thousand people used it in eight months. Energy and fuel cost us twelve per cent less than the year before although we
sailed more often. Ninety-seven of a hundred crossings left on time.</p>
<h2>What did not</h2>
<p>The night line to Malmvik lost a tenth of its passengers to the new road tunnel, and we do not expect them to come
back. Maintenance cost more than planned because four of our oldest vessels needed new steel. The board has decided to
replace them two years earlier than foreseen.</p>
<p>The winter tested us. In January ice closed the sound at Tareby for six days, and the crews carried mail, bread and
a midwife over from Holmen in the pilot boat. In November the gale called Torunn tore away the outer mole at Storøy.
Nobody was hurt, and the line sailed again after thirty hours.</p>
<p>I thank our five hundred and ninety employees, who made a difficult winter look easy.</p>
<p><i>Ingrid Solheim, chair of the board</i></p>"""

FINANCES = """<h1>Financial review</h1>
<p>Revenue grew by 2.1 per cent to EUR 92.2 million. Tickets brought in EUR 1.9 million more than in 2024, sales on
board EUR 0.7 million more; income from vehicles and freight fell with the traffic to Malmvik. The compensation that
the county pays for routes which cannot carry themselves has been the same since 2019.</p>
<p>Operating expenses rose by 1.2 per cent. Wages followed the national agreement of April, and maintenance the steel
work on four vessels. Energy became cheaper by EUR 1.8 million, the first full year with three battery ferries. Profit
for the year was EUR 6.9 million, or 84 cents a share.</p>
<h2>Cash and debt</h2>
<p>The company paid for the <i>Ternen</i> out of its own cash flow. Net debt fell to EUR 41.6 million, twice the
profit before depreciation; the agreement with our banks allows three and a half times.</p>"""

TRAFFIC_TEXT = """<h1>Traffic</h1>
<p>July and August were the strongest months in our history. On 19 July alone 21,400 people crossed, and no one had to
wait for more than one departure. In winter the lines of the inner fjord are what they always were, the way to work:
on a grey Tuesday in February nine out of ten passengers hold a season ticket.</p>
<p>The outer islands grew fastest. Visitors who used to turn round at Storøy now travel on to Utsker, and many of them
stay for a night. The quay at Tareby was closed for repairs in October, which explains the loss on that line.</p>
<h2>Vehicles</h2>
<p>For the first time in five years we carried fewer cars than in the year before. Lorries held their own: they are a
quarter of all vehicles and pay half of what vehicles pay.</p>"""

FLEET_TEXT = """<h1>Fleet</h1>
<p>Twenty-four vessels sailed for the company at the end of the year. The <i>Ternen</i>, the smallest of our battery
ferries, joined them in May for the line to Utsker. Six vessels run on batteries alone and seven are hybrids that
enter port without smoke. Each vessel is docked at least every second year; the table shows the day on which it last
left the yard.</p>
<h2>Charging</h2>
<p>The charging towers at Skarvik and Holmen deliver four megawatts while passengers go ashore. They were out of
service for eleven hours in the whole year. A third tower will be built at Lyngnes in 2026, so that two hybrids of
that line can leave their engines off.</p>
<h2>People</h2>
<p>A vessel is as good as her crew. Forty-one people learned to handle a battery ferry in 2025, on a bridge that
stands in the old customs house and sways only on request. Sick leave fell to 4.8 per cent. For the first time a third
of our deck officers are women.</p>"""

ON_BOARD = """<h1>On board</h1>
<p>Every crossing of more than twenty minutes has a café. It sells what the region makes: bread from Holmen, fish from
Storøy, and coffee roasted in the old net loft at Skarvik. Paper cups went in March. Whoever brings a cup pays less,
and by December every third guest did.</p>"""

OUTLOOK = """<h1>Outlook</h1>
<p>We expect 3.3 million passengers in 2026 and a profit close to that of this year. Two battery ferries for the line
to Vestre Sund have been ordered from a yard on the west coast; they will enter service in the spring of 2027 and
replace the
<i>Oter</i> and the <i>Tjeld</i>. The night line to Malmvik will be reduced to three departures a week from
September.</p>
<p>The greatest risk is the weather. Storms closed the outer lines on nineteen days in 2025, against eleven in the
year before, and the islands have no other link. Together with the county we study a sheltered quay on the south side
of Storøy.</p>
<h2>Dates</h2>
<p>The annual general meeting takes place on board the <i>Steinkobbe</i> at Skarvik on 23 April 2026.</p>"""


# --- The scan ---------------------------------------------------------------------------------------------------------


def make_scan(report: Path, path: Path, *, page: int = 4, dpi: int = 150) -> None:
    """One page of the report as an office scanner would have it: grey, a little crooked, grainy, a JPEG."""
    with pymupdf.open(report) as document:
        pixmap = document[page - 1].get_pixmap(dpi=dpi, colorspace=pymupdf.csGRAY)
        sheet = Image.frombytes("L", (pixmap.width, pixmap.height), pixmap.samples)
    sheet = sheet.rotate(0.5, resample=Image.Resampling.BICUBIC, fillcolor=255).filter(ImageFilter.GaussianBlur(0.5))
    grain = np.random.default_rng(2025).normal(0, 5, (sheet.height, sheet.width))
    scanned = np.clip(np.asarray(sheet, dtype=np.float64) * 0.94 + 6 + grain, 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(scanned).save(file, "JPEG", quality=55, dpi=(dpi, dpi))
    with pymupdf.open() as document:
        document.new_page(width=WIDTH, height=HEIGHT).insert_image((0, 0, WIDTH, HEIGHT), stream=file.getvalue())
        document.set_metadata({"producer": "make_examples.py", "creationDate": "D:20260317090000Z"})
        document.save(path, garbage=4, deflate=True, no_new_id=True)
