"""The cells of a model's table → where they stand among the page's own words. Pure geometry.

A text that stands once on the page is easy. A number that stands in many cells is told apart by its row and column:

    the model's rows            lines of the page             1. Each row gets a line, in order, so that most of what
    ["Year", "km", "t"]         Trade of the year 2019           the rows say stands on their lines (a dynamic program
    ["2019", "7", "7"]          Year    km    t                  over rows and lines; lines far apart cost a little).
    ["2020", "7", "8"]          2019     7    7               2. The texts of a row stand on its line from the left
                                2020     7    8                  (a sequence alignment), each near the left, right or
                                                                 middle that its column has in the other rows.
    "7" of row 1, col 2 is                                    3. What is left, as cells over several rows, is sought
    the second 7 of line 3.                                      between the rows around it, within its column.

A word belongs to one cell of the page. The box that a model gives is a hint: in it places count more, and that is all.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import inf, log2
from statistics import median

import numpy as np

from aria_docs.media import Box, Page, Table, TableCell
from aria_docs.model.cell_grid import Grid
from aria_docs.model.page_words import PageWords, WordRun, union
from aria_docs.tiling.split import Layout

Scores = np.ndarray[tuple[int], np.dtype[np.float64]]

_OUTSIDE = 0.5  # what a place counts that is not in the model's box
_MARGIN = 3.0  # heights of a word that the model's box may be wrong by
_GAP = 0.05  # what each line's height costs that two rows stand further apart than _ROW heights
_ROW = 2.5
_FARTHEST = 1.5  # and the most it costs
_BREAK, _BREAK_HEIGHTS = 4.0, 5.0
_COLUMN = 10.0  # heights of a word from its column's edges and middle at which a place counts nothing
_LEFT_OVER_COLUMN = 4.0
_TOO_MANY = 200
_TRUSTED = 0.5  # share of cells found from which on their box is the table's


def table(grid: Grid, words: PageWords, page: Page, *, caption: str | None, hint: Box | None, taken: set[int]) -> Table:
    """A table with its cells sought among the words that no table before has taken; takes those it finds.

    The box is that around the cells found. Where they are less than half of those with a text, the model's box is
    joined to it; where none is found, it is the model's box, or the whole page where there is none of that either.
    """
    found = _places(grid, words, hint, taken)
    blank = len(words) > 0  # an empty cell claims nothing that would have to be found
    cells = tuple(
        replace(cell, box=found[at].box, grounded=True)
        if at in found
        else replace(cell, grounded=blank and not cell.text)
        for at, cell in enumerate(grid.cells)
    )
    boxes = [place.box for place in found.values()]
    filled = sum(bool(cell.text) for cell in cells)
    if hint and len(boxes) < _TRUSTED * filled:
        boxes.append(hint)
    box = union(boxes) if boxes else (0.0, 0.0, page.width_pt, page.height_pt)
    return Table(box, grid.n_rows, grid.n_cols, grid.n_header_rows, cells, caption)


def hint_box(numbers: Sequence[int], layout: Layout, edges: tuple[int, int]) -> Box | None:
    """The box that a model says, in points of the page; None where it has no area on the page.

    edges:  what its numbers count up to at the right and bottom edge of the page: `Profile.box_edges`.
    """
    across, down = layout.width / edges[0], layout.height / edges[1]
    x0, x1 = sorted(min(x * across, layout.width) for x in (numbers[0], numbers[2]))
    y0, y1 = sorted(min(y * down, layout.height) for y in (numbers[1], numbers[3]))
    return (x0, y0, x1, y1) if x1 - x0 >= 1 and y1 - y0 >= 1 else None


@dataclass(frozen=True, slots=True)
class _ColumnAlignment:
    """Where the texts of a column begin, end and have their middle: the medians of those found."""

    left: float
    right: float
    middle: float

    def distance(self, box: Box) -> float:
        """How far a text stands from the nearest of the three ways it may be aligned."""
        return min(abs(box[0] - self.left), abs(box[2] - self.right), abs((box[0] + box[2]) / 2 - self.middle))


class _CellCandidates:
    """The places of each text that no table before has taken, by line, with what each counts."""

    def __init__(self, grid: Grid, words: PageWords, hint: Box | None, taken: set[int]) -> None:
        self._n_lines = len(words.middles)
        self._on_line: dict[str, dict[int, list[tuple[WordRun, float]]]] = {}
        self._scores: dict[tuple[str, int], Scores] = {}
        for text in {cell.text for cell in grid.cells if cell.text}:
            places = [place for place in words.places(text) if not taken.intersection(place.words)]
            on_line = self._on_line[text] = {}
            for place in places:
                weight = _weight(text, len(places)) * _inside(place, hint, words.height_pt)
                for line in range(place.first, place.last + 1):
                    on_line.setdefault(line, []).append((place, weight))

    def knows(self, text: str) -> bool:
        """Whether the text stands anywhere."""
        return bool(self._on_line.get(text))

    def on_line(self, text: str, line: int) -> Sequence[tuple[WordRun, float]]:
        """The places that touch a line."""
        return self._on_line[text].get(line, ())

    def on_lines(self, text: str, first: int, last: int) -> set[WordRun]:
        """The places that touch lines first … last; none where they are so many that nothing tells them apart."""
        found = [self._on_line[text].get(line, []) for line in range(first, last + 1)]
        if sum(map(len, found)) > _TOO_MANY:
            return set()
        return {place for places in found for place, _ in places}

    def score(self, text: str, times: int) -> Scores:
        """(lines,) how much each line holds of a row that has the text so many times."""
        if (text, times) not in self._scores:
            score = self._scores[text, times] = np.zeros(self._n_lines)
            for line, places in self._on_line[text].items():
                score[line] = sum(sorted((weight for _, weight in places), reverse=True)[:times])
        return self._scores[text, times]


def _places(grid: Grid, words: PageWords, hint: Box | None, taken: set[int]) -> dict[int, WordRun]:
    """Of each cell that is found, by its number in the grid, where it stands."""
    candidates = _CellCandidates(grid, words, hint, taken)
    known = [at for at, cell in enumerate(grid.cells) if candidates.knows(cell.text)]
    by_row: dict[int, list[int]] = {}
    for at in known:
        if grid.cells[at].row_span == 1:
            by_row.setdefault(grid.cells[at].row, []).append(at)
    line_of = _close_together(_lines(grid, by_row, candidates, words), words, hint)
    columns: dict[int, _ColumnAlignment] = {}
    found: dict[int, WordRun] = {}
    for sure in (True, False, False):  # of what is plain, to learn the columns; of all, by them; once more, by those
        used: set[int] = set()
        found = {}
        for row, line in line_of.items():
            places = {
                at: [
                    (place, weight * (1 - _off(grid.cells[at], place, columns) / (_COLUMN * words.height_pt)))
                    for place, weight in candidates.on_line(grid.cells[at].text, line)
                    if not used.intersection(place.words)
                ]
                for at in by_row[row]
            }
            if sure:
                places = {at: few for at, few in places.items() if len(few) == 1}
            for at, place in _from_the_left(places, grid.cells).items():
                found[at] = place
                used.update(place.words)
        columns = _columns(grid, found)
    _find_left_over(grid, known, candidates, words, hint, line_of, columns, found)
    for place in found.values():
        taken.update(place.words)
    return found


def _weight(text: str, n_places: int) -> float:
    """How much a place says: more for a long text, less for one that stands in many places."""
    return (2 + min(len(text), 12)) / (1 + log2(n_places))


def _inside(place: WordRun, hint: Box | None, height_pt: float) -> float:
    if hint is None:
        return 1.0
    (x, y), margin = place.middle, _MARGIN * height_pt
    inside = hint[0] - margin <= x <= hint[2] + margin and hint[1] - margin <= y <= hint[3] + margin
    return 1.0 if inside else _OUTSIDE


def _lines(
    grid: Grid,
    by_row: Mapping[int, Sequence[int]],
    candidates: _CellCandidates,
    words: PageWords,
) -> dict[int, int]:
    """The line of each row that has one, ascending: those on which most of what the rows say can be found."""
    n_lines = len(words.middles)
    if not n_lines:
        return {}
    y = np.array(words.middles)
    apart = y[None, :] - y[:, None]  # (before, line)
    best = np.full(n_lines, -inf)  # of the chains of rows that end on a line
    last = np.zeros(n_lines, dtype=np.int64)  # and the row they end with
    links: list[tuple[int, int, int | None]] = []  # (row, line, number of the link before)
    ends: list[int | None] = [None] * n_lines
    for row in sorted(by_row):
        score = np.zeros(n_lines)
        for text, times in Counter(grid.cells[at].text for at in by_row[row]).items():
            score += candidates.score(text, times)  # of a text twice in a row the line should have two places
        lines = np.flatnonzero(score)
        if not len(lines):
            continue
        cost = _GAP * (apart[:, lines] / words.height_pt - _ROW * (row - last)[:, None])
        reach = best[:, None] - np.clip(cost, 0, _FARTHEST)
        reach[np.arange(n_lines)[:, None] >= lines[None, :]] = -inf
        before = reach.argmax(axis=0)
        gained = reach[before, np.arange(len(lines))]
        new_ends = dict[int, tuple[float, int]]()
        for line, previous, value in zip(lines.tolist(), before.tolist(), gained.tolist(), strict=True):
            total = score[line] + max(value, 0.0)
            if total > best[line]:
                links.append((row, line, ends[previous] if value > 0 else None))
                new_ends[line] = total, len(links) - 1
        for line, (total, link) in new_ends.items():
            best[line], ends[line], last[line] = total, link, row
    at = ends[int(best.argmax())] if links else None
    found = {}
    while at is not None:
        row, line, at = links[at]
        found[row] = line
    return dict(sorted(found.items()))


def _close_together(line_of: dict[int, int], words: PageWords, hint: Box | None) -> dict[int, int]:
    """Without the rows that a gap parts from most of the others: they were found in the text around the table.

    A gap is _BREAK times the usual distance of two rows, and _BREAK_HEIGHTS at least; none is where the model's box
    holds both sides of it.
    """
    rows = list(line_of)
    y = {row: words.middles[line] for row, line in line_of.items()}
    steps = [(y[after] - y[before]) / (after - before) for before, after in pairwise(rows)]
    if not steps:
        return line_of
    most = max(_BREAK * median(steps), _BREAK_HEIGHTS * words.height_pt)
    runs = [[rows[0]]]
    for (before, after), step in zip(pairwise(rows), steps, strict=True):
        margin = _MARGIN * words.height_pt
        held = hint and hint[1] - margin <= y[before] and y[after] <= hint[3] + margin
        if step > most and not held:
            runs.append([])
        runs[-1].append(after)
    return {row: line_of[row] for row in max(runs, key=len)}


def _from_the_left(
    places: Mapping[int, Sequence[tuple[WordRun, float]]], cells: Sequence[TableCell]
) -> dict[int, WordRun]:
    """The places of a row's cells, in order from the left and beside each other, that gain most together."""
    order = sorted(places, key=lambda at: cells[at].col)
    slots = sorted({place for few in places.values() for place, _ in few}, key=lambda place: place.box[2])
    ends = [slot.box[2] for slot in slots]
    number = {slot: at for at, slot in enumerate(slots)}
    room = [bisect_right(ends, slot.box[0] + 1.0, hi=at) for at, slot in enumerate(slots)]  # slots left of each
    # best[i][j]: of the first i cells on the first j slots
    best = [[0.0] * (len(slots) + 1)]
    for at in order:
        above = best[-1]
        gains = {number[place]: gain for place, gain in places[at] if gain > 0}
        row = [0.0]
        for j in range(len(slots)):
            taken = above[room[j]] + gains[j] if j in gains else 0.0
            row.append(max(row[-1], above[j + 1], taken))
        best.append(row)
    found: dict[int, WordRun] = {}
    j = len(slots)
    for i in range(len(order), 0, -1):
        while j and best[i][j] == best[i][j - 1]:
            j -= 1
        if j and best[i][j] != best[i - 1][j]:
            found[order[i - 1]] = slots[j - 1]
            j = room[j - 1]
    return found


