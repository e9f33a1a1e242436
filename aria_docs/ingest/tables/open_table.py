"""Open tables, with few or no vertical lines: rows, headers and spans from the text itself. Pure.

─────────────────────────────   full rule
          2007        2009      spanner: the rule below it says which columns it heads
       ─────────   ─────────    partial rules
Sex    No.   (%)   No.   (%)    leaves: all lines of a column up to its spanner are one cell
─────────────────────────────
Male   12    4.7   14    4.9
A label that   3     5    6     a wrapped label: its lines are one row
 goes on
─────────────────────────────
Note: …                         not part of the table
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from aria_docs.captions import is_caption
from aria_docs.ingest.tables.columns import settle_edges
from aria_docs.ingest.tables.lattice import Rule, candidate_of
from aria_docs.ingest.tables.lines import (
    MARKED,
    NOTED,
    YEAR,
    Line,
    height_of,
    is_measure,
    is_title,
    is_value,
    lines_of,
    middle_of,
    phrases_of,
    steps_of,
    text_of,
    within,
)
from aria_docs.ingest.tables.row_bands import Columns, row_bands
from aria_docs.media import Box, TableCandidate, TableCell, Word

_OFF_CENTRE = 0.15  # of the width of columns: a phrase that far from their middle does not head all of them
_MORE_WHITE = 1.3  # of the step from line to line: between rows that white parts
_FULL = 0.9  # of a table's width: a rule that long ends a band of rows


@dataclass(slots=True)
class _CellDraft:
    """A cell on its way: columns first to last, rows set at the end."""

    first: int
    last: int
    words: list[Word] = field(default_factory=list)
    row: int = 0
    row_span: int = 1


def open_table(
    box: Box, words: Sequence[Word], column_edges: Sequence[float], rules: Sequence[Rule]
) -> TableCandidate | None:
    """The table in `box`; `column_edges` are hints between columns, `rules` the horizontal lines of the page."""
    lines = lines_of([word for word in words if within(word, box)])
    if len(lines) < 2:
        return None
    left = min(word.box[0] for line in lines for word in line.words)
    right = max(word.box[2] for line in lines for word in line.words)
    near = [rule for rule in rules if box[1] - 12 < rule.at < box[3] + 12 and rule.end > left and rule.start < right]
    full = sorted(
        rule.at
        for rule in near
        if rule.start <= left + 4 and min(rule.end, right) - max(rule.start, left) >= _FULL * (right - left)
    )
    lines = _without_notes(_without_title(lines, full, column_edges), full, column_edges)
    if len(lines) < 2:
        return None
    height = height_of([word for line in lines for word in line.words])
    edges = settle_edges(column_edges, lines, height)
    if not edges:
        return None
    grid = _ColumnGrid(edges, left, right, lines, height, full)
    n_header = grid.header_lines()
    header, depth = _header(grid, lines[:n_header], [rule for rule in near if rule.at not in full])
    cells = header
    row = depth
    for group, label in grid.with_labels(grid.rows(lines[n_header:])):
        for cell in grid.cells(group):
            cell.row = row
            cells.append(cell)
        if label is not None:
            cells.append(_CellDraft(0, 0, label.words, row, label.n_rows))
        row += 1
    return _open_cells(grid, cells, row, depth, ruled=_is_ruled(lines, near, right - left))


@dataclass(frozen=True, slots=True)
class _Label:
    """A label of several rows."""

    words: list[Word]
    n_rows: int


class _ColumnGrid:
    """Column edges and what follows from them for the lines of one open table."""

    def __init__(
        self, edges: list[float], left: float, right: float, lines: list[Line], height: float, full: list[float]
    ) -> None:
        self.edges, self.left, self.right, self.lines, self.height, self.full = edges, left, right, lines, height, full
        self.n_cols = len(edges) + 1
        steps = steps_of(lines, height)
        self.leading = float(np.percentile(steps, 10)) if steps else height
        # Where the words of a column begin in most lines: a word there is no more of the phrase before it.
        begins: list[Counter[int]] = [Counter() for _ in range(self.n_cols)]
        for line in lines:
            for phrase in phrases_of(line.words, height):
                begins[self.column(phrase[0])][round(phrase[0].box[0])] += 1
        self.starts = [x if n > 2 else None for counts in begins for x, n in (counts.most_common(1) or [(0, 0)])]
        # The text of a column, and not its edges, is what headers are centred on.
        spans: list[list[tuple[float, float]]] = [[] for _ in range(self.n_cols)]
        for line in lines:
            for cell in self._cells_of_line(line):
                if cell.first == cell.last:
                    spans[cell.first].append((cell.words[0].box[0], cell.words[-1].box[2]))
        with_values = [filled for filled in map(self.fill_columns, lines) if any(c > 0 for c in filled)]
        self.labelled = 2 * sum(0 in filled for filled in with_values) > len(with_values)
        bounds = [left, *edges, right]
        self.extents = [
            (min(a for a, _ in span), max(b for _, b in span)) if span else (bounds[i], bounds[i + 1])
            for i, span in enumerate(spans)
        ]

    def column(self, word: Word) -> int:
        return int(np.searchsorted(self.edges, (word.box[0] + word.box[2]) / 2))

    def _cells_of_line(self, line: Line) -> list[_CellDraft]:
        """Words of a line by column; a phrase that runs on over an edge without a gap stays one cell."""
        cells: list[_CellDraft] = []
        for word in line.words:
            column = self.column(word)
            if cells:
                last = cells[-1]
                start = self.starts[column]
                runs_on = (
                    word.box[0] - last.words[-1].box[2] < 0.4 * self.height
                    and (word.text == "%" or not (is_value(word.text) or is_value(last.words[-1].text)))
                    and (start is None or abs(word.box[0] - start) > 1.5)
                )
                if last.last == column or (column > last.last and runs_on):
                    last.words.append(word)
                    last.last = column
                    continue
            cells.append(_CellDraft(column, column, [word]))
        return cells

    def fill_columns(self, line: Line) -> dict[int, str]:
        return {cell.first: " ".join(word.text for word in cell.words) for cell in self._cells_of_line(line)}

    def is_body(self, lines: Sequence[Line]) -> bool:
        """Numbers in most of the filled columns but the first, and not just years or a count of the columns."""
        filled: dict[int, str] = {}
        for line in lines:
            for column, text in self.fill_columns(line).items():
                filled[column] = f"{filled[column]} {text}" if column in filled else text
        if self.labelled and 0 not in filled:
            return False
        values = [text for column, text in filled.items() if column > 0]
        numeric = [text for text in values if is_value(text)]
        if not numeric or 2 * len(numeric) < len(values) or not any(c.isdigit() for text in numeric for c in text):
            return False
        if all(YEAR.fullmatch(text) for text in numeric) and (len(numeric) > 1 or self._is_lone_year(line)):
            return False
        digits = [re.sub(r"\D", "", text) for text in numeric]
        counts = [int(d) for d in digits if d and len(d) < 4]
        return not (len(counts) > 2 and len(counts) == len(numeric) and all(b - a == 1 for a, b in pairwise(counts)))

    def _is_lone_year(self, line: Line) -> bool:
        """Whether it is the first line, and what stands under its one year are no years."""
        below = [text for other in self.lines[1:] for column, text in self.fill_columns(other).items() if column > 0]
        return line is self.lines[0] and not any(map(YEAR.fullmatch, below))

    def has_rule(self, above: Line, below: Line) -> bool:
        return any(above.middle < y < below.middle for y in self.full)

    def header_lines(self) -> int:
        """How many leading lines are the header's."""
        lines = self.lines
        ruled = [i for i in range(1, len(lines)) if self.has_rule(lines[i - 1], lines[i])]
        bands = self.rows(lines)
        starts = [sum(map(len, bands[:n])) for n in range(len(bands))]
        first_body = next((i for i, band in zip(starts, bands, strict=True) if self.is_body(band)), None)
        if first_body is None:
            if ruled and ruled[0] <= len(lines) // 2:
                return ruled[0]
            n = len(bands[0])
            steps = [b.middle - a.middle for a, b in pairwise(lines)]
            if 1 < n < len(lines) and steps[n - 1] > 1.15 * max(steps[: n - 1]):
                return n
            # Lines set off from the rest by more than the usual distance, the label's column filled in one; else one.
            apart = next((i for i, step in enumerate(steps[:5], 1) if step > 1.3 * self.leading), 1)
            one = sum(0 in self.fill_columns(line) for line in lines[:apart]) <= 1
            reads_on = all(any(t[0].islower() for t in self.fill_columns(line).values()) for line in lines[1:apart])
            head = apart if one or reads_on else 1
            if head == 1 and is_measure(self.fill_columns(lines[0])):
                return 0
            return head if max(len(self.fill_columns(line)) for line in lines[:head]) > 1 else 0
        # A rule in the lower half is that of a total, but under the first three lines of a short table.
        if (
            ruled
            and ruled[0] <= max(3, len(lines) // 2)
            and sum(self.is_body([line]) for line in lines[: ruled[0]]) <= 1
        ):
            ends = [i for i in ruled if i <= first_body] or ruled[:1]
            # Where each row is ruled, a heading between rows is none of the header.
            while len(ends) > 1 and all(set(self.fill_columns(line)) == {0} for line in lines[ends[-2] : ends[-1]]):
                ends.pop()
            return ends[-1]
        for i in range(first_body, 0, -1):
            if i < len(lines) and set(self.fill_columns(lines[i - 1])) != {0}:
                return i
        return 0 if first_body == 0 or set(self.fill_columns(lines[0])) == {0} else first_body

    def rows(self, lines: Sequence[Line]) -> list[list[Line]]:
        """Lines of the body grouped to rows."""
        cuts = [self.has_rule(above, below) for above, below in pairwise(lines)]
        parts: list[dict[int, list[Word]]] = []
        over: dict[int, int] = {}  # column → first column of the cell that runs over it, on the line before
        for cells in map(self._cells_of_line, lines):
            parts.append({})
            for cell in cells:
                parts[-1].setdefault(over.get(cell.first, cell.first), []).extend(cell.words)
            over = {column: cell.first for cell in cells for column in range(cell.first + 1, cell.last + 1)}
        return row_bands(lines, Columns(parts, self.extents), self.height, cuts=cuts)

    def with_labels(self, rows: list[list[Line]]) -> list[tuple[list[Line], _Label | None]]:
        """The rows, those that a label is set to the middle of with it: it stands half way between two of them, or on
        the middle one, and nothing else fits all labels of the table.

                 Aarhus   144          North│ Aarhus   144
            North                           │ Bilbao    29
                 Bilbao    29          ─────┼───────────────
                 Esbjerg  863          South│ Esbjerg  863
            South                           │ Porto     49
                 Porto     49
        """
        alone: list[tuple[list[Line], _Label | None]] = [(row, None) for row in rows]
        data: list[list[Line]] = []
        labels: list[tuple[float, Line]] = []  # at which row, or between which two
        for row in rows:
            if set(self.fill_columns(row[-1])) == {0} and (len(row) == 1 or 0 not in self.fill_columns(row[0])):
                labels.append((len(data) - 0.5, row[-1]))
                row = row[:-1]
            elif len(row) == 1 and 0 in self.fill_columns(row[0]):
                labels.append((len(data), row[0]))
            data += [row] if row else []
        if not data or any(len(row) > 1 for row in data) or all(at == int(at) for at, _ in labels):
            return alone
        steps = [b[0].middle - a[0].middle for a, b in pairwise(data)]
        if not steps or max(steps) > _MORE_WHITE * min(steps):
            return alone  # headings between rows, with a place of their own
        heads: dict[int, _Label] = {}
        start = 0
        for at, line in labels:
            end = round(2 * at) - start + 1  # as many rows below the label as above it
            if end <= start or end > len(data):
                return alone
            heads[start] = _Label([word for word in line.words if self.column(word) == 0], end - start)
            start = end
        if start != len(data):
            return alone
        rests = [Line([word for word in row[0].words if self.column(word)], row[0].top, row[0].bottom) for row in data]
        return [([rest], heads.get(n)) for n, rest in enumerate(rests)]

    def cells(self, group: Sequence[Line]) -> list[_CellDraft]:
        """The cells of one row of the body."""
        cells: dict[int, _CellDraft] = {}
        for line in group:
            for cell in self._cells_of_line(line):
                if cell.first in cells:
                    cells[cell.first].words += cell.words
                    cells[cell.first].last = max(cells[cell.first].last, cell.last)
                else:
                    cells[cell.first] = cell
        ordered = [cells[column] for column in sorted(cells)]
        for cell, after in pairwise(ordered):
            cell.last = min(cell.last, after.first - 1)
        if len(ordered) == 1:
            ordered[0].last = ordered[0].first  # a heading between rows, however far it runs
        return ordered


def _header(grid: _ColumnGrid, lines: Sequence[Line], rules: Sequence[Rule]) -> tuple[list[_CellDraft], int]:
    """The header's cells with their rows, and how many rows it has."""
    if not lines:
        return [], 0
    top, bottom = lines[0].top - 2, lines[-1].bottom + 4
    words = [word for line in lines for word in line.words]
    spanners: list[tuple[_CellDraft, float]] = []  # with the y of its last line
    for rule in sorted((rule for rule in rules if top < rule.at < bottom), key=lambda rule: rule.at):
        columns = [c for c, (a, b) in enumerate(grid.extents) if rule.start - 4 <= (a + b) / 2 <= rule.end + 4]
        if len(columns) < 2 or _ends_header(grid, lines, rule, columns):
            continue
        ceiling = max(
            (
                other.at
                for other in rules
                if other.at < rule.at - 2 and other.start < rule.end and rule.start < other.end
            ),
            default=top,
        )
        over = [
            word
            for word in words
            if ceiling - 1 < middle_of(word)[1] < rule.at and rule.start - 4 <= middle_of(word)[0] <= rule.end + 4
        ]
        for cell in _spanners_of_rule(grid, over, columns):
            words = [word for word in words if not any(word is other for other in cell.words)]
            spanners.append((cell, rule.at))
    for line in () if spanners else lines[:-1]:
        for cell in _centred_spanners(grid, line, lines):
            words = [word for word in words if not any(word is other for other in cell.words)]
            above = [
                other
                for other, y in spanners
                if (other.first, other.last) == (cell.first, cell.last) and 0 < line.middle - y < 1.5 * grid.height
            ]
            if above:
                above[0].words += cell.words
            else:
                spanners.append((cell, line.middle))
    first = min((y for _, y in spanners), default=top)
    for line in lines:
        # One text over several spanners heads them all.
        left, right = min((c.first for c, _ in spanners), default=0), max((c.last for c, _ in spanners), default=0)
        over = [word for word in line.words if left <= grid.column(word) <= right and any(word is o for o in words)]
        if line.middle < first - grid.height and len(spanners) > 1 and len(phrases_of(over, grid.height)) == 1:
            words = [word for word in words if not any(word is other for other in over)]
            spanners.append((_CellDraft(left, right, over), line.middle))
    levels = [
        sum(
            other is not cell and other.first <= cell.first and cell.last <= other.last and other_y < y - 1
            for other, other_y in spanners
        )
        for cell, y in spanners
    ]
    depth = max(levels, default=-1) + 2
    cells = []
    covered = [0] * grid.n_cols
    for (cell, _), level in zip(spanners, levels, strict=True):
        cell.row = level
        cells.append(cell)
        for column in range(cell.first, cell.last + 1):
            covered[column] = max(covered[column], level + 1)
    leaves: dict[int, _CellDraft] = {}
    for word in words:
        column = grid.column(word)
        leaf = leaves.setdefault(
            column, _CellDraft(column, column, row=covered[column], row_span=depth - covered[column])
        )
        leaf.words.append(word)
    if not leaves:
        depth -= 1
    return cells + list(leaves.values()), depth


def _ends_header(grid: _ColumnGrid, lines: Sequence[Line], rule: Rule, columns: Sequence[int]) -> bool:
    """Whether a rule stands under heads, one for each of its columns, and not under a spanner."""
    filled = [set(grid.fill_columns(line)) & set(columns) for line in lines]
    over = [own for line, own in zip(lines, filled, strict=True) if line.middle < rule.at and own]
    under = any(own for line, own in zip(lines, filled, strict=True) if line.middle > rule.at)
    return bool(over) and not under and over[-1] == set(columns)


def _spanners_of_rule(grid: _ColumnGrid, words: list[Word], columns: Sequence[int]) -> list[_CellDraft]:
    """What stands over one rule: one spanner, or several side by side that share its columns between them."""
    lines = lines_of(words)
    if not lines:
        return []
    for gap in (2 * grid.height, grid.height):
        rows = [phrases_of(line.words, gap) for line in lines]
        phrases = rows[0]
        if len(phrases) < 2 or any(len(row) != len(phrases) for row in rows) or len(columns) < 2 * len(phrases):
            continue
        groups = _nearest(grid, phrases, columns)
        if not all(groups) or (gap == grid.height and not _all_centred(grid, phrases, groups)):
            continue
        return [
            _CellDraft(group[0], group[-1], [word for row in rows for word in row[i]])
            for i, group in enumerate(groups)
            if len(group) > 1
        ]
    return [_CellDraft(columns[0], columns[-1], words)]


def _all_centred(grid: _ColumnGrid, phrases: Sequence[list[Word]], groups: Sequence[list[int]]) -> bool:
    """Whether each phrase stands over the middle of several columns of its own."""
    for phrase, group in zip(phrases, groups, strict=True):
        x0, x1 = grid.extents[group[0]][0], grid.extents[group[-1]][1]
        if len(group) < 2 or abs(phrase[0].box[0] + phrase[-1].box[2] - x0 - x1) / 2 > _OFF_CENTRE * (x1 - x0):
            return False
    return True


def _centred_spanners(grid: _ColumnGrid, line: Line, lines: Sequence[Line]) -> list[_CellDraft]:
    """The spanners of a line of the header without rules: phrases set to the middle of several columns, not of one.

    The first lines of wrapped heads are fewer than the columns, too; but each stands over the rest of its head, all of
    them to the left, to the right or to the middle of it.
    """
    heads: dict[int, tuple[float, float]] = {}
    for word in (word for other in lines if other.middle > line.middle for word in other.words):
        x0, x1 = heads.get(grid.column(word), (np.inf, -np.inf))
        heads[grid.column(word)] = (min(x0, word.box[0]), max(x1, word.box[2]))
    columns = sorted(column for column in heads if column > 0)
    phrases = [p for p in phrases_of(line.words, grid.height) if (p[0].box[0] + p[-1].box[2]) / 2 > grid.edges[0]]
    if not phrases or len(phrases) >= len(columns) or columns != list(range(columns[0], columns[-1] + 1)):
        return []
    nearest = _nearest(grid, phrases, columns)
    for groups in (nearest, *_flush(grid, phrases, columns)):
        if all(groups) and _heads_repeat(grid, line, lines, groups):
            return [_CellDraft(g[0], g[-1], list(p)) for p, g in zip(phrases, groups, strict=True)]
    groups = [_under(grid, phrase, group) for phrase, group in zip(phrases, nearest, strict=True) if group]
    if len(groups) < len(phrases):
        return []
    spanners = [_CellDraft(g[0], g[-1], list(p)) for p, g in zip(phrases, groups, strict=True) if len(g) > 1]
    if _heads_repeat(grid, line, lines, groups):
        return spanners
    over_one = [[0.0, 0.0, 0.0] for _ in phrases]  # to the left, in the middle, to the right
    over_text = over_cells = 0.0
    bounds = [grid.left, *grid.edges, grid.right]
    for misfit, phrase, group in zip(over_one, phrases, groups, strict=True):
        a, b = phrase[0].box[0], phrase[-1].box[2]
        x0, x1 = min((heads[c] for c in group), key=lambda head: abs(sum(head) - a - b))
        misfit[:] = [abs(a - x0), abs(a + b - x0 - x1) / 2, abs(b - x1)]
        over_text += abs(grid.extents[group[0]][0] + grid.extents[group[-1]][1] - a - b) / 2
        over_cells += abs(bounds[group[0]] + bounds[group[-1] + 1] - a - b) / 2
    own = min(map(sum, zip(*over_one, strict=True)))
    return [] if own < 3 * len(phrases) or own < min(over_text, over_cells) else spanners


def _under(grid: _ColumnGrid, phrase: list[Word], group: list[int]) -> list[int]:
    """The columns that the phrase stands over, without those at one end that belong to no phrase."""

    def off(columns: list[int]) -> float:
        return abs(
            grid.extents[columns[0]][0] + grid.extents[columns[-1]][1] - phrase[0].box[0] - phrase[-1].box[2]
        ) / (2 * (grid.extents[group[-1]][1] - grid.extents[group[0]][0]))

    parts = [group[n:] for n in range(len(group))] + [group[: n + 1] for n in range(len(group))]
    best = min(parts, key=off)
    return best if off(group) > _OFF_CENTRE and off(best) < 0.35 * off(group) else group


def _heads_repeat(grid: _ColumnGrid, line: Line, lines: Sequence[Line], groups: Sequence[list[int]]) -> bool:
    """Whether the heads below are the same under each phrase, or are years under phrases that are none."""
    texts: dict[int, str] = {}
    for word in (word for other in lines if other.middle > line.middle for word in other.words):
        texts[grid.column(word)] = f"{texts.get(grid.column(word), '')} {word.text}".strip()
    heads = [tuple(texts[column] for column in group) for group in groups]
    if min(map(len, heads)) < 2:
        return False
    years = all(YEAR.fullmatch(text) for head in heads for text in head)
    return (years and not any(YEAR.fullmatch(word.text) for word in line.words)) or (
        len(heads) > 1 and len(set(heads)) == 1
    )


def _nearest(grid: _ColumnGrid, phrases: Sequence[list[Word]], columns: Sequence[int]) -> list[list[int]]:
    """The columns, each with the phrase whose middle is nearest to its own."""
    middles = [(phrase[0].box[0] + phrase[-1].box[2]) / 2 for phrase in phrases]
    groups: list[list[int]] = [[] for _ in phrases]
    for column in columns:
        middle = sum(grid.extents[column]) / 2
        groups[min(range(len(phrases)), key=lambda i: abs(middles[i] - middle))].append(column)
    return groups


def _flush(grid: _ColumnGrid, phrases: Sequence[list[Word]], columns: Sequence[int]) -> Iterator[list[list[int]]]:
    """The columns by phrases that are set to the left end of their columns, and by such that are set to the right."""
    for side in (0, 1):
        ends = [(phrase[0].box[0], phrase[-1].box[2])[side] for phrase in phrases]
        groups: list[list[int]] = [[] for _ in phrases]
        for column in columns:
            x = grid.extents[column][side]
            n = (
                sum(end < x + grid.height for end in ends) - 1
                if not side
                else sum(end < x - grid.height for end in ends)
            )
            if 0 <= n < len(phrases):
                groups[n].append(column)
        yield groups


def _without_title(lines: list[Line], full: Sequence[float], edges: Sequence[float]) -> list[Line]:
    """Without a line above the header that is none of it.

    It begins like a caption, with all down to the next rule or to text side by side; or a full rule sets it off (a
    title, or a unit such as (In thousands)), or it is a sentence that ends with a colon.
    """
    if is_caption(lines[0].text):
        for n in range(1, min(5, len(lines) - 1)):
            ruled = any(lines[n - 1].middle < y < lines[n].middle for y in full)
            if ruled or len(phrases_of(lines[n].words, lines[n].bottom - lines[n].top)) > 1:
                return lines[n:]
    if len(lines) < 4 or len(edges) < 2 or len(phrases_of(lines[0].words, lines[0].bottom - lines[0].top)) > 1:
        return lines
    text, words = lines[0].text, lines[0].words
    if text.endswith(":") and sum(words[0].box[0] < edge < words[-1].box[2] for edge in edges) > 1:
        return lines[1:]
    ruled = any(lines[0].middle < y < lines[1].middle for y in full)
    return lines[1:] if ruled and (is_title(text) or (text[0] in "([" and text[-1] in ")]")) else lines


def _without_notes(lines: list[Line], full: Sequence[float], edges: Sequence[float]) -> list[Line]:
    """Without the notes below: what follows a line that begins like a note, or prose under the last full rule."""
    end = len(lines)
    prose = False
    for i in range(len(lines) - 1, 1, -1):
        line = lines[i]
        phrases = phrases_of(line.words, line.bottom - line.top)
        single = len(phrases) == 1
        prose = prose or (single and any(phrases[0][0].box[0] + 3 < x < phrases[0][-1].box[2] - 3 for x in edges))
        under_rule = any(lines[i - 1].middle < y < line.middle for y in full)
        if NOTED.match(line.text) or (single and (MARKED.match(line.text) or (under_rule and prose))):
            end = i
        elif not single:
            break
        if under_rule:
            break
    return lines[:end]


def _is_ruled(lines: Sequence[Line], rules: Sequence[Rule], width: float) -> bool:
    """Whether rules over half the width part the lines, or stand both over and under them.

    One alone over or under them is that of a title or of notes.
    """
    covered: defaultdict[float, float] = defaultdict(float)  # pieces of one line have one `at`
    for rule in rules:
        covered[rule.at] += min(rule.end - rule.start, width)
    wide = [at for at, length in covered.items() if length >= width / 2]
    over, under = [y for y in wide if y < lines[0].middle], [y for y in wide if y > lines[-1].middle]
    return len(over) + len(under) < len(wide) or bool(over and under)


def _open_cells(
    grid: _ColumnGrid, cells: list[_CellDraft], n_rows: int, depth: int, *, ruled: bool
) -> TableCandidate | None:
    bounds = [grid.left, *grid.edges, grid.right]
    tops = [float("inf")] * n_rows
    for cell in cells:
        if cell.row < n_rows and cell.words:
            tops[cell.row] = min(tops[cell.row], *(word.box[1] for word in cell.words))
    ends = [max(word.box[3] for cell in cells for word in cell.words)]
    for top in reversed(tops):
        ends.append(min(ends[-1], top))
    ys = ends[::-1]
    done = []
    taken: set[tuple[int, int]] = set()
    for cell in sorted(cells, key=lambda cell: (cell.row, cell.first)):
        own = [(cell.row + i, c) for i in range(cell.row_span) for c in range(cell.first, cell.last + 1)]
        if taken & set(own):
            own = [(cell.row, cell.first)]
            cell.row_span, cell.last = 1, cell.first
        taken.update(own)
        box = (bounds[cell.first], ys[cell.row], bounds[cell.last + 1], ys[cell.row + cell.row_span])
        text = text_of(cell.words)
        done.append(
            TableCell(cell.row, cell.first, text, cell.row_span, cell.last - cell.first + 1, cell.row < depth, box=box)
        )
    for row in range(n_rows):
        for col in range(grid.n_cols):
            if (row, col) not in taken:
                box = (bounds[col], ys[row], bounds[col + 1], ys[row + 1])
                done.append(TableCell(row, col, "", is_header=row < depth, box=box))
    return candidate_of(done, header_rows=depth, ruled=ruled)
