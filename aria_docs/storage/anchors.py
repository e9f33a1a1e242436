"""Whether a correction's anchor still holds in a reading, and what the reading becomes. Pure.

    corrections in the order in which they were made ──> the tables of a page / the scenes of a video, changed in place

An anchor is a place and what stood there. Both have to agree: at the place stands what stood there when the correction
was made, or what an earlier correction put there, or already what the person says is right. Else it is stale.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from aria_docs.media import Box
from aria_docs.model.numbers import numbers, sign_of
from aria_docs.schemas.corrections import CorrectionRow

# Boxes of one cell by two engines differ by padding and by lines that one of them joins: half of the smaller one is
# shared. Cells beside each other share nothing or a line's width.
_SAME_CELL = 0.5
# Boxes of one table by two engines differ by a caption or a note: they share half of what they cover together.
_SAME_TABLE = 0.5
_SAME_WORDS = 0.8  # of a table that is said to be none
_SAME_TIME_S = 0.5  # decoders and versions differ by a few frames; shots are longer
# How the report names tables and scenes that have no name.
_NAMELESS = re.compile(r"(Table \d+ on page|Scene) ?\d+|Untitled", re.IGNORECASE)


@dataclass(slots=True)
class ShownCell:
    """A cell as shown.

    confirmed:  a person says that it is right as it was read.
    said:       all texts it has had, as `plain` has them.
    """

    row: int
    col: int
    row_span: int
    col_span: int
    is_header: bool
    text: str
    number: float | None
    box: Box | None
    grounded: bool
    confidence: float | None = None
    corrected: bool = False
    confirmed: bool = False
    said: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.said.add(plain(self.text))


@dataclass(slots=True)
class ShownTable:
    """A table as shown.

    touched:                  anything is not as read.
    captions, header_counts:  all that it has had.
    """

    table_id: str
    page: int
    box: Box
    n_rows: int
    n_cols: int
    n_header_rows: int
    caption: str | None
    cells: list[ShownCell]
    confidence: float | None = None
    dropped: bool = False
    touched: bool = False
    captions: set[str] = field(default_factory=set)
    header_counts: set[int] = field(default_factory=set)

    @property
    def looked_at(self) -> bool:
        """Whether a person has corrected or confirmed anything of it."""
        return self.touched or any(cell.confirmed for cell in self.cells)

    def __post_init__(self) -> None:
        self.captions.add(plain(self.caption))
        self.header_counts.add(self.n_header_rows)


@dataclass(slots=True)
class ShownScene:
    """A scene as shown. `said`: all values that its fields have had."""

    reading_id: str
    scene_no: int
    start_s: float
    end_s: float
    title: str | None
    description: str | None
    corrected: bool = False
    said: dict[str, set[Any]] = field(default_factory=dict)
    read_at_s: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        self.said = {"title": {plain(self.title)}, "description": {plain(self.description)}}
        self.read_at_s = (self.start_s, self.end_s)


def plain(value: Any) -> str:
    """A text without what a page, a browser or a spreadsheet changes: blanks, marks of direction, forms of letters."""
    text = unicodedata.normalize("NFKC", "" if value is None else str(value))
    return "".join(c for c in text if not c.isspace() and unicodedata.category(c) != "Cf")


def apply_to_tables(tables: Sequence[ShownTable], correction: CorrectionRow) -> bool:
    """Whether it holds on a page with these tables, which it then has changed."""
    on_page = [table for table in tables if table.page == correction.page]
    if correction.target == "cell":
        return _apply_to_cell([table for table in on_page if not table.dropped], correction)
    box = correction.anchor.box
    near = [(_overlap(box, table.box), table) for table in on_page] if box else []
    for share, table in sorted(near, key=lambda pair: -pair[0]):
        if share >= _SAME_TABLE and _apply_to_table(table, correction):
            return True
    return False


def _apply_to_cell(tables: Sequence[ShownTable], correction: CorrectionRow) -> bool:
    wanted = {plain(correction.before), plain(correction.after)}
    found = [
        (score, table, cell)
        for table in tables
        for cell in table.cells
        if cell.said & wanted and (score := _score(table, cell, correction)) > 0
    ]
    if not found or (correction.anchor.box is None and len(found) > 1):
        return False
    _, table, cell = max(found, key=lambda entry: entry[0])
    after = "" if correction.after is None else str(correction.after)
    cell.said |= wanted
    if plain(after) != plain(cell.text):
        cell.text, cell.corrected, table.touched = after, True, True
    cell.confirmed = not cell.corrected
    return True


def _score(table: ShownTable, cell: ShownCell, correction: CorrectionRow) -> float:
    """How surely a cell is at the anchor; 0 where it is not."""
    anchor = correction.anchor
    same_place = (anchor.row, anchor.col) == (cell.row, cell.col)
    if anchor.box is None:
        return float(same_place)
    if _overlap(anchor.box, table.box) >= _SAME_CELL and len(table.cells) > 1:
        # The box is the table's: then row and column say which cell, in a table that is cut as it was.
        return float(same_place and anchor.shape in (None, (table.n_rows, table.n_cols)))
    if cell.box is None:
        return float(same_place and anchor.shape in (None, (table.n_rows, table.n_cols)) and _within(anchor, table))
    if _coverage(anchor.box, cell.box) < _SAME_CELL:
        return 0.0
    return _overlap(anchor.box, cell.box) + same_place


def _within(anchor: Any, table: ShownTable) -> bool:
    x, y = (anchor.box[0] + anchor.box[2]) / 2, (anchor.box[1] + anchor.box[3]) / 2
    return bool(table.box[0] <= x <= table.box[2] and table.box[1] <= y <= table.box[3])


def _apply_to_table(table: ShownTable, correction: CorrectionRow) -> bool:
    before, after = correction.before, correction.after
    if correction.target == "table":
        return _apply_drop(table, before, after)
    if table.dropped:
        return False
    if correction.target == "caption":
        nameless = table.captions == {""} and _NAMELESS.fullmatch(str(before).strip())
        if not nameless and not {plain(before), plain(after)} & table.captions:
            return False
        table.captions |= {plain(before), plain(after)}
        if before != after and plain(after) != plain(table.caption):
            table.caption, table.touched = (None if after in (None, "") else str(after)), True
        return True
    if correction.target == "header_rows":
        if not {_whole(before), _whole(after)} & table.header_counts or not 0 <= _whole(after) <= table.n_rows:
            return False
        table.header_counts |= {_whole(before), _whole(after)}
        if _whole(after) != table.n_header_rows:
            _set_header_rows(table, _whole(after))
            table.touched = True
        return True
    return _apply_to_lines(table, correction)


def _whole(value: Any) -> int:
    """-1 for what is no whole number: no table has so many header rows."""
    text = str(value).strip()
    return int(text) if text.isdecimal() and len(text) < 9 else -1


def _set_header_rows(table: ShownTable, count: int) -> None:
    table.n_header_rows = count
    for cell in table.cells:
        cell.is_header = cell.row < count or (cell.is_header and cell.col == 0)


def _apply_drop(table: ShownTable, before: Any, after: Any) -> bool:
    """Whoever says that it is no table gives no `after`. before: its rows, or None where the box alone says which."""
    if isinstance(before, list):
        said = Counter(plain(text) for line in _lines(before) for text in line)
        here = Counter(plain(cell.text) for cell in table.cells)
        said.pop("", None)
        here.pop("", None)
        if 2 * (said & here).total() < _SAME_WORDS * (said.total() + here.total()):
            return False
    table.dropped = after is None
    table.touched |= table.dropped
    return True


def _lines(value: Any) -> list[list[Any]]:
    """Rows or columns as lists of texts; a list of texts is one line, NULL is none."""
    if value is None or value == []:
        return []
    if not isinstance(value, list):
        return [[value]]
    return [line if isinstance(line, list) else [line] for line in value] if isinstance(value[0], list) else [value]


def _apply_to_lines(table: ShownTable, correction: CorrectionRow) -> bool:
    """Rows or columns become others: split, joined, dropped, put in."""
    across = correction.target == "column"
    at = correction.anchor.col if across else correction.anchor.row
    before, after = _lines(correction.before), _lines(correction.after)
    if across:
        _transpose(table)
    try:
        if not before or at is None:
            return False
        if after and _place(table, after, at) == at:
            return True  # it is as the person says already
        found = _place(table, before, at)
        if found is None:
            return False
        _replace_lines(table, found, len(before), after, across=across)
        table.touched = True
        return True
    finally:
        if across:
            _transpose(table)


def _transpose(table: ShownTable) -> None:
    table.n_rows, table.n_cols = table.n_cols, table.n_rows
    for cell in table.cells:
        cell.row, cell.col, cell.row_span, cell.col_span = cell.col, cell.row, cell.col_span, cell.row_span


def _place(table: ShownTable, lines: Sequence[Sequence[Any]], at: int) -> int | None:
    """Where these lines are in the table: at `at`, or elsewhere if at one place only."""
    here: dict[int, list[str]] = {}
    for cell in sorted(table.cells, key=lambda cell: (cell.row, cell.col)):
        here.setdefault(cell.row, []).append(plain(cell.text))
    texts = [[text for text in here.get(row, ()) if text] for row in range(table.n_rows)]
    wanted = [[text for value in line if (text := plain(value))] for line in lines]
    if not any(wanted):
        return at if texts[at : at + len(wanted)] == wanted else None
    found = [row for row in range(table.n_rows) if texts[row : row + len(wanted)] == wanted]
    return at if at in found else found[0] if len(found) == 1 else None


def _replace_lines(table: ShownTable, at: int, count: int, lines: Sequence[Sequence[Any]], *, across: bool) -> None:
    """`count` rows from `at` on become these; a cell that reaches into them from above is cut off there."""
    shift, end = len(lines) - count, at + count
    removed = [cell for cell in table.cells if at <= cell.row < end]
    kept = [cell for cell in table.cells if not at <= cell.row < end]
    for cell in kept:
        if cell.row >= end:
            cell.row += shift
        elif cell.row + cell.row_span > at:
            cell.row_span = at - cell.row
    n_header = table.n_header_rows
    if not across and at < n_header:
        table.n_header_rows = max(0, n_header + shift)
    for number, line in enumerate(lines):
        for col in range(table.n_cols):
            text = line[col] if col < len(line) else ""
            old = [cell for cell in removed if cell.col == col and (shift or cell.row == at + number)]
            boxes = [cell.box for cell in old if cell.box]
            row = at + number
            kept.append(
                ShownCell(
                    row, col, 1, 1, (col < n_header) if across else (row < table.n_header_rows),
                    "" if text is None else str(text), None, _around(boxes) if boxes else None, True, corrected=True,
                )
            )  # fmt: skip
    table.n_rows += shift
    table.cells = kept


def set_numbers(table: ShownTable) -> None:
    """The numbers of corrected cells, by the table's own decimal sign."""
    cells = sorted(table.cells, key=lambda cell: (cell.row, cell.col))
    usual = sign_of([cell.text for cell in cells], [None if cell.corrected else cell.number for cell in cells])
    found = numbers([cell.text for cell in cells], [cell.col for cell in cells], usual=usual)
    for cell, number in zip(cells, found, strict=True):
        if cell.corrected:
            cell.number = number
    table.cells = cells


