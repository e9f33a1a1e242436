"""Table candidates of a page: PyMuPDF's layout network and the ruling lines say where, the words say what.

PyMuPDF's own Table.extract() and to_pandas() lose decimal points and blanks (2.0), and its find_tables() is worse than
linear in drawings; neither is used: cells are made of the page's words.
"""

from __future__ import annotations

import math
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from aria_docs.captions import is_caption
from aria_docs.ingest.mupdf import pymupdf
from aria_docs.ingest.tables.lattice import (
    Lattice,
    Rule,
    holds_stacks,
    lattice_table,
    lattices,
    merge_rules,
    tells_columns,
)
from aria_docs.ingest.tables.lines import (
    MARKED,
    NOTED,
    Line,
    height_of,
    lines_of,
    may_hold_table,
    middle_of,
    phrases_of,
    with_narrow_blanks,
    without_slanted,
)
from aria_docs.ingest.tables.number_block import number_blocks
from aria_docs.ingest.tables.open_table import open_table
from aria_docs.ingest.tables.typed import lines_typed
from aria_docs.ingest.tables.upright import level
from aria_docs.turns import turn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aria_docs.media import Box, Page, TableCandidate, Word

# The network takes 1.4 s for 1,000 lines of text, 9 for 3,000 and 32 for 6,000 (each cell of a table is one of its
# lines), and it collects drawings one by one.
MAX_LINES = 3_000
MAX_DRAWINGS = 20_000
# It renders the page at one pixel a point: a page of 144,000 points would be 60 GB. Larger pages are shrunk to this.
MAX_SIDE_PT = 2_000.0

# Two tables side by side stand further apart than columns do, and have rules longer than a column's.
_SIDES_PT, _RULE_PT = 12.0, 60.0

_LONG = 6  # words; no cells of a row are all so long on one line
_MOST = 0.7  # of the cells of a table are filled
_SAME_PLACE = 0.6  # of the smaller box; tables that stand beside or under each other share less than .1

CROWDED = "tables on this page looked for by ruling lines only: it has {} {}, the limit is {:,}"


def find(handle: Any, page: Page, quarters: int = 0) -> tuple[tuple[TableCandidate, ...], str | None]:
    """The candidates of a loaded page, and a note where only the cheap way was open.

    quarters:   clockwise quarter turns that set most of its text upright, from its own coordinates before /Rotate.
    """
    if len(page.words) < 4:
        return (), None
    with _upright(handle, page, quarters) as (upright, turns, scale):
        return _find(upright, page, turns, scale)


@contextmanager
def _upright(handle: Any, page: Page, quarters: int) -> Iterator[tuple[Any, int, float]]:
    """The page with its text upright and no larger than MAX_SIDE_PT.

    With it, the clockwise quarter turns and the scale that lead from the page as displayed to it.
    """
    rotation = handle.rotation
    scale = min(1.0, MAX_SIDE_PT / max(page.width_pt, page.height_pt))
    if quarters == 0 and rotation == 0 and scale == 1.0:
        yield handle, 0, 1.0
        return
    with pymupdf.open() as frame:
        try:
            handle.set_rotation(0)
            width, height = handle.rect.width * scale, handle.rect.height * scale
            if quarters % 2:
                width, height = height, width
            shown = frame.new_page(width=width, height=height)
            shown.show_pdf_page(shown.rect, handle.parent, handle.number, rotate=-90 * quarters % 360)
        finally:
            handle.set_rotation(rotation)
        yield shown, quarters - rotation // 90, scale


