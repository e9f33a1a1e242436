"""Which words of its page each cell of a table has, and what the page says against it. Pure.

A word belongs to the cell that its middle lies in. Sizes are in heights of a usual word of the table.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from typing import TYPE_CHECKING

import numpy as np

from aria_docs.media import Check
from aria_docs.model.numbers import numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from aria_docs.media import Box, Table, TableCell, Word

_SAME_LINE = 0.5
_UNSURE = 0.3  # of a character; less is a guess
_MOST_CHECKS, _MOST_LOOKED_AT = 50, 200  # of a kind and table
_AT_ONCE = 2_000_000  # pairs of words and cells


class WordCells:
    """Of each cell of a table, in their order, how its words stand.

    sure:     of its least certain character by OCR; 1 without words.
    cut:      how far a word reaches out of the cell's box.
    gap:      the widest between two words of one line.
    n_lines:  that its words stand on.
    homes:    of each word in the table's box, how many cells it is in.
    """

    def __init__(self, table: Table, words: Sequence[Word]) -> None:
        n = len(table.cells)
        self.words = [word for word in words if _middle_within(word.box, table.box)]
        self.sure, self.cut, self.gap, self.n_lines = np.ones(n), np.zeros(n), np.zeros(n), np.zeros(n, dtype=np.int64)
        self.homes = np.zeros(len(self.words), dtype=np.int64)  # in how many cells each word is
        self.height_pt = 10.0
        if not self.words:
            return
        edges = np.array([word.box for word in self.words])
        self.height_pt = max(float(np.median(edges[:, 3] - edges[:, 1])), 1.0)
        boxes = np.array([cell.box or (0.0, 0.0, -1.0, -1.0) for cell in table.cells]).reshape(n, 4)
        first = self._place(edges, boxes)
        own: defaultdict[int, list[Word]] = defaultdict(list)
        for word, cell in zip(self.words, first.tolist(), strict=True):
            if cell >= 0:
                own[cell].append(word)
        for at, some in own.items():
            self._measure(at, some, boxes[at])

    def _place(self, edges: NDArray[np.float64], boxes: NDArray[np.float64]) -> NDArray[np.int64]:
        """(words,) the first cell that each word's middle lies in, or -1; counts in `homes` in how many it does."""
        x, y = (edges[:, 0] + edges[:, 2]) / 2, (edges[:, 1] + edges[:, 3]) / 2
        first = np.full(len(edges), -1)
        step = max(1, _AT_ONCE // max(1, len(boxes)))
        for at in range(0, len(edges), step):
            part = slice(at, at + step)
            inside = (
                (x[part, None] >= boxes[:, 0] - 0.01)
                & (x[part, None] <= boxes[:, 2] + 0.01)
                & (y[part, None] >= boxes[:, 1] - 0.01)
                & (y[part, None] <= boxes[:, 3] + 0.01)
            )
            self.homes[part] = inside.sum(axis=1)
            first[part] = np.where(inside.any(axis=1), inside.argmax(axis=1), -1)
        return first

    def _measure(self, at: int, own: Sequence[Word], box: Sequence[float]) -> None:
        self.sure[at] = min(word.sure for word in own)
        reach = max(max(box[0] - word.box[0], word.box[2] - box[2]) for word in own)
        self.cut[at] = max(0.0, reach / self.height_pt)
        lines = _lines(own, self.height_pt)
        self.n_lines[at] = len(lines)
        gaps = [b.box[0] - a.box[2] for line in lines for a, b in pairwise(line)]
        self.gap[at] = max(gaps, default=0.0) / self.height_pt


def _lines(words: Sequence[Word], height_pt: float) -> list[list[Word]]:
    lines: list[list[Word]] = []
    last = 0.0
    for word in sorted(words, key=lambda word: word.box[1] + word.box[3]):
        middle = (word.box[1] + word.box[3]) / 2
        if not lines or middle - last > _SAME_LINE * height_pt:
            lines.append([])
            last = middle
        lines[-1].append(word)
    for line in lines:
        line.sort(key=lambda word: word.box[0])
    return lines


def _middle_within(inner: Box, outer: Box) -> bool:
    x, y = (inner[0] + inner[2]) / 2, (inner[1] + inner[3]) / 2
    return outer[0] <= x <= outer[2] and outer[1] <= y <= outer[3]


def page_checks(table: Table, found: WordCells) -> Iterator[Check]:
    """What fails of what the page says of a table; nothing is said of what holds."""
    yield from _strays(table, found)
    yield from _unsure(table, found)
    yield from _otherwise(table, found)


def _strays(table: Table, found: WordCells) -> Iterator[Check]:
    """Words in the table's box that are in no cell or in several; a check for each row that has some."""
    by_row: defaultdict[int, list[tuple[Word, tuple[TableCell, ...]]]] = defaultdict(list)
    boxed = [cell for cell in table.cells if cell.box]
    amiss = (
        (word, homes)
        for word, homes in zip(found.words, found.homes.tolist(), strict=True)
        if homes != 1 and boxed and any(map(str.isalnum, word.text))
    )
    for word, homes in islice(amiss, _MOST_LOOKED_AT):
        nearest = sorted(boxed, key=lambda cell: _distance(word, cell))[: max(1, homes)]
        by_row[nearest[0].row].append((word, tuple(nearest)))
    for row, strays in sorted(by_row.items())[:_MOST_CHECKS]:
        word, near = strays[0]
        more = f", and {len(strays) - 1} more words" if len(strays) > 1 else ""
        where = "in no cell" if len(near) == 1 else f"in {len(near)} cells"
        suspects = tuple(dict.fromkeys((cell.row, cell.col) for _, cells in strays for cell in cells))
        yield Check(
            "words", False, row=row, suspects=suspects, note=f"{word.text!r} stands in the table and {where}{more}"
        )


def _distance(word: Word, cell: TableCell) -> float:
    x, y = (word.box[0] + word.box[2]) / 2, (word.box[1] + word.box[3]) / 2
    x0, y0, x1, y1 = cell.box or word.box
    return max(x0 - x, x - x1, 0.0) + max(y0 - y, y - y1, 0.0)


def _unsure(table: Table, found: WordCells) -> Iterator[Check]:
    """Cells with a character that OCR is not sure of."""
    doubtful = [at for at in np.flatnonzero(found.sure < _UNSURE).tolist() if table.cells[at].text]
    for at in doubtful[:_MOST_CHECKS]:
        cell = table.cells[at]
        note = f"OCR is sure of {cell.text!r} with {found.sure[at]:.0%} only"
        yield Check("ocr", False, row=cell.row, col=cell.col, suspects=((cell.row, cell.col),), note=note)


def _otherwise(table: Table, found: WordCells) -> Iterator[Check]:
    """Numbers that a model says and the page does not, where another number stands where row and column cross."""
    rows, cols = _bands(table.cells, vertical=True), _bands(table.cells, vertical=False)
    doubtful = (cell for cell in table.cells if not cell.grounded and cell.number is not None)
    for cell in islice(doubtful, _MOST_LOOKED_AT):
        if cell.row not in rows or cell.col not in cols:
            continue
        (y0, y1), (x0, x1) = rows[cell.row], cols[cell.col]
        crossing = (x0 - 1, y0 - 1, x1 + 1, y1 + 1)
        here = [word for word in found.words if _middle_within(word.box, crossing)]
        text = " ".join(word.text for line in _lines(here, found.height_pt) for word in line)
        [number] = numbers([text])
        if number is not None and number != cell.number:
            place, note = (cell.row, cell.col), f"{text} stands there on the page, and not {cell.text}"
            yield Check("text", False, *place, (place,), number, expected=number, found=cell.number, note=note)


def _bands(cells: Sequence[TableCell], *, vertical: bool) -> dict[int, tuple[float, float]]:
    """From where to where the cells of each row (or column) that were found on the page reach."""
    found: dict[int, tuple[float, float]] = {}
    for cell in cells:
        span, line = (cell.row_span, cell.row) if vertical else (cell.col_span, cell.col)
        if cell.box and cell.grounded and cell.text and span == 1:
            low, high = (cell.box[1], cell.box[3]) if vertical else (cell.box[0], cell.box[2])
            known = found.get(line, (low, high))
            found[line] = (min(low, known[0]), max(high, known[1]))
    return found
