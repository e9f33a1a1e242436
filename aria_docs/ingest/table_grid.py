"""Words, ruling lines and column hints of one table → rows, columns, spans. Pure arithmetic on boxes; no parser.

Two kinds of table, two ways:

    lattice   ruling lines on all sides of the cells: slots that no line separates are one cell
    open      few or no vertical lines: columns come from hints (a network's), rows and headers from the text itself

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
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from statistics import median

import numpy as np
from numpy.typing import NDArray

from aria_docs.media import Box, TableCandidate, TableCell, Word

_SNAP_PT = 3.0  # lines nearer than this are one line, ends nearer than this touch
_FULL = 0.9  # of a table's width: a rule that long ends a band of rows
_WIDE_GAP = 0.55  # of the text's height: words further apart are not one phrase; a blank is about 0.2

# More lines than these on one page are a drawing.
_MAX_RULES = 1_500
_MAX_SLOTS = 40_000

_NUMERIC = re.compile(r"[^\w]*\d[\d\W]*(?:[a-z]|[eE][-+]?\d+)?[^\w]*")
_EMPTY_VALUE = re.compile(r"[-\u2010-\u2015\u2212.…*†‡§#]+|n/?a|ref\.?|[(\[]?[a-z]{1,2}[)\]]", re.IGNORECASE)
_YEAR = re.compile(r"\D{0,2}(?:19|20)\d\d\D{0,3}\d?")
_NOTED = re.compile(
    r"(?:(?:notes?|sources?|abbreviations?|legend|key|quellen?|anmerkung(?:en)?|remarques?|fuentes?|notas?)\s*[:.—]"
    r"|see (?:also |foot)?notes?\b)",
    re.IGNORECASE,
)
CAPTION = re.compile(
    r"(?:table|tab\.|exhibit|appendix|annex|schedule|tabelle|tableau|tabla|tabela|tabella|tabel|tabell)"
    r"\s*(?:[A-Z]{0,2}[-.]?\d|[IVXLC]+\b|[A-Z]\b)",
    re.IGNORECASE,
)
_MARKED = re.compile(r"[*†‡§#¹²³]+\s*\S|\(?[a-z0-9]\)\s")


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


@dataclass(slots=True)
class _Line:
    """Words on one baseline, from the left."""

    words: list[Word]
    top: float
    bottom: float

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)


@dataclass(slots=True)
class _Cell:
    """A cell on its way: columns first to last, rows set at the end."""

    first: int
    last: int
    words: list[Word] = field(default_factory=list)
    row: int = 0
    row_span: int = 1


def may_hold_table(words: Sequence[Word]) -> bool:
    """A cheap look: whether two lines close together have text far apart that stands in one column.

    True of every table without lines, and of pages of several columns, too; false of most pages of prose.
    """
    height = _height(words)
    ends: list[tuple[float, set[int]]] = []
    for line in _lines(words):
        starts: set[int] = set()
        for phrase in _phrases(line.words, 1.4 * height)[1:]:
            x0, x1 = phrase[0].box[0], phrase[-1].box[2]
            starts |= {round(x0 / 3), -round(x1 / 3) - 1, 100_000 + round((x0 + x1) / 6)}
        if starts:
            for middle, others in ends[-6:]:
                if line.middle - middle < 6 * height and any(
                    start + d in others for start in starts for d in (-1, 0, 1)
                ):
                    return True
            ends.append((line.middle, starts))
    return False


# ── ruling lines ────────────────────────────────────────────────────────────────────────────────────────────────────


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
    n_rows, n_cols = len(ys) - 1, len(xs) - 1
    if n_rows < 1 or n_cols < 1 or n_rows * n_cols < 2 or n_rows * n_cols > _MAX_SLOTS:
        return None
    left = _separated(xs, ys, vs)  # (n_rows, n_cols + 1): a line on the left of the slot
    above = _separated(ys, xs, hs).T  # (n_rows + 1, n_cols)
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
    start, end = float(rules[:, 1].min()), float(rules[:, 2].max())
    together = (np.abs(rules[:, 1] - start) <= _SNAP_PT).sum(), (np.abs(rules[:, 2] - end) <= _SNAP_PT).sum()
    outside = start < across.min() - 8, end > across.max() + 8
    return [x for x, n, out in zip((start, end), together, outside, strict=True) if n > 1 and out]


def _edges(values: Sequence[float]) -> list[float]:
    edges: list[list[float]] = []
    for value in sorted(values):
        if edges and value - edges[-1][-1] <= _SNAP_PT:
            edges[-1].append(value)
        else:
            edges.append([value])
    return [float(np.mean(edge)) for edge in edges]


def _separated(at: Sequence[float], along: Sequence[float], rules: NDArray[np.float64]) -> NDArray[np.bool_]:
    """[i, j]: whether a rule at at[j] covers most of the stretch from along[i] to along[i + 1]."""
    starts, ends = np.array(along[:-1]), np.array(along[1:])
    covered = np.zeros((len(starts), len(at)))
    for j, position in enumerate(at):
        for _, start, end in rules[np.abs(rules[:, 0] - position) <= _SNAP_PT]:
            covered[:, j] += np.clip(np.minimum(ends, end) - np.maximum(starts, start), 0, None)
    separated: NDArray[np.bool_] = covered >= 0.6 * (ends - starts)[:, None]
    return separated


# ── lattice tables ──────────────────────────────────────────────────────────────────────────────────────────────────


def lattice_table(lattice: Lattice, words: Sequence[Word]) -> TableCandidate | None:
    """The table that the lines draw; None where no two of its cells hold text."""
    xs, ys = lattice.xs, lattice.ys
    inside = [word for word in words if _within(word, lattice.box)]
    slots: dict[tuple[int, int], int] = {}
    for n, (row, col, row_span, col_span) in enumerate(lattice.cells):
        slots.update({(row + i, col + j): n for i in range(row_span) for j in range(col_span)})
    content: list[list[Word]] = [[] for _ in lattice.cells]
    for word in inside:
        x, y = _middle(word)
        row = min(max(int(np.searchsorted(ys, y)) - 1, 0), len(ys) - 2)
        col = min(max(int(np.searchsorted(xs, x)) - 1, 0), len(xs) - 2)
        content[slots[row, col]].append(word)
    if sum(map(bool, content)) < 2:
        return None
    cells = []
    offset = 0  # rows that bands of several records have added so far
    added: dict[int, int] = {}
    for row in range(len(ys) - 1):
        here = [n for n, cell in enumerate(lattice.cells) if cell[0] == row]
        groups = _records([content[n] for n in here]) if all(lattice.cells[n][2] == 1 for n in here) else None
        crossed = any(cell[0] < row < cell[0] + cell[2] for cell in lattice.cells)
        added[row] = offset
        if groups is None or crossed:
            continue
        for k, group in enumerate(groups):
            top = ys[row] if k == 0 else group[0].top
            bottom = ys[row + 1] if k == len(groups) - 1 else groups[k + 1][0].top
            for n in here:
                _, col, _, col_span = lattice.cells[n]
                box = (xs[col], top, xs[col + col_span], bottom)
                text = _text([word for word in content[n] if any(word in line.words for line in group)])
                cells.append(TableCell(row + offset + k, col, text, 1, col_span, box=box))
        offset += len(groups) - 1
        added[row] = -1
    for n, (row, col, row_span, col_span) in enumerate(lattice.cells):
        if added[row] < 0:
            continue
        span = row_span + added[row + row_span - 1] - added[row]
        box = (xs[col], ys[row], xs[col + col_span], ys[row + row_span])
        cells.append(TableCell(row + added[row], col, _text(content[n]), span, col_span, box=box))
    return _finished(_unframed(cells, len(xs) - 1), header_rows=None)


def _unframed(cells: list[TableCell], n_cols: int) -> list[TableCell]:
    """Without a title over the table or a note under it that stands in the same frame."""
    while True:
        rows = {cell.row for cell in cells}
        first = [cell for cell in cells if cell.row == min(rows)]
        last = [cell for cell in cells if cell.row + cell.row_span - 1 == max(rows)]
        if len(rows) < 3 or n_cols < 2:
            return cells
        if len(first) == 1 and first[0].col_span == n_cols and _is_title(first[0].text):
            shift = min(rows - {first[0].row})
            cells = [replace(cell, row=cell.row - shift) for cell in cells if cell is not first[0]]
        elif len(last) == 1 and last[0].col_span == n_cols and _is_title(last[0].text):
            cells = [cell for cell in cells if cell is not last[0]]
        else:
            return cells


def _is_title(text: str) -> bool:
    """Too long for a heading over all columns, or empty, or begins like a caption or a note."""
    return not text or len(text) > 60 or bool(CAPTION.match(text) or _NOTED.match(text))


def tells_columns(lattice: Lattice, words: Sequence[Word]) -> bool:
    """Whether the lines keep numbers side by side apart, as they do not where only a header or a frame is ruled."""
    lines = _lines([word for word in words if _within(word, lattice.box)])
    jammed = 0
    for line in lines:
        for a, b in pairwise(line.words):
            gap = b.box[0] - a.box[2]
            if gap > _WIDE_GAP * (line.bottom - line.top) and _is_value(a.text) and _is_value(b.text):
                (ax, y), (bx, _) = _middle(a), _middle(b)
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


def _records(contents: Sequence[list[Word]]) -> list[list[_Line]] | None:
    """Lines of a ruled band that are records of their own: each a label, and a number or a fresh start beside it."""
    lines = _lines([word for content in contents for word in content])
    if len(lines) < 2 or len(contents) < 2:
        return None
    owner = {id(word): n for n, content in enumerate(contents) for word in content}
    filled = [{owner[id(word)] for word in line.words} for line in lines]
    valued = [
        any(owner[id(word)] > 0 and _is_value(word.text) and any(c.isdigit() for c in word.text) for word in line.words)
        and not all(word.text.startswith(("(", "[")) for word in line.words if owner[id(word)] > 0)
        for line in lines
    ]
    labelled = [0 in columns for columns in filled]
    steps = [b.middle - a.middle for a, b in pairwise(lines)]
    loose = 1.3 * min(steps)
    starts = [
        i
        for i in range(len(lines))
        if labelled[i] and (valued[i] or (len(filled[i]) > 1 and i > 0 and steps[i - 1] > loose) or i == 0)
    ]
    if len(starts) < 2 or not all(valued[i] or len(filled[i]) > 1 or i == 0 for i in starts):
        return None
    bounds = [0, *starts[1:], len(lines)]
    return [lines[a:b] for a, b in pairwise(bounds)]


# ── open tables ─────────────────────────────────────────────────────────────────────────────────────────────────────


def open_table(
    box: Box, words: Sequence[Word], column_edges: Sequence[float], rules: Sequence[Rule]
) -> TableCandidate | None:
    """The table in `box`; `column_edges` are hints between columns, `rules` the horizontal lines of the page."""
    lines = _lines([word for word in words if _within(word, box)])
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
    height = _height([word for line in lines for word in line.words])
    edges = _supported_edges([*column_edges, *_missing_edges(column_edges, lines, height)], lines, height)
    edges = _moved_edges(edges, lines, height)
    if not edges:
        return None
    grid = _Grid(edges, left, right, lines, height, full)
    n_header = grid.header_lines()
    header, depth = _header(grid, lines[:n_header], [rule for rule in near if rule.at not in full])
    cells = header
    row = depth
    for group in grid.rows(lines[n_header:]):
        for cell in grid.cells(group):
            cell.row = row
            cells.append(cell)
        row += 1
    return _open_cells(grid, cells, row, depth)


class _Grid:
    """Column edges and what follows from them for the lines of one open table."""

    def __init__(
        self, edges: list[float], left: float, right: float, lines: list[_Line], height: float, full: list[float]
    ) -> None:
        self.edges, self.left, self.right, self.lines, self.height, self.full = edges, left, right, lines, height, full
        self.n_cols = len(edges) + 1
        steps = [b.middle - a.middle for a, b in pairwise(lines)]
        self.leading = float(np.percentile(steps, 10)) if steps else height
        self.pitch = median(steps) if steps else height
        # Where the words of a column begin in most lines: a word there is no more of the phrase before it.
        begins: list[Counter[int]] = [Counter() for _ in range(self.n_cols)]
        for line in lines:
            for phrase in _phrases(line.words, height):
                begins[self.column(phrase[0])][round(phrase[0].box[0])] += 1
        self.starts = [x if n > 2 else None for counts in begins for x, n in (counts.most_common(1) or [(0, 0)])]
        # The text of a column, and not its edges, is what headers are centred on.
        spans: list[list[tuple[float, float]]] = [[] for _ in range(self.n_cols)]
        for line in lines:
            for cell in self._cells_of_line(line):
                if cell.first == cell.last:
                    spans[cell.first].append((cell.words[0].box[0], cell.words[-1].box[2]))
        with_values = [filled for filled in map(self.filled, lines) if any(c > 0 for c in filled)]
        self.labelled = 2 * sum(0 in filled for filled in with_values) > len(with_values)
        bounds = [left, *edges, right]
        self.extents = [
            (min(a for a, _ in span), max(b for _, b in span)) if span else (bounds[i], bounds[i + 1])
            for i, span in enumerate(spans)
        ]

    def column(self, word: Word) -> int:
        return int(np.searchsorted(self.edges, (word.box[0] + word.box[2]) / 2))

    def _cells_of_line(self, line: _Line) -> list[_Cell]:
        """Words of a line by column; a phrase that runs on over an edge without a gap stays one cell."""
        cells: list[_Cell] = []
        for word in line.words:
            column = self.column(word)
            if cells:
                last = cells[-1]
                start = self.starts[column]
                runs_on = (
                    word.box[0] - last.words[-1].box[2] < 0.4 * self.height
                    and not (_is_value(word.text) or _is_value(last.words[-1].text))
                    and (start is None or abs(word.box[0] - start) > 1.5)
                )
                if last.last == column or (column > last.last and runs_on):
                    last.words.append(word)
                    last.last = column
                    continue
            cells.append(_Cell(column, column, [word]))
        return cells

    def filled(self, line: _Line) -> dict[int, str]:
        return {cell.first: " ".join(word.text for word in cell.words) for cell in self._cells_of_line(line)}

    def is_body(self, line: _Line) -> bool:
        """Numbers in most of the filled columns but the first, and not just years or a count of the columns."""
        filled = self.filled(line)
        if self.labelled and 0 not in filled:
            return False
        values = [text for column, text in filled.items() if column > 0]
        numeric = [text for text in values if _is_value(text)]
        if not numeric or 2 * len(numeric) < len(values) or not any(c.isdigit() for text in numeric for c in text):
            return False
        if len(numeric) > 1 and all(_YEAR.fullmatch(text) for text in numeric):
            return False
        digits = [re.sub(r"\D", "", text) for text in numeric]
        counts = [int(d) for d in digits if d and len(d) < 4]
        return not (len(counts) > 2 and len(counts) == len(numeric) and all(b - a == 1 for a, b in pairwise(counts)))

    def ruled(self, above: _Line, below: _Line) -> bool:
        return any(above.middle < y < below.middle for y in self.full)

    def header_lines(self) -> int:
        """How many leading lines are the header's."""
        lines = self.lines
        ruled = [i for i in range(1, len(lines)) if self.ruled(lines[i - 1], lines[i])]
        first_body = next((i for i, line in enumerate(lines) if self.is_body(line)), None)
        if first_body is None:
            if ruled and ruled[0] <= len(lines) // 2:
                return ruled[0]
            # Lines set off from the rest by more than the usual distance, the label's column filled in one; else one.
            steps = [b.middle - a.middle for a, b in pairwise(lines[:6])]
            apart = next((i for i, step in enumerate(steps, 1) if step > 1.3 * self.leading), 1)
            head = apart if sum(0 in self.filled(line) for line in lines[:apart]) <= 1 else 1
            return head if max(len(self.filled(line)) for line in lines[:head]) > 1 else 0
        if ruled and ruled[0] <= len(lines) // 2 and sum(map(self.is_body, lines[: ruled[0]])) <= 1:
            later = [i for i in ruled if i <= first_body]
            return max(ruled[0], *later) if later else ruled[0]
        for i in range(first_body, 0, -1):
            if i < len(lines) and set(self.filled(lines[i - 1])) != {0}:
                return i
        return 0 if first_body == 0 or set(self.filled(lines[0])) == {0} else first_body

    def rows(self, lines: Sequence[_Line]) -> list[list[_Line]]:
        """Lines of the body grouped to rows."""
        rows: list[list[_Line]] = []
        for line in lines:
            if rows and not self.ruled(rows[-1][-1], line) and self._goes_on(rows[-1], line):
                rows[-1].append(line)
            else:
                rows.append([line])
        return rows

    def _goes_on(self, row: list[_Line], line: _Line) -> bool:
        """Whether `line` is more of `row` and not a row of its own."""
        previous = row[-1]
        step = line.middle - previous.middle
        if step > 1.6 * max(self.height, self.leading):
            return False
        here, before = self.filled(line), self.filled(previous)
        if step < 0.6 * self.height and not set(here) & set(before):
            return True  # half a line down: values set to the middle of a label of two lines
        if 0 not in here:
            # More text under text; numbers without a label are a row of their own.
            return not self._has_values(line) and set(here) <= set().union(*(self.filled(part) for part in row))
        if 0 not in before:
            return False
        indent = line.words[0].box[0] - row[0].words[0].box[0]
        lower = line.words[0].text[:1].islower() or _before(line, previous).endswith(("-", "/", ",", "&"))
        if set(before) == {0} and len(row) == 1:
            return indent > -1 and lower and self._had_to_wrap(previous, line)
        if set(here) == {0}:
            tight = step < 0.85 * self.pitch and indent > 1
            return indent > -1 and (tight or lower or (self._had_to_wrap(previous, line) and indent > 1))
        if self._has_values(line) or self._has_values(previous):
            return False
        if all(text[0].isupper() or text[0].isdigit() for text in here.values()):
            return False  # sentences that begin side by side
        return step < 1.25 * self.leading and set(here) <= set(before) and self._had_to_wrap(previous, line)

    def _has_values(self, line: _Line) -> bool:
        return any(column > 0 and _is_value(text) for column, text in self.filled(line).items())

    def _had_to_wrap(self, above: _Line, below: _Line) -> bool:
        """Whether the first word of the label below would have gone past the label column's right end above."""
        label = [word for word in above.words if self.column(word) == 0]
        if not label:
            return False
        word = below.words[0]
        blank = 0.2 * self.height
        return label[-1].box[2] + blank + (word.box[2] - word.box[0]) > self.extents[0][1]

    def cells(self, group: Sequence[_Line]) -> list[_Cell]:
        """The cells of one row of the body."""
        cells: dict[int, _Cell] = {}
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