def _find(handle: Any, page: Page, quarters: int, scale: float) -> tuple[tuple[TableCandidate, ...], str | None]:
    def to_frame(word: Word) -> Word:
        box = turn(word.box, quarters, page.width_pt, page.height_pt)
        return replace(word, box=(box[0] * scale, box[1] * scale, box[2] * scale, box[3] * scale))

    width, height = (page.width_pt, page.height_pt) if quarters % 2 == 0 else (page.height_pt, page.width_pt)

    def to_page(box: Box) -> Box:
        return turn((box[0] / scale, box[1] / scale, box[2] / scale, box[3] / scale), -quarters, width, height)

    moved = bool(quarters % 4) or scale != 1.0
    words, *typed = lines_typed(
        level(without_slanted([to_frame(word) for word in page.words] if moved else page.words))
    )
    words = with_narrow_blanks(words)
    drawings = handle.get_cdrawings()
    horizontal, vertical, shades = _rules(drawings)
    horizontal, vertical = (merge_rules([*own, *more]) for own, more in zip((horizontal, vertical), typed, strict=True))
    grids = lattices(horizontal, vertical)
    note = None
    groups: list[dict[str, Any]] = []
    n_lines = len({(word.block, word.line) for word in words})
    if n_lines > MAX_LINES:
        note = CROWDED.format(f"{n_lines:,}", "lines of text", MAX_LINES)
    elif len(drawings) > MAX_DRAWINGS:
        note = CROWDED.format(f"{len(drawings):,}", "drawings", MAX_DRAWINGS)
    elif grids or _has_three_alike(horizontal) or may_hold_table(words):
        handle.get_layout(return_raw=True)
        groups = handle.layout_information or []
    tables = [
        replace(table, seen=_grid_size(table.box, groups))
        for table in _tables(groups, grids, words, merge_rules([*horizontal, *shades]))
    ]
    if moved:
        tables = [
            replace(
                table,
                box=to_page(table.box),
                cells=tuple(replace(cell, box=to_page(cell.box) if cell.box else None) for cell in table.cells),
            )
            for table in tables
        ]
    return tuple(tables), note


def _has_three_alike(rules: Sequence[Rule]) -> bool:
    """Whether three long rules begin and end alike: over a header, under it, and under the table."""
    ends = Counter((round(rule.start / 4), round(rule.end / 4)) for rule in rules if rule.end - rule.start > _RULE_PT)
    return max(ends.values(), default=0) > 2


def _tables(
    groups: list[dict[str, Any]], grids: list[Lattice], words: list[Word], horizontal: list[Rule]
) -> list[TableCandidate]:
    found: list[TableCandidate | None] = []
    used: list[Lattice] = []
    regions = _regions(groups)
    texts: list[Box] = [tuple(group["group_bbox"][:4]) for group in groups if group["class_name"] == "text"]
    regions = [(_without_prose(box, words, texts), edges) for box, edges in regions]
    parts = [(part, edges) for box, edges in regions for part in _split_box(box, words, grids, horizontal)]
    for box, hints in parts:
        edges = [x for x in hints if box[0] + 6 < x < box[2] - 6]
        inside = [lattice for lattice in grids if lattice not in used and _overlap(lattice.box, box) > 0.5]
        inside = [lattice for lattice in inside if not _is_frame(lattice, box)]
        whole = [lattice for lattice in inside if _explains([lattice], box, words)]
        used += inside
        if whole or (len(inside) > 1 and _explains(inside, box, words)):
            for lattice in whole or inside:
                others = [other.box for other in inside if other is not lattice]
                free = [word for word in words if not any(_inside(word, other) for other in others)]
                found.append(_of_lattice(_with_head(lattice, box, free), words, horizontal))
            continue
        # Lines that do not make the table may still tell some of its columns.
        ruled = [x for lattice in inside for x in lattice.xs if box[0] + 6 < x < box[2] - 6]
        edges += [x for x in ruled if all(abs(x - edge) > 8 for edge in edges)]
        found.append(open_table(box, words, edges, horizontal))
    pictures: list[Box] = [tuple(group["group_bbox"][:4]) for group in groups if group["class_name"] == "picture"]
    for lattice in grids:
        # Lines where the network sees no table: text in a picture, or a second view of a table above.
        elsewhere = [*(() if _is_full(lattice, words) else pictures), *(box for box, _ in regions)]
        if lattice not in used and not any(_overlap(lattice.box, box) > 0.25 for box in elsewhere):
            found.append(_of_lattice(lattice, words, horizontal))
    tables = [table for table in found if table is not None]
    free = [word for word in words if not any(_inside(word, box) for box in (*pictures, *(t.box for t in tables)))]
    blocks = number_blocks(free)
    more = [open_table(block.box, free, block.edges, horizontal) for block in blocks]
    return _once([*tables, *(table for table in more if table is not None)])


