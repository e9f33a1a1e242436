"""Lines of a page → its text in reading order. Pure: knows boxes and strings, no parser.

Columns are found first, then rows in a column, then paragraphs; headings are marked as in Markdown. A line that
crosses the gutter (a title over two columns, a wide figure's caption) splits the page into bands:

    ┌──────── title ────────┐
    │ left  1 │ right 1     │      title, left 1, right 1, wide line, left 2, right 2
    ├──── wide line ────────┤
    │ left  2 │ right 2     │
    └───────────────────────┘
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aria_docs.media import Box

# Neither a database nor a terminal wants them: control characters (tab and newline aside), lone surrogates, and the
# two code points that are no characters.
_UNSTORABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")

# A side of a gutter is a column of prose when it has this many lines, and most of them fill it.
_MIN_COLUMN_LINES = 4
_MIN_COLUMN_SHARE = 0.2  # of the width of what is split
_MIN_LINE_FILL = 0.6  # median line width by column width
_MAX_LEADING = 2.2  # median distance of lines by their height; labels of a table stand further apart
_MAX_CROSSING = 0.5  # more lines than that over the gutter, and it is none

_HEADING_MAX_LINES = 3
_HEADING_MAX_CHARS = 200
_HEADING_LEVELS = ((1.6, "# "), (1.3, "## "), (1.12, "### "))  # size by body size, from the top


@dataclass(frozen=True, slots=True)
class Line:
    """A run of text on one baseline; size_pt and bold are those of most of its characters."""

    text: str
    box: Box
    size_pt: float
    bold: bool
    block: int = 0


def clean(text: str) -> str:
    """The text without what cannot be stored."""
    return _UNSTORABLE.sub("", text)


def page_text(lines: Sequence[Line]) -> str:
    """All lines in reading order: paragraphs with a blank line between them, headings marked with #."""
    lines = [line for line in lines if line.text.strip()]
    if not lines:
        return ""
    sizes: Counter[float] = Counter()
    for line in lines:
        sizes[round(line.size_pt * 2) / 2] += len(line.text)
    body_pt = sizes.most_common(1)[0][0]
    paragraphs = [paragraph for column in _columns(list(lines)) for paragraph in _paragraphs(_rows(column))]
    return "\n\n".join(_marked(paragraph, body_pt) for paragraph in paragraphs)


def _columns(lines: list[Line], depth: int = 0) -> list[list[Line]]:
    """The lines split into columns, in reading order; at most 2^4 of them."""
    gutter = _gutter(lines) if depth < 4 and len(lines) >= 2 * _MIN_COLUMN_LINES else None
    if gutter is None:
        return [lines]
    result: list[list[Line]] = []
    wide: list[Line] = []
    left: list[Line] = []
    right: list[Line] = []

    def close_band() -> None:
        for side in (left, right):
            if side:
                result.extend(_columns(side[:], depth + 1))
                side.clear()

    for line in sorted(lines, key=lambda line: (line.box[1] + line.box[3]) / 2):
        if line.box[0] < gutter < line.box[2]:
            close_band()
            wide.append(line)
            continue
        if wide:
            result.append(wide)
            wide = []
        (left if line.box[2] <= gutter else right).append(line)
    close_band()
    if wide:
        result.append(wide)
    return result