def _header(grid: _Grid, lines: Sequence[_Line], rules: Sequence[Rule]) -> tuple[list[_Cell], int]:
    """The header's cells with their rows, and how many rows it has."""
    if not lines:
        return [], 0
    top, bottom = lines[0].top - 2, lines[-1].bottom + 4
    words = [word for line in lines for word in line.words]
    spanners: list[tuple[_Cell, float]] = []  # with the y of its last line
    for rule in sorted((rule for rule in rules if top < rule.at < bottom), key=lambda rule: rule.at):
        columns = [c for c, (a, b) in enumerate(grid.extents) if rule.start - 4 <= (a + b) / 2 <= rule.end + 4]
        if len(columns) < 2:
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
            if ceiling - 1 < _middle(word)[1] < rule.at and rule.start - 4 <= _middle(word)[0] <= rule.end + 4
        ]
        for cell in _shared(grid, over, columns):
            words = [word for word in words if not any(word is other for other in cell.words)]
            spanners.append((cell, rule.at))
    for line in () if spanners else lines[:-1]:
        for cell in _centred(grid, line, lines):
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
    leaves: dict[int, _Cell] = {}
    for word in words:
        column = grid.column(word)
        leaf = leaves.setdefault(column, _Cell(column, column, row=covered[column], row_span=depth - covered[column]))
        leaf.words.append(word)
    if not leaves:
        depth -= 1
    return cells + list(leaves.values()), depth