def _of_lattice(lattice: Lattice, words: list[Word], horizontal: list[Rule]) -> TableCandidate | None:
    """The table of a lattice; one whose rows are parted by nothing but its text is open between its columns."""
    stacked = holds_stacks(lattice, words) and open_table(lattice.box, words, lattice.xs[1:-1], horizontal)
    return stacked or lattice_table(lattice, words)


def _once(tables: list[TableCandidate]) -> list[TableCandidate]:
    """Of two views of one place the one that tells more cells apart."""
    by_cells = sorted(tables, key=lambda table: -sum(bool(cell.text) for cell in table.cells))
    kept: list[TableCandidate] = []
    for table in by_cells:
        if not any(_overlap(table.box, other.box) > _SAME_PLACE for other in kept):
            kept.append(table)
    return [table for table in tables if any(table is other for other in kept)]


def _is_full(lattice: Lattice, words: list[Word]) -> bool:
    """Whether most cells of a grid hold words, as those of a chart do not: the network takes shaded tables for
    pictures."""
    xs, ys = lattice.xs, lattice.ys
    boxes = [(xs[col], ys[row], xs[col + right], ys[row + down]) for row, col, down, right in lattice.cells]
    filled = sum(any(_inside(word, box) for word in words) for box in boxes)
    return min(len(xs), len(ys)) > 3 and filled > _MOST * len(boxes)


def _is_frame(lattice: Lattice, box: Box) -> bool:
    """Whether most of what the lines enclose lies outside the region: a frame around the page, and no table's lines."""
    x0, y0, x1, y1 = lattice.box
    width, height = min(x1, box[2]) - max(x0, box[0]), min(y1, box[3]) - max(y0, box[1])
    return width * height < 0.5 * (x1 - x0) * (y1 - y0)


def _with_head(lattice: Lattice, box: Box, words: list[Word]) -> Lattice:
    """With a row for heads that the region has above the first line: texts side by side, each over columns of its own.

    One text alone over the lines is a title.
    """
    above = [word for word in words if _inside(word, box) and middle_of(word)[1] < lattice.ys[0]]
    above = [word for word in above if lattice.xs[0] < middle_of(word)[0] < lattice.xs[-1]]
    lines = lines_of(above)
    if not lines or is_caption(lines[0].text) or lines[-1].bottom < lattice.ys[0] - 1.5 * height_of(above):
        return lattice
    phrases = [phrase for line in lines for phrase in phrases_of(line.words, line.bottom - line.top)]
    if any(p[0].box[0] < x < p[-1].box[2] for p in phrases for x in lattice.xs[1:-1]):
        return lattice
    columns = {int(np.searchsorted(lattice.xs, middle_of(phrase[0])[0])) for phrase in phrases}
    if len(columns) < max(2, len(lattice.xs) - 2):
        return lattice
    heads = tuple((0, col, 1, 1) for col in range(len(lattice.xs) - 1))
    moved = tuple((row + 1, col, row_span, col_span) for row, col, row_span, col_span in lattice.cells)
    return Lattice(lattice.xs, (lines[0].top - 1, *lattice.ys), heads + moved)


def _regions(groups: list[dict[str, Any]]) -> list[tuple[Box, list[float]]]:
    """Boxes that the network calls tables, and where it sees edges of columns."""
    regions = []
    for group in groups:
        if group["class_name"] == "table" and group.get("table_grid") is not None:
            x0, y0, x1, y1 = group["group_bbox"][:4]
            regions.append(((x0, y0, x1, y1), [x0 + x for x in group["table_grid"].v_lines]))
    return regions


