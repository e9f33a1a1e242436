"""Which lines of a table without rules between its rows are one row: the cheapest way to part them. Pure.

    Report     Due         Text           lines of one column that stand close, where the next word had no room above,
    Harbour                Built of       are one cell; cells of one row have their tops, their middles or their ends
    lights     03.10.2021  granite        on one height, the same in all rows
    Quay       25.09.2011  Brick

Each run of neighbouring lines could be a row and has a cost: for what stands in one cell and does not look wrapped, for
cells that are not on one height, for columns without a text. The parting of all lines with the least sum is found by
dynamic programming, once for each way of setting cells in rows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

import numpy as np

from aria_docs.ingest.tables.lines import HALF_LINE, Line, is_value, middle_of
from aria_docs.media import Word

_PREFIXED = re.compile(r"[^\W\d_]-|[a-z]{1,5}-[A-Z]")
_GOES_ON = ("-", "/", ",", "&")
_LONGEST = 60  # lines of a row
_MORE_WHITE = 1.3  # of the step from line to line: between rows that white parts
_EVEN = 0.25  # of the text's height: cells whose places differ by less are on one height
_BLANK = 0.2  # of the text's height

# Costs. That of a column without a text is 1 times how often the column has one.
_ROOM = 1.5  # the next word would have had room on the line above
_CAPITAL = 0.4  # the line begins like a text of its own
_LABEL = 1.2  # and is one of the first column, not further in
_SMALL = -1.0  # it begins with a small letter, or the line above ends in the middle of something
_UNDER = 1.5  # a text of its own with others beside it, under a label that has none: a heading above a row
_FAR = 4.0  # or much further
_VALUES = 100.0  # two numbers in one cell: never
_MIXED = 2.0  # a text and a number in one, in a column of numbers
_APART = 20.0  # no cell has two lines, and yet they are on different heights
_UNEVEN = 2.5  # cells of a row on different heights
_HEADING = 1.0  # a row with a text in the first column alone
_ASIDE = 2.0  # or in another one alone
_UNLABELLED = 1.0  # added where the first column has a text elsewhere
_TIGHT = 1.2  # rows no further apart than lines of one cell


@dataclass(frozen=True, slots=True)
class _ColumnText:
    """What one line has in one column."""

    line: int
    middle: float
    words: Sequence[Word]

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)


@dataclass(frozen=True, slots=True)
class Columns:
    """What is known of the columns: the words of a line by column, and from where to where texts of each reach."""

    parts: Sequence[dict[int, list[Word]]]
    extents: Sequence[tuple[float, float]]


def row_bands(lines: Sequence[Line], columns: Columns, height: float, *, cuts: Sequence[bool]) -> list[list[Line]]:
    """The lines by row.

    height:  of the text, in points.
    cuts:    for each line but the last, whether a rule parts it from the next: rows end there.
    """
    if not lines:
        return []
    costs = _Costs(lines, columns, height)
    ends = min((_part(costs, how, cuts) for how in range(3)), key=lambda found: found[0])[1]
    return [list(lines[first:end]) for first, end in pairwise([0, *ends])]


def _part(costs: _Costs, how: int, cuts: Sequence[bool]) -> tuple[float, list[int]]:
    """The least cost and the ends of its rows, with cells set to the top (0), the middle (1) or the end (2)."""
    n = costs.n
    best = [0.0] + [np.inf] * n
    begins = [0] * (n + 1)
    for first in range(n):
        between = 0.0
        if first and not cuts[first - 1]:
            between = costs.tight[first - 1]
        for end in range(first + 1, min(n, first + _LONGEST) + 1):
            if end > first + 1 and cuts[end - 2]:
                break
            here = costs.band(first, end)[how]
            if here > _VALUES / 2:
                break  # nor will more lines make it one
            cost = best[first] + between + here
            if cost < best[end] - 1e-9:
                best[end], begins[end] = cost, first
    ends = [n]
    while begins[ends[-1]]:
        ends.append(begins[ends[-1]])
    return best[n], ends[::-1]


class _Costs:
    """What it costs to take lines for a row."""

    def __init__(self, lines: Sequence[Line], columns: Columns, height: float) -> None:
        self.n, self.height, self.extents = len(lines), height, columns.extents
        self.columns: list[list[_ColumnText]] = [[] for _ in columns.extents]
        for i, (line, part) in enumerate(zip(lines, columns.parts, strict=True)):
            for column, words in part.items():
                own = median(middle_of(word)[1] for word in words)
                self.columns[column].append(
                    _ColumnText(i, own if abs(own - line.middle) < height / 2 else line.middle, words)
                )
        steps = [b.middle - a.middle for own in self.columns for a, b in pairwise(own)]
        steps = [step for step in steps if step > HALF_LINE * height]
        self.leading = max(float(np.percentile(steps, 10)) if steps else height, 0.8 * height)
        self.labelled = {i for i, part in enumerate(columns.parts) if 0 in part}
        self.single = [len(part) == 1 for part in columns.parts]
        self.small = [4 * sum(piece.text[0].islower() for piece in own) >= 3 * len(own) for own in self.columns]
        self.valued = [2 * sum(_is_mark(piece.text) for piece in own) > len(own) for own in self.columns]
        self.apart = False
        usual = median(sorted(len(own) for own in self.columns if own) or [1])
        self.share = [min(1.0, len(own) / usual) for own in self.columns]
        pairs = [(column, a, b) for column, own in enumerate(self.columns) for a, b in pairwise(own)]
        sure = [b.middle - a.middle for column, a, b in pairs if self._join(column, a, b) >= _ROOM + _CAPITAL]
        sure = [step for step in sure if step < 2.2 * self.leading]  # of neighbours: further apart is a row between
        self.apart = (bool(sure) and float(np.percentile(sure, 10)) > 1.12 * self.leading) or self._is_apart(lines)
        self.joins = [[self._join(column, a, b) for a, b in pairwise(own)] for column, own in enumerate(self.columns)]
        self.at = [np.searchsorted([piece.line for piece in own], range(self.n + 1)).tolist() for own in self.columns]
        self.tight = [self._tight(i) for i in range(1, self.n)]
        self._bands: dict[tuple[int, int], tuple[float, float, float]] = {}

    def _is_apart(self, lines: Sequence[Line]) -> bool:
        """Whether there is clearly more white between some lines than between others, most of which read on."""
        steps = [b.middle - a.middle for a, b in pairwise(lines)]
        jump, loose = max(((b / max(a, self.height), b) for a, b in pairwise(sorted(steps))), default=(0.0, 0.0))
        tight = {i for i, step in enumerate(steps) if step < loose}
        goes_on = {
            a.line
            for column, own in enumerate(self.columns)
            for a, b in pairwise(own)
            if b.line == a.line + 1 and a.line in tight and not self._begins(column, b)
        }
        return jump > _MORE_WHITE and len(tight) > 1 and 3 * len(goes_on) > 2 * len(tight)

    def _begins(self, column: int, piece: _ColumnText) -> bool:
        """Whether it begins like a text of its own, and not in the middle of one."""
        return self.small[column] or not piece.text[0].islower() or is_prefixed(piece.text)

    def _join(self, column: int, above: _ColumnText, below: _ColumnText) -> float:
        """Of two pieces in one cell."""
        step = below.middle - above.middle
        cost = 0.0
        if step > 1.6 * max(self.height, self.leading):
            cost += _FAR
        goes_on = len(above.text) > 1 and above.text.endswith(_GOES_ON)
        if _is_mark(above.text) and _is_mark(below.text) and not goes_on:
            # What is in brackets under a value is of its row where rows stand apart, or where the label comes after it.
            late = above.line not in self.labelled and any(above.line < i <= below.line for i in self.labelled)
            bracketed = (self.apart or late) and below.text[0] in "([" and above.text[0] not in "(["
            return cost + (0.0 if bracketed else _VALUES)
        x0, x1 = self.extents[column]
        first = below.words[0].box[2] - below.words[0].box[0] + _BLANK * self.height
        wide = above.words[-1].box[2] - above.words[0].box[0] + first > x1 - x0
        wraps = wide or above.words[-1].box[2] + first > x1
        if not wraps:
            cost += _ROOM
        own = self._begins(column, below)
        if goes_on:
            return cost + _SMALL
        cost += _CAPITAL if own else _SMALL
        if column > 0:
            return cost + (_MIXED if self.valued[column] and _is_mark(above.text) != _is_mark(below.text) else 0.0)
        if self.single[above.line]:
            heads = not self.single[below.line] or own
            return cost + (_LABEL + _UNDER if heads and (own or not wraps) else 0.0)
        if own:
            indent = below.words[0].box[0] - above.words[0].box[0]
            cost += 0.0 if self.single[below.line] and indent > 1 else _LABEL
        return cost

    def _tight(self, line: int) -> float:
        """Of beginning a row at the line."""
        if not self.apart:
            return 0.0
        for own, at in zip(self.columns, self.at, strict=True):
            k = at[line]
            if 0 < k < len(own) and own[k].middle - own[k - 1].middle < 1.08 * self.leading:
                return _TIGHT
        return 0.0

    def band(self, first: int, end: int) -> tuple[float, float, float]:
        """Of lines first to end (excluded) as one row, by how cells are set."""
        if (first, end) in self._bands:
            return self._bands[first, end]
        cost, filled = 0.0, []
        places: list[tuple[float, float, float]] = []
        blank = 0.0
        for column, (own, at) in enumerate(zip(self.columns, self.at, strict=True)):
            a, b = at[first], at[end]
            if a == b:
                blank += self.share[column] * (1 + (_UNLABELLED if column == 0 else 0))
                continue
            filled.append(column)
            cost += sum(self.joins[column][a : b - 1])
            top, bottom = own[a].middle, own[b - 1].middle
            places.append((top, (top + bottom) / 2, bottom))
        cost += min(blank, _HEADING if filled == [0] else _ASIDE) if len(filled) == 1 else blank
        tall = any(top < bottom for top, _, bottom in places)
        off = [max(how) - min(how) for how in zip(*places, strict=True)]
        uneven = _UNEVEN if tall or max(off) < HALF_LINE * self.height else _APART
        top, middle, bottom = (cost + (uneven if by > _EVEN * self.height else 0.0) for by in off)
        self._bands[first, end] = top, middle, bottom
        return top, middle, bottom


def _is_mark(text: str) -> bool:
    """A value, or what stands in its place: an X, a tick, a short code with figures."""
    return is_value(text) or len(text) == 1 or (len(text) < 5 and any(map(str.isdigit, text)))


def is_prefixed(text: str) -> bool:
    """Whether it is a name that begins with a small letter: α-Pinene, trans-Sabinene."""
    return bool(_PREFIXED.match(text))
