"""What was read of a document, as Markdown: headings, lists, paragraphs, and its tables where they stand. Pure.

    pages.text and the box of each of its lines ── lines inside a table's box ──> the table in their place

A table is a GitHub table where that can hold it, and HTML where cells span or several rows are headers.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aria_docs.schemas.scenes import CueRow, SceneRow
from aria_docs.schemas.sources import PageRow
from aria_docs.schemas.summaries import SummaryRow
from aria_docs.schemas.tables import CellRow, TableRow

Box = tuple[float, float, float, float]

_INSIDE = 0.5  # of a line's area lies in the box of the table whose words it has
_BULLET = re.compile(r"^[•◦▪■□●○‣⁃·\uf0b7\uf0a7]\s*(?=\S)")
_HEADING = re.compile(r"^#{1,6} ")
_MANY_PAGES = 3  # a heading that stands on as many is a running head


@dataclass(frozen=True, slots=True)
class PageParts:
    """A page with its tables.

    boxes:  of the lines of its text that are not blank, in order; empty where they are not known.
    """

    row: PageRow
    boxes: tuple[Box, ...] = ()
    tables: tuple[tuple[TableRow, tuple[CellRow, ...]], ...] = ()

    @classmethod
    def of(
        cls, row: PageRow, edges: Sequence[float], tables: Sequence[tuple[TableRow, tuple[CellRow, ...]]]
    ) -> PageParts:
        """With `page_lines.edges` as boxes."""
        boxes = tuple((edges[n], edges[n + 1], edges[n + 2], edges[n + 3]) for n in range(0, len(edges), 4))
        return cls(row, boxes, tuple(tables))


def document_markdown(pages: Sequence[PageParts]) -> str:
    """All pages; a comment with its number stands before each but the first."""
    running = _running_heads(pages)
    texts = []
    for n, page in enumerate(pages):
        text = page_markdown(page, running=running)
        texts.append(f"<!-- page {page.row.page} -->\n\n{text}".rstrip() if n else text)
    return "\n\n".join(texts).rstrip() + "\n"


def page_markdown(page: PageParts, *, running: Iterable[str] = ()) -> str:
    """One page; `running` are texts of headings that are none."""
    lines = page.row.text.split("\n") if page.row.text else []
    places = _boxes_by_line(lines, page.boxes)
    kept: list[list[str]] = [[_line(line, running)] for line in lines]
    for table, cells in page.tables:
        written = ["", table_markdown(table, cells), ""]
        own = [n for n, box in places.items() if _share_inside(box, table) >= _INSIDE]
        if own:
            for n in own:
                kept[n] = []
            kept[own[0]] = written
        elif kept:
            kept[_before(table, places, len(kept))] += written
        else:
            kept.append(written)
    text = "\n".join(line for block in kept for line in block)
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n")


def table_markdown(table: TableRow, cells: Sequence[CellRow]) -> str:
    """A GitHub table; HTML where cells span, a cell has a pipe, or there is not just one header row."""
    spans = any(cell.row_span > 1 or cell.col_span > 1 or "|" in cell.text for cell in cells)
    return table_html(table, cells) if spans or table.n_header_rows > 1 else _github(table, cells)


def table_html(table: TableRow, cells: Sequence[CellRow]) -> str:
    """The table as HTML, with its spans and header cells."""
    rows: list[list[CellRow]] = [[] for _ in range(table.n_rows)]
    for cell in sorted(cells, key=lambda cell: (cell.row_no, cell.col_no)):
        rows[cell.row_no].append(cell)
    return "<table>\n" + "".join(f"<tr>{''.join(map(_html_cell, row))}</tr>\n" for row in rows) + "</table>"


def video_markdown(
    title: str, summary: SummaryRow | None, scenes: Sequence[SceneRow], cues: Sequence[CueRow] = ()
) -> str:
    """What a video is about, its scenes, and its words, a line each."""
    parts = [f"# {(summary and summary.title) or title}"]
    if summary:
        parts += [summary.text, "\n".join(f"- {point.text}" for point in summary.key_points)]
    if scenes:
        parts.append("## Scenes")
    for scene in scenes:
        parts.append(f"### {_clock(scene.start_s)} – {_clock(scene.end_s)}  {scene.title or ''}".rstrip())
        parts.append(scene.description or "")
    if cues:
        parts += ["## Words", "\n".join(f"- {_clock(cue.start_s)} {' '.join(cue.text.split())}" for cue in cues)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"


def _running_heads(pages: Sequence[PageParts]) -> frozenset[str]:
    """Headings that stand on many pages, whatever the numbers in them."""
    seen: Counter[str] = Counter()
    for page in pages:
        seen.update({_plain(line) for line in page.row.text.split("\n") if _HEADING.match(line)})
    return frozenset(text for text, n in seen.items() if n >= _MANY_PAGES)


def _plain(heading: str) -> str:
    return re.sub(r"\d+", "", _HEADING.sub("", heading)).casefold().strip()


def _line(line: str, running: Iterable[str]) -> str:
    if _HEADING.match(line):
        return _HEADING.sub("", line) if _plain(line) in running else line
    return _BULLET.sub("- ", line)


def _boxes_by_line(lines: Sequence[str], boxes: Sequence[Box]) -> dict[int, Box]:
    """The box of each line that has one, by its place."""
    filled = [n for n, line in enumerate(lines) if line.strip()]
    return dict(zip(filled, boxes, strict=True)) if len(filled) == len(boxes) else {}


def _share_inside(box: Box, table: TableRow) -> float:
    width = min(box[2], table.x1) - max(box[0], table.x0)
    height = min(box[3], table.y1) - max(box[1], table.y0)
    area = (box[2] - box[0]) * (box[3] - box[1])
    return max(0.0, width) * max(0.0, height) / area if area > 0 else 0.0


def _before(table: TableRow, places: dict[int, Box], n_lines: int) -> int:
    """The last line above the table and over it, behind which it goes; at the page's end where there is none."""
    above = [
        n
        for n, (x0, _, x1, y1) in places.items()
        if (y1 + places[n][1]) / 2 < table.y0 and min(x1, table.x1) > max(x0, table.x0)
    ]
    return max(above, key=lambda n: places[n][3], default=n_lines - 1)


def _github(table: TableRow, cells: Sequence[CellRow]) -> str:
    rows = [["" for _ in range(table.n_cols)] for _ in range(table.n_rows)]
    for cell in cells:
        rows[cell.row_no][cell.col_no] = " ".join(cell.text.split())
    if not table.n_header_rows:
        rows.insert(0, [""] * table.n_cols)
    rows.insert(1, ["---"] * table.n_cols)
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _html_cell(cell: CellRow) -> str:
    tag = "th" if cell.is_header else "td"
    spans = "".join(f' {name}="{n}"' for name, n in (("rowspan", cell.row_span), ("colspan", cell.col_span)) if n > 1)
    return f"<{tag}{spans}>{html.escape(' '.join(cell.text.split()), quote=False)}</{tag}>"