def _without_prose(box: Box, words: list[Word], texts: Sequence[Box]) -> Box:
    """Without paragraphs at its upper and lower end: blocks of long lines that the network takes for text as well, or
    that reach far over the sides of the rest."""
    here = [word for word in words if _inside(word, box)]
    if not here:
        return box
    height, lines = height_of(here), lines_of(here)
    prose = [all(len(part) >= _LONG for part in phrases_of(line.words, 2 * height)) for line in lines]
    first, last = 0, len(lines)
    while first < last and prose[first]:
        first += 1
    while last > first and prose[last - 1]:
        last -= 1
    if last - first < 2:
        return box
    rest = [word for line in lines[first:last] for word in line.words]
    left, right = min(w.box[0] for w in rest), max(w.box[2] for w in rest)
    inner = {word.block for word in rest}

    def is_text(part: list[Line]) -> bool:
        own = [word for line in part for word in line.words]
        reach = max(left - min(w.box[0] for w in own), max(w.box[2] for w in own) - right)
        seen = any(_inside(word, text) for word in own for text in texts)
        return not inner & {word.block for word in own} and (seen or reach > 2 * height)

    top, bottom = box[1], box[3]
    if first > 1 and is_text(lines[:first]):
        top = (lines[first - 1].bottom + lines[first].top) / 2
    if last < len(lines) - 1 and is_text(lines[last:]):
        bottom = (lines[last - 1].bottom + lines[last].top) / 2
    return box[0], top, box[2], bottom


def _grid_size(box: Box, groups: list[dict[str, Any]]) -> tuple[int, int] | None:
    """How many rows and columns the network parts a box into; None where it sees no table."""
    grids = [g for g in groups if g["class_name"] == "table" and g.get("table_grid") is not None]
    best = max(grids, key=lambda group: _overlap(tuple(group["group_bbox"][:4]), box), default=None)
    if best is None or _overlap(tuple(best["group_bbox"][:4]), box) < _SAME_PLACE:
        return None
    x0, y0 = best["group_bbox"][:2]
    rows = sum(box[1] + 3 < y0 + y < box[3] - 3 for y in best["table_grid"].h_lines)
    cols = sum(box[0] + 3 < x0 + x < box[2] - 3 for x in best["table_grid"].v_lines)
    return rows + 1, cols + 1


def _split_box(box: Box, words: list[Word], grids: list[Lattice], rules: list[Rule]) -> list[Box]:
    """The tables that the network took for one: a caption stands between them, or rules end on both sides of a gap.

    Lattices tell by themselves.
    """
    here = [word for word in words if _inside(word, box)]
    inside = [lattice for lattice in grids if _overlap(lattice.box, box) > 0.5]
    if not here or any(len(lattice.xs) > 2 for lattice in inside):
        return [box]
    if inside:  # frames
        return _sides(box, here, rules)
    lines = lines_of(here)
    cuts = [n for n in range(2, len(lines) - 2) if is_caption(lines[n].text)]
    parts = []
    for first, last in pairwise([0, *cuts, len(lines)]):
        while last < len(lines) and last > first + 2 and _is_prose(lines[last - 1], box):
            last -= 1
        top = box[1] if first == 0 else lines[first].top
        parts.append((box[0], top, box[2], box[3] if last == len(lines) else lines[last - 1].bottom))
    return [side for part in parts for side in _sides(part, here, rules)]


def _is_prose(line: Line, box: Box) -> bool:
    """Whether a line is one phrase over most of the width."""
    return len(phrases_of(line.words, line.bottom - line.top)) == 1 and line.words[-1].box[2] - line.words[0].box[
        0
    ] > 0.3 * (box[2] - box[0])


def _sides(box: Box, words: list[Word], rules: list[Rule]) -> list[Box]:
    """Two boxes where tables stand side by side, each under rules of its own with nothing in the gap; else the box."""
    here = sorted((word for word in words if _inside(word, box)), key=lambda word: word.box[0])
    near = [r for r in rules if box[1] - 12 < r.at < box[3] + 12 and r.start < box[2] and r.end > box[0]]
    near = [r for r in near if r.end - r.start > _RULE_PT]
    reach = -math.inf
    for word in here:
        gap, middle = word.box[0] - reach, (word.box[0] + reach) / 2
        left, right = [r for r in near if r.end < middle], [r for r in near if r.start > middle]
        if reach > 0 and gap > _SIDES_PT and left and right and len(left) + len(right) == len(near):
            spans = (
                (min(r.start for r in left), here[0].box[0], reach, max(r.end for r in left)),
                (min(r.start for r in right), word.box[0], max(w.box[2] for w in here), max(r.end for r in right)),
            )
            if all(start < x0 + 8 and end > x1 - 8 for start, x0, x1, end in spans):
                return [(box[0], box[1], middle, box[3]), *_sides((middle, *box[1:]), words, rules)]
        reach = max(reach, word.box[2])
    return [box]