def _columns(grid: Grid, found: Mapping[int, WordRun]) -> dict[int, _ColumnAlignment]:
    boxes: dict[int, list[Box]] = {}
    for at, place in found.items():
        if grid.cells[at].col_span == 1:
            boxes.setdefault(grid.cells[at].col, []).append(place.box)
    return {
        col: _ColumnAlignment(
            median(box[0] for box in some),
            median(box[2] for box in some),
            median((box[0] + box[2]) / 2 for box in some),
        )
        for col, some in boxes.items()
    }


def _off(cell: TableCell, place: WordRun, columns: Mapping[int, _ColumnAlignment]) -> float:
    """How many points a place is off its cell's column; of a cell over several, off the stretch that they take."""
    known = [columns[col] for col in range(cell.col, cell.col + cell.col_span) if col in columns]
    if not known:
        return 0.0
    if cell.col_span == 1:
        return known[0].distance(place.box)
    left, right = min(column.left for column in known), max(column.right for column in known)
    return max(left - place.middle[0], place.middle[0] - right, 0.0)


def _find_left_over(
    grid: Grid,
    known: Sequence[int],
    candidates: _CellCandidates,
    words: PageWords,
    hint: Box | None,
    line_of: Mapping[int, int],
    columns: Mapping[int, _ColumnAlignment],
    found: dict[int, WordRun],
) -> None:
    """Adds to `found` what has no place yet and fits between the rows around it, nearest to its column first."""
    if not found:
        return
    height = words.height_pt
    around = union([place.box for place in found.values()] + ([hint] if hint else []))
    used = {number for place in found.values() for number in place.words}
    fitting = []
    for at in (at for at in known if at not in found):
        cell = grid.cells[at]
        above = [words.middles[line] for row, line in line_of.items() if row < cell.row]
        below = [words.middles[line] for row, line in line_of.items() if row >= cell.row + cell.row_span]
        top = max(above, default=around[1] - _MARGIN * height)
        bottom = min(below, default=around[3] + _MARGIN * height)
        lines = bisect_left(words.middles, top - height), bisect_right(words.middles, bottom + height)
        for place in candidates.on_lines(cell.text, *lines):
            x, y = place.middle
            off = _off(cell, place, columns)
            beside = around[0] - _MARGIN * height <= x <= around[2] + _MARGIN * height
            if top < y < bottom and beside and off <= _LEFT_OVER_COLUMN * height:
                fitting.append((off, place.first, place.box[0], at, place))
    for *_, at, place in sorted(fitting, key=lambda one: one[:4]):
        if at not in found and not used.intersection(place.words):
            found[at] = place
            used.update(place.words)
