"""Lines of a page → columns, in the order in which they are read. Pure: boxes and strings, no parser.

A page is rarely in columns from top to bottom: a title runs over both, a chart with its labels stands above them. So
what is looked for is not a gutter but a *band*: a stretch of lines none of which crosses the gutter, with prose on both
sides. The largest band is cut out, and what is above, left, right and below is searched again:

    ┌──────── title ────────┐
    │ left  1 │ right 1     │      title, left 1, right 1, wide line, left 2, right 2
    ├──── wide line ────────┤
    │ left  2 │ right 2     │
    └───────────────────────┘
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aria_docs.media import Box

_MAX_LINES = 2_000  # more are no page that anyone reads; the search takes their square
_MAX_DEPTH = 5
_MIN_SIDE_LINES = 3  # of prose; fewer are a heading with its number, or two captions side by side
_MIN_SIDE_SHARE = 0.15  # of the width that is split: a column of a page in five
_MIN_FILL = 0.55  # of its column's width: lines of prose but the last; cells of a table and labels of a chart less
_MIN_PROSE = 0.6  # of a side's characters are in such lines
_MIN_APART_LINES = 3  # of a side that is no prose; with fewer it is a note or a number
_MAX_ALIGNED = 0.4  # of the lines of a side on baselines of the other; cells of a table are on the same
_ALIGNED = 0.12  # of the size, between baselines that are one
_MIN_GUTTER = 1.0  # of the size, between prose and what stands beside it
_MIN_LETTERS = 0.5  # of the characters; columns of figures are a table
_MAX_LEADING = 2.2  # distance of lines by their height; rows of a table stand further apart
_OVERHANG, _OVERHANG_PT = 0.12, 8.0  # of its own width, and at most: so far a line may reach over the gutter
_SAME_START_PT = 3.0  # lines that begin so near to each other begin one column
_MIN_STARTS = 3
_MAX_GUTTERS = 16
_ONE_IN = 20  # lines may begin before their column or end behind it
_BREAK = 0.5  # of a line's height: white over the whole width, where a chart may end and columns begin
_MAX_PIECES = 1.3  # lines a row: a column has one, a table or a chart's axis several


@dataclass(frozen=True, slots=True)
class TextLine:
    """A run of text on one baseline; size_pt, bold, font and color are those of most of its characters.

    uniform:     whether hardly a letter is in another font.
    in_picture:  whether it was read in a picture on a page of text: a label, and no heading.
    """

    text: str
    box: Box
    size_pt: float
    bold: bool
    block: int = 0
    starts_bold: bool = False
    font: str = ""
    color: int = 0
    uniform: bool = True
    in_picture: bool = False


@dataclass(frozen=True, slots=True)
class _Strip:
    """Lines first to last (excluded) of the lines from the top, and which of these are left of the gutter."""

    first: int
    last: int
    left: tuple[TextLine, ...]
    right: tuple[TextLine, ...]
    weight: int


def columns(lines: Sequence[TextLine], depth: int = 0) -> list[list[TextLine]]:
    """The lines in columns, these in reading order."""
    order = sorted(lines, key=_middle)
    band = _best_band(order, depth) if depth < _MAX_DEPTH and len(order) <= _MAX_LINES else None
    if band is None:
        return [order] if order else []
    parts = (order[: band.first], band.left, band.right, order[band.last :])
    return [column for part in parts if part for column in columns(part, depth + 1)]


def _best_band(order: list[TextLine], depth: int) -> _Strip | None:
    """The band with most characters in the smaller of its sides."""
    best: _Strip | None = None
    if len(order) < 2 * _MIN_SIDE_LINES:
        return None
    for gutter in _gutters(order):
        for band in _bands(order, gutter):
            heavier = best is None or band.weight > best.weight
            if heavier and _are_columns(band.left, band.right, depth):
                best = band
    return best


def _gutters(order: list[TextLine]) -> list[float]:
    """Where columns may part: just left of where several lines begin, and in the emptiest strip."""
    boxes = np.array([line.box for line in order])
    x0, x1 = float(boxes[:, 0].min()), float(boxes[:, 2].max())
    least = _MIN_SIDE_SHARE * (x1 - x0)
    starts = np.sort(boxes[:, 0])
    groups = np.split(starts, np.flatnonzero(np.diff(starts) > _SAME_START_PT) + 1)
    groups = [group for group in groups if len(group) >= _MIN_STARTS and x0 + least < group[0] < x1 - least]
    groups.sort(key=len, reverse=True)
    found = [float(group[0]) - 1 for group in groups[:_MAX_GUTTERS]]
    strip = np.arange(x0 + least, x1 - least, 2.0)[:2_000]
    if len(strip):
        crossing = ((boxes[:, :1] < strip) & (strip < boxes[:, 2:3])).sum(axis=0)
        emptiest = np.flatnonzero(crossing == crossing.min())
        found.append(float(strip[emptiest[len(emptiest) // 2]]))
    return found


def _bands(order: list[TextLine], gutter: float) -> list[_Strip]:
    """Stretches in which no line crosses the gutter, without the tables and charts at their ends."""
    sides = [_side(line, gutter) for line in order]
    edges = [-1, *(n for n, side in enumerate(sides) if not side), len(order)]
    bands = []
    for before, after in pairwise(edges):
        for first, last in _columnar(order, sides, before + 1, after):
            left = tuple(order[n] for n in range(first, last) if sides[n] < 0)
            right = tuple(order[n] for n in range(first, last) if sides[n] > 0)
            if min(len(left), len(right)) >= _MIN_SIDE_LINES:
                weight = min(sum(len(line.text) for line in side) for side in (left, right))
                bands.append(_Strip(first, last, left, right, weight))
    return bands


def _side(line: TextLine, gutter: float) -> int:
    x0, _, x1, _ = line.box
    over = min(_OVERHANG * (x1 - x0), _OVERHANG_PT)
    return -1 if x1 <= gutter + over else 1 if x0 >= gutter - over else 0


def _columnar(order: list[TextLine], sides: list[int], first: int, last: int) -> list[tuple[int, int]]:
    """The stretch, cut at white over its whole width and without the pieces that are a table or a chart."""
    if last - first < 2 * _MIN_SIDE_LINES:
        return []
    height = median(line.box[3] - line.box[1] for line in order[first:last])
    cuts = [first]
    bottom = order[first].box[3]
    for n in range(first + 1, last):
        if order[n].box[1] > bottom + _BREAK * height:
            cuts.append(n)
        bottom = max(bottom, order[n].box[3])
    whole = [[order[n] for n in range(first, last) if sides[n] == side] for side in (-1, 1)]
    stretches: list[tuple[int, int]] = []
    begin: int | None = None
    for a, b in pairwise([*cuts, last]):
        pieces = ([order[n] for n in range(a, b) if sides[n] == side] for side in (-1, 1))
        if all(_is_scattered(piece, side) for piece, side in zip(pieces, whole, strict=True)):
            if begin is not None:
                stretches.append((begin, a))
            begin = None
        elif begin is None:
            begin = a
    return [*stretches, (begin, last)] if begin is not None else stretches


def _is_scattered(piece: list[TextLine], side: list[TextLine]) -> bool:
    """Whether lines are the cells of a table or the labels of a chart, and not of the column, or there are none."""
    if not piece:
        return True
    x0, x1 = _extent(side)
    filled = sum(line.box[2] - line.box[0] >= _MIN_FILL * (x1 - x0) for line in piece)
    begins = abs(min(line.box[0] for line in piece) - x0) < _SAME_START_PT
    several = len(piece) > _MAX_PIECES * n_rows(piece)
    return 2 * filled < len(piece) and (several or not (filled or begins))


def _are_columns(left: Sequence[TextLine], right: Sequence[TextLine], depth: int) -> bool:
    """Whether both are prose, or one is and the other stands beside it on lines of its own."""
    are = _is_column(left, depth), _is_column(right, depth)
    return all(are) or (any(are) and _stand_apart(left, right, of=right if are[0] else left))


def _stand_apart(left: Sequence[TextLine], right: Sequence[TextLine], *, of: Sequence[TextLine]) -> bool:
    """Whether the gutter is clear, and few lines of one side, which is no prose, are level with the other's."""
    others = np.array([line.box[3] for line in (right if of is left else left)])
    size = median(line.size_pt for line in of)
    gap = min(line.box[0] for line in right) - max(line.box[2] for line in left)
    aligned = sum(bool((np.abs(others - line.box[3]) < _ALIGNED * size).any()) for line in of)
    return len(of) >= _MIN_APART_LINES and gap > _MIN_GUTTER * size and aligned <= _MAX_ALIGNED * len(of)