def _explains(inside: list[Lattice], box: Box, words: list[Word]) -> bool:
    """Whether lattices hold nearly all words of a region but its caption and notes, and tell its columns apart."""
    here = [word for word in words if _inside(word, box)]
    top, bottom = min(lattice.ys[0] for lattice in inside), max(lattice.ys[-1] for lattice in inside)
    above, below = [w for w in here if w.box[3] < top + 3], [w for w in here if w.box[1] > bottom - 3]
    for outside in (above, below):
        text = outside and lines_of(outside)[0].text
        if text and (is_caption(text) or (outside is below and (NOTED.match(text) or MARKED.match(text)))):
            here = [word for word in here if not any(word is other for other in outside)]
    held = sum(any(_inside(word, lattice.box) for lattice in inside) for word in here)
    return held >= 0.9 * len(here) and all(
        len(lattice.xs) > 2 and len(lattice.ys) > 2 and tells_columns(lattice, words) for lattice in inside
    )


def _inside(word: Word, box: Box) -> bool:
    x, y = (word.box[0] + word.box[2]) / 2, (word.box[1] + word.box[3]) / 2
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


def _overlap(a: Box, b: Box) -> float:
    """The share of the smaller box that lies in the other."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    smaller = min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))
    return width * height / smaller if width > 0 and height > 0 and smaller > 0 else 0.0


def _rules(drawings: list[dict[str, Any]]) -> tuple[list[Rule], list[Rule], list[Rule]]:
    """Horizontal and vertical lines: strokes, borders, and filled boxes too thin to be anything else.

    And the upper and lower edges of shaded boxes, which set rows apart as a rule does.
    """
    horizontal: list[Rule] = []
    vertical: list[Rule] = []
    shades: list[Rule] = []

    def line(x0: float, y0: float, x1: float, y1: float) -> None:
        if abs(y1 - y0) <= 1 < abs(x1 - x0):
            horizontal.append(Rule((y0 + y1) / 2, min(x0, x1), max(x0, x1)))
        elif abs(x1 - x0) <= 1 < abs(y1 - y0):
            vertical.append(Rule((x0 + x1) / 2, min(y0, y1), max(y0, y1)))

    def rect(x0: float, y0: float, x1: float, y1: float, *, stroked: bool) -> None:
        if y1 - y0 <= 3:
            line(x0, (y0 + y1) / 2, x1, (y0 + y1) / 2)
        elif x1 - x0 <= 3:
            line((x0 + x1) / 2, y0, (x0 + x1) / 2, y1)
        elif stroked:
            for edge in ((x0, y0, x1, y0), (x0, y1, x1, y1), (x0, y0, x0, y1), (x1, y0, x1, y1)):
                line(*edge)
        else:
            shades.extend((Rule(y0, x0, x1), Rule(y1, x0, x1)))

    for drawing in drawings:
        stroked = "s" in drawing["type"]
        for item in drawing.get("items", ()):
            if item[0] == "l" and stroked:
                line(*item[1], *item[2])
            elif item[0] == "re":
                rect(*item[1], stroked=stroked)
            elif item[0] == "qu":
                (ax, ay), _, _, (dx, dy) = item[1]
                rect(min(ax, dx), min(ay, dy), max(ax, dx), max(ay, dy), stroked=stroked)
        # A thin box drawn as a path of lines and filled.
        if drawing["type"] == "f" and all(item[0] == "l" for item in drawing["items"]):
            rect(*drawing["rect"], stroked=False)
    return merge_rules(horizontal), merge_rules(vertical), merge_rules(shades)