def _shared(grid: _Grid, words: list[Word], columns: Sequence[int]) -> list[_Cell]:
    """What stands over one rule: one spanner, or several side by side that share its columns between them."""
    rows = [_phrases(line.words, 2 * grid.height) for line in _lines(words)]
    if not rows:
        return []
    phrases = rows[0]
    if len(phrases) < 2 or any(len(row) != len(phrases) for row in rows) or len(columns) < 2 * len(phrases):
        return [_Cell(columns[0], columns[-1], words)]
    groups = _nearest(grid, phrases, columns)
    if any(not group for group in groups):
        return [_Cell(columns[0], columns[-1], words)]
    return [
        _Cell(group[0], group[-1], [word for row in rows for word in row[i]])
        for i, group in enumerate(groups)
        if len(group) > 1
    ]


def _centred(grid: _Grid, line: _Line, lines: Sequence[_Line]) -> list[_Cell]:
    """The spanners of a line of the header without rules: phrases set to the middle of several columns, not of one.

    The first lines of wrapped heads are fewer than the columns, too; but each stands over the rest of its head, all of
    them to the left, to the right or to the middle of it.
    """
    heads: dict[int, tuple[float, float]] = {}
    for word in (word for other in lines if other.middle > line.middle for word in other.words):
        x0, x1 = heads.get(grid.column(word), (np.inf, -np.inf))
        heads[grid.column(word)] = (min(x0, word.box[0]), max(x1, word.box[2]))
    columns = sorted(column for column in heads if column > 0)
    phrases = [p for p in _phrases(line.words, grid.height) if (p[0].box[0] + p[-1].box[2]) / 2 > grid.edges[0]]
    if not phrases or len(phrases) >= len(columns) or columns != list(range(columns[0], columns[-1] + 1)):
        return []
    groups = _nearest(grid, phrases, columns)
    if not all(groups):
        return []
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
    if own < 3 * len(phrases) or own < min(over_text, over_cells):
        return []
    return [_Cell(g[0], g[-1], list(p)) for p, g in zip(phrases, groups, strict=True) if len(g) > 1]