def apply_to_scenes(scenes: Sequence[ShownScene], correction: CorrectionRow) -> bool:
    """Whether it holds in a video with these scenes, in order, which it then has changed."""
    anchor = correction.anchor
    if anchor.start_s is None or anchor.field is None:
        return False
    for number, scene in enumerate(scenes):
        edges = {(scene.start_s, scene.end_s), scene.read_at_s}
        if not any(
            abs(start - anchor.start_s) <= _SAME_TIME_S
            and (anchor.end_s is None or abs(end - anchor.end_s) <= _SAME_TIME_S)
            for start, end in edges
        ):
            continue
        if anchor.field in ("start_s", "end_s"):
            return _move_edge(scenes, number, correction)
        said = scene.said[anchor.field]
        nameless = anchor.field == "title" and said == {""} and _NAMELESS.fullmatch(str(correction.before).strip())
        if not nameless and not {plain(correction.before), plain(correction.after)} & said:
            return False
        said |= {plain(correction.before), plain(correction.after)}
        if correction.before != correction.after and plain(getattr(scene, anchor.field)) != plain(correction.after):
            setattr(scene, anchor.field, None if correction.after in (None, "") else str(correction.after))
            scene.corrected = True
        return True
    return False


def _move_edge(scenes: Sequence[ShownScene], number: int, correction: CorrectionRow) -> bool:
    """A scene's begin is the end of the one before it: both move."""
    scene, after = scenes[number], correction.after
    if isinstance(after, bool) or not isinstance(after, int | float):
        return False
    if correction.anchor.field == "start_s":
        other = scenes[number - 1] if number else None
        low, high = other.start_s if other else 0.0, scene.end_s
    else:
        other = scenes[number + 1] if number + 1 < len(scenes) else None
        low, high = scene.start_s, other.end_s if other else float("inf")
    if not low <= after < high or (after == low and number):
        return False
    here = scene.start_s if correction.anchor.field == "start_s" else scene.end_s
    if abs(here - after) < 1e-6:
        return True
    if correction.anchor.field == "start_s":
        scene.start_s = float(after)
        if other:
            other.end_s = float(after)
    else:
        scene.end_s = float(after)
        if other:
            other.start_s = float(after)
    scene.corrected = True
    if other:
        other.corrected = True
    return True


def _area(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def _common(one: Box, other: Box) -> float:
    low = (max(one[0], other[0]), max(one[1], other[1]))
    return _area((*low, min(one[2], other[2]), min(one[3], other[3])))


def _overlap(one: Box, other: Box) -> float:
    """Of what they cover together."""
    common = _common(one, other)
    return common / (_area(one) + _area(other) - common) if common else 0.0


def _coverage(one: Box, other: Box) -> float:
    """Of the smaller one."""
    common = _common(one, other)
    return common / min(_area(one), _area(other)) if common else 0.0


def _around(boxes: Iterable[Box]) -> Box:
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return (min(x0), min(y0), max(x1), max(y1))
