"""Ruling lines → lattices → tables: slots that no line separates are one cell. Pure; words and lines in, cells out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from aria_docs.ingest.tables.lines import (
    WIDE_GAP,
    YEAR,
    height_of,
    is_count,
    is_measure,
    is_title,
    is_value,
    lines_of,
    middle_of,
    text_of,
    within,
)
from aria_docs.ingest.tables.records import with_records
from aria_docs.media import Box, TableCandidate, TableCell, Word

_SNAP_PT = 3.0  # lines nearer than this are one line, ends nearer than this touch

_SLIVER = 0.8  # of the height of a line: a column of one digit with its padding is wider
_LINE_PT = 7.0  # the least height of a row: small type, and the step between two lines of it

_APART = 1.5  # of the height of a line; text further apart is of two cells

# More lines than these on one page are a drawing.
_MAX_RULES = 1_500
_MAX_SLOTS = 40_000


@dataclass(frozen=True, slots=True)
class Rule:
    """A straight line: `at` is y of a horizontal one, x of a vertical one; it runs from `start` to `end`."""

    at: float
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Lattice:
    """Lines that touch: the edges of its columns and rows, and its cells as (row, col, row_span, col_span)."""

    xs: tuple[float, ...]
    ys: tuple[float, ...]
    cells: tuple[tuple[int, int, int, int], ...]

    @property
    def box(self) -> Box:
        """The outermost lines."""
        return (self.xs[0], self.ys[0], self.xs[-1], self.ys[-1])


def merge_rules(rules: Sequence[Rule], *, min_length_pt: float = 6.0) -> list[Rule]:
    """Pieces of one line joined (dashes, cell borders drawn one by one), short strokes dropped, sorted by `at`."""
    merged: list[Rule] = []
    rows: list[list[Rule]] = []
    for rule in sorted(rules, key=lambda rule: rule.at):
        if rows and rule.at - rows[-1][0].at <= 1.5:
            rows[-1].append(rule)
        else:
            rows.append([rule])
    for row in rows:
        row.sort(key=lambda rule: rule.start)
        at = sum(rule.at for rule in row) / len(row)
        start, end = row[0].start, row[0].end
        for rule in row[1:]:
            if rule.start > end + _SNAP_PT:
                merged.append(Rule(at, start, end))
                start = rule.start
            end = max(end, rule.end)
        merged.append(Rule(at, start, end))
    return [rule for rule in merged if rule.end - rule.start >= min_length_pt]


def lattices(horizontal: Sequence[Rule], vertical: Sequence[Rule]) -> list[Lattice]:
    """Groups of lines that touch and enclose at least two cells; none where there are too many lines for a table."""
    if not horizontal or not vertical or max(len(horizontal), len(vertical)) > _MAX_RULES:
        return []
    hs = np.array([(rule.at, rule.start, rule.end) for rule in horizontal])
    vs = np.array([(rule.at, rule.start, rule.end) for rule in vertical])
    touch = (
        (vs[None, :, 0] >= hs[:, None, 1] - _SNAP_PT)
        & (vs[None, :, 0] <= hs[:, None, 2] + _SNAP_PT)
        & (hs[:, None, 0] >= vs[None, :, 1] - _SNAP_PT)
        & (hs[:, None, 0] <= vs[None, :, 2] + _SNAP_PT)
    )
    result = []
    free = set(range(len(hs)))
    while free:
        rows, cols = {free.pop()}, set[int]()
        fresh = set(rows)
        while fresh:
            new_cols = set(np.flatnonzero(touch[sorted(fresh)].any(axis=0)).tolist()) - cols
            cols |= new_cols
            fresh = set(np.flatnonzero(touch[:, sorted(new_cols)].any(axis=1)).tolist()) - rows if new_cols else set()
            rows |= fresh
        free -= rows
        lattice = _lattice(hs[sorted(rows)], vs[sorted(cols)])
        if lattice is not None:
            result.append(lattice)
    return result


def _lattice(hs: NDArray[np.float64], vs: NDArray[np.float64]) -> Lattice | None:
    """hs, vs: (n, 3) of at, start, end."""
    if len(hs) < 2 or not len(vs):
        return None
    # Open sides: rules that run on past the outermost lines end a cell there all the same.
    xs = _edges([*vs[:, 0], *_open_ends(hs, vs[:, 0])])
    ys = _edges([*hs[:, 0], *_open_ends(vs, hs[:, 0])])
    ys = sorted([*ys, *_inner_ends(vs, ys)])
    n_rows, n_cols = len(ys) - 1, len(xs) - 1
    if n_rows < 1 or n_cols < 1 or n_rows * n_cols < 2 or n_rows * n_cols > _MAX_SLOTS:
        return None
    left = _separators(xs, ys, vs)  # (n_rows, n_cols + 1): a line on the left of the slot
    above = _separators(ys, xs, hs).T  # (n_rows + 1, n_cols)
    taken = np.zeros((n_rows, n_cols), dtype=bool)
    cells = []
    for row in range(n_rows):
        for col in range(n_cols):
            if taken[row, col]:
                continue
            last = col
            while last + 1 < n_cols and not left[row, last + 1] and not taken[row, last + 1]:
                last += 1
            bottom = row
            while (
                bottom + 1 < n_rows
                and not above[bottom + 1, col : last + 1].any()
                and not left[bottom + 1, col + 1 : last + 1].any()
                and not taken[bottom + 1, col : last + 1].any()
            ):
                bottom += 1
            taken[row : bottom + 1, col : last + 1] = True
            cells.append((row, col, bottom - row + 1, last - col + 1))
    return Lattice(tuple(xs), tuple(ys), tuple(cells)) if len(cells) > 1 else None


def _open_ends(rules: NDArray[np.float64], across: NDArray[np.float64]) -> list[float]:
    """Where two or more rules end together, if that is well outside the lines that cross them."""
    starts, ends = np.sort(rules[:, 1]), np.sort(-rules[:, 2])
    open_ends = []
    for values, limit in ((starts, float(across.min()) - 8), (ends, -float(across.max()) - 8)):
        together = [float(a) for a, b in pairwise(values) if b - a <= _SNAP_PT]
        open_ends += [together[0]] if together and together[0] < limit else [math.nan]
    left, right = open_ends
    return [x for x in (left, -right) if not math.isnan(x)]


def _inner_ends(rules: NDArray[np.float64], edges: Sequence[float]) -> list[float]:
    """Where most rules end or begin together between two edges: above or below stands a label over all columns."""
    inner: list[float] = []
    places = np.sort(rules[:, 1:].ravel())
    for low, high in pairwise(edges):
        ends = places[(places > low + _LINE_PT) & (places < high - _LINE_PT)]
        crossing = np.unique(rules[(rules[:, 1] < high - _LINE_PT) & (rules[:, 2] > low + _LINE_PT), 0])
        for place in ends[:1]:
            here = rules[(np.abs(rules[:, 1:] - place) <= _SNAP_PT).any(axis=1), 0]
            if len(np.unique(here)) >= max(2, 0.5 * len(crossing)):
                inner.append(float(place))
    return inner


def _edges(values: Sequence[float]) -> list[float]:
    edges: list[list[float]] = []
    for value in sorted(values):
        if edges and value - edges[-1][-1] <= _SNAP_PT:
            edges[-1].append(value)
        else:
            edges.append([value])
    return [float(np.mean(edge)) for edge in edges]


def _separators(at: Sequence[float], along: Sequence[float], rules: NDArray[np.float64]) -> NDArray[np.bool_]:
    """[i, j]: whether a rule at at[j] covers most of the stretch from along[i] to along[i + 1]."""
    starts, ends = np.array(along[:-1]), np.array(along[1:])
    covered = np.zeros((len(starts), len(at)))
    for j, position in enumerate(at):
        for _, start, end in rules[np.abs(rules[:, 0] - position) <= _SNAP_PT]:
            covered[:, j] += np.clip(np.minimum(ends, end) - np.maximum(starts, start), 0, None)
    separated: NDArray[np.bool_] = covered >= 0.6 * (ends - starts)[:, None]
    return separated


def lattice_table(lattice: Lattice, words: Sequence[Word]) -> TableCandidate | None:
    """The table that the lines draw; None where no two of its cells hold text."""
    inside = [word for word in words if within(word, lattice.box)]
    lattice = with_records(_split_cells(_without_slivers(lattice, inside), inside), inside)
    xs, ys = lattice.xs, lattice.ys
    slots: dict[tuple[int, int], int] = {}
    for n, (row, col, row_span, col_span) in enumerate(lattice.cells):
        slots.update({(row + i, col + j): n for i in range(row_span) for j in range(col_span)})
    content: list[list[Word]] = [[] for _ in lattice.cells]
    for word in inside:
        x, y = middle_of(word)
        row = min(max(int(np.searchsorted(ys, y)) - 1, 0), len(ys) - 2)
        col = min(max(int(np.searchsorted(xs, x)) - 1, 0), len(xs) - 2)
        content[slots[row, col]].append(word)
    if sum(map(bool, content)) < 2:
        return None
    cells = [
        TableCell(
            row,
            col,
            text_of(content[n]),
            row_span,
            col_span,
            box=(xs[col], ys[row], xs[col + col_span], ys[row + row_span]),
        )
        for n, (row, col, row_span, col_span) in enumerate(lattice.cells)
    ]
    return candidate_of(_drop_framed_text(cells, len(xs) - 1), header_rows=None, ruled=True, lattice=True)


def holds_stacks(lattice: Lattice, words: Sequence[Word]) -> bool:
    """Whether a cell holds three values or more one over the other: the lines part columns, and rows only here and
    there. What can be told of the records of one band among several is told of them first."""
    inside = [word for word in words if within(word, lattice.box)]
    if len({int(np.searchsorted(lattice.ys, middle_of(word)[1])) for word in inside}) > 1:
        lattice = with_records(lattice, inside)
    for row, col, row_span, col_span in lattice.cells:
        box = lattice.xs[col], lattice.ys[row], lattice.xs[col + col_span], lattice.ys[row + row_span]
        lines = lines_of(
            [word for word in inside if box[0] < middle_of(word)[0] < box[2] and box[1] < middle_of(word)[1] < box[3]]
        )
        numbers = [line for line in lines if is_value(line.text) and any(map(str.isdigit, line.text))]
        if len(numbers) > 2 and len(numbers) >= len(lines) - 1:
            return True
    return False


def _without_slivers(lattice: Lattice, words: Sequence[Word]) -> Lattice:
    """Without columns and rows too narrow for a character, that hold none: between a shade and a rule, or two rules."""
    if not words:
        return lattice
    least = _SLIVER * height_of(words)
    xs, ys, cells = list(lattice.xs), list(lattice.ys), list(lattice.cells)
    for edges, axis in ((xs, 1), (ys, 0)):
        places = [middle_of(word)[1 - axis] for word in words]
        for n in range(len(edges) - 2, -1, -1):
            narrow = edges[n + 1] - edges[n] <= least and not any(edges[n] < at < edges[n + 1] for at in places)
            if len(edges) < 3 or not (narrow or (axis == 1 and _is_spare(n, cells, xs, ys, words))):
                continue
            del edges[n if n else 1]
            shrunk = []
            for cell in cells:
                start, span = cell[axis], cell[axis + 2]
                span -= start <= n < start + span
                start -= start > n
                if span:
                    part = list(cell)
                    part[axis], part[axis + 2] = start, span
                    shrunk.append((part[0], part[1], part[2], part[3]))
            cells = shrunk
    return Lattice(tuple(xs), tuple(ys), tuple(sorted(cells)))


def _is_spare(
    col: int,
    cells: Sequence[tuple[int, int, int, int]],
    xs: Sequence[float],
    ys: Sequence[float],
    words: Sequence[Word],
) -> bool:
    """Whether a column has a cell of its own in few rows, and none with text: lines end a little apart there."""
    own = [cell for cell in cells if cell[1] == col and cell[3] == 1]
    if 2 * sum(cell[2] for cell in own) > len(ys) - 1:
        return False
    boxes = [(xs[col], ys[row], xs[col + 1], ys[row + row_span]) for row, _, row_span, _ in own]
    return not any(within(word, box) for word in words for box in boxes)


def _split_cells(lattice: Lattice, words: Sequence[Word]) -> Lattice:
    """With cells over several columns parted where their words stand far apart on both sides of a line that ends short
    of them, as one does in a poor scan."""
    cells: list[tuple[int, int, int, int]] = []
    for row, col, row_span, col_span in lattice.cells:
        x0, x1 = lattice.xs[col], lattice.xs[col + col_span]
        y0, y1 = lattice.ys[row], lattice.ys[row + row_span]
        own = [word for word in words if x0 < middle_of(word)[0] < x1 and y0 < middle_of(word)[1] < y1]
        cuts = [n for n in range(col + 1, col + col_span) if _stands_apart(own, lattice.xs[n])] if row_span == 1 else []
        cells += [(row, a, row_span, b - a) for a, b in pairwise([col, *cuts, col + col_span])]
    return replace(lattice, cells=tuple(cells))


def _stands_apart(words: Sequence[Word], x: float) -> bool:
    """Whether no word crosses `x`, and those beside it on one line are as far apart as no words of a phrase."""
    if any(word.box[0] < x < word.box[2] for word in words):
        return False
    apart = []
    for line in lines_of(words):
        for a, b in pairwise(line.words):
            if a.box[2] <= x <= b.box[0]:
                least = WIDE_GAP if is_value(b.text) else _APART
                apart.append(b.box[0] - a.box[2] > least * (line.bottom - line.top))
    return bool(apart) and all(apart)


def tells_columns(lattice: Lattice, words: Sequence[Word]) -> bool:
    """Whether the lines keep numbers side by side apart, as they do not where only a header or a frame is ruled."""
    lines = lines_of([word for word in words if within(word, lattice.box)])
    jammed = 0
    for line in lines:
        for a, b in pairwise(line.words):
            gap = b.box[0] - a.box[2]
            if gap > WIDE_GAP * (line.bottom - line.top) and is_value(a.text) and is_value(b.text):
                (ax, y), (bx, _) = middle_of(a), middle_of(b)
                row = int(np.searchsorted(lattice.ys, y)) - 1
                between = [x for x in lattice.xs if ax < x < bx]
                inside = [
                    cell
                    for cell in lattice.cells
                    if cell[0] <= row < cell[0] + cell[2]
                    and lattice.xs[cell[1]] < ax
                    and bx < lattice.xs[cell[1] + cell[3]]
                ]
                if not between or inside:
                    jammed += 1
                    break
    return jammed < max(2, 0.2 * len(lines))


def _drop_framed_text(cells: list[TableCell], n_cols: int) -> list[TableCell]:
    """Without a title over the table or a note under it that stands in the same frame."""
    while True:
        rows = {cell.row for cell in cells}
        first = [cell for cell in cells if cell.row == min(rows)]
        last = [cell for cell in cells if cell.row + cell.row_span - 1 == max(rows)]
        if len(rows) < 3 or n_cols < 2:
            return cells
        if len(first) == 1 and first[0].col_span == n_cols and is_title(first[0].text):
            shift = min(rows - {first[0].row})
            cells = [replace(cell, row=cell.row - shift) for cell in cells if cell is not first[0]]
        elif len(last) == 1 and last[0].col_span == n_cols and is_title(last[0].text):
            cells = [cell for cell in cells if cell is not last[0]]
        else:
            return cells


def _header_rows(cells: Sequence[TableCell], n_rows: int) -> int:
    """Leading rows whose cells are none of the numbers that stand below them; 1 for a table of texts with a full first
    row.

    Only columns of numbers tell, however many columns of text stand beside them.
    """
    rows: list[list[TableCell]] = [[] for _ in range(n_rows)]
    for cell in cells:
        if cell.text:
            rows[cell.row].append(cell)
    numeric = _numeric_columns(rows)
    for i, row in enumerate(rows):
        own = [cell.text for cell in row if cell.col in numeric]
        values = [text for text in own if is_value(text) and not YEAR.fullmatch(text)]
        if values and 2 * len(values) >= len(own) and not is_count([cell.text for cell in row]):
            heads = [k for k in range(i) if any(c.col > 0 for c in rows[k]) and not (k and _is_section(rows[k], rows))]
            last = max(heads, default=-1)
            reach = max((cell.row + cell.row_span for k in heads for cell in rows[k]), default=0)
            return min(max(last + 1, reach if reach <= i else 0), i) if last >= 0 else 0
    return int(n_rows > 1 and len(rows[0]) > 1 and not is_measure({cell.col: cell.text for cell in rows[0]}))


def _is_section(row: Sequence[TableCell], rows: Sequence[Sequence[TableCell]]) -> bool:
    """Whether a row has one text over most columns, a number of its own aside."""
    texts = [cell for cell in row if cell.col > 0 or not is_value(cell.text)]
    width = max(cell.col + cell.col_span for other in rows for cell in other)
    return len(texts) == 1 and 2 * texts[0].col_span > width


def _numeric_columns(rows: Sequence[Sequence[TableCell]]) -> set[int]:
    """Columns but the first in which most texts are values, the first row aside."""
    texts: dict[int, list[str]] = {}
    for row in rows[1:] if len(rows) > 1 else rows:
        for cell in row:
            if cell.col > 0:
                texts.setdefault(cell.col, []).append(cell.text)
    return {col for col, own in texts.items() if 2 * sum(map(is_value, own)) >= len(own)}


def candidate_of(
    cells: list[TableCell], *, header_rows: int | None, ruled: bool, lattice: bool = False
) -> TableCandidate:
    """The table of these cells; without a count of `header_rows` one is made from the texts."""
    n_rows = max(cell.row + cell.row_span for cell in cells)
    n_cols = max(cell.col + cell.col_span for cell in cells)
    if header_rows is None:
        header_rows = _header_rows(cells, n_rows)
        cells = [TableCell(c.row, c.col, c.text, c.row_span, c.col_span, c.row < header_rows, box=c.box) for c in cells]
    cells.sort(key=lambda cell: (cell.row, cell.col))
    boxes = [cell.box for cell in cells if cell.box]
    box = (min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes))
    return TableCandidate(box, n_rows, n_cols, header_rows, tuple(cells), ruled, lattice)