def _nearest(grid: _Grid, phrases: Sequence[list[Word]], columns: Sequence[int]) -> list[list[int]]:
    """The columns, each with the phrase whose middle is nearest to its own."""
    middles = [(phrase[0].box[0] + phrase[-1].box[2]) / 2 for phrase in phrases]
    groups: list[list[int]] = [[] for _ in phrases]
    for column in columns:
        middle = sum(grid.extents[column]) / 2
        groups[min(range(len(phrases)), key=lambda i: abs(middles[i] - middle))].append(column)
    return groups


def _before(line: _Line, previous: _Line) -> str:
    """The label's last word above `line`."""
    right = line.words[-1].box[2]
    words = [word for word in previous.words if word.box[0] < right]
    return words[-1].text if words else ""


def _phrases(words: Sequence[Word], height: float) -> list[list[Word]]:
    phrases: list[list[Word]] = []
    for word in words:
        if phrases and word.box[0] - phrases[-1][-1].box[2] < _WIDE_GAP * height:
            phrases[-1].append(word)
        else:
            phrases.append([word])
    return phrases


def _missing_edges(edges: Sequence[float], lines: Sequence[_Line], height: float) -> list[float]:
    """Edges that the hints lack: a strip left free by most lines, with a number to the right of it in many."""
    missing = []
    bounds = [-np.inf, *sorted(edges), np.inf]
    for low, high in pairwise(bounds):
        pairs: list[tuple[float, float]] = []
        for line in lines:
            inside = [word for word in line.words if low < _middle(word)[0] < high]
            phrases = _phrases(inside, height)
            pairs += [
                (a[-1].box[2], b[0].box[0]) for a, b in pairwise(phrases) if all(_is_value(word.text) for word in b)
            ]
        if len(pairs) < 3:
            continue
        # The strip that most of the gaps share.
        candidates = sorted((a + b) / 2 for a, b in pairs)
        best = max(candidates, key=lambda x: sum(a < x < b for a, b in pairs))
        sharing = [(a, b) for a, b in pairs if a < best < b]
        crossed = sum(any(word.box[0] < best < word.box[2] for word in line.words) for line in lines)
        if len(sharing) >= max(3, 0.5 * len(pairs)) and 2 * crossed < len(sharing):
            missing.append((max(a for a, _ in sharing) + min(b for _, b in sharing)) / 2)
    return missing


