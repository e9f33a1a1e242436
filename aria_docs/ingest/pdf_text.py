"""Lines of a page → its text in reading order. Pure: knows boxes and strings, no parser.

Columns first (reading_order), then rows in a column, then paragraphs; headings (headings) are marked as in Markdown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from aria_docs.ingest.headings import (
    HeadingRow,
    Place,
    body_of,
    heading_mark,
    is_set_apart,
    listings,
    running,
    same_heading,
)
from aria_docs.ingest.reading_order import TextLine, columns, rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aria_docs.ingest.headings import Body
    from aria_docs.media import Box

__all__ = ["NO_LINES", "PageText", "TextLine", "clean", "page_text"]

# Neither a database nor a terminal wants them: control characters (tab and newline aside), lone surrogates, and the
# two code points that are no characters.
_UNSTORABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_HYPHENATED = re.compile(r"(?<=[^\W\d_])[-\u00ad\u2010]$")
_TORN = re.compile(r"(?<=[^\W\d_])(?:\u00ad |[-\u2010] (?=[a-zà-öø-ÿ]))")  # of a heading in two rows
_PARAGRAPH = 0.35  # of the size: so much more white than between most rows parts paragraphs


@dataclass(frozen=True, slots=True)
class PageText:
    """The text of a page, and where each of its lines that is not blank stands."""

    text: str
    boxes: tuple[Box, ...]


NO_LINES = PageText("", ())


@dataclass(frozen=True, slots=True)
class _ParagraphRows:
    """Rows that belong together, and their mark, where they are a heading."""

    rows: tuple[HeadingRow, ...]
    mark: str = ""


def clean(text: str) -> str:
    """The text without what cannot be stored."""
    return _UNSTORABLE.sub("", text)


def page_text(lines: Sequence[TextLine], height_pt: float) -> PageText:
    """All lines in reading order: paragraphs with a blank line between them, headings marked with #."""
    lines = [line for line in lines if line.text.strip()]
    if not lines:
        return NO_LINES
    all_rows = [HeadingRow(tuple(row)) for row in rows(lines)]
    body = body_of(all_rows, height_pt)
    edges = running(all_rows, body)
    at_edge = {id(line): min(edges) <= n for n in edges for line in all_rows[n].lines}
    inner = [line for line in lines if id(line) not in at_edge]
    heads = [all_rows[n] for n in sorted(edges) if all_rows[n].box[3] < height_pt / 2]
    feet = [all_rows[n] for n in sorted(edges) if all_rows[n].box[3] >= height_pt / 2]
    paragraphs = [_ParagraphRows((row,)) for row in heads]
    for column in columns(inner):
        paragraphs += _paragraphs([HeadingRow(tuple(row)) for row in rows(column)], body)
    paragraphs += [_ParagraphRows((row,)) for row in feet]
    return _write(_without_lists(_join_headings(paragraphs, body)))


def _without_lists(paragraphs: list[_ParagraphRows]) -> list[_ParagraphRows]:
    listed = listings([(paragraph.mark, paragraph.rows) for paragraph in paragraphs])
    return [_ParagraphRows(paragraph.rows) if n in listed else paragraph for n, paragraph in enumerate(paragraphs)]


def _join_headings(paragraphs: list[_ParagraphRows], body: Body) -> list[_ParagraphRows]:
    """A heading that the search for columns has cut is one again."""
    found: list[_ParagraphRows] = []
    for paragraph in paragraphs:
        if found and found[-1].mark and paragraph.mark:
            above, below = found[-1].rows[-1], paragraph.rows[0]
            over = min(above.box[2], below.box[2]) > max(above.box[0], below.box[0])
            if over and above.box[1] < below.box[1] and same_heading(above, below, body):
                found[-1] = _ParagraphRows((*found[-1].rows, *paragraph.rows), paragraph.mark)
                continue
        found.append(paragraph)
    return found


def _paragraphs(column: list[HeadingRow], body: Body) -> list[_ParagraphRows]:
    """Headings, and rows between which there is no more white than usual and whose type is the same."""
    width = max(row.box[2] for row in column) - min(row.box[0] for row in column)
    whites = [b.box[1] - a.box[3] for a, b in pairwise(column)]
    usual = max(0.0, median(whites)) if whites else 0.0
    found: list[_ParagraphRows] = []
    open_rows: list[HeadingRow] = []
    n = 0
    while n < len(column):
        end = n + 1
        while (
            end < len(column)
            and same_heading(column[end - 1], column[end], body)
            and all(is_set_apart(row, body) for row in (column[n], column[end]))
        ):
            end += 1
        place = Place(
            width=width,
            usual=usual,
            before=column[n - 1] if n else None,
            after=column[end] if end < len(column) else None,
            below_heading=bool(found and found[-1].mark and not open_rows),
        )
        if mark := heading_mark(column[n:end], body, place):
            if open_rows:
                found.append(_ParagraphRows(tuple(open_rows)))
            found.append(_ParagraphRows(tuple(column[n:end]), mark))
            open_rows = []
        else:
            for row in column[n:end]:
                if open_rows and _parts(open_rows[-1], row, usual):
                    found.append(_ParagraphRows(tuple(open_rows)))
                    open_rows = []
                open_rows.append(row)
        n = end
    return [*found, _ParagraphRows(tuple(open_rows))] if open_rows else found


def _parts(row: HeadingRow, below: HeadingRow, usual: float) -> bool:
    """Whether a paragraph ends between two rows."""
    white = below.box[1] - row.box[3]
    same_type = abs(row.size_pt - below.size_pt) < 0.75 and row.bold == below.bold
    if not same_type and len(row.lines) == len(below.lines) == 1 and not (row.starts_bold or below.starts_bold):
        return True
    return white > usual + _PARAGRAPH * row.size_pt


def _write(paragraphs: list[_ParagraphRows]) -> PageText:
    """The paragraphs as text; a word hyphenated at a row's end is joined, a heading has one line."""
    parts: list[str] = []
    boxes: list[Box] = []
    for paragraph in paragraphs:
        if paragraph.mark:
            parts.append(paragraph.mark + _TORN.sub("", " ".join(row.text for row in paragraph.rows)))
            boxes.append(_around([row.box for row in paragraph.rows]))
            continue
        texts: list[str] = []
        for row in paragraph.rows:
            text = row.text.strip()
            if texts and _HYPHENATED.search(texts[-1]) and (text[0].islower() or texts[-1][-1] == "\u00ad"):
                texts[-1] = texts[-1][:-1] + text
                boxes[-1] = _around([boxes[-1], row.box])
            else:
                texts.append(text)
                boxes.append(row.box)
        parts.append("\n".join(texts))
    return PageText("\n\n".join(parts), tuple(boxes))


def _around(boxes: Sequence[Box]) -> Box:
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return min(x0), min(y0), max(x1), max(y1)
