"""What an answer about a page will probably repeat: the page's words, in the form of the answer. Knows no model.

A model that drafts (`Question.quoted`) guesses its answer from this and checks the guess, so nothing here decides what
is answered: a wrong guess costs a little time. Words of one line are cells where a gap parts them; all lines are rows
of one table, in reading order. A cell that other rows have at its place and this one has not is an empty text.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from aria_docs.media import Box, Word
from aria_docs.tiling.split import Layout

_SAME_LINE = 0.5  # of a word's height: how far the middles of words of one line lie apart
_GAP = 0.6  # of it too: words further apart are two cells; blanks are a quarter to a third

Cell = tuple[str, Box]


def tables(words: Sequence[Word], layout: Layout, edges: tuple[int, int]) -> str:
    """The answer to the question about tables, as if the page were one table with one row of headers.

    edges:  what a box's numbers count up to at the right and bottom edge of the page: `Profile.box_edges`.
    """
    rows = lines(words)
    if not rows:
        return ""
    boxes = [box for row in rows for _, box in row]
    corners = (
        min(box[0] for box in boxes) * edges[0] / layout.width,
        min(box[1] for box in boxes) * edges[1] / layout.height,
        max(box[2] for box in boxes) * edges[0] / layout.width,
        max(box[3] for box in boxes) * edges[1] / layout.height,
    )
    table = {
        "caption": None,
        "box": [round(corner) for corner in corners],
        "header_rows": 1,
        "rows": _fill(rows),
        "spans": [],
    }
    return json.dumps({"tables": [table]}, ensure_ascii=False, separators=(",", ":"))


def lines(words: Sequence[Word]) -> list[list[Cell]]:
    """The cells of each line, from the top and from the left."""
    found: list[list[Word]] = []
    for word in sorted(words, key=_middle):
        if found and _middle(word) - _middle(found[-1][-1]) < _SAME_LINE * (word.box[3] - word.box[1]):
            found[-1].append(word)
        else:
            found.append([word])
    return [_cells(sorted(line, key=lambda word: word.box[0])) for line in found]


def text(words: Sequence[Word]) -> str:
    """The words in their order, for an answer that quotes some of them."""
    return " ".join(word.text for word in words)


def _middle(word: Word) -> float:
    return (word.box[1] + word.box[3]) / 2


def _cells(line: Sequence[Word]) -> list[Cell]:
    cells: list[Cell] = []
    for word in line:
        x0, y0, x1, y1 = word.box
        if cells and x0 - cells[-1][1][2] < _GAP * (y1 - y0):
            said, box = cells[-1]
            cells[-1] = f"{said} {word.text}", (box[0], min(box[1], y0), x1, max(box[3], y1))
        else:
            cells.append((word.text, word.box))
    return cells


def _fill(rows: Sequence[Sequence[Cell]]) -> list[list[str]]:
    """The texts, with empty ones where a row lacks a column that the rows of the usual number of cells have."""
    counts = Counter(len(row) for row in rows if len(row) > 1)
    usual = max(counts, key=lambda n_cols: (counts[n_cols], n_cols), default=0)
    whole = [row for row in rows if len(row) == usual]
    columns = [_middle_x(column) for column in zip(*whole, strict=True)]
    return [_place(row, columns) if 1 < len(row) < len(columns) else [said for said, _ in row] for row in rows]


def _middle_x(column: Sequence[Cell]) -> float:
    return sum((box[0] + box[2]) / 2 for _, box in column) / len(column)


def _place(row: Sequence[Cell], columns: Sequence[float]) -> list[str]:
    texts = [""] * len(columns)
    for said, box in row:
        nearest = min(range(len(columns)), key=lambda at: abs(columns[at] - (box[0] + box[2]) / 2))
        texts[nearest] = f"{texts[nearest]} {said}".strip()
    return texts