def _moved_edges(edges: list[float], lines: Sequence[_Line], height: float) -> list[float]:
    """Edges moved past a phrase that they cut off from its column: a wide head over a narrow column of numbers."""
    moved = list(edges)
    for i, edge in enumerate(edges):
        low, high = (moved[i - 1] if i else -np.inf), (edges[i + 1] if i + 1 < len(edges) else np.inf)
        for line in lines:
            left = _phrases([word for word in line.words if low < _middle(word)[0] < edge], height)
            right = _phrases([word for word in line.words if edge < _middle(word)[0] < high], height)
            if len(left) == 2 and not right:
                x = (left[0][-1].box[2] + left[1][0].box[0]) / 2
            elif len(right) == 2 and not left:
                x = (right[0][-1].box[2] + right[1][0].box[0]) / 2
            else:
                continue
            if not any(word.box[0] < x < word.box[2] for other in lines for word in other.words):
                moved[i] = x
                break
    return moved


def _supported_edges(edges: list[float], lines: Sequence[_Line], height: float) -> list[float]:
    """The edges that some line of text bears out: words in both columns beside it, further apart than a blank."""
    edges = sorted(edges)
    while edges:
        bounds = [-np.inf, *edges, np.inf]
        support = [0] * len(edges)
        filled = [0] * (len(edges) + 1)
        for line in lines:
            columns = [int(np.searchsorted(edges, (word.box[0] + word.box[2]) / 2)) for word in line.words]
            for column in set(columns):
                filled[column] += 1
            for (a, b), (i, j) in zip(pairwise(line.words), pairwise(columns), strict=True):
                if j != i + 1:
                    continue
                gap = b.box[0] - a.box[2]
                if gap >= _WIDE_GAP * height or (gap > 0.1 * height and _is_value(a.text) and _is_value(b.text)):
                    support[i] += 1
        empty = [column for column, n in enumerate(filled) if not n]
        if empty:
            column = empty[0]
            lower, upper = bounds[column], bounds[column + 1]
            edges = [edge for edge in edges if edge not in (lower, upper)]
            if np.isfinite(lower) and np.isfinite(upper):
                edges = sorted([*edges, (lower + upper) / 2])
            continue
        if 0 not in support:
            break
        edges.pop(support.index(0))
    return edges