def _is_column(side: Sequence[TextLine], depth: int) -> bool:
    """Whether a side is a column of prose, or columns of prose beside each other."""
    return _is_prose(side) or (
        depth < 2
        and (band := _best_band(list(side), depth + 2)) is not None
        and 4 * (band.last - band.first) >= 3 * len(side)
    )


def _is_prose(side: Sequence[TextLine]) -> bool:
    x0, x1 = _extent(side)
    width = x1 - x0
    filled = [line for line in side if line.box[2] - line.box[0] >= _MIN_FILL * width]
    text = "".join(line.text for line in side)
    if len(filled) < _MIN_SIDE_LINES or sum(len(line.text) for line in filled) < _MIN_PROSE * len(text):
        return False
    if len(filled) > _MAX_PIECES * n_rows(filled):
        return False
    tops = sorted(line.box[1] for line in filled)
    height = median(line.box[3] - line.box[1] for line in filled)
    if median(b - a for a, b in pairwise(tops)) > _MAX_LEADING * height:
        return False
    return sum(c.isalpha() for c in text) > _MIN_LETTERS * len(text)


def _extent(side: Sequence[TextLine]) -> tuple[float, float]:
    """Where nearly all lines begin, and where nearly all have ended."""
    starts, ends = sorted(line.box[0] for line in side), sorted(line.box[2] for line in side)
    return starts[len(side) // _ONE_IN], ends[-1 - len(side) // _ONE_IN]


def n_rows(lines: Sequence[TextLine]) -> int:
    """On how many baselines the lines stand."""
    return len(rows(lines))


def rows(lines: Sequence[TextLine]) -> list[list[TextLine]]:
    """Lines that share a baseline, from the top, each row from the left."""
    found: list[list[TextLine]] = []
    bottom = 0.0
    for line in sorted(lines, key=lambda line: (_middle(line), line.box[0])):
        if found and _middle(line) < bottom:
            found[-1].append(line)
        else:
            found.append([line])
            bottom = line.box[3] - 0.25 * (line.box[3] - line.box[1])
    for row in found:
        row.sort(key=lambda line: line.box[0])
    return found


def _middle(line: TextLine) -> float:
    return (line.box[1] + line.box[3]) / 2