def _gutter(lines: list[Line]) -> float | None:
    """The x of the emptiest vertical strip that has columns of prose on both sides, None where there is none."""
    boxes = np.array([line.box for line in lines])
    x0, x1 = boxes[:, 0].min(), boxes[:, 2].max()
    width = int(x1 - x0)
    if not 20 <= width < 20_000:
        return None
    starts = np.bincount(np.clip(np.ceil(boxes[:, 0] - x0), 0, width + 1).astype(int), minlength=width + 2)
    ends = np.bincount(np.clip(np.floor(boxes[:, 2] - x0), 0, width + 1).astype(int), minlength=width + 2)
    begun, ended = np.cumsum(starts), np.cumsum(ends)
    crossing, right = begun - ended, len(lines) - begun
    usable = (ended >= _MIN_COLUMN_LINES) & (right >= _MIN_COLUMN_LINES)
    usable[: int(width * _MIN_COLUMN_SHARE)] = usable[int(width * (1 - _MIN_COLUMN_SHARE)) :] = False
    if not usable.any():
        return None
    least = crossing[usable].min()
    if least > _MAX_CROSSING * len(lines):
        return None
    best = np.flatnonzero(usable & (crossing == least))
    runs = np.split(best, np.flatnonzero(np.diff(best) > 1) + 1)
    run = max(runs, key=len)
    gutter = float(x0 + (run[0] + run[-1]) / 2)
    sides = ([line for line in lines if line.box[2] <= gutter], [line for line in lines if line.box[0] >= gutter])
    return gutter if all(_is_prose(side, width) for side in sides) else None


def _is_prose(side: list[Line], whole_width: float) -> bool:
    if len(side) < _MIN_COLUMN_LINES:
        return False
    x0, x1 = min(line.box[0] for line in side), max(line.box[2] for line in side)
    if x1 - x0 < _MIN_COLUMN_SHARE * whole_width:
        return False
    if median(line.box[2] - line.box[0] for line in side) < _MIN_LINE_FILL * (x1 - x0):
        return False
    tops = sorted(line.box[1] for line in side)
    height = median(line.box[3] - line.box[1] for line in side)
    if median(b - a for a, b in pairwise(tops)) > _MAX_LEADING * height:
        return False
    text = "".join(line.text for line in side)
    return sum(c.isalpha() for c in text) > 0.5 * len(text)


def _rows(lines: list[Line]) -> list[list[Line]]:
    """Lines that share a baseline, from the top, each row from the left."""
    rows: list[list[Line]] = []
    bottom = 0.0
    for line in sorted(lines, key=lambda line: ((line.box[1] + line.box[3]) / 2, line.box[0])):
        middle = (line.box[1] + line.box[3]) / 2
        if rows and middle < bottom:
            rows[-1].append(line)
        else:
            rows.append([line])
            bottom = line.box[3] - 0.25 * (line.box[3] - line.box[1])
    for row in rows:
        row.sort(key=lambda line: line.box[0])
    return rows


def _paragraphs(rows: list[list[Line]]) -> list[list[list[Line]]]:
    """Rows that belong together: the same size of type, no wide gap between them, the parser's blocks kept apart."""
    paragraphs: list[list[list[Line]]] = []
    previous: list[Line] = []
    for row in rows:
        if previous:
            height = previous[0].box[3] - previous[0].box[1]
            gap = min(line.box[1] for line in row) - max(line.box[3] for line in previous)
            same_type = abs(row[0].size_pt - previous[0].size_pt) < 0.75 and row[0].bold == previous[0].bold
            same_block = row[0].block == previous[0].block
            if gap < (0.8 if same_block else 0.35) * height and (same_type or (same_block and len(row) > 1)):
                paragraphs[-1].append(row)
                previous = row
                continue
        paragraphs.append([row])
        previous = row
    return paragraphs


def _marked(paragraph: list[list[Line]], body_pt: float) -> str:
    """The paragraph's text; a word hyphenated at a line's end is joined, a heading gets its mark and one line."""
    rows = [" ".join(line.text.strip() for line in row) for row in paragraph]
    lines = [line for row in paragraph for line in row]
    text = "\n".join(rows)
    if len(rows) <= _HEADING_MAX_LINES and len(text) <= _HEADING_MAX_CHARS and any(c.isalpha() for c in text):
        size_pt = min(line.size_pt for line in lines)
        for factor, mark in _HEADING_LEVELS:
            if size_pt >= factor * body_pt:
                return mark + " ".join(rows)
        alone = all(len(row) == 1 for row in paragraph)
        if alone and size_pt >= 0.95 * body_pt and all(line.bold for line in lines) and text[-1] not in ".,;":
            return "### " + " ".join(rows)
    return re.sub(r"(?<=[^\W\d_])[-\u00ad\u2010]\n(?=[a-zà-öø-ÿ])", "", text)