def _without_title(lines: list[_Line], full: Sequence[float], edges: Sequence[float]) -> list[_Line]:
    """Without a line above the header that a full rule sets off: a title, or a unit such as (In thousands)."""
    if len(lines) < 4 or len(edges) < 2 or not any(lines[0].middle < y < lines[1].middle for y in full):
        return lines
    text = lines[0].text
    single = len(_phrases(lines[0].words, lines[0].bottom - lines[0].top)) == 1
    return lines[1:] if single and (_is_title(text) or (text[0] in "([" and text[-1] in ")]")) else lines


def _without_notes(lines: list[_Line], full: Sequence[float], edges: Sequence[float]) -> list[_Line]:
    """Without the notes below: what follows a line that begins like a note, or prose under the last full rule."""
    end = len(lines)
    prose = False
    for i in range(len(lines) - 1, 1, -1):
        line = lines[i]
        phrases = _phrases(line.words, line.bottom - line.top)
        single = len(phrases) == 1
        prose = prose or (single and any(phrases[0][0].box[0] + 3 < x < phrases[0][-1].box[2] - 3 for x in edges))
        under_rule = any(lines[i - 1].middle < y < line.middle for y in full)
        if _NOTED.match(line.text) or (single and (_MARKED.match(line.text) or (under_rule and prose))):
            end = i
        elif not single:
            break
        if under_rule:
            break
    return lines[:end]


