"""Rows of texts and spans, as a model says them → the cells of a table without holes or overlaps. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from aria_docs.media import TableCell
from aria_docs.model.numbers import numbers
from aria_docs.schemas.answers import SpanAnswer

_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\u200b\u2060\ufeff]+")


@dataclass(frozen=True, slots=True)
class Grid:
    """A table before its cells are sought on the page: none has a box, none is grounded. They cover each place once."""

    n_rows: int
    n_cols: int
    n_header_rows: int
    cells: tuple[TableCell, ...]


def grid(rows: Sequence[Sequence[str]], spans: Sequence[SpanAnswer], *, header_rows: int) -> Grid | None:
    """The cells in reading order; None where no cell has a text.

    Short rows are filled up with empty cells. A span that leaves the table, or overlaps one before it, is ignored; so
    is one over a text of another cell, which would be lost.

        [["Trade", ""], ["2019", "2020"], ["5"]]      ┌─────────────┐
        span row 0, col 0, 1 × 2                      │ Trade       │
                                                      │ 2019 │ 2020 │
                                                      │ 5    │      │
                                                      └──────┴──────┘
    """
    n_rows, n_cols = len(rows), max(map(len, rows), default=0)
    texts = [[tidy(text) for text in row] + [""] * (n_cols - len(row)) for row in rows]
    if not any(any(row) for row in texts):
        return None
    n_header_rows = min(header_rows, n_rows)
    size = {(row, col): (1, 1) for row in range(n_rows) for col in range(n_cols)}
    held: set[tuple[int, int]] = set()  # places of spans taken so far
    for span in spans:
        if span.row + span.rows > n_rows or span.col + span.cols > n_cols:
            continue
        own = span.row, span.col
        places = {(own[0] + down, own[1] + right) for down in range(span.rows) for right in range(span.cols)}
        if len(places) < 2 or places & held:
            continue
        if any(texts[row][col] not in ("", texts[own[0]][own[1]]) for row, col in places):
            continue
        held |= places
        size[own] = span.rows, span.cols
        for place in places - {own}:
            del size[place]
    values = numbers([texts[row][col] for row, col in size], [col for _, col in size])
    cells = tuple(
        TableCell(row, col, texts[row][col], down, right, row < n_header_rows, value, grounded=False)
        for ((row, col), (down, right)), value in zip(size.items(), values, strict=True)
    )
    return Grid(n_rows, n_cols, n_header_rows, cells)


def tidy(text: str) -> str:
    """A text on one line, without characters that cannot be seen."""
    return " ".join(_CONTROL.sub("", text).split())