def _open_cells(grid: _Grid, cells: list[_Cell], n_rows: int, depth: int) -> TableCandidate | None:
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
        text = _text(cell.words)
        done.append(
            TableCell(cell.row, cell.first, text, cell.row_span, cell.last - cell.first + 1, cell.row < depth, box=box)
        )
    for row in range(n_rows):
        for col in range(grid.n_cols):
            if (row, col) not in taken:
                box = (bounds[col], ys[row], bounds[col + 1], ys[row + 1])
                done.append(TableCell(row, col, "", is_header=row < depth, box=box))
    return _finished(done, header_rows=depth)


# ── both ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _finished(cells: list[TableCell], *, header_rows: int | None) -> TableCandidate | None:
    n_rows = max(cell.row + cell.row_span for cell in cells)
    n_cols = max(cell.col + cell.col_span for cell in cells)
    if header_rows is None:
        header_rows = _header_rows(cells, n_rows)
        cells = [TableCell(c.row, c.col, c.text, c.row_span, c.col_span, c.row < header_rows, box=c.box) for c in cells]
    cells.sort(key=lambda cell: (cell.row, cell.col))
    boxes = [cell.box for cell in cells if cell.box]
    box = (min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes))
    return TableCandidate(box, n_rows, n_cols, header_rows, tuple(cells))


def _header_rows(cells: Sequence[TableCell], n_rows: int) -> int:
    """Leading rows of a lattice without numbers, followed by one with; 1 for a table of texts with a full first row."""
    rows: list[list[TableCell]] = [[] for _ in range(n_rows)]
    for cell in cells:
        if cell.text:
            rows[cell.row].append(cell)
    for i, row in enumerate(rows):
        values = [cell.text for cell in row if cell.col > 0]
        numeric = [text for text in values if _is_value(text) and not _YEAR.fullmatch(text)]
        if numeric and 2 * len(numeric) >= len(values):
            reach = max((cell.row + cell.row_span for above in rows[:i] for cell in above), default=0)
            last = max((k for k in range(i) if any(cell.col > 0 for cell in rows[k])), default=-1)
            return min(max(last + 1, reach if reach <= i else 0), i) if last >= 0 else 0
    return int(n_rows > 1 and len(rows[0]) > 1)


def _is_value(text: str) -> bool:
    """A number with its signs and marks, or what stands where a number would."""
    return bool(_NUMERIC.fullmatch(text) or _EMPTY_VALUE.fullmatch(text))


def _lines(words: Sequence[Word]) -> list[_Line]:
    """Words by baseline from the top; raised and lowered marks go with the line they overlap most."""
    if not words:
        return []
    height = _height(words)
    big = [word for word in words if word.box[3] - word.box[1] >= 0.75 * height]
    lines: list[_Line] = []
    for word in sorted(big, key=lambda word: _middle(word)[1]):
        middle = _middle(word)[1]
        if lines and middle - lines[-1].middle < 0.5 * min(height, lines[-1].bottom - lines[-1].top):
            lines[-1].words.append(word)
        else:
            lines.append(_Line([word], word.box[1], word.box[3]))
    for word in words:
        if word.box[3] - word.box[1] >= 0.75 * height:
            continue
        overlaps = [min(word.box[3], line.bottom) - max(word.box[1], line.top) for line in lines]
        best = max(range(len(lines)), key=overlaps.__getitem__, default=None)
        if best is not None and overlaps[best] > 0:
            lines[best].words.append(word)
        else:
            lines.append(_Line([word], word.box[1], word.box[3]))
    for line in lines:
        line.words.sort(key=lambda word: word.box[0])
    return sorted(lines, key=lambda line: line.middle)


def _text(words: Sequence[Word]) -> str:
    return " ".join(line.text for line in _lines(words))


def _height(words: Sequence[Word]) -> float:
    return median(word.box[3] - word.box[1] for word in words)


def _middle(word: Word) -> tuple[float, float]:
    return (word.box[0] + word.box[2]) / 2, (word.box[1] + word.box[3]) / 2


def _within(word: Word, box: Box) -> bool:
    x, y = _middle(word)
    return box[0] - 1 <= x <= box[2] + 1 and box[1] - 1 <= y <= box[3] + 1
